//! The real binary as a child process, for tests that kill it.

use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::app::pause;
use super::http::Http;
use super::log::Log;
use super::store::TestStore;

/// The token of every server process of the tests.
pub(crate) const TOKEN: &str = "r8_0123456789abcdefghijklmnopqrstuvwxyz0";

/// A running `cogwire serve`. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    pub(crate) http: Http,
}

impl Process {
    /// Starts a server on this directory and waits until it is ready.
    pub(crate) async fn start(dir: &Path) -> Self {
        Self::start_as(serve(dir)).await
    }

    /// The same on any kind of store. `failpoint` arms a place where the server dies.
    pub(crate) async fn start_on(dir: &Path, store: &TestStore, failpoint: Option<&str>) -> Self {
        let mut command = serve(dir);
        store.configure(&mut command);
        if let Some(name) = failpoint {
            command.env("COGWIRE_FAILPOINT", name);
        }
        Self::start_as(command).await
    }

    /// The same with any command that serves.
    pub(crate) async fn start_as(command: Command) -> Self {
        Self::start_with(command, Log::default()).await
    }

    /// The same, and keeps what it says.
    pub(crate) async fn start_with(command: Command, log: Log) -> Self {
        Self::start_heard(command, move |line| {
            log.push(line);
            ControlFlow::Continue(())
        })
        .await
    }

    /// The same on this directory, and nobody hears what it says once it has said where it listens.
    pub(crate) async fn start_unheard(dir: &Path) -> Self {
        let until_bound =
            |line: &str| bound_url(line).map_or(ControlFlow::Continue(()), |_| ControlFlow::Break(()));
        Self::start_heard(serve(dir), until_bound).await
    }

    async fn start_heard(command: Command, heed: impl Fn(&str) -> ControlFlow<()> + Send + 'static) -> Self {
        let (found, url) = mpsc::channel();
        let child = spawn(command, move |line| {
            // Only the first one is waited for.
            bound_url(line).into_iter().for_each(|url| drop(found.send(url)));
            heed(line)
        });
        // From here on it is killed, also when it never gets ready.
        let mut server = Self { child, http: Http::new(String::new(), TOKEN.to_owned()) };
        let url = url.recv_timeout(Duration::from_secs(30)).expect("the server says where it listens");
        server.http = Http::new(url, TOKEN.to_owned());
        server.http.wait_ready().await;
        server
    }

    /// Starts a server that listens where `http` looks for it, without waiting for anything.
    pub(crate) fn spawn(command: Command, http: Http, log: Log) -> Self {
        let keep = move |line: &str| {
            log.push(line);
            ControlFlow::Continue(())
        };
        Self { child: spawn(command, keep), http }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        // It may have died by itself at a failpoint, which is just as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// SIGSTOP: from now on it does nothing, and does not know that.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("a child")
    }

    /// Waits for the end beside whatever else the test does; panics after a minute.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        for _ in 0..6000 {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            pause().await;
        }
        panic!("{} did not end", self.http.base);
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success(), "{name} of {}", self.http.base);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `cogwire serve` on a free port, with nothing of this machine's configuration.
pub(crate) fn serve(dir: &Path) -> Command {
    serve_at("127.0.0.1:0", dir)
}

/// The same at this address.
pub(crate) fn serve_at(address: &str, dir: &Path) -> Command {
    let mut command = cogwire();
    command.args(["serve", "--listen", address, "--log-format", "text", "--data-dir"]).arg(dir);
    command.env("COGWIRE_API_TOKEN", TOKEN).current_dir(dir);
    command
}

/// The binary with an empty environment.
pub(crate) fn cogwire() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cogwire"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", temp_home());
    command.stdin(Stdio::null());
    command
}

/// Runs a command beside the runtime, which the load of a test and its receiver need meanwhile.
pub(crate) async fn output(mut command: Command) -> Output {
    command.stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().expect("it runs"));
    output.await.expect("no panic")
}

/// A home that is not the tester's.
fn temp_home() -> PathBuf {
    std::env::temp_dir().join(format!("cogwire-test-home-{}", std::process::id()))
}

/// Starts a server. Each line that it says goes to `heed`, so that the pipe never fills, until that breaks off: then nobody
/// reads any more.
fn spawn(mut command: Command, heed: impl Fn(&str) -> ControlFlow<()> + Send + 'static) -> Child {
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the binary runs");
    let stderr = child.stderr.take().expect("piped");
    std::thread::spawn(move || read_lines(stderr, heed));
    child
}

#[expect(clippy::print_stderr, reason = "whoever sets COGWIRE_TEST_LOG wants to see the log")]
fn read_lines(stderr: impl Read, heed: impl Fn(&str) -> ControlFlow<()>) {
    let shown = std::env::var_os("COGWIRE_TEST_LOG").is_some();
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if shown {
            eprintln!("{line}");
        }
        if heed(&line).is_break() {
            return;
        }
    }
}

fn bound_url(line: &str) -> Option<String> {
    const HOST: &str = "http://127.0.0.1:";
    let (_, rest) = line.split_once(HOST)?;
    let port = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    Some(format!("{HOST}{port}"))
}
