//! Moving, copying and migrating an installation, with the real binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Behaviour, HELLO, Http, Process, Receiver, TestStore, cogwire, pause};

/// A model whose output is a file.
const PAINTER: &str = "[[model]]\nowner = \"acme\"\nname = \"painter\"\noutput = \"value\"\n[[model.step]]\noutput_file = \"picture.txt\"\n";

/// Files stay files, although clients on plain http would be shown their bytes.
const SETTINGS: &str = "scripts = [\"scripts.toml\"]\noutput_files = \"url\"\n";

/// An installation, and a folder for what goes in and out of it.
struct Site {
    dir: TempDir,
    store: TestStore,
}

impl Site {
    fn sqlite() -> Self {
        Self::on(TestStore::Sqlite)
    }

    async fn postgres() -> Self {
        Self::on(TestStore::postgres().await)
    }

    fn on(store: TestStore) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("scripts.toml"), PAINTER).expect("written");
        std::fs::write(dir.path().join("picture.txt"), "a picture").expect("written");
        std::fs::write(dir.path().join("cogwire.toml"), SETTINGS).expect("written");
        Self { dir, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn serve(&self) -> Process {
        Process::start_on(self.dir.path(), &self.store, None).await
    }

    /// A command on this installation.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = cogwire();
        command.args(arguments).arg("--data-dir").arg(self.dir.path()).current_dir(self.dir.path());
        if let TestStore::Postgres(schema) = &self.store {
            command.env("COGWIRE_DATABASE_URL", schema.url());
        }
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        output(self.command(arguments)).await
    }

    /// Runs a command that succeeds, and gives what it says to people.
    async fn does(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        stderr(&output)
    }

    /// Runs a command that fails, and gives what it says to people.
    async fn refuses(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", stderr(&output));
        stderr(&output)
    }
}

/// Runs a command beside the runtime that receivers need.
async fn output(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().expect("it runs")).await.expect("no panic")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a readable name")
}

/// An export without its first line, which says when and from where.
fn rows(file: &Path) -> String {
    let text = std::fs::read_to_string(file).expect("the export is there");
    text.split_once('\n').expect("it has lines").1.to_owned()
}

/// Creates a prediction that ends at once, and gives it.
async fn create(http: &Http, version: &str, webhook: Option<&str>) -> Value {
    let mut body = json!({"version": version, "input": {"text": "a"}});
    if let Some(url) = webhook {
        body["webhook"] = url.into();
        body["webhook_events_filter"] = json!(["completed"]);
    }
    http.post_with("/v1/predictions", &body, &[("prefer", "wait")]).await.expect(201)
}

fn id(prediction: &Value) -> &str {
    prediction["id"].as_str().expect("an id")
}

/// A prediction as the API shows it, whatever the address of the server.
async fn shown(http: &Http, prediction: &str) -> String {
    let reply = http.get(&format!("/v1/predictions/{prediction}")).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.text.replace(&http.base, "")
}

