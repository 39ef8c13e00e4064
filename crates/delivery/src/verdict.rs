//! Why a lane has its turn, and what an attempt at its final message leads to. Pure.

use std::time::Duration;

use cogwire_core::time::Timestamp;
use cogwire_core::webhook::pacing::FinalMessage;
use cogwire_core::webhook::schedule::{After, Failed, Schedule};
use cogwire_store::delivery::Verdict;

use crate::circuit::Probe;
use crate::health::Health;
use crate::sink::Class;

/// The class of an entry that stands for no request: the message was given up because its receiver is down.
pub(crate) const ORIGIN_DOWN: &str = "origin-down";
/// What is added to the explanation of an answer that ends the schedule.
pub(crate) const GONE: &str = "410 says that the receiver is gone for good, so the message is not tried again; resend it when it is back";

/// Why a lane has its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errand {
    /// Its next message is due.
    Send,
    /// Its receiver is down, and its next message finds out whether it still is.
    Probe(Probe),
    /// Its receiver has been down since then, and what is due has waited for too long.
    GiveUp(Timestamp),
}

/// An attempt that is over, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tried {
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Timestamp,
    pub(crate) class: Class,
    pub(crate) status: Option<u16>,
    /// The receiver's wish, counted from the end.
    pub(crate) retry_after: Option<Duration>,
}

impl Tried {
    /// What it says about the receiver.
    pub(crate) fn health(&self, schedule: &Schedule) -> Health {
        let ease = schedule.ease(self.status, self.retry_after);
        Health::of(self.class, self.ended_at.since(self.started_at), ease)
    }

    /// What becomes of the final message. A probe without an answer spends no try: nobody can tell whether it would have been
    /// taken.
    pub(crate) fn verdict(
        &self,
        errand: Errand,
        last: &FinalMessage,
        schedule: &Schedule,
        fraction: f64,
    ) -> (Verdict, After) {
        let after = schedule.after(&self.failed(last), fraction);
        let verdict = match (errand, after) {
            _ if self.class == Class::Delivered => Verdict::Delivered,
            (Errand::Probe(probe), _) if !self.health(schedule).is_answer() => {
                Verdict::Postponed(self.ended_at + probe.again_after)
            }
            (_, After::RetryAt(at)) => Verdict::RetryAt(at),
            (_, After::Over | After::Gone) => Verdict::GivenUp,
        };
        (verdict, after)
    }

    fn failed(&self, last: &FinalMessage) -> Failed {
        Failed {
            first_attempt_at: last.schedule_began_at(self.started_at),
            tries: last.tries + 1,
            ended_at: self.ended_at,
            status: self.status,
            retry_after: self.retry_after,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_000_000_000_000);

    fn verdict(
        errand: Errand,
        class: Class,
        status: Option<u16>,
        tries: u32,
        schedule: &Schedule,
    ) -> Verdict {
        let tried = Tried { started_at: START, ended_at: START, class, status, retry_after: None };
        let first_attempt_at = Some(START);
        let last =
            FinalMessage { seq: 1, attempts: tries, tries, first_attempt_at, due_at: START, manual: false };
        tried.verdict(errand, &last, schedule, 0.0).0
    }

    #[test]
    fn a_probe_without_an_answer_spends_no_try() {
        let at = |seconds| START + Duration::from_secs(seconds);
        let probe = Errand::Probe(Probe { again_after: Duration::from_secs(40) });
        let (replicate, standard) = (Schedule::replicate(), Schedule::standard());
        let cases = [
            (Errand::Send, Class::Timeout, None, 0, &replicate, Verdict::RetryAt(at(1))),
            (Errand::Send, Class::Timeout, None, 6, &replicate, Verdict::GivenUp),
            (probe, Class::Timeout, None, 0, &replicate, Verdict::Postponed(at(40))),
            (probe, Class::Connect, None, 6, &replicate, Verdict::Postponed(at(40))),
            (probe, Class::Dns, None, 6, &standard, Verdict::Postponed(at(40))),
            (probe, Class::Status, Some(500), 0, &replicate, Verdict::RetryAt(at(1))),
            (probe, Class::Status, Some(500), 6, &replicate, Verdict::GivenUp),
            (probe, Class::Status, Some(410), 0, &standard, Verdict::GivenUp),
            (probe, Class::Status, Some(410), 0, &replicate, Verdict::RetryAt(at(1))),
            (probe, Class::Delivered, Some(200), 0, &replicate, Verdict::Delivered),
            (Errand::Send, Class::Delivered, Some(204), 6, &standard, Verdict::Delivered),
            (Errand::Send, Class::Redirect, Some(308), 1, &standard, Verdict::RetryAt(at(300))),
        ];
        for (errand, class, status, tries, schedule, expected) in cases {
            let verdict = verdict(errand, class, status, tries, schedule);
            assert_eq!(verdict, expected, "{errand:?} {class} {status:?} after {tries}");
        }
    }

    #[test]
    fn a_schedule_that_listens_slows_its_receiver_down() {
        let wish = Some(Duration::from_secs(7));
        let tried = Tried {
            started_at: START,
            ended_at: START,
            class: Class::Status,
            status: Some(429),
            retry_after: wish,
        };
        assert_eq!(tried.health(&Schedule::standard()), Health::Slows(Duration::from_secs(7)));
        assert_eq!(tried.health(&Schedule::replicate()), Health::Answers);
    }
}
