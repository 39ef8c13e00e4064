//! The lines of the text: one that says what it is, one for each row, and one that says what there was.

use std::borrow::Cow;
use std::collections::BTreeMap;

use cogwire_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::digest::{Digests, TableDigest};
use super::row::Row;

/// The version of the format. It grows with every change of the tables or columns that are moved.
const FORMAT_VERSION: u32 = 4;

/// What the first line calls itself.
const FORMAT: &str = "cogwire-export";

/// What the first line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The version of the schema that the rows come from, by the count of its kind of store.
    pub schema: i64,
    /// When the export was begun.
    pub created_at: Timestamp,
    /// The kind of store, for people: `sqlite` or `postgres`.
    pub store: String,
}

/// What the last line says about each table, by name.
pub(super) type End = BTreeMap<String, TableDigest>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderLine<'a> {
    format: Cow<'a, str>,
    version: u32,
    schema: i64,
    created_at: Cow<'a, str>,
    store: Cow<'a, str>,
}

/// As much of a first line as every version has.
#[derive(Deserialize)]
struct AnyHeader<'a> {
    #[serde(borrow)]
    format: Cow<'a, str>,
    version: u32,
}

/// A line after the first.
pub(super) enum Body<'a> {
    /// A row: the name of its table, and its columns as JSON.
    Row(Cow<'a, str>, &'a str),
    /// The last one.
    End(End),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BodyLine<'a> {
    #[serde(borrow)]
    table: Option<Cow<'a, str>>,
    #[serde(borrow)]
    row: Option<&'a RawValue>,
    tables: Option<End>,
}

impl Header {
    /// The first line.
    pub(super) fn line(&self) -> Vec<u8> {
        let line = HeaderLine {
            format: FORMAT.into(),
            version: FORMAT_VERSION,
            schema: self.schema,
            created_at: self.created_at.to_string().into(),
            store: (&self.store).into(),
        };
        let mut text = serde_json::to_vec(&line).expect("texts and numbers are JSON");
        text.push(b'\n');
        text
    }

    /// Reads the first line. The error says what it is instead.
    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        let Ok(any) = serde_json::from_slice::<AnyHeader<'_>>(line) else { return Err(not_an_export()) };
        if any.format != FORMAT {
            return Err(not_an_export());
        }
        if any.version != FORMAT_VERSION {
            return Err(format!(
                "this is version {} of the format, and this cogwire reads version {FORMAT_VERSION}: import it with the \
                 version of cogwire that exported it, and upgrade that installation",
                any.version
            ));
        }
        let line: HeaderLine<'_> = serde_json::from_slice(line).map_err(|error| reason(&error))?;
        let created_at =
            Timestamp::parse(&line.created_at).map_err(|error| format!("created_at: {error}"))?;
        Ok(Self { schema: line.schema, created_at, store: line.store.into_owned() })
    }
}

/// Adds the line of a row to `text`. `json` is a buffer, which holds the row as JSON afterwards.
pub(super) fn write_row(text: &mut Vec<u8>, row: &Row, json: &mut Vec<u8>) {
    json.clear();
    row.write(json);
    text.extend(b"{\"table\":\"");
    text.extend(row.table().name.as_bytes());
    text.extend(b"\",\"row\":");
    text.extend(json.as_slice());
    text.extend(b"}\n");
}

/// The last line.
pub(super) fn end_line(digests: &Digests) -> Vec<u8> {
    let tables: serde_json::Map<String, serde_json::Value> = digests
        .tables()
        .map(|(table, digest)| {
            (table.name.to_owned(), serde_json::json!({"rows": digest.rows, "sha256": digest.sha256}))
        })
        .collect();
    let mut text = serde_json::json!({ "tables": tables }).to_string().into_bytes();
    text.push(b'\n');
    text
}

/// Reads a line after the first. The error says what is wrong with it.
pub(super) fn parse_body(line: &[u8]) -> Result<Body<'_>, String> {
    let line: BodyLine<'_> = serde_json::from_slice(line).map_err(|error| reason(&error))?;
    match (line.table, line.row, line.tables) {
        (Some(table), Some(row), None) => Ok(Body::Row(table, row.get())),
        (None, None, Some(tables)) => Ok(Body::End(tables)),
        _ => Err("it is neither a row, {\"table\", \"row\"}, nor the last line, {\"tables\"}".to_owned()),
    }
}

/// What is wrong with a text, without "at line 1": what is parsed here is one line of many.
pub(super) fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((reason, _)) => format!("{reason} (column {})", error.column()),
        None => text,
    }
}

fn not_an_export() -> String {
    "it does not begin like an export of cogwire: give the file that `cogwire export` wrote".to_owned()
}
