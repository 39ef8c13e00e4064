//! The `cursor` of a list: where a page begins, as an opaque text.
//!
//! It has Replicate's form, base64 of `p=…`, or of `r=1&p=…` for the page before. What a position is depends on the list.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{GeneralPurposeConfig, URL_SAFE_NO_PAD};

/// The longest cursor that is looked at, in bytes.
const MAX_LENGTH: usize = 512;

/// Clients pass cursors on through URLs and shells; padding is easily lost on the way.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The place where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageCursor {
    /// Whether the page ends there instead: it is the one before.
    pub backwards: bool,
    /// The position.
    pub position: String,
}

/// The text is not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("The cursor is not valid: take `next` and `previous` from a list as they are")]
pub struct InvalidCursor;

impl PageCursor {
    /// The page that follows `position`.
    pub fn after(position: impl Into<String>) -> Self {
        Self { backwards: false, position: position.into() }
    }

    /// The page that comes before `position`.
    pub fn before(position: impl Into<String>) -> Self {
        Self { backwards: true, position: position.into() }
    }

    /// The text for a URL; it needs no escaping.
    pub fn encode(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if self.backwards {
            query.append_pair("r", "1");
        }
        URL_SAFE_NO_PAD.encode(query.append_pair("p", &self.position).finish())
    }

    /// Reads what [`PageCursor::encode`] wrote, in either alphabet of base64, with or without padding.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn decode(text: &str) -> Result<Self, InvalidCursor> {
        if text.len() > MAX_LENGTH {
            return Err(InvalidCursor);
        }
        let url_safe = text.replace('+', "-").replace('/', "_");
        let query = LENIENT.decode(url_safe).map_err(|_| InvalidCursor)?;
        let (mut backwards, mut position) = (false, None);
        for (key, value) in url::form_urlencoded::parse(&query) {
            match &*key {
                "r" => backwards = value == "1",
                "p" => position = Some(value.into_owned()),
                _ => return Err(InvalidCursor),
            }
        }
        position.map(|position| Self { backwards, position }).ok_or(InvalidCursor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn replicates_form_is_read() {
        // base64 of `p=2024-10-04+18%3A07%3A37` in the standard alphabet, with padding.
        let cursor = PageCursor::decode("cD0yMDI0LTEwLTA0KzE4JTNBMDclM0EzNw==").expect("valid");
        assert_eq!(cursor, PageCursor::after("2024-10-04 18:07:37"));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "!", "abc", "eD0x", "aGVsbG8", &"cD0x".repeat(200)] {
            assert_eq!(PageCursor::decode(text), Err(InvalidCursor), "for {text:?}");
        }
    }

    proptest! {
        #[test]
        fn cursors_round_trip(backwards: bool, position in "\\PC{0,60}") {
            let cursor = PageCursor { backwards, position };
            let text = cursor.encode();
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')));
            if text.len() <= MAX_LENGTH {
                prop_assert_eq!(PageCursor::decode(&text), Ok(cursor));
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,80}|[A-Za-z0-9+/=_-]{0,80}") {
            let _ = PageCursor::decode(&text);
        }
    }
}
