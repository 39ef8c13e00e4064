//! `cogwire config`: what is in force, and what could be.

use clap::{Args, Subcommand};

use super::failure::Outcome;
use super::output;
use crate::config::{self, Config, ConfigArgs, DEFAULT_CONFIG, Environment};

/// Shows the configuration.
#[derive(Debug, Args)]
pub(super) struct ShowConfigArgs {
    #[command(subcommand)]
    command: ShowConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ShowConfigCommand {
    /// Print the commented defaults: copy what you want to change into cogwire.toml.
    Default,
    /// Print the values that `serve` would use with these flags, and where each comes from.
    Print(ConfigArgs),
}

/// Does what the subcommand says.
pub(super) fn run(args: ShowConfigArgs) -> Outcome {
    match args.command {
        ShowConfigCommand::Default => output::print(DEFAULT_CONFIG.trim_end())?,
        ShowConfigCommand::Print(args) => {
            let environment = Environment::of_process();
            let layers = args.layers(&environment)?;
            let config = Config::read(&layers, &environment)?;
            output::print(config::print(&layers, &config).trim_end())?;
        }
    }
    Ok(())
}
