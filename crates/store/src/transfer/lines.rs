//! Lines of a text that nobody has looked at yet, each of bounded length.

use std::io::{self, BufRead, Read};

/// The longest line, in bytes. The longest rows are those of predictions, with an input as long as a request and all that a
/// run may say, 64 MiB; a character of a log takes up to six bytes in JSON.
pub const LONGEST_LINE: usize = 1 << 30;

/// What comes next in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// A line, without its end.
    Whole,
    /// The beginning of a line that the text ends in.
    Cut,
    /// A line that is longer than it may be; only its beginning was read.
    TooLong,
    /// Nothing.
    End,
}

/// Reads lines into a buffer that is used again for each.
#[derive(Debug)]
pub struct Lines<R> {
    source: R,
    longest: usize,
    line: Vec<u8>,
    whole: u64,
}

impl<R: BufRead> Lines<R> {
    /// Reads lines of at most `longest` bytes.
    pub fn new(source: R, longest: usize) -> Self {
        Self { source, longest, line: Vec::new(), whole: 0 }
    }

    /// Reads the next line; its bytes are in [`Lines::bytes`].
    ///
    /// # Errors
    /// When the source cannot be read.
    pub(super) fn next_line(&mut self) -> io::Result<Line> {
        self.line.clear();
        let limit = self.longest as u64 + 1;
        (&mut self.source).take(limit).read_until(b'\n', &mut self.line)?;
        Ok(match self.line.last() {
            None => Line::End,
            Some(b'\n') => {
                self.whole += self.line.len() as u64;
                self.line.pop();
                Line::Whole
            }
            Some(_) if self.line.len() > self.longest => Line::TooLong,
            Some(_) => Line::Cut,
        })
    }

    /// The bytes of the line that was read last.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.line
    }

    /// How many bytes all whole lines have had, with their ends.
    pub fn whole_bytes(&self) -> u64 {
        self.whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_cut_or_too_long() {
        let mut lines = Lines::new(&b"one\n\nthree\nfour5\nend"[..], 5);
        let mut read =
            || lines.next_line().map(|line| (line, String::from_utf8_lossy(lines.bytes()).into_owned()));
        let expected =
            [(Line::Whole, "one"), (Line::Whole, ""), (Line::Whole, "three"), (Line::Whole, "four5")];
        for (line, text) in expected {
            assert_eq!(read().expect("it is read"), (line, text.to_owned()));
        }
        assert_eq!(read().expect("it is read"), (Line::Cut, "end".to_owned()));
        assert_eq!(read().expect("it is read").0, Line::End);
        assert_eq!(lines.whole_bytes(), 17);
        let mut lines = Lines::new(&b"abcdef\n"[..], 5);
        assert_eq!(lines.next_line().expect("it is read"), Line::TooLong);
    }
}
