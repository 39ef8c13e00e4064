//! Measures Cogwire beside the raw limit of the same machine, in one run, and prints a Markdown table.
//!
//! Everything that is compared is measured in alternating rounds, and the median round counts: the machine's other work
//! then falls on both. A round in which a webhook is missing, comes twice or is not signed is an error, not a figure.

mod clock;
mod cog;
mod database;
mod histogram;
mod load;
mod measure;
mod plan;
mod process;
mod report;
mod server;
mod sink;
mod statistics;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};
use clap::Parser;

use plan::Plan;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let plan = Plan::parse().shortened();
    let binary = match &plan.binary {
        Some(path) => path.clone(),
        None => build()?,
    };
    let rows = if plan.models {
        report::rows_of_models(&plan, &measure::real_models(&plan, &binary).await?)
    } else if plan.delivery {
        report::rows_of_delivery(&plan, &measure::delivery_alone(&plan, &binary).await?)
    } else {
        report::rows(&plan, &measure::all(&plan, &binary).await?)
    };
    report::print(&plan, &rows)?;
    Ok(())
}

/// Builds the server in the profile of this program.
fn build() -> anyhow::Result<PathBuf> {
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["build", "--locked", "--quiet", "--package", "cogwire", "--profile", profile];
    let status = Command::new(cargo).args(arguments).status().context("Cargo did not start")?;
    ensure!(status.success(), "the server could not be built");
    let own = std::env::current_exe().context("this program does not know where it is")?;
    Ok(own.with_file_name("cogwire"))
}
