//! The listener for models.
//!
//! A model process cannot always reach the public address: it may be another machine's, or have a certificate that nothing
//! here trusts. So what only models ask for is answered on a port of its own, which is one of the loopback interface unless
//! the configuration says otherwise. It is open to every process of this machine, and therefore answers only to URLs that
//! cannot be guessed.

use std::sync::Arc;

use cogwire_core::time::{Clock, Entropy};
use cogwire_files::Files;
use cogwire_runner::{CallbackRegistry, Callbacks};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Connections, Error};
use crate::api;
use crate::config::{Models, reachable};

/// The most connections at once: each run may read some files at a time.
const MOST_CONNECTIONS: usize = 1024;

/// A bound socket that nobody answers yet.
pub(super) struct Internal {
    listener: TcpListener,
    /// Where processes of this machine reach it; without a slash at the end.
    own_url: String,
    /// Where Cog servers reach it, if the configuration says so; without a slash at the end.
    outer_url: Option<String>,
    registry: Arc<CallbackRegistry>,
}

impl Internal {
    /// Binds the port that the configuration names; others than this machine's processes reach it only when it says so.
    pub(super) async fn bind(config: &Models, entropy: Arc<dyn Entropy>) -> Result<Self, Error> {
        let address = config.internal_listen;
        let explain = |error| Error::InternalListen { address, error };
        let listener = TcpListener::bind(address).await.map_err(explain)?;
        let bound = listener.local_addr().map_err(explain)?;
        let own_url = format!("http://{}", reachable(bound));
        let outer_url = config.internal_url.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned());
        Ok(Self { listener, own_url, outer_url, registry: Arc::new(CallbackRegistry::new(entropy)) })
    }

    /// Where Cog servers report.
    pub(super) fn callbacks(&self) -> Callbacks {
        let base_url = self.outer_url.as_ref().unwrap_or(&self.own_url).clone();
        Callbacks { base_url, registry: Arc::clone(&self.registry) }
    }

    /// The files of this server, with links that lead here for processes of this machine.
    pub(super) fn files(&self, files: &Files) -> Files {
        files.below(&self.own_url).expect("the address of a socket makes an http URL")
    }

    /// The same for Cog servers, when the configuration says how they reach this.
    pub(super) fn files_for_servers(&self, files: &Files) -> Result<Option<Files>, Error> {
        self.outer_url.as_ref().map(|url| files.below(url)).transpose().map_err(Error::Files)
    }

    /// Answers until `soft`, which comes when no model runs any more.
    pub(super) fn connections(
        self,
        files: Arc<Files>,
        clock: Arc<dyn Clock>,
        soft: CancellationToken,
        hard: CancellationToken,
    ) -> Connections {
        Connections {
            listener: self.listener,
            tls: None,
            router: api::internal(files, clock, self.registry),
            most: MOST_CONNECTIONS,
            soft,
            hard,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cogwire_core::id::FileId;
    use cogwire_core::link::LinkKey;
    use cogwire_files::{Content, Storage};
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::config::Config;
    use crate::lifecycle::{SystemClock, SystemEntropy};

    async fn get(client: &reqwest::Client, url: &str) -> (u16, String) {
        let reply = client.get(url).send().await.expect("it answers");
        (reply.status().as_u16(), reply.text().await.expect("a text"))
    }

    #[tokio::test]
    async fn signed_links_are_answered_until_the_last_run_and_nothing_else_is() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().expect("a folder");
        let storage = Storage::Folder(folder.path().to_owned());
        let public = Files::open(&storage, "https://example.com", LinkKey::new([7; 32])).expect("opened");
        let config = Config::defaults(folder.path()).expect("the defaults are valid");
        let internal = Internal::bind(&config.models, Arc::new(SystemEntropy)).await.expect("a free port");
        let (base, files) = (internal.own_url.clone(), internal.files(&public));
        let (soft, hard) = (CancellationToken::new(), CancellationToken::new());
        let tasks = TaskTracker::new();
        let clock = Arc::new(SystemClock);
        tasks.spawn(internal.connections(Arc::new(public.clone()), clock, soft.clone(), hard).serve());

        let id = FileId::new(SystemClock.now(), 1);
        public.put(id, "a.txt", Content::Bytes(Bytes::from_static(b"hello"))).await.expect("stored");
        let url = files.url(id, "a.txt", None);
        assert!(url.starts_with(&format!("{base}/download/")), "{url}");
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        assert_eq!(get(&client, &url).await, (200, "hello".to_owned()));
        assert_eq!(get(&client, &url.replace("signature=", "signature=x")).await.0, 404);
        for path in ["/", "/readyz", "/v1/files", "/v1/predictions"] {
            assert_eq!(get(&client, &format!("{base}{path}")).await.0, 404, "{path}");
        }

        soft.cancel();
        tasks.close();
        tasks.wait().await;
        assert!(client.get(&url).send().await.is_err(), "nobody listens any more");
    }
}
