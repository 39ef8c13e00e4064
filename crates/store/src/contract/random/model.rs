//! The model: what the store should hold, kept in memory by the rules of the core alone.

mod sending;

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::Duration;

use cogwire_core::id::{PredictionId, VersionId};
use cogwire_core::prediction::{
    Deadline, DeadlineKind, Event, Kind, Limits, Loss, OutputContent, Prediction, Request, Transition,
};
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::event::WebhookEvent;

use super::history::{Author, Sent, Step, VERSIONS};
use crate::NodeEpoch;
use crate::contract::fixture::{World, at, commit_of, new, node, request_with_webhook, version};
use crate::delivery::ClaimedLane;
use crate::node::TakeOver;
use crate::prediction::{
    Commit, CommitOutcome, CreateOutcome, Guard, LaneEffect, Lease, NewPrediction, Wanted,
};

/// Room for the ids and times of one case.
const CASE_SPAN: u32 = 1_000_000;

/// Runs that a prediction may begin before it is lost.
const MAX_RUNS: u32 = 2;

/// What went wrong, for the report.
type Checked<T = ()> = Result<T, String>;

/// One history and what it should have led to. Two nodes act in turn.
pub(super) struct Case<'a> {
    world: &'a World,
    actor: Actor,
    other: Actor,
    number: u32,
    clock: u32,
    entries: Vec<Entry>,
}

/// A node.
struct Actor {
    node: NodeEpoch,
    /// Lanes that it holds and has not worked on.
    held: Vec<ClaimedLane>,
}

/// One prediction.
struct Entry {
    current: Prediction,
    /// As it was one revision earlier.
    before: Prediction,
    /// What led from one to the other.
    last: Option<Transition>,
    holder: Option<Lease>,
    former: Option<Lease>,
    runs: u32,
}

impl Entry {
    fn is_over(&self) -> bool {
        self.current.status().is_terminal()
    }

    fn waits(&self) -> bool {
        self.holder.is_none() && !self.is_over()
    }

    fn may_be_run_again(&self) -> bool {
        let is_training = self.current.request.kind == Kind::Training;
        self.current.revision == 0 && self.runs <= MAX_RUNS && !is_training
    }

    fn lose_holder(&mut self) {
        self.former = self.holder.take().or(self.former.take());
    }
}

fn versions() -> [VersionId; VERSIONS] {
    [version(1), version(2)]
}

/// Two nodes that nobody has heard of yet.
fn actors(case: u32, clock: u32) -> [Actor; 2] {
    ["a", "b"].map(|name| Actor { node: node(&format!("node-{case}-{clock}-{name}")), held: Vec::new() })
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it reads like an assertion, and most values are made for it"
)]
fn same<T: PartialEq + Debug>(what: &str, stored: T, expected: T) -> Checked {
    if stored == expected { Ok(()) } else { Err(format!("{what}: stored {stored:?}, expected {expected:?}")) }
}

/// The prediction as a reader of the store sees it: an ended one has its output as one value.
fn as_read(prediction: &Prediction) -> Prediction {
    let mut read = prediction.clone();
    if read.status().is_terminal() {
        read.content.output = read.content.output.to_json().map_or(OutputContent::None, OutputContent::Value);
    }
    read
}

impl<'a> Case<'a> {
    pub(super) fn new(world: &'a World, number: u32) -> Self {
        let [actor, other] = actors(number, 0);
        Self { world, actor, other, number, clock: 0, entries: Vec::new() }
    }

    /// Lives through a history, ends what is left, and looks at what receivers got.
    pub(super) async fn live(mut self, history: Vec<Step>) -> Checked {
        self.restart().await?;
        for step in history {
            self.clock += 300;
            std::mem::swap(&mut self.actor, &mut self.other);
            self.take(step).await?;
            self.check_all().await?;
        }
        self.end_all().await?;
        self.check_all().await?;
        self.check_messages().await
    }

