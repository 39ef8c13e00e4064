//! From texts to values.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cogwire_core::prediction::Limits;
use cogwire_core::size;
use cogwire_core::webhook::event::{EventSet, PayloadShape, WebhookEvent};
use cogwire_core::webhook::options::{BodyRule, WebhookOptions, parse_body, parse_log_tail};
use cogwire_files::Storage;
use url::Url;

use super::environment::Environment;
use super::layers::{Layers, Raw};
use super::redact::MASK;
use super::setting::{DATABASE_URL, WEBHOOK_HEADER, WEBHOOK_PROXY, nearest_of};
use super::{
    CertificateFiles, Config, Database, Egress, Error, FileMode, LogFormat, Models, NamedModel, Role, Roles,
    Secrets, StorePlace, Tls, Webhooks, models, traces, value,
};

pub(super) fn config(layers: &Layers, environment: &Environment) -> Result<Config, Error> {
    let reader = Reader(layers);
    Ok(Config {
        listen: reader.required("listen", "an address such as 127.0.0.1:8787 or :8787", listen)?,
        public_url: reader.optional("public_url", "an http or https URL", public_url)?,
        behind_proxy: reader.switch("behind_proxy")?,
        tls: reader.tls()?,
        data_dir: data_dir(layers, environment)?,
        database: reader.database()?,
        storage: reader.storage(environment)?,
        roles: reader.roles()?,
        node_lease: reader.duration_within("node_lease", "3s", "10m")?,
        retention: reader.required("retention", RETENTION, value::retention)?,
        webhook_retention: reader.required("webhook_retention", RETENTION, value::retention)?,
        webhook_report_retention: reader.required("webhook_report_retention", RETENTION, value::retention)?,
        output_files: reader.required("output_files", "one of auto, url, data", file_mode)?,
        username: reader.username()?,
        scripts: reader.paths("scripts"),
        models: reader.models()?,
        max_running: reader.number("max_running", 1..=1_000_000)?,
        limits: reader.limits()?,
        webhooks: reader.webhooks()?,
        drain_timeout: reader.duration("drain_timeout")?,
        body_limit: reader.required("body_limit", "a size from 1KiB to 1GiB, such as 64MiB", body_limit)?,
        max_connections: reader.number("max_connections", 1..=1_000_000)?,
        log_format: reader.required("log_format", "one of text, json, auto", log_format)?,
        traces: traces::read(layers, environment)?,
        secrets: Secrets::read(environment)?,
        vault: super::vault(layers, environment)?,
    })
}

/// Where the store is, for commands that use nothing else.
pub(super) fn store_place(layers: &Layers, environment: &Environment) -> Result<StorePlace, Error> {
    match Reader(layers).database()? {
        Some(database) => Ok(StorePlace::Database(database)),
        None => data_dir(layers, environment).map(StorePlace::DataDir),
    }
}

/// Where files are, for commands that use nothing else.
pub(super) fn files_place(layers: &Layers, environment: &Environment) -> Result<Storage, Error> {
    match Reader(layers).storage(environment)? {
        Some(storage) => Ok(storage),
        None => Ok(Storage::Folder(super::files_folder(&data_dir(layers, environment)?))),
    }
}

/// The account's name.
pub(super) fn account_name(layers: &Layers) -> Result<String, Error> {
    Reader(layers).username()
}

/// Where data goes: as configured, else where the XDG conventions say.
pub(super) fn data_dir(layers: &Layers, environment: &Environment) -> Result<PathBuf, Error> {
    if let Some(raw) = layers.get("data_dir").filter(|raw| !raw.texts.concat().is_empty()) {
        return Ok(raw.path(&raw.texts.concat()));
    }
    let absolute = |name| environment.path(name).filter(|path| path.is_absolute());
    let base = absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")));
    Ok(base.ok_or(Error::NoDataDir)?.join("cogwire"))
}

const RETENTION: &str = "a time such as 1h or 7d, or never";
const SCHEDULE: &str = "replicate, standard, or delays of 1ms to 30d such as 5s,1m,1h";

struct Reader<'a>(&'a Layers);

