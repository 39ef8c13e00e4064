//! Accounts, tokens, secrets and keys.

use std::sync::Arc;

use cogwire_core::webhook::signature::{Secret, SecretKind};
use cogwire_core::webhook::vault::{StoredSecret, Vault};

use super::Home;
use super::fixture::{World, account, at};
use crate::account::{self, MAX_SIGNING, Retired, Retirement, Rotated, Rotation, SecretRow, Token};

fn token(number: u8) -> Token {
    Token {
        sha256: [number; 32],
        account: account("acme"),
        label: format!("token {number}"),
        prefix: "r8_abc".to_owned(),
        created_at: at(i64::from(number)),
    }
}

async fn world(home: Arc<dyn Home>) -> World {
    let world = World::new(home).await;
    assert!(world.store.ensure_account(&account("acme"), at(0)).await.expect("the account is written"));
    world
}

/// The second time changes nothing.
pub async fn accounts_are_made_once(home: Arc<dyn Home>) {
    let world = world(home).await;
    assert!(!world.store.ensure_account(&account("acme"), at(1)).await.expect("it is there"));
    assert!(world.store.ensure_account(&account("other"), at(1)).await.expect("the account is written"));
}

/// Added, found, listed, revoked.
pub async fn tokens_are_known_by_their_hash(home: Arc<dyn Home>) {
    let world = world(home).await;
    for number in [2, 1] {
        world.store.add_token(token(number)).await.expect("the token is written");
    }
    let owner = async |hash: u8| world.store.token_account(&[hash; 32]).await.expect("the token is read");
    assert_eq!(owner(1).await, Some(account("acme")));
    assert_eq!(owner(3).await, None);
    assert_eq!(
        world.store.tokens(&account("acme")).await.expect("the tokens are read"),
        [token(1), token(2)]
    );
    assert!(world.store.tokens(&account("other")).await.expect("there is none").is_empty());
    assert!(world.store.add_token(token(1)).await.is_err(), "a hash names one token");
    assert!(world.store.revoke_token(&[1; 32]).await.expect("the revocation is written"));
    assert!(!world.store.revoke_token(&[1; 32]).await.expect("there is nothing to revoke"));
    assert_eq!((owner(1).await, owner(2).await), (None, Some(account("acme"))));
}

fn secret_of(kind: SecretKind, byte: u8) -> StoredSecret {
    StoredSecret::from(&Secret::fresh(kind, &[byte; 32]))
}

fn secret(byte: u8) -> StoredSecret {
    secret_of(SecretKind::Hmac, byte)
}

async fn rows(world: &World) -> Vec<SecretRow> {
    world.store.secrets(&account("acme")).await.expect("the secrets are read")
}

/// Those that sign at a time, the newest first.
async fn signing(world: &World, seconds: i64) -> Vec<StoredSecret> {
    let rows = rows(world).await;
    rows.into_iter().filter(|row| row.signs(at(seconds))).map(|row| row.secret).collect()
}

async fn set(world: &World, secret: StoredSecret) {
    world.store.set_secret(&account("acme"), &secret, at(5)).await.expect("the secret is written");
}

/// The secret before signs until `overlap`, in seconds.
async fn rotate(world: &World, fresh: StoredSecret, overlap: Option<i64>, now: i64) -> Rotated {
    let rotation = Rotation { fresh, overlap_until: overlap.map(at) };
    let rotated = world.store.rotate_secret(&account("acme"), rotation, at(now)).await;
    rotated.expect("the rotation is written")
}

async fn retire(world: &World, which: Retirement, now: i64) -> Retired {
    let retired = world.store.retire_secrets(&account("acme"), which, at(now)).await;
    retired.expect("the retirement is written")
}

