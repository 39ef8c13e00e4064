//! Files in a bucket.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::response::Response;
use bytes::Bytes;
use cogwire_files::{Content, Error, Files, Storage};

use crate::contract::contract_tests;
use crate::home::Home;
use crate::support::fake::{Asked, Fake, refuse};
use crate::support::{bytes, id, moto, open, whole};

contract_tests!(Home::on_s3);

/// More than a part, so that it is uploaded in several.
fn large() -> Content {
    Content::Bytes(Bytes::from(vec![7; 20 * 1024 * 1024]))
}

fn files_at(fake: &Fake) -> Files {
    let variables = moto::variables_for(&fake.url);
    open(&Storage::parse("s3://pics/some/prefix", variables).expect("a storage")).expect("opened")
}

#[tokio::test]
async fn a_small_file_is_one_request() {
    let fake = Fake::start(|_| None).await;
    files_at(&fake).put(id(1), "a.txt", bytes("x")).await.expect("stored");
    let asked = fake.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].path, format!("/pics/some/prefix/{}/a.txt", id(1)));
}

#[tokio::test]
async fn an_upload_that_fails_is_aborted() {
    let fake =
        Fake::start(|asked| asked.is("PUT", "partNumber=3").then(|| refuse(403, "AccessDenied", ""))).await;
    let error = files_at(&fake).put(id(1), "large", large()).await.expect_err("refused");
    assert!(matches!(error, Error::Write { .. }), "{error:?}");
    assert!(whole(&error).contains("s3:PutObject"), "{}", whole(&error));

    let asked = fake.asked();
    assert_eq!(asked.iter().filter(|asked| asked.is("DELETE", "uploadId=7")).count(), 1, "{asked:?}");
    assert!(!asked.iter().any(|asked| asked.is("POST", "uploadId=")), "it was not completed: {asked:?}");
}

#[tokio::test]
async fn an_upload_that_cannot_be_completed_is_aborted() {
    let fake = Fake::start(|asked| asked.is("POST", "uploadId=").then(|| refuse(400, "InvalidPart", "")));
    let fake = fake.await;
    let error = files_at(&fake).put(id(1), "large", large()).await.expect_err("refused");
    assert!(matches!(error, Error::Write { .. }), "{error:?}");
    assert!(fake.asked().iter().any(|asked| asked.is("DELETE", "uploadId=7")));
}

#[tokio::test]
async fn a_short_trouble_is_not_noticed() {
    let asked = AtomicUsize::new(0);
    let in_trouble = move |_: &Asked| asked.fetch_add(1, Ordering::Relaxed) < 2;
    let fake = Fake::start(move |asked| in_trouble(asked).then(|| refuse(503, "SlowDown", ""))).await;
    files_at(&fake).put(id(1), "a.txt", bytes("x")).await.expect("stored");
    assert_eq!(fake.asked().len(), 3);
}

#[tokio::test]
async fn a_bucket_that_is_full_is_told_apart() {
    let answer = |code: &'static str| move |_: &_| -> Option<Response> { Some(refuse(400, code, "")) };
    for code in ["XMinioStorageFull", "QuotaExceeded"] {
        let fake = Fake::start(answer(code)).await;
        let error = files_at(&fake).put(id(1), "a.txt", bytes("x")).await.expect_err("full");
        assert!(error.is_full() && !error.is_temporary(), "{error:?}");
    }
    let fake = Fake::start(answer("AccessDenied")).await;
    let error = files_at(&fake).put(id(1), "a.txt", bytes("x")).await.expect_err("refused");
    assert!(!error.is_full() && !error.is_temporary(), "{error:?}");
}
