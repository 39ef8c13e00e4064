//! The `AWS_*` variables that are understood, and what each may hold.
//!
//! What cannot be sent in a header or a URL is refused here: a line break behind a key is a common mistake.

use std::collections::BTreeMap;

use url::Url;

use super::invalid::InvalidStorage;

const ACCESS_KEY: &str = "AWS_ACCESS_KEY_ID";
const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
pub(super) const REGION: &str = "AWS_REGION";
const DEFAULT_REGION: &str = "AWS_DEFAULT_REGION";
const ENDPOINT: &str = "AWS_ENDPOINT_URL";
const S3_ENDPOINT: &str = "AWS_ENDPOINT_URL_S3";
const STS_ENDPOINT: &str = "AWS_ENDPOINT_URL_STS";
const ALLOW_HTTP: &str = "AWS_ALLOW_HTTP";
const VIRTUAL_HOSTED: &str = "AWS_VIRTUAL_HOSTED_STYLE_REQUEST";
const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
const ROLE: &str = "AWS_ROLE_ARN";
const ROLE_SESSION: &str = "AWS_ROLE_SESSION_NAME";
const CONTAINER_PATH: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const CONTAINER_URL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const CONTAINER_TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
const METADATA: &str = "AWS_METADATA_ENDPOINT";

/// What a variable may hold.
#[derive(Clone, Copy)]
enum Kind {
    /// Goes into a header.
    Token,
    /// Is only calculated with.
    Secret,
    /// Goes into a host's name.
    Region,
    /// Is called.
    Url,
    /// Is the path of a URL that is called.
    UrlPath,
    /// Is encoded wherever it goes, or is a path on this machine.
    Any,
    /// Is decided by.
    Flag,
}

const KNOWN: [(&str, Kind); 17] = [
    (ACCESS_KEY, Kind::Token),
    (SECRET_KEY, Kind::Secret),
    (SESSION_TOKEN, Kind::Token),
    (REGION, Kind::Region),
    (DEFAULT_REGION, Kind::Region),
    (ENDPOINT, Kind::Url),
    (S3_ENDPOINT, Kind::Url),
    (STS_ENDPOINT, Kind::Url),
    (ALLOW_HTTP, Kind::Flag),
    (VIRTUAL_HOSTED, Kind::Flag),
    (TOKEN_FILE, Kind::Any),
    (ROLE, Kind::Any),
    (ROLE_SESSION, Kind::Any),
    (CONTAINER_PATH, Kind::UrlPath),
    (CONTAINER_URL, Kind::Url),
    (CONTAINER_TOKEN_FILE, Kind::Any),
    (METADATA, Kind::Url),
];

/// Where the right to use a bucket comes from: the first of these that is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// From a pair of keys.
    Keys,
    /// From a token that stands for a role, as in Kubernetes.
    WebIdentity,
    /// From a URL that the container's surroundings give.
    Container,
    /// From the machine's own role, if it has one.
    Instance,
}

/// The variables that are set, each as it may be.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Variables(BTreeMap<&'static str, String>);

impl Variables {
    pub(super) fn read(given: impl IntoIterator<Item = (String, String)>) -> Result<Self, InvalidStorage> {
        let mut values = BTreeMap::new();
        for (name, value) in given {
            let Some((variable, kind)) = KNOWN.into_iter().find(|(known, _)| *known == name) else {
                continue;
            };
            if value.is_empty() {
                continue;
            }
            let checked = kind.check(&value);
            checked.map_err(|expected| InvalidStorage::Variable { variable, expected })?;
            values.insert(variable, value);
        }
        Self(values).complete()
    }

    /// Both keys or none: half a pair would be passed over, and the machine's role asked for in its place.
    fn complete(self) -> Result<Self, InvalidStorage> {
        match (self.get(ACCESS_KEY), self.get(SECRET_KEY)) {
            (Some(_), None) => Err(InvalidStorage::Half { given: ACCESS_KEY, missing: SECRET_KEY }),
            (None, Some(_)) => Err(InvalidStorage::Half { given: SECRET_KEY, missing: ACCESS_KEY }),
            _ => Ok(self),
        }
    }

    /// All of them but those that [`Bucket`](super::Bucket) decides by, for the object store, which knows the same names.
    pub(super) fn for_object_store(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let decided = [ENDPOINT, S3_ENDPOINT, ALLOW_HTTP, VIRTUAL_HOSTED];
        self.0
            .iter()
            .filter(move |(name, _)| !decided.contains(name))
            .map(|(name, value)| (*name, value.as_str()))
    }

    pub(super) fn credentials(&self) -> Credentials {
        let all = |names: &[&str]| names.iter().all(|name| self.get(name).is_some());
        if all(&[ACCESS_KEY]) {
            Credentials::Keys
        } else if all(&[TOKEN_FILE, ROLE]) {
            Credentials::WebIdentity
        } else if all(&[CONTAINER_PATH]) || all(&[CONTAINER_URL, CONTAINER_TOKEN_FILE]) {
            Credentials::Container
        } else {
            Credentials::Instance
        }
    }

    pub(super) fn region(&self) -> Option<&str> {
        self.get(REGION).or_else(|| self.get(DEFAULT_REGION))
    }

    /// The endpoint, and the variable that gives it.
    pub(super) fn endpoint(&self) -> Option<(&'static str, Url)> {
        let (name, text) =
            [S3_ENDPOINT, ENDPOINT].into_iter().find_map(|name| Some((name, self.get(name)?)))?;
        Some((name, Url::parse(text).expect("every URL was checked")))
    }

    pub(super) fn forbids_http(&self) -> bool {
        self.get(ALLOW_HTTP).and_then(flag) == Some(false)
    }

    pub(super) fn is_virtual_hosted(&self) -> bool {
        self.get(VIRTUAL_HOSTED).and_then(flag) == Some(true)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl Kind {
    /// Says what the value should be when it cannot be that.
    fn check(self, value: &str) -> Result<(), &'static str> {
        let (fits, expected) = match self {
            Self::Token => (
                value.bytes().all(|byte| byte.is_ascii_graphic()),
                "printable characters without spaces; look for a line break at its end",
            ),
            Self::Secret => (
                value.trim() == value && !value.contains(char::is_control),
                "no spaces around it; look for a line break at its end",
            ),
            Self::Region => (
                value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)),
                "a region such as eu-west-1",
            ),
            Self::Url => (
                Url::parse(value).is_ok_and(|url| is_endpoint(&url)),
                "a URL such as https://s3.example.com:9000, without user, query or fragment",
            ),
            Self::UrlPath => (
                value.starts_with('/') && value.bytes().all(|byte| byte.is_ascii_graphic()),
                "a path that begins with a slash",
            ),
            Self::Any => (true, "anything"),
            Self::Flag => (flag(value).is_some(), "true or false"),
        };
        if fits { Ok(()) } else { Err(expected) }
    }
}

fn flag(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

fn is_endpoint(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
}
