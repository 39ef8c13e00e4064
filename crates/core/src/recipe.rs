//! What a version is made of, so that any node can make it and run it.
//!
//! Owns the text that is kept of it, and how it becomes the version's id. Knows nothing of where packages are, of how they
//! are unpacked, or of who runs them.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::id::{VersionId, hash_newtype};
use crate::json::Json;
use crate::model::ModelName;

/// Begins what a version's id is the hash of: the hash of anything else is no version's id.
const DOMAIN: &str = "cogwire version 1\n";

hash_newtype!(
    /// Names content by the SHA-256 of its bytes: 64 lower-case hexadecimal digits.
    Digest,
    "digest"
);

impl Digest {
    /// The name of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_sha256(Sha256::digest(bytes).into())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a version is made of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Recipe {
    /// A folder with a `cog.yaml`, packed.
    Package {
        /// The package.
        package: Digest,
        /// What a training made of it, if one has: the model loads it in place of its own weights.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        weights: Option<Digest>,
    },
    /// A Cog server that somebody else runs.
    Server {
        /// Where it answers.
        url: String,
        /// The most predictions that it is given at once.
        slots: u32,
    },
}

/// The text is not a recipe that this program can read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecipe {
    /// It is of a kind that there was not yet.
    #[error("a newer version of Cogwire wrote a recipe of the kind {0:?}: upgrade this one")]
    Newer(String),
    /// It is no recipe at all.
    #[error("it is not a recipe: {0}")]
    Malformed(String),
}

impl Recipe {
    /// The recipe as canonical JSON, which [`str::parse`] reads.
    pub fn to_json(&self) -> Json {
        Json::from_value(&serde_json::to_value(self).expect("texts and numbers are JSON"))
    }

    /// The packages and weights that it is made of.
    pub fn parts(&self) -> Vec<&Digest> {
        match self {
            Self::Package { package, weights } => std::iter::once(package).chain(weights).collect(),
            Self::Server { .. } => Vec::new(),
        }
    }

    /// The id of the version of `model` that is made so, and has this schema.
    ///
    /// A package says all that there is to say of a version, its schema included: the same one under the same name is the same
    /// version. A server can change behind its URL, so its schema tells its versions apart; how many slots it has does not.
    /// The model's name is part of every id, so that two models that are made of the same package are two models.
    pub fn version_id(&self, model: &ModelName, schema: &Json) -> VersionId {
        let model = model.as_str();
        let identity = match self {
            Self::Package { package, weights } => {
                json!({ "kind": "package", "model": model, "package": package, "weights": weights })
            }
            Self::Server { url, slots: _ } => {
                let schema = Digest::of(schema.as_str().as_bytes());
                json!({ "kind": "server", "model": model, "schema": schema, "url": url })
            }
        };
        let identity = Json::from_value(&identity);
        let hash = Sha256::new().chain_update(DOMAIN).chain_update(identity.as_str());
        VersionId::from_sha256(hash.finalize().into())
    }
}

impl FromStr for Recipe {
    type Err = InvalidRecipe;

    fn from_str(text: &str) -> Result<Self, InvalidRecipe> {
        let malformed = |error: serde_json::Error| InvalidRecipe::Malformed(error.to_string());
        let Kind { kind } = serde_json::from_str(text).map_err(malformed)?;
        match kind.as_str() {
            "package" | "server" => serde_json::from_str(text).map_err(malformed),
            _ => Err(InvalidRecipe::Newer(kind.chars().take(80).collect())),
        }
    }
}

/// What recipes of every version of Cogwire have.
#[derive(Deserialize)]
struct Kind {
    kind: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest(byte: u8) -> Digest {
        Digest::from_sha256([byte; 32])
    }

    fn package(package: u8, weights: Option<u8>) -> Recipe {
        Recipe::Package { package: digest(package), weights: weights.map(digest) }
    }

    fn server(url: &str, slots: u32) -> Recipe {
        Recipe::Server { url: url.to_owned(), slots }
    }

    fn id(recipe: &Recipe, model: &str, schema: &str) -> VersionId {
        recipe.version_id(&model.parse().expect("a name"), &Json::parse(schema).expect("JSON"))
    }

