//! The key of an HMAC, which sender and receiver share.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit};
use sha2::Sha256;

use super::secret::SHARED_PREFIX;

/// A shared key of any length. Its `Debug` does not show it.
#[derive(Clone)]
pub(super) struct SharedKey {
    bytes: Box<[u8]>,
    /// HMAC with the key already taken in, so that a signature hashes the message only.
    mac: Hmac<Sha256>,
}

impl SharedKey {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let mac = Hmac::new_from_slice(bytes).expect("HMAC takes keys of any length");
        Self { bytes: bytes.into(), mac }
    }

    pub(super) fn mac(&self) -> Hmac<Sha256> {
        self.mac.clone()
    }

    pub(super) fn expose(&self) -> String {
        format!("{SHARED_PREFIX}{}", self.expose_base64())
    }

    pub(super) fn expose_base64(&self) -> String {
        STANDARD.encode(&self.bytes)
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey(..)")
    }
}
