//! Where in the object storage a file lies.
//!
//! It promises that different names of one id never share a location, and that every location is valid on disk and on
//! S3. It must not look at what is there.

use std::fmt::Write;

use cogwire_core::id::FileId;
use object_store::path::Path;
use sha2::{Digest, Sha256};

/// The longest name that is used on disk as it is; it leaves room for the suffix of an upload under way.
const MAX_PLAIN_BYTES: usize = 200;

/// The folder that holds everything of an id.
pub(crate) fn folder(id: FileId) -> Path {
    Path::from(id.as_str())
}

/// The place of a file: under its own name when that is plain ASCII, so that people find it, else under a hash of it.
///
/// Object storage percent-encodes other characters, which could make a name too long, and takes `name#1` for an
/// unfinished upload. No plain name begins with `=`.
pub(crate) fn file(id: FileId, sanitised_name: &str) -> Path {
    if is_plain(sanitised_name) {
        folder(id).join(sanitised_name)
    } else {
        folder(id).join(format!("={}", hex(&Sha256::digest(sanitised_name))))
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}

fn is_plain(name: &str) -> bool {
    name.len() <= MAX_PLAIN_BYTES
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use cogwire_core::time::Timestamp;

    use super::*;

    #[test]
    fn plain_names_are_kept_and_others_are_hashed() {
        let id = FileId::new(Timestamp::from_micros(0), 1);
        assert_eq!(file(id, "out-0.png").as_ref(), "00000000000000000000000001/out-0.png");
        for name in ["a b.png", "🐈.png", "cat.png#1", "=cat", "%41", &"x".repeat(255)] {
            let location = file(id, name);
            let stored = location.filename().expect("a file has a name");
            assert!(stored.starts_with('=') && stored.len() == 65, "{stored}");
        }
    }
}
