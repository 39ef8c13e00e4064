//! What the shim says in the middle of the logs.
//!
//! A mark is a line that begins with a secret, which the model's users cannot know. Everything else is text of the
//! model.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

/// The longest mark among what child processes print. They only count calls.
const MAX_COUNT: usize = 128;

const END: &str = "\0\n";

/// What the shim says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mark {
    /// The model is being called.
    Begun(Call),
    /// Everything that child processes have printed during this call is said.
    Call(u64),
    /// The model raised an exception; what it says.
    Error(String),
    /// Everything that the setup has printed is said, and an answer is waited for.
    Settle(bool),
    /// An item of an asynchronous generator.
    Item(Value),
    /// The same, as a file with its JSON.
    ItemFile(PathBuf),
}

/// A call of the model's function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) struct Call {
    /// Counts the calls of a process, from one.
    #[serde(rename = "call")]
    pub(super) number: u64,
    /// Whether the function is asynchronous.
    pub(super) is_async: bool,
}

/// How marks of one process look.
#[derive(Debug, Clone)]
pub(super) struct Marks {
    prefix: String,
}

/// A piece of what was printed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Mark(Mark),
}

impl Marks {
    pub(super) fn new(secret: &str) -> Self {
        Self { prefix: format!("\0{secret} ") }
    }

    /// Reads a line that is one mark or none.
    pub(super) fn read(&self, line: &str) -> Option<Mark> {
        let text = line.strip_prefix(&self.prefix)?.strip_suffix(END)?;
        serde_json::from_str(text).ok()
    }
}

/// Finds marks in a stream whose pieces end anywhere.
#[derive(Debug)]
pub(super) struct Scanner {
    marks: Marks,
    held: String,
}

impl Scanner {
    pub(super) fn new(marks: Marks) -> Self {
        Self { marks, held: String::new() }
    }

    /// Takes the next text of the stream, and gives what is complete by now.
    pub(super) fn feed(&mut self, text: &str) -> Vec<Piece> {
        let mut pieces = Vec::new();
        self.held.push_str(text);
        while let Some(piece) = self.take() {
            pieces.push(piece);
        }
        pieces
    }

    fn take(&mut self) -> Option<Piece> {
        let Some(start) = self.held.find('\0') else { return self.take_text(self.held.len()) };
        if start > 0 {
            return self.take_text(start);
        }
        if !self.held.starts_with(&self.marks.prefix) {
            // Perhaps the rest of the prefix is still to come.
            return if self.marks.prefix.starts_with(&self.held) { None } else { self.take_text(1) };
        }
        match self.held.find(END) {
            Some(end) => {
                let line: String = self.held.drain(..end + END.len()).collect();
                Some(self.marks.read(&line).map_or(Piece::Text(line), Piece::Mark))
            }
            None if self.held.len() < MAX_COUNT => None,
            None => self.take_text(1),
        }
    }

    fn take_text(&mut self, end: usize) -> Option<Piece> {
        (end > 0).then(|| Piece::Text(self.held.drain(..end).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text that follows text is one text.
    fn scan<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<Piece> {
        let mut scanner = Scanner::new(Marks::new("s3cret"));
        let mut pieces: Vec<Piece> = Vec::new();
        for piece in texts.into_iter().flat_map(|text| scanner.feed(text)) {
            match (pieces.last_mut(), piece) {
                (Some(Piece::Text(text)), Piece::Text(more)) => text.push_str(&more),
                (_, piece) => pieces.push(piece),
            }
        }
        pieces
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    #[test]
    fn marks_are_found_wherever_the_pieces_end() {
        let all = "one\n\0two\n\0s3cret {\"call\":7}\0\nthree\0s3cret {\"call\":8}\0\n";
        let expected =
            [text("one\n\0two\n"), Piece::Mark(Mark::Call(7)), text("three"), Piece::Mark(Mark::Call(8))];
        assert_eq!(scan([all]), expected);
        assert_eq!(scan(all.split_inclusive(|_| true)), expected);
        for end in 1..all.len() {
            assert_eq!(scan([&all[..end], &all[end..]]), expected, "in two pieces, the first of {end} bytes");
        }
    }

    #[test]
    fn what_only_looks_like_a_mark_is_text() {
        for line in
            ["\0other {\"call\":7}\0\n", "\0s3cret nonsense\0\n", "\0s3cret {\"unknown\":7}\0\n", "\0\0\0\n"]
        {
            assert_eq!(scan([line]), [text(line)], "{line:?}");
        }
        let endless = format!("\0s3cret {}", "x".repeat(MAX_COUNT));
        assert_eq!(scan([&*endless]), [text(&endless)], "nothing is held for ever");
    }

    #[test]
    fn whole_lines_are_read() {
        let marks = Marks::new("s3cret");
        let read = |text: &str| marks.read(&format!("\0s3cret {text}\0\n"));
        assert_eq!(read(r#"{"error":"told to"}"#), Some(Mark::Error("told to".to_owned())));
        assert_eq!(read(r#"{"item":[1]}"#), Some(Mark::Item(serde_json::json!([1]))));
        assert_eq!(marks.read("begun\n"), None);
    }
}
