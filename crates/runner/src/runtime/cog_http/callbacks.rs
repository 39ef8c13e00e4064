//! Where the servers of models send what they have to say.
//!
//! Owns the addresses: who waits for the callbacks of which run. Receiving them over HTTP is somebody else's
//! business, who gives each body to [`CallbackRegistry::deliver`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cogwire_core::time::Entropy;
use tokio::sync::watch;

use super::seen::Snapshot;

/// An address that servers of models can reach.
#[derive(Clone)]
pub struct Callbacks {
    /// What comes before `/callbacks/{token}`, without a slash at the end.
    pub base_url: String,
    /// Who waits behind it.
    pub registry: Arc<CallbackRegistry>,
}

/// Who waits for the callbacks of which run.
pub struct CallbackRegistry {
    waiting: Mutex<HashMap<String, State>>,
    entropy: Arc<dyn Entropy>,
}

/// What a run was told last. Each callback holds the whole state, so only the newest one waits to be read.
type State = watch::Sender<Option<Snapshot>>;

/// The callbacks of one run. Its address is worth nothing any more when this is dropped.
pub(super) struct Inbox {
    pub(super) url: String,
    token: String,
    registry: Arc<CallbackRegistry>,
    state: watch::Receiver<Option<Snapshot>>,
}

impl CallbackRegistry {
    /// A registry whose addresses nobody can guess.
    pub fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self { waiting: Mutex::default(), entropy }
    }

    /// Whether a run waits for callbacks with this token. Nobody else's body need be read.
    pub fn knows(&self, token: &str) -> bool {
        self.lock().contains_key(token)
    }

    /// Gives the body of `POST {base_url}/callbacks/{token}` to the run that waits for it; false when none does. What is
    /// no state of a run is passed over.
    pub fn deliver(&self, token: &str, body: &[u8]) -> bool {
        let Some(run) = self.lock().get(token).cloned() else { return false };
        if let Ok(state) = serde_json::from_slice(body) {
            run.send_if_modified(|kept| replace(kept, state));
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, State>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Callbacks {
    /// A new address for one run.
    pub(super) fn inbox(&self) -> Inbox {
        let token = format!("{:032x}", self.registry.entropy.bits());
        let (sender, state) = watch::channel(None);
        self.registry.lock().insert(token.clone(), sender);
        let url = format!("{}/callbacks/{token}", self.base_url);
        Inbox { url, token, registry: Arc::clone(&self.registry), state }
    }
}

impl Inbox {
    /// The newest state, once there is one that was not read yet.
    pub(super) async fn next(&mut self) -> Option<Snapshot> {
        self.state.changed().await.ok()?;
        self.state.borrow_and_update().clone()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.token);
    }
}

/// Callbacks may overtake each other, so nothing replaces the state of a run that is over.
fn replace(kept: &mut Option<Snapshot>, state: Snapshot) -> bool {
    let is_over = kept.as_ref().is_some_and(Snapshot::is_last);
    if !is_over {
        *kept = Some(state);
    }
    !is_over
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting;

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn callbacks() -> Callbacks {
        let registry = Arc::new(CallbackRegistry::new(Arc::new(Counting)));
        Callbacks { base_url: "http://127.0.0.1:1".to_owned(), registry }
    }

    fn token() -> String {
        "07".repeat(16)
    }

    #[test]
    fn an_address_is_good_for_as_long_as_its_run() {
        let callbacks = callbacks();
        let inbox = callbacks.inbox();
        assert_eq!(inbox.url, format!("http://127.0.0.1:1/callbacks/{}", token()));
        assert!(callbacks.registry.knows(&token()) && !callbacks.registry.knows("another"));
        assert!(callbacks.registry.deliver(&token(), b"rubbish"), "that is no reason to send it again");
        assert!(!callbacks.registry.deliver("another", b"{}"));
        drop(inbox);
        assert!(!callbacks.registry.knows(&token()));
        assert!(!callbacks.registry.deliver(&token(), b"{}"));
    }

    #[tokio::test]
    async fn the_newest_state_is_what_waits_and_the_end_stays() {
        let callbacks = callbacks();
        let mut inbox = callbacks.inbox();
        let told = |status: &str| {
            let body = format!(r#"{{"status":"{status}"}}"#);
            assert!(callbacks.registry.deliver(&token(), body.as_bytes()));
        };
        told("starting");
        told("processing");
        assert_eq!(inbox.next().await.map(|state| state.status).as_deref(), Some("processing"));
        told("failed");
        told("processing");
        assert_eq!(inbox.next().await.map(|state| state.status).as_deref(), Some("failed"));
    }
}
