//! Whatever happens, in any order: the fleet keeps its promises.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use crate::instances::Scale;
use crate::instances::fleet::{Action, Event, Fleet, InstanceNo, JobNo, Outcome};

/// The longest pause after a failure, and a bit.
const LONG: Duration = Duration::from_secs(61);

/// What the world around the fleet looks like.
#[derive(Default)]
struct World {
    instances: BTreeMap<InstanceNo, Instance>,
    waiting: BTreeSet<JobNo>,
    ended: usize,
    came: u64,
}

#[derive(Debug, Clone, PartialEq)]
enum Instance {
    Starting,
    Ready { slots: usize, busy: usize },
    Dead { busy: usize },
    Stopping,
}

/// Something that may happen; `pick` says to which of those to whom it can happen.
#[derive(Debug, Clone)]
enum Step {
    Come,
    Leave(usize),
    Ready(usize, usize),
    BootFails(usize),
    Finish(usize, Outcome),
    Die(usize),
    Gone(usize),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![Just(Outcome::Succeeded), Just(Outcome::Ended), Just(Outcome::Stopped)];
    let pick = any::<prop::sample::Index>().prop_map(|index| index.index(1 << 16));
    let step = prop_oneof![
        3 => Just(Step::Come),
        1 => pick.clone().prop_map(Step::Leave),
        3 => (pick.clone(), 1..4_usize).prop_map(|(pick, slots)| Step::Ready(pick, slots)),
        1 => pick.clone().prop_map(Step::BootFails),
        3 => (pick.clone(), outcome).prop_map(|(pick, outcome)| Step::Finish(pick, outcome)),
        1 => pick.clone().prop_map(Step::Die),
        2 => pick.prop_map(Step::Gone),
        2 => (0..100_u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..120)
}

impl World {
    fn nth(&self, pick: usize, wanted: impl Fn(&Instance) -> bool) -> Option<InstanceNo> {
        let found: Vec<_> = self.instances.iter().filter(|(_, it)| wanted(it)).map(|(no, _)| *no).collect();
        (!found.is_empty()).then(|| found[pick % found.len()])
    }

    /// The event that a step stands for, if it can happen now.
    fn event(&mut self, step: &Step) -> Option<Event> {
        match *step {
            Step::Come => {
                self.came += 1;
                self.waiting.insert(JobNo(self.came));
                Some(Event::Came(JobNo(self.came)))
            }
            Step::Leave(pick) => {
                let job = *self.waiting.iter().nth(pick % self.waiting.len().max(1))?;
                self.waiting.remove(&job);
                self.ended += 1;
                Some(Event::Left(job))
            }
            Step::Ready(pick, slots) => {
                let no = self.nth(pick, |it| *it == Instance::Starting)?;
                self.instances.insert(no, Instance::Ready { slots, busy: 0 });
                Some(Event::Ready(no, slots))
            }
            Step::BootFails(pick) => {
                let no = self.nth(pick, |it| *it == Instance::Starting)?;
                self.instances.remove(&no);
                Some(Event::BootFailed(no, "no".into()))
            }
            Step::Finish(pick, outcome) => {
                let no = self.nth(pick, |it| busy(it) > 0)?;
                match self.instances.get_mut(&no)? {
                    Instance::Ready { busy, .. } | Instance::Dead { busy } => *busy -= 1,
                    _ => {}
                }
                self.ended += 1;
                Some(Event::Finished(no, outcome))
            }
            Step::Die(pick) => {
                let no = self.nth(pick, |it| matches!(it, Instance::Ready { .. }))?;
                let busy = busy(&self.instances[&no]);
                self.instances.insert(no, Instance::Dead { busy });
                Some(Event::Died(no, "crash".into()))
            }
            Step::Gone(pick) => {
                let over = |it: &Instance| matches!(it, Instance::Stopping | Instance::Dead { busy: 0 });
                let no = self.nth(pick, over)?;
                self.instances.remove(&no);
                Some(Event::Gone(no))
            }
            Step::Wait(_) => Some(Event::Tick),
        }
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Start(no) => {
                assert!(self.instances.insert(*no, Instance::Starting).is_none(), "a number is used once");
            }
            Action::Stop(no) => {
                let stopped = self.instances.insert(*no, Instance::Stopping);
                let idle =
                    stopped.as_ref().is_some_and(|it| matches!(it, Instance::Starting) || busy(it) == 0);
                assert!(idle && stopped != Some(Instance::Stopping), "stopped {stopped:?}");
            }
            Action::Assign(job, no) => {
                assert!(self.waiting.remove(job), "{job:?} does not wait");
                match self.instances.get_mut(no) {
                    Some(Instance::Ready { slots, busy }) if *busy < *slots => *busy += 1,
                    other => panic!("{job:?} was given to {other:?}"),
                }
            }
            Action::Refuse(job, _) => {
                assert!(self.waiting.remove(job), "{job:?} does not wait");
                self.ended += 1;
            }
        }
    }

