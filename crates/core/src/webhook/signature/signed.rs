//! The text that is signed.

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// `id.timestamp.body`.
#[derive(Clone, Copy)]
pub(super) struct Signed<'a> {
    pub(super) id: &'a str,
    pub(super) timestamp: &'a str,
    pub(super) body: &'a [u8],
}

impl<'a> Signed<'a> {
    /// HMAC takes it in part by part, so that a long body is not copied.
    pub(super) fn tag(self, mut mac: Hmac<Sha256>) -> [u8; 32] {
        self.parts().into_iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }

    /// Ed25519 reads it twice, so it needs it in one piece.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        self.parts().concat()
    }

    fn parts(self) -> [&'a [u8]; 5] {
        [self.id.as_bytes(), b".", self.timestamp.as_bytes(), b".", self.body]
    }
}
