//! Processes that models have started.

use std::process::Command;

use crate::harness::pause;

/// How often a process is looked for before a test gives up, 10 ms apart.
const POLLS: usize = 1000;

/// Waits until nothing is left of a process.
pub(super) async fn wait_gone(process: u64) {
    for _ in 0..POLLS {
        if !is_alive(process) {
            return;
        }
        pause().await;
    }
    panic!("process {process} is still there");
}

/// Whether it runs: one that has ended, and that nobody has waited for yet, does not.
fn is_alive(process: u64) -> bool {
    let mut ps = Command::new("ps");
    let output = ps.args(["-o", "stat=", "-p", &process.to_string()]).output().expect("ps runs");
    let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    !state.is_empty() && !state.starts_with('Z')
}
