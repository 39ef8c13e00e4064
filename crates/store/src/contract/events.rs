//! Ends in the order in which they became known.

use std::collections::HashSet;
use std::sync::Arc;

use cogwire_core::id::PredictionId;
use cogwire_core::prediction::{ChunkEvent, Kind, Request};
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::event::WebhookEvent::{Completed, Output};
use futures_util::future::{join, join_all};

use super::Home;
use super::fixture::{
    World, account, at, claimed, final_of, finished, id, item, request, request_with_webhook, said, succeeded,
};
use crate::delivery::Verdict;
use crate::event::{EventCursor, EventRow};

async fn events(world: &World, of: &str, after: Option<EventCursor>, limit: u32) -> Vec<EventRow> {
    world.store.events(&account(of), after, limit).await.expect("the events are read")
}

/// The events once there are so many: other transactions of the same server may hold them up for a moment.
pub(super) async fn so_many_events(
    world: &World,
    of: &str,
    after: Option<EventCursor>,
    count: usize,
) -> Vec<EventRow> {
    loop {
        let found = events(world, of, after, 1000).await;
        if found.len() >= count {
            return found;
        }
        tokio::task::yield_now().await;
    }
}

async fn latest(world: &World, of: &str) -> Option<EventCursor> {
    world.store.latest_event(&account(of)).await.expect("the event is read")
}

/// A prediction of an account that ends at `now`, after it has said this.
async fn end(world: &World, number: u32, of: &str, says: ChunkEvent, now: Timestamp) {
    let request = Request { account: account(of), ..request_with_webhook(number, &[Output, Completed]) };
    let mut run = world.create_run(request).await;
    world.advance(&mut run, said(vec![says]), now).await;
    world.advance(&mut run, succeeded(), now).await;
}

fn ids(events: &[EventRow]) -> Vec<PredictionId> {
    events.iter().map(|event| event.delivery.prediction).collect()
}

/// In the order of the ends, whatever the ids and the clocks say, with what the receiver is told.
pub async fn ends_are_events_in_their_order(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    assert_eq!((latest(&world, "acme").await, events(&world, "acme", None, 9).await), (None, vec![]));
    for (number, now) in [(3, 30), (1, 10), (2, 30)] {
        end(&world, number, "acme", item("x"), at(now)).await;
    }
    let mut silent = world.create_run(request(4)).await;
    world.advance(&mut silent, succeeded(), at(40)).await;
    let training = Request { kind: Kind::Training, ..request_with_webhook(5, &[Completed]) };
    let mut training = world.create_run(training).await;
    world.advance(&mut training, succeeded(), at(50)).await;
    let all = so_many_events(&world, "acme", None, 4).await;
    assert_eq!(ids(&all), [id(3), id(1), id(2), id(5)], "without a webhook there is no event");
    for event in &all {
        let kind = if event.delivery.prediction == id(5) { Kind::Training } else { Kind::Prediction };
        assert_eq!(event.kind, kind);
        let (message, _) =
            world.store.delivery(event.delivery).await.expect("the message is read").expect("it is there");
        assert_eq!((message.event, message.created_at), (Completed, event.created_at));
        assert!(event.body.is_some() && event.body == message.body);
    }
    assert_eq!(latest(&world, "acme").await, Some(all[3].cursor));
    let world = world.restart().await;
    assert_eq!(events(&world, "acme", None, 9).await, all);
}

/// Whoever goes on after what it has seen gets the rest, of its own account.
pub async fn events_are_read_on_from_a_cursor(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for number in 1..=6 {
        let of = if number % 3 == 0 { "other" } else { "acme" };
        end(&world, number, of, item("x"), at(10)).await;
    }
    for of in [("acme", 4), ("other", 2)] {
        so_many_events(&world, of.0, None, of.1).await;
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = events(&world, "acme", after, 2).await;
        let Some(last) = page.last() else { break };
        after = Some(last.cursor.to_string().parse().expect("a cursor's own text"));
        seen.extend(ids(&page));
    }
    assert_eq!(seen, [1, 2, 4, 5].map(id));
    assert_eq!(ids(&events(&world, "other", None, 9).await), [3, 6].map(id));
    assert_eq!(after, latest(&world, "acme").await);
    end(&world, 7, "acme", item("x"), at(5)).await;
    assert_eq!(
        ids(&so_many_events(&world, "acme", after, 1).await),
        [id(7)],
        "though the clock was set back"
    );
}

