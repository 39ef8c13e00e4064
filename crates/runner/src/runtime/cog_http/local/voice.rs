//! What a server prints: where it listens, what the setup of its model says, and the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::io::AsyncRead;
use tokio::sync::watch;

use crate::instances::boot::Boot;
use crate::process::lines;

/// What precedes the port in the lines in which servers say that they listen: old ones and newer ones.
const LISTENS: [&str; 2] = ["Uvicorn running on http://127.0.0.1:", "Starting coglet server on 127.0.0.1:"];

/// What a newer server calls the lines of the model's setup.
const OF_SETUP: &str = "coglet::setup";

/// What an old server prints before it knows how to say something for machines.
const OF_COG: &str = "Rust coglet not available";

/// Who listens to a server.
pub(super) struct Voice {
    boot: Arc<Boot>,
    port: watch::Sender<Option<u16>>,
    is_ready: AtomicBool,
}

#[derive(Debug, PartialEq)]
enum Line {
    /// It listens on this port.
    Listens(u16),
    /// The model's setup printed this.
    Setup(String),
    /// Something about the server.
    Other,
}

/// How servers write for machines.
#[derive(Deserialize)]
#[serde(untagged)]
enum Record {
    New {
        target: String,
        fields: Fields,
    },
    Old {
        #[serde(rename = "severity")]
        _severity: IgnoredAny,
        message: String,
    },
}

#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    message: String,
}

impl Voice {
    /// What the setup says goes to `boot`.
    pub(super) fn new(boot: Arc<Boot>) -> Self {
        Self { boot, port: watch::Sender::new(None), is_ready: AtomicBool::new(false) }
    }

    /// Listens to a stream to its end.
    pub(super) async fn listen(self: Arc<Self>, stream: impl AsyncRead + Unpin, process: u32) {
        lines(stream, |line| {
            tracing::debug!(pid = process, "{}", line.trim_end());
            self.hear(line);
        })
        .await;
    }

    /// The port, once the server has said it.
    pub(super) async fn port(&self) -> u16 {
        let mut port = self.port.subscribe();
        loop {
            if let Some(port) = *port.borrow_and_update() {
                return port;
            }
            // It lasts as long as the sender, which is part of this.
            let _ = port.changed().await;
        }
    }

    /// What is printed from now on is not about the setup.
    pub(super) fn is_ready(&self) {
        self.is_ready.store(true, Ordering::Relaxed);
    }

    fn hear(&self, line: &str) {
        if self.is_ready.load(Ordering::Relaxed) {
            return;
        }
        match Line::read(line) {
            // What a model prints later on may look the same.
            Line::Listens(port) => {
                self.port.send_if_modified(|known| {
                    let is_first = known.is_none();
                    known.get_or_insert(port);
                    is_first
                });
            }
            Line::Setup(text) => self.boot.log(&text),
            Line::Other => {}
        }
    }
}

impl Line {
    fn read(line: &str) -> Self {
        let Ok(record) = serde_json::from_str::<Record>(line) else {
            return if line.contains(OF_COG) { Self::Other } else { Self::Setup(line.to_owned()) };
        };
        let message = match record {
            Record::New { target, fields } if target == OF_SETUP => {
                return Self::Setup(format!("{}\n", fields.message));
            }
            Record::New { fields: Fields { message }, .. } | Record::Old { message, .. } => message,
        };
        port_in(&message).map_or(Self::Other, Self::Listens)
    }
}

fn port_in(message: &str) -> Option<u16> {
    let rest = LISTENS.iter().find_map(|before| message.strip_prefix(before))?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).map_or(rest, |end| &rest[..end]);
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let setup = |text: &str| Line::Setup(text.to_owned());
        let cases = [
            (
                r#"{"logger": "uvicorn.error", "severity": "INFO", "message": "Uvicorn running on http://127.0.0.1:39869 (Press CTRL+C to quit)"}"#,
                Line::Listens(39869),
            ),
            (
                r#"{"level":"INFO","fields":{"message":"Starting coglet server on 127.0.0.1:46261"},"target":"coglet::transport::http::server"}"#,
                Line::Listens(46261),
            ),
            (
                r#"{"level":"INFO","fields":{"message":"loading","source":"stdout"},"target":"coglet::setup"}"#,
                setup("loading\n"),
            ),
            (r#"{"severity": "INFO", "message": "setup succeeded"}"#, Line::Other),
            (
                "2026-11-21 17:45:04 [info     ] Rust coglet not available, using Python HTTP server\n",
                Line::Other,
            ),
            ("loading\n", setup("loading\n")),
            ("{\"loss\": 1}\n", setup("{\"loss\": 1}\n")),
            ("Uvicorn running on http://127.0.0.1:1\n", setup("Uvicorn running on http://127.0.0.1:1\n")),
        ];
        for (line, expected) in cases {
            assert_eq!(Line::read(line), expected, "{line}");
        }
    }

    #[tokio::test]
    async fn the_first_port_is_the_servers_and_nothing_is_setup_once_it_is_ready() {
        let boot = Arc::new(Boot::default());
        let voice = Voice::new(Arc::clone(&boot));
        for port in [1, 2] {
            voice.hear(&format!(
                r#"{{"severity": "INFO", "message": "Uvicorn running on http://127.0.0.1:{port} (Press"}}"#
            ));
        }
        assert_eq!(voice.port().await, 1);
        voice.hear("loading\n");
        voice.is_ready();
        voice.hear("running\n");
        assert_eq!(boot.logs(), "loading\n");
    }
}
