//! What the metrics say about starts.

use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;

use super::support::World;
use crate::event::End;
use crate::instances::Scale;
use crate::instances::instance::BootError;
use crate::testing::all_events;

const SCALE: Scale = Scale { min: 0, max: 1, idle: Duration::from_secs(60) };

#[test]
fn starts_are_counted_by_how_they_ended_and_timed_when_they_succeeded() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    metrics::with_local_recorder(&recorder, || runtime.block_on(fail_once_and_start_once()));
    let page = recorder.handle().render();
    for line in [
        r#"cogwire_model_starts_total{model="acme/fake",result="setup"} 1"#,
        r#"cogwire_model_starts_total{model="acme/fake",result="ready"} 1"#,
        "cogwire_model_start_seconds_sum 3",
        "cogwire_model_start_seconds_count 1",
    ] {
        assert!(page.lines().any(|said| said == line), "{line} is missing in:\n{page}");
    }
}

async fn fail_once_and_start_once() {
    let mut world = World::with(SCALE, 1);
    let (run, _) = world.start(1);
    world.launch().await.fail(BootError::Setup("RuntimeError: no weights".to_owned()));
    all_events(run).await;
    world.clock.advance(Duration::from_secs(2));
    let (run, _) = world.start(2);
    let launch = world.launch().await;
    world.clock.advance(Duration::from_secs(3));
    launch.ready(1);
    world.working().await.end(End::Succeeded);
    all_events(run).await;
    world.end().await;
}
