//! The client that makes the load: pooled connections, and many tasks that share a number of requests.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::task::JoinSet;

use crate::clock::Stopwatch;
use crate::server::Server;

/// Cheap to clone; clones share their connections.
#[derive(Clone)]
pub(crate) struct Load(Client<HttpConnector, Full<Bytes>>);

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Load {
    pub(crate) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self(Client::builder(TokioExecutor::new()).build(connector))
    }

    pub(crate) async fn get(&self, url: &str) -> anyhow::Result<Answer> {
        let request = Request::builder().uri(url).header(AUTHORIZATION, Server::authorization());
        self.send(request.body(Full::default())?).await
    }

    /// Posts JSON, and demands the status that means success.
    pub(crate) async fn post(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
        success: StatusCode,
    ) -> anyhow::Result<()> {
        let answer = self.ask(url, headers, body).await?;
        ensure!(
            answer.status == success,
            "{url} answered {}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        Ok(())
    }

    /// Posts JSON.
    pub(crate) async fn ask(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> anyhow::Result<Answer> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header(AUTHORIZATION, Server::authorization())
            .header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Full::new(body))?).await
    }

    /// The body of an answer, while it comes.
    pub(crate) async fn open(&self, url: &str, accept: &str) -> anyhow::Result<Incoming> {
        let request = Request::builder().uri(url).header(AUTHORIZATION, Server::authorization());
        let request = request.header(ACCEPT, accept).body(Full::default())?;
        let response = self.0.request(request).await.context("a request failed")?;
        ensure!(response.status().is_success(), "{url} answered {}", response.status());
        Ok(response.into_body())
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        let response = self.0.request(request).await.context("a request failed")?;
        let status = response.status();
        let body = response.into_body().collect().await.context("an answer broke off")?.to_bytes();
        Ok(Answer { status, body })
    }
}

/// Does something `times` times in all, in `workers` tasks, each as fast as it can. Returns how long all of it took.
pub(crate) async fn at_full_speed<F>(
    workers: usize,
    times: usize,
    act: impl Fn() -> F + Clone + Send + 'static,
) -> anyhow::Result<Duration>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let left = Arc::new(AtomicUsize::new(times));
    let watch = Stopwatch::start();
    let mut tasks = JoinSet::new();
    for _ in 0..workers {
        tasks.spawn(work(left.clone(), act.clone()));
    }
    join(tasks).await?;
    Ok(watch.elapsed())
}

/// Does something `rate` times a second for `seconds`, whether or not what came before has ended.
pub(crate) async fn at_a_rate<F>(rate: u32, seconds: u32, act: impl Fn() -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let watch = Stopwatch::start();
    let mut tasks = JoinSet::new();
    for number in 0..rate * seconds {
        tokio::time::sleep_until(watch.after(Duration::from_secs(1) * number / rate)).await;
        tasks.spawn(act());
    }
    join(tasks).await
}

async fn work<F>(left: Arc<AtomicUsize>, act: impl Fn() -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        act().await?;
    }
    Ok(())
}

async fn join(mut tasks: JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    while let Some(done) = tasks.join_next().await {
        done.context("a task of the load panicked")??;
    }
    Ok(())
}
