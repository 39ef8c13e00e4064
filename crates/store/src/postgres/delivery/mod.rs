//! Webhooks in PostgreSQL.

mod lane;
mod message;
