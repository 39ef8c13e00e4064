//! A version that no living node serves.

use super::{Cluster, id, talk};
use crate::harness::{Http, pause};

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_nobody_serves_waits_for_a_node_and_fails_in_the_end() {
    let mut cluster = Cluster::with(&["--queue-timeout", "8s"]).await;
    for node in &mut cluster.run {
        node.stop().await;
    }
    let reply = cluster.api[0].http.post("/v1/predictions", &talk(1, 0, false)).await;
    let in_vain = reply.expect(201);
    assert!(reply.header("cogwire-warning").contains("no running node serves"), "{reply:?}");
    let ended = cluster.api[1].wait_end(id(&in_vain)).await;
    assert_eq!(ended["status"], "failed");
    assert!(ended["error"].as_str().is_some_and(|error| error.contains("no running node serves")), "{ended}");

    let in_time = cluster.create(1, talk(1, 0, false)).await;
    cluster.run[1].start().await;
    assert_eq!(cluster.api[0].wait_end(id(&in_time)).await["status"], "succeeded");
    wait_unwarned(&cluster.api[0].http).await;
}

/// Waits until a create is not warned of any more: what the other nodes run is known as of a second ago.
async fn wait_unwarned(http: &Http) {
    for _ in 0..200 {
        if http.post("/v1/predictions", &talk(1, 0, false)).await.header("cogwire-warning").is_empty() {
            return;
        }
        pause().await;
    }
    panic!("creates are warned of although somebody serves the version");
}
