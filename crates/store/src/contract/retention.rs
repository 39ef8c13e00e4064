//! Forgetting what is due to be forgotten, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use cogwire_core::id::FileId;
use cogwire_core::json::Json;
use cogwire_core::prediction::{Content, OutputContent};
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::event::WebhookEvent;

use futures_util::future::join_all;

use super::Home;
use super::fixture::{
    World, at, claimed, final_of, finished, id, item, log, new, request, request_with_webhook, said,
    succeeded,
};
use crate::delivery::{Attempt, AttemptPlace, AttemptReport, DeliveryState, Verdict};
use crate::prediction::{CreateOutcome, ExpiredData, FileRow, Idempotency, NewPrediction};

const HOUR: i64 = 3_600_000;

fn file(number: u128, prediction: u32) -> FileRow {
    FileRow {
        id: FileId::new(at(1), number),
        prediction: id(prediction),
        name: "out.png".to_owned(),
        size: 7,
        created_at: at(5),
    }
}

async fn remove(world: &World, expired: &[ExpiredData]) {
    world.store.remove_data(expired).await.expect("the removal is written");
}

/// The data of a prediction that has no files.
fn data_of(number: u32) -> ExpiredData {
    ExpiredData { id: id(number), files: Vec::new() }
}

async fn expired(world: &World, millis: i64) -> Vec<ExpiredData> {
    world.store.expired_data(at(millis), 10).await.expect("what is due is read")
}

/// Input, output, logs, events and files go; what it was and how it ended stays.
pub async fn data_is_removed_when_it_is_due(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = world.create_run(request(1)).await;
    for number in [2, 1] {
        world.store.add_file(file(number, 1)).await.expect("the file is written");
    }
    world.advance(&mut run, said(vec![log("l"), item("x")]), at(10)).await;
    assert!(expired(&world, 2 * HOUR).await.is_empty(), "it has not ended");
    world.advance(&mut run, succeeded(), at(20)).await;
    assert!(expired(&world, HOUR + 19).await.is_empty(), "it is not due");
    let files = vec![file(1, 1).id, file(2, 1).id];
    assert_eq!(expired(&world, HOUR + 20).await, [ExpiredData { id: id(1), files }]);

    let before = world.load(id(1)).await;
    remove(&world, &expired(&world, HOUR + 20).await).await;
    let after = world.load(id(1)).await;
    assert_eq!((after.request.input.clone(), after.data_removed), (Json::object(), true));
    let metrics = before.content.metrics.clone();
    assert_eq!(after.content, Content { logs: String::new(), output: OutputContent::None, metrics });
    assert_eq!((after.state, after.revision), (before.state, before.revision));
    let page = world.store.stream_from(id(1), 0, 10).await.expect("the stream is read").expect("it is there");
    assert!(page.chunks.is_empty());
    assert!(expired(&world, 9 * HOUR).await.is_empty(), "once is enough");
}

/// A receiver that has not answered yet may still need what the message points to.
pub async fn data_is_kept_while_a_message_is_owed(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = world.create_run(request_with_webhook(1, &[WebhookEvent::Completed])).await;
    let held = claimed(world.advance_here(&mut run, succeeded(), at(10)).await);
    assert!(expired(&world, 9 * HOUR).await.is_empty());
    let delivered = finished(&world, &held, final_of(&held), 1, Verdict::Delivered);
    world.finish(delivered, at(20)).await;
    assert_eq!(expired(&world, 9 * HOUR).await.len(), 1);
}

/// A file whose row comes after the removal is found by the next one.
pub async fn a_late_file_is_found(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = world.create_run(request(1)).await;
    world.advance(&mut run, succeeded(), at(10)).await;
    remove(&world, &[data_of(1)]).await;
    world.store.add_file(file(1, 1)).await.expect("the file is written");
    let late = [ExpiredData { id: id(1), files: vec![file(1, 1).id] }];
    assert_eq!(expired(&world, HOUR).await, late);
    remove(&world, &late).await;
    assert!(expired(&world, HOUR).await.is_empty());
}

