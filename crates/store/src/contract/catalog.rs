//! Models and versions.

use std::sync::Arc;

use cogwire_core::json::Json;
use cogwire_core::model::{Model, ModelName, Version};
use cogwire_core::recipe::{Digest, Recipe};

use super::Home;
use super::fixture::{Run, World, at, id, request, succeeded, version};
use crate::catalog::{ListModels, ModelCreation, ModelOrder, ModelRemoval, NewVersion, VersionRemoval};

fn new_version(model: &str, number: u8) -> NewVersion {
    let version = Version {
        id: version(number),
        model: model.parse().expect("a model's name"),
        created_at: at(i64::from(number)),
        cog_version: "0.16.0".to_owned(),
        openapi_schema: Json::parse(&format!(r#"{{"version":{number}}}"#)).expect("JSON"),
        recipe: None,
    };
    NewVersion { version, description: None }
}

/// A version that is made of a package.
fn new_packaged(model: &str, number: u8, weights: Option<&[u8]>) -> NewVersion {
    let mut new = new_version(model, number);
    let weights = weights.map(Digest::of);
    new.version.recipe = Some(Recipe::Package { package: Digest::of(&[number]), weights });
    new
}

fn name(text: &str) -> ModelName {
    text.parse().expect("a model's name")
}

/// Registers one version of a model, at its own time.
pub(super) async fn register(world: &World, model: &str, number: u8) {
    register_new(world, new_version(model, number)).await;
}

/// The same, made of a package.
pub(super) async fn register_packaged(world: &World, model: &str, number: u8) {
    register_new(world, new_packaged(model, number, Some(b"weights"))).await;
}

async fn register_new(world: &World, new: NewVersion) {
    let now = new.version.created_at;
    world.store.register(vec![new], now).await.expect("the version is written");
}

async fn model(world: &World, text: &str) -> Option<Model> {
    world.store.model(&name(text)).await.expect("the model is read")
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

/// What a version is made of is kept, wherever the version is read, and goes when it is registered without.
pub async fn a_version_keeps_its_recipe(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut server = new_version("a/b", 3);
    server.version.recipe = Some(Recipe::Server { url: "http://gpu:5000".to_owned(), slots: 2 });
    let registered = [new_packaged("a/b", 1, None), new_packaged("a/b", 2, Some(b"w")), server];
    for new in registered.clone() {
        register_new(&world, new).await;
    }
    let all = world.store.versions(&name("a/b")).await.expect("the versions are read");
    assert_eq!(all, registered.clone().map(|new| new.version).into_iter().rev().collect::<Vec<_>>());
    let one = world.store.version(&version(1)).await.expect("the version is read");
    assert_eq!(one.as_ref(), Some(&registered[0].version));
    let latest = model(&world, "a/b").await.and_then(|model| model.latest_version);
    assert_eq!(latest.as_ref(), Some(&registered[2].version));
    register(&world, "a/b", 3).await;
    let latest = model(&world, "a/b").await.and_then(|model| model.latest_version);
    assert_eq!(latest.and_then(|version| version.recipe), None);
}

/// Versions that are part of the program or of a script are not everybody's to run.
pub async fn what_any_node_can_make_is_listed(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let runnable = async || world.store.runnable().await.expect("the versions are read");
    assert!(runnable().await.is_empty());
    register(&world, "a/b", 1).await;
    register_packaged(&world, "a/b", 3).await;
    register_packaged(&world, "c/d", 2).await;
    assert_eq!(runnable().await, [version(2), version(3)]);
    register(&world, "a/b", 3).await;
    assert_eq!(runnable().await, [version(2)]);
}

/// A model can be there before its first version, and is not made a second time.
pub async fn a_model_is_made_once(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let create = async |description: Option<&str>, millis| {
        world.store.create_model(&name("a/b"), description, at(millis)).await.expect("it is written")
    };
    assert_eq!(create(Some("Writes stories."), 5).await, ModelCreation::Created);
    assert_eq!(create(None, 6).await, ModelCreation::Exists);
    let found = model(&world, "a/b").await.expect("it is there");
    assert_eq!((found.description.as_deref(), found.created_at), (Some("Writes stories."), at(5)));
    assert_eq!((found.latest_version, found.run_count), (None, 0));
    register(&world, "a/b", 1).await;
    assert_eq!(create(None, 7).await, ModelCreation::Exists);
    let latest = model(&world, "a/b").await.and_then(|model| model.latest_version);
    assert_eq!(latest.map(|version| version.id), Some(version(1)));
}

/// A version stays while predictions of it wait or run. Then it goes, and the one before it is the latest.
pub async fn a_version_is_removed_when_nothing_needs_it(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    register(&world, "acme/story", 2).await;
    register_packaged(&world, "acme/story", 1).await;
    let remove = async |model: &str, number| {
        world.store.remove_version(&name(model), &version(number)).await.expect("it is written or refused")
    };
    assert_eq!(remove("acme/story", 9).await, VersionRemoval::NotFound);
    assert_eq!(remove("acme/tale", 1).await, VersionRemoval::NotFound);
    world.create(request(1)).await;
    assert_eq!(remove("acme/story", 1).await, VersionRemoval::InUse, "one waits");
    let mut run = Run::from(world.claim(1).await.remove(0));
    assert_eq!(remove("acme/story", 1).await, VersionRemoval::InUse, "it runs");
    world.advance(&mut run, succeeded(), at(10)).await;
    assert_eq!(remove("acme/story", 1).await, VersionRemoval::Removed);
    assert_eq!(remove("acme/story", 1).await, VersionRemoval::NotFound);
    let found = model(&world, "acme/story").await.expect("the model stays");
    assert_eq!(found.latest_version.map(|latest| latest.id), Some(version(2)));
    assert!(world.store.runnable().await.expect("the versions are read").is_empty());
    assert_eq!(world.load(id(1)).await.request.version, version(1), "what was run is remembered");
    register(&world, "acme/story", 1).await;
    let latest = model(&world, "acme/story").await.and_then(|model| model.latest_version);
    assert_eq!(latest.map(|latest| latest.id), Some(version(1)), "it can come back");
}

/// A model goes when it has no versions, with the count of its runs.
pub async fn a_model_without_versions_is_removed(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let remove =
        async || world.store.remove_model(&name("acme/story")).await.expect("it is written or refused");
    assert_eq!(remove().await, ModelRemoval::NotFound);
    register(&world, "acme/story", 2).await;
    world.create(request(1)).await;
    assert_eq!(remove().await, ModelRemoval::HasVersions);
    let removed = world.store.remove_version(&name("acme/story"), &version(2)).await;
    assert_eq!(removed.expect("it is written"), VersionRemoval::Removed, "the prediction is of another");
    assert_eq!(remove().await, ModelRemoval::Removed);
    assert_eq!(model(&world, "acme/story").await, None);
    register(&world, "acme/story", 2).await;
    assert_eq!(model(&world, "acme/story").await.expect("it is back").run_count, 0);
}

/// Content can be deleted when no version is made of it.
pub async fn content_is_in_use_while_a_version_is_made_of_it(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let in_use = async |content: &[u8]| {
        world.store.package_in_use(&Digest::of(content)).await.expect("the versions are read")
    };
    assert!(!in_use(&[1]).await);
    register_new(&world, new_packaged("a/b", 1, None)).await;
    register_new(&world, new_packaged("c/d", 2, Some(b"w"))).await;
    assert!(in_use(&[1]).await && in_use(&[2]).await && in_use(b"w").await);
    assert!(!in_use(&[3]).await);
    let removed = world.store.remove_version(&name("c/d"), &version(2)).await;
    assert_eq!(removed.expect("it is written"), VersionRemoval::Removed);
    assert!(in_use(&[1]).await && !in_use(&[2]).await && !in_use(b"w").await);
}
