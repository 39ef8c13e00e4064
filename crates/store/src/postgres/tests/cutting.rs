//! A way to the server that is cut: nothing comes back, and nobody says so.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{options, until};
use crate::error::{Error, Result};
use crate::postgres::testing::{TestSchema, run};
use crate::postgres::{Class, Db, PostgresOptions, PostgresStore, Repeat};

/// A socket in front of the server's.
pub(super) struct Line {
    dir: TempDir,
    /// Whether anything passes.
    pub(super) open: watch::Sender<bool>,
    tasks: TaskTracker,
    end: CancellationToken,
}

impl Line {
    fn to(server: PathBuf) -> Self {
        let line = Self {
            dir: tempfile::tempdir().expect("a directory"),
            open: watch::Sender::new(true),
            tasks: TaskTracker::new(),
            end: CancellationToken::new(),
        };
        let name = server.file_name().expect("a socket");
        let listener = UnixListener::bind(line.dir.path().join(name)).expect("a socket of our own");
        let (tasks, open, end) = (line.tasks.clone(), line.open.clone(), line.end.clone());
        line.tasks.spawn(async move {
            while let Some(Ok((client, _))) = end.run_until_cancelled(listener.accept()).await {
                tasks.spawn(pass(client, server.clone(), open.subscribe(), end.clone()));
            }
        });
        line
    }

    pub(super) async fn close(self) {
        self.end.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Passes on what comes, and ends a connection over which nothing passes any more only when the test ends.
async fn pass(
    mut client: UnixStream,
    server: PathBuf,
    mut open: watch::Receiver<bool>,
    end: CancellationToken,
) {
    let passing = async {
        let mut server = UnixStream::connect(server).await.expect("the server is there");
        let is_cut = tokio::select! {
            _ = copy_bidirectional(&mut client, &mut server) => false,
            cut = open.wait_for(|open| !open) => cut.is_ok(),
        };
        if is_cut {
            std::future::pending::<()>().await;
        }
    };
    end.run_until_cancelled(passing).await;
}

/// The socket in a URL, and the same URL with another directory for it.
fn server_of(url: &str) -> (PathBuf, impl Fn(&Path) -> String) {
    let value = |name: &str| {
        let (_, rest) = url.split_once(&format!("{name}=")).expect("the test server is on a socket");
        rest.split('&').next().unwrap_or_default().to_owned()
    };
    let (dir, port) = (value("host"), value("port"));
    let socket = Path::new(&dir).join(format!(".s.PGSQL.{port}"));
    (socket, move |other: &Path| url.replace(&format!("host={dir}"), &format!("host={}", other.display())))
}

/// A store behind a line that can be cut. It waits for an answer for twice as long as a statement may take.
pub(super) async fn behind_a_line(statement_timeout: Duration) -> (TestSchema, Line, PostgresStore) {
    let schema = TestSchema::create().await;
    let url = schema.url();
    let (socket, url_of) = server_of(&url);
    let line = Line::to(socket);
    let options = PostgresOptions {
        statement_timeout,
        acquire_timeout: Duration::from_millis(300),
        connect_timeout: Duration::from_millis(200),
        ..options(&url_of(line.dir.path()))
    };
    let store = PostgresStore::open(options).await.expect("the line is open");
    (schema, line, store)
}

async fn one(db: Db) -> crate::postgres::failure::Outcome<i32> {
    Ok(db.query_one("SELECT 1", &[]).await?.try_get(0)?)
}

#[tokio::test]
async fn a_line_that_is_cut_leaves_nobody_waiting_and_is_used_again_when_it_is_mended() {
    let (schema, line, store) = behind_a_line(Duration::from_millis(300)).await;
    let read = async || store.database.read(Class::Api, one).await;
    assert_eq!(read().await.expect("the line is open"), 1);
    line.open.send_replace(false);
    let outcome = read().await;
    assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
    line.open.send_replace(true);
    until(async || read().await.is_ok()).await;
    store.close().await;
    line.close().await;
    drop(schema);
}

#[tokio::test]
async fn a_line_that_is_cut_during_a_commit_leaves_it_open_what_happened() {
    let (schema, line, store) = behind_a_line(Duration::from_millis(300)).await;
    let table = format!("{}.sample", schema.name());
    run(&format!("CREATE TABLE {table} (id bigint)")).await;
    let sql: Arc<str> = format!("INSERT INTO {table} VALUES (1)").into();
    let (sql, open) = (&sql, &line.open);
    let insert = async |cut: bool| -> Result<u64> {
        let work = move |db: Db| async move {
            let inserted = db.execute(sql, &[]).await?;
            open.send_replace(!cut);
            Ok(inserted)
        };
        store.database.work(Class::Work, Repeat::Never, work).await
    };
    let outcome = insert(true).await;
    assert!(matches!(outcome, Err(Error::Uncertain(_))), "{outcome:?}");
    open.send_replace(true);
    until(async || insert(false).await.is_ok()).await;
    store.close().await;
    line.close().await;
}
