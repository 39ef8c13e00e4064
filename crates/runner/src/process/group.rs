//! The processes of a group and of a family, as `/proc` shows them. Where it is missing, there seem to be none.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::FAMILY;

/// How often processes are looked for that were started while the others were being killed.
const SWEEPS: usize = 50;

/// Kills every process of the group that `leader` leads.
pub(super) fn kill(leader: Pid) {
    // Fails when there is none left.
    let _ = kill_process_group(leader, Signal::KILL);
}

/// Kills every process that has inherited the name of the family, in whatever group it is now, and waits until none
/// is left. Blocks.
pub(super) fn kill_family(family: &str) {
    let variable = format!("{FAMILY}={family}");
    for _ in 0..SWEEPS {
        let left: Vec<Pid> = processes().filter(|process| has_variable(*process, &variable)).collect();
        if left.is_empty() {
            return;
        }
        for process in left {
            let _ = kill_process(process, Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    tracing::warn!(family, "processes of a model could not be killed");
}

/// The bytes that the processes of each group keep in memory, by the process that leads it; what processes share counts
/// for each. Looks at every process of the system, and blocks.
pub(crate) fn memory() -> HashMap<u32, u64> {
    let page = rustix::param::page_size() as u64;
    let mut memory = HashMap::new();
    // The dead have no memory, and nor has the system itself.
    for (group, pages) in processes().filter_map(pages_of).filter(|(_, pages)| *pages > 0) {
        *memory.entry(group).or_default() += pages * page;
    }
    memory
}

fn processes() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(Pid::from_raw)
}

/// Processes of other users are not shown, and are none of ours.
fn has_variable(process: Pid, variable: &str) -> bool {
    let environment =
        fs::read(Path::new("/proc").join(process.to_string()).join("environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes())
}

/// The group of a process, and its pages in memory.
fn pages_of(process: Pid) -> Option<(u32, u64)> {
    let stat = fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat")).ok()?;
    // The name in parentheses may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let group = fields.nth(2)?.parse().ok()?;
    Some((group, fields.nth(18)?.parse().ok()?))
}
