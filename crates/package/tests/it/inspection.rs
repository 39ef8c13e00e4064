//! What is found out about real models, with real Cog.

use std::time::Duration;

use cogwire_core::json::Json;
use cogwire_package::{CogConfig, InspectError, Inspection, SchemaSource, how_it_runs, inspect};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{cog, folder, sendable, without_paths};

/// All that have a worker. The old one is told apart where it differs.
const NEW: [&str; 2] = ["0.23.1", "0.18.0"];
const OLD: &str = "0.16.12";

/// Everything that an input can be.
const RICH: &str = include_str!("models/rich.py");

fn model(code: &str, more: &str) -> TempDir {
    let yaml = format!("predict: predict.py:Predictor\n{more}");
    folder(&[("cog.yaml", &yaml), ("predict.py", code)])
}

async fn inspected(version: &str, model: &TempDir) -> Result<Inspection, InspectError> {
    let config = CogConfig::read(model.path()).expect("a configuration");
    sendable(inspect(&cog(version), model.path(), &config, &[])).await
}

async fn schema(version: &str, model: &TempDir) -> Value {
    inspected(version, model).await.expect(version).schema.to_value()
}

/// The components that clients read.
fn components(schema: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), schema["components"]["schemas"][*name].clone())).collect()
}

async fn refusal(version: &str, code: &str) -> String {
    let model = model(code, "");
    let refused = inspected(version, &model).await.expect_err("a refusal").to_string();
    without_paths(&refused, model.path())
}

fn simple(body: &str) -> String {
    format!("from cog import BasePredictor, Input\nclass Predictor(BasePredictor):\n{body}\n")
}

#[tokio::test]
async fn every_kind_of_input_is_described() {
    let model = model(RICH, "");
    let names = ["Input", "Output", "style", "size"];
    let new = components(&schema(NEW[0], &model).await, &names);
    insta::assert_json_snapshot!(new);
    assert_eq!(components(&schema(NEW[1], &model).await, &names), new, "{}", NEW[1]);
}

/// What only newer versions know, and what must not need a network.
#[tokio::test]
async fn defaults_are_what_the_author_wrote() {
    let inputs = [
        "logo: Path = Input(default='https://host.invalid/logo.png', accept='image/*')",
        "raw: File = Input(default='https://host.invalid/raw.bin')",
        "numbers: List[int] = [1, 2]",
        "more: Optional[List[str]] = Input(default=None)",
        "token: Secret = Input(default='hunter2')",
        "mode: str = Input(default=Mode.FAST, choices=list(Mode))",
        "picture: Path = Input(default=None)",
        "anything: dict = Input(default={'a': 1})",
        "both: Union[str, int] = Input(default=3)",
        "old: str = Input(default='x', deprecated=True)",
    ];
    let code = format!(
        "import enum\nimport cog\nfrom typing import List, Optional, Union\nfrom cog import File, Input, Path, Secret\n\
         class Mode(str, enum.Enum):\n    FAST = 'fast'\n    GOOD = 'good'\n\
         class Predictor(cog.BasePredictor):\n    @cog.streaming\n    def predict(self, {}) -> str: ...\n",
        inputs.join(", ")
    );
    let schema = schema(NEW[0], &model(&code, "")).await;
    assert_eq!(schema["paths"]["/predictions"]["post"]["x-cog-streaming"], true);
    insta::assert_json_snapshot!(components(&schema, &["Input", "mode"]));
}

/// Both describe the same model, each in its own words: what clients rely on must agree.
#[tokio::test]
async fn the_schema_is_the_one_that_old_cog_makes() {
    let model = model(RICH, "");
    let (new, old) = (schema(NEW[0], &model).await, schema(OLD, &model).await);
    let mut new_input = components(&new, &["Input"])["Input"].clone();
    let old_input = &components(&old, &["Input"])["Input"];
    // Cog's own later generator lets a secret without a default be left out; the old one did not say so.
    for property in new_input["properties"].as_object_mut().expect("properties").values_mut() {
        if property.get("x-cog-secret").is_some() {
            property.as_object_mut().expect("an object").remove("nullable");
        }
    }
    assert_eq!(new_input["properties"], old_input["properties"]);
    assert_eq!(new["components"]["schemas"]["Output"], old["components"]["schemas"]["Output"]);
    assert_eq!(new["components"]["schemas"]["style"], old["components"]["schemas"]["style"]);
}

