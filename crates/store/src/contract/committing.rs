//! Committing transitions: what becomes durable, and what is refused.

use std::sync::Arc;

use cogwire_core::json::Json;
use cogwire_core::prediction::{
    ChunkEvent, DeadlineKind, Event, OutputContent, Prediction, Report, RunEnd, State, Status, Transition,
};
use cogwire_core::webhook::event::WebhookEvent;
use futures_util::future::{join_all, join3};

use super::Home;
use super::fixture::{
    Run, World, at, commit_of, id, item, log, node, request, request_with_webhook, said, started, succeeded,
};
use crate::prediction::{Commit, CommitOutcome, Guard, Lease};

/// A prediction whose output is one value, as a reader of an ended one finds it.
fn with_output_as_value(mut prediction: Prediction) -> Prediction {
    if let Some(value) = prediction.content.output.to_json() {
        prediction.content.output = OutputContent::Value(value);
    }
    prediction
}

/// Every state on the way is what was committed.
pub async fn a_run_goes_from_start_to_end(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = world.create_run(request(1)).await;
    let metric = ChunkEvent::Metric("tokens".to_owned(), Json::number(3.0));
    let steps = [started(at(10)), said(vec![log("a\n"), item("x")]), said(vec![item("y"), metric])];
    for (step, event) in steps.into_iter().enumerate() {
        world.advance(&mut run, event, at(20)).await;
        assert_eq!(world.load(id(1)).await, run.prediction, "after step {step}");
    }
    assert_eq!(run.prediction.next_event, 4);
    world.advance(&mut run, succeeded(), at(30)).await;
    let loaded = world.load(id(1)).await;
    assert_eq!(loaded.status(), Status::Succeeded);
    assert_eq!(loaded, with_output_as_value(run.prediction));
}

/// The error is for the user to read.
pub async fn a_failure_keeps_its_error(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = world.create_run(request(1)).await;
    let failed = Report { end: Some(RunEnd::Failed("out of memory".to_owned())), ..Report::default() };
    world.advance(&mut run, Event::Ran(failed), at(10)).await;
    assert_eq!(world.load(id(1)).await.state.error(), Some("out of memory"));
}

/// A model may say anything, and much of it: characters that end a string elsewhere, and a megabyte.
pub async fn what_a_model_says_is_kept_as_it_was(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = world.create_run(request_with_webhook(1, &WebhookEvent::ALL)).await;
    let odd = "a\0b\u{1}\u{7f}\u{fffd}\u{10ffff}\\ \" \r\n";
    let long = "0123456789abcde\n".repeat(1 << 16);
    let metric = ChunkEvent::Metric(odd.to_owned(), Json::string(odd));
    world.advance(&mut run, said(vec![log(odd), log(&long), item(odd), metric]), at(10)).await;
    assert_eq!(world.load(id(1)).await, run.prediction);
    let error = format!("{odd}{long}");
    let end =
        Report { events: vec![log(odd)], end: Some(RunEnd::Failed(error.clone())), ..Report::default() };
    world.advance(&mut run, Event::Ran(end), at(20)).await;
    let loaded = world.load(id(1)).await;
    assert_eq!(loaded.content.logs, [odd, &long, odd].concat());
    assert_eq!(loaded.state.error(), Some(error.as_str()));
    assert_eq!(loaded, with_output_as_value(run.prediction));
    let page =
        world.store.stream_from(id(1), 0, 100).await.expect("the stream is read").expect("it is there");
    assert_eq!((page.chunks.len(), page.error.as_deref()), (2, Some(error.as_str())));
}

/// Started, said and ended in one.
pub async fn a_run_that_ends_at_once_is_one_commit(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = world.create_run(request(1)).await;
    let report =
        Report { started_at: Some(at(5)), events: vec![log("l"), item("x")], end: Some(RunEnd::Succeeded) };
    world.advance(&mut run, Event::Ran(report), at(10)).await;
    let loaded = world.load(id(1)).await;
    assert_eq!((loaded.revision, loaded.next_event), (1, 2));
    assert_eq!(loaded.state.started_at(), Some(at(5)));
    assert_eq!(loaded, with_output_as_value(run.prediction));
}

/// Everything that a commit could have touched.
async fn traces(world: &World, run: &Run) -> String {
    let prediction = world.load(run.id()).await;
    let chunks = world.store.stream_from(run.id(), 0, 100).await.expect("the stream is read");
    let lane = world.store.lane(run.id()).await.expect("the lane is read");
    let deliveries = world.store.deliveries(run.id()).await.expect("the messages are read");
    format!("{prediction:?} {chunks:?} {lane:?} {deliveries:?}")
}

