use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn canonical(text: &str) -> String {
    Json::parse(text).map(|json| json.as_str().to_owned()).unwrap_or_else(|error| format!("error: {error}"))
}

fn check_all(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(canonical(text), *expected, "for {text}");
    }
}

#[test]
fn numbers_are_printed_as_javascript_prints_them() {
    check_all(&[
        ("0", "0"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("1.0", "1"),
        ("0.50", "0.5"),
        ("3e-6", "0.000003"),
        ("1e-7", "1e-7"),
        ("1E5", "100000"),
        ("1e20", "100000000000000000000"),
        ("1e21", "1e+21"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ("1e309", "null"),
        ("-1e999", "null"),
        ("5e-324", "5e-324"),
        ("1e-400", "0"),
        ("0.1", "0.1"),
        ("123456.789e3", "123456789"),
        ("9007199254740991", "9007199254740991"),
        ("9007199254740993", "9007199254740993"),
        ("-123456789012345678901234567890", "-123456789012345678901234567890"),
        ("9007199254740993.0", "9007199254740992"),
    ]);
}

#[test]
fn strings_are_escaped_as_javascript_escapes_them() {
    check_all(&[
        (r#""\u0041\/\u00e9""#, r#""A/é""#),
        (r#""\b\f\n\r\t\"\\""#, r#""\b\f\n\r\t\"\\""#),
        (r#""\u0008\u000c\u000A\u000d\u0009\u0022\u005C""#, r#""\b\f\n\r\t\"\\""#),
        (r#""\u0000\u001F\u007f""#, "\"\\u0000\\u001f\u{7f}\""),
        (r#""\ud83d\ude00""#, r#""😀""#),
        (r#""\uD83D""#, r#""\ud83d""#),
        (r#""\uDE00\uD83D""#, r#""\ude00\ud83d""#),
        (r#""\uD83D\uD83D\uDE00x""#, r#""\ud83d😀x""#),
        (r#""\uD83D\u0041""#, r#""\ud83dA""#),
        (r#""\u2028\u2029""#, "\"\u{2028}\u{2029}\""),
        (
            "\"a long plain text, longer than one chunk\\n of bytes\"",
            "\"a long plain text, longer than one chunk\\n of bytes\"",
        ),
    ]);
}

#[test]
fn keys_are_ordered_and_the_last_duplicate_wins() {
    check_all(&[
        (" { } ", "{}"),
        ("[ ]", "[]"),
        (r#"{"b":1,"a":2}"#, r#"{"a":2,"b":1}"#),
        (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
        (r#"{"a":1,"\u0061":2}"#, r#"{"a":2}"#),
        (r#"{"10":1,"9":2,"a":3,"01":4,"-1":5}"#, r#"{"9":2,"10":1,"-1":5,"01":4,"a":3}"#),
        (r#"{"4294967295":1,"4294967294":2,"0":3,"":4}"#, r#"{"0":3,"4294967294":2,"":4,"4294967295":1}"#),
        (r#"{"99999999999":1,"b":2}"#, r#"{"99999999999":1,"b":2}"#),
        (
            r#"{"z":{"b":[{"y":1,"x":2}],"a":null},"é":1,"B":true}"#,
            r#"{"B":true,"z":{"a":null,"b":[{"x":2,"y":1}]},"é":1}"#,
        ),
    ]);
}

#[test]
fn errors_say_where_and_what() {
    check_all(&[
        ("", "error: expected a value at byte 0"),
        ("[1,]", "error: expected a value at byte 3"),
        ("[1 2]", "error: expected ',' or ']' at byte 3"),
        (r#"{"a" 1}"#, "error: expected ':' at byte 5"),
        (r#"{"a":1,}"#, "error: expected a string at byte 7"),
        (r#"{a:1}"#, "error: expected a string at byte 1"),
        ("01", "error: expected the end of the text at byte 1"),
        ("-", "error: expected a digit at byte 1"),
        ("1.", "error: expected a digit at byte 2"),
        ("1e+", "error: expected a digit at byte 3"),
        ("nul", "error: expected a value at byte 0"),
        ("nulll", "error: expected the end of the text at byte 4"),
        ("\"a\nb\"", "error: control character in a string at byte 2"),
        ("\"abc", "error: unterminated string at byte 4"),
        (r#""\x""#, "error: invalid escape in a string at byte 1"),
        (r#""\u12g4""#, "error: invalid escape in a string at byte 1"),
        (r#""\u12"#, "error: invalid escape in a string at byte 1"),
        ("{} x", "error: expected the end of the text at byte 3"),
        ("\u{feff}1", "error: expected a value at byte 0"),
    ]);
    assert_eq!(Json::from_slice(b"\"\xff\"").unwrap_err().to_string(), "invalid UTF-8 at byte 1");
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let deepest = Json::parse(&nested(MAX_DEPTH)).unwrap();
    assert_eq!(deepest.as_str(), nested(MAX_DEPTH));
    assert!(deepest.to_value().is_array());
    let error = Json::parse(&nested(MAX_DEPTH + 1)).unwrap_err();
    assert_eq!(error, JsonError { offset: MAX_DEPTH, reason: "nested too deeply" });
    assert!(Json::parse(&"{\"a\":".repeat(1_000_000)).is_err());
}

#[test]
fn values_are_recognised_and_decoded() {
    for (text, kind) in [
        ("null", Kind::Null),
        ("false", Kind::Bool),
        ("-1.5", Kind::Number),
        ("\"null\"", Kind::String),
        ("[]", Kind::Array),
        ("{}", Kind::Object),
    ] {
        assert_eq!(Json::parse(text).unwrap().kind(), kind, "for {text}");
    }
    assert!(Json::null().is_null());
    assert_eq!(Json::object().as_str(), "{}");
    assert_eq!(Json::number(f64::NAN), Json::null());
    assert_eq!(Json::number(2.0).as_str(), "2");
    assert_eq!(Json::string("a\"\u{1}é").as_str(), "\"a\\\"\\u0001é\"");
    assert_eq!(Json::string("a\"\u{1}é").as_text().as_deref(), Some("a\"\u{1}é"));
    assert_eq!(Json::parse(r#""\ud83d!""#).unwrap().as_text().as_deref(), Some("\u{fffd}!"));
    assert_eq!(Json::number(1.0).as_text(), None);
}

#[test]
fn trees_are_read_and_written() {
    let value = json!({"b": [1, -2.5, u64::MAX, 1e300], "a": {"x": "é\n", "1": null}, "c": 1.0});
    let json = Json::from_value(&value);
    assert_eq!(json.as_str(), r#"{"a":{"1":null,"x":"é\n"},"b":[1,-2.5,18446744073709551615,1e+300],"c":1}"#);
    assert_eq!(
        json.to_value(),
        json!({"b": [1, -2.5, u64::MAX, 1e300], "a": {"x": "é\n", "1": null}, "c": 1})
    );
}

#[test]
fn strings_are_replaced_and_keys_are_not() {
    let json = Json::parse(r#"{"a":"x","x":["x","y\n",{"k":"x"}]}"#).unwrap();
    let mut seen = Vec::new();
    let mapped = json.map_strings(|text| {
        seen.push(text.to_owned());
        (text == "x").then(Json::null)
    });
    assert_eq!(mapped.as_str(), r#"{"a":null,"x":[null,"y\n",{"k":null}]}"#);
    assert_eq!(seen, ["x", "x", "y\n", "x"]);
}

#[test]
fn serde_passes_the_text_through() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Envelope {
        data: Json,
    }
    let envelope: Envelope = serde_json::from_str(r#"{"data": {"b": 1.0, "a": "\ud83d"}}"#).unwrap();
    assert_eq!(envelope.data.as_str(), r#"{"a":"\ud83d","b":1}"#);
    assert_eq!(serde_json::to_string(&envelope).unwrap(), r#"{"data":{"a":"\ud83d","b":1}}"#);
    let from_value: Envelope = serde_json::from_value(json!({"data": [1.5]})).unwrap();
    assert_eq!(from_value.data.as_str(), "[1.5]");
    let deep = format!("{{\"data\":{}1{}}}", "[".repeat(MAX_DEPTH + 1), "]".repeat(MAX_DEPTH + 1));
    assert!(serde_json::from_str::<Envelope>(&deep).is_err());
}

#[test]
fn objects_are_written_field_by_field() {
    let mut out = String::from("x");
    let mut writer = ObjectWriter::new(&mut out);
    writer.bool("7", true).json("a", &Json::string("1")).null("b");
    writer.object("c", |inner| {
        inner.string("d", "\n").raw("e", "[]");
    });
    writer.object("d", |_| {});
    writer.finish();
    assert_eq!(out, r#"x{"7":true,"a":"1","b":null,"c":{"d":"\n","e":[]},"d":{}}"#);
}

#[test]
#[should_panic(expected = "out of canonical order")]
#[cfg(debug_assertions)]
fn a_writer_refuses_keys_out_of_order() {
    let mut out = String::new();
    ObjectWriter::new(&mut out).null("b").null("a");
}

fn any_json() -> impl Strategy<Value = Value> {
    let number = prop_oneof![any::<i32>().prop_map(Value::from), any::<f64>().prop_map(Value::from)];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec(("[a-c0-9\"]{0,2}", inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The same tree with every number as a float: canonical text spells a whole float as an integer.
fn with_floats(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(items) => items.into_iter().map(with_floats).collect(),
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, with_floats(value))).collect(),
        other => other,
    }
}

proptest! {
    #[test]
    fn canonical_text_stays_as_it_is(value in any_json()) {
        let once = Json::from_value(&value);
        let again = Json::parse(once.as_str()).unwrap();
        prop_assert_eq!(again, once);
    }

    #[test]
    fn an_object_of_members_is_canonical(
        members in prop::collection::btree_map("[a-c0-9\"\\\\é\n]{0,3}", any_json(), 0..6)
    ) {
        let parts: Vec<_> = members.iter().map(|(name, value)| (name.as_str(), Json::from_value(value))).collect();
        let whole = Json::from_value(&Value::Object(members.clone().into_iter().collect()));
        prop_assert_eq!(Json::object_of(parts.iter().rev().map(|(name, value)| (*name, value))), whole);
    }

    #[test]
    fn the_value_is_kept(value in any_json()) {
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let json = Json::parse(&pretty).unwrap();
        prop_assert_eq!(with_floats(json.to_value()), with_floats(value));
    }

    #[test]
    fn garbage_is_an_error_and_never_a_panic(text in "[\\[\\]{}:,\"\\\\u0-9a-f.eE+ tnrlé-]{0,40}") {
        let ours = Json::parse(&text);
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?}", text);
        if let Ok(json) = ours {
            prop_assert_eq!(Json::parse(json.as_str()), Ok(json));
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = Json::from_slice(&bytes);
    }

    #[test]
    fn strings_are_read_back(text in any::<String>()) {
        let json = Json::string(&text);
        prop_assert_eq!(json.as_text(), Some(text));
        prop_assert_eq!(Json::parse(json.as_str()), Ok(json));
    }
}

#[test]
fn depth_counts_what_contains_and_not_what_strings_say() {
    for (text, depth) in
        [("1", 0), ("[]", 1), (r#"{"a":[{}]}"#, 3), (r#"["[[[\\\"[["]"#, 1), (r#"[[],[[]]]"#, 3)]
    {
        assert_eq!(Json::parse(text).expect("JSON").depth(), depth, "{text}");
    }
}
