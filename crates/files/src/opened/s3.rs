//! Speaks to a bucket, with more or with less patience.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AwsCredentialProvider};
use object_store::client::{HttpClient, HttpConnector};
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use crate::error::Cause;
use crate::storage::Bucket;

/// How long a server may take.
pub(super) struct Patience {
    connect: Duration,
    /// From one sign of life to the next; a part that is sent has none before it is there.
    silence: Duration,
    retries: usize,
    /// No retry begins later than this after the first request.
    retry_within: Duration,
}

/// A slow line needs time for a part, and a server that restarts should not be noticed.
pub(super) const WORK: Patience = Patience {
    connect: Duration::from_secs(5),
    silence: Duration::from_secs(60),
    retries: 8,
    retry_within: Duration::from_secs(60),
};

/// For somebody who waits for the answer.
pub(super) const PROBE: Patience = Patience {
    connect: Duration::from_secs(2),
    silence: Duration::from_secs(4),
    retries: 1,
    retry_within: Duration::from_secs(4),
};

/// Needs a process-wide provider for rustls, also when the endpoint is plain http.
pub(super) fn connect(
    bucket: &Bucket,
    patience: &Patience,
) -> Result<(Arc<dyn ObjectStore>, AwsCredentialProvider), Cause> {
    let mut builder = AmazonS3Builder::new();
    for (name, value) in bucket.options() {
        builder = builder.with_config(name.to_ascii_lowercase().parse()?, value);
    }
    if let Some(url) = bucket.endpoint() {
        builder = builder.with_endpoint(url.as_str().trim_end_matches('/'));
    }
    let s3 = builder
        .with_region(bucket.region())
        .with_bucket_name(bucket.name())
        .with_virtual_hosted_style_request(bucket.is_virtual_hosted())
        // Nearly every id has one file, and not every server can delete several at once.
        .with_disable_bulk_delete(true)
        .with_retry(patience.retries())
        .with_http_connector(Connector(patience.client(bucket)?))
        .build()?;
    let credentials = Arc::clone(s3.credentials());
    Ok((Arc::new(PrefixStore::new(s3, bucket.prefix().clone())), credentials))
}

impl Patience {
    fn retries(&self) -> RetryConfig {
        let backoff = BackoffConfig { max_backoff: Duration::from_secs(5), ..BackoffConfig::default() };
        RetryConfig { backoff, max_retries: self.retries, retry_timeout: self.retry_within }
    }

    fn client(&self, bucket: &Bucket) -> reqwest::Result<reqwest::Client> {
        let builder = reqwest::Client::builder();
        // A machine without certificates can do without TLS, if it need not do it.
        let builder = if bucket.needs_tls() { builder } else { builder.tls_certs_only([]) };
        builder
            .user_agent(concat!("cogwire/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.connect)
            .read_timeout(self.silence)
            // A connection for each part that is on its way, rather than one for all of them.
            .http1_only()
            // It would be read from the environment.
            .no_proxy()
            // A signature is good for one host.
            .redirect(reqwest::redirect::Policy::none())
            .build()
    }
}

/// Gives the object store this client instead of one that it would make by its own options.
#[derive(Debug)]
struct Connector(reqwest::Client);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}
