//! Which versions of Cog have a worker that is understood here.

use crate::instances::instance::BootError;

/// The minor versions 0.x that were tried.
const KNOWN: std::ops::RangeInclusive<u32> = 17..=23;

/// What is known about a version's worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::runtime) enum Worker {
    /// It speaks the protocol.
    Known,
    /// Whether it does it must say itself.
    Unknown,
    /// There is none: all of that Cog is an HTTP server.
    Missing,
}

/// Looks at the version of the package `cog`.
pub(in crate::runtime) fn worker_of(version: &str) -> Worker {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(0), Some(minor)) if KNOWN.contains(&minor) => Worker::Known,
        (Some(0), Some(minor)) if minor < *KNOWN.start() => Worker::Missing,
        _ => Worker::Unknown,
    }
}

/// The error about a worker that says something unknown about itself, or nothing.
pub(in crate::runtime) fn not_understood(version: &str) -> BootError {
    BootError::Unsupported(format!(
        "the worker of Cog {version} does not speak a protocol that is known here: use a Cog from 0.17 to 0.23"
    ))
}

/// The error about a training with a Cog that has no worker.
pub(super) fn cannot_train(version: &str) -> BootError {
    BootError::Unsupported(format!(
        "This version cannot be trained: Cog {version} puts the weights into an answer of its server instead of a \
         file. Use Cog 0.17 or newer"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart() {
        for version in ["0.17.0", "0.18.0", "0.23.1", "0.23.1rc1"] {
            assert_eq!(worker_of(version), Worker::Known, "{version}");
        }
        for version in ["0.24.0", "1.0", "1.17.0", "unknown", ""] {
            assert_eq!(worker_of(version), Worker::Unknown, "{version}");
        }
        for version in ["0.16.12", "0.9"] {
            assert_eq!(worker_of(version), Worker::Missing, "{version}");
        }
    }
}
