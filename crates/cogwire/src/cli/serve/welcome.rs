//! What is printed when a server has started.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::cli::output::{self, Style};
use crate::config::{Config, Tls};
use crate::server::Credentials;

/// Where the API token is.
#[derive(Debug)]
pub(super) enum TokenPlace {
    /// Made just now: this is the only time that it is shown.
    New {
        /// The token.
        token: SecretString,
        /// Whether it is in the credentials file, too.
        kept: bool,
    },
    /// In the credentials file.
    Kept,
    /// It was shown at the first start.
    Elsewhere,
    /// In `COGWIRE_API_TOKEN`.
    Environment,
    /// There is none.
    Nowhere,
    /// Nobody needs one here: this server does not answer the API.
    NotNeeded,
}

impl TokenPlace {
    /// Says a token that is nowhere else, when there is no welcome.
    pub(super) fn tell_if_lost(&self) {
        if let Self::New { token, kept: false } = self {
            output::say(format_args!("The API token, which is not shown again: {}", token.expose_secret()));
        }
    }
}

/// The text.
pub(super) struct Welcome<'a> {
    pub(super) config: &'a Config,
    pub(super) url: &'a str,
    /// The URL past any proxy.
    pub(super) own_url: String,
    pub(super) token: TokenPlace,
}

impl Welcome<'_> {
    /// The same for programs that read the log.
    pub(super) fn log(&self) {
        let (data, roles) = (self.data_line(), self.config.roles);
        let url = if roles.api { self.url } else { &self.own_url };
        tracing::info!(url, data, files = %self.config.files_place(), %roles, token = self.token_line(), "ready");
        if let TokenPlace::New { token, kept: false } = &self.token {
            tracing::info!(token = token.expose_secret(), "this is the API token; it is not shown again");
        }
    }

    fn token_line(&self) -> String {
        let file = Credentials::path(&self.config.data_dir);
        match &self.token {
            TokenPlace::New { kept: true, .. } => format!("shown once, and kept in {}", file.display()),
            TokenPlace::New { kept: false, .. } => "shown once: keep it".to_owned(),
            TokenPlace::Kept => format!("in {}", file.display()),
            TokenPlace::Elsewhere => {
                "shown at the first start; `cogwire token create` makes another".to_owned()
            }
            TokenPlace::Environment => "the one in COGWIRE_API_TOKEN".to_owned(),
            TokenPlace::Nowhere => "there is none: make one with `cogwire token create`".to_owned(),
            TokenPlace::NotNeeded => "none is needed: this server does not answer the API".to_owned(),
        }
    }

    fn data_line(&self) -> String {
        match &self.config.database {
            Some(database) => database.to_string(),
            None => self.config.data_dir.display().to_string(),
        }
    }

    fn write_commands(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = match &self.token {
            TokenPlace::New { token, .. } => token.expose_secret(),
            TokenPlace::Environment => "$COGWIRE_API_TOKEN",
            _ => "$REPLICATE_API_TOKEN",
        };
        if let TokenPlace::New { .. } = &self.token {
            writeln!(
                f,
                "  {}",
                Style::Accent.paint(format_args!(
                    "export REPLICATE_BASE_URL={} REPLICATE_API_TOKEN={token}",
                    self.url
                ))
            )?;
            writeln!(f)?;
        }
        writeln!(
            f,
            "  {}",
            Style::Accent.paint(match &self.token {
                TokenPlace::Kept => self.run_line(),
                _ => self.curl_line(token),
            })
        )
    }

    /// Finds the token by itself.
    fn run_line(&self) -> String {
        format!("cogwire run --data-dir {} replicate/hello-world text=Alice", self.config.data_dir.display())
    }

    fn curl_line(&self, token: &str) -> String {
        let trust = match &self.config.tls {
            Some(Tls::SelfSigned) => {
                format!(" --cacert {}", self.config.data_dir.join("tls/cert.pem").display())
            }
            _ => String::new(),
        };
        format!(
            "curl -s{trust} {}/v1/predictions -H \"Authorization: Bearer {token}\" -H 'Prefer: wait' \\\n    \
             -H 'Content-Type: application/json' \\\n    \
             -d '{{\"version\": \"replicate/hello-world\", \"input\": {{\"text\": \"Alice\"}}}}'",
            self.url
        )
    }
}

impl fmt::Display for Welcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, name: &str, value: &str| {
            writeln!(f, "  {} {value}", Style::Dim.paint(format_args!("{name:<10}")))
        };
        writeln!(
            f,
            "\n  {}\n",
            Style::Strong.paint(concat!("Cogwire ", env!("CARGO_PKG_VERSION"), " is ready."))
        )?;
        if self.config.roles.api {
            line(f, "API", &format!("{}/v1", self.url))?;
        } else {
            line(f, "Health", &format!("{}/readyz", self.own_url))?;
        }
        if self.config.database.is_some() {
            line(f, "Roles", &self.config.roles.to_string())?;
        }
        line(f, "Data", &self.data_line())?;
        if let Some(storage) = &self.config.storage {
            line(f, "Files", &storage.to_string())?;
        }
        if !self.config.roles.api {
            return Ok(());
        }
        line(f, "Token", &self.token_line())?;
        writeln!(f, "\n  Try it:\n")?;
        self.write_commands(f)
    }
}
