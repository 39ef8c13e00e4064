//! The database is there, and some cannot reach it: nothing passes and nobody is told. Receivers stay reachable.

use std::time::Duration;

use super::load::Load;
use super::settled::Losses;
use super::{Cluster, GIVEN_UP};

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_and_a_sender_that_are_cut_off_are_replaced_and_come_back() {
    let cluster = Cluster::start().await;
    let load = Load::on(&cluster);
    let made = load
        .during(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let apart = [&cluster.run[0], &cluster.deliver[0]];
            apart.iter().for_each(|node| node.proxy.silence());
            tokio::time::sleep(GIVEN_UP).await;
            for node in apart {
                let reasons = node.wait_unready().await;
                assert!(reasons.contains("lease has ended"), "it knows that it is alone: {reasons}");
                node.proxy.heal();
            }
            for node in apart {
                node.http.wait_ready().await;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        })
        .await;
    cluster.assert_nothing_lost(&made, Losses::Interrupted, &[]).await;
}
