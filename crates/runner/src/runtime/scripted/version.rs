//! The version ids of a scripted model: those it claims, or else one made from what it is.

use std::fmt::Write as _;
use std::ops::Range;

use cogwire_core::id::VersionId;
use cogwire_core::json::Json;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::error::ScriptError;
use super::table::{Field, Table};

/// A version that a model claims.
pub(super) struct Claim {
    pub(super) version: VersionId,
    /// Where in the text it is claimed, in bytes.
    pub(super) span: Range<usize>,
}

/// The versions of a model, the latest first. `model` is the field that holds the model's table.
pub(super) fn read(model: &Field<'_>, table: &Table<'_>, document: &Json) -> Result<Vec<Claim>, ScriptError> {
    table.exclude("version", "versions")?;
    if let Some(field) = table.get("version") {
        return Ok(vec![claim(&field)?]);
    }
    let Some(field) = table.get("versions") else {
        return Ok(vec![Claim { version: derive(model.json()?, document), span: table.span.clone() }]);
    };
    let claims: Vec<_> = field.items()?.iter().map(claim).collect::<Result<_, _>>()?;
    if claims.is_empty() { Err(field.invalid("have at least one version")) } else { Ok(claims) }
}

fn claim(field: &Field<'_>) -> Result<Claim, ScriptError> {
    let text = field.text()?;
    let refuse = |_| field.invalid(format!("be 64 lower-case hexadecimal digits, not {text:?}"));
    Ok(Claim { version: text.parse().map_err(refuse)?, span: field.span() })
}

/// The SHA-256 of the model's table in canonical JSON. The schema file counts with what it says, not with where it is;
/// comments, white space and the order of keys do not count.
fn derive(mut model: Value, document: &Json) -> VersionId {
    if let Some(schema) = model.get_mut("schema") {
        *schema = document.to_value();
    }
    let digest = Sha256::digest(Json::from_value(&model).as_str());
    let hex = digest.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes any text");
        hex
    });
    hex.parse().expect("a SHA-256 in hexadecimal has 64 digits")
}
