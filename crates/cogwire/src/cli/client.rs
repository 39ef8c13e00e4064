//! The client commands' side of the API: which server, with which token, and what its errors mean.

mod target;

use std::path::Path;
use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Certificate, Method, RequestBuilder, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio_util::io::ReaderStream;

use super::failure::{Failure, Outcome};
use super::output::{self, Style};
use target::Target;
pub(super) use target::TargetArgs;

/// How long the server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may pause. Nothing that these commands ask for is held open in silence for longer.
const READ_TIMEOUT: Duration = Duration::from_secs(90);
/// How much of a file is sent at once, in bytes.
const UPLOAD_PIECE: usize = 256 << 10;

/// A connection to one server.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<SecretString>,
}

/// What came of asking a server that may be away.
#[derive(Debug)]
pub(super) enum Heard {
    /// The answer's JSON.
    Answer(Value),
    /// There is no such thing.
    NotFound,
    /// It does not answer, or not as it should: later it may.
    Away,
}

impl Client {
    /// A client for the server that the arguments, the environment or the credentials file name.
    pub(super) fn new(args: &TargetArgs) -> Outcome<Self> {
        Self::build(Target::find(args)?)
    }

    /// The same, or `None` when nobody said which server, and none runs where it would usually be.
    pub(super) async fn of_running(args: &TargetArgs) -> Outcome<Option<Self>> {
        let target = Target::find(args)?;
        let is_named = target.named;
        let client = Self::build(target)?;
        let runs = is_named || client.is_answered().await;
        Ok(runs.then_some(client))
    }

    /// A client for a server of this process.
    pub(super) fn for_server(url: &str, token: SecretString) -> Outcome<Self> {
        let url = Url::parse(url).map_err(|error| Failure::of("the server's URL is wrong", &error))?;
        Self::build(Target { url, named: true, token: Some(token), certificate: None })
    }

    /// The server's URL, without a slash at the end.
    pub(super) fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// `GET`, and the answer's JSON. `path` begins after `/v1`.
    pub(super) async fn get(&self, path: &str) -> Outcome<Value> {
        json(self.send(self.request(Method::GET, path)).await?).await
    }

    /// `GET` for somebody who reads the answer: what the server warns of is said, too.
    pub(super) async fn look(&self, path: &str) -> Outcome<Value> {
        json(warned(self.send(self.request(Method::GET, path)).await?)).await
    }

    /// `GET`, and `None` when the answer is 404.
    pub(super) async fn find(&self, path: &str) -> Outcome<Option<Value>> {
        let response = self.answer(self.request(Method::GET, path)).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        json(checked(response).await?).await.map(Some)
    }

    /// `GET` from a server that may be away for a while.
    pub(super) async fn ask(&self, path: &str) -> Outcome<Heard> {
        let Ok(response) = self.request(Method::GET, path).send().await else { return Ok(Heard::Away) };
        match response.status() {
            StatusCode::NOT_FOUND => Ok(Heard::NotFound),
            StatusCode::UNAUTHORIZED => Err(Failure::Failed(self.unauthorised())),
            status if status.is_server_error() => Ok(Heard::Away),
            // One that stops in the middle of an answer is away, too.
            _ => Ok(checked(response).await?.json().await.map_or(Heard::Away, Heard::Answer)),
        }
    }

