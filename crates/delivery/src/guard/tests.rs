//! A corpus of spellings, judged under several policies.

use std::net::IpAddr;

use url::Url;

use super::{Blocked, Guard, Policy};

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

/// With the strictest policy.
const CORPUS: &[(&str, &str)] = &[
    // Public.
    ("https://example.com/hook", "ok"),
    ("https://example.com./hook", "ok"),
    ("https://example.com:8443/hook?x=1#part", "ok"),
    ("https://8.8.8.8/", "ok"),
    ("https://134744072/", "ok"),
    ("https://172.15.255.255/", "ok"),
    ("https://172.32.0.0/", "ok"),
    ("https://100.63.255.255/", "ok"),
    ("https://100.128.0.0/", "ok"),
    ("https://[2606:4700:4700::1111]/", "ok"),
    ("https://[::ffff:8.8.8.8]/", "ok"),
    ("https://[64:ff9b::8.8.8.8]/", "ok"),
    // Plain http.
    ("http://example.com/", "http"),
    ("http://8.8.8.8/", "http"),
    ("http://[::ffff:8.8.8.8]/", "http"),
    ("http://[2606:4700:4700::1111]/", "http"),
    // Other than http and https, and malformed in other ways.
    ("ftp://example.com/", "scheme"),
    ("file:///etc/passwd", "scheme"),
    ("gopher://127.0.0.1:6379/_x", "scheme"),
    ("unix:/run/docker.sock", "scheme"),
    ("data:text/plain,x", "scheme"),
    ("https://user@example.com/", "credentials"),
    ("https://user:password@example.com/", "credentials"),
    ("https://:password@example.com/", "credentials"),
    ("https://example.com@127.0.0.1/", "credentials"),
    ("https://example.com:0/", "port"),
    // This machine, in every spelling that a URL parser takes.
    ("http://localhost/", "loopback"),
    ("http://localhost./", "loopback"),
    ("http://LOCALHOST/", "loopback"),
    ("https://app.localhost:3000/", "loopback"),
    ("http://127.0.0.1/", "loopback"),
    ("http://127.0.0.1./", "loopback"),
    ("http://127.1/", "loopback"),
    ("http://127.0.1/", "loopback"),
    ("http://2130706433/", "loopback"),
    ("http://0x7f000001/", "loopback"),
    ("http://0x7f.0.0.1/", "loopback"),
    ("http://0x7f.1/", "loopback"),
    ("http://0177.0.0.1/", "loopback"),
    ("http://017700000001/", "loopback"),
    ("http://127.255.255.254/", "loopback"),
    ("http://１２７.０.０.１/", "loopback"),
    ("http://127。0。0。1/", "loopback"),
    ("http://%31%32%37.0.0.1/", "loopback"),
    ("http://[::1]/", "loopback"),
    ("http://[0:0:0:0:0:0:0:1]/", "loopback"),
    ("http://[::ffff:127.0.0.1]/", "loopback"),
    ("http://[::ffff:7f00:1]/", "loopback"),
    ("https://[64:ff9b::7f00:1]/", "loopback"),
    // Private networks.
    ("https://10.0.0.5/", "private"),
    ("https://0xa000005/", "private"),
    ("https://172.16.0.1/", "private"),
    ("https://172.31.255.255/", "private"),
    ("https://192.168.1.1/", "private"),
    ("https://100.64.0.1/", "private"),
    ("https://100.127.255.255/", "private"),
    ("https://[fd12:3456::1]/", "private"),
    ("https://[fc00::1]/", "private"),
    ("https://[::ffff:10.0.0.5]/", "private"),
    ("https://[64:ff9b::192.168.1.1]/", "private"),
    // Never.
    ("http://169.254.169.254/latest/meta-data/", "never"),
    ("http://2852039166/", "never"),
    ("http://0xa9fea9fe/", "never"),
    ("http://0251.0376.0251.0376/", "never"),
    ("http://[::ffff:169.254.169.254]/", "never"),
    ("http://[64:ff9b::a9fe:a9fe]/", "never"),
    ("http://[2002:a9fe:a9fe::1]/", "never"),
    ("http://[::169.254.169.254]/", "never"),
    ("http://[64:ff9b:1::a9fe:a9fe]/", "never"),
    ("http://[2001:0:a9fe:a9fe::1]/", "never"),
    ("http://[2001:0:0102:0304:0:0:5601:5601]/", "never"),
    ("https://169.254.170.2/v2/credentials", "never"),
    ("https://168.63.129.16/", "never"),
    ("https://100.100.100.200/", "never"),
    ("https://[fd00:ec2::254]/", "never"),
    ("https://[fd20:ce::254]/", "never"),
    ("https://169.254.1.1/", "never"),
    ("https://[fe80::1]/", "never"),
    ("https://[febf::1]/", "never"),
    ("http://0.0.0.0/", "never"),
    ("http://0/", "never"),
    ("http://0.1.2.3/", "never"),
    ("http://[::]/", "never"),
    ("https://224.0.0.1/", "never"),
    ("https://239.255.255.255/", "never"),
    ("https://[ff02::1]/", "never"),
    ("https://255.255.255.255/", "never"),
    // Special ranges.
    ("https://192.0.2.1/", "special"),
    ("https://198.51.100.7/", "special"),
    ("https://203.0.113.9/", "special"),
    ("https://[2001:db8::1]/", "special"),
    ("https://[3fff::1]/", "special"),
    ("https://198.18.0.1/", "special"),
    ("https://198.19.255.255/", "special"),
    ("https://192.0.0.8/", "special"),
    ("https://192.88.99.1/", "special"),
    ("https://240.0.0.1/", "special"),
    ("https://[2002:808:808::1]/", "special"),
    ("https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/", "special"),
    ("https://[::8.8.8.8]/", "special"),
    ("https://[::ffff:0:8.8.8.8]/", "special"),
    ("https://[64:ff9b:1::a00:5]/", "special"),
    ("https://[100::1]/", "special"),
    ("https://[2001:2::1]/", "special"),
    ("https://[fec0::1]/", "special"),
    ("https://[5f00::1]/", "special"),
];

#[test]
fn the_corpus_under_the_strictest_policy() {
    let strict = guard(false, &[]);
    for (url, expected) in CORPUS {
        assert_eq!(rule(&check(&strict, url)), *expected, "for {url}");
    }
}

/// No exception, and no set of them, opens what is never allowed or changes what is public.
#[test]
fn the_corpus_with_everything_allowed() {
    let wide = guard(true, &["private", "loopback", "0.0.0.0/0", "::/0", "169.254.169.254", "localhost"]);
    for (url, strict) in CORPUS {
        let expected = match *strict {
            "http" | "loopback" | "private" | "special" => "ok",
            other => other,
        };
        assert_eq!(rule(&check(&wide, url)), expected, "for {url}");
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
