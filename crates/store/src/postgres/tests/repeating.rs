//! Commits and creates that are tried again because nobody heard what became of them.

use cogwire_core::prediction::{Event, Prediction, Report, Request, RunEnd};
use cogwire_core::webhook::event::WebhookEvent;
use futures_util::future::join;

use super::World;
use crate::contract::fixture::{
    at, claimed, commit_of, id, item, new, node, request, request_with_webhook, said, succeeded,
};
use crate::delivery::{BeginIntermediate, LaneClaim};
use crate::postgres::PostgresStore;
use crate::prediction::{Commit, CommitOutcome, CreateOutcome, Guard, LaneEffect, Lease, NewPrediction};
use crate::{DeliveryStore, PredictionStore};

/// A prediction that the node `one` runs.
async fn run(store: &PostgresStore, request: Request) -> Prediction {
    let outcome = store.create(held(request.clone())).await;
    assert_eq!(outcome.expect("the create is written"), CreateOutcome::Created);
    Prediction::new(request)
}

fn held(request: Request) -> NewPrediction {
    NewPrediction { claim: Some(node("one")), ..new(request) }
}

/// What its holder commits, who would send its messages, too.
fn by_holder(prediction: &Prediction, event: Event, millis: i64) -> Commit {
    let guard = Guard::Holder(Lease { node: node("one"), lease_no: 1 });
    Commit { deliver_here: Some(node("one")), ..commit_of(prediction, event, guard, at(millis)) }
}

async fn commit(store: &PostgresStore, commit: &Commit) -> CommitOutcome {
    store.commit(commit.clone()).await.expect("the commit is written or refused")
}

/// Commits, and then again.
async fn twice(store: &PostgresStore, prediction: &mut Prediction, what: &Commit) -> [LaneEffect; 2] {
    let outcomes = [commit(store, what).await, commit(store, what).await];
    prediction.absorb(what.transition.clone());
    outcomes.map(|outcome| effect(outcome).expect("it was done"))
}

fn effect(outcome: CommitOutcome) -> Option<LaneEffect> {
    match outcome {
        CommitOutcome::Committed(effect) => Some(effect),
        CommitOutcome::Conflict | CommitOutcome::Fenced => None,
    }
}

fn all_events(number: u32) -> Request {
    request_with_webhook(number, &WebhookEvent::ALL)
}

#[tokio::test]
async fn a_step_that_is_committed_again_was_done() {
    let World { store, schema: _schema } = World::new().await;
    let mut prediction = run(&store, request(1)).await;
    let start = Event::Ran(Report { started_at: Some(at(5)), ..Report::default() });
    for event in [start, said(vec![item("x")]), said(vec![item("y")])] {
        let step = by_holder(&prediction, event, 10);
        let effects = twice(&store, &mut prediction, &step).await;
        assert!(matches!(effects, [LaneEffect::None, LaneEffect::None]), "{effects:?}");
        assert_eq!(store.load(id(1)).await.expect("it is read"), Some(prediction.clone()));
    }
}

#[tokio::test]
async fn a_step_that_says_something_else_was_not_done() {
    let World { store, schema: _schema } = World::new().await;
    let mut prediction = run(&store, request(1)).await;
    let others = [said(vec![item("y")]), said(vec![item("x"), item("x")]), succeeded()];
    let others = others.map(|event| by_holder(&prediction, event, 10));
    let first = by_holder(&prediction, said(vec![item("x")]), 10);
    twice(&store, &mut prediction, &first).await;
    for other in others {
        assert!(matches!(commit(&store, &other).await, CommitOutcome::Conflict));
    }
    let second = by_holder(&prediction, said(vec![item("x")]), 10);
    twice(&store, &mut prediction, &second).await;
    assert!(matches!(commit(&store, &first).await, CommitOutcome::Conflict), "there is more by now");
}

