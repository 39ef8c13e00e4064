//! Reads request bodies, up to a limit.

use axum::body::Body;
use bytes::Bytes;
use cogwire_core::wire::ErrorBody;
use futures_util::{Stream, StreamExt};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::Failure;

/// What is read and thrown away of a body that is refused, in bytes: clients that are cut off in the middle do not see the
/// answer that says why.
const MAX_LEFT_OVER: usize = 1 << 30;

/// The whole body, or 413 when it is longer than `limit` bytes.
pub(super) async fn read(mut body: Body, limit: usize) -> Result<Bytes, Failure> {
    match Limited::new(&mut body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            discard(body.into_data_stream()).await;
            Err(ErrorBody::too_large(limit).into())
        }
        Err(error) => {
            Err(ErrorBody::new(400, format!("The request body could not be read to its end: {error}")).into())
        }
    }
}

/// Reads what is left of a body, unless it is without end.
pub(super) async fn discard<E>(mut body: impl Stream<Item = Result<Bytes, E>> + Unpin) {
    let mut read = 0;
    while let Some(Ok(piece)) = body.next().await {
        read += piece.len();
        if read > MAX_LEFT_OVER {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;

    use axum::response::IntoResponse;
    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn a_body_within_the_limit_is_read_and_a_longer_one_is_not() {
        assert_eq!(read(Body::from("12345"), 5).await.expect("it fits"), "12345");
        let refused = read(Body::from("123456"), 5).await.expect_err("too long");
        assert_eq!(refused.into_response().status(), 413);
    }

    /// How many of these pieces are read before nobody wants any more.
    async fn discarded(pieces: impl Iterator<Item = Bytes>) -> usize {
        let read = Cell::new(0);
        let pieces = pieces.inspect(|_| read.set(read.get() + 1));
        discard(stream::iter(pieces.map(Ok::<_, Infallible>))).await;
        read.get()
    }

    #[tokio::test]
    async fn a_body_that_is_refused_is_read_to_its_end_and_one_without_end_is_not() {
        let piece = Bytes::from(vec![0; 1 << 20]);
        assert_eq!(discarded(std::iter::repeat_n(piece.clone(), 5)).await, 5);
        assert_eq!(discarded(std::iter::repeat(piece)).await, 1025);
    }
}
