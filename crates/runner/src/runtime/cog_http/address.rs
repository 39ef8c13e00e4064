//! Where the server of a model is.

use http::{HeaderValue, Uri};
use url::Url;

/// A server's URL, taken apart.
#[derive(Debug, Clone)]
pub(super) struct Address {
    /// As it was given.
    pub(super) url: String,
    pub(super) secure: bool,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) host_header: HeaderValue,
    /// What comes before every path, without a slash at its end.
    prefix: String,
}

/// The text is not the URL of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the URL of a Cog server, such as http://localhost:5000")]
pub struct InvalidServerUrl(String);

impl Address {
    /// Reads a URL.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidServerUrl> {
        let invalid = || InvalidServerUrl(text.chars().take(200).collect());
        let url = Url::parse(text).map_err(|_| invalid())?;
        if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() {
            return Err(invalid());
        }
        // A password in a URL would end up in logs and in the catalogue.
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid());
        }
        let host = url.host_str().ok_or_else(invalid)?.to_owned();
        let host_header = url.port().map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
        Ok(Self {
            url: text.trim_end_matches('/').to_owned(),
            secure: url.scheme() == "https",
            port: url.port_or_known_default().ok_or_else(invalid)?,
            host_header: host_header.parse().map_err(|_| invalid())?,
            host,
            prefix: url.path().trim_end_matches('/').to_owned(),
        })
    }

    /// The target of a request for a path of the server; the path is one of ours, so it can be one.
    pub(super) fn path(&self, path: &str) -> Uri {
        format!("{}{path}", self.prefix).parse().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let address = Address::parse("https://models.test/one/").expect("a URL");
        assert_eq!((address.secure, &*address.host, address.port), (true, "models.test", 443));
        assert_eq!(address.host_header, "models.test");
        assert_eq!(address.path("/health-check").to_string(), "/one/health-check");
        let address = Address::parse("http://[::1]:5000").expect("a URL");
        assert_eq!((&*address.host, address.port), ("[::1]", 5000));
        assert_eq!(address.host_header, "[::1]:5000");
        assert_eq!(address.path("/").to_string(), "/");
    }

    #[test]
    fn what_is_no_servers_url_is_refused() {
        for text in
            ["", "localhost:5000", "ftp://a.test", "http://a.test/?x=1", "http://u:p@a.test", "file:///x"]
        {
            assert!(Address::parse(text).is_err(), "{text}");
        }
        let refused = Address::parse("localhost").unwrap_err().to_string();
        assert_eq!(refused, r#""localhost" is not the URL of a Cog server, such as http://localhost:5000"#);
    }
}
