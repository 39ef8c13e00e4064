//! The steps of a schema, as every implementation counts and checks them.

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// How far a database is upgraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaVersion {
    /// The version that it has; 0 when it is empty.
    pub found: i64,
    /// The newest version that this program knows.
    pub known: i64,
}

impl SchemaVersion {
    /// Whether nothing is left to do.
    pub fn is_current(&self) -> bool {
        self.found == self.known
    }
}

/// One step of the schema, from the version before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Migration {
    /// The version that the schema has afterwards; versions count from 1.
    pub(crate) version: i64,
    /// What makes it so.
    pub(crate) sql: &'static str,
}

impl Migration {
    /// What tells one step from another that has its number.
    pub(crate) fn checksum(&self) -> [u8; 32] {
        Sha256::digest(self.sql.as_bytes()).into()
    }
}

/// How far a database is upgraded, to which these versions were applied, each with its checksum.
///
/// # Errors
/// When it is newer than `steps`, and when a step has changed since: the tables would not be what the code expects.
pub(crate) fn check(applied: &[(i64, Vec<u8>)], steps: &[Migration]) -> Result<SchemaVersion> {
    let found = applied.iter().map(|(version, _)| *version).max().unwrap_or(0);
    let known = steps.last().map_or(0, |step| step.version);
    if found > known {
        return Err(Error::NewerSchema { found, known });
    }
    for step in steps.iter().filter(|step| step.version <= found) {
        if !applied.contains(&(step.version, step.checksum().to_vec())) {
            return Err(Error::Setup(format!(
                "schema version {} of the database was made by other statements than this program's: give cogwire a database \
                 of its own",
                step.version
            )));
        }
    }
    Ok(SchemaVersion { found, known })
}

/// Refuses a database that is not upgraded.
pub(crate) fn require_current(version: SchemaVersion) -> Result<()> {
    if version.is_current() {
        return Ok(());
    }
    let SchemaVersion { found, known } = version;
    Err(Error::Setup(format!(
        "the database's schema version is {found} and {known} is needed: run `cogwire migrate`, or start the server once \
         to upgrade it"
    )))
}
