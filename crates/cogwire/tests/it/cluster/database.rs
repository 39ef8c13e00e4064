//! A PostgreSQL server that a test may crash. It flushes to disk, because that is what a crash is about.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::harness::{output, pause};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/postgres");

/// A server with one empty database. It ends with the test, however that ends.
pub(super) struct Database {
    url: String,
    programs: String,
    dir: TempDir,
    /// Stops the server when its stdin closes.
    guard: Child,
}

impl Database {
    pub(super) async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let (url, programs) = (script(&["start", path(&dir)]).await, script(&["where"]).await);
        Self { url, programs, guard: guard(&dir), dir }
    }

    /// The socket on which it listens. It asks nobody for a password there: computing one takes a server that is not optimised
    /// so long that a test would measure nothing else.
    pub(super) fn socket(&self) -> PathBuf {
        self.dir.path().join(".s.PGSQL.5432")
    }

    /// Its URL for whoever reaches that socket through a port of this machine.
    pub(super) fn url_through(port: u16) -> String {
        format!("postgres://cogwire@127.0.0.1:{port}/cogwire?sslmode=disable")
    }

    /// A crash: nothing is written any more, and what was not flushed is gone. Then it starts again.
    pub(super) async fn crash_and_restart(&self) {
        script(&["restart", path(&self.dir), "-m", "immediate"]).await;
    }

    /// The rows of a table, as text.
    pub(super) async fn rows(&self, table: &str) -> Vec<String> {
        let output = run(self.psql(&format!("TABLE {table}"))).await;
        output.lines().map(str::to_owned).collect()
    }

    /// Waits until so many rows of a table are as they should be; panics with all rows after 20 s.
    pub(super) async fn wait_rows(&self, table: &str, right: impl Fn(&str) -> bool, count: usize) {
        let mut rows = Vec::new();
        for _ in 0..400 {
            rows = self.rows(table).await;
            if rows.iter().filter(|row| right(row)).count() == count {
                return;
            }
            pause().await;
        }
        panic!("waited for {count} rows of {table}: {rows:#?}");
    }

    /// Keeps everybody else out of a table for this long.
    pub(super) async fn lock(&self, table: &str, seconds: u32) {
        run(self.psql(&format!(
            "BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep({seconds}); COMMIT"
        )))
        .await;
    }

    fn psql(&self, sql: &str) -> Command {
        let mut command = Command::new(Path::new(&self.programs).join("psql"));
        command.env_clear().args(["--no-psqlrc", "--no-align", "--tuples-only", "--quiet"]);
        command.args(["--set", "ON_ERROR_STOP=1", "--dbname", &self.url, "--command", sql]);
        command
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // It stops the server at once, or the server was gone before.
        let _ = self.guard.wait();
    }
}

/// A process that outlives a test that is killed, until it has stopped the server.
fn guard(dir: &TempDir) -> Child {
    let mut command = Command::new("bash");
    command.args(["-c", "cat; exec \"$0\" stop \"$1\" -m immediate", SCRIPT, path(dir)]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("bash runs")
}

fn path(dir: &TempDir) -> &str {
    dir.path().to_str().expect("text")
}

async fn script(arguments: &[&str]) -> String {
    let mut command = Command::new(SCRIPT);
    command.args(arguments);
    run(command).await.trim().to_owned()
}

/// What the command prints; panics with its complaint when it fails.
async fn run(command: Command) -> String {
    let what = format!("{command:?}");
    let output = output(command).await;
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
