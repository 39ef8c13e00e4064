//! Receivers of every temper, behind the seam of the sink.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cogwire_core::id::DeliveryId;
use cogwire_core::time::Clock;
use cogwire_core::webhook::event::WebhookEvent;
use cogwire_core::webhook::signature::{Received, Secret, verify};
use cogwire_delivery::sink::{Deadline, OutgoingRequest};
use cogwire_delivery::{Answer, Class, Seen, Sink};

use super::ledger::{Arrival, Ledger};
use super::members::Members;
use super::time::{Dice, MachineClock, VirtualTime};

/// How a receiver treats requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Temper {
    /// Takes them, at once.
    Steady,
    /// Takes them, in a while, and sometimes too late.
    Slow,
    /// Answers everything else.
    Refusing,
    /// Never answers.
    Hanging,
    /// Is not there.
    Dead,
    /// Any of these, with each request anew.
    Fickle,
}

impl Temper {
    pub(crate) const ALL: [Self; 6] =
        [Self::Steady, Self::Slow, Self::Refusing, Self::Hanging, Self::Dead, Self::Fickle];

    fn of_the_moment(self, dice: &Dice) -> Self {
        if self == Self::Fickle { *dice.pick(&Self::ALL[..5]) } else { self }
    }
}

/// All receivers, by origin.
#[derive(Clone)]
pub(crate) struct Receivers(Arc<Mutex<BTreeMap<String, Temper>>>);

impl Receivers {
    pub(crate) fn new(tempers: impl IntoIterator<Item = (String, Temper)>) -> Self {
        Self(Arc::new(Mutex::new(tempers.into_iter().collect())))
    }

    pub(crate) fn set(&self, origin: &str, temper: Temper) {
        self.0.lock().expect("nothing panics while it is locked").insert(origin.to_owned(), temper);
    }

    fn temper(&self, origin: &str) -> Temper {
        self.0.lock().expect("nothing panics while it is locked")[origin]
    }
}

/// The sink of one node. It keeps what a sink promises: one request at most, over by the deadline, begun in time.
pub(crate) struct SimulatedSink {
    pub(super) node: String,
    pub(super) machine: MachineClock,
    pub(super) time: VirtualTime,
    pub(super) dice: Dice,
    pub(super) ledger: Ledger,
    pub(super) members: Members,
    pub(super) receivers: Receivers,
    pub(super) secret: Secret,
}

#[async_trait]
impl Sink for SimulatedSink {
    async fn post(&self, request: OutgoingRequest<'_>, deadline: Deadline) -> Answer {
        let origin = url::Url::parse(request.url).expect("a URL").origin().ascii_serialization();
        let _open = OpenAttempt::new(self, &origin);
        let id: DeliveryId = header(&request, "webhook-id").parse().expect("an id");
        let answer = self.exchange(&request, id, &origin, deadline).await;
        self.machine.passable().await;
        self.ledger.ended(id);
        answer
    }

    async fn close(&self) {}
}

impl SimulatedSink {
    async fn exchange(
        &self,
        request: &OutgoingRequest<'_>,
        id: DeliveryId,
        origin: &str,
        deadline: Deadline,
    ) -> Answer {
        let temper = self.receivers.temper(origin).of_the_moment(&self.dice);
        self.time.sleep(self.dice.millis(0, 20)).await;
        self.machine.passable().await;
        if temper == Temper::Dead {
            return answer(Class::Connect, None);
        }
        if self.machine.monotonic() >= deadline.at {
            return answer(Class::Timeout, None);
        }
        self.arrive(request, id, deadline);
        let mut with_receiver = WithReceiver { sink: self, id, result: None };
        let (answer, accepted) = self.treat(temper, deadline).await;
        with_receiver.result = Some((format!("{} {:?}", answer.class, answer.status), accepted));
        answer
    }

    fn arrive(&self, request: &OutgoingRequest<'_>, id: DeliveryId, deadline: Deadline) {
        let arrival = Arrival {
            node: self.node.clone(),
            id,
            event: event(request),
            body: request.body.clone(),
            deadline: deadline.at,
            lease_until: self.members.lease_until(&self.node),
        };
        self.ledger.arrives(self.time.now(), &arrival);
        let received = Received {
            id: Some(header(request, "webhook-id")),
            timestamp: Some(header(request, "webhook-timestamp")),
            signature: Some(header(request, "webhook-signature")),
            body: &request.body,
        };
        let at = header(request, "webhook-timestamp").parse().expect("seconds");
        let signed = verify(std::slice::from_ref(&self.secret), &received, at, 1);
        self.ledger.require(signed.is_ok(), || format!("{id} is not signed: {signed:?}"));
    }

    /// What becomes of the request, and whether its receiver took it: it may have, and its answer came too late.
    async fn treat(&self, temper: Temper, deadline: Deadline) -> (Answer, bool) {
        let left = deadline.at.saturating_sub(self.time.now());
        let (takes, status) = match temper {
            Temper::Steady => (self.dice.millis(0, 50), 200),
            Temper::Slow => (self.dice.millis(0, 6000), 200),
            Temper::Refusing => (self.dice.millis(0, 50), *self.dice.pick(&[302, 404, 410, 429, 500, 503])),
            _ => (Duration::MAX, 0),
        };
        if takes >= left {
            self.time.sleep(left).await;
            return (answer(Class::Timeout, None), status == 200 && self.dice.percent(50));
        }
        self.time.sleep(takes).await;
        match status {
            200 => (answer(Class::Delivered, Some(200)), true),
            302 => (answer(Class::Redirect, Some(302)), false),
            429 | 503 => {
                let retry_after = Some(self.dice.number(0, 20).to_string());
                (Answer { retry_after, ..answer(Class::Status, Some(status)) }, false)
            }
            _ => (answer(Class::Status, Some(status)), false),
        }
    }
}

fn answer(class: Class, status: Option<u16>) -> Answer {
    Answer { class, status, detail: String::new(), retry_after: None, seen: Seen::default() }
}

fn event(request: &OutgoingRequest<'_>) -> WebhookEvent {
    let name = header(request, "cogwire-event");
    WebhookEvent::ALL.into_iter().find(|event| event.as_str() == name).expect("an event")
}

fn header<'a>(request: &'a OutgoingRequest<'_>, name: &str) -> &'a str {
    request.headers.get(name).expect("it is there").to_str().expect("text")
}

/// An attempt that has not ended. A node that dies ends it, too.
struct OpenAttempt<'a> {
    sink: &'a SimulatedSink,
    origin: String,
}

impl<'a> OpenAttempt<'a> {
    fn new(sink: &'a SimulatedSink, origin: &str) -> Self {
        sink.ledger.begins(&sink.node, origin);
        Self { sink, origin: origin.to_owned() }
    }
}

impl Drop for OpenAttempt<'_> {
    fn drop(&mut self) {
        self.sink.ledger.ends(&self.sink.node, &self.origin);
    }
}

/// A request that its receiver has. When its sender dies, the receiver may have taken it or not.
struct WithReceiver<'a> {
    sink: &'a SimulatedSink,
    id: DeliveryId,
    result: Option<(String, bool)>,
}

impl Drop for WithReceiver<'_> {
    fn drop(&mut self) {
        let (result, accepted) = self.result.take().unwrap_or_else(|| {
            self.sink.ledger.count(|tally| tally.cut_off += 1);
            ("cut off".to_owned(), false)
        });
        self.sink.ledger.answered(self.sink.time.now(), self.id, &result, accepted);
    }
}
