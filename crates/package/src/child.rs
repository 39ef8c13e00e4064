//! Runs one tool to its end, and reads what it says.
//!
//! Owns the child's process group: nothing of it outlives the child, and whoever stops waiting, by dropping the future
//! too, stops all of it. What leaves the group is on its own. Output is read as it comes, so that a tool never waits for
//! its reader; no line is longer than a bound.

use std::collections::VecDeque;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};

/// The longest line, in bytes. The rest of a longer one is dropped.
const MAX_LINE: usize = 4096;

/// How much of the output is kept to explain a failure, in lines.
const TAIL_LINES: usize = 20;

/// How much is read at once, in bytes.
const CHUNK: usize = 8 * 1024;

/// How many chunks are read after the end. A pipe holds fewer, and a process that left the group may write for ever.
const LAST_CHUNKS: usize = 128;

/// How a tool ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Exit(ExitStatus),
    /// It took too long and was killed.
    Deadline,
}

impl Ended {
    pub(crate) fn is_success(self) -> bool {
        matches!(self, Self::Exit(status) if status.success())
    }
}

/// The last lines of an output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tail(VecDeque<String>);

impl Tail {
    pub(crate) fn push(&mut self, line: &str) {
        if self.0.len() == TAIL_LINES {
            self.0.pop_front();
        }
        self.0.push_back(line.to_owned());
    }

    pub(crate) fn into_text(self) -> String {
        Vec::from(self.0).join("\n")
    }
}

/// Runs a command. `line` is given each line that it writes, to stdout or stderr; empty lines are left out. What it
/// reads is the caller's to set.
pub(crate) async fn run(
    mut command: Command,
    deadline: Duration,
    line: impl FnMut(&str) + Send,
) -> io::Result<Ended> {
    let (output, input) = io::pipe()?;
    command.stdout(input.try_clone()?).stderr(input);
    let group = Group::start(&mut command)?;
    // It holds the writing ends of the pipe, and the output would not end.
    drop(command);
    let output = Receiver::from_owned_fd(output.into())?;
    let ended = tokio::time::timeout(deadline, follow(group, output, Lines::new(line))).await;
    ended.map_or(Ok(Ended::Deadline), |status| status.map(Ended::Exit))
}

/// The process group of a child, which ends with this value.
struct Group {
    child: Child,
    /// The child's number, which it has no more once it was waited for. What it left behind keeps the group alive.
    leader: Option<Pid>,
}

impl Group {
    fn start(command: &mut Command) -> io::Result<Self> {
        let child = command.process_group(0).kill_on_drop(true).spawn()?;
        let leader = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok(Self { child, leader })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            // Fails when nothing is left.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// Reads until the child ends, not until the output does: a process that the child left behind may hold it open.
async fn follow(
    mut group: Group,
    mut output: Receiver,
    mut lines: Lines<impl FnMut(&str) + Send>,
) -> io::Result<ExitStatus> {
    let mut chunk = [0; CHUNK];
    let status = loop {
        tokio::select! {
            read = output.read(&mut chunk) => match read? {
                0 => break group.child.wait().await?,
                read => lines.push(&chunk[..read]),
            },
            status = group.child.wait() => break status?,
        }
    };
    // At once: when nothing of the group is left, another process may get its number sooner or later.
    drop(group);
    for _ in 0..LAST_CHUNKS {
        match output.try_read(&mut chunk) {
            Ok(read) if read > 0 => lines.push(&chunk[..read]),
            _ => break,
        }
    }
    lines.finish();
    Ok(status)
}

/// Cuts bytes into lines. Progress bars end theirs with a carriage return.
struct Lines<F> {
    line: Vec<u8>,
    give: F,
}

impl<F: FnMut(&str)> Lines<F> {
    fn new(give: F) -> Self {
        Self { line: Vec::new(), give }
    }

    fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match byte {
                b'\n' | b'\r' => self.finish(),
                _ if self.line.len() < MAX_LINE => self.line.push(byte),
                _ => {}
            }
        }
    }

    fn finish(&mut self) {
        let line = String::from_utf8_lossy(&self.line);
        let line = line.trim_end();
        if !line.is_empty() {
            (self.give)(line);
        }
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdin(std::process::Stdio::null());
        command
    }

    async fn said(script: &str) -> (Ended, Vec<String>) {
        let mut lines = Vec::new();
        let ended = run(shell(script), LONG, |line| lines.push(line.to_owned())).await.expect("it starts");
        (ended, lines)
    }

    /// Waits until a file is there.
    async fn wait_for(path: &std::path::Path) {
        while !path.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until a process has ended.
    async fn wait_gone(id: &str) {
        while is_alive(id) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn is_alive(id: &str) -> bool {
        // A killed process that nobody has waited for yet is a zombie.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
    }

    #[tokio::test]
    async fn both_outputs_come_line_by_line_in_their_order() {
        let (ended, lines) = said("echo one; echo two >&2; printf 'a\\rb\\n\\nlast'; exit 3").await;
        assert!(!ended.is_success());
        assert_eq!(lines, ["one", "two", "a", "b", "last"]);
    }

    #[tokio::test]
    async fn long_lines_and_garbage_are_bounded_and_readable() {
        let (_, lines) = said("head -c 100000 /dev/zero | tr '\\0' x; echo; printf '\\377\\376\\n'").await;
        assert_eq!(lines[0].len(), MAX_LINE);
        assert_eq!(lines[1], "\u{fffd}\u{fffd}");
    }

    #[tokio::test]
    async fn a_process_that_stays_behind_is_killed_and_not_waited_for() {
        let (ended, lines) = said("sleep 600 & echo done; echo $!").await;
        assert!(ended.is_success());
        assert_eq!(lines[0], "done");
        wait_gone(&lines[1]).await;
    }

    #[tokio::test]
    async fn the_deadline_kills_the_whole_group() {
        let folder = tempfile::tempdir().expect("a folder");
        let id = folder.path().join("id");
        let script = format!("sh -c 'echo $$ > {0}.part; mv {0}.part {0}; sleep 600' & wait", id.display());
        let ended = run(shell(&script), Duration::from_millis(500), |_| {}).await.expect("it starts");
        assert_eq!(ended, Ended::Deadline);
        let id = std::fs::read_to_string(&id).expect("it started in time");
        wait_gone(&id).await;
    }

    #[tokio::test]
    async fn dropping_the_future_kills_the_whole_group() {
        let folder = tempfile::tempdir().expect("a folder");
        let id = folder.path().join("id");
        let script = format!("sh -c 'echo $$ > {0}.part; mv {0}.part {0}; sleep 600' & wait", id.display());
        tokio::select! {
            ended = run(shell(&script), LONG, |_| {}) => unreachable!("{ended:?}"),
            () = wait_for(&id) => {}
        }
        let id = std::fs::read_to_string(&id).expect("it is there");
        wait_gone(&id).await;
    }

    #[test]
    fn the_tail_keeps_the_last_lines() {
        let mut tail = Tail::default();
        for line in 0..100 {
            tail.push(&line.to_string());
        }
        assert_eq!(
            tail.into_text().lines().collect::<Vec<_>>(),
            (80..100).map(|line| line.to_string()).collect::<Vec<_>>()
        );
    }
}
