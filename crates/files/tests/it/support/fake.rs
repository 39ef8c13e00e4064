//! A server that answers as a test wants it to, and otherwise like an S3 server with room for one object.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    /// The length of the body, in bytes.
    pub(crate) length: usize,
}

/// The server. It ends when it is dropped.
pub(crate) struct Fake {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _task: JoinSet<()>,
}

impl Asked {
    pub(crate) fn is(&self, method: &str, query: &str) -> bool {
        self.method == method && self.query.contains(query)
    }
}

impl Fake {
    /// Answers with `special`, or usually where that has no answer.
    pub(crate) async fn start(special: impl Fn(&Asked) -> Option<Response> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (asked, object) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::<Mutex<Bytes>>::default());
        let (heard, special) = (Arc::clone(&asked), Arc::new(special));
        let app = Router::new().fallback(move |request: Request| {
            let (heard, special, object) = (Arc::clone(&heard), Arc::clone(&special), Arc::clone(&object));
            async move {
                let (request, body) = take_apart(request).await;
                heard.lock().expect("no panic").push(request.clone());
                special(&request).unwrap_or_else(|| usual(&request, body, &object))
            }
        });
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        Self { url, asked, _task: task }
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }
}

/// An error as S3 puts it.
pub(crate) fn refuse(status: u16, code: &str, more: &str) -> Response {
    let body =
        format!("<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>No.</Message>{more}</Error>");
    (StatusCode::from_u16(status).expect("a status"), body).into_response()
}

async fn take_apart(request: Request) -> (Asked, Bytes) {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("a body");
    let query = parts.uri.query().unwrap_or_default().to_owned();
    (Asked { method: parts.method, path: parts.uri.path().to_owned(), query, length: body.len() }, body)
}

fn usual(asked: &Asked, body: Bytes, object: &Mutex<Bytes>) -> Response {
    let tag = (header::ETAG, "\"1\"");
    if asked.is("POST", "uploads=") {
        return "<InitiateMultipartUploadResult><UploadId>7</UploadId></InitiateMultipartUploadResult>"
            .into_response();
    }
    if asked.is("POST", "uploadId=") {
        return "<CompleteMultipartUploadResult><ETag>1</ETag></CompleteMultipartUploadResult>"
            .into_response();
    }
    if asked.is("PUT", "") {
        *object.lock().expect("no panic") = body;
        return [tag].into_response();
    }
    if asked.is("GET", "list-type") {
        return "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>some/prefix/x/y</Key><Size>1</Size>\
                <LastModified>2026-01-01T00:00:00Z</LastModified></Contents></ListBucketResult>"
            .into_response();
    }
    if asked.path.ends_with("/ready") {
        return refuse(404, "NoSuchKey", "");
    }
    if asked.is("DELETE", "") {
        return StatusCode::NO_CONTENT.into_response();
    }
    let modified = (header::LAST_MODIFIED, "Thu, 01 Jan 2026 00:00:00 GMT");
    ([tag, modified], Body::from(object.lock().expect("no panic").clone())).into_response()
}
