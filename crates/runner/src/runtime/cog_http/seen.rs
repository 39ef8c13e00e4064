//! What a run has shown so far, put together from what arrives late, twice or in the wrong order.
//!
//! Every message of a server holds the whole state or adds a piece to it. What was told once is never taken back:
//! of logs and lists only what is longer than before counts, and after the end nothing does.

use std::collections::BTreeMap;

use cogwire_core::input::OutputForm;
use cogwire_core::json::{Json, Kind};
use serde::Deserialize;

use super::facts::Facts;
use crate::event::{End, Output, Produced, RunEvent};
use crate::runtime::wording;

/// The state of a run, as a server tells it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Snapshot {
    pub(super) status: String,
    #[serde(default)]
    logs: Option<String>,
    #[serde(default)]
    output: Option<Json>,
    #[serde(default)]
    pub(super) error: Option<String>,
    #[serde(default)]
    metrics: Option<BTreeMap<String, Json>>,
}

/// Something that a server tells while a run goes on.
#[derive(Debug, Clone)]
pub(super) enum Progress {
    /// The whole state.
    State(Snapshot),
    /// More text for the logs.
    Log(String),
    /// One item of the output.
    Item { index: usize, value: Json },
}

/// What has been told.
#[derive(Debug)]
pub(super) struct Seen {
    form: OutputForm,
    /// Whether what arrives before the end is what will be the output. Old servers show the paths of files there.
    trusts_progress: bool,
    /// Bytes of logs.
    logs: usize,
    items: usize,
    metrics: BTreeMap<String, Json>,
    /// The state at the end, when it has been told.
    pub(super) last: Option<Snapshot>,
}

impl Snapshot {
    /// Whether the run is over.
    pub(super) fn is_last(&self) -> bool {
        matches!(self.status.as_str(), "succeeded" | "failed" | "canceled" | "aborted")
    }

    /// How the run ended.
    pub(super) fn end(&self) -> End {
        match self.status.as_str() {
            "succeeded" => End::Succeeded,
            "canceled" | "aborted" => End::Canceled,
            _ => End::Failed(self.failure()),
        }
    }

    /// Whether it was not the model that failed but its process, which does not come back.
    pub(super) fn has_crashed(&self) -> bool {
        self.error
            .as_deref()
            .is_some_and(|error| error == "Worker crashed" || error.starts_with("Failed to send request:"))
    }

    fn failure(&self) -> String {
        match self.error.as_deref().map(wording::model_error) {
            None | Some("") => "The model failed and did not say why.".to_owned(),
            Some(error) if self.has_crashed() => {
                format!("The model process exited unexpectedly; its server says: {error}.")
            }
            Some(error) => error.to_owned(),
        }
    }
}

impl Seen {
    pub(super) fn new(facts: &Facts) -> Self {
        Self {
            form: facts.form,
            trusts_progress: facts.coglet || !facts.gives_files,
            logs: 0,
            items: 0,
            metrics: BTreeMap::new(),
            last: None,
        }
    }

    /// What is new.
    pub(super) fn take(&mut self, progress: Progress) -> Vec<RunEvent> {
        if self.last.is_some() {
            return Vec::new();
        }
        match progress {
            Progress::Log(text) => {
                self.logs += text.len();
                vec![RunEvent::Log(text)]
            }
            Progress::Item { index, value } if self.grows() && index == self.items => {
                self.items += 1;
                vec![item(value)]
            }
            // An item out of its turn: the whole state will have it.
            Progress::Item { .. } => Vec::new(),
            Progress::State(state) => self.state(state),
        }
    }

    /// Whether to believe what the server says beside its answer. A late message of an old server may tell the end already,
    /// with the paths of files where the answer has the files.
    pub(super) fn believes(&self, progress: &Progress) -> bool {
        self.trusts_progress || !matches!(progress, Progress::State(state) if state.is_last())
    }

