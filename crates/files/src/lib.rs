//! Files: what predictions take and make, kept in a folder or in a bucket of an S3-compatible server, behind links that
//! expire.
//!
//! The only crate that knows object storage. It promises that a file which [`Files::put`] has returned is there after a
//! crash, that nobody ever reads half a file, that no file is in memory as a whole, and that a name a stranger chose
//! never leads out of its id's folder. It must not know what a prediction is, which files should expire, or HTTP beyond
//! the text of a URL, a `Range` header and an `ETag`. It reads no environment: [`Storage::parse`] is given the variables.
//!
//! ```text
//! {root}/{file id}/out-0.png          plain names as they are
//! {root}/{file id}/={sha-256}         other names under their hash
//! {root}/parts/{sha-256}               a package or weights of a model
//! {root}/{file id}/out-0.png#1        on disk, an upload under way, or cut off by a crash; never listed, goes with its id
//! ```
//!
//! `{root}` is the folder, or `{bucket}/{prefix}`: [`copy`] changes nothing but that.
//!
//! **Durable** means, on disk: written beside its place, synced, renamed, and the folders synced up to the root. Outside
//! Unix a folder cannot be synced; there a power failure may take the newest names. In a bucket it means that the server
//! has answered, and what that is worth is its own promise.
//!
//! **Whole** means, in a bucket: one request, or an upload in parts that is nothing until it is completed. An upload that
//! fails is aborted. One that a crash cut off is no object, is never listed, and takes space until a lifecycle rule of the
//! bucket removes it.
//!
//! **Patience**: work is tried again for about a minute, so that a short trouble is not noticed. [`Files::probe`], for the
//! start, and [`Files::ready`], for a readiness check, give up within seconds. What goes wrong with a bucket is an
//! [`Unusable`]: one sentence that names the setting and says what to do.
//!
//! **After a crash**: callers record a file before they give its bytes, so [`Files::delete`] of what is recorded and belongs
//! to nobody frees its space, also that of half a file on disk. Parts are not recorded: one that was stored for a version
//! that was never registered stays, until the same content is registered and removed again.

pub mod data_url;

mod content;
mod copy;
mod download;
mod error;
mod files;
mod folder;
mod link;
mod location;
mod name;
mod opened;
mod part;
mod pieces;
mod probe;
mod range;
mod receive;
mod reference;
mod signed;
mod storage;
mod unusable;
mod upload;

pub use content::Content;
pub use copy::{CopyProgress, copy, copy_present};
pub use download::{Download, Pieces};
pub use error::{Cause, Error};
pub use files::Files;
pub use link::LinkError;
pub use range::{RangeRequest, parse_range};
pub use receive::ReceiveError;
pub use reference::{Reference, is_loopback};
pub use storage::{Bucket, InvalidStorage, Storage};
pub use unusable::Unusable;
pub use upload::StoredFile;
