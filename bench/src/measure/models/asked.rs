//! The same model, asked through Cogwire and at its own server, one prediction after the other.

use std::time::Duration;

use anyhow::{bail, ensure};
use bytes::Bytes;
use cogwire_core::webhook::signature::Secret;
use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Bench, Load, Server, Spread, Stopwatch, WAIT, name, say};
use crate::cog::Cog;
use crate::measure::WEBHOOK;

/// How long to leave Cog alone that says that it has no slot yet: it does so for a moment after it has told an end.
const BUSY_PAUSE: Duration = Duration::from_millis(1);

/// Tries to find Cog's slot free.
const TRIES: usize = 1000;

/// What both servers take, in milliseconds: medians of the rounds.
pub(crate) struct Compared {
    /// Cog's own server.
    pub(crate) cog: Taken,
    /// The same model through Cogwire.
    pub(crate) cogwire: Taken,
    /// What Cogwire takes more to answer, each pair from one round.
    pub(crate) added: Spread,
    /// What Cogwire's webhooks take over what Cog's take, at the 50th and at the 99th percentile, each pair from one round.
    pub(crate) share: Spread,
}

/// From the request to the end of a prediction, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    /// Until a request that waits is answered.
    pub(crate) answer: Spread,
    /// Until the webhook is at its receiver.
    pub(crate) webhook: Spread,
}

/// Who is asked.
struct Target {
    url: String,
    /// Has the answer wait for the end.
    wait: &'static [(&'static str, &'static str)],
    /// Has it not wait.
    not_wait: &'static [(&'static str, &'static str)],
    /// Who signs the webhooks, if anybody does.
    secret: Option<Secret>,
}

pub(super) async fn measure(bench: &Bench<'_>, server: &Server) -> anyhow::Result<Compared> {
    let path = format!("/v1/models/{}", name("trivial"));
    let model: Value = serde_json::from_slice(&bench.load.get(&server.url(&path)).await?.body)?;
    let cog = Cog::start(&bench.load, "trivial", &model["latest_version"]["openapi_schema"]).await?;
    let (own, ours) = (Target::cog(&cog), Target::cogwire(server, &bench.load).await?);
    let mut rounds = vec![];
    for round in 1..=bench.plan.rounds {
        say(&format!("Cogwire beside Cog, round {round} of {}", bench.plan.rounds));
        rounds.push((Taken::of(bench, &own).await?, Taken::of(bench, &ours).await?));
    }
    Ok(Compared::median(&rounds))
}

impl Compared {
    fn median(rounds: &[(Taken, Taken)]) -> Self {
        let spread =
            |of: fn(&(Taken, Taken)) -> Spread| Spread::median(&rounds.iter().map(of).collect::<Vec<_>>());
        Self {
            cog: Taken { answer: spread(|round| round.0.answer), webhook: spread(|round| round.0.webhook) },
            cogwire: Taken {
                answer: spread(|round| round.1.answer),
                webhook: spread(|round| round.1.webhook),
            },
            added: spread(|(cog, cogwire)| cogwire.answer.above(cog.answer)),
            share: spread(|(cog, cogwire)| cogwire.webhook.over(cog.webhook)),
        }
    }
}

impl Taken {
    async fn of(bench: &Bench<'_>, target: &Target) -> anyhow::Result<Self> {
        // Whatever the target has not done for a while is not to be measured.
        bench.answered(target).await?;
        let (mut answers, mut webhooks) = (vec![], vec![]);
        for _ in 0..bench.plan.model_predictions {
            answers.push(bench.answered(target).await?);
        }
        for _ in 0..bench.plan.model_predictions {
            webhooks.push(bench.told(target).await?);
        }
        Ok(Self { answer: Spread::of(answers), webhook: Spread::of(webhooks) })
    }
}

impl Target {
    fn cog(cog: &Cog) -> Self {
        Self {
            url: cog.url("/predictions"),
            wait: &[],
            not_wait: &[("prefer", "respond-async")],
            secret: None,
        }
    }

    async fn cogwire(server: &Server, load: &Load) -> anyhow::Result<Self> {
        let url = server.url(&format!("/v1/models/{}/predictions", name("trivial")));
        Ok(Self { url, wait: &[WAIT], not_wait: &[], secret: Some(server.secret(load).await?) })
    }
}

impl Bench<'_> {
    async fn answered(&self, target: &Target) -> anyhow::Result<Duration> {
        let (watch, answer) =
            self.accepted(target, target.wait, &json!({"input": {"text": "Alice"}})).await?;
        let took = watch.elapsed();
        check(&answer)?;
        Ok(took)
    }

    /// The same until the webhook is there, which is the only one.
    async fn told(&self, target: &Target) -> anyhow::Result<Duration> {
        self.sink.clear();
        let body = json!({
            "input": {"text": "Alice"}, "webhook": self.sink.url(WEBHOOK), "webhook_events_filter": ["completed"],
        });
        let (watch, _) = self.accepted(target, target.not_wait, &body).await?;
        self.sink.wait_for(1).await?;
        let took = watch.elapsed();
        let arrivals = match &target.secret {
            Some(secret) => self.sink.take(secret)?,
            None => self.sink.take_any(),
        };
        ensure!(arrivals.len() == 1, "a webhook came more than once");
        check(&arrivals[0].body)?;
        Ok(took)
    }

    /// Asks until there is a slot. Returns what was started with the request that found one, and its answer.
    async fn accepted(
        &self,
        target: &Target,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> anyhow::Result<(Stopwatch, Bytes)> {
        let body = Bytes::from(body.to_string());
        for _ in 0..TRIES {
            let watch = Stopwatch::start();
            let answer = self.load.ask(&target.url, headers, body.clone()).await?;
            if answer.status != StatusCode::CONFLICT {
                let text = String::from_utf8_lossy(&answer.body);
                ensure!(answer.status.is_success(), "{} answered {}: {text}", target.url, answer.status);
                return Ok((watch, answer.body));
            }
            tokio::time::sleep(BUSY_PAUSE).await;
        }
        bail!("{} stayed busy", target.url)
    }
}

/// A figure is of a prediction that did what it should.
fn check(prediction: &[u8]) -> anyhow::Result<()> {
    let prediction: Value = serde_json::from_slice(prediction)?;
    ensure!(prediction["output"] == "hello Alice", "a prediction went wrong: {prediction}");
    Ok(())
}
