//! What counts as a URI in an input.

use url::Url;

/// Whether `text` has a scheme and is what follows it. A data URL may be long and is not looked into.
///
/// Deliberately as tolerant as the validator behind Replicate: a space in a path is not worth a refusal.
pub(super) fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    if !is_scheme(scheme)
        || rest.is_empty()
        || text.bytes().any(|byte| byte.is_ascii_control() || byte == b'\\')
    {
        return false;
    }
    let is_web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    !is_web || (rest.starts_with("//") && Url::parse(text).is_ok())
}

fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_have_a_scheme() {
        let cases = [
            ("https://example.com/a b.png?x=1", true),
            ("HTTP://localhost:8787/v1/files/abc", true),
            ("data:image/png;base64,AAAA", true),
            ("s3://bucket/key", true),
            ("urn:isbn:0451450523", true),
            ("", false),
            ("cat.png", false),
            ("/tmp/cat.png", false),
            ("C:\\cat.png", false),
            ("https:", false),
            ("https:example.com", false),
            ("https://", false),
            ("https://exa mple.com", false),
            ("https://example.com/\n", false),
            ("1a:b", false),
        ];
        for (text, expected) in cases {
            assert_eq!(is_uri(text), expected, "for {text:?}");
        }
    }
}
