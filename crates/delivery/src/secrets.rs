//! The signing secrets of accounts, kept for a moment so that not every message asks the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cogwire_core::prediction::AccountId;
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::signature::Secret;
use cogwire_store as store;
use cogwire_store::AccountStore;

/// The most accounts that are remembered.
const MAX_ACCOUNTS: usize = 10_000;

pub(crate) struct Secrets {
    store: Arc<dyn AccountStore>,
    max_age: Duration,
    known: Mutex<HashMap<AccountId, Known>>,
}

struct Known {
    secrets: Arc<[Secret]>,
    since: Timestamp,
}

impl Secrets {
    pub(crate) fn new(store: Arc<dyn AccountStore>, max_age: Duration) -> Self {
        Self { store, max_age, known: Mutex::default() }
    }

    /// The secrets that sign for this account now.
    pub(crate) async fn of(&self, account: &AccountId, now: Timestamp) -> store::Result<Arc<[Secret]>> {
        if let Some(known) = self.fresh(account, now) {
            return Ok(known);
        }
        let secrets: Arc<[Secret]> = self.store.secrets(account).await?.into();
        self.remember(account, &secrets, now);
        Ok(secrets)
    }

    /// What is known, unless it is too old. Only the first to find it too old is told so: while it asks the store, the others
    /// go on with what there is, instead of asking too.
    fn fresh(&self, account: &AccountId, now: Timestamp) -> Option<Arc<[Secret]>> {
        let mut accounts = self.lock();
        let known = accounts.get_mut(account)?;
        // A clock that stepped back must not keep them for ever.
        if now < known.since || now.since(known.since) > self.max_age {
            known.since = now;
            return None;
        }
        Some(Arc::clone(&known.secrets))
    }

    fn remember(&self, account: &AccountId, secrets: &Arc<[Secret]>, now: Timestamp) {
        let mut accounts = self.lock();
        if accounts.len() >= MAX_ACCOUNTS {
            accounts.clear();
        }
        accounts.insert(account.clone(), Known { secrets: Arc::clone(secrets), since: now });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
