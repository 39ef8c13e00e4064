//! What delivery counts. Names are part of the public surface.

use std::time::Duration;

use cogwire_core::webhook::event::WebhookEvent;
use cogwire_core::webhook::schedule::After;
use cogwire_store::delivery::Verdict;

use crate::sink::Class;

/// Counts a request that is on its way for as long as it lives.
pub(crate) struct InFlight(());

impl InFlight {
    pub(crate) fn begin() -> Self {
        metrics::gauge!("cogwire_webhook_in_flight").increment(1);
        Self(())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        metrics::gauge!("cogwire_webhook_in_flight").decrement(1);
    }
}

/// Counts an attempt that has ended.
pub(crate) fn attempt(event: WebhookEvent, class: Class, took: Duration) {
    metrics::counter!("cogwire_webhook_attempts_total", "event" => event.as_str(), "result" => class.as_str()).increment(1);
    metrics::histogram!("cogwire_webhook_attempt_seconds").record(took);
}

/// Counts what becomes of a final message, unless it was delivered or is tried again.
pub(crate) fn verdict(verdict: Verdict, after: After) {
    match (verdict, after) {
        (Verdict::Postponed(_), _) => metrics::counter!("cogwire_webhook_postponed_total").increment(1),
        (Verdict::GivenUp, After::Gone) => given_up("gone"),
        (Verdict::GivenUp, _) => given_up("schedule"),
        (Verdict::Delivered | Verdict::RetryAt(_), _) => {}
    }
}

/// Counts a message that is not tried again.
pub(crate) fn given_up(reason: &'static str) {
    metrics::counter!("cogwire_webhook_given_up_total", "reason" => reason).increment(1);
}

/// How many origins are down.
pub(crate) fn circuits_open(count: usize) {
    metrics::gauge!("cogwire_webhook_circuits_open").set(u32::try_from(count).unwrap_or(u32::MAX));
}
