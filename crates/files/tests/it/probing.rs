//! What a probe says about storages that do not work: one sentence for each, which names the setting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use cogwire_files::{Error, Storage};
use rcgen::CertifiedKey;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::support::fake::{Asked, Fake, refuse};
use crate::support::{id, moto, open, whole};

/// A port where nobody listens.
const NOBODY: &str = "http://127.0.0.1:1";

/// What a probe says about a bucket with these variables, with `url` written as `SERVER`.
async fn said(url: &str, variables: Vec<(String, String)>) -> String {
    let storage = Storage::parse("s3://pics/some/prefix", variables).expect("a storage");
    let error = open(&storage).expect("opened").probe(id(1)).await.expect_err("it does not work");
    assert!(matches!(error, Error::Unusable(_)), "{error:?}");
    whole(&error).replace(url.split_once("://").expect("a URL").1, "SERVER")
}

async fn said_of(special: impl Fn(&Asked) -> Option<Response> + Send + Sync + 'static) -> String {
    let fake = Fake::start(special).await;
    said(&fake.url, moto::variables_for(&fake.url)).await
}

/// A server that answers everything with the same.
async fn said_of_answer(answer: fn() -> Response) -> String {
    said_of(move |_| Some(answer())).await
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn html(status: StatusCode) -> Response {
    (status, "<html><h1>Hello</h1></html>").into_response()
}

fn denied() -> Response {
    refuse(403, "AccessDenied", "")
}

fn is_read(asked: &Asked) -> bool {
    asked.is("GET", "") && !asked.is("GET", "list-type")
}

/// Names and sentences, one below the other.
fn listed(sentences: &[(&str, String)]) -> String {
    sentences.iter().map(|(name, sentence)| format!("{name}\n  {sentence}\n")).collect()
}

#[tokio::test]
async fn a_refusal_names_what_to_allow_or_to_correct() {
    let sentences = [
        ("no bucket", said(moto::url(), moto::variables()).await),
        ("no write", said_of(|asked| asked.is("PUT", "").then(denied)).await),
        ("no read", said_of(|asked| is_read(asked).then(denied)).await),
        ("no list", said_of(|asked| asked.is("GET", "list-type").then(denied)).await),
        ("no delete", said_of(|asked| asked.is("DELETE", "").then(denied)).await),
        ("403 without a word", said_of_answer(|| StatusCode::FORBIDDEN.into_response()).await),
        ("unknown key", said_of_answer(|| refuse(403, "InvalidAccessKeyId", "")).await),
        ("wrong secret", said_of_answer(|| refuse(403, "SignatureDoesNotMatch", "")).await),
        ("expired session", said_of_answer(|| refuse(400, "ExpiredToken", "")).await),
        ("wrong clock", said_of_answer(|| refuse(403, "RequestTimeTooSkewed", "")).await),
        ("region, not named", said_of_answer(|| StatusCode::MOVED_PERMANENTLY.into_response()).await),
        (
            "region, named",
            said_of_answer(|| refuse(400, "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"))
                .await,
        ),
        ("full", said_of_answer(|| refuse(507, "XMinioStorageFull", "")).await),
        ("trouble", said_of_answer(|| refuse(503, "SlowDown", "")).await),
        ("trouble of a proxy", said_of_answer(|| html(StatusCode::BAD_GATEWAY)).await),
        ("unknown", said_of_answer(|| refuse(400, "EntityTooHot", "")).await),
    ];
    insta::assert_snapshot!(listed(&sentences));
}

#[tokio::test]
async fn a_server_that_is_none_of_s3_is_told_apart() {
    let moved = || (StatusCode::FOUND, [(header::LOCATION, "https://elsewhere.example/")]).into_response();
    let sentences = [
        ("a web page", said_of_answer(|| html(StatusCode::METHOD_NOT_ALLOWED)).await),
        ("a web page that takes everything", said_of_answer(|| html(StatusCode::OK)).await),
        ("a redirect", said_of_answer(moved).await),
        (
            "https, which says so",
            said_of_answer(|| {
                (StatusCode::BAD_REQUEST, "Client sent an HTTP request to an HTTPS server.\n").into_response()
            })
            .await,
        ),
        ("a cache", said_of(|asked| is_read(asked).then(old_answer)).await),
    ];
    insta::assert_snapshot!(listed(&sentences));
}

/// An old answer, as a cache gives it.
fn old_answer() -> Response {
    let modified = (header::LAST_MODIFIED, "Thu, 01 Jan 2026 00:00:00 GMT");
    ([(header::ETAG, "\"0\""), modified], "old").into_response()
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_names_its_setting() {
    let long_name = format!("http://{}.example", "x".repeat(64));
    let fake = Fake::start(|_| None).await;
    let over_tls = fake.url.replace("http:", "https:");
    let (alerting, _task) = tls_alert().await;
    let (untrusted, _other_task) = untrusted().await;
    let sentences = [
        ("nobody listens", said(NOBODY, moto::variables_for(NOBODY)).await),
        ("no such name", said(&long_name, moto::variables_for(&long_name)).await),
        ("http behind https", said(&fake.url, moto::variables_for(&over_tls)).await),
        ("https behind http", said(&alerting, moto::variables_for(&alerting)).await),
        ("a certificate", said(&untrusted, moto::variables_for(&untrusted)).await),
    ];
    insta::with_settings!({ filters => [("lookup address information: .*", "lookup address information: ...")] }, {
        insta::assert_snapshot!(listed(&sentences));
    });
}

/// A port that answers like TLS to what is not TLS.
async fn tls_alert() -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let mut task = JoinSet::new();
    task.spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let _hello = connection.read_u8().await;
            connection.write_all(b"\x15\x03\x03\x00\x02\x02\x46").await.ok();
        }
    });
    (url, task)
}

