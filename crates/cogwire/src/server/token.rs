//! API tokens: how they look, and what is stored of them.

use cogwire_core::prediction::AccountId;
use cogwire_core::time::{Entropy, Timestamp};
use cogwire_store::account::Token;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// What tokens begin with, as Replicate's do.
const PREFIX: &str = "r8_";
/// The number of random characters: 37 of 62 are 220 bits.
const RANDOM: usize = 37;
/// The number of characters that are kept to recognise a token by.
const SHOWN: usize = 8;

/// A new token.
pub fn generate(entropy: &dyn Entropy) -> SecretString {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    // Bytes that would favour the first characters are dropped; of 64 six-bit values two are.
    let random = std::iter::repeat_with(|| entropy.bits().to_le_bytes()).flatten();
    let characters =
        random.filter_map(|byte| ALPHABET.get(usize::from(byte & 63))).map(|byte| char::from(*byte));
    let text: String = PREFIX.chars().chain(characters.take(RANDOM)).collect();
    text.into()
}

/// What is stored in place of a token.
pub fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The row of a token.
pub fn row(token: &SecretString, account: AccountId, label: String, now: Timestamp) -> Token {
    let text = token.expose_secret();
    Token { sha256: hash(text), account, label, prefix: text.chars().take(SHOWN).collect(), created_at: now }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::SystemEntropy;

    #[test]
    fn tokens_look_like_replicates_and_differ() {
        let token = generate(&SystemEntropy);
        let text = token.expose_secret();
        assert_eq!(text.len(), 40);
        assert!(
            text.strip_prefix("r8_").expect("the prefix").bytes().all(|byte| byte.is_ascii_alphanumeric())
        );
        assert_ne!(generate(&SystemEntropy).expose_secret(), text);
        let row = row(&token, AccountId("cogwire".into()), "first".to_owned(), Timestamp::from_micros(0));
        assert_eq!((row.prefix.as_str(), row.sha256), (&text[..8], hash(text)));
    }
}
