//! Forgetting what was sent and what came back, which is most of an attempt's bytes. No index knows which attempts have a report,
//! so that recording one costs nothing more: whoever forgets goes through them in the order of their keys.

use cogwire_core::id::{DeliveryId, PredictionId};
use cogwire_core::time::Timestamp;
use rusqlite::{Connection, params};

use crate::delivery::AttemptPlace;
use crate::sqlite::failure::Outcome;
use crate::sqlite::row::Row;

/// Attempts in the order of their keys, and whether each has a report that is old enough.
pub(in crate::sqlite) const PAGE: &str = "
    SELECT prediction_id, seq, number, report IS NOT NULL AND started_at < ?5 AS is_old FROM attempt
    WHERE (prediction_id, seq, number) > (?1, ?2, ?3) AND prediction_id < ?4
    ORDER BY prediction_id, seq, number LIMIT ?6";

/// Attempts that were looked at.
pub(super) struct Page {
    /// Those whose reports are to be forgotten.
    pub(super) old: Vec<AttemptPlace>,
    /// The last of all, when there may be more.
    pub(super) next: Option<AttemptPlace>,
}

pub(super) fn page(
    db: &Connection,
    cutoff: Timestamp,
    after: Option<AttemptPlace>,
    limit: u32,
) -> Outcome<Page> {
    let AttemptPlace { delivery, number } = after.unwrap_or_else(AttemptPlace::start);
    let before = PredictionId::first_at(cutoff);
    let mut statement = db.prepare_cached(PAGE)?;
    let key = params![
        delivery.prediction.as_str(),
        delivery.seq,
        number,
        before.as_str(),
        cutoff.as_micros(),
        limit
    ];
    let mut rows = statement.query(key)?;
    let (mut old, mut last, mut looked_at) = (Vec::new(), None, 0);
    while let Some(row) = rows.next()? {
        let row = Row::new("attempt", row);
        let place = decode(&row)?;
        if row.get("is_old")? {
            old.push(place);
        }
        last = Some(place);
        looked_at += 1;
    }
    Ok(Page { old, next: last.filter(|_| looked_at == limit) })
}

fn decode(row: &Row<'_>) -> Outcome<AttemptPlace> {
    let delivery = DeliveryId { prediction: row.parse("prediction_id")?, seq: row.get("seq")? };
    Ok(AttemptPlace { delivery, number: row.get("number")? })
}

pub(super) fn forget(db: &Connection, old: &[AttemptPlace]) -> Outcome<()> {
    let sql = "UPDATE attempt SET report = NULL WHERE prediction_id = ?1 AND seq = ?2 AND number = ?3";
    for AttemptPlace { delivery, number } in old {
        let key = params![delivery.prediction.as_str(), delivery.seq, number];
        db.prepare_cached(sql)?.execute(key)?;
    }
    Ok(())
}