impl Reader<'_> {
    fn optional<T>(
        &self,
        key: &str,
        expected: &str,
        read: fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(raw) = self.0.get(key) else { return Ok(None) };
        let text = raw.texts.concat();
        read(&text).map(Some).ok_or_else(|| invalid(raw, &text, expected))
    }

    fn required<T>(&self, key: &str, expected: &str, read: fn(&str) -> Option<T>) -> Result<T, Error> {
        Ok(self.optional(key, expected, read)?.expect("a test checks that the setting has a default"))
    }

    fn each<T>(&self, key: &str, expected: &str, read: fn(&str) -> Option<T>) -> Result<Vec<T>, Error> {
        let Some(raw) = self.0.get(key) else { return Ok(Vec::new()) };
        raw.texts.iter().map(|text| read(text).ok_or_else(|| invalid(raw, text, expected))).collect()
    }

    fn switch(&self, key: &str) -> Result<bool, Error> {
        self.required(key, "true or false", switch)
    }

    fn duration(&self, key: &str) -> Result<Duration, Error> {
        self.required(key, "a time such as 500ms, 30s, 10m or 1d", value::duration)
    }

    /// The bounds are written as the value is.
    fn duration_within(&self, key: &str, least: &str, most: &str) -> Result<Duration, Error> {
        let bound = |text| value::duration(text).expect("a bound is a time");
        let bounds = bound(least)..=bound(most);
        let time: Duration = self.duration(key)?;
        self.checked(key, time, bounds, &format!("a time from {least} to {most}"))
    }

    fn number(&self, key: &str, bounds: RangeInclusive<usize>) -> Result<usize, Error> {
        let expected = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        let number = self.required(key, &expected, |text| text.parse().ok())?;
        self.checked(key, number, bounds, &expected)
    }

    fn checked<T: PartialOrd>(
        &self,
        key: &str,
        value: T,
        bounds: RangeInclusive<T>,
        expected: &str,
    ) -> Result<T, Error> {
        match self.0.get(key) {
            Some(raw) if !bounds.contains(&value) => Err(invalid(raw, &raw.texts.concat(), expected)),
            _ => Ok(value),
        }
    }

    fn paths(&self, key: &str) -> Vec<PathBuf> {
        self.0.get(key).map_or_else(Vec::new, |raw| raw.texts.iter().map(|text| raw.path(text)).collect())
    }

    fn limits(&self) -> Result<Limits, Error> {
        Ok(Limits {
            queue: self.duration("queue_timeout")?,
            setup: self.duration("setup_timeout")?,
            run: self.duration("run_timeout")?,
        })
    }

    fn models(&self) -> Result<Models, Error> {
        let range = "MIN..MAX such as 0..1, or OWNER/NAME=MIN..MAX";
        Ok(Models {
            named: self.named_models()?,
            instances: self.each("instances", range, models::instances)?.into_iter().collect(),
            idle_timeout: self.required("idle_timeout", RETENTION, value::retention)?,
            cancel_timeout: self.duration_within("cancel_timeout", "100ms", "10m")?,
            memory: self.optional("instance_memory", "a size such as 8GiB", size::parse)?,
            variables: self.each("model_env", &models::variable_expected(), models::variable)?,
            any_python: self.switch("any_python")?,
            package_limit: self.required("package_limit", "a size such as 20GiB", size::parse)?,
            internal_listen: self.required(
                "internal_listen",
                "an address such as 127.0.0.1:0 or :8788",
                listen,
            )?,
            internal_url: self.optional("internal_url", "an http or https URL", public_url)?,
        })
    }

    fn named_models(&self) -> Result<Vec<NamedModel>, Error> {
        let Some(raw) = self.0.get("model") else { return Ok(Vec::new()) };
        let expected = "a folder or an http URL, or OWNER/NAME= and one of them";
        let read = |text: &String| {
            models::named_model(text, |path| raw.path(path)).ok_or_else(|| invalid(raw, text, expected))
        };
        raw.texts.iter().map(read).collect()
    }

    fn webhooks(&self) -> Result<Webhooks, Error> {
        let allowed =
            "a network such as 10.0.0.0/8, a host name without scheme and port, private, or loopback";
        let events = self.each("webhook_default_events", "one of start, output, logs, completed", event)?;
        Ok(Webhooks {
            allow: self.each("webhook_allow", allowed, |text| text.parse().ok())?,
            default_events: if events.is_empty() { EventSet::DEFAULT } else { events.into_iter().collect() },
            payload: self.required("webhook_payload", "prediction or event", payload)?,
            options: self.webhook_options()?,
            schedule: self.required("webhook_schedule", SCHEDULE, |text| text.parse().ok())?,
            max_age: self.duration_within("webhook_max_age", "1m", "30d")?,
            concurrency: self.number("webhook_concurrency", 1..=100_000)?,
            per_origin: self.number("webhook_concurrency_per_origin", 1..=100_000)?,
            timeout: self.duration_within("webhook_timeout", "100ms", "5m")?,
            progress_timeout: self.duration_within("webhook_progress_timeout", "100ms", "5m")?,
            egress: self.egress()?,
        })
    }

    fn egress(&self) -> Result<Egress, Error> {
        let header = "\"Name: value\" with a name that neither the message nor the connection has itself";
        let proxy = "http://HOST:PORT or http://USER:PASSWORD@HOST:PORT";
        let file = |key| self.paths(key).into_iter().next();
        let certificate = match (file("webhook_client_cert"), file("webhook_client_key")) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some(CertificateFiles { cert, key }),
            _ => return conflict("--webhook-client-cert and --webhook-client-key go together: give both"),
        };
        Ok(Egress {
            headers: self.each(WEBHOOK_HEADER, header, |text| text.parse().ok())?,
            proxy: self.optional(WEBHOOK_PROXY, proxy, |text| text.parse().ok())?,
            ca: file("webhook_ca"),
            certificate,
        })
    }

    fn webhook_options(&self) -> Result<WebhookOptions, Error> {
        let body = "full, thin, or thin-above=SIZE such as thin-above=256KiB";
        let log_tail = "all, or a size such as 64KiB";
        let body = BodyRule {
            thin_above: self.required("webhook_body", body, |text| parse_body(text).ok())?,
            log_tail: self.required("webhook_log_tail", log_tail, |text| parse_log_tail(text).ok())?,
        };
        Ok(WebhookOptions { body, gzip: self.switch("webhook_gzip")?, ..WebhookOptions::default() })
    }

    fn username(&self) -> Result<String, Error> {
        self.required("username", "a name of letters, digits, '-' and '_'", username)
    }

    /// The URL is not looked into here: the store knows what it may say, and what is wrong with it.
    fn database(&self) -> Result<Option<Database>, Error> {
        let connections = self.number("database_connections", 2..=500)?;
        let url = self.0.get(DATABASE_URL).map(|raw| raw.texts.concat());
        Ok(url.map(|url| Database { url: url.into(), connections }))
    }

    fn storage(&self, environment: &Environment) -> Result<Option<Storage>, Error> {
        let Some(raw) = self.0.get("storage_url") else { return Ok(None) };
        Ok(Some(match Storage::parse(&raw.texts.concat(), environment.texts())? {
            Storage::Folder(path) => Storage::Folder(raw.path(&path.to_string_lossy())),
            bucket => bucket,
        }))
    }

    fn roles(&self) -> Result<Roles, Error> {
        let raw = self.0.get("roles").expect("a test checks that the setting has a default");
        let read = |text: &String| text.parse().map_err(|()| invalid(raw, text, &expected_role(text)));
        let roles = raw.texts.iter().map(read).collect::<Result<Vec<Role>, Error>>()?;
        if roles.is_empty() {
            return conflict(
                "a server without any of the roles does nothing: leave --roles out for all of them",
            );
        }
        Ok(roles.into_iter().collect())
    }

    fn tls(&self) -> Result<Option<Tls>, Error> {
        let file = |key| self.paths(key).into_iter().next();
        let self_signed = self.switch("tls_self_signed")?;
        match (file("tls_cert"), file("tls_key"), self_signed) {
            (None, None, false) => Ok(None),
            (None, None, true) => Ok(Some(Tls::SelfSigned)),
            (Some(cert), Some(key), false) => Ok(Some(Tls::Files { cert, key })),
            (Some(_), Some(_), true) => {
                conflict("give either --tls-cert and --tls-key, or --tls-self-signed")
            }
            _ => conflict("--tls-cert and --tls-key go together: give both"),
        }
    }
}

