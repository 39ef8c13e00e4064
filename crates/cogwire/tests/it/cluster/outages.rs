//! The database fails for everybody.

use std::time::Duration;

use futures_util::future::join_all;

use super::load::Load;
use super::settled::Losses;
use super::{Cluster, LEASE, Node, id, talk};
use crate::harness::{Reply, hello};

#[tokio::test(flavor = "multi_thread")]
async fn crashes_of_the_database_under_load_lose_nothing() {
    let cluster = Cluster::start().await;
    let load = Load::on(&cluster);
    let made = load
        .during(async {
            for _ in 0..2 {
                tokio::time::sleep(Duration::from_millis(1500)).await;
                cluster.database.crash_and_restart().await;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        })
        .await;
    cluster.assert_nothing_lost(&made, Losses::Interrupted, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_everybody_says_so_and_goes_on_afterwards() {
    let cluster = Cluster::start().await;
    let load = Load::on(&cluster);
    let made = load
        .during(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            cluster.nodes().for_each(|node| node.proxy.cut());
            for reasons in join_all(cluster.nodes().map(Node::wait_unready)).await {
                assert!(reasons.contains("PostgreSQL"), "it says what is missing: {reasons}");
            }
            for api in 0..2 {
                assert_unavailable(&cluster.api[api].http.post("/v1/predictions", &hello("nobody")).await);
            }
            tokio::time::sleep(LEASE).await;
            cluster.nodes().for_each(|node| node.proxy.heal());
            cluster.wait_ready().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        })
        .await;
    cluster.assert_nothing_lost(&made, Losses::Interrupted, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_runs_dry_refuses_and_recovers() {
    let cluster = Cluster::with(&["--database-connections", "2"]).await;
    let load = Load::on(&cluster);
    let made = load
        .during(async {
            let refused = async {
                // More callers than connections, while no connection gets any further.
                let creates = (0..20).map(|n| create(&cluster, n));
                join_all(creates).await
            };
            let (refused, ()) = tokio::join!(refused, cluster.database.lock("live", 6));
            let (made, refused): (Vec<_>, Vec<_>) =
                refused.into_iter().partition(|reply| reply.status == 201);
            assert!(!refused.is_empty(), "{} of 20 were created", made.len());
            refused.iter().for_each(assert_unavailable);
        })
        .await;
    cluster.assert_nothing_lost(&made, Losses::Interrupted, &[]).await;
    let ran = cluster.create(0, talk(1, 0, false)).await;
    assert_eq!(cluster.api[1].wait_end(id(&ran)).await["status"], "succeeded");
}

async fn create(cluster: &Cluster, number: usize) -> Reply {
    // The lock is there by then.
    tokio::time::sleep(Duration::from_millis(500)).await;
    cluster.api[number % 2].http.post("/v1/predictions", &hello("crowd")).await
}

/// A refusal that says so, and when to come again.
#[track_caller]
fn assert_unavailable(reply: &Reply) {
    assert_eq!(reply.status, 503, "{}", reply.text);
    assert!(!reply.header("retry-after").is_empty(), "{reply:?}");
    assert!(reply.json()["detail"].as_str().is_some_and(|detail| detail.contains("again")), "{}", reply.text);
}
