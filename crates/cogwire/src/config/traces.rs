//! Where traces go: by our own settings, or else by the variables that OpenTelemetry has for all programs.

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use url::Url;

use super::Error;
use super::environment::Environment;
use super::layers::{Layers, Raw};
use super::redact::MASK;
use super::setting::OTLP_HEADER;

/// What is added to the URL of a collector that takes more than traces.
const PATH: &str = "/v1/traces";
/// The name of this service when nobody gives it another one.
const SERVICE_NAME: &str = "cogwire";

/// Our setting.
pub(super) const ENDPOINT: &str = "otlp_endpoint";
/// The variables of OpenTelemetry. Those with `TRACES` in their names win, and an endpoint among them is meant as it is.
const ANY_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const ANY_HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const TRACES_HEADERS: &str = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";
const SERVICE: &str = "OTEL_SERVICE_NAME";
const DISABLED: &str = "OTEL_SDK_DISABLED";
const EXPORTER: &str = "OTEL_TRACES_EXPORTER";

const URL: &str =
    "an http or https URL without user, password, query and fragment, such as http://collector:4318";
const VARIABLE: &str = "an http or https URL without user, password, query and fragment, such as http://collector:4318; if it is meant for other \
     programs, set OTEL_TRACES_EXPORTER=none for this one, or give it an --otlp-endpoint";
const HEADER: &str = "\"Name: value\" with a name that the request does not have itself";
const HEADERS: &str = "a list such as name=value,other=value, with values that are percent-encoded";

/// Where traces go. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Traces {
    /// Where batches are sent, with its path.
    pub endpoint: Url,
    /// What each of them carries. The values are marked as sensitive.
    pub headers: HeaderMap,
    /// What this service is called.
    pub service_name: String,
}

/// Reads where traces go; nowhere, when nothing says it.
pub(super) fn read(layers: &Layers, environment: &Environment) -> Result<Option<Traces>, Error> {
    let Some(endpoint) = endpoint(layers, environment)? else { return Ok(None) };
    let service_name = environment.get(SERVICE).unwrap_or(SERVICE_NAME).to_owned();
    Ok(Some(Traces { endpoint, headers: headers(layers, environment)?, service_name }))
}

fn endpoint(layers: &Layers, environment: &Environment) -> Result<Option<Url>, Error> {
    if let Some(raw) = layers.get(ENDPOINT) {
        return base(&raw.texts.concat())
            .map(Some)
            .ok_or_else(|| invalid(raw.place(), &raw.texts.concat(), URL));
    }
    if environment.get(DISABLED).is_some_and(|text| text.eq_ignore_ascii_case("true"))
        || environment.get(EXPORTER).is_some_and(|list| !list.split(',').any(|each| each.trim() == "otlp"))
    {
        return Ok(None);
    }
    let (name, read): (_, fn(&str) -> Option<Url>) = match environment.get(TRACES_ENDPOINT) {
        Some(_) => (TRACES_ENDPOINT, plain),
        None => (ANY_ENDPOINT, base),
    };
    let Some(text) = environment.get(name) else { return Ok(None) };
    read(text).map(Some).ok_or_else(|| invalid(name.to_owned(), text, VARIABLE))
}

fn headers(layers: &Layers, environment: &Environment) -> Result<HeaderMap, Error> {
    if let Some(raw) = layers.get(OTLP_HEADER).filter(|raw| !raw.texts.is_empty()) {
        let read = |text: &String| header(text).ok_or_else(|| secret(raw));
        return raw.texts.iter().map(read).collect();
    }
    // What those of the variables hold is for the collector that the variables name.
    if layers.get(ENDPOINT).is_some() {
        return Ok(HeaderMap::new());
    }
    let set = |name| environment.get(name).map(|text| (name, text));
    let Some((name, text)) = set(TRACES_HEADERS).or_else(|| set(ANY_HEADERS)) else {
        return Ok(HeaderMap::new());
    };
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
    let read = pairs.map(pair).collect::<Option<_>>();
    read.ok_or_else(|| invalid(name.to_owned(), MASK, HEADERS))
}

/// The URL of a collector, with the path for traces.
fn base(text: &str) -> Option<Url> {
    let mut url = plain(text)?;
    let path = format!("{}{PATH}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Some(url)
}

/// A URL that holds no secret, because it is logged.
fn plain(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    (matches!(url.scheme(), "http" | "https") && url.has_host() && bare && url.fragment().is_none())
        .then_some(url)
}

fn header(text: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':')?;
    named(name, value.trim())
}

fn pair(text: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once('=')?;
    named(name, &percent_decode_str(value.trim()).decode_utf8().ok()?)
}

