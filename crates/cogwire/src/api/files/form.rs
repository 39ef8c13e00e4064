//! An upload's form: which parts it may have, and what is wrong with one that cannot be taken.

use axum::http::{HeaderMap, header};
use cogwire_core::input::{InvalidField, InvalidInput};
use cogwire_core::json::{Json, Kind};
use cogwire_core::wire::ErrorBody;
use futures_util::Stream;
use multer::{Constraints, Field, Multipart, SizeLimit};

use crate::api::Failure;

/// The longest file, in bytes.
pub(super) const MAX_FILE: u64 = 100 << 20;

/// The longest of the other parts, in bytes.
const MAX_TEXT: u64 = 64 << 10;

/// The longest name of a file, in bytes.
const MAX_NAME: usize = 255;

/// What a form may be longer than its file, in bytes: the other parts and the lines between them.
const MAX_REST: u64 = 1 << 20;

/// The names of the parts.
const PARTS: [&str; 4] = ["content", "filename", "metadata", "type"];

/// The parts of a form, whose file has at most `most` bytes and whose texts are not longer than they may be.
pub(super) fn parts<'a, S, E>(headers: &HeaderMap, body: S, most: u64) -> Result<Multipart<'a>, Failure>
where
    S: Stream<Item = Result<bytes::Bytes, E>> + Send + 'a,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'a,
{
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(text(header::CONTENT_TYPE)).map_err(refused)?;
    // What says that it is too long need not be read.
    if text(header::CONTENT_LENGTH).parse::<u64>().is_ok_and(|length| length > most + MAX_REST) {
        return Err(too_large());
    }
    let sizes = SizeLimit::new().whole_stream(most + MAX_REST).per_field(MAX_TEXT).for_field("content", most);
    let constraints = Constraints::new().allowed_fields(PARTS.to_vec()).size_limit(sizes);
    Ok(Multipart::with_constraints(body, boundary, constraints))
}

/// The text of a part.
pub(super) async fn text(part: Field<'_>) -> Result<String, Failure> {
    let name = part.name().unwrap_or_default().to_owned();
    let bytes = part.bytes().await.map_err(refused)?;
    String::from_utf8(bytes.into()).map_err(|_| invalid("format", &name, "Must be text in UTF-8"))
}

/// A file's name as it may be.
pub(super) fn name(text: String) -> Result<String, Failure> {
    match text.len() {
        1..=MAX_NAME => Ok(text),
        0 => Err(no_name()),
        _ => Err(invalid("string_lte", "filename", "String length must be less than or equal to 255 bytes")),
    }
}

/// A content type as it may be: what a header can carry.
pub(super) fn content_type(text: String) -> Result<String, Failure> {
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    let valid = (3..=MAX_NAME).contains(&text.len()) && text.contains('/') && visible;
    if valid { Ok(text) } else { Err(invalid("format", "type", "Must be a content type such as image/png")) }
}

/// The caller's own words about the file: an object.
pub(super) fn metadata(text: &str) -> Result<Json, Failure> {
    let json = Json::parse(text)
        .map_err(|error| invalid("format", "metadata", &format!("Must be a JSON object: {error}")))?;
    match json.kind() {
        Kind::Object => Ok(json),
        _ => Err(invalid("invalid_type", "metadata", "Must be a JSON object")),
    }
}

/// 422: there is no file in the form.
pub(super) fn no_content() -> Failure {
    invalid("required", "", "content is required")
}

/// 422: nobody said what the file is called.
pub(super) fn no_name() -> Failure {
    let hint = "give the part content a filename, or send a part filename before it";
    let fault = InvalidField::new("required", "", "filename is required").with_hint(Some(hint.to_owned()));
    ErrorBody::invalid_input(InvalidInput::from(fault)).into()
}

/// 422: a part that may be there once.
pub(super) fn twice(name: &str) -> Failure {
    invalid("unique", name, "May be given once only")
}

