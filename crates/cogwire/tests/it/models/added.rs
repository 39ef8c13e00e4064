//! Packages, and what a server says while one is added.

use std::path::Path;

use serde_json::Value;

use super::site::text;
use crate::harness::Reply;

/// The package of a folder.
pub(crate) fn pack(folder: &Path) -> Vec<u8> {
    let mut tar = Vec::new();
    cogwire_package::pack(folder, &mut tar).expect("it can be packed");
    tar
}

/// What a server says while something is added, line by line.
pub(crate) struct Added(Vec<Value>);

impl Added {
    pub(crate) fn read(reply: &Reply) -> Self {
        assert_eq!(reply.status, 200, "{}", reply.text);
        Self(reply.text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect())
    }

    /// The id of the version that was added.
    #[track_caller]
    pub(crate) fn version(&self) -> String {
        let last = self.0.last().expect("a line");
        assert_eq!(last["type"], "added", "{:#?}", self.0);
        text(&last["version"]["id"]).to_owned()
    }

    /// Why nothing was added.
    #[track_caller]
    pub(super) fn refusal(&self) -> &str {
        let last = self.0.last().expect("a line");
        assert_eq!(last["type"], "failed", "{:#?}", self.0);
        text(&last["text"])
    }

    /// All lines of one kind.
    pub(super) fn lines(&self, kind: &str) -> Vec<&str> {
        self.0.iter().filter(|line| line["type"] == kind).map(|line| text(&line["text"])).collect()
    }
}
