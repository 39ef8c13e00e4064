//! Messages on a stream: the length as four bytes, the largest first, and then JSON.

use std::io;

use bytes::{Buf, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest message either side sends.
const MAX_FRAME: usize = 8 * 1024 * 1024;

const LENGTH: usize = 4;

/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// Reads messages.
#[derive(Debug)]
pub(super) struct Frames<R> {
    stream: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub(super) fn new(stream: R) -> Self {
        Self { stream, buffer: BytesMut::new() }
    }

    /// The next message; `None` when the stream has ended. Loses nothing when it is dropped.
    ///
    /// # Errors
    /// When the stream breaks, also within a message, and when something else than messages comes.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        loop {
            if let Some(message) = self.waiting()? {
                return Ok(Some(message));
            }
            self.buffer.reserve(CHUNK);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        }
    }

    /// Whether the next message is already here.
    pub(super) fn has_waiting(&self) -> bool {
        self.length().is_some_and(|length| self.buffer.len() >= LENGTH + length)
    }

    fn waiting<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let Some(length) = self.length() else { return Ok(None) };
        if length > MAX_FRAME {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is too long, or none"));
        }
        let Some(text) = self.buffer.get(LENGTH..LENGTH + length) else { return Ok(None) };
        let message = serde_json::from_slice(text)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.buffer.advance(LENGTH + length);
        Ok(Some(message))
    }

    fn length(&self) -> Option<usize> {
        let bytes = self.buffer.first_chunk::<LENGTH>()?;
        usize::try_from(u32::from_be_bytes(*bytes)).ok()
    }
}

/// A message as bytes.
///
/// # Errors
/// When it is too long.
pub(super) fn frame(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; LENGTH];
    serde_json::to_writer(&mut frame, message)?;
    let length = frame.len() - LENGTH;
    if length > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the message is too long"));
    }
    let length = u32::try_from(length).map_err(io::Error::other)?;
    frame[..LENGTH].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[tokio::test]
    async fn messages_are_read_back_whatever_pieces_they_come_in() {
        let messages = [json!({"type": "idle"}), json!("x".repeat(200_000)), json!([])];
        let bytes: Vec<u8> = messages.iter().flat_map(|message| frame(message).expect("short")).collect();
        for size in [1, 3, 4096, bytes.len()] {
            let mut builder = tokio_test_stream(&bytes, size);
            for message in &messages {
                assert_eq!(builder.next::<Value>().await.expect("valid"), Some(message.clone()));
            }
            assert_eq!(builder.next::<Value>().await.expect("valid"), None);
        }
    }

    #[tokio::test]
    async fn rubbish_is_an_error() {
        for bytes in [&b"HTTP/1.1 200 OK"[..], b"\0\0\0\x02{", b"\0\0\0\x02xx", b"\0\0"] {
            let mut frames = Frames::new(bytes);
            assert!(frames.next::<Value>().await.is_err(), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn a_waiting_message_is_seen() {
        let mut bytes = frame(&json!(1)).expect("short");
        bytes.extend(frame(&json!(2)).expect("short"));
        bytes.extend(b"\0\0");
        let mut frames = Frames::new(&bytes[..]);
        assert!(!frames.has_waiting(), "nothing was read yet");
        frames.next::<Value>().await.expect("valid");
        assert!(frames.has_waiting());
        frames.next::<Value>().await.expect("valid");
        assert!(!frames.has_waiting());
    }

    #[test]
    fn too_long_messages_are_refused() {
        assert!(frame(&"x".repeat(MAX_FRAME - 2)).is_ok());
        assert!(frame(&"x".repeat(MAX_FRAME - 1)).is_err());
    }

    fn tokio_test_stream(bytes: &[u8], size: usize) -> Frames<impl AsyncRead + Unpin + use<>> {
        let chunks: Vec<io::Result<Vec<u8>>> = bytes.chunks(size).map(|chunk| Ok(chunk.to_vec())).collect();
        let chunks = futures_util::stream::iter(chunks.into_iter().map(|chunk| chunk.map(io::Cursor::new)));
        Frames::new(tokio_util::io::StreamReader::new(chunks))
    }
}
