//! The demo's server, receiver and client.

use std::path::Path;

use cogwire_core::webhook::signature::Secret;
use secrecy::SecretString;
use serde_json::Value;

use super::receiver::Receiver;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::temporary::{self, TemporaryServer};
use crate::config::Config;
use crate::server::Error;

/// The demo's model.
const SCRIPT: &str = include_str!("../../../assets/demo.toml");

/// Everything that the acts need.
pub(super) struct Stage {
    /// Where webhooks arrive.
    pub(super) receiver: Receiver,
    server: TemporaryServer,
}

impl Stage {
    /// Starts a server and a receiver on free ports, with data that is thrown away.
    pub(super) async fn set() -> Outcome<Self> {
        let data = temporary::data()?;
        let config = config(data.path())?;
        let server = TemporaryServer::start(data, config).await?;
        let secret = Secret::parse(&server.client().webhook_secret().await?)
            .map_err(|error| Failure::of("the server's secret is wrong", &error))?;
        let receiver = Receiver::start(secret, server.lifecycle()).await?;
        Ok(Self { receiver, server })
    }

    /// The server's URL.
    pub(super) fn url(&self) -> &str {
        self.server.url()
    }

    /// The server's only token.
    pub(super) fn token(&self) -> &SecretString {
        self.server.token()
    }

    /// Creates a prediction.
    pub(super) async fn create(&self, model: &str, body: &Value) -> Outcome<Value> {
        self.server.client().post(&format!("/models/{model}/predictions"), body).await
    }

    /// Stops everything at once: nothing of it is kept.
    pub(super) async fn clear(self) -> Outcome {
        self.server.stop().await
    }
}

fn config(data: &Path) -> Outcome<Config> {
    let script = data.join("demo.toml");
    std::fs::write(&script, SCRIPT).map_err(|error| Error::DataDir { path: data.to_owned(), error })?;
    Ok(Config { scripts: vec![script], ..temporary::config(data)? })
}
