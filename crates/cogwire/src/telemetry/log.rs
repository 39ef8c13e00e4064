//! The log on stderr.

use std::io::{IsTerminal, Stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::SubscriberBuilder;
use tracing_subscriber::fmt::format::{DefaultFields, Format};

use crate::config::LogFormat;

/// What is logged when `RUST_LOG` says nothing. Requests to a storage that are tried again are nobody's business;
/// that a receiver's certificate is not trusted is said where its attempt is shown.
const DEFAULT_FILTER: &str = "info,object_store=warn,rustls_platform_verifier=off";
/// The same for commands that print something else.
const QUIET_FILTER: &str = "warn,rustls_platform_verifier=off";

impl LogFormat {
    /// Whether the log is for people, seeing where it goes.
    pub fn is_text(self) -> bool {
        match self {
            Self::Text => true,
            Self::Json => false,
            Self::Auto => std::io::stderr().is_terminal(),
        }
    }
}

/// Starts the log. A second call changes nothing.
pub fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let colours =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    let log = to_stderr().with_env_filter(filter).with_ansi(colours);
    // The only error is that there is a log already, as in a process that starts two servers.
    let _ = if format.is_text() { log.try_init() } else { log.json().flatten_event(true).try_init() };
}

/// Starts a log of what is wrong only, for commands that print something else.
pub fn start_quiet_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(QUIET_FILTER));
    let _ = to_stderr().with_env_filter(filter).try_init();
}

/// A log to stderr. When nobody reads that any more, what is logged is lost: to complain about it on stderr, as the
/// subscriber would, is a panic in whichever task has something to say.
fn to_stderr() -> SubscriberBuilder<DefaultFields, Format, LevelFilter, fn() -> Stderr> {
    tracing_subscriber::fmt().log_internal_errors(false).with_writer(std::io::stderr as fn() -> Stderr)
}
