//! What the metrics say about models.

use super::folder::Folder;
use super::site::{Site, ZOO};
use crate::harness::pause;

/// How often the metrics are looked at, 10 ms apart: they are published every few seconds.
const LOOKS: usize = 3000;

async fn wait_for_line(site: &Site, line: &str) {
    let mut page = String::new();
    for _ in 0..LOOKS {
        page = site.http().get("/metrics").await.text;
        if page.lines().any(|said| said == line) {
            return;
        }
        pause().await;
    }
    panic!("{line} is missing in:\n{page}");
}

fn instances(state: &str, count: u32) -> String {
    format!(r#"cogwire_model_instances{{model="{ZOO}",state="{state}"}} {count}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_and_starts_of_a_model_are_counted_until_it_is_gone() {
    let site = Site::start(&["--idle-timeout", "never"]).await;
    let version = site.add(&Folder::zoo(), ZOO).await.version();
    wait_for_line(&site, &format!(r#"cogwire_model_starts_total{{model="{ZOO}",result="ready"}} 1"#)).await;
    wait_for_line(&site, "cogwire_model_start_seconds_count 1").await;
    let gate = site.gate("go");
    let waits = site.create(gate.input()).await;
    wait_for_line(&site, &instances("busy", 1)).await;
    gate.open();
    site.end(&waits).await;
    assert_eq!(site.remove(ZOO, &version).await.status, 202);
    wait_for_line(&site, &instances("busy", 0)).await;
}
