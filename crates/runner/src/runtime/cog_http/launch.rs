//! Getting ready to use a server: waiting until it is up, and finding out what it can do.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cogwire_core::json::Json;
use cogwire_core::time::Clock;
use http::StatusCode;

use super::CogServer;
use super::address::Address;
use super::client::{Answer, Call, CallError, Client};
use super::facts::Facts;
use super::health::{Health, Verdict};
use super::server::{HEALTH, Ready, Server};
use crate::instances::boot::Boot;
use crate::instances::instance::{BootError, Instance, Launcher};

/// The first pause between two looks at a server that is not ready; each doubles the last.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Finds a server that somebody else has started.
pub(super) struct Finder {
    pub(super) server: CogServer,
    pub(super) address: Address,
    pub(super) clock: Arc<dyn Clock>,
    /// The model's OpenAPI document, for a server that has none.
    pub(super) known_schema: Option<Json>,
    /// The longest pause between two looks at a server that is not ready.
    pub(super) longest_pause: Duration,
}

/// What there is to know about a server before it is used.
pub(super) struct Found {
    pub(super) coglet: bool,
    pub(super) schema: Option<Json>,
    pub(super) cog_version: Option<String>,
}

#[async_trait]
impl Launcher for Finder {
    async fn launch(&self, boot: &Arc<Boot>) -> Result<Arc<dyn Instance>, BootError> {
        self.connect(boot).await.map(|(ready, _)| Arc::new(ready) as Arc<dyn Instance>)
    }
}

impl Finder {
    /// Waits until the server is ready, and makes ready to use it.
    pub(super) async fn connect(&self, boot: &Boot) -> Result<(Ready, Found), BootError> {
        let client = self.client()?;
        let found = match self.find(&client, boot).await {
            Ok(found) => found,
            Err(error) => {
                client.close().await;
                return Err(error);
            }
        };
        let facts = Facts::of(found.coglet, found.schema.as_ref(), self.known_schema.as_ref());
        let limits = (self.server.slots, self.server.cancel_timeout);
        let callbacks = self.server.callbacks.clone();
        let clock = Arc::clone(&self.clock);
        let url = self.address.url.clone();
        Ok((Ready::new(Server::new(client, url, facts, callbacks, clock, limits)), found))
    }

    pub(super) fn client(&self) -> Result<Client, BootError> {
        Client::new(self.address.clone(), Arc::clone(&self.clock))
            .map_err(|error| BootError::Unreachable(format!("https cannot be used here: {error}")))
    }

    /// Waits until the server is ready, and asks what it can do.
    pub(super) async fn find(&self, client: &Client, boot: &Boot) -> Result<Found, BootError> {
        let health =
            self.wait(client).await.inspect_err(|failed| boot.settle(&failed.logs)).map_err(|it| it.error)?;
        boot.settle(&health.setup_logs());
        let schema = self.ask(client, "/openapi.json").await?;
        let root = self.ask(client, "/").await?.map(|root| root.to_value());
        let cog_version = root.and_then(|root| Some(root["cog_version"].as_str()?.to_owned()));
        Ok(Found { coglet: health.is_coglet(), schema, cog_version })
    }

    async fn wait(&self, client: &Client) -> Result<Health, Failed> {
        let deadline = self.clock.monotonic() + self.server.setup_timeout;
        let mut pause = FIRST_PAUSE;
        loop {
            let look = self.look(client).await?;
            if let Look::Ready(health) = look {
                return Ok(health);
            }
            let left = deadline.saturating_sub(self.clock.monotonic());
            if left.is_zero() {
                return Err(self.too_late(look).into());
            }
            self.clock.sleep(pause.min(left)).await;
            pause = (pause * 2).min(self.longest_pause);
        }
    }

    async fn look(&self, client: &Client) -> Result<Look, Failed> {
        let answer = match client.call(Call::get("/health-check"), HEALTH).await {
            Ok(answer) => answer,
            Err(error @ (CallError::Connect(_) | CallError::Broken(_) | CallError::TimedOut(_))) => {
                return Ok(Look::Silent(super::refusal::lost(&self.address.url, &error)));
            }
            Err(error @ CallError::TooLong) => return Err(self.unusable(&error.to_string()).into()),
        };
        // What lies in front of a server answers for it while it is not up.
        if answer.status.is_server_error() {
            return Ok(Look::Silent(format!("{} answers {}", self.address.url, answer.status)));
        }
        let Some(health) = Health::read(&answer) else {
            return Err(self.unusable("it does not answer like a Cog server").into());
        };
        match health.verdict() {
            Verdict::Works => Ok(Look::Ready(health)),
            Verdict::Wait => Ok(Look::NotYet),
            Verdict::SetupFailed(error) => {
                Err(Failed { error: BootError::Setup(error), logs: health.setup_logs() })
            }
            Verdict::Broken(why) => Err(Failed { error: self.unusable(&why), logs: health.setup_logs() }),
        }
    }

    /// What a path answers, when it is JSON.
    async fn ask(&self, client: &Client, path: &str) -> Result<Option<Json>, BootError> {
        let answer = client.call(Call::get(path), HEALTH).await;
        let answer: Answer = answer.map_err(|error| self.unusable(&error.to_string()))?;
        Ok(Some(answer)
            .filter(|it| it.status == StatusCode::OK)
            .and_then(|it| Json::from_slice(&it.body).ok()))
    }

    fn unusable(&self, why: &str) -> BootError {
        BootError::Unreachable(format!("{}: {why}", self.address.url))
    }

    fn too_late(&self, look: Look) -> BootError {
        match look {
            Look::Silent(why) => BootError::Unreachable(why),
            _ => BootError::TimedOut(self.server.setup_timeout),
        }
    }
}

enum Look {
    Ready(Health),
    NotYet,
    /// Nobody answers; why.
    Silent(String),
}

/// A server that will not be ready, and what its setup said.
struct Failed {
    error: BootError,
    logs: String,
}

impl From<BootError> for Failed {
    fn from(error: BootError) -> Self {
        Self { error, logs: String::new() }
    }
}
