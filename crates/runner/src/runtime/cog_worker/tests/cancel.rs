//! Predictions that are stopped.

use super::*;

#[tokio::test]
async fn a_cancelled_prediction_ends_and_its_process_goes_on() {
    for cog in COGS {
        for what in ["hangs", "swallows"] {
            let model = Test::new(cog, "zoo.py:Predictor").start().await;
            let (mut run, cancel) = model.begin(&json!({"what": what}));
            until_logged(&mut run, "hanging").await;
            cancel.cancel();
            assert_eq!(told(all_events(run).await), ["canceled"], "{what} on {cog}");
            assert_eq!(
                model.zoo("echo", "on").await,
                ["started", r#"value "on""#, "succeeded"],
                "{what} on {cog}"
            );
            model.stop().await;
        }
    }
}

#[tokio::test]
async fn a_model_that_ignores_it_is_killed() {
    for cog in COGS {
        let model = Test::new(cog, "zoo.py:Predictor").start().await;
        let (mut run, cancel) = model.begin(&json!({"what": "ignores"}));
        until_logged(&mut run, "hanging").await;
        cancel.cancel();
        assert_eq!(told(all_events(run).await), ["canceled"], "{cog}");
        assert!(model.instance.dead().is_cancelled());
        let expected = "The model process was killed: a cancelled prediction did not end within 0.6 s.";
        assert_eq!(model.instance.cause_of_death().as_deref(), Some(expected), "{cog}");
        model.stop().await;
    }
}

async fn is_cancelled_at_any_moment(mut test: Test, input: Value) {
    let cog = test.model.cog_version.clone();
    test.config.cancel_timeout = Duration::from_secs(60);
    let model = test.start().await;
    for microseconds in (0..3000).step_by(150) {
        let (run, cancel) = model.begin(&input);
        tokio::time::sleep(Duration::from_micros(microseconds)).await;
        cancel.cancel();
        let told = told(all_events(run).await);
        assert_eq!(told.last().map(String::as_str), Some("canceled"), "{microseconds} µs, {input}, {cog}");
    }
    model.stop().await;
}

#[tokio::test]
async fn a_cancel_at_any_moment_is_obeyed() {
    for cog in COGS {
        is_cancelled_at_any_moment(Test::new(cog, "zoo.py:Predictor"), json!({"what": "hangs"})).await;
        let asynchronous = Test::new(cog, "asynchronous.py:Predictor").asynchronous(2);
        is_cancelled_at_any_moment(asynchronous, json!({"name": "A", "count": 0, "what": "hang"})).await;
    }
}

#[tokio::test]
async fn one_of_two_predictions_is_cancelled() {
    for cog in COGS {
        let model = Test::new(cog, "asynchronous.py:Predictor").asynchronous(2).start().await;
        let (mut hanging, cancel) = model.begin(&json!({"name": "A", "count": 1, "what": "hang"}));
        until_logged(&mut hanging, "A 0").await;
        let (other, _) = model.begin(&json!({"name": "B", "count": 20}));
        cancel.cancel();
        assert_eq!(told(all_events(hanging).await), ["canceled"], "{cog}");
        assert_eq!(told(all_events(other).await).last().map(String::as_str), Some("succeeded"), "{cog}");
        model.stop().await;
    }
}

#[tokio::test]
async fn a_run_that_nobody_reads_is_cancelled() {
    let model = Test::new(NEWEST, "zoo.py:Predictor").start().await;
    let (mut run, _) = model.begin(&json!({"what": "hangs"}));
    until_logged(&mut run, "hanging").await;
    drop(run);
    while model.zoo("echo", "on").await.last().map(String::as_str) != Some("succeeded") {
        tokio::task::yield_now().await;
    }
    model.stop().await;
}
