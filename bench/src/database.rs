//! A PostgreSQL server under measurement: private, with a directory of its own, flushing to disk as it does everywhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::process;
use crate::server::scratch;

/// The script that makes and stops private servers.
const SCRIPT: &str = "scripts/postgres";

/// What differs from PostgreSQL's defaults: nothing that has to do with durability.
const SETTINGS: [&str; 2] = ["shared_buffers=256MB", "max_wal_size=4GB"];

/// A running database. Dropping it stops it, and removes its data.
pub(crate) struct Database {
    url: String,
    dir: TempDir,
}

impl Database {
    /// Makes an empty database.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("postgres-").tempdir_in(scratch()?)?;
        open_to_the_owner(dir.path())?;
        let mut command = Command::new(script()?);
        command.arg("start").arg(dir.path().join("server"));
        for setting in SETTINGS {
            command.args(["--set", setting]);
        }
        let output = command.stderr(Stdio::inherit()).output().context("scripts/postgres did not start")?;
        ensure!(output.status.success(), "PostgreSQL did not start");
        let url = String::from_utf8(output.stdout)?.trim().to_owned();
        Ok(Self { url, dir })
    }

    /// Where it is, for `--database-url`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The CPU time that all of its processes have used so far, in seconds.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let file = self.dir.path().join("server/data/postmaster.pid");
        let text = fs::read_to_string(file).context("PostgreSQL has no postmaster.pid")?;
        let pid = text.lines().next().context("postmaster.pid is empty")?.trim().parse()?;
        process::family_cpu_seconds(pid)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Ok(script) = script() else { return };
        // What is not stopped here is noticed by the next measurement, which it slows down.
        let _ = Command::new(script)
            .arg("stop")
            .arg(self.dir.path().join("server"))
            .args(["-m", "immediate"])
            .status();
    }
}

fn script() -> anyhow::Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the benchmark is in a workspace")?;
    Ok(root.join(SCRIPT))
}

/// PostgreSQL does not run as root: whoever it runs as has to get through to its folder.
#[cfg(unix)]
fn open_to_the_owner(dir: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::set_permissions(dir, fs::Permissions::from_mode(0o711))?)
}

/// Other systems inherit the access rights of the folder.
#[cfg(not(unix))]
fn open_to_the_owner(_dir: &Path) -> anyhow::Result<()> {
    Ok(())
}
