//! What the kernel says about a process.

use std::fs;

use anyhow::Context;

/// Clock ticks a second in `/proc/PID/stat`: the same on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// The CPU time that a process has used so far, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat =
        fs::read_to_string(format!("/proc/{pid}/stat")).context("the process has no /proc/PID/stat")?;
    let ticks = cpu_ticks(&stat).context("/proc/PID/stat does not look as expected")?;
    Ok(ticks / TICKS_PER_SECOND)
}

/// The CPU time of a process, of its children, and of those children that it has outlived.
pub(crate) fn family_cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let mut ticks = own_and_waited_ticks(pid)?;
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .context("the kernel does not tell the children of a process")?;
    for child in children.split_whitespace() {
        // One that has ended in between is counted by its parent.
        ticks += child.parse().ok().and_then(|child| own_and_waited_ticks(child).ok()).unwrap_or_default();
    }
    Ok(ticks / TICKS_PER_SECOND)
}

fn own_and_waited_ticks(pid: u32) -> anyhow::Result<f64> {
    let stat =
        fs::read_to_string(format!("/proc/{pid}/stat")).context("the process has no /proc/PID/stat")?;
    fields_of_time(&stat)
        .map(|fields| fields.iter().sum())
        .context("/proc/PID/stat does not look as expected")
}

/// The memory that a process has in RAM, in MB.
pub(crate) fn resident_megabytes(pid: u32) -> anyhow::Result<f64> {
    let status =
        fs::read_to_string(format!("/proc/{pid}/status")).context("the process has no /proc/PID/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")).context("VmRSS is missing")?;
    Ok(kilobytes.trim().parse::<f64>()? * 1024.0 / 1e6)
}

/// How many processors there are, and what they are called.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!("{cores} cores of {}", model.map_or("an unknown processor", |(_, name)| name))
}

/// User and system time of the process itself.
fn cpu_ticks(stat: &str) -> Option<f64> {
    fields_of_time(stat).map(|fields| fields[0] + fields[1])
}

/// Fields 14 to 17: user and system time of the process, then of the children that it has waited for. The name in field 2
/// may hold spaces and brackets, so counting starts after it.
fn fields_of_time(stat: &str) -> Option<[f64; 4]> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let times: Vec<f64> = fields.split(' ').skip(11).take(4).filter_map(|field| field.parse().ok()).collect();
    times.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 100 0 0 0 7 5 0 0 20 0 1 0 100 0 0";
        assert_eq!(cpu_ticks(stat), Some(12.0));
        assert_eq!(fields_of_time(&stat.replace(" 7 5 0 0 ", " 7 5 3 1 ")), Some([7.0, 5.0, 3.0, 1.0]));
        assert_eq!(cpu_ticks("nonsense"), None);
    }
}
