use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, FromArgMatches};
use secrecy::ExposeSecret;

use super::*;

fn arguments(arguments: &[&str]) -> ConfigArgs {
    let command = ConfigArgs::augment_args(clap::Command::new("serve"));
    let matches =
        command.try_get_matches_from([&["serve"], arguments].concat()).expect("arguments that clap takes");
    ConfigArgs::from_arg_matches(&matches).expect("any matches will do")
}

fn read(flags: &[&str]) -> Result<Config, Error> {
    let flags = [&["--data-dir", "/data"], flags].concat();
    Config::read(&arguments(&flags).layers()?, Secrets::default())
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("it can be written");
    file
}

fn refusal(flags: &[&str]) -> String {
    read(flags).expect_err("it should be refused").to_string()
}

#[test]
fn defaults_are_complete_and_documented() {
    let config = read(&[]).expect("the defaults are valid");
    assert_eq!(config.listen.to_string(), "127.0.0.1:8787");
    assert_eq!(config.retention, Some(Duration::from_secs(7 * 86_400)));
    assert!(config.is_loopback_only() && config.tls.is_none());
    for setting in SETTINGS {
        let documented = [format!("\n{} = ", setting.key), format!("\n# {} = ", setting.key)];
        assert!(
            documented.iter().any(|line| DEFAULT_CONFIG.contains(line)),
            "{} is not in the file",
            setting.key
        );
    }
}

#[test]
fn a_flag_wins_over_the_file_and_the_file_over_the_defaults() {
    let file = file("max_running = 3\nretention = \"1h\"\nwebhook_allow = [\"private\", \"10.0.0.0/8\"]\n");
    let path = file.path().to_str().expect("a readable name");
    let config =
        read(&["--config", path, "--max-running", "4", "--webhook-allow", "a.test,b.test"]).expect("valid");
    assert_eq!(config.max_running, 4);
    assert_eq!(config.retention, Some(Duration::from_secs(3600)));
    assert_eq!(config.webhooks.allow.len(), 2);
    let origin = arguments(&["--config", path])
        .layers()
        .expect("valid")
        .get("retention")
        .map(|raw| raw.source.clone());
    assert_eq!(origin, Some(Source::File(PathBuf::from(path))));
}

#[test]
fn the_environment_stands_between_flag_and_file() {
    let raw = |source, text: &str| Raw {
        setting: Setting::find("listen").expect("a setting"),
        texts: vec![text.to_owned()],
        source,
    };
    let file = file("listen = \":1\"");
    let layers = |given| Layers::load(Some(file.path()), given).expect("valid");
    let environment = || raw(Source::Environment, ":2");
    assert_eq!(layers(vec![environment()]).get("listen"), Some(&environment()));
    let flag = || raw(Source::Flag, ":3");
    assert_eq!(layers(vec![flag(), environment()]).get("listen"), Some(&flag()));
}

#[test]
fn errors_name_the_place_and_what_to_write() {
    let typo = file("retenton = \"1h\"");
    let wrong_type = file("scripts = \"one.toml\"");
    let not_toml = file("listen = \":1\"\nretention\n");
    let path = |file: &tempfile::NamedTempFile| file.path().display().to_string();
    let cases = [
        (
            vec!["--retention", "7x"],
            "--retention: \"7x\" is not a time such as 1h or 7d, or never".to_owned(),
        ),
        (
            vec!["--max-running", "0"],
            "--max-running: \"0\" is not a whole number from 1 to 1000000".to_owned(),
        ),
        (vec!["--tls-cert", "a"], "--tls-cert and --tls-key go together: give both".to_owned()),
        (
            vec!["--webhook-default-events", "output,done"],
            "--webhook-default-events: \"done\" is not one of start, output, logs, completed".to_owned(),
        ),
        (
            vec!["--config", typo.path().to_str().expect("a name")],
            format!("{}: unknown key \"retenton\" (did you mean \"retention\"?)", path(&typo)),
        ),
        (
            vec!["--config", wrong_type.path().to_str().expect("a name")],
            format!("{}: scripts must be a list of texts", path(&wrong_type)),
        ),
    ];
    for (flags, expected) in cases {
        assert_eq!(refusal(&flags), expected);
    }
    let broken = refusal(&["--config", not_toml.path().to_str().expect("a name")]);
    assert!(broken.starts_with(&format!("{}:2: this is not TOML: ", path(&not_toml))), "{broken}");
}

