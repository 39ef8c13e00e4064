//! Cog itself: the models that are measured, and a model's own HTTP server.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::clock::Stopwatch;
use crate::load::Load;
use crate::server::{Process, scratch};

/// Cog, as `scripts/install-tools` installs it for tests. The models ask for the same version.
const COG: &str = "target/tools/cog-0.23.1";

const START_LIMIT: Duration = Duration::from_secs(30);

/// Cog's HTTP server with one model. Dropping it kills both.
pub(crate) struct Cog {
    url: String,
    _process: Process,
    _folder: TempDir,
}

impl Cog {
    /// Starts a server for a model with this schema, which a build by Cog's own tools would have put beside it, and waits until
    /// the model is ready.
    pub(crate) async fn start(load: &Load, model: &str, schema: &Value) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("cog-").tempdir_in(scratch()?)?;
        std::fs::copy(folder_of(model)?.join("predict.py"), folder.path().join("predict.py"))?;
        std::fs::create_dir(folder.path().join(".cog"))?;
        std::fs::write(folder.path().join(".cog/openapi_schema.json"), schema.to_string())?;
        let port = free_port()?;
        let process = Process(command(folder.path(), port)?.spawn().context("cannot start Cog")?);
        let cog = Self { url: format!("http://127.0.0.1:{port}"), _process: process, _folder: folder };
        cog.wait_until_ready(load).await?;
        Ok(cog)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    async fn wait_until_ready(&self, load: &Load) -> anyhow::Result<()> {
        let (watch, url) = (Stopwatch::start(), self.url("/health-check"));
        while watch.elapsed() < START_LIMIT {
            let answer = load.get(&url).await;
            let health = answer.ok().and_then(|answer| serde_json::from_slice::<Value>(&answer.body).ok());
            if health.is_some_and(|health| health["status"] == "READY") {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("Cog's server was not ready within {START_LIMIT:?}")
    }
}

/// Where a model of the benchmark is.
pub(crate) fn folder_of(model: &str) -> anyhow::Result<PathBuf> {
    Ok(root()?.join("bench/models").join(model))
}

/// Has a server install Cog from the packages that are kept beside it, without a network.
pub(crate) fn packages() -> anyhow::Result<[(&'static str, PathBuf); 4]> {
    let wheels = cog()?.join("wheels");
    Ok([
        ("PIP_NO_INDEX", "1".into()),
        ("PIP_FIND_LINKS", wheels.clone()),
        ("UV_NO_INDEX", "1".into()),
        ("UV_FIND_LINKS", wheels),
    ])
}

fn command(folder: &Path, port: u16) -> anyhow::Result<Command> {
    let bin = cog()?.join("bin");
    // Cog starts its worker with the first Python there is.
    let others = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([bin.clone()].into_iter().chain(std::env::split_paths(&others)))?;
    let mut command = Command::new(bin.join("python"));
    command
        .args(["-m", "cog.server.http", "--host", "127.0.0.1"])
        .current_dir(folder)
        .env("PATH", path)
        .env("PORT", port.to_string())
        .env("COG_PREDICT_TYPE_STUB", "predict.py:Predictor")
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Ok(command)
}

fn cog() -> anyhow::Result<PathBuf> {
    let folder = root()?.join(COG);
    ensure!(folder.is_dir(), "{COG} is missing: run scripts/install-tools rust");
    Ok(folder)
}

/// One that nobody uses at this moment.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn root() -> anyhow::Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the benchmark is in a workspace")
}
