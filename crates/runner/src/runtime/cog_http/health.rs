//! What a server says about itself.

use serde::Deserialize;

use super::client::Answer;

/// The answer to `GET /health-check`.
#[derive(Debug, Deserialize)]
pub(super) struct Health {
    pub(super) status: String,
    #[serde(default)]
    setup: Option<Setup>,
    #[serde(default)]
    version: Option<Version>,
    #[serde(default)]
    user_healthcheck_error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Setup {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    logs: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Version {
    #[serde(default)]
    coglet: Option<String>,
}

/// What follows from it for whoever wants to run something.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It takes predictions, or will soon.
    Works,
    /// It has to be asked again.
    Wait,
    /// Its setup failed, with this error.
    SetupFailed(String),
    /// It will not take predictions again; why.
    Broken(String),
}

/// What coglet puts before the lines of the model's setup.
const SETUP_LINE: &str = "[coglet::setup] ";

/// How the lines begin in which it warns about its own interface.
const COGS_WARNING: &str = "<string>:1: DeprecationWarning: ";

/// What coglet puts before the error of a setup, some of it twice.
const SETUP_ERROR: &str = "etup failed: ";

/// How a traceback begins, and how the last line of one begins that an old server adds about a setup.
const TRACEBACK: &str = "Traceback (most recent call last):\n";
const COGS_EXCEPTION: &str = "cog.server.exceptions.FatalWorkerException: ";
const OF_SETUP: &str = "Predictor errored during setup: ";

impl Health {
    /// Reads an answer; `None` when it is not one of Cog's.
    pub(super) fn read(answer: &Answer) -> Option<Self> {
        serde_json::from_slice(&answer.body).ok()
    }

    /// Whether it is the newer kind of server.
    pub(super) fn is_coglet(&self) -> bool {
        self.version.as_ref().is_some_and(|version| version.coglet.is_some())
    }

    /// Whether a new run can begin.
    pub(super) fn verdict(&self) -> Verdict {
        match self.status.as_str() {
            // READY is said a moment before the setup counts as over.
            "READY" if self.is_set_up() => Verdict::Works,
            "READY" | "BUSY" | "STARTING" | "UNKNOWN" => Verdict::Wait,
            "SETUP_FAILED" => Verdict::SetupFailed(self.setup_error()),
            "UNHEALTHY" => Verdict::Broken(self.complaint()),
            other => Verdict::Broken(format!("it says that it is {other}")),
        }
    }

    /// Whether runs that have begun go on, and others can follow.
    pub(super) fn lives(&self) -> bool {
        matches!(self.status.as_str(), "READY" | "BUSY")
    }

    /// What the model's setup said.
    pub(super) fn setup_logs(&self) -> String {
        if !self.is_coglet() {
            return self.own_logs().to_owned();
        }
        let own = self.logs().lines().filter_map(|line| line.strip_prefix(SETUP_LINE));
        let own = own.filter(|line| !line.starts_with(COGS_WARNING));
        own.flat_map(|line| [line, "\n"]).collect()
    }

    fn logs(&self) -> &str {
        self.setup.as_ref().and_then(|setup| setup.logs.as_deref()).unwrap_or_default()
    }

    /// The logs without the traceback that an old server adds to those of a setup that has failed, which is its own.
    fn own_logs(&self) -> &str {
        let logs = self.logs();
        let is_cogs = logs.lines().last().is_some_and(|line| line.starts_with(COGS_EXCEPTION));
        let begins = if is_cogs { logs.rfind(TRACEBACK) } else { None };
        begins.map_or(logs, |begins| &logs[..begins])
    }

    fn is_set_up(&self) -> bool {
        let status = self.setup.as_ref().and_then(|setup| setup.status.as_deref());
        status.is_none_or(|status| status == "succeeded")
    }

    fn setup_error(&self) -> String {
        let logs = self.logs();
        let last =
            logs.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it says nothing");
        match last.strip_prefix(COGS_EXCEPTION) {
            Some(said) => self.in_full(said.strip_prefix(OF_SETUP).unwrap_or(said)).to_owned(),
            None => last.rsplit_once(SETUP_ERROR).map_or(last, |(_, error)| error).to_owned(),
        }
    }

