//! Pages of a list: results and absolute URLs of the pages around them.

use axum::http::StatusCode;
use axum::response::Response;
use cogwire_core::json::{Json, ObjectWriter};
use cogwire_core::wire::{Links, PageCursor};

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

/// A JSON array of JSON texts.
pub(super) fn array(items: &[String]) -> String {
    format!("[{}]", items.join(","))
}

/// The URL of another page of the list at `path`, which begins after `/v1`.
pub(super) fn page_url(links: &Links, path: &str, query: &Query, cursor: &PageCursor) -> String {
    format!("{}{path}?{}", links.api(), query.with_cursor(cursor))
}