#[tokio::test]
async fn credentials_that_nobody_gives_are_asked_for() {
    let fake = Fake::start(|_| None).await;
    let at = |more: &[(&str, &str)]| {
        let mut all = variables(&[("AWS_ENDPOINT_URL", &fake.url), ("AWS_METADATA_ENDPOINT", NOBODY)]);
        all.extend(variables(more));
        all
    };
    let missing = "/missing/token";
    let sentences = [
        ("none", said(NOBODY, at(&[])).await),
        (
            "a role without a token",
            said(
                NOBODY,
                at(&[("AWS_WEB_IDENTITY_TOKEN_FILE", missing), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/x")]),
            )
            .await,
        ),
        (
            "a container without an answer",
            said(
                NOBODY,
                at(&[
                    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", NOBODY),
                    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", missing),
                ]),
            )
            .await,
        ),
    ];
    insta::assert_snapshot!(listed(&sentences));
}

/// A server whose certificate nobody has signed.
async fn untrusted() -> (String, JoinSet<()>) {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a valid name");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    moto::install_tls();
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![cert.der().clone()], key).expect("they fit");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let mut task = JoinSet::new();
    task.spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            acceptor.accept(connection).await.expect_err("nobody trusts it");
        }
    });
    (url, task)
}

/// The clock runs by itself whenever everybody waits.
#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_given_up_within_ten_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let storage = Storage::parse("s3://pics", moto::variables_for(&url)).expect("a storage");
    let files = open(&storage).expect("opened");
    let probed = tokio::time::timeout(Duration::from_secs(10), files.probe(id(1))).await;
    let error = probed.expect("in time").expect_err("it says nothing");
    assert!(error.is_temporary(), "{error:?}");
    let sentence = whole(&error).replace(&url, "http://SERVER");
    insta::assert_snapshot!(
        sentence,
        @"no answer from http://SERVER in time: look whether it is well, or correct AWS_ENDPOINT_URL"
    );

    let ready = tokio::time::timeout(Duration::from_secs(6), files.ready()).await;
    assert!(ready.expect("in time").expect_err("it says nothing").is_temporary());
}

#[tokio::test]
async fn readiness_follows_the_server() {
    let well = Arc::new(AtomicBool::new(true));
    let seen = Arc::clone(&well);
    let fake = Fake::start(move |_| {
        let well = seen.load(Ordering::Relaxed);
        (!well).then(|| refuse(503, "ServiceUnavailable", ""))
    });
    let fake = fake.await;
    let storage = Storage::parse("s3://pics", moto::variables_for(&fake.url)).expect("a storage");
    let files = open(&storage).expect("opened");

    files.ready().await.expect("it is well");
    well.store(false, Ordering::Relaxed);
    assert!(files.ready().await.expect_err("it is not").is_temporary());
    well.store(true, Ordering::Relaxed);
    files.ready().await.expect("it is well again");
    assert!(fake.asked().iter().all(|asked| asked.is("GET", "")), "it only reads");
}

#[tokio::test]
async fn a_bucket_that_went_away_is_not_ready() {
    let storage = Storage::parse("s3://pics", moto::variables()).expect("a storage");
    let error = open(&storage).expect("opened").ready().await.expect_err("there is none");
    assert!(whole(&error).contains("no bucket \"pics\""), "{}", whole(&error));
}
