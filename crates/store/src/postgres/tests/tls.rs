//! Encrypted connections, to a server of this test's own.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use super::options;
use crate::NodeStore;
use crate::error::Error;
use crate::postgres::PostgresStore;

/// A server with TLS on a port of the loopback, stopped when it is dropped.
struct Server {
    dir: TempDir,
    port: u16,
}

impl Server {
    fn start(certificate: &str, key: &str) -> Self {
        let server = Self { dir: readable_dir(), port: free_port() };
        let [certificate, key] = [server.write("server.crt", certificate), server.write("server.key", key)];
        let mut start = script("start", &server.home());
        start.args(["--fast", "--port"]).arg(server.port.to_string());
        succeed(start.arg("--tls").args([certificate, key]));
        server
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).expect("the file is written");
        path
    }

    /// Below the directory of the test, which is not the server's to have.
    fn home(&self) -> PathBuf {
        self.dir.path().join("server")
    }

    fn url(&self, host: &str, parameters: &str) -> String {
        format!("postgres://cogwire:cogwire@{host}:{}/cogwire?hostaddr=127.0.0.1&{parameters}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        succeed(script("stop", &self.home()).args(["-m", "immediate"]));
    }
}

/// A directory that the server's user may enter, who is another when the tests run as root.
fn readable_dir() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("it is ours");
    dir
}

fn script(command: &str, home: &Path) -> Command {
    let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/postgres"));
    script.arg(command).arg(home);
    script
}

fn succeed(command: &mut Command) {
    let output = command.output().expect("the script runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a port");
    listener.local_addr().expect("it has an address").port()
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new([]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

/// Opens the store, uses it and closes it.
async fn visit(url: &str) -> Result<(), Error> {
    let store = PostgresStore::open(options(url)).await?;
    let checked = store.check().await;
    store.close().await;
    checked
}

async fn refusal(url: &str) -> String {
    visit(url).await.expect_err("the connection is not good enough").to_string()
}

#[tokio::test]
async fn a_server_is_trusted_by_its_authority_and_its_name() {
    let authority = authority();
    let key = KeyPair::generate().expect("a key");
    let named = CertificateParams::new(["db.example".to_owned()]).expect("a name");
    let certificate = named.signed_by(&key, &authority).expect("a certificate");
    let server = Server::start(&certificate.pem(), &key.serialize_pem());
    let root = server.write("root.crt", &authority.pem());
    let root = format!("sslrootcert={}", root.display());

    visit(&server.url("db.example", &format!("sslmode=verify-full&{root}"))).await.expect("all is right");
    visit(&server.url("db.example", &root)).await.expect("a file of roots asks for a verified connection");
    visit(&server.url("db.example", "sslmode=require")).await.expect("any certificate will do");
    visit(&server.url("localhost", "")).await.expect("loopback needs no TLS");

    let untrusted = refusal(&server.url("db.example", "sslmode=verify-full")).await;
    assert!(untrusted.contains("is not trusted") && untrusted.contains("sslrootcert=FILE"), "{untrusted}");
    let misnamed = refusal(&server.url("other.example", &root)).await;
    assert!(misnamed.contains("is for another name"), "{misnamed}");
    let missing = refusal(&server.url("db.example", "sslrootcert=/nonexistent.crt")).await;
    assert!(missing.contains("/nonexistent.crt") && missing.contains("sslrootcert"), "{missing}");
}

/// That is how PostgreSQL's manual begins with TLS.
#[tokio::test]
async fn a_certificate_that_signs_itself_is_trusted_when_it_is_named() {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(["db.example".to_owned()]).expect("a name");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).expect("a certificate");
    let server = Server::start(&certificate.pem(), &key.serialize_pem());
    let root = server.write("root.crt", &certificate.pem());
    let root = format!("sslmode=verify-full&sslrootcert={}", root.display());
    visit(&server.url("db.example", &root)).await.expect("it is the one that was named");
    let misnamed = refusal(&server.url("other.example", &root)).await;
    assert!(misnamed.contains("is for another name"), "{misnamed}");
}

#[tokio::test]
async fn a_server_without_tls_is_not_talked_to_in_the_clear() {
    let dir = readable_dir();
    let (home, port) = (dir.path().join("server"), free_port());
    succeed(script("start", &home).args(["--fast", "--port"]).arg(port.to_string()));
    let url =
        |rest: &str| format!("postgres://cogwire:cogwire@db.example:{port}/cogwire?hostaddr=127.0.0.1{rest}");
    let refused = refusal(&url("")).await;
    let open = visit(&url("&sslmode=disable")).await;
    succeed(script("stop", &home).args(["-m", "immediate"]));
    assert!(refused.contains("does not offer TLS") && refused.contains("sslmode=disable"), "{refused}");
    open.expect("it was asked for");
}
