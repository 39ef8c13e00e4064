//! The environment of a model process.
//!
//! Nothing of the server's own environment gets there but what is named here: it may hold secrets.

use std::env;
use std::ffi::OsString;
use std::path::Path;

use super::CogModel;

/// What a process gets from the server's environment: where programs, libraries, graphics cards and the ways to the
/// outside are.
const PASSED_ON: [&str; 19] = [
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

/// All variables, the model's own last.
pub(super) fn of(
    model: &CogModel,
    more: &[String],
    temporary: &Path,
    shim: OsString,
) -> Vec<(OsString, OsString)> {
    let names = PASSED_ON.into_iter().chain(more.iter().map(String::as_str));
    let mut variables: Vec<(OsString, OsString)> =
        names.filter_map(|name| Some((name.into(), env::var_os(name)?))).collect();
    let mut add = |name: &str, value: OsString| variables.push((name.into(), value));
    add("PATH", path(&model.bin));
    add("LANG", "C.UTF-8".into());
    add("PYTHONUNBUFFERED", "1".into());
    add("TMPDIR", temporary.into());
    // Input files come from this machine.
    let no_proxy = env::var("NO_PROXY").or_else(|_| env::var("no_proxy"));
    let no_proxy = no_proxy.map_or_else(|_| LOOPBACK.to_owned(), |others| format!("{others},{LOOPBACK}"));
    add("NO_PROXY", no_proxy.clone().into());
    add("no_proxy", no_proxy.into());
    if let Some(weights) = &model.weights {
        add("COG_WEIGHTS", weights.into());
    }
    variables.extend(model.variables.iter().map(|(name, value)| (name.into(), value.into())));
    variables.push(("COGWIRE_SHIM".into(), shim));
    variables
}

/// The worker's helpers are looked for by name: the model's environment comes first.
fn path(bin: &Path) -> OsString {
    let others = env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let mut path = bin.as_os_str().to_owned();
    path.push(":");
    path.push(others);
    path
}