#[tokio::test]
async fn an_end_that_is_committed_again_was_done() {
    let World { store, schema: _schema } = World::new().await;
    for (number, steps) in [(1, 0), (2, 1)] {
        let mut prediction = run(&store, request(number)).await;
        for _ in 0..steps {
            let step = by_holder(&prediction, said(vec![item("x")]), 10);
            twice(&store, &mut prediction, &step).await;
        }
        let failed = Report { end: Some(RunEnd::Failed("no".to_owned())), ..Report::default() };
        let others = [(succeeded(), 21), (Event::Ran(failed), 20)];
        let others = others.map(|(event, millis)| by_holder(&prediction, event, millis));
        let cancel = commit_of(&prediction, Event::CancelRequested, Guard::Anyone, at(20));
        let end = by_holder(&prediction, succeeded(), 20);
        twice(&store, &mut prediction, &end).await;
        for other in others.iter().chain([&cancel]) {
            assert!(matches!(commit(&store, other).await, CommitOutcome::Fenced));
        }
    }
}

#[tokio::test]
async fn a_lane_whose_claim_got_lost_is_claimed_again() {
    let World { store, schema: _schema } = World::new().await;
    for (number, steps) in [(1, 0), (2, 1)] {
        let mut prediction = run(&store, request_with_webhook(number, &[WebhookEvent::Completed])).await;
        for _ in 0..steps {
            let step = by_holder(&prediction, said(vec![item("x")]), 10);
            twice(&store, &mut prediction, &step).await;
        }
        let end = by_holder(&prediction, succeeded(), 20);
        let [first, again] = twice(&store, &mut prediction, &end).await.map(claimed);
        assert_eq!((first.lease_no, again.lease_no), (1, 2), "what has the old fence sends nothing");
        assert_eq!((first.lane, first.final_body), (again.lane, again.final_body));
        let held = store.held_lanes(&node("one")).await.expect("the lanes are read");
        assert!(held.contains(&(id(number), 2)), "{held:?}");
    }
}

#[tokio::test]
async fn a_lane_that_is_being_worked_on_is_left_alone() {
    let World { store, schema: _schema } = World::new().await;
    let mut prediction = run(&store, all_events(1)).await;
    let step = by_holder(&prediction, said(vec![item("x")]), 10);
    let [_, again] = twice(&store, &mut prediction, &step).await;
    let held = claimed(again);
    let begin = BeginIntermediate {
        prediction: id(1),
        lease_no: held.lease_no,
        node: node("one"),
        seq: 1,
        event: WebhookEvent::Start,
        revision: 1,
        body_sha256: [9; 32],
        size: 2,
        now: at(11),
    };
    assert!(store.begin_intermediate(begin).await.expect("it is written"));
    let end = by_holder(&prediction, succeeded(), 20);
    let effects = twice(&store, &mut prediction, &end).await;
    assert!(matches!(effects, [LaneEffect::None, LaneEffect::None]), "{effects:?}");
    let lanes = store.held_lanes(&node("one")).await.expect("the lanes are read");
    assert_eq!(lanes, [(id(1), held.lease_no)]);
}

#[tokio::test]
async fn a_lane_that_was_left_free_is_due_or_somebody_elses() {
    let World { store, schema: _schema } = World::new().await;
    let mut prediction = run(&store, all_events(1)).await;
    let step = Commit { deliver_here: None, ..by_holder(&prediction, said(vec![item("x")]), 10) };
    let [first, again] = twice(&store, &mut prediction, &step).await;
    let (LaneEffect::DueAt(due), LaneEffect::DueAt(still)) = (first, again) else { panic!("it is free") };
    assert_eq!((due, still), (at(10), at(10)));
    let claim = LaneClaim::of_any(9, 9, at(10));
    assert_eq!(store.claim_lanes(&node("two"), claim).await.expect("it is written").lanes.len(), 1);
    let end = by_holder(&prediction, succeeded(), 20);
    let effects = twice(&store, &mut prediction, &end).await;
    assert!(matches!(effects, [LaneEffect::None, LaneEffect::None]), "{effects:?}");
}

/// A character that PostgreSQL's texts cannot hold, where nobody needs it: the create is refused and spoils no other.
#[tokio::test]
async fn what_cannot_be_stored_is_refused_and_spoils_no_other() {
    let World { store, schema: _schema } = World::new().await;
    let mut odd = all_events(1);
    odd.webhook.iter_mut().for_each(|webhook| webhook.url.push('\0'));
    let (refused, created) = join(store.create(new(odd)), store.create(new(request(2)))).await;
    let refused = refused.expect_err("it cannot be stored").to_string();
    assert!(refused.contains("NUL"), "{refused}");
    assert_eq!(created.expect("the other is written"), CreateOutcome::Created);
}
