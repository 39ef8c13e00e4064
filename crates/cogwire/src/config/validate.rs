//! Settings that do not go together.

use super::value::written;
use super::{Config, Error, Roles};

impl Config {
    pub(super) fn validate(&self) -> Result<(), Error> {
        let conflict = |text: &str| Err(Error::Conflict(text.to_owned()));
        if let Some(url) = &self.public_url
            && (url.path() != "/"
                || url.query().is_some()
                || url.fragment().is_some()
                || !url.username().is_empty())
        {
            return conflict(
                "the public URL has scheme, host and port only, such as https://cogwire.example.com",
            );
        }
        if self.webhooks.per_origin > self.webhooks.concurrency {
            return conflict(
                "webhook_concurrency_per_origin is higher than webhook_concurrency: raise the latter, too",
            );
        }
        match &self.database {
            None if self.roles != Roles::ALL => conflict(
                "one process does everything on SQLite: to divide the roles between several, give all of them the same \
                 --database-url postgres://..., or else leave --roles out",
            ),
            Some(_) => self.validate_lease(),
            None => Ok(()),
        }
    }

    /// While an attempt may go on, nobody else may send for the same prediction. The engine extends a lease every third of its
    /// time: what does not fit into the rest might never begin. Nobody takes work from a server that has a database to itself.
    fn validate_lease(&self) -> Result<(), Error> {
        let (setting, timeout) = match self.webhooks.timeout >= self.webhooks.progress_timeout {
            true => ("webhook_timeout", self.webhooks.timeout),
            false => ("webhook_progress_timeout", self.webhooks.progress_timeout),
        };
        let longest = self.node_lease - self.node_lease / 3 - self.lease_margin();
        if timeout <= longest {
            return Ok(());
        }
        Err(Error::Conflict(format!(
            "{setting} ({}) is too long for node_lease ({}), because no attempt to send may outlast a lease: it may be {}; \
             lower it, or raise node_lease",
            written(timeout),
            written(self.node_lease),
            written(longest)
        )))
    }
}
