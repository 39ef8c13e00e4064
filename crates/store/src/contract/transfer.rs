//! Moving: whatever a store holds is in the other one afterwards, and what was cut off goes on.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cogwire_core::id::FileId;
use cogwire_core::prediction::{Kind as RequestKind, Request};
use cogwire_core::webhook::event::WebhookEvent;
use cogwire_core::webhook::signature::{Secret, SecretKind};
use cogwire_core::webhook::vault::StoredSecret;

use super::events::so_many_events;
use super::fixture::{
    TRACE, World, account, at, id, item, log, new, node, request, request_with_webhook, said, succeeded,
};
use super::{Home, catalog, random, uploads};
use crate::account::Token;
use crate::node::TakeOver;
use crate::prediction::{FileRow, Idempotency, NewPrediction};
use crate::transfer::{
    Exporter, Header, Imported, Importer, Item, Kind, Lines, PageSize, Position, Reader, Row, TABLES, Table,
    TransferError, TransferStore, verify,
};
use crate::{Error, Store};

/// A store with rows in every table.
async fn full(home: Arc<dyn Home>) -> World {
    let world = World::new(home).await;
    random::leave_a_history(&world).await;
    add_accounts(&world).await;
    catalog::register(&world, "acme/story", 1).await;
    catalog::register_packaged(&world, "acme/story", 2).await;
    // Whatever the history has left, one message is owed.
    let mut owing = world.create_run(request_with_webhook(2, &[WebhookEvent::Completed])).await;
    world.advance_here(&mut owing, succeeded(), at(20)).await;
    let key = Idempotency { key: "first".to_owned(), request_sha256: [3; 32], expires_at: at(86_400_000) };
    let training = Request {
        kind: RequestKind::Training,
        destination: Some("acme/tuned".parse().expect("a model's name")),
        trace: Some(TRACE.parse().expect("a trace")),
        ..request(1)
    };
    let upload = uploads::upload(1, "acme");
    world.store.add_upload(&upload).await.expect("the upload is written");
    let keyed = NewPrediction { idempotency: Some(key), uploads: vec![upload.id], ..new(training) };
    world.store.create(keyed).await.expect("the create is written");
    let file = FileRow {
        id: FileId::new(at(1), 1),
        prediction: id(1),
        name: "ä.png".to_owned(),
        size: 7,
        created_at: at(1),
    };
    world.store.add_file(file).await.expect("the file is written");
    for table in &TABLES {
        assert!(count(&*world.store, table).await > 0, "table {} has no rows", table.name);
    }
    world
}

async fn add_accounts(world: &World) {
    for name in ["acme", "other"] {
        world.store.ensure_account(&account(name), at(1)).await.expect("the account is written");
    }
    let token = Token {
        sha256: [200; 32],
        account: account("acme"),
        label: "ci \"quoted\"".to_owned(),
        prefix: "r8_abc".to_owned(),
        created_at: at(2),
    };
    world.store.add_token(token).await.expect("the token is written");
    set_secret(world, 1).await;
    world.store.server_key("links", [4; 32]).await.expect("the key is written");
}

async fn set_secret(world: &World, byte: u8) {
    let secret = StoredSecret::from(&Secret::fresh(SecretKind::Hmac, &[byte; 32]));
    world.store.set_secret(&account("acme"), &secret, at(3)).await.expect("the secret is written");
}

async fn count(store: &dyn Store, table: &'static Table) -> u64 {
    store.count_rows(table).await.expect("the rows are counted")
}

fn header() -> Header {
    Header { schema: 1, created_at: at(9), store: "test".to_owned() }
}

async fn rest_of(mut exporter: Exporter<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    while let Some(piece) = exporter.next_piece().await.expect("the store is read") {
        text.extend(piece);
    }
    text
}

/// The export of a store.
async fn export(store: &dyn TransferStore) -> Vec<u8> {
    rest_of(Exporter::new(store, header())).await
}

/// Imports the whole lines of a text, and verifies when it is complete.
async fn import(store: &dyn TransferStore, text: &[u8]) -> Result<Imported, TransferError> {
    let (mut reader, mut importer) = (Reader::default(), Importer::new(store));
    let mut lines = Lines::new(text, text.len());
    while let Some(item) = reader.read_next(&mut lines)? {
        if let Item::Row(row) = item {
            importer.take(row).await?;
        }
    }
    let imported = importer.finish().await?;
    if reader.is_complete() {
        verify(store, &reader.finish()?, |_| ()).await?;
    }
    Ok(imported)
}

