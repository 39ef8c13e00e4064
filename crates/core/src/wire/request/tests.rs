use proptest::prelude::*;
use serde_json::json;

use super::*;

fn parse(body: &serde_json::Value) -> Result<CreateBody, InvalidBody> {
    CreateBody::parse(body.to_string().as_bytes(), Envelope::Versioned)
}

/// The faults, each as `type field: description`.
fn faults(body: &serde_json::Value, envelope: Envelope) -> Vec<String> {
    match CreateBody::parse(body.to_string().as_bytes(), envelope) {
        Err(InvalidBody::Invalid(invalid)) => invalid
            .fields
            .iter()
            .map(|fault| {
                let hint = fault.hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})"));
                format!("{} {}: {}{hint}", fault.kind, fault.field, fault.description)
            })
            .collect(),
        other => panic!("expected faults of {body}, got {other:?}"),
    }
}

#[test]
fn a_whole_body_is_read() {
    let body = parse(&json!({
        "version": "replicate/hello-world", "input": {"b": 1, "a": [true]},
        "webhook": "https://example.com/hook?customer=7", "webhook_events_filter": ["completed", "start", "start"],
    }))
    .expect("valid");
    assert_eq!(body.version.as_deref(), Some("replicate/hello-world"));
    assert_eq!(body.input.as_str(), r#"{"a":[true],"b":1}"#);
    let webhook = body.webhook.expect("a webhook");
    assert_eq!(webhook.as_str(), "https://example.com/hook?customer=7");
    assert_eq!(webhook.origin(), "https://example.com");
    let events: Vec<&str> = body.filter.expect("a filter").iter().map(WebhookEvent::as_str).collect();
    assert_eq!(events, ["start", "completed"]);
    assert_eq!(body.warnings, Vec::<String>::new());
}

#[test]
fn faults_of_the_envelope() {
    let cases = [
        (json!({}), vec!["required : version is required", "required : input is required"]),
        (
            json!({"model": "a/b", "input": {}}),
            vec![
                "required : version is required",
                "additional_property_not_allowed : Additional property model is not allowed",
            ],
        ),
        (
            json!({"version": "v", "input": {}, "webhook_event_filter": []}),
            vec![
                "additional_property_not_allowed : Additional property webhook_event_filter is not allowed (did you mean webhook_events_filter?)",
            ],
        ),
        (
            json!({"version": "v", "input": {}, "seed": 1}),
            vec!["additional_property_not_allowed : Additional property seed is not allowed"],
        ),
        (
            json!({"version": 7, "input": "text"}),
            vec![
                "invalid_type version: Invalid type. Expected: string, given: integer",
                "invalid_type input: Invalid type. Expected: object, given: string",
            ],
        ),
        (
            json!({"version": null, "input": null}),
            vec![
                "invalid_type version: Invalid type. Expected: string, given: null",
                "invalid_type input: Invalid type. Expected: object, given: null",
            ],
        ),
        (
            json!({"version": "v", "input": {}, "webhook_events_filter": "completed"}),
            vec!["invalid_type webhook_events_filter: Invalid type. Expected: array, given: string"],
        ),
        (
            json!({"version": "v", "input": {}, "webhook_events_filter": ["start", "complete", 1.5]}),
            vec![
                "enum webhook_events_filter.1: webhook_events_filter.1 must be one of the following: \"start\", \"output\", \"logs\", \"completed\" (did you mean completed?)",
                "invalid_type webhook_events_filter.2: Invalid type. Expected: string, given: number",
            ],
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(faults(&body, Envelope::Versioned), expected, "for {body}");
    }
}

#[test]
fn the_path_of_a_model_takes_no_version() {
    let body = json!({"version": "v", "input": {}});
    let [fault] = faults(&body, Envelope::OfModel).try_into().expect("one fault");
    assert!(fault.contains("Additional property version is not allowed"), "{fault}");
    let body = CreateBody::parse(br#"{"input":{}}"#, Envelope::OfModel).expect("valid");
    assert_eq!(body.version, None);
}

#[test]
fn typos_get_a_suggestion() {
    let names =
        ["inputs", "Input", "webhook_events", "webhook_url", "webhooks", "versions", "webhookEventsFilter"];
    let expected =
        ["input", "input", "webhook_events_filter", "webhook", "webhook", "version", "webhook_events_filter"];
    for (name, expected) in names.iter().zip(expected) {
        assert_eq!(nearest(name, Envelope::Versioned.members()), Some(expected), "for {name}");
    }
    assert_eq!(nearest("prompt", Envelope::Versioned.members()), None);
    assert_eq!(nearest(&"input".repeat(1000), Envelope::Versioned.members()), None);
}

#[test]
fn webhook_urls_that_are_refused() {
    for url in [
        "",
        "/hook",
        "example.com/hook",
        "ftp://example.com",
        "https://",
        "https://ex ample.com",
        " https://a.example",
        "https://a.example/\n",
    ] {
        let body = json!({"version": "v", "input": {}, "webhook": url});
        let [fault] = faults(&body, Envelope::Versioned).try_into().expect("one fault");
        assert!(fault.starts_with("format webhook: Does not match format 'uri'"), "{url:?}: {fault}");
    }
    let long = format!("https://example.com/{}", "a".repeat(MAX_WEBHOOK_URL));
    assert_eq!(faults(&json!({"version": "v", "input": {}, "webhook": long}), Envelope::Versioned).len(), 1);
}

#[test]
fn what_old_clients_send_is_accepted_with_a_warning() {
    let body = parse(
        &json!({"version": "v", "input": {}, "stream": true, "webhook_completed": "https://a.example"}),
    )
    .expect("valid");
    assert_eq!(body.webhook.expect("a webhook").as_str(), "https://a.example");
    assert_eq!(body.filter, Some(EventSet::NONE.with(WebhookEvent::Completed)));
    assert_eq!(body.warnings.len(), 2);

    let both = json!({"version": "v", "input": {}, "webhook": "https://b.example", "webhook_completed": "https://a.example"});
    let body = parse(&both).expect("valid");
    assert_eq!(body.webhook.expect("a webhook").as_str(), "https://b.example");
    assert_eq!((body.filter, body.warnings.len()), (None, 1));

    let nulls = json!({"version": "v", "input": {}, "webhook": null, "webhook_events_filter": null, "webhook_completed": null, "stream": null});
    let body = parse(&nulls).expect("valid");
    assert_eq!((body.webhook, body.filter, body.warnings.len()), (None, None, 0));
}

#[test]
fn bodies_that_are_not_an_object_or_not_json() {
    let cases: [(&[u8], &str); 8] = [
        (b"", "The request body is empty"),
        (b" \r\n", "The request body is empty"),
        (b"{\"version\": ", "not valid JSON: EOF while parsing a value at line 1 column 12"),
        (b"{\"version\": \"v\",}", "trailing comma at line 1 column 17"),
        (b"{} x", "trailing characters at line 1 column 4"),
        (b"[1, 2]", "must be a JSON object"),
        (b"\"text\"", "must be a JSON object"),
        (b"{\"version\":\"\xff\"}", "not valid JSON"),
    ];
    for (body, expected) in cases {
        let error = CreateBody::parse(body, Envelope::Versioned).expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
    }
    let deep = format!(r#"{{"version":"v","input":{{"a":{}}}}}"#, "[".repeat(500) + &"]".repeat(500));
    let error = CreateBody::parse(deep.as_bytes(), Envelope::Versioned).expect_err("too deep");
    assert!(error.to_string().contains("of `input`"), "{error}");
}

#[test]
fn the_last_of_two_members_counts() {
    let body = br#"{"version":"a","version":"b","input":{"x":1},"input":{}}"#;
    let body = CreateBody::parse(body, Envelope::Versioned).expect("valid");
    assert_eq!((body.version.as_deref(), body.input.as_str()), (Some("b"), "{}"));
}

proptest! {
    #[test]
    fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = CreateBody::parse(&body, Envelope::Versioned);
    }

    #[test]
    fn nearly_json_does_not_panic_either(text in "[\\[\\]{}\",:a-z0-9. \\\\u]{0,80}") {
        let _ = CreateBody::parse(format!("{{\"input\":{text}}}").as_bytes(), Envelope::OfModel);
    }

    #[test]
    fn the_input_arrives_whole(key in "[a-z]{1,8}", value in any::<i32>(), text in "\\PC{0,40}") {
        let input = json!({key: [value, text]});
        let body = parse(&json!({"version": "v", "input": input})).expect("valid");
        prop_assert_eq!(body.input, Json::from_value(&input));
    }
}

#[test]
fn a_training_names_its_destination_and_may_say_more_than_is_known() {
    let body = json!({"destination": "acme/tuned", "input": {"steps": 3}, "version": "ignored", "inpt": 1});
    let body = CreateBody::parse(body.to_string().as_bytes(), Envelope::Training).expect("valid");
    assert_eq!(body.destination.as_deref(), Some("acme/tuned"));
    assert_eq!(body.version, None);
    assert_eq!(body.warnings, ["`version` is ignored", "`inpt` is ignored: did you mean input?"]);
    assert_eq!(faults(&json!({"input": {}}), Envelope::Training), ["required : destination is required"]);
    assert_eq!(
        faults(&json!({"destination": 7, "input": {}}), Envelope::Training),
        ["invalid_type destination: Invalid type. Expected: string, given: integer"]
    );
    assert_eq!(
        faults(&json!({"version": "v", "destination": "a/b", "input": {}}), Envelope::Versioned),
        ["additional_property_not_allowed : Additional property destination is not allowed"]
    );
}
