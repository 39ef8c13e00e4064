//! What a fleet decides, step by step.

use std::time::Duration;

use crate::instances::Scale;
use crate::instances::fleet::{Action, Event, Fleet, InstanceNo, JobNo, Outcome};

const IDLE: u64 = 300;

/// A fleet, and what it decides, in words.
struct Story {
    fleet: Fleet,
    now: Duration,
}

impl Story {
    fn new(min: usize, max: usize, slots: usize) -> Self {
        let scale = Scale { min, max, idle: Duration::from_secs(IDLE) };
        Self { fleet: Fleet::new(scale, slots), now: Duration::ZERO }
    }

    fn on(&mut self, event: Event) -> String {
        let word = |action: &Action| match action {
            Action::Start(no) => format!("start {}", no.0),
            Action::Stop(no) => format!("stop {}", no.0),
            Action::Assign(job, no) => format!("job {} to {}", job.0, no.0),
            Action::Refuse(job, cause) => format!("job {} refused: {cause}", job.0),
        };
        self.fleet.on(event, self.now).iter().map(word).collect::<Vec<_>>().join(", ")
    }

    fn later(&mut self, seconds: u64) -> String {
        self.now += Duration::from_secs(seconds);
        self.on(Event::Tick)
    }

    fn came(&mut self, job: u64) -> String {
        self.on(Event::Came(JobNo(job)))
    }

    fn ready(&mut self, no: u64, slots: usize) -> String {
        self.on(Event::Ready(InstanceNo(no), slots))
    }

    fn finished(&mut self, no: u64, outcome: Outcome) -> String {
        self.on(Event::Finished(InstanceNo(no), outcome))
    }

    fn boot_failed(&mut self, no: u64) -> String {
        self.on(Event::BootFailed(InstanceNo(no), "no weights".into()))
    }

    fn died(&mut self, no: u64) -> String {
        self.on(Event::Died(InstanceNo(no), "it crashed".into()))
    }

    fn gone(&mut self, no: u64) -> String {
        self.on(Event::Gone(InstanceNo(no)))
    }

    fn wakes_in(&self) -> Option<u64> {
        self.fleet.next_wake(self.now).map(|wake| wake.saturating_sub(self.now).as_secs())
    }
}

#[test]
fn the_first_job_starts_an_instance_and_an_idle_one_is_stopped() {
    let mut story = Story::new(0, 1, 1);
    assert_eq!((story.on(Event::Tick), story.wakes_in()), (String::new(), None));
    assert_eq!(story.came(1), "start 0");
    assert_eq!(story.came(2), "");
    assert_eq!(story.ready(0, 1), "job 1 to 0");
    assert_eq!(story.finished(0, Outcome::Succeeded), "job 2 to 0");
    assert_eq!(story.wakes_in(), None);
    assert_eq!(story.finished(0, Outcome::Ended), "");
    assert_eq!(story.wakes_in(), Some(IDLE));
    assert_eq!(story.later(IDLE - 1), "");
    assert_eq!(story.later(1), "stop 0");
    assert_eq!(story.came(3), "", "what still stops counts");
    assert_eq!(story.gone(0), "start 1");
}

#[test]
fn those_that_are_kept_are_there_at_once_and_stay() {
    let mut story = Story::new(2, 3, 1);
    assert_eq!(story.on(Event::Tick), "start 0", "the first one proves the model");
    assert_eq!(story.ready(0, 1), "start 1");
    assert_eq!(story.ready(1, 1), "");
    assert_eq!((story.later(10 * IDLE), story.wakes_in()), (String::new(), None));
    assert_eq!(story.came(1), "job 1 to 0");
    assert_eq!(story.came(2), "job 2 to 1");
    assert_eq!(story.came(3), "start 2");
    assert_eq!(story.ready(2, 1), "job 3 to 2");
    for no in 0..3 {
        assert_eq!(story.finished(no, Outcome::Succeeded), "");
    }
    assert_eq!(story.later(IDLE), "stop 2", "the youngest goes");
}