#[tokio::test]
async fn outputs_are_described() {
    let outputs = [
        ("text", "def predict(self) -> str: ..."),
        ("file", "def predict(self) -> Path: ..."),
        ("list", "def predict(self) -> List[Path]: ..."),
        ("iterator", "def predict(self) -> Iterator[str]: ..."),
        ("text in pieces", "def predict(self) -> ConcatenateIterator[str]: ..."),
        ("object", "def predict(self) -> Result: ..."),
        ("anything", "def predict(self) -> Any: ..."),
    ];
    let mut found = serde_json::Map::new();
    for (name, method) in outputs {
        let code = format!(
            "from typing import Any, Iterator, List, Optional\nfrom cog import BaseModel, BasePredictor, ConcatenateIterator, Path\n\
             class Result(BaseModel):\n    text: str\n    score: Optional[float]\n    image: Path\n\
             class Predictor(BasePredictor):\n    {method}\n"
        );
        let model = model(&code, "");
        let output = schema(NEW[0], &model).await["components"]["schemas"]["Output"].clone();
        found.insert(name.to_owned(), output);
    }
    insta::assert_json_snapshot!(found);
}

#[tokio::test]
async fn trainings_are_described() {
    let train = "from cog import BaseModel, Input, Path\nclass TrainingOutput(BaseModel):\n    weights: Path\n\
                 def train(data: Path, style: str = Input(default='a', choices=['a', 'z'])) -> TrainingOutput: ...\n";
    let predict =
        simple("    def predict(self, style: str = Input(default='a', choices=['a', 'b'])) -> str: ...");
    for version in [NEW[0], NEW[1], OLD] {
        let model = model(&predict, "train: train.py:train\n");
        std::fs::write(model.path().join("train.py"), train).expect("written");
        let schema = schema(version, &model).await;
        let schemas = &schema["components"]["schemas"];
        assert_eq!(schemas["TrainingInput"]["properties"]["data"]["format"], "uri", "{version}");
        assert_eq!(schemas["TrainingInput"]["required"][0], "data", "{version}");
        assert_eq!(schemas["TrainingOutput"]["properties"]["weights"]["format"], "uri", "{version}");
        if version != OLD {
            assert_eq!(schemas["style"]["enum"], serde_json::json!(["a", "b"]), "{version}");
            assert_eq!(schemas["style_"]["enum"], serde_json::json!(["a", "z"]), "{version}");
        }
    }
}

#[tokio::test]
async fn a_schema_in_the_folder_is_taken_as_it_is_and_the_model_is_not_imported() {
    let document = r#"{"components":{"schemas":{"Input":{"type":"object"},"Output":{"type":"string"}}}}"#;
    let model =
        model(&format!("import no_such_module\n{}", simple("    async def predict(self) -> str: ...")), "");
    for name in [".cog/openapi_schema.json", "openapi_schema.json"] {
        let path = model.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, document).expect("written");
        let found = inspected(NEW[0], &model).await.expect("inspected");
        assert_eq!(found.schema, Json::parse(document).expect("JSON"));
        assert_eq!(found.source, SchemaSource::File(name));
        assert!(found.is_async);
    }
    let mut refusals = Vec::new();
    for bad in ["{", "[]", r#"{"components":{"schemas":{"Input":{}}}}"#] {
        std::fs::write(model.path().join("openapi_schema.json"), bad).expect("written");
        let refused = inspected(NEW[0], &model).await.expect_err("no schema").to_string();
        refusals.push(without_paths(&refused, model.path()));
    }
    insta::assert_snapshot!(refusals.join("\n"));
}