async fn is_refused(world: &World, run: &Run, commit: Commit) -> CommitOutcome {
    let before = traces(world, run).await;
    let outcome = world.commit(commit).await;
    assert_eq!(traces(world, run).await, before, "a refused commit writes nothing");
    outcome
}

fn all_events() -> cogwire_core::prediction::Request {
    request_with_webhook(1, &WebhookEvent::ALL)
}

/// Whoever commits from what is not current any more is told so.
pub async fn a_stale_revision_conflicts_and_writes_nothing(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = world.create_run(all_events()).await;
    let stale = run.clone();
    world.advance(&mut run, said(vec![item("x")]), at(10)).await;
    for event in [said(vec![item("y")]), succeeded()] {
        let outcome = is_refused(&world, &run, stale.commit_of(event, at(20))).await;
        assert!(matches!(outcome, CommitOutcome::Conflict), "{outcome:?}");
    }
    let cancel = commit_of(&stale.prediction, Event::CancelRequested, Guard::Anyone, at(20));
    let outcome = is_refused(&world, &run, cancel).await;
    assert!(matches!(outcome, CommitOutcome::Conflict), "{outcome:?}");
}

/// A holder that lost its lease is fenced, also when the revision is current, and also when it is not.
pub async fn a_stale_lease_is_fenced_and_writes_nothing(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = world.create_run(all_events()).await;
    let old = run.clone();
    world.advance(&mut run, said(vec![item("x")]), at(10)).await;
    let others = [Lease { node: world.node.clone(), lease_no: 2 }, Lease { node: node("two"), lease_no: 1 }];
    for lease in others {
        for prediction in [&run.prediction, &old.prediction] {
            for event in [said(vec![item("y")]), succeeded()] {
                let commit = commit_of(prediction, event, Guard::Holder(lease.clone()), at(20));
                let outcome = is_refused(&world, &run, commit).await;
                assert!(matches!(outcome, CommitOutcome::Fenced), "{outcome:?}");
            }
        }
    }
}

/// A cancel needs no lease, and whoever has it must stop.
pub async fn a_cancel_fences_the_holder(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = world.create_run(all_events()).await;
    world.advance(&mut run, said(vec![item("x")]), at(10)).await;
    let cancel = commit_of(&run.prediction, Event::CancelRequested, Guard::Anyone, at(20));
    assert!(matches!(world.commit(cancel).await, CommitOutcome::Committed(_)));
    assert_eq!(world.load(id(1)).await.status(), Status::Canceled);
    for event in [said(vec![item("y")]), succeeded()] {
        let outcome = is_refused(&world, &run, run.commit_of(event, at(30))).await;
        assert!(matches!(outcome, CommitOutcome::Fenced), "{outcome:?}");
    }
}

/// Of two ends, one is durable.
pub async fn the_first_end_wins(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = world.create_run(request(1)).await;
    let cancel = commit_of(&run.prediction, Event::CancelRequested, Guard::Anyone, at(10));
    world.advance(&mut run, succeeded(), at(10)).await;
    let outcome = is_refused(&world, &run, cancel).await;
    assert!(matches!(outcome, CommitOutcome::Fenced), "{outcome:?}");
    assert!(matches!(world.load(id(1)).await.state, State::Ended(_)));
    assert_eq!(world.load(id(1)).await.status(), Status::Succeeded);
}

/// Two ends at once: one is durable, and the other is told.
pub async fn of_two_ends_at_once_one_is_durable(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let run = world.create_run(all_events()).await;
    let cancel = commit_of(&run.prediction, Event::CancelRequested, Guard::Anyone, at(10));
    let finish = run.commit_of(succeeded(), at(10));
    let (canceled, finished) = tokio::join!(world.commit(cancel), world.commit(finish));
    let expected = match (canceled, finished) {
        (CommitOutcome::Committed(_), CommitOutcome::Fenced) => Status::Canceled,
        (CommitOutcome::Fenced, CommitOutcome::Committed(_)) => Status::Succeeded,
        other => panic!("one wins, and it was {other:?}"),
    };
    assert_eq!(world.load(id(1)).await.status(), expected);
    assert_eq!(world.store.deliveries(id(1)).await.expect("the messages are read").len(), 1);
}

