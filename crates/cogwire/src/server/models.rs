//! Models that run as processes: how this server runs them, and those that its configuration names.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cogwire_core::model::{ModelName, Version};
use cogwire_engine::{Engine, ModelsConfig, NewPackage, NewServer, Tell, Telling};
use cogwire_package::{Limits, Packed, pack, remove_leftovers};
use cogwire_runner::{ProcessConfig, Scale, Surroundings};
use tempfile::{NamedTempFile, TempPath};
use tokio_util::task::TaskTracker;

use super::Error;
use super::foundation::Foundation;
use super::internal::Internal;
use super::private_file;
use crate::api::Incoming;
use crate::config::{Config, ModelPlace, NamedModel};

/// Held by a server that runs models.
const LOCK: &str = "models.lock";

/// How long an instance without work stays that is never stopped for it: a hundred years.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// How models are prepared here; nothing on a server that runs none.
pub(super) fn config(
    foundation: &Foundation,
    runs: &TaskTracker,
    internal: Option<&Internal>,
) -> Option<ModelsConfig> {
    let config = &foundation.config;
    let models = config.models.clone();
    let scale = move |model: &ModelName| {
        let range = models.instances.of(model);
        Scale { min: range.min, max: range.max, idle: models.idle_timeout.unwrap_or(FOR_EVER) }
    };
    config.roles.run.then(|| ModelsConfig {
        folder: config.data_dir.clone(),
        search_path: std::env::var_os("PATH").unwrap_or_default(),
        any_python: config.models.any_python,
        limits: Limits::of_bytes(config.models.package_limit),
        scale: Arc::new(scale),
        process: ProcessConfig {
            setup_timeout: config.limits.setup,
            cancel_timeout: config.models.cancel_timeout,
            memory_limit: config.models.memory,
            passed_on: config.models.variables.clone(),
            work_dir: work_folder(&config.data_dir),
            ..ProcessConfig::default()
        },
        surroundings: Surroundings {
            clock: foundation.clock.clone(),
            entropy: foundation.entropy.clone(),
            tracker: runs.clone(),
            callbacks: internal.map(Internal::callbacks),
        },
    })
}

/// Where the API puts packages while they arrive; nothing on a server that runs no models.
pub(super) fn incoming(config: &Config) -> Option<Incoming> {
    let folder = incoming_folder(&config.data_dir);
    config.roles.run.then_some(Incoming { folder, limit: config.models.package_limit })
}

