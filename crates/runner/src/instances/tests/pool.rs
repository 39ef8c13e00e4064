//! What the users of a runner see of its instances.

use std::io;
use std::time::Duration;

use cogwire_core::time::Timestamp;

use super::support::{World, version};
use crate::event::{End, RunEvent};
use crate::instances::instance::BootError;
use crate::instances::{BootPhase, InstanceState, Scale};
use crate::testing::{all_events, end_of, lines};

const IDLE: Duration = Duration::from_secs(300);
const ONE: Scale = Scale { min: 0, max: 1, idle: IDLE };

fn states(world: &World) -> Vec<(InstanceState, usize, usize)> {
    let reports = world.runner.instances();
    reports.iter().map(|it| (it.figures.state, it.figures.busy, it.figures.slots)).collect()
}

#[tokio::test]
async fn an_instance_is_started_for_the_first_job_and_kept_for_the_next() {
    let mut world = World::with(ONE, 1);
    assert_eq!(states(&world), []);
    let (first, _) = world.start(1);
    let launch = world.launch().await;
    launch.say("loading\nweights are there\n");
    assert_eq!(states(&world), [(InstanceState::Starting, 0, 0)]);
    let progress = world.runner.boot_progress(&version()).expect("it starts");
    assert_eq!((progress.phase, progress.since), (BootPhase::Starting, Timestamp::from_micros(0)));
    let instance = launch.ready(1);
    let working = world.working().await;
    assert_eq!((working.input.as_str(), states(&world)), ("1", vec![(InstanceState::Busy, 1, 1)]));
    assert_eq!(world.runner.boot_progress(&version()), None);
    working.end(End::Succeeded);
    assert_eq!(end_of(first).await, End::Succeeded);
    let report = world.runner.instances().remove(0);
    assert_eq!((report.model.as_str(), report.version), ("acme/fake", version()));
    assert_eq!(report.figures.pid, Some(7));
    assert_eq!(report.figures.setup_logs, "loading\nweights are there\n");
    assert_eq!(report.figures.state, InstanceState::Idle);
    let (second, _) = world.start(2);
    world.working().await.end(End::Failed("no".to_owned()));
    assert_eq!(end_of(second).await, End::Failed("no".to_owned()));
    assert!(world.is_quiet());
    world.end().await;
    assert!(instance.stopped.is_cancelled());
}

#[tokio::test]
async fn an_idle_instance_is_stopped() {
    let mut world = World::with(ONE, 1);
    let (run, _) = world.start(1);
    let instance = world.launch().await.ready(1);
    world.working().await.end(End::Succeeded);
    end_of(run).await;
    world.clock.advance(IDLE - Duration::from_millis(1));
    assert_eq!(states(&world), [(InstanceState::Idle, 0, 1)]);
    world.clock.advance(Duration::from_millis(1));
    instance.stopped.cancelled().await;
    let (run, _) = world.start(2);
    world.launch().await.ready(1);
    world.working().await.end(End::Succeeded);
    assert_eq!(end_of(run).await, End::Succeeded);
    world.end().await;
}

#[tokio::test]
async fn as_many_jobs_run_at_once_as_there_are_slots() {
    let mut world = World::with(Scale { min: 0, max: 2, idle: IDLE }, 2);
    let capacity = world.runner.capacity(&version()).expect("it has a limit");
    assert_eq!(capacity.available_permits(), 4);
    let runs: Vec<_> = (0..5).map(|number| world.start(number)).collect();
    world.launch().await.ready(2);
    world.launch().await.ready(2);
    let mut working = Vec::new();
    for _ in 0..4 {
        working.push(world.working().await);
    }
    assert_eq!(states(&world), [(InstanceState::Busy, 2, 2), (InstanceState::Busy, 2, 2)]);
    assert!(world.is_quiet());
    for job in working {
        job.end(End::Succeeded);
    }
    world.working().await.end(End::Succeeded);
    for (run, _) in runs {
        assert_eq!(end_of(run).await, End::Succeeded);
    }
    world.end().await;
}

