//! A schema as a model's folder may have it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use cogwire_core::json::Json;
use serde_json::Value;

use super::error::InspectError;

/// Where a schema may be, the most telling first: the second is what `cog build` left.
const FILES: [&str; 2] = ["openapi_schema.json", ".cog/openapi_schema.json"];

/// The longest schema, in bytes.
const MAX_LENGTH: u64 = 8 * 1024 * 1024;

/// The schema that the folder has, with the name of its file.
pub(super) async fn in_folder(folder: &Path) -> Result<Option<(&'static str, Json)>, InspectError> {
    for name in FILES {
        let path = folder.join(name);
        let text = tokio::task::spawn_blocking({
            let path = path.clone();
            move || read(&path)
        });
        match text.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(bytes) => return parse(&path, &bytes).map(|schema| Some((name, schema))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(InspectError::SchemaUnreadable { path, source }),
        }
    }
    Ok(None)
}

/// The document, when it is one. The error continues the sentence "the schema is not complete".
pub(super) fn check(document: &Value) -> Result<Json, &'static str> {
    let schemas = &document["components"]["schemas"];
    if !schemas["Input"].is_object() {
        return Err("components.schemas.Input is not there");
    }
    if !schemas["Output"].is_object() {
        return Err("components.schemas.Output is not there");
    }
    Ok(Json::from_value(document))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_LENGTH + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_LENGTH {
        return Err(io::Error::other("it is longer than 8 MiB"));
    }
    Ok(bytes)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Json, InspectError> {
    let refuse = |reason: String| InspectError::Schema { path: path.to_owned(), reason };
    let document =
        serde_json::from_slice(bytes).map_err(|error| refuse(format!("it is not JSON: {error}")))?;
    check(&document).map_err(|reason| refuse(reason.to_owned()))
}
