//! One simulation: a seed decides what there is and what happens to it, then everything is left in peace, and at last every
//! promise is looked at.

mod look;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cogwire_core::id::{DeliveryId, PredictionId};
use cogwire_core::time::Clock;
use cogwire_core::webhook::event::WebhookEvent;
use cogwire_core::webhook::schedule::Schedule;
use cogwire_core::webhook::signature::Secret;
use cogwire_core::webhook::vault::StoredSecret;
use cogwire_delivery::DeliveryConfig;
use cogwire_store::delivery::{DeliveryState, ResendOutcome};
use cogwire_store::handoff::Handoff;
use cogwire_store::{AccountStore, DeliveryStore, NodeEpoch, SqliteOptions, SqliteStore};
use tempfile::TempDir;
use tokio_util::task::TaskTracker;

use super::customers::{Customer, account};
use super::ledger::{Bounds, Ledger, Tally};
use super::machine::{Machine, Surroundings};
use super::members::Members;
use super::receivers::{Receivers, Temper};
use super::store::{Sky, Weather};
use super::time::{Dice, MachineClock, VirtualTime, wait};

/// How long everything may take once nothing is wrong any more: clocks that were ahead have planned retries late, and those
/// who ask for less get less.
const PATIENCE: Duration = Duration::from_secs(2 * 60 * 60);
/// The farthest that a wall clock is set, in seconds.
const FARTHEST: usize = 120;
/// How long messages wait at the most for an origin that is down, in those worlds where one may stay down for ever.
const SHORT_AGE: Duration = Duration::from_secs(300);

/// What came of a simulation.
pub(crate) struct Outcome {
    pub(crate) broken: Vec<String>,
    pub(crate) trace: Vec<String>,
    pub(crate) tally: Tally,
}

/// The machines, as seen by everybody.
#[derive(Clone)]
pub(crate) struct Fleet(Arc<Mutex<Vec<Machine>>>);

impl Fleet {
    /// A node that runs, or none.
    pub(crate) fn some_node(&self, dice: &Dice) -> Option<(NodeEpoch, Handoff)> {
        let machines = self.0.lock().expect("nothing panics while it is locked");
        if dice.percent(20) { None } else { dice.pick(&machines).node() }
    }

    fn with<T>(&self, index: usize, act: impl FnOnce(&mut Machine) -> T) -> T {
        act(&mut self.0.lock().expect("nothing panics while it is locked")[index])
    }

    fn len(&self) -> usize {
        self.0.lock().expect("nothing panics while it is locked").len()
    }

    /// Stops a node in order; while it stops, there is none on its machine.
    async fn stop(&self, index: usize) {
        let stopping = self.with(index, Machine::take_running);
        if let Some(stopping) = stopping {
            stopping.stop().await;
        }
    }
}

/// Runs the simulation of a seed.
pub(crate) fn simulate(seed: u64) -> Outcome {
    let dir = folder();
    VirtualTime::run(async |time| World::new(seed, time, dir.path()).await.run().await)
}

/// In memory where there is such a folder: what a disk loses is not looked at here.
fn folder() -> TempDir {
    let in_memory = Path::new("/dev/shm");
    let made = if in_memory.is_dir() { tempfile::tempdir_in(in_memory) } else { tempfile::tempdir() };
    made.expect("a folder")
}

struct World {
    around: Surroundings,
    fleet: Fleet,
    origins: Vec<String>,
    /// The engine's clock, which is right.
    clock: MachineClock,
    customers: TaskTracker,
}

