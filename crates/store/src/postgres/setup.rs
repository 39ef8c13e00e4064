//! The first connection: what keeps a store from opening, in one sentence that names the setting and says what to do.

use std::io;

use tokio_postgres::config::Host;
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::{Client, Config};

use super::connection::{Connector, Dedicated};
use super::failure::{Failure, Outcome, text};
use crate::error::{Error, Result};

/// The oldest PostgreSQL that the store works with, as the server counts versions.
const OLDEST: i32 = 130_000;

/// Opens a connection, and sees whether the database is one to work with.
pub(super) async fn connect(connector: &Connector) -> Result<Dedicated> {
    let config = connector.config();
    let client = connector.connect(None).await.map_err(|failure| explain(failure, config))?;
    check(&client).await.map_err(|failure| explain(failure, config))?;
    Ok(client)
}

/// Why the database cannot be opened.
pub(super) fn explain(failure: Failure, config: &Config) -> Error {
    let sentence = match failure {
        Failure::Store(error) => return error,
        Failure::Silence(time) => {
            format!("{} did not answer within {time:?}: check host, port and firewall", server(config))
        }
        Failure::Postgres(error) => match error.as_db_error() {
            Some(said) => explain_refusal(said, config),
            None => explain_connection(&error, config),
        },
    };
    Error::Setup(format!("--database-url: {sentence}"))
}

async fn check(client: &Client) -> Outcome<()> {
    let sql = "SELECT current_setting('server_version_num')::int4, current_setting('server_version'),
                 current_setting('server_encoding'), current_schema()::text, current_setting('search_path')";
    let row = client.query_one(sql, &[]).await?;
    let (number, version): (i32, &str) = (row.try_get(0)?, row.try_get(1)?);
    if number < OLDEST {
        return refuse(&format!("PostgreSQL {version} is too old: version 13 or newer is needed"));
    }
    let encoding: &str = row.try_get(2)?;
    if encoding != "UTF8" {
        return refuse(&format!(
            "the database's encoding is {encoding} and must be UTF8: make one with `createdb --encoding=UTF8 \
             --template=template0 NAME`"
        ));
    }
    let path: &str = row.try_get(4)?;
    if row.try_get::<_, Option<&str>>(3)?.is_none() {
        return refuse(&format!(
            "no schema of its search_path ({path}) exists, or this user may not use it: make one with `CREATE SCHEMA \
             NAME`, or name another with ?options=-c%20search_path%3DNAME"
        ));
    }
    Ok(())
}

fn refuse(sentence: &str) -> Outcome<()> {
    Err(Error::Setup(format!("--database-url: {sentence}")).into())
}

fn explain_refusal(said: &DbError, config: &Config) -> String {
    let (server, database, user) = (server(config), database(config), user(config));
    let said_so = said.message();
    match said.code() {
        &SqlState::INVALID_PASSWORD => {
            format!(
                "{server} refuses the password of user {user}: correct it in the URL, or set it with ALTER ROLE"
            )
        }
        &SqlState::INVALID_AUTHORIZATION_SPECIFICATION => format!(
            "{server} does not let user {user} in ({said_so}): check the user's name, sslmode, and the server's pg_hba.conf"
        ),
        &SqlState::INVALID_CATALOG_NAME => {
            format!("there is no database {database} on {server}: make it with `createdb {database}`")
        }
        &SqlState::INSUFFICIENT_PRIVILEGE => format!(
            "user {user} may not make or use Cogwire's tables in database {database} ({said_so}): make the user the \
             database's owner, or GRANT CREATE, USAGE ON SCHEMA"
        ),
        &SqlState::TOO_MANY_CONNECTIONS => format!(
            "{server} has no connection left ({said_so}): raise its max_connections or lower --database-connections"
        ),
        &SqlState::CANNOT_CONNECT_NOW => {
            format!("{server} takes no connections yet ({said_so}): start again when it does")
        }
        &SqlState::LOCK_NOT_AVAILABLE => format!(
            "another session has held for too long what the upgrade of the database needs ({said_so}): look at \
             pg_stat_activity, then start again"
        ),
        code => format!("{server} refuses: {said_so} (SQLSTATE {})", code.code()),
    }
}

fn explain_connection(error: &tokio_postgres::Error, config: &Config) -> String {
    let server = server(config);
    if let Some(error) = find::<rustls::Error>(error) {
        return explain_tls(error, &server);
    }
    let said = innermost(error);
    if said.contains("server does not support TLS") {
        return format!(
            "{server} does not offer TLS: turn it on there (ssl = on), or add sslmode=disable when the network between is safe"
        );
    }
    if said.contains("does not allow writes") {
        return format!("{server} can only be read: name the primary, not a standby");
    }
    if said.contains("failed to lookup address") {
        return format!("the host of {server} is not known ({said}): correct its name");
    }
    if said.contains("password missing") {
        return format!(
            "{server} wants a password: write postgres://{}:PASSWORD@HOST/DATABASE",
            user(config)
        );
    }
    match find::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {
            format!("nothing answers at {server} ({said}): start PostgreSQL there, or correct host and port")
        }
        Some(_) => format!("{server} cannot be reached ({said}): check host, port and network"),
        None => format!("{server}: {}", text(error)),
    }
}

fn explain_tls(error: &rustls::Error, server: &str) -> String {
    use rustls::CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, UnknownIssuer,
    };
    let rustls::Error::InvalidCertificate(reason) = error else {
        return format!("TLS with {server} failed ({error})");
    };
    match reason {
        NotValidForName | NotValidForNameContext { .. } => format!(
            "the certificate of {server} is for another name: use the name that its subjectAltName has (a common name does \
             not count)"
        ),
        Expired | ExpiredContext { .. } => format!("the certificate of {server} has expired: renew it"),
        UnknownIssuer => format!(
            "the certificate of {server} is not trusted ({error}): add sslmode=verify-full&sslrootcert=FILE with the \
             certificate of its authority, or sslmode=require to trust any"
        ),
        _ => format!(
            "the certificate of {server} is not accepted ({error}): correct it, or trust any with sslmode=require"
        ),
    }
}

/// The error of this type in the chain. An [`io::Error`] that only wraps another error does not name it as its source.
fn find<'a, T: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

fn innermost(error: &tokio_postgres::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// The servers that the URL names.
fn server(config: &Config) -> String {
    let ports = config.get_ports();
    let port = |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or(5432);
    let names: Vec<String> = match config.get_hosts() {
        [] => config.get_hostaddrs().iter().map(ToString::to_string).collect(),
        hosts => hosts.iter().map(name).collect(),
    };
    names
        .iter()
        .enumerate()
        .map(|(index, name)| format!("{name}:{}", port(index)))
        .collect::<Vec<_>>()
        .join(", ")
}

fn name(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    }
}

fn user(config: &Config) -> &str {
    config.get_user().unwrap_or("(the one of this process)")
}

fn database(config: &Config) -> &str {
    config.get_dbname().unwrap_or_else(|| user(config))
}
