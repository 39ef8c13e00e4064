//! The models that Replicate's documentation and client tests use, under the same version ids.
//!
//! They are part of this program and cheap: a run parses its input once, allocates its events, and awaits a timer only
//! when the input asks for one.

mod canary;
mod chaos_monkey;
mod hello_world;

#[cfg(test)]
mod tests;

use cogwire_core::json::Json;
use serde_json::Value;

use super::Runtime;
use crate::Job;
use crate::catalogue::{CatalogueEntry, Means, RunnableModel};
use crate::event::{End, Produced};
use crate::reporter::{Reporter, Stopped};
use crate::schema::NOT_COG;

/// Which built-in model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builtin {
    HelloWorld,
    Canary,
    ChaosMonkey,
}

impl Builtin {
    pub(crate) async fn run(self, job: &Job, reporter: &Reporter) -> Result<End, Stopped> {
        let input = job.input.to_value();
        match self {
            Self::HelloWorld => hello_world::run(&input, reporter).await,
            Self::Canary => canary::run(&input, reporter).await,
            Self::ChaosMonkey => chaos_monkey::run(&input, reporter).await,
        }
    }
}

/// All built-in models.
pub fn models() -> Vec<RunnableModel> {
    vec![
        model(Builtin::HelloWorld, &hello_world::FACTS, hello_world::schema()),
        model(Builtin::Canary, &canary::FACTS, canary::schema()),
        model(Builtin::ChaosMonkey, &chaos_monkey::FACTS, chaos_monkey::schema()),
    ]
}

/// What is fixed about a built-in model.
struct Facts {
    name: &'static str,
    /// The latest first.
    versions: &'static [&'static str],
    description: &'static str,
}

fn model(builtin: Builtin, facts: &Facts, openapi_schema: Json) -> RunnableModel {
    let id = |text: &&str| text.parse().expect("a constant that a test reads");
    let entry = CatalogueEntry {
        model: facts.name.parse().expect("a constant that a test reads"),
        versions: facts.versions.iter().map(id).collect(),
        description: Some(facts.description.to_owned()),
        openapi_schema,
        cog_version: NOT_COG.to_owned(),
    };
    RunnableModel { entry, means: Means::Direct(Runtime::Builtin(builtin)) }
}

/// The required input `text`. Absent only when a caller skipped validation.
fn text_of(input: &Value) -> &str {
    input["text"].as_str().unwrap_or_default()
}

fn produced_text(text: &str) -> Produced {
    Produced::Json(Json::string(text))
}
