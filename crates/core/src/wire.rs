//! Replicate's JSON: a prediction as `GET` shows it and as webhooks carry it, and the bodies of errors.
//!
//! Also what callers send: the body of a create, and the headers and cursors that have a grammar of their own.
//!
//! There is one form of a prediction, so that a webhook's body is what the API would answer, unless a rule for its length says
//! otherwise. All of it is canonical (see
//! [`crate::json`]): a receiver that parses and re-serialises it with `JSON.stringify` gets the bytes that were signed.

mod cancel_after;
mod cursor;
mod error;
mod links;
mod log_tail;
mod message;
mod model;
mod prediction;
mod prefer;
pub mod request;
pub mod sse;

pub use cancel_after::{InvalidCancelAfter, parse_cancel_after};
pub use cursor::{InvalidCursor, PageCursor};
pub use error::ErrorBody;
pub use links::Links;
pub use message::{MAX_THIN_BODY, is_thin, message_body};
pub use model::{model_body, version_body};
pub use prediction::{Mask, prediction_body};
pub use prefer::{MAX_WAIT, Wait};
