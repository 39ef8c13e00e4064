//! The database is there, and some cannot reach it: nothing passes and nobody is told. Receivers stay reachable.
//!
//! In the end, what was on its way either arrives late, or never.

use std::time::Duration;

use futures_util::future::join_all;

use super::load::Load;
use super::proxy::Proxy;
use super::settled::Losses;
use super::{Cluster, GIVEN_UP, Node};

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_and_a_sender_that_are_cut_off_are_replaced_and_come_back() {
    assert_replaced(Proxy::silence, Proxy::heal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_and_a_sender_that_hear_no_answers_are_replaced_and_come_back() {
    let lose_answers = |proxy: &Proxy| {
        proxy.cut();
        proxy.heal();
    };
    assert_replaced(Proxy::deafen, lose_answers).await;
}

/// Parts a runner and a sender from the database for longer than their leases, and joins them again.
async fn assert_replaced(part: fn(&Proxy), join: fn(&Proxy)) {
    let cluster = Cluster::start().await;
    let load = Load::on(&cluster);
    let made = load
        .during(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let apart = [&cluster.run[0], &cluster.deliver[0]];
            apart.iter().for_each(|node| part(&node.proxy));
            tokio::time::sleep(GIVEN_UP).await;
            for reasons in join_all(apart.map(Node::wait_unready)).await {
                assert!(reasons.contains("lease has ended"), "it knows that it is alone: {reasons}");
            }
            apart.iter().for_each(|node| join(&node.proxy));
            join_all(apart.map(|node| node.http.wait_ready())).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        })
        .await;
    cluster.assert_nothing_lost(&made, Losses::Interrupted, &[]).await;
}
