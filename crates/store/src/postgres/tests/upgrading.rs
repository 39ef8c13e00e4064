//! Schema versions: what is applied, once, and what is refused.

use futures_util::future::{join, join_all};

use super::World;
use crate::contract::fixture::{find_rows_of_before, rows_of_before};
use crate::error::Error;
use crate::migration::{Migration, SchemaVersion};
use crate::postgres::connection::Connector;
use crate::postgres::schema::{self, MIGRATIONS};
use crate::postgres::testing::{TestSchema, run};
use crate::postgres::{PostgresOptions, PostgresStore};

const NEXT: i64 = MIGRATIONS.len() as i64 + 1;
const ADDING: Migration = Migration { version: NEXT, sql: "CREATE TABLE added (id bigint PRIMARY KEY);" };
const BROKEN: Migration =
    Migration { version: NEXT, sql: "CREATE TABLE added (id bigint PRIMARY KEY); SELECT nonsense;" };

fn with(step: Migration) -> Vec<Migration> {
    [MIGRATIONS, &[step]].concat()
}

fn connector(schema: &TestSchema) -> Connector {
    Connector::new(&PostgresOptions::new(schema.url())).expect("the URL is good")
}

async fn version(connector: &Connector, steps: &[Migration]) -> i64 {
    schema::version(connector, steps).await.expect("it has a version").found
}

#[tokio::test]
async fn servers_that_start_at_once_upgrade_once() {
    let schema = TestSchema::create().await;
    let opening = (0..8).map(|_| PostgresStore::open(super::options(&schema.url())));
    for opened in join_all(opening).await {
        opened.expect("every server starts").close().await;
    }
    let connector = connector(&schema);
    let steps = with(ADDING);
    let (one, other) = join(schema::migrate(&connector, &steps), schema::migrate(&connector, &steps)).await;
    one.expect("one upgrades");
    other.expect("the other waits and finds it done");
    assert_eq!(version(&connector, &steps).await, NEXT);
}

#[tokio::test]
async fn models_and_predictions_of_before_have_nothing_of_what_is_new() {
    let schema = TestSchema::create().await;
    schema::migrate(&connector(&schema), &MIGRATIONS[..1]).await.expect("the first schema is made");
    run(&format!("SET search_path = {}; {}", schema.name(), rows_of_before())).await;
    let store = PostgresStore::open(super::options(&schema.url())).await.expect("it is upgraded");
    find_rows_of_before(&store).await;
    store.close().await;
}

#[tokio::test]
async fn an_upgrade_that_fails_changes_nothing() {
    let world = World::new().await;
    let connector = connector(&world.schema);
    let failed = schema::migrate(&connector, &with(BROKEN)).await.expect_err("the statement is nonsense");
    assert!(matches!(failed, Error::Setup(_)), "{failed:?}");
    assert_eq!(version(&connector, MIGRATIONS).await, NEXT - 1);
    schema::migrate(&connector, &with(ADDING)).await.expect("the table is not there");
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let world = World::new().await;
    schema::migrate(&connector(&world.schema), &with(ADDING)).await.expect("the upgrade works");
    let options = || super::options(&world.schema.url());
    for opened in [PostgresStore::open(options()).await, PostgresStore::open_current(options()).await] {
        let refused = opened.err();
        let Some(Error::NewerSchema { found, known }) = refused else { panic!("{refused:?}") };
        assert_eq!((found, known), (NEXT, NEXT - 1));
    }
}

#[tokio::test]
async fn a_step_that_has_changed_is_noticed() {
    let world = World::new().await;
    let other = Migration { version: 1, sql: "SELECT 1;" };
    let steps = [&[other], &MIGRATIONS[1..]].concat();
    let refused = schema::migrate(&connector(&world.schema), &steps).await.expect_err("it is another");
    assert!(refused.to_string().contains("was made by other statements"), "{refused}");
}

#[tokio::test]
async fn a_command_does_not_upgrade() {
    let schema = TestSchema::create().await;
    let options = super::options(&schema.url());
    let refused = PostgresStore::open_current(options.clone()).await.err();
    let refused = refused.expect("nothing is there").to_string();
    assert!(refused.contains("start the server once to upgrade it"), "{refused}");
    let pending = async || PostgresStore::schema_version(&options).await.expect("it is read");
    assert_eq!(pending().await, SchemaVersion { found: 0, known: NEXT - 1 });
    PostgresStore::open(options.clone()).await.expect("a server upgrades").close().await;
    assert!(pending().await.is_current());
}

#[tokio::test]
async fn installations_can_share_a_database() {
    let [one, other] = [World::new().await, World::new().await];
    schema::migrate(&connector(&one.schema), &with(ADDING)).await.expect("the upgrade works");
    assert_eq!(version(&connector(&other.schema), MIGRATIONS).await, NEXT - 1);
}