/// One secret of a kind at a time, and only the account's own.
pub async fn one_secret_replaces_another(home: Arc<dyn Home>) {
    let world = world(home).await;
    assert!(rows(&world).await.is_empty());
    let private = secret_of(SecretKind::Ed25519, 9);
    set(&world, private.clone()).await;
    for byte in [1, 2] {
        set(&world, secret(byte)).await;
        assert_eq!(signing(&world, 5).await, [secret(byte), private.clone()]);
    }
    let world = world.restart().await;
    assert_eq!(rows(&world).await.len(), 2);
    assert!(world.store.secrets(&account("other")).await.expect("there is none").is_empty());
}

/// The first one stays, until it is replaced.
pub async fn the_first_secret_stays(home: Arc<dyn Home>) {
    let world = world(home).await;
    let ensure = async |world: &World, byte| {
        let ensured = world.store.ensure_secret(&account("acme"), &secret(byte), at(5)).await;
        ensured.expect("the secret is read or written");
        signing(world, 5).await
    };
    assert_eq!(ensure(&world, 1).await, [secret(1)]);
    assert_eq!(ensure(&world, 2).await, [secret(1)]);
    set(&world, secret(3)).await;
    assert_eq!(ensure(&world.restart().await, 4).await, [secret(3)]);
}

/// Whoever starts first on an empty store decides for all.
pub async fn servers_that_start_at_once_have_one_secret(home: Arc<dyn Home>) {
    let world = world(home).await;
    let acme = account("acme");
    let ensures = (1..=8).map(|byte| {
        let (store, acme) = (world.store.clone(), &acme);
        async move { store.ensure_secret(acme, &secret(byte), at(5)).await }
    });
    let ensured = futures_util::future::join_all(ensures).await;
    assert!(ensured.iter().all(Result::is_ok), "{ensured:?}");
    assert_eq!(signing(&world, 5).await.len(), 1);
}

/// The new one is first, and the one before signs until its time is up.
pub async fn a_rotated_secret_signs_beside_the_new_one(home: Arc<dyn Home>) {
    let world = world(home).await;
    set(&world, secret(1)).await;
    assert_eq!(rotate(&world, secret(2), Some(20), 10).await, Rotated::Done);
    assert_eq!(rotate(&world, secret(3), None, 11).await, Rotated::Done);
    let world = world.restart().await;
    assert_eq!(signing(&world, 19).await, [secret(3), secret(2), secret(1)]);
    assert_eq!(signing(&world, 20).await, [secret(3), secret(2)]);
    let times: Vec<_> = rows(&world).await.iter().map(|row| (row.created_at, row.signs_until)).collect();
    assert_eq!(times, [(at(11), None), (at(10), None), (at(5), Some(at(20)))]);
    assert_eq!(rotate(&world, secret(4), Some(30), 30).await, Rotated::Done);
    assert_eq!(signing(&world, 30).await, [secret(4), secret(2)], "no overlap is none");
    let forgotten = rows(&world).await.into_iter().filter(|row| row.retired);
    let forgotten: Vec<_> = forgotten.map(|row| (row.secret.text().to_owned(), row.signs_until)).collect();
    assert_eq!(forgotten, [(String::new(), Some(at(30))), (String::new(), Some(at(20)))]);
}

/// A private key signs beside a shared secret, and each is rotated alone.
pub async fn kinds_of_secrets_rotate_alone(home: Arc<dyn Home>) {
    let world = world(home).await;
    set(&world, secret(1)).await;
    let private = |byte| secret_of(SecretKind::Ed25519, byte);
    rotate(&world, private(2), None, 10).await;
    rotate(&world, private(3), Some(20), 11).await;
    rotate(&world, secret(4), Some(12), 12).await;
    assert_eq!(signing(&world, 19).await, [secret(4), private(3), private(2)]);
    assert_eq!(signing(&world, 20).await, [secret(4), private(3)]);
}

