//! A version that no living node serves.

use serde_json::json;

use super::{Cluster, TALK, id, talk};

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
    let reply = cluster.api[0].http.post("/v1/predictions", &json!({"version": TALK, "input": {}})).await;
    assert_eq!(reply.header("cogwire-warning"), "", "somebody serves it now");
}
