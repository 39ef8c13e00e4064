//! Which server a command means, and with which token it speaks to it.

use std::path::{Path, PathBuf};

use clap::Args;
use reqwest::Url;
use secrecy::SecretString;

use crate::cli::failure::{Failure, Outcome};
use crate::config::{DataDirArgs, Environment};
use crate::server::Credentials;

/// Where a server is when nothing says so.
const DEFAULT_URL: &str = "http://127.0.0.1:8787";

/// Where the server is. Without these the environment is asked (`COGWIRE_URL` and `COGWIRE_API_TOKEN`, then
/// `REPLICATE_BASE_URL` and `REPLICATE_API_TOKEN`), then the credentials file that a server on this machine has written.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub(in crate::cli) struct TargetArgs {
    /// The server's URL; else COGWIRE_URL, REPLICATE_BASE_URL, or the server of this machine.
    #[arg(long, global = true, value_name = "URL", env = "COGWIRE_URL", hide_env = true)]
    url: Option<String>,
    /// An API token; else COGWIRE_API_TOKEN, REPLICATE_API_TOKEN, or the one that the server of this machine has kept.
    #[arg(long, global = true, value_name = "TOKEN", env = "COGWIRE_API_TOKEN", hide_env = true)]
    token: Option<String>,
    #[command(flatten)]
    data: DataDirArgs,
}

/// A server, and how to speak to it.
#[derive(Debug)]
pub(super) struct Target {
    /// Its URL, without `/v1`.
    pub(super) url: Url,
    /// Whether somebody said where it is, or it was only left to be found.
    pub(super) named: bool,
    /// The token, if there is one.
    pub(super) token: Option<SecretString>,
    /// A certificate to trust.
    pub(super) certificate: Option<PathBuf>,
}

/// What the arguments, the environment and the file say.
#[derive(Debug, Default)]
struct Clues {
    url: Option<String>,
    token: Option<String>,
    replicate_url: Option<String>,
    replicate_token: Option<String>,
    credentials: Option<Credentials>,
}

impl TargetArgs {
    /// Whether a server was named, and not only left to be found.
    pub(in crate::cli) fn names_server(&self) -> bool {
        self.url.as_ref().is_some_and(|url| !url.is_empty())
    }
}

impl Target {
    /// Puts the clues together.
    pub(super) fn find(args: &TargetArgs) -> Outcome<Self> {
        let environment = Environment::of_process();
        let data_dir = args.data.clone().data_dir(&environment).ok();
        let variable = |name| environment.get(name).map(str::to_owned);
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let clues = Clues {
            url: given(&args.url),
            token: given(&args.token),
            replicate_url: variable("REPLICATE_BASE_URL"),
            replicate_token: variable("REPLICATE_API_TOKEN"),
            credentials: data_dir.as_deref().map(load).transpose()?.flatten(),
        };
        let own = data_dir.map(|folder| folder.join("tls/cert.pem")).filter(|path| path.exists());
        let mut target = clues.resolve()?;
        target.certificate = own.filter(|_| target.url.scheme() == "https");
        Ok(target)
    }
}

impl Clues {
    /// A token goes only to the server that it belongs to: the credentials file's to the file's URL, and Replicate's variable
    /// never to that one.
    fn resolve(self) -> Outcome<Target> {
        let named = self.url.or(self.replicate_url);
        let credentials_match = match (&named, &self.credentials) {
            (None, Some(_)) => true,
            (Some(named), Some(credentials)) => base(named)? == base(&credentials.url)?,
            (_, None) => false,
        };
        let is_named = named.is_some();
        let of_file = self.credentials.filter(|_| credentials_match);
        let url = named.or_else(|| of_file.as_ref().map(|file| file.url.clone()));
        let token = self
            .token
            .map(SecretString::from)
            .or_else(|| of_file.map(|file| file.token))
            .or_else(|| self.replicate_token.map(SecretString::from));
        let url = base(url.as_deref().unwrap_or(DEFAULT_URL))?;
        Ok(Target { url, named: is_named, token, certificate: None })
    }
}

fn load(data_dir: &Path) -> Outcome<Option<Credentials>> {
    Credentials::load(data_dir).map_err(|error| {
        Failure::of(format_args!("cannot read {}", Credentials::path(data_dir).display()), &error)
    })
}

/// The clients disagree about whether the base has `/v1`; both spellings mean the same server.
fn base(text: &str) -> Outcome<Url> {
    let bare = text.trim_end_matches('/');
    let bare = bare.strip_suffix("/v1").unwrap_or(bare);
    let url = Url::parse(bare).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.ok_or_else(|| Failure::Usage(format!("{text:?} is not the URL of a server, such as {DEFAULT_URL}")))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn file() -> Option<Credentials> {
        Some(Credentials { url: "http://127.0.0.1:9".to_owned(), token: "of-file".to_owned().into() })
    }

    fn resolved(clues: Clues) -> (String, Option<String>) {
        let target = clues.resolve().expect("clues that make sense");
        (target.url.to_string(), target.token.map(|token| token.expose_secret().to_owned()))
    }

    #[test]
    fn the_first_clue_wins_and_v1_does_not_matter() {
        let all = || Clues {
            url: text("https://a.test/v1/"),
            token: text("given"),
            replicate_url: text("http://b.test"),
            replicate_token: text("other"),
            credentials: file(),
        };
        assert_eq!(resolved(all()), ("https://a.test/".to_owned(), text("given")));
        let replicate = Clues { url: None, token: None, ..all() };
        assert_eq!(resolved(replicate), ("http://b.test/".to_owned(), text("other")));
        assert_eq!(resolved(Clues::default()), ("http://127.0.0.1:8787/".to_owned(), None));
    }

    #[test]
    fn tokens_stay_with_their_server() {
        let local = Clues { replicate_token: text("other"), credentials: file(), ..Clues::default() };
        assert_eq!(resolved(local), ("http://127.0.0.1:9/".to_owned(), text("of-file")));
        let same = Clues { url: text("http://127.0.0.1:9/v1"), credentials: file(), ..Clues::default() };
        assert_eq!(resolved(same).1, text("of-file"));
        let elsewhere = Clues { url: text("https://a.test"), credentials: file(), ..Clues::default() };
        assert_eq!(resolved(elsewhere).1, None);
    }
}
