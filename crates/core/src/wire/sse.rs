//! The event stream: how what a model says is written as server-sent events.
//!
//! Every event has an id, `<seconds of creation>:<number of the event>`, because clients drop events without one. The
//! numbers are those of the stored events; `error` and `done` take the numbers after the last of them.

use std::fmt::Write;

use crate::json::Json;
use crate::prediction::{ChunkEvent, Status};
use crate::time::Timestamp;

/// What a stream begins with.
pub const GREETING: &str = ": hi\n\n";

/// What a stream ends with when nothing was said for too long, in Replicate's words.
pub const IDLE: &str = ": 408: 408 Request Timeout\n\n";

/// Writes one prediction's events to the end of a text.
#[derive(Debug, Clone, Copy)]
pub struct SseWriter {
    seconds: i64,
}

impl SseWriter {
    /// A writer for the prediction that was created then.
    pub fn new(created_at: Timestamp) -> Self {
        Self { seconds: created_at.as_seconds() }
    }

    /// The number that the reader with this `Last-Event-ID` has seen last; `None` when it is not of this stream.
    pub fn last_seen(&self, last_event_id: &str) -> Option<u64> {
        let (seconds, number) = last_event_id.trim().split_once(':')?;
        if seconds.parse() != Ok(self.seconds) || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        number.parse().ok()
    }

    /// Writes what a model said as number `number`. Metrics are not part of the stream.
    pub fn event(&self, out: &mut String, number: u64, event: &ChunkEvent) {
        match event {
            ChunkEvent::Log(text) => self.write(out, "logs", number, text),
            ChunkEvent::Value(value) | ChunkEvent::Item(value) => match value.as_text() {
                Some(text) => self.write(out, "output", number, &text),
                None => self.write(out, "output", number, value.as_str()),
            },
            ChunkEvent::Metric(..) => {}
        }
    }

    /// Writes the end of a prediction whose last event had the number before `end`, for a reader who has seen everything up
    /// to `seen`. `done` is written in any case: without it the reader would come back.
    pub fn end(&self, out: &mut String, end: u64, seen: Option<u64>, status: Status, error: Option<&str>) {
        let failed = status == Status::Failed;
        if failed && seen.is_none_or(|seen| seen < end) {
            let detail = Json::string(error.unwrap_or_default());
            self.write(out, "error", end, &format!("{{\"detail\":{detail}}}"));
        }
        let reason = match status {
            Status::Failed => r#"{"reason":"error"}"#,
            Status::Canceled | Status::Aborted => r#"{"reason":"canceled"}"#,
            Status::Succeeded | Status::Starting | Status::Processing => "{}",
        };
        self.write(out, "done", end + u64::from(failed), reason);
    }

    fn write(&self, out: &mut String, event: &str, number: u64, data: &str) {
        out.reserve(data.len() + 48);
        write!(out, "event: {event}\nid: {}:{number}\n", self.seconds).expect("a String takes all text");
        for line in Lines(Some(data)) {
            out.push_str("data: ");
            out.push_str(line);
            out.push('\n');
        }
        out.push('\n');
    }
}

/// The lines of a text as a reader of the stream separates them: by LF, CR, or CR and LF. An empty text is one line.
struct Lines<'a>(Option<&'a str>);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.0.take()?;
        let Some(end) = text.find(['\n', '\r']) else { return Some(text) };
        let rest = &text[end..];
        self.0 = Some(rest.strip_prefix("\r\n").unwrap_or(&rest[1..]));
        Some(&text[..end])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WRITER: SseWriter = SseWriter { seconds: 1_690_212_292 };

    fn written(write: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    /// What a client makes of it: event, id and data of each event, by the rules of the HTML standard.
    fn read(text: &str) -> Vec<(String, String, String)> {
        let blocks = text.split("\n\n").filter(|block| !block.is_empty());
        let fields = |block: &str, name: &str| -> Vec<String> {
            let values = block.split('\n').filter_map(|line| line.strip_prefix(name));
            values.map(|value| value.strip_prefix(' ').unwrap_or(value).to_owned()).collect()
        };
        blocks
            .map(|block| {
                (
                    fields(block, "event:").concat(),
                    fields(block, "id:").concat(),
                    fields(block, "data:").join("\n"),
                )
            })
            .collect()
    }

    #[test]
    fn texts_are_plain_and_other_values_are_json() {
        let cases = [
            (
                ChunkEvent::Item(Json::string("Once upon a time")),
                "event: output\nid: 1690212292:0\ndata: Once upon a time\n\n",
            ),
            (
                ChunkEvent::Log("a\nb\r\nc\rd".to_owned()),
                "event: logs\nid: 1690212292:0\ndata: a\ndata: b\ndata: c\ndata: d\n\n",
            ),
            (ChunkEvent::Value(Json::object()), "event: output\nid: 1690212292:0\ndata: {}\n\n"),
            (ChunkEvent::Item(Json::string("")), "event: output\nid: 1690212292:0\ndata: \n\n"),
            (ChunkEvent::Item(Json::string(" x\n")), "event: output\nid: 1690212292:0\ndata:  x\ndata: \n\n"),
            (ChunkEvent::Metric("m".to_owned(), Json::null()), ""),
        ];
        for (event, expected) in cases {
            assert_eq!(written(|out| WRITER.event(out, 0, &event)), expected);
        }
    }

    #[test]
    fn ends() {
        let end = |seen, status, error| read(&written(|out| WRITER.end(out, 7, seen, status, error)));
        let event = |name: &str, number: u64, data: &str| {
            (name.to_owned(), format!("1690212292:{number}"), data.to_owned())
        };
        assert_eq!(end(None, Status::Succeeded, None), [event("done", 7, "{}")]);
        assert_eq!(end(Some(7), Status::Succeeded, None), [event("done", 7, "{}")]);
        for status in [Status::Canceled, Status::Aborted] {
            assert_eq!(end(Some(6), status, None), [event("done", 7, r#"{"reason":"canceled"}"#)]);
        }
        let (error, done) =
            (event("error", 7, r#"{"detail":"no \"luck\""}"#), event("done", 8, r#"{"reason":"error"}"#));
        for (seen, expected) in [
            (None, vec![&error, &done]),
            (Some(6), vec![&error, &done]),
            (Some(7), vec![&done]),
            (Some(8), vec![&done]),
        ] {
            let found = end(seen, Status::Failed, Some("no \"luck\""));
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "after {seen:?}");
        }
    }

    #[test]
    fn ids_of_other_streams_do_not_count() {
        assert_eq!(WRITER.last_seen("1690212292:9"), Some(9));
        assert_eq!(WRITER.last_seen(" 1690212292:0 "), Some(0));
        for other in [
            "",
            "9",
            "1690212291:9",
            "1690212292:",
            "1690212292:-1",
            "1690212292:+1",
            "a:b",
            "1690212292:99999999999999999999",
        ] {
            assert_eq!(WRITER.last_seen(other), None, "for {other:?}");
        }
    }

    proptest! {
        #[test]
        fn every_text_arrives(text in "(\\PC|\n){0,60}", number: u32) {
            let out = written(|out| WRITER.event(out, number.into(), &ChunkEvent::Log(text.clone())));
            prop_assert!(out.ends_with("\n\n"));
            let [(event, id, data)] = <[_; 1]>::try_from(read(&out)).expect("one event");
            prop_assert_eq!((event.as_str(), data), ("logs", text));
            prop_assert_eq!(WRITER.last_seen(&id), Some(number.into()));
        }
    }
}
