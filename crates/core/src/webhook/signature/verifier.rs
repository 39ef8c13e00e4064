//! What a receiver checks signatures with: the secret that it shares with the sender, or the sender's public key.

use ed25519_dalek::{Signature, VerifyingKey};
use subtle::{Choice, ConstantTimeEq};

use super::secret::{Key, PUBLIC_PREFIX, decode};
use super::shared::SharedKey;
use super::signed::Signed;
use super::{InvalidSecret, Secret, SecretKind};

/// Checks signatures, and with a public key can make none.
#[derive(Debug, Clone)]
pub struct Verifier(Check);

#[derive(Debug, Clone)]
enum Check {
    Shared(SharedKey),
    Public(Box<VerifyingKey>),
}

/// What the signature header claims, by kind.
#[derive(Default)]
pub(super) struct Entries {
    pub(super) hmac: Vec<[u8; 32]>,
    pub(super) ed25519: Vec<Signature>,
}

impl Verifier {
    /// Reads a secret (`whsec_...`, `whsk_...`) or a public key (`whpk_...`).
    ///
    /// # Errors
    /// When the text is none of them.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let Some(encoded) = text.strip_prefix(PUBLIC_PREFIX) else {
            return Secret::parse(text).map(|secret| Self::from(&secret));
        };
        let bytes = decode(PUBLIC_PREFIX, encoded)?;
        let key = bytes.as_slice().try_into();
        let key = key.map_err(|_| InvalidSecret::WrongKeyLength { bytes: bytes.len() })?;
        let key = VerifyingKey::from_bytes(key).map_err(|_| InvalidSecret::NoPublicKey)?;
        Ok(Self(Check::Public(Box::new(key))))
    }

    /// Which entries of the header it checks.
    pub fn kind(&self) -> SecretKind {
        match &self.0 {
            Check::Shared(_) => SecretKind::Hmac,
            Check::Public(_) => SecretKind::Ed25519,
        }
    }

    /// Whether one of the entries is this message's signature.
    pub(super) fn fits(&self, entries: &Entries, signed: Signed<'_>) -> bool {
        match &self.0 {
            Check::Shared(key) => entries.fit(key, signed),
            Check::Public(key) => {
                let message = signed.to_bytes();
                entries.ed25519.iter().any(|entry| key.verify_strict(&message, entry).is_ok())
            }
        }
    }

    /// The shared key, when it is one.
    pub(super) fn shared(&self) -> Option<&SharedKey> {
        match &self.0 {
            Check::Shared(key) => Some(key),
            Check::Public(_) => None,
        }
    }
}

impl From<&Secret> for Verifier {
    fn from(secret: &Secret) -> Self {
        Self(match secret.key() {
            Key::Hmac(key) => Check::Shared(key.clone()),
            Key::Ed25519(key) => Check::Public(Box::new(key.verifying_key())),
        })
    }
}

impl Entries {
    /// Whether one of them was made with this key.
    pub(super) fn fit(&self, key: &SharedKey, signed: Signed<'_>) -> bool {
        let expected = signed.tag(key.mac());
        let fits = self.hmac.iter().fold(Choice::from(0), |fits, tag| fits | tag.ct_eq(&expected));
        fits.into()
    }

    /// Which kinds there are.
    pub(super) fn has(&self, kind: SecretKind) -> bool {
        match kind {
            SecretKind::Hmac => !self.hmac.is_empty(),
            SecretKind::Ed25519 => !self.ed25519.is_empty(),
        }
    }
}
