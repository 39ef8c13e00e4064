//! An S3 server of this process's own, which ends with it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use cogwire_files::Storage;

/// Holds the pipe to the server's stdin. A static is never dropped, but its pipe closes when the process ends, however
/// it does.
struct Server {
    url: String,
    _process: Child,
}

static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

/// The process-wide provider that rustls needs, which the program installs at its start.
pub(crate) fn install_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The server's URL. The first caller starts it.
pub(crate) fn url() -> &'static str {
    &SERVER.url
}

/// The variables with which anybody may do anything there.
pub(crate) fn variables() -> Vec<(String, String)> {
    variables_for(url())
}

/// The same, for another server.
pub(crate) fn variables_for(url: &str) -> Vec<(String, String)> {
    let pairs = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_ENDPOINT_URL", url)];
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// A new, empty bucket and the storage below a prefix in it.
pub(crate) async fn bucket() -> (String, Storage) {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("bucket-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let made = client().put(format!("{}/{name}", url())).send().await.expect("an answer");
    assert!(made.status().is_success(), "{made:?}");
    let storage = Storage::parse(&format!("s3://{name}/some/prefix"), variables()).expect("a storage");
    (name, storage)
}

/// A client for what the crate under test does not do.
pub(crate) fn client() -> reqwest::Client {
    install_tls();
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client")
}

impl Server {
    fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let python = root.join("target/tools/moto/bin/python");
        assert!(
            python.exists(),
            "the S3 server for tests is not installed: run `scripts/install-tools rust`"
        );
        let mut process = Command::new(python)
            .arg(root.join("scripts/s3-server.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let mut url = String::new();
        let stdout = process.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut url).expect("the server says its URL");
        assert!(
            url.starts_with("http"),
            "the S3 server for tests does not start: run `scripts/install-tools rust`"
        );
        Self { url: url.trim().to_owned(), _process: process }
    }
}
