//! Which versions of Cog have a worker that is understood here.

use crate::instances::instance::BootError;

/// The minor versions 0.x that were tried.
const KNOWN: std::ops::RangeInclusive<u32> = 17..=23;

/// What is known about a version's worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worker {
    /// It speaks the protocol.
    Known,
    /// Whether it does it must say itself.
    Unknown,
}

/// Looks at the version of the package `cog`.
///
/// # Errors
/// When it has no worker.
pub(super) fn worker_of(version: &str) -> Result<Worker, BootError> {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(0), Some(minor)) if KNOWN.contains(&minor) => Ok(Worker::Known),
        (Some(0), Some(minor)) if minor < *KNOWN.start() => Err(BootError::Unsupported(format!(
            "Cog {version} is older than 0.17 and has no worker of its own: run the model as an HTTP server \
             (cog_http), or use a newer Cog"
        ))),
        _ => Ok(Worker::Unknown),
    }
}

/// The error about a worker that says something unknown about itself, or nothing.
pub(super) fn not_understood(version: &str) -> BootError {
    BootError::Unsupported(format!(
        "the worker of Cog {version} does not speak a protocol that is known here: run the model as an HTTP server \
         (cog_http), or use a Cog \
         from 0.17 to 0.23"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart() {
        for version in ["0.17.0", "0.18.0", "0.23.1", "0.23.1rc1"] {
            assert_eq!(worker_of(version).expect("it has a worker"), Worker::Known, "{version}");
        }
        for version in ["0.24.0", "1.0", "1.17.0", "unknown", ""] {
            assert_eq!(worker_of(version).expect("perhaps"), Worker::Unknown, "{version}");
        }
        for version in ["0.16.12", "0.9"] {
            assert!(worker_of(version).is_err(), "{version}");
        }
    }
}
