//! What delivery counts. Names are part of the public surface.

use std::time::Duration;

use cogwire_core::webhook::event::WebhookEvent;

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
