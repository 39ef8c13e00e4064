//! Accounts, tokens and secrets in SQLite.

use async_trait::async_trait;
use cogwire_core::prediction::AccountId;
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::signature::Secret;
use rusqlite::{Connection, OptionalExtension, params};

use super::SqliteStore;
use super::failure::Outcome;
use super::row::Row;
use super::writer::Class;
use crate::account::{AccountStore, Token};
use crate::error::Result;

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

    async fn secrets(&self, account: &AccountId) -> Result<Vec<Secret>> {
        let account = account.clone();
        self.read(move |db| secrets(db, &account)).await
    }

    async fn set_secret(&self, account: &AccountId, secret: &Secret, now: Timestamp) -> Result<()> {
        let (account, text) = (account.clone(), secret.expose());
        self.write(Class::Api, move |batch| set_secret(batch.db, &account, &text, now)).await
    }

    async fn ensure_secret(&self, account: &AccountId, fresh: &Secret, now: Timestamp) -> Result<Secret> {
        let (account, fresh) = (account.clone(), fresh.clone());
        self.write(Class::Api, move |batch| ensure_secret(batch.db, &account, &fresh, now)).await
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

fn secrets(db: &Connection, account: &AccountId) -> Outcome<Vec<Secret>> {
    // The account comes first because it names the row; the secret must not appear in an error.
    let sql = "SELECT account, key FROM secret WHERE account = ?1 AND state = 'active' ORDER BY id DESC";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([&*account.0])?;
    let mut secrets = Vec::new();
    while let Some(row) = rows.next()? {
        let row = Row::new("secret", row);
        let secret = Secret::parse(row.text("key")?).map_err(|error| row.corrupt("key", &error))?;
        secrets.push(secret);
    }
    Ok(secrets)
}

fn set_secret(db: &Connection, account: &AccountId, text: &str, now: Timestamp) -> Outcome<()> {
    db.prepare_cached("DELETE FROM secret WHERE account = ?1")?.execute([&*account.0])?;
    add_secret(db, account, text, now)
}

fn ensure_secret(db: &Connection, account: &AccountId, fresh: &Secret, now: Timestamp) -> Outcome<Secret> {
    if let Some(current) = secrets(db, account)?.into_iter().next() {
        return Ok(current);
    }
    add_secret(db, account, &fresh.expose(), now)?;
    Ok(fresh.clone())
}

fn add_secret(db: &Connection, account: &AccountId, text: &str, now: Timestamp) -> Outcome<()> {
    let sql = "INSERT INTO secret (account, key, state, created_at) VALUES (?1, ?2, 'active', ?3)";
    db.prepare_cached(sql)?.execute(params![account.0, text, now.as_micros()])?;
    Ok(())
}

fn server_key(db: &Connection, name: &str, fresh: [u8; 32]) -> Outcome<[u8; 32]> {
    let sql = "INSERT INTO server_key (name, key) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    db.prepare_cached(sql)?.execute(params![name, fresh])?;
    let sql = "SELECT name, key FROM server_key WHERE name = ?1";
    db.prepare_cached(sql)?.query_row([name], |row| Ok(Row::new("server_key", row).get("key")))?
}
