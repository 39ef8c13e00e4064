//! What an attempt says about its receiver. Pure.

use std::time::Duration;

use crate::sink::Class;

/// An answer that takes longer holds others up.
pub(crate) const PROMPT: Duration = Duration::from_secs(1);

/// How the receiver of an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// It answers at once.
    Answers,
    /// It answers, and takes its time.
    Lags,
    /// It answers that it wants fewer requests, and none for this long.
    Slows(Duration),
    /// It holds requests up, or cannot be reached.
    Stalls,
    /// Nothing is known: the attempt failed in another way, or there was none.
    Unknown,
}

impl Health {
    /// `ease` is how long the answer asks to be left alone, if it does.
    pub(crate) fn of(class: Class, took: Duration, ease: Option<Duration>) -> Self {
        match class {
            Class::Delivered | Class::Redirect | Class::Status => match ease {
                Some(ease) => Self::Slows(ease),
                None if took > PROMPT => Self::Lags,
                None => Self::Answers,
            },
            Class::Timeout | Class::Connect => Self::Stalls,
            Class::Dns | Class::Tls | Class::Blocked | Class::Protocol => Self::Unknown,
        }
    }

    /// Whether the receiver answered, whatever it said.
    pub(crate) fn is_answer(self) -> bool {
        matches!(self, Self::Answers | Self::Lags | Self::Slows(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silence_is_a_stall() {
        let (soon, late, ease) = (Duration::from_millis(5), Duration::from_secs(3), Duration::from_secs(7));
        let cases = [
            (Class::Delivered, soon, None, Health::Answers),
            (Class::Delivered, late, None, Health::Lags),
            (Class::Redirect, soon, None, Health::Answers),
            (Class::Status, soon, None, Health::Answers),
            (Class::Status, late, None, Health::Lags),
            (Class::Status, soon, Some(ease), Health::Slows(ease)),
            (Class::Timeout, late, None, Health::Stalls),
            (Class::Connect, soon, None, Health::Stalls),
            (Class::Dns, soon, None, Health::Unknown),
            (Class::Tls, soon, None, Health::Unknown),
            (Class::Blocked, soon, None, Health::Unknown),
            (Class::Protocol, late, None, Health::Unknown),
        ];
        for (class, took, ease, health) in cases {
            assert_eq!(Health::of(class, took, ease), health, "{class} after {took:?}");
            let answered = matches!(class, Class::Delivered | Class::Redirect | Class::Status);
            assert_eq!(health.is_answer(), answered);
        }
    }
}