/// A reader that has read a text.
fn reader(text: &[u8]) -> Reader {
    let mut reader = Reader::default();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        reader.read(&line[..line.len() - 1]).expect("it was just exported");
    }
    reader
}

/// Where lines begin in a text, its end included.
fn line_starts(text: &[u8]) -> Vec<usize> {
    let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(index, _)| index + 1);
    std::iter::once(0).chain(ends).collect()
}

/// What goes in comes out, byte for byte.
pub async fn what_is_exported_is_imported(from: Arc<dyn Home>, to: Arc<dyn Home>) {
    let (from, to) = (full(from).await, to.open().await);
    let text = export(&*from.store).await;
    let imported = import(&*to, &text).await.expect("the target is empty");
    assert_eq!(imported.present, 0);
    assert!(export(&*to).await == text, "both stores hold the same");
    let mut total = 0;
    for table in &TABLES {
        let moved = count(&*to, table).await;
        assert_eq!(moved, count(&*from.store, table).await, "table {}", table.name);
        total += moved;
    }
    assert_eq!(imported.added, total);
}

/// The end of an import reads everything back.
pub async fn what_is_not_as_it_was_exported_is_found(from: Arc<dyn Home>, to: Arc<dyn Home>) {
    let (from, to) = (full(from).await, to.open().await);
    let text = export(&*from.store).await;
    import(&*to, &text).await.expect("the target is empty");
    let exported = reader(&text).finish().expect("it is complete");
    let mut rows = 0;
    verify(&*to, &exported, |page| rows += page).await.expect("both are the same");
    assert_eq!(rows, exported.rows());
    to.server_key("another", [8; 32]).await.expect("the key is written");
    let unequal = verify(&*to, &exported, |_| ()).await.expect_err("there is one more");
    assert!(
        matches!(unequal, TransferError::Unequal { table: "server_key", found: 2, expected: 1 }),
        "{unequal:?}"
    );
}

/// Wherever an import is cut off, doing it again finishes it.
pub async fn an_import_that_was_cut_off_goes_on(from: Arc<dyn Home>, to: Arc<dyn Home>) {
    let (from, to) = (full(from).await, to.open().await);
    let text = export(&*from.store).await;
    let starts = line_starts(&text);
    let rows = starts.len() as u64 - 3;
    // Each goes a little further, so that the cuts fall into all tables.
    let mut before = 0;
    for cut in (1..=12).map(|part| starts[starts.len() * part / 13]) {
        let done = import(&*to, &text[..cut]).await.expect("it goes on");
        assert!(done.present == before && done.added > 0, "{done:?} after {before} rows");
        before += done.added;
    }
    let done = import(&*to, &text).await.expect("it goes on");
    assert_eq!(done, Imported { added: rows - before, present: before });
    let again = import(&*to, &text).await.expect("nothing is left to do");
    assert_eq!(again, Imported { added: 0, present: rows });
    assert!(export(&*to).await == text, "both stores hold the same");
}

/// Nothing is mixed: a target with something else in it stays as it is.
pub async fn a_target_that_holds_something_else_is_left_alone(from: Arc<dyn Home>, to: Arc<dyn Home>) {
    let (from, to) = (full(from).await, World::new(to).await);
    let text = export(&*from.store).await;
    to.create(request(77)).await;
    let before = export(&*to.store).await;
    let refused = import(&*to.store, &text).await.expect_err("it is not empty");
    assert!(matches!(refused, TransferError::Occupied { .. }), "{refused:?}");
    assert!(export(&*to.store).await == before, "nothing was written");
}

/// A row that an export does not have is found, even when everything else is there.
pub async fn a_target_with_one_row_more_is_refused(from: Arc<dyn Home>, to: Arc<dyn Home>) {
    let (from, to) = (World::new(from).await, World::new(to).await);
    for number in [1, 2] {
        from.create(request(number)).await;
        to.create(request(number)).await;
    }
    let text = export(&*from.store).await;
    import(&*to.store, &text).await.expect("both are the same");
    let moved = id(2);
    let file = |name: &str| FileRow {
        id: FileId::new(at(1), 1),
        prediction: moved,
        name: name.to_owned(),
        size: 7,
        created_at: at(1),
    };
    to.store.add_file(file("a")).await.expect("the file is written");
    let refused = import(&*to.store, &text).await.expect_err("it has a file");
    assert!(refused.to_string().contains("table file"), "{refused}");
    from.store.add_file(file("b")).await.expect("the file is written");
    let refused = import(&*to.store, &export(&*from.store).await).await.expect_err("it has another file");
    assert!(refused.to_string().contains("has other values"), "{refused}");
}

