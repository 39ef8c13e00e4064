//! Why a prediction does not start: no node that is alive runs its version.

use std::time::Duration;

use cogwire_core::prediction::{Prediction, Status};

use super::Api;

impl Api {
    /// What to tell about a prediction that waits and that nobody will start as things are. `None` when somebody will, when
    /// it has started, and when the store cannot say: this is only advice.
    pub(crate) async fn unserved(&self, prediction: &Prediction) -> Option<String> {
        if prediction.status() != Status::Starting {
            return None;
        }
        let served = self.engine.is_served(&prediction.request.version).await.unwrap_or(true);
        (!served).then(|| {
            let most = span(self.config.queue_timeout);
            format!(
                "no running node serves this version; the prediction waits until one does, at most {most}"
            )
        })
    }
}

/// A time in its largest whole unit.
fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        _ if seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_people_say_them() {
        for (seconds, said) in [(86_400, "24 h"), (3_600, "1 h"), (5_400, "90 min"), (61, "61 s")] {
            assert_eq!(span(Duration::from_secs(seconds)), said);
        }
        assert_eq!(span(Duration::from_millis(500)), "500 ms");
    }
}
