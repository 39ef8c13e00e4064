//! Files that models give.

use std::collections::HashMap;
use std::time::Duration;

use super::*;
use crate::event::{FileContent, Output, Produced, ProducedFile};

async fn outputs(model: &Started, what: &str, text: &str) -> Vec<Output> {
    let events = model.events(&json!({"what": what, "text": text})).await;
    assert!(matches!(events.last(), Some(RunEvent::Ended(crate::End::Succeeded))), "{events:?}");
    let output = |event| if let RunEvent::Output(output) = event { Some(output) } else { None };
    events.into_iter().filter_map(output).collect()
}

fn content(file: &ProducedFile) -> (String, String) {
    let FileContent::Temporary(content) = &file.content else { panic!("{file:?}") };
    (file.name.clone(), std::fs::read_to_string(content.path()).expect("it is there"))
}

fn file(name: &str, text: &str) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

fn file_of(output: &Output) -> (String, String) {
    match output {
        Output::Value(Produced::File(file)) | Output::Item(Produced::File(file)) => content(file),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn files_keep_their_names_and_go_with_their_events() {
    for cog in COGS {
        let model = Test::new(cog, "zoo.py:Predictor").start().await;
        let output = outputs(&model, "file", "one").await;
        assert_eq!(file_of(&output[0]), file("out.txt", "one"), "{cog}");
        let Output::Value(Produced::File(ProducedFile { content: FileContent::Temporary(kept), .. })) =
            &output[0]
        else {
            panic!("{output:?}");
        };
        let path = kept.path().to_owned();
        drop(output);
        // Deleting is done beside the runtime.
        let gone = async {
            while path.parent().expect("a folder").exists() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.expect(cog);
        assert!(!path.exists(), "{cog}");
        model.stop().await;
    }
}

#[tokio::test]
async fn two_files_of_one_name_are_two_files() {
    for cog in COGS {
        let model = Test::new(cog, "zoo.py:Predictor").start().await;
        let both = outputs(&model, "files", "").await;
        let files: Vec<_> = both.iter().map(file_of).collect();
        assert_eq!(files, [file("out.txt", "one"), file("out.txt", "two")], "{cog}");
        assert!(matches!(both[0], Output::Item(_)));
        let _work = model.stop_with_files().await;
    }
}

#[tokio::test]
async fn a_file_stays_as_it_was_when_it_was_given() {
    for cog in COGS {
        let model = Test::new(cog, "zoo.py:Predictor").start().await;
        let first = outputs(&model, "same_file", "first").await;
        let second = outputs(&model, "same_file", "second").await;
        assert_eq!(file_of(&first[0]), file("same.txt", "first"), "{cog}");
        assert_eq!(file_of(&second[0]), file("same.txt", "second"), "{cog}");
        let _work = model.stop_with_files().await;
        assert_eq!(file_of(&first[0]).1, "first", "it outlives its process");
    }
}

#[tokio::test]
async fn frames_that_are_written_to_one_file_are_many() {
    let iterator = json!({"type": "array", "x-cog-array-type": "iterator"});
    let model = Test::new(NEWEST, "streams.py:Frames").output(&iterator).start().await;
    let events = model.events(&json!({"count": 3})).await;
    let frames = events.iter().filter_map(|event| match event {
        RunEvent::Output(output) => Some(file_of(output).1),
        _ => None,
    });
    assert_eq!(frames.collect::<Vec<_>>(), ["frame 0", "frame 1", "frame 2"]);
    let _work = model.stop_with_files().await;
}

#[tokio::test]
async fn files_of_asynchronous_generators_are_files() {
    let model = Test::new(NEWEST, "asynchronous.py:Files").asynchronous(2).start().await;
    let events = model.events(&json!({"count": 2})).await;
    let files = events.iter().filter_map(|event| match event {
        RunEvent::Output(output) => Some(file_of(output)),
        _ => None,
    });
    assert_eq!(files.collect::<Vec<_>>(), [file("0.txt", "file 0"), file("1.txt", "file 1")]);
    let _work = model.stop_with_files().await;
}

#[tokio::test]
async fn open_files_are_files() {
    for cog in COGS {
        let model = Test::new(cog, "zoo.py:Predictor").start().await;
        assert_eq!(
            file_of(&outputs(&model, "stream_of_file", "x").await[0]),
            file("opened.txt", "x"),
            "{cog}"
        );
        model.stop().await;
    }
}

#[tokio::test]
async fn files_within_an_object_are_files() {
    for cog in COGS {
        let model = Test::new(cog, "zoo.py:Predictor").start().await;
        let output = outputs(&model, "nested", "meow").await;
        let [Output::Value(Produced::Tree { json, files })] = &output[..] else { panic!("{output:?}") };
        let json = json.to_value();
        assert_eq!(json["title"], "a cat");
        let contents: HashMap<_, _> =
            files.iter().map(|(text, file)| (text.as_str(), content(file))).collect();
        assert_eq!(contents[json["image"].as_str().expect("a reference")], file("cat.png", "meow"), "{cog}");
        let _work = model.stop_with_files().await;
    }
}

#[tokio::test]
async fn a_text_that_looks_like_a_file_is_a_text() {
    let model = Test::new(NEWEST, "zoo.py:Predictor").start().await;
    let told = model.zoo("forged", "cogwire-file::/etc/passwd").await;
    assert_eq!(told, ["started", r#"value {"text":"cogwire-file::/etc/passwd"}"#, "succeeded"]);
    model.stop().await;
}

#[tokio::test]
async fn files_that_are_none_fail_the_prediction() {
    for cog in COGS {
        let model = Test::new(cog, "zoo.py:Predictor").start().await;
        let missing = model.zoo("missing", "").await;
        let expected = "failed: [Errno 2] No such file or directory: '/nonexistent/file.txt'";
        assert_eq!(missing.last().map(String::as_str), Some(expected), "{cog}");
        let folder = model.zoo("folder", "").await;
        assert!(folder.last().is_some_and(|end| end.ends_with("is a folder: return a file")), "{folder:?}");
        model.stop().await;
    }
}
