//! Uploads in PostgreSQL.

use async_trait::async_trait;
use cogwire_core::id::FileId;
use cogwire_core::prediction::AccountId;
use cogwire_core::time::Timestamp;

use super::failure::Outcome;
use super::row::{Row, int, micros};
use super::{Class, Db, PostgresStore, Repeat};
use crate::error::Result;
use crate::prediction::Cursor;
use crate::upload::{Upload, UploadStore};

/// Ids are random: one that is there already is from an earlier try.
const ADD: &str = "
    WITH recorded AS (DELETE FROM file WHERE id = $1)
    INSERT INTO upload (id, account, name, content_type, size, sha256, metadata, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING";

const ONE: &str = "
    SELECT id, account, name, content_type, size, sha256, metadata, created_at, expires_at
    FROM upload WHERE id = $1 AND account = $2";

macro_rules! page {
    ($direction:literal) => {
        concat!(
            "SELECT id, account, name, content_type, size, sha256, metadata, created_at, expires_at
             FROM upload WHERE account = $1 AND id > $2 AND id < $3 ORDER BY id ",
            $direction,
            " LIMIT $4"
        )
    };
}

pub(super) const UPLOADS_NEWEST_FIRST: &str = page!("DESC");
pub(super) const UPLOADS_OLDEST_FIRST: &str = page!("ASC");

const REMOVE: &str = "
    WITH unused AS (DELETE FROM upload_use WHERE upload = $1)
    DELETE FROM upload WHERE id = $1";

/// Uploads that are due, and whose predictions are over and told. `OFFSET 0` has each of them asked about on its own.
pub(super) const EXPIRED_UPLOADS: &str = "
    SELECT id FROM upload
    WHERE expires_at <= $1 AND NOT EXISTS (
      SELECT 1 FROM upload_use AS used
      WHERE used.upload = upload.id AND (
        EXISTS (SELECT 1 FROM live WHERE live.prediction_id = used.prediction_id OFFSET 0)
        OR EXISTS (SELECT 1 FROM lane WHERE lane.prediction_id = used.prediction_id OFFSET 0))
      OFFSET 0)
    ORDER BY expires_at, id LIMIT $2";

#[async_trait]
impl UploadStore for PostgresStore {
    async fn add_upload(&self, upload: &Upload) -> Result<()> {
        self.database.write(Class::Api, Repeat::Safe, |db| add(db, upload)).await
    }

    async fn upload(&self, account: &AccountId, id: FileId) -> Result<Option<Upload>> {
        self.database.read(Class::Api, |db| one(db, account, id)).await
    }

    async fn list_uploads(
        &self,
        account: &AccountId,
        cursor: Option<Cursor<FileId>>,
        limit: u32,
    ) -> Result<Vec<Upload>> {
        self.database.read(Class::Api, |db| list(db, account, cursor, limit)).await
    }

    async fn remove_upload(&self, id: FileId) -> Result<()> {
        self.database.write(Class::Api, Repeat::Safe, |db| remove(db, id)).await
    }

    async fn expired_uploads(&self, now: Timestamp, limit: u32) -> Result<Vec<FileId>> {
        self.database.read(Class::Work, |db| expired(db, now, limit)).await
    }
}

async fn add(db: Db, upload: &Upload) -> Outcome<()> {
    db.execute(
        ADD,
        &[
            &upload.id.as_str(),
            &&*upload.account.0,
            &upload.name,
            &upload.content_type,
            &int(upload.size),
            &upload.sha256,
            &upload.metadata.as_str(),
            &upload.created_at.as_micros(),
            &micros(upload.expires_at),
        ],
    )
    .await?;
    Ok(())
}

async fn one(db: Db, account: &AccountId, id: FileId) -> Outcome<Option<Upload>> {
    let row = db.query_optional(ONE, &[&id.as_str(), &&*account.0]).await?;
    row.map(|row| decode(Row::new("upload", &row))).transpose()
}

async fn list(
    db: Db,
    account: &AccountId,
    cursor: Option<Cursor<FileId>>,
    limit: u32,
) -> Outcome<Vec<Upload>> {
    let (above, below) = Cursor::id_range(cursor);
    let backwards = Cursor::is_backwards(cursor);
    let sql = if backwards { UPLOADS_OLDEST_FIRST } else { UPLOADS_NEWEST_FIRST };
    let rows = db.query(sql, &[&&*account.0, &above, &below, &i64::from(limit)]).await?;
    let mut page = rows.iter().map(|row| decode(Row::new("upload", row))).collect::<Outcome<Vec<_>>>()?;
    if backwards {
        page.reverse();
    }
    Ok(page)
}

fn decode(row: Row<'_>) -> Outcome<Upload> {
    Ok(Upload {
        id: row.parse("id")?,
        account: AccountId(row.get::<&str>("account")?.into()),
        name: row.get("name")?,
        content_type: row.get("content_type")?,
        size: row.count("size")?,
        sha256: row.get("sha256")?,
        metadata: row.json("metadata")?,
        created_at: row.time("created_at")?,
        expires_at: row.optional_time("expires_at")?,
    })
}

async fn remove(db: Db, id: FileId) -> Outcome<()> {
    db.execute(REMOVE, &[&id.as_str()]).await?;
    Ok(())
}

async fn expired(db: Db, now: Timestamp, limit: u32) -> Outcome<Vec<FileId>> {
    let rows = db.query(EXPIRED_UPLOADS, &[&now.as_micros(), &i64::from(limit)]).await?;
    rows.iter().map(|row| Row::new("upload", row).parse("id")).collect()
}
