//! The Standard Webhooks signature: made, checked, and explained when it does not fit.
//!
//! Owns the signed text (`id.timestamp.body`), the header's spelling and the secret's. Promises that verification takes the
//! same time wherever two signatures differ. Knows neither clock nor headers: the time is an argument, and the caller
//! takes the three values out of the request.

mod kind;
mod rewriting;
mod secret;
mod shared;
mod signed;
mod verifier;
mod verify;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer;

use secret::Key;
use signed::Signed;

pub use kind::{SecretKind, UnknownKind};
pub use rewriting::Rewriting;
pub use secret::{InvalidSecret, Secret};
pub use verifier::Verifier;
pub use verify::{KeyText, Problem, Received, Verified, verify, verify_with};

/// Signs one attempt at `unix_seconds`: an entry of the `webhook-signature` header, `v1,<base64>` or `v1a,<base64>`.
pub fn sign(secret: &Secret, id: &str, unix_seconds: i64, body: &[u8]) -> String {
    let signed = Signed { id, timestamp: &unix_seconds.to_string(), body };
    let mut entry = String::with_capacity(92);
    entry.push_str(secret.kind().entry_prefix());
    match secret.key() {
        Key::Hmac(key) => STANDARD.encode_string(signed.tag(key.mac()), &mut entry),
        Key::Ed25519(key) => STANDARD.encode_string(key.sign(&signed.to_bytes()).to_bytes(), &mut entry),
    }
    entry
}

/// The whole `webhook-signature` header: an entry for each secret that is active, separated by spaces.
pub fn signature_header(secrets: &[Secret], id: &str, unix_seconds: i64, body: &[u8]) -> String {
    let entries: Vec<String> = secrets.iter().map(|secret| sign(secret, id, unix_seconds, body)).collect();
    entries.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vector_is_met() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signed = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn the_published_vector_of_the_private_key_is_met() {
        let secret = Secret::parse("whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc=").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signed = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(
            signed,
            "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
        );
    }

    #[test]
    fn every_active_secret_signs() {
        let secrets = [Secret::from_key(&[1; 24]).unwrap(), Secret::from_key(&[2; 32]).unwrap()];
        let expected =
            format!("{} {}", sign(&secrets[0], "msg_1", 5, b"{}"), sign(&secrets[1], "msg_1", 5, b"{}"));
        assert_eq!(signature_header(&secrets, "msg_1", 5, b"{}"), expected);
        assert_eq!(signature_header(&[], "msg_1", 5, b"{}"), "");
    }
}
