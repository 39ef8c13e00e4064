//! From nothing to a server that is ready.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::ChildStdin;
use tokio_util::task::TaskTracker;

use super::LocalServers;
use super::instance::{LocalServer, Parts};
use super::voice::Voice;
use crate::instances::boot::Boot;
use crate::instances::instance::BootError;
use crate::process::{Exit, Process, Start, Streams};
use crate::runtime::cog_http::CogServer;
use crate::runtime::cog_http::launch::{Finder, Found};
use crate::runtime::cog_http::server::Ready;
use crate::runtime::cog_model::{Life, Optional, Surroundings, private, variables};
use crate::temporary::TemporaryFolder;

const SERVE: &str = concat!(include_str!("../../left.py"), "\n\n", include_str!("serve.py"));

/// How often an old server says what a prediction does, in seconds. It sends the whole state each time.
const INTERVAL: &str = "0.1";

/// The pause between two looks at whether the server is ready, at most.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// How long the last words of a process that has ended may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A process that is not ready yet.
pub(super) struct Starting {
    process: Process,
    input: ChildStdin,
    voice: Arc<Voice>,
    listening: TaskTracker,
    folder: TemporaryFolder,
}

/// A server that takes predictions.
pub(super) struct Running {
    server: Ready,
    found: Found,
}

impl Starting {
    /// Starts the process.
    pub(super) async fn begin(launcher: &LocalServers, boot: &Arc<Boot>) -> Result<Self, BootError> {
        let LocalServers { model, config, surroundings: Surroundings { entropy, tracker, .. } } = launcher;
        let program = model.bin.join("python");
        let spawn = |source| BootError::Spawn { program: program.display().to_string(), source };
        let folder = launcher.folder().await.map_err(spawn)?;
        let mut variables = variables::of(model, &config.passed_on, folder.path());
        variables.extend(launcher.variables());
        let start = Start {
            program: program.clone(),
            arguments: launcher.arguments(),
            folder: model.folder.clone(),
            variables,
            family: format!("{:032x}", entropy.bits()),
            memory_limit: config.memory_limit,
        };
        let (process, Streams { input, output, errors }) = Process::start(start, tracker).map_err(spawn)?;
        let voice = Arc::new(Voice::new(Arc::clone(boot)));
        let listening = TaskTracker::new();
        tracker.spawn(listening.track_future(Arc::clone(&voice).listen(output, process.id())));
        tracker.spawn(listening.track_future(Arc::clone(&voice).listen(errors, process.id())));
        listening.close();
        Ok(Self { process, input, voice, listening, folder })
    }

    /// Waits until the server is ready.
    pub(super) async fn ready(
        &mut self,
        launcher: &LocalServers,
        boot: &Arc<Boot>,
    ) -> Result<Running, BootError> {
        let found = async {
            let port = self.voice.port().await;
            let finder = launcher.finder(port)?;
            let (server, found) = finder.connect(boot).await?;
            Ok(Running { server, found })
        };
        tokio::select! {
            biased;
            exit = self.process.exited() => Err(self.ended(exit, launcher, boot).await),
            found = found => found,
        }
        .map_err(as_of_process)
    }

    /// Takes the server into service.
    pub(super) async fn finish(mut self, launcher: &LocalServers, running: Running) -> LocalServer {
        let Surroundings { clock, tracker, .. } = &launcher.surroundings;
        self.voice.is_ready();
        // A process that does not listen has ended, and that is noticed where it is waited for.
        let _ = self.input.write_all(b"1").await;
        let life = Arc::new(Life::new(self.process, Arc::clone(clock)));
        // Without a schema of its own, the server leaves to others what a schema is good for.
        let optional = running.found.schema.is_none().then(|| Optional::of(&launcher.model.schema, "Input"));
        LocalServer::new(
            running.server,
            Parts {
                life,
                leash: self.input,
                folder: self.folder,
                optional,
                cancel_timeout: launcher.config.cancel_timeout,
                stop_grace: launcher.config.stop_grace,
            },
            tracker,
        )
    }

