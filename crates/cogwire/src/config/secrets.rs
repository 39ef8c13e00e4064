//! Secrets: only from the environment, or from a file that the environment names. They are never printed.

use std::path::Path;

use cogwire_core::webhook::signature::{Secret, SecretKind};
use cogwire_core::webhook::vault::Vault;
use secrecy::{ExposeSecret, SecretString};

use super::Error;
use super::environment::Environment;
use super::layers::{Layers, Raw, Source};
use super::read::secret_file;
use super::setting::{Arity, SETTINGS, Setting};

/// The names of the variables.
pub(super) const API_TOKEN: &str = "COGWIRE_API_TOKEN";
pub(super) const API_TOKEN_FILE: &str = "COGWIRE_API_TOKEN_FILE";
pub(super) const WEBHOOK_SECRET: &str = "COGWIRE_WEBHOOK_SECRET";
pub(super) const WEBHOOK_SECRET_FILE: &str = "COGWIRE_WEBHOOK_SECRET_FILE";
pub(super) const SECRET_KEY: &str = "COGWIRE_SECRET_KEY";
/// The setting that names a file with the same.
const SECRET_KEY_FILE: &str = "secret_key_file";

/// What only the environment says.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// An API token that is valid while the process lives, and is not stored.
    pub api_token: Option<SecretString>,
    /// The secret that signs webhooks, in place of the stored one.
    pub webhook_secret: Option<Secret>,
}

impl Secrets {
    /// Reads them.
    ///
    /// # Errors
    /// When one cannot be used.
    pub(crate) fn read(environment: &Environment) -> Result<Self, Error> {
        let api_token = find(environment, API_TOKEN, API_TOKEN_FILE)?;
        let webhook_secret = find(environment, WEBHOOK_SECRET, WEBHOOK_SECRET_FILE)?;
        Ok(Self {
            api_token: api_token.map(checked_token).transpose()?,
            webhook_secret: webhook_secret.as_ref().map(parsed_secret).transpose()?,
        })
    }
}

/// What seals signing secrets in the store: with the key that the environment has, or that is in a file.
pub(super) fn vault(layers: &Layers, environment: &Environment) -> Result<Vault, Error> {
    let key = match (environment.get(SECRET_KEY), layers.get(SECRET_KEY_FILE)) {
        (None, None) => return Ok(Vault::default()),
        (Some(_), Some(raw)) => {
            let text = format!("{SECRET_KEY} and {} are both set: choose one", raw.place());
            return Err(Error::Conflict(text));
        }
        (Some(text), None) => SecretString::from(text),
        (None, Some(raw)) => content(&raw.path(&raw.texts.concat()), &raw.place())?,
    };
    Vault::parse(key.expose_secret().trim())
        .map_err(|error| Error::Secret { variable: SECRET_KEY, reason: error.to_string() })
}

/// The settings whose value is in a file that the environment names.
pub(super) fn settings_in_files(environment: &Environment) -> Result<Vec<Raw>, Error> {
    SETTINGS.iter().filter_map(|setting| setting_in_file(setting, environment).transpose()).collect()
}

fn setting_in_file(setting: &'static Setting, environment: &Environment) -> Result<Option<Raw>, Error> {
    let Some(file) = setting.file_variable().filter(|file| environment.get(file).is_some()) else {
        return Ok(None);
    };
    let value = find(environment, &setting.variable(), &file)?;
    let raw = |value: SecretString| {
        let text = value.expose_secret();
        let texts = match setting.arity {
            Arity::Lines => text.lines().map(str::to_owned).collect(),
            _ => vec![text.to_owned()],
        };
        Raw { setting, texts, source: Source::EnvironmentFile }
    };
    Ok(value.map(raw))
}

fn find(environment: &Environment, name: &str, file_name: &str) -> Result<Option<SecretString>, Error> {
    match (environment.get(name), environment.get(file_name)) {
        (Some(_), Some(_)) => {
            Err(Error::Conflict(format!("{name} and {file_name} are both set: choose one")))
        }
        (Some(text), None) => Ok(Some(text.into())),
        (None, None) => Ok(None),
        (None, Some(path)) => content(Path::new(path), file_name).map(Some),
    }
}

/// What is in a file that `place` names.
fn content(path: &Path, place: &str) -> Result<SecretString, Error> {
    let text = secret_file(path).map_err(|error| Error::Unreadable { path: path.to_owned(), error })?;
    match text.is_empty() {
        // Taken for absent, it would be replaced by a default that nobody expects.
        true => Err(Error::Conflict(format!("{place}: the file {} is empty", path.display()))),
        false => Ok(text.into()),
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
    let invalid = |reason: String| Error::Secret { variable: WEBHOOK_SECRET, reason };
    let secret = Secret::parse(text.expose_secret()).map_err(|error| invalid(error.to_string()))?;
    match secret.kind() {
        SecretKind::Hmac => Ok(secret),
        SecretKind::Ed25519 => Err(invalid(
            "a private key (\"whsk_\") signs beside a shared secret (\"whsec_\") and not in its place: make one with \
             `cogwire webhooks secret rotate --kind ed25519`"
                .to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

    fn named(path: &Path) -> Layers {
        let setting = Setting::find(SECRET_KEY_FILE).expect("a setting");
        let texts = vec![path.to_string_lossy().into_owned()];
        Layers::over_defaults(vec![Raw { setting, texts, source: Source::Flag }]).expect("valid")
    }

    fn read(layers: &Layers, environment: &Environment) -> Result<String, String> {
        vault(layers, environment).map(|vault| format!("{vault:?}")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_key_comes_from_the_environment_or_from_a_file() {
        let (folder, nothing) = (tempfile::tempdir().expect("a folder"), Environment::default());
        let file = folder.path().join("secret.key");
        std::fs::write(&file, format!("{KEY}\n")).expect("a file");
        let environment = Environment::from([(SECRET_KEY, KEY)]);
        let defaults = Layers::defaults().expect("valid");
        assert_eq!(read(&defaults, &nothing), Ok("Vault(open)".to_owned()));
        assert_eq!(read(&defaults, &environment), Ok("Vault(sealing)".to_owned()));
        assert_eq!(read(&named(&file), &nothing), Ok("Vault(sealing)".to_owned()));
        let both = read(&named(&file), &environment).expect_err("refused");
        assert_eq!(both, "COGWIRE_SECRET_KEY and --secret-key-file are both set: choose one");
    }

    #[test]
    fn a_key_that_cannot_be_used_is_not_taken_for_none_and_not_shown() {
        let (folder, nothing) = (tempfile::tempdir().expect("a folder"), Environment::default());
        let (empty, absent) = (folder.path().join("empty.key"), folder.path().join("absent.key"));
        std::fs::write(&empty, "").expect("a file");
        assert!(read(&named(&empty), &nothing).expect_err("refused").contains("--secret-key-file: the file"));
        assert!(read(&named(&absent), &nothing).is_err());
        let short = Environment::from([(SECRET_KEY, "c2hvcnQ=")]);
        let refused = read(&Layers::defaults().expect("valid"), &short).expect_err("refused");
        assert!(refused.starts_with("COGWIRE_SECRET_KEY: a secret key is") && !refused.contains("c2hvcnQ"));
    }

    #[test]
    fn a_private_key_does_not_take_the_place_of_the_secret() {
        let private = Secret::from_seed(&[1; 32]).expose();
        let environment = Environment::from([(WEBHOOK_SECRET, private.as_str())]);
        let refused = Secrets::read(&environment).expect_err("refused").to_string();
        assert!(refused.contains("secret rotate --kind ed25519") && !refused.contains(&private), "{refused}");
    }
}
