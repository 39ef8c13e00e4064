//! `POST /models/{owner}/{name}/versions`: a package as `application/x-tar`, or a Cog server as JSON.

use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use cogwire_core::model::ModelName;
use cogwire_core::recipe::Digest;
use cogwire_core::wire::ErrorBody;
use cogwire_engine::{NewPackage, NewServer, Tell};
use http_body_util::BodyExt;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tempfile::{NamedTempFile, TempPath};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tracing::Instrument;

use super::lines;
use crate::api::at::At;
use crate::api::query::Query;
use crate::api::{Api, Failure, Incoming, body};

/// The longest description of a Cog server, in bytes.
const MAX_SERVER: usize = 64 << 10;

/// What is to be added.
enum New {
    Package(NewPackage, TempPath),
    Server(NewServer),
}

/// A Cog server, as JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerBody {
    url: String,
    #[serde(default = "one")]
    slots: u32,
    description: Option<String>,
}

/// Receives what is to be added, and then answers line by line while it is prepared, tried and registered.
pub(in crate::api) async fn add_version(
    State(api): State<Arc<Api>>,
    At((owner, name)): At<(String, String)>,
    query: Query,
    headers: HeaderMap,
    mut body: Body,
) -> Result<Response, Failure> {
    match new(&api, (&owner, &name), &query, &headers, &mut body).await {
        Ok(new) => Ok(add(&api, new)),
        Err(failure) => {
            body::discard(body.into_data_stream()).await;
            Err(failure)
        }
    }
}

async fn new(
    api: &Api,
    (owner, name): (&str, &str),
    query: &Query,
    headers: &HeaderMap,
    body: &mut Body,
) -> Result<New, Failure> {
    let model = ModelName::new(owner, name).map_err(|error| ErrorBody::new(422, error.to_string()))?;
    let incoming = api.config.incoming.as_ref().ok_or_else(runs_no_models)?;
    match content_type(headers) {
        "application/x-tar" | "application/tar" => {
            let (tar, digest) = receive(body, incoming).await?;
            let description = query.get("description").map(str::to_owned);
            let package = NewPackage { model, tar: tar.to_path_buf(), digest, description, promote: true };
            Ok(New::Package(package, tar))
        }
        "application/json" => {
            let bytes = body::read(std::mem::take(body), MAX_SERVER).await?;
            Ok(New::Server(server(model, &bytes)?))
        }
        _ => Err(unsupported().into()),
    }
}

fn add(api: &Api, new: New) -> Response {
    let (tell, told) = Tell::channel();
    let engine = api.engine.clone();
    let work = async move {
        match new {
            New::Package(package, _kept_until_it_is_added) => engine.add_package(package, &tell).await,
            New::Server(server) => engine.add_server(server, &tell).await,
        }
    };
    // It goes on when the client hangs up: whoever retries finds it done, or being done.
    let work = api.tasks.spawn(work.instrument(tracing::Span::current()));
    lines::answer(told, work, Arc::clone(&api.clock))
}

/// Writes the body to a file, piece by piece.
async fn receive(body: &mut Body, incoming: &Incoming) -> Result<(TempPath, Digest), Failure> {
    let (file, path) = temporary(&incoming.folder).map_err(Failure::internal)?.into_parts();
    let (mut file, mut size, mut hash) = (File::from_std(file), 0, Sha256::new());
    while let Some(frame) = body.frame().await {
        let cut_off =
            |error| ErrorBody::new(400, format!("The package could not be read to its end: {error}"));
        let Ok(piece) = frame.map_err(cut_off)?.into_data() else { continue };
        size += piece.len() as u64;
        if size > incoming.limit {
            return Err(too_large(incoming.limit).into());
        }
        hash.update(&piece);
        file.write_all(&piece).await.map_err(|error| no_space(&error))?;
    }
    file.flush().await.map_err(|error| no_space(&error))?;
    Ok((path, Digest::from_sha256(hash.finalize().into())))
}

fn temporary(folder: &Path) -> std::io::Result<NamedTempFile> {
    std::fs::create_dir_all(folder)?;
    NamedTempFile::new_in(folder)
}

fn server(model: ModelName, bytes: &[u8]) -> Result<NewServer, ErrorBody> {
    let refused = |error: serde_json::Error| {
        let expected = r#"expected {"url": "http://HOST:PORT", "slots": 1, "description": "..."}"#;
        ErrorBody::new(422, format!("The description of the Cog server is not valid: {error}; {expected}"))
    };
    let body: ServerBody = serde_json::from_slice(bytes).map_err(refused)?;
    let url = url::Url::parse(&body.url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or_else(|| ErrorBody::new(422, format!("{:?} is not an http URL", body.url)))?;
    if body.slots == 0 {
        return Err(ErrorBody::new(422, "A Cog server has at least one slot"));
    }
    Ok(NewServer { model, url, slots: body.slots, description: body.description })
}

const fn one() -> u32 {
    1
}

fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

fn unsupported() -> ErrorBody {
    let detail = "A version is added as application/x-tar (a packed folder, as `cogwire model add` sends it) or as \
                  application/json (a Cog server)";
    ErrorBody::new(415, detail)
}

fn runs_no_models() -> ErrorBody {
    let detail =
        "This server runs no models, so that it cannot try one: ask a server with the roles api and run";
    ErrorBody::new(501, detail)
}

fn too_large(limit: u64) -> ErrorBody {
    let detail = format!(
        "The package is larger than {limit} bytes: leave out what the model does not need (.dockerignore), or raise \
         package_limit"
    );
    ErrorBody::new(413, detail)
}

fn no_space(error: &std::io::Error) -> Failure {
    tracing::error!(%error, "a package could not be received");
    ErrorBody::unavailable("The server could not write the package to its disk.", 60).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> String {
        server("acme/far".parse().expect("a name"), body.as_bytes()).expect_err("refused").detail
    }

    #[test]
    fn a_server_is_described_by_its_url() {
        let new =
            server("acme/far".parse().expect("a name"), br#"{"url": "http://gpu:5000"}"#).expect("valid");
        assert_eq!((new.url.as_str(), new.slots), ("http://gpu:5000/", 1));
    }

    #[test]
    fn what_is_wrong_with_a_server_is_said() {
        insta::assert_snapshot!(
            [
                refused("{}"),
                refused(r#"{"url": "gpu:5000"}"#),
                refused(r#"{"url": "http://gpu", "slot": 2}"#),
                refused(r#"{"url": "http://gpu", "slots": 0}"#),
            ]
            .join("\n")
        );
    }
}
