//! How a process ended, in words.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// By itself, with this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
    /// Nobody knows.
    Unknown,
}

impl Exit {
    pub(super) fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Status(code),
            (None, Some(signal)) => Self::Signal(signal),
            (None, None) => Self::Unknown,
        }
    }

    /// A sentence for users about a model process that ended although it should not have.
    pub(crate) fn sentence(self) -> String {
        let hint = match self {
            Self::Signal(9) => ". Perhaps it ran out of memory",
            Self::Signal(4 | 7 | 8 | 11) => ". A native library of the model has crashed",
            _ => "",
        };
        match self {
            Self::Signal(_) => format!("The model process was killed ({self}){hint}."),
            _ => format!("The model process exited unexpectedly ({self})."),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exit status {status}"),
            Self::Signal(signal) => match name_of(*signal) {
                Some(name) => write!(f, "signal {signal}, {name}"),
                None => write!(f, "signal {signal}"),
            },
            Self::Unknown => f.write_str("exit status unknown"),
        }
    }
}

/// Those that end processes. The numbers are those of Linux; but for SIGBUS, they are the same everywhere.
fn name_of(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_in_sentences() {
        let cases = [
            (Exit::Status(3), "The model process exited unexpectedly (exit status 3)."),
            (
                Exit::Signal(9),
                "The model process was killed (signal 9, SIGKILL). Perhaps it ran out of memory.",
            ),
            (
                Exit::Signal(11),
                "The model process was killed (signal 11, SIGSEGV). A native library of the model has crashed.",
            ),
            (Exit::Signal(15), "The model process was killed (signal 15, SIGTERM)."),
            (Exit::Signal(40), "The model process was killed (signal 40)."),
            (Exit::Unknown, "The model process exited unexpectedly (exit status unknown)."),
        ];
        for (exit, sentence) in cases {
            assert_eq!(exit.sentence(), sentence);
        }
    }
}
