//! Accounts, tokens and secrets in PostgreSQL.

use async_trait::async_trait;
use cogwire_core::prediction::AccountId;
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::vault::StoredSecret;

use super::failure::Outcome;
use super::row::{Row, micros};
use super::{Class, Db, PostgresStore, Repeat};
use crate::account::{AccountStore, Retired, Retirement, Rotated, Rotation, SecretRow, Token};
use crate::error::Result;
use crate::secret::{self, MAX_RETIRED};

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

    async fn secrets(&self, account: &AccountId) -> Result<Vec<SecretRow>> {
        self.database.read(Class::Api, |db| secrets(db, account)).await
    }

    async fn set_secret(&self, account: &AccountId, secret: &StoredSecret, now: Timestamp) -> Result<()> {
        self.database.work(Class::Api, Repeat::Safe, |db| set_secret(db, account, secret, now)).await
    }

    async fn ensure_secret(&self, account: &AccountId, fresh: &StoredSecret, now: Timestamp) -> Result<()> {
        self.database.work(Class::Api, Repeat::Safe, |db| ensure_secret(db, account, fresh, now)).await
    }

    async fn rotate_secret(
        &self,
        account: &AccountId,
        rotation: Rotation,
        now: Timestamp,
    ) -> Result<Rotated> {
        self.database.work(Class::Api, Repeat::Safe, |db| rotate_secret(db, account, &rotation, now)).await
    }

    async fn retire_secrets(
        &self,
        account: &AccountId,
        which: Retirement,
        now: Timestamp,
    ) -> Result<Retired> {
        self.database.work(Class::Api, Repeat::Never, |db| retire_secrets(db, account, which, now)).await
    }

    async fn reseal_secret(&self, id: i64, open: &StoredSecret, sealed: &StoredSecret) -> Result<bool> {
        self.database.write(Class::Api, Repeat::Never, |db| reseal_secret(db, id, open, sealed)).await
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

async fn secrets(db: Db, account: &AccountId) -> Outcome<Vec<SecretRow>> {
    // The account comes first because it names the row; the secret must not appear in an error.
    let sql = "SELECT account, id, kind, key, state, created_at, signs_until FROM secret
               WHERE account = $1 ORDER BY id DESC";
    let rows = db.query(sql, &[&&*account.0]).await?;
    rows.iter().map(|row| decode_secret(Row::new("secret", row))).collect()
}

fn decode_secret(row: Row<'_>) -> Outcome<SecretRow> {
    Ok(SecretRow {
        id: row.get("id")?,
        secret: StoredSecret::of_row(row.parse("kind")?, row.get("key")?),
        retired: row.get::<&str>("state")? == "retired",
        created_at: row.time("created_at")?,
        signs_until: row.optional_time("signs_until")?,
    })
}

async fn set_secret(db: Db, account: &AccountId, secret: &StoredSecret, now: Timestamp) -> Outcome<()> {
    lock_account(&db, account).await?;
    let sql = "DELETE FROM secret WHERE account = $1 AND kind = $2";
    db.execute(sql, &[&&*account.0, &secret.kind().as_str()]).await?;
    add_secret(&db, account, secret, now).await
}

async fn ensure_secret(db: Db, account: &AccountId, fresh: &StoredSecret, now: Timestamp) -> Outcome<()> {
    lock_account(&db, account).await?;
    match secrets(db.clone(), account).await?.iter().any(|row| row.signs(now)) {
        true => Ok(()),
        false => add_secret(&db, account, fresh, now).await,
    }
}

/// Recognises itself by the secret when its first answer was lost.
async fn rotate_secret(db: Db, account: &AccountId, rotation: &Rotation, now: Timestamp) -> Outcome<Rotated> {
    lock_account(&db, account).await?;
    let rows = secrets(db.clone(), account).await?;
    if rows.iter().any(|row| row.secret == rotation.fresh) {
        return Ok(Rotated::Done);
    }
    let Some(replaced) = secret::replaced(&rows, rotation, now) else { return Ok(Rotated::Full) };
    let sql = "UPDATE secret SET signs_until = $2 WHERE id = ANY($1)";
    db.execute(sql, &[&replaced, &micros(rotation.overlap_until)]).await?;
    add_secret(&db, account, &rotation.fresh, now).await?;
    forget_ended(&db, account, now).await?;
    Ok(Rotated::Done)
}

async fn retire_secrets(db: Db, account: &AccountId, which: Retirement, now: Timestamp) -> Outcome<Retired> {
    lock_account(&db, account).await?;
    let retired = secret::retired(&secrets(db.clone(), account).await?, which, now);
    if let Retired::Done(ids) = &retired {
        let sql = "UPDATE secret SET signs_until = $2 WHERE id = ANY($1)";
        db.execute(sql, &[ids, &now.as_micros()]).await?;
        forget_ended(&db, account, now).await?;
    }
    Ok(retired)
}

/// Removes the keys of those whose time is up, and all of those that are long gone.
async fn forget_ended(db: &Db, account: &AccountId, now: Timestamp) -> Outcome<()> {
    let sql = "UPDATE secret SET state = 'retired', key = ''
               WHERE account = $1 AND state = 'active' AND signs_until <= $2";
    db.execute(sql, &[&&*account.0, &now.as_micros()]).await?;
    let sql = "DELETE FROM secret WHERE id IN (
                   SELECT id FROM secret WHERE account = $1 AND state = 'retired'
                   ORDER BY id DESC OFFSET $2)";
    db.execute(sql, &[&&*account.0, &i64::from(MAX_RETIRED)]).await.map(|_| ())
}

async fn reseal_secret(db: Db, id: i64, open: &StoredSecret, sealed: &StoredSecret) -> Outcome<bool> {
    let sql = "UPDATE secret SET key = $3 WHERE id = $1 AND key = $2";
    Ok(db.execute(sql, &[&id, &open.text(), &sealed.text()]).await? > 0)
}

/// Lets one in at a time: of two at once, each would decide by what it sees, and then both would add theirs.
async fn lock_account(db: &Db, account: &AccountId) -> Outcome<()> {
    db.query("SELECT id FROM account WHERE id = $1 FOR NO KEY UPDATE", &[&&*account.0]).await.map(|_| ())
}

async fn add_secret(db: &Db, account: &AccountId, secret: &StoredSecret, now: Timestamp) -> Outcome<()> {
    let sql = "INSERT INTO secret (account, kind, key, state, created_at) VALUES ($1, $2, $3, 'active', $4)";
    let (kind, created_at) = (secret.kind().as_str(), now.as_micros());
    db.execute(sql, &[&&*account.0, &kind, &secret.text(), &created_at]).await.map(|_| ())
}

/// The second statement sees what anybody stored before the first had an answer, itself or another node. Nothing ever
/// removes a key, so the two need no transaction.
async fn server_key(db: Db, name: &str, fresh: [u8; 32]) -> Outcome<[u8; 32]> {
    let sql = "INSERT INTO server_key (name, key) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    db.execute(sql, &[&name, &fresh.as_slice()]).await?;
    let row = db.query_one("SELECT name, key FROM server_key WHERE name = $1", &[&name]).await?;
    Row::new("server_key", &row).bytes("key")
}
