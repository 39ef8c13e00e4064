//! Several machines: what happens to work that is divided between six processes when some of them, the database, or the way
//! between the two fails.
//!
//! Each test has its own PostgreSQL server, which flushes to disk, and six real processes: two that answer the API, two that
//! run models, two that send webhooks. Each process reaches the database through a proxy of its own, which can be cut. Leases
//! are as short as they can be, so that the tests may wait for real time. They run one after the other ([`Turn`]): each is a
//! machine's worth of work.

mod database;
mod load;
mod node;
pub(crate) mod order;
mod port;
mod proxy;
mod settled;

mod deaths;
mod live;
mod models;
mod outages;
mod partitions;
mod pauses;
mod rolling;
mod unserved;

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Manner, Receiver};
use database::Database;
use node::Node;
use port::free_ports;

/// How long a node may be silent.
const LEASE: Duration = Duration::from_secs(3);

/// After this long without a sign of life, a node's work is others': its lease is over, and some other node's heartbeat, of
/// which there are three in a lease, has seen it.
const GIVEN_UP: Duration = Duration::from_millis(4500);

/// `acme/talk` streams pieces of text with a log beside each, and then hangs when it is told to: whoever ran it twice would say
/// some piece twice. `acme/late` gives no sign of life for longer than it takes until a node is given up.
const SCRIPT: &str = r#"
[[model]]
owner = "acme"
name = "talk"
output = "concatenate"
input.pieces = { type = "integer", default = 6 }
input.wait_ms = { type = "integer", default = 50 }
input.hang = { type = "boolean", default = false }

[[model.step]]
repeat = "{{ input.pieces }}"
wait_ms = "{{ input.wait_ms }}"
log = "said {{ index }}\n"
output = "{{ index }} "

[[model.step]]
when = "{{ input.hang }}"
hang = true

[[model]]
owner = "acme"
name = "late"
boot_ms = 5000

[[model.step]]
output = "at last"
"#;

/// The first model in [`SCRIPT`].
const TALK: &str = "acme/talk";

/// Six processes, their database, and a receiver of webhooks. Dropping it ends them all; the logs of a test that fails are
/// shown.
struct Cluster {
    api: [Node; 2],
    run: [Node; 2],
    deliver: [Node; 2],
    database: Database,
    receiver: Receiver,
    /// What the processes keep for themselves, and the files that they share.
    _dir: TempDir,
    _turn: Turn,
}

impl Cluster {
    /// Starts everything, and waits until it is ready.
    async fn start() -> Self {
        Self::with(&[]).await
    }

    /// The same with these arguments for every process.
    async fn with(arguments: &[&str]) -> Self {
        let mut cluster = Self::prepare(arguments).await;
        join_all(cluster.nodes_mut().map(Node::start)).await;
        cluster
    }

    /// Everything but the processes.
    async fn prepare(arguments: &[&str]) -> Self {
        let turn = Turn::wait().await;
        let (database, dir) = (Database::start().await, tempfile::tempdir().expect("a folder"));
        std::fs::write(dir.path().join("talk.toml"), SCRIPT).expect("written");
        let ports = free_ports::<6>();
        let place = async |number: usize, name: &'static str, role: &str| {
            let own = dir.path().join(name);
            std::fs::create_dir(&own).expect("made");
            // The first node stands for the proxy that would be in front of both that answer.
            let arguments = self::arguments(dir.path(), role, ports[0], arguments);
            Node::new(name, ports[number], own, &database, arguments).await
        };
        let receiver = Receiver::start().await;
        receiver.behave(Manner { delay: Duration::from_millis(30), refuse_every: 7 });
        Self {
            api: [place(0, "api-1", "api").await, place(1, "api-2", "api").await],
            run: [place(2, "run-1", "run").await, place(3, "run-2", "run").await],
            deliver: [place(4, "deliver-1", "deliver").await, place(5, "deliver-2", "deliver").await],
            database,
            receiver,
            _dir: dir,
            _turn: turn,
        }
    }

    fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.api.iter().chain(&self.run).chain(&self.deliver)
    }

    fn nodes_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.api.iter_mut().chain(&mut self.run).chain(&mut self.deliver)
    }

    /// Waits until every node is ready.
    async fn wait_ready(&self) {
        join_all(self.nodes().map(|node| node.http.wait_ready())).await;
    }

    /// Creates a prediction through one node that answers, with a webhook for its end.
    async fn create(&self, api: usize, body: Value) -> Value {
        let mut body = body;
        body["webhook"] = json!(self.receiver.url);
        body["webhook_events_filter"] = json!(["completed"]);
        self.api[api].http.post("/v1/predictions", &body).await.expect(201)
    }
}

/// The body of a create of `acme/talk`: so many pieces, so many milliseconds apart, and whether it hangs afterwards.
fn talk(pieces: u32, wait_ms: u32, hang: bool) -> Value {
    json!({"version": TALK, "input": {"pieces": pieces, "wait_ms": wait_ms, "hang": hang}})
}

fn id(prediction: &Value) -> &str {
    prediction["id"].as_str().expect("an id")
}

impl Drop for Cluster {
    #[expect(clippy::print_stderr, reason = "whoever looks at a test that failed wants to see the logs")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            for node in self.nodes() {
                eprintln!("---- {} ({})\n{}", node.name, node.http.base, node.log.text());
            }
        }
    }
}

/// What every process is told, in pairs of a flag and its value; what a test asks for wins. `front` is the port where all of
/// them are reached: on this machine, so that webhooks may go there.
fn arguments(dir: &Path, role: &str, front: u16, asked: &[&str]) -> Vec<String> {
    let place = |name| dir.join(name).to_string_lossy().into_owned();
    let usual = [
        ("--roles", role.to_owned()),
        ("--storage-url", place("files")),
        ("--scripts", place("talk.toml")),
        ("--public-url", format!("http://127.0.0.1:{front}")),
        ("--database-connections", "8".to_owned()),
        ("--node-lease", "3s".to_owned()),
        ("--webhook-timeout", "900ms".to_owned()),
        ("--webhook-progress-timeout", "500ms".to_owned()),
    ];
    let usual = usual.into_iter().filter(|(flag, _)| !asked.contains(flag));
    let usual = usual.flat_map(|(flag, value)| [flag.to_owned(), value]);
    usual.chain(asked.iter().map(|argument| (*argument).to_owned())).collect()
}

/// The right to run a cluster: only one test of this machine has it, in whichever process it runs.
struct Turn {
    _file: File,
}

impl Turn {
    async fn wait() -> Self {
        let file = File::create(concat!(env!("CARGO_TARGET_TMPDIR"), "/cluster.lock")).expect("a file");
        let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
        // The lock goes with the file.
        Self { _file: locked.expect("no panic").expect("a lock") }
    }
}