/// A file that comes while the others are being deleted keeps its row, and with it everything else is still due.
pub async fn a_file_that_comes_before_the_removal_keeps_its_row(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = world.create_run(request(1)).await;
    world.store.add_file(file(1, 1)).await.expect("the file is written");
    world.advance(&mut run, said(vec![item("x")]), at(10)).await;
    world.advance(&mut run, succeeded(), at(10)).await;
    let first = expired(&world, 2 * HOUR).await;
    world.store.add_file(file(2, 1)).await.expect("the file is written");
    remove(&world, &first).await;
    let after = world.load(id(1)).await;
    assert_eq!((after.data_removed, after.content.output.to_json()), (false, Json::parse(r#"["x"]"#).ok()));
    let second = expired(&world, 2 * HOUR).await;
    assert_eq!(second, [ExpiredData { id: id(1), files: vec![file(2, 1).id] }], "the first one is gone");
    remove(&world, &second).await;
    assert!(world.load(id(1)).await.data_removed);
    assert!(expired(&world, 2 * HOUR).await.is_empty());
}

/// A create that came to nothing can leave files, which nobody else would find.
pub async fn files_without_a_prediction_are_found(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    world.create(request(1)).await;
    let files: Vec<FileRow> = (1..=6)
        .map(|number| FileRow {
            id: FileId::new(at(number), 0),
            ..file(0, if number % 3 == 0 { 1 } else { 2 })
        })
        .collect();
    for file in &files {
        world.store.add_file(file.clone()).await.expect("the file is written");
    }
    let ids: Vec<FileId> = files.iter().map(|file| file.id).collect();
    let look = async |before, after: Option<usize>, limit| {
        let page = world.store.unowned_files(at(before), after.map(|index| ids[index]), limit).await;
        let page = page.expect("the files are read");
        (page.unowned, page.next)
    };
    assert_eq!(look(9, None, 10).await, ([0, 1, 3, 4].map(|index| ids[index]).to_vec(), None));
    assert_eq!(look(9, None, 2).await, (ids[..2].to_vec(), Some(ids[1])));
    assert_eq!(look(9, Some(1), 2).await, (vec![ids[3]], Some(ids[3])));
    assert_eq!(look(9, Some(3), 2).await, (vec![ids[4]], Some(ids[5])));
    assert_eq!(look(9, Some(5), 2).await, (vec![], None));
    assert_eq!(look(2, None, 10).await, (vec![ids[0]], None), "the others are too young");
    world.create(request(2)).await;
    assert_eq!(look(9, None, 10).await, (vec![], None), "now somebody has them");
}

/// The files of a prediction that was not created after all leave nothing behind.
pub async fn files_can_be_forgotten(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for number in [1, 2] {
        world.store.add_file(file(number, 1)).await.expect("the file is written before its prediction");
    }
    world.store.forget_files(&[file(1, 1).id]).await.expect("the removal is written");
    let mut run = world.create_run(request(1)).await;
    world.advance(&mut run, succeeded(), at(10)).await;
    assert_eq!(expired(&world, 2 * HOUR).await, [ExpiredData { id: id(1), files: vec![file(2, 1).id] }]);
}

/// Nothing is taken from a prediction that runs.
pub async fn the_data_of_a_live_prediction_stays(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = world.create_run(request(1)).await;
    world.advance(&mut run, said(vec![item("x")]), at(10)).await;
    world.store.add_file(file(1, 1)).await.expect("the file is written");
    let named = ExpiredData { files: vec![file(1, 1).id], ..data_of(1) };
    remove(&world, &[named, data_of(2)]).await;
    assert_eq!(world.load(id(1)).await, run.prediction);
    world.advance(&mut run, succeeded(), at(20)).await;
    assert_eq!(expired(&world, 2 * HOUR).await[0].files, [file(1, 1).id], "nor are its files forgotten");
}

/// A file is stored and the data is removed at once: the next removal finds the file.
pub async fn a_file_that_comes_with_the_removal_is_found(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let racing = (1..=40).map(async |number| {
        let mut run = world.create_run(request(number)).await;
        world.advance(&mut run, succeeded(), at(10)).await;
        let late = file(u128::from(number), number);
        let data = [data_of(number)];
        let (added, removed) =
            tokio::join!(world.store.add_file(late.clone()), world.store.remove_data(&data));
        added.and(removed).expect("both are written");
    });
    join_all(racing).await;
    let found = world.store.expired_data(at(2 * HOUR), 100).await.expect("what is due is read");
    assert!(found.len() == 40 && found.iter().all(|expired| expired.files.len() == 1), "{found:?}");
    remove(&world, &found).await;
    assert!(expired(&world, 2 * HOUR).await.is_empty());
}

/// Two servers clean up at once, and do what one would do.
pub async fn nodes_that_clean_up_at_once_do_it_once(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let ended = (1..=60).map(async |number| {
        let mut run = world.create_run(request(number)).await;
        world.advance(&mut run, said(vec![item("x")]), at(10)).await;
        world.advance(&mut run, succeeded(), at(10)).await;
        create_with_key(&world, number + 100, at(100)).await;
    });
    join_all(ended).await;
    let due = world.store.expired_data(at(2 * HOUR), 100).await.expect("what is due is read");
    let mut reversed = due.clone();
    reversed.reverse();
    let (one, other) = tokio::join!(world.store.remove_data(&due), world.store.remove_data(&reversed));
    one.and(other).expect("both are written");
    assert_eq!(due.len(), 60);
    for expired in due {
        assert!(world.load(expired.id).await.data_removed);
    }
    let forgotten = join_all((0..4).map(|_| world.store.forget_idempotency_keys(at(100), 20))).await;
    let mut forgotten: u64 = forgotten.into_iter().map(|number| number.expect("it is written")).sum();
    forgotten += world.store.forget_idempotency_keys(at(100), 100).await.expect("it is written");
    assert_eq!(forgotten, 60, "each is forgotten once");
}

/// Keys go when they have expired, a few at a time.
pub async fn idempotency_keys_are_forgotten(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for number in 1..=3 {
        create_with_key(&world, number, at(i64::from(number) * 100)).await;
    }
    let forget = |millis, limit| world.store.forget_idempotency_keys(at(millis), limit);
    assert_eq!(forget(99, 10).await.expect("nothing is due"), 0);
    assert_eq!(forget(200, 1).await.expect("one is forgotten"), 1);
    assert_eq!(forget(200, 10).await.expect("one is forgotten"), 1);
    assert_eq!(forget(200, 10).await.expect("the third is not due"), 0);
}

async fn create_with_key(world: &World, number: u32, expires_at: Timestamp) {
    let idempotency = Some(Idempotency { key: format!("k{number}"), request_sha256: [1; 32], expires_at });
    let created = world.store.create(NewPrediction { idempotency, ..new(request(number)) }).await;
    assert_eq!(created.expect("the create is written"), CreateOutcome::Created);
}

/// Old messages go with their attempts, unless they are still owed.
pub async fn old_messages_are_swept_and_owed_ones_are_not(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut ids = Vec::new();
    for (number, verdict) in
        [(1, Verdict::Delivered), (2, Verdict::GivenUp), (3, Verdict::RetryAt(at(9 * HOUR)))]
    {
        let mut run = world.create_run(request_with_webhook(number, &[WebhookEvent::Completed])).await;
        let held = claimed(world.advance_here(&mut run, succeeded(), at(10)).await);
        ids.push(final_of(&held));
        world.finish(finished(&world, &held, final_of(&held), 1, verdict), at(20)).await;
    }
    let sweep = |cutoff, limit| world.store.sweep_deliveries(cutoff, limit);
    assert_eq!(sweep(at(10), 10).await.expect("nothing is older"), 0);
    let after = at(10) + Duration::from_micros(1);
    assert_eq!(sweep(after, 1).await.expect("the sweep is written"), 1);
    assert_eq!(sweep(after, 10).await.expect("the sweep is written"), 1);
    assert_eq!(sweep(after, 10).await.expect("the third is owed"), 0);
    for swept in &ids[..2] {
        assert!(world.store.delivery(*swept).await.expect("the message is read").is_none());
    }
    let (kept, attempts) =
        world.store.delivery(ids[2]).await.expect("the message is read").expect("it is there");
    assert_eq!((kept.state, attempts.len()), (DeliveryState::Pending, 1));
}

/// Giving up may take longer than messages are kept otherwise, and what was given up can be sent again for a while.
pub async fn a_message_that_is_given_up_late_stays_for_as_long(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut messages = Vec::new();
    for (number, verdict) in [(1, Verdict::GivenUp), (2, Verdict::Delivered)] {
        let mut run = world.create_run(request_with_webhook(number, &[WebhookEvent::Completed])).await;
        let held = claimed(world.advance_here(&mut run, succeeded(), at(10)).await);
        let mut attempt = finished(&world, &held, final_of(&held), 1, verdict);
        attempt.attempt.started_at = at(500);
        messages.push(final_of(&held));
        world.finish(attempt, at(500)).await;
    }
    let sweep = |cutoff| world.store.sweep_deliveries(cutoff, 10);
    let is_there =
        async |message| world.store.delivery(message).await.expect("the message is read").is_some();
    assert_eq!(sweep(at(500)).await.expect("the sweep is written"), 1);
    assert_eq!((is_there(messages[0]).await, is_there(messages[1]).await), (true, false));
    assert_eq!(sweep(at(501)).await.expect("the sweep is written"), 1);
    assert!(!is_there(messages[0]).await);
}

/// What was sent and what came back goes first; that there was an attempt, and how it ended, stays.
pub async fn reports_are_forgotten_before_their_attempts(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut messages = Vec::new();
    for (number, tried_at) in [(1, 10), (2, 900), (3, 20), (600, 700)] {
        let mut run = world.create_run(request_with_webhook(number, &[WebhookEvent::Completed])).await;
        let held = claimed(world.advance_here(&mut run, succeeded(), at(10)).await);
        let mut attempt = finished(&world, &held, final_of(&held), 1, Verdict::Delivered);
        attempt.attempt.started_at = at(tried_at);
        attempt.attempt.report = Some(AttemptReport { dns_us: Some(7), ..AttemptReport::default() });
        messages.push((final_of(&held), attempt.attempt.clone()));
        world.finish(attempt, at(tried_at)).await;
    }
    let sweep = async |after, limit| {
        world.store.sweep_reports(at(500), after, limit).await.expect("the sweep is written")
    };
    let place = |index: usize| AttemptPlace { delivery: messages[index].0, number: 1 };
    assert_eq!(sweep(None, 2).await, Some(place(1)));
    assert_eq!(sweep(Some(place(1)), 2).await, None, "the fourth is too young");
    for (index, (message, attempt)) in messages.iter().enumerate() {
        let report = attempt.report.clone().filter(|_| index % 2 == 1);
        let (_, attempts) =
            world.store.delivery(*message).await.expect("the message is read").expect("it is there");
        assert_eq!(attempts, [Attempt { report, ..attempt.clone() }]);
    }
}
