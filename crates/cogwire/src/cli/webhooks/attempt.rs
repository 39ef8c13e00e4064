//! An attempt for people: how long its parts took, and all that was on the wire.

use serde_json::Value;

use crate::cli::predictions::text;

/// The most lines of a body that are shown.
const MAX_LINES: usize = 200;
/// The most characters of what happened that are shown in a line; a receiver may have answered with a page.
const MAX_DETAIL: usize = 300;

/// What happened, in one line.
pub(super) fn detail(attempt: &Value) -> String {
    let line = text(&attempt["detail"]).split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_DETAIL) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Where it went, and how long each part took; nothing when there was no connection to speak of.
pub(super) fn timings(attempt: &Value) -> Option<String> {
    let peer = attempt["peer"].as_str()?;
    let parts =
        [("DNS", "dns_ms"), ("connect", "connect_ms"), ("TLS", "tls_ms"), ("first byte", "first_byte_ms")];
    let took =
        |(name, key): (&str, &str)| Some(format!("{name} {:.1} ms", attempt["timings"][key].as_f64()?));
    let all = format!("in all {:.1} ms", attempt["duration_ms"].as_f64()?);
    let took: Vec<String> = parts.into_iter().filter_map(took).chain([all]).collect();
    Some(format!("     {peer}: {}", took.join(", ")))
}

/// The headers that went out behind `>`, those that came back behind `<`, and the body as it came.
pub(super) fn wire(attempt: &Value) -> Vec<String> {
    let request = headers(&attempt["request"]["headers"], '>');
    let response = headers(&attempt["response"]["headers"], '<');
    let body = text(&attempt["response"]["body"]);
    let lines = body.lines().take(MAX_LINES).map(|line| format!("       {line}"));
    let cut = attempt["response"]["truncated"] == true || body.lines().count() > MAX_LINES;
    let cut = cut.then(|| "       (not all of the body is here)".to_owned());
    request.chain(response).chain(lines).chain(cut).collect()
}

fn headers(headers: &Value, mark: char) -> impl Iterator<Item = String> {
    let pairs = headers.as_object().into_iter().flatten();
    pairs.map(move |(name, value)| format!("     {mark} {name}: {}", text(value)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn attempt() -> Value {
        json!({
            "duration_ms": 12.75,
            "peer": "203.0.113.7:443",
            "request": {"headers": {"authorization": "(hidden)", "webhook-id": "msg_1_1"}},
            "response": {"body": "out of\ncheese", "headers": {"server": "web"}, "truncated": true},
            "timings": {"connect_ms": 1.25, "dns_ms": null, "first_byte_ms": 3.0, "tls_ms": 8.5}
        })
    }

    #[test]
    fn a_page_that_came_back_is_a_line() {
        let page = format!("it said: <html>\n  <title>Error</title>\r\n{}", "<p>é</p>\n".repeat(200));
        let line = detail(&json!({"detail": page}));
        assert!(
            line.starts_with("it said: <html> <title>Error</title> <p>é</p> <p>") && line.ends_with('…'),
            "{line}"
        );
        assert_eq!((line.lines().count(), line.chars().count()), (1, MAX_DETAIL + 1));
        assert_eq!(detail(&json!({"detail": "answered 200"})), "answered 200");
    }

    #[test]
    fn only_parts_that_there_were_are_timed() {
        let line = timings(&attempt()).expect("there was a connection");
        assert_eq!(
            line,
            "     203.0.113.7:443: connect 1.2 ms, TLS 8.5 ms, first byte 3.0 ms, in all 12.8 ms"
        );
        assert_eq!(timings(&json!({"peer": null, "timings": null, "duration_ms": 1.0})), None);
    }

    #[test]
    fn the_wire_is_shown_in_its_order() {
        let expected = [
            "     > authorization: (hidden)",
            "     > webhook-id: msg_1_1",
            "     < server: web",
            "       out of",
            "       cheese",
            "       (not all of the body is here)",
        ];
        assert_eq!(wire(&attempt()), expected);
        assert_eq!(wire(&json!({"request": null, "response": null})), [""; 0]);
    }
}
