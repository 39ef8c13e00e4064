//! The lines that say what a model needs, with all that they depend on.
//!
//! Owns following `-r` and `-c`, and what stands for a file that a line names: its digest, so that a changed wheel
//! is another environment. Knows only as much of the format of pip as that takes, and leaves the rest to the
//! installer.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cogwire_core::recipe::Digest;
use sha2::{Digest as _, Sha256};

use super::error::EnvironmentError;
use crate::config::{FILE_NAME, Requirements};
use crate::pack::{PackError, pack};

/// The longest file of requirements, in bytes.
const MAX_LENGTH: u64 = 1024 * 1024;

/// How many files of requirements may name one another.
const MAX_DEPTH: usize = 8;

/// Options that name another file with lines.
const INCLUDES: [&str; 4] = ["-r", "--requirement", "-c", "--constraint"];

/// Options that install a folder as it is.
const EDITABLE: [&str; 2] = ["-e", "--editable"];

/// Requirements that were read.
#[derive(Debug)]
pub(super) struct Resolved {
    lines: Vec<String>,
    has_cog: bool,
    source: Source,
}

/// What an installer is given.
#[derive(Debug)]
pub(super) enum Source {
    /// Lines, to be written to a file. Paths are relative to the model's folder.
    Lines { text: String, folder: PathBuf },
    /// A file. Paths are relative to its folder.
    File(PathBuf),
}

impl Resolved {
    /// Reads the requirements of a model in this folder.
    pub(super) async fn read(folder: &Path, requirements: &Requirements) -> Result<Self, EnvironmentError> {
        let (folder, requirements) = (folder.to_owned(), requirements.clone());
        let work = tokio::task::spawn_blocking(move || read(&folder, &requirements));
        work.await.unwrap_or_else(|error| {
            let path = PathBuf::from(FILE_NAME);
            Err(EnvironmentError::Requirements { path, source: io::Error::other(error) })
        })
    }

    /// All lines, those of files that are named included, and digests of what is installed from the folder.
    pub(super) fn lines(&self) -> &[String] {
        &self.lines
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// What to ask for beside the lines, so that Cog is there. Lines that ask for Cog themselves win.
    pub(super) fn cog_requirement(&self, version: Option<&str>) -> Option<String> {
        let requirement = || version.map_or_else(|| "cog".to_owned(), |version| format!("cog=={version}"));
        (!self.has_cog).then(requirement)
    }
}

fn read(folder: &Path, requirements: &Requirements) -> Result<Resolved, EnvironmentError> {
    let mut reader = Reader { lines: Vec::new(), has_cog: false };
    let source = match requirements {
        Requirements::Packages(packages) => {
            let text = packages.join("\n");
            reader.text(&text, &folder.join(FILE_NAME), 0)?;
            Source::Lines { text, folder: folder.to_owned() }
        }
        Requirements::File(name) => {
            let path = folder.join(name);
            reader.file(&path, 0)?;
            Source::File(path)
        }
    };
    Ok(Resolved { lines: reader.lines, has_cog: reader.has_cog, source })
}

struct Reader {
    lines: Vec<String>,
    has_cog: bool,
}

impl Reader {
    fn file(&mut self, path: &Path, depth: usize) -> Result<(), EnvironmentError> {
        let text = read_text(path)
            .map_err(|source| EnvironmentError::Requirements { path: path.to_owned(), source })?;
        self.text(&text, path, depth)
    }

    /// Lines that stand in the file `path`, which paths in them are relative to.
    fn text(&mut self, text: &str, path: &Path, depth: usize) -> Result<(), EnvironmentError> {
        let text = text.replace("\\\r\n", " ").replace("\\\n", " ");
        text.lines()
            .map(without_comment)
            .filter(|line| !line.is_empty())
            .try_for_each(|line| self.line(line, path, depth))
    }

    fn line(&mut self, line: &str, path: &Path, depth: usize) -> Result<(), EnvironmentError> {
        let refuse =
            |what| Err(EnvironmentError::Requirement { path: path.to_owned(), line: line.to_owned(), what });
        let base = path.parent().unwrap_or(Path::new(""));
        if option(line, &EDITABLE).is_some() {
            return refuse(
                "cannot be installed in place: leave out -e, and the folder is installed as it is now",
            );
        }
        self.lines.push(line.to_owned());
        if let Some(file) = option(line, &INCLUDES) {
            if depth == MAX_DEPTH {
                return refuse("names a file that names files without end");
            }
            return self.file(&base.join(file), depth + 1);
        }
        self.has_cog |= name(line).is_some_and(|name| name.eq_ignore_ascii_case("cog"));
        if let Some(local) = local(line, base) {
            self.lines.push(digest(&local)?);
        }
        Ok(())
    }
}

/// The value of a line that is one of these options.
fn option<'a>(line: &'a str, options: &[&str]) -> Option<&'a str> {
    let value = options.iter().find_map(|option| {
        let rest = line.strip_prefix(option)?;
        // `-rfile` is as good as `-r file`; `--requirement` needs something between.
        let short = !option.starts_with("--");
        (short || rest.starts_with([' ', '\t', '='])).then_some(rest)
    })?;
    Some(value.trim_start_matches(['=', ' ', '\t']).trim_matches(['"', '\'']))
}

