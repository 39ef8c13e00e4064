//! Accounts, tokens and secrets in PostgreSQL.

use async_trait::async_trait;
use cogwire_core::prediction::AccountId;
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::signature::Secret;

use super::failure::Outcome;
use super::row::Row;
use super::{Class, Db, PostgresStore, Repeat};
use crate::account::{AccountStore, Token};
use crate::error::Result;

#[async_trait]
impl AccountStore for PostgresStore {
    async fn ensure_account(&self, account: &AccountId, now: Timestamp) -> Result<bool> {
        self.database.write(Class::Api, Repeat::Safe, |db| ensure_account(db, account, now)).await
    }

    async fn token_account(&self, sha256: &[u8; 32]) -> Result<Option<AccountId>> {
        self.database.read(Class::Api, |db| token_account(db, sha256)).await
    }

    async fn add_token(&self, token: Token) -> Result<()> {
        self.database.write(Class::Api, Repeat::Never, |db| add_token(db, &token)).await
    }

    async fn tokens(&self, account: &AccountId) -> Result<Vec<Token>> {
        self.database.read(Class::Api, |db| tokens(db, account)).await
    }

    async fn revoke_token(&self, sha256: &[u8; 32]) -> Result<bool> {
        self.database.write(Class::Api, Repeat::Never, |db| revoke_token(db, sha256)).await
    }

    async fn secrets(&self, account: &AccountId) -> Result<Vec<Secret>> {
        self.database.read(Class::Api, |db| secrets(db, account)).await
    }

    async fn set_secret(&self, account: &AccountId, secret: &Secret, now: Timestamp) -> Result<()> {
        let text = secret.expose();
        self.database.work(Class::Api, Repeat::Safe, |db| set_secret(db, account, &text, now)).await
    }

    async fn ensure_secret(&self, account: &AccountId, fresh: &Secret, now: Timestamp) -> Result<Secret> {
        self.database.work(Class::Api, Repeat::Safe, |db| ensure_secret(db, account, fresh, now)).await
    }

    async fn server_key(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32]> {
        self.database.write(Class::Api, Repeat::Safe, |db| server_key(db, name, fresh)).await
    }
}

async fn ensure_account(db: Db, account: &AccountId, now: Timestamp) -> Outcome<bool> {
    let sql = "INSERT INTO account (id, created_at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    Ok(db.execute(sql, &[&&*account.0, &now.as_micros()]).await? > 0)
}

async fn token_account(db: Db, sha256: &[u8; 32]) -> Outcome<Option<AccountId>> {
    let sql = "SELECT account FROM token WHERE sha256 = $1";
    let row = db.query_optional(sql, &[&sha256.as_slice()]).await?;
    row.map(|row| Ok(AccountId(Row::new("token", &row).get::<&str>("account")?.into()))).transpose()
}

async fn add_token(db: Db, token: &Token) -> Outcome<()> {
    let sql = "INSERT INTO token (sha256, account, label, prefix, created_at) VALUES ($1, $2, $3, $4, $5)";
    let (sha256, created_at) = (token.sha256.as_slice(), token.created_at.as_micros());
    db.execute(sql, &[&sha256, &&*token.account.0, &token.label, &token.prefix, &created_at]).await?;
    Ok(())
}

async fn tokens(db: Db, account: &AccountId) -> Outcome<Vec<Token>> {
    let sql = "SELECT label, sha256, account, prefix, created_at FROM token WHERE account = $1
               ORDER BY created_at, sha256";
    let rows = db.query(sql, &[&&*account.0]).await?;
    rows.iter().map(|row| decode_token(Row::new("token", row))).collect()
}

fn decode_token(row: Row<'_>) -> Outcome<Token> {
    Ok(Token {
        sha256: row.bytes("sha256")?,
        account: AccountId(row.get::<&str>("account")?.into()),
        label: row.get("label")?,
        prefix: row.get("prefix")?,
        created_at: row.time("created_at")?,
    })
}

async fn revoke_token(db: Db, sha256: &[u8; 32]) -> Outcome<bool> {
    Ok(db.execute("DELETE FROM token WHERE sha256 = $1", &[&sha256.as_slice()]).await? > 0)
}

async fn secrets(db: Db, account: &AccountId) -> Outcome<Vec<Secret>> {
    // The account comes first because it names the row; the secret must not appear in an error.
    let sql = "SELECT account, key FROM secret WHERE account = $1 AND state = 'active' ORDER BY id DESC";
    let rows = db.query(sql, &[&&*account.0]).await?;
    rows.iter().map(|row| decode_secret(Row::new("secret", row))).collect()
}

fn decode_secret(row: Row<'_>) -> Outcome<Secret> {
    Secret::parse(row.get("key")?).map_err(|error| row.corrupt("key", &error))
}

async fn set_secret(db: Db, account: &AccountId, text: &str, now: Timestamp) -> Outcome<()> {
    lock_account(&db, account).await?;
    db.execute("DELETE FROM secret WHERE account = $1", &[&&*account.0]).await?;
    add_secret(&db, account, text, now).await
}

async fn ensure_secret(db: Db, account: &AccountId, fresh: &Secret, now: Timestamp) -> Outcome<Secret> {
    lock_account(&db, account).await?;
    if let Some(current) = secrets(db.clone(), account).await?.into_iter().next() {
        return Ok(current);
    }
    add_secret(&db, account, &fresh.expose(), now).await?;
    Ok(fresh.clone())
}

/// Lets one in at a time: of two at once, each would decide by what it sees, and then both would add theirs.
async fn lock_account(db: &Db, account: &AccountId) -> Outcome<()> {
    db.query("SELECT id FROM account WHERE id = $1 FOR NO KEY UPDATE", &[&&*account.0]).await.map(|_| ())
}

async fn add_secret(db: &Db, account: &AccountId, text: &str, now: Timestamp) -> Outcome<()> {
    let sql = "INSERT INTO secret (account, key, state, created_at) VALUES ($1, $2, 'active', $3)";
    db.execute(sql, &[&&*account.0, &text, &now.as_micros()]).await.map(|_| ())
}

/// The second statement sees what anybody stored before the first had an answer, itself or another node. Nothing ever
/// removes a key, so the two need no transaction.
async fn server_key(db: Db, name: &str, fresh: [u8; 32]) -> Outcome<[u8; 32]> {
    let sql = "INSERT INTO server_key (name, key) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    db.execute(sql, &[&name, &fresh.as_slice()]).await?;
    let row = db.query_one("SELECT name, key FROM server_key WHERE name = $1", &[&name]).await?;
    Row::new("server_key", &row).bytes("key")
}
