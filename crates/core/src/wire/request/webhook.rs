//! The URL of a webhook, as far as its text tells.

use url::Url;

/// The longest URL that a webhook may have, in bytes.
pub const MAX_WEBHOOK_URL: usize = 8192;

/// An absolute http or https URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookUrl {
    text: String,
    url: Url,
}

impl WebhookUrl {
    /// Reads a URL; otherwise says what is wrong with the text.
    pub(super) fn parse(text: String) -> Result<Self, String> {
        if text.len() > MAX_WEBHOOK_URL {
            return Err(format!("String length must be less than or equal to {MAX_WEBHOOK_URL}"));
        }
        // The standard for URLs drops white space in silence; then the receiver would not be the one that was written.
        let clean = !text.chars().any(|c| c.is_whitespace() || c.is_control());
        match Url::parse(&text) {
            Ok(url) if clean && matches!(url.scheme(), "http" | "https") => Ok(Self { text, url }),
            _ => {
                Err("Does not match format 'uri': expected an absolute URL such as https://example.com/hook"
                    .to_owned())
            }
        }
    }

    /// As the caller wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// As it is understood.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}
