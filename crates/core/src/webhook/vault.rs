//! Signing secrets as a store keeps them: as they are, or sealed with a key that the store does not have.
//!
//! Sealed is with XChaCha20-Poly1305, bound to the account: what was moved to another account's row does not open. Promises
//! nothing to somebody who has the key as well, or who reads the memory of a process. Randomness is an argument.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};

use super::signature::{InvalidSecret, Secret, SecretKind};
use crate::prediction::AccountId;
use crate::time::Entropy;

/// What sealed text begins with. No secret's own text does.
const SEALED: &str = "enc1:";
const NONCE: usize = 24;
/// What gives the key.
const SETTINGS: &str = "--secret-key-file or COGWIRE_SECRET_KEY";
/// The length of a vault's key in bytes.
pub const KEY: usize = 32;

/// A secret as it is stored. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredSecret {
    kind: SecretKind,
    text: String,
}

/// Puts secrets into a form that is stored, and gets them out again.
#[derive(Clone, Default)]
pub struct Vault(Option<Arc<XChaCha20Poly1305>>);

/// The text is no key of a vault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a secret key is the standard base64 of {KEY} random bytes, as `openssl rand -base64 {KEY}` prints it"
)]
pub struct InvalidKey;

/// Why a stored secret cannot be used. No variant carries a part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is sealed, and there is no key.
    #[error("it is sealed, and there is no secret key: give the one that sealed it ({SETTINGS})")]
    NoKey,
    /// It was sealed with another key or for another account, or it was damaged.
    #[error("it does not open with this secret key: give the one that sealed it ({SETTINGS})")]
    OtherKey,
    /// It is open, or was opened, and is no secret.
    #[error("it is no secret: {0}")]
    Invalid(InvalidSecret),
}

impl StoredSecret {
    /// The secret of a row.
    pub fn of_row(kind: SecretKind, text: &str) -> Self {
        Self { kind, text: text.to_owned() }
    }

    /// How it signs, which is known without opening it.
    pub fn kind(&self) -> SecretKind {
        self.kind
    }

    /// What is stored: whoever has it can sign, unless it is sealed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is sealed.
    pub fn is_sealed(&self) -> bool {
        self.text.starts_with(SEALED)
    }
}

/// As it is, not sealed.
impl From<&Secret> for StoredSecret {
    fn from(secret: &Secret) -> Self {
        Self { kind: secret.kind(), text: secret.expose() }
    }
}

impl fmt::Debug for StoredSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredSecret({})", self.kind.as_str())
    }
}

impl Vault {
    /// One that seals with this key. One without a key ([`Vault::default`]) seals nothing.
    pub fn with_key(key: &[u8; KEY]) -> Self {
        Self(Some(Arc::new(XChaCha20Poly1305::new(key.into()))))
    }

    /// The same with the key's base64.
    ///
    /// # Errors
    /// When the text is no such key.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let key = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        key.map(|key| Self::with_key(&key)).ok_or(InvalidKey)
    }

    /// The form in which a secret of this account is stored.
    pub fn put(&self, account: &AccountId, secret: &Secret, entropy: &dyn Entropy) -> StoredSecret {
        let Some(cipher) = &self.0 else { return StoredSecret::from(secret) };
        let mut nonce = [0; NONCE];
        entropy.fill(&mut nonce);
        let text = secret.expose();
        let payload = Payload { msg: text.as_bytes(), aad: account.0.as_bytes() };
        let sealed =
            cipher.encrypt(&XNonce::from(nonce), payload).expect("a secret is short enough for any cipher");
        let text = format!("{SEALED}{}", STANDARD.encode([nonce.as_slice(), &sealed].concat()));
        StoredSecret { kind: secret.kind(), text }
    }

    /// The secret that is stored so.
    ///
    /// # Errors
    /// When it is sealed in another way, or is no secret.
    pub fn get(&self, account: &AccountId, stored: &StoredSecret) -> Result<Secret, Unreadable> {
        let Some(sealed) = stored.text.strip_prefix(SEALED) else {
            return Secret::parse(&stored.text).map_err(Unreadable::Invalid);
        };
        let cipher = self.0.as_ref().ok_or(Unreadable::NoKey)?;
        let opened = open(cipher, account, sealed).ok_or(Unreadable::OtherKey)?;
        Secret::parse(&opened).map_err(Unreadable::Invalid)
    }

    /// Whether this vault would store it in another way: it seals, and this is open.
    pub fn would_seal(&self, stored: &StoredSecret) -> bool {
        self.0.is_some() && !stored.is_sealed()
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Vault(sealing)" } else { "Vault(open)" })
    }
}

