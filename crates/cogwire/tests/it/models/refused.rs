//! What cannot be added, and what its author is told.

use std::time::Duration;

use super::added::{Added, pack};
use super::folder::Folder;
use super::site::{Site, ZOO};
use super::spoken::{said, without_hashes};

const CLASS: &str = "from cog import BasePredictor\n\nclass Predictor(BasePredictor):\n";
const PREDICT: &str = "    def predict(self) -> str:\n        return ''\n";

/// Folders that are not models, each for another reason.
fn broken() -> Vec<(&'static str, Folder)> {
    let class = |code: &str| Folder::of(&format!("{CLASS}{code}{PREDICT}"));
    vec![
        ("no_config", Folder::new().with("predict.py", "")),
        ("not_yaml", Folder::new().with("cog.yaml", "build:\n  python_version: [3\npredict: x\n")),
        ("unknown_key", Folder::of("").with_config("predicts: \"predict.py:Predictor\"\n")),
        ("nothing_to_run", Folder::new().with("cog.yaml", "build:\n  sdk_version: \"0.23.1\"\n")),
        ("no_such_file", Folder::new().with_config("")),
        ("no_such_class", Folder::of("class Other:\n    pass\n")),
        ("syntax_error", Folder::of("def predict(:\n    pass\n")),
        ("no_such_module", Folder::of("import turnip\n")),
        ("no_types", Folder::of(&format!("{CLASS}    def predict(self, text):\n        return text\n"))),
        ("failing_import", Folder::of("raise RuntimeError('not today')\n")),
        (
            "failing_setup",
            class(
                "    def setup(self):\n        print('opening the weights')\n        open('weights.bin')\n\n",
            ),
        ),
        ("exit_in_setup", class("    def setup(self):\n        import os\n        os._exit(7)\n\n")),
        (
            "unknown_python",
            Folder::new()
                .with("cog.yaml", "build:\n  python_version: \"3.99\"\npredict: \"p.py:P\"\n")
                .with("p.py", ""),
        ),
    ]
}

/// What whoever adds it is shown after the steps: the logs of its setup, and the reason.
fn shown(added: &Added) -> String {
    let logs = added.lines("log").iter().map(|line| format!("  {line}\n")).collect::<String>();
    without_python(&without_hashes(&format!("{logs}{}", added.refusal())))
}

/// A text without the versions that this machine has.
fn without_python(text: &str) -> String {
    let Some((before, after)) = text.split_once("this machine has ") else { return text.to_owned() };
    let (_, after) = after.split_once(':').expect("what to do");
    format!("{before}this machine has VERSIONS:{after}")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_model_is_named() {
    let site = Site::start(&[]).await;
    // So that the environment is there, whoever came first.
    site.add(&Folder::zoo(), "acme/other").await.version();
    for (name, folder) in broken() {
        let added = site.add(&folder, ZOO).await;
        let shown = site.without_places(&shown(&added));
        insta::assert_snapshot!(format!("refused_{name}"), shown);
    }
    assert_eq!(site.http().get("/v1/models/acme/zoo").await.status, 404, "nothing of them is registered");
    let instances = site.http().get("/v1/instances").await.expect(200);
    assert!(!instances.to_string().contains(ZOO), "{instances}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requirement_that_does_not_exist_is_told_at_once() {
    let site = Site::start(&[]).await;
    let config = "build:\n  sdk_version: \"0.23.1\"\n  python_packages: [\"no-such-package==1.0\"]\npredict: \"predict.py:Predictor\"\n";
    let folder = Folder::of(&format!("{CLASS}{PREDICT}")).with("cog.yaml", config);
    let added = tokio::time::timeout(Duration::from_secs(30), site.add(&folder, ZOO))
        .await
        .expect("it fails at once");
    let (first, rest) = added.refusal().split_once('\n').expect("more than a line");
    assert!(rest.contains("no-such-package==1.0"), "{rest}");
    insta::assert_snapshot!("refused_missing_package", first.replace("uv could", "pip could"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setup_that_hangs_is_stopped() {
    let site = Site::start(&["--setup-timeout", "3s"]).await;
    let gate = site.gate("never");
    let folder = Folder::zoo_with(&[("GATE", gate.path())]);
    let added = site.add(&folder, ZOO).await;
    insta::assert_snapshot!("refused_hanging_setup", shown(&added));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_package_is_refused() {
    let site = Site::start(&["--package-limit", "64KiB"]).await;
    for (name, bytes) in [
        ("nothing", Vec::new()),
        ("no_tar", b"this is no tar".repeat(200)),
        ("half_a_tar", pack(Folder::zoo().path())[..2000].to_vec()),
        ("a_way_out", tar_of("../evil.txt", b"evil")),
        ("an_absolute_path", tar_of("/tmp/evil.txt", b"evil")),
    ] {
        let reply = site.upload(bytes, ZOO).await;
        insta::assert_snapshot!(
            format!("no_package_{name}"),
            site.without_places(&without_hashes(&format!("{} {}", reply.status, reply.text)))
        );
    }
    let reply = site.upload(vec![0; 70_000], ZOO).await;
    insta::assert_snapshot!("too_large_package", format!("{} {}", reply.status, reply.text));
    assert!(site.packages().is_empty(), "{:?}", site.packages());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_says_what_is_wrong_with_a_folder() {
    let site = Site::start(&["--package-limit", "1MiB"]).await;
    let large = Folder::zoo().with("weights.bin", &"x".repeat(20 << 20));
    let unknown = Folder::of("").with_config("predicts: \"predict.py:Predictor\"\n");
    let mut told = Vec::new();
    for folder in [&large, &unknown, &Folder::new()] {
        let place = folder.path().to_str().expect("text");
        let output = site.shell(&["model", "add", place, "--name", ZOO]).await;
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        told.push(said(&output).replace(place, "FOLDER"));
    }
    insta::assert_snapshot!("refused_by_the_command_line", told.join("\n"));
}

/// A tar with one file, whatever its name.
fn tar_of(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let fields: [(usize, &[u8]); 8] = [
        (0, name.as_bytes()),
        (100, b"0000644\0"),
        (108, b"0000000\0"),
        (116, b"0000000\0"),
        (136, b"00000000000\0"),
        (148, b"        "),
        (156, b"0"),
        (257, b"ustar\x0000"),
    ];
    for (start, bytes) in fields {
        header[start..start + bytes.len()].copy_from_slice(bytes);
    }
    header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut tar = [&header[..], content].concat();
    tar.resize(512 * 2 + 1024, 0);
    tar
}
