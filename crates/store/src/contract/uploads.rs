//! Files that were uploaded, and how long they stay.

use std::sync::Arc;

use cogwire_core::id::FileId;
use cogwire_core::json::Json;
use cogwire_core::webhook::event::WebhookEvent;

use super::Home;
use super::fixture::{
    Run, World, account, at, claimed, final_of, finished, id, new, request, request_with_webhook, succeeded,
};
use crate::delivery::Verdict;
use crate::prediction::{CreateOutcome, Cursor, FileRow, Idempotency, NewPrediction};
use crate::upload::Upload;

/// The `number`-th upload of an account, which expires a second after it was made.
pub(super) fn upload(number: u32, owner: &str) -> Upload {
    let created_at = at(i64::from(number));
    Upload {
        id: FileId::new(created_at, u128::from(number)),
        account: account(owner),
        name: "ä \"b\".png".to_owned(),
        content_type: "image/png".to_owned(),
        size: 7,
        sha256: "0f".repeat(32),
        metadata: Json::parse(r#"{"a":[1,"\u0000"]}"#).expect("JSON"),
        created_at,
        expires_at: Some(at(i64::from(number) + 1000)),
    }
}

async fn add(world: &World, upload: &Upload) {
    world.store.add_upload(upload).await.expect("the upload is written");
}

async fn find(world: &World, number: u32, owner: &str) -> Option<Upload> {
    let id = upload(number, owner).id;
    world.store.upload(&account(owner), id).await.expect("the upload is read")
}

/// Everything that is known of an upload comes back, to its owner.
pub async fn an_upload_is_kept_as_it_was(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let for_ever = Upload { expires_at: None, ..upload(2, "acme") };
    for upload in [&upload(1, "acme"), &for_ever] {
        add(&world, upload).await;
    }
    assert_eq!(find(&world, 1, "acme").await, Some(upload(1, "acme")));
    assert_eq!(find(&world, 2, "acme").await, Some(for_ever));
    assert_eq!(find(&world, 1, "other").await, None);
    assert_eq!(find(&world, 3, "acme").await, None);
}

/// What is recorded as a file before its bytes come is nobody's until it becomes an upload, and then its own.
pub async fn an_upload_is_no_unowned_file(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let uploads = [upload(1, "acme"), upload(2, "acme")];
    for Upload { id: file, name, created_at, .. } in &uploads {
        let (name, created_at) = (name.clone(), *created_at);
        let row = FileRow { id: *file, prediction: id(1), name, size: 0, created_at };
        world.store.add_file(row).await.expect("the file is written");
    }
    add(&world, &uploads[0]).await;
    let page = world.store.unowned_files(at(9), None, 10).await.expect("the files are read");
    assert_eq!(page.unowned, [uploads[1].id]);
}

/// Newest first, whichever way one pages, and never another account's.
pub async fn uploads_are_listed_newest_first(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for number in 1..=7 {
        add(&world, &upload(number, "acme")).await;
        add(&world, &upload(number + 10, "other")).await;
    }
    let page = async |cursor| {
        let found = world.store.list_uploads(&account("acme"), cursor, 3).await.expect("the page is read");
        found.into_iter().map(|upload| upload.created_at).collect::<Vec<_>>()
    };
    let place = |number| upload(number, "acme").id;
    let times = |numbers: &[i64]| numbers.iter().map(|number| at(*number)).collect::<Vec<_>>();
    assert_eq!(page(None).await, times(&[7, 6, 5]));
    assert_eq!(page(Some(Cursor::Before(place(5)))).await, times(&[4, 3, 2]));
    assert_eq!(page(Some(Cursor::Before(place(1)))).await, times(&[]));
    assert_eq!(page(Some(Cursor::After(place(1)))).await, times(&[4, 3, 2]));
    assert_eq!(page(Some(Cursor::After(place(5)))).await, times(&[7, 6]));
}

/// What is removed is gone, and removing it again is no mistake.
pub async fn an_upload_is_removed(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for number in [1, 2] {
        add(&world, &upload(number, "acme")).await;
    }
    for _ in 0..2 {
        world.store.remove_upload(upload(1, "acme").id).await.expect("the removal is written");
    }
    assert_eq!(find(&world, 1, "acme").await, None);
    assert_eq!(find(&world, 2, "acme").await, Some(upload(2, "acme")));
}

async fn expired(world: &World, millis: i64) -> Vec<FileId> {
    world.store.expired_uploads(at(millis), 10).await.expect("what is due is read")
}

/// The earliest first; what is kept for ever is never due.
pub async fn uploads_expire(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for number in [3, 1, 2] {
        add(&world, &upload(number, "acme")).await;
    }
    add(&world, &Upload { expires_at: None, ..upload(4, "acme") }).await;
    let ids = [1, 2, 3].map(|number| upload(number, "acme").id);
    assert!(expired(&world, 1000).await.is_empty());
    assert_eq!(expired(&world, 1002).await, ids[..2]);
    let one = world.store.expired_uploads(at(9000), 1).await.expect("what is due is read");
    assert_eq!(one, ids[..1]);
    world.store.remove_upload(ids[0]).await.expect("the removal is written");
    assert_eq!(expired(&world, 9000).await, ids[1..]);
}

async fn create(world: &World, number: u32, uploads: &[u32], key: Option<Idempotency>) -> CreateOutcome {
    let uploads = uploads.iter().map(|number| upload(*number, "acme").id).collect();
    let new = NewPrediction { uploads, idempotency: key, ..new(request(number)) };
    world.store.create(new).await.expect("the create is written or answered")
}

/// An upload outlives its time while a prediction has yet to read it, however that prediction was created.
pub async fn an_upload_stays_while_a_prediction_needs_it(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for number in 1..=3 {
        add(&world, &upload(number, "acme")).await;
    }
    let key = || Some(Idempotency { key: "k".to_owned(), request_sha256: [1; 32], expires_at: at(90_000) });
    assert_eq!(create(&world, 1, &[1, 2, 1], None).await, CreateOutcome::Created);
    assert_eq!(create(&world, 2, &[2], key()).await, CreateOutcome::Created);
    assert_eq!(create(&world, 3, &[3], key()).await, CreateOutcome::Replayed(id(2)));
    let ids = [1, 2, 3].map(|number| upload(number, "acme").id);
    assert_eq!(expired(&world, 9000).await, ids[2..], "a create that did not happen needs nothing");
    for (claimed, left) in world.claim(2).await.into_iter().zip([&[ids[0], ids[2]][..], &ids[..]]) {
        let mut run = Run::from(claimed);
        assert!(!expired(&world, 9000).await.contains(&ids[1]), "it runs");
        world.advance(&mut run, succeeded(), at(9000)).await;
        assert_eq!(expired(&world, 9000).await, left);
    }
    for id in ids {
        world.store.remove_upload(id).await.expect("the removal is written");
    }
    assert!(expired(&world, 9000).await.is_empty());
}

/// A receiver that has not answered yet may still want what the input names.
pub async fn an_upload_stays_while_a_message_is_owed(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    add(&world, &upload(1, "acme")).await;
    let request = request_with_webhook(1, &[WebhookEvent::Completed]);
    let new = NewPrediction { uploads: vec![upload(1, "acme").id], ..new(request) };
    world.store.create(new).await.expect("the create is written");
    let mut run = Run::from(world.claim(1).await.remove(0));
    let held = claimed(world.advance_here(&mut run, succeeded(), at(10)).await);
    assert!(expired(&world, 9000).await.is_empty());
    let delivered = finished(&world, &held, final_of(&held), 1, Verdict::Delivered);
    world.finish(delivered, at(20)).await;
    assert_eq!(expired(&world, 9000).await, [upload(1, "acme").id]);
}