/// A comment begins at the start of a line or after a space.
fn without_comment(line: &str) -> &str {
    let start = line.match_indices('#').find(|(at, _)| *at == 0 || line[..*at].ends_with([' ', '\t']));
    line[..start.map_or(line.len(), |(at, _)| at)].trim()
}

/// The name of the package that a line asks for.
fn name(line: &str) -> Option<&str> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let end = line.find(|letter| !is_part(letter)).unwrap_or(line.len());
    let rest = line[end..].trim_start();
    let is_requirement =
        rest.is_empty() || rest.starts_with(['=', '<', '>', '!', '~', '[', '@', ';', ',', '(', '-']);
    (end > 0 && !line.starts_with('-') && is_requirement).then_some(&line[..end])
}

/// The file or folder that a line installs.
fn local(line: &str, base: &Path) -> Option<PathBuf> {
    let text = line.split(" ;").next()?.split(" --").next()?.trim();
    let looks_like_a_path = text.starts_with('.') || text.contains('/') || text.ends_with(".whl");
    let path = base.join(text.split('[').next()?);
    (looks_like_a_path && path.exists()).then_some(path)
}

fn digest(path: &Path) -> Result<String, EnvironmentError> {
    let digest = if path.is_dir() { folder_digest(path) } else { file_digest(path) };
    let digest = digest.map_err(|source| EnvironmentError::Requirements { path: path.to_owned(), source })?;
    Ok(format!("sha256:{digest}"))
}

fn folder_digest(path: &Path) -> io::Result<Digest> {
    pack(path, io::sink()).map(|packed| packed.digest).map_err(|error: PackError| io::Error::other(error))
}

fn file_digest(path: &Path) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    let mut file = File::open(path)?;
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(Digest::from_sha256(hash.finalize().into())),
            read => hash.update(&chunk[..read]),
        }
    }
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_LENGTH + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_LENGTH {
        return Err(io::Error::other("it is longer than 1 MiB"));
    }
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

/// Where the lines of `cog.yaml` are written for an installer.
pub(super) fn write_lines(folder: &Path, text: &str) -> Result<PathBuf, EnvironmentError> {
    let path = folder.join("cogwire-requirements.txt");
    fs::write(&path, text).map_err(|source| EnvironmentError::Folder { path: path.clone(), source })?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, text).expect("written");
        }
        folder
    }

    fn lines(files: &[(&str, &str)]) -> Vec<String> {
        let folder = folder(files);
        read(folder.path(), &Requirements::File("requirements.txt".to_owned())).expect("read").lines
    }

    fn refusal(files: &[(&str, &str)]) -> String {
        let folder = folder(files);
        let refused = read(folder.path(), &Requirements::File("requirements.txt".to_owned()));
        let text = refused.expect_err("a refusal").to_string();
        text.replace(&*folder.path().to_string_lossy(), "FOLDER")
    }

    #[test]
    fn lines_lose_comments_and_are_joined() {
        let text = "# all\nnumpy==2.1 # fast\n\ntorch \\\n  --hash=sha256:abc\nhttps://host/x#egg=x\n";
        assert_eq!(
            lines(&[("requirements.txt", text)]),
            ["numpy==2.1", "torch    --hash=sha256:abc", "https://host/x#egg=x"]
        );
    }

    #[test]
    fn files_that_are_named_are_part_of_it() {
        let named = lines(&[
            ("requirements.txt", "-r more/base.txt\n-cpins.txt\nlast"),
            ("more/base.txt", "--requirement=leaf.txt\nbase"),
            ("more/leaf.txt", "leaf"),
            ("pins.txt", "pin==1"),
        ]);
        let expected =
            ["-r more/base.txt", "--requirement=leaf.txt", "leaf", "base", "-cpins.txt", "pin==1", "last"];
        assert_eq!(named, expected);
    }

    #[test]
    fn a_changed_file_that_is_installed_changes_the_lines() {
        let with = |wheel, source| {
            lines(&[("requirements.txt", "./a.whl\n./src"), ("a.whl", wheel), ("src/setup.py", source)])
        };
        assert_eq!(with("1", "1"), with("1", "1"));
        assert_ne!(with("1", "1"), with("2", "1"));
        assert_ne!(with("1", "1"), with("1", "2"));
    }

    #[test]
    fn what_cannot_be_honoured_says_what_to_do() {
        let cases = [
            refusal(&[("requirements.txt", "-e .")]),
            refusal(&[("requirements.txt", "-r requirements.txt")]),
            refusal(&[("requirements.txt", "-r other.txt")]),
            refusal(&[]),
        ];
        insta::assert_snapshot!(cases.join("\n"));
    }

    #[test]
    fn cog_is_asked_for_unless_the_lines_do() {
        let cog = |packages: &[&str], version| {
            let packages = packages.iter().map(|package| (*package).to_owned()).collect();
            let resolved = read(Path::new("/model"), &Requirements::Packages(packages)).expect("read");
            resolved.cog_requirement(version)
        };
        assert_eq!(cog(&[], None).as_deref(), Some("cog"));
        assert_eq!(cog(&["cognitive==1", "my-cog"], Some("0.18.0")).as_deref(), Some("cog==0.18.0"));
        for own in ["cog", "cog==0.16.12", "Cog >= 0.17", "cog[tracing]~=0.23", "cog @ https://host/cog.whl"]
        {
            assert_eq!(cog(&[own], Some("0.18.0")), None, "{own}");
        }
    }
}
