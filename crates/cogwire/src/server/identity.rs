//! Whose server this is: the account, its first token and its signing secret, made at the first start.

use cogwire_core::link::LinkKey;
use cogwire_core::prediction::AccountId;
use cogwire_core::time::{Clock, Entropy};
use cogwire_core::webhook::signature::{Secret, SecretKind};
use cogwire_core::webhook::vault::{StoredSecret, Vault};
use cogwire_store::account::{self, SecretRow};
use cogwire_store::{AccountStore, Result};
use secrecy::SecretString;

use super::token;
use crate::config::Config;

/// The length of a generated signing secret in bytes.
const SECRET_BYTES: usize = 32;

/// What the store says about the server's account.
#[derive(Debug)]
pub(super) struct Identity {
    /// The account.
    pub(super) account: AccountId,
    /// The tokens that somebody may use.
    pub(super) tokens: Tokens,
}

/// The state of the account's tokens.
#[derive(Debug, Clone)]
pub enum Tokens {
    /// This one was made just now, and is known only here.
    New(SecretString),
    /// There are tokens; none of them is known here.
    Stored,
    /// Only the one from the environment is valid.
    OnlyEnvironment,
    /// There is none: nobody can use the API.
    None,
    /// This server does not answer the API.
    NoApi,
}

/// Makes what is missing. A server without the API makes nothing: a first token has to be told to whoever uses the API.
pub(super) async fn establish(
    store: &dyn AccountStore,
    config: &Config,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<Identity> {
    let account = AccountId(config.username.as_str().into());
    let secrets = Secrets { store, vault: &config.vault, account: &account, clock, entropy };
    if !config.roles.api {
        secrets.prepare(config).await?;
        return Ok(Identity { account, tokens: Tokens::NoApi });
    }
    let is_new = store.ensure_account(&account, clock.now()).await?;
    let fresh = secrets.stored(&fresh_secret(config, entropy));
    store.ensure_secret(&account, &fresh, clock.now()).await?;
    secrets.prepare(config).await?;
    let tokens = match (store.tokens(&account).await?.is_empty(), &config.secrets.api_token) {
        (false, _) => Tokens::Stored,
        (true, Some(_)) => Tokens::OnlyEnvironment,
        (true, None) if is_new => Tokens::New(first_token(store, &account, clock, entropy).await?),
        (true, None) => Tokens::None,
    };
    Ok(Identity { account, tokens })
}

/// The key that signs links, which stays the same for as long as the data does.
pub(super) async fn link_key(store: &dyn AccountStore, name: &str, entropy: &dyn Entropy) -> Result<LinkKey> {
    let mut fresh = [0; 32];
    entropy.fill(&mut fresh);
    Ok(LinkKey::new(store.server_key(name, fresh).await?))
}

/// What signs webhooks from the first start on.
fn fresh_secret(config: &Config, entropy: &dyn Entropy) -> Secret {
    let given = config.secrets.webhook_secret.clone();
    given.unwrap_or_else(|| {
        let mut key = [0; SECRET_BYTES];
        entropy.fill(&mut key);
        Secret::fresh(SecretKind::Hmac, &key)
    })
}

/// The signing secrets at a start.
struct Secrets<'a> {
    store: &'a dyn AccountStore,
    vault: &'a Vault,
    account: &'a AccountId,
    clock: &'a dyn Clock,
    entropy: &'a dyn Entropy,
}

