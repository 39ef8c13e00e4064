//! JSON values for people: texts as texts, files as pictures, sound and links, everything else as JSON.

use cogwire_core::json::{Json, Kind};
use maud::{Markup, html};

/// More of a text than this is not shown, in bytes.
pub(super) const MAX_SHOWN: usize = 200_000;
/// More items of a list than these are not shown.
const MAX_ITEMS: usize = 100;

/// How a file is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Media {
    Image,
    Audio,
    Video,
    Other,
}

/// A value; files are shown when they are this server's, whose URLs begin with `base`.
pub(super) fn show(value: &Json, base: &str) -> Markup {
    match value.kind() {
        Kind::String => text(&value.as_text().unwrap_or_default(), base),
        _ => html! { pre { (beginning(&indented(value))) } },
    }
}

/// A list that is an output: pieces of one text as that text, anything else item by item.
pub(super) fn show_items(items: &[Json], joined: bool, base: &str) -> Markup {
    let texts: Option<Vec<String>> = items.iter().map(Json::as_text).collect();
    match texts {
        Some(texts) if joined && !texts.iter().any(|text| is_file(text)) => {
            html! { pre { (beginning(&texts.concat())) } }
        }
        _ => html! {
            @for item in items.iter().take(MAX_ITEMS) { div.item { (show(item, base)) } }
            @if items.len() > MAX_ITEMS { p.soft { (items.len() - MAX_ITEMS) " more items" } }
        },
    }
}

/// The end of a long text, which is where logs are interesting.
pub(super) fn ending(text: &str) -> &str {
    let start = text.len().saturating_sub(MAX_SHOWN);
    &text[text.ceil_char_boundary(start)..]
}

fn beginning(text: &str) -> Markup {
    let shown = &text[..text.floor_char_boundary(MAX_SHOWN.min(text.len()))];
    html! { (shown) @if shown.len() < text.len() { "…" } }
}

fn text(text: &str, base: &str) -> Markup {
    if !is_file(text) {
        return html! { pre { (beginning(text)) } };
    }
    let own = text.starts_with("data:") || text.strip_prefix(base).is_some_and(|rest| rest.starts_with('/'));
    html! {
        @match media(text) {
            Media::Image if own => img src=(text) alt="";
            Media::Audio if own => audio controls src=(text) {}
            Media::Video if own => video controls src=(text) {}
            _ => {}
        }
        (link(text))
    }
}

/// Browsers do not open data URLs, but they save them.
fn link(url: &str) -> Markup {
    match url.strip_prefix("data:") {
        Some(data) => {
            let kind = data.split([';', ',']).next().filter(|kind| !kind.is_empty()).unwrap_or("file");
            html! { div { a href=(url) download { "Save " (kind) } } }
        }
        None => html! { div { a href=(url) rel="noreferrer" { (url) } } },
    }
}

fn is_file(text: &str) -> bool {
    let scheme = ["https://", "http://", "data:"].iter().any(|scheme| text.starts_with(scheme));
    scheme && !text.contains(char::is_whitespace)
}

fn media(url: &str) -> Media {
    if let Some(data) = url.strip_prefix("data:") {
        return match data.split('/').next() {
            Some("image") => Media::Image,
            Some("audio") => Media::Audio,
            Some("video") => Media::Video,
            _ => Media::Other,
        };
    }
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let extension = path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    match extension.as_str() {
        "png" | "jpg" | "jpeg" | "gif" | "webp" | "avif" | "svg" | "bmp" => Media::Image,
        "mp3" | "wav" | "flac" | "ogg" | "m4a" | "opus" => Media::Audio,
        "mp4" | "webm" | "mov" => Media::Video,
        _ => Media::Other,
    }
}

fn indented(value: &Json) -> String {
    serde_json::to_string_pretty(&value.to_value()).unwrap_or_else(|_| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "http://127.0.0.1:8787";

    fn shown(text: &str) -> String {
        show(&Json::string(text), BASE).into_string()
    }

    #[test]
    fn own_files_are_shown_and_others_are_linked() {
        let own = format!("{BASE}/download/id/cat.PNG?expires=never&signature=x");
        assert!(shown(&own).contains("<img src="));
        assert!(shown("data:audio/wav;base64,AA==").contains("<audio controls"));
        let other = shown("https://example.com/cat.png");
        assert!(
            !other.contains("<img") && other.contains("<a href=\"https://example.com/cat.png\""),
            "{other}"
        );
        assert!(!shown(&format!("{BASE}.evil.example/cat.png")).contains("<img"));
    }

    #[test]
    fn markup_in_texts_is_text() {
        assert!(shown("<script>alert(1)</script>").contains("&lt;script&gt;"));
        assert!(!shown("javascript:alert(1)").contains("<a"));
        assert!(!shown("https://a.example/\"><script>").contains("<script>"));
    }

    #[test]
    fn pieces_of_a_text_are_joined() {
        let pieces = ["Once ", "upon"].map(Json::string);
        assert_eq!(show_items(&pieces, true, BASE).into_string(), "<pre>Once upon</pre>");
        assert_eq!(show_items(&pieces, false, BASE).into_string().matches("<pre>").count(), 2);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "é".repeat(MAX_SHOWN);
        assert!(ending(&long).len() <= MAX_SHOWN);
        assert!(shown(&long).ends_with("…</pre>"));
    }
}
