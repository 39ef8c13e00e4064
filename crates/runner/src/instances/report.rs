//! What the instances of a version are doing, for whoever looks.

use cogwire_core::id::VersionId;
use cogwire_core::model::ModelName;
use cogwire_core::time::Timestamp;

use super::fleet::InstanceNo;
use super::pool::{Entry, Pool, State};

/// The most bytes of setup logs that a report shows: the last ones.
const SHOWN_LOGS: usize = 4096;

/// An instance, or what is wrong when there should be one.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceReport {
    /// The model that it runs.
    pub model: ModelName,
    /// The version that it runs; the first one, when several versions are the same.
    pub version: VersionId,
    /// What it and its process are doing.
    pub figures: InstanceFigures,
}

/// What an instance is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceFigures {
    /// In one word.
    pub state: InstanceState,
    /// Its process, when it is one of this machine.
    pub pid: Option<u32>,
    /// When it was started; for a failed version, when it failed.
    pub since: Timestamp,
    /// How many jobs it runs.
    pub busy: usize,
    /// How many jobs it can run at once; 0 while that is not known.
    pub slots: usize,
    /// Why there is none, for a failed version.
    pub cause: Option<String>,
    /// When the next start is tried, for a failed version that pauses.
    pub retry_at: Option<Timestamp>,
    /// The end of what its setup said.
    pub setup_logs: String,
}

/// What an instance is doing, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceState {
    /// Not ready yet.
    Starting,
    /// Ready, without a job.
    Idle,
    /// Running at least one job.
    Busy,
    /// On its way out.
    Stopping,
    /// There is no instance, because the last one failed.
    Failed,
}

impl InstanceState {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Stopping => "stopping",
            Self::Failed => "failed",
        }
    }
}

/// What a job waits for that has no instance yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootProgress {
    /// What happens meanwhile.
    pub phase: BootPhase,
    /// Since when.
    pub since: Timestamp,
    /// The last line that the setup has said; while it pauses, why.
    pub last_line: Option<String>,
}

/// How far the start of an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootPhase {
    /// An instance is starting: its setup runs.
    Starting,
    /// The last instance failed, and the next one is started then.
    Pausing {
        /// When.
        until: Timestamp,
    },
}

impl Pool {
    /// What every instance is doing, the oldest first; at least one for a version that has failed.
    pub(crate) fn figures(&self) -> Vec<InstanceFigures> {
        let state = self.lock();
        let mut entries: Vec<_> = state.instances.iter().collect();
        entries.sort_unstable_by_key(|(no, _)| **no);
        let mut figures: Vec<_> = entries.into_iter().map(|(no, entry)| state.figures(*no, entry)).collect();
        if figures.is_empty() {
            figures.extend(self.failed(&state));
        }
        figures
    }

    /// What jobs wait for, while there is no instance that takes any.
    pub(crate) fn boot_progress(&self) -> Option<BootProgress> {
        let state = self.lock();
        if state.fleet.is_ready() {
            return None;
        }
        let starting = state.instances.iter().filter(|(no, _)| state.fleet.is_starting(**no));
        match starting.min_by_key(|(no, _)| **no) {
            Some((_, entry)) => Some(BootProgress {
                phase: BootPhase::Starting,
                since: entry.since,
                last_line: entry.boot.last_line(),
            }),
            None => self.pausing(&state),
        }
    }

    fn failed(&self, state: &State) -> Option<InstanceFigures> {
        let cause = state.fleet.trouble().cause()?;
        Some(InstanceFigures {
            state: InstanceState::Failed,
            pid: None,
            since: state.last_failure_at?,
            busy: 0,
            slots: 0,
            cause: Some(cause.to_string()),
            retry_at: self.retry_at(state),
            setup_logs: state.last_boot.as_ref().map(|boot| boot.tail(SHOWN_LOGS)).unwrap_or_default(),
        })
    }

    fn pausing(&self, state: &State) -> Option<BootProgress> {
        let last_line = state.fleet.trouble().cause().map(ToString::to_string);
        let until = self.retry_at(state)?;
        Some(BootProgress { phase: BootPhase::Pausing { until }, since: state.last_failure_at?, last_line })
    }

    /// When the pause after the last failure is over; `None` when it is.
    fn retry_at(&self, state: &State) -> Option<Timestamp> {
        let left = state.fleet.trouble().retry_at()?.checked_sub(self.clock.monotonic())?;
        Some(self.clock.now() + left)
    }
}

impl State {
    fn figures(&self, no: InstanceNo, entry: &Entry) -> InstanceFigures {
        let (state, (busy, slots)) = match self.fleet.load(no) {
            Some((0, slots)) => (InstanceState::Idle, (0, slots)),
            Some(load) => (InstanceState::Busy, load),
            None if self.fleet.is_starting(no) => (InstanceState::Starting, (0, 0)),
            None => (InstanceState::Stopping, (0, 0)),
        };
        InstanceFigures {
            state,
            pid: entry.instance.as_ref().and_then(|instance| instance.pid()),
            since: entry.since,
            busy,
            slots,
            cause: None,
            retry_at: None,
            setup_logs: entry.boot.tail(SHOWN_LOGS),
        }
    }
}
