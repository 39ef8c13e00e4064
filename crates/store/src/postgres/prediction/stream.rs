//! Reading the events of a prediction again, from some number on.

use cogwire_core::id::PredictionId;
use cogwire_core::prediction::Chunk;

use crate::postgres::database::Db;
use crate::postgres::failure::Outcome;
use crate::postgres::row::{Row, int};
use crate::prediction::StreamPage;

/// A page and the state that belongs to it, in one statement, so that both are of one moment. The chunk that holds the first
/// event is the last one that begins at or before it. Numbers have no gaps, so where a chunk begins says how many events are
/// before it.
pub(in crate::postgres) const PAGE: &str = "
    SELECT id, status, created_at, error,
      ARRAY(SELECT first_event FROM chunk WHERE prediction_id = id AND first_event >= begin AND first_event < begin + $3
            ORDER BY first_event) AS firsts,
      ARRAY(SELECT events FROM chunk WHERE prediction_id = id AND first_event >= begin AND first_event < begin + $3
            ORDER BY first_event) AS chunks,
      NOT EXISTS (SELECT 1 FROM chunk WHERE prediction_id = id AND first_event >= begin + $3) AS complete
    FROM prediction, LATERAL (
      SELECT COALESCE(max(first_event), 0) AS begin FROM chunk WHERE prediction_id = id AND first_event <= $2) AS page
    WHERE id = $1";

pub(super) async fn stream_from(
    db: Db,
    id: PredictionId,
    from: u64,
    limit: u32,
) -> Outcome<Option<StreamPage>> {
    let row = db.query_optional(PAGE, &[&id.as_str(), &int(from), &i64::from(limit)]).await?;
    row.map(|row| page(Row::new("prediction", &row), from)).transpose()
}

fn page(row: Row<'_>, from: u64) -> Outcome<StreamPage> {
    Ok(StreamPage {
        chunks: chunks(row)?.into_iter().filter(|chunk| chunk.end() > from).collect(),
        status: row.parse("status")?,
        created_at: row.time("created_at")?,
        error: row.optional_raw_text("error")?.map(str::to_owned),
        complete: row.get("complete")?,
    })
}

fn chunks(row: Row<'_>) -> Outcome<Vec<Chunk>> {
    let (firsts, texts): (Vec<i64>, Vec<&str>) = (row.get("firsts")?, row.get("chunks")?);
    let decode = |(first, text): (i64, &str)| {
        let first = u64::try_from(first).map_err(|error| row.corrupt("firsts", &error))?;
        Chunk::decode(first, text).map_err(|error| row.corrupt("chunks", &error))
    };
    firsts.into_iter().zip(texts).map(decode).collect()
}
