//! `cogwire serve`: a server, and what its owner must know when it has started.

mod welcome;

use std::sync::Arc;

use secrecy::SecretString;

use super::failure::{Failure, Outcome, with_causes};
use super::output;
use crate::config::{Config, ConfigArgs, Environment, LogFormat};
use crate::lifecycle::{CorrectedClock, Lifecycle, SystemClock, SystemEntropy};
use crate::server::{Credentials, Error, Server, Surroundings, Tokens};
use crate::telemetry;
use welcome::{TokenPlace, Welcome};

/// Serves until a signal comes.
pub(super) async fn run(args: ConfigArgs) -> Outcome {
    let config = args.config(&Environment::of_process())?;
    telemetry::start_log(config.log_format);
    let metrics = telemetry::start_metrics().map_err(|error| Failure::from_error(&error))?;
    let clock = Arc::new(CorrectedClock::new(Arc::new(SystemClock)));
    let lifecycle = Lifecycle::default();
    lifecycle.listen_for_signals(config.drain_timeout, clock.clone()).map_err(Error::Signals)?;
    let surroundings = Surroundings {
        clock: clock.clone(),
        correction: Some(clock),
        entropy: Arc::new(SystemEntropy),
        metrics,
        lifecycle,
    };
    let server = Server::start(config.clone(), surroundings).await?;
    // Kept before anything else can go wrong: it is made only once.
    let token = token_place(&config, &server);
    match server.add_models(&config).await {
        Ok(true) => {
            warn_if_exposed(&config);
            welcome(&config, &server, token);
        }
        Ok(false) => token.tell_if_lost(),
        Err(error) => {
            server.stop();
            server.stopped().await?;
            token.tell_if_lost();
            return Err(error.into());
        }
    }
    server.stopped().await?;
    tracing::info!("stopped");
    Ok(())
}

fn warn_if_exposed(config: &Config) {
    if !config.listen.ip().is_loopback() && config.tls.is_none() && !config.behind_proxy {
        tracing::warn!(
            listen = %config.listen,
            "tokens and data travel unencrypted: serve https with --tls-cert and --tls-key or --tls-self-signed, or say \
             with --behind-proxy that a proxy does"
        );
    }
}

fn welcome(config: &Config, server: &Server, token: TokenPlace) {
    let own_url = config.own_url(server.address());
    let welcome = Welcome { config, url: server.url(), own_url, token };
    // A log of JSON lines that nobody asked for, as in a CI job, is still read by people first.
    if config.log_format == LogFormat::Json { welcome.log() } else { output::say(welcome) }
}

/// Keeps a new token for this machine's client commands, when nobody else can reach the server.
fn token_place(config: &Config, server: &Server) -> TokenPlace {
    match server.tokens() {
        Tokens::New(token) => {
            TokenPlace::New { token: token.clone(), kept: keep(config, server.url(), token) }
        }
        Tokens::Stored => kept_before(config, server.url()),
        Tokens::OnlyEnvironment => TokenPlace::Environment,
        Tokens::None => TokenPlace::Nowhere,
        Tokens::NoApi => TokenPlace::NotNeeded,
    }
}

fn keep(config: &Config, url: &str, token: &SecretString) -> bool {
    if !config.is_loopback_only() {
        return false;
    }
    let saved = Credentials { url: url.to_owned(), token: token.clone() }.save(&config.data_dir);
    if let Err(error) = &saved {
        tracing::warn!(
            error = with_causes(error),
            "the token could not be kept for this machine's client commands"
        );
    }
    saved.is_ok()
}

/// The file names the port, which may be another one this time.
fn kept_before(config: &Config, url: &str) -> TokenPlace {
    match Credentials::load(&config.data_dir) {
        Ok(Some(credentials)) if credentials.url == url || keep(config, url, &credentials.token) => {
            TokenPlace::Kept
        }
        _ => TokenPlace::Elsewhere,
    }
}
