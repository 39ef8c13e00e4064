//! A Cog model as something that the runner can run.

use std::sync::Arc;

use super::launcher::CogProcesses;
use super::{CogModel, ProcessConfig, Surroundings};
use crate::catalogue::{CatalogueEntry, Means, RunnableModel};
use crate::instances::Scale;
use crate::instances::plan::InstancePlan;

impl RunnableModel {
    /// A model that runs as processes of this machine.
    pub fn cog_model(
        entry: CatalogueEntry,
        model: CogModel,
        scale: Scale,
        config: ProcessConfig,
        surroundings: Surroundings,
    ) -> Self {
        let slots = model.slots;
        let launcher = Arc::new(CogProcesses::new(model, config, surroundings));
        Self { entry, means: Means::Instances(InstancePlan { launcher, scale, slots }) }
    }
}
