//! Accounts, API tokens and signing secrets.

use async_trait::async_trait;
use cogwire_core::prediction::AccountId;
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::signature::Secret;
use cogwire_core::webhook::vault::{StoredSecret, Unreadable, Vault};

use crate::error::{Error, Result};

pub use crate::secret::{MAX_SIGNING, Retired, Retirement, Rotated, Rotation, SecretRow, SecretState};

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

    /// The account's signing secrets, the newest first, and what is left of the last ones that were retired.
    async fn secrets(&self, account: &AccountId) -> Result<Vec<SecretRow>>;

    /// Makes this the account's only signing secret of its kind.
    async fn set_secret(&self, account: &AccountId, secret: &StoredSecret, now: Timestamp) -> Result<()>;

    /// Adds `fresh` when the account has no secret yet. Of several servers that start at once, the first one's stays.
    async fn ensure_secret(&self, account: &AccountId, fresh: &StoredSecret, now: Timestamp) -> Result<()>;

    /// Adds a secret, which is current from now on. The one of its kind that was current signs until the end of the overlap.
    async fn rotate_secret(&self, account: &AccountId, rotation: Rotation, now: Timestamp)
    -> Result<Rotated>;

    /// Lets secrets sign no longer, and forgets them.
    async fn retire_secrets(&self, account: &AccountId, which: Retirement, now: Timestamp)
    -> Result<Retired>;

    /// Puts `sealed` where `open` is. `false` when something else is there by now.
    async fn reseal_secret(&self, id: i64, open: &StoredSecret, sealed: &StoredSecret) -> Result<bool>;

    /// A random key that the server keeps for itself, such as the one that signs links; `fresh` is stored when there is
    /// none of this name yet. Returns the stored one.
    async fn server_key(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32]>;
}

/// The secret of a row, opened.
///
/// # Errors
/// When the vault cannot open it. The error says what to do, and shows nothing of the secret.
pub fn opened(vault: &Vault, account: &AccountId, row: &SecretRow) -> Result<Secret> {
    vault.get(account, &row.secret).map_err(|unreadable| match unreadable {
        Unreadable::NoKey | Unreadable::OtherKey => {
            Error::Setup(format!("cannot read the signing secret of account {account}: {unreadable}"))
        }
        Unreadable::Invalid(_) => Error::Corrupt {
            table: "secret",
            column: "key",
            row: row.id.to_string(),
            reason: unreadable.to_string(),
        },
    })
}
