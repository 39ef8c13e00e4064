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

/// Fields 14 and 15, user and system time. The name in field 2 may hold spaces and brackets, so counting starts after it.
fn cpu_ticks(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 100 0 0 0 7 5 0 0 20 0 1 0 100 0 0";
        assert_eq!(cpu_ticks(stat), Some(12.0));
        assert_eq!(cpu_ticks("nonsense"), None);
    }
}
