use super::super::{InvalidSecret, sign, signature_header};
use super::*;

const ID: &str = "msg_1";
const NOW: i64 = 1_700_000_000;

fn secret(byte: u8) -> Secret {
    Secret::from_key(&[byte; 32]).unwrap()
}

fn check(secrets: &[Secret], signature: &str, timestamp: &str, body: &str) -> Result<Verified, Problem> {
    let received = Received {
        id: Some(ID),
        timestamp: Some(timestamp),
        signature: Some(signature),
        body: body.as_bytes(),
    };
    verify(secrets, &received, NOW, 300)
}

/// What `verify` says when `signed` was signed and `arrived` arrived.
fn rewritten(signed: &str, arrived: &str) -> Problem {
    let signature = sign(&secret(1), ID, NOW, signed.as_bytes());
    check(&[secret(1)], &signature, &NOW.to_string(), arrived).unwrap_err()
}

#[test]
fn any_active_secret_and_any_entry_may_fit() {
    let header = format!("v1a,AAAA {}", signature_header(&[secret(1), secret(2)], ID, NOW, b"{}"));
    let verified = check(&[secret(3), secret(2)], &header, &NOW.to_string(), "{}");
    assert_eq!(verified, Ok(Verified { signed_at: NOW, secret: 1 }));
}

#[test]
fn absent_headers_are_named() {
    let whole = Received { id: Some(ID), timestamp: Some("1"), signature: Some("v1,x"), body: b"" };
    let cases = [
        (Received { id: None, ..whole }, "webhook-id"),
        (Received { timestamp: Some(""), ..whole }, "webhook-timestamp"),
        (Received { signature: None, ..whole }, "webhook-signature"),
    ];
    for (received, name) in cases {
        assert_eq!(verify(&[], &received, NOW, 300), Err(Problem::MissingHeader(name)));
    }
}

#[test]
fn headers_that_cannot_be_read_are_named() {
    for timestamp in ["1.5", "+1", "-1", " 1", "2024-01-01T00:00:00Z", "99999999999999999999"] {
        assert_eq!(check(&[], "v1,x", timestamp, "{}"), Err(Problem::MalformedTimestamp), "for {timestamp}");
    }
    let other_version = sign(&secret(1), ID, NOW, b"{}").replace("v1,", "v2,");
    for signature in [" ", "abc", "v1,", "v1,AAAA", "v1,?", &other_version] {
        assert_eq!(check(&[secret(1)], signature, "1", "{}"), Err(Problem::NoEntry), "for {signature}");
    }
}

#[test]
fn clocks_are_compared_after_the_signature_fits() {
    let age = |age: i64| {
        let signed_at = NOW - age;
        check(&[secret(1)], &sign(&secret(1), ID, signed_at, b"{}"), &signed_at.to_string(), "{}").err()
    };
    assert_eq!(age(300), None);
    assert_eq!(age(-300), None);
    assert_eq!(age(301), Some(Problem::TooOld { seconds: 301, tolerance: 300 }));
    assert_eq!(age(-400), Some(Problem::TooNew { seconds: 400, tolerance: 300 }));
    let forged = check(&[secret(1)], &sign(&secret(2), ID, 1, b"{}"), "1", "{}");
    assert_eq!(forged, Err(Problem::WrongSecret));
}

