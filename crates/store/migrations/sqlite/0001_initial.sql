-- Ids are text, times are microseconds since the Unix epoch, JSON is exact text, enums are text with a CHECK.
-- Small rows that live shortly are WITHOUT ROWID: one tree to write instead of two. Rows with large values keep a rowid.
-- Hot tables have no foreign keys: each would be a read for each write.

CREATE TABLE node (
    epoch        TEXT PRIMARY KEY,
    lease_until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE prediction (
    id               TEXT NOT NULL PRIMARY KEY,
    account          TEXT NOT NULL,
    kind             TEXT NOT NULL CHECK (kind IN ('prediction', 'training')),
    model            TEXT NOT NULL,
    version          TEXT NOT NULL,
    source           TEXT NOT NULL CHECK (source IN ('api', 'web')),
    status           TEXT NOT NULL
                     CHECK (status IN ('starting', 'processing', 'succeeded', 'failed', 'canceled', 'aborted')),
    created_at       INTEGER NOT NULL,
    started_at       INTEGER,
    completed_at     INTEGER,
    cancel_at        INTEGER,
    streams          INTEGER NOT NULL CHECK (streams IN (0, 1)),
    input            TEXT NOT NULL,
    webhook_url      TEXT,
    webhook_origin   TEXT,
    webhook_events   INTEGER,
    webhook_filter   INTEGER,
    webhook_payload  TEXT CHECK (webhook_payload IN ('prediction', 'event')),
    -- The result, from the end on. Before the end it is in the chunks.
    revision         INTEGER NOT NULL DEFAULT 0,
    next_event       INTEGER NOT NULL DEFAULT 0,
    output           TEXT,
    logs             TEXT,
    metrics          TEXT,
    error            TEXT,
    -- When the data is due to be removed; NULL before the end, after the removal, and when it is kept for ever.
    expires_at       INTEGER,
    data_removed     INTEGER NOT NULL DEFAULT 0 CHECK (data_removed IN (0, 1))
) STRICT;

CREATE INDEX prediction_expiring ON prediction (expires_at) WHERE expires_at IS NOT NULL;

-- Exactly the predictions that have not ended: deleting the row is the decision that one ends.
CREATE TABLE live (
    prediction_id  TEXT PRIMARY KEY,
    version        TEXT NOT NULL,
    queued_at      INTEGER NOT NULL,
    owner          TEXT,
    lease_no       INTEGER NOT NULL,
    run            INTEGER NOT NULL,
    revision       INTEGER NOT NULL,
    next_event     INTEGER NOT NULL,
    deadline       INTEGER,
    deadline_kind  TEXT CHECK (deadline_kind IN ('cancel_after', 'queue', 'setup', 'run')),
    CHECK ((deadline IS NULL) = (deadline_kind IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX live_waiting ON live (version, queued_at) WHERE owner IS NULL;
CREATE INDEX live_owned ON live (owner) WHERE owner IS NOT NULL;
CREATE INDEX live_deadline ON live (deadline) WHERE deadline IS NOT NULL;

CREATE TABLE chunk (
    prediction_id  TEXT NOT NULL,
    first_event    INTEGER NOT NULL,
    events         TEXT NOT NULL,
    PRIMARY KEY (prediction_id, first_event)
) STRICT, WITHOUT ROWID;

CREATE TABLE file (
    id             TEXT PRIMARY KEY,
    -- Not a reference: the files of an input are stored before their prediction is.
    prediction_id  TEXT NOT NULL,
    name           TEXT NOT NULL,
    size           INTEGER NOT NULL,
    created_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX file_of_prediction ON file (prediction_id);

CREATE TABLE idempotency (
    account         TEXT NOT NULL,
    key             TEXT NOT NULL,
    request_sha256  BLOB NOT NULL CHECK (length(request_sha256) = 32),
    prediction_id   TEXT NOT NULL,
    expires_at      INTEGER NOT NULL,
    PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_expiring ON idempotency (expires_at);

-- Only predictions that owe a message, or that still run and have sent one.
CREATE TABLE lane (
    prediction_id          TEXT PRIMARY KEY,
    account                TEXT NOT NULL,
    url                    TEXT NOT NULL,
    origin                 TEXT NOT NULL,
    due_at                 INTEGER,
    owner                  TEXT,
    lease_no               INTEGER NOT NULL,
    -- The intermediate message that is being sent.
    in_flight_seq          INTEGER,
    want_start             INTEGER NOT NULL CHECK (want_start IN (0, 1)),
    want_progress          INTEGER NOT NULL,
    -- The revision of the latest progress that was wanted: a body that shows an older one does not satisfy it.
    progress_revision      INTEGER NOT NULL,
    final_seq              INTEGER,
    final_attempts         INTEGER NOT NULL,
    final_tries            INTEGER NOT NULL,
    final_first_attempt_at INTEGER,
    final_due_at           INTEGER,
    final_manual           INTEGER NOT NULL CHECK (final_manual IN (0, 1)),
    next_seq               INTEGER NOT NULL,
    last_progress_at       INTEGER,
    superseded             INTEGER NOT NULL,
    open                   INTEGER NOT NULL CHECK (open IN (0, 1)),
    CHECK ((final_seq IS NULL) = (final_due_at IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX lane_due ON lane (origin, due_at) WHERE owner IS NULL AND due_at IS NOT NULL;
CREATE INDEX lane_owned ON lane (owner) WHERE owner IS NOT NULL;

CREATE TABLE delivery (
    prediction_id    TEXT NOT NULL,
    seq              INTEGER NOT NULL,
    account          TEXT NOT NULL,
    event            TEXT NOT NULL CHECK (event IN ('start', 'output', 'logs', 'completed')),
    url              TEXT NOT NULL,
    origin           TEXT NOT NULL,
    state            TEXT NOT NULL
                     CHECK (state IN ('pending', 'sending', 'delivered', 'failed', 'exhausted', 'interrupted')),
    body             BLOB,
    body_sha256      BLOB NOT NULL CHECK (length(body_sha256) = 32),
    size             INTEGER NOT NULL,
    superseded       INTEGER NOT NULL,
    attempts         INTEGER NOT NULL,
    next_attempt_at  INTEGER,
    -- The lane's lease_no when it was last sent, so that a lane that is made anew for it goes on from there.
    lease_no         INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    PRIMARY KEY (prediction_id, seq)
) STRICT;

CREATE INDEX delivery_exhausted ON delivery (prediction_id, seq) WHERE state = 'exhausted';

CREATE TABLE attempt (
    prediction_id  TEXT NOT NULL,
    seq            INTEGER NOT NULL,
    number         INTEGER NOT NULL,
    started_at     INTEGER NOT NULL,
    duration_us    INTEGER NOT NULL,
    status         INTEGER,
    class          TEXT NOT NULL,
    detail         TEXT NOT NULL,
    manual         INTEGER NOT NULL CHECK (manual IN (0, 1)),
    PRIMARY KEY (prediction_id, seq, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE model (
    name         TEXT PRIMARY KEY,
    description  TEXT,
    created_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE version (
    id              TEXT NOT NULL PRIMARY KEY,
    model           TEXT NOT NULL REFERENCES model (name),
    -- Grows with every registration: the highest of a model is its latest.
    rank            INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    cog_version     TEXT NOT NULL,
    openapi_schema  TEXT NOT NULL
) STRICT;

CREATE INDEX version_of_model ON version (model, rank);

-- Predictions ever created, by model: added to once for each batch of creates, not once for each create.
CREATE TABLE model_run (
    model  TEXT PRIMARY KEY,
    runs   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
    id          TEXT PRIMARY KEY,
    created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE token (
    sha256      BLOB PRIMARY KEY CHECK (length(sha256) = 32),
    account     TEXT NOT NULL REFERENCES account (id),
    label       TEXT NOT NULL,
    prefix      TEXT NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX token_of_account ON token (account, created_at);

CREATE TABLE secret (
    id          INTEGER PRIMARY KEY,
    account     TEXT NOT NULL REFERENCES account (id),
    key         TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('active', 'retired')),
    created_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX secret_of_account ON secret (account);

CREATE TABLE server_key (
    name  TEXT PRIMARY KEY,
    key   BLOB NOT NULL CHECK (length(key) = 32)
) STRICT, WITHOUT ROWID;
