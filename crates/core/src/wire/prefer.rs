//! The `Prefer` header of a create: how long to wait for the end.

use std::time::Duration;

/// The longest wait.
pub const MAX_WAIT: Duration = Duration::from_secs(60);

/// For how long an answer is held, at most: 1 to 60 seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    seconds: u64,
    bare: bool,
}

impl Wait {
    /// Looks for `wait` or `wait=N` among the preferences in the values of the header. Numbers out of bounds are brought
    /// within them; everything else is a preference that this server does not know, and so is passed over.
    pub fn find<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        values.into_iter().flat_map(|value| value.split(',')).find_map(Self::read)
    }

    /// The time.
    pub const fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// The preference as it is applied, for `Preference-Applied`.
    pub fn applied(&self) -> String {
        if self.bare { "wait".to_owned() } else { format!("wait={}", self.seconds) }
    }

    fn read(preference: &str) -> Option<Self> {
        let stated = preference.split(';').next()?;
        let (name, value) = match stated.split_once('=') {
            Some((name, value)) => (name, Some(value.trim().trim_matches('"'))),
            None => (stated, None),
        };
        if !name.trim().eq_ignore_ascii_case("wait") {
            return None;
        }
        let most = MAX_WAIT.as_secs();
        match value {
            None => Some(Self { seconds: most, bare: true }),
            Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                // What does not fit into 64 bits is too long in any case.
                Some(Self { seconds: digits.parse().unwrap_or(most).clamp(1, most), bare: false })
            }
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_forms_of_the_header() {
        let table = [
            ("wait", Some((60, "wait"))),
            ("wait=5", Some((5, "wait=5"))),
            ("WAIT = 5", Some((5, "wait=5"))),
            ("wait=\"7\"", Some((7, "wait=7"))),
            ("wait=0", Some((1, "wait=1"))),
            ("wait=90", Some((60, "wait=60"))),
            ("wait=99999999999999999999999", Some((60, "wait=60"))),
            ("respond-async, wait=10", Some((10, "wait=10"))),
            ("wait=10; foo=bar, wait=20", Some((10, "wait=10"))),
            ("wait=x, wait=4", Some((4, "wait=4"))),
            ("wait=-1", None),
            ("wait=1.5", None),
            ("wait=", None),
            ("respond-async", None),
            ("", None),
        ];
        for (header, expected) in table {
            let wait = Wait::find([header]);
            let found = wait.as_ref().map(|wait| (wait.duration().as_secs(), wait.applied()));
            assert_eq!(found, expected.map(|(seconds, text)| (seconds, text.to_owned())), "{header:?}");
        }
        let second = Wait::find(["respond-async", "wait=3"]).expect("the header may be there twice");
        assert_eq!(second.duration(), Duration::from_secs(3));
    }

    proptest! {
        #[test]
        fn a_wait_is_within_its_bounds(header in "\\PC{0,40}|(wait(=[0-9]{0,25})?[,; ]?){0,4}") {
            if let Some(wait) = Wait::find([header.as_str()]) {
                prop_assert!((1..=60).contains(&wait.duration().as_secs()));
            }
        }
    }
}
