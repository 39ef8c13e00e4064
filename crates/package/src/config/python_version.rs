//! Which Python a model wants.

use std::fmt;

/// A version of Python 3. Environments are chosen by the minor version; a patch is a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PythonVersion {
    minor: u8,
    patch: Option<u8>,
}

impl PythonVersion {
    /// Reads `3.11` and `3.11.7`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let numbers = text.trim().strip_prefix("3.")?;
        let (minor, patch) = match numbers.split_once('.') {
            Some((minor, patch)) => (minor, Some(number(patch)?)),
            None => (numbers, None),
        };
        Some(Self { minor: number(minor)?, patch })
    }

    /// The number after `3.`.
    pub fn minor(self) -> u8 {
        self.minor
    }

    /// `3.11`, whatever the patch.
    pub(crate) fn without_patch(self) -> String {
        format!("3.{}", self.minor)
    }
}

impl fmt::Display for PythonVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "3.{}", self.minor)?;
        self.patch.map_or(Ok(()), |patch| write!(f, ".{patch}"))
    }
}

/// Only digits: Rust also reads `+1`.
fn number(text: &str) -> Option<u8> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
