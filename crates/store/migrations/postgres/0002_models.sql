-- Nothing here rewrites or reads a large table. Changing `prediction` waits for the transactions that use it, and whoever comes
-- later waits behind it: a moment, unless something holds the table for long, such as a copy of the database.

-- What a version is made of, as canonical JSON; NULL when it is part of the program or of a script.
ALTER TABLE version ADD COLUMN recipe text;

CREATE INDEX version_runnable ON version (id) WHERE recipe IS NOT NULL;

-- For a training: the model that its result becomes a version of.
ALTER TABLE prediction ADD COLUMN destination text COLLATE "C";
