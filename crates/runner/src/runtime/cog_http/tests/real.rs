//! Servers of real Cogs, as processes of the test.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// A server of `tests/models/served.py`. It ends with this, and so does whatever it has started.
pub(super) struct RealServer {
    pub(super) url: String,
    child: Group,
    folder: TempDir,
}

/// Which server it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// The newest Cog, with a schema that lets runs be watched.
    Streaming,
    /// The newest Cog, with a schema as most models have it.
    Newest,
    /// An older one of the same family.
    Older,
    /// The server from before.
    Old,
}

/// Those that can be relied on for more than one run: the older one may say after any run that it is still busy,
/// for ever.
pub(super) const SOUND_KINDS: [Kind; 3] = [Kind::Streaming, Kind::Newest, Kind::Old];

pub(super) const EVERY_KIND: [Kind; 4] = [Kind::Streaming, Kind::Newest, Kind::Older, Kind::Old];

impl Kind {
    /// How many runs a test may make.
    pub(super) fn runs(self) -> usize {
        if self == Self::Older { 1 } else { 3 }
    }

    fn version(self) -> &'static str {
        match self {
            Self::Streaming | Self::Newest => "0.23.1",
            Self::Older => "0.18.0",
            Self::Old => "0.16.12",
        }
    }
}

impl RealServer {
    /// Starts a server for one class of the models. It is not ready yet.
    pub(super) async fn start(kind: Kind, class: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models/served.py");
        std::fs::copy(models, folder.path().join("served.py")).expect("the models can be copied");
        if kind == Kind::Old {
            std::fs::write(folder.path().join("cog.yaml"), format!("predict: served.py:{class}\n"))
        } else {
            std::fs::create_dir(folder.path().join(".cog")).expect("a folder");
            let schema = schema(class, kind == Kind::Streaming);
            std::fs::write(folder.path().join(".cog/openapi_schema.json"), schema.to_string())
        }
        .expect("a file");
        let said = folder.path().join("said");
        let mut child = Group(command(kind, class, &folder, &said).spawn().expect("Cog starts"));
        let port = port(&mut child.0, &said).await;
        Self { url: format!("http://127.0.0.1:{port}"), child, folder }
    }

    /// A path in the server's folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Kills the server, and its model with it.
    pub(super) async fn kill(&mut self) {
        self.child.kill();
        self.child.0.wait().await.expect("it is ours");
    }
}

/// A process and those that it has started: a server of Cog's that is killed alone leaves its model behind.
struct Group(Child);

impl Group {
    fn kill(&self) {
        // Without a number it has been waited for, after everything was killed.
        let leader = self.0.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(leader) = leader {
            // Fails when there is none left.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

fn command(kind: Kind, class: &str, folder: &TempDir, said: &Path) -> Command {
    let bin = tools(kind.version());
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(bin.join("python"));
    command
        .args(["-m", "cog.server.http", "--host", "127.0.0.1"])
        .current_dir(folder.path())
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("PORT", "0")
        .env("COG_PREDICT_TYPE_STUB", format!("served.py:{class}"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(said).expect("a file"))
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// The port that the server has chosen, as it says itself.
async fn port(child: &mut Child, said: &Path) -> u16 {
    loop {
        let lines = std::fs::read_to_string(said).expect("it is there");
        let port =
            lines.split("on http://127.0.0.1:").chain(lines.split("server on 127.0.0.1:")).find_map(port_at);
        if let Some(port) = port {
            return port;
        }
        assert!(child.try_wait().expect("it is ours").is_none(), "Cog has ended: {lines}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The number that a text begins with, when it has ended.
fn port_at(text: &str) -> Option<u16> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    text[..end].parse().ok()
}

/// The environment with this version of Cog.
pub(super) fn tools(cog: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let bin = root.canonicalize().expect("a folder").join(format!("target/tools/cog-{cog}/bin"));
    assert!(bin.exists(), "{} is missing: run scripts/install-tools rust", bin.display());
    bin
}

/// What the tools of Cog would have made of the class.
fn schema(class: &str, streaming: bool) -> Value {
    let text = || json!({"type": "string"});
    let (input, required, output) = match class {
        "Values" => (json!({"what": text(), "text": text()}), json!(["what"]), json!({"type": "object"})),
        "Texts" => (
            json!({"count": {"type": "integer"}, "fail_at": {"type": "integer"}, "wait_for_file": text()}),
            json!(["count"]),
            json!({"type": "array", "items": text(), "x-cog-array-type": "iterator",
                "x-cog-array-display": "concatenate"}),
        ),
        "Words" => (json!({"text": text()}), json!(["text"]), json!({"type": "array", "items": text()})),
        "Frames" => (
            json!({"count": {"type": "integer"}}),
            json!(["count"]),
            json!({"type": "array", "items": {"type": "string", "format": "uri"}, "x-cog-array-type": "iterator"}),
        ),
        _ => (json!({"text": text()}), json!(["text"]), text()),
    };
    let mut post = json!({"responses": {}});
    if streaming {
        post["x-cog-streaming"] = true.into();
    }
    json!({
        "openapi": "3.0.2",
        "info": {"title": "Cog", "version": "0.1.0"},
        "paths": {"/predictions": {"post": post}},
        "components": {"schemas": {
            "Input": {"type": "object", "title": "Input", "properties": input, "required": required},
            "Output": output,
        }},
    })
}