/// The exclusive use of what models need in the data directory. The operating system frees it when the process ends.
#[derive(Debug)]
pub(super) struct Premises(#[expect(dead_code, reason = "it is held, not used")] File);

/// Takes what models need in the data directory, and removes what an earlier run left there. Two servers on PostgreSQL may
/// share a data directory, but not when both run models; nothing on a server that runs none.
pub(super) fn occupy(config: &Config) -> Result<Option<Premises>, Error> {
    if !config.roles.run {
        return Ok(None);
    }
    let data_dir = &config.data_dir;
    let unusable = |error| Error::Leftovers { path: data_dir.clone(), error };
    let lock = File::options().create(true).truncate(false).write(true).open(data_dir.join(LOCK));
    let lock = lock.map_err(unusable)?;
    match lock.try_lock() {
        Err(TryLockError::WouldBlock) => return Err(Error::SharedPremises(data_dir.clone())),
        Err(TryLockError::Error(error)) => return Err(unusable(error)),
        Ok(()) => {}
    }
    clean(data_dir).map_err(unusable)?;
    Ok(Some(Premises(lock)))
}

/// Removes what was left half received, half unpacked or running, and makes the folder that processes need.
fn clean(data_dir: &Path) -> io::Result<()> {
    let models = data_dir.join("models");
    if models.is_dir() {
        remove_leftovers(&models)?;
    }
    remove_half_fetched(&data_dir.join("weights"))?;
    [incoming_folder(data_dir), work_folder(data_dir)].iter().try_for_each(|folder| remove(folder))?;
    private_file::folder(&work_folder(data_dir))
}

/// Temporary files begin with a dot; whole ones are called by their digest.
fn remove_half_fetched(folder: &Path) -> io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether there are any for this server to add.
pub(super) fn are_named(config: &Config) -> bool {
    config.roles.run && !config.models.named.is_empty()
}

/// Adds the models that the configuration names, one after the other. What was added before is there in a moment.
pub(super) async fn add_named(engine: &Engine, config: &Config) -> Result<(), Error> {
    if !are_named(config) {
        return Ok(());
    }
    for named in &config.models.named {
        let version = add(engine, config, named).await?;
        tracing::info!(model = %version.model, version = %version.id, "a model is registered");
    }
    Ok(())
}

async fn add(engine: &Engine, config: &Config, named: &NamedModel) -> Result<Version, Error> {
    match &named.place {
        ModelPlace::Folder(folder) => add_folder(engine, config, named, folder).await,
        ModelPlace::Server(url) => {
            let model = named.name.clone().map_or_else(|| name_of(config, url.host_str()), Ok)?;
            let new = NewServer { model, url: url.clone(), slots: 1, description: None };
            let failed = |error| Error::Model { place: url.to_string(), error: Box::new(error) };
            told(|tell| async move { engine.add_server(new, &tell).await }).await.map_err(failed)
        }
    }
}

async fn add_folder(
    engine: &Engine,
    config: &Config,
    named: &NamedModel,
    folder: &Path,
) -> Result<Version, Error> {
    let place = || folder.display().to_string();
    let unpackable = |error| Error::Model { place: place(), error };
    let full = fs::canonicalize(folder).map_err(|error| unpackable(error.into()))?;
    let own_name = full.file_name().and_then(|name| name.to_str());
    let model = named.name.clone().map_or_else(|| name_of(config, own_name), Ok)?;
    let (tar, packed) = packed(full, incoming_folder(&config.data_dir)).await.map_err(unpackable)?;
    let new = NewPackage {
        model,
        tar: tar.to_path_buf(),
        digest: packed.digest,
        description: None,
        promote: false,
    };
    let added = told(|tell| async move { engine.add_package(new, &tell).await }).await;
    added.map_err(|error| unpackable(error.into()))
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

async fn packed(folder: PathBuf, incoming: PathBuf) -> Result<(TempPath, Packed), Cause> {
    let work = move || -> Result<(TempPath, Packed), Cause> {
        fs::create_dir_all(&incoming)?;
        let mut file = NamedTempFile::new_in(&incoming)?;
        let packed = pack(&folder, file.as_file_mut())?;
        Ok((file.into_temp_path(), packed))
    };
    tokio::task::spawn_blocking(work).await?
}

/// Does something that tells what it does, and logs that.
async fn told<T, F: Future<Output = T>>(work: impl FnOnce(Tell) -> F) -> T {
    let (tell, mut telling) = Tell::channel();
    let log = async {
        while let Some(said) = telling.recv().await {
            match said {
                Telling::Step(text) => tracing::info!("{text}"),
                Telling::Log(line) => tracing::info!("  {line}"),
                Telling::Warning(text) => tracing::warn!("{text}"),
            }
        }
    };
    tokio::join!(work(tell), log).0
}

/// `USERNAME/NAME` for a place without a name of its own.
fn name_of(config: &Config, place: Option<&str>) -> Result<ModelName, Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = place.unwrap_or_default().chars().filter(|c| allowed(*c)).collect();
    ModelName::new(&config.username, &name)
        .map_err(|_| Error::NamelessModel(place.unwrap_or_default().to_owned()))
}

fn incoming_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("incoming")
}

/// For what model processes need while they run.
fn work_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("work")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_its_name() {
        let config = Config::defaults(Path::new("/tmp/unused")).expect("defaults");
        let name =
            |place| name_of(&config, place).map(|name| name.to_string()).map_err(|error| error.to_string());
        assert_eq!(name(Some("up scaler")).as_deref(), Ok("cogwire/upscaler"));
        assert!(name(Some("…")).is_err() && name(None).is_err());
    }

    #[test]
    fn what_an_earlier_run_left_is_removed() {
        let data = tempfile::tempdir().expect("a folder");
        clean(data.path()).expect("nothing to do");
        let mut left = vec![incoming_folder(data.path()).join("x"), data.path().join("models/.abc.1.part/x")];
        for path in &left {
            fs::create_dir_all(path).expect("made");
        }
        fs::create_dir_all(data.path().join("weights")).expect("made");
        left.push(data.path().join("weights/.tmpabc"));
        fs::write(&left[2], "half").expect("written");
        clean(data.path()).expect("removed");
        assert!(left.iter().all(|path| !path.exists()));
        assert!(work_folder(data.path()).is_dir());
    }
}
