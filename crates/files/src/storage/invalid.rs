//! Why a storage setting is refused, each with the name of the setting. What may be secret is not repeated.

/// A setting of the storage cannot be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidStorage {
    /// The text says no place.
    #[error(
        "{0:?} is no place for files: set --storage-url to a folder, file:///folder or s3://bucket/prefix"
    )]
    Text(String),
    /// No bucket has such a name.
    #[error(
        "{0:?} cannot be a bucket: set --storage-url to s3://bucket/prefix, the bucket's name in letters, digits, '.', '-' and '_'"
    )]
    BucketName(String),
    /// Files cannot be below such a prefix.
    #[error(
        "{0:?} cannot be the prefix of files in a bucket: use letters, digits and any of \"-_.=+@!\" between single slashes in --storage-url"
    )]
    Prefix(String),
    /// A variable is wrong.
    #[error("{variable} is wrong: expected {expected}")]
    Variable {
        /// Its name.
        variable: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A variable makes no sense without another one.
    #[error("{given} is set and {missing} is not: set both, or neither")]
    Half {
        /// The one that is there.
        given: &'static str,
        /// The one that is not.
        missing: &'static str,
    },
    /// Plain http was asked for and forbidden.
    #[error(
        "{endpoint} is a plain http URL, and AWS_ALLOW_HTTP forbids it: use https, or remove AWS_ALLOW_HTTP"
    )]
    Http {
        /// The variable with the URL.
        endpoint: &'static str,
    },
    /// The bucket's name cannot become a part of the server's name.
    #[error(
        "{endpoint} with AWS_VIRTUAL_HOSTED_STYLE_REQUEST needs the name of a host, before which the bucket {bucket:?} can stand: remove one of them"
    )]
    VirtualHost {
        /// The variable with the URL.
        endpoint: &'static str,
        /// The bucket.
        bucket: String,
    },
}
