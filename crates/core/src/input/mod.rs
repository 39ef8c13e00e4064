//! Inputs: what a version's schema asks for, and what is wrong with what a caller sent.

mod invalid;

pub use invalid::{InvalidField, InvalidInput};