fn open(cipher: &XChaCha20Poly1305, account: &AccountId, sealed: &str) -> Option<String> {
    let bytes = STANDARD.decode(sealed).ok()?;
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
    let payload = Payload { msg: sealed, aad: account.0.as_bytes() };
    String::from_utf8(cipher.decrypt(&XNonce::from(*nonce), payload).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Always the same bytes.
    struct Same(u8);

    impl Entropy for Same {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    fn acme() -> AccountId {
        AccountId("acme".into())
    }

    fn secrets() -> [Secret; 2] {
        SecretKind::ALL.map(|kind| Secret::fresh(kind, &[7; 32]))
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_key_and_for_the_same_account_only() {
        let vault = Vault::with_key(&[1; KEY]);
        for secret in secrets() {
            let stored = vault.put(&acme(), &secret, &Same(5));
            assert!(
                stored.is_sealed() && !stored.text().contains(&secret.expose()[6..]),
                "{}",
                stored.text()
            );
            assert_eq!(stored.kind(), secret.kind());
            assert_eq!(vault.get(&acme(), &stored).unwrap().expose(), secret.expose());
            assert_eq!(Vault::default().get(&acme(), &stored).unwrap_err(), Unreadable::NoKey);
            assert_eq!(Vault::with_key(&[2; KEY]).get(&acme(), &stored).unwrap_err(), Unreadable::OtherKey);
            let other = AccountId("other".into());
            assert_eq!(vault.get(&other, &stored).unwrap_err(), Unreadable::OtherKey);
        }
    }

    #[test]
    fn each_sealing_is_its_own() {
        let (vault, [secret, _]) = (Vault::with_key(&[1; KEY]), secrets());
        assert_ne!(vault.put(&acme(), &secret, &Same(5)), vault.put(&acme(), &secret, &Same(6)));
    }

    #[test]
    fn what_is_open_is_read_by_everybody_and_sealed_by_whoever_has_a_key() {
        let (sealing, [secret, _]) = (Vault::with_key(&[1; KEY]), secrets());
        let stored = Vault::default().put(&acme(), &secret, &Same(5));
        assert_eq!(stored, StoredSecret::from(&secret));
        for vault in [Vault::default(), sealing.clone()] {
            assert_eq!(vault.get(&acme(), &stored).unwrap().expose(), secret.expose());
        }
        assert!(sealing.would_seal(&stored) && !Vault::default().would_seal(&stored));
        assert!(!sealing.would_seal(&sealing.put(&acme(), &secret, &Same(5))));
    }

    #[test]
    fn what_was_damaged_is_refused() {
        let (vault, [secret, _]) = (Vault::with_key(&[1; KEY]), secrets());
        let whole = vault.put(&acme(), &secret, &Same(5)).text().to_owned();
        for text in
            ["enc1:", "enc1:AAAA", "enc1:?", &whole[..whole.len() - 4], &whole.replace("BQUF", "BQUG")]
        {
            let stored = StoredSecret::of_row(SecretKind::Hmac, text);
            assert_eq!(vault.get(&acme(), &stored).unwrap_err(), Unreadable::OtherKey, "for {text}");
        }
        let invalid = vault.get(&acme(), &StoredSecret::of_row(SecretKind::Hmac, "x")).unwrap_err();
        assert_eq!(invalid, Unreadable::Invalid(InvalidSecret::MissingPrefix));
    }

    #[test]
    fn keys_are_base64_of_32_bytes() {
        assert!(Vault::parse(&STANDARD.encode([1; KEY])).is_ok());
        for text in ["", "AAAA", &STANDARD.encode([1; 33]), &"!".repeat(44)] {
            assert_eq!(Vault::parse(text).unwrap_err(), InvalidKey, "for {text}");
        }
    }

    #[test]
    fn nothing_is_shown() {
        let [secret, _] = secrets();
        let shown = format!("{:?} {:?}", StoredSecret::from(&secret), Vault::with_key(&[1; KEY]));
        assert_eq!(shown, "StoredSecret(hmac) Vault(sealing)");
    }
}
