//! Downloads of uploaded files by the signature that Replicate's API documents: whoever has it needs no token.
//!
//! Not as the other links ([`crate::link`]), because the clients name these three parts. It must not know whether the file
//! exists, or whose it is.

use cogwire_core::id::FileId;
use cogwire_core::link::LinkKey;
use cogwire_core::time::Timestamp;
use url::Url;

use crate::files::Files;

/// Keeps the key apart from the one that signs links.
const PURPOSE: &str = "files api";

impl Files {
    /// A URL from which anybody may download an uploaded file until `expires_at` (whole seconds).
    /// `{public_url}/v1/files/{id}/download?expiry={unix seconds}&owner={owner}&signature={mac}`
    pub fn signed_url(&self, owner: &str, id: FileId, expires_at: Timestamp) -> String {
        let expiry = expires_at.as_seconds().to_string();
        let signature = key(self.link_key()).sign_bare(&message(owner, id, &expiry));
        let mut url: Url = self.public_url().clone();
        url.path_segments_mut().expect("an http URL has a path").pop_if_empty().extend([
            "v1",
            "files",
            id.as_str(),
            "download",
        ]);
        let mut query = url.query_pairs_mut();
        query.append_pair("expiry", &expiry).append_pair("owner", owner);
        query.append_pair("signature", &signature);
        drop(query);
        url.into()
    }

    /// Whether these parts of a URL, decoded, were signed here and are still good.
    pub fn is_signed(&self, owner: &str, id: FileId, expiry: &str, signature: &str, now: Timestamp) -> bool {
        // A plus that was not escaped arrives as a space.
        let signature = signature.replace(' ', "+");
        let signed = key(self.link_key()).verify_bare(&message(owner, id, expiry), &signature);
        signed && expiry.parse::<i64>().is_ok_and(|expiry| now.as_seconds() < expiry)
    }
}

fn key(links: &LinkKey) -> LinkKey {
    links.derive(PURPOSE)
}

/// As Replicate's API documents it. Unambiguous, because neither an id nor a number contains a space.
fn message(owner: &str, id: FileId, expiry: &str) -> String {
    format!("{owner} {id} {expiry}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use super::*;
    use crate::Storage;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn files(key: u8) -> (tempfile::TempDir, Files) {
        let folder = tempfile::tempdir().expect("a folder");
        let storage = Storage::Folder(folder.path().to_owned());
        let files = Files::open(&storage, "https://example.com/", LinkKey::new([key; 32])).expect("opened");
        (folder, files)
    }

    #[test]
    fn a_signature_is_good_for_its_owner_file_and_time() {
        let (_folder, files) = files(7);
        let id = FileId::new(NOW, 1);
        let url = files.signed_url("me", id, NOW + Duration::from_secs(60));
        let start =
            format!("https://example.com/v1/files/{id}/download?expiry=1700000060&owner=me&signature=");
        assert!(url.starts_with(&start), "{url}");

        let url = Url::parse(&url).expect("a URL");
        let query: HashMap<_, _> = url.query_pairs().collect();
        let (signature, unescaped) = (&*query["signature"], query["signature"].replace('+', " "));
        let good = |owner, id, expiry, signature, now| files.is_signed(owner, id, expiry, signature, now);
        assert!(good("me", id, "1700000060", signature, NOW));
        assert!(good("me", id, "1700000060", &unescaped, NOW));
        assert!(!good("me", id, "1700000060", signature, NOW + Duration::from_secs(60)), "too late");
        assert!(!good("you", id, "1700000060", signature, NOW));
        assert!(!good("me", FileId::new(NOW, 2), "1700000060", signature, NOW));
        assert!(!good("me", id, "1800000000", signature, NOW));
        assert!(!good("me", id, "1700000060", "", NOW));
    }

    #[test]
    fn another_servers_signature_is_worth_nothing() {
        let ((_one, mine), (_other, theirs)) = (files(7), files(8));
        let id = FileId::new(NOW, 1);
        let url = Url::parse(&theirs.signed_url("me", id, NOW + Duration::from_secs(60))).expect("a URL");
        let query: HashMap<_, _> = url.query_pairs().collect();
        assert!(!mine.is_signed("me", id, &query["expiry"], &query["signature"], NOW));
    }
}
