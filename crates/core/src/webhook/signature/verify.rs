//! Whether a message is signed, and if not, the most likely reason.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signature;

use super::shared::SharedKey;
use super::signed::Signed;
use super::verifier::Entries;
use super::{Rewriting, Secret, SecretKind, Verifier};

/// Longer bodies are verified, but nobody guesses what happened to them, in bytes.
const EXPLAINED_BODY: usize = 1 << 20;

/// What arrived: three headers and the body's bytes.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// The `webhook-id` header.
    pub id: Option<&'a str>,
    /// The `webhook-timestamp` header.
    pub timestamp: Option<&'a str>,
    /// The `webhook-signature` header.
    pub signature: Option<&'a str>,
    /// The body as it arrived, not parsed.
    pub body: &'a [u8],
}

/// The message is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// When it was signed, in seconds since the Unix epoch.
    pub signed_at: i64,
    /// Which of the secrets or keys fits, counted from 0.
    pub secret: usize,
}

/// Why a message is not accepted. `Display` is a sentence without its full stop; [`Problem::advice`] says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A header is absent or empty.
    #[error("the {0} header is missing")]
    MissingHeader(&'static str),
    /// The timestamp is not a number.
    #[error("the webhook-timestamp header is not a whole number of seconds since 1970")]
    MalformedTimestamp,
    /// The signature header has no entry that could be checked.
    #[error(
        "the webhook-signature header has no entry of the form \"v1,<base64 of 32 bytes>\" or \"v1a,<64 bytes>\""
    )]
    NoEntry,
    /// All entries are of a kind that none of the keys checks.
    #[error("the webhook-signature header has only \"{}\" entries, and no key was given that checks them", .0.entry_prefix())]
    NoKeyOfKind(SecretKind),
    /// The signature fits, but it is too old.
    #[error("the signature fits, but it was made {seconds} s ago and only {tolerance} s are tolerated")]
    TooOld {
        /// The age in seconds.
        seconds: i64,
        /// The highest age in seconds.
        tolerance: i64,
    },
    /// The signature fits, but this clock has not reached it.
    #[error(
        "the signature fits, but it is dated {seconds} s in the future and only {tolerance} s are tolerated"
    )]
    TooNew {
        /// How far in the future, in seconds.
        seconds: i64,
        /// How far is tolerated, in seconds.
        tolerance: i64,
    },
    /// The signature fits another spelling of the body.
    #[error("the body was changed after it was signed: the signature fits {}", .0.signed_form())]
    BodyRewritten(Rewriting),
    /// The signer used the secret's text as its key.
    #[error("the signature was made with the wrong key: {}", .0.mistake())]
    SecretTextAsKey(KeyText),
    /// Nothing fits.
    #[error("no secret fits the signature")]
    WrongSecret,
}

/// Which text of the secret was taken for the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyText {
    /// All of it, `whsec_` included.
    Whole,
    /// What follows `whsec_`, not decoded.
    Base64,
}

/// The two signed headers, and what the third one claims.
struct Claim<'a> {
    id: &'a str,
    timestamp: &'a str,
    entries: Entries,
}

/// Checks a message against the secrets that are active.
///
/// The timestamp may differ from `now_unix` by `tolerance_secs`; that is looked at only after the signature fits.
///
/// # Errors
/// The [`Problem`], guessed as well as the message allows.
pub fn verify(
    secrets: &[Secret],
    received: &Received<'_>,
    now_unix: i64,
    tolerance_secs: i64,
) -> Result<Verified, Problem> {
    let verifiers: Vec<Verifier> = secrets.iter().map(Verifier::from).collect();
    verify_with(&verifiers, received, now_unix, tolerance_secs)
}

/// As [`verify`], also for a receiver that has only the public key.
///
/// # Errors
/// The same.
pub fn verify_with(
    verifiers: &[Verifier],
    received: &Received<'_>,
    now_unix: i64,
    tolerance_secs: i64,
) -> Result<Verified, Problem> {
    let claim = Claim::read(received)?;
    let signed_at = seconds(claim.timestamp)?;
    claim.check_kinds(verifiers)?;
    let fitting = verifiers.iter().position(|verifier| claim.fits(verifier, received.body));
    let secret = fitting.ok_or_else(|| explain(verifiers, &claim, received.body))?;
    check_age(now_unix.saturating_sub(signed_at), tolerance_secs)?;
    Ok(Verified { signed_at, secret })
}

impl Problem {
    /// What to look at, as a sentence.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::MissingHeader(_) => {
                "Check that the sender signs its webhooks and that no proxy drops the webhook-* headers."
            }
            Self::MalformedTimestamp => {
                "Pass the header on as it arrived; it is not a date and has no fraction."
            }
            Self::NoEntry => "Pass the header on as it arrived, with the \"v1,\" and all of its entries.",
            Self::NoKeyOfKind(SecretKind::Hmac) => {
                "Give the secret that the sender shares with you (whsec_...)."
            }
            Self::NoKeyOfKind(SecretKind::Ed25519) => "Give the sender's public key (whpk_...).",
            Self::TooOld { .. } => {
                "Compare the clocks of sender and receiver, unless this is a recorded message; then it is a replay."
            }
            Self::TooNew { .. } => "Compare the clocks of sender and receiver: this one is behind.",
            Self::BodyRewritten(_) => {
                "Verify the bytes of the body as they arrive, before anything parses, prints or stores them."
            }
            Self::SecretTextAsKey(_) => {
                "Remove \"whsec_\", decode the rest as base64, and use those bytes as the key."
            }
            Self::WrongSecret => {
                "Compare the secret with the sender's, and check that the body and all three headers belong to one request."
            }
        }
    }
}