impl World {
    async fn new(seed: u64, time: VirtualTime, dir: &Path) -> Self {
        let (dice, clock) = (Dice::new(seed), MachineClock::new(time.clone()));
        let config = config(&dice);
        let store = SqliteStore::open(dir, SqliteOptions::new(clock.now())).expect("a store");
        let (store, secret) = (Arc::new(store), Secret::from_key(&[7; 32]).expect("long enough"));
        wait(store.ensure_account(&account(), clock.now())).expect("writable");
        wait(store.set_secret(&account(), &StoredSecret::from(&secret), clock.now())).expect("writable");
        let bounds = Bounds { in_all: config.max_in_flight, per_origin: config.per_origin };
        let ledger = Ledger::new(bounds);
        let origins: Vec<String> = (0..dice.number(1, 5)).map(|n| format!("http://r{n}.test")).collect();
        let tempers = origins.iter().map(|origin| (origin.clone(), *dice.pick(&Temper::ALL)));
        let around = Surroundings {
            receivers: Receivers::new(tempers),
            members: Members::new(store.clone(), time.clone(), ledger.clone()),
            sky: Sky::new(weather(&dice), dice.clone(), time.clone(), ledger.clone()),
            room: dice.number(4, 64),
            lease: Duration::from_secs(8),
            time,
            dice,
            ledger,
            store,
            secret,
            config,
        };
        let names = &["a", "b", "c"][..around.dice.number(1, 3)];
        let machines = names.iter().map(|name| Machine::new(name, around.clone())).collect();
        let fleet = Fleet(Arc::new(Mutex::new(machines)));
        Self { around, fleet, origins, clock, customers: TaskTracker::new() }
    }

    async fn run(self) -> Outcome {
        (0..self.fleet.len()).for_each(|index| self.fleet.with(index, Machine::start));
        self.open_the_doors();
        self.disturb().await;
        self.leave_in_peace().await;
        self.customers.wait().await;
        self.settle().await;
        for index in 0..self.fleet.len() {
            self.fleet.stop(index).await;
        }
        self.look_at_every_promise();
        let ledger = &self.around.ledger;
        Outcome { broken: ledger.broken(), trace: ledger.trace(), tally: ledger.tally() }
    }

    /// Customers come over half a minute.
    fn open_the_doors(&self) {
        for _ in 0..self.around.dice.number(5, 30) {
            let (around, fleet, clock) = (self.around.clone(), self.fleet.clone(), self.clock.clone());
            let customer = Customer { around, fleet, clock };
            let (comes, origin) = (self.around.dice.millis(0, 30_000), self.around.dice.pick(&self.origins));
            let (time, origin) = (self.around.time.clone(), origin.clone());
            self.customers.spawn(async move {
                time.sleep(comes).await;
                customer.live(origin).await;
            });
        }
        self.customers.close();
    }

    async fn disturb(&self) {
        let dice = &self.around.dice;
        for _ in 0..dice.number(4, 20) {
            self.around.time.sleep(dice.millis(0, 6000)).await;
            let index = dice.number(0, self.fleet.len() - 1);
            match dice.number(1, 8) {
                1 => self.fleet.with(index, Machine::kill),
                2 => self.fleet.stop(index).await,
                3 => self.fleet.with(index, |machine| machine.clock.pause(dice.millis(10, 20_000))),
                4 => self.fleet.with(index, |machine| machine.clock.set_ahead(seconds_ahead(dice))),
                5 => self.lose_the_store_for(dice.millis(10, 15_000)),
                6 => self.fleet.with(index, |machine| machine.clock.cut_off(dice.millis(10, 20_000))),
                7 => self.around.receivers.set(dice.pick::<String>(&self.origins), *dice.pick(&Temper::ALL)),
                _ => self.resend_something(),
            }
            let index = dice.number(0, self.fleet.len() - 1);
            self.fleet.with(index, Machine::start);
        }
    }

    fn lose_the_store_for(&self, duration: Duration) {
        let until = self.around.time.now() + duration;
        self.around.ledger.note(self.around.time.now(), &format!("no store until {until:?}"));
        self.around.sky.change(|weather| weather.away_until = until);
    }

    fn resend_something(&self) {
        let promised = self.around.ledger.all_promised();
        if promised.is_empty() {
            return;
        }
        let (prediction, _) = self.around.dice.pick(&promised);
        self.resend(*prediction);
    }