/// 422: a name that comes when the file has one already.
pub(super) fn late_name() -> Failure {
    invalid("order", "filename", "Must come before the part content, or be the same as its filename")
}

/// 422 for one part.
fn invalid(kind: &'static str, name: &str, description: &str) -> Failure {
    ErrorBody::invalid_input(InvalidInput::from(InvalidField::new(kind, name, description))).into()
}

/// 413, as on Replicate.
fn too_large() -> Failure {
    ErrorBody::new(413, "Files must be less than 100MB in size").into()
}

/// What it means that a form cannot be read.
pub(super) fn refused(error: multer::Error) -> Failure {
    use multer::Error as E;
    match error {
        E::FieldSizeExceeded { field_name: Some(name), .. } if name != "content" => {
            invalid("string_lte", &name, "Must be at most 64 KiB long")
        }
        E::FieldSizeExceeded { .. } | E::StreamSizeExceeded { .. } => too_large(),
        E::UnknownField { field_name } => {
            let name = field_name.unwrap_or_default();
            invalid(
                "additional_property_not_allowed",
                "",
                &format!("Additional property {name} is not allowed"),
            )
        }
        E::NoMultipart | E::NoBoundary | E::DecodeContentType(_) => {
            ErrorBody::new(400, "The body must be multipart/form-data, with the file in a part named content")
                .into()
        }
        other => ErrorBody::new(400, format!("The form could not be read to its end: {other}")).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::http::HeaderValue;
    use axum::response::IntoResponse;
    use bytes::Bytes;
    use futures_util::stream;

    use super::*;

    fn headers(content_type: &'static str, length: u64) -> HeaderMap {
        HeaderMap::from_iter([
            (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
            (header::CONTENT_LENGTH, HeaderValue::from(length)),
        ])
    }

    /// What becomes of a form with a file of `size` bytes when 10 are allowed.
    async fn taken(size: usize) -> Result<Bytes, Failure> {
        let head = "--b\r\nContent-Disposition: form-data; name=\"content\"; filename=\"a\"\r\n\r\n";
        let form = format!("{head}{}\r\n--b--\r\n", "x".repeat(size));
        let pieces = form.into_bytes().into_iter().map(|byte| Ok::<_, Infallible>(Bytes::from(vec![byte])));
        let mut parts = parts(&headers("multipart/form-data; boundary=b", 0), stream::iter(pieces), 10)?;
        let part = parts.next_field().await.map_err(refused)?.expect("a part");
        part.bytes().await.map_err(refused)
    }

    fn status(failure: Failure) -> u16 {
        failure.into_response().status().as_u16()
    }

    #[tokio::test]
    async fn a_file_within_the_limit_is_taken_and_a_longer_one_is_not() {
        assert_eq!(taken(10).await.expect("it fits"), "xxxxxxxxxx");
        assert_eq!(taken(11).await.map_err(status), Err(413));
    }

    #[test]
    fn what_says_that_it_is_too_long_is_not_read() {
        let body = || stream::pending::<Result<Bytes, Infallible>>();
        let asked = |length| parts(&headers("multipart/form-data; boundary=b", length), body(), 10).map(drop);
        assert!(asked(10 + MAX_REST).is_ok());
        assert_eq!(asked(11 + MAX_REST).map_err(status), Err(413));
    }

    #[test]
    fn names_types_and_metadata_are_what_they_must_be() {
        assert!(
            name("n".repeat(255)).is_ok() && name("n".repeat(256)).is_err() && name(String::new()).is_err()
        );
        for (text, valid) in [("image/png", true), ("text/plain; charset=utf-8", true), ("image", false)] {
            assert_eq!(content_type(text.to_owned()).is_ok(), valid, "{text}");
        }
        assert!(content_type("a/b\r\nx: y".to_owned()).is_err());
        assert_eq!(metadata(" {\"b\":1.0, \"a\":2} ").expect("valid").as_str(), r#"{"a":2,"b":1}"#);
        assert!(metadata("[]").is_err() && metadata("{").is_err());
    }
}
