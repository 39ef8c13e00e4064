//! Nothing that is wrong with an export goes unnoticed, and nothing makes reading it panic.

use cogwire_core::time::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::transfer::format;

/// An export with these many accounts and, for the first of them, chunks.
fn export(accounts: usize, chunks: usize) -> Vec<Vec<u8>> {
    let account = |number: usize| ("account", format!(r#"{{"id":"a{number:03}","created_at":{number}}}"#));
    let chunk = |number: usize| {
        ("chunk", format!(r#"{{"prediction_id":"p","first_event":{number},"events":"[\"é\\n\"]"}}"#))
    };
    let header = Header { schema: 2, created_at: Timestamp::from_micros(1), store: "sqlite".to_owned() };
    let (mut position, mut json) = (Position::default(), Vec::new());
    let mut lines = vec![header.line()];
    for (name, text) in (0..accounts).map(account).chain((0..chunks).map(chunk)) {
        let table = Table::position(name).expect("it is in the catalogue");
        let row = Row::parse(&TABLES[table], &text).expect("it is a row");
        let mut line = Vec::new();
        format::write_row(&mut line, &row, &mut json);
        position.advance(table, &row, &json).expect("rows are in order");
        lines.push(line);
    }
    lines.push(format::end_line(&position.digests));
    for line in &mut lines {
        assert_eq!(line.pop(), Some(b'\n'));
    }
    lines
}

fn read(lines: &[Vec<u8>]) -> Result<Digests, TransferError> {
    let mut reader = Reader::default();
    for line in lines {
        reader.read(line)?;
    }
    reader.finish()
}

fn number_of(error: &TransferError) -> usize {
    match error {
        TransferError::Line { number, .. } => *number as usize,
        TransferError::CutOff { lines } => *lines as usize,
        other => panic!("it is the text that is wrong: {other:?}"),
    }
}

#[test]
fn an_export_is_read() {
    let digests = read(&export(3, 2)).expect("it is an export");
    assert_eq!(digests.rows(), 5);
    assert_eq!(read(&export(0, 0)).expect("of an empty store").rows(), 0);
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let good = export(2, 1);
    let with = |index: usize, line: &str| {
        let mut lines = good.clone();
        lines[index] = line.into();
        read(&lines).expect_err(line).to_string()
    };
    let header = String::from_utf8(good[0].clone()).expect("text");
    let cases = [
        (
            0,
            "{}",
            "line 1: it does not begin like an export of cogwire: give the file that `cogwire export` wrote",
        ),
        (0, &header.replace("cogwire-export", "else"), "line 1: it does not begin like an export"),
        (
            0,
            &header.replace(r#""version":4"#, r#""version":9"#),
            "line 1: this is version 9 of the format, and this cogwire reads version 4",
        ),
        (0, &header.replace("1970", "never"), "line 1: created_at: "),
        (2, "{\"table\":\"account\"", "line 3: EOF while parsing an object (column 18)"),
        (2, "{}", "line 3: it is neither a row, {\"table\", \"row\"}, nor the last line, {\"tables\"}"),
        (2, r#"{"table":"acount","row":{}}"#, "line 3: there is no table \"acount\""),
        (2, r#"{"table":"account","row":{"id":"x"}}"#, "line 3: the column created_at is missing"),
        (
            2,
            r#"{"table":"account","row":{"id":"a000","created_at":1}}"#,
            "line 3: rows of table account must have ascending keys, and a000 is not",
        ),
        (
            2,
            r#"{"table":"account","row":{"id":"x","created_at":1},"more":1}"#,
            "line 3: unknown field `more`",
        ),
        (
            3,
            r#"{"table":"account","row":{"id":"x","created_at":1}}"#,
            "line 5: 2 rows of table account should come before it, not 3",
        ),
        (
            2,
            r#"{"table":"account","row":{"id":"a001","created_at":7}}"#,
            "line 5: rows of table account have been changed",
        ),
        (4, r#"{"tables":{}}"#, "line 5: it says nothing about table account"),
        (4, r#"{"tables":{"node":{"rows":1,"sha256":""}}}"#, "line 5: there is no table \"node\""),
    ];
    for (index, line, expected) in cases {
        let said = with(index, line);
        assert!(said.starts_with(expected), "{line}\n  is {said}\n not {expected}");
    }
    let order = [good[0].clone(), good[3].clone(), good[1].clone()];
    assert_eq!(
        read(&order).expect_err("wrong order").to_string(),
        "line 3: table account comes before table chunk"
    );
    let more = [&good[..], &good[1..2]].concat();
    assert_eq!(
        read(&more).expect_err("too much").to_string(),
        "line 6: there is something after the last line"
    );
    let cut = read(&good[..3]).expect_err("cut off").to_string();
    assert_eq!(cut, "it ends after line 3, before its last line: it was cut off");
}

proptest! {
    #[test]
    fn nothing_makes_reading_panic(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..5), after in 0..4_usize) {
        let lines = [&export(2, 1)[..after], &lines[..]].concat();
        let error = read(&lines).expect_err("it has no last line");
        prop_assert!(number_of(&error) <= lines.len());
    }

    #[test]
    fn a_lost_doubled_or_moved_line_is_found(accounts in 1..6_usize, chunks in 1..6_usize, one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>()) {
        let good = export(accounts, chunks);
        let (one, other) = (one.index(good.len()), other.index(good.len()));
        let mut lost = good.clone();
        lost.remove(one);
        prop_assert!(number_of(&read(&lost).expect_err("a line is missing")) <= good.len());
        let mut doubled = good.clone();
        doubled.insert(other, good[one].clone());
        prop_assert!(number_of(&read(&doubled).expect_err("a line is twice there")) <= good.len() + 1);
        let mut moved = good.clone();
        moved.swap(one, other);
        prop_assert!(one == other || number_of(&read(&moved).expect_err("two lines changed places")) <= good.len());
    }

    #[test]
    fn a_changed_byte_is_found_or_means_the_same(line in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let good = export(3, 3);
        let mut changed = good.clone();
        let line = &mut changed[line.index(good.len())];
        let place = place.index(line.len());
        line[place] = byte;
        let rows = |digests: Digests| digests.tables().map(|(_, digest)| digest).collect::<Vec<_>>();
        match read(&changed) {
            Ok(digests) => prop_assert_eq!(rows(digests), rows(read(&good).expect("it is an export"))),
            Err(error) => prop_assert!(number_of(&error) <= good.len()),
        }
    }
}
