//! What to start, to stop and to give to whom: the decisions of a pool, without its tasks.
//!
//! A [`Fleet`] is told what happened and when, and answers what to do now. It promises that there are never more
//! instances than [`Scale::max`], counting those that are still stopping; that every job that came is given to an
//! instance or refused, unless it left; and that no instance is given more jobs than it has slots, or any once it
//! is dead. Times are those of a clock that does not step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::trouble::Trouble;

/// What is said of an instance that ended and does not say why.
pub(super) const UNKNOWN_END: &str = "The model ended for an unknown reason: look into the server's log";

/// How many instances of a version there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// So many are kept, also when there is nothing to do.
    pub min: usize,
    /// The most at any time; 0 counts as 1.
    pub max: usize,
    /// How long one beyond `min` may have nothing to do before it is stopped.
    pub idle: Duration,
}

/// Names an instance within its pool; an older one has a smaller number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct InstanceNo(pub(super) u64);

/// Names a job within its pool; an older one has a smaller number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct JobNo(pub(super) u64);

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// A job came, or came back because its instance was dead before it began.
    Came(JobNo),
    /// A job that waits was cancelled.
    Left(JobNo),
    /// An instance can take so many jobs at once.
    Ready(InstanceNo, usize),
    /// An instance did not become ready, and nothing is left of it.
    BootFailed(InstanceNo, Arc<str>),
    /// A job no longer uses its slot.
    Finished(InstanceNo, Outcome),
    /// An instance can run nothing any more; what is left of it is being removed.
    Died(InstanceNo, Arc<str>),
    /// Nothing is left of an instance.
    Gone(InstanceNo),
    /// Time has passed.
    Tick,
    /// No more jobs will come.
    Close,
}

/// What a job says about its instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It succeeded: the model works.
    Succeeded,
    /// It failed, or never began.
    Ended,
    /// It was told to stop. When its instance is dead now, that is why, and no fault of the model.
    Stopped,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Start an instance under this number.
    Start(InstanceNo),
    /// Stop an instance, whether it is ready or still starting.
    Stop(InstanceNo),
    /// Give a job to an instance.
    Assign(JobNo, InstanceNo),
    /// End a job; the text says why.
    Refuse(JobNo, Arc<str>),
}

/// The instances of one version, and the jobs that wait for them.
#[derive(Debug)]
pub(super) struct Fleet {
    scale: Scale,
    /// How many jobs an instance is expected to run at once.
    slots: usize,
    members: BTreeMap<InstanceNo, Member>,
    waiting: BTreeSet<JobNo>,
    trouble: Trouble,
    /// Whether an instance has become ready since the last failure. Until then one is started at a time.
    proven: bool,
    closing: bool,
    next: u64,
}

#[derive(Debug)]
enum Member {
    Starting,
    Ready {
        slots: usize,
        busy: usize,
        idle_since: Duration,
    },
    /// Dead, with jobs that have not noticed yet.
    Dead {
        busy: usize,
        /// It was killed because a job had to stop.
        excused: bool,
        cause: Arc<str>,
    },
    /// On its way out; nothing more is expected of it.
    Leaving,
}

impl Fleet {
    pub(super) fn new(scale: Scale, slots: usize) -> Self {
        let max = scale.max.max(1);
        Self {
            scale: Scale { min: scale.min.min(max), max, idle: scale.idle },
            slots: slots.max(1),
            members: BTreeMap::new(),
            waiting: BTreeSet::new(),
            trouble: Trouble::default(),
            proven: false,
            closing: false,
            next: 0,
        }
    }

    /// Takes note of what happened, and says what to do.
    pub(super) fn on(&mut self, event: Event, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        self.note(event, now, &mut actions);
        self.assign(&mut actions);
        self.refuse(now, &mut actions);
        self.start(now, &mut actions);
        self.stop(now, &mut actions);
        actions
    }

