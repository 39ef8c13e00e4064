//! Pages of a list: results and absolute URLs of the pages around them.

use std::str::FromStr;

use axum::http::StatusCode;
use axum::response::Response;
use cogwire_core::json::{Json, ObjectWriter};
use cogwire_core::wire::{Links, PageCursor};
use cogwire_store::prediction::Cursor;

use super::answer;
use super::query::Query;

/// One page. The URLs are absolute: clients join relative ones wrongly.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Each result as canonical JSON.
    pub(super) results: Vec<String>,
    /// The page of what is older, if there is more.
    pub(super) next: Option<String>,
    /// The page of what is newer, if there may be more.
    pub(super) previous: Option<String>,
}

impl Page {
    /// A list that fits on one page.
    pub(super) fn whole(results: Vec<String>) -> Self {
        Self { results, ..Self::default() }
    }

    /// The answer.
    pub(super) fn into_response(self) -> Response {
        let mut body = String::with_capacity(self.results.iter().map(String::len).sum::<usize>() + 512);
        let mut object = ObjectWriter::new(&mut body);
        let url = |url: Option<String>| url.map_or_else(Json::null, |url| Json::string(&url));
        object.json("next", &url(self.next));
        object.json("previous", &url(self.previous));
        object.raw("results", &array(&self.results));
        object.finish();
        answer::json(StatusCode::OK, body)
    }
}

/// The rows of a page, and the pages around it.
pub(super) struct Frame<T> {
    pub(super) rows: Vec<T>,
    pub(super) next: Option<PageCursor>,
    pub(super) previous: Option<PageCursor>,
}

/// Where a page of a list begins that is ordered by ids.
pub(super) fn place<I: FromStr>(cursor: &PageCursor) -> Option<Cursor<I>> {
    let id = cursor.position.parse().ok()?;
    Some(if cursor.backwards { Cursor::After(id) } else { Cursor::Before(id) })
}

/// Cuts `found`, which may have a row too many on the far side, to a page of `most` rows.
pub(super) fn frame<T, I>(
    from: Option<&Cursor<I>>,
    mut found: Vec<T>,
    most: u32,
    id: impl Fn(&T) -> I,
) -> Frame<T>
where
    I: ToString,
{
    let more = found.len() > most as usize;
    let backwards = matches!(from, Some(Cursor::After(_)));
    if more && backwards {
        found.remove(0);
    }
    found.truncate(most as usize);
    // Whoever came from one side can go back there.
    let (has_next, has_previous) = if backwards { (true, more) } else { (more, from.is_some()) };
    let place = |row: Option<&T>| row.map(|row| id(row).to_string());
    Frame {
        next: place(found.last()).filter(|_| has_next).map(PageCursor::after),
        previous: place(found.first()).filter(|_| has_previous).map(PageCursor::before),
        rows: found,
    }
}

/// A JSON array of JSON texts.
pub(super) fn array(items: &[String]) -> String {
    format!("[{}]", items.join(","))
}

/// The URL of another page of the list at `path`, which begins after `/v1`.
pub(super) fn page_url(links: &Links, path: &str, query: &Query, cursor: &PageCursor) -> String {
    format!("{}{path}?{}", links.api(), query.with_cursor(cursor))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u32 = 100;

    /// What a store with the rows 1 to `count` answers.
    fn found(count: u64, cursor: Option<Cursor<u64>>) -> Vec<u64> {
        let all = (1..=count).rev();
        let limit = PAGE as usize + 1;
        match cursor {
            None => all.take(limit).collect(),
            Some(Cursor::Before(id)) => all.filter(|row| *row < id).take(limit).collect(),
            Some(Cursor::After(id)) => {
                let newer: Vec<u64> = all.filter(|row| *row > id).collect();
                newer[newer.len().saturating_sub(limit)..].to_vec()
            }
        }
    }

    fn page(count: u64, cursor: Option<Cursor<u64>>) -> Frame<u64> {
        frame(cursor.as_ref(), found(count, cursor), PAGE, |row| *row)
    }

    fn walk(
        count: u64,
        step: impl Fn(&Frame<u64>) -> Option<PageCursor>,
        from: Option<Cursor<u64>>,
    ) -> (Vec<u64>, Frame<u64>) {
        let (mut cursor, mut seen) = (from, Vec::new());
        loop {
            let frame = page(count, cursor);
            seen.extend(&frame.rows);
            match step(&frame) {
                Some(next) => cursor = place(&next),
                None => return (seen, frame),
            }
        }
    }

    #[test]
    fn pages_show_every_row_once_in_both_directions() {
        for count in [0, 1, 99, 100, 101, 200, 201, 250] {
            let all: Vec<u64> = (1..=count).rev().collect();
            let (forwards, last) = walk(count, |frame| frame.next.clone(), None);
            assert_eq!(forwards, all, "{count} rows forwards");
            let Some(oldest) = last.rows.last() else { continue };
            let from = Some(Cursor::After(*oldest));
            let (mut backwards, _) = walk(count, |frame| frame.previous.clone(), from);
            backwards.push(*oldest);
            backwards.sort_unstable();
            backwards.reverse();
            assert_eq!(backwards, all, "{count} rows backwards");
        }
    }

    #[test]
    fn the_first_page_has_no_previous_and_the_second_has() {
        let first = page(150, None);
        assert!(first.previous.is_none());
        let cursor = place(&first.next.expect("a second page"));
        let second = page(150, cursor);
        assert!(second.next.is_none() && second.previous.is_some());
    }
}
