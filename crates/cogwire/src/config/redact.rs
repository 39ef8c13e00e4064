//! Settings without their secrets.

use super::setting::{OTLP_HEADER, Setting, WEBHOOK_HEADER, WEBHOOK_PROXY};

/// What stands for a secret.
pub(super) const MASK: &str = "********";

/// The parameters that may be shown. Anything else could be a secret, or a part of one that was not encoded.
const SHOWN: [&str; 9] =
    ["host", "hostaddr", "port", "user", "dbname", "options", "application_name", "sslmode", "sslrootcert"];

/// The value of a setting that holds a secret, as TOML that may be printed.
pub(super) fn setting(setting: &Setting, texts: &[String]) -> String {
    match setting.key {
        OTLP_HEADER | WEBHOOK_HEADER => {
            format!("{:?}", texts.iter().map(|text| header(text)).collect::<Vec<_>>())
        }
        WEBHOOK_PROXY => format!("{:?}", proxy(&texts.concat())),
        _ => format!("{:?}", database_url(&texts.concat())),
    }
}

/// A header without its value.
fn header(text: &str) -> String {
    text.split_once(':').map_or_else(|| MASK.to_owned(), |(name, _)| format!("{name}: {MASK}"))
}

/// A proxy without user and password.
fn proxy(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, place)) => format!("http://{MASK}@{place}"),
        None => text.to_owned(),
    }
}

/// The URL as it may be printed. Where it is not certain which part is the password, nothing of it is.
pub(super) fn database_url(text: &str) -> String {
    masked(text).unwrap_or_else(|| MASK.to_owned())
}

fn masked(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://").filter(|(scheme, _)| scheme.starts_with("postgres"))?;
    let (user, place) = match rest.rsplit_once('@') {
        Some((user, place)) => (format!("{}@", masked_user(user)?), place),
        None => (String::new(), rest),
    };
    let (place, query) = place.split_once('?').map_or((place, None), |(place, query)| (place, Some(query)));
    let parameters = |query: &str| query.split('&').map(parameter).collect::<Vec<_>>().join("&");
    let query = query.map(|query| format!("?{}", parameters(query))).unwrap_or_default();
    Some(format!("{scheme}://{user}{place}{query}"))
}

/// What is before the last `@`. With a character that ends it early, it is a password that was not encoded, or a part of
/// one that is a parameter.
fn masked_user(user: &str) -> Option<String> {
    if user.contains(['/', '?', '#']) {
        return None;
    }
    Some(user.split_once(':').map_or_else(|| user.to_owned(), |(name, _)| format!("{name}:{MASK}")))
}

fn parameter(pair: &str) -> &str {
    let name = pair.split_once('=').map_or(pair, |(name, _)| name);
    if SHOWN.contains(&name) { pair } else { MASK }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_is_no_secret_is_shown() {
        for (text, shown) in [
            ("postgres://db/cogwire", "postgres://db/cogwire"),
            ("postgres://me@db:5433/cogwire", "postgres://me@db:5433/cogwire"),
            ("postgres://me:secret@db/cogwire", "postgres://me:********@db/cogwire"),
            ("postgresql://me:a%40b@db", "postgresql://me:********@db"),
            ("postgres:///cogwire?host=/run/pg&user=me", "postgres:///cogwire?host=/run/pg&user=me"),
            ("postgres:///x?password=secret&sslmode=require", "postgres:///x?********&sslmode=require"),
            ("postgres:///x?pass%77ord=secret", "postgres:///x?********"),
            ("postgres://me:12/secret@db/cogwire", MASK),
            ("postgres://me:12?secret@db/cogwire", MASK),
            ("postgres://me:12#secret@db/cogwire", MASK),
            ("postgres://me:sec@ret@db/cogwire", "postgres://me:********@db/cogwire"),
            ("host=db password=secret", MASK),
            ("mysql://me:secret@db", MASK),
            ("postgres://db/x?password=sec@ret", MASK),
            ("secret", MASK),
        ] {
            assert_eq!(database_url(text), shown, "for {text}");
        }
    }

    #[test]
    fn headers_and_proxies_show_no_secret() {
        let shown = |key, text: &str| setting(Setting::find(key).expect("a setting"), &[text.to_owned()]);
        assert_eq!(shown(WEBHOOK_HEADER, "X-Token: secret: more"), r#"["X-Token: ********"]"#);
        assert_eq!(shown(WEBHOOK_HEADER, "secret"), r#"["********"]"#);
        assert_eq!(shown(OTLP_HEADER, "X-Token: secret"), r#"["X-Token: ********"]"#);
        assert_eq!(shown(WEBHOOK_PROXY, "http://proxy:3128"), r#""http://proxy:3128""#);
        assert_eq!(shown(WEBHOOK_PROXY, "http://me:sec@ret@proxy:3128"), r#""http://********@proxy:3128""#);
    }

    proptest! {
        #[test]
        fn no_password_is_ever_shown(password in "[ -~]{0,6}secret[ -~]{0,6}", user in "[a-z]{0,4}") {
            let shown = database_url(&format!("postgres://{user}:{password}@db/cogwire?sslmode=require"));
            prop_assert!(!shown.contains("secret"), "{shown}");
        }

        #[test]
        fn no_parameter_is_a_way_around(password in "[ -~]{0,6}secret[ -~]{0,6}") {
            let shown = database_url(&format!("postgres://db/x?user=me&password={password}"));
            // Not encoded, such a text is the value of the parameter that it names itself.
            prop_assume!(!password.contains('&'));
            prop_assert!(!shown.contains("secret"), "{shown}");
        }
    }
}
