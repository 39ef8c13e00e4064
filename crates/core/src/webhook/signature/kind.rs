//! The two ways in which webhooks are signed.

use std::str::FromStr;

/// How a secret signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretKind {
    /// HMAC-SHA256 with a key that the receiver has, too: `whsec_`, entries `v1,`. What every validator knows.
    Hmac,
    /// Ed25519 with a key that only the sender has: `whsk_`, its public key `whpk_`, entries `v1a,`.
    Ed25519,
}

/// The text names no kind of secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a kind of secret is \"hmac\" or \"ed25519\"")]
pub struct UnknownKind;

impl SecretKind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Hmac, Self::Ed25519];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hmac => "hmac",
            Self::Ed25519 => "ed25519",
        }
    }

    /// What the entries of the signature header begin with.
    pub(super) fn entry_prefix(self) -> &'static str {
        match self {
            Self::Hmac => "v1,",
            Self::Ed25519 => "v1a,",
        }
    }
}

impl FromStr for SecretKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownKind)
    }
}