    /// The last line of the model's own traceback, which also says what kind of error it is.
    fn in_full<'a>(&'a self, error: &'a str) -> &'a str {
        let is_it = |line: &&str| {
            line.strip_suffix(error).is_some_and(|kind| kind.ends_with(": ") && !kind.starts_with(' '))
        };
        self.own_logs().lines().rev().find(is_it).unwrap_or(error)
    }

    fn complaint(&self) -> String {
        match self.user_healthcheck_error.as_deref() {
            // What coglet says for ever once its worker is gone.
            Some(error) if error.contains("healthcheck channel closed") => {
                "its model process has crashed, and it must be restarted".to_owned()
            }
            Some(error) => format!("it is unhealthy: {error}"),
            None => "it is unhealthy".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn health(json: &serde_json::Value) -> Health {
        let body = json.to_string().into();
        Health::read(&Answer { status: StatusCode::OK, body }).expect("one of Cog's")
    }

    #[test]
    fn answers_are_understood() {
        use serde_json::json;
        let cases = [
            (json!({"status": "STARTING", "setup": {"status": "starting"}}), Verdict::Wait),
            (json!({"status": "READY", "setup": {"status": "starting"}}), Verdict::Wait),
            (json!({"status": "READY", "setup": {"status": "succeeded"}}), Verdict::Works),
            (json!({"status": "BUSY"}), Verdict::Wait),
            (
                json!({"status": "SETUP_FAILED", "setup": {"logs": "worker setup failed: worker setup failed \
                    (slot df7d): Setup failed: setup failed: RuntimeError: no weights here"}}),
                Verdict::SetupFailed("RuntimeError: no weights here".to_owned()),
            ),
            (
                json!({"status": "SETUP_FAILED", "setup": {"logs": "Traceback\nRuntimeError: no\n\n"}}),
                Verdict::SetupFailed("RuntimeError: no".to_owned()),
            ),
            (
                json!({"status": "UNHEALTHY", "user_healthcheck_error":
                    "Healthcheck error: protocol error: healthcheck channel closed"}),
                Verdict::Broken("its model process has crashed, and it must be restarted".to_owned()),
            ),
            (json!({"status": "DEFUNCT"}), Verdict::Broken("it says that it is DEFUNCT".to_owned())),
        ];
        for (answer, verdict) in cases {
            assert_eq!(health(&answer).verdict(), verdict, "for {answer}");
        }
        assert!(Health::read(&Answer { status: StatusCode::OK, body: "<html>".into() }).is_none());
    }

    #[test]
    fn only_the_models_own_lines_are_setup_logs() {
        let logs = "[coglet] coglet 0.23.1\n[coglet::setup] loading\n\
            [coglet::setup] <string>:1: DeprecationWarning: Values.predict() is deprecated\n[coglet::setup] done\n";
        let new =
            serde_json::json!({"status": "READY", "version": {"coglet": "0.23.1"}, "setup": {"logs": logs}});
        assert_eq!(health(&new).setup_logs(), "loading\ndone\n");
        let old = serde_json::json!({"status": "READY", "setup": {"logs": "loading\n"}});
        assert_eq!(health(&old).setup_logs(), "loading\n");
    }

    #[test]
    fn what_an_old_server_adds_to_a_failed_setup_is_left_out() {
        let of_model =
            "Traceback (most recent call last):\nFile \"predict.py\"\nRuntimeError: no weights\nloading\n";
        let of_cog = "Traceback (most recent call last):\n  File \"runner.py\"\n\
            cog.server.exceptions.FatalWorkerException: ";
        let failed =
            |logs: String| health(&serde_json::json!({"status": "SETUP_FAILED", "setup": {"logs": logs}}));
        let raised = failed(format!("{of_model}{of_cog}Predictor errored during setup: no weights\n"));
        assert_eq!(raised.setup_logs(), of_model);
        assert_eq!(raised.verdict(), Verdict::SetupFailed("RuntimeError: no weights".to_owned()));
        let died =
            failed(format!("loading\n{of_cog}Predictor setup failed for an unknown reason. (exitcode 5)\n"));
        assert_eq!(died.setup_logs(), "loading\n");
        let error = "Predictor setup failed for an unknown reason. (exitcode 5)";
        assert_eq!(died.verdict(), Verdict::SetupFailed(error.to_owned()));
    }
}
