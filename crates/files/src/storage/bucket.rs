//! A bucket: what it is called, and how it is reached.

use std::fmt;

use object_store::path::Path;
use url::Url;

use super::invalid::InvalidStorage;
use super::variables::{Credentials, REGION, Variables};

/// The longest name that any S3-compatible server gives a bucket, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// What a server without regions of its own expects in a signature.
const USUAL_REGION: &str = "us-east-1";

/// A bucket of an S3-compatible server, the prefix of all files in it, and how the server is reached.
///
/// | variable | says |
/// |---|---|
/// | `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` | who asks |
/// | `AWS_WEB_IDENTITY_TOKEN_FILE`, `AWS_ROLE_ARN`, `AWS_ROLE_SESSION_NAME`, `AWS_ENDPOINT_URL_STS` | the same, through a role in Kubernetes |
/// | `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`, or `..._FULL_URI` with `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE` | the same, through a container's role |
/// | `AWS_METADATA_ENDPOINT` | where the machine's role is asked for when none of these is set |
/// | `AWS_REGION`, `AWS_DEFAULT_REGION` | the bucket's region; `us-east-1` without them |
/// | `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL` | the server, without the bucket; AWS without them |
/// | `AWS_ALLOW_HTTP` | `false` refuses an endpoint with plain http, which is otherwise taken at its word |
/// | `AWS_VIRTUAL_HOSTED_STYLE_REQUEST` | `true` puts the bucket into the host's name instead of the path |
#[derive(Clone, PartialEq, Eq)]
pub struct Bucket {
    name: String,
    prefix: Path,
    endpoint: Option<Endpoint>,
    variables: Variables,
}

#[derive(Clone, PartialEq, Eq)]
struct Endpoint {
    variable: &'static str,
    /// With the bucket's name in the host when it belongs there.
    url: Url,
}

impl Bucket {
    /// Reads `bucket/prefix`.
    pub(super) fn parse(
        place: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, InvalidStorage> {
        let (name, prefix) = place.split_once('/').unwrap_or((place, ""));
        let (name, prefix) = (parse_name(name)?, parse_prefix(prefix)?);
        let variables = Variables::read(variables)?;
        let endpoint = Endpoint::find(&variables, &name)?;
        Ok(Self { name, prefix, endpoint, variables })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn prefix(&self) -> &Path {
        &self.prefix
    }

    pub(crate) fn region(&self) -> &str {
        self.variables.region().unwrap_or(USUAL_REGION)
    }

    /// The server's URL, when it is not one of AWS.
    pub(crate) fn endpoint(&self) -> Option<&Url> {
        self.endpoint.as_ref().map(|endpoint| &endpoint.url)
    }

    /// The server, for people.
    pub(crate) fn server(&self) -> String {
        match self.endpoint() {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("AWS in {}", self.region()),
        }
    }

    /// The variable that decides which server is asked.
    pub(crate) fn server_setting(&self) -> &'static str {
        self.endpoint.as_ref().map_or(REGION, |endpoint| endpoint.variable)
    }

    pub(crate) fn is_virtual_hosted(&self) -> bool {
        self.variables.is_virtual_hosted()
    }

    pub(crate) fn credentials(&self) -> Credentials {
        self.variables.credentials()
    }

    /// Whether anybody is asked over https: the server, or who gives credentials.
    pub(crate) fn needs_tls(&self) -> bool {
        let plain = self.endpoint().is_some_and(|url| url.scheme() == "http");
        !plain || self.credentials() != Credentials::Keys
    }

    /// Names and values for the object store.
    pub(crate) fn options(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.variables.for_object_store()
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.name)?;
        if self.prefix.is_root() { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

/// Without the keys.
impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} at {}", self.server())
    }
}

impl Endpoint {
    fn find(variables: &Variables, bucket: &str) -> Result<Option<Self>, InvalidStorage> {
        let Some((variable, mut url)) = variables.endpoint() else { return Ok(None) };
        if url.scheme() == "http" && variables.forbids_http() {
            return Err(InvalidStorage::Http { endpoint: variable });
        }
        if variables.is_virtual_hosted() {
            let host = format!("{bucket}.{}", url.host_str().unwrap_or_default());
            let refused = |_| InvalidStorage::VirtualHost { endpoint: variable, bucket: bucket.to_owned() };
            url.set_host(Some(&host)).map_err(refused)?;
        }
        Ok(Some(Self { variable, url }))
    }
}

fn parse_name(name: &str) -> Result<String, InvalidStorage> {
    let valid = (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        && name.bytes().any(|byte| byte.is_ascii_alphanumeric());
    if valid { Ok(name.to_owned()) } else { Err(InvalidStorage::BucketName(name.to_owned())) }
}

/// Characters that need no encoding anywhere, so that the prefix is called the same in every tool.
fn parse_prefix(prefix: &str) -> Result<Path, InvalidStorage> {
    let invalid = || InvalidStorage::Prefix(prefix.to_owned());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.=+@!".contains(&byte);
    let path = Path::parse(prefix).map_err(|_| invalid())?;
    if !prefix.starts_with('/') && prefix.bytes().all(plain) { Ok(path) } else { Err(invalid()) }
}
