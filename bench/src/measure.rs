//! The measurements, in alternating rounds.

mod delivery;
mod models;
mod shared;

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::signature::{Secret, sign};
use hyper::StatusCode;

use crate::clock::{self, Stopwatch};
use crate::load::{Load, at_a_rate, at_full_speed};
use crate::plan::Plan;
use crate::server::Server;
use crate::sink::{Arrival, RAW, Sink};
use crate::statistics::{Spread, median};

pub(crate) use delivery::{BacklogFigures, DeliveryFigures, RATE, measure as delivery_alone};
pub(crate) use models::{
    Compared, Idle, LINES, MEGABYTES, MODELS, ModelFigures, WATCHED, measure as real_models,
};
pub(crate) use shared::SharedFigures;

/// `replicate/hello-world`, which is built in and answers at once.
const VERSION: &str = "9dcd6d78e7c6560c340d916fe32e9f24aabfa331e5cce95fe31f77fb03121426";

/// The size of a raw request, about that of a webhook of these predictions.
pub(crate) const RAW_BYTES: usize = 1500;

/// Pads the input, so that a webhook has about [`RAW_BYTES`].
const TEXT_BYTES: usize = 300;

/// The path of the sink that keeps what comes.
const WEBHOOK: &str = "/webhook";

/// How many predictions the younger server of the comparison has stored.
pub(crate) const FEW: usize = 1_000;

/// How long an idle server is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(3);

/// All figures: medians of the rounds.
pub(crate) struct Figures {
    /// Signed requests a second that the sink takes from the same client.
    pub(crate) raw: f64,
    /// Predictions a second, from the first create to the last webhook.
    pub(crate) durable: f64,
    /// The second over the first, each pair from one round.
    pub(crate) share: f64,
    /// CPU time of the server for 1000 of them, in seconds.
    pub(crate) cpu_per_thousand: f64,
    pub(crate) webhook_bytes: f64,
    /// From create to 201 at one client, in milliseconds.
    pub(crate) create: Spread,
    /// From a prediction's end to its webhook at a steady rate, in milliseconds.
    pub(crate) webhook: Spread,
    /// The commits of the same rounds, in milliseconds.
    pub(crate) commit: Spread,
    pub(crate) start_milliseconds: f64,
    pub(crate) idle_megabytes: f64,
    /// Speed with many predictions stored over speed with few; with how many that is.
    pub(crate) history: Option<(usize, f64)>,
    /// Servers that share a database.
    pub(crate) shared: Option<SharedFigures>,
}

/// What the rounds have in common.
struct Bench<'a> {
    plan: &'a Plan,
    load: Load,
    sink: Sink,
}

/// Predictions as fast as possible, until the last webhook is there.
struct Saturation {
    per_second: f64,
    cpu_per_thousand: f64,
    webhook_bytes: f64,
}

/// Predictions at a steady rate.
struct Steady {
    webhook: Spread,
    commit: Spread,
}

/// Measures everything in the plan.
pub(crate) async fn all(plan: &Plan, binary: &Path) -> anyhow::Result<Figures> {
    let bench = Bench { plan, load: Load::new(), sink: Sink::start().await? };
    let (starts, memories) = bench.starts(binary).await?;
    let server = Server::start(binary, &bench.load).await?;
    let secret = server.secret(&bench.load).await?;
    let (mut raws, mut saturations, mut creates, mut steadies) = (vec![], vec![], vec![], vec![]);
    for round in 1..=plan.rounds {
        say(&format!("round {round} of {}", plan.rounds));
        raws.push(bench.raw(&secret).await?);
        saturations.push(bench.saturate(&server, &secret, plan.predictions).await?);
        creates.push(bench.create_alone(&server, &secret).await?);
        steadies.push(bench.steady(&server, &secret).await?);
    }
    drop(server);
    Ok(Figures {
        raw: median(raws.iter().copied()),
        durable: median(saturations.iter().map(|round| round.per_second)),
        share: median(saturations.iter().zip(&raws).map(|(round, raw)| round.per_second / raw)),
        cpu_per_thousand: median(saturations.iter().map(|round| round.cpu_per_thousand)),
        webhook_bytes: median(saturations.iter().map(|round| round.webhook_bytes)),
        create: Spread::median(&creates),
        webhook: Spread::median(&steadies.iter().map(|round| round.webhook).collect::<Vec<_>>()),
        commit: Spread::median(&steadies.iter().map(|round| round.commit).collect::<Vec<_>>()),
        start_milliseconds: median(starts),
        idle_megabytes: median(memories),
        history: bench.history(binary).await?,
        shared: if plan.postgres { Some(shared::measure(&bench, binary).await?) } else { None },
    })
}

