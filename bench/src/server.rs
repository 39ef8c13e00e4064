//! A Cogwire server under measurement: started on a free port with a data directory of its own.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use cogwire_core::webhook::signature::Secret;
use hyper::StatusCode;
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::clock::Stopwatch;
use crate::database::Database;
use crate::histogram::Histogram;
use crate::load::Load;
use crate::process;

const TOKEN: &str = "r8_benchmark0000000000000000000000000000";
const START_LIMIT: Duration = Duration::from_secs(30);

/// How long the last predictions may take to end.
const BACKLOG_LIMIT: Duration = Duration::from_secs(120);

/// Where a server listens, or what it said instead.
type Bound = Result<String, String>;

/// How a server is started.
#[derive(Clone, Copy, Default)]
pub(crate) struct Options<'a> {
    /// Where its data is; without one, in a directory of its own.
    pub(crate) database: Option<&'a Database>,
    /// Further arguments of `cogwire serve`.
    pub(crate) arguments: &'a [&'a str],
    /// Variables of its environment, besides those of this program.
    pub(crate) variables: &'a [(&'a str, PathBuf)],
}

/// A running server. Dropping it kills it, and removes its data.
pub(crate) struct Server {
    process: Process,
    url: String,
    start: Duration,
    data: TempDir,
}

/// The data of a server that has been killed.
pub(crate) struct Stopped(TempDir);

/// Is killed when it is dropped.
pub(crate) struct Process(pub(crate) Child);

impl Server {
    /// Starts a server on an empty data directory, and waits until it is ready.
    pub(crate) async fn start(binary: &Path, load: &Load) -> anyhow::Result<Self> {
        Self::with(binary, load, Options::default()).await
    }

    /// Starts a server, and waits until it is ready.
    pub(crate) async fn with(binary: &Path, load: &Load, options: Options<'_>) -> anyhow::Result<Self> {
        let data = tempfile::Builder::new().prefix("data-").tempdir_in(scratch()?)?;
        Self::on(data, binary, load, options).await
    }

    /// Kills the server, and starts another on its data.
    pub(crate) async fn again(
        self,
        binary: &Path,
        load: &Load,
        options: Options<'_>,
    ) -> anyhow::Result<Self> {
        self.stop().start(binary, load, options).await
    }

    /// Kills the server, and keeps its data.
    pub(crate) fn stop(self) -> Stopped {
        Stopped(self.data)
    }

    async fn on(data: TempDir, binary: &Path, load: &Load, options: Options<'_>) -> anyhow::Result<Self> {
        let watch = Stopwatch::start();
        let mut process = Process(spawn(binary, data.path(), options)?);
        let log = process.0.stderr.take().context("stderr is not a pipe")?;
        let (tell, told) = oneshot::channel();
        std::thread::spawn(move || read_log(log, tell));
        let bound = tokio::time::timeout(START_LIMIT, told).await.context("the server says nothing")??;
        let url = bound.map_err(|log| anyhow::anyhow!("the server ended:\n{log}"))?;
        wait_until_ready(load, &url).await?;
        Ok(Self { process, url, start: watch.elapsed(), data })
    }

    /// From the start of the process to the first successful answer of `/readyz`.
    pub(crate) fn start_time(&self) -> Duration {
        self.start
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The `authorization` header that the server accepts.
    pub(crate) fn authorization() -> String {
        format!("Bearer {TOKEN}")
    }

    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        process::cpu_seconds(self.pid())
    }

    pub(crate) fn resident_megabytes(&self) -> anyhow::Result<f64> {
        process::resident_megabytes(self.pid())
    }

