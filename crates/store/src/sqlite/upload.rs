//! Uploads in SQLite.

use async_trait::async_trait;
use cogwire_core::id::FileId;
use cogwire_core::prediction::AccountId;
use cogwire_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::SqliteStore;
use super::failure::Outcome;
use super::row::{Row, int, micros};
use super::writer::Class;
use crate::error::Result;
use crate::prediction::Cursor;
use crate::upload::{Upload, UploadStore};

const ONE: &str = "SELECT id, account, name, content_type, size, sha256, metadata, created_at, expires_at
    FROM upload WHERE id = ?1 AND account = ?2";

macro_rules! page {
    ($direction:literal) => {
        concat!(
            "SELECT id, account, name, content_type, size, sha256, metadata, created_at, expires_at
             FROM upload WHERE account = ?1 AND id > ?2 AND id < ?3 ORDER BY id ",
            $direction,
            " LIMIT ?4"
        )
    };
}

pub(super) const NEWEST_FIRST: &str = page!("DESC");
pub(super) const OLDEST_FIRST: &str = page!("ASC");

/// Uploads that are due, and whose predictions are over and told.
pub(super) const EXPIRED: &str = "SELECT id FROM upload
    WHERE expires_at <= ?1 AND NOT EXISTS (
      SELECT 1 FROM upload_use AS used WHERE used.upload = upload.id AND (
        EXISTS (SELECT 1 FROM live WHERE live.prediction_id = used.prediction_id)
        OR EXISTS (SELECT 1 FROM lane WHERE lane.prediction_id = used.prediction_id)))
    ORDER BY expires_at LIMIT ?2";

#[async_trait]
impl UploadStore for SqliteStore {
    async fn add_upload(&self, upload: &Upload) -> Result<()> {
        let upload = upload.clone();
        self.write(Class::Api, move |batch| add(batch.db, &upload)).await
    }

    async fn upload(&self, account: &AccountId, id: FileId) -> Result<Option<Upload>> {
        let account = account.clone();
        self.read(move |db| one(db, &account, id)).await
    }

    async fn list_uploads(
        &self,
        account: &AccountId,
        cursor: Option<Cursor<FileId>>,
        limit: u32,
    ) -> Result<Vec<Upload>> {
        let account = account.clone();
        self.read(move |db| list(db, &account, cursor, limit)).await
    }

    async fn remove_upload(&self, id: FileId) -> Result<()> {
        self.write(Class::Api, move |batch| remove(batch.db, id)).await
    }

    async fn expired_uploads(&self, now: Timestamp, limit: u32) -> Result<Vec<FileId>> {
        self.read(move |db| expired(db, now, limit)).await
    }
}

fn add(db: &Connection, upload: &Upload) -> Outcome<()> {
    db.prepare_cached("DELETE FROM file WHERE id = ?1")?.execute([upload.id.as_str()])?;
    let sql =
        "INSERT INTO upload (id, account, name, content_type, size, sha256, metadata, created_at, expires_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    db.prepare_cached(sql)?.execute(params![
        upload.id.as_str(),
        upload.account.0,
        upload.name,
        upload.content_type,
        int(upload.size),
        upload.sha256,
        upload.metadata.as_str(),
        upload.created_at.as_micros(),
        micros(upload.expires_at),
    ])?;
    Ok(())
}

fn one(db: &Connection, account: &AccountId, id: FileId) -> Outcome<Option<Upload>> {
    let mut statement = db.prepare_cached(ONE)?;
    let found = statement
        .query_row(params![id.as_str(), account.0], |row| Ok(decode(&Row::new("upload", row))))
        .optional()?;
    found.transpose()
}

fn list(
    db: &Connection,
    account: &AccountId,
    cursor: Option<Cursor<FileId>>,
    limit: u32,
) -> Outcome<Vec<Upload>> {
    let (above, below) = Cursor::id_range(cursor);
    let backwards = Cursor::is_backwards(cursor);
    let mut statement = db.prepare_cached(if backwards { OLDEST_FIRST } else { NEWEST_FIRST })?;
    let mut rows = statement.query(params![account.0, above, below, limit])?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        page.push(decode(&Row::new("upload", row))?);
    }
    if backwards {
        page.reverse();
    }
    Ok(page)
}

fn decode(row: &Row<'_>) -> Outcome<Upload> {
    Ok(Upload {
        id: row.parse("id")?,
        account: AccountId(row.text("account")?.into()),
        name: row.get("name")?,
        content_type: row.get("content_type")?,
        size: row.count("size")?,
        sha256: row.get("sha256")?,
        metadata: row.json("metadata")?,
        created_at: row.time("created_at")?,
        expires_at: row.optional_time("expires_at")?,
    })
}

fn remove(db: &Connection, id: FileId) -> Outcome<()> {
    db.prepare_cached("DELETE FROM upload_use WHERE upload = ?1")?.execute([id.as_str()])?;
    db.prepare_cached("DELETE FROM upload WHERE id = ?1")?.execute([id.as_str()])?;
    Ok(())
}

fn expired(db: &Connection, now: Timestamp, limit: u32) -> Outcome<Vec<FileId>> {
    let mut statement = db.prepare_cached(EXPIRED)?;
    let mut rows = statement.query(params![now.as_micros(), limit])?;
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        ids.push(Row::new("upload", row).parse("id")?);
    }
    Ok(ids)
}
