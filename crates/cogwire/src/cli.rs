//! The command line: what there is, and how each command ends.

mod alone;
mod backup;
mod client;
mod demo;
mod export;
mod failure;
mod id;
mod import;
mod migrate;
mod model;
mod moving;
mod output;
mod predictions;
mod ps;
mod raw_request;
mod restore;
mod run;
mod serve;
mod show_config;
mod storage;
mod store;
mod temporary;
mod token;
mod trigger;
mod verify;
mod webhooks;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use failure::{Failure, Outcome};

use crate::config::ConfigArgs;

/// The fewest threads of the runtime: with one, a task that computes would hold up all others.
const FEWEST_THREADS: usize = 2;

/// Replicate's HTTP API on your own machine: predictions, real models, webhooks that arrive.
#[derive(Debug, Parser)]
#[command(
    name = "cogwire",
    version,
    propagate_version = true,
    max_term_width = 110,
    after_help = "\
Examples:
  cogwire demo                                    See it work in a few seconds
  cogwire serve                                   Start a server on http://127.0.0.1:8787
  cogwire run replicate/hello-world text=Alice    Run a model
  cogwire model add ./upscaler --name me/upscaler Register your own
  cogwire webhooks ls                             See what was sent, and what came back
  cogwire verify --request webhook.http           Find out why a signature does not fit

Data goes to stdout, everything else to stderr.
Exit codes: 0 success, 1 failure, 2 wrong usage, 130 interrupted."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a server.
    #[command(after_help = "\
Examples:
  cogwire serve
  cogwire serve --scripts models.toml --retention 1h
  cogwire serve --listen 0.0.0.0:8787 --public-url https://cogwire.example.com --behind-proxy
  cogwire serve --webhook-allow private,receiver.internal

Each flag, such as --max-running, is also a variable, COGWIRE_MAX_RUNNING, and a key of
./cogwire.toml, max_running. `cogwire config default` explains them all and shows the defaults.
SIGTERM or ^C stops the server when running predictions have ended; a second one, at once.")]
    Serve(ConfigArgs),
    /// See predictions run and webhooks arrive, on this machine and in a few seconds.
    Demo(demo::DemoArgs),
    /// Run a model and print its output.
    Run(run::RunArgs),
    /// Add, list, show and remove models.
    Model(model::ModelArgs),
    /// See the processes of models: what they do, since when, and how much memory they take.
    Ps(ps::PsArgs),
    /// List, show and cancel predictions.
    Predictions(predictions::PredictionsArgs),
    /// See which webhooks were sent, what came back, and why one was not; send them again.
    Webhooks(webhooks::WebhooksArgs),
    /// Send a real, signed webhook to a URL, and see what comes back.
    Trigger(trigger::TriggerArgs),
    /// Make, list and revoke API tokens.
    Token(token::TokenArgs),
    /// Copy a data directory, also beside the server that uses it.
    Backup(backup::BackupArgs),
    /// Make a new data directory of a backup.
    Restore(restore::RestoreArgs),
    /// Write all that is stored but files as lines of JSON.
    Export(export::ExportArgs),
    /// Fill an empty installation, on SQLite or PostgreSQL, with what was exported.
    Import(import::ImportArgs),
    /// Copy all files from a folder or bucket to another.
    Storage(storage::StorageArgs),
    /// Bring the schema of the database up to date.
    Migrate(migrate::MigrateArgs),
    /// Check a webhook's signature, and explain why it does not fit.
    Verify(verify::VerifyArgs),
    /// Show the defaults, or the configuration that is in force.
    Config(show_config::ShowConfigArgs),
    /// Print a completion script for a shell.
    #[command(after_help = "\
Example:
  cogwire completion bash > ~/.local/share/bash-completion/completions/cogwire")]
    Completion {
        /// The shell.
        shell: Shell,
    },
    /// Print the version.
    Version,
}

/// Runs the command that this process was started with.
pub fn main() -> ExitCode {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        unreachable!("nothing else has run before");
    }
    let outcome = Cli::parse().command.run();
    outcome.map_or_else(|failure| failure.report(), |()| ExitCode::SUCCESS)
}

impl Command {
    fn run(self) -> Outcome {
        match self {
            Self::Completion { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Cli::command(), "cogwire", &mut script);
                output::print_piece(&String::from_utf8_lossy(&script))?;
                Ok(())
            }
            Self::Version => Ok(output::print(concat!("cogwire ", env!("CARGO_PKG_VERSION")))?),
            Self::Config(args) => show_config::run(args),
            other => runtime()?.block_on(other.run_async()),
        }
    }

    async fn run_async(self) -> Outcome {
        match self {
            Self::Serve(args) => serve::run(args).await,
            Self::Demo(args) => demo::run(args).await,
            Self::Run(args) => run::run(args).await,
            Self::Model(args) => model::run(args).await,
            Self::Ps(args) => ps::run(args).await,
            Self::Predictions(args) => predictions::run(args).await,
            Self::Webhooks(args) => webhooks::run(args).await,
            Self::Trigger(args) => trigger::run(args).await,
            Self::Token(args) => token::run(args).await,
            Self::Backup(args) => backup::run(args).await,
            Self::Restore(args) => restore::run(args).await,
            Self::Export(args) => export::run(args).await,
            Self::Import(args) => import::run(args).await,
            Self::Storage(args) => storage::run(args).await,
            Self::Migrate(args) => migrate::run(args).await,
            Self::Verify(args) => verify::run(args).await,
            Self::Config(_) | Self::Completion { .. } | Self::Version => Ok(()),
        }
    }
}

fn runtime() -> Outcome<tokio::runtime::Runtime> {
    let threads =
        std::thread::available_parallelism().map_or(FEWEST_THREADS, usize::from).max(FEWEST_THREADS);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    runtime.map_err(|error| Failure::of("cannot start", &error))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;
    use crate::config::is_known_variable;

    fn variables(command: &clap::Command) -> Vec<String> {
        let own = command.get_arguments().filter_map(|argument| argument.get_env());
        let own = own.map(|name| name.to_string_lossy().into_owned());
        own.chain(command.get_subcommands().flat_map(variables)).collect()
    }

    #[test]
    fn every_variable_that_a_command_reads_means_something() {
        let all = variables(&Cli::command());
        assert!(all.iter().any(|name| name == "COGWIRE_URL"));
        let unknown: Vec<_> = all.iter().filter(|name| !is_known_variable(name)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