    fn busy(&self) -> usize {
        self.instances.values().map(busy).sum()
    }
}

fn busy(instance: &Instance) -> usize {
    match instance {
        Instance::Ready { busy, .. } | Instance::Dead { busy } => *busy,
        _ => 0,
    }
}

/// Tells the fleet, and looks at what it decides.
fn tell(fleet: &mut Fleet, world: &mut World, event: Event, now: Duration, max: usize) {
    for action in fleet.on(event, now) {
        world.act(&action);
    }
    assert!(world.instances.len() <= max, "{} instances", world.instances.len());
    let free =
        world.instances.values().any(|it| matches!(it, Instance::Ready { slots, busy } if busy < slots));
    assert!(!free || world.waiting.is_empty(), "a job waits beside a free slot");
    assert_eq!(world.waiting.len() + world.busy() + world.ended, world.came as usize, "no job is lost");
    let wake = fleet.next_wake(now);
    assert!(wake.is_none_or(|wake| wake > now), "what is due at {wake:?} was not done at {now:?}");
}

/// From now on everything works: whatever starts becomes ready, whatever stops is gone, and every job succeeds.
fn settle(fleet: &mut Fleet, world: &mut World, now: &mut Duration, max: usize) {
    for _ in 0..1000 {
        let steps = [Step::Gone(0), Step::Ready(0, 1), Step::Finish(0, Outcome::Succeeded)];
        match steps.iter().find_map(|step| world.event(step)) {
            Some(event) => tell(fleet, world, event, *now, max),
            None if world.waiting.is_empty() => return,
            None => {
                let wake =
                    fleet.next_wake(*now).expect("a job that waits without an instance wakes somebody");
                assert!(wake <= *now + LONG, "a job waits until {wake:?}");
                *now = wake.max(*now);
                tell(fleet, world, Event::Tick, *now, max);
            }
        }
    }
    panic!("it never settles");
}

proptest! {
    #[test]
    fn promises_are_kept(steps in steps(), min in 0..3_usize, max in 1..4_usize, slots in 1..3_usize) {
        let scale = Scale { min: min.min(max), max, idle: Duration::from_secs(30) };
        let (mut fleet, mut world, mut now) = (Fleet::new(scale, slots), World::default(), Duration::ZERO);
        tell(&mut fleet, &mut world, Event::Tick, now, max);
        for step in &steps {
            if let Step::Wait(seconds) = step {
                now += Duration::from_secs(*seconds);
            }
            if let Some(event) = world.event(step) {
                tell(&mut fleet, &mut world, event, now, max);
            }
        }
        settle(&mut fleet, &mut world, &mut now, max);
        now += LONG;
        tell(&mut fleet, &mut world, Event::Tick, now, max);
        settle(&mut fleet, &mut world, &mut now, max);
        prop_assert_eq!(world.instances.len(), scale.min, "those that are kept are there, and no others");
        tell(&mut fleet, &mut world, Event::Close, now, max);
        settle(&mut fleet, &mut world, &mut now, max);
        prop_assert!(fleet.is_over());
    }
}
