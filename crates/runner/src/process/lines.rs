//! Reading what a process says, whatever it says.

use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest line that is passed on whole; what is longer comes in pieces.
const MAX_LINE: usize = 16 * 1024;

/// Reads until the stream ends, and passes on the text line by line, line ends included. Bytes that are no UTF-8
/// become U+FFFD.
pub(crate) async fn lines(mut stream: impl AsyncRead + Unpin, mut line: impl FnMut(&str)) {
    let mut buffer = Vec::with_capacity(MAX_LINE);
    // An error of a pipe is its end.
    while stream.read_buf(&mut buffer).await.is_ok_and(|read| read > 0) {
        while let Some(end) = end_of_line(&buffer) {
            line(&String::from_utf8_lossy(&buffer[..end]));
            buffer.drain(..end);
        }
    }
    if !buffer.is_empty() {
        line(&String::from_utf8_lossy(&buffer));
    }
}

fn end_of_line(buffer: &[u8]) -> Option<usize> {
    let end = buffer.iter().take(MAX_LINE).position(|byte| *byte == b'\n').map(|end| end + 1);
    end.or((buffer.len() >= MAX_LINE).then_some(MAX_LINE))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> Vec<String> {
        let mut read = Vec::new();
        lines(bytes, |line| read.push(line.to_owned())).await;
        read
    }

    #[tokio::test]
    async fn lines_arrive_whole() {
        assert_eq!(read(b"one\n\ntwo").await, ["one\n", "\n", "two"]);
        assert_eq!(read(b"").await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn rubbish_is_replaced() {
        assert_eq!(read(b"a\xff\xfe\nb").await, ["a\u{fffd}\u{fffd}\n", "b"]);
    }

    #[tokio::test]
    async fn endless_lines_come_in_pieces() {
        let lengths: Vec<_> = read(&[b'x'; 3 * MAX_LINE + 5]).await.iter().map(String::len).collect();
        assert_eq!(lengths, [MAX_LINE, MAX_LINE, MAX_LINE, 5]);
    }
}