#[tokio::test]
async fn how_a_model_runs_is_read_from_its_text_or_else_from_the_model() {
    let elsewhere = "from elsewhere import Predictor\n";
    let cases = [
        (simple("    def predict(self) -> str: ..."), "", (false, 1)),
        (simple("    async def predict(self) -> str: ..."), "", (true, 1)),
        (simple("    async def predict(self) -> str: ..."), "concurrency: {max: 4}\n", (true, 4)),
        (
            "import cog\nclass Base(cog.BasePredictor):\n    @cog.concurrent(max=3)\n    async def predict(self) -> str: ...\n\
             class Predictor(Base): pass\n".to_owned(),
            "",
            (true, 3),
        ),
        (
            "import cog\nMANY = 5\nclass Predictor(cog.BasePredictor):\n    @cog.concurrent(max=MANY)\n    async def predict(self) -> str: ...\n".to_owned(),
            "",
            (true, 5),
        ),
        (elsewhere.to_owned(), "", (true, 2)),
        (elsewhere.to_owned(), "concurrency: {max: 7}\n", (true, 7)),
    ];
    for (code, more, expected) in cases {
        let model = model(&code, more);
        let other = "import cog\nclass Predictor(cog.BasePredictor):\n    @cog.concurrent(max=2)\n    async def predict(self) -> str: ...\n";
        std::fs::write(model.path().join("elsewhere.py"), other).expect("written");
        let found = inspected(NEW[0], &model).await.expect(&code);
        assert_eq!((found.is_async, found.concurrency), expected, "{code}{more}");
        let config = CogConfig::read(model.path()).expect("a configuration");
        let manner = sendable(how_it_runs(&cog(NEW[0]), model.path(), &config, &[])).await.expect(&code);
        assert_eq!((manner.is_async, manner.concurrency), expected, "{code}{more}");
    }
}

#[tokio::test]
async fn models_in_subfolders_and_with_variables_are_found() {
    let code = "import os\nimport helper\nfrom cog import BasePredictor\nassert os.environ['MODE'] == 'fast'\n\
                assert 'COGWIRE_API_TOKEN' not in os.environ\n\
                class Predictor(BasePredictor):\n    def predict(self, text: str = helper.DEFAULT) -> str: ...\n";
    let model = folder(&[
        ("cog.yaml", "predict: src/predict.py:Predictor\nenvironment: [MODE=fast]\n"),
        ("src/predict.py", code),
        ("helper.py", "DEFAULT = 'hello'"),
    ]);
    for version in [NEW[0], NEW[1], OLD] {
        let schema = schema(version, &model).await;
        assert_eq!(
            schema["components"]["schemas"]["Input"]["properties"]["text"]["default"], "hello",
            "{version}"
        );
    }
    assert!(!model.path().join("__pycache__").exists(), "the folder stays as it is");
}

/// It may need them as soon as it is imported, and will have them when it runs.
#[tokio::test]
async fn a_model_sees_the_variables_that_the_server_passes_on() {
    let code = "import os\nfrom cog import BasePredictor\nNAME = os.environ['CARGO_PKG_NAME']\n\
                class Predictor(BasePredictor):\n    def predict(self, name: str = NAME) -> str: ...\n";
    let model = model(code, "");
    let config = CogConfig::read(model.path()).expect("a configuration");
    let passed_on = ["CARGO_PKG_NAME".to_owned()];
    let found = inspect(&cog(NEW[0]), model.path(), &config, &passed_on).await.expect("it is passed on");
    let default = &found.schema.to_value()["components"]["schemas"]["Input"]["properties"]["name"]["default"];
    assert_eq!(default, env!("CARGO_PKG_NAME"));
    let refused = refusal(NEW[0], code).await;
    assert!(refused.contains("KeyError: 'CARGO_PKG_NAME'"), "{refused}");
}

