//! What is moved: every table and column but those of nodes and of the schema itself. Tests compare it with the schemas.

use super::row::Value;

/// A table.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// How many of its columns are its key; these come first.
    pub key_columns: usize,
    /// Its columns.
    pub columns: &'static [Column],
}

/// A column.
#[derive(Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may hold nothing.
    pub optional: bool,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text without the character NUL.
    Text,
    /// Text with any character.
    RawText,
    /// A whole number.
    Integer,
    /// Yes or no.
    Boolean,
    /// Bytes.
    Bytes,
}

impl Table {
    /// The columns of the key.
    pub fn key(&self) -> &'static [Column] {
        &self.columns[..self.key_columns]
    }

    /// The position of the table of this name in [`TABLES`].
    pub fn position(name: &str) -> Option<usize> {
        TABLES.iter().position(|table| table.name == name)
    }
}

impl Column {
    const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// Whether the column can hold this.
    pub fn fits(&self, value: &Value) -> bool {
        match value {
            Value::Null => self.optional,
            Value::Text(_) => matches!(self.kind, Kind::Text | Kind::RawText),
            Value::Integer(_) => self.kind == Kind::Integer,
            Value::Boolean(_) => self.kind == Kind::Boolean,
            Value::Bytes(_) => self.kind == Kind::Bytes,
        }
    }
}

const fn text(name: &'static str) -> Column {
    Column { name, kind: Kind::Text, optional: false }
}

const fn raw_text(name: &'static str) -> Column {
    Column { name, kind: Kind::RawText, optional: false }
}

const fn integer(name: &'static str) -> Column {
    Column { name, kind: Kind::Integer, optional: false }
}

const fn boolean(name: &'static str) -> Column {
    Column { name, kind: Kind::Boolean, optional: false }
}

const fn bytes(name: &'static str) -> Column {
    Column { name, kind: Kind::Bytes, optional: false }
}

/// All tables, in the order in which they are moved: what others refer to comes first.
pub static TABLES: [Table; 18] = [
    Table { name: "account", key_columns: 1, columns: &[text("id"), integer("created_at")] },
    Table {
        name: "token",
        key_columns: 1,
        columns: &[bytes("sha256"), text("account"), text("label"), text("prefix"), integer("created_at")],
    },
    Table {
        name: "secret",
        key_columns: 1,
        columns: &[
            integer("id"),
            text("account"),
            text("key"),
            text("state"),
            integer("created_at"),
            text("kind"),
            integer("signs_until").optional(),
        ],
    },
    Table { name: "server_key", key_columns: 1, columns: &[text("name"), bytes("key")] },
    Table {
        name: "model",
        key_columns: 1,
        columns: &[text("name"), text("description").optional(), integer("created_at")],
    },
    Table {
        name: "version",
        key_columns: 1,
        columns: &[
            text("id"),
            text("model"),
            integer("rank"),
            integer("created_at"),
            text("cog_version"),
            text("openapi_schema"),
            text("recipe").optional(),
        ],
    },
    Table { name: "model_run", key_columns: 1, columns: &[text("model"), integer("runs")] },
    Table {
        name: "prediction",
        key_columns: 1,
        columns: &[
            text("id"),
            text("account"),
            text("kind"),
            text("model"),
            text("version"),
            text("source"),
            text("status"),
            integer("created_at"),
            integer("started_at").optional(),
            integer("completed_at").optional(),
            integer("cancel_at").optional(),
            boolean("streams"),
            text("input"),
            text("webhook_url").optional(),
            text("webhook_origin").optional(),
            integer("webhook_events").optional(),
            integer("webhook_filter").optional(),
            text("webhook_payload").optional(),
            integer("revision"),
            integer("next_event"),
            text("output").optional(),
            raw_text("logs").optional(),
            text("metrics").optional(),
            raw_text("error").optional(),
            integer("expires_at").optional(),
            boolean("data_removed"),
            text("destination").optional(),
            text("webhook_options").optional(),
            text("trace").optional(),
        ],
    },
    Table {
        name: "chunk",
        key_columns: 2,
        columns: &[text("prediction_id"), integer("first_event"), text("events")],
    },
    Table {
        name: "file",
        key_columns: 1,
        columns: &[text("id"), text("prediction_id"), text("name"), integer("size"), integer("created_at")],
    },
    Table {
        name: "upload",
        key_columns: 1,
        columns: &[
            text("id"),
            text("account"),
            text("name"),
            text("content_type"),
            integer("size"),
            text("sha256"),
            text("metadata"),
            integer("created_at"),
            integer("expires_at").optional(),
        ],
    },
    Table { name: "upload_use", key_columns: 2, columns: &[text("upload"), text("prediction_id")] },
    Table {
        name: "idempotency",
        key_columns: 2,
        columns: &[
            text("account"),
            text("key"),
            bytes("request_sha256"),
            text("prediction_id"),
            integer("expires_at"),
        ],
    },
    Table {
        name: "live",
        key_columns: 1,
        columns: &[
            text("prediction_id"),
            text("version"),
            integer("queued_at"),
            text("owner").optional(),
            integer("lease_no"),
            integer("run"),
            integer("revision"),
            integer("next_event"),
            integer("deadline").optional(),
            text("deadline_kind").optional(),
        ],
    },
    Table {
        name: "lane",
        key_columns: 1,
        columns: &[
            text("prediction_id"),
            text("account"),
            text("url"),
            text("origin"),
            integer("due_at").optional(),
            text("owner").optional(),
            integer("lease_no"),
            integer("in_flight_seq").optional(),
            boolean("want_start"),
            integer("want_progress"),
            integer("progress_revision"),
            integer("final_seq").optional(),
            integer("final_attempts"),
            integer("final_tries"),
            integer("final_first_attempt_at").optional(),
            integer("final_due_at").optional(),
            boolean("final_manual"),
            integer("next_seq"),
            integer("last_progress_at").optional(),
            integer("superseded"),
            boolean("open"),
            text("options").optional(),
        ],
    },
    Table {
        name: "delivery",
        key_columns: 2,
        columns: &[
            text("prediction_id"),
            integer("seq"),
            text("account"),
            text("event"),
            text("url"),
            text("origin"),
            text("state"),
            bytes("body").optional(),
            bytes("body_sha256"),
            integer("size"),
            integer("superseded"),
            integer("attempts"),
            integer("next_attempt_at").optional(),
            integer("lease_no"),
            integer("created_at"),
        ],
    },
    Table {
        name: "event",
        key_columns: 2,
        columns: &[text("prediction_id"), integer("seq"), text("account"), integer("position")],
    },
    Table {
        name: "attempt",
        key_columns: 3,
        columns: &[
            text("prediction_id"),
            integer("seq"),
            integer("number"),
            integer("started_at"),
            integer("duration_us"),
            integer("status").optional(),
            text("class"),
            raw_text("detail"),
            boolean("manual"),
            text("report").optional(),
        ],
    },
];

/// The catalogue as a schema describes it: table, column, type, whether it is optional, and its place in the key.
#[cfg(all(test, feature = "contract"))]
pub(crate) fn described(type_of: fn(Kind) -> &'static str) -> Vec<(String, String, String, bool, i64)> {
    let describe = |table: &'static Table| {
        table.columns.iter().enumerate().map(move |(index, column)| {
            let place = if index < table.key_columns { index as i64 + 1 } else { 0 };
            let (name, kind) = (column.name.to_owned(), type_of(column.kind).to_owned());
            (table.name.to_owned(), name, kind, column.optional, place)
        })
    };
    let mut described: Vec<_> = TABLES.iter().flat_map(describe).collect();
    described.sort();
    described
}
