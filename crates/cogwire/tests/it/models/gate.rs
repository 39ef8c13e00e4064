//! What holds a model up until a test lets it go on.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::pause;

/// How often somebody looks whether a gate is open before a test gives up, 10 ms apart.
const POLLS: usize = 3000;

/// A file that somebody waits for.
pub(super) struct Gate(pub(super) PathBuf);

impl Gate {
    pub(super) fn open(&self) {
        std::fs::write(&self.0, "").expect("written");
    }

    pub(super) fn close(&self) {
        std::fs::remove_file(&self.0).expect("it was open");
    }

    /// Waits until somebody else has opened it.
    pub(super) async fn wait_open(&self) {
        for _ in 0..POLLS {
            if self.0.exists() {
                return;
            }
            pause().await;
        }
        panic!("nobody has opened {}", self.path());
    }

    pub(super) fn path(&self) -> &str {
        self.0.to_str().expect("text")
    }

    /// The input of a prediction that waits for it.
    pub(super) fn input(&self) -> Value {
        json!({"act": "waits", "text": self.path()})
    }
}
