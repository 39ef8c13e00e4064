//! SIGTERM for one process after the other, each with a replacement, as in an upgrade: nobody loses anything by it.

use std::time::Duration;

use super::live::Reader;
use super::load::Load;
use super::settled::Losses;
use super::{Cluster, id, talk};

#[tokio::test(flavor = "multi_thread")]
async fn replacing_every_process_interrupts_nothing() {
    let mut cluster = Cluster::start().await;
    let load = Load::on(&cluster);
    let long = cluster.create(0, talk(120, 50, false)).await;
    // Whoever reads the stream comes back to the other node when one goes away.
    let reader = Reader::new([cluster.api[0].http.clone(), cluster.api[1].http.clone()], &long);
    let rolling = load.during(async {
        for node in cluster.nodes_mut() {
            tokio::time::sleep(Duration::from_millis(300)).await;
            node.stop().await;
            node.start().await;
        }
    });
    let (made, heard) = tokio::join!(rolling, reader.read());
    assert_eq!(heard.concat(), (1..=120).map(|n| format!("{n} ")).collect::<String>());
    assert_eq!(cluster.api[0].prediction(id(&long)).await["status"], "succeeded");
    assert!(made.len() > 50, "there was load: {}", made.len());
    cluster.assert_nothing_lost(&made, Losses::None, &[]).await;
}