    /// Lives through a history and leaves it as it is.
    pub(super) async fn leave(mut self, history: Vec<Step>) -> Checked {
        self.restart().await?;
        for step in history {
            self.clock += 300;
            self.take(step).await?;
        }
        self.check_all().await
    }

    fn now(&self) -> Timestamp {
        at(i64::from(self.number * CASE_SPAN + self.clock))
    }

    async fn take(&mut self, step: Step) -> Checked {
        match step {
            Step::Create { kind, of, claimed } => self.create(kind, of, claimed).await,
            Step::Claim { wanted, limit } => self.claim(wanted, limit).await,
            Step::Change { which, by, stale, event, deliver } => match self.pick(which) {
                Some(index) => self.change(index, by, stale, event, deliver).await,
                None => Ok(()),
            },
            Step::Release { which } => match self.pick(which) {
                Some(index) => self.release(index).await,
                None => Ok(()),
            },
            Step::Restart => self.restart().await,
            Step::Deliver { verdict, hears } => self.deliver(verdict, hears).await,
        }
    }

    fn pick(&self, which: usize) -> Option<usize> {
        which.checked_rem(self.entries.len())
    }

    async fn create(&mut self, kind: Kind, of: usize, claimed: bool) -> Checked {
        self.clock += 1;
        let number = self.number * CASE_SPAN + self.clock;
        let version = versions()[of].clone();
        let request = Request { kind, version, ..request_with_webhook(number, &WebhookEvent::ALL) };
        let prediction = Prediction::new(request.clone());
        let claim = claimed.then(|| self.actor.node.clone());
        let outcome = self.world.store.create(NewPrediction { claim, ..new(request) }).await;
        same("create", outcome.map_err(|error| error.to_string()), Ok(CreateOutcome::Created))?;
        let holder = claimed.then(|| Lease { node: self.actor.node.clone(), lease_no: 1 });
        let runs = u32::from(claimed);
        self.entries.push(Entry {
            before: prediction.clone(),
            last: None,
            current: prediction,
            holder,
            former: None,
            runs,
        });
        Ok(())
    }

    async fn claim(&mut self, wanted: [u32; VERSIONS], limit: u32) -> Checked {
        let setup = self.now() + Duration::from_secs(600);
        let asked: Vec<Wanted> =
            versions().into_iter().zip(wanted).map(|(version, limit)| Wanted { version, limit }).collect();
        let claimed = self.world.store.claim(&self.actor.node, &asked, limit, setup).await;
        let claimed = claimed.map_err(|error| error.to_string())?;
        let mut room: HashMap<VersionId, u32> = versions().into_iter().zip(wanted).collect();
        let mut has_room = |entry: &Entry| {
            let left = room.get_mut(&entry.current.request.version).filter(|left| **left > 0);
            left.map(|left| *left -= 1).is_some()
        };
        let waiting = self.entries.iter_mut().filter(|entry| entry.waits() && has_room(entry));
        let expected: Vec<&mut Entry> = waiting.take(limit as usize).collect();
        same("claimed", claimed.len(), expected.len())?;
        for (claimed, entry) in claimed.into_iter().zip(expected) {
            entry.runs += 1;
            same("claimed prediction", &claimed.prediction, &entry.current)?;
            same("run", claimed.run, entry.runs)?;
            same(
                "fence grows",
                claimed.lease.lease_no > entry.former.as_ref().map_or(0, |old| old.lease_no),
                true,
            )?;
            entry.holder = Some(claimed.lease);
        }
        Ok(())
    }

