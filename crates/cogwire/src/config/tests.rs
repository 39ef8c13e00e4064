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
    let environment = Environment::default();
    Config::read(&arguments(&flags).layers(&environment)?, &environment)
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
fn the_servers_secrets_are_not_for_models() {
    assert_eq!(read(&["--model-env", "HF_TOKEN"]).expect("valid").models.variables, ["HF_TOKEN"]);
    assert_eq!(
        refusal(&["--model-env", "HF_TOKEN,AWS_SECRET_ACCESS_KEY"]),
        "--model-env: \"AWS_SECRET_ACCESS_KEY\" is not the name of a variable that models may see: DATABASE_URL, \
         REPLICATE_API_TOKEN and all that begin with AWS_ or COGWIRE_ are the server's own; give what is meant for models \
         another name"
    );
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
        .layers(&Environment::default())
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
        (
            vec!["--webhook-timeout", "1ms"],
            "--webhook-timeout: \"1ms\" is not a time from 100ms to 5m".to_owned(),
        ),
        (
            vec!["--webhook-body", "small"],
            "--webhook-body: \"small\" is not full, thin, or thin-above=SIZE such as thin-above=256KiB"
                .to_owned(),
        ),
        (
            vec!["--webhook-schedule", "1s,soon"],
            "--webhook-schedule: \"1s,soon\" is not replicate, standard, or delays of 1ms to 30d such as 5s,1m,1h"
                .to_owned(),
        ),
        (
            vec!["--webhook-max-age", "5s"],
            "--webhook-max-age: \"5s\" is not a time from 1m to 30d".to_owned(),
        ),
        (
            vec!["--webhook-log-tail", "none"],
            "--webhook-log-tail: \"none\" is not all, or a size such as 64KiB".to_owned(),
        ),
        (
            vec!["--roles", "api,delivery"],
            "--roles: \"delivery\" is not one of api, run, deliver (did you mean deliver?)".to_owned(),
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
fn failed_webhooks_are_tried_again_as_it_is_wanted() {
    let webhooks = |flags: &[&str]| read(flags).expect("valid").webhooks;
    let usual = webhooks(&[]);
    assert_eq!(
        (usual.schedule.to_string().as_str(), usual.max_age),
        ("replicate", Duration::from_secs(259_200))
    );
    let patient = webhooks(&["--webhook-schedule", "standard", "--webhook-max-age", "7d"]);
    assert_eq!((patient.schedule.attempts(), patient.max_age), (10, Duration::from_secs(604_800)));
    assert_eq!(webhooks(&["--webhook-schedule", "5s, 1m,1h"]).schedule.to_string(), "5s,60s,3600s");
}

#[test]
fn bodies_of_webhooks_may_be_short() {
    let webhooks = |flags: &[&str]| read(flags).expect("valid").webhooks.options;
    assert_eq!(webhooks(&[]), WebhookOptions::default());
    let short =
        webhooks(&["--webhook-body", "thin-above=256KiB", "--webhook-log-tail", "64KiB", "--webhook-gzip"]);
    assert_eq!((short.body.thin_above, short.body.log_tail), (Some(262_144), Some(65_536)));
    assert!(short.gzip);
    assert_eq!(webhooks(&["--webhook-body=thin"]).body.thin_above, Some(0));
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
    let folder = |environment: Environment| read::data_dir(&layers, &environment);
    let home = ("HOME", "/home/me");
    assert_eq!(folder([home].into()).expect("known"), Path::new("/home/me/.local/share/cogwire"));
    let both = [home, ("XDG_DATA_HOME", "/xdg")];
    assert_eq!(folder(both.into()).expect("known"), Path::new("/xdg/cogwire"));
    assert!(matches!(folder(Environment::default()), Err(Error::NoDataDir)));
}

#[test]
fn secrets_come_from_a_variable_or_a_file_and_are_masked() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let file = file(&format!("{secret}\n"));
    let path = file.path().to_str().expect("a readable name");
    let environment =
        Environment::from([("COGWIRE_API_TOKEN", "r8_0123456789"), ("COGWIRE_WEBHOOK_SECRET_FILE", path)]);
    let secrets = Secrets::read(&environment).expect("valid");
    assert_eq!(
        secrets.webhook_secret.as_ref().map(cogwire_core::webhook::signature::Secret::expose),
        Some(secret.to_owned())
    );
    assert_eq!(secrets.api_token.as_ref().map(ExposeSecret::expose_secret), Some("r8_0123456789"));
    let config = Config { secrets, ..read(&[]).expect("valid") };
    let printed = print(&Layers::defaults().expect("valid"), &config);
    assert!(printed.contains("# COGWIRE_API_TOKEN=********") && !printed.contains("r8_"), "{printed}");
    let short = Secrets::read(&[("COGWIRE_API_TOKEN", "abc")].into());
    assert_eq!(
        short.expect_err("too short").to_string(),
        "COGWIRE_API_TOKEN: a token has at least 8 characters"
    );
}

#[test]
fn a_collector_that_a_variable_names_is_shown_without_its_path() {
    let environment = Environment::from([("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/hidden")]);
    let layers = arguments(&["--data-dir", "/data"]).layers(&environment).expect("valid");
    let printed = print(&layers, &Config::read(&layers, &environment).expect("valid"));
    assert!(printed.contains("# not set, but traces go to collector:4318"), "{printed}");
    assert!(!printed.contains("hidden"), "{printed}");
}

const DATABASE: [&str; 2] = ["--database-url", "postgres://me:hidden@db/cogwire"];

fn with_database(flags: &[&str]) -> Result<Config, Error> {
    read(&[&DATABASE, flags].concat())
}

#[test]
fn the_way_out_of_webhooks_is_read_and_shows_no_secret() {
    let flags = ["--webhook-header", "X-Token: hidden, too", "--webhook-header", "X-Team: hidden"];
    let proxy = ["--webhook-proxy", "http://me:hidden@proxy.example:3128"];
    let egress = |flags: &[&str]| read(flags).expect("valid").webhooks.egress;
    let given = egress(&[&flags[..], &proxy[..]].concat());
    assert_eq!(
        (given.headers.len(), given.proxy.as_ref().map(ToString::to_string)),
        (2, Some("proxy.example:3128".to_owned()))
    );
    assert!(!format!("{given:?}").contains("hidden"), "{given:?}");

    let layers = arguments(&[&["--data-dir", "/data"][..], &flags, &proxy].concat());
    let layers = layers.layers(&Environment::default()).expect("valid");
    let printed = print(&layers, &Config::read(&layers, &Environment::default()).expect("valid"));
    assert!(printed.contains(r#"webhook_header = ["X-Token: ********", "X-Team: ********"]"#), "{printed}");
    assert!(!printed.contains("hidden") && !format!("{layers:?}").contains("hidden"), "{printed}");

    let lines = file("X-A: 1, 2\nX-B: 3\n");
    let path = lines.path().to_str().expect("a readable name");
    let environment = Environment::from([("COGWIRE_WEBHOOK_HEADER_FILE", path)]);
    let layers = arguments(&["--data-dir", "/data"]).layers(&environment).expect("valid");
    assert_eq!(Config::read(&layers, &environment).expect("valid").webhooks.egress.headers.len(), 2);

    for refused in [["--webhook-header", "Host: hidden"], ["--webhook-proxy", "socks5://me:hidden@proxy"]] {
        let text = refusal(&refused);
        assert!(text.starts_with(refused[0]) && !text.contains("hidden"), "{text}");
    }
    assert!(refusal(&["--webhook-client-cert", "a.pem"]).contains("go together"));
}

#[test]
fn roles_are_divided_on_a_database_only() {
    assert_eq!(read(&[]).expect("valid").roles, Roles::ALL);
    assert!(refusal(&["--roles", "api"]).contains("one process does everything on SQLite"));
    let divided = with_database(&["--roles", "deliver,api"]).expect("valid").roles;
    assert_eq!(
        (divided, divided.to_string()),
        (Roles { run: false, ..Roles::ALL }, "api deliver".to_owned())
    );
    let none = file("roles = []");
    let none = refusal(&["--config", none.path().to_str().expect("a name")]);
    assert!(none.starts_with("a server without any of the roles does nothing"), "{none}");
}

#[test]
fn a_lease_outlasts_every_attempt_to_send() {
    for (flags, setting) in [
        (["--webhook-timeout", "19s"], "webhook_timeout (19s)"),
        (["--webhook-progress-timeout", "30s"], "webhook_progress_timeout (30s)"),
        (["--node-lease", "12s"], "webhook_timeout (10s)"),
    ] {
        let refused = with_database(&flags).expect_err("too long").to_string();
        assert!(refused.starts_with(setting) && refused.contains("node_lease ("), "{refused}");
        assert!(read(&flags).is_ok(), "nobody takes work from a server that is alone: {flags:?}");
    }
    assert!(with_database(&["--webhook-timeout", "18s"]).is_ok());
    assert!(
        with_database(&["--node-lease", "2s"]).is_err() && with_database(&["--node-lease", "11m"]).is_err()
    );
}

#[test]
fn without_the_api_an_address_of_this_machine_says_nothing_about_who_asks() {
    let loopback = |flags: &[&str]| with_database(flags).expect("valid").is_loopback_only();
    assert!(loopback(&[]));
    assert!(!loopback(&["--roles", "deliver"]));
    assert!(loopback(&["--roles", "deliver", "--public-url", "http://127.0.0.1:1"]));
    assert!(!loopback(&["--roles", "deliver", "--public-url", "https://a.example"]));
}

#[test]
fn files_are_in_the_data_directory_unless_a_place_is_named() {
    let place = |flags: &[&str]| read(flags).expect("valid").files_place().to_string();
    assert_eq!(place(&[]), "/data/files");
    assert_eq!(place(&["--storage-url", "/shared"]), "/shared");
    assert!(refusal(&["--storage-url", "gs://a"]).contains("--storage-url"));
    let variables = [("AWS_ENDPOINT_URL", "http://127.0.0.1:9000"), ("AWS_ACCESS_KEY_ID", "only")];
    let layers = arguments(&["--data-dir", "/data", "--storage-url", "s3://bucket/files"])
        .layers(&Environment::default())
        .expect("valid");
    let half = Config::read(&layers, &variables.into()).expect_err("half a pair of keys").to_string();
    assert!(half.contains("AWS_SECRET_ACCESS_KEY"), "{half}");
    let whole = Config::read(&layers, &[variables[0]].into()).expect("valid").files_place();
    assert_eq!(whole.to_string(), "s3://bucket/files");
}

#[test]
fn a_database_url_comes_from_a_variable_or_a_file_and_its_password_is_never_shown() {
    let url = "postgres://me:hidden@db/cogwire";
    let file = file(&format!("{url}\n"));
    let path = file.path().to_str().expect("a readable name");
    let environment = Environment::from([("COGWIRE_DATABASE_URL_FILE", path)]);
    let layers = arguments(&["--data-dir", "/data"]).layers(&environment).expect("valid");
    let config = Config::read(&layers, &environment).expect("valid");
    let given = config.database.as_ref().expect("a database");
    assert_eq!((given.url.expose_secret(), given.connections), (url, 16));
    let printed = print(&layers, &config);
    let line = "database_url = \"postgres://me:********@db/cogwire\"";
    assert!(printed.contains(line) && printed.contains("# COGWIRE_DATABASE_URL_FILE"), "{printed}");
    for shown in [printed, format!("{layers:?} {config:?}"), format!("{:?}", arguments(&DATABASE))] {
        assert!(!shown.contains("hidden"), "{shown}");
    }
    let empty = tempfile::NamedTempFile::new().expect("a temporary file");
    let path_of_empty = empty.path().to_str().expect("a readable name");
    let nothing = arguments(&[]).layers(&[("COGWIRE_DATABASE_URL_FILE", path_of_empty)].into());
    let refused = nothing.expect_err("it is empty").to_string();
    assert_eq!(refused, format!("COGWIRE_DATABASE_URL_FILE: the file {path_of_empty} is empty"));
    let both = Environment::from([("COGWIRE_DATABASE_URL_FILE", path), ("COGWIRE_DATABASE_URL", url)]);
    let refused = arguments(&[]).layers(&both).expect_err("both are set").to_string();
    assert_eq!(refused, "COGWIRE_DATABASE_URL and COGWIRE_DATABASE_URL_FILE are both set: choose one");
    let flag = arguments(&["--database-url", "postgres://other/x"]).layers(&environment).expect("valid");
    assert_eq!(flag.get("database_url").map(|raw| raw.source.clone()), Some(Source::Flag));
}
