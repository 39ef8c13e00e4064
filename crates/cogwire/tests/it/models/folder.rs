//! Folders of models.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A model with a behaviour for each test.
pub(crate) const ZOO: &str = include_str!("zoo.py");

/// What every model of these tests needs: one environment is enough for all of them.
const CONFIG: &str = "build:\n  sdk_version: \"0.23.1\"\npredict: \"predict.py:Predictor\"\n";

/// A folder that a model is in.
pub(crate) struct Folder(TempDir);

impl Folder {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// With the model that can do everything, trainings included.
    pub(crate) fn zoo() -> Self {
        Self::new().with_config("train: \"predict.py:train\"\n").with("predict.py", ZOO)
    }

    /// With the same model, and variables for its process.
    pub(crate) fn zoo_with(variables: &[(&str, &str)]) -> Self {
        let lines: String =
            variables.iter().map(|(name, value)| format!("  - \"{name}={value}\"\n")).collect();
        Self::zoo().with_config(&format!("environment:\n{lines}"))
    }

    /// With a model of this code.
    pub(crate) fn of(code: &str) -> Self {
        Self::new().with_config("").with("predict.py", code)
    }

    /// With the usual `cog.yaml`, and these lines below.
    pub(crate) fn with_config(self, more: &str) -> Self {
        self.with("cog.yaml", &format!("{CONFIG}{more}"))
    }

    /// With this file.
    pub(crate) fn with(self, name: &str, text: &str) -> Self {
        fs::write(self.path().join(name), text).expect("written");
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Lets a server use the environments that the other tests have made: each takes seconds.
pub(crate) fn share_environments(data_dir: &Path) {
    let shared = PathBuf::from(concat!(env!("CARGO_TARGET_TMPDIR"), "/environments"));
    fs::create_dir_all(&shared).expect("made");
    fs::create_dir_all(data_dir).expect("made");
    std::os::unix::fs::symlink(shared, data_dir.join("environments")).expect("linked");
}

/// Has `pip` and `uv` install from the packages that `scripts/install-tools` keeps, without a network.
pub(crate) fn without_network() -> [(&'static str, PathBuf); 4] {
    let wheels = ["0.23.1", "0.16.12"].map(|cog| {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools");
        let wheels = tools.join(format!("cog-{cog}/wheels")).canonicalize();
        let wheels = wheels.expect("Cog is there for tests: run `scripts/install-tools rust`");
        wheels.to_str().expect("text").to_owned()
    });
    [
        ("PIP_NO_INDEX", "1".into()),
        ("PIP_FIND_LINKS", wheels.join(" ").into()),
        ("UV_NO_INDEX", "1".into()),
        ("UV_FIND_LINKS", wheels.join(",").into()),
    ]
}