    /// Whether the output is a list that grows.
    fn grows(&self) -> bool {
        matches!(self.form, OutputForm::Iterator | OutputForm::Concatenate) && self.trusts_progress
    }

    fn state(&mut self, state: Snapshot) -> Vec<RunEvent> {
        let mut news = Vec::new();
        let last = state.is_last();
        news.extend(self.more_logs(state.logs.as_deref().unwrap_or_default()));
        if let Some(output) = &state.output
            && (last || self.grows())
        {
            self.more_output(output, last, &mut news);
        }
        for (name, value) in state.metrics.iter().flatten() {
            if self.metrics.get(name) != Some(value) {
                self.metrics.insert(name.clone(), value.clone());
                news.push(RunEvent::Metric(name.clone(), value.clone()));
            }
        }
        if last {
            self.last = Some(state);
        }
        news
    }

    fn more_logs(&mut self, logs: &str) -> Option<RunEvent> {
        let more = logs.get(self.logs..).filter(|more| !more.is_empty())?.to_owned();
        self.logs = logs.len();
        Some(RunEvent::Log(more))
    }

    fn more_output(&mut self, output: &Json, last: bool, news: &mut Vec<RunEvent>) {
        match output.items().filter(|_| self.form != OutputForm::Value) {
            Some(items) if items.is_empty() && last && self.items == 0 => {
                news.push(RunEvent::Output(Output::Value(Produced::Json(output.clone()))));
            }
            Some(items) => {
                let known = self.items.min(items.len());
                self.items = self.items.max(items.len());
                news.extend(items.into_iter().skip(known).map(item));
            }
            None if last && output.kind() != Kind::Null => {
                news.push(RunEvent::Output(Output::Value(Produced::Json(output.clone()))));
            }
            None => {}
        }
    }
}

