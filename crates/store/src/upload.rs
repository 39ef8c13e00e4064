//! Files that callers upload, to name them in inputs later.

use async_trait::async_trait;
use cogwire_core::id::FileId;
use cogwire_core::json::Json;
use cogwire_core::prediction::AccountId;
use cogwire_core::time::Timestamp;

use crate::error::Result;
use crate::prediction::Cursor;

/// A file that was uploaded. Its bytes are in storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its name in storage.
    pub id: FileId,
    /// Whose it is.
    pub account: AccountId,
    /// Its name for people.
    pub name: String,
    /// What it is, as the caller said.
    pub content_type: String,
    /// Its length in bytes.
    pub size: u64,
    /// SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// What the caller wants to remember of it.
    pub metadata: Json,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it is due to be deleted; `None` keeps it.
    pub expires_at: Option<Timestamp>,
}

/// The use cases of uploads.
#[async_trait]
pub trait UploadStore: Send + Sync + 'static {
    /// Makes an upload known. Its id must be new. Its bytes are its own from then on: the row that says they may be nobody's,
    /// which [`add_file`](crate::prediction::PredictionStore::add_file) made before they came, goes in the same commit.
    async fn add_upload(&self, upload: &Upload) -> Result<()>;

    /// The account's upload of this id, also when it has expired and is not deleted yet.
    async fn upload(&self, account: &AccountId, id: FileId) -> Result<Option<Upload>>;

    /// A page of the account's uploads, newest first.
    async fn list_uploads(
        &self,
        account: &AccountId,
        cursor: Option<Cursor<FileId>>,
        limit: u32,
    ) -> Result<Vec<Upload>>;

    /// Forgets an upload, whoever uses it. Its bytes must be gone from storage already, or nobody finds them any more.
    async fn remove_upload(&self, id: FileId) -> Result<()>;

    /// Uploads that are due to be deleted at `now`, those aside that are named by the input of a prediction that is live, or
    /// about which a webhook is still to be sent. A create that looked at an upload just before it expired may still be on its
    /// way, so whoever deletes asks for a `now` a little in the past.
    async fn expired_uploads(&self, now: Timestamp, limit: u32) -> Result<Vec<FileId>>;
}
