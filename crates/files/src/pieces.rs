//! Reads files piece by piece, so that no file is ever in memory as a whole.

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use futures_util::stream;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The largest piece, in bytes. Each piece costs a trip to a blocking thread, so it is not small.
pub(crate) const PIECE_BYTES: usize = 256 * 1024;

/// The bytes of `file` from where it stands, at most `limit` of them.
pub(crate) fn read_pieces(file: File, limit: u64) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::try_unfold(file.take(limit), |mut file| async move {
        let piece = read_piece(&mut file).await?;
        Ok((!piece.is_empty()).then_some((piece, file)))
    })
}

/// The bytes of `content`, in pieces of the same size.
pub(crate) fn split_pieces(content: Bytes) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::iter((0..content.len()).step_by(PIECE_BYTES).map(move |start| {
        let end = content.len().min(start + PIECE_BYTES);
        Ok(content.slice(start..end))
    }))
}

async fn read_piece(source: &mut (impl AsyncRead + Unpin)) -> io::Result<Bytes> {
    let mut piece = BytesMut::with_capacity(PIECE_BYTES);
    source.read_buf(&mut piece).await?;
    Ok(piece.freeze())
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;

    use super::*;

    #[tokio::test]
    async fn no_piece_is_empty_or_larger_than_promised() {
        for size in [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES] {
            let content: Bytes = (0..size).map(|i| (i % 251) as u8).collect();
            let path = tempfile::NamedTempFile::new().expect("a temporary file");
            std::fs::write(&path, &content).expect("written");
            let file = File::open(path.path()).await.expect("opened");

            let read: Vec<Bytes> = read_pieces(file, u64::MAX).try_collect().await.expect("read");
            let split: Vec<Bytes> = split_pieces(content.clone()).try_collect().await.expect("split");
            for pieces in [read, split] {
                assert!(pieces.iter().all(|piece| (1..=PIECE_BYTES).contains(&piece.len())));
                assert_eq!(pieces.concat(), content);
            }
        }
    }

    #[tokio::test]
    async fn reading_stops_at_the_limit() {
        let path = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(&path, b"0123456789").expect("written");
        let file = File::open(path.path()).await.expect("opened");
        let pieces: Vec<Bytes> = read_pieces(file, 4).try_collect().await.expect("read");
        assert_eq!(pieces.concat(), b"0123");
    }
}
