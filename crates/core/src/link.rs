//! Signatures for links that somebody may follow without a token: files, streams, pages.
//!
//! Owns how a message becomes a signature and how the two are compared. Does not know what a message says; an expiry is
//! part of the message, and whoever verifies the link checks it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// The number of characters of a signature.
pub const SIGNATURE_LENGTH: usize = 52;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The key that signs links. Its `Debug` does not show it.
#[derive(Clone)]
pub struct LinkKey(Hmac<Sha256>);

impl LinkKey {
    /// A key made of 32 random bytes.
    pub fn new(key: [u8; 32]) -> Self {
        Self(Hmac::new_from_slice(&key).expect("HMAC takes keys of any length"))
    }

    /// Another key, for one `purpose` of its own: what it signs says nothing about this one.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Self {
        Self::new(self.mac("derive", purpose))
    }

    /// Signs `message` for one `purpose`: 52 characters from `a-z` and `2-7` (HMAC-SHA256 in base32 without padding).
    ///
    /// A signature for one purpose is worth nothing for another.
    pub fn sign(&self, purpose: &str, message: &str) -> String {
        base32(&self.mac(purpose, message))
    }

    /// Whether `signature` is what [`LinkKey::sign`] gives. Takes the same time wherever they differ.
    pub fn verify(&self, purpose: &str, message: &str, signature: &str) -> bool {
        self.sign(purpose, message).as_bytes().ct_eq(signature.as_bytes()).into()
    }

    /// HMAC-SHA256 of `message` and nothing else, in base64 with padding: for signatures whose form others have set. Only
    /// for a key of its own, see [`LinkKey::derive`].
    pub fn sign_bare(&self, message: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(message.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    }

    /// Whether `signature` is what [`LinkKey::sign_bare`] gives. Takes the same time wherever they differ.
    pub fn verify_bare(&self, message: &str, signature: &str) -> bool {
        self.sign_bare(message).as_bytes().ct_eq(signature.as_bytes()).into()
    }

    fn mac(&self, purpose: &str, message: &str) -> [u8; 32] {
        let mut mac = self.0.clone();
        // The length keeps apart pairs whose concatenation is the same.
        mac.update(&(purpose.len() as u64).to_le_bytes());
        mac.update(purpose.as_bytes());
        mac.update(message.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKey(..)")
    }
}

fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for group in bytes.chunks(5) {
        let mut padded = [0; 8];
        padded[3..3 + group.len()].copy_from_slice(group);
        let bits = u64::from_be_bytes(padded);
        for index in 0..(group.len() * 8).div_ceil(5) {
            let digit = (bits >> (35 - 5 * index)) & 31;
            text.push(ALPHABET[digit as usize].into());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_follows_the_standard() {
        let cases = [
            ("", ""),
            ("f", "my"),
            ("fo", "mzxq"),
            ("foo", "mzxw6"),
            ("foob", "mzxw6yq"),
            ("fooba", "mzxw6ytb"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(base32(bytes.as_bytes()), expected, "for {bytes}");
        }
        assert_eq!(base32(&[0xff; 32]), format!("{}q", "7".repeat(51)));
    }

    #[test]
    fn a_signature_is_good_for_its_message_and_purpose_only() {
        let key = LinkKey::new([7; 32]);
        let signature = key.sign("file", "abc?expires=1");
        assert_eq!(signature.len(), SIGNATURE_LENGTH);
        assert!(signature.bytes().all(|byte| ALPHABET.contains(&byte)));
        assert!(key.verify("file", "abc?expires=1", &signature));

        assert!(!key.verify("file", "abc?expires=2", &signature));
        assert!(!key.verify("stream", "abc?expires=1", &signature));
        assert!(!key.verify("filea", "bc?expires=1", &signature));
        assert!(!LinkKey::new([8; 32]).verify("file", "abc?expires=1", &signature));
    }

    #[test]
    fn only_the_exact_spelling_is_accepted() {
        let key = LinkKey::new([7; 32]);
        let signature = key.sign("file", "abc");
        let shortened = &signature[..51];
        for wrong in
            ["", shortened, &format!("{signature}a"), &signature.to_uppercase(), &format!("{shortened}é")]
        {
            assert!(!key.verify("file", "abc", wrong), "for {wrong}");
        }
    }

    #[test]
    fn a_bare_signature_is_what_every_hmac_gives() {
        // As `openssl dgst -sha256 -mac HMAC -binary | base64` has it.
        let key = LinkKey::new([0x0b; 32]);
        let signature = key.sign_bare("Hi There");
        assert_eq!(signature, "GYpgfrRL+8aZA6Dxzyu9xboKo/PZrjwcejsWlqC2jPc=");
        assert!(key.verify_bare("Hi There", &signature));
        assert!(!key.verify_bare("Hi there", &signature));
        assert!(!key.verify_bare("Hi There", signature.trim_end_matches('=')));
    }

    #[test]
    fn derived_keys_differ_from_each_other_and_stay_the_same() {
        let key = LinkKey::new([7; 32]);
        assert_eq!(key.derive("a").sign_bare("x"), key.derive("a").sign_bare("x"));
        assert_ne!(key.derive("a").sign_bare("x"), key.derive("b").sign_bare("x"));
        assert_ne!(key.derive("a").sign_bare("x"), key.sign_bare("x"));
    }

    #[test]
    fn the_key_is_not_printed() {
        assert_eq!(format!("{:?}", LinkKey::new([7; 32])), "LinkKey(..)");
    }
}
