//! A corpus of spellings, judged under several policies.

use std::net::IpAddr;

use url::Url;

use super::{Blocked, Guard, Policy};
use addresses::ADDRESSES;

#[path = "../../tests/it/addresses.rs"]
mod addresses;

fn guard(loopback_allowed: bool, allow: &[&str]) -> Guard {
    let allow = allow.iter().map(|text| text.parse().expect("an exception")).collect();
    Guard::new(Policy { loopback_allowed, allow })
}

fn check(guard: &Guard, url: &str) -> Result<(), Blocked> {
    guard.check_url(&Url::parse(url).unwrap_or_else(|error| panic!("{url} is a URL: {error}")))
}

fn rule(result: &Result<(), Blocked>) -> &'static str {
    match result {
        Ok(()) => "ok",
        Err(Blocked::Scheme(_)) => "scheme",
        Err(Blocked::Credentials) => "credentials",
        Err(Blocked::NoHost) => "no host",
        Err(Blocked::PortZero) => "port",
        Err(Blocked::Never(..)) => "never",
        Err(Blocked::Loopback(_)) => "loopback",
        Err(Blocked::Private(_)) => "private",
        Err(Blocked::Special(..)) => "special",
        Err(Blocked::PlainHttp(_)) => "http",
    }
}

/// The table, with a port.
fn corpus() -> impl Iterator<Item = (String, &'static [&'static str], &'static str)> {
    ADDRESSES.iter().map(|(url, resolved, rule)| (url.replace("PORT", "3000"), *resolved, *rule))
}

/// What is said about the URL, or else about the first address that its name resolves to.
fn judged(guard: &Guard, url: &str, resolved: &[&str]) -> &'static str {
    let Ok(url) = Url::parse(url) else { return "url" };
    let addresses = resolved.iter().map(|address| address.parse().expect("an address"));
    let (secure, host) = (url.scheme() == "https", url.host_str().unwrap_or_default());
    let later = addresses.map(|address: IpAddr| guard.check_address(secure, host, address));
    let results = std::iter::once(guard.check_url(&url)).chain(later);
    results.map(|result| rule(&result)).find(|rule| *rule != "ok").unwrap_or("ok")
}

#[test]
fn the_corpus_under_the_strictest_policy() {
    let strict = guard(false, &[]);
    for (url, resolved, expected) in corpus() {
        assert_eq!(judged(&strict, &url, resolved), expected, "for {url}");
    }
}

/// No exception, and no set of them, opens what is never allowed or changes what is public.
#[test]
fn the_corpus_with_everything_allowed() {
    let wide = guard(true, &["private", "loopback", "0.0.0.0/0", "::/0", "169.254.169.254", "localhost"]);
    for (url, resolved, strict) in corpus() {
        let expected = match strict {
            "http" | "loopback" | "private" | "special" => "ok",
            other => other,
        };
        assert_eq!(judged(&wide, &url, resolved), expected, "for {url}");
    }
}

#[test]
fn exceptions_open_what_they_name_and_no_more() {
    let cases: &[(&[&str], &str, &str)] = &[
        (&["private"], "http://10.0.0.5:3000/", "ok"),
        (&["private"], "http://receiver.internal/", "ok"),
        (&["private"], "http://127.0.0.1/", "loopback"),
        (&["private"], "http://8.8.8.8/", "http"),
        (&["loopback"], "http://127.0.0.1:3000/", "ok"),
        (&["loopback"], "http://localhost:3000/", "ok"),
        (&["loopback"], "http://receiver.internal/", "http"),
        (&["loopback"], "https://10.0.0.5/", "private"),
        (&["10.0.0.0/24"], "http://10.0.0.5/", "ok"),
        (&["10.0.0.0/24"], "http://[::ffff:10.0.0.5]/", "ok"),
        (&["10.0.0.0/24"], "http://10.0.1.5/", "private"),
        (&["8.8.8.8"], "http://8.8.8.8/", "ok"),
        (&["198.18.0.0/15"], "http://198.18.0.1/", "ok"),
        (&["receiver.internal"], "http://Receiver.Internal.:3000/", "ok"),
        (&["receiver.internal"], "http://other.receiver.internal/", "http"),
    ];
    for (allow, url, expected) in cases {
        assert_eq!(rule(&check(&guard(false, allow), url)), *expected, "for {url} with {allow:?}");
    }
    assert_eq!(rule(&check(&guard(true, &[]), "http://127.0.0.1:3000/")), "ok");
}

#[test]
fn an_address_is_judged_again_when_its_name_is_resolved() {
    let cases: &[(&[&str], bool, &str, &str, &str)] = &[
        (&[], true, "example.com", "93.184.216.34", "ok"),
        (&[], false, "example.com", "93.184.216.34", "http"),
        (&[], true, "rebind.example", "127.0.0.1", "loopback"),
        (&[], true, "rebind.example", "10.0.0.5", "private"),
        (&[], true, "rebind.example", "::ffff:10.0.0.5", "private"),
        (&[], true, "rebind.example", "169.254.169.254", "never"),
        (&["private"], false, "receiver.internal", "10.0.0.5", "ok"),
        (&["private"], false, "receiver.internal", "93.184.216.34", "http"),
        (&["receiver.internal"], false, "receiver.internal", "10.0.0.5", "ok"),
        (&["receiver.internal"], false, "receiver.internal", "127.0.0.1", "ok"),
        (&["receiver.internal"], false, "receiver.internal", "169.254.169.254", "never"),
    ];
    for (allow, secure, host, address, expected) in cases {
        let address: IpAddr = address.parse().expect("an address");
        let result = guard(false, allow).check_address(*secure, host, address);
        assert_eq!(rule(&result), *expected, "for {host} at {address} with {allow:?}");
    }
}

#[test]
fn the_text_says_what_to_do() {
    let strict = guard(false, &[]);
    let text = |url| check(&strict, url).expect_err("blocked").to_string();
    assert_eq!(
        text("http://10.0.0.5:3000/hook"),
        "10.0.0.5 is a private address: to allow it, start the server with --webhook-allow 10.0.0.5/32, or with \
         --webhook-allow private for every private network"
    );
    assert_eq!(
        text("http://example.com/"),
        "plain http to example.com is not allowed: use https, or start the server with --webhook-allow example.com"
    );
    assert_eq!(
        text("http://169.254.169.254/"),
        "169.254.169.254 is a cloud's metadata service: webhooks never go there"
    );
    assert!(text("http://localhost/").ends_with("--webhook-allow loopback"));

    let resolved = strict.check_address(true, "receiver.internal", "fd00::1".parse().expect("an address"));
    let text = resolved.expect_err("blocked").to_string();
    assert!(text.starts_with("receiver.internal (fd00::1) is a private address"), "{text}");
    assert!(text.contains("--webhook-allow receiver.internal,"), "{text}");
}
