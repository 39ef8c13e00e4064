//! A server of this process that leaves nothing behind, for commands that need one for a moment.

use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;
use tempfile::TempDir;

use super::client::Client;
use super::failure::{Failure, Outcome};
use crate::config::{Config, LogFormat};
use crate::lifecycle::{Lifecycle, SystemClock, SystemEntropy};
use crate::server::{Server, Surroundings, Tokens};
use crate::telemetry;

/// A server on a free port of this machine, with data that is thrown away.
pub(super) struct TemporaryServer {
    client: Client,
    token: SecretString,
    server: Server,
    lifecycle: Lifecycle,
    _data: TempDir,
}

/// A folder for a server's data, gone when this is dropped.
pub(super) fn data() -> Outcome<TempDir> {
    tempfile::tempdir().map_err(|error| Failure::of("cannot make a temporary folder", &error))
}

/// How such a server runs, unless the command says more.
pub(super) fn config(data: &Path) -> Outcome<Config> {
    let defaults = Config::defaults(data)?;
    Ok(Config { listen: ([127, 0, 0, 1], 0).into(), log_format: LogFormat::Text, ..defaults })
}

impl TemporaryServer {
    /// Starts a server whose data is in `data`.
    pub(super) async fn start(data: TempDir, config: Config) -> Outcome<Self> {
        let lifecycle = Lifecycle::default();
        let metrics = telemetry::silent_metrics().map_err(|error| Failure::from_error(&error))?;
        let surroundings = Surroundings {
            clock: Arc::new(SystemClock),
            correction: None,
            entropy: Arc::new(SystemEntropy),
            metrics,
            lifecycle: lifecycle.clone(),
        };
        telemetry::start_quiet_log();
        let server = Server::start(config, surroundings).await?;
        let Tokens::New(token) = server.tokens().clone() else {
            unreachable!("a new data directory has a new token")
        };
        let client = Client::for_server(server.url(), token.clone())?;
        Ok(Self { client, token, server, lifecycle, _data: data })
    }

    /// The server's URL.
    pub(super) fn url(&self) -> &str {
        self.server.url()
    }

    /// The server's only token.
    pub(super) fn token(&self) -> &SecretString {
        &self.token
    }

    /// A client of the server.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// What stops the server, and whatever else goes with it.
    pub(super) fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// Stops everything at once: nothing of it is kept.
    pub(super) async fn stop(self) -> Outcome {
        self.lifecycle.soft().cancel();
        self.lifecycle.hard().cancel();
        self.server.stopped().await?;
        Ok(())
    }
}
