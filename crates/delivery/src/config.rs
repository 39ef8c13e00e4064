//! The bounds and times of delivery.

use std::time::Duration;

use cogwire_core::webhook::event::WebhookEvent;
use cogwire_core::webhook::schedule::Schedule;

/// How messages are sent.
#[derive(Debug, Clone)]
pub struct DeliveryConfig {
    /// How long an attempt at a final message may take, from the look-up of the name to the last byte of the answer.
    pub completed_timeout: Duration,
    /// The same for `start`, `output` and `logs`: a receiver that hangs delays the final message by no more than this.
    pub intermediate_timeout: Duration,
    /// How much longer than an attempt the node's lease must last for the attempt to begin.
    pub lease_margin: Duration,
    /// When final messages are tried again, unless their webhook says otherwise.
    pub schedule: Schedule,
    /// How long a message may wait for an origin that is down.
    pub max_age: Duration,
    /// The most requests at once.
    pub max_in_flight: usize,
    /// The most requests at once to one origin.
    pub per_origin: usize,
    /// The most lanes that are claimed in one commit.
    pub claim_batch: usize,
    /// The most lanes of one origin that are claimed in one commit.
    pub claim_per_origin: usize,
    /// How often the store is asked for due lanes that no signal announced.
    pub poll_interval: Duration,
    /// The most attempts that are recorded in one commit.
    pub finish_batch: usize,
    /// How long to wait after a failure on this side, such as a database that cannot write.
    pub pause: Duration,
    /// How often the lanes that this node holds in the store are compared with those in its memory.
    pub audit_interval: Duration,
    /// How old an account's signing secrets may be when they sign.
    pub secrets_max_age: Duration,
}

impl DeliveryConfig {
    /// How long an attempt at such a message may take.
    pub fn timeout(&self, event: WebhookEvent) -> Duration {
        match event {
            WebhookEvent::Completed => self.completed_timeout,
            WebhookEvent::Start | WebhookEvent::Output | WebhookEvent::Logs => self.intermediate_timeout,
        }
    }
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        Self {
            completed_timeout: Duration::from_secs(10),
            intermediate_timeout: Duration::from_secs(5),
            lease_margin: Duration::from_secs(2),
            schedule: Schedule::replicate(),
            max_age: Duration::from_secs(3 * 24 * 60 * 60),
            max_in_flight: 256,
            per_origin: 64,
            claim_batch: 256,
            claim_per_origin: 64,
            poll_interval: Duration::from_secs(1),
            finish_batch: 512,
            pause: Duration::from_secs(1),
            audit_interval: Duration::from_secs(15),
            secrets_max_age: Duration::from_secs(1),
        }
    }
}
