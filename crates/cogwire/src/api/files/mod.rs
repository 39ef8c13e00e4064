//! `/files`: what callers upload, to name it in inputs for a day.

mod form;
mod receive;
mod view;

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cogwire_core::id::FileId;
use cogwire_core::prediction::AccountId;
use cogwire_core::wire::ErrorBody;
use cogwire_store::upload::Upload;

use super::at::At;
use super::auth::Caller;
use super::list::{Page, frame, page_url, place};
use super::query::Query;
use super::{Api, Failure, answer, download};

/// Uploads on a page.
const PAGE: u32 = 100;

/// `POST /files`
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let task = Arc::clone(&api);
    let upload = api.detached(async move { receive::receive(&task, account, &headers, body).await }).await?;
    Ok(answer::json(StatusCode::CREATED, api.upload_body(&upload)))
}

/// `GET /files`
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    query: Query,
) -> Result<Response, Failure> {
    let cursor = query.cursor(place)?;
    // One more than is shown tells whether there are more.
    let found = api.store.list_uploads(&account, cursor, PAGE + 1).await?;
    let frame = frame(cursor.as_ref(), found, PAGE, |upload| upload.id);
    let url = |cursor| page_url(&api.links, "/files", &query, &cursor);
    let results = frame.rows.iter().map(|upload| api.upload_body(upload)).collect();
    Ok(Page { results, next: frame.next.map(url), previous: frame.previous.map(url) }.into_response())
}

/// `GET /files/{id}`
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    At(id): At<String>,
) -> Result<Response, Failure> {
    let upload = api.upload(&account, &id).await?;
    Ok(answer::json(StatusCode::OK, api.upload_body(&upload)))
}

/// `DELETE /files/{id}`
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    At(id): At<String>,
) -> Result<Response, Failure> {
    let upload = api.upload(&account, &id).await?;
    let task = Arc::clone(&api);
    // Bytes first: while they cannot be deleted, the row still says that they are there.
    let work = async move {
        task.files.delete(upload.id).await?;
        Ok(task.store.remove_upload(upload.id).await?)
    };
    api.detached(work).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET /files/{id}/download?owner=…&expiry=…&signature=…`: whoever has the signature needs no token.
pub(super) async fn download(
    State(api): State<Arc<Api>>,
    At(id): At<String>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let id: FileId = id.parse().map_err(|_| no_file())?;
    let given = |key| query.get(key).unwrap_or_default();
    let owner = given("owner");
    if !api.files.is_signed(owner, id, given("expiry"), given("signature"), api.now()) {
        return Err(no_file());
    }
    let upload = api.store.upload(&AccountId(owner.into()), id).await?.ok_or_else(no_file)?;
    let file = api.files.download(id, &upload.name).await?.ok_or_else(no_file)?;
    let mut response = download::answer(file, &headers);
    // A stranger chose the type, too, and this is to be saved, not shown.
    let plain = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    Ok(response)
}

impl Api {
    /// The account's upload of this id, or 404: nobody learns that it is somebody else's.
    async fn upload(&self, account: &AccountId, id: &str) -> Result<Upload, Failure> {
        let id = id.parse().map_err(|_| no_file())?;
        self.store.upload(account, id).await?.ok_or_else(no_file)
    }

    fn upload_body(&self, upload: &Upload) -> String {
        view::upload_body(upload, &self.links, &self.files)
    }
}

/// 404, as on Replicate.
fn no_file() -> Failure {
    ErrorBody::new(404, "File not found").into()
}
