//! The instances of one version as they live: their tasks, and the jobs that wait for them.
//!
//! [`Fleet`] decides; a [`Pool`] carries out. Each instance has one task from its start until nothing is left of
//! it, and a keeper's task wakes when only time has to pass. All of them are tasks of the runner's tracker and end
//! after [`Pool::close`].

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cogwire_core::time::{Clock, Timestamp};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::boot::Boot;
use super::fleet::{Action, Event, Fleet, InstanceNo, JobNo, Scale};
use super::instance::{Instance, Launcher};
use super::life;
use super::seat::Seat;
use crate::Job;
use crate::event::End;
use crate::reporter::{Reporter, Stopped};

/// The longest sleep of a keeper: a clock that was set back makes it late by no more than this.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// What is said to somebody who waits for a version that is removed meanwhile.
const GONE: &str = "The version was removed";

/// Runs the jobs of one version in instances.
pub(crate) struct Pool {
    pub(super) launcher: Arc<dyn Launcher>,
    pub(super) clock: Arc<dyn Clock>,
    state: Mutex<State>,
    tracker: TaskTracker,
    /// The keeper should look again when it has to wake.
    rearm: Notify,
    closed: CancellationToken,
}

/// What a pool knows at one moment.
pub(super) struct State {
    pub(super) fleet: Fleet,
    pub(super) instances: HashMap<InstanceNo, Entry>,
    /// What the last start that failed said.
    pub(super) last_boot: Option<Arc<Boot>>,
    pub(super) last_failure_at: Option<Timestamp>,
    jobs: HashMap<JobNo, oneshot::Sender<Verdict>>,
    next_job: u64,
    /// When the keeper wakes.
    armed: Option<Duration>,
}

/// An instance, from its start until nothing is left of it.
pub(super) struct Entry {
    pub(super) since: Timestamp,
    pub(super) boot: Arc<Boot>,
    /// Once it is ready.
    pub(super) instance: Option<Arc<dyn Instance>>,
    stop: CancellationToken,
}

/// What becomes of a job that waits.
enum Verdict {
    Seat(Seat),
    Refused(Refusal),
}

struct Refusal {
    cause: Arc<str>,
    /// What the model said while it started, for the logs of the job.
    boot: Option<Arc<Boot>>,
}

/// What came of starting an instance before there is a job for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarmUp {
    /// Why there is none, if so.
    pub outcome: Result<(), String>,
    /// The end of what its setup said.
    pub logs: String,
}

/// A job that waits. It leaves the queue when this is dropped.
struct Ticket<'a> {
    pool: &'a Arc<Pool>,
    no: JobNo,
    verdict: oneshot::Receiver<Verdict>,
}

impl Pool {
    /// A pool that starts what [`Scale::min`] asks for at once. Instances are expected to have `slots` slots each.
    /// It must be made inside the runtime that will use it.
    pub(crate) fn start(
        launcher: Arc<dyn Launcher>,
        scale: Scale,
        slots: usize,
        clock: Arc<dyn Clock>,
        tracker: TaskTracker,
    ) -> Arc<Self> {
        let pool = Arc::new(Self {
            launcher,
            clock,
            state: Mutex::new(State {
                fleet: Fleet::new(scale, slots),
                instances: HashMap::new(),
                last_boot: None,
                last_failure_at: None,
                jobs: HashMap::new(),
                next_job: 0,
                armed: None,
            }),
            tracker,
            rearm: Notify::new(),
            closed: CancellationToken::new(),
        });
        pool.tell(Event::Tick);
        pool.tracker.spawn(keep(Arc::clone(&pool)));
        pool
    }

    /// Runs a job as soon as an instance has a free slot. A job whose instance dies fails with the cause; it is not
    /// repeated.
    pub(crate) async fn run(self: &Arc<Self>, job: &Job, reporter: &Reporter) -> Result<End, Stopped> {
        let mut no = None;
        loop {
            match self.wait(&mut no, reporter).await? {
                // It was dead before the job began, so nothing is repeated.
                Verdict::Seat(seat) if seat.is_dead() => drop(seat),
                Verdict::Seat(seat) => return seat.run(job, reporter).await,
                Verdict::Refused(refusal) => return refusal.report(reporter).await,
            }
        }
    }

    /// Waits until an instance has a free slot, and starts one if need be. The slot stays free.
    pub(crate) async fn warm_up(self: &Arc<Self>) -> WarmUp {
        let mut no = None;
        loop {
            let mut ticket = self.enqueue(&mut no);
            match (&mut ticket.verdict).await {
                Ok(Verdict::Seat(seat)) if seat.is_dead() => drop(seat),
                Ok(Verdict::Seat(seat)) => {
                    return WarmUp { outcome: Ok(()), logs: self.setup_logs_of(&seat) };
                }
                Ok(Verdict::Refused(refusal)) => {
                    let logs = refusal.boot.map(|boot| boot.logs()).unwrap_or_default();
                    return WarmUp { outcome: Err(refusal.cause.to_string()), logs };
                }
                Err(_) => return WarmUp { outcome: Err(GONE.to_owned()), logs: String::new() },
            }
        }
    }

    fn setup_logs_of(&self, seat: &Seat) -> String {
        let state = self.lock();
        state.instances.get(&seat.no()).map(|entry| entry.boot.logs()).unwrap_or_default()
    }

    /// Takes no more jobs, finishes those that it has, and stops every instance.
    pub(crate) fn close(self: &Arc<Self>) {
        self.tell(Event::Close);
    }

