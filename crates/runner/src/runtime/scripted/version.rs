//! The version ids of a scripted model: those it claims, or else one made from what it is.

use std::fmt::Write as _;

use cogwire_core::id::VersionId;
use cogwire_core::json::Json;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::contract::Contract;
use super::error::ScriptError;
use super::table::{Field, Table};

/// A version id, and `FILE:LINE` of what claims it.
pub(super) struct Claim<'a> {
    pub(super) version: VersionId,
    /// The text that claims it; absent when the id was derived.
    pub(super) field: Option<Field<'a>>,
}

/// The versions of a model, the latest first. `model` is the field that holds the model's table.
pub(super) fn read<'a>(
    model: &Field<'a>,
    table: &Table<'a>,
    contract: &Contract,
) -> Result<Vec<Claim<'a>>, ScriptError> {
    table.exclude("version", "versions")?;
    if let Some(field) = table.get("version") {
        return Ok(vec![claim(field)?]);
    }
    let Some(field) = table.get("versions") else {
        return Ok(vec![Claim { version: derive(model.json()?, contract), field: None }]);
    };
    let claims: Vec<_> = field.items()?.into_iter().map(claim).collect::<Result<_, _>>()?;
    if claims.is_empty() { Err(field.invalid("have at least one version")) } else { Ok(claims) }
}

fn claim(field: Field<'_>) -> Result<Claim<'_>, ScriptError> {
    let text = field.text()?;
    let refuse = |_| field.invalid(format!("be 64 lower-case hexadecimal digits, not {text:?}"));
    let version = text.parse().map_err(refuse)?;
    Ok(Claim { version, field: Some(field) })
}

/// The SHA-256 of the model's table in canonical JSON. The schema file counts with what it says, not with where it is;
/// comments, white space and the order of keys do not count.
fn derive(mut model: Value, contract: &Contract) -> VersionId {
    if let Some(schema) = model.get_mut("schema") {
        *schema = contract.document.to_value();
    }
    let digest = Sha256::digest(Json::from_value(&model).as_str());
    let hex = digest.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes any text");
        hex
    });
    hex.parse().expect("a SHA-256 in hexadecimal has 64 digits")
}
