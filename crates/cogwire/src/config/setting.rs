//! The table of settings: each row is one flag, one environment variable and one key of `cogwire.toml`.
//!
//! Defaults are not here but in `default-config.toml`, which is also the reference documentation.

/// One setting.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its key in the file. The flag is `--` and the key with dashes, the variable `COGWIRE_` and the key in capitals.
    pub key: &'static str,
    /// What its value looks like in `--help`.
    pub value_name: &'static str,
    /// One sentence for `--help`.
    pub help: &'static str,
    /// How many values it takes.
    pub arity: Arity,
    /// Under which heading of `--help` it stands.
    pub heading: &'static str,
}

/// How many values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// Exactly one.
    One,
    /// Any number: a list in the file, commas or repetition on the command line.
    Many,
    /// Any number of texts that may have commas: a list in the file, lines or repetition on the command line.
    Lines,
    /// `true` or `false`; the bare flag means `true`.
    Switch,
}

impl Setting {
    /// The flag without its dashes.
    pub fn flag(&self) -> String {
        self.key.replace('_', "-")
    }

    /// The environment variable.
    pub fn variable(&self) -> String {
        format!("COGWIRE_{}", self.key.to_ascii_uppercase())
    }

    /// Whether a password may be in it: then it is never printed as it is.
    pub fn holds_secret(&self) -> bool {
        matches!(self.key, DATABASE_URL | OTLP_HEADER | WEBHOOK_HEADER | WEBHOOK_PROXY)
    }

    /// The environment variable that names a file with the value, for a setting that holds a secret.
    pub fn file_variable(&self) -> Option<String> {
        self.holds_secret().then(|| format!("{}_FILE", self.variable()))
    }

    /// The setting with this key.
    pub fn find(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// The key that somebody who wrote `wrong` most likely meant.
    pub fn nearest(wrong: &str) -> Option<&'static str> {
        nearest_of(&wrong.replace('-', "_"), SETTINGS.iter().map(|setting| setting.key))
    }
}

/// The name that somebody who wrote `wrong` most likely meant.
pub(crate) fn nearest_of<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const ALIKE: f64 = 0.75;
    let scored = names.into_iter().map(|name| (strsim::jaro_winkler(wrong, name), name));
    let (score, name) = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (score > ALIKE).then_some(name)
}

/// The keys of the settings that may hold a password.
pub(super) const DATABASE_URL: &str = "database_url";
pub(super) const OTLP_HEADER: &str = "otlp_header";
pub(super) const WEBHOOK_HEADER: &str = "webhook_header";
pub(super) const WEBHOOK_PROXY: &str = "webhook_proxy";

const ADDRESS: &str = "Address";
const MODELS: &str = "Models and limits";
const WEBHOOKS: &str = "Webhooks";
const DATA: &str = "Data";
const MACHINES: &str = "Several machines";
const PROCESS: &str = "Process";

macro_rules! settings {
    ($($heading:ident $arity:ident $key:literal $value_name:literal $help:literal;)+) => {
        /// All settings, in the order of `--help`.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            key: $key, value_name: $value_name, help: $help, arity: Arity::$arity, heading: $heading,
        }),+];
    };
}

