//! Models that one node was given and that others run: what they are made of is in the storage that all share.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::database::Database;
use super::node::Node;
use super::port::free_ports;
use super::{Turn, arguments, id};
use crate::harness::{pause, send};
use crate::models::{Added, Folder, pack, share_environments, without_network};

const ZOO: &str = "acme/zoo";

/// A node that answers and runs no models, and two that do both.
struct Machines {
    front: Node,
    first: Node,
    second: Node,
    _database: Database,
    _dir: TempDir,
    _turn: Turn,
}

impl Machines {
    async fn start() -> Self {
        let turn = Turn::wait().await;
        let (database, dir) = (Database::start().await, tempfile::tempdir().expect("a folder"));
        std::fs::write(dir.path().join("talk.toml"), super::SCRIPT).expect("written");
        let ports = free_ports::<3>();
        let place = async |number: usize, name: &'static str, roles: &str| {
            let own = dir.path().join(name);
            share_environments(&own);
            let arguments = arguments(dir.path(), roles, ports[0], &[]);
            Node::new(name, ports[number], own, &database, arguments).await.with_variables(without_network())
        };
        let mut machines = Self {
            front: place(0, "front", "api,deliver").await,
            first: place(1, "first", "api,run").await,
            second: place(2, "second", "api,run").await,
            _database: database,
            _dir: dir,
            _turn: turn,
        };
        let all = [&mut machines.front, &mut machines.first, &mut machines.second];
        join_all(all.map(Node::start)).await;
        machines
    }

    /// Runs a prediction to its end.
    async fn greet(&self, name: &str) -> Value {
        let body = json!({"version": ZOO, "input": {"text": name}});
        let created = self.front.http.post("/v1/predictions", &body).await.expect(201);
        self.front.wait_end(id(&created)).await
    }
}

async fn add(node: &Node, folder: &Folder) -> String {
    let request =
        node.http.request(Method::POST, &format!("/v1/models/{ZOO}/versions")).bearer_auth(&node.http.token);
    let request = request.header("content-type", "application/x-tar").body(pack(folder.path()));
    Added::read(&send(request).await).version()
}

/// How many processes of models a node has.
async fn processes(node: &Node) -> usize {
    node.http.get("/v1/instances").await.expect(200)["results"].as_array().map_or(0, Vec::len)
}

/// Waits until a node knows that somebody serves the model, or that nobody does: that is known as of a second ago.
async fn wait_warned(node: &Node, warned: bool) -> Value {
    for _ in 0..1000 {
        let body = json!({"version": ZOO, "input": {"text": "whoever"}});
        let reply = node.http.post("/v1/predictions", &body).await;
        let warning = reply.header("cogwire-warning");
        if warning.contains("no running node serves this version") == warned {
            return reply.expect(201);
        }
        pause().await;
    }
    panic!("the warning is not {warned}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_was_added_on_one_node_runs_on_every_other() {
    let mut machines = Machines::start().await;
    let refused = send(
        machines
            .front
            .http
            .request(Method::POST, &format!("/v1/models/{ZOO}/versions"))
            .bearer_auth(&machines.front.http.token)
            .header("content-type", "application/x-tar"),
    );
    assert_eq!(refused.await.status, 501, "a node that runs no models cannot try one");
    let version = add(&machines.first, &Folder::zoo()).await;
    assert_eq!(machines.greet("Alice").await["version"], version);

    machines.first.stop().await;
    assert_eq!(machines.greet("Bob").await["output"], "hello Bob");
    assert_eq!(processes(&machines.second).await, 1, "it was fetched from the storage");

    machines.second.stop().await;
    let waiting = wait_warned(&machines.front, true).await;
    machines.first.start().await;
    assert_eq!(machines.front.wait_end(id(&waiting)).await["output"], "hello whoever");
    let served = wait_warned(&machines.front, false).await;
    machines.front.wait_end(id(&served)).await;
}
