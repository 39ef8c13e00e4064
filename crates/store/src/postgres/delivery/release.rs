//! Freeing lanes whose requests were not made, or not finished.

use cogwire_core::id::{DeliveryId, PredictionId};
use futures_util::future::try_join;

use super::lane::LockedLanes;
use super::message::keys;
use crate::lane::release;
use crate::node::NodeEpoch;
use crate::postgres::database::Db;
use crate::postgres::failure::Outcome;

/// A row is found as `= ANY (ARRAY[…])`: see [`crate::postgres`].
pub(in crate::postgres) const INTERRUPT: &str = "
    UPDATE delivery SET state = 'interrupted' FROM unnest($1::text[], $2::bigint[]) AS begun (prediction_id, seq)
    WHERE delivery.prediction_id = ANY (ARRAY[begun.prediction_id]) AND delivery.seq = begun.seq AND state = 'sending'";

pub(super) async fn release_lanes(db: Db, node: &NodeEpoch, held: &[(PredictionId, u64)]) -> Outcome<()> {
    let mut lanes = LockedLanes::lock(&db, held.iter().map(|(id, _)| *id)).await?;
    let mut interrupted = Vec::new();
    for (id, lease_no) in held {
        let Some(row) = lanes.get_mut(*id).filter(|row| row.is_held_by(node, *lease_no)) else { continue };
        let released = release(row);
        interrupted.extend(released.interrupted.map(|seq| DeliveryId { prediction: *id, seq }));
        lanes.decide(*id, released.write);
    }
    interrupted.sort_unstable();
    try_join(lanes.write(&db), interrupt(&db, &interrupted)).await?;
    Ok(())
}

/// A message that was begun and whose end nobody saw is not sent again.
async fn interrupt(db: &Db, messages: &[DeliveryId]) -> Outcome<()> {
    if messages.is_empty() {
        return Ok(());
    }
    let (predictions, seqs) = keys(messages);
    db.execute(INTERRUPT, &[&predictions, &seqs]).await.map(|_| ())
}
