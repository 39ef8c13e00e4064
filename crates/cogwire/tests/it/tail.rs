//! `cogwire webhooks tail`: ends and their webhooks, as they happen.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver as Lines, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Http, Process, Receiver, cogwire, hello, serve_at};

/// How long a line may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The command on its way. Dropping it kills it.
struct Tail {
    child: Child,
    stdout: Lines<String>,
    stderr: Lines<String>,
}

impl Tail {
    fn start(http: &Http, arguments: &[&str]) -> Self {
        let mut command = cogwire();
        command.args(["webhooks", "tail"]).args(arguments);
        command.env("COGWIRE_URL", &http.base).env("COGWIRE_API_TOKEN", &http.token);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
        let stdout = lines(child.stdout.take().expect("piped"));
        let stderr = lines(child.stderr.take().expect("piped"));
        Self { child, stdout, stderr }
    }

    /// The next line of data that has this in it.
    fn prints(&self, part: &str) -> String {
        next(&self.stdout, part)
    }

    /// The next line for people that has this in it.
    fn says(&self, part: &str) -> String {
        next(&self.stderr, part)
    }

    /// ^C, and what is said then.
    fn interrupt(mut self) -> String {
        let kill = std::process::Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(kill.expect("kill runs").success());
        let said = self.says("To go on from here");
        assert!(self.child.wait().expect("a child").success());
        said
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        // It may have ended, which is just as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(pipe: impl Read + Send + 'static) -> Lines<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let lines = BufReader::new(pipe).lines().map_while(Result::ok);
        // Nobody listens any more when the test is over.
        lines.for_each(|line| drop(sender.send(line)));
    });
    receiver
}

fn next(lines: &Lines<String>, part: &str) -> String {
    let mut seen = Vec::new();
    while let Ok(line) = lines.recv_timeout(PATIENCE) {
        if line.contains(part) {
            return line;
        }
        seen.push(line);
    }
    panic!("waited for {part:?}: {seen:#?}");
}

/// A place before everything that the test does.
async fn place(http: &Http) -> String {
    let page = http.get("/v1/events?after=now").await.expect(200);
    page["next"].as_str().expect("a cursor").to_owned()
}

async fn create(http: &Http, receiver: &Receiver, text: &str) -> String {
    let mut body = hello(text);
    body["webhook"] = json!(receiver.url);
    let created = http.post("/v1/predictions", &body).await.expect(201);
    created["id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_message_is_a_line_that_says_how_it_stands() {
    let (dir, receiver) = (tempfile::tempdir().expect("a folder"), Receiver::start().await);
    let server = Process::start(dir.path()).await;
    let tail = Tail::start(&server.http, &["--since", &place(&server.http).await]);
    let id = create(&server.http, &receiver, "Alice").await;
    let line = tail.prints("delivered");
    assert!(
        line.contains(&format!("prediction.completed  msg_{id}_")) && line.ends_with("1 attempt"),
        "{line}"
    );
    tail.interrupt();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_server_loses_nothing() {
    let (dir, receiver) = (tempfile::tempdir().expect("a folder"), Receiver::start().await);
    let mut server = Process::start(dir.path()).await;
    let address = server.http.base.strip_prefix("http://").expect("http").to_owned();
    let tail = Tail::start(&server.http, &["--json", "--since", &place(&server.http).await]);
    let first = create(&server.http, &receiver, "Alice").await;
    assert!(tail.prints("\"delivered\"").contains(&first));
    server.kill();
    tail.says("is away");
    let server = Process::start_as(serve_at(&address, dir.path())).await;
    let second = create(&server.http, &receiver, "Bob").await;
    let line: Value = serde_json::from_str(&tail.prints("\"delivered\"")).expect("JSON");
    assert_eq!(line["delivery"]["prediction"], json!(second));
    tail.says("answers again");
    let cursor = line["cursor"].as_str().expect("a cursor");
    assert!(tail.interrupt().ends_with(&format!("--since {cursor}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_is_none_is_told_at_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Process::start(dir.path()).await;
    let mut tail = Tail::start(&server.http, &["--since", "yesterday"]);
    assert!(tail.says("after").contains("after"));
    assert_eq!(tail.child.wait().expect("a child").code(), Some(1));
}
