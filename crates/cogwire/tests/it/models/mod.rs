//! Models with real Cog, from the outside: they are added, run, trained and removed by the real binary, and run as real processes.

mod added;
mod folder;
mod gate;
mod processes;
mod site;
mod spoken;

mod adding;
mod crashes;
mod life;
mod metrics;
mod misbehaving;
mod naming;
mod old;
mod refused;
mod trainings;

pub(crate) use added::{Added, pack};
pub(crate) use folder::{Folder, share_environments, without_network};
