//! What `--database-url` says. Nothing of it is ever repeated but names of parameters: it holds a password.

use std::net::IpAddr;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use crate::error::{Error, Result};

/// The parameters that the driver knows.
const PARAMETERS: &[&str] = &[
    "user",
    "password",
    "dbname",
    "host",
    "hostaddr",
    "port",
    "options",
    "application_name",
    "connect_timeout",
    "tcp_user_timeout",
    "channel_binding",
    "load_balance_hosts",
    "sslnegotiation",
];

/// The database, and how to reach it.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// What the driver needs. Its `Debug` hides the password.
    pub(super) config: Config,
    /// Whether and how the connection is encrypted.
    pub(super) encryption: Encryption,
}

/// What the connection is protected from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Encryption {
    /// From nothing: `sslmode=disable`.
    Off,
    /// From who only listens: `sslmode=require`.
    Unverified,
    /// From who poses as the server, too: `sslmode=verify-full`.
    Verified(Roots),
}

/// Whose certificates are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Roots {
    /// The system's.
    System,
    /// Those in this file of PEM, and no others.
    File(PathBuf),
}

/// Reads the URL.
pub(super) fn parse(url: &str) -> Result<Target> {
    let scheme = ["postgres://", "postgresql://"].into_iter().find(|scheme| url.starts_with(scheme));
    let Some(scheme) = scheme else {
        return Err(bad("it must look like postgres://USER:PASSWORD@HOST/DATABASE"));
    };
    let (base, query) = split_query(url, scheme.len());
    let mut ssl = Ssl::default();
    let mut kept = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        if !ssl.take(pair)? {
            kept.push(known(pair)?);
        }
    }
    let mut config: Config =
        format!("{base}?{}", kept.join("&")).parse().map_err(|error| bad(&explain(&error)))?;
    check_hosts(&config)?;
    let encryption = ssl.encryption(is_local(&config))?;
    config.ssl_mode(if encryption == Encryption::Off { SslMode::Disable } else { SslMode::Require });
    // Of several hosts, and after a change of roles, the one that can write.
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    Ok(Target { config, encryption })
}

/// A name and password may hold a question mark; what follows them may not.
fn split_query(url: &str, scheme: usize) -> (&str, &str) {
    let after_password = url[scheme..].find('@').map_or(scheme, |at| scheme + at);
    match url[after_password..].find('?') {
        Some(mark) => (&url[..after_password + mark], &url[after_password + mark + 1..]),
        None => (url, ""),
    }
}

/// What is said about encryption.
#[derive(Debug, Default)]
struct Ssl {
    mode: Option<String>,
    root: Option<String>,
}

impl Ssl {
    /// Takes the parameter when it is one of these.
    fn take(&mut self, pair: &str) -> Result<bool> {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let place = match name {
            "sslmode" => &mut self.mode,
            "sslrootcert" => &mut self.root,
            _ => return Ok(false),
        };
        let value =
            percent_decode_str(value).decode_utf8().map_err(|_| bad(&format!("{name} is not UTF-8")))?;
        *place = Some(value.into_owned());
        Ok(true)
    }

    fn encryption(self, local: bool) -> Result<Encryption> {
        let roots = match self.root.as_deref() {
            None | Some("system") => Roots::System,
            Some("") => return Err(bad("sslrootcert is empty: give the path of a file of certificates")),
            Some(path) => Roots::File(path.into()),
        };
        match self.mode.as_deref() {
            None if local && self.root.is_none() => Ok(Encryption::Off),
            None | Some("verify-full") => Ok(Encryption::Verified(roots)),
            Some("disable" | "require") if self.root.is_some() => {
                Err(bad("sslrootcert is only used with sslmode=verify-full: leave it out, or use that mode"))
            }
            Some("disable") => Ok(Encryption::Off),
            Some("require") => Ok(Encryption::Unverified),
            Some("prefer" | "allow") => Err(bad(
                "sslmode may not leave encryption to chance: use sslmode=verify-full, or sslmode=require to trust any \
                 certificate, or sslmode=disable for none",
            )),
            Some("verify-ca") => Err(bad(
                "sslmode=verify-ca is not supported: use sslmode=verify-full, which checks the server's name, too",
            )),
            Some(_) => Err(bad("sslmode must be verify-full, require or disable")),
        }
    }
}

/// Lets a parameter pass that the driver knows.
fn known(pair: &str) -> Result<&str> {
    let name = pair.split_once('=').map_or(pair, |(name, _)| name);
    if PARAMETERS.contains(&name) {
        return Ok(pair);
    }
    // Only what can be nothing but a name is repeated.
    let is_name = name.len() < 40 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let name = if is_name { format!("the parameter {name}") } else { "a parameter".to_owned() };
    let known = PARAMETERS.join(", ");
    Err(bad(&format!("it has {name}, which is not known; known are sslmode, sslrootcert, {known}")))
}

fn check_hosts(config: &Config) -> Result<()> {
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(bad(
            "it names no server: write postgres://HOST/DATABASE, or add ?host=/var/run/postgresql for a socket",
        ));
    }
    Ok(())
}