    /// When a [`Event::Tick`] may change something, if nothing else happens. That is later than `now`, because what
    /// is due was done with the last event.
    pub(super) fn next_wake(&self, now: Duration) -> Option<Duration> {
        let retry = self.wants().gt(&0).then(|| self.trouble.retry_at()).flatten();
        let surplus = self.live() > self.kept();
        let idle = self.members.values().filter_map(|member| self.idle_until(member)).min();
        // A pause that is over stays the last one until a job succeeds.
        [retry, idle.filter(|_| surplus)].into_iter().flatten().filter(|wake| *wake > now).min()
    }

    /// Whether no job can come and nothing is left.
    pub(super) fn is_over(&self) -> bool {
        self.closing && self.members.is_empty() && self.waiting.is_empty()
    }

    /// What went wrong last, until a job succeeds.
    pub(super) fn trouble(&self) -> &Trouble {
        &self.trouble
    }

    /// The jobs that an instance runs, and those that it could run; `None` unless it is ready.
    pub(super) fn load(&self, no: InstanceNo) -> Option<(usize, usize)> {
        match self.members.get(&no)? {
            Member::Ready { slots, busy, .. } => Some((*busy, *slots)),
            _ => None,
        }
    }

    /// Whether there is an instance that takes jobs.
    pub(super) fn is_ready(&self) -> bool {
        self.members.values().any(|member| matches!(member, Member::Ready { .. }))
    }

    /// Whether an instance has been started and is neither ready nor on its way out.
    pub(super) fn is_starting(&self, no: InstanceNo) -> bool {
        matches!(self.members.get(&no), Some(Member::Starting))
    }

    fn note(&mut self, event: Event, now: Duration, actions: &mut Vec<Action>) {
        match event {
            Event::Came(job) => _ = self.waiting.insert(job),
            Event::Left(job) => _ = self.waiting.remove(&job),
            Event::Ready(no, slots) => self.ready(no, slots, now),
            Event::BootFailed(no, cause) => self.boot_failed(no, &cause, now, actions),
            Event::Finished(no, outcome) => self.finished(no, outcome, now),
            Event::Died(no, cause) => self.died(no, cause, now),
            Event::Gone(no) => self.gone(no, now),
            Event::Tick => {}
            Event::Close => self.closing = true,
        }
    }

    fn ready(&mut self, no: InstanceNo, slots: usize, now: Duration) {
        // One that was told to stop meanwhile stays on its way out.
        if let Some(member @ Member::Starting) = self.members.get_mut(&no) {
            *member = Member::Ready { slots: slots.max(1), busy: 0, idle_since: now };
            self.proven = true;
        }
    }

    fn boot_failed(&mut self, no: InstanceNo, cause: &Arc<str>, now: Duration, actions: &mut Vec<Action>) {
        if !matches!(self.members.remove(&no), Some(Member::Starting)) {
            return;
        }
        self.fail(Arc::clone(cause), now);
        if self.live() == 0 {
            let waiting = std::mem::take(&mut self.waiting);
            actions.extend(waiting.into_iter().map(|job| Action::Refuse(job, Arc::clone(cause))));
        }
    }

    fn finished(&mut self, no: InstanceNo, outcome: Outcome, now: Duration) {
        if outcome == Outcome::Succeeded {
            self.trouble = Trouble::default();
        }
        match self.members.get_mut(&no) {
            Some(Member::Ready { busy, idle_since, .. }) => {
                *busy = busy.saturating_sub(1);
                *idle_since = now;
            }
            Some(Member::Dead { busy, excused, .. }) => {
                *busy = busy.saturating_sub(1);
                *excused |= outcome == Outcome::Stopped;
                self.bury(no, now);
            }
            _ => {}
        }
    }

    fn died(&mut self, no: InstanceNo, cause: Arc<str>, now: Duration) {
        if let Some(member) = self.members.get_mut(&no)
            && let Member::Ready { busy, .. } = *member
        {
            *member = Member::Dead { busy, excused: false, cause };
            self.bury(no, now);
        }
    }