    #[test]
    fn a_digest_is_the_hash_in_hexadecimal_digits() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").as_str(), empty);
        assert_eq!(empty.parse(), Ok(Digest::of(b"")));
        assert!(empty.to_uppercase().parse::<Digest>().is_err());
    }

    #[test]
    fn every_recipe_has_its_text() {
        let one = "01".repeat(32);
        let two = "02".repeat(32);
        let cases = [
            (package(1, None), format!(r#"{{"kind":"package","package":"{one}"}}"#)),
            (package(1, Some(2)), format!(r#"{{"kind":"package","package":"{one}","weights":"{two}"}}"#)),
            (
                server("http://gpu:5000", 4),
                r#"{"kind":"server","slots":4,"url":"http://gpu:5000"}"#.to_owned(),
            ),
        ];
        for (recipe, text) in cases {
            assert_eq!(recipe.to_json().as_str(), text);
            assert_eq!(text.parse(), Ok(recipe));
        }
    }

    #[test]
    fn what_is_no_recipe_is_refused() {
        let digest = "0".repeat(64);
        let malformed = [
            String::new(),
            "[]".to_owned(),
            r#"{"package":"x"}"#.to_owned(),
            r#"{"kind":"package","package":"x"}"#.to_owned(),
            format!(r#"{{"kind":"package","package":"{digest}","colour":"red"}}"#),
            format!(r#"{{"kind":"package","package":"{digest}"}} x"#),
            r#"{"kind":"server","url":"http://gpu:5000","slots":-1}"#.to_owned(),
        ];
        for text in malformed {
            let refused = text.parse::<Recipe>();
            assert!(matches!(refused, Err(InvalidRecipe::Malformed(_))), "{text}: {refused:?}");
        }
        let newer = r#"{"kind":"image","image":"r8.im/a/b"}"#.parse::<Recipe>();
        assert_eq!(newer, Err(InvalidRecipe::Newer("image".to_owned())));
    }

    /// Ids are stored: another way of making them would make every version a new one.
    #[test]
    fn ids_stay_as_they_are() {
        let ids = [
            id(&package(1, None), "acme/story", "{}"),
            id(&package(1, Some(2)), "acme/story", "{}"),
            id(&server("http://gpu:5000", 4), "acme/story", "{}"),
        ];
        let expected = [
            "cc06e20e61e8e331e1ae29af27e4a1d66a90e0453946b5521120558a4bef2436",
            "a4e5f11ce3501b3b941cf1cd0e20b6d17b2d72e701507387b5e8ccbf563c63e3",
            "84513195b7d5baa48df624c14de0b72369b8c08d489e5c2b5bf3c0b1e20765f2",
        ];
        assert_eq!(ids.map(|id| id.to_string()), expected);
    }

    #[test]
    fn an_id_says_what_a_version_is_made_of_and_of_which_model_it_is() {
        let base = id(&package(1, None), "acme/story", "{}");
        assert_eq!(base, id(&package(1, None), "acme/story", r#"{"a":1}"#), "a package has one schema");
        for other in [package(2, None), package(1, Some(1))] {
            assert_ne!(base, id(&other, "acme/story", "{}"));
        }
        assert_ne!(base, id(&package(1, None), "acme/tale", "{}"));

        let base = id(&server("http://gpu:5000", 1), "acme/story", "{}");
        assert_eq!(base, id(&server("http://gpu:5000", 8), "acme/story", "{}"));
        assert_ne!(base, id(&server("http://gpu:5000", 1), "acme/story", r#"{"a":1}"#));
        assert_ne!(base, id(&server("http://gpu:5001", 1), "acme/story", "{}"));
        assert_ne!(base, id(&server("http://gpu:5000", 1), "acme/tale", "{}"));
    }

    proptest! {
        #[test]
        fn recipes_round_trip(url in ".{0,40}", slots: u32, bytes: [u8; 32], weights: Option<[u8; 32]>) {
            let package = Recipe::Package {
                package: Digest::from_sha256(bytes),
                weights: weights.map(Digest::from_sha256),
            };
            for recipe in [package, Recipe::Server { url, slots }] {
                prop_assert_eq!(recipe.to_json().as_str().parse(), Ok(recipe));
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _ = text.parse::<Recipe>();
        }
    }
}