impl Secrets<'_> {
    /// Sees that all of them can be read, seals those that should be, and puts the one of the environment in its place.
    async fn prepare(&self, config: &Config) -> Result<()> {
        let now = self.clock.now();
        let rows = self.store.secrets(self.account).await?;
        let signing: Vec<&SecretRow> = rows.iter().filter(|row| row.signs(now)).collect();
        let mut current = None;
        for row in &signing {
            let secret = account::opened(self.vault, self.account, row)?;
            self.seal(row, &secret).await?;
            if current.is_none() && secret.kind() == SecretKind::Hmac {
                current = Some(secret);
            }
        }
        match &config.secrets.webhook_secret {
            Some(given) if !signing.is_empty() => self.replace(current.as_ref(), given).await,
            _ => Ok(()),
        }
    }

    async fn seal(&self, row: &SecretRow, secret: &Secret) -> Result<()> {
        if self.vault.would_seal(&row.secret) {
            // Whoever was faster has sealed it, or put another one there.
            self.store.reseal_secret(row.id, &row.secret, &self.stored(secret)).await?;
        }
        Ok(())
    }

    async fn replace(&self, current: Option<&Secret>, given: &Secret) -> Result<()> {
        if current.is_some_and(|current| current.expose() == given.expose()) {
            return Ok(());
        }
        self.store.set_secret(self.account, &self.stored(given), self.clock.now()).await
    }

    fn stored(&self, secret: &Secret) -> StoredSecret {
        self.vault.put(self.account, secret, self.entropy)
    }
}

async fn first_token(
    store: &dyn AccountStore,
    account: &AccountId,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<SecretString> {
    let token = token::generate(entropy);
    store.add_token(token::row(&token, account.clone(), "first start".to_owned(), clock.now())).await?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use cogwire_store::sqlite::{SqliteOptions, SqliteStore};

    use super::*;
    use crate::config::{self, Roles};
    use crate::lifecycle::{SystemClock, SystemEntropy};

    async fn start(store: &SqliteStore, secrets: config::Secrets) -> Tokens {
        start_as(store, Roles::ALL, secrets).await
    }

    async fn start_as(store: &SqliteStore, roles: Roles, secrets: config::Secrets) -> Tokens {
        let defaults = Config::defaults("/data".as_ref()).expect("the defaults are valid");
        let config = Config { roles, secrets, ..defaults };
        establish(store, &config, &SystemClock, &SystemEntropy).await.expect("the store works").tokens
    }

    async fn secret(store: &SqliteStore) -> String {
        let secrets = store.secrets(&AccountId("cogwire".into())).await.expect("the store works");
        secrets.first().expect("there is always one").secret.text().to_owned()
    }

    fn open(folder: &tempfile::TempDir) -> SqliteStore {
        SqliteStore::open(folder.path(), SqliteOptions::new(SystemClock.now())).expect("a new store")
    }

    #[tokio::test]
    async fn the_first_start_makes_a_token_and_a_secret_that_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(&folder);
        assert!(matches!(start(&store, config::Secrets::default()).await, Tokens::New(_)));
        let first = secret(&store).await;
        assert!(matches!(start(&store, config::Secrets::default()).await, Tokens::Stored));
        assert_eq!(secret(&store).await, first);
        store.close().await;
    }

    #[tokio::test]
    async fn a_server_without_the_api_makes_nothing_and_knows_a_secret_that_it_is_given() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(&folder);
        let deliver = Roles { api: false, run: false, deliver: true };
        let given = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let secrets = || config::Secrets {
            webhook_secret: Some(Secret::parse(given).expect("a secret")),
            ..config::Secrets::default()
        };
        assert!(matches!(start_as(&store, deliver, secrets()).await, Tokens::NoApi));
        assert!(
            matches!(start(&store, config::Secrets::default()).await, Tokens::New(_)),
            "the token is told where it helps"
        );
        assert_ne!(secret(&store).await, given);
        start_as(&store, deliver, secrets()).await;
        assert_eq!(secret(&store).await, given);
        store.close().await;
    }

    #[tokio::test]
    async fn what_the_environment_gives_is_not_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(&folder);
        let given = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let secrets = config::Secrets {
            api_token: Some("r8_0123456789".to_owned().into()),
            webhook_secret: Some(Secret::parse(given).expect("a secret")),
        };
        assert!(matches!(start(&store, secrets).await, Tokens::OnlyEnvironment));
        assert_eq!(secret(&store).await, given);
        assert!(matches!(start(&store, config::Secrets::default()).await, Tokens::None));
        store.close().await;
    }
}
