-- Nothing here rewrites or reads a large table. Changing `prediction` waits for the transactions that use it, and whoever comes
-- later waits behind it: a moment, unless something holds the table for long, such as a copy of the database.

-- What a version is made of, as canonical JSON; NULL when it is part of the program or of a script.
ALTER TABLE version ADD COLUMN recipe text;

CREATE INDEX version_runnable ON version (id) WHERE recipe IS NOT NULL;

-- For a training: the model that its result becomes a version of.
ALTER TABLE prediction ADD COLUMN destination text COLLATE "C";

-- Files that were uploaded, to be named in inputs.
CREATE TABLE upload (
    id            text COLLATE "C" PRIMARY KEY,
    account       text COLLATE "C" NOT NULL,
    name          text NOT NULL,
    content_type  text NOT NULL,
    size          bigint NOT NULL,
    sha256        text NOT NULL,
    metadata      text NOT NULL,
    created_at    bigint NOT NULL,
    expires_at    bigint
);

CREATE INDEX upload_of_account ON upload (account, id);
CREATE INDEX upload_expiring ON upload (expires_at, id) WHERE expires_at IS NOT NULL;

-- The predictions whose inputs name an upload. Rows go with the upload, not with the prediction: whether that is over is asked of
-- `live`, so that an end has nothing more to write.
CREATE TABLE upload_use (
    upload         text COLLATE "C" NOT NULL,
    prediction_id  text COLLATE "C" NOT NULL,
    PRIMARY KEY (upload, prediction_id)
);
