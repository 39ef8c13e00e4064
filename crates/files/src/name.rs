//! File names: what is kept of a name that a stranger chose, and what follows from it.
//!
//! It promises that a sanitised name is one path part that is safe to print, to show and to write. It must not touch
//! the disk.

/// The longest name that is kept, in bytes: the limit of Replicate's API and of nearly every file system.
const MAX_NAME_BYTES: usize = 255;

/// A longer "extension" is rather a name with a dot in it, and not worth keeping when the name is cut.
const MAX_EXTENSION_BYTES: usize = 16;

/// The name of a file that came without a usable one.
const NAMELESS: &str = "file";

/// Makes a name harmless: the last path part, without control characters, leading dots and surrounding white space, at
/// most 255 bytes, and never empty. Sanitising twice changes nothing.
pub(crate) fn sanitise(name: &str) -> String {
    let last_part = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let printable: String = last_part.chars().filter(|c| !c.is_control()).collect();
    let visible = printable.trim_start_matches(|c: char| c == '.' || c.is_whitespace()).trim_end();
    if visible.is_empty() { NAMELESS.to_owned() } else { shorten(visible) }
}

/// The content type that a name stands for, by its extension.
pub(crate) fn content_type(name: &str) -> String {
    let guess = mime_guess::from_path(name).first_or_octet_stream();
    if guess.type_() == "text" { format!("{guess}; charset=utf-8") } else { guess.to_string() }
}

/// Cuts a name that is too long in front of its extension, because the extension gives the content type.
fn shorten(name: &str) -> String {
    if name.len() <= MAX_NAME_BYTES {
        return name.to_owned();
    }
    let (stem, extension) = name.split_at(extension_start(name));
    let cut = stem.floor_char_boundary(MAX_NAME_BYTES - extension.len());
    format!("{}{extension}", &stem[..cut]).trim_end().to_owned()
}

fn extension_start(name: &str) -> usize {
    match name.rfind('.') {
        Some(dot) if name.len() - dot <= MAX_EXTENSION_BYTES => dot,
        _ => name.len(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keeps_what_is_harmless() {
        let table = [
            ("cat.png", "cat.png"),
            ("a b (1).tar.gz", "a b (1).tar.gz"),
            ("🐈‍⬛ ñandú.png", "🐈‍⬛ ñandú.png"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\me\\cat.png", "cat.png"),
            ("/", "file"),
            ("", "file"),
            ("..", "file"),
            (". . .", "file"),
            (" .hidden ", "hidden"),
            ("ev\r\nil\0.txt\u{7f}", "evil.txt"),
        ];
        for (name, expected) in table {
            assert_eq!(sanitise(name), expected, "{name:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        assert_eq!(sanitise(&"x".repeat(300)), "x".repeat(255));
        assert_eq!(sanitise(&format!("{}.png", "x".repeat(300))), format!("{}.png", "x".repeat(251)));
        assert_eq!(sanitise(&format!("{}.png", "🐈".repeat(100))), format!("{}.png", "🐈".repeat(62)));
        assert_eq!(sanitise(&format!("a.{}", "x".repeat(300))).len(), 255);
    }

    #[test]
    fn the_extension_gives_the_content_type() {
        let table = [
            ("cat.png", "image/png"),
            ("CAT.PNG", "image/png"),
            ("notes.txt", "text/plain; charset=utf-8"),
            ("page.html", "text/html; charset=utf-8"),
            ("data.json", "application/json"),
            ("weights.safetensors", "application/octet-stream"),
            ("file", "application/octet-stream"),
        ];
        for (name, expected) in table {
            assert_eq!(content_type(name), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_sanitised_name_is_one_harmless_path_part(name in "[\\PC\\s./\\\\\0]{0,80}|[ .a-z🐈]{240,300}") {
            let clean = sanitise(&name);
            prop_assert!(!clean.is_empty() && clean.len() <= MAX_NAME_BYTES);
            prop_assert!(!clean.starts_with('.') && !clean.contains(['/', '\\']));
            prop_assert!(!clean.contains(char::is_control));
            prop_assert_eq!(sanitise(&clean), clean);
        }
    }
}
