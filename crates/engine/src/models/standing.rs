//! How the versions with a recipe stand on this node.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cogwire_core::id::VersionId;
use cogwire_core::model::{ModelName, Version};
use cogwire_core::recipe::{Digest, Recipe};
use cogwire_core::time::Timestamp;

use crate::Engine;

/// How long a version that could not be prepared is left alone: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(600));

/// A version that this node should run and does not run yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelState {
    /// Its model.
    pub model: ModelName,
    /// Which version.
    pub version: VersionId,
    /// How it stands.
    pub unready: Unready,
}

/// Why a version does not run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unready {
    /// It is being fetched, or its environment is being made.
    Preparing,
    /// It could not be prepared; the text says why.
    Failed(String),
}

/// What this node knows about versions with a recipe.
#[derive(Debug, Default)]
pub(crate) struct Noticed {
    versions: Mutex<HashMap<VersionId, Standing>>,
    /// Grows after every change that this node has made or seen.
    edition: AtomicU64,
}

#[derive(Debug)]
enum Standing {
    Preparing {
        model: ModelName,
        /// How long it is left alone if that comes to nothing.
        pause: Duration,
    },
    /// With what it is made of.
    Ready(Vec<Digest>),
    Failed {
        /// Not known of a version that cannot be read.
        model: Option<ModelName>,
        cause: String,
        again_at: Timestamp,
        pause: Duration,
    },
}

impl Noticed {
    fn lock(&self) -> MutexGuard<'_, HashMap<VersionId, Standing>> {
        // The map is whole after every statement.
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A version runs here by now.
    pub(super) fn ready(&self, version: &Version) {
        let parts = version.recipe.iter().flat_map(Recipe::parts).cloned().collect();
        self.lock().insert(version.id.clone(), Standing::Ready(parts));
        self.edition.fetch_add(1, Ordering::AcqRel);
    }

    /// A version is gone; gives what it was made of.
    pub(super) fn gone(&self, version: &VersionId) -> Vec<Digest> {
        let before = self.lock().remove(version);
        self.edition.fetch_add(1, Ordering::AcqRel);
        match before {
            Some(Standing::Ready(parts)) => parts,
            _ => Vec::new(),
        }
    }

    /// Those that are not looked after at `now`.
    pub(super) fn unattended(&self, versions: &[VersionId], now: Timestamp) -> Vec<VersionId> {
        let known = self.lock();
        let waits = |version: &&VersionId| match known.get(*version) {
            None => true,
            Some(Standing::Failed { again_at, .. }) => *again_at <= now,
            Some(_) => false,
        };
        versions.iter().filter(waits).cloned().collect()
    }

    /// Those that are known and not among these.
    pub(super) fn beyond(&self, versions: &[VersionId]) -> Vec<VersionId> {
        let there: HashSet<&VersionId> = versions.iter().collect();
        let known = self.lock();
        let gone = known.iter().filter(|(version, standing)| {
            // One that is being prepared is looked at again when it is ready.
            !there.contains(version) && !matches!(standing, Standing::Preparing { .. })
        });
        gone.map(|(version, _)| version.clone()).collect()
    }

    /// A version is being prepared.
    pub(super) fn begin(&self, version: &Version) {
        let mut known = self.lock();
        let pause = next_pause(known.get(&version.id));
        known.insert(version.id.clone(), Standing::Preparing { model: version.model.clone(), pause });
    }

    /// A version cannot run here. It is left alone for a while, and longer each time.
    pub(super) fn fail(&self, version: &VersionId, cause: String, now: Timestamp) {
        let mut known = self.lock();
        let (model, pause) = match known.get(version) {
            Some(Standing::Preparing { model, pause }) => (Some(model.clone()), *pause),
            other => (None, next_pause(other)),
        };
        known.insert(version.clone(), Standing::Failed { model, cause, again_at: now + pause, pause });
    }

    /// Nobody prepares it any more. If nothing came of it, it begins anew.
    pub(super) fn abandon(&self, version: &VersionId) {
        let mut known = self.lock();
        if matches!(known.get(version), Some(Standing::Preparing { .. })) {
            known.remove(version);
        }
    }
}

fn next_pause(before: Option<&Standing>) -> Duration {
    match before {
        Some(Standing::Failed { pause, .. }) => (*pause * 2).min(RETRY.1),
        _ => RETRY.0,
    }
}

impl Engine {
    /// Changes whenever this node has made, removed or noticed a version. What the store said under another edition may
    /// be out of date.
    pub fn models_edition(&self) -> u64 {
        self.0.noticed.edition.load(Ordering::Acquire)
    }

    /// The versions with a recipe that this node does not run yet, and why.
    pub fn unready_models(&self) -> Vec<ModelState> {
        let known = self.0.noticed.lock();
        let state = |(version, standing): (&VersionId, &Standing)| {
            let (model, unready) = match standing {
                Standing::Ready(_) => return None,
                Standing::Preparing { model, .. } => (model, Unready::Preparing),
                Standing::Failed { model, cause, .. } => (model.as_ref()?, Unready::Failed(cause.clone())),
            };
            Some(ModelState { model: model.clone(), version: version.clone(), unready })
        };
        let mut states: Vec<ModelState> = known.iter().filter_map(state).collect();
        states.sort_unstable_by(|a, b| (&a.model, a.version.as_str()).cmp(&(&b.model, b.version.as_str())));
        states
    }
}

#[cfg(test)]
mod tests {
    use cogwire_core::json::Json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn version(digit: char) -> Version {
        Version {
            id: String::from_iter([digit; 64]).parse().expect("an id"),
            model: "acme/hello".parse().expect("a name"),
            created_at: NOW,
            cog_version: "0.23.1".to_owned(),
            openapi_schema: Json::object(),
            recipe: Some(Recipe::Package { package: Digest::of(b"package"), weights: None }),
        }
    }

    #[test]
    fn a_version_that_fails_is_tried_again_later_and_later() {
        let (noticed, version) = (Noticed::default(), version('1'));
        let ids = [version.id.clone()];
        let mut now = NOW;
        for pause in [10, 20, 40, 80, 160, 320, 600, 600] {
            assert_eq!(noticed.unattended(&ids, now), ids);
            noticed.begin(&version);
            assert_eq!(noticed.unattended(&ids, now), [], "it is being prepared");
            noticed.fail(&version.id, "no space".to_owned(), now);
            assert_eq!(noticed.unattended(&ids, now + Duration::from_secs(pause - 1)), []);
            now = now + Duration::from_secs(pause);
        }
    }

    #[test]
    fn what_is_gone_gives_what_it_was_made_of() {
        let (noticed, version) = (Noticed::default(), version('1'));
        noticed.begin(&version);
        assert_eq!(noticed.beyond(&[]), [], "somebody is at it");
        noticed.ready(&version);
        assert_eq!(noticed.beyond(&[]), std::slice::from_ref(&version.id));
        assert_eq!(noticed.gone(&version.id), [Digest::of(b"package")]);
        assert_eq!(noticed.beyond(&[]), []);
    }

    #[test]
    fn what_nobody_finishes_begins_anew() {
        let (noticed, one, other) = (Noticed::default(), version('1'), version('2'));
        noticed.begin(&one);
        noticed.begin(&other);
        noticed.ready(&other);
        noticed.abandon(&one.id);
        noticed.abandon(&other.id);
        assert_eq!(noticed.unattended(&[one.id.clone(), other.id], NOW), [one.id]);
    }
}
