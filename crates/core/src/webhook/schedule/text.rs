//! Schedules as text: a name, or a list of delays.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Schedule;

/// The most delays of a list.
pub const MAX_DELAYS: usize = 50;
/// The longest delay of a list.
pub const MAX_DELAY: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The text is no schedule. `Display` says what one looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchedule {
    /// A part of the list is no delay.
    #[error(
        "{0:?} is neither a schedule (replicate or standard) nor a delay such as 500ms, 5s, 5m, 2h or 1d; a list has commas between its delays"
    )]
    NoDelay(String),
    /// The delay is not one that is possible.
    #[error("a delay of {0} is not possible: from 1ms to 30d")]
    OutOfRange(String),
    /// The list is too long.
    #[error("a schedule has at most {MAX_DELAYS} delays, and this one has {0}")]
    TooMany(usize),
}

impl FromStr for Schedule {
    type Err = InvalidSchedule;

    fn from_str(text: &str) -> Result<Self, InvalidSchedule> {
        match text.trim() {
            "replicate" => Ok(Self::replicate()),
            "standard" => Ok(Self::standard()),
            list => Self::of_list(list),
        }
    }
}

impl Schedule {
    fn of_list(list: &str) -> Result<Self, InvalidSchedule> {
        let count = list.split(',').count();
        if count > MAX_DELAYS {
            return Err(InvalidSchedule::TooMany(count));
        }
        let delays: Vec<Duration> =
            list.split(',').map(|part| delay(part.trim())).collect::<Result<_, _>>()?;
        Ok(Self::of_delays(&delays))
    }
}

impl TryFrom<String> for Schedule {
    type Error = InvalidSchedule;

    fn try_from(text: String) -> Result<Self, InvalidSchedule> {
        text.parse()
    }
}

impl From<Schedule> for String {
    fn from(schedule: Schedule) -> Self {
        schedule.to_string()
    }
}

/// The name, or the delays in milliseconds or seconds; [`FromStr`] reads it back.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.name() {
            return f.write_str(name);
        }
        for (place, delay) in self.delays().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            match delay.subsec_millis() {
                0 => write!(f, "{comma}{}s", delay.as_secs())?,
                _ => write!(f, "{comma}{}ms", delay.as_millis())?,
            }
        }
        Ok(())
    }
}

fn delay(text: &str) -> Result<Duration, InvalidSchedule> {
    let no_delay = || InvalidSchedule::NoDelay(text.chars().take(40).collect());
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(no_delay)?;
    let (number, unit) = text.split_at(digits);
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(no_delay()),
    };
    if number.is_empty() {
        return Err(no_delay());
    }
    let out_of_range = || InvalidSchedule::OutOfRange(text.chars().take(40).collect());
    let count: u64 = number.parse().map_err(|_| out_of_range())?;
    let delay = count.checked_mul(millis).map(Duration::from_millis).ok_or_else(out_of_range)?;
    if delay.is_zero() || delay > MAX_DELAY { Err(out_of_range()) } else { Ok(delay) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_read_and_written() {
        let cases = [
            ("replicate", "replicate"),
            (" standard ", "standard"),
            ("5s", "5s"),
            ("500ms, 5s,5m, 2h,1d", "500ms,5s,300s,7200s,86400s"),
            ("1500ms", "1500ms"),
        ];
        for (text, written) in cases {
            let schedule: Schedule = text.parse().expect(text);
            assert_eq!(schedule.to_string(), written);
            assert_eq!(written.parse::<Schedule>(), Ok(schedule));
        }
    }

    #[test]
    fn what_is_no_schedule_says_why() {
        let cases = [
            ("", "neither a schedule"),
            ("fast", "\"fast\" is neither"),
            ("5", "neither"),
            ("s", "neither"),
            ("5s,,5s", "\"\" is neither"),
            ("5 s", "neither"),
            ("-5s", "neither"),
            ("0s", "a delay of 0s is not possible"),
            ("31d", "from 1ms to 30d"),
            ("99999999999999999999s", "not possible"),
            ("18446744073709551615d", "not possible"),
        ];
        for (text, part) in cases {
            let error = text.parse::<Schedule>().expect_err(text).to_string();
            assert!(error.contains(part), "{text:?}: {error}");
        }
        let long = vec!["1s"; 51].join(",");
        assert_eq!(long.parse::<Schedule>(), Err(InvalidSchedule::TooMany(51)));
    }
}
