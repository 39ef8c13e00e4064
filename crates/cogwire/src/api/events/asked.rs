//! The query of `GET /events`, read strictly: a reader that asks for something else than it means misses events.

use std::time::Duration;

use cogwire_store::event::EventCursor;

use crate::api::Failure;
use crate::api::query::{Query, invalid};

/// What a query may say.
const KNOWN: [&str; 3] = ["after", "limit", "wait"];
/// Events on a page, when the query does not say.
const PAGE: u32 = 100;
/// The most events on a page.
const MAX_PAGE: u32 = 1000;
/// The longest wait for an event, in seconds.
const MAX_WAIT: u32 = 60;
/// The place before the oldest event that is kept.
pub(super) const START: &str = "start";
/// The place after the newest event.
const NOW: &str = "now";

/// A query, read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// After which event to begin.
    pub(super) after: After,
    /// The most events.
    pub(super) limit: u32,
    /// How long to wait for the first one.
    pub(super) wait: Duration,
}

/// Where a page begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum After {
    /// With the oldest event that is kept.
    Start,
    /// With the next event that there will be.
    Now,
    /// After this one.
    Event(EventCursor),
}

impl Asked {
    /// Reads a query.
    ///
    /// # Errors
    /// 422 for the first thing that cannot be meant.
    pub(super) fn read(query: &Query) -> Result<Self, Failure> {
        query.only(&KNOWN)?;
        let after = match query.get("after") {
            None | Some(START) => After::Start,
            Some(NOW) => After::Now,
            Some(cursor) => After::Event(cursor.parse().map_err(|_| not_a_cursor())?),
        };
        let limit = query.number("limit", 1..=MAX_PAGE)?.unwrap_or(PAGE);
        let wait = query.number("wait", 0..=MAX_WAIT)?.unwrap_or_default();
        Ok(Self { after, limit, wait: Duration::from_secs(wait.into()) })
    }
}

fn not_a_cursor() -> Failure {
    let description =
        "The cursor is not valid: take `next` from an earlier page as it is, or say now or start";
    invalid("format", "after", description.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURSOR: &str = "0-644a1b2c3d4e5-01m7ypx542artk8z0sr4q96nv2";

    fn read(query: &str) -> Result<Asked, Failure> {
        Asked::read(&Query::parse(query))
    }

    #[test]
    fn a_query_is_read_with_its_defaults() {
        let all = Asked { after: After::Start, limit: 100, wait: Duration::ZERO };
        assert_eq!(read("").expect("valid"), all);
        assert_eq!(read("after=start&limit=&wait=0").expect("valid"), all);
        assert_eq!(read("after=now").expect("valid"), Asked { after: After::Now, ..all });
        let asked = read(&format!("after={CURSOR}&limit=1000&wait=60")).expect("valid");
        assert_eq!((asked.limit, asked.wait.as_secs()), (1000, 60));
        assert_eq!(asked.after, After::Event(CURSOR.parse().expect("a cursor")));
    }

    #[test]
    fn what_is_out_of_bounds_or_unknown_is_refused() {
        for query in
            ["limit=0", "limit=1001", "limit=1.5", "wait=61", "wait=-1", "after=x", "cursor=x", "aftr=now"]
        {
            assert!(read(query).is_err(), "{query}");
        }
    }
}