/// Wherever an export is cut off, going on gives the rest of it.
pub async fn an_export_that_was_cut_off_goes_on(from: Arc<dyn Home>, _to: Arc<dyn Home>) {
    let from = full(from).await;
    let text = export(&*from.store).await;
    let starts = line_starts(&text);
    // From after the first line until before the last one.
    for part in 0..24 {
        let cut = starts[1 + (starts.len() - 3) * part / 23];
        let exporter =
            Exporter::resume(&*from.store, position(&text[..cut])).await.expect("nothing has changed");
        assert!(rest_of(exporter).await == text[cut..], "the rest after byte {cut}");
    }
}

fn position(text: &[u8]) -> Position {
    reader(text).into_position()
}

/// The two parts of an export would not fit together.
pub async fn an_export_of_a_store_that_has_changed_does_not_go_on(from: Arc<dyn Home>, _to: Arc<dyn Home>) {
    let world = full(from).await;
    let rows = rows_of(export(&*world.store).await);
    assert!(Exporter::resume(&*world.store, position(&rows)).await.is_ok());
    set_secret(&world, 9).await;
    assert_changed(&world, &rows, "table secret").await;
    let rows = rows_of(export(&*world.store).await);
    world.create(request(u32::MAX)).await;
    assert_changed(&world, &rows, "table model_run").await;
}

/// All lines but the last.
fn rows_of(mut text: Vec<u8>) -> Vec<u8> {
    let starts = line_starts(&text);
    text.truncate(starts[starts.len() - 2]);
    text
}

async fn assert_changed(world: &World, rows: &[u8], named: &str) {
    match Exporter::resume(&*world.store, position(rows)).await.err() {
        Some(TransferError::Changed(what)) => assert!(what.contains(named), "{what}"),
        other => panic!("it has changed: {other:?}"),
    }
}

/// What was waiting, running and owed is taken up by the server that starts on the target.
pub async fn work_goes_on_where_it_was_moved(from: Arc<dyn Home>, to: Arc<dyn Home>) {
    let mut from = World::new(from).await;
    from.node = node("former");
    from.create(request(1)).await;
    let mut run = from.create_run(request_with_webhook(2, &[WebhookEvent::Completed])).await;
    from.advance(&mut run, said(vec![log("l"), item("x")]), at(10)).await;
    from.create_run(request(3)).await;
    let mut ended = from.create_run(request_with_webhook(4, &[WebhookEvent::Completed])).await;
    from.advance_here(&mut ended, succeeded(), at(20)).await;
    let text = export(&*from.store).await;

    let to = World::new(to).await;
    import(&*to.store, &text).await.expect("the target is empty but for its node");
    let how = TakeOver { leases_ended_before: at(30), max_runs: 3, queue_deadline: at(90_000), limit: 10 };
    let taken = to.store.take_over(&to.node, how).await.expect("the take-over is written");
    assert_eq!((taken.requeued, taken.lanes), (1, 1));
    assert_eq!(taken.lost.iter().map(|lost| lost.id).collect::<Vec<_>>(), [id(2)]);
    let claimed: Vec<_> = to.claim(10).await.into_iter().map(|claimed| claimed.prediction.id()).collect();
    assert_eq!(claimed, [id(1), id(3)]);
    let lane = to.claim_lane(at(40)).await;
    assert!(lane.prediction == id(4) && lane.final_body.is_some(), "{lane:?}");
    let mut run = to.create_run(request_with_webhook(5, &[WebhookEvent::Completed])).await;
    to.advance(&mut run, succeeded(), at(50)).await;
    let events = so_many_events(&to, "acme", None, 2).await;
    assert_eq!(events.iter().map(|event| event.delivery.prediction).collect::<Vec<_>>(), [id(4), id(5)]);
}

