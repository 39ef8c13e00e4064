//! Why a bucket cannot be used, each in a sentence that names the setting and says what to do.

mod answer;
mod explain;

use crate::error::Cause;

/// What was being done to a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Write,
    Read,
    List,
    Delete,
}

/// A bucket cannot be used, at least not now.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// Nobody gives credentials.
    #[error(
        "there are no credentials for {bucket}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a role gives them (profiles in ~/.aws are not read)"
    )]
    NoCredentials {
        /// The bucket, as the setting has it.
        bucket: String,
        /// What the machine said when it was asked for its role.
        source: Cause,
    },
    /// A role was to give credentials and does not.
    #[error("the role for {bucket} gives no credentials: check {settings}")]
    Role {
        /// The bucket, as the setting has it.
        bucket: String,
        /// The variables that say which role.
        settings: &'static str,
        /// Why not.
        source: Cause,
    },
    /// The server does not know this key.
    #[error(
        "the server at {server} does not know this AWS_ACCESS_KEY_ID: correct it, or {setting} if it is another server's"
    )]
    UnknownKey {
        /// The server.
        server: String,
        /// The variable that says which server.
        setting: &'static str,
    },
    /// The secret is wrong.
    #[error(
        "AWS_SECRET_ACCESS_KEY does not fit AWS_ACCESS_KEY_ID: correct it; the server at {server} refuses its signature"
    )]
    WrongSecret {
        /// The server.
        server: String,
    },
    /// The session has ended.
    #[error(
        "the credentials for {bucket} have expired or are incomplete: set all of AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN again"
    )]
    Expired {
        /// The bucket, as the setting has it.
        bucket: String,
    },
    /// A signature has a time.
    #[error(
        "this machine's clock and the one of {server} are too far apart for a signature: set the clock, best by NTP"
    )]
    Clock {
        /// The server.
        server: String,
    },
    /// There is no such bucket.
    #[error("there is no bucket {name:?} at {server}: create it, or correct --storage-url or {setting}")]
    NoBucket {
        /// The bucket's name.
        name: String,
        /// The server.
        server: String,
        /// The variable that says which server.
        setting: &'static str,
    },
    /// A permission is missing.
    #[error(
        "these credentials may not {action} {bucket}: allow {permission} in their policy, or set other AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )]
    Forbidden {
        /// What was attempted.
        action: &'static str,
        /// The bucket, as the setting has it.
        bucket: String,
        /// The permission for it.
        permission: &'static str,
    },
    /// The bucket is in another region.
    #[error("the bucket {name:?} is not in the region {region}: set AWS_REGION to {}", expected.as_deref().unwrap_or("the bucket's region"))]
    Region {
        /// The bucket's name.
        name: String,
        /// The region that was assumed.
        region: String,
        /// The region that the server named.
        expected: Option<String>,
    },
    /// The server sends its callers elsewhere, which a signature does not survive.
    #[error(
        "{server} redirects to another address: set {setting} to that address, perhaps with https instead of http"
    )]
    Redirect {
        /// The server.
        server: String,
        /// The variable that says which server.
        setting: &'static str,
    },
    /// No such name.
    #[error("the name of {server} cannot be resolved: correct {setting}, or look at this machine's DNS")]
    UnknownHost {
        /// The server.
        server: String,
        /// The variable that says which server.
        setting: &'static str,
        /// What the resolver said.
        source: Cause,
    },
    /// Nobody answers there.
    #[error("no connection to {server}: start it, or correct {setting}")]
    Unreachable {
        /// The server.
        server: String,
        /// The variable that says which server.
        setting: &'static str,
        /// What the system said.
        source: Cause,
    },
    /// Somebody listens there and says nothing.
    #[error("no answer from {server} in time: look whether it is well, or correct {setting}")]
    Silent {
        /// The server.
        server: String,
        /// The variable that says which server.
        setting: &'static str,
    },
    /// The server's certificate is not trusted.
    #[error(
        "this machine does not trust the certificate of {server}: add its authority to the system's certificates, or correct {setting}"
    )]
    Certificate {
        /// The server.
        server: String,
        /// The variable that says which server.
        setting: &'static str,
        /// What is wrong with it.
        source: Cause,
    },
    /// https was used where http is spoken, or the other way round.
    #[error("{server} speaks {spoken}: begin {setting} with {spoken}://")]
    Scheme {
        /// The server.
        server: String,
        /// The variable that says which server.
        setting: &'static str,
        /// What it speaks: `http` or `https`.
        spoken: &'static str,
    },
    /// What answers there is something else.
    #[error(
        "what answers at {server} is no S3 server: correct {setting} (a console or a web page may be at another port)"
    )]
    NotS3 {
        /// The server.
        server: String,
        /// The variable that says which server.
        setting: &'static str,
        /// What it said.
        source: Cause,
    },
    /// There is no space left in the bucket.
    #[error("{bucket} is full: make space at {server}, or raise the quota")]
    Full {
        /// The bucket, as the setting has it.
        bucket: String,
        /// The server.
        server: String,
    },
    /// The server is not well, or asked for less.
    #[error(
        "{server} cannot serve {bucket} at the moment: try again, and look at the server if this goes on"
    )]
    Trouble {
        /// The server.
        server: String,
        /// The bucket, as the setting has it.
        bucket: String,
        /// What it said.
        source: Cause,
    },
    /// Another bucket's bytes, or a cache's, came back.
    #[error(
        "{server} does not give back what was just written to {bucket}: let {setting} name the server itself, not a cache before it"
    )]
    Stale {
        /// The server.
        server: String,
        /// The bucket, as the setting has it.
        bucket: String,
        /// The variable that says which server.
        setting: &'static str,
    },
    /// The file went away or was replaced.
    #[error("the file was deleted or replaced in {bucket} while it was read")]
    Gone {
        /// The bucket, as the setting has it.
        bucket: String,
    },
    /// Nothing that is known.
    #[error("cannot {action} {bucket} at {server}: check --storage-url and the AWS_* variables")]
    Other {
        /// What was attempted.
        action: &'static str,
        /// The bucket, as the setting has it.
        bucket: String,
        /// The server.
        server: String,
        /// What was said.
        source: Cause,
    },
    /// No client for https can be made on this machine.
    #[error(
        "this machine cannot use https for {bucket}: install the system's CA certificates (package ca-certificates) or set SSL_CERT_FILE"
    )]
    Client {
        /// The bucket, as the setting has it.
        bucket: String,
        /// Why not.
        source: Cause,
    },
}

impl Unusable {
    /// Whether it may pass by itself: nothing has to be set, and trying again later is worth while.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::UnknownHost { .. } | Self::Silent { .. } | Self::Trouble { .. }
        )
    }
}

impl Step {
    fn action(self) -> &'static str {
        match self {
            Self::Write => "write to",
            Self::Read => "read from",
            Self::List => "list what is in",
            Self::Delete => "delete from",
        }
    }

    fn permission(self) -> &'static str {
        match self {
            Self::Write => "s3:PutObject",
            Self::Read => "s3:GetObject",
            Self::List => "s3:ListBucket",
            Self::Delete => "s3:DeleteObject",
        }
    }
}
