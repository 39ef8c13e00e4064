//! What was restored from a copy of another server's database.

use cogwire_core::id::PredictionId;

use super::{World, until};
use crate::contract::fixture::{account, at, id};
use crate::event::EventCursor;
use crate::postgres::PostgresStore;
use crate::postgres::testing::run;
use crate::{AccountStore, EventStore};

/// The number of a transaction that no test server comes to.
const ELSEWHERE: u64 = 4_000_000_000_000;

/// An end as it is in a copy, ten minutes after the one before.
async fn end(world: &World, number: u32, transaction: &str) {
    let (schema, id, time) = (world.schema.name(), id(number), time(number));
    run(&format!(
        "SET search_path = {schema};
         INSERT INTO prediction (id, account, kind, model, version, source, status, created_at, streams, input)
           VALUES ('{id}', 'acme', 'prediction', 'a/m', 'v', 'api', 'succeeded', 1, true, '{{}}');
         INSERT INTO delivery (prediction_id, seq, account, event, url, origin, state, body, body_sha256, size, superseded,
             attempts, lease_no, created_at)
           VALUES ('{id}', 1, 'acme', 'completed', 'http://a/', 'http://a', 'delivered', '{{}}', decode(repeat('00', 32), 'hex'), 2, 0, 1, 1, {time});
         INSERT INTO event (prediction_id, seq, account, position, transaction)
           VALUES ('{id}', 1, 'acme', {time}, {transaction})"
    ))
    .await;
}

fn time(number: u32) -> i64 {
    at(i64::from(number) * 600_000).as_micros()
}

async fn ends(store: &PostgresStore, after: Option<EventCursor>) -> Vec<PredictionId> {
    let events = store.events(&account("acme"), after, 9).await.expect("the events are read");
    events.iter().map(|event| event.delivery.prediction).collect()
}

#[tokio::test]
async fn events_of_another_server_are_kept_and_its_readers_go_on() {
    let world = World::new().await;
    world.store.ensure_account(&account("acme"), at(0)).await.expect("the account is made");
    for number in 1..=3 {
        end(&world, number, &(ELSEWHERE + u64::from(number)).to_string()).await;
    }
    let restored = world.beside().await;
    assert_eq!(ends(&restored, None).await, [1, 2, 3].map(id));
    end(&world, 4, "pg_current_xact_id()::text::bigint").await;
    let position = time(2).unsigned_abs();
    let seen = EventCursor { transaction: ELSEWHERE + 2, position, prediction: id(2) };
    // Other transactions of the same server may hold the new one up for a moment.
    until(async || ends(&restored, Some(seen)).await == [2, 3, 4].map(id)).await;
}
