//! Reading the events of a prediction again.

use std::collections::BTreeSet;
use std::sync::Arc;

use cogwire_core::prediction::{Chunk, Event, Prediction, Report, Request, RunEnd, Status};

use super::Home;
use super::fixture::{Run, World, at, id, item, log, request, said, succeeded};
use crate::prediction::StreamPage;

async fn page(world: &World, from: u64, limit: u32) -> StreamPage {
    let page = world.store.stream_from(id(1), from, limit).await.expect("the stream is read");
    page.expect("the prediction is there")
}

fn firsts(page: &StreamPage) -> Vec<u64> {
    page.chunks.iter().map(|chunk| chunk.first).collect()
}

/// Events 0 and 1, then 2, then 3 to 5.
async fn three_chunks(world: &World, request: Request) -> Run {
    let mut run = world.create_run(request).await;
    let chunks = [vec![log("a"), item("b")], vec![item("c")], vec![item("d"), item("e"), log("f")]];
    for events in chunks {
        world.advance(&mut run, said(events), at(10)).await;
    }
    run
}

/// Chunks are whole, so the first may begin earlier.
pub async fn a_page_begins_with_the_chunk_that_holds_the_event(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    assert_eq!(world.store.stream_from(id(1), 0, 10).await.expect("the stream is read"), None);
    three_chunks(&world, request(1)).await;
    let expected: [&[u64]; 8] = [&[0, 2, 3], &[0, 2, 3], &[2, 3], &[3], &[3], &[3], &[], &[]];
    for (from, firsts_expected) in expected.into_iter().enumerate() {
        let page = page(&world, from as u64, 100).await;
        assert_eq!(firsts(&page), firsts_expected, "from {from}");
        assert!(page.complete);
        assert_eq!((page.status, page.created_at), (Status::Processing, at(1)));
    }
    assert_eq!(page(&world, 0, 100).await.chunks[2].events, [item("d"), item("e"), log("f")]);
}

/// The limit counts events, and says when it cut something off.
pub async fn a_page_ends_at_its_limit(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    three_chunks(&world, request(1)).await;
    for (limit, expected, complete) in
        [(1, 1, false), (2, 1, false), (3, 2, false), (4, 3, true), (6, 3, true)]
    {
        let page = page(&world, 0, limit).await;
        assert_eq!((page.chunks.len(), page.complete), (expected, complete), "limit {limit}");
    }
}

fn last_words() -> Event {
    Event::Ran(Report {
        events: vec![item("z")],
        end: Some(RunEnd::Failed("no".to_owned())),
        ..Report::default()
    })
}

/// A reader that comes late sees the whole stream, and how it ended.
pub async fn the_stream_of_an_ended_prediction_is_kept(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = three_chunks(&world, request(1)).await;
    world.advance(&mut run, last_words(), at(20)).await;
    let page = page(&world, 0, 100).await;
    assert_eq!(firsts(&page), [0, 2, 3, 6]);
    assert_eq!((page.status, page.error.as_deref()), (Status::Failed, Some("no")));
}

/// State and content are of one moment, also while the prediction goes on: an item for each event, and an end with all of
/// them.
pub async fn a_reader_sees_one_moment(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = world.create_run(request(1)).await;
    let writing = async {
        for _ in 0..60 {
            world.advance(&mut run, said(vec![item("x"), item("y")]), at(10)).await;
        }
        world.advance(&mut run, succeeded(), at(20)).await;
    };
    let reading = async {
        let mut states = BTreeSet::new();
        while !states.contains("succeeded") {
            let loaded = world.load(id(1)).await;
            assert_eq!(items(&loaded), loaded.next_event, "{}", loaded.status());
            let page = page(&world, 0, 1000).await;
            let end = page.chunks.last().map_or(0, Chunk::end);
            assert!(end >= loaded.next_event, "what was durable stays");
            assert!(!page.status.is_terminal() || end == 120, "{page:?}");
            states.insert(loaded.status().as_str());
        }
    };
    tokio::join!(writing, reading);
}

fn items(prediction: &Prediction) -> u64 {
    let output = prediction.content.output.to_json().map(|output| output.to_value());
    output.and_then(|output| Some(output.as_array()?.len() as u64)).unwrap_or_default()
}

/// Nobody reads a stream that was not offered, so its end is not written twice.
pub async fn the_last_words_of_a_prediction_without_a_stream_are_only_in_its_result(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = three_chunks(&world, Request { streams: false, ..request(1) }).await;
    world.advance(&mut run, last_words(), at(20)).await;
    assert_eq!(firsts(&page(&world, 0, 100).await), [0, 2, 3]);
    let output = world.load(id(1)).await.content.output.to_json().expect("there is output");
    assert_eq!(output.as_str(), r#"["b","c","d","e","z"]"#);
    let mut silent = world.create_run(request(2)).await;
    world.advance(&mut silent, succeeded(), at(20)).await;
    let page = world.store.stream_from(id(2), 0, 9).await.expect("the stream is read").expect("it is there");
    assert!(page.chunks.is_empty() && page.complete);
}
