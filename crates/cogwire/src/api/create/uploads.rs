//! The uploaded files that an input names.

use cogwire_core::id::FileId;
use cogwire_core::input::{InvalidField, InvalidInput};
use cogwire_core::json::Json;
use cogwire_core::prediction::AccountId;
use cogwire_core::wire::ErrorBody;
use cogwire_files::Reference;
use serde_json::Value;

use crate::api::{Api, Failure};

/// A file that an input names, and where in the input.
struct Named {
    field: String,
    id: Option<FileId>,
}

impl Api {
    /// The uploads that `input` names by their URLs, each once; 422 when one does not exist, is another account's, or is too
    /// old: the model could not read it.
    pub(super) async fn uploads_of(&self, account: &AccountId, input: &Json) -> Result<Vec<FileId>, Failure> {
        // What every spelling of such a URL has; canonical text does not escape it.
        if !input.as_str().contains("/files/") {
            return Ok(Vec::new());
        }
        let (mut uploads, mut faults) = (Vec::new(), Vec::new());
        for Named { field, id } in self.named(input) {
            match self.usable(account, id).await? {
                Some(id) => uploads.push(id),
                None => faults.push(InvalidField::new(
                    "file",
                    field,
                    "The uploaded file does not exist, or has expired",
                )),
            }
        }
        if !faults.is_empty() {
            return Err(ErrorBody::invalid_input(InvalidInput { fields: faults }).into());
        }
        uploads.sort();
        uploads.dedup();
        Ok(uploads)
    }

    async fn usable(&self, account: &AccountId, id: Option<FileId>) -> Result<Option<FileId>, Failure> {
        let Some(id) = id else { return Ok(None) };
        let upload = self.store.upload(account, id).await?;
        let now = self.now();
        Ok(upload.filter(|upload| upload.expires_at.is_none_or(|at| now < at)).map(|upload| upload.id))
    }

    fn named(&self, input: &Json) -> Vec<Named> {
        let (now, mut found) = (self.now(), Vec::new());
        each_text(&input.to_value(), "input", &mut |field, text| {
            if let Some(Reference::Upload(id)) = self.files.reference(text, now) {
                found.push(Named { field: field.to_owned(), id });
            }
        });
        found
    }
}

/// Visits every string below `value`, with its place. The parser has bounded how deep that is.
fn each_text(value: &Value, place: &str, visit: &mut dyn FnMut(&str, &str)) {
    match value {
        Value::String(text) => visit(place, text),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                each_text(item, &format!("{place}.{index}"), visit);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                each_text(member, &format!("{place}.{key}"), visit);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_text_has_its_place() {
        let value = json!({"a": "1", "b": [true, "2", {"c": "3"}], "d": 4});
        let mut found = Vec::new();
        each_text(&value, "input", &mut |place, text| found.push(format!("{place}={text}")));
        assert_eq!(found, ["input.a=1", "input.b.1=2", "input.b.2.c=3"]);
    }
}