    /// Counts a death once all jobs of the instance have said how they ended, because one of them may have been its
    /// reason.
    fn bury(&mut self, no: InstanceNo, now: Duration) {
        if let Some(member) = self.members.get_mut(&no)
            && let Member::Dead { busy: 0, excused, cause } = member
        {
            let (excused, cause) = (*excused, Arc::clone(cause));
            *member = Member::Leaving;
            if !excused {
                self.fail(cause, now);
            }
        }
    }

    fn gone(&mut self, no: InstanceNo, now: Duration) {
        match self.members.remove(&no) {
            Some(Member::Starting | Member::Ready { .. }) => {
                self.fail(UNKNOWN_END.into(), now);
            }
            Some(Member::Dead { excused: false, cause, .. }) => self.fail(cause, now),
            _ => {}
        }
    }

    fn fail(&mut self, cause: Arc<str>, now: Duration) {
        self.proven = false;
        self.trouble.add(cause, now);
    }

    /// The oldest instance with a free slot comes first, so that the others become idle.
    fn assign(&mut self, actions: &mut Vec<Action>) {
        for (no, member) in &mut self.members {
            let Member::Ready { slots, busy, .. } = member else { continue };
            while *busy < *slots {
                let Some(job) = self.waiting.pop_first() else { return };
                *busy += 1;
                actions.push(Action::Assign(job, *no));
            }
        }
    }

    fn refuse(&mut self, now: Duration, actions: &mut Vec<Action>) {
        if self.live() > 0 {
            return;
        }
        if let Some(reason) = self.trouble.refusal(now) {
            let reason: Arc<str> = reason.into();
            let waiting = std::mem::take(&mut self.waiting);
            actions.extend(waiting.into_iter().map(|job| Action::Refuse(job, Arc::clone(&reason))));
        }
    }

    fn start(&mut self, now: Duration, actions: &mut Vec<Action>) {
        if self.trouble.holds_back(now) {
            return;
        }
        let room = self.scale.max.saturating_sub(self.members.len());
        let at_once = if self.proven { room } else { room.min(1_usize.saturating_sub(self.starting())) };
        for _ in 0..self.wants().min(at_once) {
            let no = InstanceNo(self.next);
            self.next += 1;
            self.members.insert(no, Member::Starting);
            actions.push(Action::Start(no));
        }
    }

    /// The youngest idle instances go first, down to those that are kept.
    fn stop(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let mut surplus = self.live().saturating_sub(self.kept());
        let unwanted = self.closing && self.waiting.is_empty();
        let (idle, closing) = (self.scale.idle, self.closing);
        for (no, member) in self.members.iter_mut().rev() {
            let over = match member {
                Member::Starting => unwanted,
                Member::Ready { busy: 0, idle_since, .. } => {
                    closing || now >= idle_since.saturating_add(idle)
                }
                _ => false,
            };
            if over && surplus > 0 {
                surplus -= 1;
                *member = Member::Leaving;
                actions.push(Action::Stop(*no));
            }
        }
    }

    /// How many more instances there should be, whether or not there is room for them now.
    fn wants(&self) -> usize {
        let for_jobs = self.waiting.len().div_ceil(self.slots).saturating_sub(self.starting());
        for_jobs.max(self.kept().saturating_sub(self.live()))
    }

    fn kept(&self) -> usize {
        if self.closing { 0 } else { self.scale.min }
    }

    fn starting(&self) -> usize {
        self.members.values().filter(|member| matches!(member, Member::Starting)).count()
    }

    /// Those that take jobs, or will.
    fn live(&self) -> usize {
        let live = |member: &&Member| matches!(member, Member::Starting | Member::Ready { .. });
        self.members.values().filter(live).count()
    }

    fn idle_until(&self, member: &Member) -> Option<Duration> {
        match member {
            Member::Ready { busy: 0, idle_since, .. } => Some(idle_since.saturating_add(self.scale.idle)),
            _ => None,
        }
    }
}
