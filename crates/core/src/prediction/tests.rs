//! The lifecycle, by properties: whatever happens in whatever order.

use proptest::prelude::*;

use super::*;
use crate::json::MAX_DEPTH;
use crate::link::LinkKey;
use crate::webhook::event::{EventSet, PayloadShape, WebhookEvent};
use crate::webhook::options::WebhookOptions;
use crate::wire::{Links, Mask, prediction_body};

fn links() -> Links {
    Links::new("http://localhost:8787/", LinkKey::new([7; 32]))
}

fn prediction(events: EventSet) -> Prediction {
    let created_at = Timestamp::from_micros(1_700_000_000_000_000);
    Prediction::new(Request {
        id: PredictionId::new(created_at, 42),
        account: AccountId("cogwire".into()),
        kind: Kind::Prediction,
        model: "acme/story".parse().expect("a name"),
        version: "a".repeat(64).parse().expect("an id"),
        source: Source::Api,
        created_at,
        input: Json::parse(r#"{"prompt":"once"}"#).expect("JSON"),
        webhook: Some(Webhook {
            url: "http://localhost:3000/hook".to_owned(),
            origin: "http://localhost:3000".to_owned(),
            events,
            filter: None,
            payload: PayloadShape::Prediction,
            options: WebhookOptions::default(),
        }),
        cancel_at: None,
        streams: true,
        destination: None,
        trace: None,
    })
}

fn any_chunk_event() -> impl Strategy<Value = ChunkEvent> {
    prop_oneof![
        ".{0,8}".prop_map(ChunkEvent::Log),
        any::<i32>().prop_map(|n| ChunkEvent::Item(Json::number(n.into()))),
        ".{0,8}".prop_map(|text| ChunkEvent::Value(Json::string(&text))),
        ("[a-z0-9]{1,3}", any::<i32>())
            .prop_map(|(name, n)| ChunkEvent::Metric(name, Json::number(n.into()))),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    let end = prop_oneof![Just(RunEnd::Succeeded), Just(RunEnd::Canceled), ".{0,8}".prop_map(RunEnd::Failed)];
    let report =
        (any::<bool>(), prop::collection::vec(any_chunk_event(), 0..4), prop::option::weighted(0.2, end))
            .prop_map(|(started, events, end)| {
                let started_at = started.then_some(Timestamp::from_micros(1_700_000_000_500_000));
                Event::Ran(Report { started_at, events, end })
            });
    let deadline = prop_oneof![
        Just(DeadlineKind::CancelAfter),
        Just(DeadlineKind::Queue),
        Just(DeadlineKind::Setup),
        Just(DeadlineKind::Run)
    ];
    prop_oneof![
        8 => report,
        1 => Just(Event::CancelRequested),
        1 => deadline.prop_map(Event::Expired),
        1 => Just(Event::Lost(Loss::Interrupted)),
    ]
}

proptest! {
    #[test]
    fn nothing_leaves_the_end_and_every_end_yields_one_completed(
        events in prop::collection::vec(any_event(), 1..30),
        filter in 0u8..16,
    ) {
        let filter = EventSet::from_bits(filter);
        let mut prediction = prediction(filter);
        let (mut completed, mut starts) = (0, 0);
        for (step, event) in events.into_iter().enumerate() {
            let before = prediction.clone();
            let now = Timestamp::from_micros(1_700_000_001_000_000 + step as i64);
            let Ok(transition) = prediction.apply(event, now, &links()) else {
                prop_assert_eq!(&before, &prediction);
                continue;
            };
            prop_assert!(!before.status().is_terminal(), "{} was left", before.status());
            prop_assert_eq!(transition.expected_revision(), before.revision);
            prop_assert_eq!(transition.result().is_some(), transition.next().completed_at().is_some());
            completed += u32::from(transition.wants().completed.is_some());
            starts += u32::from(transition.wants().start);
            prediction.absorb(transition);
            prop_assert_eq!(prediction.revision, before.revision + 1);
            prop_assert!(prediction.next_event >= before.next_event);
        }
        let ended = prediction.status().is_terminal();
        prop_assert_eq!(completed, u32::from(ended && filter.contains(WebhookEvent::Completed)));
        prop_assert!(starts <= u32::from(filter.contains(WebhookEvent::Start)));
    }

    #[test]
    fn chunks_read_back_as_they_were_written(events in prop::collection::vec(any_chunk_event(), 1..6), first in 0u64..9) {
        let chunk = Chunk { first, events };
        prop_assert_eq!(Chunk::decode(first, &chunk.encode()), Ok(chunk));
    }

    #[test]
    fn what_readers_see_is_canonical_json(events in prop::collection::vec(any_event(), 0..10)) {
        let mut prediction = prediction(EventSet::DEFAULT);
        for event in events {
            if let Ok(transition) = prediction.apply(event, Timestamp::from_micros(1_700_000_002_000_000), &links()) {
                prediction.absorb(transition);
            }
        }
        let body = prediction_body(&prediction, &links(), Mask::None);
        let canonical = Json::parse(&body);
        prop_assert_eq!(canonical.as_ref().map(Json::as_str), Ok(body.as_str()));
    }
}

#[test]
fn a_deadline_before_the_start_aborts_and_afterwards_cancels() {
    let now = Timestamp::from_micros(1_700_000_009_000_000);
    let mut prediction = prediction(EventSet::DEFAULT);
    let expired = Event::Expired(DeadlineKind::CancelAfter);
    let aborted = prediction.apply(expired.clone(), now, &links()).expect("it is live");
    assert_eq!(aborted.next().status(), Status::Aborted);
    let started = Event::Ran(Report { started_at: Some(now), ..Report::default() });
    prediction.absorb(prediction.apply(started, now, &links()).expect("it is live"));
    assert_eq!(
        prediction.apply(expired, now, &links()).expect("it is live").next().status(),
        Status::Canceled
    );
}

#[test]
fn the_nearest_deadline_is_in_force() {
    let mut request = (*prediction(EventSet::NONE).request).clone();
    let limits = Limits::default();
    let queue = limits.deadline(&request, &State::Starting, None).expect("it is live");
    assert_eq!((queue.kind, queue.at), (DeadlineKind::Queue, request.created_at + limits.queue));
    request.cancel_at = Some(request.created_at + std::time::Duration::from_secs(5));
    assert_eq!(
        limits.deadline(&request, &State::Starting, None).map(|d| d.kind),
        Some(DeadlineKind::CancelAfter)
    );
}

#[test]
fn a_client_that_waited_too_long_sees_it_as_it_was_created() {
    let mut prediction = prediction(EventSet::NONE);
    let now = Timestamp::from_micros(1_700_000_003_000_000);
    let said = Report { events: vec![ChunkEvent::Item(Json::number(1.0))], ..Report::default() };
    prediction.absorb(prediction.apply(Event::Ran(said), now, &links()).expect("it is live"));
    let body: serde_json::Value =
        serde_json::from_str(&prediction_body(&prediction, &links(), Mask::AsCreated)).expect("JSON");
    assert_eq!(
        (&body["status"], &body["output"], &body["started_at"]),
        (&"starting".into(), &().into(), &().into())
    );
}

#[test]
fn a_metric_that_is_too_deep_is_left_out_of_the_others() {
    let nested = |depth: usize| {
        Json::parse(&format!("{}{}", "[".repeat(depth), "]".repeat(depth))).expect("it is not too deep")
    };
    let metrics =
        [("deepest", nested(MAX_DEPTH)), ("deep", nested(MAX_DEPTH - 1)), ("10", Json::number(1.0))];
    let content = Content {
        metrics: metrics.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        ..Content::default()
    };
    let shown = content.metrics_json();
    assert_eq!(Json::parse(shown.as_str()).as_ref(), Ok(&shown));
    assert!(
        shown.as_str().starts_with(r#"{"10":1,"deep":[["#) && !shown.as_str().contains("deepest"),
        "{shown}"
    );
}
