//! What proxies and frameworks do to a body before somebody verifies it, undone.
//!
//! A body that was parsed and printed again no longer has the bytes that were signed. Each [`Rewriting`] guesses what the
//! signer had; when a guess fits the signature, the message can be explained. A guess is never accepted as verified.

use std::fmt::Write;

use crate::json::Json;

/// How the body that was signed differs from the one that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rewriting {
    /// Signed was what `JSON.stringify` gives, with sorted keys.
    Canonical,
    /// Signed was the same text without white space.
    Compact,
    /// Signed was the same text indented by two spaces.
    Indented,
    /// Signed was the same text with `, ` and `: ` between the parts, as Python's `json.dumps` does.
    Spaced,
    /// As [`Rewriting::Spaced`], and what is not ASCII was escaped, as `json.dumps` does by default.
    SpacedAscii,
    /// Signed was the body and a newline after it.
    NewlineCut,
    /// Signed was the body without its last newline.
    NewlineAdded,
    /// Signed were lines that end in CR LF.
    CarriageReturnsCut,
    /// Signed were lines that end in LF.
    CarriageReturnsAdded,
}

/// The white space of a JSON text.
struct Style {
    item_gap: &'static str,
    colon_gap: &'static str,
    indent: bool,
    ascii: bool,
}

const COMPACT: Style = Style { item_gap: "", colon_gap: "", indent: false, ascii: false };
const INDENTED: Style = Style { item_gap: "", colon_gap: " ", indent: true, ascii: false };
const SPACED: Style = Style { item_gap: " ", colon_gap: " ", indent: false, ascii: false };
const SPACED_ASCII: Style = Style { item_gap: " ", colon_gap: " ", indent: false, ascii: true };

impl Rewriting {
    pub(super) const ALL: [Self; 9] = [
        Self::Canonical,
        Self::Compact,
        Self::Indented,
        Self::Spaced,
        Self::SpacedAscii,
        Self::NewlineCut,
        Self::NewlineAdded,
        Self::CarriageReturnsCut,
        Self::CarriageReturnsAdded,
    ];

    /// What the signer signed, as the rest of "the signature fits ...".
    pub fn signed_form(self) -> &'static str {
        match self {
            Self::Canonical => "the same JSON as JSON.stringify writes it with sorted keys",
            Self::Compact => "the same JSON without white space",
            Self::Indented => "the same JSON indented by two spaces",
            Self::Spaced => "the same JSON with the spaces that Python's json.dumps puts after ',' and ':'",
            Self::SpacedAscii => {
                "the same JSON as Python's json.dumps writes it, with escapes for non-ASCII characters"
            }
            Self::NewlineCut => "the body with a newline at its end",
            Self::NewlineAdded => "the body without the newline at its end",
            Self::CarriageReturnsCut => "the body with CR LF at the end of its lines",
            Self::CarriageReturnsAdded => "the body with LF alone at the end of its lines",
        }
    }

    /// What the signer would have had if this is what happened to `body`. `None` when it cannot have happened, or when the
    /// result would be longer than `limit` bytes.
    pub(super) fn undo(self, body: &str, limit: usize) -> Option<String> {
        match self {
            Self::Canonical => Json::parse(body).ok().map(|json| json.to_string()),
            Self::Compact => reformat(body, &COMPACT, limit),
            Self::Indented => reformat(body, &INDENTED, limit),
            Self::Spaced => reformat(body, &SPACED, limit),
            Self::SpacedAscii => reformat(body, &SPACED_ASCII, limit),
            Self::NewlineCut => Some(format!("{body}\n")),
            Self::NewlineAdded => {
                body.strip_suffix('\n').map(|cut| cut.strip_suffix('\r').unwrap_or(cut).to_owned())
            }
            Self::CarriageReturnsCut => Some(body.replace("\r\n", "\n").replace('\n', "\r\n")),
            Self::CarriageReturnsAdded => Some(body.replace("\r\n", "\n")),
        }
    }
}

