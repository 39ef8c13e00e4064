//! The real binary as a child process, for tests that kill it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::http::Http;
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

    async fn start_as(mut command: Command) -> Self {
        let mut child =
            command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the binary runs");
        let url = bound_url(child.stderr.take().expect("piped"));
        let http = Http::new(url, TOKEN.to_owned());
        http.wait_ready().await;
        Self { child, http }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        // It may have died by itself at a failpoint, which is just as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("a child")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `cogwire serve` on a free port, with nothing of this machine's configuration.
pub(crate) fn serve(dir: &Path) -> Command {
    let mut command = cogwire();
    command.arg("serve").args(["--listen", "127.0.0.1:0", "--log-format", "text", "--data-dir"]).arg(dir);
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

/// A home that is not the tester's.
fn temp_home() -> PathBuf {
    std::env::temp_dir().join(format!("cogwire-test-home-{}", std::process::id()))
}

/// Reads the log until the line that names the URL, and keeps reading so that the pipe never fills.
#[expect(clippy::print_stderr, reason = "whoever sets COGWIRE_TEST_LOG wants to see the log")]
fn bound_url(stderr: impl std::io::Read + Send + 'static) -> String {
    let (found, url) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if std::env::var_os("COGWIRE_TEST_LOG").is_some() {
                eprintln!("{line}");
            }
            if let Some(start) = line.find("http://127.0.0.1:") {
                let port =
                    line[start + "http://127.0.0.1:".len()..].split(|c: char| !c.is_ascii_digit()).next();
                // Only the first one is waited for.
                let _ = found.send(format!("http://127.0.0.1:{}", port.unwrap_or_default()));
            }
        }
    });
    url.recv_timeout(Duration::from_secs(30)).expect("the server says where it listens")
}
