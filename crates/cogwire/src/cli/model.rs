//! `cogwire model`: the models that a server has, and how they come and go.

mod add;
mod pack;

use clap::{Args, Subcommand};
use cogwire_core::model::{ModelName, VersionRef};
use serde_json::Value;

use super::client::{Client, TargetArgs};
use super::failure::{Failure, Outcome};
use super::output::{self, Cell, Style, Table};
use super::predictions::{first_of_pages, text, time};
use add::AddArgs;

/// How many digits of a version are enough to tell it from others.
const SHORT_VERSION: usize = 12;

/// Adds, lists, shows and removes models.
#[derive(Debug, Args)]
pub(super) struct ModelArgs {
    #[command(subcommand)]
    command: ModelCommand,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, Subcommand)]
enum ModelCommand {
    /// Register a folder with a cog.yaml, or a Cog server that runs somewhere.
    Add(AddArgs),
    /// List models.
    Ls {
        /// How many.
        #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 100)]
        limit: usize,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show a model and its versions.
    Show {
        /// owner/name.
        #[arg(value_name = "MODEL")]
        model: ModelName,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the OpenAPI document of a version.
    Schema {
        /// owner/name for the latest version, or owner/name:version.
        #[arg(value_name = "MODEL")]
        model: String,
    },
    /// Remove a version, or a model with all its versions.
    ///
    /// Predictions that were made with it stay. A version that runs at this moment is not removed.
    Rm {
        /// owner/name:version, or owner/name for the whole model.
        #[arg(value_name = "MODEL")]
        model: String,
    },
}

/// Does what the subcommand says.
pub(super) async fn run(args: ModelArgs) -> Outcome {
    let client = Client::new(&args.target)?;
    match args.command {
        ModelCommand::Add(add) => add::run(&client, add).await,
        ModelCommand::Ls { limit, json } => list(&client, limit, json).await,
        ModelCommand::Show { model, json } => show(&client, &model, json).await,
        ModelCommand::Schema { model } => schema(&client, &model).await,
        ModelCommand::Rm { model } => remove(&client, &model).await,
    }
}

async fn list(client: &Client, limit: usize, json: bool) -> Outcome {
    let models = first_of_pages(client, "/models", limit).await?;
    if json {
        output::print_json(&Value::Array(models))?;
        return Ok(());
    }
    let mut table = Table::new(&["model", "version", "cog", "registered", "runs"]);
    for model in &models {
        let latest = &model["latest_version"];
        table.row(vec![
            Cell::plain(full_name(model)),
            Cell::plain(short(text(&latest["id"]))),
            Cell::plain(text(&latest["cog_version"])),
            Cell::plain(time(&latest["created_at"])),
            Cell::plain(model["run_count"].to_string()),
        ]);
    }
    output::print(table)?;
    Ok(())
}

async fn show(client: &Client, model: &ModelName, json: bool) -> Outcome {
    let shown = client.get(&format!("/models/{model}")).await?;
    let versions = versions(client, model).await?;
    if json {
        output::print_json(&serde_json::json!({"model": shown, "versions": versions}))?;
        return Ok(());
    }
    output::print(Style::Strong.paint(full_name(&shown)))?;
    if let Some(description) = shown["description"].as_str() {
        output::print(description)?;
    }
    let mut table = Table::new(&["version", "cog", "registered"]);
    for version in &versions {
        table.row(vec![
            Cell::plain(text(&version["id"])),
            Cell::plain(text(&version["cog_version"])),
            Cell::plain(time(&version["created_at"])),
        ]);
    }
    output::print(table)?;
    Ok(())
}

async fn schema(client: &Client, model: &str) -> Outcome {
    let version = match reference(model)? {
        VersionRef::Pinned(name, id) => client.get(&format!("/models/{name}/versions/{id}")).await?,
        VersionRef::Latest(name) => {
            let latest = client.get(&format!("/models/{name}")).await?["latest_version"].take();
            if latest.is_null() {
                return Err(Failure::Failed(format!("{name} has no version yet")));
            }
            latest
        }
        VersionRef::Id(_) => return Err(Failure::Usage(format!("name the model: OWNER/NAME:{model}"))),
    };
    Ok(output::print_json(&version["openapi_schema"])?)
}

async fn remove(client: &Client, model: &str) -> Outcome {
    match reference(model)? {
        VersionRef::Pinned(name, id) => remove_version(client, &name, id.as_str()).await,
        VersionRef::Latest(name) => {
            for version in versions(client, &name).await? {
                remove_version(client, &name, text(&version["id"])).await?;
            }
            client.delete(&format!("/models/{name}")).await?;
            output::say(format_args!("removed {name}"));
            Ok(())
        }
        VersionRef::Id(_) => Err(Failure::Usage(format!("name the model: OWNER/NAME:{model}"))),
    }
}

async fn remove_version(client: &Client, model: &ModelName, id: &str) -> Outcome {
    client.delete(&format!("/models/{model}/versions/{id}")).await?;
    output::say(format_args!("removed {model}:{}", short(id)));
    Ok(())
}

async fn versions(client: &Client, model: &ModelName) -> Outcome<Vec<Value>> {
    let mut page = client.get(&format!("/models/{model}/versions")).await?;
    match page["results"].take() {
        Value::Array(versions) => Ok(versions),
        _ => Ok(Vec::new()),
    }
}

fn reference(text: &str) -> Outcome<VersionRef> {
    text.parse().map_err(|error| Failure::Usage(format!("{error}")))
}

fn full_name(model: &Value) -> String {
    format!("{}/{}", text(&model["owner"]), text(&model["name"]))
}

fn short(version: &str) -> &str {
    version.get(..SHORT_VERSION).unwrap_or(version)
}
