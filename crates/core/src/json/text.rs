//! Strings: how `JSON.stringify` escapes them, and what escaped text stands for.

use std::borrow::Cow;
use std::fmt::Write;

/// One stretch of a string token.
enum Piece<'a> {
    Plain(&'a str),
    Escaped(char),
    LoneSurrogate(u16),
}

/// Appends `text` as a JSON string, quotes included, spelled as `JSON.stringify` spells it.
pub fn write_string(out: &mut String, text: &str) {
    out.reserve(text.len() + 2);
    out.push('"');
    write_escaped(out, text);
    out.push('"');
}

/// The longest beginning of `text` that takes at most `most` bytes when it is spelled, quotes aside.
pub fn fitting(text: &str, most: usize) -> &str {
    let mut spelled = String::new();
    let too_long = text.char_indices().find(|(_, char)| {
        write_escaped(&mut spelled, char.encode_utf8(&mut [0; 4]));
        spelled.len() > most
    });
    too_long.map_or(text, |(at, _)| &text[..at])
}

/// Appends the canonical spelling of `token`, the text between the quotes of a valid JSON string.
pub(super) fn write_token(out: &mut String, token: &str) {
    for piece in Pieces(token) {
        match piece {
            Piece::Plain(text) => out.push_str(text),
            Piece::Escaped(char) => write_escaped(out, char.encode_utf8(&mut [0; 4])),
            Piece::LoneSurrogate(unit) => write_unit(out, unit),
        }
    }
}

/// What `token`, the text between the quotes of a valid JSON string, stands for. A lone surrogate becomes U+FFFD.
pub(super) fn decode(token: &str) -> Cow<'_, str> {
    if !token.contains('\\') {
        return Cow::Borrowed(token);
    }
    let mut decoded = String::with_capacity(token.len());
    for piece in Pieces(token) {
        match piece {
            Piece::Plain(text) => decoded.push_str(text),
            Piece::Escaped(char) => decoded.push(char),
            Piece::LoneSurrogate(_) => decoded.push(char::REPLACEMENT_CHARACTER),
        }
    }
    Cow::Owned(decoded)
}

/// Appends `text` as it is spelled between the quotes of a JSON string.
pub(super) fn write_escaped(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = first_special(rest.as_bytes()) {
        out.push_str(&rest[..at]);
        write_escape(out, rest.as_bytes()[at]);
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

/// The first byte that is not literal in a string: a quote, a backslash or a control character.
///
/// Whole chunks are tested without branches, which the compiler turns into vector instructions.
pub(super) fn first_special(bytes: &[u8]) -> Option<usize> {
    let (chunks, _) = bytes.as_chunks::<32>();
    let plain =
        chunks.iter().take_while(|chunk| !chunk.iter().fold(false, |found, byte| found | is_special(*byte)));
    let start = plain.count() * 32;
    bytes[start..].iter().position(|byte| is_special(*byte)).map(|at| start + at)
}

fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

fn write_escape(out: &mut String, byte: u8) {
    match byte {
        b'"' => out.push_str("\\\""),
        b'\\' => out.push_str("\\\\"),
        0x08 => out.push_str("\\b"),
        0x09 => out.push_str("\\t"),
        0x0a => out.push_str("\\n"),
        0x0c => out.push_str("\\f"),
        0x0d => out.push_str("\\r"),
        control => write_unit(out, control.into()),
    }
}

fn write_unit(out: &mut String, unit: u16) {
    write!(out, "\\u{unit:04x}").expect("writing to a String cannot fail");
}

/// The pieces of what is left of a string token.
struct Pieces<'a>(&'a str);

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        match self.0.find('\\') {
            None if self.0.is_empty() => None,
            None => Some(Piece::Plain(std::mem::take(&mut self.0))),
            Some(0) => Some(self.escape()),
            Some(at) => Some(Piece::Plain(self.take(at))),
        }
    }
}

impl<'a> Pieces<'a> {
    fn escape(&mut self) -> Piece<'a> {
        let escape = self.take(2);
        match escape.as_bytes().get(1) {
            Some(b'u') => self.unicode_escape(),
            Some(b'b') => Piece::Escaped('\u{8}'),
            Some(b'f') => Piece::Escaped('\u{c}'),
            Some(b'n') => Piece::Escaped('\n'),
            Some(b'r') => Piece::Escaped('\r'),
            Some(b't') => Piece::Escaped('\t'),
            Some(b'"') => Piece::Escaped('"'),
            Some(b'\\') => Piece::Escaped('\\'),
            _ => Piece::Escaped('/'),
        }
    }

    fn unicode_escape(&mut self) -> Piece<'a> {
        let high = hex_unit(self.take(4));
        let units = [high, self.peek_unicode_escape().unwrap_or(0)];
        match char::decode_utf16(units).next() {
            Some(Ok(char)) if char.len_utf16() == 2 => {
                self.take(6);
                Piece::Escaped(char)
            }
            Some(Ok(char)) => Piece::Escaped(char),
            _ => Piece::LoneSurrogate(high),
        }
    }

    fn peek_unicode_escape(&self) -> Option<u16> {
        Some(hex_unit(self.0.strip_prefix("\\u")?.get(..4)?))
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.0.split_at_checked(length).unwrap_or((self.0, ""));
        self.0 = rest;
        taken
    }
}

fn hex_unit(digits: &str) -> u16 {
    u16::from_str_radix(digits, 16).unwrap_or(0xfffd)
}
