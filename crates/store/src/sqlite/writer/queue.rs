//! What waits to be written, in three classes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::job::Job;
use crate::error::Error;

/// The most use cases of one commit. It bounds how long a use case waits for those that are committed with it.
pub(super) const MAX_BATCH: usize = 1024;

/// Places of a batch that critical use cases leave to the API when both have more than fits.
const API_SHARE: usize = 256;

/// The most patient use cases of one batch; each is a batch of attempts by itself.
const PATIENT_SHARE: usize = 16;

/// The most background use cases of one batch while others wait: one, so that sweeps neither starve nor get in the way.
const BACKGROUND_SHARE: usize = 1;

/// How long patient use cases wait for a commit that they can share. A flush saved is worth more than a record that is
/// durable sooner: until then, a crash only repeats what was sent.
const PATIENCE: Duration = Duration::from_millis(3);

/// How long the writer looks for more before it sleeps. The end of an instant run comes this soon after its create, and
/// waking a thread on an idle core costs more than looking.
const LINGER: Duration = Duration::from_micros(60);

/// Who asks for a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sqlite) enum Class {
    /// The engine and delivery. Never refused: slots and requests in flight bound how much there can be.
    Critical,
    /// The engine and delivery, for what nobody waits for: written with the next commit, or soon.
    Patient,
    /// Callers of the API. Refused when the queue is full.
    Api,
    /// Sweeps. Their use cases are small, and their callers wait for one before they ask for the next.
    Background,
}

/// The queue between callers and the writer thread.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    /// Whether somebody waits for a commit, readable without the lock.
    pressing: AtomicBool,
    api_limit: usize,
}

#[derive(Debug, Default)]
struct State {
    critical: VecDeque<Box<dyn Job>>,
    patient: VecDeque<Box<dyn Job>>,
    api: VecDeque<Box<dyn Job>>,
    background: VecDeque<Box<dyn Job>>,
    closed: bool,
    writer_waits: bool,
}

impl Queue {
    pub(super) fn new(api_limit: usize) -> Self {
        Self { state: Mutex::default(), filled: Condvar::new(), pressing: AtomicBool::new(false), api_limit }
    }

    /// Adds a use case, unless the queue is closed or has no room for its class.
    pub(super) fn push(&self, class: Class, job: Box<dyn Job>) -> Result<(), Error> {
        let mut state = self.lock();
        if state.closed {
            return Err(Error::Closed);
        }
        match class {
            Class::Critical => state.critical.push_back(job),
            // The writer that waits out its patience is not woken for more of the same.
            Class::Patient if !state.patient.is_empty() => {
                state.patient.push_back(job);
                return Ok(());
            }
            Class::Patient => state.patient.push_back(job),
            Class::Api if state.api.len() >= self.api_limit => return Err(Error::Busy),
            Class::Api => state.api.push_back(job),
            Class::Background => state.background.push_back(job),
        }
        self.pressing.store(state.is_pressing(), Ordering::Release);
        if state.writer_waits {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits for work and takes a batch of it; `None` when the queue is closed and empty.
    pub(super) fn take(&self) -> Option<Vec<Box<dyn Job>>> {
        self.linger();
        let mut state = self.lock();
        while !state.is_pressing() {
            match (state.closed, state.patient.is_empty()) {
                (true, true) => return None,
                (true, false) => break,
                (false, true) => state = self.wait(state),
                (false, false) => {
                    let waited = self.wait_at_most(state, PATIENCE);
                    state = waited.0;
                    if waited.1 {
                        break;
                    }
                }
            }
        }
        let batch = state.take_batch();
        self.pressing.store(state.is_pressing(), Ordering::Release);
        Some(batch)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "bounds how long the thread stays awake; nothing else depends on it"
    )]
    fn linger(&self) {
        let begun = Instant::now();
        while !self.pressing.load(Ordering::Acquire) && begun.elapsed() < LINGER {
            std::hint::spin_loop();
        }
    }

    fn wait<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.writer_waits = true;
        let mut state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        state.writer_waits = false;
        state
    }