/// A run, a caller and a deadline end the same prediction at once: one of them does, whatever else is written at the time.
pub async fn of_many_ends_at_once_one_each_is_durable(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let ending = (1..=60).map(async |number| {
        let mut run = world.create_run(request_with_webhook(number, &WebhookEvent::ALL)).await;
        if number % 2 == 0 {
            world.advance(&mut run, said(vec![item("x")]), at(10)).await;
        }
        let by_anybody =
            |event, millis| world.commit(commit_of(&run.prediction, event, Guard::Anyone, at(millis)));
        let limit = Event::Expired(DeadlineKind::CancelAfter);
        let outcomes = join3(
            world.commit(run.commit_of(succeeded(), at(11))),
            by_anybody(Event::CancelRequested, 12),
            by_anybody(limit, 13),
        );
        let (finished, canceled, expired) = outcomes.await;
        let outcomes = [finished, canceled, expired];
        let won: Vec<usize> =
            (0..3).filter(|index| matches!(outcomes[*index], CommitOutcome::Committed(_))).collect();
        let fenced = outcomes.iter().filter(|outcome| matches!(outcome, CommitOutcome::Fenced)).count();
        assert_eq!((won.len(), fenced), (1, 2), "{outcomes:?}");
        let loaded = world.load(run.id()).await;
        assert_eq!(loaded.state.completed_at(), Some(at(11 + won[0] as i64)), "{outcomes:?}");
        let messages = world.store.deliveries(run.id()).await.expect("the messages are read");
        assert_eq!(messages.len(), 1);
    });
    join_all(ending).await;
}

/// Progress and a cancel at once: whichever comes second is told, and nothing of it is there.
pub async fn of_a_step_and_an_end_at_once_one_is_refused(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let racing = (1..=40).map(async |number| {
        let run = world.create_run(request_with_webhook(number, &WebhookEvent::ALL)).await;
        let cancel = commit_of(&run.prediction, Event::CancelRequested, Guard::Anyone, at(10));
        let step = run.commit_of(said(vec![item("x")]), at(10));
        let (stepped, canceled) = tokio::join!(world.commit(step), world.commit(cancel));
        let loaded = world.load(run.id()).await;
        match (stepped, canceled) {
            (CommitOutcome::Committed(_), CommitOutcome::Conflict) => {
                assert_eq!((loaded.status(), loaded.next_event), (Status::Processing, 1));
            }
            (CommitOutcome::Fenced, CommitOutcome::Committed(_)) => {
                assert_eq!((loaded.status(), loaded.next_event), (Status::Canceled, 0));
            }
            other => panic!("one of them happens, and it was {other:?}"),
        }
        assert_eq!(loaded.revision, 1);
    });
    join_all(racing).await;
}

/// What is committed together is decided one by one.
pub async fn many_commit_at_once(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let running = (1..=300).map(async |number| {
        let request = match number % 3 {
            0 => request(number),
            1 => request_with_webhook(number, &[WebhookEvent::Completed]),
            _ => request_with_webhook(number, &WebhookEvent::ALL),
        };
        let mut run = world.create_run(request).await;
        let stranger = Lease { node: node("two"), lease_no: 1 };
        for _ in 0..number % 4 {
            world.advance(&mut run, said(vec![item("x"), log("l")]), at(20)).await;
            let step =
                commit_of(&run.prediction, said(vec![item("y")]), Guard::Holder(stranger.clone()), at(20));
            assert!(matches!(world.commit(step).await, CommitOutcome::Fenced));
        }
        world.advance(&mut run, succeeded(), at(30)).await;
        assert_eq!(world.load(run.id()).await, with_output_as_value(run.prediction));
    });
    join_all(running).await;
}

/// A prediction that was never created cannot change.
pub async fn what_is_unknown_is_fenced(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let unknown = Prediction::new(request(1));
    let commit = commit_of(&unknown, Event::CancelRequested, Guard::Anyone, at(10));
    assert!(matches!(world.commit(commit).await, CommitOutcome::Fenced));
    assert_eq!(world.find(id(1)).await, None);
}

/// Closing and opening changes nothing.
pub async fn what_is_durable_survives_a_restart(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut live = world.create_run(request_with_webhook(1, &[WebhookEvent::Output])).await;
    let mut over = world.create_run(request_with_webhook(2, &[WebhookEvent::Completed])).await;
    world.advance(&mut live, said(vec![log("l"), item("x")]), at(10)).await;
    world.advance(&mut over, succeeded(), at(10)).await;
    let before = [traces(&world, &live).await, traces(&world, &over).await];
    let world = world.restart().await;
    assert_eq!([traces(&world, &live).await, traces(&world, &over).await], before);
    let next: Transition = live.commit_of(succeeded(), at(20)).transition;
    assert_eq!(next.expected_revision(), world.load(id(1)).await.revision);
    world.advance(&mut live, succeeded(), at(20)).await;
}
