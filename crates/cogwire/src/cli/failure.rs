//! How a command ends when it does not succeed, and with which exit code.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use super::output::{self, Style};

/// A command did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was not called rightly: exit code 2.
    Usage(String),
    /// It did not work: exit code 1. The text is whole.
    Failed(String),
    /// It did not work, and everything was said: exit code 1.
    Told,
    /// Somebody pressed ^C: exit code 130.
    Interrupted,
    /// Whoever read the output has gone, which is their right: exit code 0.
    OutputClosed,
}

/// The result of a command.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// An error and its causes, in one line.
    pub(crate) fn from_error(error: &dyn Error) -> Self {
        Self::Failed(with_causes(error))
    }

    /// What was attempted, and why it failed.
    pub(crate) fn of(attempt: impl std::fmt::Display, error: &dyn Error) -> Self {
        Self::Failed(format!("{attempt}: {}", with_causes(error)))
    }

    /// Says what must be said, and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            Self::Usage(text) => {
                complain(text);
                ExitCode::from(2)
            }
            Self::Failed(text) => {
                complain(text);
                ExitCode::FAILURE
            }
            Self::Told => ExitCode::FAILURE,
            Self::Interrupted => ExitCode::from(130),
            Self::OutputClosed => ExitCode::SUCCESS,
        }
    }
}

fn complain(text: &str) {
    output::say(format_args!("{} {text}", Style::Bad.paint("error:")));
}

/// An error's text with its causes, each once.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}

impl From<crate::config::Error> for Failure {
    fn from(error: crate::config::Error) -> Self {
        Self::Usage(with_causes(&error))
    }
}

impl From<crate::server::Error> for Failure {
    fn from(error: crate::server::Error) -> Self {
        Self::from_error(&error)
    }
}

impl From<cogwire_store::Error> for Failure {
    fn from(error: cogwire_store::Error) -> Self {
        Self::from_error(&error)
    }
}

/// Failures to write the output of a command.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::of("cannot write the output", &error),
        }
    }
}
