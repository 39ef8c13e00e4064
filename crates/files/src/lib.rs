//! Files: what predictions take and make, kept on disk, behind links that expire.
//!
//! The only crate that knows object storage. It promises that a file which [`Files::put`] has returned is there after a
//! crash, that nobody ever reads half a file, that no file is in memory as a whole, and that a name a stranger chose
//! never leads out of its id's folder. It must not know what a prediction is, which files should expire, or HTTP beyond
//! the text of a URL, a `Range` header and an `ETag`.
//!
//! ```text
//! {root}/{file id}/out-0.png          plain names as they are
//! {root}/{file id}/={sha-256}         other names under their hash
//! {root}/{file id}/out-0.png#1        an upload under way, or cut off by a crash; never listed, goes with its id
//! ```
//!
//! **Durable** means, on disk: written beside its place, synced, renamed, and the folders synced up to the root. Outside
//! Unix a folder cannot be synced; there a power failure may take the newest names.
//!
//! An upload that crashed before its event was committed leaves a file that no row names. It is harmless and stays.

pub mod data_url;

mod content;
mod download;
mod error;
mod files;
mod folder;
mod link;
mod location;
mod name;
mod pieces;
mod range;
mod upload;

pub use content::Content;
pub use download::{Download, Pieces};
pub use error::{Cause, Error};
pub use files::Files;
pub use link::LinkError;
pub use range::{RangeRequest, parse_range};
pub use upload::StoredFile;
