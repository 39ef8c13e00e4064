//! Secrets: only from the environment, or from a file that the environment names. They are never printed.

use std::path::Path;

use cogwire_core::webhook::signature::Secret;
use secrecy::{ExposeSecret, SecretString};

use super::Error;
use super::read::secret_file;

/// The names of the variables.
pub(super) const API_TOKEN: &str = "COGWIRE_API_TOKEN";
pub(super) const WEBHOOK_SECRET: &str = "COGWIRE_WEBHOOK_SECRET";

/// What only the environment says.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// An API token that is valid while the process lives, and is not stored.
    pub api_token: Option<SecretString>,
    /// The secret that signs webhooks, in place of the stored one.
    pub webhook_secret: Option<Secret>,
}

impl Secrets {
    /// Reads them from this process's environment.
    ///
    /// # Errors
    /// When one cannot be used.
    pub fn from_environment() -> Result<Self, Error> {
        Self::read(&|name| std::env::var(name).ok())
    }

    /// Reads them from any environment.
    pub(super) fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let api_token = find(variable, API_TOKEN, "COGWIRE_API_TOKEN_FILE")?;
        let webhook_secret = find(variable, WEBHOOK_SECRET, "COGWIRE_WEBHOOK_SECRET_FILE")?;
        Ok(Self {
            api_token: api_token.map(checked_token).transpose()?,
            webhook_secret: webhook_secret.as_ref().map(parsed_secret).transpose()?,
        })
    }
}

fn find(
    variable: &dyn Fn(&str) -> Option<String>,
    name: &'static str,
    file_name: &'static str,
) -> Result<Option<SecretString>, Error> {
    let given = |name| variable(name).filter(|text| !text.is_empty());
    match (given(name), given(file_name)) {
        (Some(_), Some(_)) => {
            Err(Error::Conflict(format!("{name} and {file_name} are both set: choose one")))
        }
        (Some(text), None) => Ok(Some(text.into())),
        (None, None) => Ok(None),
        (None, Some(path)) => {
            let path = Path::new(&path);
            let text =
                secret_file(path).map_err(|error| Error::Unreadable { path: path.to_owned(), error })?;
            Ok(Some(text.into()))
        }
    }
}

fn checked_token(token: SecretString) -> Result<SecretString, Error> {
    const SHORTEST: usize = 8;
    let text = token.expose_secret();
    let reason = if text.len() < SHORTEST {
        "a token has at least 8 characters"
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        "a token has only visible ASCII characters, and no spaces"
    } else {
        return Ok(token);
    };
    Err(Error::Secret { variable: API_TOKEN, reason: reason.to_owned() })
}

fn parsed_secret(text: &SecretString) -> Result<Secret, Error> {
    Secret::parse(text.expose_secret())
        .map_err(|error| Error::Secret { variable: WEBHOOK_SECRET, reason: error.to_string() })
}
