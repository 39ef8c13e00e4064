//! What models print.

use super::*;

#[tokio::test]
async fn a_failure_shows_the_models_own_traceback() {
    for cog in COGS {
        let model = Test::new(cog, "zoo.py:Predictor").start().await;
        let events = model.events(&json!({"what": "fails"})).await;
        let log = log_of(&events);
        assert!(log.starts_with("before\nTraceback (most recent call last):\n  File \""), "{log}");
        assert!(log.ends_with("ValueError: told to\n"), "{log}");
        assert!(!log.contains("shim.py"), "{log}");
        assert_eq!(told(events).last().map(String::as_str), Some("failed: told to"), "{cog}");
        assert_eq!(
            model.zoo("fails_silently", "").await.last().map(String::as_str),
            Some("failed: AssertionError")
        );
        let exits = model.zoo("exits", "").await;
        assert_eq!(exits.last().map(String::as_str), Some("failed: The model called sys.exit(3)"), "{cog}");
        assert_eq!(model.zoo("echo", "on").await, ["started", r#"value "on""#, "succeeded"], "{cog}");
        model.stop().await;
    }
}

#[tokio::test]
async fn a_line_without_end_stays_with_its_prediction() {
    for cog in COGS {
        let model = Test::new(cog, "zoo.py:Predictor").start().await;
        for text in ["first", "second"] {
            let expected =
                ["started".to_owned(), format!("log \"{text}and an error\""), "succeeded".to_owned()];
            assert_eq!(model.zoo("partial", text).await, expected, "{cog}");
        }
        assert_eq!(model.zoo("nothing", "").await, ["started", "succeeded"], "{cog}");
        model.stop().await;
    }
}

#[tokio::test]
async fn child_processes_and_libraries_are_heard() {
    for cog in COGS {
        let model = Test::new(cog, "zoo.py:Predictor").start().await;
        for _ in 0..5 {
            let log = log_of(&model.events(&json!({"what": "child"})).await);
            for text in ["from a child\n", "its error\n", "no line end"] {
                assert!(log.contains(text), "{log:?} on {cog}");
            }
            assert_eq!(log.len(), 34, "and nothing else: {log:?} on {cog}");
            assert_eq!(
                model.zoo("buffered", "").await,
                ["started", r#"log "from a library\n""#, "succeeded"],
                "{cog}"
            );
            assert_eq!(model.zoo("nothing", "").await, ["started", "succeeded"], "{cog}");
        }
        model.stop().await;
    }
}

#[tokio::test]
async fn a_flood_of_a_child_process_does_not_hide_a_crash() {
    let model = Test::new(NEWEST, "zoo.py:Predictor").start().await;
    let events = model.events(&json!({"what": "floods_and_dies"})).await;
    assert!(log_of(&events).contains("y\ny\ny\n"));
    let expected = "failed: The model process exited unexpectedly (exit status 4).";
    assert_eq!(told(events).last().map(String::as_str), Some(expected));
    model.stop().await;
}

#[tokio::test]
async fn rubbish_is_only_text() {
    for cog in COGS {
        let model = Test::new(cog, "zoo.py:Predictor").start().await;
        let told = model.zoo("rubbish", "").await;
        assert_eq!((told.len(), told[2].as_str()), (3, "succeeded"), "{cog}");
        assert!(told[1].contains("\u{fffd}\u{fffd}"), "{cog}");
        model.stop().await;
    }
}

#[tokio::test]
async fn a_model_that_closes_its_streams_goes_on() {
    let model = Test::new(NEWEST, "zoo.py:Predictor").start().await;
    assert_eq!(model.zoo("closes", "").await, ["started", "succeeded"]);
    assert_eq!(model.zoo("echo", "on").await, ["started", r#"value "on""#, "succeeded"]);
    model.stop().await;
}

#[tokio::test]
async fn a_hundred_thousand_lines_arrive_in_order() {
    for cog in COGS {
        let model = Test::new(cog, "zoo.py:Predictor").start().await;
        let events = model.events(&json!({"what": "floods"})).await;
        let log = log_of(&events);
        let expected: String = (0..100_000).map(|number| format!("line {number}\n")).collect();
        assert!(log == expected, "{} bytes of {} on {cog}", log.len(), expected.len());
        assert!(events.len() < 20_000, "{} events are too many", events.len());
        model.stop().await;
    }
}

#[tokio::test]
async fn predictions_at_the_same_time_are_kept_apart() {
    for cog in COGS {
        let model = Test::new(cog, "asynchronous.py:Predictor").asynchronous(2).start().await;
        assert_eq!(model.boot.logs(), "loading slowly\n");
        assert_eq!(model.instance.slots(), 2);
        let inputs = [json!({"name": "A", "count": 10}), json!({"name": "B", "count": 10, "what": "fail"})];
        let (first, second) = tokio::join!(model.events(&inputs[0]), model.events(&inputs[1]));
        let lines =
            |name: &str| (0..10).map(|number| format!("{name} {number} of {name}\n")).collect::<String>();
        assert_eq!(log_of(&first), lines("A"), "{cog}");
        assert!(log_of(&second).starts_with(&format!("{}Traceback", lines("B"))), "{cog}");
        assert!(log_of(&second).ends_with("ValueError: B was told to\n"), "{cog}");
        let exit = model.run(&json!({"name": "C", "count": 0, "what": "exit"})).await;
        assert_eq!(exit.last().map(String::as_str), Some("failed: The model called sys.exit()"), "{cog}");
        assert_eq!(
            model.run(&json!({"name": "D", "count": 0})).await,
            ["started", r#"value "D""#, "succeeded"]
        );
        model.stop().await;
    }
}
