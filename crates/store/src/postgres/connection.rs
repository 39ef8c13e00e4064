//! How connections are opened and set up. Every connection of the store goes through here.

use std::future::poll_fn;
use std::ops::Deref;
use std::sync::{Arc, Once};
use std::time::Duration;

use deadpool_postgres::Connect;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls, Notification, SimpleQueryMessage};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::PostgresOptions;
use super::failure::{Failure, Outcome, text};
use super::tls::Tls;
use super::url;
use crate::error::Result;

/// How long a packet that was sent may stay unconfirmed before the connection counts as lost.
const UNCONFIRMED: Duration = Duration::from_secs(10);

/// After how much silence the system asks whether the other side is still there, and how often.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;

/// What a connection is told when it is there.
///
/// Plans: every hot statement finds its rows by an index, from a handful of keys in arrays. A plan is made once for each
/// connection and kept (`force_generic_plan`), often while tables are still empty, when reading a whole table looks
/// cheapest; tables grow by orders of magnitude before it is made again. So the ways that read a whole table are ruled out
/// wherever there is another. Statements that have to read one, such as counts, still do.
///
/// Durability is not a matter of taste: `synchronous_commit` may ask for more than a flush on this server, not for less.
const SESSION: &str = "
    SET enable_seqscan = off;
    SET enable_bitmapscan = off;
    SET enable_hashjoin = off;
    SET enable_mergejoin = off;
    SET plan_cache_mode = force_generic_plan;
    SET jit = off;
    SET default_transaction_isolation = 'read committed';
    SET timezone = 'UTC';
    SET standard_conforming_strings = on;
    SELECT set_config('synchronous_commit', 'on', false)
      WHERE current_setting('synchronous_commit') IN ('off', 'local')";

/// Told of each notification that arrives on a connection. It must not block.
pub(super) type Listener = Arc<dyn Fn(Notification) + Send + Sync>;

/// A connection outside of every pool, which ends with it.
pub(super) struct Dedicated {
    client: Client,
    /// Ends at once, whatever it still waits for: a server that does not answer must not keep it.
    task: AbortOnDropHandle<()>,
}

impl Deref for Dedicated {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// Opens connections. Clones share what they open: [`Connector::close`] ends all of it.
#[derive(Clone)]
pub(super) struct Connector {
    config: Config,
    tls: Tls,
    session: Arc<str>,
    raised_durability: Arc<Once>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Connector {
    /// Reads the URL and the certificates that it names.
    pub(super) fn new(options: &PostgresOptions) -> Result<Self> {
        let target = url::parse(&options.url)?;
        Ok(Self {
            tls: Tls::new(&target.encryption)?,
            config: with_defaults(target.config, options),
            session: session(options).into(),
            raised_durability: Arc::new(Once::new()),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        })
    }

    /// Whom it connects to.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Opens a connection outside of every pool. Notifications go to `listener`, which is dropped when the connection ends.
    pub(super) async fn connect(&self, listener: Option<Listener>) -> Outcome<Dedicated> {
        let time = self.timeout();
        match tokio::time::timeout(time, self.open(listener)).await {
            Ok(opened) => Ok(opened?),
            Err(_) => Err(Failure::Silence(time)),
        }
    }

    /// How long opening a connection may take.
    pub(super) fn timeout(&self) -> Duration {
        self.config.get_connect_timeout().copied().unwrap_or(Duration::MAX)
    }

    /// Waits until all connections have ended whose clients are gone, and cuts the others after a while.
    pub(super) async fn close(&self, patience: Duration) {
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            self.stop.cancel();
            self.tasks.wait().await;
        }
    }

    async fn open(
        &self,
        listener: Option<Listener>,
    ) -> std::result::Result<Dedicated, tokio_postgres::Error> {
        let (client, task) = match &self.tls {
            Tls::Off => {
                let (client, connection) = self.config.connect(NoTls).await?;
                (client, self.spawn(connection, listener))
            }
            Tls::On(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                (client, self.spawn(connection, listener))
            }
        };
        let opened = Dedicated { client, task: AbortOnDropHandle::new(task) };
        self.set_up(&opened).await?;
        Ok(opened)
    }

    async fn set_up(&self, client: &Client) -> std::result::Result<(), tokio_postgres::Error> {
        let answers = client.simple_query(&self.session).await?;
        if answers.iter().any(|answer| matches!(answer, SimpleQueryMessage::Row(_))) {
            self.raised_durability.call_once(|| {
                tracing::warn!(
                    "PostgreSQL's setting synchronous_commit is off for this user or database, and on for these connections: \
                     what is acknowledged has to survive a crash"
                );
            });
        }
        Ok(())
    }

    fn spawn<S, T>(&self, connection: Connection<S, T>, listener: Option<Listener>) -> JoinHandle<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let _ = stop.run_until_cancelled(drive(connection, listener)).await;
        })
    }
}

impl Connect for Connector {
    fn connect(
        &self,
        _config: &Config,
    ) -> BoxFuture<'_, std::result::Result<(Client, JoinHandle<()>), tokio_postgres::Error>> {
        Box::pin(async {
            let Dedicated { client, task } = self.open(None).await?;
            Ok((client, task.detach()))
        })
    }
}

/// Lets a connection work until its client is gone or it is lost.
async fn drive<S, T>(mut connection: Connection<S, T>, listener: Option<Listener>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        match (message, &listener) {
            (Ok(AsyncMessage::Notification(notification)), Some(listener)) => listener(notification),
            (Ok(AsyncMessage::Notice(notice)), _) => {
                tracing::debug!(severity = notice.severity(), message = notice.message(), "PostgreSQL says");
            }
            (Ok(_), _) => {}
            (Err(error), _) => {
                tracing::debug!(error = %text(&error), "a connection to PostgreSQL ended");
                return;
            }
        }
    }
}

/// What the URL does not say.
fn with_defaults(mut config: Config, options: &PostgresOptions) -> Config {
    if config.get_application_name().is_none() {
        config.application_name(&options.application_name);
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(options.connect_timeout);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(UNCONFIRMED);
    }
    config.keepalives_idle(KEEPALIVE_IDLE);
    config.keepalives_interval(KEEPALIVE_INTERVAL);
    config.keepalives_retries(KEEPALIVE_RETRIES);
    config
}

fn session(options: &PostgresOptions) -> String {
    format!(
        "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {}; {SESSION}",
        millis(options.statement_timeout),
        millis(options.lock_timeout),
        millis(options.idle_in_transaction_timeout),
    )
}

/// Zero would be for ever.
fn millis(time: Duration) -> u128 {
    time.as_millis().max(1)
}
