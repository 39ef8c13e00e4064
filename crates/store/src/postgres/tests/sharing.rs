//! What several servers do at the same moment.

use std::sync::Arc;

use cogwire_core::json::Json;
use cogwire_core::model::Version;
use cogwire_core::webhook::signature::{Secret, SecretKind};
use cogwire_core::webhook::vault::StoredSecret;
use futures_util::future::join_all;

use super::World;
use crate::contract::fixture::{account, at, node, version};
use crate::error::Result;
use crate::node::Node;
use crate::{AccountStore, CatalogStore, NodeStore, catalog::NewVersion, postgres::PostgresStore};

/// Three servers.
async fn servers() -> (World, [Arc<PostgresStore>; 2]) {
    let world = World::new().await;
    let others = [Arc::new(world.beside().await), Arc::new(world.beside().await)];
    (world, others)
}

fn new_version(number: u8) -> NewVersion {
    let version = Version {
        id: version(number),
        model: "a/b".parse().expect("a model's name"),
        created_at: at(i64::from(number)),
        cog_version: "0.16.0".to_owned(),
        openapi_schema: Json::object(),
        recipe: None,
    };
    NewVersion { version, description: None }
}

#[tokio::test]
async fn an_account_is_made_once() {
    let (world, others) = servers().await;
    let acme = account("acme");
    let stores = [&world.store, &others[0], &others[1]];
    let made = join_all(stores.iter().cycle().take(12).map(|store| store.ensure_account(&acme, at(0)))).await;
    let made: Vec<bool> = made.into_iter().collect::<Result<_>>().expect("the account is written");
    assert_eq!(made.iter().filter(|made| **made).count(), 1);
}

#[tokio::test]
async fn every_server_has_the_same_key() {
    let (world, others) = servers().await;
    let stores = [&world.store, &others[0], &others[1]];
    let asking = stores.iter().cycle().zip(1..=12).map(|(store, byte)| store.server_key("links", [byte; 32]));
    let keys: Vec<[u8; 32]> =
        join_all(asking).await.into_iter().collect::<Result<_>>().expect("the key is written");
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

#[tokio::test]
async fn of_secrets_that_are_set_at_once_one_stays() {
    let (world, others) = servers().await;
    let acme = account("acme");
    world.store.ensure_account(&acme, at(0)).await.expect("the account is written");
    let stores = [&world.store, &others[0], &others[1]];
    let secret = |byte| StoredSecret::from(&Secret::fresh(SecretKind::Hmac, &[byte; 32]));
    let secrets: Vec<StoredSecret> = (1..=12).map(secret).collect();
    let setting =
        stores.iter().cycle().zip(&secrets).map(|(store, secret)| store.set_secret(&acme, secret, at(1)));
    for set in join_all(setting).await {
        set.expect("the secret is written");
    }
    assert_eq!(world.store.secrets(&acme).await.expect("the secrets are read").len(), 1);
}

#[tokio::test]
async fn versions_that_are_registered_at_once_have_an_order() {
    let (world, others) = servers().await;
    let stores = [&world.store, &others[0], &others[1]];
    // In different orders, which would deadlock if rows were locked one by one.
    let registering = stores.iter().cycle().zip(0..12u8).map(|(store, turn)| {
        let mut versions: Vec<NewVersion> = (1..=6).map(new_version).collect();
        versions.rotate_left(usize::from(turn % 6));
        store.register(versions, at(i64::from(turn)))
    });
    for registered in join_all(registering).await {
        registered.expect("the versions are written");
    }
    let name = "a/b".parse().expect("a model's name");
    let seen = join_all(stores.map(|store| store.versions(&name))).await;
    let seen: Vec<Vec<Version>> = seen.into_iter().collect::<Result<_>>().expect("the versions are read");
    assert_eq!(seen[0].len(), 6);
    assert!(seen.iter().all(|versions| *versions == seen[0]));
    let latest = world.store.model(&name).await.expect("the model is read").expect("it is there");
    assert_eq!(latest.latest_version.as_ref(), seen[0].first());
}

#[tokio::test]
async fn a_command_that_works_alone_keeps_servers_out() {
    let (world, [early, command]) = servers().await;
    let kept_out = command.keep_servers_out().await.expect("it is asked").expect("no server joins");
    assert!(world.store.keep_servers_out().await.expect("it is asked").is_none(), "one command at a time");
    let refused = PostgresStore::open(super::options(&world.schema.url())).await.err();
    assert!(refused.is_some_and(|error| error.to_string().contains("has the database to itself")));
    let node = Node { epoch: node("early"), roles: "api".to_owned(), versions: Vec::new() };
    assert!(early.register_node(&node, at(10)).await.is_err(), "it had opened before");
    assert!(kept_out.is_held());
    drop(kept_out);
    super::until(async || early.register_node(&node, at(10)).await.is_ok()).await;
    super::until(async || command.keep_servers_out().await.expect("it is asked").is_some()).await;
    world.beside().await;
}
