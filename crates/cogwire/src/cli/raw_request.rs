//! A recorded HTTP request: header lines, an empty line, the body.

/// What was recorded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RawRequest {
    /// Names and values.
    pub(super) headers: Vec<(String, String)>,
    /// The body's bytes, untouched.
    pub(super) body: Vec<u8>,
}

impl RawRequest {
    /// Takes a recording apart. A request line at its beginning is passed over, and lines that are no headers, too. The
    /// body is what follows the first empty line. When it is longer than `content-length` by a line end, an editor has added
    /// that, and it does not count; any other difference is for the signature to show.
    pub(super) fn parse(recording: &[u8]) -> Self {
        let (head, body) = split(recording);
        let head = String::from_utf8_lossy(head);
        let headers = head.lines().filter_map(header).collect();
        let mut request = Self { headers, body: body.to_vec() };
        if let Some(length) = request.header("content-length").and_then(|length| length.parse().ok()) {
            request.drop_line_end_after(length);
        }
        request
    }

    fn drop_line_end_after(&mut self, length: usize) {
        if self.body.get(length..).is_some_and(|rest| matches!(rest, b"\n" | b"\r\n")) {
            self.body.truncate(length);
        }
    }

    /// A header's value, whatever the case of its name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Adds a header, in place of one of the same name.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
}

fn split(recording: &[u8]) -> (&[u8], &[u8]) {
    let ends = [&b"\r\n\r\n"[..], b"\n\n"];
    let find =
        |end: &[u8]| recording.windows(end.len()).position(|window| window == end).map(|at| (at, end.len()));
    match ends.into_iter().filter_map(find).min() {
        Some((at, length)) => (&recording[..at], &recording[at + length..]),
        None => (recording, b""),
    }
}

fn header(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_name.then(|| (name.to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_taken_apart() {
        let recording = b"POST /hook HTTP/1.1\r\nWebhook-Id: msg_1\r\nhost: a:1\r\n\r\n{\"a\":\n\n1}";
        let request = RawRequest::parse(recording);
        assert_eq!((request.header("webhook-id"), request.header("HOST")), (Some("msg_1"), Some("a:1")));
        assert_eq!(request.header("POST /hook HTTP/1.1"), None);
        assert_eq!(request.body, b"{\"a\":\n\n1}");
    }

    #[test]
    fn the_length_cuts_what_an_editor_added() {
        assert_eq!(RawRequest::parse(b"content-length: 2\n\n{}\n").body, b"{}");
        assert_eq!(RawRequest::parse(b"content-length: 2\n\n{ }").body, b"{ }");
        assert_eq!(RawRequest::parse(b"a: b\n\n{}\n").body, b"{}\n");
        assert_eq!(RawRequest::parse(b"a: b").body, b"");
    }
}
