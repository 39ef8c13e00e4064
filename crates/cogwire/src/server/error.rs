//! Why a server did not start or did not end well: one sentence each, which says what to do.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::TlsError;
use crate::config::StorePlace;
use crate::lifecycle::Stopped;

/// The server does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another program listens there.
    #[error(
        "{0} is in use by another program: stop it, or choose another address with --listen (port 0 takes a free one)"
    )]
    AddressInUse(SocketAddr),
    /// It is not possible to listen there.
    #[error("cannot listen on {address}: choose another address with --listen")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// It is not possible to listen for models.
    #[error(
        "cannot listen on {address} for models: choose another address with --internal-listen (port 0 takes a free one)"
    )]
    InternalListen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// The data directory cannot be used.
    #[error("cannot use the data directory {}: make it a folder that this user may write to, or choose another with --data-dir", path.display())]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// The database in the data directory cannot be used.
    #[error("cannot start with the data in {}", path.display())]
    Store {
        /// The data directory.
        path: PathBuf,
        /// Why not.
        #[source]
        error: cogwire_store::Error,
    },
    /// The store says itself which setting is wrong, and what to do.
    #[error(transparent)]
    Setup(cogwire_store::Error),
    /// The database that servers share cannot be used.
    #[error("cannot start with the database that --database-url names")]
    Database(#[source] cogwire_store::Error),
    /// Files cannot be stored.
    #[error("files cannot be stored")]
    Files(#[source] cogwire_files::Error),
    /// A model that the configuration names cannot be added.
    #[error("the model {place} cannot be added")]
    Model {
        /// The folder or URL.
        place: String,
        /// Why not.
        #[source]
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A model has no name that could be used.
    #[error("the model {0:?} needs a name: write --model OWNER/NAME={0}")]
    NamelessModel(String),
    /// Another server runs its models there.
    #[error(
        "another server that runs models uses the data directory {}: give each its own with --data-dir", .0.display()
    )]
    SharedPremises(PathBuf),
    /// What an earlier run left in the data directory cannot be removed.
    #[error("cannot use the data directory {} for models: see that this user may write to it", path.display())]
    Leftovers {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// TLS cannot be served.
    #[error("https cannot be served")]
    Tls(#[source] TlsError),
    /// A certificate for sending webhooks cannot be used.
    #[error(
        "webhooks cannot be sent with these certificates: correct --webhook-ca, --webhook-client-cert and --webhook-client-key"
    )]
    WebhookTls(#[source] TlsError),
    /// No request could be made to the collector of traces.
    #[error(
        "traces cannot be sent: https needs certificates that this machine trusts; install them, or give --otlp-endpoint \
         an http URL"
    )]
    Traces(#[source] reqwest::Error),
    /// A script was refused.
    #[error("a script is wrong")]
    Script(#[source] cogwire_runner::ScriptError),
    /// Signals cannot be received.
    #[error("this process cannot receive signals")]
    Signals(#[source] io::Error),
    /// A task ended on its own.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Error {
    /// The store in this place cannot be used.
    pub(super) fn store(place: &StorePlace, error: cogwire_store::Error) -> Self {
        match (place, error) {
            (_, error @ cogwire_store::Error::Setup(_)) => Self::Setup(error),
            (StorePlace::DataDir(path), error) => Self::Store { path: path.clone(), error },
            (StorePlace::Database(_), error) => Self::Database(error),
        }
    }
}
