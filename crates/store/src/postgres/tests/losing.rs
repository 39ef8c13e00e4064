//! Connections that are lost, taken or in each other's way.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::sync::{Barrier, Semaphore};

use super::{World, until};
use crate::error::{Error, Result};
use crate::postgres::failure::Outcome;
use crate::postgres::testing::with_option;
use crate::postgres::{Class, Db, PostgresOptions, PostgresStore, Repeat};

async fn kill_others(store: &PostgresStore) {
    let sql = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
               WHERE application_name = current_setting('application_name') AND pid <> pg_backend_pid()";
    let killing = store.database.read(Class::Api, async |db: Db| db.query(sql, &[]).await);
    killing.await.expect("the others are ended");
}

async fn one(db: Db) -> Outcome<i32> {
    Ok(db.query_one("SELECT 1", &[]).await?.try_get(0)?)
}

async fn count(store: &PostgresStore, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    let sql = sql.as_str();
    let counted =
        store.database.read(Class::Api, async |db: Db| Ok(db.query_one(sql, &[]).await?.try_get(0)?));
    counted.await.expect("the rows are counted")
}

#[tokio::test]
async fn a_store_whose_connections_were_ended_goes_on() {
    let program = |options| PostgresOptions { application_name: "test_of_ending".to_owned(), ..options };
    let world = World::with(program).await;
    let results = join_all((0..4).map(|_| world.store.database.read(Class::Work, one))).await;
    assert!(results.iter().all(Result::is_ok));
    kill_others(&world.store).await;
    for class in [Class::Work, Class::Api] {
        for _ in 0..4 {
            let work = world.store.database.work(class, Repeat::Never, one).await;
            assert_eq!(work.expect("a new connection is opened"), 1);
        }
    }
}

#[tokio::test]
async fn a_dry_pool_refuses_and_recovers_and_leaves_the_other_alone() {
    let impatient = |options| PostgresOptions { acquire_timeout: Duration::from_millis(50), ..options };
    let world = World::with(impatient).await;
    let database = &world.store.database;
    let (held, gate) = (Semaphore::new(0), Semaphore::new(0));
    let hold = || {
        database.read(Class::Api, async |_db: Db| {
            held.add_permits(1);
            drop(gate.acquire().await);
            Ok(())
        })
    };
    let refused = async {
        drop(held.acquire_many(2).await);
        let refused = database.read(Class::Api, one).await;
        let other_pool = database.read(Class::Work, one).await;
        gate.add_permits(2);
        (refused, other_pool)
    };
    let (holding, (refused, other_pool)) = join(join_all([hold(), hold()]), refused).await;
    assert!(matches!(refused, Err(Error::Busy)), "{refused:?}");
    assert_eq!(other_pool.expect("the engine has its own connections"), 1);
    assert!(holding.iter().all(Result::is_ok));
    assert_eq!(database.read(Class::Api, one).await.expect("there are connections again"), 1);
}

/// A table whose commits cut their own connection: the first `times` that are tried.
async fn cutting(world: &World, times: u32) -> String {
    let table = world.table("id bigint").await;
    let schema = world.schema.name();
    super::super::testing::run(&format!(
        "CREATE SEQUENCE {schema}.tries;
         CREATE FUNCTION {schema}.cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF nextval('{schema}.tries') <= {times} THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
           RETURN NULL;
         END $$;
         CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED
           FOR EACH ROW EXECUTE FUNCTION {schema}.cut()"
    ))
    .await;
    table
}

async fn insert(store: &PostgresStore, repeat: Repeat, table: &str) -> Result<u64> {
    let sql = format!("INSERT INTO {table} VALUES (1)");
    let sql = sql.as_str();
    store.database.work(Class::Api, repeat, async |db: Db| db.execute(sql, &[]).await).await
}

#[tokio::test]
async fn nobody_knows_what_became_of_a_commit_whose_connection_was_lost() {
    let world = World::new().await;
    let table = cutting(&world, 1).await;
    let outcome = insert(&world.store, Repeat::Never, &table).await;
    assert!(matches!(outcome, Err(Error::Uncertain(_))), "{outcome:?}");
    assert_eq!(insert(&world.store, Repeat::Never, &table).await.expect("the second is not cut"), 1);
}

#[tokio::test]
async fn what_may_be_repeated_is_repeated() {
    let world = World::new().await;
    let table = cutting(&world, 2).await;
    assert_eq!(insert(&world.store, Repeat::Safe, &table).await.expect("the third is not cut"), 1);
    assert_eq!(count(&world.store, &table).await, 1);
}