    fn resend(&self, prediction: PredictionId) {
        let id = self.final_of(prediction).0;
        let outcome = wait(self.around.store.resend(id, self.clock.now())).expect("writable");
        if outcome == ResendOutcome::Queued {
            self.around.ledger.owed_again(id);
        }
    }

    /// Nothing is wrong any more, but that some receivers never take anything.
    async fn leave_in_peace(&self) {
        self.around.ledger.note(self.around.time.now(), "peace");
        self.around.sky.change(|weather| *weather = Weather { way: weather.way, ..Weather::default() });
        let for_ever: &[Temper] = if self.around.config.max_age == SHORT_AGE {
            &[Temper::Refusing, Temper::Hanging, Temper::Dead]
        } else {
            &[Temper::Refusing]
        };
        for origin in &self.origins {
            let dice = &self.around.dice;
            let temper = if dice.percent(30) { *dice.pick(for_ever) } else { Temper::Steady };
            self.around.receivers.set(origin, temper);
        }
        for index in 0..self.fleet.len() {
            self.fleet.with(index, |machine| {
                machine.clock.set_ahead(0);
                machine.start();
            });
        }
    }

    /// Waits until nothing is owed.
    async fn settle(&self) {
        let until = self.around.time.now() + PATIENCE;
        let mut unsettled: BTreeSet<_> =
            self.around.ledger.all_promised().into_iter().map(|(id, _)| id).collect();
        while !unsettled.is_empty() && self.around.time.now() < until {
            self.around.time.sleep(Duration::from_secs(1)).await;
            while let Some(id) = unsettled.pop_first() {
                if wait(self.around.store.lane(id)).expect("readable").is_some() {
                    unsettled.insert(id);
                    break;
                }
            }
        }
        let ledger = &self.around.ledger;
        ledger.require(unsettled.is_empty(), || format!("{unsettled:?} are still owed after {PATIENCE:?}"));
    }

    /// The final message of a prediction, of which there is one.
    fn final_of(&self, prediction: PredictionId) -> (DeliveryId, DeliveryState) {
        let messages = wait(self.around.store.deliveries(prediction)).expect("readable");
        let mut last = messages.into_iter().filter(|message| message.event == WebhookEvent::Completed);
        let (found, more) = (last.next().expect("it was committed"), last.next());
        self.around.ledger.require(more.is_none(), || format!("{prediction} has two final messages"));
        (found.id, found.state)
    }
}

fn config(dice: &Dice) -> DeliveryConfig {
    let schedules = ["replicate", "1s,2s,4s", "500ms,1s,10s,30s,5s"];
    let schedule: Schedule = dice.pick(&schedules).parse().expect("a schedule");
    DeliveryConfig {
        completed_timeout: Duration::from_secs(4),
        intermediate_timeout: Duration::from_secs(2),
        lease_margin: Duration::from_secs(1),
        schedule,
        max_age: if dice.percent(40) { SHORT_AGE } else { DeliveryConfig::default().max_age },
        max_in_flight: dice.number(1, 16),
        per_origin: dice.number(1, 8),
        claim_batch: dice.number(1, 16),
        claim_per_origin: dice.number(1, 8),
        finish_batch: dice.number(1, 8),
        ..DeliveryConfig::default()
    }
}

fn weather(dice: &Dice) -> Weather {
    if dice.percent(25) {
        return Weather { way: 5, ..Weather::default() };
    }
    Weather {
        refused: dice.number(0, 10),
        lost: dice.number(0, 10),
        way: *dice.pick(&[2, 20, 200, 1500]),
        away_until: Duration::ZERO,
    }
}

fn seconds_ahead(dice: &Dice) -> i64 {
    let seconds = i64::try_from(dice.number(0, 2 * FARTHEST)).expect("a small number");
    seconds - i64::try_from(FARTHEST).expect("a small number")
}
