//! Stores one file: reads it in pieces, hashes them, and writes them so that the file appears as a whole or not at all.

use std::future::ready;
use std::io;

use bytes::Bytes;
use cogwire_core::id::FileId;
use futures_util::TryFutureExt;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload, PutPayloadMut};
use sha2::{Digest, Sha256};

use crate::content::Content;
use crate::error::Error;
use crate::{location, name};

/// What is written at once, in bytes: the smallest part that S3 accepts. With its 10 000 parts it bounds a file there
/// to 48 GiB.
const PART_BYTES: usize = 5 * 1024 * 1024;

/// Parts being written while the next one is read; together they bound the memory that an upload takes.
const PARTS_IN_FLIGHT: usize = 2;

/// A file that is stored, and will be there after a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// The id that it was stored under.
    pub id: FileId,
    /// The name that it got: one path part without control characters and leading dots, 1 to 255 bytes.
    pub name: String,
    /// The content type that the name stands for.
    pub content_type: String,
    /// The number of its bytes.
    pub size: u64,
    /// The SHA-256 of its bytes, as 64 lower-case hexadecimal digits.
    pub sha256: String,
}

pub(crate) async fn put(
    store: &dyn ObjectStore,
    id: FileId,
    name: String,
    content: Content,
) -> Result<StoredFile, Error> {
    let path = content.path().to_owned();
    match write(store, &location::file(id, &name), content).await {
        Ok((size, sha256)) => {
            Ok(StoredFile { id, content_type: name::content_type(&name), name, size, sha256 })
        }
        Err(Failure::Content(source)) => Err(Error::Content { id, path, source }),
        Err(Failure::Storage(source)) => Err(Error::write(id, &name, source)),
    }
}

/// Which side of the copy failed.
enum Failure {
    Content(io::Error),
    Storage(object_store::Error),
}

type Pieces<'a> = BoxStream<'a, Result<Bytes, Failure>>;

async fn write(store: &dyn ObjectStore, location: &Path, content: Content) -> Result<(u64, String), Failure> {
    let (mut size, mut hash) = (0, Sha256::new());
    let pieces = content.into_pieces().await.map_err(Failure::Content)?.map_err(Failure::Content);
    let counted = pieces.inspect_ok(|piece| {
        size += piece.len() as u64;
        hash.update(piece);
    });
    write_pieces(store, location, counted.boxed()).await?;
    Ok((size, location::hex(&hash.finalize())))
}

/// Most files fit into one part and are written by one request.
async fn write_pieces(
    store: &dyn ObjectStore,
    location: &Path,
    mut pieces: Pieces<'_>,
) -> Result<(), Failure> {
    let first = next_part(&mut pieces).await?;
    if first.content_length() < PART_BYTES {
        store.put(location, first).await.map_err(Failure::Storage)?;
        return Ok(());
    }
    let mut upload = store.put_multipart(location).await.map_err(Failure::Storage)?;
    let written = write_parts(upload.as_mut(), first, pieces).await;
    if written.is_err() {
        // What went wrong first is what matters. A local upload whose last step failed refuses this; what it leaves
        // is never listed or read, and goes when the id is deleted.
        upload.abort().await.ok();
    }
    written
}

async fn write_parts(
    upload: &mut dyn MultipartUpload,
    first: PutPayload,
    pieces: Pieces<'_>,
) -> Result<(), Failure> {
    let others = stream::try_unfold(pieces, |mut pieces| async move {
        let part = next_part(&mut pieces).await?;
        Ok((part.content_length() > 0).then_some((part, pieces)))
    })
    // Boxed, so that callers on other threads need not prove anything about the lifetimes inside.
    .boxed();
    stream::once(ready(Ok(first)))
        .chain(others)
        .map_ok(|part| upload.put_part(part).map_err(Failure::Storage))
        .try_buffer_unordered(PARTS_IN_FLIGHT)
        .try_for_each(|()| ready(Ok(())))
        .await?;
    upload.complete().await.map_err(Failure::Storage)?;
    Ok(())
}

/// Collects pieces up to the size of a part; only the last part is shorter, and what follows it is empty.
async fn next_part(pieces: &mut Pieces<'_>) -> Result<PutPayload, Failure> {
    let mut part = PutPayloadMut::new();
    while part.content_length() < PART_BYTES {
        match pieces.try_next().await? {
            Some(piece) => part.push(piece),
            None => break,
        }
    }
    Ok(part.freeze())
}
