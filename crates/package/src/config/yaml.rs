//! YAML as a small tree that knows its lines.
//!
//! Owns what becomes of a scalar: a plain one keeps its text, so that the version `3.10` is not the number 3.1.
//! Refuses what no `cog.yaml` needs: aliases, keys that are not text, several documents.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::error::Problem;

/// How many lists and mappings may contain one another.
const MAX_DEPTH: usize = 16;

/// A value and where it is.
#[derive(Debug)]
pub(super) struct Node {
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// As it is written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key of a mapping and what it means.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) node: Node,
}

/// What is wrong, and on which line.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) problem: Problem,
}

/// Reads the one document in the text. An empty text is null.
pub(super) fn parse(text: &str) -> Result<Node, Fault> {
    let mut reader = Reader { parser: Parser::new_from_str(text) };
    reader.expect_start()?;
    let (event, line) = reader.next()?;
    if matches!(event, Event::StreamEnd) {
        return Ok(Node { line, value: Value::Null });
    }
    let (event, line) = reader.next()?;
    let node = reader.node(event, line, 0)?;
    reader.next()?;
    match reader.next()? {
        (Event::StreamEnd, _) => Ok(node),
        (_, line) => Err(Fault { line, problem: Problem::SecondDocument }),
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn expect_start(&mut self) -> Result<(), Fault> {
        self.next().map(drop)
    }

    fn next(&mut self) -> Result<(Event<'a>, usize), Fault> {
        let (event, span) =
            self.parser.next_event().unwrap_or_else(|| Ok((Event::StreamEnd, Span::default())))?;
        Ok((event, span.start.line()))
    }

    fn node(&mut self, event: Event<'a>, line: usize, depth: usize) -> Result<Node, Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault { line, problem: Problem::TooDeep });
        }
        let value = match event {
            Event::Scalar(text, ScalarStyle::Plain, ..) => plain(&text),
            Event::Scalar(text, ..) => Value::Text(text.into_owned()),
            Event::SequenceStart(..) => Value::List(self.items(depth)?),
            Event::MappingStart(..) => Value::Map(self.entries(depth)?),
            _ => return Err(Fault { line, problem: Problem::Alias }),
        };
        Ok(Node { line, value })
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Node>, Fault> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, line) => items.push(self.node(event, line, depth + 1)?),
            }
        }
    }

    fn entries(&mut self, depth: usize) -> Result<Vec<Entry>, Fault> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (key, line) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(entries),
                (Event::Scalar(key, ..), line) => (key.into_owned(), line),
                (_, line) => return Err(Fault { line, problem: Problem::KeyIsNoText }),
            };
            if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                return Err(Fault { line, problem: Problem::Twice { key, first: first.line } });
            }
            let (event, value_line) = self.next()?;
            let node = self.node(event, value_line, depth + 1)?;
            entries.push(Entry { key, line, node });
        }
    }
}

impl From<ScanError> for Fault {
    fn from(error: ScanError) -> Self {
        Self { line: error.marker().line(), problem: Problem::Yaml(error.info().to_owned()) }
    }
}

/// What a scalar without quotes is.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if is_number(text) => Value::Number(text.to_owned()),
        _ => Value::Text(text.to_owned()),
    }
}

/// Rust also reads `inf` and `nan`, which are names in YAML.
fn is_number(text: &str) -> bool {
    let numeric = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    text.bytes().all(numeric) && text.parse::<f64>().is_ok()
}
