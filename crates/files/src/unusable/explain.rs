//! From what went wrong to what it means.

use object_store::client::HttpErrorKind;

use super::answer::Answer;
use super::{Step, Unusable};
use crate::storage::{Bucket, Credentials};

/// What the text of an error says when a redirect came without an address: S3's way to say that the region is wrong.
const BARE_REDIRECT: &str = "redirect without LOCATION";

impl Unusable {
    /// What the failure of a request means.
    pub(crate) fn explain(bucket: &Bucket, step: Step, error: &object_store::Error) -> Self {
        let case = Case { bucket, step, answer: Answer::read(error) };
        match (&case.answer.transport, &case.answer.code) {
            (Some(kind), _) => case.no_answer(*kind),
            (None, Some(code)) => case.by_code(code),
            (None, None) => case.by_status(),
        }
    }

    /// What it means that credentials could not be fetched.
    pub(crate) fn credentials(bucket: &Bucket, error: &object_store::Error) -> Self {
        let (source, name) = (Answer::read(error).gist().into(), bucket.to_string());
        let settings = match bucket.credentials() {
            Credentials::Keys | Credentials::Instance => return Self::NoCredentials { bucket: name, source },
            Credentials::WebIdentity => "AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN and AWS_REGION",
            Credentials::Container => {
                "AWS_CONTAINER_CREDENTIALS_* and AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
            }
        };
        Self::Role { bucket: name, settings, source }
    }

    /// No client can be made.
    pub(crate) fn client(bucket: &Bucket, source: crate::error::Cause) -> Self {
        Self::Client { bucket: bucket.to_string(), source }
    }

    /// The server took too long.
    pub(crate) fn silent(bucket: &Bucket) -> Self {
        Self::Silent { server: bucket.server(), setting: bucket.server_setting() }
    }

    /// Something else came back than what was written.
    pub(crate) fn stale(bucket: &Bucket) -> Self {
        Self::Stale { server: bucket.server(), bucket: bucket.to_string(), setting: bucket.server_setting() }
    }

    /// Whether the server said that this object is not there, and not that something else is missing.
    pub(crate) fn is_missing_object(error: &object_store::Error) -> bool {
        matches!(error, object_store::Error::NotFound { .. })
            && Answer::read(error).code.as_deref() == Some("NoSuchKey")
    }
}

/// A failure and its circumstances.
struct Case<'a> {
    bucket: &'a Bucket,
    step: Step,
    answer: Answer,
}

impl Case<'_> {
    fn no_answer(&self, kind: HttpErrorKind) -> Unusable {
        let (server, setting) = (self.bucket.server(), self.bucket.server_setting());
        let source = self.answer.gist().into();
        if self.answer.says("dns error") {
            Unusable::UnknownHost { server, setting, source }
        } else if self.answer.says("invalid peer certificate") {
            Unusable::Certificate { server, setting, source }
        } else if self.answer.says("InvalidContentType") {
            Unusable::Scheme { server, setting, spoken: "http" }
        } else if self.answer.says("invalid HTTP version") {
            Unusable::Scheme { server, setting, spoken: "https" }
        } else if kind == HttpErrorKind::Timeout {
            Unusable::silent(self.bucket)
        } else {
            Unusable::Unreachable { server, setting, source }
        }
    }

    fn by_code(&self, code: &str) -> Unusable {
        let (server, setting) = (self.bucket.server(), self.bucket.server_setting());
        let bucket = self.bucket.to_string();
        match code {
            "NoSuchBucket" | "InvalidBucketName" => {
                Unusable::NoBucket { name: self.bucket.name().to_owned(), server, setting }
            }
            "AccessDenied" | "AllAccessDisabled" => self.forbidden(),
            "InvalidAccessKeyId" => Unusable::UnknownKey { server, setting },
            "SignatureDoesNotMatch" => Unusable::WrongSecret { server },
            "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => Unusable::Expired { bucket },
            "RequestTimeTooSkewed" => Unusable::Clock { server },
            "AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException" => {
                self.wrong_region()
            }
            "XMinioStorageFull" | "QuotaExceeded" => Unusable::Full { bucket, server },
            "NoSuchKey" | "PreconditionFailed" => Unusable::Gone { bucket },
            "InternalError" | "ServiceUnavailable" | "SlowDown" | "TooManyRequests" => self.trouble(),
            _ if self.answer.status.is_some_and(|status| status >= 500) => self.trouble(),
            _ => self.other(),
        }
    }

    /// Answers that S3 did not write, or had no room to explain.
    fn by_status(&self) -> Unusable {
        let (server, setting) = (self.bucket.server(), self.bucket.server_setting());
        match self.answer.status {
            None if self.answer.says(BARE_REDIRECT) => self.wrong_region(),
            Some(301 | 302 | 303 | 307 | 308) => Unusable::Redirect { server, setting },
            Some(400) if self.asks_for_https() => Unusable::Scheme { server, setting, spoken: "https" },
            Some(403) => self.forbidden(),
            Some(412) => Unusable::Gone { bucket: self.bucket.to_string() },
            Some(429 | 500..) => self.trouble(),
            // Not to be understood, with whatever status or with none that is wrong.
            _ => Unusable::NotS3 { server, setting, source: self.answer.gist().into() },
        }
    }

    fn forbidden(&self) -> Unusable {
        Unusable::Forbidden {
            action: self.step.action(),
            bucket: self.bucket.to_string(),
            permission: self.step.permission(),
        }
    }

    fn wrong_region(&self) -> Unusable {
        Unusable::Region {
            name: self.bucket.name().to_owned(),
            region: self.bucket.region().to_owned(),
            expected: self.answer.region.clone(),
        }
    }

    fn trouble(&self) -> Unusable {
        Unusable::Trouble {
            server: self.bucket.server(),
            bucket: self.bucket.to_string(),
            source: self.answer.gist().into(),
        }
    }

    fn other(&self) -> Unusable {
        Unusable::Other {
            action: self.step.action(),
            bucket: self.bucket.to_string(),
            server: self.bucket.server(),
            source: self.answer.gist().into(),
        }
    }

    /// What servers say to plain http at a port for https.
    fn asks_for_https(&self) -> bool {
        self.answer.says("HTTP request to an HTTPS server")
            || self.answer.says("plain HTTP request was sent to HTTPS port")
    }
}
