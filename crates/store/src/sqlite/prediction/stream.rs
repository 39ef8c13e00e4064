//! Reading the events of a prediction again, from some number on.

use cogwire_core::id::PredictionId;
use cogwire_core::prediction::Chunk;
use rusqlite::{Connection, OptionalExtension, params};

use super::read;
use crate::prediction::StreamPage;
use crate::sqlite::failure::Outcome;
use crate::sqlite::row::{Row, int};

pub(super) fn stream_from(
    db: &Connection,
    id: PredictionId,
    from: u64,
    limit: u32,
) -> Outcome<Option<StreamPage>> {
    let sql = "SELECT id, status, created_at, error FROM prediction WHERE id = ?1";
    let mut statement = db.prepare_cached(sql)?;
    let page =
        statement.query_row([id.as_str()], |row| Ok(empty_page(&Row::new("prediction", row)))).optional()?;
    let Some(mut page) = page.transpose()? else { return Ok(None) };
    (page.chunks, page.complete) = chunks_from(db, id, from, limit)?;
    Ok(Some(page))
}

fn empty_page(row: &Row<'_>) -> Outcome<StreamPage> {
    Ok(StreamPage {
        chunks: Vec::new(),
        status: row.parse("status")?,
        created_at: row.time("created_at")?,
        error: row.get("error")?,
        complete: true,
    })
}

/// Chunks that hold events from `from` on, and whether these are all.
fn chunks_from(db: &Connection, id: PredictionId, from: u64, limit: u32) -> Outcome<(Vec<Chunk>, bool)> {
    // The chunk that holds `from` is the last one that begins at or before it.
    let sql = "SELECT prediction_id, first_event, events FROM chunk
               WHERE prediction_id = ?1 AND first_event >= COALESCE(
                 (SELECT MAX(first_event) FROM chunk WHERE prediction_id = ?1 AND first_event <= ?2), 0)
               ORDER BY first_event";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![id.as_str(), int(from)])?;
    let mut chunks = Vec::new();
    let mut events = 0;
    while let Some(row) = rows.next()? {
        if events >= limit as usize {
            return Ok((chunks, false));
        }
        let chunk = read::chunk(&Row::new("chunk", row))?;
        if chunk.end() > from {
            events += chunk.events.len();
            chunks.push(chunk);
        }
    }
    Ok((chunks, true))
}
