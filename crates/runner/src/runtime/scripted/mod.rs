//! Scripted models: fakes that do what a TOML file says, for tests, demonstrations and CI.
//!
//! A script is read once and refused as a whole when anything in it is wrong; playing it then only renders templates and
//! waits. The format is described in `docs/SCRIPTS.md`.

mod amount;
mod contract;
mod error;
mod input;
mod limits;
mod model;
mod parse;
mod pattern;
mod play;
mod source;
mod step;
mod table;
mod template;
mod version;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use cogwire_core::id::VersionId;
use cogwire_core::model::ModelName;

use super::Runtime;
use crate::catalogue::{CatalogueEntry, Means, RunnableModel};
use crate::schema::NOT_COG;

pub use error::{Problem, ScriptError};
pub(crate) use model::ScriptedModel;
pub(crate) use play::play;

use parse::Parsed;
use source::Source;
use version::Claim;

/// Models that were read from scripts. No two of them claim the same version.
#[derive(Debug, Default)]
pub struct Scripts {
    models: Vec<RunnableModel>,
    claimants: HashMap<VersionId, Claimant>,
}

/// Who claims a version.
#[derive(Debug)]
struct Claimant {
    model: ModelName,
    /// `FILE:LINE`.
    place: String,
}

impl Scripts {
    /// Reads scripts from files. Paths inside a script start from its folder.
    ///
    /// # Errors
    /// When a file cannot be read or anything in it is wrong, and when two models claim the same version.
    pub fn load(paths: &[PathBuf]) -> Result<Self, ScriptError> {
        let mut scripts = Self::default();
        for path in paths {
            scripts.add(&Source::read(path)?)?;
        }
        Ok(scripts)
    }

    /// Reads a script from a text, which errors call `name`. It cannot use other files.
    ///
    /// # Errors
    /// As [`Scripts::load`].
    pub fn parse(name: &str, text: &str) -> Result<Self, ScriptError> {
        let mut scripts = Self::default();
        scripts.add(&Source::from_text(name, text))?;
        Ok(scripts)
    }

    /// The models, in the order of the scripts: what [`crate::Runner::new`] takes.
    pub fn into_models(self) -> Vec<RunnableModel> {
        self.models
    }

    fn add(&mut self, source: &Source) -> Result<(), ScriptError> {
        for parsed in parse::models(source)? {
            for claim in &parsed.versions {
                self.claim(source, &parsed.name, claim)?;
            }
            self.models.push(runnable(parsed));
        }
        Ok(())
    }

    fn claim(&mut self, source: &Source, model: &ModelName, claim: &Claim) -> Result<(), ScriptError> {
        let claimant = Claimant { model: model.clone(), place: source.place(&claim.span) };
        let Some(earlier) = self.claimants.insert(claim.version.clone(), claimant) else { return Ok(()) };
        let problem = Problem::Claimed {
            version: claim.version.clone(),
            model: model.clone(),
            claimant: earlier.model,
            place: earlier.place,
        };
        Err(source.error(&claim.span, problem))
    }
}

fn runnable(parsed: Parsed) -> RunnableModel {
    let entry = CatalogueEntry {
        model: parsed.name,
        versions: parsed.versions.into_iter().map(|claim| claim.version).collect(),
        description: parsed.description,
        openapi_schema: parsed.document,
        cog_version: NOT_COG.to_owned(),
    };
    RunnableModel { entry, means: Means::Direct(Runtime::Scripted(Arc::new(parsed.model))) }
}
