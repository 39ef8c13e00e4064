//! The ways to run a model. A version has one of them; nothing outside this folder knows which.

pub(crate) mod builtin;
pub(crate) mod cog_http;
pub(crate) mod cog_model;
pub(crate) mod cog_worker;
pub(crate) mod scripted;
pub(crate) mod wording;

use std::sync::Arc;

use cogwire_core::prediction::Kind;

use crate::Job;
use crate::event::End;
use crate::instances::once;
use crate::instances::pool::Pool;
use crate::reporter::{Reporter, Stopped};

const NOT_TRAINABLE: &str = "This version cannot be trained";

/// One way to run a model, ready to run it any number of times at once.
#[derive(Debug, Clone)]
pub(crate) enum Runtime {
    /// Part of this program.
    Builtin(builtin::Builtin),
    /// Played from a script.
    Scripted(Arc<scripted::ScriptedModel>),
    /// In instances, when one has a free slot.
    Pooled(Arc<Pool>),
}

impl Runtime {
    /// Runs the model once. The reporter has heard everything but the end when this returns.
    pub(crate) async fn run(&self, job: &Job, reporter: &Reporter) -> Result<End, Stopped> {
        match self {
            Self::Builtin(model) => model.run(job, reporter).await,
            Self::Scripted(model) => scripted::play(model, job, reporter).await,
            Self::Pooled(pool) if job.kind == Kind::Training => match pool.trainer() {
                Some(trainer) => once::run(trainer.as_ref(), job, reporter).await,
                None => Ok(End::Failed(NOT_TRAINABLE.to_owned())),
            },
            Self::Pooled(pool) => pool.run(job, reporter).await,
        }
    }
}

/// How a run ends whose model process is gone.
pub(crate) fn process_died(exit_status: u8) -> End {
    End::Failed(format!("The model process exited unexpectedly (exit status {exit_status})."))
}
