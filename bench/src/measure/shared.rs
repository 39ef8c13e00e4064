//! Servers that share a PostgreSQL database, measured in the same rounds as one on SQLite.

use std::path::Path;

use cogwire_core::webhook::signature::Secret;

use super::{Bench, FEW, Saturation, say};
use crate::database::Database;
use crate::server::{Options, Server};
use crate::sink::SLOW;
use crate::statistics::median;

/// Requests that one sender may have on their way in the comparison of senders: few, so that the receiver is what they wait for.
const FEW_REQUESTS: [&str; 4] = ["--webhook-concurrency", "16", "--webhook-concurrency-per-origin", "16"];

/// Predictions of one round of that comparison.
const FOR_SENDERS: usize = 2_000;

/// All figures: medians of the rounds.
pub(crate) struct SharedFigures {
    /// Predictions a second of one server that does everything.
    pub(crate) durable: f64,
    /// The same over one server on SQLite, each pair from one round.
    pub(crate) share: f64,
    /// CPU time for 1000 of them in seconds: the server's, and the database's.
    pub(crate) cpu_per_thousand: (f64, f64),
    /// Predictions a second of three servers, one for each role: everything is claimed.
    pub(crate) apart: f64,
    /// The speed of two senders over the speed of one, to a slow receiver.
    pub(crate) senders: f64,
    /// Speed of three servers with many predictions stored over speed with few; with how many that is.
    pub(crate) history: Option<(usize, f64)>,
}

/// One server for each role, on one database. The database is dropped last.
struct Apart {
    api: Server,
    secret: Secret,
    _run: Server,
    _senders: Vec<Server>,
    _database: Database,
}

/// One round of one server that does everything.
struct Together {
    saturation: Saturation,
    database_cpu: f64,
    share: f64,
}

pub(super) async fn measure(bench: &Bench<'_>, binary: &Path) -> anyhow::Result<SharedFigures> {
    let together = together(bench, binary).await?;
    let apart = Apart::start(bench, binary, 1, &[]).await?;
    let mut apart_speeds = vec![];
    for round in 1..=bench.plan.rounds {
        say(&format!("three servers, round {round} of {}", bench.plan.rounds));
        apart_speeds.push(apart.saturate(bench, bench.plan.predictions).await?);
    }
    drop(apart);
    let per_thousand = bench.plan.predictions as f64 / 1000.0;
    Ok(SharedFigures {
        durable: median(together.iter().map(|round| round.saturation.per_second)),
        share: median(together.iter().map(|round| round.share)),
        cpu_per_thousand: (
            median(together.iter().map(|round| round.saturation.cpu_per_thousand)),
            median(together.iter().map(|round| round.database_cpu / per_thousand)),
        ),
        apart: median(apart_speeds),
        senders: senders(bench, binary).await?,
        history: history(bench, binary).await?,
    })
}

async fn together(bench: &Bench<'_>, binary: &Path) -> anyhow::Result<Vec<Together>> {
    let database = Database::start()?;
    let options = Options { database: Some(&database), ..Options::default() };
    let shared = Server::with(binary, &bench.load, options).await?;
    let alone = Server::start(binary, &bench.load).await?;
    let (shared_secret, alone_secret) = (shared.secret(&bench.load).await?, alone.secret(&bench.load).await?);
    let mut rounds = vec![];
    for round in 1..=bench.plan.rounds {
        say(&format!("PostgreSQL beside SQLite, round {round} of {}", bench.plan.rounds));
        let before = database.cpu_seconds()?;
        let saturation = bench.saturate(&shared, &shared_secret, bench.plan.predictions).await?;
        let database_cpu = database.cpu_seconds()? - before;
        let alone = bench.saturate(&alone, &alone_secret, bench.plan.predictions).await?;
        let share = saturation.per_second / alone.per_second;
        rounds.push(Together { saturation, database_cpu, share });
    }
    Ok(rounds)
}

async fn senders(bench: &Bench<'_>, binary: &Path) -> anyhow::Result<f64> {
    let one = Apart::start(bench, binary, 1, &FEW_REQUESTS).await?;
    let two = Apart::start(bench, binary, 2, &FEW_REQUESTS).await?;
    let mut ratios = vec![];
    for round in 1..=bench.plan.rounds {
        say(&format!("senders, round {round} of {}", bench.plan.rounds));
        let slow = async |apart: &Apart| {
            let predictions = bench.plan.predictions.min(FOR_SENDERS);
            bench.saturate_to(SLOW, &apart.api, &apart.secret, predictions).await
        };
        ratios.push(slow(&two).await?.per_second / slow(&one).await?.per_second);
    }
    Ok(median(ratios))
}

/// The old servers keep what was seeded; the young ones are new in every round, so that they stay young.
async fn history(bench: &Bench<'_>, binary: &Path) -> anyhow::Result<Option<(usize, f64)>> {
    let Some(stored) = bench.plan.million else { return Ok(None) };
    let old = Apart::start(bench, binary, 1, &[]).await?;
    bench.seed(&old.api, stored).await?;
    let predictions = bench.plan.predictions.min(5_000);
    let mut ratios = vec![];
    for round in 1..=bench.plan.rounds {
        say(&format!("shared history, round {round} of {}", bench.plan.rounds));
        let young = Apart::start(bench, binary, 1, &[]).await?;
        bench.seed(&young.api, FEW).await?;
        let few = young.saturate(bench, predictions).await?;
        drop(young);
        ratios.push(old.saturate(bench, predictions).await? / few);
    }
    Ok(Some((stored, median(ratios))))
}

impl Apart {
    async fn start(
        bench: &Bench<'_>,
        binary: &Path,
        senders: usize,
        arguments: &[&str],
    ) -> anyhow::Result<Self> {
        let database = Database::start()?;
        let serve = async |role: &str| {
            // A server that does not answer the API does not know that nobody outside this machine can reach the others.
            let arguments = [&["--roles", role, "--webhook-allow", "loopback"], arguments].concat();
            let options = Options { database: Some(&database), arguments: &arguments, ..Options::default() };
            Server::with(binary, &bench.load, options).await
        };
        let run = serve("run").await?;
        let api = serve("api").await?;
        let mut all = vec![];
        for _ in 0..senders {
            all.push(serve("deliver").await?);
        }
        let secret = api.secret(&bench.load).await?;
        Ok(Self { api, secret, _run: run, _senders: all, _database: database })
    }

    async fn saturate(&self, bench: &Bench<'_>, predictions: usize) -> anyhow::Result<f64> {
        Ok(bench.saturate(&self.api, &self.secret, predictions).await?.per_second)
    }
}
