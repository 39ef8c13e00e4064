//! What a prediction's receiver is still owed, and what to send next: order, pace and superseding.
//!
//! A [`Lane`] belongs to one prediction. Its messages go out one at a time: `start`, then the newest progress, then the
//! final one. Nothing here knows how a message is sent.

use std::time::Duration;

use super::event::{EventSet, WebhookEvent};
use crate::prediction::Wants;
use crate::time::Timestamp;

/// The shortest time between the beginnings of two progress messages of a prediction. Replicate's.
pub const PACE: Duration = Duration::from_millis(500);

/// What is unsent, and what must be remembered to send it well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// A `start` message waits.
    pub want_start: bool,
    /// A progress message waits: what it will be about.
    pub want_progress: EventSet,
    /// The final message, from the prediction's end until it is delivered or given up.
    pub last: Option<FinalMessage>,
    /// The number of the next message; messages count from 1.
    pub next_seq: u32,
    /// When the latest progress message began.
    pub last_progress_at: Option<Timestamp>,
    /// Progress messages that never went out because the final one took their place.
    pub superseded: u32,
    /// Whether the prediction goes on, so that more may be wanted.
    pub open: bool,
}

/// The message about the end, and how sending it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalMessage {
    /// Its number.
    pub seq: u32,
    /// Attempts that have ended, in all.
    pub attempts: u32,
    /// Attempts that have ended since the schedule began, which a resend by hand begins anew.
    pub tries: u32,
    /// When the first attempt of this schedule began, also when it spent no try.
    pub first_attempt_at: Option<Timestamp>,
    /// When the next attempt is due.
    pub due_at: Timestamp,
    /// Whether a person asked for it to be sent again.
    pub manual: bool,
}

/// What to do with a lane now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Begin this message.
    Send(WebhookEvent),
    /// Nothing may begin before then.
    Wait(Timestamp),
    /// Nothing is owed now; more may come.
    Idle,
    /// Nothing is owed, and nothing will be.
    Done,
}

impl FinalMessage {
    /// From when the schedule counts, for an attempt that began at `started_at` and spends a try: from the first one that does.
    pub fn schedule_began_at(&self, started_at: Timestamp) -> Timestamp {
        self.first_attempt_at.filter(|_| self.tries > 0).unwrap_or(started_at)
    }
}

impl Default for Lane {
    fn default() -> Self {
        Self {
            want_start: false,
            want_progress: EventSet::NONE,
            last: None,
            next_seq: 1,
            last_progress_at: None,
            superseded: 0,
            open: true,
        }
    }
}

impl Lane {
    /// Takes in what a transition asks for. `ended` says that the prediction is over.
    pub fn want(&mut self, wants: &Wants, ended: bool, now: Timestamp) {
        self.want_start |= wants.start;
        self.want_progress = self.want_progress.union(wants.progress);
        self.open &= !ended;
        // A message that began so far ahead did so before the clock was set back.
        self.last_progress_at = self.last_progress_at.filter(|last| *last <= now + PACE);
        if wants.completed.is_some() {
            self.supersede_progress();
            self.last = Some(self.final_message(now));
        }
    }

    /// What to do now.
    pub fn next(&self, now: Timestamp) -> Next {
        match self.waiting() {
            Some((event, due)) if due <= now => Next::Send(event),
            Some((_, due)) => Next::Wait(due),
            None if self.open => Next::Idle,
            None => Next::Done,
        }
    }

    /// When the next message is due; `None` when nothing is owed.
    pub fn due_at(&self) -> Option<Timestamp> {
        self.waiting().map(|(_, due)| due)
    }

    /// Takes the number for an intermediate message that begins now, and marks it as no longer waiting.
    pub fn begin_intermediate(&mut self, event: WebhookEvent, now: Timestamp) -> u32 {
        match event {
            WebhookEvent::Start => self.want_start = false,
            _ => {
                self.want_progress = EventSet::NONE;
                self.last_progress_at = Some(now);
            }
        }
        self.take_seq()
    }

    /// Says when the intermediate message really went out, which may be later than it was taken up: the pace counts from there.
    pub fn began_at(&mut self, started_at: Timestamp) {
        self.last_progress_at = self.last_progress_at.map(|taken_up| taken_up.max(started_at));
    }

    /// Owes a message again that was sent or given up before.
    pub fn resend(&mut self, seq: u32, attempts: u32, now: Timestamp) {
        self.last =
            Some(FinalMessage { seq, attempts, tries: 0, first_attempt_at: None, due_at: now, manual: true });
    }

    fn waiting(&self) -> Option<(WebhookEvent, Timestamp)> {
        if self.want_start {
            return Some((WebhookEvent::Start, Timestamp::from_micros(0)));
        }
        if !self.want_progress.is_empty() {
            let due = self.last_progress_at.map_or(Timestamp::from_micros(0), |last| last + PACE);
            return Some((self.progress_event(), due));
        }
        self.last.as_ref().map(|last| (WebhookEvent::Completed, last.due_at))
    }

