//! What models give.

use super::*;

#[tokio::test]
async fn a_model_predicts_and_its_setup_is_heard() {
    for cog in COGS {
        let model = Test::new(cog, "hello.py:Predictor").start().await;
        assert_eq!(model.boot.logs(), "loading\n", "{cog}");
        let expected = ["started", r#"log "saying hello\n""#, r#"value "hello Alice""#, "succeeded"];
        assert_eq!(model.run(&json!({"text": "Alice"})).await, expected, "{cog}");
        assert_eq!(
            model.run(&json!({"text": "\u{fffd} \u{1F600}"})).await[2],
            "value \"hello \u{fffd} \u{1F600}\""
        );
        let pid = model.instance.pid().expect("it is a process");
        assert!(crate::process::memory().get(&pid).is_some_and(|bytes| *bytes > 1 << 20));
        model.stop().await;
    }
}

#[tokio::test]
async fn a_function_predicts() {
    for cog in COGS {
        let model = Test::new(cog, "hello.py:shout").start().await;
        assert_eq!(
            model.run(&json!({"text": "hi"})).await,
            ["started", r#"value "HI""#, "succeeded"],
            "{cog}"
        );
        model.stop().await;
    }
}

#[tokio::test]
async fn text_streams_piece_by_piece() {
    for cog in COGS {
        let iterator =
            json!({"type": "array", "x-cog-array-type": "iterator", "x-cog-array-display": "concatenate"});
        let model = Test::new(cog, "streams.py:Tokens").output(&iterator).start().await;
        let expected = [
            "started",
            r#"log "token 0\n""#,
            r#"item "t0 ""#,
            r#"log "token 1\n""#,
            r#"item "t1 ""#,
            "succeeded",
        ];
        assert_eq!(model.run(&json!({"count": 2})).await, expected, "{cog}");
        assert_eq!(model.run(&json!({"count": 0})).await, ["started", "value []", "succeeded"], "{cog}");
        let failed = model.run(&json!({"count": 2, "fail_at": 1})).await;
        assert_eq!(failed[..3], expected[..3], "{cog}");
        assert!(failed[3].contains("ValueError: told to fail at 1"), "{failed:?}");
        assert_eq!(failed[4], "failed: told to fail at 1", "{cog}");
        model.stop().await;
    }
}

#[tokio::test]
async fn asynchronous_generators_stream_too() {
    for cog in COGS {
        let iterator = json!({"type": "array", "x-cog-array-type": "iterator"});
        let model = Test::new(cog, "asynchronous.py:Tokens").asynchronous(2).output(&iterator).start().await;
        let (mut run, cancel) = model.begin(&json!({"count": 2, "hang": true}));
        let mut items = 0;
        while items < 2 {
            let event = run.events.recv().await.expect("it hangs after two items");
            items += usize::from(matches!(event, RunEvent::Output(_)));
        }
        cancel.cancel();
        assert_eq!(told(all_events(run).await), ["canceled"], "{cog}");
        let failed = model.run(&json!({"count": 1, "fail": true})).await;
        assert_eq!(failed.get(2).map(String::as_str), Some(r#"item "t0 ""#), "{failed:?} on {cog}");
        assert_eq!(failed.last().map(String::as_str), Some("failed: told to fail"), "{cog}");
        let large = model.run(&json!({"count": 0})).await;
        assert_eq!((large[1].len(), large[2].as_str()), (2_000_007, "succeeded"), "{cog}");
        model.stop().await;
    }
}

#[tokio::test]
async fn values_and_lists_are_told_apart() {
    for cog in COGS {
        let model = Test::new(cog, "zoo.py:Predictor").start().await;
        let cases: [(&str, &str, &[&str]); 6] = [
            ("values", "", &[r#"value {"a":[1,2.5,null,"ü"]}"#]),
            ("nothing", "", &[]),
            ("items", "ab", &[r#"item "a""#, r#"item "b""#]),
            ("items", "a", &[r#"item "a""#]),
            ("items", "", &["value []"]),
            ("echo", "[1]", &[r#"value "[1]""#]),
        ];
        for (what, text, expected) in cases {
            let told = model.zoo(what, text).await;
            assert_eq!(told[1..told.len() - 1], *expected, "{what} on {cog}");
            assert_eq!(told.last().map(String::as_str), Some("succeeded"));
        }
        model.stop().await;
    }
}

#[tokio::test]
async fn a_list_of_one_and_an_empty_list_are_lists() {
    let list = json!({"type": "array", "items": {"type": "string"}});
    let model = Test::new(NEWEST, "zoo.py:Predictor").output(&list).start().await;
    assert_eq!(model.zoo("items", "a").await, ["started", r#"item "a""#, "succeeded"]);
    assert_eq!(model.zoo("items", "").await, ["started", "value []", "succeeded"]);
    model.stop().await;
}

#[tokio::test]
async fn large_inputs_and_outputs_pass() {
    let model = Test::new(NEWEST, "zoo.py:Predictor").start().await;
    let length = model.zoo("length", &"x".repeat(20_000_000)).await;
    assert_eq!(length, ["started", "value 20000000", "succeeded"]);
    let large = model.zoo("large", "").await;
    assert_eq!((large[1].len(), large[2].as_str()), (20_000_008, "succeeded"));
    model.stop().await;
}

#[tokio::test]
async fn inputs_have_the_types_that_the_model_wants() {
    for cog in COGS {
        let model = Test::new(cog, "inputs.py:Predictor").start().await;
        let url = |text: &str| format!("data:text/plain,{text}");
        let input = json!({"file": url("one"), "files": [url("two"), url("three")]});
        assert_eq!(
            model.run(&input).await,
            ["started", r#"value "one two three None 3 7""#, "succeeded"],
            "{cog}"
        );
        let input = json!({"file": url("one"), "files": [], "name": "n", "count": 4, "size": 5});
        assert_eq!(model.run(&input).await, ["started", r#"value "one n 4 5""#, "succeeded"], "{cog}");
        model.stop().await;
    }
    let model = Test::new(NEWEST, "inputs.py:tell").start().await;
    let expected = ["started", r#"value "********** is hush!""#, "succeeded"];
    assert_eq!(model.run(&json!({"password": "hush"})).await, expected);
    model.stop().await;
}

#[tokio::test]
async fn a_runner_runs_and_decorators_do_not_hide_defaults() {
    let model = Test::new(NEWEST, "runner.py:Runner").start().await;
    assert_eq!(model.boot.logs(), "");
    assert_eq!(model.run(&json!({"text": "ha"})).await, ["started", r#"value "haha""#, "succeeded"]);
    assert_eq!(
        model.run(&json!({"text": "ha", "times": 1})).await,
        ["started", r#"value "ha""#, "succeeded"]
    );
    model.stop().await;
}

#[tokio::test]
async fn an_optional_input_need_not_be_given() {
    let mut test = Test::new(NEWEST, "inputs.py:greet");
    let properties = json!({"text": {"type": "string"}, "name": {"type": "string", "nullable": true}});
    test.model.schema =
        Json::from_value(&json!({"components": {"schemas": {"Input": {"properties": properties}}}}));
    let model = test.start().await;
    let told = model.run(&json!({"text": "hello"})).await;
    assert_eq!(told, ["started", r#"value "hello None""#, "succeeded"]);
    model.stop().await;
}

#[tokio::test]
async fn an_asynchronous_model_needs_no_second_slot() {
    for cog in COGS {
        let mut test = Test::new(cog, "asynchronous.py:Predictor");
        test.model.is_async = false;
        let model = test.start().await;
        let told = model.run(&json!({"name": "A", "count": 0})).await;
        assert_eq!(told, ["started", r#"value "A""#, "succeeded"], "{cog}");
        model.stop().await;
    }
}

#[tokio::test]
async fn metrics_add_up() {
    for cog in COGS {
        let model = Test::new(cog, "zoo.py:Predictor").start().await;
        let expected = [
            "started",
            "metric tokens 1",
            "metric tokens 3",
            r#"metric timing {"load":0.5}"#,
            r#"metric timing {"load":0.5,"run":1.5}"#,
            "succeeded",
        ];
        assert_eq!(model.zoo("measures", "").await, expected, "{cog}");
        model.stop().await;
    }
}

#[tokio::test]
async fn the_environment_is_the_models_own() {
    let mut test = Test::new(NEWEST, "zoo.py:Predictor");
    test.model.variables.push(("OF_THE_MODEL".to_owned(), "yes".to_owned()));
    let model = test.start().await;
    let events = model.events(&json!({"what": "environment"})).await;
    let Some(RunEvent::Output(crate::Output::Value(crate::Produced::Json(variables)))) = events.get(1) else {
        panic!("{events:?}");
    };
    let variables = variables.to_value();
    assert_eq!(variables["OF_THE_MODEL"], "yes");
    assert!(variables["PATH"].as_str().is_some_and(|path| path.starts_with(tools(NEWEST).to_str().unwrap())));
    assert!(variables["NO_PROXY"].as_str().is_some_and(|hosts| hosts.contains("127.0.0.1")));
    for name in ["COGWIRE_SHIM", "CARGO", "CARGO_MANIFEST_DIR"] {
        assert!(variables.get(name).is_none(), "{name} is none of the model's business");
    }
    model.stop().await;
}

#[tokio::test]
async fn an_input_that_the_model_does_not_know_fails() {
    let model = Test::new(NEWEST, "hello.py:Predictor").start().await;
    let told = model.run(&json!({"nonsense": 1})).await;
    assert!(
        told.last().is_some_and(|end| end.starts_with("failed: ") && end.contains("'nonsense'")),
        "{told:?}"
    );
    assert_eq!(model.run(&json!({"text": "still there"})).await.len(), 4);
    model.stop().await;
}
