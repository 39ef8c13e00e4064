-- Nothing here rewrites or reads a large table: see the migration before this one.

-- What callers asked of their webhooks beyond Replicate's fields, as JSON; NULL when nothing.
ALTER TABLE prediction ADD COLUMN webhook_options text;
ALTER TABLE lane ADD COLUMN options text;

-- What was sent and what came back, as JSON; NULL when it was not kept.
ALTER TABLE attempt ADD COLUMN report text;

-- How it signs, which a sealed key does not show. A constant default is no rewrite.
ALTER TABLE secret ADD COLUMN kind text NOT NULL DEFAULT 'hmac' CHECK (kind IN ('hmac', 'ed25519'));

-- Until when a secret that is not the newest signs beside it; NULL as long as it is not retired.
ALTER TABLE secret ADD COLUMN signs_until bigint;