impl KeyText {
    const ALL: [Self; 2] = [Self::Whole, Self::Base64];

    fn mistake(self) -> &'static str {
        match self {
            Self::Whole => "the text of the secret, \"whsec_\" included, instead of its decoded bytes",
            Self::Base64 => "the base64 text of the secret instead of its decoded bytes",
        }
    }

    fn key(self, secret: &SharedKey) -> SharedKey {
        let text = match self {
            Self::Whole => secret.expose(),
            Self::Base64 => secret.expose_base64(),
        };
        SharedKey::new(text.as_bytes())
    }
}

impl<'a> Claim<'a> {
    fn read(received: &Received<'a>) -> Result<Self, Problem> {
        let id = present(received.id, "webhook-id")?;
        let timestamp = present(received.timestamp, "webhook-timestamp")?;
        let signature = present(received.signature, "webhook-signature")?;
        let entries = || signature.split_ascii_whitespace();
        let hmac = entries().filter_map(|entry| decode_entry(SecretKind::Hmac, entry)).collect();
        let ed25519 = entries().filter_map(|entry| decode_entry(SecretKind::Ed25519, entry));
        let ed25519 = ed25519.map(|bytes| Signature::from_bytes(&bytes)).collect();
        Ok(Self { id, timestamp, entries: Entries { hmac, ed25519 } })
    }

    /// What could not fit whatever the message is.
    fn check_kinds(&self, verifiers: &[Verifier]) -> Result<(), Problem> {
        let mut kinds = SecretKind::ALL.into_iter().filter(|kind| self.entries.has(*kind)).peekable();
        let first = *kinds.peek().ok_or(Problem::NoEntry)?;
        let checked = |kind| verifiers.is_empty() || verifiers.iter().any(|verifier| verifier.kind() == kind);
        if kinds.any(checked) { Ok(()) } else { Err(Problem::NoKeyOfKind(first)) }
    }

    fn fits(&self, verifier: &Verifier, body: &[u8]) -> bool {
        verifier.fits(&self.entries, self.signed(body))
    }

    fn signed<'b>(&'b self, body: &'b [u8]) -> Signed<'b> {
        Signed { id: self.id, timestamp: self.timestamp, body }
    }
}

fn present<'a>(header: Option<&'a str>, name: &'static str) -> Result<&'a str, Problem> {
    header.filter(|value| !value.is_empty()).ok_or(Problem::MissingHeader(name))
}

fn decode_entry<const N: usize>(kind: SecretKind, entry: &str) -> Option<[u8; N]> {
    STANDARD.decode(entry.strip_prefix(kind.entry_prefix())?).ok()?.try_into().ok()
}

fn seconds(timestamp: &str) -> Result<i64, Problem> {
    let digits = timestamp.bytes().all(|byte| byte.is_ascii_digit());
    timestamp.parse().ok().filter(|_| digits).ok_or(Problem::MalformedTimestamp)
}

fn check_age(age: i64, tolerance: i64) -> Result<(), Problem> {
    if age > tolerance {
        return Err(Problem::TooOld { seconds: age, tolerance });
    }
    if age < tolerance.saturating_neg() {
        return Err(Problem::TooNew { seconds: age.saturating_neg(), tolerance });
    }
    Ok(())
}

fn explain(verifiers: &[Verifier], claim: &Claim<'_>, body: &[u8]) -> Problem {
    if body.len() > EXPLAINED_BODY {
        return Problem::WrongSecret;
    }
    if let Some(key_text) = KeyText::ALL.into_iter().find(|text| is_key(*text, verifiers, claim, body)) {
        return Problem::SecretTextAsKey(key_text);
    }
    let Ok(text) = std::str::from_utf8(body) else { return Problem::WrongSecret };
    let rewriting = Rewriting::ALL.into_iter().find(|rewriting| {
        let signed = rewriting.undo(text, 2 * EXPLAINED_BODY);
        signed.is_some_and(|signed| verifiers.iter().any(|verifier| claim.fits(verifier, signed.as_bytes())))
    });
    rewriting.map_or(Problem::WrongSecret, Problem::BodyRewritten)
}

/// Whether the signer took the text of a shared secret for its key.
fn is_key(text: KeyText, verifiers: &[Verifier], claim: &Claim<'_>, body: &[u8]) -> bool {
    let mut shared = verifiers.iter().filter_map(Verifier::shared);
    shared.any(|key| claim.entries.fit(&text.key(key), claim.signed(body)))
}

#[cfg(test)]
mod tests {
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
            assert_eq!(
                check(&[], "v1,x", timestamp, "{}"),
                Err(Problem::MalformedTimestamp),
                "for {timestamp}"
            );
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
        assert_eq!(
            check(std::slice::from_ref(&public), received),
            Ok(Verified { signed_at: NOW, secret: 0 })
        );
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
}
