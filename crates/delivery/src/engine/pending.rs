//! A write that is under way, if any, and what waits for the next one.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// At most one future, and a batch that gathers while it runs.
pub(super) struct Pending<T, R> {
    batch: Vec<T>,
    running: Option<Pin<Box<dyn Future<Output = R> + Send>>>,
}

impl<T, R> Pending<T, R> {
    pub(super) fn new() -> Self {
        Self { batch: Vec::new(), running: None }
    }

    /// Adds to the next batch.
    pub(super) fn push(&mut self, item: T) {
        self.batch.push(item);
    }

    /// Begins the next batch of at most `limit`, unless one is under way or nothing waits.
    pub(super) fn begin<F>(&mut self, limit: usize, start: impl FnOnce(Vec<T>) -> F)
    where
        F: Future<Output = R> + Send + 'static,
    {
        if self.running.is_some() || self.batch.is_empty() {
            return;
        }
        let rest = self.batch.split_off(self.batch.len().min(limit));
        self.running = Some(Box::pin(start(std::mem::replace(&mut self.batch, rest))));
    }

    /// The result of what is under way; for ever pending when nothing is. Nothing is lost when the future is dropped.
    pub(super) fn done(&mut self) -> impl Future<Output = R> {
        poll_fn(|cx| {
            let Some(running) = &mut self.running else { return Poll::Pending };
            let result = running.as_mut().poll(cx);
            if result.is_ready() {
                self.running = None;
            }
            result
        })
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_none()
    }

    /// Whether nothing is under way and nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.running.is_none() && self.batch.is_empty()
    }
}
