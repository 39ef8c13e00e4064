//! Accounts, API tokens and signing secrets.

use async_trait::async_trait;
use cogwire_core::prediction::AccountId;
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::signature::Secret;

use crate::error::Result;

/// An API token, without the token: only its SHA-256 is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// SHA-256 of the token.
    pub sha256: [u8; 32],
    /// Whose it is.
    pub account: AccountId,
    /// A name for people.
    pub label: String,
    /// Its first characters, to recognise it by.
    pub prefix: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The use cases of accounts.
#[async_trait]
pub trait AccountStore: Send + Sync + 'static {
    /// Makes sure that the account exists. `true` when it was made now.
    async fn ensure_account(&self, account: &AccountId, now: Timestamp) -> Result<bool>;

    /// Whose token this is.
    async fn token_account(&self, sha256: &[u8; 32]) -> Result<Option<AccountId>>;

    /// Adds a token.
    async fn add_token(&self, token: Token) -> Result<()>;

    /// All tokens of an account, oldest first.
    async fn tokens(&self, account: &AccountId) -> Result<Vec<Token>>;

    /// Revokes the token; `false` when there is none with this hash.
    async fn revoke_token(&self, sha256: &[u8; 32]) -> Result<bool>;

    /// The account's signing secrets, the current one first.
    async fn secrets(&self, account: &AccountId) -> Result<Vec<Secret>>;

    /// Makes this the account's only signing secret.
    async fn set_secret(&self, account: &AccountId, secret: &Secret, now: Timestamp) -> Result<()>;

    /// The account's current signing secret; `fresh` becomes it when there is none yet. Of several servers that start at once,
    /// all are given the same.
    async fn ensure_secret(&self, account: &AccountId, fresh: &Secret, now: Timestamp) -> Result<Secret>;

    /// A random key that the server keeps for itself, such as the one that signs links; `fresh` is stored when there is
    /// none of this name yet. Returns the stored one.
    async fn server_key(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32]>;
}
