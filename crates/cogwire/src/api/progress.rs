//! `GET /predictions/{id}/progress`: what a prediction waits for, for people who wonder.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use cogwire_core::prediction::Prediction;
use cogwire_core::time::Timestamp;
use cogwire_engine::{BootPhase, BootProgress, Progress};
use serde_json::{Value, json};

use super::at::At;
use super::auth::Caller;
use super::{Api, Failure, answer};

/// `GET /predictions/{id}/progress`
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    At(id): At<String>,
) -> Result<Response, Failure> {
    let prediction = api.own_prediction(&account, &id).await?;
    let progress = api.engine.progress(&prediction).await?;
    Ok(answer::value(StatusCode::OK, &view(&progress, api.now())))
}

impl Api {
    /// What a prediction waits for. `None` when it has begun, and when the store cannot say: this is only information.
    pub(crate) async fn waits_for(&self, prediction: &Prediction) -> Option<String> {
        match self.engine.progress(prediction).await.ok()? {
            Progress::Running | Progress::Ended => None,
            waits => Some(sentence(&waits, self.now())),
        }
    }
}

fn view(progress: &Progress, now: Timestamp) -> Value {
    let detail = sentence(progress, now);
    match progress {
        Progress::Queued { ahead, served } => {
            json!({"phase": "queued", "ahead": ahead, "served": served, "detail": detail})
        }
        Progress::Booting(boot) => json!({
            "phase": "booting",
            "since": boot.as_ref().map(|boot| boot.since.to_string()),
            "last_line": boot.as_ref().and_then(|boot| boot.last_line.as_deref()),
            "detail": detail,
        }),
        Progress::Running => json!({"phase": "running", "detail": detail}),
        Progress::Ended => json!({"phase": "ended", "detail": detail}),
    }
}

/// The same for people.
fn sentence(progress: &Progress, now: Timestamp) -> String {
    match progress {
        Progress::Queued { served: false, .. } => "Waiting for a server that runs this version.".to_owned(),
        Progress::Queued { ahead: 0, .. } => "Next to run when an instance is free.".to_owned(),
        Progress::Queued { ahead: 1, .. } => "Waiting: 1 prediction is before it.".to_owned(),
        Progress::Queued { ahead, .. } => format!("Waiting: {ahead} predictions are before it."),
        Progress::Booting(Some(boot)) => booting(boot, now),
        Progress::Booting(None) => "An instance has taken it.".to_owned(),
        Progress::Running => "The model is running.".to_owned(),
        Progress::Ended => "It is over.".to_owned(),
    }
}

fn booting(boot: &BootProgress, now: Timestamp) -> String {
    let said = boot.last_line.as_deref().map(|line| format!(" It says: {line}")).unwrap_or_default();
    match boot.phase {
        BootPhase::Starting => {
            format!("The model is starting, for {} s now.{said}", now.since(boot.since).as_secs())
        }
        BootPhase::Pausing { until } => {
            format!(
                "The model failed to start and is started again in {} s.{said}",
                until.since(now).as_secs()
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_phase_has_its_sentence() {
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        let boot = |phase| BootProgress {
            phase,
            since: now - Duration::from_secs(7),
            last_line: Some("loading".to_owned()),
        };
        let all = [
            Progress::Queued { ahead: 0, served: true },
            Progress::Queued { ahead: 1, served: true },
            Progress::Queued { ahead: 12, served: true },
            Progress::Queued { ahead: 3, served: false },
            Progress::Booting(None),
            Progress::Booting(Some(boot(BootPhase::Starting))),
            Progress::Booting(Some(boot(BootPhase::Pausing { until: now + Duration::from_secs(4) }))),
            Progress::Running,
            Progress::Ended,
        ];
        let views: Vec<String> = all.iter().map(|progress| view(progress, now).to_string()).collect();
        insta::assert_snapshot!(views.join("\n"));
    }
}
