//! What becomes durable while the way to the server is cut: the store asks again over another connection, and finds out.

use std::time::Duration;

use cogwire_core::prediction::{Prediction, Status};
use cogwire_core::webhook::event::WebhookEvent;
use futures_util::future::{join, join_all};

use super::cutting::{Line, behind_a_line};
use super::until;
use crate::contract::fixture::{
    at, claimed, commit_of, id, item, new, node, request, request_with_webhook, said, succeeded,
};
use crate::postgres::connection::{Connector, Dedicated};
use crate::postgres::testing::TestSchema;
use crate::postgres::{PostgresOptions, PostgresStore};
use crate::prediction::{
    Commit, CommitOutcome, CreateOutcome, Guard, Idempotency, LaneEffect, Lease, NewPrediction,
};
use crate::{PredictionStore, Result};

/// Long enough for a server that has much else to do; twice as long is waited for an answer.
const STATEMENT: Duration = Duration::from_millis(800);

/// A store whose way to the server is cut, once, while something that it writes becomes durable.
struct World {
    schema: TestSchema,
    line: Line,
    store: PostgresStore,
    gate: Dedicated,
}

impl World {
    async fn new() -> Self {
        let (schema, line, store) = behind_a_line(STATEMENT).await;
        let connector = Connector::new(&PostgresOptions::new(schema.url())).expect("the URL is good");
        let gate = connector.connect(None).await.map_err(crate::Error::from).expect("the database answers");
        let world = Self { schema, line, store, gate };
        world
            .run(
                "CREATE TABLE gate ();
                 CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                   PERFORM FROM gate;
                   RETURN NULL;
                 END $$;
                 CREATE CONSTRAINT TRIGGER pass AFTER INSERT OR UPDATE ON prediction DEFERRABLE INITIALLY DEFERRED
                   FOR EACH ROW EXECUTE FUNCTION pass()",
            )
            .await;
        world
    }

    async fn run(&self, sql: &str) {
        self.gate.batch_execute(sql).await.expect("the statements are right");
    }

    async fn number(&self, sql: &str) -> i64 {
        self.gate.query_one(sql, &[]).await.expect("the statement is right").get(0)
    }

    /// Waits for the outcome of something whose first answer is lost: it is held up just before its commit, and goes on when
    /// nobody hears of it any more.
    async fn unheard<T>(&self, asking: impl Future<Output = Result<T>>) -> T {
        self.run("BEGIN; LOCK TABLE gate IN ACCESS EXCLUSIVE MODE").await;
        let waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'gate'::regclass AND NOT granted";
        let cutting = async {
            until(async || self.number(waiting).await > 0).await;
            self.line.open.send_replace(false);
            self.run("COMMIT").await;
            until(async || self.number(waiting).await == 0).await;
            self.line.open.send_replace(true);
        };
        join(asking, cutting).await.0.expect("the second try finds out")
    }

    async fn close(self) {
        self.store.close().await;
        self.line.close().await;
        drop((self.gate, self.schema));
    }
}

fn held(number: u32) -> NewPrediction {
    let request = request_with_webhook(number, &[WebhookEvent::Completed]);
    NewPrediction { claim: Some(node("one")), ..new(request) }
}

fn by_holder(prediction: &Prediction, event: cogwire_core::prediction::Event, millis: i64) -> Commit {
    let guard = Guard::Holder(Lease { node: node("one"), lease_no: 1 });
    Commit { deliver_here: Some(node("one")), ..commit_of(prediction, event, guard, at(millis)) }
}

#[tokio::test]
async fn creates_whose_answer_is_lost_happened_once() {
    let world = World::new().await;
    let creating = join_all((1..=5).map(|number| world.store.create(new(request(number)))));
    let outcomes = world.unheard(async { creating.await.into_iter().collect::<Result<Vec<_>>>() }).await;
    assert!(outcomes.iter().all(|outcome| *outcome == CreateOutcome::Created), "{outcomes:?}");
    assert_eq!(world.number("SELECT count(*) FROM live").await, 5);
    assert_eq!(world.number("SELECT runs FROM model_run").await, 5);
    world.close().await;
}

#[tokio::test]
async fn a_create_with_a_key_whose_answer_is_lost_happened_once() {
    let world = World::new().await;
    let key = Idempotency { key: "k".to_owned(), request_sha256: [7; 32], expires_at: at(90_000) };
    let with_key = |number| NewPrediction { idempotency: Some(key.clone()), ..new(request(number)) };
    assert_eq!(world.unheard(world.store.create(with_key(1))).await, CreateOutcome::Created);
    let other = world.store.create(with_key(2)).await;
    assert_eq!(other.expect("it is answered"), CreateOutcome::Replayed(id(1)));
    assert_eq!(world.number("SELECT runs FROM model_run").await, 1);
    world.close().await;
}

#[tokio::test]
async fn a_run_whose_commits_are_not_heard_of_goes_on_and_ends() {
    let world = World::new().await;
    world.store.create(held(1)).await.expect("the create is written");
    let mut prediction = Prediction::new(held(1).request);
    let step = by_holder(&prediction, said(vec![item("x")]), 10);
    let outcome = world.unheard(world.store.commit(step.clone())).await;
    assert!(matches!(outcome, CommitOutcome::Committed(LaneEffect::None)), "{outcome:?}");
    prediction.absorb(step.transition);
    let end = by_holder(&prediction, succeeded(), 20);
    let CommitOutcome::Committed(effect) = world.unheard(world.store.commit(end)).await else {
        panic!("it is done")
    };
    let lane = claimed(effect);
    assert_eq!((lane.lease_no, lane.final_body.is_some()), (2, true), "the claim that got lost is repeated");
    let loaded = world.store.load(id(1)).await.expect("it is read").expect("it is there");
    assert_eq!((loaded.status(), loaded.revision), (Status::Succeeded, 2));
    assert_eq!(world.number("SELECT count(*) FROM delivery").await, 1);
    world.close().await;
}
