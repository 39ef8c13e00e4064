//! A bucket, seen and changed by somebody else.

use super::moto::{client, url};

/// Makes an empty object at `place` below the prefix.
pub(crate) async fn put_empty(bucket: &str, place: &str) {
    let made =
        client().put(format!("{}/{bucket}/some/prefix/{place}", url())).send().await.expect("an answer");
    assert!(made.status().is_success(), "{made:?}");
}

/// What the server says about a bucket, as XML.
pub(crate) async fn ask(bucket: &str, query: &str) -> String {
    let answer = client().get(format!("{}/{bucket}?{query}", url())).send().await.expect("an answer");
    answer.text().await.expect("a text")
}