fn item(value: Json) -> RunEvent {
    RunEvent::Output(Output::Item(Produced::Json(value)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::testing::lines;

    fn facts(form: OutputForm) -> Facts {
        Facts { coglet: true, streams: true, answers_polls: true, form, gives_files: false }
    }

    fn state(value: &serde_json::Value) -> Progress {
        Progress::State(serde_json::from_value(value.clone()).expect("a state"))
    }

    fn told(form: OutputForm, story: Vec<Progress>) -> Vec<String> {
        let mut seen = Seen::new(&facts(form));
        lines(&story.into_iter().flat_map(|progress| seen.take(progress)).collect::<Vec<_>>())
    }

    #[test]
    fn pieces_and_states_make_one_story() {
        let story = vec![
            state(&json!({"status": "processing", "logs": "", "metrics": {}})),
            Progress::Log("one\n".to_owned()),
            Progress::Item { index: 0, value: Json::string("a") },
            Progress::Item { index: 2, value: Json::string("c") },
            state(&json!({"status": "processing", "logs": "one\ntwo\n", "output": ["a", "b"]})),
            state(&json!({"status": "processing", "logs": "one\n", "output": ["a"]})),
            Progress::Item { index: 1, value: Json::string("b") },
            state(&json!({"status": "failed", "logs": "", "error": "Prediction failed: ValueError: no",
                "metrics": {"predict_time": 1.5}})),
            state(&json!({"status": "processing", "logs": "one\ntwo\nthree\n"})),
        ];
        assert_eq!(
            told(OutputForm::Concatenate, story),
            [r#"log "one\n""#, r#"item "a""#, r#"log "two\n""#, r#"item "b""#, "metric predict_time 1.5"]
        );
    }

    #[test]
    fn the_end_is_believed_beside_the_answer_only_where_it_has_no_paths() {
        let end = state(&json!({"status": "succeeded", "output": ["/tmp/frame.txt"]}));
        let goes_on = state(&json!({"status": "processing", "logs": "one\n"}));
        for (coglet, gives_files, believed) in
            [(false, true, false), (false, false, true), (true, true, true)]
        {
            let seen = Seen::new(&Facts { coglet, gives_files, ..facts(OutputForm::Iterator) });
            assert_eq!((seen.believes(&end), seen.believes(&goes_on)), (believed, true));
        }
    }

    #[test]
    fn lists_and_values_are_told_at_the_end() {
        let running = || state(&json!({"status": "processing", "output": ["a"]}));
        let over = |output: serde_json::Value| state(&json!({"status": "succeeded", "output": output}));
        assert_eq!(
            told(OutputForm::List, vec![running(), over(json!(["a", "b"]))]),
            [r#"item "a""#, r#"item "b""#]
        );
        assert_eq!(told(OutputForm::List, vec![over(json!([]))]), ["value []"]);
        assert_eq!(told(OutputForm::Value, vec![running(), over(json!(["a"]))]), [r#"value ["a"]"#]);
        assert_eq!(told(OutputForm::Iterator, vec![over(json!("odd"))]), [r#"value "odd""#]);
        assert_eq!(told(OutputForm::Value, vec![over(json!(null))]), [] as [&str; 0]);
    }

    #[test]
    fn old_servers_show_files_only_at_the_end() {
        let old = Facts { coglet: false, gives_files: true, ..facts(OutputForm::Iterator) };
        let mut seen = Seen::new(&old);
        assert!(seen.take(state(&json!({"status": "processing", "output": ["/tmp/x.png"]}))).is_empty());
        let last =
            seen.take(state(&json!({"status": "succeeded", "output": ["data:image/png;base64,AA=="]})));
        assert_eq!(lines(&last), [r#"item "data:image/png;base64,AA==""#]);
    }

    #[test]
    fn ends_are_put_into_words() {
        let end = |json: serde_json::Value| serde_json::from_value::<Snapshot>(json).expect("a state").end();
        assert_eq!(end(json!({"status": "succeeded"})), End::Succeeded);
        assert_eq!(end(json!({"status": "canceled"})), End::Canceled);
        assert_eq!(
            end(
                json!({"status": "failed", "error": "Prediction failed: Prediction failed: RuntimeError: no"})
            ),
            End::Failed("no".to_owned())
        );
        assert_eq!(
            end(json!({"status": "failed", "error": "Worker crashed"})),
            End::Failed("The model process exited unexpectedly; its server says: Worker crashed.".to_owned())
        );
        assert_eq!(
            end(json!({"status": "failed"})),
            End::Failed("The model failed and did not say why.".to_owned())
        );
    }

    /// How far a state that arrives is.
    fn partial(full: &str, items: usize, logs: usize, last: bool) -> Progress {
        let output: Vec<String> = (0..items).map(|item| item.to_string()).collect();
        let status = if last { "succeeded" } else { "processing" };
        state(&json!({"status": status, "logs": full[..logs], "output": output}))
    }

    proptest! {
        #[test]
        fn nothing_is_told_twice_or_taken_back(
            order in prop::collection::vec((0..=20_usize, 0..=10_usize), 0..30),
        ) {
            let full = "0123456789abcdefghij";
            let mut seen = Seen::new(&facts(OutputForm::Iterator));
            let mut told = Vec::new();
            for (logs, items) in order {
                told.extend(seen.take(partial(full, items, logs, false)));
            }
            told.extend(seen.take(partial(full, 10, 20, true)));
            told.extend(seen.take(partial(full, 3, 7, false)));
            let logs: String = told.iter().filter_map(|event| match event {
                RunEvent::Log(text) => Some(text.as_str()),
                _ => None,
            }).collect();
            prop_assert_eq!(logs, full);
            let items: Vec<_> = lines(&told).into_iter().filter(|line| line.starts_with("item")).collect();
            let expected: Vec<_> = (0..10).map(|item| format!("item \"{item}\"")).collect();
            prop_assert_eq!(items, expected);
        }
    }
}
