//! One run on a Cog server.
//!
//! The request that creates the run is answered when the run is over, and that answer decides. Every kind of server
//! gives one, it cannot be missed, and it survives a polite stop of the server; answers at once, with the result in
//! a callback, do not. What it lacks (logs of a failure, anything before the end) comes through the
//! [`super::feed`].

use std::sync::Arc;
use std::time::Duration;

use cogwire_core::json::ObjectWriter;
use futures_util::StreamExt;
use http::StatusCode;
use tokio::pin;

use super::callbacks::Inbox;
use super::client::{Answer, Call, CallError};
use super::feed::{self, Feed};
use super::refusal;
use super::seen::{Progress, Seen, Snapshot};
use super::server::Server;
use crate::Job;
use crate::event::End;
use crate::reporter::{Reporter, Stopped};

/// A slot is free a moment after the answer that ends its run: so long a new run is tried again.
const SLOT_WAIT: Duration = Duration::from_secs(1);

/// The pause between these tries.
const SLOT_RETRY: Duration = Duration::from_millis(1);

/// How long the whole story of a failed run is waited for, when its answer does not tell it.
const STORY: Duration = Duration::from_secs(2);

/// How long a request to cancel may take, and the pause before it is made again because the run was not known yet.
const CANCEL: Duration = Duration::from_secs(5);
const CANCEL_RETRY: Duration = Duration::from_millis(50);

/// How old a run on an old server must be to be cancelled: one that comes before the model is called is lost there, and no
/// second one is taken.
const OLD_ENOUGH: Duration = Duration::from_millis(250);

/// A run, and what has been told of it.
struct Run<'a> {
    server: &'a Arc<Server>,
    reporter: &'a Reporter,
    seen: Seen,
    feed: Feed,
}

/// What happened next.
enum News {
    Told(Progress),
    Over(Result<Answer, CallError>),
    Stopped(Stopped),
}

/// Runs a job from its creation to its end.
pub(super) async fn run(server: &Arc<Server>, job: &Job, reporter: &Reporter) -> Result<End, Stopped> {
    reporter.started().await?;
    let inbox = server.callbacks.as_ref().map(super::callbacks::Callbacks::inbox);
    let body = request(server, job, inbox.as_ref());
    let path = format!("/predictions/{}", job.prediction);
    let creating = create(server, Call::put(path.clone(), body).traced(job.trace));
    let created_at = server.clock.monotonic();
    let feed = feed::open(server, &path, inbox);
    let mut run = Run { server, reporter, seen: Seen::new(&server.facts), feed };
    pin!(creating);
    loop {
        let news = tokio::select! {
            biased;
            stopped = reporter.stopped() => News::Stopped(stopped),
            answer = &mut creating => News::Over(answer),
            Some(progress) = run.feed.next() => News::Told(progress),
        };
        match news {
            News::Told(progress) if run.seen.believes(&progress) => run.tell(progress).await,
            News::Told(_) => {}
            News::Over(answer) => return Ok(run.over(answer).await),
            News::Stopped(stopped) => {
                let asking = ask_to_stop(server, &path, created_at);
                cancel(server, asking, creating.as_mut()).await;
                return Err(stopped);
            }
        }
    }
}

/// Creates the run, and waits for its end.
async fn create(server: &Arc<Server>, call: Call) -> Result<Answer, CallError> {
    let give_up = server.clock.monotonic() + SLOT_WAIT;
    loop {
        let answer = server.client.last(call.clone()).await?;
        if answer.status != StatusCode::CONFLICT || server.clock.monotonic() >= give_up {
            return Ok(answer);
        }
        server.clock.sleep(SLOT_RETRY).await;
    }
}

/// The user's own webhook is not in it: a model has no business with that.
fn request(server: &Server, job: &Job, inbox: Option<&Inbox>) -> String {
    let mut body = String::new();
    let mut object = ObjectWriter::new(&mut body);
    object.raw("input", job.input.as_str());
    if let Some(inbox) = inbox {
        object.string("webhook", &inbox.url);
        object.raw("webhook_events_filter", wanted(server));
    }
    object.finish();
    body
}

/// An old server tries for minutes to send the last callback before it gives the answer, and does not need to. A
/// newer one does it beside, and what it streams need not be sent as well.
fn wanted(server: &Server) -> &'static str {
    match (server.facts.coglet, server.facts.streams) {
        (false, _) => r#"["start","output","logs"]"#,
        (true, false) => r#"["start","output","logs","completed"]"#,
        (true, true) => r#"["start","completed"]"#,
    }
}

impl Run<'_> {
    /// A caller that listens no more is seen by whoever waits next.
    async fn tell(&mut self, progress: Progress) {
        for event in self.seen.take(progress) {
            if self.reporter.send(event).await.is_err() {
                return;
            }
        }
    }

    async fn over(mut self, answer: Result<Answer, CallError>) -> End {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return lost(self.server, &error).await,
        };
        let state = serde_json::from_slice::<Snapshot>(&answer.body).ok().filter(Snapshot::is_last);
        let Some(state) = state.filter(|_| answer.status == StatusCode::OK) else {
            self.server.examine().await;
            return refusal::explain(&self.server.url, &answer);
        };
        let end = state.end();
        if self.server.facts.coglet && end != End::Succeeded {
            self.wait_for_story().await;
        }
        if state.has_crashed() {
            self.server.examine().await;
        }
        self.tell(Progress::State(state)).await;
        end
    }

    /// A newer server's answer to a failed run has neither its logs nor what the model gave before; its other
    /// messages do.
    async fn wait_for_story(&mut self) {
        let expected = self.server.calls_back() || self.server.facts.streams;
        let late = self.server.clock.sleep(if expected { STORY } else { STORY / 8 });
        pin!(late);
        while self.seen.last.is_none() {
            let progress = tokio::select! {
                biased;
                progress = self.feed.next() => progress,
                () = &mut late => None,
                _ = self.reporter.stopped() => None,
            };
            match progress {
                Some(progress) => self.tell(progress).await,
                None => return,
            }
        }
    }
}

/// The server went away in the middle, or was not there.
async fn lost(server: &Server, error: &CallError) -> End {
    server.examine().await;
    End::Failed(refusal::lost(&server.url, error))
}

/// Tells the server to stop a run, until it has; a server that does not obey in time takes no more runs from here.
async fn cancel(
    server: &Server,
    asking: impl Future<Output = ()>,
    over: impl Future<Output = Result<Answer, CallError>>,
) {
    let obeyed = async {
        tokio::select! {
            _ = over => {}
            () = asking => {}
        }
    };
    tokio::select! {
        () = obeyed => {}
        () = server.clock.sleep(server.cancel_timeout) => server.die(format!(
            "The model's server at {} did not stop a cancelled run within {} s",
            server.url,
            server.cancel_timeout.as_secs_f64()
        )),
    }
}

/// Asks until the caller drops it: a run that the server does not know may be known in a moment, and asking twice
/// is no harm.
async fn ask_to_stop(server: &Server, path: &str, created_at: Duration) {
    if !server.facts.coglet {
        server.clock.sleep((created_at + OLD_ENOUGH).saturating_sub(server.clock.monotonic())).await;
    }
    loop {
        let call = Call::post(format!("{path}/cancel"));
        let pause = match server.client.call(call, CANCEL).await {
            Ok(answer) if answer.status.is_success() => CANCEL,
            _ => CANCEL_RETRY,
        };
        server.clock.sleep(pause).await;
    }
}
