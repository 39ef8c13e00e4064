//! Which URLs stand for files of this server, so that whoever needs the bytes need not go through its public address.
//!
//! Clients write the base of the API as they like, so an uploaded file is found under every spelling that the routes
//! answer. It must not know whether the file exists.

use std::collections::HashMap;

use cogwire_core::id::FileId;
use cogwire_core::time::Timestamp;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::files::Files;

/// Longer texts are not looked at, in bytes: no URL that this server makes is as long.
const MAX_BYTES: usize = 4096;

/// What a URL of this server stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A stored file, by a download link that is valid now.
    Link {
        /// Its id.
        id: FileId,
        /// Its name.
        name: String,
    },
    /// An uploaded file, by the URL of what is known about it. Without an id the text is none, and there is no such file.
    Upload(Option<FileId>),
}

impl Files {
    /// Reads a text that may be a URL; `None` when it is none of this server's, and when it is a download link that was
    /// changed or has expired.
    pub fn reference(&self, text: &str, now: Timestamp) -> Option<Reference> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let url = Url::parse(text).ok()?;
        let path = below(&url, self.public_url())?;
        match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["download", id, name] => self.linked(&url, id, name, now),
            ["v1", "v1", "files", id] | ["v1", "files", id] | ["files", id] => {
                Some(Reference::Upload(id.parse().ok()))
            }
            _ => None,
        }
    }

    fn linked(&self, url: &Url, id: &str, name: &str, now: Timestamp) -> Option<Reference> {
        let id = id.parse().ok()?;
        let query: HashMap<_, _> = url.query_pairs().collect();
        let given = |key| query.get(key).map_or("", AsRef::as_ref);
        self.check(id, name, given("expires"), given("signature"), now).ok()?;
        Some(Reference::Link { id, name: name.to_owned() })
    }
}

/// Whether a URL leads to the machine that it is used on, without asking anybody for the address of its host.
pub fn is_loopback(url: &str) -> bool {
    match Url::parse(url).ok().as_ref().and_then(Url::host) {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// The segments of `url` below `base`, decoded, as the routes read them: empty ones do not count.
fn below(url: &Url, base: &Url) -> Option<Vec<String>> {
    if url.origin() != base.origin() {
        return None;
    }
    let segments = |url: &Url| {
        let all = url.path_segments().into_iter().flatten().filter(|segment| !segment.is_empty());
        all.map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned()).collect::<Vec<_>>()
    };
    segments(url).strip_prefix(segments(base).as_slice()).map(<[String]>::to_vec)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cogwire_core::link::LinkKey;

    use super::*;
    use crate::Storage;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn id() -> FileId {
        FileId::new(NOW, 1)
    }

    fn files(public_url: &str) -> (tempfile::TempDir, Files) {
        let folder = tempfile::tempdir().expect("a folder");
        let storage = Storage::Folder(folder.path().to_owned());
        let files = Files::open(&storage, public_url, LinkKey::new([7; 32])).expect("opened");
        (folder, files)
    }

    #[test]
    fn an_upload_is_found_under_every_spelling_of_the_base() {
        let uploaded = Some(Reference::Upload(Some(id())));
        for base in ["https://example.com", "https://example.com/cogwire/", "http://127.0.0.1:8787"] {
            let (_folder, files) = files(base);
            let base = base.trim_end_matches('/');
            for path in ["/v1/files", "/files", "/v1/v1/files", "//v1//files"] {
                let url = format!("{base}{path}/{}", id());
                assert_eq!(files.reference(&url, NOW), uploaded, "{url}");
                assert_eq!(files.reference(&format!("{url}/"), NOW), uploaded, "{url}/");
            }
            let unknown = files.reference(&format!("{base}/v1/files/nothing"), NOW);
            assert_eq!(unknown, Some(Reference::Upload(None)));
        }
    }

    #[test]
    fn the_spelling_of_the_host_does_not_matter() {
        let (_folder, files) = files("https://Example.com:443");
        let url = format!("HTTPS://EXAMPLE.COM/v1/files/{}", id());
        assert_eq!(files.reference(&url, NOW), Some(Reference::Upload(Some(id()))));
    }

    #[test]
    fn a_download_link_is_found_for_as_long_as_it_is_valid() {
        let (_folder, files) = files("http://localhost:8787");
        let url = files.url(id(), "a b?.png", Some(NOW + Duration::from_secs(60)));
        let linked = Reference::Link { id: id(), name: "a b?.png".to_owned() };
        assert_eq!(files.reference(&url, NOW), Some(linked));
        assert_eq!(files.reference(&url, NOW + Duration::from_secs(60)), None);
        assert_eq!(files.reference(&url.replace("signature=", "signature=x"), NOW), None);
    }

    #[test]
    fn this_machine_is_told_from_others() {
        for url in ["http://127.0.0.1:5000", "http://[::1]", "https://localhost/x", "http://cog.localhost"] {
            assert!(is_loopback(url), "{url}");
        }
        for url in ["http://10.0.0.1", "http://localhost.example.com", "http://[::2]", "localhost", ""] {
            assert!(!is_loopback(url), "{url}");
        }
    }

    #[test]
    fn what_is_not_of_this_server_is_left_alone() {
        let (_folder, files) = files("http://localhost:8787/base");
        let path = format!("base/v1/files/{}", id());
        for other in [
            "",
            "no url",
            "data:text/plain,hello",
            &format!("http://localhost:8788/{path}"),
            &format!("https://localhost:8787/{path}"),
            &format!("http://localhost:8787/v1/files/{}", id()),
            &format!("http://localhost:8787/base/v1/files/{}/download", id()),
            "http://localhost:8787/base/v1/files",
            "http://localhost:8787/base/v1/predictions/abc",
        ] {
            assert_eq!(files.reference(other, NOW), None, "{other}");
        }
    }
}
