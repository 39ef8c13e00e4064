//! Real models: beside their own server, and what is only asked of real ones.

mod asked;

use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use cogwire_core::time::Timestamp;
use futures_util::StreamExt;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sse_stream::SseStream;

use super::{Bench, say};
use crate::clock::{self, Stopwatch};
use crate::cog;
use crate::load::Load;
use crate::plan::Plan;
use crate::server::{Options, Server};
use crate::sink::Sink;
use crate::statistics::{Spread, median};

pub(crate) use asked::Compared;

/// How many models are registered where idle ones are measured.
pub(crate) const MODELS: usize = 20;

/// The lines of the prediction that logs much.
pub(crate) const LINES: usize = 100_000;

/// The size of the large output, in MB.
pub(crate) const MEGABYTES: u64 = 1_000;

/// What is asked of a round, beside the comparison with Cog.
const COLD_STARTS: usize = 4;
const FIRST_TOKENS: usize = 10;

/// How long an instance stays where starts are measured, and how often the server is asked whether it is gone.
const SHORT_IDLE: [&str; 2] = ["--idle-timeout", "100ms"];
const LOOK: Duration = Duration::from_millis(20);
/// How long instances may take to go.
const GONE_LIMIT: Duration = Duration::from_secs(30);

/// How long idle servers are watched in a round.
pub(crate) const WATCHED: Duration = Duration::from_secs(10);

/// How often the memory is read while it may peak.
const SAMPLE: Duration = Duration::from_millis(5);

/// Makes the answer to a create wait for the end.
const WAIT: (&str, &str) = ("prefer", "wait=60");

/// All figures: medians of the rounds.
pub(crate) struct ModelFigures {
    pub(crate) compared: Compared,
    /// From create to the end, with no process running, in milliseconds.
    pub(crate) cold_start: Spread,
    /// From create to the end of a prediction with [`LINES`], in seconds.
    pub(crate) logs: f64,
    /// From the model's yield to the client, in milliseconds.
    pub(crate) first_token: Spread,
    /// The peak of the server's memory while a file of [`MEGABYTES`] is made and read, above what it has before, in MB.
    pub(crate) file: f64,
    /// A server with [`MODELS`], and one without.
    pub(crate) idle: (Idle, Idle),
}

/// What a server costs that does nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Idle {
    /// CPU time in milliseconds in [`WATCHED`].
    pub(crate) cpu: f64,
    pub(crate) megabytes: f64,
}

/// One round of a server whose model stays.
struct Warm {
    logs: f64,
    first_token: Spread,
    file: f64,
}

/// Measures everything about real models.
pub(crate) async fn measure(plan: &Plan, binary: &Path) -> anyhow::Result<ModelFigures> {
    let bench = Bench { plan, load: Load::new(), sink: Sink::start().await? };
    let packages = cog::packages()?;
    let options =
        Options { arguments: &["--idle-timeout", "never"], variables: &packages, ..Options::default() };
    let warm = Server::with(binary, &bench.load, options).await?;
    for model in ["trivial", "streaming", "file"] {
        add(&warm, binary, model, &name(model))?;
    }
    let compared = asked::measure(&bench, &warm).await?;
    let mut rounds = vec![];
    for round in 1..=plan.rounds {
        say(&format!("logs, tokens and files, round {round} of {}", plan.rounds));
        rounds.push(bench.warm_round(&warm).await?);
    }
    drop(warm);
    let (cold_start, idle) = bench.come_and_go(binary).await?;
    Ok(ModelFigures {
        compared,
        cold_start,
        logs: median(rounds.iter().map(|round| round.logs)),
        first_token: Spread::median(&rounds.iter().map(|round| round.first_token).collect::<Vec<_>>()),
        file: median(rounds.iter().map(|round| round.file)),
        idle,
    })
}

