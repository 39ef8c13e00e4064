//! Delivery alone: rows that wait, receivers beside each other, and a great backlog.

mod backlog;
mod beside;

use std::path::Path;

use anyhow::Context;

use super::{Bench, WEBHOOK, say};
use crate::database::Database;
use crate::load::{Load, at_a_rate, at_full_speed};
use crate::plan::Plan;
use crate::server::{Options, Server, Stopped};
use crate::sink::Sink;
use crate::statistics::{Spread, median};

pub(crate) use backlog::BacklogFigures;
pub(crate) use beside::{BesideFigures, RATE};

/// Keeps webhooks in the store while they are made: there is one request at a time, and it is not answered.
const HELD: [&str; 4] = ["--webhook-concurrency", "1", "--webhook-concurrency-per-origin", "1"];

/// All figures: medians of the rounds.
pub(crate) struct DeliveryFigures {
    /// Signed requests a second that the sink takes from the same client.
    pub(crate) raw: f64,
    /// Deliveries a second from rows that wait, and over the raw limit of the same round.
    pub(crate) waiting: (f64, f64),
    /// The same on PostgreSQL.
    pub(crate) waiting_postgres: Option<(f64, f64)>,
    /// From a prediction's end to its webhook at half of the speed at saturation; and that rate.
    pub(crate) half: (u32, Spread),
    pub(crate) beside: BesideFigures,
    pub(crate) backlog: Option<BacklogFigures>,
}

/// Measures delivery.
pub(crate) async fn measure(plan: &Plan, binary: &Path) -> anyhow::Result<DeliveryFigures> {
    let bench = Bench { plan, load: Load::new(), sink: Sink::start().await? };
    let (mut raws, mut waiting, mut on_postgres) = (vec![], vec![], vec![]);
    for round in 1..=plan.rounds {
        say(&format!("rows that wait, round {round} of {}", plan.rounds));
        let raw = bench.raw_limit(binary).await?;
        raws.push(raw);
        waiting.push((bench.waiting(binary, None).await?, raw));
        if plan.postgres {
            let database = Database::start()?;
            on_postgres.push((bench.waiting(binary, Some(&database)).await?, raw));
        }
    }
    Ok(DeliveryFigures {
        raw: median(raws),
        waiting: shares(&waiting),
        waiting_postgres: plan.postgres.then(|| shares(&on_postgres)),
        half: bench.half_load(binary).await?,
        beside: beside::measure(&bench, binary).await?,
        backlog: bench.backlog(binary).await?,
    })
}

fn shares(rounds: &[(f64, f64)]) -> (f64, f64) {
    (median(rounds.iter().map(|(speed, _)| *speed)), median(rounds.iter().map(|(speed, raw)| speed / raw)))
}

impl Bench<'_> {
    async fn raw_limit(&self, binary: &Path) -> anyhow::Result<f64> {
        // Any secret will do, and a server has one.
        let server = Server::start(binary, &self.load).await?;
        let secret = server.secret(&self.load).await?;
        drop(server);
        self.raw(&secret).await
    }

    /// Deliveries a second of the first 99 in 100 that arrive, when all of them waited in the store. What was on its way when
    /// the server was killed waits, on PostgreSQL, until the dead server's lease is over: that is no matter of speed.
    async fn waiting(&self, binary: &Path, database: Option<&Database>) -> anyhow::Result<f64> {
        let count = self.plan.waiting;
        let server = self.with_waiting(binary, database, count).await?;
        let secret = server.secret(&self.load).await?;
        self.sink.wait_for(count).await?;
        let arrivals = self.sink.take(&secret)?;
        let mut times: Vec<_> = arrivals.iter().map(|arrival| arrival.at).collect();
        times.sort_unstable();
        times.truncate(count - count / 100);
        let (first, last) = times.first().zip(times.last()).context("nothing came")?;
        Ok(times.len() as f64 / last.since(*first).as_secs_f64())
    }

    /// A server that has just started, and in whose store so many webhooks wait.
    async fn with_waiting(
        &self,
        binary: &Path,
        database: Option<&Database>,
        count: usize,
    ) -> anyhow::Result<Server> {
        let stopped = self.stopped_with_waiting(binary, database, count).await?;
        stopped.start(binary, &self.load, Options { database, ..Options::default() }).await
    }

    /// A server that is stopped, and in whose store so many webhooks wait.
    async fn stopped_with_waiting(
        &self,
        binary: &Path,
        database: Option<&Database>,
        count: usize,
    ) -> anyhow::Result<Stopped> {
        self.sink.hold(true);
        let held = Options { database, arguments: &HELD, ..Options::default() };
        let server = Server::with(binary, &self.load, held).await?;
        at_full_speed(self.plan.clients, count, self.create(&server, Some(WEBHOOK))).await?;
        server.wait_for_backlog(&self.load, count).await?;
        let stopped = server.stop();
        self.sink.clear();
        self.sink.hold(false);
        Ok(stopped)
    }

    /// From the end of a prediction to its webhook, at half of the speed that a short saturation reaches.
    async fn half_load(&self, binary: &Path) -> anyhow::Result<(u32, Spread)> {
        let server = Server::start(binary, &self.load).await?;
        let secret = server.secret(&self.load).await?;
        let full = self.saturate(&server, &secret, self.plan.predictions).await?.per_second;
        let rate = (full / 2.0) as u32;
        let mut rounds = vec![];
        for round in 1..=self.plan.rounds {
            say(&format!("half load, round {round} of {}", self.plan.rounds));
            self.sink.clear();
            at_a_rate(rate, self.plan.seconds, self.create(&server, Some(WEBHOOK))).await?;
            self.sink.wait_for((rate * self.plan.seconds) as usize).await?;
            let delays: anyhow::Result<Vec<_>> = self.sink.take(&secret)?.iter().map(super::delay).collect();
            rounds.push(Spread::of(delays?));
        }
        Ok((rate, Spread::median(&rounds)))
    }
}
