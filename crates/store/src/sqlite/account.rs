//! Accounts, tokens and secrets in SQLite.

use async_trait::async_trait;
use cogwire_core::prediction::AccountId;
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::vault::StoredSecret;
use rusqlite::{Connection, OptionalExtension, params};

use super::SqliteStore;
use super::failure::Outcome;
use super::row::{Row, micros};
use super::writer::Class;
use crate::account::{AccountStore, Retired, Retirement, Rotated, Rotation, SecretRow, Token};
use crate::error::Result;
use crate::secret::{self, MAX_RETIRED};

#[async_trait]
impl AccountStore for SqliteStore {
    async fn ensure_account(&self, account: &AccountId, now: Timestamp) -> Result<bool> {
        let account = account.clone();
        self.write(Class::Api, move |batch| ensure_account(batch.db, &account, now)).await
    }

    async fn token_account(&self, sha256: &[u8; 32]) -> Result<Option<AccountId>> {
        let sha256 = *sha256;
        self.read(move |db| token_account(db, sha256)).await
    }

    async fn add_token(&self, token: Token) -> Result<()> {
        self.write(Class::Api, move |batch| add_token(batch.db, &token)).await
    }

    async fn tokens(&self, account: &AccountId) -> Result<Vec<Token>> {
        let account = account.clone();
        self.read(move |db| tokens(db, &account)).await
    }

    async fn revoke_token(&self, sha256: &[u8; 32]) -> Result<bool> {
        let sha256 = *sha256;
        self.write(Class::Api, move |batch| revoke_token(batch.db, sha256)).await
    }

    async fn secrets(&self, account: &AccountId) -> Result<Vec<SecretRow>> {
        let account = account.clone();
        self.read(move |db| secrets(db, &account)).await
    }

    async fn set_secret(&self, account: &AccountId, secret: &StoredSecret, now: Timestamp) -> Result<()> {
        let (account, secret) = (account.clone(), secret.clone());
        self.write(Class::Api, move |batch| set_secret(batch.db, &account, &secret, now)).await
    }

    async fn ensure_secret(&self, account: &AccountId, fresh: &StoredSecret, now: Timestamp) -> Result<()> {
        let (account, fresh) = (account.clone(), fresh.clone());
        self.write(Class::Api, move |batch| ensure_secret(batch.db, &account, &fresh, now)).await
    }

    async fn rotate_secret(
        &self,
        account: &AccountId,
        rotation: Rotation,
        now: Timestamp,
    ) -> Result<Rotated> {
        let account = account.clone();
        self.write(Class::Api, move |batch| rotate_secret(batch.db, &account, &rotation, now)).await
    }

    async fn retire_secrets(
        &self,
        account: &AccountId,
        which: Retirement,
        now: Timestamp,
    ) -> Result<Retired> {
        let account = account.clone();
        self.write(Class::Api, move |batch| retire_secrets(batch.db, &account, which, now)).await
    }

    async fn reseal_secret(&self, id: i64, open: &StoredSecret, sealed: &StoredSecret) -> Result<bool> {
        let (open, sealed) = (open.clone(), sealed.clone());
        self.write(Class::Api, move |batch| reseal_secret(batch.db, id, &open, &sealed)).await
    }

    async fn server_key(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32]> {
        let name = name.to_owned();
        self.write(Class::Api, move |batch| server_key(batch.db, &name, fresh)).await
    }
}

fn ensure_account(db: &Connection, account: &AccountId, now: Timestamp) -> Outcome<bool> {
    let sql = "INSERT INTO account (id, created_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    Ok(db.prepare_cached(sql)?.execute(params![account.0, now.as_micros()])? > 0)
}

fn token_account(db: &Connection, sha256: [u8; 32]) -> Outcome<Option<AccountId>> {
    let sql = "SELECT account FROM token WHERE sha256 = ?1";
    let account: Option<String> = db.prepare_cached(sql)?.query_row([sha256], |row| row.get(0)).optional()?;
    Ok(account.map(|account| AccountId(account.into())))
}

