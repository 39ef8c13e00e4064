//! The use of a database by one command alone, such as one that moves what it holds.
//!
//! There are two locks, both held to the end of the command's connection. One is looked at by every server that opens the
//! database, before it writes anything. The other is the one that servers join under: it stops those that had looked before.

use tokio_postgres::Client;

use super::connection::{Connector, Dedicated};
use super::failure::Outcome;
use super::node::NO_MEMBERSHIP;
use super::{PostgresStore, setup};
use crate::error::{Error, Result};

const TAKE: &str = "SELECT pg_try_advisory_lock(hashtextextended('cogwire alone ' || current_schema(), 0))";

/// Several servers may look at once.
const LOOK: &str =
    "SELECT pg_try_advisory_xact_lock_shared(hashtextextended('cogwire alone ' || current_schema(), 0))";

/// Keeps servers out for as long as it is there and its connection lasts.
pub struct ServersKeptOut(Dedicated);

impl ServersKeptOut {
    /// Whether no server can have come since.
    pub fn is_held(&self) -> bool {
        !self.0.is_closed()
    }
}

impl PostgresStore {
    /// Keeps servers and other such commands out; `None` when one of them is faster. Servers that are there already stay:
    /// look at the [nodes](crate::NodeStore::live_nodes) afterwards.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn keep_servers_out(&self) -> Result<Option<ServersKeptOut>> {
        let client = setup::connect(self.database.connector()).await?;
        let taken = async { Ok(ask(&client, TAKE).await? && ask(&client, NO_MEMBERSHIP).await?) };
        let taken: Outcome<bool> = taken.await;
        Ok(taken?.then_some(ServersKeptOut(client)))
    }
}

/// Refuses a database that a command has to itself.
pub(super) async fn refuse_when_alone(connector: &Connector) -> Result<()> {
    let client = setup::connect(connector).await?;
    if ask(&client, LOOK).await? {
        return Ok(());
    }
    Err(Error::Setup(
        "--database-url: a cogwire export or import has the database to itself: start when it has ended"
            .to_owned(),
    ))
}

async fn ask(client: &Client, question: &str) -> Outcome<bool> {
    Ok(client.query_one(question, &[]).await?.try_get(0)?)
}