    /// Leaves nothing of it behind.
    pub(super) async fn abandon(self) {
        self.process.kill();
        self.process.exited().await;
    }

    async fn ended(&self, exit: Exit, launcher: &LocalServers, boot: &Boot) -> BootError {
        tokio::select! {
            () = self.listening.wait() => {}
            () = launcher.surroundings.clock.sleep(LAST_WORDS) => {}
        }
        match boot.last_line() {
            Some(line) => BootError::Exited(format!("{exit} ({line})")),
            None => BootError::Exited(exit.to_string()),
        }
    }
}

impl LocalServers {
    /// Where the model puts temporary files.
    async fn folder(&self) -> io::Result<TemporaryFolder> {
        let (work_dir, tracker) = (self.config.work_dir.clone(), self.surroundings.tracker.clone());
        let make = move || {
            fs::create_dir_all(&work_dir)?;
            Ok(TemporaryFolder::new(private::folder(&private::short(&work_dir))?, tracker))
        };
        tokio::task::spawn_blocking(make).await.map_err(io::Error::other)?
    }

    /// It stays when its setup has failed, so that it can be asked why; older ones know no other way to want that.
    fn arguments(&self) -> Vec<OsString> {
        let threads = self.model.slots.to_string();
        let words =
            ["-c", SERVE, "--host", "127.0.0.1", "--threads", &threads, "--await-explicit-shutdown", "true"];
        words.map(OsString::from).to_vec()
    }

    fn variables(&self) -> Vec<(OsString, OsString)> {
        let slots = self.model.slots.to_string();
        let variables = [
            ("PORT", "0"),
            ("COG_PREDICT_TYPE_STUB", self.model.predictor.as_str()),
            ("COG_MAX_CONCURRENCY", &slots),
            ("COG_LOG_LEVEL", "info"),
            ("LOG_FORMAT", "production"),
            ("COG_THROTTLE_RESPONSE_INTERVAL", INTERVAL),
        ];
        variables.map(|(name, value)| (name.into(), value.into())).to_vec()
    }

    fn finder(&self, port: u16) -> Result<Finder, BootError> {
        let server = CogServer {
            url: format!("http://127.0.0.1:{port}"),
            slots: self.model.slots,
            callbacks: self.surroundings.callbacks.clone(),
            setup_timeout: self.config.setup_timeout,
            cancel_timeout: self.config.cancel_timeout,
        };
        let finder = server.finder(Arc::clone(&self.surroundings.clock));
        let finder = finder.map_err(|error| BootError::Unreachable(error.to_string()))?;
        let known_schema = Some(self.model.schema.clone());
        Ok(Finder { known_schema, longest_pause: LONGEST_PAUSE, ..finder })
    }
}

/// An old server tells the death of its model during the setup like a failure of the setup.
fn as_of_process(error: BootError) -> BootError {
    let exit = match &error {
        BootError::Setup(text) => exit_in(text),
        _ => None,
    };
    exit.map_or(error, |exit| BootError::Exited(exit.to_string()))
}

/// `... (exitcode -11)`, in Python's way.
fn exit_in(text: &str) -> Option<Exit> {
    let code: i32 = text.strip_suffix(')')?.rsplit_once("(exitcode ")?.1.parse().ok()?;
    Some(if code < 0 { Exit::Signal(-code) } else { Exit::Status(code) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_death_of_a_model_is_no_failure_of_its_setup() {
        let told = |text: &str| as_of_process(BootError::Setup(text.to_owned())).to_string();
        assert_eq!(
            told(
                "Predictor setup failed for an unknown reason. It might have run out of memory? (exitcode -9)"
            ),
            "The model process ended during its setup: signal 9, SIGKILL"
        );
        assert_eq!(told("no weights (yet)"), "The model's setup failed: no weights (yet)");
    }
}