/// Numbers that a store gives go on after those that were moved.
pub async fn what_is_added_after_an_import_comes_after_it(from: Arc<dyn Home>, to: Arc<dyn Home>) {
    let (from, to) = (full(from).await, World::new(to).await);
    import(&*to.store, &export(&*from.store).await).await.expect("the target is empty");
    let other = account("other");
    let secret = StoredSecret::from(&Secret::fresh(SecretKind::Hmac, &[6; 32]));
    to.store.set_secret(&other, &secret, at(4)).await.expect("its number is free");
    set_secret(&to, 5).await;
    let runs = async |world: &World| {
        let model = world.store.model(&"acme/story".parse().expect("a model's name")).await;
        model.expect("the model is read").expect("it is registered").run_count
    };
    let before = runs(&to).await;
    assert_eq!(before, runs(&from).await);
    to.create(request(u32::MAX)).await;
    assert_eq!(runs(&to).await, before + 1);
}

/// A page has no more rows and bytes than it may, and every row comes once.
pub async fn pages_are_bounded_by_rows_and_bytes(from: Arc<dyn Home>, _to: Arc<dyn Home>) {
    let world = full(from).await;
    let mut bytes = Vec::new();
    for table in &TABLES {
        let all = world.store.export_page(table, None, PageSize { rows: 10_000, bytes: u64::MAX }).await;
        let all = all.expect("the rows are read");
        bytes.extend(all.iter().map(Row::size));
        for page in [
            PageSize { rows: 1, bytes: u64::MAX },
            PageSize { rows: 7, bytes: 900 },
            PageSize { rows: 3, bytes: 0 },
        ] {
            assert_eq!(by_pages(&*world.store, table, page).await, all, "table {} by {page:?}", table.name);
        }
    }
    assert!(
        bytes.iter().any(|size| *size > 450) && bytes.iter().any(|size| *size < 225),
        "both bounds were reached"
    );
}

async fn by_pages(store: &dyn TransferStore, table: &'static Table, size: PageSize) -> Vec<Row> {
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let page = store.export_page(table, after.as_ref(), size).await.expect("the rows are read");
        let Some(last) = page.last() else { return rows };
        let bytes: u64 = page.iter().map(Row::size).sum();
        assert!(page.len() <= size.rows as usize && (page.len() == 1 || bytes <= size.bytes), "{page:?}");
        after = Some(last.key());
        rows.extend(page);
    }
}

/// Adding rows again adds none, and one that differs is named.
pub async fn rows_are_added_once(from: Arc<dyn Home>, to: Arc<dyn Home>) {
    let (from, to) = (full(from).await, to.open().await);
    let wide = PageSize { rows: 10_000, bytes: u64::MAX };
    for table in &TABLES {
        let mut rows = from.store.export_page(table, None, wide).await.expect("the rows are read");
        let added = to.import_rows(table, rows.clone()).await.expect("the rows are written");
        assert_eq!(added, rows.len() as u64);
        let again = to.import_rows(table, rows.clone()).await.expect("they are the same");
        assert_eq!(again, 0, "table {}", table.name);
        if table.key_columns == table.columns.len() {
            // Rows with the same key are the same.
            continue;
        }
        let last = rows.pop().expect("there are rows");
        let changed = with_a_change(&last);
        let refused = to.import_rows(table, vec![changed]).await.err();
        let Some(Error::Different { table: named, row }) = refused else { panic!("{refused:?}") };
        assert_eq!((named, row), (table.name, last.key().to_string()));
    }
}

/// The row with another value in its last column.
fn with_a_change(row: &Row) -> Row {
    let mut json = Vec::new();
    row.write(&mut json);
    let mut changed: serde_json::Value = serde_json::from_slice(&json).expect("a row is JSON");
    let column = row.table().columns.last().expect("every table has columns");
    changed[column.name] = match column.kind {
        Kind::Integer => (changed[column.name].as_i64().unwrap_or_default() ^ 1).into(),
        Kind::Boolean => (!changed[column.name].as_bool().unwrap_or_default()).into(),
        Kind::Bytes => BASE64_STANDARD.encode([1; 32]).into(),
        Kind::Text | Kind::RawText if changed[column.name] == "queue" => "run".into(),
        Kind::Text | Kind::RawText => "queue".into(),
    };
    Row::parse(row.table(), &changed.to_string()).expect("the columns are the same")
}

/// From one kind of store through another and back.
pub async fn there_and_back(first: Arc<dyn Home>, between: &dyn TransferStore, last: Arc<dyn Home>) {
    let first = full(first).await;
    let text = export(&*first.store).await;
    import(between, &text).await.expect("the store between is empty");
    let between = export(between).await;
    assert!(between == text, "the store between holds the same");
    let last = last.open().await;
    import(&*last, &between).await.expect("the last store is empty");
    assert!(export(&*last).await == text, "the last store holds the same");
}
