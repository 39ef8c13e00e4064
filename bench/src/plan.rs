//! What is measured, and how long.

use std::path::PathBuf;

use clap::Parser;

/// Measures Cogwire beside the raw limit of the same machine, and prints a Markdown table.
#[derive(Debug, Clone, Parser)]
pub(crate) struct Plan {
    /// The server to measure; without it, it is built in the profile of this program
    #[arg(long, value_name = "PATH")]
    pub(crate) binary: Option<PathBuf>,

    /// How often everything is measured; the median counts
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,

    /// How many connections work at once at saturation
    #[arg(long, default_value_t = 64)]
    pub(crate) clients: usize,

    /// Requests of a round that finds the raw limit
    #[arg(long, default_value_t = 100_000)]
    pub(crate) requests: usize,

    /// Predictions of a round at saturation
    #[arg(long, default_value_t = 20_000)]
    pub(crate) predictions: usize,

    /// Predictions of a round at one client
    #[arg(long, default_value_t = 2_000)]
    pub(crate) creates: usize,

    /// Predictions a second of a round at a steady rate
    #[arg(long, default_value_t = 200)]
    pub(crate) rate: u32,

    /// Seconds of a round at a steady rate
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u32,

    /// Also compares a server that has stored this many predictions with one that has stored 1000
    #[arg(long, value_name = "STORED", num_args = 0..=1, default_missing_value = "1000000")]
    pub(crate) million: Option<usize>,

    /// Also measures servers that share a PostgreSQL database, beside one on SQLite
    #[arg(long)]
    pub(crate) postgres: bool,

    /// Measures real Cog models beside Cog's own server, and nothing else
    #[arg(long, conflicts_with_all = ["million", "postgres"])]
    pub(crate) models: bool,

    /// Measures delivery alone, and nothing else; with --postgres also there, with --million a start with that many that wait
    #[arg(long, conflicts_with = "models")]
    pub(crate) delivery: bool,

    /// Webhooks of a round that wait in the store before they are delivered
    #[arg(long, default_value_t = 60_000)]
    pub(crate) waiting: usize,

    /// Predictions of a round with a real model, one after the other
    #[arg(long, default_value_t = 500)]
    pub(crate) model_predictions: usize,

    /// One short round of everything, to see that it works
    #[arg(long)]
    pub(crate) quick: bool,
}

impl Plan {
    /// The plan that `--quick` asks for, or else this one.
    pub(crate) fn shortened(self) -> Self {
        if !self.quick {
            return self;
        }
        let million = self.million.map(|stored| stored.min(5_000));
        Self {
            rounds: 1,
            requests: 5_000,
            predictions: 1_000,
            creates: 200,
            seconds: 2,
            waiting: 1_000,
            million,
            model_predictions: 50,
            ..self
        }
    }
}
