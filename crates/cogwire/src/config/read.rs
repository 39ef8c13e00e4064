//! From texts to values.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use cogwire_core::prediction::Limits;
use cogwire_core::webhook::event::{EventSet, PayloadShape, WebhookEvent};
use url::Url;

use super::layers::{Layers, Raw};
use super::{Config, Error, FileMode, LogFormat, Secrets, Tls, Webhooks, value};

pub(super) fn config(layers: &Layers, secrets: Secrets) -> Result<Config, Error> {
    let reader = Reader(layers);
    Ok(Config {
        listen: reader.required("listen", "an address such as 127.0.0.1:8787 or :8787", listen)?,
        public_url: reader.optional("public_url", "an http or https URL", public_url)?,
        behind_proxy: reader.switch("behind_proxy")?,
        tls: reader.tls()?,
        data_dir: data_dir(layers, &|name| std::env::var_os(name).map(PathBuf::from))?,
        retention: reader.required("retention", RETENTION, value::retention)?,
        webhook_retention: reader.required("webhook_retention", RETENTION, value::retention)?,
        output_files: reader.required("output_files", "one of auto, url, data", file_mode)?,
        username: reader.required("username", "a name of letters, digits, '-' and '_'", username)?,
        scripts: reader.paths("scripts"),
        max_running: reader.count("max_running", 1_000_000)?,
        limits: reader.limits()?,
        webhooks: reader.webhooks()?,
        drain_timeout: reader.duration("drain_timeout")?,
        body_limit: reader.required("body_limit", "a size from 1KiB to 1GiB, such as 64MiB", body_limit)?,
        max_connections: reader.count("max_connections", 1_000_000)?,
        log_format: reader.required("log_format", "one of text, json, auto", log_format)?,
        secrets,
    })
}

/// Where data goes: as configured, else where the XDG conventions say.
pub(super) fn data_dir(
    layers: &Layers,
    variable: &dyn Fn(&str) -> Option<PathBuf>,
) -> Result<PathBuf, Error> {
    if let Some(raw) = layers.get("data_dir").filter(|raw| !raw.texts.concat().is_empty()) {
        return Ok(raw.path(&raw.texts.concat()));
    }
    let absolute = |path: &PathBuf| path.is_absolute();
    let base = variable("XDG_DATA_HOME")
        .filter(absolute)
        .or_else(|| variable("HOME").filter(absolute).map(|home| home.join(".local/share")));
    Ok(base.ok_or(Error::NoDataDir)?.join("cogwire"))
}

const RETENTION: &str = "a time such as 1h or 7d, or never";

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

    fn duration(&self, key: &str) -> Result<std::time::Duration, Error> {
        self.required(key, "a time such as 500ms, 30s, 10m or 1d", value::duration)
    }

    fn count(&self, key: &str, most: usize) -> Result<usize, Error> {
        let expected = format!("a whole number from 1 to {most}");
        let number: usize = self.required(key, &expected, |text| text.parse().ok())?;
        match (self.0.get(key), number) {
            (Some(raw), number) if number == 0 || number > most => {
                Err(invalid(raw, &raw.texts.concat(), &expected))
            }
            _ => Ok(number),
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

    fn webhooks(&self) -> Result<Webhooks, Error> {
        let allowed =
            "a network such as 10.0.0.0/8, a host name without scheme and port, private, or loopback";
        let events = self.each("webhook_default_events", "one of start, output, logs, completed", event)?;
        Ok(Webhooks {
            allow: self.each("webhook_allow", allowed, |text| text.parse().ok())?,
            default_events: if events.is_empty() { EventSet::DEFAULT } else { events.into_iter().collect() },
            payload: self.required("webhook_payload", "prediction or event", payload)?,
            concurrency: self.count("webhook_concurrency", 100_000)?,
            per_origin: self.count("webhook_concurrency_per_origin", 100_000)?,
        })
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
    Error::Invalid { place: raw.place(), text: text.to_owned(), expected: expected.to_owned() }
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
    let bytes = value::size(text).filter(|bytes| (1 << 10..=1 << 30).contains(bytes))?;
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
