//! The environment variables of a process, as far as the configuration looks at them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use super::Error;
use super::secrets::{API_TOKEN, API_TOKEN_FILE, SECRET_KEY, WEBHOOK_SECRET, WEBHOOK_SECRET_FILE};
use super::setting::{SETTINGS, nearest_of};

/// What every variable of Cogwire's begins with.
const PREFIX: &str = "COGWIRE_";
/// What begins the variables that only Cogwire's own tests read.
const OF_TESTS: &str = "COGWIRE_TEST_";

/// Variables that are no settings: the configuration file, secrets, where client commands find the server, and what tests
/// and their scripts set.
const OTHERS: [&str; 11] = [
    "COGWIRE_CONFIG",
    API_TOKEN,
    API_TOKEN_FILE,
    WEBHOOK_SECRET,
    WEBHOOK_SECRET_FILE,
    SECRET_KEY,
    "COGWIRE_URL",
    "COGWIRE_FAILPOINT",
    "COGWIRE_BINARY",
    "COGWIRE_BROWSER",
    "COGWIRE_POSTGRES_BIN",
];

/// Variables by name. Empty ones count as absent, as compose files write them.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// That of this process.
    pub fn of_process() -> Self {
        let named = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value));
        Self(std::env::vars_os().filter_map(named).filter(|(_, value)| !value.is_empty()).collect())
    }

    /// The variable's text, if it has one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str()
    }

    /// The variable as a path.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.0.get(name).map(PathBuf::from)
    }

    /// All variables that are text.
    pub(super) fn texts(&self) -> impl Iterator<Item = (String, String)> {
        self.0.iter().filter_map(|(name, value)| Some((name.clone(), value.to_str()?.to_owned())))
    }

    /// Refuses a variable that begins as Cogwire's do and means nothing. As in the configuration file, that is an error and
    /// not a warning: a server whose `COGWIRE_WEBHOOK_SECRET` is misspelled would run, and sign with another secret.
    ///
    /// # Errors
    /// When there is one.
    pub(super) fn refuse_unknown(&self) -> Result<(), Error> {
        match self.unknown() {
            Some(name) => Err(Error::UnknownVariable { name: name.to_owned(), meant: meant(name) }),
            None => Ok(()),
        }
    }

    /// The first variable that means nothing.
    fn unknown(&self) -> Option<&str> {
        let foreign = |(name, value): &(&String, &OsString)| {
            name.starts_with(PREFIX)
                && !is_known_variable(name)
                && !is_service_link(name, &value.to_string_lossy())
        };
        self.0.iter().find(foreign).map(|(name, _)| name.as_str())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        let set = variables.into_iter().filter(|(_, value)| !value.is_empty());
        Self(set.map(|(name, value)| (name.to_owned(), value.into())).collect())
    }
}

/// Shows names only: values may be secret.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Whether a variable means something to any command.
pub(crate) fn is_known_variable(name: &str) -> bool {
    name.starts_with(OF_TESTS) || known().any(|known| known == name)
}

fn known() -> impl Iterator<Item = String> {
    let of_settings =
        SETTINGS.iter().flat_map(|setting| [Some(setting.variable()), setting.file_variable()]).flatten();
    of_settings.chain(OTHERS.map(str::to_owned))
}

fn meant(name: &str) -> Option<String> {
    let known: Vec<String> = known().collect();
    // What all of them begin with would make any two alike.
    let ends = known.iter().filter_map(|name| name.strip_prefix(PREFIX));
    nearest_of(name.strip_prefix(PREFIX)?, ends).map(|end| format!("{PREFIX}{end}"))
}

/// Kubernetes describes every service to the containers beside it: for one whose name is `cogwire` or begins with
/// `cogwire-`, in variables such as `COGWIRE_SERVICE_HOST`, `COGWIRE_PORT` (a URL) and `COGWIRE_PORT_8787_TCP_ADDR`.
fn is_service_link(name: &str, value: &str) -> bool {
    let words: Vec<&str> = name.split('_').collect();
    let service = words.windows(2).any(|pair| matches!(pair, ["SERVICE", "HOST" | "PORT"]));
    let port = words.windows(3).any(
        |three| matches!(three, ["PORT", number, "TCP" | "UDP" | "SCTP"] if number.parse::<u16>().is_ok()),
    );
    let is_url = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    service || port || (name.ends_with("_PORT") && is_url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(name: &str, value: &str) -> Option<String> {
        Environment::from([(name, value)]).refuse_unknown().err().map(|error| error.to_string())
    }

    #[test]
    fn what_means_nothing_is_refused_with_what_was_meant() {
        for (name, meant) in [
            ("COGWIRE_RETENTON", "COGWIRE_RETENTION"),
            ("COGWIRE_DATABASEURL", "COGWIRE_DATABASE_URL"),
            ("COGWIRE_DATABASE_URL_FIL", "COGWIRE_DATABASE_URL_FILE"),
            ("COGWIRE_WEBHOOK_SECERT", "COGWIRE_WEBHOOK_SECRET"),
            ("COGWIRE_API_TOKEN_FILES", "COGWIRE_API_TOKEN_FILE"),
        ] {
            let expected = format!("unknown environment variable {name} (did you mean {meant}?)");
            assert_eq!(refusal(name, "x"), Some(expected));
        }
        let unlike = refusal("COGWIRE_ZZZ", "x").expect("it is refused");
        assert!(unlike.contains("`cogwire config default` shows them all"), "{unlike}");
        assert!(refusal("COGWIRE_PORT", "8787").is_some(), "a number is a setting that there is not");
    }

    #[test]
    fn what_means_something_elsewhere_is_left_alone() {
        for (name, value) in [
            ("COGWIRE_RETENTION", "1h"),
            ("COGWIRE_DATABASE_URL_FILE", "/run/secrets/url"),
            ("COGWIRE_TEST_LOG", "1"),
            ("COGWIRE_RETENTON", ""),
            ("OTHER_THING", "x"),
            ("COGWIRE_PORT", "tcp://10.0.0.1:8787"),
            ("COGWIRE_SERVICE_HOST", "10.0.0.1"),
            ("COGWIRE_SERVICE_PORT", "8787"),
            ("COGWIRE_SERVICE_PORT_HTTP", "8787"),
            ("COGWIRE_PORT_8787_TCP", "tcp://10.0.0.1:8787"),
            ("COGWIRE_PORT_8787_TCP_ADDR", "10.0.0.1"),
            ("COGWIRE_API_SERVICE_HOST", "10.0.0.1"),
            ("COGWIRE_POSTGRES_PORT", "tcp://10.0.0.1:5432"),
            ("COGWIRE_POSTGRES_PORT_5432_TCP_PROTO", "tcp"),
        ] {
            assert_eq!(refusal(name, value), None, "{name}={value}");
        }
    }

    #[test]
    fn values_are_not_shown() {
        let shown = format!("{:?}", Environment::from([("COGWIRE_API_TOKEN", "r8_hidden")]));
        assert_eq!(shown, r#"{"COGWIRE_API_TOKEN"}"#);
    }
}
