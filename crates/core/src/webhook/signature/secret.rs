//! The secret that signs webhooks, and its spelling.

use std::fmt;

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine};
use hmac::{Hmac, KeyInit};
use sha2::Sha256;

const PREFIX: &str = "whsec_";
const SHORTEST: usize = 24;
const LONGEST: usize = 64;

/// A webhook secret: 24 to 64 bytes. Its `Debug` does not show them.
#[derive(Clone)]
pub struct Secret {
    key: Box<[u8]>,
    /// HMAC with the key already taken in, so that a signature hashes the message only.
    mac: Hmac<Sha256>,
}

/// The text or the key cannot be a webhook secret. No variant carries a part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// The text does not begin with `whsec_`.
    #[error("a webhook secret begins with \"whsec_\"")]
    MissingPrefix,
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
}

impl Secret {
    /// Reads `whsec_` followed by the standard base64 of 24 to 64 bytes.
    ///
    /// # Errors
    /// When the text is spelled in any other way.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(InvalidSecret::MissingPrefix)?;
        if encoded.contains(['-', '_']) {
            return Err(InvalidSecret::UrlSafeAlphabet);
        }
        let key = STANDARD.decode(encoded).map_err(|error| explain(&error, encoded))?;
        Self::from_key(&key)
    }

    /// The secret with these bytes.
    ///
    /// # Errors
    /// When there are fewer than 24 or more than 64.
    pub fn from_key(key: &[u8]) -> Result<Self, InvalidSecret> {
        if !(SHORTEST..=LONGEST).contains(&key.len()) {
            return Err(InvalidSecret::WrongLength { bytes: key.len() });
        }
        Ok(Self { key: key.into(), mac: mac_of(key) })
    }

    /// The text that [`Secret::parse`] reads. Whoever has it can sign.
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}", self.expose_base64())
    }

    pub(super) fn expose_base64(&self) -> String {
        STANDARD.encode(&self.key)
    }

    pub(super) fn mac(&self) -> Hmac<Sha256> {
        self.mac.clone()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

pub(super) fn mac_of(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn explain(error: &DecodeError, encoded: &str) -> InvalidSecret {
    match error {
        DecodeError::InvalidByte(at, byte) if *byte != b'=' => InvalidSecret::NotBase64 {
            position: PREFIX.len() + encoded.get(..*at).map_or(*at, |ok| ok.chars().count()) + 1,
        },
        DecodeError::InvalidLastSymbol { .. } => InvalidSecret::StrayBits,
        _ => InvalidSecret::WrongPadding,
    }
}

#[cfg(test)]
mod tests {
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
}