    /// One message covers both kinds of progress; it is named after the more telling one.
    fn progress_event(&self) -> WebhookEvent {
        let output = self.want_progress.contains(WebhookEvent::Output);
        if output { WebhookEvent::Output } else { WebhookEvent::Logs }
    }

    fn supersede_progress(&mut self) {
        if !self.want_progress.is_empty() {
            self.want_progress = EventSet::NONE;
            self.superseded += 1;
        }
    }

    /// `start` goes first, so a `start` that still waits has its number before the final message.
    fn final_message(&mut self, now: Timestamp) -> FinalMessage {
        let waiting_start = u32::from(self.want_start);
        let seq = self.next_seq + waiting_start;
        FinalMessage { seq, attempts: 0, tries: 0, first_attempt_at: None, due_at: now, manual: false }
    }

    fn take_seq(&mut self) -> u32 {
        let seq = self.next_seq;
        self.next_seq += 1;
        seq
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prediction::Completed;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000_000 + millis * 1000)
    }

    fn progress(event: WebhookEvent) -> Wants {
        Wants { progress: EventSet::NONE.with(event), ..Wants::default() }
    }

    fn completed() -> Wants {
        Wants { completed: Some(Completed { body: "{}".to_owned() }), ..Wants::default() }
    }

    #[test]
    fn start_goes_before_progress_and_progress_before_the_end() {
        let mut lane = Lane::default();
        lane.want(&Wants { start: true, ..progress(WebhookEvent::Logs) }, false, at(0));
        assert_eq!(lane.next(at(0)), Next::Send(WebhookEvent::Start));
        assert_eq!(lane.begin_intermediate(WebhookEvent::Start, at(0)), 1);
        assert_eq!(lane.next(at(0)), Next::Send(WebhookEvent::Logs));
        assert_eq!(lane.begin_intermediate(WebhookEvent::Logs, at(0)), 2);
        assert_eq!(lane.next(at(0)), Next::Idle);
        lane.want(&completed(), true, at(10));
        assert_eq!(lane.next(at(10)), Next::Send(WebhookEvent::Completed));
        assert_eq!(lane.last.as_ref().map(|last| last.seq), Some(3));
    }

    #[test]
    fn progress_keeps_the_pace_and_the_newest_snapshot_goes_out() {
        let mut lane = Lane::default();
        lane.want(&progress(WebhookEvent::Logs), false, at(0));
        lane.begin_intermediate(WebhookEvent::Logs, at(0));
        lane.want(&progress(WebhookEvent::Logs), false, at(100));
        lane.want(&progress(WebhookEvent::Output), false, at(200));
        assert_eq!(lane.next(at(200)), Next::Wait(at(500)));
        assert_eq!(lane.next(at(500)), Next::Send(WebhookEvent::Output));
    }

    #[test]
    fn the_pace_counts_from_when_the_message_really_went_out() {
        let mut lane = Lane::default();
        lane.want(&progress(WebhookEvent::Output), false, at(0));
        lane.begin_intermediate(WebhookEvent::Output, at(0));
        lane.began_at(at(60));
        lane.want(&progress(WebhookEvent::Output), false, at(100));
        assert_eq!(lane.next(at(100)), Next::Wait(at(560)));
    }

    #[test]
    fn a_clock_that_is_set_back_holds_no_progress_up() {
        for (set_to, expected) in
            [(-86_400_000, Next::Send(WebhookEvent::Output)), (-400, Next::Wait(at(500)))]
        {
            let mut lane = Lane::default();
            lane.want(&progress(WebhookEvent::Output), false, at(0));
            lane.begin_intermediate(WebhookEvent::Output, at(0));
            lane.want(&progress(WebhookEvent::Output), false, at(set_to));
            assert_eq!(lane.next(at(set_to)), expected);
        }
    }

    #[test]
    fn completed_supersedes_waiting_progress_but_never_start() {
        let mut lane = Lane::default();
        lane.want(&Wants { start: true, ..progress(WebhookEvent::Output) }, false, at(0));
        lane.want(&completed(), true, at(1));
        assert_eq!((lane.superseded, lane.last.as_ref().map(|last| last.seq)), (1, Some(2)));
        assert_eq!(lane.next(at(1)), Next::Send(WebhookEvent::Start));
        lane.begin_intermediate(WebhookEvent::Start, at(1));
        assert_eq!(lane.next(at(1)), Next::Send(WebhookEvent::Completed));
    }

    #[test]
    fn without_completed_the_trailing_progress_still_goes_out() {
        let mut lane = Lane::default();
        lane.want(&progress(WebhookEvent::Output), false, at(0));
        lane.begin_intermediate(WebhookEvent::Output, at(0));
        lane.want(&progress(WebhookEvent::Output), true, at(1));
        assert_eq!(lane.next(at(1)), Next::Wait(at(500)));
        lane.begin_intermediate(WebhookEvent::Output, at(500));
        assert_eq!(lane.next(at(500)), Next::Done);
    }
}
