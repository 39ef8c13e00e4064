//! Reads request bodies, up to a limit.

use axum::body::Body;
use bytes::Bytes;
use cogwire_core::wire::ErrorBody;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::Failure;

/// The whole body, or 413 as soon as it is longer than `limit` bytes.
pub(super) async fn read(body: Body, limit: usize) -> Result<Bytes, Failure> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ErrorBody::too_large(limit).into()),
        Err(error) => {
            Err(ErrorBody::new(400, format!("The request body could not be read to its end: {error}")).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    #[tokio::test]
    async fn a_body_within_the_limit_is_read_and_a_longer_one_is_not() {
        assert_eq!(read(Body::from("12345"), 5).await.expect("it fits"), "12345");
        let refused = read(Body::from("123456"), 5).await.expect_err("too long");
        assert_eq!(refused.into_response().status(), 413);
    }
}