#[test]
fn the_oldest_free_slot_is_taken_first() {
    let mut story = Story::new(0, 2, 2);
    assert_eq!(story.came(1), "start 0");
    assert_eq!(story.ready(0, 2), "job 1 to 0");
    assert_eq!(story.came(2), "job 2 to 0");
    assert_eq!(story.came(3), "start 1");
    assert_eq!(story.came(4), "", "one more instance has room for both");
    assert_eq!(story.ready(1, 2), "job 3 to 1, job 4 to 1");
    assert_eq!(story.finished(1, Outcome::Succeeded), "");
    assert_eq!(story.finished(0, Outcome::Succeeded), "");
    assert_eq!(story.came(5), "job 5 to 0");
    assert_eq!(story.came(6), "job 6 to 1");
    assert_eq!(story.came(7), "", "both are full, and there may be no third");
}

#[test]
fn a_job_that_leaves_does_not_stop_what_is_starting() {
    let mut story = Story::new(0, 1, 1);
    assert_eq!(story.came(1), "start 0");
    assert_eq!(story.on(Event::Left(JobNo(1))), "");
    assert_eq!(story.ready(0, 1), "");
    assert_eq!(story.wakes_in(), Some(IDLE));
}

#[test]
fn a_failed_start_ends_the_jobs_that_wait_for_it() {
    let mut story = Story::new(0, 2, 1);
    assert_eq!(story.came(1), "start 0");
    assert_eq!(story.came(2), "", "no second one before the first was ready");
    assert_eq!(story.boot_failed(0), "job 1 refused: no weights, job 2 refused: no weights");
    assert_eq!(story.wakes_in(), None, "nobody waits");
    assert_eq!(story.came(3), "", "the pause after a failure");
    assert_eq!(story.wakes_in(), Some(1));
    assert_eq!(story.later(1), "start 1");
}

#[test]
fn a_pause_that_is_over_wakes_nobody_during_the_next_setup() {
    let mut story = Story::new(0, 2, 1);
    assert_eq!(story.came(1), "start 0");
    assert_eq!(story.ready(0, 1), "job 1 to 0");
    assert_eq!(story.died(0), "");
    assert_eq!(story.finished(0, Outcome::Ended), "");
    assert_eq!(story.gone(0), "");
    assert_eq!((story.came(2), story.came(3)), (String::new(), String::new()));
    assert_eq!(story.later(1), "start 1");
    assert_eq!(story.wakes_in(), None, "the second one has to wait for the first");
    assert_eq!(story.ready(1, 1), "job 2 to 1, start 2");
}

#[test]
fn a_failed_start_leaves_the_jobs_to_the_others() {
    let mut story = Story::new(0, 2, 1);
    assert_eq!(story.came(1), "start 0");
    assert_eq!(story.ready(0, 1), "job 1 to 0");
    assert_eq!(story.came(2), "start 1");
    assert_eq!(story.boot_failed(1), "");
    assert_eq!(story.finished(0, Outcome::Ended), "job 2 to 0");
}

#[test]
fn three_failures_in_a_row_refuse_what_comes_and_a_success_forgives() {
    let mut story = Story::new(0, 1, 1);
    for (no, pause) in [(0, 1), (1, 2), (2, 4)] {
        assert_eq!(story.came(no), format!("start {no}"));
        assert_eq!(story.boot_failed(no), format!("job {no} refused: no weights"));
        if no < 2 {
            assert_eq!(story.later(pause), "");
        }
    }
    let refused = "job 9 refused: no weights (failure 3 in a row; the model is tried again in 4 s)";
    assert_eq!(story.came(9), refused);
    assert_eq!(story.later(4), "", "nobody waits");
    assert_eq!(story.came(10), "start 3");
    assert_eq!(story.ready(3, 1), "job 10 to 3");
    assert_eq!(story.finished(3, Outcome::Succeeded), "");
    assert_eq!(story.died(3), "");
    assert_eq!(story.gone(3), "");
    assert_eq!(story.came(11), "", "one failure since the success: it waits for the pause");
    assert_eq!(story.later(1), "start 4");
}

