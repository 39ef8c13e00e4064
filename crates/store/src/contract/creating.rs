//! Creating predictions, once.

use std::sync::Arc;
use std::time::Duration;

use cogwire_core::prediction::{Kind, Prediction, Request, Source, Status};
use cogwire_core::webhook::event::WebhookEvent;

use futures_util::future::join_all;

use super::Home;
use super::fixture::{TRACE, World, account, at, id, new, request, request_with_webhook};
use crate::Error;
use crate::prediction::{CreateOutcome, Idempotency, NewPrediction};

/// Everything that was asked comes back.
pub async fn a_prediction_is_loaded_as_it_was_created(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let asked = Request {
        kind: Kind::Training,
        source: Source::Web,
        cancel_at: Some(at(90_000)),
        streams: false,
        destination: Some("acme/tuned".parse().expect("a model's name")),
        trace: Some(TRACE.parse().expect("a trace")),
        ..request_with_webhook(1, &[WebhookEvent::Start, WebhookEvent::Completed])
    };
    world.create(asked.clone()).await;
    assert_eq!(world.load(id(1)).await, Prediction::new(asked));
    assert_eq!(world.find(id(2)).await, None);
}

/// A prediction that is created as claimed does not wait.
pub async fn a_prediction_can_be_created_as_claimed(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = world.create_run(request(1)).await;
    assert!(world.claim(10).await.is_empty());
    world.advance(&mut run, super::fixture::started(at(5)), at(5)).await;
    assert_eq!(world.load(id(1)).await.status(), Status::Processing);
}

fn with_key(number: u32, key: &str, body: u8) -> NewPrediction {
    let expires_at = at(i64::from(number)) + Duration::from_secs(60);
    let idempotency = Some(Idempotency { key: key.to_owned(), request_sha256: [body; 32], expires_at });
    NewPrediction { idempotency, ..new(request(number)) }
}

async fn create(world: &World, new: NewPrediction) -> CreateOutcome {
    world.store.create(new).await.expect("the create is written or answered")
}

/// The same key gives the same prediction, and another request under it is noticed.
pub async fn an_idempotency_key_creates_once(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    assert_eq!(create(&world, with_key(1, "k", 7)).await, CreateOutcome::Created);
    assert_eq!(create(&world, with_key(2, "k", 7)).await, CreateOutcome::Replayed(id(1)));
    assert_eq!(create(&world, with_key(3, "k", 8)).await, CreateOutcome::KeyReused);
    assert_eq!(create(&world, with_key(4, "other", 8)).await, CreateOutcome::Created);
    assert_eq!((world.find(id(2)).await, world.find(id(3)).await), (None, None));
}

/// Two requests at once under the same key make one prediction.
pub async fn a_key_that_is_used_twice_at_once_creates_once(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let (one, other) = tokio::join!(create(&world, with_key(1, "k", 7)), create(&world, with_key(2, "k", 7)));
    let replayed = match (one, other) {
        (CreateOutcome::Created, CreateOutcome::Replayed(id))
        | (CreateOutcome::Replayed(id), CreateOutcome::Created) => id,
        other => panic!("one creates, and it was {other:?}"),
    };
    let there = [world.find(id(1)).await.is_some(), world.find(id(2)).await.is_some()];
    assert_eq!(there, [replayed == id(1), replayed == id(2)]);
}

/// However many ask at once, one prediction is made, and everybody hears of it.
pub async fn a_key_that_many_use_at_once_creates_once(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    super::catalog::register(&world, "acme/story", 1).await;
    let outcomes = join_all((1..=20).map(|number| create(&world, with_key(number, "k", 7)))).await;
    let created = outcomes.iter().position(|outcome| *outcome == CreateOutcome::Created);
    let created = id(created.expect("one creates") as u32 + 1);
    let replayed = outcomes.iter().filter(|outcome| **outcome == CreateOutcome::Replayed(created)).count();
    assert_eq!(replayed, 19, "{outcomes:?}");
    for number in 1..=20 {
        assert_eq!(world.find(id(number)).await.is_some(), id(number) == created);
    }
    assert_eq!(runs(&world).await, 1);
}

/// A key that has expired is as good as forgotten.
pub async fn an_expired_key_is_free_again(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    assert_eq!(create(&world, with_key(1, "k", 7)).await, CreateOutcome::Created);
    assert_eq!(create(&world, with_key(60_000, "k", 7)).await, CreateOutcome::Replayed(id(1)));
    assert_eq!(create(&world, with_key(60_001, "k", 8)).await, CreateOutcome::Created);
    assert_eq!(create(&world, with_key(60_002, "k", 8)).await, CreateOutcome::Replayed(id(60_001)));
}

/// Two accounts may use the same key.
pub async fn a_key_belongs_to_its_account(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    assert_eq!(create(&world, with_key(1, "k", 7)).await, CreateOutcome::Created);
    let mut other = with_key(2, "k", 7);
    other.request.account = account("other");
    assert_eq!(create(&world, other).await, CreateOutcome::Created);
}

/// An id names one prediction. The refused create takes no idempotency key either.
pub async fn an_id_that_is_taken_is_refused(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    world.create(request(1)).await;
    let refused = world.store.create(with_key(1, "k", 7)).await;
    assert!(matches!(refused, Err(Error::Backend(_))), "{refused:?}");
    assert_eq!(create(&world, with_key(2, "k", 8)).await, CreateOutcome::Created);
}

/// A model knows how often it was called, and only creates that happened count.
pub async fn runs_are_counted(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    super::catalog::register(&world, "acme/story", 1).await;
    for number in [1, 2, 3] {
        world.create(request(number)).await;
    }
    assert!(world.store.create(new(request(3))).await.is_err());
    assert_eq!(runs(&world).await, 3);
}

async fn runs(world: &World) -> u64 {
    let model = world.store.model(&request(1).model).await.expect("the model is read");
    model.expect("it is registered").run_count
}

/// What is created together is created and counted one by one, and one that is refused spoils no other.
pub async fn many_are_created_at_once(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    super::catalog::register(&world, "acme/story", 1).await;
    let numbers = (1..=600).map(|number| if number % 100 == 0 { number - 1 } else { number });
    let outcomes = join_all(numbers.clone().map(|number| world.store.create(new(request(number))))).await;
    let created = outcomes.iter().filter(|outcome| matches!(outcome, Ok(CreateOutcome::Created))).count();
    let refused = outcomes.iter().filter(|outcome| matches!(outcome, Err(Error::Backend(_)))).count();
    assert_eq!((created, refused), (594, 6));
    assert_eq!(runs(&world).await, 594);
    for number in numbers {
        assert_eq!(world.load(id(number)).await, Prediction::new(request(number)));
    }
}
