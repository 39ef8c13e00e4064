//! Options as callers write them in headers, and operators in settings.

use crate::size;

/// The longest metadata, in bytes.
pub const MAX_METADATA: usize = 1024;

/// The text does not say what is wanted. `Display` says what would.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOption {
    /// It is no rule for the length of bodies.
    #[error("{0:?} is none of full, thin and thin-above=BYTES")]
    Body(String),
    /// It is no length of logs.
    #[error("{0:?} is neither all nor a number of bytes")]
    LogTail(String),
    /// It is no switch.
    #[error("{0:?} is neither true nor false")]
    Gzip(String),
    /// A header could not carry it.
    #[error("metadata has 1 to {MAX_METADATA} characters, each visible ASCII or a space")]
    Metadata,
}

/// Reads which bodies are sent thin: `full` (none), `thin` (all), or `thin-above=BYTES`. Gives
/// [`BodyRule::thin_above`](super::BodyRule::thin_above).
///
/// # Errors
/// When it is anything else.
pub fn parse_body(text: &str) -> Result<Option<u64>, InvalidOption> {
    match text.trim() {
        "full" => Ok(None),
        "thin" => Ok(Some(0)),
        other => {
            let bytes = other.strip_prefix("thin-above=").and_then(size::parse);
            bytes.map(Some).ok_or_else(|| InvalidOption::Body(shown(text)))
        }
    }
}

/// Reads how many bytes of logs bodies show, or `all`. Gives [`BodyRule::log_tail`](super::BodyRule::log_tail).
///
/// # Errors
/// When it is anything else.
pub fn parse_log_tail(text: &str) -> Result<Option<u64>, InvalidOption> {
    match text.trim() {
        "all" => Ok(None),
        other => size::parse(other).map(Some).ok_or_else(|| InvalidOption::LogTail(shown(text))),
    }
}

/// Reads `true` or `false`, in capitals or not.
///
/// # Errors
/// When it is anything else.
pub fn parse_gzip(text: &str) -> Result<bool, InvalidOption> {
    text.trim().to_ascii_lowercase().parse().map_err(|_| InvalidOption::Gzip(shown(text)))
}

/// Takes metadata as it is.
///
/// # Errors
/// When it is empty, longer than [`MAX_METADATA`], or has a character that a header cannot carry unchanged.
pub fn parse_metadata(text: &str) -> Result<String, InvalidOption> {
    let carried = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    let valid = (1..=MAX_METADATA).contains(&text.len()) && text.bytes().all(carried);
    if valid { Ok(text.to_owned()) } else { Err(InvalidOption::Metadata) }
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rules_for_bodies() {
        let cases = [
            ("full", None),
            (" thin ", Some(0)),
            ("thin-above=0", Some(0)),
            ("thin-above=65536", Some(65_536)),
            ("thin-above=256KiB", Some(262_144)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_body(text), Ok(expected), "for {text}");
        }
        for text in ["", "Thin", "thin-above", "thin-above=", "thin-above=-1", "thin-above=1.5", "thin=1"] {
            assert_eq!(parse_body(text), Err(InvalidOption::Body(text.to_owned())));
        }
    }

    #[test]
    fn lengths_of_logs() {
        for (text, expected) in [("all", None), ("0", Some(0)), ("64KiB", Some(65_536)), (" 7 ", Some(7))] {
            assert_eq!(parse_log_tail(text), Ok(expected), "for {text}");
        }
        for text in ["", "none", "-1", "1e3", "99999999999999999999", "99999999999999GiB"] {
            assert_eq!(parse_log_tail(text), Err(InvalidOption::LogTail(text.to_owned())));
        }
    }

    #[test]
    fn switches() {
        assert_eq!((parse_gzip("true"), parse_gzip("False")), (Ok(true), Ok(false)));
        for text in ["", "1", "yes", "truer"] {
            assert_eq!(parse_gzip(text), Err(InvalidOption::Gzip(text.to_owned())));
        }
    }

    #[test]
    fn metadata_is_what_a_header_can_carry() {
        for text in ["a", r#"{"order": 7}"#, &"m".repeat(MAX_METADATA)] {
            assert_eq!(parse_metadata(text).as_deref(), Ok(text));
        }
        for text in ["", "tab\there", "caf\u{e9}", "two\nlines", &"m".repeat(MAX_METADATA + 1)] {
            assert_eq!(parse_metadata(text), Err(InvalidOption::Metadata), "for {text:?}");
        }
    }

    proptest! {
        #[test]
        fn rubbish_is_refused_without_a_panic(text in "\\PC{0,60}|(thin-above=)?[0-9]{0,25}[a-zA-Z]{0,3}") {
            let _ = parse_body(&text);
            let _ = parse_log_tail(&text);
            let _ = parse_gzip(&text);
            if let Ok(metadata) = parse_metadata(&text) {
                prop_assert_eq!(metadata, text.clone());
            }
        }
    }
}
