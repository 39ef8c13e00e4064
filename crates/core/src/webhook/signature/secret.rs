//! The secrets that sign webhooks, and their spelling.

use std::fmt;

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine};
use ed25519_dalek::SigningKey;

use super::SecretKind;
use super::shared::SharedKey;

pub(super) const SHARED_PREFIX: &str = "whsec_";
const PRIVATE_PREFIX: &str = "whsk_";
pub(super) const PUBLIC_PREFIX: &str = "whpk_";
const SHORTEST: usize = 24;
const LONGEST: usize = 64;
const SEED: usize = 32;

/// A webhook secret: 24 to 64 bytes that sender and receiver share, or a private ed25519 key. Its `Debug` does not show it.
#[derive(Clone)]
pub struct Secret(Key);

#[derive(Clone)]
pub(super) enum Key {
    Hmac(SharedKey),
    Ed25519(Box<SigningKey>),
}

/// The text or the key cannot be a webhook secret. No variant carries a part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// The text begins with no prefix of a secret.
    #[error("a webhook secret begins with \"whsec_\", or with \"whsk_\" when it is a private key")]
    MissingPrefix,
    /// A public key stands where something has to sign.
    #[error(
        "a public key (\"whpk_\") signs nothing: give the secret, which begins with \"whsec_\" or \"whsk_\""
    )]
    PublicKey,
    /// The text uses `-` or `_` where the clients expect `+` or `/`.
    #[error("a webhook secret is standard base64 with '+' and '/', not the URL-safe kind with '-' and '_'")]
    UrlSafeAlphabet,
    /// A character is not base64 at all.
    #[error("character {position} of the webhook secret is not base64")]
    NotBase64 {
        /// The character's place in the whole text, from 1.
        position: usize,
    },
    /// Padding is missing, too long or in the middle.
    #[error("a webhook secret's base64 is padded with '=' at its end to a multiple of 4 characters")]
    WrongPadding,
    /// The last character says more than the last byte holds.
    #[error("the last character of the webhook secret's base64 is wrong; was the secret copied whole?")]
    StrayBits,
    /// Too few or too many bytes.
    #[error("a webhook secret has 24 to 64 bytes, and this one has {bytes}")]
    WrongLength {
        /// How many bytes there were.
        bytes: usize,
    },
    /// A private or public key of another length.
    #[error(
        "a private key (\"whsk_\") has 32 bytes, or 64 with its public key, which has 32; this one has {bytes}"
    )]
    WrongKeyLength {
        /// How many bytes there were.
        bytes: usize,
    },
    /// The second half of a private key is not the public key of the first.
    #[error("the two halves of the private key (\"whsk_\") do not belong together; was it copied whole?")]
    WrongHalves,
    /// The bytes of a public key are no point that anything could be signed with.
    #[error("the bytes of the public key (\"whpk_\") are no ed25519 key")]
    NoPublicKey,
}