fn named(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    const OWN: [&str; 5] = ["connection", "content-length", "content-type", "host", "transfer-encoding"];
    let name: HeaderName =
        name.trim().parse().ok().filter(|name: &HeaderName| !OWN.contains(&name.as_str()))?;
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

fn secret(raw: &Raw) -> Error {
    invalid(raw.place(), MASK, HEADER)
}

/// What is before an `@` could be a password, and what is in a query a key.
fn invalid(place: String, text: &str, expected: &str) -> Error {
    let text = if text.contains(['@', '?', '#']) { MASK } else { text };
    Error::Invalid { place, text: text.to_owned(), expected: expected.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::{Setting, Source};
    use super::*;

    fn layers(settings: &[(&str, &[&str])]) -> Layers {
        let raw = |(key, texts): &(&str, &[&str])| Raw {
            setting: Setting::find(key).expect("a setting"),
            texts: texts.iter().map(ToString::to_string).collect(),
            source: Source::Flag,
        };
        Layers::over_defaults(settings.iter().map(raw).collect()).expect("valid")
    }

    fn refusal(layers: &Layers, environment: &Environment) -> String {
        read(layers, environment).expect_err("it is refused").to_string()
    }

    fn url(layers: &Layers, environment: &Environment) -> Option<String> {
        read(layers, environment).expect("it is valid").map(|traces| traces.endpoint.to_string())
    }

    #[test]
    fn without_an_endpoint_traces_go_nowhere() {
        assert_eq!(url(&layers(&[]), &Environment::default()), None);
        assert_eq!(url(&layers(&[]), &Environment::from([(SERVICE, "me"), (ANY_HEADERS, "a=b")])), None);
    }

    #[test]
    fn the_path_for_traces_is_added_to_the_url_of_a_collector() {
        for (text, expected) in [
            ("http://collector:4318", "http://collector:4318/v1/traces"),
            ("http://collector:4318/", "http://collector:4318/v1/traces"),
            ("https://example.com/otlp/", "https://example.com/otlp/v1/traces"),
        ] {
            let nothing = Environment::default();
            assert_eq!(url(&layers(&[(ENDPOINT, &[text])]), &nothing).as_deref(), Some(expected));
            assert_eq!(
                url(&layers(&[]), &Environment::from([(ANY_ENDPOINT, text)])).as_deref(),
                Some(expected)
            );
        }
    }

    #[test]
    fn our_setting_wins_over_the_variable_for_traces_and_that_over_the_one_for_all() {
        let both = [(ANY_ENDPOINT, "http://any:1"), (TRACES_ENDPOINT, "http://traces:2/as/it/is")];
        let ours = layers(&[(ENDPOINT, &["http://ours:3"])]);
        assert_eq!(url(&ours, &Environment::from(both)).as_deref(), Some("http://ours:3/v1/traces"));
        let theirs = url(&layers(&[]), &Environment::from(both));
        assert_eq!(theirs.as_deref(), Some("http://traces:2/as/it/is"));
    }

    #[test]
    fn who_turns_opentelemetry_off_turns_its_variables_off() {
        for off in [(DISABLED, "TRUE"), (EXPORTER, "none"), (EXPORTER, "zipkin, console")] {
            let environment = Environment::from([off, (ANY_ENDPOINT, "http://any:1")]);
            assert_eq!(url(&layers(&[]), &environment), None, "for {off:?}");
            let ours = layers(&[(ENDPOINT, &["http://ours:3"])]);
            assert!(url(&ours, &environment).is_some(), "for {off:?}");
        }
        let environment = Environment::from([(EXPORTER, "console, otlp"), (ANY_ENDPOINT, "http://any:1")]);
        assert!(url(&layers(&[]), &environment).is_some());
    }

    #[test]
    fn headers_come_from_the_setting_or_from_a_variable_and_are_not_shown() {
        let ours = layers(&[(ENDPOINT, &["http://a"]), (OTLP_HEADER, &["Authorization: Bearer s3cret=,"])]);
        let variables =
            [(ANY_HEADERS, "x-team=s3cret%2C1, ,b=2"), (ANY_ENDPOINT, "http://b"), (SERVICE, "me")];
        let environment = Environment::from(variables);
        let traces = read(&ours, &environment).expect("valid").expect("there");
        assert_eq!(traces.headers["authorization"], "Bearer s3cret=,");
        assert_eq!((traces.headers.len(), &*traces.service_name), (1, "me"));
        assert!(!format!("{traces:?}").contains("s3cret"), "{traces:?}");
        let theirs = read(&layers(&[]), &environment).expect("valid").expect("there");
        assert!(theirs.headers["x-team"] == "s3cret,1" && theirs.headers["b"] == "2");
    }

    #[test]
    fn a_collector_of_our_setting_is_not_sent_what_is_for_another_one() {
        let environment = Environment::from([(ANY_HEADERS, "key=s3cret"), (ANY_ENDPOINT, "https://vendor")]);
        let ours =
            read(&layers(&[(ENDPOINT, &["http://ours:3"])]), &environment).expect("valid").expect("there");
        assert!(ours.headers.is_empty(), "{ours:?}");
    }

    #[test]
    fn what_cannot_be_used_names_its_place_and_shows_no_secret() {
        let nothing = Environment::default();
        for text in [
            "collector:4318",
            "ftp://a",
            "http://",
            "http://me:s3cret@a",
            "http://a?key=s3cret",
            "http://a#b",
            "grpc://a",
        ] {
            let refused = refusal(&layers(&[(ENDPOINT, &[text])]), &nothing);
            assert!(
                refused.starts_with("--otlp-endpoint: ") && refused.contains("is not an http or https URL"),
                "{refused}"
            );
            assert!(!refused.contains("s3cret"), "{refused}");
            let refused = refusal(&layers(&[]), &Environment::from([(ANY_ENDPOINT, text)]));
            assert!(
                refused.starts_with("OTEL_EXPORTER_OTLP_ENDPOINT: ")
                    && refused.contains("set OTEL_TRACES_EXPORTER=none"),
                "{refused}"
            );
            assert!(!refused.contains("s3cret"), "{refused}");
        }
        for text in ["s3cret", "Host: s3cret", "na me: s3cret", "a: s3\ncret"] {
            let refused = refusal(&layers(&[(ENDPOINT, &["http://a"]), (OTLP_HEADER, &[text])]), &nothing);
            assert!(refused.starts_with("--otlp-header: \"********\" is not"), "{refused}");
        }
        let environment = Environment::from([(ANY_ENDPOINT, "http://a"), (ANY_HEADERS, "s3cret")]);
        let refused = refusal(&layers(&[]), &environment);
        assert!(refused.starts_with("OTEL_EXPORTER_OTLP_HEADERS: \"********\" is not a list"), "{refused}");
    }
}