#[test]
fn addresses_and_urls() {
    for (text, expected) in [
        (":9000", "127.0.0.1:9000"),
        ("localhost:0", "127.0.0.1:0"),
        ("[::1]:80", "[::1]:80"),
        ("0.0.0.0:1", "0.0.0.0:1"),
    ] {
        assert_eq!(read(&["--listen", text]).expect(text).listen.to_string(), expected);
    }
    assert!(read(&["--listen", "example.com:80"]).is_err());
    assert!(!read(&["--listen", "0.0.0.0:1"]).expect("valid").is_loopback_only());
    assert!(!read(&["--public-url", "https://a.example"]).expect("valid").is_loopback_only());
    assert!(read(&["--public-url", "http://localhost:9"]).expect("valid").is_loopback_only());
    assert!(refusal(&["--public-url", "https://a.example/path"]).contains("scheme, host and port only"));
    let everywhere = read(&["--listen", "0.0.0.0:1"]).expect("valid");
    assert_eq!(everywhere.url("0.0.0.0:7".parse().expect("an address")), "http://127.0.0.1:7");
}

#[test]
fn switches_are_bare_or_have_a_value() {
    assert!(read(&["--behind-proxy"]).expect("valid").behind_proxy);
    assert!(!read(&["--behind-proxy=false"]).expect("valid").behind_proxy);
    assert_eq!(read(&["--tls-self-signed"]).expect("valid").tls, Some(Tls::SelfSigned));
}

#[test]
fn paths_in_a_file_start_from_its_folder() {
    let file = file("scripts = [\"one.toml\", \"/two.toml\"]");
    let config = read(&["--config", file.path().to_str().expect("a name")]).expect("valid");
    let folder = file.path().parent().expect("a folder");
    assert_eq!(config.scripts, [folder.join("one.toml"), PathBuf::from("/two.toml")]);
}

#[test]
fn data_goes_where_the_conventions_say() {
    let layers = Layers::defaults().expect("valid");
    let home = |name: &str| (name == "HOME").then(|| PathBuf::from("/home/me"));
    assert_eq!(read::data_dir(&layers, &home).expect("known"), Path::new("/home/me/.local/share/cogwire"));
    let both = |name: &str| Some(PathBuf::from(if name == "HOME" { "/home/me" } else { "/xdg" }));
    assert_eq!(read::data_dir(&layers, &both).expect("known"), Path::new("/xdg/cogwire"));
    assert!(matches!(read::data_dir(&layers, &|_| None), Err(Error::NoDataDir)));
}

#[test]
fn secrets_come_from_a_variable_or_a_file_and_are_masked() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let file = file(&format!("{secret}\n"));
    let variable = |name: &str| match name {
        "COGWIRE_API_TOKEN" => Some("r8_0123456789".to_owned()),
        "COGWIRE_WEBHOOK_SECRET_FILE" => Some(file.path().display().to_string()),
        _ => None,
    };
    let secrets = Secrets::read(&variable).expect("valid");
    assert_eq!(
        secrets.webhook_secret.as_ref().map(cogwire_core::webhook::signature::Secret::expose),
        Some(secret.to_owned())
    );
    assert_eq!(secrets.api_token.as_ref().map(ExposeSecret::expose_secret), Some("r8_0123456789"));
    let config = Config { secrets, ..read(&[]).expect("valid") };
    let printed = print(&Layers::defaults().expect("valid"), &config);
    assert!(printed.contains("# COGWIRE_API_TOKEN=********") && !printed.contains("r8_"), "{printed}");
    let short = Secrets::read(&|name| (name == "COGWIRE_API_TOKEN").then(|| "abc".to_owned()));
    assert_eq!(
        short.expect_err("too short").to_string(),
        "COGWIRE_API_TOKEN: a token has at least 8 characters"
    );
}
