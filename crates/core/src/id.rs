//! Identifiers: what they look like, how they are made, and nothing about what they name.
//!
//! Prediction and file ids are ULIDs in lower case: 26 characters of Crockford's alphabet, the shape of Replicate's own
//! ids since 2024. They begin with the time of creation, so rows that are written together lie together.
//! Time and randomness are arguments; nothing here reads a clock or a random source.

use std::fmt;
use std::str::FromStr;

use crate::time::Timestamp;

/// The number of characters of a prediction or file id.
pub const ID_LENGTH: usize = 26;

/// The text was not an id of the expected shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind}: expected {expected}")]
pub struct InvalidId {
    kind: &'static str,
    expected: &'static str,
    text: String,
}

macro_rules! ulid_newtype {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; ID_LENGTH]);

        impl $name {
            /// Makes the id for something created at `now`, with 80 bits taken from `random`.
            pub fn new(now: Timestamp, random: u128) -> Self {
                Self(ulid_text(now, random))
            }

            /// The smallest id that something created at `at` or later (by the millisecond) can have.
            pub fn first_at(at: Timestamp) -> Self {
                Self::new(at, 0)
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                std::str::from_utf8(&self.0).expect("an id is ASCII by construction")
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse_id(text).map(Self).ok_or_else(|| InvalidId {
                    kind: $kind,
                    expected: "26 characters from a-z and 0-9",
                    text: text.chars().take(80).collect(),
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

ulid_newtype!(
    /// Names a prediction or a training; both share one id space, as on Replicate.
    PredictionId,
    "prediction id"
);
ulid_newtype!(
    /// Names a stored file.
    FileId,
    "file id"
);

macro_rules! hash_newtype {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Takes over a hash.
            pub fn from_sha256(hash: [u8; 32]) -> Self {
                let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
                Self(digits.into())
            }

            /// The 64 digits.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::id::InvalidId;

            fn from_str(text: &str) -> Result<Self, $crate::id::InvalidId> {
                $crate::id::parse_hash($kind, text).map(|hash| Self(hash.into()))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(crate) use hash_newtype;

hash_newtype!(
    /// Names a model version: 64 lower-case hexadecimal digits.
    VersionId,
    "version id"
);

/// Names a delivery: the `seq`-th message about a prediction. Its text is the `webhook-id` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    /// The prediction that the message is about.
    pub prediction: PredictionId,
    /// The message's place in the prediction's sequence, from 1.
    pub seq: u32,
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "msg_{}_{}", self.prediction, self.seq)
    }
}

impl FromStr for DeliveryId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        parse_delivery_id(text).ok_or_else(|| InvalidId {
            kind: "delivery id",
            expected: "msg_<prediction id>_<number>",
            text: text.chars().take(80).collect(),
        })
    }
}

/// Checks a hash in hexadecimal digits.
pub(crate) fn parse_hash<'a>(kind: &'static str, text: &'a str) -> Result<&'a str, InvalidId> {
    let valid = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if valid {
        return Ok(text);
    }
    let expected = "64 lower-case hexadecimal digits";
    Err(InvalidId { kind, expected, text: text.chars().take(80).collect() })
}

fn parse_delivery_id(text: &str) -> Option<DeliveryId> {
    let (prediction, seq) = text.strip_prefix("msg_")?.split_once('_')?;
    Some(DeliveryId { prediction: prediction.parse().ok()?, seq: seq.parse().ok()? })
}

fn parse_id(text: &str) -> Option<[u8; ID_LENGTH]> {
    let valid = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'z'));
    if valid { text.as_bytes().try_into().ok() } else { None }
}

fn ulid_text(now: Timestamp, random: u128) -> [u8; ID_LENGTH] {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let millis = u128::from(now.as_micros().max(0).unsigned_abs() / 1000);
    let bits = (millis << 80) | (random & ((1 << 80) - 1));
    std::array::from_fn(|i| ALPHABET[((bits >> (5 * (ID_LENGTH - 1 - i))) & 31) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_round_trip() {
        let early = PredictionId::new(Timestamp::from_micros(1_700_000_000_000_000), u128::MAX);
        let late = PredictionId::new(Timestamp::from_micros(1_700_000_000_001_000), 0);
        assert!(early < late);
        assert_eq!(early.as_str().parse(), Ok(early));
        assert_eq!(late.as_str(), "01hf7yat010000000000000000");
    }

    #[test]
    fn delivery_ids_round_trip() {
        let id = DeliveryId { prediction: PredictionId::new(Timestamp::from_micros(1), 7), seq: 3 };
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("msg_x_1".parse::<DeliveryId>().is_err());
    }

    #[test]
    fn old_replicate_ids_are_accepted_and_others_are_not() {
        assert!("gm3qorzdhgbfurvjtvhg6dckhu".parse::<PredictionId>().is_ok());
        for bad in
            ["", "GM3QORZDHGBFURVJTVHG6DCKHU", "gm3qorzdhgbfurvjtvhg6dckh", "gm3qorzdhgbfurvjtvhg6dckhü"]
        {
            assert!(bad.parse::<PredictionId>().is_err(), "{bad}");
        }
    }
}
