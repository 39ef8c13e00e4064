//! Models, their versions, and the ways to refer to them.

use std::fmt;
use std::str::FromStr;

use crate::id::VersionId;
use crate::json::Json;
use crate::recipe::Recipe;
use crate::time::Timestamp;

/// The longest owner or model name, in bytes.
pub const MAX_NAME_LENGTH: usize = 100;

/// A model's full name, `owner/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelName {
    full: std::sync::Arc<str>,
    slash: usize,
}

impl ModelName {
    /// Joins an owner and a name.
    ///
    /// # Errors
    /// When either is empty, longer than [`MAX_NAME_LENGTH`], or has a character outside `a-z A-Z 0-9 . _ -`.
    pub fn new(owner: &str, name: &str) -> Result<Self, InvalidReference> {
        if is_name(owner) && is_name(name) {
            return Ok(Self { full: format!("{owner}/{name}").into(), slash: owner.len() });
        }
        Err(InvalidReference::new(&format!("{owner}/{name}")))
    }

    /// The part before the slash.
    pub fn owner(&self) -> &str {
        &self.full[..self.slash]
    }

    /// The part after the slash.
    pub fn name(&self) -> &str {
        &self.full[self.slash + 1..]
    }

    /// `owner/name`.
    pub fn as_str(&self) -> &str {
        &self.full
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}

impl FromStr for ModelName {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let (owner, name) = text.split_once('/').ok_or_else(|| InvalidReference::new(text))?;
        Self::new(owner, name).map_err(|_| InvalidReference::new(text))
    }
}

/// What a caller may write where a version is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionRef {
    /// `owner/name`: the model's latest version.
    Latest(ModelName),
    /// `owner/name:id`: this version, which must belong to this model.
    Pinned(ModelName, VersionId),
    /// The bare id.
    Id(VersionId),
}

impl FromStr for VersionRef {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let invalid = || InvalidReference::new(text);
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        match text.split_once(':') {
            Some((model, id)) => Ok(Self::Pinned(model.parse()?, id.parse().map_err(|_| invalid())?)),
            None => text.parse().map(Self::Latest).map_err(|_| invalid()),
        }
    }
}

/// The text was not a reference to a model or version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a model reference: expected owner/name, owner/name:version or a version id of 64 hexadecimal digits"
)]
pub struct InvalidReference(String);

impl InvalidReference {
    fn new(text: &str) -> Self {
        Self(text.chars().take(200).collect())
    }
}

/// A model as the catalogue knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// `owner/name`.
    pub name: ModelName,
    /// One sentence for people, if there is one.
    pub description: Option<String>,
    /// When it was first registered.
    pub created_at: Timestamp,
    /// Predictions ever created with it.
    pub run_count: u64,
    /// The version that runs when the model is called by name.
    pub latest_version: Option<Version>,
}

/// One version of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its id.
    pub id: VersionId,
    /// The model that it is a version of.
    pub model: ModelName,
    /// When it was registered.
    pub created_at: Timestamp,
    /// The version of Cog that it was made with; for models without Cog, `cogwire VERSION`.
    pub cog_version: String,
    /// Its OpenAPI document: `components.schemas.Input` and `.Output` are what matters.
    pub openapi_schema: Json,
    /// What it is made of, when any node can make it; `None` when it is part of the program or of a script.
    pub recipe: Option<Recipe>,
}

fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=MAX_NAME_LENGTH).contains(&text.len()) && text.bytes().all(allowed) && text != "." && text != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa";

    #[test]
    fn the_three_forms_of_a_version_reference() {
        let model: ModelName = "replicate/hello-world".parse().expect("a name");
        let id: VersionId = ID.parse().expect("an id");
        assert_eq!("replicate/hello-world".parse(), Ok(VersionRef::Latest(model.clone())));
        assert_eq!(format!("replicate/hello-world:{ID}").parse(), Ok(VersionRef::Pinned(model, id.clone())));
        assert_eq!(ID.parse(), Ok(VersionRef::Id(id)));
    }

    #[test]
    fn names_that_are_refused() {
        for bad in ["", "a", "a/", "/b", "a/b/c", "a/b:", "a/b:123", "a b/c", "../x", "a/.."] {
            assert!(bad.parse::<VersionRef>().is_err(), "{bad}");
        }
    }
}
