//! Counts and checksums of rows, by table: whoever has the same has everything.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::catalogue::{TABLES, Table};
use super::format::End;

/// What is known about the rows of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableDigest {
    /// How many there are.
    pub rows: u64,
    /// The SHA-256 of all of them as JSON, each with a line end, in hexadecimal digits.
    pub sha256: String,
}

/// The digest of a table to which rows are still added.
#[derive(Debug, Clone, Default)]
pub(super) struct Running {
    rows: u64,
    hash: Sha256,
}

impl Running {
    /// Adds the next row, given as JSON.
    pub(super) fn add(&mut self, json: &[u8]) {
        self.rows += 1;
        self.hash.update(json);
        self.hash.update(b"\n");
    }

    /// What there is so far.
    pub(super) fn digest(&self) -> TableDigest {
        let hash = self.hash.clone().finalize();
        TableDigest { rows: self.rows, sha256: hash.iter().map(|byte| format!("{byte:02x}")).collect() }
    }
}

/// The digests of all tables, by the position of the table.
#[derive(Debug, Clone)]
pub struct Digests(pub(super) Vec<Running>);

impl Default for Digests {
    fn default() -> Self {
        Self(vec![Running::default(); TABLES.len()])
    }
}

impl Digests {
    /// The number of rows of all tables.
    pub fn rows(&self) -> u64 {
        self.0.iter().map(|table| table.rows).sum()
    }

    /// Every table with its digest.
    pub fn tables(&self) -> impl Iterator<Item = (&'static Table, TableDigest)> {
        TABLES.iter().zip(self.0.iter().map(Running::digest))
    }

    /// Compares with what a last line says. The error names the first difference.
    pub(super) fn compare(&self, end: &End) -> Result<(), String> {
        if let Some(unknown) = end.keys().find(|name| Table::position(name).is_none()) {
            return Err(format!("there is no table {unknown:?}"));
        }
        for (table, found) in self.tables() {
            let name = table.name;
            let expected = end.get(name).ok_or_else(|| format!("it says nothing about table {name}"))?;
            if found.rows != expected.rows {
                return Err(format!(
                    "{} rows of table {name} should come before it, not {}",
                    expected.rows, found.rows
                ));
            }
            if found != *expected {
                return Err(format!("rows of table {name} have been changed: their checksum is another"));
            }
        }
        Ok(())
    }
}