fn add_token(db: &Connection, token: &Token) -> Outcome<()> {
    let sql = "INSERT INTO token (sha256, account, label, prefix, created_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    let created_at = token.created_at.as_micros();
    let values = params![token.sha256, token.account.0, token.label, token.prefix, created_at];
    db.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

fn tokens(db: &Connection, account: &AccountId) -> Outcome<Vec<Token>> {
    let sql = "SELECT label, sha256, account, prefix, created_at FROM token WHERE account = ?1
               ORDER BY created_at, sha256";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([&*account.0])?;
    let mut tokens = Vec::new();
    while let Some(row) = rows.next()? {
        tokens.push(decode_token(&Row::new("token", row))?);
    }
    Ok(tokens)
}

fn decode_token(row: &Row<'_>) -> Outcome<Token> {
    Ok(Token {
        sha256: row.get("sha256")?,
        account: AccountId(row.text("account")?.into()),
        label: row.get("label")?,
        prefix: row.get("prefix")?,
        created_at: row.time("created_at")?,
    })
}

fn revoke_token(db: &Connection, sha256: [u8; 32]) -> Outcome<bool> {
    Ok(db.prepare_cached("DELETE FROM token WHERE sha256 = ?1")?.execute([sha256])? > 0)
}

fn secrets(db: &Connection, account: &AccountId) -> Outcome<Vec<SecretRow>> {
    // The account comes first because it names the row; the secret must not appear in an error.
    let sql = "SELECT account, id, kind, key, state, created_at, signs_until FROM secret
               WHERE account = ?1 ORDER BY id DESC";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([&*account.0])?;
    let mut secrets = Vec::new();
    while let Some(row) = rows.next()? {
        secrets.push(decode_secret(&Row::new("secret", row))?);
    }
    Ok(secrets)
}

fn decode_secret(row: &Row<'_>) -> Outcome<SecretRow> {
    Ok(SecretRow {
        id: row.get("id")?,
        secret: StoredSecret::of_row(row.parse("kind")?, row.text("key")?),
        retired: row.text("state")? == "retired",
        created_at: row.time("created_at")?,
        signs_until: row.optional_time("signs_until")?,
    })
}

fn set_secret(db: &Connection, account: &AccountId, secret: &StoredSecret, now: Timestamp) -> Outcome<()> {
    let sql = "DELETE FROM secret WHERE account = ?1 AND kind = ?2";
    db.prepare_cached(sql)?.execute(params![account.0, secret.kind().as_str()])?;
    add_secret(db, account, secret, now)
}

fn ensure_secret(db: &Connection, account: &AccountId, fresh: &StoredSecret, now: Timestamp) -> Outcome<()> {
    match secrets(db, account)?.iter().any(|row| row.signs(now)) {
        true => Ok(()),
        false => add_secret(db, account, fresh, now),
    }
}

fn rotate_secret(
    db: &Connection,
    account: &AccountId,
    rotation: &Rotation,
    now: Timestamp,
) -> Outcome<Rotated> {
    let rows = secrets(db, account)?;
    let Some(replaced) = secret::replaced(&rows, rotation, now) else { return Ok(Rotated::Full) };
    let until = micros(rotation.overlap_until);
    for id in replaced {
        db.prepare_cached("UPDATE secret SET signs_until = ?2 WHERE id = ?1")?.execute(params![id, until])?;
    }
    add_secret(db, account, &rotation.fresh, now)?;
    forget_ended(db, account, now)?;
    Ok(Rotated::Done)
}

fn retire_secrets(
    db: &Connection,
    account: &AccountId,
    which: Retirement,
    now: Timestamp,
) -> Outcome<Retired> {
    let retired = secret::retired(&secrets(db, account)?, which, now);
    if let Retired::Done(ids) = &retired {
        for id in ids {
            let sql = "UPDATE secret SET signs_until = ?2 WHERE id = ?1";
            db.prepare_cached(sql)?.execute(params![id, now.as_micros()])?;
        }
        forget_ended(db, account, now)?;
    }
    Ok(retired)
}

/// Removes the keys of those whose time is up, and all of those that are long gone.
fn forget_ended(db: &Connection, account: &AccountId, now: Timestamp) -> Outcome<()> {
    let sql = "UPDATE secret SET state = 'retired', key = ''
               WHERE account = ?1 AND state = 'active' AND signs_until <= ?2";
    db.prepare_cached(sql)?.execute(params![account.0, now.as_micros()])?;
    let sql = "DELETE FROM secret WHERE id IN (
                   SELECT id FROM secret WHERE account = ?1 AND state = 'retired'
                   ORDER BY id DESC LIMIT -1 OFFSET ?2)";
    db.prepare_cached(sql)?.execute(params![account.0, MAX_RETIRED])?;
    Ok(())
}

fn reseal_secret(db: &Connection, id: i64, open: &StoredSecret, sealed: &StoredSecret) -> Outcome<bool> {
    let sql = "UPDATE secret SET key = ?3 WHERE id = ?1 AND key = ?2";
    Ok(db.prepare_cached(sql)?.execute(params![id, open.text(), sealed.text()])? > 0)
}

fn add_secret(db: &Connection, account: &AccountId, secret: &StoredSecret, now: Timestamp) -> Outcome<()> {
    let sql = "INSERT INTO secret (account, kind, key, state, created_at) VALUES (?1, ?2, ?3, 'active', ?4)";
    let values = params![account.0, secret.kind().as_str(), secret.text(), now.as_micros()];
    db.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

fn server_key(db: &Connection, name: &str, fresh: [u8; 32]) -> Outcome<[u8; 32]> {
    let sql = "INSERT INTO server_key (name, key) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    db.prepare_cached(sql)?.execute(params![name, fresh])?;
    let sql = "SELECT name, key FROM server_key WHERE name = ?1";
    db.prepare_cached(sql)?.query_row([name], |row| Ok(Row::new("server_key", row).get("key")))?
}
