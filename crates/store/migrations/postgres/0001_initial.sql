-- Ids are text, times are microseconds since the Unix epoch, JSON is exact text, enums are text with a CHECK. Every number
-- is a bigint, so that all of them decode alike.
-- Keys compare bytewise, whatever the database's own collation is: pages and cursors are the same on every installation.
-- A text of PostgreSQL cannot hold the character NUL. What models and receivers say can, so it is bytea that holds UTF-8.
-- Hot tables have no foreign keys: each would be a read and a lock for each write.
-- All of it is made in the connection's current schema, so that installations can share a database.
--
-- Tables whose rows change keep room in each page (fillfactor): a new row version that stays in its page and leaves every
-- indexed column alone, those of the conditions of partial indexes included, writes no index. Tables whose rows come and go
-- are vacuumed early and at full speed: dead rows are what every claim would have to step over.

CREATE TABLE node (
    epoch        text COLLATE "C" PRIMARY KEY,
    lease_until  bigint NOT NULL,
    -- What the node does, and the ids of the versions that it can serve; words separated by spaces.
    roles        text NOT NULL,
    versions     text NOT NULL
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 100,
        autovacuum_vacuum_cost_delay = 0);

CREATE TABLE prediction (
    id               text COLLATE "C" PRIMARY KEY,
    account          text COLLATE "C" NOT NULL,
    kind             text NOT NULL CHECK (kind IN ('prediction', 'training')),
    model            text COLLATE "C" NOT NULL,
    version          text COLLATE "C" NOT NULL,
    source           text NOT NULL CHECK (source IN ('api', 'web')),
    status           text NOT NULL
                     CHECK (status IN ('starting', 'processing', 'succeeded', 'failed', 'canceled', 'aborted')),
    created_at       bigint NOT NULL,
    started_at       bigint,
    completed_at     bigint,
    cancel_at        bigint,
    streams          boolean NOT NULL,
    input            text NOT NULL,
    webhook_url      text,
    webhook_origin   text,
    webhook_events   bigint,
    webhook_filter   bigint,
    webhook_payload  text CHECK (webhook_payload IN ('prediction', 'event')),
    -- The result, from the end on. Before the end it is in the chunks.
    revision         bigint NOT NULL DEFAULT 0,
    next_event       bigint NOT NULL DEFAULT 0,
    output           text,
    logs             bytea,
    metrics          text,
    error            bytea,
    -- When the data is due to be removed; NULL before the end, after the removal, and when it is kept for ever.
    expires_at       bigint,
    data_removed     boolean NOT NULL DEFAULT false
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

CREATE INDEX prediction_expiring ON prediction (expires_at, id) WHERE expires_at IS NOT NULL;

-- Exactly the predictions that have not ended: deleting the row is the decision that one ends.
CREATE TABLE live (
    prediction_id  text COLLATE "C" PRIMARY KEY,
    version        text COLLATE "C" NOT NULL,
    queued_at      bigint NOT NULL,
    owner          text COLLATE "C",
    lease_no       bigint NOT NULL,
    run            bigint NOT NULL,
    revision       bigint NOT NULL,
    next_event     bigint NOT NULL,
    deadline       bigint,
    deadline_kind  text CHECK (deadline_kind IN ('cancel_after', 'queue', 'setup', 'run')),
    CHECK ((deadline IS NULL) = (deadline_kind IS NULL))
) WITH (fillfactor = 60, vacuum_truncate = false,
        autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0,
        autovacuum_analyze_scale_factor = 0.05, autovacuum_analyze_threshold = 1000);

CREATE INDEX live_waiting ON live (version, queued_at, prediction_id) WHERE owner IS NULL;
CREATE INDEX live_owned ON live (owner, prediction_id) WHERE owner IS NOT NULL;
CREATE INDEX live_deadline ON live (deadline, prediction_id) WHERE deadline IS NOT NULL;

CREATE TABLE chunk (
    prediction_id  text COLLATE "C" NOT NULL,
    first_event    bigint NOT NULL,
    events         text NOT NULL,
    PRIMARY KEY (prediction_id, first_event)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE TABLE file (
    id             text COLLATE "C" PRIMARY KEY,
    -- Not a reference: the files of an input are stored before their prediction is.
    prediction_id  text COLLATE "C" NOT NULL,
    name           text NOT NULL,
    size           bigint NOT NULL,
    created_at     bigint NOT NULL
);

CREATE INDEX file_of_prediction ON file (prediction_id);

CREATE TABLE idempotency (
    account         text COLLATE "C" NOT NULL,
    key             text COLLATE "C" NOT NULL,
    request_sha256  bytea NOT NULL CHECK (octet_length(request_sha256) = 32),
    prediction_id   text COLLATE "C" NOT NULL,
    expires_at      bigint NOT NULL,
    PRIMARY KEY (account, key)
) WITH (autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX idempotency_expiring ON idempotency (expires_at);

-- Only predictions that owe a message, or that still run and have sent one.
CREATE TABLE lane (
    prediction_id          text COLLATE "C" PRIMARY KEY,
    account                text COLLATE "C" NOT NULL,
    url                    text NOT NULL,
    origin                 text COLLATE "C" NOT NULL,
    due_at                 bigint,
    owner                  text COLLATE "C",
    lease_no               bigint NOT NULL,
    -- The intermediate message that is being sent.
    in_flight_seq          bigint,
    want_start             boolean NOT NULL,
    want_progress          bigint NOT NULL,
    -- The revision of the latest progress that was wanted: a body that shows an older one does not satisfy it.
    progress_revision      bigint NOT NULL,
    final_seq              bigint,
    final_attempts         bigint NOT NULL,
    final_tries            bigint NOT NULL,
    final_first_attempt_at bigint,
    final_due_at           bigint,
    final_manual           boolean NOT NULL,
    next_seq               bigint NOT NULL,
    last_progress_at       bigint,
    superseded             bigint NOT NULL,
    open                   boolean NOT NULL,
    CHECK ((final_seq IS NULL) = (final_due_at IS NULL))
) WITH (fillfactor = 60, vacuum_truncate = false,
        autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0,
        autovacuum_analyze_scale_factor = 0.05, autovacuum_analyze_threshold = 1000);

CREATE INDEX lane_due ON lane (origin, due_at, prediction_id) WHERE owner IS NULL AND due_at IS NOT NULL;
CREATE INDEX lane_owned ON lane (owner, prediction_id) WHERE owner IS NOT NULL;

CREATE TABLE delivery (
    prediction_id    text COLLATE "C" NOT NULL,
    seq              bigint NOT NULL,
    account          text COLLATE "C" NOT NULL,
    event            text NOT NULL CHECK (event IN ('start', 'output', 'logs', 'completed')),
    url              text NOT NULL,
    origin           text COLLATE "C" NOT NULL,
    state            text NOT NULL
                     CHECK (state IN ('pending', 'sending', 'delivered', 'failed', 'exhausted', 'interrupted')),
    body             bytea,
    body_sha256      bytea NOT NULL CHECK (octet_length(body_sha256) = 32),
    size             bigint NOT NULL,
    superseded       bigint NOT NULL,
    attempts         bigint NOT NULL,
    next_attempt_at  bigint,
    -- The lane's lease_no when it was last sent, so that a lane that is made anew for it goes on from there.
    lease_no         bigint NOT NULL,
    created_at       bigint NOT NULL,
    PRIMARY KEY (prediction_id, seq)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

CREATE INDEX delivery_exhausted ON delivery (prediction_id, seq) WHERE state = 'exhausted';

CREATE TABLE attempt (
    prediction_id  text COLLATE "C" NOT NULL,
    seq            bigint NOT NULL,
    number         bigint NOT NULL,
    started_at     bigint NOT NULL,
    duration_us    bigint NOT NULL,
    status         bigint,
    class          text NOT NULL,
    detail         bytea NOT NULL,
    manual         boolean NOT NULL,
    PRIMARY KEY (prediction_id, seq, number)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE TABLE model (
    name         text COLLATE "C" PRIMARY KEY,
    description  text,
    created_at   bigint NOT NULL
);

CREATE TABLE version (
    id              text COLLATE "C" PRIMARY KEY,
    model           text COLLATE "C" NOT NULL REFERENCES model (name),
    -- Grows with every registration: the highest of a model is its latest.
    rank            bigint NOT NULL,
    created_at      bigint NOT NULL,
    cog_version     text NOT NULL,
    openapi_schema  text NOT NULL
);

CREATE INDEX version_of_model ON version (model, rank);

-- Predictions ever created, by model: added to once for each batch of creates, not once for each create.
CREATE TABLE model_run (
    model  text COLLATE "C" PRIMARY KEY,
    runs   bigint NOT NULL
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 200,
        autovacuum_vacuum_cost_delay = 0);

CREATE TABLE account (
    id          text COLLATE "C" PRIMARY KEY,
    created_at  bigint NOT NULL
);

CREATE TABLE token (
    sha256      bytea PRIMARY KEY CHECK (octet_length(sha256) = 32),
    account     text COLLATE "C" NOT NULL REFERENCES account (id),
    label       text NOT NULL,
    prefix      text NOT NULL,
    created_at  bigint NOT NULL
);

CREATE INDEX token_of_account ON token (account, created_at, sha256);

CREATE TABLE secret (
    id          bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    account     text COLLATE "C" NOT NULL REFERENCES account (id),
    key         text NOT NULL,
    state       text NOT NULL CHECK (state IN ('active', 'retired')),
    created_at  bigint NOT NULL
);

CREATE INDEX secret_of_account ON secret (account);

CREATE TABLE server_key (
    name  text COLLATE "C" PRIMARY KEY,
    key   bytea NOT NULL CHECK (octet_length(key) = 32)
);
