-- What callers asked of their webhooks beyond Replicate's fields, as JSON; NULL when nothing.
ALTER TABLE prediction ADD COLUMN webhook_options TEXT;
ALTER TABLE lane ADD COLUMN options TEXT;

-- What was sent and what came back, as JSON; NULL when it was not kept.
ALTER TABLE attempt ADD COLUMN report TEXT;

-- How it signs, which a sealed key does not show.
ALTER TABLE secret ADD COLUMN kind TEXT NOT NULL DEFAULT 'hmac' CHECK (kind IN ('hmac', 'ed25519'));

-- The ends that receivers are told about, one row for each final message. The position is the time of the end in microseconds, or
-- the next free number of the account.
CREATE TABLE event (
    prediction_id  TEXT NOT NULL,
    seq            INTEGER NOT NULL,
    account        TEXT NOT NULL,
    position       INTEGER NOT NULL,
    PRIMARY KEY (prediction_id, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX event_order ON event (account, position, prediction_id);

-- Until when a secret that is not the newest signs beside it; NULL as long as it is not retired.
ALTER TABLE secret ADD COLUMN signs_until INTEGER;
