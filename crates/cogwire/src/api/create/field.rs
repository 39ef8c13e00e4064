//! A header field of a create: read, or refused in words that say what would do.

use std::fmt::Display;

use axum::http::{HeaderMap, HeaderName};
use cogwire_core::wire::ErrorBody;

use crate::config::nearest_of;

/// What begins the names of all headers about webhooks.
const ABOUT_WEBHOOKS: &str = "cogwire-webhook-";
/// What begins the names of all headers of ours.
const OURS: &str = "cogwire-";

/// A header, and a value that it could have.
pub(super) struct Header {
    pub(super) name: HeaderName,
    pub(super) example: &'static str,
}

impl Header {
    pub(super) const fn new(name: &'static str, example: &'static str) -> Self {
        Self { name: HeaderName::from_static(name), example }
    }

    /// Its value, when it is there.
    ///
    /// # Errors
    /// 422 that names the header, says what is wrong with its value, and shows one that would do.
    pub(super) fn read<T, E: Display>(
        &self,
        headers: &HeaderMap,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, ErrorBody> {
        if headers.get_all(&self.name).iter().count() > 1 {
            return Err(self.invalid("it is there more than once"));
        }
        let Some(text) = text(headers, &self.name)? else { return Ok(None) };
        read(text).map(Some).map_err(|error| self.invalid(error))
    }

    fn invalid(&self, why: impl Display) -> ErrorBody {
        let Self { name, example } = self;
        invalid_header(format!("The header {name} cannot be used: {why}; for example `{name}: {example}`"))
    }
}

/// Refuses a header that is about webhooks and is not `known`: with a typo in its name, the webhook would not be what was
/// meant, and nobody would notice.
pub(super) fn refuse_unknown(headers: &HeaderMap, known: &[&Header]) -> Result<(), ErrorBody> {
    let is_known = |name: &HeaderName| known.iter().any(|header| header.name == *name);
    let mut unknown =
        headers.keys().filter(|name| name.as_str().starts_with(ABOUT_WEBHOOKS) && !is_known(name));
    unknown.next().map_or(Ok(()), |name| Err(invalid_header(unknown_header(name.as_str(), known))))
}

fn unknown_header(name: &str, known: &[&Header]) -> String {
    let names = known.iter().map(|header| header.name.as_str());
    // What all of them begin with would make any two of them alike.
    let meant = nearest_of(own_part(name), names.clone().map(own_part));
    match names.clone().find(|name| meant == Some(own_part(name))) {
        Some(meant) => format!("The header {name} is not known (did you mean {meant}?)"),
        None => format!("The header {name} is not known: there are {}", names.collect::<Vec<_>>().join(", ")),
    }
}

fn own_part(name: &str) -> &str {
    name.strip_prefix(ABOUT_WEBHOOKS).or_else(|| name.strip_prefix(OURS)).unwrap_or(name)
}

/// The text of a header that may be there.
///
/// # Errors
/// 422 when it has other characters than visible ASCII.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ErrorBody> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    value
        .to_str()
        .map(Some)
        .map_err(|_| invalid_header(format!("The header {name} must be visible ASCII text")))
}

/// 422 because of a header.
pub(super) fn invalid_header(detail: String) -> ErrorBody {
    ErrorBody { title: Some("Invalid header"), ..ErrorBody::new(422, detail) }
}
