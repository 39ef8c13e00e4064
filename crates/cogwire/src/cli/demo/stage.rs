//! The demo's server, receiver and client.

use std::path::Path;
use std::sync::Arc;

use cogwire_core::webhook::signature::Secret;
use secrecy::SecretString;
use serde_json::Value;
use tempfile::TempDir;

use super::receiver::Receiver;
use crate::cli::client::Client;
use crate::cli::failure::{Failure, Outcome};
use crate::config::{Config, LogFormat};
use crate::lifecycle::{Lifecycle, SystemClock, SystemEntropy};
use crate::server::{Error, Server, Surroundings, Tokens};
use crate::telemetry;

/// The demo's model.
const SCRIPT: &str = include_str!("../../../assets/demo.toml");

/// Everything that the acts need.
pub(super) struct Stage {
    /// Where webhooks arrive.
    pub(super) receiver: Receiver,
    token: SecretString,
    client: Client,
    server: Server,
    lifecycle: Lifecycle,
    _data: TempDir,
}

impl Stage {
    /// Starts a server and a receiver on free ports, with data that is thrown away.
    pub(super) async fn set() -> Outcome<Self> {
        let data =
            tempfile::tempdir().map_err(|error| Failure::of("cannot make a temporary folder", &error))?;
        let config = config(data.path())?;
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
        let secret = Secret::parse(&client.webhook_secret().await?)
            .map_err(|error| Failure::of("the server's secret is wrong", &error))?;
        let receiver = Receiver::start(secret, &lifecycle).await?;
        Ok(Self { receiver, token, client, server, lifecycle, _data: data })
    }

    /// The server's URL.
    pub(super) fn url(&self) -> &str {
        self.server.url()
    }

    /// The server's only token.
    pub(super) fn token(&self) -> &SecretString {
        &self.token
    }

    /// Creates a prediction.
    pub(super) async fn create(&self, model: &str, body: &Value) -> Outcome<Value> {
        self.client.post(&format!("/models/{model}/predictions"), body).await
    }

    /// Stops everything at once: nothing of it is kept.
    pub(super) async fn clear(self) -> Outcome {
        self.lifecycle.soft().cancel();
        self.lifecycle.hard().cancel();
        self.server.stopped().await?;
        Ok(())
    }
}

fn config(data: &Path) -> Outcome<Config> {
    let script = data.join("demo.toml");
    std::fs::write(&script, SCRIPT).map_err(|error| Error::DataDir { path: data.to_owned(), error })?;
    let defaults = Config::defaults(data)?;
    Ok(Config {
        listen: ([127, 0, 0, 1], 0).into(),
        scripts: vec![script],
        log_format: LogFormat::Text,
        ..defaults
    })
}
