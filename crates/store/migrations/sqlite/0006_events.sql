-- The last of each account's events that are not kept any more: whoever reads on from before it has missed some.
CREATE TABLE event_gone (
    account        TEXT PRIMARY KEY,
    position       INTEGER NOT NULL,
    prediction_id  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Wider than it was, so that what waits is counted without reading its lanes. The last two columns are those of the conditions.
DROP INDEX lane_due;
CREATE INDEX lane_due ON lane (origin, due_at, prediction_id, final_due_at, final_first_attempt_at, final_seq, owner)
    WHERE owner IS NULL AND due_at IS NOT NULL;