settings! {
    ADDRESS One "listen" "ADDR" "Where to listen: IP:PORT, or :PORT for this machine only; port 0 takes a free one";
    ADDRESS One "public_url" "URL" "How others reach the server; it begins every URL in answers and webhooks";
    ADDRESS Switch "behind_proxy" "BOOL" "A proxy in front does TLS: no warning about listening in the open";
    ADDRESS One "tls_cert" "FILE" "PEM file with the certificate chain; serves https";
    ADDRESS One "tls_key" "FILE" "PEM file with the private key of --tls-cert";
    ADDRESS Switch "tls_self_signed" "BOOL" "Serve https with a certificate that is made in the data directory";
    DATA One "data_dir" "DIR" "Where the database, files and credentials are";
    DATA One "retention" "TIME" "How long inputs, outputs, logs and files stay after the end: 1h, 7d, never";
    DATA One "webhook_retention" "TIME" "How long delivered webhooks and their attempts stay: 1h, 7d, never";
    DATA One "webhook_report_retention" "TIME" "How long it stays what attempts sent and received: 1h, 3d, never";
    DATA One "output_files" "MODE" "How outputs show files: url, data (data URLs up to 1 MiB), or auto";
    DATA One "username" "NAME" "The account's name, fixed at the first start";
    MACHINES One "database_url" "URL" "PostgreSQL, for any number of servers: postgres://USER:PASSWORD@HOST/DATABASE";
    MACHINES One "database_connections" "NUMBER" "Connections to PostgreSQL at once";
    MACHINES One "storage_url" "URL" "Where files are: a folder, or s3://BUCKET/PREFIX";
    MACHINES Many "roles" "ROLE" "What this server does: api, run, deliver";
    MACHINES One "node_lease" "TIME" "How long this server may be silent before others take over its work";
    MODELS Many "model" "MODEL" "Models to register: a folder with cog.yaml, or a Cog server's URL; NAME=... names it";
    MODELS Many "scripts" "FILE" "Scripted models, one TOML file each";
    MODELS Many "instances" "RANGE" "Processes of each version, MIN..MAX; OWNER/NAME=MIN..MAX for one model";
    MODELS One "idle_timeout" "TIME" "How long a process without work stays: 5m, never";
    MODELS One "cancel_timeout" "TIME" "How long a model may take to obey a cancel; then its process is killed";
    MODELS One "instance_memory" "SIZE" "The most memory of a model's process";
    MODELS Many "model_env" "NAME" "Variables of the server that models see as well, such as HF_TOKEN";
    MODELS Switch "any_python" "BOOL" "Run models with another Python than their cog.yaml names";
    MODELS One "package_limit" "SIZE" "The largest model that may be uploaded, such as 20GiB";
    MODELS One "internal_listen" "ADDR" "Where models fetch their input files, and Cog servers report";
    MODELS One "internal_url" "URL" "How Cog servers elsewhere reach --internal-listen";
    MODELS One "max_running" "NUMBER" "Predictions that run at once";
    MODELS One "queue_timeout" "TIME" "Longest wait for a free slot; then the prediction fails";
    MODELS One "setup_timeout" "TIME" "Longest time from a slot to the model's first sign of work";
    MODELS One "run_timeout" "TIME" "Longest run";
    WEBHOOKS Many "webhook_allow" "WHAT" "Receivers beyond https to public addresses: a network, a host, private, loopback";
    WEBHOOKS One "webhook_proxy" "URL" "Send them through this HTTP proxy: http://HOST:PORT";
    WEBHOOKS Lines "webhook_header" "HEADER" "Headers that they carry besides: 'Name: value'; the values are secret";
    WEBHOOKS One "webhook_ca" "FILE" "PEM file with certificates that receivers may have besides the system's";
    WEBHOOKS One "webhook_client_cert" "FILE" "PEM file with a certificate chain for receivers that ask for one";
    WEBHOOKS One "webhook_client_key" "FILE" "PEM file with the private key of --webhook-client-cert";
    WEBHOOKS Many "webhook_default_events" "EVENT" "What is sent when a prediction names no events: start, output, logs, completed";
    WEBHOOKS One "webhook_payload" "SHAPE" "prediction (as Replicate sends it), or event ({\"type\", \"data\"})";
    WEBHOOKS One "webhook_body" "RULE" "full, thin (no input, output and logs), or thin-above=SIZE such as thin-above=256KiB";
    WEBHOOKS One "webhook_log_tail" "SIZE" "How much of the logs bodies show, from their end: 64KiB, all";
    WEBHOOKS Switch "webhook_gzip" "BOOL" "Send bodies compressed by gzip";
    WEBHOOKS One "secret_key_file" "FILE" "A file with the key that seals signing secrets in the database";
    WEBHOOKS One "webhook_schedule" "SCHEDULE" "When failed ones are tried again: replicate, standard (for three days), or 5s,1m,1h";
    WEBHOOKS One "webhook_max_age" "TIME" "How long one waits for a receiver that is down, from 1m to 30d";
    WEBHOOKS One "webhook_concurrency" "NUMBER" "Requests to receivers at once";
    WEBHOOKS One "webhook_concurrency_per_origin" "NUMBER" "Requests to one scheme, host and port at once";
    WEBHOOKS One "webhook_timeout" "TIME" "Longest attempt to send the end of a prediction";
    WEBHOOKS One "webhook_progress_timeout" "TIME" "Longest attempt to send a start, output or logs";
    PROCESS One "drain_timeout" "TIME" "After the first SIGTERM or SIGINT, how long runs may finish";
    PROCESS One "body_limit" "SIZE" "Longest request body, such as 64MiB";
    PROCESS One "max_connections" "NUMBER" "Client connections at once; further ones wait";
    PROCESS One "log_format" "FORMAT" "text, json, or auto (text on a terminal)";
    PROCESS One "otlp_endpoint" "URL" "Send traces to this OpenTelemetry collector: http://HOST:4318";
    PROCESS Lines "otlp_header" "HEADER" "Headers for the collector: 'Name: value'; the values are secret";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_from_the_key() {
        let setting = Setting::find("webhook_concurrency_per_origin").expect("a setting");
        assert_eq!(setting.flag(), "webhook-concurrency-per-origin");
        assert_eq!(setting.variable(), "COGWIRE_WEBHOOK_CONCURRENCY_PER_ORIGIN");
    }

    #[test]
    fn typing_errors_are_recognised() {
        for (wrong, meant) in [
            ("retenton", "retention"),
            ("max-running", "max_running"),
            ("script", "scripts"),
            ("listn", "listen"),
        ] {
            assert_eq!(Setting::nearest(wrong), Some(meant), "for {wrong}");
        }
        assert_eq!(Setting::nearest("zzz"), None);
    }
}