/// The same tokens in the same order with other white space between them.
fn reformat(body: &str, style: &Style, limit: usize) -> Option<String> {
    // Only what parses has quotes and brackets in pairs, on which the loop below relies.
    Json::parse(body).ok()?;
    let mut out = String::with_capacity(body.len());
    let mut depth = 0;
    let mut rest = body.trim();
    while let Some(next) = rest.chars().next() {
        let length = token_length(rest, next);
        let (token, after) = rest.split_at(length);
        let after = after.trim_start();
        write_token(&mut out, token, style);
        match next {
            '[' | '{' if after.starts_with([']', '}']) => {}
            '[' | '{' => {
                depth += 1;
                break_line(&mut out, style, depth);
            }
            ',' if style.indent => break_line(&mut out, style, depth),
            ',' => out.push_str(style.item_gap),
            ':' => out.push_str(style.colon_gap),
            _ if after.starts_with([']', '}']) => {
                depth = depth.saturating_sub(1);
                break_line(&mut out, style, depth);
            }
            _ => {}
        }
        if out.len() > limit {
            return None;
        }
        rest = after;
    }
    Some(out)
}

fn break_line(out: &mut String, style: &Style, depth: usize) {
    if style.indent {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    }
}

/// The length of the token that `rest`, which is valid, begins with.
fn token_length(rest: &str, first: char) -> usize {
    match first {
        '"' => string_length(rest),
        '[' | ']' | '{' | '}' | ',' | ':' => 1,
        _ => rest
            .find(|c: char| matches!(c, ']' | '}' | ',' | ':') || c.is_ascii_whitespace())
            .unwrap_or(rest.len()),
    }
}

fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    let end = rest.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(rest.len(), |end| end + 2)
}

fn write_token(out: &mut String, token: &str, style: &Style) {
    if !style.ascii || token.is_ascii() {
        return out.push_str(token);
    }
    for char in token.chars() {
        if char.is_ascii() {
            out.push(char);
            continue;
        }
        for unit in char.encode_utf16(&mut [0; 2]) {
            write!(out, "\\u{unit:04x}").expect("writing to a String cannot fail");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARRIVED: &str = r#" {"b" :[1,{},"x, \"é\\" ] , "a":[{"c":null}], "d": [ ]}"#;

    #[test]
    fn json_is_written_in_other_styles() {
        let cases = [
            (Rewriting::Canonical, r#"{"a":[{"c":null}],"b":[1,{},"x, \"é\\"],"d":[]}"#),
            (Rewriting::Compact, r#"{"b":[1,{},"x, \"é\\"],"a":[{"c":null}],"d":[]}"#),
            (Rewriting::Spaced, r#"{"b": [1, {}, "x, \"é\\"], "a": [{"c": null}], "d": []}"#),
            (Rewriting::SpacedAscii, r#"{"b": [1, {}, "x, \"\u00e9\\"], "a": [{"c": null}], "d": []}"#),
        ];
        for (rewriting, expected) in cases {
            assert_eq!(rewriting.undo(ARRIVED, 1000).as_deref(), Some(expected), "for {rewriting:?}");
        }
    }

    #[test]
    fn indentation_is_that_of_the_common_printers() {
        let value: serde_json::Value = serde_json::from_str(ARRIVED).unwrap();
        let expected = serde_json::to_string_pretty(&value).unwrap();
        assert_eq!(Rewriting::Indented.undo(ARRIVED, 1000), Some(expected));
    }

    #[test]
    fn line_ends_are_changed() {
        let cases = [
            (Rewriting::NewlineCut, "a", Some("a\n")),
            (Rewriting::NewlineAdded, "a\r\n", Some("a")),
            (Rewriting::NewlineAdded, "a", None),
            (Rewriting::CarriageReturnsCut, "a\nb\r\n", Some("a\r\nb\r\n")),
            (Rewriting::CarriageReturnsAdded, "a\nb\r\n", Some("a\nb\n")),
        ];
        for (rewriting, body, expected) in cases {
            assert_eq!(rewriting.undo(body, 1000).as_deref(), expected, "for {rewriting:?}");
        }
    }

    #[test]
    fn what_is_not_json_or_grows_too_long_is_left_alone() {
        assert_eq!(Rewriting::Compact.undo("{", 1000), None);
        let nested = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        assert_eq!(Rewriting::Indented.undo(&nested, 1000), None);
    }
}