#[test]
fn rewritten_bodies_are_recognised() {
    let cases = [
        (r#"{"a":0.5,"b":"é"}"#, r#"{ "b": "\u00e9", "a": 0.50 }"#, Rewriting::Canonical),
        (r#"{"b":1.0,"a":2}"#, r#"{"b": 1.0, "a": 2}"#, Rewriting::Compact),
        ("{\n  \"b\": 1.0,\n  \"a\": []\n}", r#"{"b":1.0,"a":[]}"#, Rewriting::Indented),
        (r#"{"b": 1, "a": "é"}"#, r#"{"b":1,"a":"é"}"#, Rewriting::Spaced),
        (r#"{"b": 1, "a": "\u00e9"}"#, r#"{"b":1,"a":"é"}"#, Rewriting::SpacedAscii),
        ("not json\n", "not json", Rewriting::NewlineCut),
        ("{ }", "{ }\n", Rewriting::NewlineAdded),
        ("a\r\nb", "a\nb", Rewriting::CarriageReturnsCut),
        ("a\nb", "a\r\nb", Rewriting::CarriageReturnsAdded),
    ];
    for (signed, arrived, expected) in cases {
        assert_eq!(rewritten(signed, arrived), Problem::BodyRewritten(expected), "for {signed}");
    }
    assert_eq!(rewritten(r#"{"a":1}"#, r#"{"a":2}"#), Problem::WrongSecret);
}

#[test]
fn a_key_made_of_the_secrets_text_is_recognised() {
    for text in KeyText::ALL {
        let shared = SharedKey::new(&[1; 32]);
        let signed = Signed { id: ID, timestamp: &NOW.to_string(), body: b"{}" };
        let signature = format!("v1,{}", STANDARD.encode(signed.tag(text.key(&shared).mac())));
        let problem = check(&[secret(2), secret(1)], &signature, &NOW.to_string(), "{}");
        assert_eq!(problem, Err(Problem::SecretTextAsKey(text)));
    }
}

#[test]
fn a_public_key_checks_its_entries_among_others() {
    let private = Secret::from_seed(&[5; 32]);
    let header = signature_header(&[secret(1), private.clone()], ID, NOW, b"{}");
    let public = Verifier::parse(&private.public_key().unwrap()).unwrap();
    let received =
        Received { id: Some(ID), timestamp: Some("1700000000"), signature: Some(&header), body: b"{}" };
    let check = |keys: &[Verifier], received| verify_with(keys, &received, NOW, 300);
    assert_eq!(check(std::slice::from_ref(&public), received), Ok(Verified { signed_at: NOW, secret: 0 }));
    assert_eq!(verify(&[secret(2), private], &received, NOW, 300).unwrap().secret, 1);
    let other = Verifier::from(&Secret::from_seed(&[6; 32]));
    assert_eq!(check(&[other], received), Err(Problem::WrongSecret));
    let tampered = Received { body: b"{ }", ..received };
    assert_eq!(check(&[public], tampered), Err(Problem::BodyRewritten(Rewriting::Canonical)));
}

#[test]
fn entries_that_no_key_is_there_for_are_named() {
    let private = Secret::from_seed(&[5; 32]);
    let asymmetric = sign(&private, ID, NOW, b"{}");
    let symmetric = sign(&secret(1), ID, NOW, b"{}");
    let cases = [
        (secret(1), &asymmetric, SecretKind::Ed25519, "whpk_"),
        (private, &symmetric, SecretKind::Hmac, "whsec_"),
    ];
    for (key, header, kind, wanted) in cases {
        let problem = check(&[key], header, &NOW.to_string(), "{}").unwrap_err();
        assert_eq!(problem, Problem::NoKeyOfKind(kind));
        assert!(problem.advice().contains(wanted), "{}", problem.advice());
    }
}

#[test]
fn what_is_no_public_key_is_named() {
    for (text, expected) in [
        ("whpk_AAAA", InvalidSecret::WrongKeyLength { bytes: 3 }),
        ("whpk_AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", InvalidSecret::NoPublicKey),
        ("whpk_?", InvalidSecret::NotBase64 { position: 6 }),
        ("sec", InvalidSecret::MissingPrefix),
    ] {
        assert_eq!(Verifier::parse(text).unwrap_err(), expected, "for {text}");
    }
}

#[test]
fn problems_read_as_sentences() {
    let problem = Problem::BodyRewritten(Rewriting::NewlineCut);
    assert_eq!(
        problem.to_string(),
        "the body was changed after it was signed: the signature fits the body with a newline at its end"
    );
    assert!(problem.advice().ends_with('.'));
}
