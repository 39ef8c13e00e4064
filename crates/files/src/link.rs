//! Download links: a file's URL that works without a token, until it expires.
//!
//! Links are unguessable because they are signed, and need no row: everything that is checked is in the URL. It must
//! not know whether the file exists.

use cogwire_core::id::FileId;
use cogwire_core::link::LinkKey;
use cogwire_core::time::Timestamp;
use url::Url;

use crate::error::Error;
use crate::name::sanitise;

/// Keeps a download's signature from being one of something else that the same key signs.
const PURPOSE: &str = "download";

/// What stands for the expiry of a link that works for as long as the file is there.
const NEVER: &str = "never";

/// Why a download link is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The link was not made with this key, or not for this file, name and expiry.
    #[error("this download link is not valid: use the URL exactly as the server gave it")]
    Invalid,
    /// The link was good once.
    #[error("this download link has expired: ask the server for the file again")]
    Expired,
}

/// Makes and checks links below one public URL.
#[derive(Debug)]
pub(crate) struct Links {
    public_url: Url,
    key: LinkKey,
}

impl Links {
    pub(crate) fn new(public_url: &str, key: LinkKey) -> Result<Self, Error> {
        let unusable = |source| Error::PublicUrl { url: public_url.to_owned(), source };
        let parsed = Url::parse(public_url).map_err(|source| unusable(Some(source)))?;
        if !matches!(parsed.scheme(), "http" | "https")
            || parsed.query().is_some()
            || parsed.fragment().is_some()
        {
            return Err(unusable(None));
        }
        Ok(Self { public_url: parsed, key })
    }

    /// Links below another URL, signed with the same key.
    pub(crate) fn below(&self, base_url: &str) -> Result<Self, Error> {
        Self::new(base_url, self.key.clone())
    }

    pub(crate) fn public_url(&self) -> &Url {
        &self.public_url
    }

    pub(crate) fn key(&self) -> &LinkKey {
        &self.key
    }

    pub(crate) fn url(&self, id: FileId, name: &str, expires_at: Option<Timestamp>) -> String {
        let name = sanitise(name);
        let expires = expires_at.map_or_else(|| NEVER.to_owned(), |at| at.as_seconds().to_string());
        let mut url = self.public_url.clone();
        url.path_segments_mut().expect("an http URL has a path").pop_if_empty().extend([
            "download",
            id.as_str(),
            &name,
        ]);
        let signature = self.key.sign(PURPOSE, &message(id, &name, &expires));
        url.query_pairs_mut().append_pair("expires", &expires).append_pair("signature", &signature);
        url.into()
    }

    pub(crate) fn check(
        &self,
        id: FileId,
        name: &str,
        expires: &str,
        signature: &str,
        now: Timestamp,
    ) -> Result<(), LinkError> {
        if !self.key.verify(PURPOSE, &message(id, name, expires), signature) {
            return Err(LinkError::Invalid);
        }
        if expires == NEVER {
            return Ok(());
        }
        let expires: i64 = expires.parse().map_err(|_| LinkError::Invalid)?;
        if now.as_seconds() < expires { Ok(()) } else { Err(LinkError::Expired) }
    }
}

/// Unambiguous, because neither an id nor an expiry that was signed contains a line break.
fn message(id: FileId, name: &str, expires: &str) -> String {
    format!("{id}\n{expires}\n{name}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_500_000);

    fn links(public_url: &str) -> Links {
        Links::new(public_url, LinkKey::new([7; 32])).expect("a usable URL")
    }

    fn id() -> FileId {
        FileId::new(NOW, 1)
    }

    /// Name, expiry and signature, as a router would hand them over.
    fn parts(url: &str) -> (String, String, String) {
        let url = Url::parse(url).expect("a URL");
        let encoded = url.path().rsplit('/').next().unwrap_or_default();
        let name = percent_encoding::percent_decode_str(encoded).decode_utf8().expect("UTF-8").into_owned();
        let mut query: HashMap<String, String> = url.query_pairs().into_owned().collect();
        let mut take = |key| query.remove(key).expect("in the query");
        (name, take("expires"), take("signature"))
    }

    #[test]
    fn a_link_is_below_the_public_url() {
        for (public_url, start) in [
            ("http://127.0.0.1:8787", "http://127.0.0.1:8787/download/"),
            ("https://example.com/cogwire/", "https://example.com/cogwire/download/"),
        ] {
            let url = links(public_url).url(id(), "a b?.png", Some(NOW));
            let expected = format!("{start}{}/a%20b%3F.png?expires=1700000000&signature=", id());
            assert!(url.starts_with(&expected), "{url}");
        }
    }

    #[test]
    fn a_link_works_until_it_expires() {
        let links = links("http://localhost");
        let (name, expires, signature) =
            parts(&links.url(id(), "cat.png", Some(NOW + Duration::from_secs(60))));
        let check = |now| links.check(id(), &name, &expires, &signature, now);
        assert_eq!(check(NOW), Ok(()));
        assert_eq!(check(NOW + Duration::from_secs(59)), Ok(()));
        assert_eq!(check(NOW + Duration::from_secs(60)), Err(LinkError::Expired));
    }

    #[test]
    fn a_link_without_expiry_works_for_ever() {
        let links = links("http://localhost");
        let (name, expires, signature) = parts(&links.url(id(), "cat.png", None));
        assert_eq!(expires, "never");
        assert_eq!(links.check(id(), &name, &expires, &signature, Timestamp::from_micros(i64::MAX)), Ok(()));
    }

    #[test]
    fn a_changed_link_is_invalid() {
        let made = links("http://localhost");
        let (name, expires, signature) =
            parts(&made.url(id(), "cat.png", Some(NOW + Duration::from_secs(60))));
        let invalid = |id, name: &str, expires: &str, signature: &str| {
            assert_eq!(made.check(id, name, expires, signature, NOW), Err(LinkError::Invalid));
        };
        invalid(FileId::new(NOW, 2), &name, &expires, &signature);
        invalid(id(), "dog.png", &expires, &signature);
        invalid(id(), &name, "1800000000", &signature);
        invalid(id(), &name, "never", &signature);
        invalid(id(), &name, "", &signature);
        invalid(id(), &name, &expires, "");
        invalid(id(), &name, &expires, &signature.to_uppercase());
        invalid(id(), &format!("{expires}\n{name}"), "", &signature);

        let other = Links::new("http://localhost", LinkKey::new([8; 32])).expect("a usable URL");
        assert_eq!(other.check(id(), &name, &expires, &signature, NOW), Err(LinkError::Invalid));
    }

    #[test]
    fn an_unusable_public_url_is_refused() {
        for bad in [
            "",
            "localhost:8787",
            "ftp://example.com",
            "mailto:me@example.com",
            "http://h/?x=1",
            "http://h/#x",
        ] {
            let error = Links::new(bad, LinkKey::new([7; 32])).expect_err(bad);
            assert!(error.to_string().contains(&format!("{bad:?}")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn every_name_survives_the_url(name in "\\PC{0,40}|[ -~]{0,40}") {
            let links = links("http://localhost");
            let (decoded, expires, signature) = parts(&links.url(id(), &name, None));
            prop_assert_eq!(&decoded, &sanitise(&name));
            prop_assert_eq!(links.check(id(), &decoded, &expires, &signature, NOW), Ok(()));
        }
    }
}