/// Each adds an entry to a header.
pub async fn so_many_secrets_sign_and_no_more(home: Arc<dyn Home>) {
    let world = world(home).await;
    set(&world, secret(1)).await;
    for byte in 2..=10 {
        assert_eq!(rotate(&world, secret(byte), None, 10).await, Rotated::Done);
    }
    assert_eq!(rotate(&world, secret(11), None, 11).await, Rotated::Full);
    assert_eq!(signing(&world, 11).await.len(), MAX_SIGNING);
    assert_eq!(signing(&world, 11).await[0], secret(10), "nothing was changed");
    retire(&world, Retirement::Previous, 12).await;
    assert_eq!(signing(&world, 12).await, [secret(10)]);
    assert_eq!(rotate(&world, secret(11), None, 13).await, Rotated::Done);
}

/// Retired is forgotten; something goes on signing.
pub async fn secrets_are_retired(home: Arc<dyn Home>) {
    let world = world(home).await;
    set(&world, secret(1)).await;
    for byte in [2, 3] {
        rotate(&world, secret(byte), None, 10).await;
    }
    let ids: Vec<i64> = rows(&world).await.iter().map(|row| row.id).collect();
    assert_eq!(retire(&world, Retirement::One(ids[0]), 11).await, Retired::HasPrevious);
    assert_eq!(retire(&world, Retirement::One(ids[2]), 12).await, Retired::Done(vec![ids[2]]));
    assert_eq!(retire(&world, Retirement::One(ids[2]), 13).await, Retired::NotFound);
    assert_eq!(retire(&world, Retirement::One(-1), 13).await, Retired::NotFound);
    assert_eq!(retire(&world, Retirement::Previous, 14).await, Retired::Done(vec![ids[1]]));
    assert_eq!(retire(&world, Retirement::Previous, 15).await, Retired::Done(Vec::new()));
    assert_eq!(retire(&world, Retirement::One(ids[0]), 16).await, Retired::Last);
    let world = world.restart().await;
    let left: Vec<_> =
        rows(&world).await.into_iter().map(|row| (row.secret.text().len(), row.signs_until)).collect();
    assert_eq!(left, [(secret(3).text().len(), None), (0, Some(at(14))), (0, Some(at(12)))]);
}

/// What is left of secrets is bounded.
pub async fn only_the_last_retired_secrets_are_kept(home: Arc<dyn Home>) {
    let world = world(home).await;
    set(&world, secret(1)).await;
    for number in 2..=30 {
        rotate(&world, secret(number), Some(0), i64::from(number)).await;
    }
    let rows = rows(&world).await;
    assert_eq!((rows.len(), rows[0].secret.clone()), (21, secret(30)));
    assert!(rows[1..].iter().all(|row| row.retired));
}

/// What is stored is put back as it is, and only over what was read.
pub async fn a_secret_is_sealed_where_it_is(home: Arc<dyn Home>) {
    let world = world(home).await;
    set(&world, secret(1)).await;
    let (id, sealed) = (rows(&world).await[0].id, StoredSecret::of_row(SecretKind::Hmac, "enc1:AAAA"));
    let reseal = async |open: &StoredSecret| {
        world.store.reseal_secret(id, open, &sealed).await.expect("the secret is written")
    };
    assert!(!reseal(&secret(2)).await);
    assert!(reseal(&secret(1)).await && !reseal(&secret(1)).await);
    assert_eq!(signing(&world, 5).await, [sealed]);
    let refused = account::opened(&Vault::default(), &account("acme"), &rows(&world).await[0]);
    let refused = refused.expect_err("there is no key").to_string();
    assert!(refused.contains("account acme: it is sealed") && !refused.contains("AAAA"), "{refused}");
}

/// The first key of a name stays.
pub async fn server_keys_are_kept(home: Arc<dyn Home>) {
    let world = world(home).await;
    let key = async |world: &World, name, fresh| {
        world.store.server_key(name, [fresh; 32]).await.expect("the key is read or written")
    };
    assert_eq!(key(&world, "links", 1).await, [1; 32]);
    assert_eq!(key(&world, "links", 2).await, [1; 32]);
    assert_eq!(key(&world, "other", 2).await, [2; 32]);
    let world = world.restart().await;
    assert_eq!(key(&world, "links", 3).await, [1; 32]);
}
