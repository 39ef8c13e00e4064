//! Models and versions.

use std::sync::Arc;

use cogwire_core::json::Json;
use cogwire_core::model::{Model, Version};

use super::Home;
use super::fixture::{World, at, version};
use crate::catalog::{ListModels, ModelOrder, NewVersion};

fn new_version(model: &str, number: u8) -> NewVersion {
    let version = Version {
        id: version(number),
        model: model.parse().expect("a model's name"),
        created_at: at(i64::from(number)),
        cog_version: "0.16.0".to_owned(),
        openapi_schema: Json::parse(&format!(r#"{{"version":{number}}}"#)).expect("JSON"),
    };
    NewVersion { version, description: None }
}

/// Registers one version of a model, at its own time.
pub(super) async fn register(world: &World, model: &str, number: u8) {
    let versions = vec![new_version(model, number)];
    world.store.register(versions, at(i64::from(number))).await.expect("the version is written");
}

async fn model(world: &World, name: &str) -> Option<Model> {
    world.store.model(&name.parse().expect("a model's name")).await.expect("the model is read")
}

/// The order of registration decides, not the time of a version.
pub async fn the_last_version_is_the_latest(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    assert_eq!(model(&world, "a/b").await, None);
    let versions = [3, 1, 2].map(|number| new_version("a/b", number)).to_vec();
    world.store.register(versions, at(50)).await.expect("the versions are written");
    let found = model(&world, "a/b").await.expect("it is registered");
    assert_eq!(found.latest_version, Some(new_version("a/b", 2).version));
    assert_eq!((found.created_at, found.run_count, found.description), (at(50), 0, None));
    let all = world.store.versions(&found.name).await.expect("the versions are read");
    assert_eq!(all, [2, 1, 3].map(|number| new_version("a/b", number).version));
    let one = world.store.version(&version(3)).await.expect("the version is read");
    assert_eq!(one, Some(new_version("a/b", 3).version));
    assert_eq!(world.store.version(&version(9)).await.expect("the version is read"), None);
}

/// A version that is registered again has its new schema, its old time, and is the latest.
pub async fn registering_again_updates(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    register(&world, "a/b", 1).await;
    register(&world, "a/b", 2).await;
    let mut again = new_version("a/b", 1);
    again.version.created_at = at(99);
    again.version.openapi_schema = Json::object();
    again.description = Some("Writes stories.".to_owned());
    world.store.register(vec![again], at(99)).await.expect("the version is written");
    let found = model(&world, "a/b").await.expect("it is registered");
    let latest = found.latest_version.expect("it has versions");
    assert_eq!((latest.id, latest.created_at, latest.openapi_schema), (version(1), at(1), Json::object()));
    assert_eq!((found.description.as_deref(), found.created_at), (Some("Writes stories."), at(1)));
    register(&world, "a/b", 2).await;
    let found = model(&world, "a/b").await.expect("it is registered");
    assert_eq!(found.description.as_deref(), Some("Writes stories."), "no description keeps the stored one");
}

/// Both orders, both directions, pages.
pub async fn models_are_listed_in_order(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for (name, number) in [("z/first", 1), ("m/second", 2), ("a/third", 3), ("z/first", 4)] {
        register(&world, name, number).await;
    }
    let by_version =
        ListModels { order: ModelOrder::LatestVersionCreated, descending: true, offset: 0, limit: 10 };
    let by_model = ListModels { order: ModelOrder::ModelCreated, ..by_version.clone() };
    let cases = [
        (by_version.clone(), vec!["z/first", "a/third", "m/second"]),
        (ListModels { descending: false, ..by_version.clone() }, vec!["m/second", "a/third", "z/first"]),
        (ListModels { offset: 1, limit: 1, ..by_version }, vec!["a/third"]),
        (by_model.clone(), vec!["a/third", "m/second", "z/first"]),
        (ListModels { descending: false, ..by_model }, vec!["z/first", "m/second", "a/third"]),
    ];
    for (query, expected) in cases {
        let page = world.store.list_models(&query).await.expect("the page is read");
        assert_eq!(page.iter().map(|model| model.name.as_str()).collect::<Vec<_>>(), expected, "{query:?}");
    }
}