/// Whether what is sent stays on this machine.
fn is_local(config: &Config) -> bool {
    let hosts = config.get_hosts().iter().all(|host| match host {
        #[cfg(unix)]
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
    });
    hosts && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

/// The driver's reason. It names parameters and never their values.
fn explain(error: &tokio_postgres::Error) -> String {
    let reason = std::error::Error::source(error).map(ToString::to_string);
    format!("it cannot be read: {}", reason.unwrap_or_else(|| error.to_string()))
}

fn bad(reason: &str) -> Error {
    Error::Setup(format!("--database-url is not usable: {reason}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sentence(url: &str) -> String {
        match parse(url) {
            Err(Error::Setup(sentence)) => sentence,
            other => panic!("{url}: {other:?}"),
        }
    }

    #[test]
    fn a_url_says_whom_to_ask_for_what() {
        let Target { config, .. } = parse(
            "postgresql://me:s%40cret@db.example:6543/jobs?application_name=a&options=-c%20search_path%3Dx",
        )
        .expect("it is a good one");
        assert_eq!(config.get_hosts(), [Host::Tcp("db.example".to_owned())]);
        assert_eq!((config.get_ports(), config.get_dbname()), (&[6543][..], Some("jobs")));
        assert_eq!((config.get_user(), config.get_password()), (Some("me"), Some(&b"s@cret"[..])));
        assert_eq!(config.get_options(), Some("-c search_path=x"));
        let Target { config, .. } = parse("postgres:///jobs?host=/run/db&user=me").expect("a socket");
        assert_eq!(
            (config.get_hosts(), config.get_user()),
            (&[Host::Unix("/run/db".into())][..], Some("me"))
        );
    }

    #[test]
    fn what_leaves_the_machine_is_encrypted_and_verified_unless_the_url_says_otherwise() {
        let file = || Encryption::Verified(Roots::File("/ca.crt".into()));
        let system = || Encryption::Verified(Roots::System);
        let cases = [
            ("postgres://db.example/a", system()),
            ("postgres://10.0.0.1/a", system()),
            ("postgres://localhost/a", Encryption::Off),
            ("postgres://127.0.0.1/a", Encryption::Off),
            ("postgres://[::1]/a", Encryption::Off),
            ("postgres:///a?host=/run/db", Encryption::Off),
            ("postgres://localhost,db.example/a", system()),
            ("postgres://localhost/a?hostaddr=10.0.0.1", system()),
            ("postgres://localhost/a?sslmode=verify-full", system()),
            ("postgres://localhost/a?sslrootcert=%2Fca.crt", file()),
            ("postgres://db.example/a?sslmode=verify-full&sslrootcert=/ca.crt", file()),
            ("postgres://db.example/a?sslrootcert=system", system()),
            ("postgres://db.example/a?sslmode=require", Encryption::Unverified),
            ("postgres://db.example/a?sslmode=disable", Encryption::Off),
        ];
        for (url, expected) in cases {
            assert_eq!(parse(url).expect(url).encryption, expected, "{url}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_do() {
        let cases = [
            ("", "it must look like postgres://"),
            ("sqlite://a", "it must look like postgres://"),
            ("postgres:///a", "it names no server"),
            ("postgres://h:x/a", "invalid value for option `port`"),
            ("postgres://h/a?sslmode=prefer", "use sslmode=verify-full, or sslmode=require"),
            ("postgres://h/a?sslmode=allow", "use sslmode=verify-full, or sslmode=require"),
            ("postgres://h/a?sslmode=verify-ca", "use sslmode=verify-full, which checks the server's name"),
            ("postgres://h/a?sslmode=yes", "sslmode must be verify-full, require or disable"),
            (
                "postgres://h/a?sslmode=require&sslrootcert=/a",
                "sslrootcert is only used with sslmode=verify-full",
            ),
            ("postgres://h/a?sslrootcert=", "sslrootcert is empty"),
            ("postgres://h/a?ssl_mode=require", "it has the parameter ssl_mode, which is not known"),
            (
                "postgres://h/a?target_session_attrs=any",
                "the parameter target_session_attrs, which is not known",
            ),
        ];
        for (url, expected) in cases {
            let sentence = sentence(url);
            assert!(sentence.starts_with("--database-url is not usable: "), "{sentence}");
            assert!(sentence.contains(expected), "{url}: {sentence}");
        }
    }

    #[test]
    fn a_password_is_never_repeated() {
        let cases = [
            "postgres://me:hunter2@h/a?sslmode=what",
            "postgres://me:hunter2@h:x/a",
            "postgres://me:hunter2?@h/a?unknown=1",
            "postgres://me:a?hunter2=@h/a?sslmode=what",
            "postgres://h/a?password=hunter2&x=1",
            "postgres://h/a?x&Hunter2-hunter2@",
            "http://me:hunter2@h/a",
        ];
        for url in cases {
            assert!(!sentence(url).to_lowercase().contains("hunter2"), "{url}: {}", sentence(url));
        }
        let target = parse("postgres://me:hunter2@h/a?sslmode=require").expect("it is a good one");
        assert!(!format!("{target:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(url in "(postgres://)?[a-z0-9@:/?&=%\\[\\],._é-]{0,60}") {
            let _ = parse(&url);
        }
    }
}
