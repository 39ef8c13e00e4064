//! SIGSTOP for longer than the lease, and then SIGCONT: the node believes that no time has passed.

use std::time::Duration;

use cogwire::lifecycle::SystemClock;
use cogwire_core::time::Clock;
use serde_json::json;

use super::load::Load;
use super::order::LATE;
use super::settled::Losses;
use super::{Cluster, GIVEN_UP, id, talk};
use crate::harness::{Manner, hello, pause};

/// The metric that counts how often a node has found out that it was given up.
const GIVEN_UP_TOTAL: &str = "cogwire_node_lease_lost_total";

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_runner_ends_nothing_that_was_taken_from_it_and_works_again() {
    let mut cluster = Cluster::start().await;
    cluster.run[1].stop().await;
    // Nobody else can run it, so the one that is about to be paused does.
    let slow = cluster.create(0, talk(60, 100, false)).await;
    cluster.api[0].wait_status(id(&slow), "processing").await;
    cluster.run[1].start().await;
    let load = Load::on(&cluster);
    let made = load
        .during(async {
            cluster.run[0].pause();
            let ended = cluster.api[1].wait_end(id(&slow)).await;
            assert!(ended["error"].as_str().is_some_and(|error| error.contains("interrupted")), "{ended}");
            cluster.run[0].resume();
            cluster.run[0].wait_metric(GIVEN_UP_TOTAL, 1.0).await;
            cluster.run[0].http.wait_ready().await;
            assert_eq!(cluster.api[1].prediction(id(&slow)).await, ended, "it stays as it was ended");
        })
        .await;
    cluster.assert_nothing_lost(&made, Losses::Interrupted, &[]).await;
    let told = cluster.receiver.webhooks().into_iter().filter(|hook| hook.id().contains(id(&slow)));
    assert!(told.into_iter().all(|hook| hook.json()["status"] == "failed"));
    cluster.run[1].stop().await;
    let after = cluster.create(0, hello("again")).await;
    assert_eq!(cluster.api[0].wait_end(id(&after)).await["output"], "hello again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_paused_runner_has_to_say_is_not_heard_when_somebody_else_runs_it() {
    let mut cluster = Cluster::start().await;
    cluster.run[1].stop().await;
    let mut late = Vec::new();
    for number in 0..10 {
        late.push(cluster.create(number % 2, json!({"version": "acme/late", "input": {}})).await);
    }
    cluster.database.wait_rows("live", |row| row.contains("setup"), late.len()).await;
    cluster.run[0].pause();
    cluster.run[1].start().await;
    // By now the model of the one has been ready for a while, and that of the other is not yet.
    tokio::time::sleep(Duration::from_secs(6)).await;
    cluster.run[0].resume();
    cluster.run[0].wait_metric(GIVEN_UP_TOTAL, 1.0).await;
    cluster.run[0].http.wait_ready().await;
    for prediction in &late {
        let now = cluster.api[0].prediction(id(prediction)).await;
        assert_eq!(now["status"], "starting", "it is heard all the same: {now}");
    }
    for prediction in &late {
        assert_eq!(cluster.api[0].wait_end(id(prediction)).await["output"], "at last");
    }
    cluster.assert_nothing_lost(&[], Losses::None, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_sender_begins_nothing_after_its_lease_and_works_again() {
    const COUNT: usize = 120;
    let mut cluster = Cluster::start().await;
    cluster.deliver[1].stop().await;
    // Slow enough that most of what is owed waits in the memory of the one that is about to be paused.
    cluster.receiver.behave(Manner { delay: Duration::from_millis(400), refuse_every: 0 });
    for number in 0..COUNT {
        cluster.create(number % 2, hello("there")).await;
    }
    cluster.receiver.wait_for(COUNT / 10).await;
    cluster.deliver[0].pause();
    cluster.deliver[1].start().await;
    assert!(ids(&cluster) < COUNT, "something is left to do");
    wait_all_told(&cluster, COUNT).await;
    let back = SystemClock.monotonic();
    cluster.deliver[0].resume();
    cluster.deliver[0].wait_metric(GIVEN_UP_TOTAL, 1.0).await;
    cluster.deliver[0].http.wait_ready().await;
    tokio::time::sleep(2 * LATE).await;
    let after = cluster.receiver.webhooks().into_iter().filter(|hook| hook.began > back + LATE).count();
    assert_eq!(after, 0, "requests were begun on the strength of a lease that had ended");
    cluster.deliver[1].stop().await;
    let made = Load::on(&cluster).during(tokio::time::sleep(Duration::from_secs(1))).await;
    cluster.deliver[1].start().await;
    cluster.assert_nothing_lost(&made, Losses::None, &[back]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pauses_of_either_kind_under_load_lose_nothing_and_keep_the_order() {
    let mut cluster = Cluster::start().await;
    let (load, mut returns) = (Load::on(&cluster), Vec::new());
    let made = load
        .during(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            cluster.run[1].pause();
            cluster.deliver[0].pause();
            tokio::time::sleep(GIVEN_UP).await;
            returns.push(SystemClock.monotonic());
            cluster.deliver[0].resume();
            cluster.run[1].resume();
            tokio::time::sleep(Duration::from_secs(1)).await;
        })
        .await;
    cluster.assert_nothing_lost(&made, Losses::Interrupted, &returns).await;
}

/// How many predictions' ends have been told.
fn ids(cluster: &Cluster) -> usize {
    let mut ids: Vec<String> = cluster.receiver.webhooks().iter().map(|hook| hook.id().to_owned()).collect();
    ids.sort();
    ids.dedup();
    ids.len()
}

async fn wait_all_told(cluster: &Cluster, count: usize) {
    for _ in 0..3000 {
        if ids(cluster) == count && cluster.database.rows("lane").await.is_empty() {
            return;
        }
        pause().await;
    }
    panic!("{} of {count} were told", ids(cluster));
}
