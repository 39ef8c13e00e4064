//! Trainings.

use super::*;
use crate::event::{FileContent, Output, Produced};

fn training(cog: &str) -> Test {
    let mut test = Test::new(cog, "train.py:train");
    test.trains = true;
    test
}

#[tokio::test]
async fn a_training_gives_its_weights_as_a_file() {
    for cog in COGS {
        let model = training(cog).start().await;
        let events = model.events(&json!({"steps": 1000})).await;
        assert_eq!(log_of(&events), "training 1000 steps\n", "{cog}");
        let _work = model.stop_with_files().await;
        let output = events
            .iter()
            .find_map(|event| if let RunEvent::Output(output) = event { Some(output) } else { None });
        let Some(Output::Value(Produced::Tree { json, files })) = output else { panic!("{events:?}") };
        let json = json.to_value();
        assert_eq!(json["steps"], 1000);
        let weights = &files[json["weights"].as_str().expect("a reference")];
        let FileContent::Temporary(content) = &weights.content else { panic!("{weights:?}") };
        assert_eq!(weights.name, "weights.bin");
        assert_eq!(std::fs::metadata(content.path()).expect("it outlives its process").len(), 1000);
    }
}

#[tokio::test]
async fn a_training_that_fails_says_why() {
    for cog in COGS {
        let model = training(cog).start().await;
        let told = model.run(&json!({"steps": 1, "fail": true})).await;
        assert_eq!(told.last().map(String::as_str), Some("failed: the loss is not a number"), "{cog}");
        model.stop().await;
    }
}

#[tokio::test]
async fn a_model_without_training_cannot_be_trained() {
    let mut test = Test::new(NEWEST, "hello.py:Predictor");
    test.model.train = None;
    let surroundings = Surroundings {
        clock: Arc::new(RealClock),
        entropy: Arc::new(Random),
        tracker: TaskTracker::new(),
        callbacks: None,
    };
    assert!(CogWorkers::training(test.model, test.config, surroundings).is_none());
}
