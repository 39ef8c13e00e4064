//! Accounts, tokens, secrets and keys.

use std::sync::Arc;

use cogwire_core::webhook::signature::Secret;

use super::Home;
use super::fixture::{World, account, at};
use crate::account::Token;

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

/// One secret at a time, and only the account's own.
pub async fn one_secret_replaces_another(home: Arc<dyn Home>) {
    let world = world(home).await;
    let secrets = async |world: &World| {
        let secrets = world.store.secrets(&account("acme")).await.expect("the secrets are read");
        secrets.iter().map(Secret::expose).collect::<Vec<_>>()
    };
    assert!(secrets(&world).await.is_empty());
    for byte in [1, 2] {
        let secret = Secret::from_key(&[byte; 32]).expect("a key of a good length");
        world.store.set_secret(&account("acme"), &secret, at(5)).await.expect("the secret is written");
        assert_eq!(secrets(&world).await, [secret.expose()]);
    }
    let world = world.restart().await;
    assert_eq!(secrets(&world).await.len(), 1);
    assert!(world.store.secrets(&account("other")).await.expect("there is none").is_empty());
}

/// The first one stays, until it is replaced.
pub async fn the_first_secret_stays(home: Arc<dyn Home>) {
    let world = world(home).await;
    let secret = |byte: u8| Secret::from_key(&[byte; 32]).expect("a key of a good length");
    let ensure = async |world: &World, byte| {
        let ensured = world.store.ensure_secret(&account("acme"), &secret(byte), at(5)).await;
        ensured.expect("the secret is read or written").expose()
    };
    assert_eq!(ensure(&world, 1).await, secret(1).expose());
    assert_eq!(ensure(&world, 2).await, secret(1).expose());
    world.store.set_secret(&account("acme"), &secret(3), at(6)).await.expect("the secret is written");
    assert_eq!(ensure(&world.restart().await, 4).await, secret(3).expose());
}

/// Whoever starts first on an empty store decides for all.
pub async fn servers_that_start_at_once_have_one_secret(home: Arc<dyn Home>) {
    let world = world(home).await;
    let acme = account("acme");
    let ensures = (1..=8).map(|byte| {
        let (store, acme) = (world.store.clone(), &acme);
        async move {
            let fresh = Secret::from_key(&[byte; 32]).expect("a key of a good length");
            store.ensure_secret(acme, &fresh, at(5)).await.expect("the secret is read or written").expose()
        }
    });
    let mut ensured = futures_util::future::join_all(ensures).await;
    let stored = world.store.secrets(&acme).await.expect("the secrets are read");
    assert_eq!(stored.len(), 1);
    ensured.dedup();
    assert_eq!(ensured, [stored[0].expose()]);
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