fn conflict<T>(text: &str) -> Result<T, Error> {
    Err(Error::Conflict(text.to_owned()))
}

fn invalid(raw: &Raw, text: &str, expected: &str) -> Error {
    let text = if raw.setting.holds_secret() { MASK } else { text };
    Error::Invalid { place: raw.place(), text: text.to_owned(), expected: expected.to_owned() }
}

fn expected_role(text: &str) -> String {
    let names = Role::ALL.map(Role::name);
    let meant = nearest_of(text, names).map(|meant| format!(" (did you mean {meant}?)"));
    format!("one of {}{}", names.join(", "), meant.unwrap_or_default())
}

/// `:PORT` and `localhost:PORT` mean this machine; to listen everywhere one must say so.
fn listen(text: &str) -> Option<SocketAddr> {
    let here = text.strip_prefix("localhost").unwrap_or(text);
    match here.strip_prefix(':') {
        Some(port) if !port.contains(':') => Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?))),
        _ => text.parse().ok(),
    }
}

fn public_url(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn body_limit(text: &str) -> Option<usize> {
    let bytes = size::parse(text).filter(|bytes| (1 << 10..=1 << 30).contains(bytes))?;
    usize::try_from(bytes).ok()
}

fn username(text: &str) -> Option<String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    ((1..=64).contains(&text.len()) && text.bytes().all(allowed)).then(|| text.to_owned())
}

fn event(text: &str) -> Option<WebhookEvent> {
    text.parse().ok()
}

fn payload(text: &str) -> Option<PayloadShape> {
    text.parse().ok()
}

fn file_mode(text: &str) -> Option<FileMode> {
    Some(match text {
        "auto" => FileMode::Auto,
        "url" => FileMode::Url,
        "data" => FileMode::Data,
        _ => return None,
    })
}

fn log_format(text: &str) -> Option<LogFormat> {
    Some(match text {
        "auto" => LogFormat::Auto,
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        _ => return None,
    })
}

/// A file's text without its last line end, for secrets that are kept in files.
pub(super) fn secret_file(path: &Path) -> std::io::Result<String> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
