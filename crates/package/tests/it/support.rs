//! Folders of models, and the environments that scripts/install-tools makes.

use std::fs;
use std::path::{Path, PathBuf};

use cogwire_package::Environment;
use tempfile::TempDir;

/// A folder with these files. A name that ends in a slash is a folder.
pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        if name.ends_with('/') {
            fs::create_dir_all(path).expect("made");
        } else {
            fs::write(path, text).expect("written");
        }
    }
    folder
}

/// What `scripts/install-tools` made under this name.
pub(crate) fn tool(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools").join(name);
    assert!(path.is_dir(), "{name} is not installed for tests: run `scripts/install-tools rust`");
    path.canonicalize().expect("it is there")
}

/// The environment with this version of Cog.
pub(crate) fn cog(version: &str) -> Environment {
    let folder = tool(&format!("cog-{version}"));
    Environment {
        bin: folder.join("bin"),
        python: folder.join("bin/python"),
        python_version: String::new(),
        cog_version: version.to_owned(),
        coglet_version: (version != "0.16.12").then(|| version.to_owned()),
        key: String::new(),
    }
}

/// Callers hand these futures to tasks.
pub(crate) fn sendable<T: Send>(future: T) -> T {
    future
}

/// A text without what differs from machine to machine.
pub(crate) fn without_paths(text: &str, folder: &Path) -> String {
    let python = format!("python{}", python_version());
    let text = text.replace(&*folder.to_string_lossy(), "FOLDER").replace(&python, "PYTHON");
    text.replace(&*tool("").to_string_lossy(), "TOOLS")
}

/// Such as `3.11`: the version that the environments for tests were made with.
fn python_version() -> String {
    let library = fs::read_dir(tool("cog-0.23.1").join("lib")).expect("it is an environment").next();
    let name = library.expect("it has a library").expect("it can be read").file_name();
    name.to_string_lossy().trim_start_matches("python").to_owned()
}
