//! Every way to refuse a script, with the exact words.

use super::parse;
use crate::Scripts;

const STEP: &str = "[[model.step]]\nlog = 'x'\n";

/// What is said about a model whose body begins on line 4.
fn refusal(body: &str) -> String {
    parse(body).expect_err(body).to_string()
}

#[test]
fn wrong_steps() {
    // The first line of a step's body is line 5.
    let cases = [
        ("wait = 3", r#"5: unknown key "wait" in step 1 (did you mean "wait_ms"?)"#),
        (
            "log = 'x'\n\nzzz = 3",
            r#"7: unknown key "zzz" in step 1 (known: when, repeat, wait_ms, log, metric, output, output_file, fail, crash, hang)"#,
        ),
        (
            "wait_ms = -5",
            r#"5: "wait_ms" in step 1 must be a number from 0 to 86400000, or an expression in braces, not -5"#,
        ),
        (
            "wait_ms = 86400001",
            r#"5: "wait_ms" in step 1 must be a number from 0 to 86400000, or an expression in braces, not 86400001"#,
        ),
        (
            "wait_ms = 'long'",
            r#"5: "wait_ms" in step 1 must be a number from 0 to 86400000, or an expression in braces, not "long""#,
        ),
        ("wait_ms = nan", r#"5: "wait_ms" in step 1 must have only finite numbers"#),
        (
            "repeat = 2.5\nlog = 'x'",
            r#"5: "repeat" in step 1 must be a whole number from 0 to 1000000, or an expression in braces, not 2.5"#,
        ),
        (
            "repeat = 1000001\nlog = 'x'",
            r#"5: "repeat" in step 1 must be a whole number from 0 to 1000000, or an expression in braces, not 1000001"#,
        ),
        ("log = 3", r#"5: "log" in step 1 must be a string, not a number"#),
        (
            "log = '{{ input.text'",
            r#"5: "log" in step 1 is not a template: unexpected end of input, expected end of variable block"#,
        ),
        (
            "log = '{% if input.x %}'",
            r#"5: "log" in step 1 is not a template: unexpected end of input, expected end of block"#,
        ),
        ("output = { a = [1, '{{ ) }}'] }", r#"5: "a" in step 1 is not a template: unexpected `)`"#),
        (
            "output = '{{ inptu.text }}'",
            r#"5: "output" in step 1 uses the unknown variable "inptu" (there are input, prediction, index, loop)"#,
        ),
        (
            "when = '{{ index > 1 }}'\nlog = 'x'",
            r#"5: "when" in step 1 uses the unknown variable "index" (there are input, prediction)"#,
        ),
        (
            "when = \"input.mode == 'x'\"\nlog = 'x'",
            r#"5: "when" in step 1 must be true, false or one expression in braces"#,
        ),
        (
            "when = 1\nlog = 'x'",
            r#"5: "when" in step 1 must be true, false or one expression in braces, not a number"#,
        ),
        (
            "output = 'x'\noutput_file = 'x.png'",
            r#"6: step 1 has both "output" and "output_file": choose one"#,
        ),
        ("fail = 'x'\ncrash = true", r#"6: step 1 has both "fail" and "crash": choose one"#),
        ("fail = 'x'\nhang = true", r#"6: step 1 has both "fail" and "hang": choose one"#),
        ("crash = 256", r#"5: "crash" in step 1 must be true, false or an exit status from 0 to 255"#),
        ("hang = 'yes'", r#"5: "hang" in step 1 must be true or false, not a string"#),
        ("metric = 3", r#"5: "metric" in step 1 must be a table, not a number"#),
        (
            "output_file = 'cat.png'",
            r#"5: "output_file" in step 1 names a file, but this script has no folder to find it in"#,
        ),
        ("when = true", r#"4: step 1 does nothing: give it a wait, a log, an output, a metric or an end"#),
        ("hang = false", r#"4: step 1 does nothing: give it a wait, a log, an output, a metric or an end"#),
        (
            "log = 'x'\n[[model.step]]\noutput = 99999999999999999999",
            r#"7: "output" in step 2 must have only integers of 64 bits"#,
        ),
    ];
    for (step, expected) in cases {
        assert_eq!(refusal(&format!("[[model.step]]\n{step}")), format!("test.toml:{expected}"), "{step}");
    }
}

#[test]
fn wrong_models() {
    let id = "a".repeat(64);
    let cases = [
        (String::new(), r#"1: model 1 has no "step""#.to_owned()),
        (
            "[model.step]\nlog = 'x'".to_owned(),
            r#"4: "step" in model 1 must be a list, not a table"#.to_owned(),
        ),
        (
            format!("version = 'abc'\n{STEP}"),
            r#"4: "version" in model 1 must be 64 lower-case hexadecimal digits, not "abc""#.to_owned(),
        ),
        (
            format!("versions = []\n{STEP}"),
            r#"4: "versions" in model 1 must have at least one version"#.to_owned(),
        ),
        (
            format!("version = '{id}'\nversions = ['{id}']\n{STEP}"),
            r#"5: model 1 has both "version" and "versions": choose one"#.to_owned(),
        ),
        (
            format!("versions = ['{id}',\n '{id}']\n{STEP}"),
            format!("5: version {id} of acme/test is already claimed by acme/test (test.toml:4)"),
        ),
        (
            format!("output = 'iterater'\n{STEP}"),
            r#"4: "output" in model 1 must be a kind of output, not "iterater" (did you mean "iterator"?)"#
                .to_owned(),
        ),
        (
            format!("time_scale = -1\n{STEP}"),
            r#"4: "time_scale" in model 1 must be a number from 0 to 1000, not -1"#.to_owned(),
        ),
        (
            format!("time_scale = inf\n{STEP}"),
            r#"4: "time_scale" in model 1 must have only finite numbers"#.to_owned(),
        ),
        (
            format!("time_scale = 'fast'\n{STEP}"),
            r#"4: "time_scale" in model 1 must be a number, not a string"#.to_owned(),
        ),
        (
            format!("boot_ms = -1\n{STEP}"),
            r#"4: "boot_ms" in model 1 must be a number from 0 to 86400000, not -1"#.to_owned(),
        ),
        (
            format!("descripton = 'x'\n{STEP}"),
            r#"4: unknown key "descripton" in model 1 (did you mean "description"?)"#.to_owned(),
        ),
        (
            format!("description = 1\n{STEP}"),
            r#"4: "description" in model 1 must be a string, not a number"#.to_owned(),
        ),
        (
            format!("schema = 'x.json'\n{STEP}"),
            r#"4: "schema" in model 1 names a file, but this script has no folder to find it in"#.to_owned(),
        ),
        (
            format!("schema = 'x.json'\ninput = {{}}\n{STEP}"),
            r#"5: model 1 has both "schema" and "input": choose one"#.to_owned(),
        ),
        (
            "output = 'concatenate'\n[[model.step]]\noutput = 1".to_owned(),
            r#"6: "output" in step 1 must be a string, not a number"#.to_owned(),
        ),
        (
            "output = 'concatenate'\n[[model.step]]\noutput_file = 'x'".to_owned(),
            r#"6: "output_file" in step 1 must not be given: the pieces of a concatenate output are text"#
                .to_owned(),
        ),
        ("[[model.step]]\nlog='x'\n".repeat(10_001), "20004: model 1 has more than 10000 steps".to_owned()),
    ];
    for (body, expected) in cases {
        assert_eq!(refusal(&body), format!("test.toml:{expected}"));
    }
}

#[test]
fn wrong_inputs() {
    let cases = [
        ("", r#"6: input "n" has no "type""#),
        ("type = 'int'", r#"7: "type" in input "n" must be a type, not "int" (did you mean "integer"?)"#),
        (
            "type = 'integer'\ndefault = 'x'",
            r#"8: "default" in input "n" must be of type integer, not a string"#,
        ),
        (
            "type = 'integer'\nminimum = 3\nmaximum = 2",
            r#"9: "maximum" in input "n" must be at least the minimum, 3"#,
        ),
        (
            "type = 'integer'\nminimum = 3\ndefault = 2",
            r#"9: "default" in input "n" must respect the minimum, 3"#,
        ),
        (
            "type = 'string'\nminimum = 3",
            r#"8: "minimum" in input "n" must not be given: only numbers have it"#,
        ),
        (
            "type = 'string'\nenum = ['a']\nchoices = ['a']",
            r#"9: input "n" has both "enum" and "choices": choose one"#,
        ),
        (
            "type = 'string'\nenum = ['a', 1]",
            r#"8: "enum" in input "n" must be of type string, not a number"#,
        ),
        ("type = 'string'\nenum = []", r#"8: "enum" in input "n" must have at least one value"#),
        (
            "type = 'boolean'\nenum = [true]",
            r#"8: "enum" in input "n" must not be given: only strings and numbers have it"#,
        ),
        (
            "type = 'string'\nenum = ['a']\ndefault = 'b'",
            r#"9: "default" in input "n" must be one of the choices, not "b""#,
        ),
        (
            "type = 'string'\nrequired = true\ndefault = 'b'",
            r#"8: "required" in input "n" must not be true beside a default"#,
        ),
        ("type = 'string'\nmin = 1", r#"8: unknown key "min" in input "n" (did you mean "minimum"?)"#),
    ];
    for (input, expected) in cases {
        assert_eq!(
            refusal(&format!("{STEP}[model.input.n]\n{input}")),
            format!("test.toml:{expected}"),
            "{input}"
        );
    }
    assert_eq!(
        refusal(&format!("{STEP}[model.input.'a b']\ntype = 'string'")),
        r#"test.toml:6: "a b" in model 1 must be a name such as prompt_strength"#
    );
}

#[test]
fn wrong_texts() {
    let cases = [
        ("", "1: there is no [[model]] in this script"),
        ("# only a comment\n", "1: there is no [[model]] in this script"),
        ("model = []", "1: there is no [[model]] in this script"),
        ("[model]\nowner = 'a'", r#"1: "model" in the script must be a list, not a table"#),
        ("\n[[models]]\nowner = 'a'", r#"2: unknown key "models" in the script (did you mean "model"?)"#),
        ("[[model]\n", "1: this is not TOML: unclosed array table, expected `]`"),
        ("[[model]]\nowner = 'a'\nowner = 'b'\n", "3: this is not TOML: duplicate key"),
        ("[[model]]\nname = 'a'\n", r#"1: model 1 has no "owner""#),
        (
            "[[model]]\nowner = 'a'\nname = 'a b'\n",
            r#"3: "name" in model 1 must have 1 to 100 characters from a-z A-Z 0-9 . _ -, not be "a b""#,
        ),
        ("[[model]]\nowner = 1\n", r#"2: "owner" in model 1 must be a string, not a number"#),
    ];
    for (text, expected) in cases {
        assert_eq!(
            Scripts::parse("x.toml", text).unwrap_err().to_string(),
            format!("x.toml:{expected}"),
            "{text}"
        );
    }
}

#[test]
fn wrong_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let script = |name: &str, body: &str| {
        std::fs::write(path(name), format!("[[model]]\nowner='a'\nname='b'\n{body}")).unwrap();
        let error = Scripts::load(&[path(name)]).expect_err(body);
        error.to_string().replace(&format!("{}/", folder.path().display()), "")
    };
    std::fs::write(path("list.json"), r#"{"Input": {}, "Output": {"type": "array"}}"#).unwrap();
    std::fs::write(path("bare.json"), r#"{"Input": {}}"#).unwrap();
    std::fs::write(path("whole.json"), r#"{"components": {"schemas": {}}}"#).unwrap();
    std::fs::write(path("broken.json"), "{").unwrap();
    std::fs::create_dir(path("folder")).unwrap();
    let cases = [
        (
            "[[model.step]]\noutput_file = 'cat.png'",
            r#"5: "output_file" in step 1 names "cat.png": No such file or directory (os error 2)"#,
        ),
        (
            "[[model.step]]\noutput_file = 'folder'",
            r#"5: "output_file" in step 1 names "folder": not a file"#,
        ),
        (
            "schema = 'none.json'",
            r#"4: "schema" in model 1 names "none.json": No such file or directory (os error 2)"#,
        ),
        (
            "schema = 'broken.json'",
            r#"4: "schema" in model 1 names "broken.json": not JSON: expected a string at byte 1"#,
        ),
        ("schema = 'bare.json'", r#"4: "schema" in model 1 names "bare.json": no Output schema in it"#),
        (
            "schema = 'whole.json'",
            r#"4: "schema" in model 1 names "whole.json": no components.schemas.Input schema in it"#,
        ),
        (
            "schema = 'list.json'\noutput = 'value'",
            r#"5: "output" in model 1 must be "list", as the schema file says, or be left out"#,
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(script("x.toml", body), format!("x.toml:{expected}"));
    }
}

#[test]
fn unreadable_scripts_name_the_file_and_carry_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absent.toml");
    let error = Scripts::load(std::slice::from_ref(&path)).unwrap_err();
    assert_eq!(error.to_string(), format!("{}: this script cannot be read", path.display()));
    let cause = |error: &dyn std::error::Error| error.source().map(ToString::to_string);
    assert_eq!(cause(&error).as_deref(), Some("No such file or directory (os error 2)"));
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    let error = Scripts::load(std::slice::from_ref(&path)).unwrap_err();
    assert_eq!(cause(&error).as_deref(), Some("stream did not contain valid UTF-8"));
    std::fs::write(&path, " ".repeat(4 * 1024 * 1024 + 1)).unwrap();
    let error = Scripts::load(std::slice::from_ref(&path)).unwrap_err();
    assert_eq!(cause(&error).as_deref(), Some("larger than 4194304 bytes"));
    assert!(Scripts::load(&[folder.path().to_owned()]).is_err(), "a folder is not a script");
}

#[test]
fn two_models_that_claim_one_version_are_both_named() {
    let folder = tempfile::tempdir().unwrap();
    let id = "a".repeat(64);
    let script = |file: &str, name: &str| {
        let path = folder.path().join(file);
        std::fs::write(&path, format!("[[model]]\nowner='acme'\nname='{name}'\nversion='{id}'\n{STEP}"))
            .unwrap();
        path
    };
    let (first, second) = (script("a.toml", "fast"), script("b.toml", "slow"));
    let error = Scripts::load(&[first.clone(), second.clone()]).unwrap_err();
    let (first, second) = (first.display(), second.display());
    assert_eq!(
        error.to_string(),
        format!("{second}:4: version {id} of acme/slow is already claimed by acme/fast ({first}:4)")
    );
}
