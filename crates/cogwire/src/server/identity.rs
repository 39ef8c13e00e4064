//! Whose server this is: the account, its first token and its signing secret, made at the first start.

use cogwire_core::link::LinkKey;
use cogwire_core::prediction::AccountId;
use cogwire_core::time::{Clock, Entropy};
use cogwire_core::webhook::signature::Secret;
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
    if !config.roles.api {
        replace_secret(store, &account, config, clock).await?;
        return Ok(Identity { account, tokens: Tokens::NoApi });
    }
    let is_new = store.ensure_account(&account, clock.now()).await?;
    let fresh = fresh_secret(config, entropy);
    store.ensure_secret(&account, &fresh, clock.now()).await?;
    replace_secret(store, &account, config, clock).await?;
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
        Secret::from_key(&key).expect("the length is within the bounds")
    })
}

/// Puts the secret of the environment in place of another one that is there.
async fn replace_secret(
    store: &dyn AccountStore,
    account: &AccountId,
    config: &Config,
    clock: &dyn Clock,
) -> Result<()> {
    let Some(given) = &config.secrets.webhook_secret else { return Ok(()) };
    match store.secrets(account).await?.first() {
        Some(current) if current.expose() != given.expose() => {
            store.set_secret(account, given, clock.now()).await
        }
        _ => Ok(()),
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
    use crate::config::{Roles, Secrets};
    use crate::lifecycle::{SystemClock, SystemEntropy};

    async fn start(store: &SqliteStore, secrets: Secrets) -> Tokens {
        start_as(store, Roles::ALL, secrets).await
    }

    async fn start_as(store: &SqliteStore, roles: Roles, secrets: Secrets) -> Tokens {
        let defaults = Config::defaults("/data".as_ref()).expect("the defaults are valid");
        let config = Config { roles, secrets, ..defaults };
        establish(store, &config, &SystemClock, &SystemEntropy).await.expect("the store works").tokens
    }

    async fn secret(store: &SqliteStore) -> String {
        let secrets = store.secrets(&AccountId("cogwire".into())).await.expect("the store works");
        secrets.first().expect("there is always one").expose()
    }

    fn open(folder: &tempfile::TempDir) -> SqliteStore {
        SqliteStore::open(folder.path(), SqliteOptions::new(SystemClock.now())).expect("a new store")
    }

    #[tokio::test]
    async fn the_first_start_makes_a_token_and_a_secret_that_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(&folder);
        assert!(matches!(start(&store, Secrets::default()).await, Tokens::New(_)));
        let first = secret(&store).await;
        assert!(matches!(start(&store, Secrets::default()).await, Tokens::Stored));
        assert_eq!(secret(&store).await, first);
        store.close().await;
    }

    #[tokio::test]
    async fn a_server_without_the_api_makes_nothing_and_knows_a_secret_that_it_is_given() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(&folder);
        let deliver = Roles { api: false, run: false, deliver: true };
        let given = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let secrets = || Secrets {
            webhook_secret: Some(Secret::parse(given).expect("a secret")),
            ..Secrets::default()
        };
        assert!(matches!(start_as(&store, deliver, secrets()).await, Tokens::NoApi));
        assert!(
            matches!(start(&store, Secrets::default()).await, Tokens::New(_)),
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
        let secrets = Secrets {
            api_token: Some("r8_0123456789".to_owned().into()),
            webhook_secret: Some(Secret::parse(given).expect("a secret")),
        };
        assert!(matches!(start(&store, secrets).await, Tokens::OnlyEnvironment));
        assert_eq!(secret(&store).await, given);
        assert!(matches!(start(&store, Secrets::default()).await, Tokens::None));
        store.close().await;
    }
}
