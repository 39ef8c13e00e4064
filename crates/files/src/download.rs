//! A stored file on its way out.

use std::io::SeekFrom;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use cogwire_core::id::FileId;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::{GetOptions, GetResult, GetResultPayload, ObjectMeta, ObjectStore};
use tokio::io::AsyncSeekExt;

use crate::error::{Cause, Error};
use crate::name;
use crate::opened::Opened;
use crate::pieces::read_pieces;
use crate::unusable::Step;

/// The bytes of a stored file, in order, in pieces.
pub type Pieces = BoxStream<'static, Result<Bytes, Error>>;

/// A stored file that was found, and whose bytes have not been asked for yet.
#[derive(Debug)]
pub struct Download {
    opened: Arc<Opened>,
    meta: ObjectMeta,
    id: FileId,
    name: String,
}

impl Download {
    pub(crate) fn new(opened: Arc<Opened>, meta: ObjectMeta, id: FileId, name: String) -> Self {
        Self { opened, meta, id, name }
    }

    /// All bytes of an object that is no file.
    pub(crate) fn whole(opened: Arc<Opened>, meta: ObjectMeta) -> BoxStream<'static, Result<Bytes, Cause>> {
        let range = 0..meta.size;
        if range.is_empty() {
            return stream::empty().boxed();
        }
        stream::once(async move { fetch(&opened, &meta, range).await }).try_flatten().boxed()
    }

    /// The name of the file, sanitised.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The size of the whole file, in bytes.
    pub fn size(&self) -> u64 {
        self.meta.size
    }

    /// The content type that the name stands for. A stranger chose the name: serve it with `nosniff` and sandboxed.
    pub fn content_type(&self) -> String {
        name::content_type(&self.name)
    }

    /// A value for the `ETag` header, quotes included. It changes when other bytes are stored under the same name.
    pub fn etag(&self) -> String {
        match &self.meta.e_tag {
            Some(tag) => format!("\"{}\"", tag.trim_matches('"')),
            None => format!("W/\"{:x}-{:x}\"", self.meta.last_modified.timestamp_micros(), self.meta.size),
        }
    }

    /// All bytes of the file.
    pub fn stream(self) -> Pieces {
        let size = self.size();
        self.range(0..size)
    }

    /// The bytes in `range`, which [`parse_range`](crate::parse_range) has cut to the size of the file.
    pub fn range(self, range: Range<u64>) -> Pieces {
        if range.is_empty() {
            return stream::empty().boxed();
        }
        let (id, name) = (self.id, self.name.clone());
        stream::once(async move { fetch(&self.opened, &self.meta, range).await })
            .try_flatten()
            .map_err(move |source| Error::read(id, &name, source))
            .boxed()
    }
}

/// The bytes in `range` of the object that `meta` describes. Insists on that object, of which size and etag were told:
/// an answer must not mix two files.
pub(crate) async fn fetch(
    opened: &Arc<Opened>,
    meta: &ObjectMeta,
    range: Range<u64>,
) -> Result<BoxStream<'static, Result<Bytes, Cause>>, Cause> {
    let options = GetOptions::new().with_range(Some(range)).with_if_match(meta.e_tag.clone());
    let asked = opened.store.get_opts(&meta.location, options).await;
    let GetResult { payload, range, .. } = asked.map_err(|error| opened.cause(Step::Read, error))?;
    match payload {
        // The object store would read a file in pieces of 8 KiB, each with a trip to a blocking thread.
        GetResultPayload::File(file, _) => {
            let mut file = tokio::fs::File::from_std(file);
            file.seek(SeekFrom::Start(range.start)).await?;
            Ok(read_pieces(file, range.end - range.start).map_err(Cause::from).boxed())
        }
        GetResultPayload::Stream(stream) => {
            let opened = Arc::clone(opened);
            Ok(stream.map_err(move |error| opened.cause(Step::Read, error)).boxed())
        }
    }
}
