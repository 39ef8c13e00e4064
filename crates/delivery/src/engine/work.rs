//! The loop: wait for one event, handle it with everything else that is already there, then act.

use cogwire_core::id::PredictionId;
use cogwire_store::delivery::LaneOutcome;
use cogwire_store::handoff::{Arrival, HeldLane, LaneInbox, Place};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Parts;
use super::desk::Desk;
use super::look::Looked;
use super::steps::{Report, Steps};
use crate::config::DeliveryConfig;
use crate::end::End;
use crate::verdict::Errand;

/// The loop's own part: where events come from.
pub(super) struct Work {
    desk: Desk,
    steps: Steps,
    inbox: LaneInbox,
    /// Whether anybody may still hand lanes over.
    inbox_open: bool,
    reports: mpsc::UnboundedReceiver<Report>,
}

enum Event {
    Arrived(Option<Arrival>),
    Reported(Report),
    Looked(Looked),
    Recorded(Vec<(LaneOutcome, Place)>),
    Released,
    Audited(Vec<(PredictionId, u64)>),
    Time,
    Stop,
}

impl Work {
    pub(super) fn new(
        config: DeliveryConfig,
        parts: Parts,
        inbox: LaneInbox,
        hard: CancellationToken,
    ) -> Self {
        let (steps, reports) = Steps::new(config.clone(), parts.clone(), hard.clone());
        Self { desk: Desk::new(config, parts, hard), steps, inbox, inbox_open: true, reports }
    }

    /// Works until `soft`, and then until nothing is held any more.
    pub(super) async fn run(mut self, soft: CancellationToken) {
        while !self.desk.is_over() {
            let event = self.wait(&soft).await;
            self.handle(event);
            self.handle_what_is_there();
            self.act();
        }
        self.steps.end().await;
    }

    async fn wait(&mut self, soft: &CancellationToken) -> Event {
        let desk = &mut self.desk;
        // In order, so that the same happens whenever the same is there. What gives room back comes first; arrivals and reports
        // are not kept waiting by it, because all of them are handled after each event.
        tokio::select! {
            biased;
            () = soft.cancelled(), if !desk.stopping => Event::Stop,
            outcomes = desk.record.done() => Event::Recorded(outcomes),
            () = desk.release.done() => Event::Released,
            looked = desk.claim.done() => Event::Looked(looked),
            held = desk.look.done() => Event::Audited(held),
            Some(report) = self.reports.recv() => Event::Reported(report),
            arrival = self.inbox.recv(), if self.inbox_open => Event::Arrived(arrival),
            () = desk.alarm.rings() => Event::Time,
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrived(Some(Arrival::Lane(held))) => self.desk.arrived(held),
            Event::Arrived(Some(Arrival::WakeAt(at))) => self.desk.due.announce(at),
            Event::Arrived(None) => self.inbox_open = false,
            Event::Reported(report) => self.reported(report),
            Event::Looked(looked) => self.desk.looked(looked),
            Event::Recorded(outcomes) => self.desk.recorded(outcomes),
            Event::Audited(held) => self.desk.audited(held, &self.inbox),
            Event::Released | Event::Time => {}
            Event::Stop => {
                self.inbox.close();
                self.desk.stop();
            }
        }
    }

    /// Both queues are bounded by what may be held in memory, so this ends.
    fn handle_what_is_there(&mut self) {
        while let Ok(report) = self.reports.try_recv() {
            self.reported(report);
        }
        while let Some(held) = self.inbox.try_recv() {
            self.desk.arrived(Box::new(held));
        }
    }

    fn reported(&mut self, report: Report) {
        let Report { origin, held, errand, end } = report;
        let HeldLane { lane, place } = *held;
        self.desk.ended(&origin, errand, end.health());
        match end {
            End::Finished(finished, _) => self.desk.record.push((*finished, place)),
            End::TryLater(obstacle) => self.desk.pause(Box::new(HeldLane { lane, place }), &obstacle),
            End::NotDue => {
                lane.lane.due_at().into_iter().for_each(|at| self.desk.due.announce(at));
                self.desk.give_back(&lane);
            }
            End::Dropped => self.desk.give_back(&lane),
            // It may have been freed with something else due, such as the end that came while progress was rendered.
            End::Gone => self.desk.announce_now(),
        }
    }

    fn act(&mut self) {
        self.desk.resume();
        self.desk.follow_origins(&self.inbox);
        let now = self.desk.clock.now();
        while let Some((origin, held)) = self.desk.roster.next(now) {
            let errand = self.desk.errand(&origin);
            self.steps.begin(origin, held, errand);
        }
        for (held, down_since) in self.desk.take_too_old() {
            self.steps.begin(held.lane.origin.as_str().into(), held, Errand::GiveUp(down_since));
        }
        self.desk.write();
        self.desk.ask(&self.inbox);
        self.desk.audit();
        self.desk.set_alarm();
    }
}
