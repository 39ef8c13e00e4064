//! The query of a URL, and what is wrong with a value in it.

use std::ops::RangeInclusive;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use cogwire_core::input::{InvalidField, InvalidInput};
use cogwire_core::time::Timestamp;
use cogwire_core::wire::{ErrorBody, PageCursor};

use super::Failure;
use super::members::unknown_member;

/// The pairs of a query, decoded. Names that nobody asks for are ignored.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        Self(url::form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// The value of `name`. An empty one counts as none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(key, _)| key == name)?;
        Some(pair.1.as_str()).filter(|value| !value.is_empty())
    }

    /// A value that must be one of the names of an enum.
    pub(super) fn choice<T: FromStr>(&self, name: &str, choices: &[&str]) -> Result<Option<T>, Failure> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let listed = choices.iter().map(|choice| format!("\"{choice}\"")).collect::<Vec<_>>().join(", ");
        match value.parse() {
            Ok(choice) if choices.contains(&value) => Ok(Some(choice)),
            _ => Err(invalid("enum", name, format!("{name} must be one of the following: {listed}"))),
        }
    }

    /// A value that must be a date and time.
    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, Failure> {
        let Some(value) = self.get(name) else { return Ok(None) };
        // The plus of an offset that was not escaped arrives as a space.
        let time = Timestamp::parse(&value.replace(' ', "+"));
        time.map(Some)
            .map_err(|error| invalid("format", name, format!("Does not match format 'date-time': {error}")))
    }

    /// A whole number within bounds.
    pub(super) fn number(&self, name: &str, bounds: RangeInclusive<u32>) -> Result<Option<u32>, Failure> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let (least, most) = (*bounds.start(), *bounds.end());
        match value.parse::<i64>() {
            Ok(number) if number < least.into() => {
                Err(invalid("number_gte", name, format!("Must be greater than or equal to {least}")))
            }
            Ok(number) => match u32::try_from(number).ok().filter(|number| *number <= most) {
                Some(number) => Ok(Some(number)),
                None => Err(invalid("number_lte", name, format!("Must be less than or equal to {most}"))),
            },
            Err(_) => Err(invalid("invalid_type", name, "Invalid type. Expected: integer".to_owned())),
        }
    }

    /// Refuses names that are not `known`, for requests in which a typo would not be noticed.
    pub(super) fn only(&self, known: &[&'static str]) -> Result<(), Failure> {
        let Some((name, _)) = self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) else {
            return Ok(());
        };
        Err(ErrorBody::invalid_input(unknown_member(name, known).into()).into())
    }

    /// Where the page begins; `position` reads what is specific to the list.
    pub(super) fn cursor<T>(
        &self,
        position: impl FnOnce(&PageCursor) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        let Some(value) = self.get("cursor") else { return Ok(None) };
        let cursor = PageCursor::decode(value);
        let error = match cursor.as_ref().map(position) {
            Ok(Some(position)) => return Ok(Some(position)),
            Ok(None) => cogwire_core::wire::InvalidCursor,
            Err(error) => *error,
        };
        Err(invalid("format", "cursor", error.to_string()))
    }

    /// The same query with another cursor.
    pub(super) fn with_cursor(&self, cursor: &PageCursor) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.0.iter().filter(|(name, _)| name != "cursor"));
        query.append_pair("cursor", &cursor.encode()).finish()
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

/// 422 for one value.
pub(super) fn invalid(kind: &'static str, name: &str, description: String) -> Failure {
    ErrorBody::invalid_input(InvalidInput::from(InvalidField::new(kind, name, description))).into()
}

#[cfg(test)]
mod tests {
    use cogwire_core::prediction::Source;

    use super::*;

    #[test]
    fn filters_survive_and_the_cursor_is_replaced() {
        let query = Query::parse("created_after=2024-01-01T00%3A00%3A00Z&cursor=old&source=web");
        let next = Query::parse(&query.with_cursor(&PageCursor::after("x")));
        assert_eq!(next.get("created_after"), Some("2024-01-01T00:00:00Z"));
        assert_eq!(next.get("source"), Some("web"));
        let position = next.cursor(|cursor| Some(cursor.position.clone())).expect("valid");
        assert_eq!(position.as_deref(), Some("x"));
    }

    #[test]
    fn values_are_read_or_refused() {
        let query = Query::parse("a=2024-01-01T00:00:00+02:00&b=yesterday&c=web&d=robot&e=&cursor=!");
        let expected = Timestamp::parse("2023-12-31T22:00:00Z").expect("a time");
        assert_eq!(query.time("a").expect("valid"), Some(expected));
        assert!(query.time("b").is_err());
        assert_eq!(query.time("e").expect("valid"), None);
        assert_eq!(query.choice("c", &["web"]).expect("valid"), Some(Source::Web));
        assert!(query.choice::<Source>("d", &["web"]).is_err());
        assert_eq!(query.choice::<Source>("f", &["web"]).expect("valid"), None);
        assert!(query.cursor(|_| Some(())).is_err());
        assert_eq!(Query::parse("n=7").number("n", 1..=7).expect("valid"), Some(7));
        for outside in ["n=0", "n=8", "n=x", "n=-1", "n=4294967296"] {
            assert!(Query::parse(outside).number("n", 1..=7).is_err(), "{outside}");
        }
        assert!(Query::parse("a=1&b=2").only(&["a", "b", "c"]).is_ok());
        assert!(Query::parse("a=1&d=").only(&["a", "b", "c"]).is_err());
        assert!(Query::parse("cursor=cD14").cursor(|_| None::<()>).is_err());
    }
}