    /// `POST` with a JSON body, and the answer's JSON. What the server warns of is said.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Outcome<Value> {
        json(warned(self.send(self.request(Method::POST, path).json(body)).await?)).await
    }

    /// `POST` with a JSON body. The answer comes line by line while the server works.
    pub(super) async fn post_for_lines(&self, path: &str, body: &Value) -> Outcome<Response> {
        self.send(self.request(Method::POST, path).json(body)).await.map(warned)
    }

    /// `POST` of a file's bytes, which are not in memory at once. The answer comes line by line while the server works.
    pub(super) async fn upload(&self, path: &str, file: &Path) -> Outcome<Response> {
        let unreadable = |error: &std::io::Error| Failure::of(file.display(), error);
        let file = tokio::fs::File::open(file).await.map_err(|error| unreadable(&error))?;
        let length = file.metadata().await.map_err(|error| unreadable(&error))?.len();
        let body = Body::wrap_stream(ReaderStream::with_capacity(file, UPLOAD_PIECE));
        let request = self.request(Method::POST, path).header(CONTENT_TYPE, "application/x-tar");
        self.send(request.header(CONTENT_LENGTH, length).body(body)).await.map(warned)
    }

    /// `DELETE`.
    pub(super) async fn delete(&self, path: &str) -> Outcome {
        self.send(self.request(Method::DELETE, path)).await.map(|_| ())
    }

    /// The secret that signs this account's webhooks.
    pub(super) async fn webhook_secret(&self) -> Outcome<String> {
        let body = self.get("/webhooks/default/secret").await?;
        let key = body["key"].as_str().map(str::to_owned);
        key.ok_or_else(|| Failure::Failed("the server answered without a secret".to_owned()))
    }

    /// The body of a URL that the server gave, such as a file's or a stream's. The token goes to this server only.
    pub(super) async fn open(&self, url: &str, accept: &str) -> Outcome<Response> {
        let url =
            Url::parse(url).map_err(|error| Failure::of(format_args!("{url:?} is not a URL"), &error))?;
        let own = url.origin() == self.base.origin();
        let request = self.http.get(url).header("accept", accept);
        self.send(if own { self.authorised(request) } else { request }).await
    }

    fn build(target: Target) -> Outcome<Self> {
        let certificates = target.certificate.as_deref().map(certificate).transpose()?;
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .user_agent(concat!("cogwire-cli/", env!("CARGO_PKG_VERSION")))
            .tls_certs_merge(certificates)
            .build()
            .map_err(|error| Failure::of("cannot make requests", &error))?;
        Ok(Self { http, base: target.url, token: target.token })
    }

    /// Whether anything answers there, well or badly.
    async fn is_answered(&self) -> bool {
        match self.http.get(format!("{}/healthz", self.base())).send().await {
            Ok(_) => true,
            Err(error) => !error.is_connect() || mentions_certificate(&error),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}/v1{path}", self.base());
        self.authorised(self.http.request(method, url))
    }

    fn authorised(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        }
    }

    async fn send(&self, request: RequestBuilder) -> Outcome<Response> {
        let response = self.answer(request).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            return Err(Failure::Failed(self.unauthorised()));
        }
        checked(response).await
    }

    async fn answer(&self, request: RequestBuilder) -> Outcome<Response> {
        request.send().await.map_err(|error| {
            if error.is_connect() && mentions_certificate(&error) {
                let advice =
                    "name its certificate with SSL_CERT_FILE, or the server's folder with --data-dir";
                return Failure::Failed(format!(
                    "the certificate of {} is not trusted: {advice}",
                    self.base()
                ));
            }
            if error.is_connect() {
                return Failure::Failed(self.unreachable(error.url()));
            }
            Failure::of(format_args!("the request to {} failed", self.base()), &error.without_url())
        })
    }

    /// The server itself is not there, or nothing is where it says that a file or stream is.
    fn unreachable(&self, url: Option<&Url>) -> String {
        match url.map(Url::origin).filter(|origin| *origin != self.base.origin()) {
            None => format!(
                "no server answers at {}: start one with `cogwire serve`, or say where it is with --url",
                self.base()
            ),
            Some(elsewhere) => format!(
                "nothing answers at {}, where the server at {} says to look: if that should be the server itself, correct its \
                 --public-url",
                elsewhere.ascii_serialization(),
                self.base()
            ),
        }
    }

    fn unauthorised(&self) -> String {
        let base = self.base();
        match self.token {
            Some(_) => format!(
                "{base} does not know this token: make one with `cogwire token create` where the server runs"
            ),
            None => format!("{base} wants a token: give it with --token or COGWIRE_API_TOKEN"),
        }
    }
}

fn certificate(path: &Path) -> Outcome<Certificate> {
    let unusable = |error: &dyn std::error::Error| {
        Failure::of(format_args!("the server's certificate {} cannot be used", path.display()), error)
    };
    let pem = std::fs::read(path).map_err(|error| unusable(&error))?;
    Certificate::from_pem(&pem).map_err(|error| unusable(&error))
}

async fn json(response: Response) -> Outcome<Value> {
    response
        .json()
        .await
        .map_err(|error| Failure::of("the server's answer is not JSON", &error.without_url()))
}

/// Says what a server warns of although all went well.
fn warned(response: Response) -> Response {
    let warnings = response.headers().get_all("cogwire-warning").iter();
    for warning in warnings.filter_map(|warning| warning.to_str().ok()) {
        output::say(format_args!("{} {warning}", Style::Warning.paint("warning:")));
    }
    response
}

/// Turns an error answer into its explanation.
async fn checked(response: Response) -> Outcome<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body: Value = response.json().await.unwrap_or_default();
    let reason = body["detail"].as_str().unwrap_or_else(|| status.canonical_reason().unwrap_or("an error"));
    let reason = reason.trim();
    // A list of wrong fields begins on a line of its own.
    let gap = if reason.starts_with("- ") { "\n" } else { " " };
    Err(Failure::Failed(format!("the server answered {}:{gap}{reason}", status.as_u16())))
}

/// The TLS library's error is known by its text only, several causes down.
fn mentions_certificate(error: &reqwest::Error) -> bool {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.into_iter().any(|cause| cause.to_string().contains("certificate"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_does_not_answer_is_named() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::for_server("http://127.0.0.1:8787", "token".into()).expect("a URL");
        let own = Url::parse("http://127.0.0.1:8787/v1/account").expect("a URL");
        assert!(client.unreachable(Some(&own)).contains("--url"));
        let elsewhere = Url::parse("https://example.com/v1/streams/x").expect("a URL");
        let said = client.unreachable(Some(&elsewhere));
        assert!(said.contains("at https://example.com,") && said.contains("--public-url"), "{said}");
    }
}