async fn wait_delivered(http: &Http, prediction: &str) {
    for _ in 0..2000 {
        let all = http.get(&format!("/v1/predictions/{prediction}/deliveries")).await.expect(200);
        if all["results"].as_array().is_some_and(|all| all.iter().any(|one| one["state"] == "delivered")) {
            return;
        }
        pause().await;
    }
    panic!("the webhook of {prediction} was not delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_moves_to_postgres_with_what_it_owes_and_back() {
    let receiver = Receiver::start().await;
    receiver.always(Behaviour::Answer(503));
    let (old, new, back) = (Site::sqlite(), Site::postgres().await, Site::sqlite());
    let mut server = old.serve().await;
    let mut before = Vec::new();
    for _ in 0..3 {
        let created = create(&server.http, HELLO, Some(&receiver.url)).await;
        before.push((id(&created).to_owned(), shown(&server.http, id(&created)).await));
    }
    receiver.wait_for(3).await;
    server.kill();

    let file = old.path("moved.jsonl");
    old.does(&["export", text(&file)]).await;
    let said = new.does(&["import", text(&file)]).await;
    assert!(said.contains("All of them were read back and compared"), "{said}");
    let owed = receiver.webhooks().len();
    receiver.always(Behaviour::Answer(200));
    let mut server = new.serve().await;
    for (id, shown_before) in &before {
        wait_delivered(&server.http, id).await;
        assert_eq!(shown(&server.http, id).await, *shown_before);
    }
    let all = receiver.webhooks();
    for sent in &all[owed..] {
        let first = all[..owed].iter().find(|first| first.id() == sent.id()).expect("it was tried before");
        assert_eq!(first.body, sent.body, "the same message");
    }
    server.terminate();
    assert!(server.ended().await.success());

    let again = new.path("again.jsonl");
    new.does(&["export", text(&again)]).await;
    back.does(&["import", text(&again)]).await;
    let last = back.path("last.jsonl");
    back.does(&["export", text(&last)]).await;
    assert!(rows(&again) == rows(&last), "both hold the same");
    let server = back.serve().await;
    for (id, shown_before) in &before {
        assert_eq!(shown(&server.http, id).await, *shown_before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_moves_while_a_server_uses_it() {
    for (site, sign) in
        [(Site::sqlite(), "a cogwire server uses"), (Site::postgres().await, "servers use the database")]
    {
        let file = site.path("moved.jsonl");
        let mut server = site.serve().await;
        for arguments in [["export", text(&file)], ["import", "-"]] {
            let said = site.refuses(&arguments).await;
            assert!(said.contains(sign), "{said}");
        }
        // One that was killed counts until its lease is over.
        server.kill();
        for tries in 0.. {
            let output = site.run(&["export", text(&file)]).await;
            if output.status.success() {
                break;
            }
            assert!(stderr(&output).contains(sign) && tries < 200, "{}", stderr(&output));
            pause().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cut_off_goes_on() {
    let (old, new) = (Site::sqlite(), Site::sqlite());
    let mut server = old.serve().await;
    for _ in 0..5 {
        create(&server.http, HELLO, None).await;
    }
    server.terminate();
    assert!(server.ended().await.success());
    let (whole, cut) = (old.path("whole.jsonl"), old.path("cut.jsonl"));
    old.does(&["export", text(&whole)]).await;
    let bytes = std::fs::read(&whole).expect("the export is there");
    // In the middle of a line.
    let half = &bytes[..bytes.len() / 2];
    std::fs::write(&cut, half).expect("written");
    let said = new.refuses(&["import", text(&cut)]).await;
    assert!(said.contains("it was cut off"), "{said}");
    assert!(!new.path("cogwire.db").exists(), "nothing was written");
    new.does(&["import", "--resume", text(&cut)]).await;
    let said = new.refuses(&["export", text(&cut)]).await;
    assert!(said.contains("is there already"), "{said}");
    old.does(&["export", "--resume", text(&cut)]).await;
    assert_eq!(rows(&cut), rows(&whole));
    let said = old.does(&["export", "--resume", text(&cut)]).await;
    assert!(said.contains("is complete already"), "{said}");
    let output = new.run(&["import", "--json", text(&cut)]).await;
    let summary: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(summary["present"].as_u64() > Some(0) && summary["added"].as_u64() > Some(0), "{summary}");
    assert_eq!((&summary["verified"], &summary["tables"]["prediction"]), (&json!(true), &json!(5)));
    let said = new.does(&["import", text(&cut)]).await;
    assert!(said.contains("Imported 0 rows"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_goes_through_a_pipe() {
    let (old, new, half) = (Site::sqlite(), Site::sqlite(), Site::sqlite());
    old.does(&["migrate"]).await;
    let exported = old.run(&["export"]).await;
    assert!(exported.status.success(), "{}", stderr(&exported));
    let import = async |site: &Site, text: &[u8]| {
        std::fs::write(site.path("piped"), text).expect("written");
        let mut command = site.command(&["import", "-"]);
        command.stdin(std::fs::File::open(site.path("piped")).expect("it was just written"));
        output(command).await
    };
    let imported = import(&new, &exported.stdout).await;
    assert!(imported.status.success(), "{}", stderr(&imported));
    let cut = import(&half, &exported.stdout[..exported.stdout.len() - 1]).await;
    assert!(
        cut.status.code() == Some(1) && stderr(&cut).contains("stdin: it ends after line 1"),
        "{}",
        stderr(&cut)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_or_foreign_export_is_refused_with_its_line() {
    let (old, new) = (Site::sqlite(), Site::sqlite());
    old.does(&["migrate"]).await;
    let file = old.path("moved.jsonl");
    old.does(&["export", text(&file)]).await;
    let good = std::fs::read_to_string(&file).expect("the export is there");
    for (damaged, sign) in [
        (
            good.replace("\"rows\":0", "\"rows\":1"),
            "line 2: 1 rows of table account should come before it, not 0",
        ),
        (format!("{good}{good}"), "line 3: there is something after the last line"),
        ("{}\n".to_owned(), "line 1: it does not begin like an export"),
    ] {
        std::fs::write(&file, damaged).expect("written");
        let said = new.refuses(&["import", text(&file)]).await;
        assert!(said.contains(sign), "{said}");
    }
    let missing = new.refuses(&["import", "nowhere.jsonl"]).await;
    assert!(missing.contains("cannot read nowhere.jsonl"), "{missing}");
}

/// A target that has been used belongs to somebody.
#[tokio::test(flavor = "multi_thread")]
async fn an_installation_that_is_in_use_is_not_imported_over() {
    let sites = [Site::sqlite(), Site::sqlite()];
    for site in &sites {
        let mut server = site.serve().await;
        create(&server.http, HELLO, None).await;
        server.terminate();
        assert!(server.ended().await.success());
    }
    let [one, other] = &sites;
    let file = one.path("moved.jsonl");
    one.does(&["export", text(&file)]).await;
    let said = other.refuses(&["import", text(&file)]).await;
    assert!(said.contains("the target is not empty"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_busy_server_has_all_that_was_answered_before() {
    let (site, restored) = (Site::sqlite(), Site::sqlite());
    let server = site.serve().await;
    let (answered, stop) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let load = async |version: &str| {
        while !stop.load(Ordering::Relaxed) {
            let created = create(&server.http, version, None).await;
            answered.lock().expect("not poisoned").push(created);
        }
    };
    let backup = async {
        while answered.lock().expect("not poisoned").len() < 40 {
            pause().await;
        }
        let before = answered.lock().expect("not poisoned").clone();
        let said = site.does(&["backup", "copy"]).await;
        stop.store(true, Ordering::Relaxed);
        (before, said)
    };
    let ((before, said), ..) = tokio::join!(backup, load(HELLO), load(HELLO), load("acme/painter"));
    assert!(said.contains("copy holds the database"), "{said}");
    assert!(!site.path("copy.partial").exists());
    assert!(answered.lock().expect("not poisoned").len() > before.len(), "there was load meanwhile");

    let copy = site.path("copy");
    let said = restored.does(&["restore", text(&copy)]).await;
    assert!(said.contains("is as the installation was at"), "{said}");
    let again = restored.refuses(&["restore", text(&copy)]).await;
    assert!(again.contains("there is a database in"), "{again}");
    let second = restored.serve().await;
    let mut files = 0;
    for prediction in &before {
        let id = id(prediction);
        // An output keeps the address under which its file was stored.
        let restored = shown(&second.http, id).await.replace(&server.http.base, "");
        assert_eq!(restored, shown(&server.http, id).await);
        let output = prediction["output"].as_str().expect("an output");
        if output.starts_with("http") {
            let url = output.replace(&server.http.base, &second.http.base);
            let file = second.http.request(Method::GET, &url).send().await.expect("an answer");
            assert_eq!(file.text().await.expect("a body"), "a picture");
            files += 1;
        }
    }
    assert!(files > 0, "some of them had files");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_complete_or_clearly_not() {
    let site = Site::sqlite();
    site.does(&["migrate"]).await;
    std::fs::create_dir_all(site.path("copy.partial/files/old")).expect("a folder");
    std::fs::write(site.path("copy.partial/cogwire.db"), "half").expect("written");
    let restore = async |from: &str| {
        let mut restore = cogwire();
        restore.args(["restore", from, "--data-dir", "new"]).current_dir(site.dir.path());
        let output = output(restore).await;
        assert_eq!(output.status.code(), Some(1), "{from}: {}", stderr(&output));
        assert!(!site.path("new").exists(), "nothing was written");
        stderr(&output)
    };
    let refused = restore("copy.partial").await;
    assert!(refused.contains("it has no manifest.json"), "{refused}");
    site.does(&["backup", "copy"]).await;
    assert!(!site.path("copy/files/old").exists() && !site.path("copy/lock").exists());
    let taken = site.refuses(&["backup", "copy"]).await;
    assert!(taken.contains("is there already"), "{taken}");
    let manifest = std::fs::read_to_string(site.path("copy/manifest.json")).expect("it is there");
    let database = std::fs::read(site.path("copy/cogwire.db")).expect("it is there");
    for (name, damaged, sign) in [
        ("copy/cogwire.db", &database[..database.len() - 1], "cogwire.db is missing or damaged"),
        ("copy/files.jsonl", b"x", "files.jsonl is missing or damaged"),
        ("copy/manifest.json", b"{", "manifest.json is damaged"),
        (
            "copy/manifest.json",
            manifest.replace("\"version\": 1", "\"version\": 2").as_bytes(),
            "is of version 2",
        ),
        (
            "copy/manifest.json",
            manifest.replace("\"cogwire.db\"", "\"../cogwire.db\"").as_bytes(),
            "is missing or damaged",
        ),
    ] {
        let good = std::fs::read(site.path(name)).expect("it is there");
        std::fs::write(site.path(name), damaged).expect("written");
        let refused = restore("copy").await;
        assert!(refused.contains(sign), "{name}: {refused}");
        std::fs::write(site.path(name), good).expect("written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_migrated_once_and_checked_at_any_time() {
    for site in [Site::sqlite(), Site::postgres().await] {
        let output = site.run(&["migrate", "--check"]).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("version 1 is pending\n"));
        assert!(stderr(&output).contains("there is no schema yet"), "{}", stderr(&output));
        let refused = site.refuses(&["export", "moved.jsonl"]).await;
        assert!(
            refused.contains("there is no database") || refused.contains("run `cogwire migrate`"),
            "{refused}"
        );
        let said = site.does(&["migrate"]).await;
        assert!(said.starts_with("Made the schema: version "), "{said}");
        for arguments in [&["migrate", "--check"][..], &["migrate"]] {
            let said = site.does(arguments).await;
            assert!(said.starts_with("The schema is up to date: version "), "{said}");
        }
        let _server = site.serve().await;
        site.does(&["migrate", "--check"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_copied_once() {
    let site = Site::sqlite();
    let server = site.serve().await;
    let created = create(&server.http, "acme/painter", None).await;
    assert!(created["output"].as_str().is_some_and(|url| url.starts_with("http")), "{created}");
    let from = site.path("files");
    let copy = async |to: &str| {
        let mut command = cogwire();
        command
            .args(["storage", "copy", "--json", "--from", text(&from), "--to", to])
            .current_dir(site.dir.path());
        output(command).await
    };
    for present in [0, 1] {
        let copied: Value = serde_json::from_slice(&copy("elsewhere").await.stdout).expect("JSON");
        assert_eq!(copied, json!({"files": 1, "bytes": 9, "present": present}));
    }
    assert_eq!(copy(text(&from)).await.status.code(), Some(2), "the same place");
    let wrong = copy("gs://bucket").await;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("set --to to a folder"), "{}", stderr(&wrong));
}
