//! Data URLs (RFC 2397): files that travel inside JSON.
//!
//! Lenient in what it reads, because clients are sloppy: padding may be missing, base64 may be of the URL-safe kind,
//! broken percent signs stand for themselves. It promises to read back what it wrote, and must not know what a file
//! is for.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

/// The content type of a data URL that names none.
const DEFAULT_CONTENT_TYPE: &str = "text/plain;charset=US-ASCII";

/// Longer headers are not looked at, so that a long text without a comma costs nothing. In bytes.
const MAX_HEADER_BYTES: usize = 512;

/// Padding is optional and stray bits at the end are ignored.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What a data URL carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataUrl {
    /// The type in lower case with its parameters, without white space, such as `text/plain;charset=utf-8`.
    pub content_type: String,
    /// The bytes.
    pub bytes: Bytes,
}

impl DataUrl {
    /// A file name for the bytes: `stem`, a dot, and the usual extension of the content type (`bin` when there is none).
    pub fn file_name(&self, stem: &str) -> String {
        format!("{stem}.{}", extension(&self.content_type))
    }
}

/// Whether a text begins like a data URL. Looks at the beginning only; [`decode`] may still find rubbish behind it.
pub fn looks_like(text: &str) -> bool {
    Header::split(text).is_some()
}

/// Reads a data URL; `None` when the text is none, or its base64 is broken.
pub fn decode(text: &str) -> Option<DataUrl> {
    let (header, data) = Header::split(text)?;
    let bytes: Cow<'_, [u8]> = percent_encoding::percent_decode_str(data).into();
    let bytes = if header.is_base64 { decode_base64(&bytes)? } else { bytes.into_owned() };
    Some(DataUrl { content_type: header.content_type(), bytes: bytes.into() })
}

/// Writes a data URL, in base64.
pub fn encode(content_type: &str, bytes: &[u8]) -> String {
    let content_type: String = content_type.split_whitespace().collect();
    let mut text = format!("data:{content_type};base64,");
    LENIENT.encode_string(bytes, &mut text);
    text
}

/// What stands between `data:` and the comma.
struct Header<'a> {
    /// Empty, or `type/subtype`.
    essence: &'a str,
    parameters: Vec<&'a str>,
    is_base64: bool,
}

impl<'a> Header<'a> {
    fn split(text: &'a str) -> Option<(Self, &'a str)> {
        let scheme = text.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("data:"))?;
        let rest = &text[scheme.len()..];
        let comma = rest.bytes().take(MAX_HEADER_BYTES).position(|byte| byte == b',')?;
        Some((Self::parse(&rest[..comma])?, &rest[comma + 1..]))
    }

    /// Refuses what is no media type, so that a sentence such as "data: one, two" is not taken for a file.
    fn parse(header: &'a str) -> Option<Self> {
        let mut parts = header.split(';').map(str::trim);
        let essence = parts.next().filter(|essence| essence.is_empty() || is_media_type(essence))?;
        let mut parameters: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
        let is_base64 = parameters.pop_if(|last| last.eq_ignore_ascii_case("base64")).is_some();
        let valid = !header.starts_with(' ') && parameters.iter().copied().all(is_parameter);
        valid.then_some(Self { essence, parameters, is_base64 })
    }

    fn content_type(&self) -> String {
        if self.essence.is_empty() && self.parameters.is_empty() {
            return DEFAULT_CONTENT_TYPE.to_owned();
        }
        let essence = if self.essence.is_empty() { "text/plain" } else { self.essence };
        let mut content_type = essence.to_ascii_lowercase();
        for parameter in &self.parameters {
            content_type.push(';');
            content_type.push_str(parameter);
        }
        content_type
    }
}

fn is_media_type(text: &str) -> bool {
    text.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

/// The characters that HTTP allows in a type, so that the content type can be sent as a header.
fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

fn is_parameter(text: &str) -> bool {
    text.split_once('=')
        .is_some_and(|(key, value)| is_token(key) && value.bytes().all(|byte| byte.is_ascii_graphic()))
}

fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut digits: Vec<u8> =
        text.iter().filter(|byte| !byte.is_ascii_whitespace()).map(standard_digit).collect();
    let padding = digits.iter().rev().take_while(|byte| **byte == b'=').count();
    digits.truncate(digits.len() - padding);
    LENIENT.decode(digits).ok()
}

fn standard_digit(byte: &u8) -> u8 {
    match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => *other,
    }
}

/// The extension that people expect; the table's first match by alphabet would be `jfif` for a JPEG.
fn extension(content_type: &str) -> &'static str {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    match essence {
        "image/png" => "png",
        "image/jpeg" | "image/jpg" => "jpg",
        "image/webp" => "webp",
        "image/gif" => "gif",
        "image/svg+xml" => "svg",
        "text/plain" => "txt",
        "text/html" => "html",
        "text/markdown" => "md",
        "application/json" => "json",
        "application/pdf" => "pdf",
        "application/zip" => "zip",
        "audio/mpeg" | "audio/mp3" => "mp3",
        "audio/wav" | "audio/wave" | "audio/x-wav" => "wav",
        "audio/ogg" => "ogg",
        "audio/flac" | "audio/x-flac" => "flac",
        "video/mp4" => "mp4",
        "video/webm" => "webm",
        "video/quicktime" => "mov",
        "application/octet-stream" => "bin",
        other => known_extension(other).unwrap_or("bin"),
    }
}

fn known_extension(essence: &str) -> Option<&'static str> {
    mime_guess::get_mime_extensions_str(essence)?.first().copied()
}

#[cfg(test)]
mod tests;
