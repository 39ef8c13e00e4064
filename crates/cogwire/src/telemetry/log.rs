//! The log on stderr.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// What is logged when `RUST_LOG` says nothing. Requests to a storage that are tried again are nobody's business.
const DEFAULT_FILTER: &str = "info,object_store=warn";

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
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    // The only error is that there is a log already, as in a process that starts two servers.
    let _ = if format.is_text() { log.try_init() } else { log.json().flatten_event(true).try_init() };
}

/// Starts a log of what is wrong only, for commands that print something else.
pub fn start_quiet_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
