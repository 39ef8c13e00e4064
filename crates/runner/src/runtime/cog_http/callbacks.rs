//! Where the servers of models send what they have to say.
//!
//! Owns the addresses: who waits for the callbacks of which run. Receiving them over HTTP is somebody else's
//! business, who gives each body to [`CallbackRegistry::deliver`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use cogwire_core::time::Entropy;
use tokio::sync::mpsc;

/// The most callbacks of one run that wait to be read. Each holds the whole state, so one that finds no place is no
/// loss.
const QUEUE: usize = 16;

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
    waiting: Mutex<HashMap<String, mpsc::Sender<Bytes>>>,
    entropy: Arc<dyn Entropy>,
}

/// The callbacks of one run. Its address is worth nothing any more when this is dropped.
pub(super) struct Inbox {
    pub(super) url: String,
    token: String,
    registry: Arc<CallbackRegistry>,
    bodies: mpsc::Receiver<Bytes>,
}

impl CallbackRegistry {
    /// A registry whose addresses nobody can guess.
    pub fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self { waiting: Mutex::default(), entropy }
    }

    /// Gives the body of `POST {base_url}/callbacks/{token}` to the run that waits for it; false when none does.
    pub fn deliver(&self, token: &str, body: Bytes) -> bool {
        match self.lock().get(token) {
            Some(run) => {
                let _ = run.try_send(body);
                true
            }
            None => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, mpsc::Sender<Bytes>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Callbacks {
    /// A new address for one run.
    pub(super) fn inbox(&self) -> Inbox {
        let token = format!("{:032x}", self.registry.entropy.bits());
        let (sender, bodies) = mpsc::channel(QUEUE);
        self.registry.lock().insert(token.clone(), sender);
        let url = format!("{}/callbacks/{token}", self.base_url);
        Inbox { url, token, registry: Arc::clone(&self.registry), bodies }
    }
}

impl Inbox {
    /// The next body.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        self.bodies.recv().await
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.token);
    }
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

    #[tokio::test]
    async fn an_address_is_good_for_as_long_as_its_run() {
        let registry = Arc::new(CallbackRegistry::new(Arc::new(Counting)));
        let callbacks =
            Callbacks { base_url: "http://127.0.0.1:1".to_owned(), registry: Arc::clone(&registry) };
        let mut inbox = callbacks.inbox();
        let token = "07".repeat(16);
        assert_eq!(inbox.url, format!("http://127.0.0.1:1/callbacks/{token}"));
        assert!(registry.deliver(&token, Bytes::from_static(b"first")));
        assert!(!registry.deliver("another", Bytes::new()));
        assert_eq!(inbox.next().await.as_deref(), Some(&b"first"[..]));
        for _ in 0..2 * QUEUE {
            assert!(registry.deliver(&token, Bytes::new()), "a full queue is no reason to send it again");
        }
        drop(inbox);
        assert!(!registry.deliver(&token, Bytes::new()));
    }
}
