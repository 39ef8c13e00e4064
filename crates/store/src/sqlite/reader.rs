//! The connections that only read, lent out one use case at a time.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::connection::open_reader;
use super::failure::Outcome;
use crate::error::{Error, Result};

/// Connections that read at the same time.
const READERS: usize = 3;

/// Reads in snapshots, on blocking threads.
pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    free: Arc<Semaphore>,
}

impl Readers {
    /// Opens the connections.
    pub(super) fn open(path: &Path) -> Outcome<Self> {
        let connections = (0..READERS).map(|_| open_reader(path)).collect::<Outcome<Vec<_>>>()?;
        Ok(Self { idle: Arc::new(Mutex::new(connections)), free: Arc::new(Semaphore::new(READERS)) })
    }

    /// Runs `work` in one snapshot of the database.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Outcome<T> + Send + 'static,
    {
        let permit = Arc::clone(&self.free).acquire_owned().await.map_err(|_| Error::Closed)?;
        let idle = Arc::clone(&self.idle);
        let reading = tokio::task::spawn_blocking(move || {
            let outcome = Lent::take(&idle).map_err(Into::into).and_then(|lent| lent.snapshot(work));
            drop(permit);
            outcome
        });
        let outcome = reading.await.map_err(|error| Error::Backend(format!("a read failed: {error}")))?;
        outcome.map_err(Error::from)
    }

    /// Waits for the reads that go on, and closes the connections.
    pub(super) async fn close(&self) {
        if let Ok(all) = self.free.acquire_many(READERS as u32).await {
            self.free.close();
            drop(all);
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A connection that goes back to the others however its use ends.
struct Lent<'a> {
    home: &'a Mutex<Vec<Connection>>,
    connection: Option<Connection>,
}

impl<'a> Lent<'a> {
    fn take(home: &'a Mutex<Vec<Connection>>) -> Result<Self> {
        let connection = home.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if connection.is_some() { Ok(Self { home, connection }) } else { Err(Error::Closed) }
    }

    fn snapshot<T>(&self, work: impl FnOnce(&Connection) -> Outcome<T>) -> Outcome<T> {
        let Some(db) = &self.connection else { return Err(Error::Closed.into()) };
        // The snapshot ends with the transaction, whichever way it is left.
        let transaction = db.unchecked_transaction()?;
        let outcome = work(db);
        transaction.finish()?;
        outcome
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.home.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }
}