impl Secret {
    /// Reads `whsec_` followed by the standard base64 of 24 to 64 bytes, or `whsk_` followed by that of a private key: 32
    /// bytes, or 64 with the public key after them.
    ///
    /// # Errors
    /// When the text is spelled in any other way.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        if let Some(encoded) = text.strip_prefix(SHARED_PREFIX) {
            return Self::from_key(&decode(SHARED_PREFIX, encoded)?);
        }
        match text.strip_prefix(PRIVATE_PREFIX) {
            Some(encoded) => private_key(&decode(PRIVATE_PREFIX, encoded)?),
            None if text.starts_with(PUBLIC_PREFIX) => Err(InvalidSecret::PublicKey),
            None => Err(InvalidSecret::MissingPrefix),
        }
    }

    /// The shared secret with these bytes.
    ///
    /// # Errors
    /// When there are fewer than 24 or more than 64.
    pub fn from_key(key: &[u8]) -> Result<Self, InvalidSecret> {
        if !(SHORTEST..=LONGEST).contains(&key.len()) {
            return Err(InvalidSecret::WrongLength { bytes: key.len() });
        }
        Ok(Self(Key::Hmac(SharedKey::new(key))))
    }

    /// The private key that these random bytes make.
    pub fn from_seed(seed: &[u8; SEED]) -> Self {
        Self(Key::Ed25519(Box::new(SigningKey::from_bytes(seed))))
    }

    /// A secret of this kind, made of random bytes.
    pub fn fresh(kind: SecretKind, random: &[u8; SEED]) -> Self {
        match kind {
            SecretKind::Hmac => Self(Key::Hmac(SharedKey::new(random))),
            SecretKind::Ed25519 => Self::from_seed(random),
        }
    }

    /// How it signs.
    pub fn kind(&self) -> SecretKind {
        match &self.0 {
            Key::Hmac(_) => SecretKind::Hmac,
            Key::Ed25519(_) => SecretKind::Ed25519,
        }
    }

    /// The text that [`Secret::parse`] reads. Whoever has it can sign.
    pub fn expose(&self) -> String {
        match &self.0 {
            Key::Hmac(key) => key.expose(),
            Key::Ed25519(key) => format!("{PRIVATE_PREFIX}{}", STANDARD.encode(key.as_bytes())),
        }
    }

    /// The public key (`whpk_...`) that receivers verify with; a shared secret has none.
    pub fn public_key(&self) -> Option<String> {
        match &self.0 {
            Key::Hmac(_) => None,
            Key::Ed25519(key) => {
                Some(format!("{PUBLIC_PREFIX}{}", STANDARD.encode(key.verifying_key().as_bytes())))
            }
        }
    }

    pub(super) fn key(&self) -> &Key {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The bytes of what follows `prefix`.
pub(super) fn decode(prefix: &str, encoded: &str) -> Result<Vec<u8>, InvalidSecret> {
    if encoded.contains(['-', '_']) {
        return Err(InvalidSecret::UrlSafeAlphabet);
    }
    STANDARD.decode(encoded).map_err(|error| explain(&error, prefix, encoded))
}

/// Some senders keep a private key alone, others with its public key after it.
fn private_key(bytes: &[u8]) -> Result<Secret, InvalidSecret> {
    let (seed, public) = bytes.split_at(bytes.len().min(SEED));
    let wrong = InvalidSecret::WrongKeyLength { bytes: bytes.len() };
    let key = SigningKey::from_bytes(seed.try_into().map_err(|_| wrong.clone())?);
    match public.len() {
        0 => {}
        SEED if public == key.verifying_key().as_bytes() => {}
        SEED => return Err(InvalidSecret::WrongHalves),
        _ => return Err(wrong),
    }
    Ok(Secret(Key::Ed25519(Box::new(key))))
}

fn explain(error: &DecodeError, prefix: &str, encoded: &str) -> InvalidSecret {
    match error {
        DecodeError::InvalidByte(at, byte) if *byte != b'=' => InvalidSecret::NotBase64 {
            position: prefix.len() + encoded.get(..*at).map_or(*at, |ok| ok.chars().count()) + 1,
        },
        DecodeError::InvalidLastSymbol { .. } => InvalidSecret::StrayBits,
        _ => InvalidSecret::WrongPadding,
    }
}

#[cfg(test)]
mod tests {
    use super::super::UnknownKind;
    use super::*;

    #[test]
    fn secrets_are_read_and_written() {
        let text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        assert_eq!(Secret::parse(text).unwrap().expose(), text);
        let longest = Secret::from_key(&[0xff; 64]).unwrap().expose();
        assert_eq!(longest.len(), 6 + 88);
        assert_eq!(Secret::parse(&longest).unwrap().expose(), longest);
        assert_eq!(format!("{:?}", Secret::parse(text).unwrap()), "Secret(..)");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("", InvalidSecret::MissingPrefix),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", InvalidSecret::MissingPrefix),
            ("whsec_", InvalidSecret::WrongLength { bytes: 0 }),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS_", InvalidSecret::UrlSafeAlphabet),
            ("whsec_MfKQ9r8GKYqr-wjUPD8ILPZIo2LaLaSw", InvalidSecret::UrlSafeAlphabet),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", InvalidSecret::WrongPadding),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=", InvalidSecret::WrongPadding),
            ("whsec_MfKQ=r8GKYqrTwjUPD8ILPZIo2LaLaSw", InvalidSecret::WrongPadding),
            ("whsec_Mf Q9r8GKYqrTwjUPD8ILPZIo2LaLaSw", InvalidSecret::NotBase64 { position: 9 }),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", InvalidSecret::NotBase64 { position: 39 }),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAB==", InvalidSecret::StrayBits),
            ("whsec_MfKQ", InvalidSecret::WrongLength { bytes: 3 }),
        ];
        for (text, expected) in cases {
            assert_eq!(Secret::parse(text).unwrap_err(), expected, "for {text:?}");
        }
        assert_eq!(Secret::from_key(&[1; 65]).unwrap_err(), InvalidSecret::WrongLength { bytes: 65 });
    }

    const PRIVATE: &str = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc=";
    const BOTH: &str =
        "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
    const PUBLIC: &str = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";

    #[test]
    fn private_keys_are_read_with_and_without_their_public_key() {
        for text in [PRIVATE, BOTH] {
            let secret = Secret::parse(text).unwrap();
            assert_eq!((secret.kind(), secret.expose()), (SecretKind::Ed25519, PRIVATE.to_owned()));
            assert_eq!(secret.public_key().as_deref(), Some(PUBLIC));
        }
        assert_eq!(Secret::from_key(&[1; 24]).unwrap().public_key(), None);
    }

    #[test]
    fn what_is_wrong_with_a_private_key_is_named() {
        let cases = [
            (PUBLIC.to_owned(), InvalidSecret::PublicKey),
            ("whsk_".to_owned(), InvalidSecret::WrongKeyLength { bytes: 0 }),
            ("whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(), InvalidSecret::WrongKeyLength { bytes: 24 }),
            (BOTH.replace("bfVK", "bfVL"), InvalidSecret::WrongHalves),
            (BOTH.replace("Kvg==", ""), InvalidSecret::WrongPadding),
        ];
        for (text, expected) in cases {
            assert_eq!(Secret::parse(&text).unwrap_err(), expected, "for {text}");
        }
    }

    #[test]
    fn kinds_have_names() {
        for kind in SecretKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(Secret::fresh(kind, &[7; 32]).kind(), kind);
        }
        assert_eq!("rsa".parse::<SecretKind>(), Err(UnknownKind));
    }
}
