//! Child processes that leave nothing behind.
//!
//! A [`Process`] leads a group of its own, so that it and all that it starts are killed together, also when the
//! handle is dropped. What has left the group is found by a variable of its environment, on systems that show it
//! (Linux). Where there is no `/proc`, a process that both leaves the group and forgets its parent stays. When this
//! program is killed itself, nobody is left to kill: a child has to notice that its standard input has ended. Knows
//! nothing of models.

mod exit;
mod group;
mod lines;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::Pid;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

pub(crate) use exit::Exit;
pub(crate) use group::memory;
pub(crate) use lines::lines;

/// The variable by which the processes of one start know each other.
const FAMILY: &str = "COGWIRE_INSTANCE";

/// What to start.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) folder: PathBuf,
    /// All of its environment, but for one variable that is added.
    pub(crate) variables: Vec<(OsString, OsString)>,
    /// A name that no other start has: letters and digits.
    pub(crate) family: String,
    /// How many bytes of addresses each of the processes may use. Libraries for graphics cards reserve far more than
    /// they use.
    pub(crate) memory_limit: Option<u64>,
}

/// A process that was started, and its group.
#[derive(Debug)]
pub(crate) struct Process {
    leader: Pid,
    exit: watch::Receiver<Option<Exit>>,
}

/// The standard streams of a process.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) input: ChildStdin,
    pub(crate) output: ChildStdout,
    pub(crate) errors: ChildStderr,
}

impl Process {
    /// Starts a process, which a task on `tracker` waits for. The limit holds before the process has read its first
    /// input.
    ///
    /// # Errors
    /// When the system does not start it.
    pub(crate) fn start(start: Start, tracker: &TaskTracker) -> io::Result<(Self, Streams)> {
        let mut child = Command::new(&start.program)
            .args(&start.arguments)
            .current_dir(&start.folder)
            .env_clear()
            .envs(start.variables)
            .env(FAMILY, &start.family)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let leader = id_of(&child)?;
        let streams = Streams {
            input: child.stdin.take().expect("it is piped"),
            output: child.stdout.take().expect("it is piped"),
            errors: child.stderr.take().expect("it is piped"),
        };
        let (sender, exit) = watch::channel(None);
        tracker.spawn(attend(child, leader, start.family, sender));
        let process = Self { leader, exit };
        if let Some(bytes) = start.memory_limit {
            limit_memory(leader, bytes)?;
        }
        Ok((process, streams))
    }

    /// The process that leads the group.
    pub(crate) fn id(&self) -> u32 {
        self.leader.as_raw_nonzero().get().unsigned_abs()
    }

    /// Waits until the process has ended and nothing of its group is left.
    pub(crate) async fn exited(&self) -> Exit {
        let mut exit = self.exit.clone();
        let exit = exit.wait_for(Option::is_some).await;
        exit.ok().and_then(|exit| *exit).unwrap_or(Exit::Unknown)
    }

    /// Kills the whole group.
    pub(crate) fn kill(&self) {
        // Once the leader has been waited for, its number may belong to somebody else.
        if self.exit.borrow().is_none() {
            group::kill(self.leader);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn id_of(child: &Child) -> io::Result<Pid> {
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    id.ok_or_else(|| io::Error::other("the process has no number"))
}

/// Waits for the process, and removes what it leaves behind before it says so.
async fn attend(mut child: Child, leader: Pid, family: String, sender: watch::Sender<Option<Exit>>) {
    let left = Left { leader, family };
    let exit = child.wait().await.map_or(Exit::Unknown, Exit::of);
    // Looking at every process of the system takes a while.
    if let Err(error) = tokio::task::spawn_blocking(move || drop(left)).await {
        tracing::error!(%error, "the processes that a model left behind could not be looked for");
    }
    sender.send_replace(Some(exit));
}

/// What a process may leave behind, killed with this. So it also goes when the program stops without waiting for its tasks.
struct Left {
    leader: Pid,
    family: String,
}

impl Drop for Left {
    fn drop(&mut self) {
        group::kill(self.leader);
        group::kill_family(&self.family);
    }
}

#[cfg(target_os = "linux")]
fn limit_memory(leader: Pid, bytes: u64) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, prlimit};
    let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
    prlimit(Some(leader), Resource::As, limit)?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn limit_memory(_leader: Pid, _bytes: u64) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system cannot limit the memory of another process"))
}
