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

/// Reads a `traceparent` of any version in the form of version 00: `00-`, 32 digits of the trace, 16 of the caller's span,
/// and two of flags. `None` when it is malformed: tracing must not stop what is traced.
pub fn parse_traceparent(text: &str) -> Option<String> {
    let mut parts = text.trim().splitn(5, '-');
    let mut digits = |count| parts.next().filter(|part| part.len() == count && part.bytes().all(is_hex));
    let (version, trace, span, flags) = (digits(2)?, digits(32)?, digits(16)?, digits(2)?);
    let named = |id: &str| id.bytes().any(|digit| digit != b'0');
    let known_end = version != "00" || parts.next().is_none();
    let valid = version != "ff" && known_end && named(trace) && named(span);
    valid.then(|| format!("00-{trace}-{span}-{flags}"))
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

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

    #[test]
    fn traces_are_taken_up_or_passed_over() {
        assert_eq!(parse_traceparent(TRACE).as_deref(), Some(TRACE));
        let later = TRACE.replacen("00", "cc", 1) + "-what-the-future-holds";
        assert_eq!(parse_traceparent(&later).as_deref(), Some(TRACE));
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            assert_eq!(parse_traceparent(text), None, "for {text}");
        }
    }

    proptest! {
        #[test]
        fn rubbish_is_refused_without_a_panic(text in "\\PC{0,60}|(thin-above=)?[0-9]{0,25}[a-zA-Z]{0,3}|[0-9a-f-]{50,60}") {
            let _ = parse_body(&text);
            let _ = parse_log_tail(&text);
            let _ = parse_gzip(&text);
            if let Ok(metadata) = parse_metadata(&text) {
                prop_assert_eq!(metadata, text.clone());
            }
            if let Some(trace) = parse_traceparent(&text) {
                prop_assert_eq!(parse_traceparent(&trace), Some(trace));
            }
        }
    }
}
