//! The Standard Webhooks signature: made, checked, and explained when it does not fit.
//!
//! Owns the signed text (`id.timestamp.body`), the header's spelling and the secret's. Promises that verification takes the
//! same time wherever two signatures differ. Knows neither clock nor headers: the time is an argument, and the caller
//! takes the three values out of the request.

mod rewriting;
mod secret;
mod verify;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

pub use rewriting::Rewriting;
pub use secret::{InvalidSecret, Secret};
pub use verify::{KeyText, Problem, Received, Verified, verify};

/// Signs one attempt at `unix_seconds`: the `v1,<base64>` entry of the `webhook-signature` header.
pub fn sign(secret: &Secret, id: &str, unix_seconds: i64, body: &[u8]) -> String {
    let tag = tag(secret.mac(), id, &unix_seconds.to_string(), body);
    let mut entry = String::with_capacity(48);
    entry.push_str("v1,");
    STANDARD.encode_string(tag, &mut entry);
    entry
}

/// The whole `webhook-signature` header: an entry for each secret that is active, separated by spaces.
pub fn signature_header(secrets: &[Secret], id: &str, unix_seconds: i64, body: &[u8]) -> String {
    let entries: Vec<String> = secrets.iter().map(|secret| sign(secret, id, unix_seconds, body)).collect();
    entries.join(" ")
}

fn tag(mut mac: Hmac<Sha256>, id: &str, timestamp: &str, body: &[u8]) -> [u8; 32] {
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
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
    fn every_active_secret_signs() {
        let secrets = [Secret::from_key(&[1; 24]).unwrap(), Secret::from_key(&[2; 32]).unwrap()];
        let expected =
            format!("{} {}", sign(&secrets[0], "msg_1", 5, b"{}"), sign(&secrets[1], "msg_1", 5, b"{}"));
        assert_eq!(signature_header(&secrets, "msg_1", 5, b"{}"), expected);
        assert_eq!(signature_header(&[], "msg_1", 5, b"{}"), "");
    }
}