    /// Registers a folder as a model, and waits until the model has been started once.
    pub(crate) fn add_model(&self, binary: &Path, folder: &Path, name: &str) -> anyhow::Result<()> {
        let mut command = Command::new(binary);
        command.args(["model", "add", "--name", name]).arg(folder);
        command.env("COGWIRE_URL", &self.url).env("COGWIRE_API_TOKEN", TOKEN);
        let output = command.output().with_context(|| format!("cannot start {}", binary.display()))?;
        ensure!(
            output.status.success(),
            "{name} could not be added:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// The secret that signs this server's webhooks.
    pub(crate) async fn secret(&self, load: &Load) -> anyhow::Result<Secret> {
        let answer = load.get(&self.url("/v1/webhooks/default/secret")).await?;
        let body: serde_json::Value = serde_json::from_slice(&answer.body)?;
        let key = body["key"].as_str().context("the server gave no secret")?;
        Ok(Secret::parse(key)?)
    }

    /// How long commits have taken so far.
    pub(crate) async fn commits(&self, load: &Load) -> anyhow::Result<Histogram> {
        let answer = load.get(&self.url("/metrics")).await?;
        Ok(Histogram::read(&String::from_utf8_lossy(&answer.body), "cogwire_db_commit_seconds"))
    }

    /// Waits until so many final webhooks wait to be delivered.
    pub(crate) async fn wait_for_backlog(&self, load: &Load, count: usize) -> anyhow::Result<()> {
        let watch = Stopwatch::start();
        while watch.elapsed() < BACKLOG_LIMIT {
            let answer = load.get(&self.url("/metrics")).await?;
            let text = String::from_utf8_lossy(&answer.body);
            let line = text.lines().find_map(|line| line.strip_prefix("cogwire_webhook_pending "));
            if line
                .and_then(|value| value.trim().parse().ok())
                .is_some_and(|pending: f64| pending >= count as f64)
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        bail!("not all of {count} webhooks wait after {BACKLOG_LIMIT:?}")
    }

    fn pid(&self) -> u32 {
        self.process.0.id()
    }
}

impl Stopped {
    /// Starts a server on the data, and waits until it is ready.
    pub(crate) async fn start(
        self,
        binary: &Path,
        load: &Load,
        options: Options<'_>,
    ) -> anyhow::Result<Server> {
        Server::on(self.0, binary, load, options).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when the process has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Data goes to the disk of the build folder: what `/tmp` is kept on differs too much between machines.
pub(crate) fn scratch() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("this program does not know where it is")?;
    let folder = own.with_file_name("bench-data");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

fn spawn(binary: &Path, data: &Path, options: Options<'_>) -> anyhow::Result<Child> {
    let variables = std::env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("COGWIRE_"));
    let mut command = Command::new(binary);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data).args(options.arguments);
    if let Some(database) = options.database {
        command.args(["--database-url", database.url()]);
    }
    command
        .env_clear()
        .envs(variables)
        .env("COGWIRE_API_TOKEN", TOKEN)
        .envs(options.variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", binary.display()))
}

/// Tells where the server listens, and reads on to the end, so that the server never waits for somebody to read.
fn read_log(log: ChildStderr, tell: oneshot::Sender<Bound>) {
    let mut log = BufReader::new(log);
    // Whoever asked may have given up.
    let _ = tell.send(bound_url(&mut log));
    // When reading fails, the server is gone, and whoever talks to it notices.
    let _ = io::copy(&mut log, &mut io::sink());
}

fn bound_url(log: &mut impl BufRead) -> Bound {
    const BEGINNING: &str = "http://127.0.0.1:";
    let mut seen = String::new();
    loop {
        let start = seen.len();
        match log.read_line(&mut seen) {
            Ok(0) | Err(_) => return Err(seen),
            Ok(_) => {}
        }
        if let Some(at) = seen[start..].find(BEGINNING) {
            let rest = &seen[start + at + BEGINNING.len()..];
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            return Ok(format!("{BEGINNING}{port}"));
        }
    }
}

async fn wait_until_ready(load: &Load, url: &str) -> anyhow::Result<()> {
    let watch = Stopwatch::start();
    let ready = format!("{url}/readyz");
    while watch.elapsed() < START_LIMIT {
        if load.get(&ready).await.is_ok_and(|answer| answer.status == StatusCode::OK) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    bail!("{ready} did not answer 200 within {START_LIMIT:?}")
}
