//! What else delivery asks of the store: predictions to show, and secrets to sign with.

use async_trait::async_trait;
use cogwire_core::id::{FileId, PredictionId};
use cogwire_core::prediction::{AccountId, Deadline, Prediction};
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::vault::StoredSecret;
use cogwire_store::account::{Retired, Retirement, Rotated, Rotation, SecretRow, Token};
use cogwire_store::prediction::{
    Claimed, Commit, CommitOutcome, CreateOutcome, ExpiredData, FilePage, FileRow, Lease, ListPredictions,
    Load, NewPrediction, Overdue, StreamPage, Wanted,
};
use cogwire_store::{AccountStore, NodeEpoch, PredictionStore, Result};

use super::store::DistantStore;

#[async_trait]
impl PredictionStore for DistantStore {
    async fn create(&self, new: NewPrediction) -> Result<CreateOutcome> {
        self.pass(self.store.create(new)).await
    }

    async fn commit(&self, commit: Commit) -> Result<CommitOutcome> {
        self.pass(self.store.commit(commit)).await
    }

    async fn add_file(&self, file: FileRow) -> Result<()> {
        self.pass(self.store.add_file(file)).await
    }

    async fn forget_files(&self, files: &[FileId]) -> Result<()> {
        self.pass(self.store.forget_files(files)).await
    }

    async fn load(&self, id: PredictionId) -> Result<Option<Prediction>> {
        self.pass(self.store.load(id)).await
    }

    async fn list(&self, query: &ListPredictions) -> Result<Vec<Prediction>> {
        self.pass(self.store.list(query)).await
    }

    async fn stream_from(&self, id: PredictionId, from: u64, limit: u32) -> Result<Option<StreamPage>> {
        self.pass(self.store.stream_from(id, from, limit)).await
    }

    async fn claim(
        &self,
        node: &NodeEpoch,
        wanted: &[Wanted],
        limit: u32,
        setup_deadline: Timestamp,
    ) -> Result<Vec<Claimed>> {
        self.pass(self.store.claim(node, wanted, limit, setup_deadline)).await
    }

    async fn queue_position(&self, id: PredictionId) -> Result<Option<u64>> {
        self.pass(self.store.queue_position(id)).await
    }

    async fn release(&self, id: PredictionId, lease: &Lease, deadline: Deadline) -> Result<()> {
        self.pass(self.store.release(id, lease, deadline)).await
    }

    async fn overdue(&self, now: Timestamp, limit: u32) -> Result<Vec<Overdue>> {
        self.pass(self.store.overdue(now, limit)).await
    }

    async fn expired_data(&self, now: Timestamp, limit: u32) -> Result<Vec<ExpiredData>> {
        self.pass(self.store.expired_data(now, limit)).await
    }

    async fn remove_data(&self, expired: &[ExpiredData]) -> Result<()> {
        self.pass(self.store.remove_data(expired)).await
    }

    async fn unowned_files(&self, before: Timestamp, after: Option<FileId>, limit: u32) -> Result<FilePage> {
        self.pass(self.store.unowned_files(before, after, limit)).await
    }

    async fn forget_idempotency_keys(&self, now: Timestamp, limit: u32) -> Result<u64> {
        self.pass(self.store.forget_idempotency_keys(now, limit)).await
    }

    async fn load_figures(&self) -> Result<Load> {
        self.pass(self.store.load_figures()).await
    }
}

#[async_trait]
impl AccountStore for DistantStore {
    async fn ensure_account(&self, account: &AccountId, now: Timestamp) -> Result<bool> {
        self.pass(self.store.ensure_account(account, now)).await
    }

    async fn token_account(&self, sha256: &[u8; 32]) -> Result<Option<AccountId>> {
        self.pass(self.store.token_account(sha256)).await
    }

    async fn add_token(&self, token: Token) -> Result<()> {
        self.pass(self.store.add_token(token)).await
    }

    async fn tokens(&self, account: &AccountId) -> Result<Vec<Token>> {
        self.pass(self.store.tokens(account)).await
    }

    async fn revoke_token(&self, sha256: &[u8; 32]) -> Result<bool> {
        self.pass(self.store.revoke_token(sha256)).await
    }

    async fn secrets(&self, account: &AccountId) -> Result<Vec<SecretRow>> {
        self.pass(self.store.secrets(account)).await
    }

    async fn set_secret(&self, account: &AccountId, secret: &StoredSecret, now: Timestamp) -> Result<()> {
        self.pass(self.store.set_secret(account, secret, now)).await
    }

    async fn ensure_secret(&self, account: &AccountId, fresh: &StoredSecret, now: Timestamp) -> Result<()> {
        self.pass(self.store.ensure_secret(account, fresh, now)).await
    }

    async fn rotate_secret(
        &self,
        account: &AccountId,
        rotation: Rotation,
        now: Timestamp,
    ) -> Result<Rotated> {
        self.pass(self.store.rotate_secret(account, rotation, now)).await
    }

    async fn retire_secrets(
        &self,
        account: &AccountId,
        which: Retirement,
        now: Timestamp,
    ) -> Result<Retired> {
        self.pass(self.store.retire_secrets(account, which, now)).await
    }

    async fn reseal_secret(&self, id: i64, open: &StoredSecret, sealed: &StoredSecret) -> Result<bool> {
        self.pass(self.store.reseal_secret(id, open, sealed)).await
    }

    async fn server_key(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32]> {
        self.pass(self.store.server_key(name, fresh)).await
    }
}
