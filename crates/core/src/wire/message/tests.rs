//! Bodies, by properties: whatever the prediction holds and the webhook asks for.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::id::PredictionId;
use crate::json::Json;
use crate::link::LinkKey;
use crate::prediction::{AccountId, Content, Ended, Kind, Outcome, Request, Source, State};
use crate::time::Timestamp;
use crate::webhook::event::{EventSet, Webhook};
use crate::webhook::options::WebhookOptions;
use crate::wire::{Mask, prediction_body};

const CREATED: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
const LONG_NAME: usize = crate::model::MAX_NAME_LENGTH;

/// As long as the public URL of a server can be.
fn links() -> Links {
    let label = "h".repeat(63);
    Links::new(&format!("https://{label}.{label}.{label}.{}:65535", &label[..61]), LinkKey::new([7; 32]))
}

fn prediction(rule: BodyRule, shape: PayloadShape, content: Content, outcome: Outcome) -> Prediction {
    let name = "n".repeat(LONG_NAME);
    let request = Request {
        id: PredictionId::new(CREATED, 42),
        account: AccountId("cogwire".into()),
        kind: Kind::Prediction,
        model: format!("{name}/{name}").parse().expect("a name"),
        version: "a".repeat(64).parse().expect("an id"),
        source: Source::Api,
        created_at: CREATED,
        input: Json::parse(r#"{"prompt":"once"}"#).expect("JSON"),
        webhook: Some(Webhook {
            url: "http://localhost:3000/hook".to_owned(),
            origin: "http://localhost:3000".to_owned(),
            events: EventSet::DEFAULT,
            filter: None,
            payload: shape,
            options: WebhookOptions { body: rule, ..WebhookOptions::default() },
        }),
        cancel_at: None,
        streams: true,
        destination: None,
        trace: None,
    };
    let ended = Ended { outcome, started_at: Some(CREATED), completed_at: CREATED };
    Prediction { state: State::Ended(ended), content, ..Prediction::new(request) }
}

fn body(prediction: &Prediction) -> String {
    message_body(prediction, WebhookEvent::Completed, &links())
}

/// The body under another rule.
fn with(prediction: &Prediction, rule: BodyRule) -> String {
    let mut prediction = prediction.clone();
    let webhook = Arc::make_mut(&mut prediction.request).webhook.as_mut();
    webhook.expect("it has one").options.body = rule;
    body(&prediction)
}

fn parsed(body: &str) -> Value {
    serde_json::from_str(body).expect("a body is JSON")
}

fn any_content() -> impl Strategy<Value = Content> {
    let text = || {
        prop_oneof!["[\\x00-\\x1f\"\\\\a-zä😀]{0,40}", Just("\u{1}".repeat(5_000)), Just("log\n".repeat(900))]
    };
    let output = prop_oneof![
        Just(OutputContent::None),
        text().prop_map(|text| OutputContent::Value(Json::string(&text))),
        prop::collection::vec(text().prop_map(|text| Json::string(&text)), 0..4)
            .prop_map(OutputContent::Items),
        Just(OutputContent::Value(Json::parse(r#"{"data":{"thin":true},"thin":true}"#).expect("JSON"))),
    ];
    (text(), output).prop_map(|(logs, output)| Content { logs, output, ..Content::default() })
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Succeeded),
        Just(Outcome::Failed("\u{1}".repeat(10_000))),
        "\\PC{0,2000}".prop_map(Outcome::Failed),
    ]
}

fn any_rule() -> impl Strategy<Value = BodyRule> {
    (prop::option::of(0u64..40_000), prop::option::of(0u64..5_000))
        .prop_map(|(thin_above, log_tail)| BodyRule { thin_above, log_tail })
}

fn any_shape() -> impl Strategy<Value = PayloadShape> {
    prop_oneof![Just(PayloadShape::Prediction), Just(PayloadShape::Event)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_body_is_canonical_and_as_short_as_its_rule_says(
        rule in any_rule(), shape in any_shape(), content in any_content(), outcome in any_outcome(),
    ) {
        let prediction = prediction(rule, shape, content, outcome);
        let body = body(&prediction);
        let canonical = Json::parse(&body);
        prop_assert_eq!(canonical.as_ref().map(Json::as_str), Ok(body.as_str()));
        let unbounded = BodyRule { thin_above: None, ..rule };
        let whole = with(&prediction, unbounded);
        let too_long = rule.thin_above.is_some_and(|most| whole.len() as u64 > most);
        prop_assert_eq!(is_thin(body.as_bytes()), too_long);
        if too_long {
            prop_assert!(body.len() <= MAX_THIN_BODY, "{} bytes", body.len());
        } else {
            prop_assert_eq!(&body, &whole);
        }
        let all = parsed(&body);
        let data = if shape == PayloadShape::Event { &all["data"] } else { &all };
        prop_assert_eq!(data["thin"] == true, too_long);
        prop_assert!(data["id"] == prediction.id().as_str());
        prop_assert_eq!(&data["status"], prediction.status().as_str());
    }

    #[test]
    fn whole_bodies_are_what_the_api_shows_but_for_their_logs(
        rule in any_rule(), content in any_content(), outcome in any_outcome(),
    ) {
        let rule = BodyRule { thin_above: None, ..rule };
        let prediction = prediction(rule, PayloadShape::Prediction, content, outcome);
        let shown = prediction_body(&prediction, &links(), Mask::None);
        let (mut body, mut shown) = (parsed(&body(&prediction)), parsed(&shown));
        let (logs, all) = (body["logs"].take(), shown["logs"].take());
        prop_assert_eq!(body, shown);
        let tail = rule.log_tail.map_or(prediction.content.logs.len() as u64, |most| most);
        let unchanged = prediction.content.logs.len() as u64 <= tail;
        prop_assert_eq!(logs == all, unchanged);
    }

    #[test]
    fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..60)) {
        prop_assert!(!is_thin(&body));
    }
}

#[test]
fn a_thin_body_says_where_the_rest_is() {
    let rule = BodyRule { thin_above: Some(0), log_tail: None };
    let failed = Outcome::Failed("out of memory".to_owned());
    let mut prediction = prediction(rule, PayloadShape::Event, Content::default(), failed);
    Arc::make_mut(&mut prediction.request).model = "acme/story".parse().expect("a name");
    let links = Links::new("https://cogwire.example", LinkKey::new([7; 32]));
    let body = parsed(&message_body(&prediction, WebhookEvent::Completed, &links));
    assert_eq!(body["type"], "prediction.completed");
    let data = body["data"].as_object().expect("an object");
    let members: Vec<&str> = data.keys().map(String::as_str).collect();
    let expected = [
        "completed_at",
        "created_at",
        "error",
        "id",
        "model",
        "started_at",
        "status",
        "thin",
        "urls",
        "version",
    ];
    assert_eq!(members, expected);
    assert_eq!((&data["error"], &data["model"]), (&"out of memory".into(), &"acme/story".into()));
    let id = prediction.id();
    assert_eq!(data["urls"]["get"], format!("https://cogwire.example/v1/predictions/{id}"));
}

#[test]
fn long_errors_of_thin_bodies_are_cut() {
    let rule = BodyRule { thin_above: Some(0), log_tail: None };
    let error = |text: String| {
        let failed = prediction(rule, PayloadShape::Prediction, Content::default(), Outcome::Failed(text));
        parsed(&body(&failed))["error"].as_str().expect("an error").to_owned()
    };
    assert_eq!(error("e".repeat(1024)), "e".repeat(1024));
    assert_eq!(error("e".repeat(1025)), "e".repeat(1024) + "…");
    assert_eq!(error("ä".repeat(600)), "ä".repeat(512) + "…");
    assert_eq!(error("\n".repeat(600)), "\n".repeat(512) + "…");
}

#[test]
fn the_end_of_the_logs_may_be_enough_to_stay_whole() {
    let rule = BodyRule { thin_above: Some(4_000), log_tail: Some(100) };
    let content = Content { logs: "step\n".repeat(100_000), ..Content::default() };
    let whole = prediction(rule, PayloadShape::Prediction, content.clone(), Outcome::Succeeded);
    let logs = parsed(&body(&whole))["logs"].as_str().expect("logs").to_owned();
    assert!(logs.starts_with("[… 499900 bytes of earlier logs are not shown]\nstep\n"), "{logs}");
    let rule = BodyRule { log_tail: None, ..rule };
    assert!(is_thin(
        body(&prediction(rule, PayloadShape::Prediction, content, Outcome::Succeeded)).as_bytes()
    ));
}