    /// Whether nothing is left after [`Pool::close`].
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Completes when nothing is left after [`Pool::close`].
    pub(crate) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// What starts instances that train.
    pub(crate) fn trainer(&self) -> Option<Arc<dyn Launcher>> {
        self.launcher.trainer()
    }

    /// Takes note of what happened, and does what follows from it.
    pub(super) fn tell(self: &Arc<Self>, event: Event) {
        let mut verdicts = Vec::new();
        {
            let mut state = self.lock();
            let now = self.clock.monotonic();
            for action in state.note(event, now, self.clock.now()) {
                verdicts.extend(self.act(&mut state, action));
            }
            self.arm(&mut state, now);
            if state.fleet.is_over() {
                self.closed.cancel();
            }
        }
        // Outside of the lock, because a job that has gone meanwhile gives its seat back at once.
        for (job, verdict) in verdicts {
            let _ = job.send(verdict);
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn act(
        self: &Arc<Self>,
        state: &mut State,
        action: Action,
    ) -> Option<(oneshot::Sender<Verdict>, Verdict)> {
        match action {
            Action::Start(no) => self.launch(state, no),
            Action::Stop(no) => state.instances.get(&no)?.stop.cancel(),
            Action::Assign(job, no) => {
                let instance = Arc::clone(state.instances.get(&no)?.instance.as_ref()?);
                let sender = state.jobs.remove(&job)?;
                return Some((sender, Verdict::Seat(Seat::new(Arc::clone(self), no, instance))));
            }
            Action::Refuse(job, cause) => {
                let sender = state.jobs.remove(&job)?;
                let boot = state.last_boot.clone();
                return Some((sender, Verdict::Refused(Refusal { cause, boot })));
            }
        }
        None
    }

    fn launch(self: &Arc<Self>, state: &mut State, no: InstanceNo) {
        let (boot, stop) = (Arc::new(Boot::default()), CancellationToken::new());
        let entry =
            Entry { since: self.clock.now(), boot: Arc::clone(&boot), instance: None, stop: stop.clone() };
        state.instances.insert(no, entry);
        self.tracker.spawn(life::live(Arc::clone(self), no, boot, stop));
    }

    /// Waits for an instance, for a refusal, or for the end of the run. A job that waits again keeps its number,
    /// and so its place.
    async fn wait(self: &Arc<Self>, no: &mut Option<JobNo>, reporter: &Reporter) -> Result<Verdict, Stopped> {
        let mut ticket = self.enqueue(no);
        tokio::select! {
            biased;
            stopped = reporter.stopped() => Err(stopped),
            verdict = &mut ticket.verdict => verdict.map_err(|_| Stopped::Abandoned),
        }
    }

    fn enqueue(self: &Arc<Self>, no: &mut Option<JobNo>) -> Ticket<'_> {
        let (sender, verdict) = oneshot::channel();
        let no = {
            let mut state = self.lock();
            let no = *no.get_or_insert_with(|| state.next_job());
            state.jobs.insert(no, sender);
            no
        };
        let ticket = Ticket { pool: self, no, verdict };
        self.tell(Event::Came(no));
        ticket
    }

    /// Wakes the keeper when it would wake too late.
    fn arm(&self, state: &mut State, now: Duration) {
        if let Some(wake) = state.fleet.next_wake(now)
            && state.armed.is_none_or(|armed| wake < armed)
        {
            state.armed = Some(wake);
            self.rearm.notify_one();
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("fleet", &self.lock().fleet).finish_non_exhaustive()
    }
}

impl State {
    fn note(&mut self, event: Event, now: Duration, at: Timestamp) -> Vec<Action> {
        let failures = self.fleet.trouble().failures();
        let over = match &event {
            Event::BootFailed(no, _) | Event::Gone(no) => self.instances.remove(no),
            _ => None,
        };
        if let Event::Left(job) = &event {
            self.jobs.remove(job);
        }
        let actions = self.fleet.on(event, now);
        if self.fleet.trouble().failures() > failures {
            self.last_failure_at = Some(at);
            self.last_boot = over.map(|entry| entry.boot);
        }
        actions
    }

    fn next_job(&mut self) -> JobNo {
        self.next_job += 1;
        JobNo(self.next_job)
    }
}

impl Refusal {
    async fn report(self, reporter: &Reporter) -> Result<End, Stopped> {
        let logs = self.boot.map(|boot| boot.logs()).unwrap_or_default();
        if !logs.is_empty() {
            reporter.log(logs).await?;
        }
        Ok(End::Failed(self.cause.to_string()))
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.verdict.close();
        // A ticket with a verdict has left the queue.
        if self.pool.lock().jobs.contains_key(&self.no) {
            self.pool.tell(Event::Left(self.no));
        }
    }
}

/// Wakes the pool when an instance has been idle for long enough, or a pause after a failure is over.
async fn keep(pool: Arc<Pool>) {
    while !pool.closed.is_cancelled() {
        let wake = pool.lock().armed;
        let sleep = async {
            match wake {
                Some(wake) => {
                    pool.clock.sleep(wake.saturating_sub(pool.clock.monotonic()).min(LONGEST_SLEEP)).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = pool.closed.cancelled() => {}
            () = pool.rearm.notified() => {}
            () = sleep => {
                pool.lock().armed = None;
                pool.tell(Event::Tick);
            }
        }
    }
}
