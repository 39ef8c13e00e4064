//! What of a folder is not part of the model.
//!
//! Owns the names that never are, and the dialect of `.dockerignore`, which is Docker's and not git's: a pattern is
//! relative to the folder and matches whole paths (`*.txt` only at the top, `**/*.txt` everywhere), a match of a
//! folder is one of all that is in it, and of several patterns the last one that matches decides; with `!` it takes
//! back.

use std::fs;
use std::io;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

use super::PackError;
use crate::config::FILE_NAME;

const IGNORE_FILE: &str = ".dockerignore";

/// Names that are left out wherever they are: what others made, and can make again.
const NEVER: [&str; 6] = [".git", "__pycache__", ".venv", "venv", "node_modules", ".DS_Store"];

/// Where Cog keeps what it needs while it builds an image.
const COG_TMP: &str = ".cog/tmp";

/// What is left out of one folder.
pub(super) struct Rules {
    patterns: Vec<Pattern>,
}

struct Pattern {
    matcher: GlobMatcher,
    takes_back: bool,
}

impl Rules {
    /// Reads the folder's `.dockerignore`, if it has one.
    pub(super) fn read(folder: &Path) -> Result<Self, PackError> {
        let path = folder.join(IGNORE_FILE);
        let text = match fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(PackError::Read { path, source }),
        };
        Self::parse(&text).map_err(|(line, pattern, reason)| PackError::Pattern {
            path,
            line,
            pattern,
            reason,
        })
    }

    /// The error is the line, the pattern, and what is wrong with it.
    fn parse(text: &str) -> Result<Self, (usize, String, String)> {
        let mut patterns = Vec::new();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let pattern = Pattern::parse(line);
            patterns.extend(pattern.map_err(|reason| (index + 1, line.to_owned(), reason))?);
        }
        Ok(Self { patterns })
    }

    /// Whether a path is never part of a model, whatever `.dockerignore` says.
    pub(super) fn never(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default();
        NEVER.iter().any(|never| name == *never)
            || path.extension().is_some_and(|extension| extension == "pyc")
            || path == Path::new(COG_TMP)
    }

    /// Whether `.dockerignore` leaves a path out.
    pub(super) fn exclude(&self, path: &Path) -> bool {
        if path == Path::new(FILE_NAME) {
            return false;
        }
        let deciding = self.patterns.iter().rev().find(|pattern| pattern.matches(path));
        deciding.is_some_and(|pattern| !pattern.takes_back)
    }

    /// Whether something in an excluded folder may be part of the model after all.
    pub(super) fn take_something_back(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.takes_back)
    }
}

impl Pattern {
    /// `None` for lines without a pattern.
    fn parse(line: &str) -> Result<Option<Self>, String> {
        let line = line.trim();
        if line.starts_with('#') {
            return Ok(None);
        }
        let (line, takes_back) = match line.strip_prefix('!') {
            Some(rest) => (rest.trim(), true),
            None => (line, false),
        };
        let parts: Vec<&str> = line.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.is_empty() {
            return Ok(None);
        }
        let glob = GlobBuilder::new(&plain_braces(&parts.join("/")))
            .literal_separator(true)
            .backslash_escape(true)
            .build()
            .map_err(|error| error.kind().to_string())?;
        Ok(Some(Self { matcher: glob.compile_matcher(), takes_back }))
    }

    /// Whether it matches the path or a folder that the path is in.
    fn matches(&self, path: &Path) -> bool {
        path.ancestors().any(|path| self.matcher.is_match(path))
    }
}

/// Braces mean nothing to Docker.
fn plain_braces(pattern: &str) -> String {
    pattern.replace('{', "[{]").replace('}', "[}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excludes(rules: &str, path: &str) -> bool {
        Rules::parse(rules).expect("patterns").exclude(Path::new(path))
    }

    #[test]
    fn patterns_are_those_of_docker() {
        let cases = [
            ("a.txt", "a.txt", true),
            ("a.txt", "d/a.txt", false),
            ("/a.txt", "a.txt", true),
            ("./d/a.txt", "d/a.txt", true),
            ("*.txt", "a.txt", true),
            ("*.txt", "d/a.txt", false),
            ("**/*.txt", "a.txt", true),
            ("**/*.txt", "d/e/a.txt", true),
            ("*/a.txt", "d/a.txt", true),
            ("*/a.txt", "d/e/a.txt", false),
            ("d", "d/e/a.txt", true),
            ("d/", "d/a.txt", true),
            ("d/**", "d/a.txt", true),
            ("a?.txt", "ab.txt", true),
            ("[ab].txt", "b.txt", true),
            ("{a,b}.txt", "a.txt", false),
            ("{a,b}.txt", "{a,b}.txt", true),
            ("# a.txt", "a.txt", false),
            ("  a.txt  ", "a.txt", true),
            ("*", "predict.py", true),
            ("*", "cog.yaml", false),
            ("d\n!d/keep", "d/keep", false),
            ("d\n!d/keep", "d/other", true),
            ("!a.txt\na.txt", "a.txt", true),
            ("*.txt\n!a.txt", "a.txt", false),
        ];
        for (rules, path, expected) in cases {
            assert_eq!(excludes(rules, path), expected, "{rules:?} and {path}");
        }
    }

    #[test]
    fn a_broken_pattern_names_its_line() {
        let broken = Rules::parse("a\n\n[b").map(drop).expect_err("a class without an end");
        assert_eq!((broken.0, broken.1.as_str()), (3, "[b"));
    }

    #[test]
    fn what_others_made_is_never_part_of_a_model() {
        let rules = Rules::parse("!**").expect("patterns");
        for path in
            [".git", "d/__pycache__", "d/x.pyc", ".venv", "d/venv", ".cog/tmp", "node_modules", ".DS_Store"]
        {
            assert!(rules.never(Path::new(path)), "{path}");
        }
        for path in [".cog", "d/.cog/tmp", "git", ".gitignore", "venv.py"] {
            assert!(!rules.never(Path::new(path)), "{path}");
        }
    }
}
