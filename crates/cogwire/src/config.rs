//! The configuration: from flags, environment, file and defaults to one validated [`Config`].
//!
//! Owns every name and default. A value is first a text with an origin ([`Layers`]), so that an error names the place to
//! change; then it is read and checked once, here. Nothing below reads an environment variable.

mod args;
mod egress;
mod environment;
mod error;
mod layers;
mod models;
mod print;
mod read;
mod redact;
mod roles;
mod secrets;
mod setting;
#[cfg(test)]
mod tests;
mod traces;
mod validate;
mod value;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cogwire_core::prediction::Limits;
use cogwire_core::webhook::event::{EventSet, PayloadShape};
use cogwire_core::webhook::options::WebhookOptions;
use cogwire_core::webhook::schedule::Schedule;
use cogwire_core::webhook::vault::Vault;
use cogwire_delivery::guard::Allow;
use cogwire_files::Storage;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

pub use args::{ConfigArgs, DataDirArgs, DatabaseArgs, PlacesArgs, StoreArgs};
pub use egress::{CertificateFiles, Egress};
pub use environment::Environment;
#[cfg(test)]
pub(crate) use environment::is_known_variable;
pub use error::Error;
pub use layers::{DEFAULT_CONFIG, FILE_NAME, Layers, Raw, Source};
pub use models::{InstanceRange, Instances, ModelPlace, Models, NamedModel};
pub use print::print;
pub use roles::{Role, Roles};
pub use secrets::Secrets;
pub(crate) use setting::nearest_of;
pub use setting::{Arity, SETTINGS, Setting};
pub use traces::Traces;
pub(crate) use value::duration;

/// How a server runs. Every value is within its bounds.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// How others reach the server, when that is not where it listens.
    pub public_url: Option<Url>,
    /// Whether a proxy does TLS.
    pub behind_proxy: bool,
    /// How to serve https, if at all.
    pub tls: Option<Tls>,
    /// Where this machine keeps what is its own, and everything when there is no database and no storage.
    pub data_dir: PathBuf,
    /// The database that servers share.
    pub database: Option<Database>,
    /// Where files are, when that is not in the data directory.
    pub storage: Option<Storage>,
    /// What this server does.
    pub roles: Roles,
    /// How long this server may be silent before its work is others'.
    pub node_lease: Duration,
    /// How long data stays after the end; `None` for ever.
    pub retention: Option<Duration>,
    /// How long webhooks stay; `None` for ever.
    pub webhook_retention: Option<Duration>,
    /// How long it stays what attempts sent and what came back; `None` for as long as the webhook.
    pub webhook_report_retention: Option<Duration>,
    /// How outputs show files.
    pub output_files: FileMode,
    /// The account's name.
    pub username: String,
    /// Scripted models.
    pub scripts: Vec<PathBuf>,
    /// Models that run as processes or elsewhere.
    pub models: Models,
    /// Predictions at once.
    pub max_running: usize,
    /// How long a prediction may queue, start and run.
    pub limits: Limits,
    /// The part about webhooks.
    pub webhooks: Webhooks,
    /// From soft to hard stop.
    pub drain_timeout: Duration,
    /// The longest request body in bytes.
    pub body_limit: usize,
    /// Client connections at once.
    pub max_connections: usize,
    /// How the log looks.
    pub log_format: LogFormat,
    /// Where traces go, if anywhere.
    pub traces: Option<Traces>,
    /// What only the environment says.
    pub secrets: Secrets,
    /// What seals signing secrets in the store.
    pub vault: Vault,
}

/// A PostgreSQL database.
#[derive(Debug, Clone)]
pub struct Database {
    /// Where it is, and the password.
    pub url: SecretString,
    /// The most connections at once.
    pub connections: usize,
}

/// Where everything durable but files is.
#[derive(Debug, Clone)]
pub enum StorePlace {
    /// In SQLite, in this data directory.
    DataDir(PathBuf),
    /// In PostgreSQL.
    Database(Database),
}

/// How webhooks are sent.
#[derive(Debug, Clone)]
pub struct Webhooks {
    /// Where they may go beyond https to public addresses.
    pub allow: Vec<Allow>,
    /// What is sent when a prediction names no events.
    pub default_events: EventSet,
    /// What bodies look like.
    pub payload: PayloadShape,
    /// What else is wanted of messages. Their schedule is not part of it: the sender knows it at the time.
    pub options: WebhookOptions,
    /// When messages that failed are tried again, unless the request says otherwise.
    pub schedule: Schedule,
    /// How long a message may wait for a receiver that is down.
    pub max_age: Duration,
    /// Requests at once.
    pub concurrency: usize,
    /// Requests to one origin at once.
    pub per_origin: usize,
    /// The longest attempt to send the end of a prediction.
    pub timeout: Duration,
    /// The longest attempt to send anything else.
    pub progress_timeout: Duration,
    /// How they leave the server.
    pub egress: Egress,
}

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// From PEM files.
    Files {
        /// The chain.
        cert: PathBuf,
        /// The private key.
        key: PathBuf,
    },
    /// Made by the server, kept in the data directory.
    SelfSigned,
}

