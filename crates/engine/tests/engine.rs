//! The engine on a real store with real built-in models: what is committed, what is handed over, what wins a race.

#![expect(clippy::panic, reason = "a helper that fails a test says what it saw")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cogwire_core::id::{FileId, PredictionId};
use cogwire_core::json::Json;
use cogwire_core::link::LinkKey;
use cogwire_core::prediction::{AccountId, Kind, Prediction, Request, Source, Status};
use cogwire_core::time::{Clock, Entropy, Sleep, Timestamp};
use cogwire_core::trace::NoSpans;
use cogwire_core::webhook::event::{EventSet, PayloadShape, Webhook, WebhookEvent};
use cogwire_core::webhook::options::WebhookOptions;
use cogwire_core::wire::Links;
use cogwire_engine::{Create, Created, Engine, EngineConfig, Parts};
use cogwire_files::{Files, Storage};
use cogwire_runner::{
    CatalogueEntry, CogModel, ProcessConfig, RunnableModel, Runner, Scale, Scripts, Surroundings,
};
use cogwire_store::handoff::{self, LaneInbox};
use cogwire_store::prediction::FileRow;
use cogwire_store::upload::Upload;
use cogwire_store::{NodeEpoch, NodeLease, PredictionStore, SqliteOptions, SqliteStore, UploadStore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const HELLO: &str = "9dcd6d78e7c6560c340d916fe32e9f24aabfa331e5cce95fe31f77fb03121426";
const CHAOS: &str = "0098011f5f482d1fcdbbba44ef1d6d22858e439a103b6ebb449ef9dec623a71e";

/// Where processes of this machine read files.
const INNER: &str = "http://127.0.0.1:9";

struct RealClock;

impl Clock for RealClock {
    #[expect(clippy::disallowed_methods, reason = "tests on real models need real time")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        Timestamp::from_micros(i64::try_from(since.as_micros()).expect("before the year 294000"))
    }

    fn monotonic(&self) -> Duration {
        self.now().since(Timestamp::from_micros(0))
    }

    fn sleep_until(&self, deadline: Timestamp) -> Sleep {
        Box::pin(tokio::time::sleep(deadline.since(self.now())))
    }
}

static IDS: Counter = Counter(std::sync::atomic::AtomicU64::new(0));

/// Counts up: ids differ, and nothing else matters here.
#[derive(Default)]
struct Counter(std::sync::atomic::AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        let next = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_le_bytes();
        bytes.iter_mut().zip(next).for_each(|(byte, value)| *byte = value);
    }
}

struct Node {
    engine: Engine,
    inbox: LaneInbox,
    stop: CancellationToken,
    work: tokio::task::JoinHandle<()>,
    store: Arc<SqliteStore>,
    dir: tempfile::TempDir,
}

impl Node {
    async fn start(config: EngineConfig) -> Self {
        Self::with_scripts(config, Scripts::default()).await
    }

    async fn with_scripts(config: EngineConfig, scripts: Scripts) -> Self {
        let runner = |clock, tracker| Runner::builtin_and_scripts(scripts, clock, tracker);
        Self::with_runner(config, runner).await
    }

    async fn with_runner(
        config: EngineConfig,
        runner: impl FnOnce(Arc<dyn Clock>, TaskTracker) -> Runner,
    ) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let clock: Arc<dyn Clock> = Arc::new(RealClock);
        let store =
            Arc::new(SqliteStore::open(dir.path(), SqliteOptions::new(clock.now())).expect("a store"));
        let lease = Arc::new(NodeLease::endless());
        let (handoff, inbox) = handoff::channel(16, lease.clone());
        let key = LinkKey::new([1; 32]);
        let files = Files::open(&Storage::Folder(dir.path().join("files")), "http://localhost", key.clone());
        let files = Arc::new(files.expect("files"));
        let parts = Parts {
            store: store.clone(),
            runner: runner(clock.clone(), TaskTracker::new()),
            inner_files: Arc::new(files.below(INNER).expect("files")),
            server_files: None,
            models: None,
            files,
            links: Links::new("http://localhost", key),
            clock,
            entropy: Arc::new(Counter::default()),
            spans: Arc::new(NoSpans),
            handoff: Some(handoff),
            node: NodeEpoch("test".into()),
            roles: "all".to_owned(),
            lease,
        };
        let engine = Engine::new(parts, config);
        engine.start().await.expect("it starts");
        let stop = CancellationToken::new();
        let (running, token) = (engine.clone(), stop.clone());
        #[expect(clippy::disallowed_methods, reason = "the test awaits it in `finish`")]
        let work = tokio::spawn(async move { running.run_until_idle(token.clone(), token).await });
        Self { engine, inbox, stop, work, store, dir }
    }

    async fn create(&self, version: &str, input: &str, events: EventSet) -> Prediction {
        let request = request(version, input, events);
        match self
            .engine
            .create(Create { request, uploads: Vec::new(), idempotency: None })
            .await
            .expect("it is created")
        {
            Created::New(prediction) => prediction,
            other => panic!("{other:?}"),
        }
    }

    async fn wait_ended(&self, prediction: &Prediction) -> Prediction {
        let subscription = self.engine.subscribe(prediction.id());
        let until = RealClock.now() + Duration::from_secs(10);
        self.engine.wait_ended(subscription, until).await.expect("readable").expect("it is there")
    }

    /// A file of an input whose prediction is never created.
    async fn leave_file(&self, stored_at: Timestamp) -> FileId {
        let id = FileId::new(stored_at, IDS.bits());
        let prediction = PredictionId::new(stored_at, IDS.bits());
        let row = FileRow { id, prediction, name: "a.txt".to_owned(), size: 1, created_at: stored_at };
        std::fs::create_dir_all(self.folder_of(id)).expect("a folder");
        std::fs::write(self.folder_of(id).join("a.txt"), "a").expect("a file");
        self.store.add_file(row).await.expect("writable");
        id
    }

    fn folder_of(&self, file: FileId) -> std::path::PathBuf {
        self.dir.path().join("files").join(file.as_str())
    }

    async fn finish(self) {
        self.stop.cancel();
        self.work.await.expect("no panic");
        self.engine.leave().await.expect("it retires");
        self.store.close().await;
    }
}

