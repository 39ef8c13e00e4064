//! Setups that do not go well.

use super::*;

#[tokio::test]
async fn a_setup_that_fails_shows_all_it_printed() {
    for cog in COGS {
        for _ in 0..3 {
            let (error, log) = Test::new(cog, "setups.py:Fails").fail().await;
            assert_eq!(error, "The model's setup failed: RuntimeError: no weights here", "{cog}");
            assert!(log.starts_with("loading weights\n"), "{log}");
            assert!(log.contains("no line end"), "{log}");
            assert!(log.contains("Traceback (most recent call last):\n  File \""), "{log}");
            assert!(log.ends_with("RuntimeError: no weights here\n"), "{log}");
            assert!(!log.contains("shim.py"), "{log}");
        }
    }
}

#[tokio::test]
async fn the_end_of_a_flood_is_not_lost() {
    for cog in COGS {
        let (error, log) = Test::new(cog, "setups.py:Floods").fail().await;
        assert_eq!(error, "The model's setup failed: RuntimeError: after a flood", "{cog}");
        assert!(log.ends_with("RuntimeError: after a flood\n"), "{log}");
    }
}

#[tokio::test]
async fn a_module_that_is_missing_is_named() {
    for cog in COGS {
        let (error, log) = Test::new(cog, "missing_module.py:Predictor").fail().await;
        let expected =
            "The model's setup failed: ModuleNotFoundError: No module named 'there_is_no_such_module'";
        assert_eq!(error, expected, "{cog}");
        assert!(log.starts_with("Traceback"), "{log}");
        assert!(!log.contains("shim.py") && !log.contains("importlib"), "{log}");
    }
}

#[tokio::test]
async fn a_class_or_file_that_is_missing_is_named() {
    let (error, _) = Test::new(NEWEST, "hello.py:Nobody").fail().await;
    assert_eq!(error, "The model's setup failed: AttributeError: module 'hello' has no attribute 'Nobody'");
    let (error, _) = Test::new(NEWEST, "nowhere.py:Predictor").fail().await;
    assert!(error.starts_with("The model's setup failed: FileNotFoundError: "), "{error}");
    assert!(error.contains("nowhere.py"), "{error}");
}

#[tokio::test]
async fn a_setup_that_hangs_is_killed() {
    for cog in COGS {
        let mut test = Test::new(cog, "setups.py:Hangs");
        test.config.setup_timeout = Duration::from_secs(2);
        let (error, log) = test.fail().await;
        let expected = "The model was not ready after 2 s: make its setup faster, or raise setup_timeout (--setup-timeout)";
        assert_eq!((error.as_str(), log.as_str()), (expected, "loading\n"), "{cog}");
    }
}

#[tokio::test]
async fn a_process_that_ends_during_its_setup_is_told() {
    let (error, log) = Test::new(NEWEST, "setups.py:Dies").fail().await;
    assert!(error.starts_with("The model process ended during its setup: exit status 5"), "{error}");
    assert!(log.is_empty() || log == "loading\n", "the worker may lose it: {log}");
    let (error, _) = Test::new(NEWEST, "setups.py:Exits").fail().await;
    assert_eq!(error, "The model's setup failed: SystemExit: no graphics card");
}

#[tokio::test]
async fn an_environment_without_cog_is_told() {
    let mut test = Test::new(NEWEST, "hello.py:Predictor");
    test.model.bin = python_without_cog(test.work.path());
    let (error, _) = test.fail().await;
    let expected = "The model process ended during its setup: exit status 1 (ModuleNotFoundError: No module named 'coglet')";
    assert_eq!(error, expected);
    let mut test = Test::new(NEWEST, "hello.py:Predictor");
    test.model.bin = "/nonexistent".into();
    assert_eq!(test.fail().await.0, "The model process could not be started: /nonexistent/python");
}

fn python_without_cog(folder: &Path) -> PathBuf {
    let python = std::fs::canonicalize(tools(NEWEST).join("python")).expect("an interpreter");
    std::os::unix::fs::symlink(python, folder.join("python")).expect("a link");
    folder.to_owned()
}

#[tokio::test]
async fn an_unknown_version_is_asked_what_it_speaks() {
    let mut test = Test::new(NEWEST, "hello.py:Predictor");
    test.model.cog_version = "9.0.0".to_owned();
    let model = test.start().await;
    assert_eq!(model.run(&json!({"text": "x"})).await.len(), 4);
    model.stop().await;
    // This one says nothing.
    let mut test = Test::new("0.18.0", "hello.py:Predictor");
    test.model.cog_version = "9.0.0".to_owned();
    let (error, _) = test.fail().await;
    assert!(error.starts_with("the worker of Cog 9.0.0 does not speak a protocol"), "{error}");
    // This one is no worker.
    let mut test = Test::new(NEWEST, "hello.py:Predictor");
    (test.model.bin, test.model.cog_version) = (python_without_cog(test.work.path()), "9.0.0".to_owned());
    let (error, _) = test.fail().await;
    assert!(error.starts_with("the worker of Cog 9.0.0 does not speak a protocol"), "{error}");
}

#[tokio::test]
async fn weights_reach_the_setup() {
    for cog in COGS {
        let mut test = Test::new(cog, "setups.py:Weighs");
        test.model.weights = Some("/weights/of/a/training.bin".into());
        let model = test.start().await;
        let expected = ["started", r#"value "/weights/of/a/training.bin""#, "succeeded"];
        assert_eq!(model.run(&json!({})).await, expected, "{cog}");
        model.stop().await;
    }
}

#[tokio::test]
async fn a_start_that_is_given_up_leaves_nothing() {
    let test = Test::new(NEWEST, "setups.py:Hangs");
    let (tracker, boot) = (test.tracker.clone(), Arc::new(Boot::default()));
    {
        let launch = test.launch(&boot);
        tokio::pin!(launch);
        while boot.logs().is_empty() {
            tokio::select! {
                _ = &mut launch => panic!("it hangs"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    tracker.close();
    tracker.wait().await;
}