    async fn change(
        &mut self,
        index: usize,
        by: Author,
        stale: bool,
        event: Event,
        deliver: bool,
    ) -> Checked {
        let now = self.now();
        let entry = &mut self.entries[index];
        let lease = match by {
            Author::Holder => entry.holder.clone(),
            Author::FormerHolder => entry.former.clone(),
            Author::Anyone => None,
        };
        let guard = lease.clone().map_or(Guard::Anyone, Guard::Holder);
        let from = if stale { &entry.before } else { &entry.current };
        if from.status().is_terminal() {
            return Ok(());
        }
        let deliver_here = deliver.then(|| self.actor.node.clone());
        let commit = Commit { deliver_here, ..commit_of(from, event, guard, now) };
        let fenced = entry.is_over() || (lease.is_some() && lease != entry.holder);
        let conflict = from.revision != entry.current.revision;
        let transition = commit.transition.clone();
        if entry.last.as_ref() == Some(&transition) {
            // A store may take it for the same commit, whose answer was lost.
            return Ok(());
        }
        match self.world.store.commit(commit).await.map_err(|error| error.to_string())? {
            CommitOutcome::Fenced => same("fenced", true, fenced),
            CommitOutcome::Conflict => same("conflict", true, conflict && !fenced),
            CommitOutcome::Committed(effect) => {
                same("committed", true, !conflict && !fenced)?;
                entry.before = entry.current.clone();
                entry.last = Some(transition.clone());
                entry.current.absorb(transition);
                if entry.is_over() {
                    entry.lose_holder();
                }
                if let LaneEffect::Claimed(held) = effect {
                    self.actor.held.push(*held);
                }
                Ok(())
            }
        }
    }

    async fn release(&mut self, index: usize) -> Checked {
        let deadline = Deadline { at: self.now() + Duration::from_secs(600), kind: DeadlineKind::Queue };
        let entry = &mut self.entries[index];
        let Some(lease) = entry.holder.clone() else { return Ok(()) };
        let released = self.world.store.release(entry.current.id(), &lease, deadline).await;
        released.map_err(|error| error.to_string())?;
        if entry.current.revision == 0 {
            entry.runs -= 1;
            entry.lose_holder();
        }
        Ok(())
    }

    /// Both nodes are gone with everything that they had in memory, and one of their successors takes over.
    async fn restart(&mut self) -> Checked {
        self.clock += 1;
        for node in [&self.actor.node, &self.other.node] {
            self.world.store.retire_node(node).await.map_err(|error| error.to_string())?;
        }
        [self.actor, self.other] = actors(self.number, self.clock);
        let now = self.now();
        // The other one need not be known to the store: nobody takes over before the next restart.
        self.world.register(&self.actor.node, now).await;
        let how = TakeOver {
            leases_ended_before: now,
            max_runs: MAX_RUNS,
            queue_deadline: now + Limits::default().queue,
            limit: 1000,
        };
        let taken = self.world.store.take_over(&self.actor.node, how).await;
        let taken = taken.map_err(|error| error.to_string())?;
        let (silent, lost): (Vec<usize>, Vec<usize>) = (0..self.entries.len())
            .filter(|index| self.entries[*index].holder.is_some())
            .partition(|index| self.entries[*index].may_be_run_again());
        same("requeued", taken.requeued, silent.len() as u64)?;
        let mut stored: Vec<PredictionId> = taken.lost.iter().map(|lost| lost.id).collect();
        stored.sort_unstable();
        same("lost", stored, lost.iter().map(|index| self.entries[*index].current.id()).collect())?;
        for index in silent.into_iter().chain(lost.iter().copied()) {
            self.entries[index].lose_holder();
        }
        for index in lost {
            self.change(index, Author::Anyone, false, Event::Lost(Loss::Interrupted), false).await?;
        }
        Ok(())
    }

    async fn check_all(&self) -> Checked {
        for entry in &self.entries {
            same("prediction", self.world.load(entry.current.id()).await, as_read(&entry.current))?;
        }
        Ok(())
    }

    async fn end_all(&mut self) -> Checked {
        for index in 0..self.entries.len() {
            self.change(index, Author::Anyone, false, Event::CancelRequested, false).await?;
        }
        for _ in 0..8 {
            self.clock += 1000;
            std::mem::swap(&mut self.actor, &mut self.other);
            self.deliver(Sent::Delivered, true).await?;
        }
        same("lanes that are left", self.actor.held.len() + self.other.held.len(), 0)
    }
}
