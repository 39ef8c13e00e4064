//! Pages of predictions.

use std::sync::Arc;

use cogwire_core::json::Json;
use cogwire_core::prediction::{Kind, Request, Source, Status};

use super::Home;
use super::fixture::{World, account, at, id, item, log, request, said, succeeded};
use crate::prediction::{Cursor, ListPredictions};

fn all() -> ListPredictions {
    ListPredictions {
        account: account("acme"),
        kind: Kind::Prediction,
        created_after: None,
        created_before: None,
        source: None,
        status: None,
        cursor: None,
        limit: 100,
    }
}

async fn numbers(world: &World, query: ListPredictions) -> Vec<u32> {
    let page = world.store.list(&query).await.expect("the page is read");
    let number = |wanted| (0..100).find(|number| id(*number) == wanted).expect("an id of this test");
    page.iter().map(|prediction| number(prediction.id())).collect()
}

/// Newest first, whichever way one pages.
pub async fn pages_go_in_both_directions(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for number in 1..=7 {
        world.create(request(number)).await;
    }
    let page = |cursor| ListPredictions { cursor, limit: 3, ..all() };
    assert_eq!(numbers(&world, page(None)).await, [7, 6, 5]);
    assert_eq!(numbers(&world, page(Some(Cursor::Before(id(5))))).await, [4, 3, 2]);
    assert_eq!(numbers(&world, page(Some(Cursor::Before(id(2))))).await, [1]);
    assert_eq!(numbers(&world, page(Some(Cursor::Before(id(1))))).await, [0_u32; 0]);
    assert_eq!(numbers(&world, page(Some(Cursor::After(id(1))))).await, [4, 3, 2]);
    assert_eq!(numbers(&world, page(Some(Cursor::After(id(5))))).await, [7, 6]);
    assert_eq!(numbers(&world, page(Some(Cursor::After(id(7))))).await, [0_u32; 0]);
}

/// Each filter by itself, and two together.
pub async fn filters_hold(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    world.create(request(1)).await;
    world.create(Request { account: account("other"), ..request(2) }).await;
    world.create(Request { kind: Kind::Training, ..request(3) }).await;
    world.create(Request { source: Source::Web, ..request(4) }).await;
    let mut run = world.create_run(request(5)).await;
    world.advance(&mut run, succeeded(), at(9)).await;
    let cases = [
        (all(), vec![5, 4, 1]),
        (ListPredictions { account: account("other"), ..all() }, vec![2]),
        (ListPredictions { kind: Kind::Training, ..all() }, vec![3]),
        (ListPredictions { source: Some(Source::Web), ..all() }, vec![4]),
        (ListPredictions { status: Some(Status::Starting), ..all() }, vec![4, 1]),
        (ListPredictions { status: Some(Status::Succeeded), source: Some(Source::Web), ..all() }, vec![]),
        (ListPredictions { created_after: Some(at(4)), ..all() }, vec![5, 4]),
        (ListPredictions { created_before: Some(at(4)), ..all() }, vec![1]),
        (ListPredictions { created_after: Some(at(1)), created_before: Some(at(5)), ..all() }, vec![4, 1]),
    ];
    for (query, expected) in cases {
        let asked = format!("{query:?}");
        assert_eq!(numbers(&world, query).await, expected, "{asked}");
    }
}

/// A list shows outputs, of predictions that run, too; logs can be long and are left out.
pub async fn a_list_has_outputs_and_no_logs(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut live = world.create_run(request(1)).await;
    let mut over = world.create_run(request(2)).await;
    for run in [&mut live, &mut over] {
        world.advance(run, said(vec![log("long"), item("x")]), at(9)).await;
    }
    world.advance(&mut over, succeeded(), at(10)).await;
    for prediction in world.store.list(&all()).await.expect("the page is read") {
        assert_eq!(prediction.content.output.to_json(), Some(Json::parse(r#"["x"]"#).expect("JSON")));
        assert_eq!(prediction.content.logs, "");
    }
    assert_eq!(world.load(id(2)).await.content.logs, "long");
}