impl Bench<'_> {
    async fn warm_round(&self, server: &Server) -> anyhow::Result<Warm> {
        let logs = self.log_much(server).await?;
        let mut tokens = vec![];
        for _ in 0..FIRST_TOKENS {
            tokens.push(self.first_token(server).await?);
        }
        Ok(Warm { logs, first_token: Spread::of(tokens), file: self.large_file(server).await? })
    }

    /// One prediction whose log is long, from its create to its end, in seconds. No line may be missing.
    async fn log_much(&self, server: &Server) -> anyhow::Result<f64> {
        let watch = Stopwatch::start();
        let ended = self.run(server, "trivial", &json!({"lines": LINES})).await?;
        let took = watch.elapsed().as_secs_f64();
        let logs = ended["logs"].as_str().context("the prediction has no logs")?;
        let expected = (0..LINES).map(|number| format!("line {number}"));
        ensure!(logs.lines().eq(expected), "lines are missing in the log, or in the wrong place");
        Ok(took)
    }

    /// From the moment that the model writes into its only token to the moment that a client has it.
    async fn first_token(&self, server: &Server) -> anyhow::Result<Duration> {
        let body = json!({"input": {}, "stream": true});
        let created = self.create_of(server, "streaming", &body, &[]).await?;
        let url = created["urls"]["stream"].as_str().context("the model does not stream")?;
        let mut events = pin!(SseStream::new(self.load.open(url, "text/event-stream").await?));
        while let Some(event) = events.next().await {
            let (event, now) = (event?, clock::now());
            if event.event.as_deref() == Some("output") {
                let seconds: f64 = event.data.unwrap_or_default().trim().parse()?;
                return Ok(now.since(Timestamp::from_micros((seconds * 1e6) as i64)));
            }
        }
        bail!("the stream ended without a token")
    }

    /// A prediction with a large file, which is then read to its end. Returns how much memory that took at its peak, above what
    /// the server had before.
    async fn large_file(&self, server: &Server) -> anyhow::Result<f64> {
        self.run(server, "file", &json!({"megabytes": 1})).await?;
        let before = server.resident_megabytes()?;
        let work = async {
            let ended = self.run(server, "file", &json!({"megabytes": MEGABYTES})).await?;
            let url = ended["output"].as_str().context("the prediction has no file")?;
            let size = length(&self.load, url).await?;
            ensure!(size == MEGABYTES * 1_000_000, "the file has {size} bytes");
            Ok(())
        };
        Ok(peak_during(server, work).await? - before)
    }

    /// Starts with no process running, and what registered models cost that nobody uses.
    async fn come_and_go(&self, binary: &Path) -> anyhow::Result<(Spread, (Idle, Idle))> {
        let packages = cog::packages()?;
        let options = Options { arguments: &SHORT_IDLE, variables: &packages, ..Options::default() };
        let full = Server::with(binary, &self.load, options).await?;
        say(&format!("{MODELS} models"));
        for number in 0..MODELS {
            add(&full, binary, "trivial", &format!("bench/trivial-{number}"))?;
        }
        // What adding them took is not what having them costs.
        let full = full.again(binary, &self.load, options).await?;
        let empty = Server::with(binary, &self.load, options).await?;
        let (mut starts, mut idle) = (vec![], vec![]);
        for round in 1..=self.plan.rounds {
            say(&format!("starts and idle servers, round {round} of {}", self.plan.rounds));
            starts.push(self.cold_starts(&full).await?);
            self.wait_until_gone(&full).await?;
            idle.push(leave_alone(&full, &empty).await?);
        }
        let (with, without): (Vec<_>, Vec<_>) = idle.into_iter().unzip();
        Ok((Spread::median(&starts), (Idle::median(&with), Idle::median(&without))))
    }

    async fn cold_starts(&self, server: &Server) -> anyhow::Result<Spread> {
        let mut times = vec![];
        for _ in 0..COLD_STARTS {
            self.wait_until_gone(server).await?;
            let watch = Stopwatch::start();
            self.run(server, "trivial-0", &json!({})).await?;
            times.push(watch.elapsed());
        }
        Ok(Spread::of(times))
    }

    /// Waits until no model has a process.
    async fn wait_until_gone(&self, server: &Server) -> anyhow::Result<()> {
        let watch = Stopwatch::start();
        while watch.elapsed() < GONE_LIMIT {
            let answer = self.load.get(&server.url("/v1/instances")).await?;
            let body: Value = serde_json::from_slice(&answer.body)?;
            if body["results"].as_array().is_some_and(Vec::is_empty) {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        bail!("models still had processes after {GONE_LIMIT:?}")
    }

    /// Runs a prediction to its end, which has to be good.
    async fn run(&self, server: &Server, model: &str, input: &Value) -> anyhow::Result<Value> {
        let ended = self.create_of(server, model, &json!({"input": input}), &[WAIT]).await?;
        ensure!(ended["status"] == "succeeded", "a prediction is {}: {}", ended["status"], ended["error"]);
        Ok(ended)
    }

    async fn create_of(
        &self,
        server: &Server,
        model: &str,
        body: &Value,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Value> {
        let url = server.url(&format!("/v1/models/{}/predictions", name(model)));
        let answer = self.load.ask(&url, headers, Bytes::from(body.to_string())).await?;
        let text = String::from_utf8_lossy(&answer.body);
        ensure!(answer.status.is_success(), "{url} answered {}: {text}", answer.status);
        Ok(serde_json::from_str(&text)?)
    }
}

impl Idle {
    fn median(rounds: &[Self]) -> Self {
        Self {
            cpu: median(rounds.iter().map(|round| round.cpu)),
            megabytes: median(rounds.iter().map(|round| round.megabytes)),
        }
    }
}

fn add(server: &Server, binary: &Path, model: &str, name: &str) -> anyhow::Result<()> {
    server.add_model(binary, &cog::folder_of(model)?, name)
}

fn name(model: &str) -> String {
    format!("bench/{model}")
}

/// Two servers at the same time, so that whatever else the machine does falls on both.
async fn leave_alone(one: &Server, other: &Server) -> anyhow::Result<(Idle, Idle)> {
    let before = (one.cpu_seconds()?, other.cpu_seconds()?);
    tokio::time::sleep(WATCHED).await;
    let cost = |server: &Server, before: f64| -> anyhow::Result<Idle> {
        let cpu = (server.cpu_seconds()? - before) * 1000.0;
        Ok(Idle { cpu, megabytes: server.resident_megabytes()? })
    };
    Ok((cost(one, before.0)?, cost(other, before.1)?))
}

/// The most memory that a server has while the work is done, in MB.
async fn peak_during(server: &Server, work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<f64> {
    let mut work = pin!(work);
    let mut peak = 0.0;
    loop {
        peak = server.resident_megabytes()?.max(peak);
        tokio::select! {
            done = &mut work => return done.map(|()| peak),
            () = tokio::time::sleep(SAMPLE) => {}
        }
    }
}

async fn length(load: &Load, url: &str) -> anyhow::Result<u64> {
    let mut body = load.open(url, "*/*").await?;
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame?.data_ref().map_or(0, |piece| piece.len() as u64);
    }
    Ok(length)
}
