//! Bodies compressed by gzip, for receivers that asked for it.
//!
//! The signature is that of the bytes before: receivers' frameworks inflate a body before any code that verifies it sees it.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue};

/// A longer body takes so long that other messages must not wait for it.
const QUICK: usize = 64 * 1024;

/// The body as it is sent, with a header that says so when it is compressed. One that would not be shorter stays as it is.
pub(crate) async fn pack(body: Bytes, headers: &mut HeaderMap) -> Bytes {
    let packed = if body.len() <= QUICK { compressed(&body) } else { compressed_aside(body.clone()).await };
    if packed.len() >= body.len() {
        return body;
    }
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    packed
}

/// The same on a thread for such work. If that fails, the body is sent as it is.
async fn compressed_aside(body: Bytes) -> Bytes {
    let plain = body.clone();
    let packed = tokio::task::spawn_blocking(move || compressed(&body)).await;
    packed.unwrap_or_else(|error| {
        tracing::error!(%error, "could not compress a webhook");
        plain
    })
}

fn compressed(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::default());
    let written = encoder.write_all(body).and_then(|()| encoder.finish());
    written.expect("writing to memory cannot fail").into()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[tokio::test]
    async fn what_gets_shorter_is_compressed_and_says_so() {
        for size in [1_000, QUICK + 1] {
            let body = Bytes::from("once upon a time ".repeat(size / 17 + 1));
            let mut headers = HeaderMap::new();
            let packed = pack(body.clone(), &mut headers).await;
            assert!(packed.len() < body.len() / 10);
            assert_eq!(headers.get(CONTENT_ENCODING), Some(&HeaderValue::from_static("gzip")));
            let mut inflated = Vec::new();
            GzDecoder::new(&*packed).read_to_end(&mut inflated).expect("gzip");
            assert_eq!(inflated, body);
        }
    }

    #[tokio::test]
    async fn what_gets_longer_stays_as_it_is() {
        let mut headers = HeaderMap::new();
        assert_eq!(pack(Bytes::from_static(b"{}"), &mut headers).await, Bytes::from_static(b"{}"));
        assert!(headers.is_empty());
    }
}
