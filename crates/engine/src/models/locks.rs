//! One change of a part at a time: what adds a model, and what deletes what nobody needs, must not meet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use cogwire_core::recipe::Digest;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Whose turn it is, by digest. Across nodes nobody waits: there, what was deleted in between is stored again.
#[derive(Debug, Default)]
pub(crate) struct Locks(Mutex<HashMap<Digest, Weak<Turn<()>>>>);

impl Locks {
    /// Waits until nobody else works on this part. The turn ends when the guard is dropped.
    pub(crate) async fn turn(&self, part: &Digest) -> OwnedMutexGuard<()> {
        self.of(part).lock_owned().await
    }

    fn of(&self, part: &Digest) -> Arc<Turn<()>> {
        // The map is whole after every statement.
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(part).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(Turn::new(()));
        turns.insert(part.clone(), Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_works_on_a_part_and_others_on_other_parts() {
        let locks = Locks::default();
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        let turn = locks.turn(&one).await;
        assert!(locks.turn(&one).now_or_never().is_none(), "somebody works on it");
        assert!(locks.turn(&other).now_or_never().is_some());
        drop(turn);
        assert!(locks.turn(&one).now_or_never().is_some());
        assert_eq!(locks.0.lock().expect("no test panics").len(), 1, "what nobody holds is forgotten");
    }
}
