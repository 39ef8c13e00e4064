//! Stores bytes as they come from somebody else, who may stop in the middle.

use bytes::Bytes;
use cogwire_core::id::FileId;
use futures_util::stream::{Stream, StreamExt, TryStreamExt};

use crate::error::Error;
use crate::files::Files;
use crate::unusable::Step;
use crate::upload::{Failure, StoredFile, write_counted};
use crate::{location, name};

/// Why what came was not stored. Nobody can read half of it.
#[derive(Debug)]
pub enum ReceiveError<E> {
    /// The bytes ended with this.
    Source(E),
    /// The storage is full or refuses.
    Storage(Error),
}

impl Files {
    /// Stores what `pieces` give, as [`Files::put`] does, with a few pieces in memory at once. A stream that ends with an
    /// error leaves nothing.
    ///
    /// # Errors
    /// When `pieces` end with an error, and when the storage is full or refuses.
    pub async fn receive<E: Send>(
        &self,
        id: FileId,
        name: &str,
        pieces: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<StoredFile, ReceiveError<E>> {
        let name = name::sanitise(name);
        let (store, place) = (self.opened().store.as_ref(), location::file(id, &name));
        match write_counted(store, &place, pieces.map_err(Failure::Content).boxed()).await {
            Ok((size, sha256)) => {
                Ok(StoredFile { id, content_type: name::content_type(&name), name, size, sha256 })
            }
            Err(Failure::Content(source)) => Err(ReceiveError::Source(source)),
            Err(Failure::Storage(source)) => {
                let cause = self.opened().cause(Step::Write, source);
                Err(ReceiveError::Storage(Error::write(id, &name, cause)))
            }
        }
    }
}