#[tokio::test]
async fn a_failed_setup_shows_its_logs_and_its_last_words() {
    let mut world = World::with(ONE, 1);
    let (run, _) = world.start(1);
    let launch = world.launch().await;
    launch.say("loading\nTraceback\n");
    launch.fail(BootError::Setup("RuntimeError: no weights here".to_owned()));
    assert_eq!(
        lines(&all_events(run).await),
        [r#"log "loading\nTraceback\n""#, "failed: The model's setup failed: RuntimeError: no weights here"]
    );
    let report = world.runner.instances().remove(0).figures;
    assert_eq!(report.state, InstanceState::Failed);
    assert_eq!(report.cause.as_deref(), Some("The model's setup failed: RuntimeError: no weights here"));
    assert_eq!(report.setup_logs, "loading\nTraceback\n");
    assert_eq!(report.retry_at, Some(Timestamp::from_micros(1_000_000)));
    let (waiting, _) = world.start(2);
    let progress = world.runner.boot_progress(&version()).expect("it pauses");
    assert_eq!(progress.phase, BootPhase::Pausing { until: Timestamp::from_micros(1_000_000) });
    world.clock.advance(Duration::from_secs(1));
    let program = "python".to_owned();
    let source = io::Error::other("no such file");
    world.launch().await.fail(BootError::Spawn { program, source });
    assert_eq!(
        end_of(waiting).await,
        End::Failed("The model process could not be started: python: no such file".to_owned())
    );
    world.end().await;
}

#[tokio::test]
async fn jobs_of_a_version_that_failed_three_times_end_at_once() {
    let mut world = World::with(ONE, 1);
    for number in 0..3 {
        let (run, _) = world.start(number);
        world.launch().await.fail(BootError::TimedOut(Duration::from_secs(600)));
        end_of(run).await;
        if number < 2 {
            world.clock.advance(Duration::from_secs(2));
        }
    }
    let (refused, _) = world.start(3);
    assert_eq!(
        end_of(refused).await,
        End::Failed(
            "The model was not ready after 600 s: make its setup faster, or raise setup_timeout (--setup-timeout) \
             (failure 3 in a row; the model is tried again in 4 s)"
                .to_owned()
        )
    );
    world.clock.advance(Duration::from_secs(4));
    let (run, _) = world.start(4);
    world.launch().await.ready(1);
    world.working().await.end(End::Succeeded);
    assert_eq!(end_of(run).await, End::Succeeded);
    world.end().await;
}

#[tokio::test]
async fn a_crash_fails_its_job_and_the_next_one_gets_a_new_instance() {
    let mut world = World::with(ONE, 1);
    let (first, _) = world.start(1);
    let (second, _) = world.start(2);
    let instance = world.launch().await.ready(1);
    let working = world.working().await;
    instance.kill("It was killed by signal 9 (SIGKILL)");
    assert_eq!(end_of(first).await, End::Failed("It was killed by signal 9 (SIGKILL)".to_owned()));
    drop(working);
    instance.stopped.cancelled().await;
    assert!(world.is_quiet(), "the pause after a failure");
    world.clock.advance(Duration::from_secs(1));
    world.launch().await.ready(1);
    let working = world.working().await;
    assert_eq!(working.input.as_str(), "2", "the job that crashed is not repeated");
    working.end(End::Succeeded);
    assert_eq!(end_of(second).await, End::Succeeded);
    world.end().await;
}

#[tokio::test]
async fn a_job_is_never_given_to_an_instance_that_died_while_it_was_idle() {
    let mut world = World::with(ONE, 1);
    let (run, _) = world.start(1);
    let instance = world.launch().await.ready(1);
    world.working().await.end(End::Succeeded);
    end_of(run).await;
    instance.kill("It went away");
    // Nobody has had a moment to notice: there is one thread, and it is here.
    let (run, _) = world.start(2);
    instance.stopped.cancelled().await;
    world.clock.advance(Duration::from_secs(1));
    world.launch().await.ready(1);
    world.working().await.end(End::Succeeded);
    assert_eq!(end_of(run).await, End::Succeeded);
    world.end().await;
}

#[tokio::test]
async fn a_job_that_is_cancelled_while_it_waits_leaves_the_start_alone() {
    let mut world = World::with(ONE, 1);
    let (run, cancel) = world.start(1);
    let launch = world.launch().await;
    cancel.cancel();
    assert_eq!(all_events(run).await, [RunEvent::Ended(End::Canceled)]);
    let (abandoned, _) = world.start(2);
    drop(abandoned);
    assert!(!launch.instance.stopped.is_cancelled());
    let (run, _) = world.start(3);
    launch.ready(1);
    let working = world.working().await;
    assert_eq!(working.input.as_str(), "3");
    working.end(End::Succeeded);
    assert_eq!(end_of(run).await, End::Succeeded);
    world.end().await;
}

#[tokio::test]
async fn a_pinned_version_starts_before_its_first_job_and_is_replaced() {
    let mut world = World::with(Scale { min: 1, max: 1, idle: IDLE }, 1);
    let instance = world.launch().await.ready(1);
    instance.kill("It went away");
    instance.stopped.cancelled().await;
    world.clock.advance(Duration::from_secs(1));
    let instance = world.launch().await.ready(1);
    assert!(!instance.stopped.is_cancelled());
    world.end().await;
    assert!(instance.stopped.is_cancelled());
}

#[tokio::test]
async fn a_removed_version_finishes_its_runs_and_then_stops() {
    let mut world = World::with(ONE, 1);
    let (run, _) = world.start(1);
    let instance = world.launch().await.ready(1);
    let working = world.working().await;
    assert!(world.runner.remove(&version()));
    assert!(!world.runner.remove(&version()));
    assert!(!world.runner.serves(&version()) && world.runner.versions().is_empty());
    assert!(world.runner.capacity(&version()).is_none());
    assert!(!instance.stopped.is_cancelled());
    assert!(world.runner.add(world.model(ONE, 1)), "it can come back while the old one ends");
    working.end(End::Succeeded);
    assert_eq!(end_of(run).await, End::Succeeded);
    instance.stopped.cancelled().await;
    world.end().await;
}

#[tokio::test]
async fn a_stop_drops_what_is_still_starting() {
    let mut world = World::with(Scale { min: 1, max: 1, idle: IDLE }, 1);
    let launch = world.launch().await;
    let controls = std::sync::Arc::clone(&launch.instance);
    world.end().await;
    assert!(controls.stopped.is_cancelled());
    drop(launch);
}

#[tokio::test]
async fn a_runtime_that_breaks_while_it_starts_is_tried_again() {
    let mut world = World::with(ONE, 1);
    let (run, _) = world.start(1);
    // The launcher panics when the test drops its side.
    drop(world.launch().await);
    while world.runner.boot_progress(&version()).is_none_or(|it| it.phase == BootPhase::Starting) {
        tokio::task::yield_now().await;
    }
    world.clock.advance(Duration::from_secs(1));
    world.launch().await.ready(1);
    world.working().await.end(End::Succeeded);
    assert_eq!(end_of(run).await, End::Succeeded);
    world.end().await;
}

#[tokio::test]
async fn a_version_is_added_once() {
    let world = World::with(ONE, 1);
    assert!(!world.runner.add(world.model(ONE, 1)));
    assert_eq!(world.runner.catalogue(), [], "what is added is known elsewhere already");
    assert_eq!(world.runner.versions(), [version()]);
    world.end().await;
}

#[tokio::test]
async fn nothing_is_added_to_a_runner_that_stops() {
    let mut world = World::with(ONE, 1);
    let (run, _) = world.start(1);
    world.launch().await.ready(1);
    let working = world.working().await;
    let mut stopping = Box::pin(world.runner.stop());
    assert!(futures_util::poll!(&mut stopping).is_pending(), "a job is not done");
    assert!(!world.runner.serves(&version()));
    assert!(!world.runner.add(world.model(ONE, 1)), "nobody would close it");
    working.end(End::Succeeded);
    assert_eq!(end_of(run).await, End::Succeeded);
    stopping.await;
    world.end().await;
}
