//! What a server said, as far as it shows in the text of an error: the object store keeps its types to itself.

use std::error::Error;

use object_store::client::{HttpError, HttpErrorKind};

/// A failure, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// The HTTP status, when there was an answer.
    pub(super) status: Option<u16>,
    /// S3's word for what is wrong.
    pub(super) code: Option<String>,
    /// What the server adds to it.
    message: Option<String>,
    /// The region that the server says is right.
    pub(super) region: Option<String>,
    /// Why there was no answer.
    pub(super) transport: Option<HttpErrorKind>,
    /// What the deepest cause says: the operating system or the server, without who passed it on.
    root: String,
    /// All that was said, of the error and its causes.
    text: String,
}

impl Answer {
    pub(super) fn read(error: &(dyn Error + 'static)) -> Self {
        let causes = || std::iter::successors(Some(error), |error| (*error).source());
        let text = causes().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        Self {
            status: after(&text, "status code: ").and_then(|rest| rest.get(..3)?.parse().ok()),
            code: element(&text, "Code"),
            message: element(&text, "Message"),
            region: element(&text, "Region"),
            transport: causes().find_map(|error| Some(error.downcast_ref::<HttpError>()?.kind())),
            root: causes().last().map(ToString::to_string).unwrap_or_default(),
            text,
        }
    }

    /// The gist of it, for people, in a line.
    pub(super) fn gist(&self) -> String {
        match (&self.code, &self.message, self.status) {
            (Some(code), Some(message), _) => format!("{code}: {message}"),
            (Some(code), None, _) => code.clone(),
            (None, _, Some(status)) => format!("status {status}"),
            (None, _, None) => self.root.clone(),
        }
    }

    pub(super) fn says(&self, words: &str) -> bool {
        self.text.contains(words)
    }
}

fn element(text: &str, name: &str) -> Option<String> {
    let (value, _) = after(text, &format!("<{name}>"))?.split_once("</")?;
    Some(value.trim().to_owned())
}

fn after<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    text.split_once(mark).map(|(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_region_are_found_in_what_a_server_says() {
        let error = std::io::Error::other(
            "Server returned non-2xx status code: 400 Bad Request: <?xml version=\"1.0\"?><Error>\
             <Code>AuthorizationHeaderMalformed</Code><Message>wrong</Message><Region>eu-west-1</Region></Error>",
        );
        let answer = Answer::read(&error);
        assert_eq!(answer.status, Some(400));
        assert_eq!(answer.code.as_deref(), Some("AuthorizationHeaderMalformed"));
        assert_eq!(answer.region.as_deref(), Some("eu-west-1"));
        assert_eq!(answer.transport, None);
    }

    #[test]
    fn what_is_no_answer_of_s3_has_neither() {
        for text in [
            "",
            "status code: ",
            "status code: 99",
            "<Code>",
            "<Code>x",
            "<html>404</html>",
            "connection refused",
        ] {
            let answer = Answer::read(&std::io::Error::other(text));
            assert_eq!((answer.status, answer.code, answer.region), (None, None, None), "{text:?}");
        }
    }
}
