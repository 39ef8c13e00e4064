//! What a script says while it is played: every event, in order.

use serde_json::{Value, json};

use super::harness;
use crate::testing::{TestClock, all_events, lines};

async fn said(body: &str, input: Value) -> Vec<String> {
    said_and_slept(body, input).await.0
}

async fn said_and_slept(body: &str, input: Value) -> (Vec<String>, Vec<u128>) {
    let harness = harness(body, TestClock::jumping());
    let events = all_events(harness.start(&input)).await;
    (lines(&events), harness.clock.slept_ms())
}

#[tokio::test]
async fn the_fields_of_a_step_act_in_their_fixed_order() {
    let body = r#"
        output = "iterator"
        [[model.step]]
        fail = "enough"
        output = "piece"
        metric = { tokens = 3, model = "tiny" }
        log = "line\n"
        wait_ms = 20
        when = true
        [[model.step]]
        log = "never"
    "#;
    let (said, slept) = said_and_slept(body, json!({})).await;
    assert_eq!(
        said,
        [
            "started",
            r#"log "line\n""#,
            "metric tokens 3",
            r#"metric model "tiny""#,
            r#"item "piece""#,
            "failed: enough"
        ]
    );
    assert_eq!(slept, [20]);
}

#[tokio::test]
async fn each_kind_of_output() {
    let steps = "
        [[model.step]]
        output = 1
        [[model.step]]
        log = 'between'
        [[model.step]]
        output = { text = '{{ input.text }}', list = [1.5, true] }
    ";
    let cases = [
        (
            "value",
            ["started", "log \"between\"", r#"value {"list":[1.5,true],"text":"hi"}"#, "succeeded"].to_vec(),
        ),
        (
            "list",
            ["started", "log \"between\"", "item 1", r#"item {"list":[1.5,true],"text":"hi"}"#, "succeeded"]
                .to_vec(),
        ),
        (
            "iterator",
            ["started", "item 1", "log \"between\"", r#"item {"list":[1.5,true],"text":"hi"}"#, "succeeded"]
                .to_vec(),
        ),
    ];
    for (kind, expected) in cases {
        let body = format!("output = '{kind}'\n{steps}");
        assert_eq!(said(&body, json!({"text": "hi"})).await, expected, "{kind}");
    }
}

#[tokio::test]
async fn an_expression_gives_its_value_but_text_where_pieces_are_concatenated() {
    let steps = "
        [[model.step]]
        output = '{{ input.n + 1 }}'
        [[model.step]]
        output = 'n is {{ input.n }}'
    ";
    let said_by = async |kind| said(&format!("output = '{kind}'\n{steps}"), json!({"n": 2})).await;
    assert_eq!(said_by("iterator").await[1..3], ["item 3", r#"item "n is 2""#]);
    assert_eq!(said_by("concatenate").await[1..3], [r#"item "3""#, r#"item "n is 2""#]);
}

#[tokio::test]
async fn a_list_without_items_is_empty_and_a_value_without_output_is_absent() {
    let step = "[[model.step]]\nlog = 'x'";
    assert_eq!(said(&format!("output = 'list'\n{step}"), json!({})).await[2..], ["value []", "succeeded"]);
    assert_eq!(said(step, json!({})).await[2..], ["succeeded"]);
}

#[tokio::test]
async fn a_failed_run_has_no_output_unless_it_streams() {
    let steps = "[[model.step]]\noutput = 1\n[[model.step]]\nfail = 'no'";
    for kind in ["value", "list"] {
        assert_eq!(said(&format!("output = '{kind}'\n{steps}"), json!({})).await, ["started", "failed: no"]);
    }
    assert_eq!(
        said(&format!("output = 'iterator'\n{steps}"), json!({})).await,
        ["started", "item 1", "failed: no"]
    );
}

#[tokio::test]
async fn conditions_choose_steps() {
    let body = r#"
        output = "iterator"
        [[model.step]]
        when = "{{ input.mode == 'x' }}"
        output = "x"
        [[model.step]]
        when = "{{ input.mode != 'x' }}"
        output = "other"
        [[model.step]]
        when = false
        output = "never"
        [[model.step]]
        when = "{{ input.tags }}"
        output = "tagged"
    "#;
    assert_eq!(said(body, json!({"mode": "x", "tags": []})).await[1..], [r#"item "x""#, "succeeded"]);
    assert_eq!(
        said(body, json!({"mode": "y", "tags": [1]})).await[1..],
        [r#"item "other""#, r#"item "tagged""#, "succeeded"]
    );
}

#[tokio::test]
async fn repetitions_know_their_number() {
    let body = r#"
        output = "concatenate"
        [[model.step]]
        repeat = "{{ input.n }}"
        wait_ms = "{{ index * 10 }}"
        output = "{{ loop.index }}/{{ loop.length }}{{ '' if loop.last else ', ' }}"
        [[model.step]]
        repeat = 0
        output = "never"
        [[model.step]]
        output = " {{ index }}{{ loop.first }}{{ loop.index0 }}"
    "#;
    let (said, slept) = said_and_slept(body, json!({"n": 3})).await;
    assert_eq!(
        said[1..],
        [r#"item "1/3, ""#, r#"item "2/3, ""#, r#"item "3/3""#, r#"item " 1true0""#, "succeeded"]
    );
    assert_eq!(slept, [10, 20, 30]);
}

#[tokio::test]
async fn waits_are_scaled_and_zero_means_no_timer_at_all() {
    let body = |scale: &str| {
        format!("time_scale = {scale}\nboot_ms = 500\n[[model.step]]\nwait_ms = 100\nrepeat = 2")
    };
    for (scale, slept) in
        [("1", vec![500, 100, 100]), ("0.1", vec![50, 10, 10]), ("2.5", vec![1250, 250, 250]), ("0", vec![])]
    {
        assert_eq!(said_and_slept(&body(scale), json!({})).await.1, slept, "{scale}");
    }
}

#[tokio::test]
async fn booting_comes_before_the_start() {
    let harness = harness("boot_ms = 10\n[[model.step]]\nlog = 'x'", TestClock::frozen());
    let run = harness.start(&json!({}));
    harness.cancel.cancel();
    assert_eq!(lines(&all_events(run).await), ["canceled"]);
}

#[tokio::test]
async fn crashes_name_the_exit_status() {
    let crash = async |value: &str| {
        said(&format!("[[model.step]]\nlog = ''\ncrash = {value}"), json!({})).await.pop()
    };
    let died =
        |status: u8| Some(format!("failed: The model process exited unexpectedly (exit status {status})."));
    assert_eq!(crash("true").await, died(1));
    assert_eq!(crash("137").await, died(137));
    assert_eq!(crash("false").await.as_deref(), Some("succeeded"));
}

#[tokio::test]
async fn declared_inputs_have_their_defaults() {
    let body = "
        [model.input.mode]
        type = 'string'
        default = 'fast'
        [model.input.seed]
        type = 'integer'
        required = false
        [[model.step]]
        output = { mode = '{{ input.mode }}', seed = '{{ input.seed }}' }
    ";
    assert_eq!(said(body, json!({})).await[1], r#"value {"mode":"fast","seed":null}"#);
    assert_eq!(said(body, json!({"mode": "slow", "seed": 7})).await[1], r#"value {"mode":"slow","seed":7}"#);
}

#[tokio::test]
async fn files_are_reported_by_path() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cat.png"), b"png").unwrap();
    let script = folder.path().join("cats.toml");
    std::fs::write(&script, "[[model]]\nowner = 'a'\nname = 'b'\noutput = 'list'\n[[model.step]]\noutput_file = 'cat.png'\nrepeat = 2").unwrap();
    let models = crate::Scripts::load(&[script]).unwrap().into_models();
    let harness = crate::testing::Harness::new(models, TestClock::jumping());
    let events = all_events(harness.start(&json!({}))).await;
    assert_eq!(
        lines(&events),
        ["started", "file cat.png", "file cat.png", "succeeded"]
            .map(|line| line.replace("file", "item file"))
    );
    let crate::RunEvent::Output(crate::Output::Item(crate::Produced::File(file))) = &events[1] else {
        panic!("{events:?}")
    };
    assert_eq!(file.content, crate::FileContent::Path(folder.path().join("cat.png")));
}

#[tokio::test]
async fn a_wrong_template_fails_the_run_and_says_where_and_why() {
    let cases = [
        (
            "log = 'ok'\n[[model.step]]\noutput = '{{ input.txet }}'",
            r#"step 2, output: "input.txet" is undefined"#,
        ),
        ("log = 'say {{ input.a.b }}'", r#"step 1, log: "input.a.b" is undefined"#),
        (
            "fail = '{{ input.text + 1 }}'",
            r#"step 1, fail: tried to use + operator on unsupported types string and number in "input.text + 1""#,
        ),
        ("metric = { n = '{{ 1 / 0 }}' }", r#"step 1, metric: unable to calculate 1 / 0 in "1 / 0""#),
        ("output = '{{ input.text|nope }}'", r#"step 1, output: filter nope is unknown in "nope""#),
        ("wait_ms = '{{ input.text }}'", r#"step 1, wait_ms: "hi" is not a number from 0 to 86400000"#),
        ("wait_ms = '{{ -1 }}'", "step 1, wait_ms: -1 is not a number from 0 to 86400000"),
        (
            "repeat = '{{ 1000001 }}'\nlog = 'x'",
            "step 1, repeat: 1000001 is not a whole number from 0 to 1000000",
        ),
        ("repeat = '{{ 1.5 }}'\nlog = 'x'", "step 1, repeat: 1.5 is not a whole number from 0 to 1000000"),
        ("when = '{{ input.flag }}'\nlog = 'x'", r#"step 1, when: "input.flag" is undefined"#),
        (
            "log = '{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}'",
            "step 1, log: engine ran out of fuel",
        ),
    ];
    for (step, reason) in cases {
        let said = said(&format!("[[model.step]]\n{step}"), json!({"text": "hi"})).await;
        assert_eq!(said.last(), Some(&format!("failed: script error in {reason}")), "{step}");
    }
}