#[tokio::test]
async fn a_model_may_write_what_it_likes_while_it_is_imported() {
    let noise = "import os, sys, threading, time\nos.write(1, bytes(range(256)) * 1000)\nprint('{\"found\": 1}')\n\
                 sys.stderr.write('x' * 100000)\nos.system('echo from a child')\n\
                 threading.Thread(target=time.sleep, args=(600,)).start()\n";
    let code = format!("{noise}{}", simple("    def predict(self, text: str) -> str: ..."));
    for version in [NEW[0], NEW[1], OLD] {
        let model = model(&code, "");
        let schema = schema(version, &model).await;
        assert_eq!(
            schema["components"]["schemas"]["Input"]["required"],
            serde_json::json!(["text"]),
            "{version}"
        );
    }
}

#[tokio::test]
async fn what_a_model_starts_while_it_is_imported_ends_with_the_inspection() {
    let code = "import subprocess\nchild = subprocess.Popen(['sleep', '600'])\nprint(child.pid, file=open('pid', 'w'))\n";
    let model = model(&format!("{code}{}", simple("    def predict(self) -> str: ...")), "");
    inspected(NEW[0], &model).await.expect("it can be imported");
    let pid = std::fs::read_to_string(model.path().join("pid")).expect("it was started");
    while is_running(pid.trim()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A killed process that nobody has waited for yet is a zombie.
fn is_running(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
}

#[tokio::test]
async fn every_failure_can_be_acted_on() {
    let fine = "    def predict(self, text: str) -> str: ...";
    let cases = [
        format!("import no_such_module.part\n{}", simple(fine)),
        format!("from cog.types import Weights\n{}", simple(fine)),
        format!("def load():\n    raise RuntimeError('no weights here')\nload()\n{}", simple(fine)),
        "import no_such_module\n".to_owned(),
        "class Runner:\n    pass\ndef helper(): pass\n".to_owned(),
        "def broken(:\n".to_owned(),
        simple("    def predict(self, text) -> str: ..."),
        simple("    def predict(self, text: str): ..."),
        simple("    def predict(self, text: object) -> str: ..."),
        simple("    def predict(self, n: int = Input(default=0, ge=1)) -> str: ..."),
        simple("    pass"),
        format!("import sys\nsys.exit('no GPU')\n{}", simple(fine)),
        format!("import os\nprint('checking', flush=True)\nos._exit(3)\n{}", simple(fine)),
        format!("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n{}", simple(fine)),
    ];
    let mut refusals = Vec::new();
    for code in cases {
        refusals.push(format!("{code}=> {}\n", refusal(NEW[0], &code).await));
    }
    insta::assert_snapshot!(refusals.join("\n"));
}

#[tokio::test]
async fn the_failures_of_older_versions_can_be_acted_on_too() {
    let missing = format!("import no_such_module\n{}", simple("    def predict(self) -> str: ..."));
    let unannotated = simple("    def predict(self, text) -> str: ...");
    // The old one makes its schema without the imports that it does not need.
    let refusals = [
        format!("{}: {}\n", NEW[1], refusal(NEW[1], &missing).await),
        format!("{}: {}\n", NEW[1], refusal(NEW[1], &unannotated).await),
        format!("{OLD}: {}\n", refusal(OLD, &unannotated).await),
        format!("{OLD}: {}\n", refusal(OLD, "class Runner: pass\n").await),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}

#[tokio::test]
async fn an_environment_that_is_gone_is_named() {
    let model = model("", "");
    let config = CogConfig::read(model.path()).expect("a configuration");
    let mut environment = cog(NEW[0]);
    environment.python = model.path().join("gone/bin/python");
    let refused = inspect(&environment, model.path(), &config, &[]).await.expect_err("gone").to_string();
    assert_eq!(
        without_paths(&refused, model.path()),
        "cannot run FOLDER/gone/bin/python: is the environment still there?"
    );
}
