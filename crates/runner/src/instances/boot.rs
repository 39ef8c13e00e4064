//! What an instance says while it starts.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most bytes of setup logs that are kept: the last ones.
pub(crate) const MAX_SETUP_LOGS: usize = 64 * 1024;

/// The logs of one start, bounded by [`MAX_SETUP_LOGS`].
#[derive(Debug, Default)]
pub(crate) struct Boot {
    logs: Mutex<String>,
}

impl Boot {
    /// Adds text, line ends included.
    pub(crate) fn log(&self, text: &str) {
        let mut logs = self.lock();
        logs.push_str(text);
        // Cutting only now and then keeps the cost of a byte constant.
        if logs.len() > 2 * MAX_SETUP_LOGS {
            let kept = end(&logs, MAX_SETUP_LOGS).len();
            let cut = logs.len() - kept;
            logs.drain(..cut);
        }
    }

    /// Takes what was said as a whole, in place of what was heard of it so far. Nothing takes the place of nothing.
    pub(crate) fn settle(&self, logs: &str) {
        if !logs.is_empty() {
            self.lock().clear();
            self.log(logs);
        }
    }

    /// The last [`MAX_SETUP_LOGS`] bytes at most; when some are missing, it begins with a whole line where there is
    /// one.
    pub(crate) fn logs(&self) -> String {
        self.tail(MAX_SETUP_LOGS)
    }

    /// The last `most` bytes at most, in the same way.
    pub(crate) fn tail(&self, most: usize) -> String {
        end(&self.lock(), most).to_owned()
    }

    /// The last line that says anything.
    pub(crate) fn last_line(&self) -> Option<String> {
        let logs = self.lock();
        logs.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
    }

    fn lock(&self) -> MutexGuard<'_, String> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end(logs: &str, most: usize) -> &str {
    let Some(surplus) = logs.len().checked_sub(most).filter(|surplus| *surplus > 0) else { return logs };
    let rest = &logs[logs.ceil_char_boundary(surplus)..];
    match rest.split_once('\n') {
        Some((_, lines)) if !lines.is_empty() => lines,
        _ => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept() {
        let boot = Boot::default();
        for number in 0..40_000 {
            boot.log(&format!("line {number}\n"));
        }
        let logs = boot.logs();
        assert!(logs.len() <= MAX_SETUP_LOGS && logs.len() > MAX_SETUP_LOGS - 20, "{} bytes", logs.len());
        assert!(logs.starts_with("line "), "it begins with a whole line");
        assert!(logs.ends_with("line 39998\nline 39999\n"));
        assert_eq!(boot.last_line().as_deref(), Some("line 39999"));
    }

    #[test]
    fn one_endless_line_is_cut_between_characters() {
        let boot = Boot::default();
        boot.log(&"é".repeat(MAX_SETUP_LOGS));
        assert_eq!(boot.logs().len(), MAX_SETUP_LOGS);
        boot.log("\n\n");
        boot.log(&"x".repeat(3 * MAX_SETUP_LOGS));
        assert_eq!(boot.logs(), "x".repeat(MAX_SETUP_LOGS));
    }

    #[test]
    fn what_was_heard_gives_way_to_the_whole() {
        let boot = Boot::default();
        boot.log("load");
        boot.settle("");
        assert_eq!(boot.logs(), "load");
        boot.settle("loading\ndone\n");
        assert_eq!(boot.logs(), "loading\ndone\n");
    }

    #[test]
    fn silence_has_no_last_line() {
        let boot = Boot::default();
        assert_eq!((boot.logs(), boot.last_line()), (String::new(), None));
        boot.log("\n \n");
        assert_eq!(boot.last_line(), None);
    }
}
