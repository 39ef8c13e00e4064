//! `cogwire storage`: the files of an installation, as a whole.

use clap::{Args, Subcommand};
use cogwire_files::Storage;
use indicatif::HumanBytes;
use serde_json::json;

use super::failure::{Failure, Outcome};
use super::{moving, output};
use crate::config::{self, Environment};

/// Works on the files of an installation.
#[derive(Debug, Args)]
pub(super) struct StorageArgs {
    #[command(subcommand)]
    command: StorageCommand,
}

#[derive(Debug, Subcommand)]
enum StorageCommand {
    /// Copy all files from one place to another, and verify their sizes.
    #[command(after_help = "\
Examples:
  cogwire storage copy --from /var/lib/cogwire/files --to s3://bucket/prefix
  cogwire storage copy --from s3://bucket/prefix --to /srv/cogwire/files

A place is written as for --storage-url, and the AWS_* variables count for both. What is there
already is passed over: a copy that was cut off is run again and goes on. It may be begun beside a
server, and is run once more when that has stopped.")]
    Copy {
        /// A folder, or s3://bucket/prefix.
        #[arg(long, value_name = "PLACE")]
        from: String,
        /// A folder, or s3://bucket/prefix.
        #[arg(long, value_name = "PLACE")]
        to: String,
        /// Print what was copied as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Does what the subcommand says.
pub(super) async fn run(args: StorageArgs) -> Outcome {
    let StorageCommand::Copy { from, to, json } = args.command;
    let (from, to) = (place("--from", &from)?, place("--to", &to)?);
    if from == to {
        return Err(Failure::Usage(format!("--from and --to are the same place: {from}")));
    }
    let copied = moving::copy_files(&from, &to).await?;
    if json {
        output::print_json(&json!({
            "files": copied.files, "bytes": copied.bytes, "present": copied.skipped,
        }))?;
    }
    output::say(format_args!(
        "{to} has all {} files of {from} ({}); {} were there already.",
        copied.files,
        HumanBytes(copied.bytes),
        copied.skipped
    ));
    Ok(())
}

/// Reads a place; an error names the flag instead of the setting that it is written like.
fn place(flag: &str, text: &str) -> Outcome<Storage> {
    config::storage(text, &Environment::of_process())
        .map_err(|error| Failure::Usage(error.to_string().replace("--storage-url", flag)))
}