/// How outputs show files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileMode {
    /// As data URLs while the public URL is plain http, else as URLs.
    Auto,
    /// As signed URLs.
    Url,
    /// As data URLs, when they are small.
    Data,
}

/// How the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object each line.
    Json,
    /// Text on a terminal, else JSON.
    Auto,
}

impl Config {
    /// Reads and checks all values.
    ///
    /// # Errors
    /// The first value that cannot be read, or that does not go with the others.
    pub fn read(layers: &Layers, environment: &Environment) -> Result<Self, Error> {
        let config = read::config(layers, environment)?;
        config.validate()?;
        Ok(config)
    }

    /// The defaults, with this data directory.
    ///
    /// # Errors
    /// Never in a release: a test reads the embedded file.
    pub fn defaults(data_dir: &Path) -> Result<Self, Error> {
        let setting = Setting::find("data_dir").expect("it is in the table");
        let texts = vec![data_dir.to_string_lossy().into_owned()];
        Self::read(
            &Layers::over_defaults(vec![Raw { setting, texts, source: Source::Flag }])?,
            &Environment::default(),
        )
    }

    /// Where the store is.
    pub fn store_place(&self) -> StorePlace {
        match &self.database {
            Some(database) => StorePlace::Database(database.clone()),
            None => StorePlace::DataDir(self.data_dir.clone()),
        }
    }

    /// Where files are.
    pub fn files_place(&self) -> Storage {
        self.storage.clone().unwrap_or_else(|| Storage::Folder(files_folder(&self.data_dir)))
    }

    /// Whether nobody outside this machine can reach the API: then webhooks may go to this machine, too. On a server that
    /// does not answer the API, its own address says nothing about that.
    pub fn is_loopback_only(&self) -> bool {
        let is_public_url_loopback = match &self.public_url {
            Some(url) => is_loopback_url(url),
            None => self.roles.api,
        };
        self.listen.ip().is_loopback() && is_public_url_loopback
    }

    /// The URL under which the server is reached when it listens on `bound`.
    pub fn url(&self, bound: SocketAddr) -> String {
        match &self.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => self.own_url(bound),
        }
    }

    /// The URL under which this machine reaches the server when it listens on `bound`, past any proxy.
    pub fn own_url(&self, bound: SocketAddr) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", reachable(bound))
    }

    /// How much longer than an attempt to send the lease must last for the attempt to begin.
    pub fn lease_margin(&self) -> Duration {
        self.node_lease / 15
    }
}

/// The URL without its password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact::database_url(self.url.expose_secret()))
    }
}

impl StorePlace {
    /// As the arguments of a command say.
    ///
    /// # Errors
    /// When a value cannot be used.
    pub fn read(layers: &Layers, environment: &Environment) -> Result<Self, Error> {
        read::store_place(layers, environment)
    }
}

/// What seals signing secrets, as the arguments of a command say.
///
/// # Errors
/// When the key cannot be used.
pub fn vault(layers: &Layers, environment: &Environment) -> Result<Vault, Error> {
    secrets::vault(layers, environment)
}

/// Where files are, as the arguments of a command say.
///
/// # Errors
/// When a value cannot be used.
pub fn files_place(layers: &Layers, environment: &Environment) -> Result<Storage, Error> {
    read::files_place(layers, environment)
}

/// Where files are in a data directory.
pub fn files_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("files")
}

/// A place for files, written as for `--storage-url`.
///
/// # Errors
/// When it is none.
pub fn storage(text: &str, environment: &Environment) -> Result<Storage, Error> {
    Ok(Storage::parse(text, environment.texts())?)
}

/// The account that the configuration names.
///
/// # Errors
/// When it is no name.
pub fn account_name(layers: &Layers) -> Result<String, Error> {
    read::account_name(layers)
}

/// An address that can be opened: the unspecified one stands for this machine.
pub(crate) fn reachable(bound: SocketAddr) -> SocketAddr {
    match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::from(([127, 0, 0, 1], bound.port())),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], bound.port())),
        _ => bound,
    }
}

fn is_loopback_url(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}
