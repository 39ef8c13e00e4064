-- What a version is made of, as canonical JSON; NULL when it is part of the program or of a script.
ALTER TABLE version ADD COLUMN recipe TEXT;

CREATE INDEX version_runnable ON version (id) WHERE recipe IS NOT NULL;

-- For a training: the model that its result becomes a version of.
ALTER TABLE prediction ADD COLUMN destination TEXT;

-- Files that were uploaded, to be named in inputs.
CREATE TABLE upload (
    id            TEXT PRIMARY KEY,
    account       TEXT NOT NULL,
    name          TEXT NOT NULL,
    content_type  TEXT NOT NULL,
    size          INTEGER NOT NULL,
    sha256        TEXT NOT NULL,
    metadata      TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX upload_of_account ON upload (account, id);
CREATE INDEX upload_expiring ON upload (expires_at) WHERE expires_at IS NOT NULL;

-- The predictions whose inputs name an upload. Rows go with the upload, not with the prediction: whether that is over is asked of
-- `live`, so that an end has nothing more to write.
CREATE TABLE upload_use (
    upload         TEXT NOT NULL,
    prediction_id  TEXT NOT NULL,
    PRIMARY KEY (upload, prediction_id)
) STRICT, WITHOUT ROWID;
