//! What a copy of a database brings along that means something only on the server where it was made: numbers of transactions.

use super::connection::Connector;
use super::failure::Outcome;
use super::setup;
use crate::error::Result;

/// Events of transactions that this server has not come to were written on another one. They come before all that is written
/// here, in the order of their times. Changing many takes longer than statements may otherwise.
///
/// A row is found as `= ANY (ARRAY[…])`: see [`crate::postgres`].
const ADOPT: &str = "
    SET statement_timeout = 0;
    UPDATE event SET transaction = 0 FROM account
    WHERE event.account = ANY (ARRAY[account.id])
      AND event.transaction >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
    UPDATE event_gone SET transaction = 0
    WHERE transaction >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint";

/// Makes what was restored from a copy at home here. Nearly always there is nothing to do, which a look for each account shows.
pub(super) async fn adopt(connector: &Connector) -> Result<()> {
    let client = setup::connect(connector).await?;
    let adopted: Outcome<()> = async { Ok(client.batch_execute(ADOPT).await?) }.await;
    adopted.map_err(|failure| setup::explain(failure, connector.config()))
}