/// Large bodies make short pages, and none is passed over.
pub async fn a_page_of_events_is_bounded_in_bytes(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for (number, size) in [(1, 3_000_000), (2, 4_000_000), (3, 3_000_000), (4, 9_000_000), (5, 1)] {
        end(&world, number, "acme", item(&"x".repeat(size)), at(i64::from(number))).await;
    }
    let last = id(5);
    let (mut pages, mut after) = (Vec::new(), None);
    while latest(&world, "acme").await.is_none_or(|cursor| cursor.prediction != last) {
        tokio::task::yield_now().await;
    }
    while let page @ [.., last] = &events(&world, "acme", after, 9).await[..] {
        after = Some(last.cursor);
        pages.push(ids(page));
    }
    assert_eq!(pages, [vec![id(1), id(2)], vec![id(3)], vec![id(4)], vec![id(5)]]);
}

/// An event goes with its message, and cursors of what is gone lead on.
pub async fn events_go_with_their_messages(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for number in 1..=3 {
        let mut run = world.create_run(request_with_webhook(number, &[Completed])).await;
        let held = claimed(world.advance_here(&mut run, succeeded(), at(10 * i64::from(number))).await);
        world.finish(finished(&world, &held, final_of(&held), 1, Verdict::Delivered), at(40)).await;
    }
    let all = so_many_events(&world, "acme", None, 3).await;
    let swept = world.store.sweep_deliveries(at(25), 9).await.expect("the sweep is written");
    assert_eq!((swept, events(&world, "acme", None, 9).await), (2, all[2..].to_vec()));
    assert_eq!(events(&world, "acme", Some(all[0].cursor), 9).await, all[2..]);
    let swept = world.store.sweep_deliveries(at(35), 9).await.expect("the sweep is written");
    assert_eq!((swept, latest(&world, "acme").await), (1, None));
    end(&world, 4, "acme", item("x"), at(50)).await;
    assert_eq!(ids(&so_many_events(&world, "acme", Some(all[2].cursor), 1).await), [id(4)]);
}

/// Whoever comes too late can tell, and whoever has read what is gone has missed nothing.
pub async fn events_that_are_gone_are_remembered(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let gone = async |of: &str| world.store.last_gone_event(&account(of)).await.expect("the place is read");
    let owed =
        |number, of: &str| Request { account: account(of), ..request_with_webhook(number, &[Completed]) };
    for (number, of) in [(1, "acme"), (2, "acme"), (3, "other"), (4, "acme"), (5, "acme")] {
        let mut run = world.create_run(owed(number, of)).await;
        let held = claimed(world.advance_here(&mut run, succeeded(), at(10 * i64::from(number))).await);
        // The first one waits, and stays for as long.
        if number != 1 {
            world.finish(finished(&world, &held, final_of(&held), 1, Verdict::Delivered), at(60)).await;
        }
    }
    let all = so_many_events(&world, "acme", None, 4).await;
    assert_eq!((gone("acme").await, gone("other").await), (None, None));
    world.store.sweep_deliveries(at(25), 9).await.expect("the sweep is written");
    assert_eq!((gone("acme").await, gone("other").await), (Some(all[1].cursor), None));
    assert_eq!(ids(&events(&world, "acme", None, 9).await), [1, 4, 5].map(id));
    world.store.sweep_deliveries(at(99), 1).await.expect("the sweep is written");
    assert_eq!(gone("acme").await, Some(all[1].cursor), "that was somebody else's");
    world.store.sweep_deliveries(at(99), 9).await.expect("the sweep is written");
    assert_eq!(gone("acme").await, Some(all[3].cursor));
    let world = world.restart().await;
    let gone = world.store.last_gone_event(&account("acme")).await.expect("the place is read");
    assert_eq!(gone, Some(all[3].cursor));
    // The clock was set back, and nothing that is kept says how far the events had come.
    end(&world, 6, "acme", item("x"), at(1)).await;
    assert_eq!(ids(&so_many_events(&world, "acme", gone, 1).await), [id(6)]);
}

/// A reader that follows the cursor while many write sees every end once, and a second reader sees the same in the same order.
pub async fn a_reader_misses_nothing_while_many_write(home: Arc<dyn Home>) {
    const COUNT: u32 = 300;
    let world = World::new(home).await;
    let writing = join_all((1..=COUNT).map(async |number| {
        let mut run = world.create_run(request_with_webhook(number, &[Output, Completed])).await;
        // Both ways to an end: with a lane that is there, and without.
        if number % 2 == 0 {
            world.advance(&mut run, said(vec![item("x")]), at(10)).await;
        }
        world.advance(&mut run, succeeded(), at(10)).await;
    }));
    let follow = async || {
        let (mut seen, mut after) = (Vec::new(), None);
        while seen.len() < COUNT as usize {
            let page = events(&world, "acme", after, 7).await;
            after = page.last().map(|last| last.cursor).or(after);
            seen.extend(ids(&page));
            tokio::task::yield_now().await;
        }
        seen
    };
    let (_, (first, second)) = join(writing, join(follow(), follow())).await;
    assert_eq!(first, second);
    assert_eq!(first, ids(&events(&world, "acme", None, 1000).await));
    assert_eq!(first.into_iter().collect::<HashSet<_>>().len(), COUNT as usize);
}
