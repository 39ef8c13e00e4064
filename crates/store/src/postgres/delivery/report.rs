//! Forgetting what was sent and what came back, which is most of an attempt's bytes. No index knows which attempts have a report,
//! so that recording one costs nothing more: whoever forgets goes through them in the order of their keys.

use cogwire_core::id::PredictionId;
use cogwire_core::time::Timestamp;

use super::message::decode_id;
use crate::delivery::AttemptPlace;
use crate::postgres::database::Db;
use crate::postgres::failure::Outcome;
use crate::postgres::row::Row;

/// The last of the attempts that were looked at, and how many they were. A row is found as `= ANY (ARRAY[…])`: see
/// [`crate::postgres`].
pub(in crate::postgres) const SWEEP: &str = "
    WITH page AS (
      SELECT prediction_id, seq, number, report IS NOT NULL AND started_at < $5 AS is_old FROM attempt
      WHERE (prediction_id, seq, number) > ($1, $2, $3) AND prediction_id < $4
      ORDER BY prediction_id, seq, number LIMIT $6),
    forgotten AS (
      UPDATE attempt SET report = NULL FROM page
      WHERE is_old AND attempt.prediction_id = ANY (ARRAY[page.prediction_id]) AND attempt.seq = page.seq
        AND attempt.number = page.number)
    SELECT prediction_id, seq, number, (SELECT count(*) FROM page) AS looked_at FROM page
    ORDER BY prediction_id DESC, seq DESC, number DESC LIMIT 1";

pub(super) async fn sweep(
    db: Db,
    cutoff: Timestamp,
    after: Option<AttemptPlace>,
    limit: u32,
) -> Outcome<Option<AttemptPlace>> {
    let AttemptPlace { delivery, number } = after.unwrap_or_else(AttemptPlace::start);
    let (prediction, before) = (delivery.prediction.as_str(), PredictionId::first_at(cutoff));
    let (seq, number, cutoff) = (i64::from(delivery.seq), i64::from(number), cutoff.as_micros());
    let limit = i64::from(limit);
    let row =
        db.query_optional(SWEEP, &[&prediction, &seq, &number, &before.as_str(), &cutoff, &limit]).await?;
    let Some(row) = &row else { return Ok(None) };
    let row = Row::new("attempt", row);
    let place = AttemptPlace { delivery: decode_id(row)?, number: row.number("number")? };
    Ok((row.get::<i64>("looked_at")? == limit).then_some(place))
}
