//! Which variables of the server's environment others see.
//!
//! Owns the names, for all who start processes: a model that is looked at sees what it sees when it runs. Models get what
//! is named here, and nothing else, because the rest may be secret. Installers get the rest as well, but for what is
//! known to be. Reads no environment: whoever asks says what there is.

use std::ffi::OsString;
use std::path::Path;

/// What the server itself is told by its environment, and nobody else has to know.
pub const SECRETS: [&str; 2] = ["DATABASE_URL", "REPLICATE_API_TOKEN"];

/// What the names of such variables may begin with.
pub const SECRET_PREFIXES: [&str; 2] = ["AWS_", "COGWIRE_"];

/// What models get: where programs, libraries, graphics cards and the ways to the outside are.
const OF_MODELS: [&str; 19] = [
    "HOME",
    "USER",
    "TZ",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "CUDA_HOME",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "XDG_CACHE_HOME",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
];

const LOOPBACK: &str = "localhost,127.0.0.1,::1";

/// Where programs are when nobody says it.
const SYSTEM_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Whether the server may be told a secret by a variable of this name.
pub fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name) || SECRET_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The variables of a process that has a model in it. The programs in `bin`, the folder of its environment, are found
/// first. `more` names variables that this server passes on besides, and `server` gives the server's own.
pub fn of_model(
    bin: &Path,
    more: &[String],
    server: impl Fn(&str) -> Option<OsString>,
) -> Vec<(OsString, OsString)> {
    let names = OF_MODELS.into_iter().chain(more.iter().map(String::as_str));
    let mut variables: Vec<(OsString, OsString)> =
        names.filter_map(|name| Some((name.into(), server(name)?))).collect();
    // Input files come from this machine.
    let others = server("NO_PROXY").or_else(|| server("no_proxy"));
    let no_proxy = others.map_or_else(|| LOOPBACK.into(), |others| joined(others, ",", LOOPBACK.into()));
    let path = joined(bin.into(), ":", server("PATH").unwrap_or_else(|| SYSTEM_PATH.into()));
    let set = [
        ("PATH", path),
        ("LANG", "C.UTF-8".into()),
        ("PYTHONUNBUFFERED", "1".into()),
        ("NO_PROXY", no_proxy.clone()),
        ("no_proxy", no_proxy),
    ];
    variables.extend(set.map(|(name, value)| (name.into(), value)));
    variables
}

fn joined(mut first: OsString, between: &str, second: OsString) -> OsString {
    first.push(between);
    first.push(second);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a model sees, as `NAME=VALUE`.
    fn seen(more: &[&str], server: &[(&str, &str)]) -> Vec<String> {
        let more: Vec<String> = more.iter().map(|name| (*name).to_owned()).collect();
        let value = |name: &str| server.iter().find(|(own, _)| *own == name).map(|(_, value)| value.into());
        let variables = of_model(Path::new("/env/bin"), &more, value);
        let shown = |(name, value): &(OsString, OsString)| format!("{}={}", name.display(), value.display());
        variables.iter().map(shown).collect()
    }

    #[test]
    fn models_see_what_is_named_and_nothing_else() {
        let server = [
            ("HF_TOKEN", "hf_1"),
            ("CUDA_VISIBLE_DEVICES", "0"),
            ("OTHER_TOKEN", "x"),
            ("COGWIRE_API_TOKEN", "r8_1"),
            ("PATH", "/usr/bin"),
            ("no_proxy", "intranet"),
        ];
        let expected = [
            "CUDA_VISIBLE_DEVICES=0",
            "HF_TOKEN=hf_1",
            "PATH=/env/bin:/usr/bin",
            "LANG=C.UTF-8",
            "PYTHONUNBUFFERED=1",
            "NO_PROXY=intranet,localhost,127.0.0.1,::1",
            "no_proxy=intranet,localhost,127.0.0.1,::1",
        ];
        assert_eq!(seen(&["HF_TOKEN", "NOT_SET"], &server), expected);
    }

    #[test]
    fn programs_and_this_machine_are_found_without_any_variable() {
        let expected = [
            "PATH=/env/bin:/usr/local/bin:/usr/bin:/bin",
            "LANG=C.UTF-8",
            "PYTHONUNBUFFERED=1",
            "NO_PROXY=localhost,127.0.0.1,::1",
            "no_proxy=localhost,127.0.0.1,::1",
        ];
        assert_eq!(seen(&[], &[]), expected);
    }

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in ["COGWIRE_API_TOKEN", "AWS_SECRET_ACCESS_KEY", "DATABASE_URL", "REPLICATE_API_TOKEN"] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["HF_TOKEN", "HOME", "MY_AWS_KEY"] {
            assert!(!is_secret(name), "{name}");
        }
        assert!(OF_MODELS.iter().all(|name| !is_secret(name)));
    }
}