#[tokio::test]
async fn repeating_has_an_end() {
    let world = World::new().await;
    let table = cutting(&world, 1000).await;
    let outcome = insert(&world.store, Repeat::Safe, &table).await;
    assert!(matches!(outcome, Err(Error::Uncertain(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_connection_that_is_lost_before_the_commit_is_replaced() {
    let world = World::new().await;
    let table = world.table("id bigint").await;
    let (sql, tries) = (format!("INSERT INTO {table} VALUES (1)"), AtomicU32::new(0));
    let work = async |db: Db| {
        let inserted = db.execute(&sql, &[]).await?;
        if tries.fetch_add(1, Ordering::Relaxed) == 0 {
            db.query("SELECT pg_terminate_backend(pg_backend_pid())", &[]).await?;
        }
        Ok(inserted)
    };
    let outcome = world.store.database.work(Class::Work, Repeat::Never, work).await;
    assert_eq!(outcome.expect("nothing had happened"), 1);
    assert_eq!((tries.load(Ordering::Relaxed), count(&world.store, &table).await), (2, 1));
}

#[tokio::test]
async fn a_deadlock_is_undone_and_tried_again() {
    let world = World::with(|options| PostgresOptions {
        url: with_option(&options.url, "deadlock_timeout=20ms"),
        ..options
    })
    .await;
    let table = world.table("id bigint PRIMARY KEY, hits bigint NOT NULL").await;
    super::super::testing::run(&format!("INSERT INTO {table} VALUES (1, 0), (2, 0)")).await;
    let (sql, met) = (format!("UPDATE {table} SET hits = hits + 1 WHERE id = $1"), Barrier::new(2));
    let (tries, database) = (AtomicU32::new(0), &world.store.database);
    let hit = |first: i64, second: i64| {
        let (sql, met, tries) = (sql.as_str(), &met, &tries);
        database.work(Class::Work, Repeat::Never, move |db: Db| async move {
            db.execute(sql, &[&first]).await?;
            if tries.fetch_add(1, Ordering::Relaxed) < 2 {
                met.wait().await;
            }
            db.execute(sql, &[&second]).await
        })
    };
    let (one, other) = join(hit(1, 2), hit(2, 1)).await;
    assert_eq!((one.expect("one goes first"), other.expect("the other follows")), (1, 1));
    assert!(tries.load(Ordering::Relaxed) >= 3, "one of them was undone");
}

#[tokio::test]
async fn a_use_case_that_is_given_up_is_undone_and_holds_nothing() {
    let world = World::new().await;
    let table = world.table("id bigint").await;
    let sql = format!("INSERT INTO {table} VALUES (1)");
    let inserted = Semaphore::new(0);
    let (sql, inserted) = (sql.as_str(), &inserted);
    for _ in 0..8 {
        let work = world.store.database.work(Class::Work, Repeat::Never, async |db: Db| {
            db.execute(sql, &[]).await?;
            inserted.add_permits(1);
            std::future::pending::<Outcome<()>>().await
        });
        tokio::select! {
            _ = work => panic!("it never ends"),
            permit = inserted.acquire() => permit.expect("it is open").forget(),
        }
    }
    assert_eq!(count(&world.store, &table).await, 0);
    let lock = format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
    let locking =
        world.store.database.work(Class::Work, Repeat::Never, async |db: Db| db.execute(&lock, &[]).await);
    locking.await.expect("no transaction is left open");
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_stopped() {
    let hasty = |options| PostgresOptions { statement_timeout: Duration::from_millis(50), ..options };
    let world = World::with(hasty).await;
    let sleeping = async |db: Db| db.query("SELECT pg_sleep(60)", &[]).await;
    let outcome = world.store.database.read(Class::Api, sleeping).await;
    assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
    until(async || world.store.database.read(Class::Api, one).await.is_ok()).await;
}

/// PostgreSQL would answer its commit with a rollback that looks like success.
#[tokio::test]
async fn a_use_case_that_goes_on_after_a_failed_statement_has_failed() {
    let world = World::new().await;
    let table = world.table("id bigint PRIMARY KEY").await;
    let sql = format!("INSERT INTO {table} VALUES (1)");
    let sql = sql.as_str();
    let twice = async |db: Db| {
        db.execute(sql, &[]).await?;
        Ok(db.execute(sql, &[]).await.is_err())
    };
    let outcome = world.store.database.work(Class::Work, Repeat::Never, twice).await;
    assert!(matches!(outcome, Err(Error::Backend(_))), "{outcome:?}");
    assert_eq!(count(&world.store, &table).await, 0);
}
