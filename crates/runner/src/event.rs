//! What a running model says, in the order in which it says it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use cogwire_core::json::Json;

use crate::temporary::TemporaryFile;

/// One thing that a run reports. Every run ends with exactly one [`RunEvent::Ended`], and nothing follows it.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEvent {
    /// The model has begun to work on the input.
    Started,
    /// Text for the logs, line ends included.
    Log(String),
    /// Something for the output.
    Output(Output),
    /// A number or other value about the run, by name.
    Metric(String, Json),
    /// The run is over.
    Ended(End),
}

/// A piece of the output.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// The whole output; a later one replaces it.
    Value(Produced),
    /// One more item of an output that is a list.
    Item(Produced),
}

/// What a model produced.
#[derive(Debug, Clone, PartialEq)]
pub enum Produced {
    /// A JSON value.
    Json(Json),
    /// A file, which the caller stores and turns into a URL.
    File(ProducedFile),
    /// A JSON value with files in it.
    Tree {
        /// The value, in which a string stands for each file.
        json: Json,
        /// The files by these strings, none of which can occur by accident.
        files: HashMap<String, ProducedFile>,
    },
}

/// A file that a model wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct ProducedFile {
    /// Its name, without folders; the extension says what it holds.
    pub name: String,
    /// Where its bytes are.
    pub content: FileContent,
}

/// Where the bytes of a file are.
#[derive(Debug, Clone, PartialEq)]
pub enum FileContent {
    /// In memory: small files only.
    Bytes(Arc<[u8]>),
    /// On this machine's disk, readable until the run's events are dropped.
    Path(PathBuf),
    /// On this machine's disk, until this is dropped.
    Temporary(Arc<TemporaryFile>),
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The model finished its work.
    Succeeded,
    /// The model reported a failure, or broke; the text is for the user.
    Failed(String),
    /// The run was told to stop, and has.
    Canceled,
}