fn request(version: &str, input: &str, events: EventSet) -> Request {
    Request {
        id: PredictionId::new(RealClock.now(), IDS.bits()),
        account: AccountId("me".into()),
        kind: Kind::Prediction,
        model: "a/b".parse().expect("a name"),
        version: version.parse().expect("an id"),
        source: Source::Api,
        created_at: RealClock.now(),
        input: Json::parse(input).expect("JSON"),
        webhook: (!events.is_empty()).then(|| Webhook {
            url: "http://localhost:1/hook".to_owned(),
            origin: "http://localhost:1".to_owned(),
            events,
            filter: None,
            payload: PayloadShape::Prediction,
            options: WebhookOptions::default(),
        }),
        cancel_at: None,
        streams: false,
        destination: None,
        trace: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_needs_no_waiting_is_one_commit_and_its_end_is_handed_over() {
    let mut node = Node::start(EngineConfig::default()).await;
    let created = node.create(HELLO, r#"{"text":"you"}"#, EventSet::DEFAULT).await;
    let handed = node.inbox.recv().await.expect("a lane");
    let ended = node.wait_ended(&created).await;
    assert_eq!((ended.status(), ended.revision), (Status::Succeeded, 1));
    let handoff::Arrival::Lane(held) = handed else { panic!("a lane was expected") };
    let body = held.lane.final_body.clone().expect("the end has its bytes");
    assert!(String::from_utf8_lossy(&body).contains("hello you"));
    assert_eq!(held.lane.lane.last.as_ref().map(|last| last.seq), Some(1));
    drop(held);
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_in_the_sender_the_lane_waits_in_the_store() {
    let node = Node::start(EngineConfig::default()).await;
    let completed = EventSet::NONE.with(WebhookEvent::Completed);
    for _ in 0..20 {
        let created = node.create(HELLO, r#"{"text":"you"}"#, completed).await;
        node.wait_ended(&created).await;
    }
    let now = Timestamp::from_micros(i64::MAX);
    let backlog = cogwire_store::DeliveryStore::backlog(&*node.store, now).await.expect("readable");
    assert_eq!((backlog.pending, backlog.due), (20, 20));
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_ends_a_prediction_first_wins() {
    let node = Node::start(EngineConfig::default()).await;
    for round in 0..30 {
        let input = format!(r#"{{"sleep":{}}}"#, f64::from(round) / 3000.0);
        let created = node.create(CHAOS, &input, EventSet::NONE).await;
        let canceled = node.engine.cancel(created.id()).await.expect("writable").expect("it is there");
        let ended = node.wait_ended(&created).await;
        assert_eq!(ended, canceled, "what the cancel answered is what stays");
        assert!(ended.status().is_terminal());
    }
    while node.engine.running() > 0 {
        tokio::task::yield_now().await;
    }
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_node_queues_and_works_the_queue_off() {
    let node = Node::start(EngineConfig { max_running: 1, ..EngineConfig::default() }).await;
    let first = node.create(CHAOS, r#"{"outcome":"hang"}"#, EventSet::NONE).await;
    let waiting = node.create(HELLO, r#"{"text":"later"}"#, EventSet::NONE).await;
    node.engine.cancel(first.id()).await.expect("writable");
    assert_eq!(node.wait_ended(&waiting).await.status(), Status::Succeeded);
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_floods_its_logs_is_stopped() {
    let script = format!(
        "[[model]]\nowner = \"acme\"\nname = \"flood\"\nversion = \"{}\"\noutput = \"value\"\n\
         [[model.step]]\nrepeat = 100000\nlog = \"{}\"\n",
        "e".repeat(64),
        "x".repeat(1000)
    );
    let config = EngineConfig { max_content: 1 << 20, ..EngineConfig::default() };
    let node = Node::with_scripts(config, Scripts::parse("flood.toml", &script).expect("a script")).await;
    let created = node.create(&"e".repeat(64), "{}", EventSet::NONE).await;
    let ended = node.wait_ended(&created).await;
    assert_eq!(ended.state.error(), Some("The model's logs and output are longer than 1 MiB"));
    assert!(ended.content.logs.len() <= 1 << 20);
    while node.engine.running() > 0 {
        tokio::task::yield_now().await;
    }
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_is_too_deep_to_be_read_back_fails() {
    let script = format!(
        "[[model]]\nowner = \"acme\"\nname = \"deep\"\nversion = \"{}\"\noutput = \"list\"\n\
         [[model.step]]\noutput = {{ a = \"{{{{ input.x }}}}\" }}\n",
        "d".repeat(64)
    );
    let scripts = Scripts::parse("deep.toml", &script).expect("a script");
    let node = Node::with_scripts(EngineConfig::default(), scripts).await;
    for (depth, expected) in [(90, Status::Succeeded), (99, Status::Failed)] {
        let input = format!(r#"{{"x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        let created = node.create(&"d".repeat(64), &input, EventSet::NONE).await;
        assert_eq!(node.wait_ended(&created).await.status(), expected, "{depth} levels");
    }
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_creates_that_came_to_nothing_are_deleted_after_a_day() {
    let config = EngineConfig { sweep: Duration::from_millis(10), sweep_batch: 2, ..EngineConfig::default() };
    let node = Node::start(config).await;
    let (now, hour) = (RealClock.now(), Duration::from_secs(3600));
    let mut old = Vec::new();
    for age in (25..30).rev() {
        old.push(node.leave_file(now - age * hour).await);
    }
    let young = node.leave_file(now - 23 * hour).await;
    let unowned = async || {
        let page = node.store.unowned_files(now, None, 10).await.expect("readable");
        page.unowned
    };
    let deleted = async {
        while unowned().await != [young] {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), deleted).await.expect("the old ones go");
    assert!(old.into_iter().all(|file| !node.folder_of(file).exists()), "their bytes went first");
    assert!(node.folder_of(young).exists());
    node.finish().await;
}

/// A Cog model that says hello to its input, in a process of its own.
fn greeter(version: &str, clock: Arc<dyn Clock>, tracker: TaskTracker, work_dir: &Path) -> Runner {
    let place = |path: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let entry = CatalogueEntry {
        model: "acme/greeter".parse().expect("a name"),
        versions: vec![version.parse().expect("an id")],
        description: None,
        openapi_schema: Json::object(),
        cog_version: "0.23.1".to_owned(),
    };
    let model = CogModel {
        folder: place("../runner/tests/models"),
        bin: place("../../target/tools/cog-0.23.1/bin"),
        variables: vec![("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned())],
        predictor: "hello.py:Predictor".to_owned(),
        train: None,
        is_async: false,
        slots: 1,
        cog_version: entry.cog_version.clone(),
        weights: None,
        schema: Json::null(),
    };
    assert!(model.bin.exists(), "Cog 0.23.1 is missing: run scripts/install-tools rust");
    let config = ProcessConfig { work_dir: work_dir.to_owned(), ..ProcessConfig::default() };
    let surroundings = Surroundings {
        clock: clock.clone(),
        entropy: Arc::new(Counter::default()),
        tracker: tracker.clone(),
        callbacks: None,
    };
    let scale = Scale { min: 0, max: 1, idle: Duration::from_secs(60) };
    let model = RunnableModel::cog_model(entry, model, scale, config, surroundings);
    Runner::new(vec![model], clock, tracker)
}

fn upload() -> Upload {
    Upload {
        id: FileId::new(RealClock.now(), IDS.bits()),
        account: AccountId("me".into()),
        name: "cat.png".to_owned(),
        content_type: "image/png".to_owned(),
        size: 0,
        sha256: String::new(),
        metadata: Json::object(),
        created_at: RealClock.now(),
        expires_at: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_process_gets_links_of_its_machine_and_nobody_else_sees_them() {
    let version = "c".repeat(64);
    let work = tempfile::tempdir().expect("a folder");
    let runner = |clock, tracker| greeter(&version, clock, tracker, work.path());
    let node = Node::with_runner(EngineConfig::default(), runner).await;
    let upload = upload();
    node.store.add_upload(&upload).await.expect("writable");
    let url = format!("http://localhost/v1/files/{}", upload.id);
    let input = format!(r#"{{"text":"{url}"}}"#);

    let created = node.create(&version, &input, EventSet::NONE).await;
    let ended = node.wait_ended(&created).await;
    let output = ended.content.output.to_json().and_then(|json| json.as_text()).expect("a text");
    let link = format!("hello {INNER}/download/{}/cat.png?expires=", upload.id);
    assert!(output.starts_with(&link), "{output}");
    assert_eq!(ended.request.input.as_str(), input);

    node.store.remove_upload(upload.id).await.expect("writable");
    let created = node.create(&version, &input, EventSet::NONE).await;
    let ended = node.wait_ended(&created).await;
    let expected = format!(
        "the uploaded file {url} does not exist any more: it was deleted before the model could read it"
    );
    assert_eq!(ended.state.error(), Some(expected.as_str()));
    node.finish().await;
}
