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
mod tests;
