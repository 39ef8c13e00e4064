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
use crate::opened::Opened;
use crate::unusable::Step;
use crate::{location, name};

/// What is written at once, in bytes. S3 takes no parts under 5 MiB and 10 000 of them at most, which bounds a file there
/// to 78 GiB.
const PART_BYTES: usize = 8 * 1024 * 1024;

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
    opened: &Opened,
    id: FileId,
    name: String,
    content: Content,
) -> Result<StoredFile, Error> {
    let path = content.path().to_owned();
    match write(opened.store.as_ref(), &location::file(id, &name), content).await {
        Ok((size, sha256)) => {
            Ok(StoredFile { id, content_type: name::content_type(&name), name, size, sha256 })
        }
        Err(Failure::Content(source)) => Err(Error::Content { id, path, source }),
        Err(Failure::Storage(source)) => Err(Error::write(id, &name, opened.cause(Step::Write, source))),
    }
}

/// Which side of a copy failed.
#[derive(Debug)]
pub(crate) enum Failure<C> {
    /// What was to be stored cannot be read.
    Content(C),
    Storage(object_store::Error),
}

pub(crate) type Pieces<'a, C> = BoxStream<'a, Result<Bytes, Failure<C>>>;

/// Stores what is said to be at this place; its size and digest.
pub(crate) async fn write(
    store: &dyn ObjectStore,
    location: &Path,
    content: Content,
) -> Result<(u64, String), Failure<io::Error>> {
    let pieces = content.into_pieces().await.map_err(Failure::Content)?.map_err(Failure::Content);
    write_counted(store, location, pieces.boxed()).await
}

/// The same for whatever gives the bytes.
pub(crate) async fn write_counted<C: Send>(
    store: &dyn ObjectStore,
    location: &Path,
    pieces: Pieces<'_, C>,
) -> Result<(u64, String), Failure<C>> {
    let (mut size, mut hash) = (0, Sha256::new());
    let counted = pieces.inspect_ok(|piece| {
        size += piece.len() as u64;
        hash.update(piece);
    });
    write_pieces(store, location, counted.boxed()).await?;
    Ok((size, location::hex(&hash.finalize())))
}

/// Writes an object that appears as a whole or not at all. Most fit into one part and are written by one request.
pub(crate) async fn write_pieces<C: Send>(
    store: &dyn ObjectStore,
    location: &Path,
    pieces: Pieces<'_, C>,
) -> Result<(), Failure<C>> {
    let mut parts = Parts { pieces, rest: Bytes::new() };
    let first = parts.next().await?;
    if first.content_length() < PART_BYTES {
        store.put(location, first).await.map_err(Failure::Storage)?;
        return Ok(());
    }
    let mut upload = store.put_multipart(location).await.map_err(Failure::Storage)?;
    let written = write_parts(upload.as_mut(), first, parts).await;
    if written.is_err() {
        // What went wrong first is what matters. What stays when this fails too is never listed or read: on disk it goes
        // when the id is deleted, in a bucket by its lifecycle rule.
        upload.abort().await.ok();
    }
    written
}

async fn write_parts<C: Send>(
    upload: &mut dyn MultipartUpload,
    first: PutPayload,
    others: Parts<'_, C>,
) -> Result<(), Failure<C>> {
    let others = stream::try_unfold(others, |mut parts| async move {
        let part = parts.next().await?;
        Ok((part.content_length() > 0).then_some((part, parts)))
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

/// Pieces, put together to parts.
struct Parts<'a, C> {
    pieces: Pieces<'a, C>,
    /// What the last part had no room for.
    rest: Bytes,
}

impl<C> Parts<'_, C> {
    /// All parts have the same size, on which some servers insist; only the last one is shorter, and what follows it is
    /// empty.
    async fn next(&mut self) -> Result<PutPayload, Failure<C>> {
        let mut part = PutPayloadMut::new();
        while part.content_length() < PART_BYTES {
            if self.rest.is_empty() {
                match self.pieces.try_next().await? {
                    Some(piece) => self.rest = piece,
                    None => break,
                }
            }
            let room = PART_BYTES - part.content_length();
            part.push(self.rest.split_to(room.min(self.rest.len())));
        }
        Ok(part.freeze())
    }
}
