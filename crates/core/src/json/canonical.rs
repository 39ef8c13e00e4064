//! From any JSON text to its canonical spelling, in one pass.
//!
//! Values are written as they are read. An object whose keys came out of order, or twice, is put into order when it
//! ends; members that were in order are never moved, so canonical text costs one copy.

use super::lexer::Lexer;
use super::{JsonError, MAX_DEPTH, key, number, text};

/// Where a member of an object lies in the output: `"key":value`, without commas around it.
#[derive(Clone, Copy)]
struct Member {
    start: usize,
    key_end: usize,
    end: usize,
}

struct Canonicaliser<'a> {
    lexer: Lexer<'a>,
    out: String,
    /// The members of all objects that are open, innermost last.
    members: Vec<Member>,
}

/// The canonical spelling of `text`.
pub(super) fn canonicalise(text: &str) -> Result<String, JsonError> {
    let out = String::with_capacity(text.len());
    let mut canonicaliser = Canonicaliser { lexer: Lexer::new(text), out, members: Vec::new() };
    canonicaliser.value(0)?;
    canonicaliser.lexer.end()?;
    Ok(canonicaliser.out)
}

impl Canonicaliser<'_> {
    fn value(&mut self, depth: usize) -> Result<(), JsonError> {
        match self.lexer.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => {
                number::write_literal(&mut self.out, self.lexer.number()?);
                Ok(())
            }
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => Err(self.lexer.error("expected a value")),
        }
    }

    fn word(&mut self, word: &'static str) -> Result<(), JsonError> {
        self.out.push_str(self.lexer.word(word)?);
        Ok(())
    }

    fn string(&mut self) -> Result<(), JsonError> {
        let token = self.lexer.string()?;
        self.out.push('"');
        text::write_token(&mut self.out, token);
        self.out.push('"');
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), JsonError> {
        self.open(b'[', depth)?;
        if !self.lexer.accept(b']') {
            self.value(depth + 1)?;
            while self.lexer.accept(b',') {
                self.out.push(',');
                self.value(depth + 1)?;
            }
            self.lexer.expect(b']', "expected ',' or ']'")?;
        }
        self.out.push(']');
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), JsonError> {
        self.open(b'{', depth)?;
        let first = self.members.len();
        if !self.lexer.accept(b'}') {
            self.member(depth)?;
            while self.lexer.accept(b',') {
                self.out.push(',');
                self.member(depth)?;
            }
            self.lexer.expect(b'}', "expected ',' or '}'")?;
        }
        self.arrange(first);
        self.members.truncate(first);
        self.out.push('}');
        Ok(())
    }

    fn open(&mut self, bracket: u8, depth: usize) -> Result<(), JsonError> {
        if depth == MAX_DEPTH {
            return Err(self.lexer.error("nested too deeply"));
        }
        self.lexer.expect(bracket, "expected a value")?;
        self.out.push(bracket.into());
        Ok(())
    }

    fn member(&mut self, depth: usize) -> Result<(), JsonError> {
        let start = self.out.len();
        self.string()?;
        let key_end = self.out.len();
        self.lexer.expect(b':', "expected ':'")?;
        self.out.push(':');
        self.value(depth + 1)?;
        self.members.push(Member { start, key_end, end: self.out.len() });
        Ok(())
    }

    /// Puts the members from `first` on, the body of the object that is about to end, into order.
    fn arrange(&mut self, first: usize) {
        let out = &self.out;
        let key_of = |member: &Member| &out[member.start + 1..member.key_end - 1];
        let members = &mut self.members[first..];
        if members.is_sorted_by(|left, right| key::compare(key_of(left), key_of(right)).is_lt()) {
            return;
        }
        members.sort_by(|left, right| key::compare(key_of(left), key_of(right)));
        // The sort is stable, so the last of several equal keys is the one that was written last: it wins.
        let runs = members.chunk_by(|left, right| key_of(left) == key_of(right));
        let kept: Vec<&str> =
            runs.filter_map(<[Member]>::last).map(|last| &out[last.start..last.end]).collect();
        let body_start = members.iter().map(|member| member.start).min().unwrap_or(out.len());
        let body = kept.join(",");
        self.out.truncate(body_start);
        self.out.push_str(&body);
    }
}
