//! The signing secrets of accounts, kept for a moment so that not every message asks the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cogwire_core::prediction::AccountId;
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::signature::Secret;
use cogwire_core::webhook::vault::Vault;
use cogwire_store as store;
use cogwire_store::AccountStore;
use cogwire_store::account::{SecretRow, opened};

/// The most accounts that are remembered.
const MAX_ACCOUNTS: usize = 10_000;

pub(crate) struct Secrets {
    store: Arc<dyn AccountStore>,
    vault: Vault,
    max_age: Duration,
    known: Mutex<HashMap<AccountId, Known>>,
}

struct Known {
    secrets: Signing,
    since: Timestamp,
}

/// Secrets, and when the first of them stops signing.
#[derive(Clone)]
struct Signing {
    secrets: Arc<[Secret]>,
    until: Option<Timestamp>,
}

impl Secrets {
    pub(crate) fn new(store: Arc<dyn AccountStore>, vault: Vault, max_age: Duration) -> Self {
        Self { store, vault, max_age, known: Mutex::default() }
    }

    /// The secrets that sign for this account now, the newest first.
    pub(crate) async fn of(&self, account: &AccountId, now: Timestamp) -> store::Result<Arc<[Secret]>> {
        if let Some(known) = self.fresh(account, now) {
            return Ok(known);
        }
        let rows = self.store.secrets(account).await?;
        let signing = self.signing(account, &rows, now)?;
        self.remember(account, signing.clone(), now);
        Ok(signing.secrets)
    }

    fn signing(&self, account: &AccountId, rows: &[SecretRow], now: Timestamp) -> store::Result<Signing> {
        let signing = || rows.iter().filter(|row| row.signs(now));
        Ok(Signing {
            secrets: signing().map(|row| opened(&self.vault, account, row)).collect::<Result<_, _>>()?,
            until: signing().filter_map(|row| row.signs_until).min(),
        })
    }

    /// What is known, unless it is too old. Only the first to find it too old is told so: while it asks the store, the others
    /// go on with what there is, instead of asking too.
    fn fresh(&self, account: &AccountId, now: Timestamp) -> Option<Arc<[Secret]>> {
        let mut accounts = self.lock();
        let known = accounts.get_mut(account)?;
        // What has ended signs nothing any more, also while somebody asks.
        if known.secrets.until.is_some_and(|until| until <= now) {
            return None;
        }
        // A clock that stepped back must not keep them for ever.
        if now < known.since || now.since(known.since) > self.max_age {
            known.since = now;
            return None;
        }
        Some(Arc::clone(&known.secrets.secrets))
    }

    fn remember(&self, account: &AccountId, secrets: Signing, now: Timestamp) {
        let mut accounts = self.lock();
        if accounts.len() >= MAX_ACCOUNTS {
            accounts.clear();
        }
        accounts.insert(account.clone(), Known { secrets, since: now });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
