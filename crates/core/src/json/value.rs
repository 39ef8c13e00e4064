//! Canonical text as a tree, and string leaves replaced in place.

use serde_json::{Map, Value};

use super::lexer::Lexer;
use super::{Json, JsonError, MAX_DEPTH, text};

/// The tree that canonical text stands for.
pub(super) fn to_value(canonical: &str) -> Value {
    value(&mut Lexer::new(canonical), 0).unwrap_or(Value::Null)
}

/// Canonical text with the strings replaced for which `replace` gives a value.
pub(super) fn map_strings(canonical: &str, mut replace: impl FnMut(&str) -> Option<Json>) -> String {
    let mut out = String::with_capacity(canonical.len());
    let mut rest = canonical;
    while let Some(quote) = rest.find('"') {
        let (before, from_quote) = rest.split_at(quote);
        let Ok(token) = Lexer::new(from_quote).string() else { break };
        let (quoted, after) = from_quote.split_at(token.len() + 2);
        out.push_str(before);
        let is_key = after.starts_with(':');
        match if is_key { None } else { replace(&text::decode(token)) } {
            Some(replacement) => out.push_str(replacement.as_str()),
            None => out.push_str(quoted),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

fn value(lexer: &mut Lexer<'_>, depth: usize) -> Result<Value, JsonError> {
    if depth > MAX_DEPTH {
        return Err(lexer.error("nested too deeply"));
    }
    match lexer.peek() {
        Some(b'{') => object(lexer, depth),
        Some(b'[') => array(lexer, depth),
        Some(b'"') => lexer.string().map(|token| Value::String(text::decode(token).into_owned())),
        Some(b't') => lexer.word("true").map(|_| Value::Bool(true)),
        Some(b'f') => lexer.word("false").map(|_| Value::Bool(false)),
        Some(b'n') => lexer.word("null").map(|_| Value::Null),
        _ => lexer.number().map(number),
    }
}

fn array(lexer: &mut Lexer<'_>, depth: usize) -> Result<Value, JsonError> {
    let mut items = Vec::new();
    lexer.expect(b'[', "expected '['")?;
    while !lexer.accept(b']') {
        items.push(value(lexer, depth + 1)?);
        lexer.accept(b',');
    }
    Ok(Value::Array(items))
}

fn object(lexer: &mut Lexer<'_>, depth: usize) -> Result<Value, JsonError> {
    let mut members = Map::new();
    lexer.expect(b'{', "expected '{'")?;
    while !lexer.accept(b'}') {
        let key = text::decode(lexer.string()?).into_owned();
        lexer.expect(b':', "expected ':'")?;
        members.insert(key, value(lexer, depth + 1)?);
        lexer.accept(b',');
    }
    Ok(Value::Object(members))
}

fn number(literal: &str) -> Value {
    if let Ok(signed) = literal.parse::<i64>() {
        return signed.into();
    }
    if let Ok(unsigned) = literal.parse::<u64>() {
        return unsigned.into();
    }
    literal.parse::<f64>().map_or(Value::Null, Value::from)
}
