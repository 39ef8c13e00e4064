//! The place of a span: its trace, its own id, and what was decided about it. As W3C Trace Context writes it.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::Entropy;

/// The flag that says that the spans of this trace are collected.
const SAMPLED: u8 = 1;
/// The flag that says that the id of this trace is random.
const RANDOM: u8 = 2;

/// A trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(NonZeroU128);

/// A span of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(NonZeroU64);

/// The place of a span. As text it is a `traceparent` of version 00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpanContext {
    /// Its trace.
    pub trace: TraceId,
    /// The span.
    pub span: SpanId,
    flags: u8,
}

/// The text is no `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a traceparent such as 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]
pub struct InvalidTraceparent;

impl TraceId {
    /// Its bytes, as they travel.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.get().to_be_bytes()
    }
}

impl SpanId {
    /// Its bytes, as they travel.
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_be_bytes()
    }

    fn random(entropy: &dyn Entropy) -> Self {
        // All zeros would mean that there is none.
        Self(NonZeroU64::new(entropy.bits() as u64).unwrap_or(NonZeroU64::MAX))
    }
}

impl SpanContext {
    /// The first span of a trace that is collected.
    pub fn first(entropy: &dyn Entropy) -> Self {
        let trace = TraceId(NonZeroU128::new(entropy.bits()).unwrap_or(NonZeroU128::MAX));
        Self { trace, span: SpanId::random(entropy), flags: SAMPLED }
    }

    /// A span that nobody had before, in the same trace. Of the flags it has those that have a meaning: whoever passes on
    /// others would claim what it does not know.
    #[must_use]
    pub fn child(self, entropy: &dyn Entropy) -> Self {
        Self { trace: self.trace, span: SpanId::random(entropy), flags: self.flags & (SAMPLED | RANDOM) }
    }

    /// Whether whoever began the trace wants to see its spans.
    pub const fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Its flags, as they travel.
    pub const fn flags(self) -> u8 {
        self.flags
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for SpanContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace, self.span, self.flags)
    }
}

/// Reads a `traceparent` of any version in the form of version 00.
impl FromStr for SpanContext {
    type Err = InvalidTraceparent;

    fn from_str(text: &str) -> Result<Self, InvalidTraceparent> {
        parse(text.trim()).ok_or(InvalidTraceparent)
    }
}

impl TryFrom<String> for SpanContext {
    type Error = InvalidTraceparent;

    fn try_from(text: String) -> Result<Self, InvalidTraceparent> {
        text.parse()
    }
}

impl From<SpanContext> for String {
    fn from(context: SpanContext) -> Self {
        context.to_string()
    }
}

fn parse(text: &str) -> Option<SpanContext> {
    let mut parts = text.splitn(5, '-');
    let mut digits = |count| parts.next().filter(|part| part.len() == count && part.bytes().all(is_hex));
    let (version, trace, span, flags) = (digits(2)?, digits(32)?, digits(16)?, digits(2)?);
    // Later versions may have more to say, this one does not.
    if version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    Some(SpanContext {
        trace: TraceId(NonZeroU128::new(u128::from_str_radix(trace, 16).ok()?)?),
        span: SpanId(NonZeroU64::new(u64::from_str_radix(span, 16).ok()?)?),
        flags: u8::from_str_radix(flags, 16).ok()?,
    })
}

/// Capitals are not allowed.
fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    /// The same bits each time.
    struct Fixed(u8);

    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    fn read(text: &str) -> Result<String, InvalidTraceparent> {
        text.parse::<SpanContext>().map(|context| context.to_string())
    }

    #[test]
    fn traces_are_taken_up_or_passed_over() {
        assert_eq!(read(TRACE).as_deref(), Ok(TRACE));
        let later = TRACE.replacen("00", "cc", 1) + "-what-the-future-holds";
        assert_eq!(read(&later).as_deref(), Ok(TRACE));
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            assert_eq!(read(text), Err(InvalidTraceparent), "for {text}");
        }
    }

    #[test]
    fn whether_it_is_sampled_is_one_flag_of_several() {
        for (flags, sampled, passed_on) in
            [("00", false, 0), ("01", true, 1), ("02", false, 2), ("03", true, 3), ("ff", true, 3)]
        {
            let text = format!("{}{flags}", &TRACE[..TRACE.len() - 2]);
            let context: SpanContext = text.parse().expect("it is well-formed");
            assert_eq!(context.is_sampled(), sampled, "for {flags}");
            assert_eq!(context.child(&Fixed(1)).flags(), passed_on, "for {flags}");
        }
    }

    #[test]
    fn no_id_is_ever_zero() {
        let first = SpanContext::first(&Fixed(0));
        assert_eq!(read(&first.to_string()), Ok(first.to_string()));
        let child = first.child(&Fixed(7));
        assert_eq!((child.trace, child.span.to_bytes()), (first.trace, [7; 8]));
        assert!(first.is_sampled());
    }

    proptest! {
        #[test]
        fn rubbish_is_refused_without_a_panic(text in "\\PC{0,60}|[0-9a-f-]{50,60}") {
            let _ = read(&text);
        }

        #[test]
        fn what_is_read_is_written_the_same(
            trace in 1..=u128::MAX, span in 1..=u64::MAX, flags in any::<u8>(),
        ) {
            let text = format!("00-{trace:032x}-{span:016x}-{flags:02x}");
            let context: SpanContext = text.parse().expect("it is well-formed");
            prop_assert_eq!(context.to_string(), text.as_str());
            let json = serde_json::to_string(&context).expect("a text");
            prop_assert_eq!(&json, &format!("\"{text}\""));
            prop_assert_eq!(serde_json::from_str::<SpanContext>(&json).expect("its own text"), context);
        }
    }
}