    /// Also says whether the time was up.
    fn wait_at_most<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        time: Duration,
    ) -> (MutexGuard<'a, State>, bool) {
        state.writer_waits = true;
        let waited = self.filled.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner);
        let (mut state, result) = waited;
        state.writer_waits = false;
        (state, result.timed_out())
    }

    /// Refuses what comes from now on. What is queued is still written.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    /// Refuses what comes and forgets what is queued, so that its callers are told.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        *state = State { closed: true, ..State::default() };
    }

    // A panic elsewhere cannot leave the queues half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether somebody waits for a commit.
    fn is_pressing(&self) -> bool {
        !(self.critical.is_empty() && self.api.is_empty() && self.background.is_empty())
    }

    fn take_batch(&mut self) -> Vec<Box<dyn Job>> {
        let background = self.background.len().min(BACKGROUND_SHARE);
        let reserved = self.api.len().min(API_SHARE);
        let patient = self.patient.len().min(PATIENT_SHARE);
        let critical = self.critical.len().min(MAX_BATCH - background - reserved - patient);
        let api = self.api.len().min(MAX_BATCH - background - critical - patient);
        let mut batch = Vec::with_capacity(critical + patient + api + background);
        batch.extend(self.critical.drain(..critical));
        batch.extend(self.patient.drain(..patient));
        batch.extend(self.api.drain(..api));
        batch.extend(self.background.drain(..background));
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::writer::job::job;

    fn push(queue: &Queue, class: Class, count: usize) {
        for _ in 0..count {
            let (work, _answer) = job(|_| Ok(()));
            queue.push(class, work).expect("there is room");
        }
    }

    #[test]
    fn a_full_api_queue_refuses_and_the_others_do_not() {
        let queue = Queue::new(2);
        push(&queue, Class::Api, 2);
        let (work, _answer) = job(|_| Ok(()));
        assert!(matches!(queue.push(Class::Api, work), Err(Error::Busy)));
        push(&queue, Class::Critical, 10);
        push(&queue, Class::Background, 1);
    }

    #[test]
    fn every_class_has_its_share_of_a_full_batch() {
        let queue = Queue::new(MAX_BATCH);
        for class in [Class::Critical, Class::Api, Class::Background] {
            push(&queue, class, MAX_BATCH);
        }
        assert_eq!(queue.take().map(|batch| batch.len()), Some(MAX_BATCH));
        let state = queue.lock();
        let taken = |left: usize| MAX_BATCH - left;
        assert_eq!(taken(state.background.len()), BACKGROUND_SHARE);
        assert_eq!(taken(state.api.len()), API_SHARE);
        assert_eq!(taken(state.critical.len()), MAX_BATCH - API_SHARE - BACKGROUND_SHARE);
    }

    #[test]
    fn patient_use_cases_share_a_commit_or_wait_no_longer_than_their_patience() {
        let queue = Queue::new(1);
        push(&queue, Class::Patient, 1);
        assert_eq!(queue.take().map(|batch| batch.len()), Some(1), "alone, after a while");
        push(&queue, Class::Patient, 1);
        push(&queue, Class::Api, 1);
        assert_eq!(queue.take().map(|batch| batch.len()), Some(2), "together, at once");
        push(&queue, Class::Patient, 1);
        queue.close();
        assert_eq!(queue.take().map(|batch| batch.len()), Some(1), "before the end");
        assert!(queue.take().is_none());
    }

    #[test]
    fn a_closed_queue_gives_out_what_it_has_and_then_ends() {
        let queue = Queue::new(1);
        push(&queue, Class::Critical, 1);
        queue.close();
        let (work, _answer) = job(|_| Ok(()));
        assert!(matches!(queue.push(Class::Critical, work), Err(Error::Closed)));
        assert_eq!(queue.take().map(|batch| batch.len()), Some(1));
        assert!(queue.take().is_none());
    }
}
