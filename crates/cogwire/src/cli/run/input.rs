//! From `key=value` to JSON, by the model's schema.

use std::io::Read;
use std::path::{Path, PathBuf};

use cogwire_files::Content;
use serde_json::{Map, Value};

use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::{self, Style};

/// The input as JSON. `schemas` is `components.schemas`; without it, values that look like JSON are taken for JSON.
pub(in crate::cli) async fn read(pairs: &[String], schemas: Option<&Value>) -> Outcome<Value> {
    let mut input = Map::new();
    for pair in pairs {
        let (key, text) = pair
            .split_once('=')
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| Failure::Usage(format!("{pair:?} is not of the form key=value")))?;
        let kind = Kind::of(key, schemas);
        let value = match file_reference(text) {
            FileReference::File(path) => Value::String(data_url(path).await?),
            FileReference::Text(text) => kind.read(text),
        };
        warn_of_unknown_key(key, schemas);
        put(&mut input, key, value, kind);
    }
    Ok(Value::Object(input))
}

/// What the schema says a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    /// A number, `true`, `false` or an object: whatever JSON it is.
    Json,
    List,
    Unknown,
}

impl Kind {
    fn of(key: &str, schemas: Option<&Value>) -> Self {
        let Some(property) = schemas.and_then(|schemas| property(key, schemas)) else { return Self::Unknown };
        let types = |schema: &Value| schema["type"].as_str().map(Self::of_type);
        let nested = ["anyOf", "allOf", "oneOf"].iter().filter_map(|key| property[*key].as_array()).flatten();
        let resolved = nested.map(|schema| resolve(schema, schemas));
        types(property).or_else(|| resolved.filter_map(types).next()).unwrap_or(Self::Unknown)
    }

    fn of_type(name: &str) -> Self {
        match name {
            "string" => Self::Text,
            "array" => Self::List,
            "integer" | "number" | "boolean" | "object" => Self::Json,
            _ => Self::Unknown,
        }
    }

    /// A text that is not what the schema asks for is sent as it is: the server says best what is wrong.
    fn read(self, text: &str) -> Value {
        let json = || serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        match self {
            Self::Text => Value::from(text),
            Self::Json => json(),
            Self::List if text.trim_start().starts_with('[') => json(),
            Self::List => json_scalar(text),
            Self::Unknown => json(),
        }
    }
}

enum FileReference<'a> {
    File(&'a Path),
    Text(&'a str),
}

fn file_reference(text: &str) -> FileReference<'_> {
    match text.strip_prefix('@') {
        Some(rest) if rest.starts_with('@') => FileReference::Text(rest),
        Some(path) if !path.is_empty() => FileReference::File(Path::new(path)),
        _ => FileReference::Text(text),
    }
}

fn property<'a>(key: &str, schemas: &'a Value) -> Option<&'a Value> {
    schemas.pointer("/Input/properties")?.get(key)
}

/// Follows a reference to a schema of the same document, such as an enum's.
fn resolve<'a>(schema: &'a Value, schemas: Option<&'a Value>) -> &'a Value {
    let name = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    name.zip(schemas).and_then(|(name, schemas)| schemas.get(name)).unwrap_or(schema)
}

fn json_scalar(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_) | Value::Object(_))) => value,
        _ => Value::from(text),
    }
}

/// A list collects the values of its key; any other key keeps the last one.
fn put(input: &mut Map<String, Value>, key: &str, value: Value, kind: Kind) {
    if kind != Kind::List || value.is_array() {
        input.insert(key.to_owned(), value);
        return;
    }
    match input.get_mut(key) {
        Some(Value::Array(items)) => items.push(value),
        _ => {
            input.insert(key.to_owned(), Value::Array(vec![value]));
        }
    }
}

fn warn_of_unknown_key(key: &str, schemas: Option<&Value>) {
    let Some(properties) = schemas.and_then(|schemas| schemas.pointer("/Input/properties")?.as_object())
    else {
        return;
    };
    // A schema without inputs is that of a model that takes anything.
    if properties.is_empty() || properties.contains_key(key) {
        return;
    }
    let known: Vec<&str> = properties.keys().map(String::as_str).collect();
    let warning = Style::Warning.paint("warning:");
    output::say(format_args!("{warning} the model has no input {key:?}; it has: {}", known.join(", ")));
}

async fn data_url(path: &Path) -> Outcome<String> {
    let unreadable =
        |error: &std::io::Error| Failure::of(format_args!("cannot read {}", path.display()), error);
    let content = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
        Content::Bytes(bytes.into())
    } else {
        Content::Path(PathBuf::from(path))
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let url = content.data_url(&name, u64::MAX).await.map_err(|error| unreadable(&error))?;
    Ok(url.expect("no file is longer than the longest length"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    async fn parsed(pairs: &[&str], schemas: Option<Value>) -> Value {
        let pairs: Vec<String> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
        read(&pairs, schemas.as_ref()).await.expect("pairs that can be read")
    }

    fn schemas() -> Option<Value> {
        Some(json!({
            "Input": {"properties": {
                "text": {"type": "string"},
                "count": {"type": "integer"},
                "on": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
                "size": {"allOf": [{"$ref": "#/components/schemas/size"}]},
                "tags": {"type": "array"},
                "extra": {"type": "object"},
            }},
            "size": {"type": "string", "enum": ["1", "2"]},
        }))
    }

    #[tokio::test]
    async fn the_schema_says_what_a_value_is() {
        let pairs = ["text=1", "count=2", "on=true", "size=1", "tags=a", "tags=3", "extra={\"a\":null}"];
        let expected = json!({
            "text": "1", "count": 2, "on": true, "size": "1", "tags": ["a", 3], "extra": {"a": null},
        });
        assert_eq!(parsed(&pairs, schemas()).await, expected);
        assert_eq!(
            parsed(&["tags=[1,2]", "count=x"], schemas()).await,
            json!({"tags": [1, 2], "count": "x"})
        );
    }

    #[tokio::test]
    async fn without_a_schema_json_is_recognised() {
        let pairs = ["a=1", "b=x=y", "c=[1]", "d=null", "e=@@at", "f=@", "g="];
        let expected = json!({"a": 1, "b": "x=y", "c": [1], "d": null, "e": "@at", "f": "@", "g": ""});
        assert_eq!(parsed(&pairs, None).await, expected);
    }

    #[tokio::test]
    async fn files_become_data_urls() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.txt");
        std::fs::write(&path, "hi").expect("written");
        let input = parsed(&[&format!("file=@{}", path.display())], None).await;
        assert_eq!(input["file"], "data:text/plain;charset=utf-8;base64,aGk=");
    }

    #[tokio::test]
    async fn what_is_no_pair_is_refused() {
        let refused = read(&["text".to_owned()], None).await;
        assert!(matches!(refused, Err(Failure::Usage(_))));
    }
}
