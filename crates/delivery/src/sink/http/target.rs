//! A receiver's URL in the form that a request needs, and a small memory of parsed ones.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderValue, Uri};
use url::{Host, Position, Url};

use super::failure::Failure;
use crate::guard::Guard;

/// Scheme, host and port: what a connection belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    /// Whether it is https.
    pub(super) secure: bool,
    /// The name or address, as the URL has it.
    pub(super) host: String,
    /// The address, when the URL has one instead of a name.
    pub(super) literal: Option<IpAddr>,
    /// The port.
    pub(super) port: u16,
}

/// Where a request goes.
#[derive(Debug)]
pub(super) struct Target {
    /// Whom to connect to.
    pub(super) origin: Arc<Origin>,
    /// The `Host` header.
    pub(super) host_header: HeaderValue,
    /// Path and query.
    pub(super) path: Uri,
}

/// Parsed URLs that the guard has passed.
#[derive(Debug)]
pub(super) struct Targets {
    guard: Arc<Guard>,
    limit: usize,
    parsed: Mutex<HashMap<String, Arc<Target>>>,
}

impl Targets {
    pub(super) fn new(guard: Arc<Guard>, limit: usize) -> Self {
        Self { guard, limit, parsed: Mutex::new(HashMap::new()) }
    }

    /// The target of this URL.
    pub(super) fn get(&self, url: &str) -> Result<Arc<Target>, Failure> {
        if let Some(target) = self.parsed.lock().unwrap_or_else(PoisonError::into_inner).get(url) {
            return Ok(Arc::clone(target));
        }
        let target = Arc::new(self.parse(url)?);
        self.remember(url, &target);
        Ok(target)
    }

    fn parse(&self, url: &str) -> Result<Target, Failure> {
        let parsed = Url::parse(url).map_err(|error| Failure::Url(error.to_string()))?;
        self.guard.check_url(&parsed)?;
        target(&parsed).ok_or_else(|| Failure::Url("it cannot be written as an HTTP request".to_owned()))
    }

    /// Forgets everything when it is full: a busy URL is back at once, and one that is used once is no loss.
    fn remember(&self, url: &str, target: &Arc<Target>) {
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if parsed.len() >= self.limit {
            parsed.clear();
        }
        parsed.insert(url.to_owned(), Arc::clone(target));
    }
}

fn target(url: &Url) -> Option<Target> {
    let literal = match url.host()? {
        Host::Ipv4(address) => Some(IpAddr::V4(address)),
        Host::Ipv6(address) => Some(IpAddr::V6(address)),
        Host::Domain(_) => None,
    };
    let origin = Origin {
        secure: url.scheme() == "https",
        host: url.host_str()?.to_owned(),
        literal,
        port: url.port_or_known_default()?,
    };
    Some(Target {
        origin: Arc::new(origin),
        host_header: HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]).ok()?,
        path: url[Position::BeforePath..Position::AfterQuery].parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Policy;

    fn targets() -> Targets {
        let allow = vec!["private".parse().expect("a word")];
        Targets::new(Arc::new(Guard::new(Policy { loopback_allowed: true, allow })), 2)
    }

    #[test]
    fn a_url_becomes_origin_host_header_and_path() {
        let cases = [
            ("https://Example.com/hook?a=b#c", "example.com", "/hook?a=b", 443, true),
            ("https://example.com:443", "example.com", "/", 443, true),
            ("http://127.0.0.1:3000/a b", "127.0.0.1:3000", "/a%20b", 3000, false),
            ("http://[::1]:8080/?q=\"x|y\"", "[::1]:8080", "/?q=%22x|y%22", 8080, false),
            ("https://bücher.example/ä", "xn--bcher-kva.example", "/%C3%A4", 443, true),
        ];
        for (url, host, path, port, secure) in cases {
            let target = targets().get(url).expect(url);
            assert_eq!(target.host_header, host, "for {url}");
            assert_eq!(target.path, path, "for {url}");
            assert_eq!((target.origin.port, target.origin.secure), (port, secure), "for {url}");
        }
    }

    #[test]
    fn what_is_refused_is_refused_each_time() {
        let targets = targets();
        for _ in 0..2 {
            assert!(matches!(targets.get("http://169.254.169.254/"), Err(Failure::Blocked(_))));
            assert!(matches!(targets.get("not a url"), Err(Failure::Url(_))));
        }
    }

    #[test]
    fn the_memory_is_bounded() {
        let targets = targets();
        for number in 0..10 {
            targets.get(&format!("https://example.com/{number}")).expect("allowed");
        }
        assert!(targets.parsed.lock().expect("whole").len() <= 2);
    }
}
