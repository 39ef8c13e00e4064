//! Replicate's JSON: a prediction as `GET` shows it and as webhooks carry it, and the bodies of errors.
//!
//! There is one form of a prediction, so that a webhook's body is what the API would answer. All of it is canonical (see
//! [`crate::json`]): a receiver that parses and re-serialises it with `JSON.stringify` gets the bytes that were signed.

mod error;
mod links;
mod prediction;

pub use error::ErrorBody;
pub use links::Links;
pub use prediction::{Mask, message_body, prediction_body};
