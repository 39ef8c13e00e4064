//! The frame of every page: head, style, and what the browser may load.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("style.css");

/// Allows the one style that pages carry, by its hash.
static STYLE_SOURCE: LazyLock<String> =
    LazyLock::new(|| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(STYLE))));

/// A page. `refresh` is the number of seconds after which it loads itself again.
pub(super) fn frame(title: &str, refresh: Option<u32>, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if let Some(seconds) = refresh { meta http-equiv="refresh" content=(seconds); }
                link rel="icon" href="data:,";
                title { (title) " · Cogwire" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main { (content) }
                footer { "Cogwire " (env!("CARGO_PKG_VERSION")) }
            }
        }
    }
}

/// The page for whoever opens the server's own URL.
pub(super) fn index(api: &str) -> Markup {
    let content = html! {
        h1 { "Cogwire is running" }
        p { "Replicate's HTTP API is at " code { (api) } ". Every request needs a token." }
        p { "The page of a prediction is linked as " code { "urls.web" } " in it. On this machine, "
            code { "cogwire predictions ls" } " and " code { "cogwire webhooks ls" } " list what there is." }
    };
    frame("Running", None, &content)
}

/// The page for what is not there. It does not tell a wrong key from an unknown prediction.
pub(super) fn not_found() -> Markup {
    let content = html! {
        h1 { "Not found" }
        p { "There is no such prediction, or the link is not complete. Use the link exactly as it is in "
            code { "urls.web" } " of the prediction." }
    };
    frame("Not found", None, &content)
}

/// What the browser may do with a page: show it, with its own style and with files of this server.
pub(super) fn policy(base: &str) -> String {
    let files = format!("'self' data: {base}");
    format!(
        "default-src 'none'; style-src {}; img-src {files}; media-src {files}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        *STYLE_SOURCE
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_allows_the_style_that_the_page_carries() {
        let page = frame("Title", Some(2), &html! {}).into_string();
        let style =
            page.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).expect("a style");
        let hash = STANDARD.encode(Sha256::digest(style));
        assert!(policy("https://example.com").contains(&format!("style-src 'sha256-{hash}'")));
        assert!(page.contains(r#"<meta http-equiv="refresh" content="2">"#), "{page}");
    }
}
