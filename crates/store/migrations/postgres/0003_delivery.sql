-- Nothing here rewrites or reads a large table: see the migration before this one.

-- What callers asked of their webhooks beyond Replicate's fields, as JSON; NULL when nothing.
ALTER TABLE prediction ADD COLUMN webhook_options text;
ALTER TABLE lane ADD COLUMN options text;

-- What was sent and what came back, as JSON; NULL when it was not kept.
ALTER TABLE attempt ADD COLUMN report text;

-- How it signs, which a sealed key does not show. A constant default is no rewrite.
ALTER TABLE secret ADD COLUMN kind text NOT NULL DEFAULT 'hmac' CHECK (kind IN ('hmac', 'ed25519'));

-- The ends that receivers are told about, one row for each final message. The position is the time of the end in microseconds.
-- Transactions are visible in another order than they begin in: readers go by the number of the transaction, and stop before
-- the first that is not over. What came from another store comes before all of them.
CREATE TABLE event (
    prediction_id  text COLLATE "C" NOT NULL,
    seq            bigint NOT NULL,
    account        text COLLATE "C" NOT NULL,
    position       bigint NOT NULL,
    transaction    bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (prediction_id, seq)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE INDEX event_order ON event (account, transaction, position, prediction_id);

-- Until when a secret that is not the newest signs beside it; NULL as long as it is not retired.
ALTER TABLE secret ADD COLUMN signs_until bigint;
