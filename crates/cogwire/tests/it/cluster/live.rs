//! What happens on one node is seen on another at once.

use std::time::Duration;

use cogwire::lifecycle::SystemClock;
use cogwire_core::time::{Clock, Timestamp};
use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Cluster, id, talk};
use crate::harness::{CHAOS, Http, cogwire, output};

/// Reads the stream of a prediction from one node after the other, until it says that it is done.
pub(super) struct Reader {
    api: [Http; 2],
    path: String,
}

impl Reader {
    pub(super) fn new(api: [Http; 2], prediction: &Value) -> Self {
        let url = prediction["urls"]["stream"].as_str().expect("a stream");
        // Everybody is given the same URL; this is about which node answers.
        let path = reqwest::Url::parse(url).expect("a URL").path().to_owned();
        Self { api, path }
    }

    /// What the model says.
    pub(super) async fn read(&self) -> Vec<String> {
        self.read_timed().await.into_iter().map(|(said, _)| said).collect()
    }

    /// What the model says, and when it is heard.
    pub(super) async fn read_timed(&self) -> Vec<(String, Timestamp)> {
        let (mut heard, mut last) = (Vec::new(), None);
        for http in self.api.iter().cycle().take(1000) {
            if self.read_some(http, &mut last, &mut heard).await {
                return heard;
            }
            // Whoever goes away may need a moment until it is back.
            crate::harness::pause().await;
        }
        panic!("the stream never ended: {heard:?}");
    }

    /// Reads until the connection ends; whether the stream is over.
    async fn read_some(
        &self,
        http: &Http,
        last: &mut Option<String>,
        heard: &mut Vec<(String, Timestamp)>,
    ) -> bool {
        let mut request = http.request(Method::GET, &self.path);
        if let Some(id) = last {
            request = request.header("last-event-id", id.as_str());
        }
        let Ok(response) = request.send().await else { return false };
        let mut events = sse_stream::SseStream::from_bytes_stream(response.bytes_stream());
        while let Some(Ok(event)) = events.next().await {
            let now = SystemClock.now();
            match event.event.as_deref() {
                Some("done") => return true,
                Some("output") => heard.push((event.data.unwrap_or_default(), now)),
                _ => {}
            }
            *last = event.id.or(last.take());
        }
        false
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_seen_on_another_node_while_they_are_said() {
    const TOKENS: u32 = 40;
    let cluster = Cluster::start().await;
    let created = cluster.create(0, talk(TOKENS, 50, false)).await;
    let reader = Reader::new([cluster.api[1].http.clone(), cluster.api[0].http.clone()], &created);
    let heard = reader.read_timed().await;
    assert_eq!(heard.len() as u32, TOKENS);
    let ended = cluster.api[0].wait_end(id(&created)).await;
    let late = lateness(&heard, &ended);
    let (median, most) = (late[late.len() / 2], late[late.len() - 1]);
    assert!(median < Duration::from_millis(200), "median {median:?}, most {most:?}");
    assert!(most < Duration::from_secs(1), "a signal was lost and only polling found it: {late:?}");
}

/// How long after it was said each token was heard, in order. The model says them evenly from its start to its end.
fn lateness(heard: &[(String, Timestamp)], ended: &Value) -> Vec<Duration> {
    let (started, completed) = (time(&ended["started_at"]), time(&ended["completed_at"]));
    let pace = completed.since(started) / heard.len() as u32;
    let said = (1..).map(|number| started + pace * number);
    let mut late: Vec<Duration> = heard.iter().zip(said).map(|((_, at), said)| at.since(said)).collect();
    late.sort();
    late
}

fn time(value: &Value) -> Timestamp {
    Timestamp::parse(value.as_str().expect("a time")).expect("a time")
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_cancels_and_deadlines_work_whichever_node_runs_it() {
    let cluster = Cluster::with(&["--max-running", "1"]).await;
    let [first, second] = &cluster.api;

    let wait = [("prefer", "wait=20")];
    let ended = first.http.post_with("/v1/predictions", &talk(10, 50, false), &wait).await.expect(201);
    let late = SystemClock.now().since(time(&ended["completed_at"]));
    assert!(late < Duration::from_millis(500), "the answer came {late:?} after the end");

    // There are two slots in all.
    let mut hanging = Vec::new();
    for _ in 0..2 {
        let created = cluster.create(0, talk(1, 0, true)).await;
        first.wait_status(id(&created), "processing").await;
        hanging.push(created);
    }
    let waiting = cluster.create(0, talk(1, 0, false)).await;
    assert_eq!(second.cancel(id(&hanging[0])).await["status"], "canceled");
    assert_eq!(first.wait_end(id(&waiting)).await["status"], "succeeded", "the slot is free again");

    let after = [("cancel-after", "5s")];
    let hang = json!({"version": CHAOS, "input": {"outcome": "hang"}});
    let doomed = second.http.post_with("/v1/predictions", &hang, &after).await.expect(201);
    assert_eq!(first.wait_end(id(&doomed)).await["status"], "canceled");
    assert_eq!(first.cancel(id(&hanging[1])).await["status"], "canceled");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_follows_through_any_node() {
    let cluster = Cluster::start().await;
    let created = cluster.create(0, talk(10, 50, false)).await;
    let said: String = (1..=10).map(|number| format!("said {number}\n")).collect();
    assert_eq!(tell(&cluster.api[1].http, &["predictions", "logs", id(&created), "--follow"]).await, said);
    let streamed = tell(&cluster.api[1].http, &["run", "acme/talk", "pieces=5", "--stream"]).await;
    assert_eq!(streamed.trim_end(), "1 2 3 4 5");
}

/// What a command that talks to this server prints.
async fn tell(http: &Http, arguments: &[&str]) -> String {
    let mut command = cogwire();
    command.args(arguments).env("COGWIRE_URL", &http.base).env("COGWIRE_API_TOKEN", &http.token);
    let output = output(command).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
