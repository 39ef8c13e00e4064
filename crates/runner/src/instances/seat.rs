//! A job's place in an instance.

use std::sync::Arc;

use super::fleet::{Event, InstanceNo, Outcome};
use super::instance::Instance;
use super::life;
use super::pool::Pool;
use crate::Job;
use crate::event::End;
use crate::reporter::{Reporter, Stopped};

/// One slot of an instance, taken. It is free again when this is dropped, however the job ended.
pub(super) struct Seat {
    pool: Arc<Pool>,
    no: InstanceNo,
    instance: Arc<dyn Instance>,
    outcome: Outcome,
}

impl Seat {
    pub(super) fn new(pool: Arc<Pool>, no: InstanceNo, instance: Arc<dyn Instance>) -> Self {
        Self { pool, no, instance, outcome: Outcome::Ended }
    }

    /// Whose seat it is.
    pub(super) fn no(&self) -> InstanceNo {
        self.no
    }

    /// Whether the instance has died since the seat was given.
    pub(super) fn is_dead(&self) -> bool {
        self.instance.dead().is_cancelled()
    }

    /// Runs the job.
    pub(super) async fn run(mut self, job: &Job, reporter: &Reporter) -> Result<End, Stopped> {
        let result = self.instance.run(job, reporter).await;
        self.outcome = match &result {
            Ok(End::Succeeded) => Outcome::Succeeded,
            Ok(End::Failed(_)) => Outcome::Ended,
            Ok(End::Canceled) | Err(_) => Outcome::Stopped,
        };
        result
    }
}

impl Drop for Seat {
    /// The death is told first, so that nobody else gets the seat of a dead instance.
    fn drop(&mut self) {
        if self.is_dead() {
            self.pool.tell(Event::Died(self.no, life::cause_of_death(&*self.instance)));
        }
        self.pool.tell(Event::Finished(self.no, self.outcome));
    }
}
