//! What Cogwire and Cog's worker say to each other.
//!
//! Written after the behaviour of coglet 0.17 to 0.23. Messages and fields that are not known are passed over,
//! because newer workers add some. Older ones have other names for two messages.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the slots' messages that is spoken here. Workers before 0.20 do not say theirs, and speak the same.
pub(super) const SLOT_PROTOCOL: u32 = 1;

/// What the worker is told on its standard input.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Order<'a> {
    /// Always the first.
    Init {
        predictor_ref: &'a str,
        num_slots: usize,
        transport_info: Transport<'a>,
        is_train: bool,
        is_async: bool,
    },
    /// Cancels what the slot runs. Nothing happens when it runs nothing yet.
    Cancel { slot: &'a str },
    /// Ends the worker, whatever runs.
    Shutdown,
}

/// Where the worker finds its slots.
#[derive(Debug, Serialize)]
pub(super) enum Transport<'a> {
    /// Sockets `slot-0.sock` and so on, in a folder.
    NamedSockets { dir: &'a Path, num_slots: usize },
}

/// What the worker says on its standard output.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Notice {
    /// The setup is done; the names of the slots, in the order of their sockets.
    Ready { slots: Vec<String> },
    /// What the setup prints, and what child processes print at any time.
    Log { source: Source, data: String },
    /// What the worker itself has to say.
    WorkerLog { level: String, message: String },
    /// The slot can take another prediction.
    Idle { slot: String },
    /// The setup failed, or the slot broke.
    Failed { slot: String, error: String },
    /// The worker ends itself.
    Fatal { reason: String },
    /// It had more to log than it could send.
    DroppedLogs { count: u64 },
    #[serde(other)]
    Other,
}

/// Which of the two streams something was printed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Source {
    Stdout,
    Stderr,
}

/// What a slot is told.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Task<'a> {
    /// Run a prediction.
    Predict {
        id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        input: Option<&'a Value>,
        /// The input as a file, which the worker deletes: for what does not fit into a frame.
        #[serde(skip_serializing_if = "Option::is_none")]
        input_file: Option<&'a Path>,
        output_dir: &'a Path,
        context: NoContext,
    },
}

/// The empty object.
#[derive(Debug, Serialize)]
pub(super) struct NoContext {}

/// What a slot says about the prediction that it runs.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Word {
    ProtocolVersion {
        version: u32,
    },
    #[serde(alias = "log")]
    LogLine {
        data: String,
    },
    #[serde(alias = "output")]
    OutputChunk {
        output: Value,
    },
    FileOutput {
        filename: PathBuf,
        kind: FileKind,
    },
    Metric {
        name: String,
        value: Value,
        mode: MetricMode,
    },
    Done {
        predict_time: f64,
        /// The model gave a list, or was a generator.
        #[serde(default)]
        is_stream: bool,
    },
    Failed {
        error: String,
    },
    Cancelled {},
    #[serde(other)]
    Other,
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum FileKind {
    /// An output that is a file.
    FileType,
    /// The JSON of an output that does not fit into a frame.
    Oversized,
}

/// What a metric does to the value that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum MetricMode {
    Replace,
    Increment,
    Append,
}