impl Bench<'_> {
    /// How long starts take in milliseconds, and what idle servers hold in memory in MB.
    async fn starts(&self, binary: &Path) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
        say("starts");
        let (mut starts, mut memories) = (vec![], vec![]);
        for _ in 0..self.plan.rounds {
            let server = Server::start(binary, &self.load).await?;
            starts.push(server.start_time().as_secs_f64() * 1000.0);
            tokio::time::sleep(IDLE).await;
            memories.push(server.resident_megabytes()?);
        }
        Ok((starts, memories))
    }

    /// Signed requests a second, straight to the sink.
    async fn raw(&self, secret: &Secret) -> anyhow::Result<f64> {
        let (load, url, secret) = (self.load.clone(), self.sink.url(RAW), secret.clone());
        let body = Bytes::from(vec![b'x'; RAW_BYTES]);
        let act = move || post_signed(load.clone(), url.clone(), secret.clone(), body.clone());
        let took = at_full_speed(self.plan.clients, self.plan.requests, act).await?;
        Ok(self.plan.requests as f64 / took.as_secs_f64())
    }

    async fn saturate(
        &self,
        server: &Server,
        secret: &Secret,
        predictions: usize,
    ) -> anyhow::Result<Saturation> {
        self.saturate_to(WEBHOOK, server, secret, predictions).await
    }

    async fn saturate_to(
        &self,
        path: &'static str,
        server: &Server,
        secret: &Secret,
        predictions: usize,
    ) -> anyhow::Result<Saturation> {
        self.sink.clear();
        let cpu = server.cpu_seconds()?;
        let watch = Stopwatch::start();
        at_full_speed(self.plan.clients, predictions, self.create(server, Some(path))).await?;
        self.sink.wait_for(predictions).await?;
        let took = watch.elapsed().as_secs_f64();
        let cpu = server.cpu_seconds()? - cpu;
        let arrivals = self.sink.take(secret)?;
        let bytes: usize = arrivals.iter().map(|arrival| arrival.body.len()).sum();
        let count = predictions as f64;
        Ok(Saturation {
            per_second: count / took,
            cpu_per_thousand: cpu / count * 1000.0,
            webhook_bytes: bytes as f64 / count,
        })
    }

    /// One client that waits for each 201 before it asks again.
    async fn create_alone(&self, server: &Server, secret: &Secret) -> anyhow::Result<Spread> {
        self.sink.clear();
        let create = self.create(server, Some(WEBHOOK));
        let mut times = Vec::with_capacity(self.plan.creates);
        for _ in 0..self.plan.creates {
            let watch = Stopwatch::start();
            create().await?;
            times.push(watch.elapsed());
        }
        self.sink.wait_for(self.plan.creates).await?;
        self.sink.take(secret)?;
        Ok(Spread::of(times))
    }

    async fn steady(&self, server: &Server, secret: &Secret) -> anyhow::Result<Steady> {
        let Plan { rate, seconds, .. } = *self.plan;
        self.sink.clear();
        let before = server.commits(&self.load).await?;
        at_a_rate(rate, seconds, self.create(server, Some(WEBHOOK))).await?;
        self.sink.wait_for((rate * seconds) as usize).await?;
        let commit = server.commits(&self.load).await?.since(&before);
        let delays: anyhow::Result<Vec<_>> = self.sink.take(secret)?.iter().map(delay).collect();
        Ok(Steady { webhook: Spread::of(delays?), commit })
    }

    /// The old server keeps what was seeded; the young one is new in every round, so that it stays young.
    async fn history(&self, binary: &Path) -> anyhow::Result<Option<(usize, f64)>> {
        let Some(stored) = self.plan.million else { return Ok(None) };
        let old = self.seeded(binary, stored).await?;
        let old_secret = old.secret(&self.load).await?;
        let predictions = self.plan.predictions.min(5_000);
        let mut ratios = vec![];
        for round in 1..=self.plan.rounds {
            say(&format!("history, round {round} of {}", self.plan.rounds));
            let young = self.seeded(binary, FEW).await?;
            let young_secret = young.secret(&self.load).await?;
            let few = self.saturate(&young, &young_secret, predictions).await?;
            drop(young);
            let many = self.saturate(&old, &old_secret, predictions).await?;
            ratios.push(many.per_second / few.per_second);
        }
        Ok(Some((stored, median(ratios))))
    }

    async fn seeded(&self, binary: &Path, stored: usize) -> anyhow::Result<Server> {
        let server = Server::start(binary, &self.load).await?;
        self.seed(&server, stored).await?;
        Ok(server)
    }

    async fn seed(&self, server: &Server, stored: usize) -> anyhow::Result<()> {
        let took = at_full_speed(self.plan.clients, stored, self.create(server, None)).await?;
        say(&format!("stored {stored} predictions in {:.1} s", took.as_secs_f64()));
        Ok(())
    }

    /// What creates one prediction, whose webhook goes to this path of the sink.
    fn create(
        &self,
        server: &Server,
        webhook: Option<&str>,
    ) -> impl Fn() -> BoxedRequest + Clone + Send + 'static + use<> {
        self.create_to(server, webhook.map(|path| self.sink.url(path)).as_deref())
    }

    /// What creates one prediction, whose webhook goes to this URL.
    fn create_to(
        &self,
        server: &Server,
        webhook: Option<&str>,
    ) -> impl Fn() -> BoxedRequest + Clone + Send + 'static + use<> {
        let (load, url) = (self.load.clone(), server.url("/v1/predictions"));
        let mut body = serde_json::json!({"version": VERSION, "input": {"text": "x".repeat(TEXT_BYTES)}});
        if let Some(url) = webhook {
            body["webhook"] = url.into();
            body["webhook_events_filter"] = serde_json::json!(["completed"]);
        }
        let body = Bytes::from(body.to_string());
        move || {
            let (load, url, body) = (load.clone(), url.clone(), body.clone());
            Box::pin(async move { load.post(&url, &[], body, StatusCode::CREATED).await })
        }
    }
}

type BoxedRequest = std::pin::Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

async fn post_signed(load: Load, url: String, secret: Secret, body: Bytes) -> anyhow::Result<()> {
    let now = clock::now().as_seconds();
    let signature = sign(&secret, "msg_raw", now, &body);
    let timestamp = now.to_string();
    let headers = [
        ("webhook-id", "msg_raw"),
        ("webhook-timestamp", timestamp.as_str()),
        ("webhook-signature", signature.as_str()),
    ];
    load.post(&url, &headers, body, StatusCode::OK).await
}

/// From the prediction's `completed_at` to the arrival of its webhook. Both are times of this machine's clock.
fn delay(arrival: &Arrival) -> anyhow::Result<Duration> {
    let prediction: serde_json::Value = serde_json::from_slice(&arrival.body)?;
    let completed_at = prediction["completed_at"].as_str().context("the prediction has not ended")?;
    Ok(arrival.at.since(Timestamp::parse(completed_at)?))
}

#[expect(
    clippy::print_stderr,
    reason = "progress is for the person who waits; the table on stdout is the result"
)]
fn say(text: &str) {
    eprintln!("{text}");
}
