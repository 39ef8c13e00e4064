//! The effective configuration, as `cogwire config print` shows it.

use std::fmt::Write;

use super::layers::{Layers, Raw, Source};
use super::redact::MASK;
use super::secrets::{API_TOKEN, WEBHOOK_SECRET};
use super::traces::ENDPOINT;
use super::{Config, Secrets};

/// Where values end and their origins begin.
const COLUMN: usize = 52;

/// Every setting with its value and where that comes from, as TOML. Secrets are masked.
pub fn print(layers: &Layers, config: &Config) -> String {
    let mut text = String::new();
    for (setting, raw) in layers.all() {
        let (value, origin) = match raw {
            Some(raw) => (format!("{} = {raw}", setting.key), origin(raw)),
            None if setting.key == "data_dir" => {
                (format!("data_dir = {:?}", config.data_dir), "home".to_owned())
            }
            None if setting.key == ENDPOINT => (format!("# {ENDPOINT} ="), collector(config)),
            None => (format!("# {} =", setting.key), "not set".to_owned()),
        };
        line(&mut text, &value, &origin);
    }
    print_secrets(&mut text, &config.secrets);
    text
}

/// Where traces go when our setting says nothing.
fn collector(config: &Config) -> String {
    config.traces.as_ref().map_or_else(
        || "not set".to_owned(),
        |traces| {
            format!(
                "not set, but traces go to {} by a variable of OpenTelemetry",
                traces.endpoint.authority()
            )
        },
    )
}

fn print_secrets(text: &mut String, secrets: &Secrets) {
    for (name, set) in
        [(API_TOKEN, secrets.api_token.is_some()), (WEBHOOK_SECRET, secrets.webhook_secret.is_some())]
    {
        let value = if set { format!("# {name}={MASK}") } else { format!("# {name}") };
        line(text, &value, if set { "environment" } else { "not set" });
    }
}

fn line(text: &mut String, value: &str, origin: &str) {
    writeln!(text, "{value:<COLUMN$} # {origin}").expect("writing to a String cannot fail");
}

fn origin(raw: &Raw) -> String {
    match &raw.source {
        Source::Default => "default".to_owned(),
        Source::File(path) => path.display().to_string(),
        Source::EnvironmentFile | Source::Environment => raw.place(),
        Source::Flag => "flag".to_owned(),
    }
}