#[test]
fn a_job_that_only_fails_forgives_nothing() {
    let mut story = Story::new(0, 1, 1);
    for no in 0..3 {
        assert_eq!(story.came(no), format!("start {no}"));
        assert_eq!(story.ready(no, 1), format!("job {no} to {no}"));
        assert_eq!(story.died(no), "", "the job has not noticed yet");
        assert_eq!(story.finished(no, Outcome::Ended), "");
        assert_eq!(story.gone(no), "");
        if no < 2 {
            assert_eq!(story.later(10), "");
        }
    }
    assert!(story.came(9).starts_with("job 9 refused: it crashed (failure 3 in a row"));
}

#[test]
fn what_is_kept_is_replaced_after_each_pause() {
    let mut story = Story::new(1, 1, 1);
    assert_eq!(story.on(Event::Tick), "start 0");
    assert_eq!(story.ready(0, 1), "");
    assert_eq!(story.died(0), "");
    assert_eq!(story.gone(0), "");
    assert_eq!(story.wakes_in(), Some(1));
    assert_eq!(story.later(1), "start 1");
    assert_eq!(story.boot_failed(1), "");
    assert_eq!(story.wakes_in(), Some(2));
    assert_eq!(story.later(2), "start 2");
}

#[test]
fn an_instance_that_was_killed_because_a_job_had_to_stop_did_not_fail() {
    let mut story = Story::new(0, 1, 1);
    assert_eq!(story.came(1), "start 0");
    assert_eq!(story.ready(0, 1), "job 1 to 0");
    assert_eq!(story.came(2), "");
    assert_eq!(story.died(0), "");
    assert_eq!(story.finished(0, Outcome::Stopped), "");
    assert_eq!(story.gone(0), "start 1", "without a pause");
}

#[test]
fn a_dead_instance_gets_no_job() {
    let mut story = Story::new(0, 1, 2);
    assert_eq!(story.came(1), "start 0");
    assert_eq!(story.ready(0, 2), "job 1 to 0");
    assert_eq!(story.died(0), "");
    assert_eq!(story.came(2), "");
    assert_eq!(story.finished(0, Outcome::Ended), "");
    assert_eq!(story.gone(0), "");
    assert_eq!(story.later(1), "start 1");
    assert_eq!(story.ready(1, 2), "job 2 to 1");
}

#[test]
fn closing_finishes_what_there_is_and_stops_the_rest() {
    let mut story = Story::new(1, 2, 1);
    assert_eq!(story.on(Event::Tick), "start 0");
    assert_eq!(story.ready(0, 1), "");
    assert_eq!(story.came(1), "job 1 to 0");
    assert_eq!(story.came(2), "start 1");
    assert_eq!(story.on(Event::Close), "", "both have something to do");
    assert_eq!(story.ready(1, 1), "job 2 to 1");
    assert_eq!(story.finished(1, Outcome::Succeeded), "stop 1");
    assert_eq!(story.gone(1), "");
    assert!(!story.fleet.is_over());
    assert_eq!(story.finished(0, Outcome::Succeeded), "stop 0");
    assert_eq!(story.gone(0), "");
    assert!(story.fleet.is_over());
}

#[test]
fn closing_stops_a_start_that_nobody_waits_for() {
    let mut story = Story::new(1, 1, 1);
    assert_eq!(story.on(Event::Tick), "start 0");
    assert_eq!(story.on(Event::Close), "stop 0");
    assert_eq!(story.ready(0, 1), "", "it was told to stop meanwhile");
    assert_eq!(story.gone(0), "");
    assert!(story.fleet.is_over());
}

#[test]
fn code_that_breaks_counts_as_a_failure() {
    let mut story = Story::new(0, 1, 1);
    assert_eq!(story.came(1), "start 0");
    assert_eq!(story.gone(0), "");
    assert_eq!(story.wakes_in(), Some(1));
    assert!(story.fleet.trouble().cause().is_some());
}
