//! What is taken and what is refused, and in which words.

use super::*;

/// A model that can be run, and what else there is.
fn with(rest: &str) -> String {
    format!("run: run.py:Runner\n{rest}")
}

fn parsed(text: &str) -> CogConfig {
    CogConfig::parse(text).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

fn refusal(text: &str) -> String {
    CogConfig::parse(text).expect_err(text).to_string()
}

fn model(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    folder
}

#[test]
fn everything_that_is_honoured_is_read() {
    let config = parsed(
        r#"
build:
  python_version: 3.10
  sdk_version: "0.18.0"
  python_packages:
    - numpy==2.1
    - "pillow"
predict: "src/predict.py:Predictor"
train: "train.py:train"
concurrency:
  max: 4
  default_target: 2
environment:
  - MODE=fast
  - URL=https://host/?a=b
"#,
    );
    assert_eq!(config.run.to_string(), "src/predict.py:Predictor");
    assert_eq!((config.run.file(), config.run.name()), ("src/predict.py", "Predictor"));
    assert_eq!(config.train.as_ref().map(ToString::to_string).as_deref(), Some("train.py:train"));
    assert_eq!(config.python_version.map(|version| version.to_string()).as_deref(), Some("3.10"));
    assert_eq!(config.cog_version.as_deref(), Some("0.18.0"));
    assert_eq!(config.requirements, Requirements::Packages(vec!["numpy==2.1".into(), "pillow".into()]));
    assert_eq!(config.concurrency, Some(4));
    let variables = [("MODE", "fast"), ("URL", "https://host/?a=b")];
    assert_eq!(config.environment, variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert!(config.ignored().is_empty(), "{:?}", config.ignored());
}

#[test]
fn little_is_enough() {
    let config = parsed("run: run.py:Runner");
    assert_eq!(config.requirements, Requirements::default());
    assert_eq!((config.python_version, config.concurrency, config.train), (None, None, None));
    assert_eq!(
        parsed("build:\npredict: predict.py:run\nimage: r8.im/a/b\ntests:\n  - a: 1\n").run.name(),
        "run"
    );
    let empty =
        parsed(&with("build:\n  python_packages:\n  system_packages: []\n  run: ~\nenvironment: null"));
    assert!(empty.ignored().is_empty(), "{:?}", empty.ignored());
}

#[test]
fn what_cannot_be_honoured_is_said() {
    let config = parsed(&with(
        r#"
build:
  gpu: yes
  cuda: 11.8
  cudnn: "8"
  system_packages: [ffmpeg, libgl1]
  pre_install: ["apt-get update"]
  run:
    - make
    - command: pip install
      mounts: [{type: secret, id: pip, target: /etc/pip.conf}]
  python_overrides: overrides.txt
  environment: [A=b]
  fast: true
weights:
  - source: hf://acme/model
observability:
  traces: {enabled: true}
environment: ["HOME_DIR=$HOME"]
"#,
    ));
    insta::assert_snapshot!(config.ignored().join("\n"));
}

#[test]
fn every_refusal_says_where_and_what_to_do() {
    let texts = [
        "".to_owned(),
        "just text".to_owned(),
        "- run".to_owned(),
        "run: [".to_owned(),
        "run: run.py:Runner\n\tbuild:".to_owned(),
        "run: \"run.py:Runner".to_owned(),
        "run: a.py:A\nrun: b.py:B".to_owned(),
        "run: a.py:A\n---\nrun: b.py:B".to_owned(),
        "run: &a run.py:Runner\ntrain: *a".to_owned(),
        "[a]: b".to_owned(),
        format!("run: {}a{}", "[".repeat(40), "]".repeat(40)),
        "run: run.py:Runner\npredict: run.py:Runner".to_owned(),
        "run: 7".to_owned(),
        "run: Runner".to_owned(),
        "run: run:Runner".to_owned(),
        "run: ../run.py:Runner".to_owned(),
        "run: /src/run.py:Runner".to_owned(),
        "run: run.py:my-runner".to_owned(),
        "predict: predict.py:".to_owned(),
        with("train: train.py"),
        with("buld: {}"),
        with("colour: red"),
        with("build:\n  python_package: [numpy]"),
        with("build: yes"),
        with("build:\n  python_version: 3"),
        with("build:\n  python_version: \"2.7\""),
        with("build:\n  python_version: [3.11]"),
        with("build:\n  python_packages: numpy"),
        with("build:\n  python_packages: [numpy, 7]"),
        with("build:\n  python_packages: [numpy]\n  python_requirements: requirements.txt"),
        with("build:\n  python_requirements: ../requirements.txt"),
        with("build:\n  sdk_version: latest"),
        with("build:\n  sdk_version: 0.18.0; rm"),
        with("build:\n  gpu: 1"),
        with("build:\n  system_packages: ffmpeg"),
        with("concurrency: 4"),
        with("concurrency: {}"),
        with("concurrency: {max: 0}"),
        with("concurrency: {max: 1.5}"),
        with("concurrency: {maximum: 2}"),
        with("environment: {A: b}"),
        with("environment: [A]"),
        with("environment: [\"=b\"]"),
        with("environment: [PATH=/bin]"),
        with("environment: [A=1, A=2]"),
        with("image: [a]"),
    ];
    let refusals: Vec<_> = texts.iter().map(|text| format!("{text:?}\n    {}", refusal(text))).collect();
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn a_folder_must_have_what_its_file_names() {
    let text = "run: run.py:Runner\ntrain: train.py:train\nbuild:\n  python_requirements: needs.txt\n";
    let folder = model(&[("cog.yaml", text)]);
    let mut refusals = Vec::new();
    for name in ["run.py", "train.py", "needs.txt"] {
        refusals.push(CogConfig::read(folder.path()).expect_err(name).to_string());
        std::fs::write(folder.path().join(name), "").expect("written");
    }
    insta::assert_snapshot!(refusals.join("\n"));
    CogConfig::read(folder.path()).expect("all of it is there");
}

#[test]
fn a_folder_without_a_configuration_says_so() {
    let folder = model(&[]);
    let said = |path: &Path| {
        let text = CogConfig::read(path).expect_err("nothing there").to_string();
        text.replace(&*folder.path().to_string_lossy(), "FOLDER")
    };
    let unreadable = model(&[]);
    std::fs::create_dir(unreadable.path().join("cog.yaml")).expect("made");
    let unreadable_text = CogConfig::read(unreadable.path()).expect_err("a folder").to_string();
    let refusals = [
        said(folder.path()),
        said(&folder.path().join("nothing")),
        unreadable_text.replace(&*unreadable.path().to_string_lossy(), "FOLDER"),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn a_file_that_is_far_too_long_is_not_read() {
    let folder = model(&[("cog.yaml", &"#".repeat(MAX_LENGTH + 1))]);
    let refused = CogConfig::read(folder.path()).expect_err("too long").to_string();
    assert_eq!(refused, "cog.yaml:1: this file has more than 1048576 bytes: is it a cog.yaml?");
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in r"([ \n\t:\-\[\]{}&*!|>'#%a-z0-9.\x22]|run: run.py:R\n|build:\n){0,60}") {
        let _ = CogConfig::parse(&text);
    }
}
