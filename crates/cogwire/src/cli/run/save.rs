//! Output into files.

use std::path::{Path, PathBuf};

use cogwire_files::data_url;
use futures_util::TryStreamExt;
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::show;
use crate::cli::client::Client;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output;

/// Writes the output to `path`. Files are fetched; several go into a folder of that name. Anything else is written as text.
pub(super) async fn output(client: &Client, value: &Value, schema: Option<&Value>, path: &Path) -> Outcome {
    let mut urls = Vec::new();
    find_files(value, schema, &mut urls);
    match urls.as_slice() {
        [] => write_text(value, schema, path).await,
        [url] if !path.is_dir() => write_file(client, url, path.to_owned()).await,
        several => {
            make_folder(path)?;
            for (index, url) in several.iter().enumerate() {
                write_file(client, url, path.join(file_name(url, index))).await?;
            }
            Ok(())
        }
    }
}

/// Only the last folder is made: a mistyped path must not leave a tree behind.
fn make_folder(path: &Path) -> Outcome {
    match std::fs::create_dir(path) {
        Err(error) if !path.is_dir() => {
            Err(Failure::of(format_args!("cannot make {}", path.display()), &error))
        }
        _ => Ok(()),
    }
}

/// The URLs of files, at whatever depth. A link counts as a file unless the schema says that the output is plain text.
fn find_files<'a>(value: &'a Value, schema: Option<&Value>, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) if is_file(text, schema) => found.push(text),
        Value::Array(items) => {
            let schema = schema.and_then(|schema| schema.get("items"));
            items.iter().for_each(|item| find_files(item, schema, found));
        }
        Value::Object(members) => members.values().for_each(|member| find_files(member, None, found)),
        _ => {}
    }
}

fn is_file(text: &str, schema: Option<&Value>) -> bool {
    let plain = schema.is_some_and(|schema| schema["type"] == "string" && schema["format"] != "uri");
    let link = text.starts_with("https://") || text.starts_with("http://");
    !plain && (link || data_url::looks_like(text))
}

fn file_name(url: &str, index: usize) -> String {
    if let Some(content) = data_url::decode(url) {
        return content.file_name(&format!("output-{index}"));
    }
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let last = path.rsplit('/').next().filter(|name| !name.is_empty() && *name != "..").unwrap_or("file");
    format!("output-{index}-{last}")
}

async fn write_file(client: &Client, url: &str, path: PathBuf) -> Outcome {
    let unwritable =
        |error: &std::io::Error| Failure::of(format_args!("cannot write {}", path.display()), error);
    if let Some(content) = data_url::decode(url) {
        tokio::fs::write(&path, &content.bytes).await.map_err(|error| unwritable(&error))?;
    } else {
        let mut pieces = client.open(url, "*/*").await?.bytes_stream();
        let mut file = tokio::fs::File::create(&path).await.map_err(|error| unwritable(&error))?;
        while let Some(piece) =
            pieces.try_next().await.map_err(|error| Failure::of("the download broke off", &error))?
        {
            file.write_all(&piece).await.map_err(|error| unwritable(&error))?;
        }
        file.flush().await.map_err(|error| unwritable(&error))?;
    }
    output::say(format_args!("Wrote {}", path.display()));
    Ok(())
}

async fn write_text(value: &Value, schema: Option<&Value>, path: &Path) -> Outcome {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(Value::is_string) => show::joined(items, schema),
        other => format!("{other:#}"),
    };
    tokio::fs::write(path, text)
        .await
        .map_err(|error| Failure::of(format_args!("cannot write {}", path.display()), &error))?;
    output::say(format_args!("Wrote {}", path.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(value: &Value, schema: Option<&Value>) -> usize {
        let mut urls = Vec::new();
        find_files(value, schema, &mut urls);
        urls.len()
    }

    #[test]
    fn files_are_told_from_texts() {
        let link = json!("https://a.test/cat.png?x=1");
        assert_eq!(found(&link, Some(&json!({"type": "string", "format": "uri"}))), 1);
        assert_eq!(found(&link, Some(&json!({"type": "string"}))), 0);
        assert_eq!(found(&json!(["data:image/png;base64,AA==", {"a": link}]), None), 2);
        assert_eq!(found(&json!("a text"), None), 0);
    }

    #[test]
    fn files_get_names() {
        assert_eq!(file_name("https://a.test/b/cat.png?x=1", 0), "output-0-cat.png");
        assert_eq!(file_name("data:text/plain,hi", 1), "output-1.txt");
        assert_eq!(file_name("https://a.test/..", 2), "output-2-file");
    }
}
