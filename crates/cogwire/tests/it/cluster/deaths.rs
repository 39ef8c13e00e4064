//! `kill -9` of one process after the other.

use std::time::Duration;

use super::Cluster;
use super::load::Load;
use super::settled::Losses;

/// How long a process lives before it is killed.
const LIFE: Duration = Duration::from_millis(700);

#[tokio::test(flavor = "multi_thread")]
async fn deaths_of_every_role_under_load_lose_nothing() {
    let mut cluster = Cluster::start().await;
    let load = Load::on(&cluster);
    let made = load
        .during(async {
            for round in 0..2 {
                for node in [&mut cluster.api[round], &mut cluster.run[round], &mut cluster.deliver[round]] {
                    tokio::time::sleep(LIFE).await;
                    node.kill();
                    node.start().await;
                }
            }
        })
        .await;
    assert!(made.len() > 50, "there was load: {}", made.len());
    cluster.assert_nothing_lost(&made, Losses::Interrupted, &[]).await;
}
