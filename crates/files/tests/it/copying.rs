//! Moving files from one storage to another.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cogwire_files::{Content, CopyProgress, Error, Storage, copy, copy_present};

use crate::home::Home;
use crate::support::fake::{Fake, refuse};
use crate::support::{bytes, find, id, moto, open, outside, read, whole};

const MIB: usize = 1024 * 1024;

/// More than a part of an upload.
const LARGE: usize = 9 * MIB;

/// Three files: a small one, an empty one with a name that is hashed, and one of several parts.
async fn fill(home: &Home) {
    let files = open(&home.storage).expect("opened");
    files.put(id(1), "a.txt", bytes("hello")).await.expect("stored");
    files.put(id(2), "nothing 🐈", bytes("")).await.expect("stored");
    let large = Content::Bytes(Bytes::from(vec![7; LARGE]));
    files.put(id(3), "large", large).await.expect("stored");
}

async fn check(home: &Home) {
    let files = open(&home.storage).expect("opened");
    assert_eq!(read(find(&files, id(1), "a.txt").await).await, b"hello");
    assert_eq!(read(find(&files, id(2), "nothing 🐈").await).await, b"");
    assert!(read(find(&files, id(3), "large").await).await == vec![7; LARGE]);
}

fn quietly(_: CopyProgress) {}

#[tokio::test]
async fn files_go_to_a_bucket_and_back() {
    let (disk, s3, back) = (Home::on_disk().await, Home::on_s3().await, Home::on_disk().await);
    fill(&disk).await;
    let bytes = LARGE as u64 + 5;
    let expected = CopyProgress { total_files: 3, total_bytes: bytes, files: 3, bytes, skipped: 0 };
    assert_eq!(copy(&disk.storage, &s3.storage, quietly).await.expect("copied"), expected);
    check(&s3).await;
    assert_eq!(copy(&s3.storage, &back.storage, quietly).await.expect("copied back"), expected);
    check(&back).await;
    assert_eq!(back.entries().await, disk.entries().await);
}

#[tokio::test]
async fn what_is_there_is_passed_over_and_what_is_cut_off_is_not() {
    let (disk, s3) = (Home::on_disk().await, Home::on_s3().await);
    fill(&disk).await;
    let there = open(&s3.storage).expect("opened");
    there.put(id(1), "a.txt", bytes("hello")).await.expect("stored");
    there.put(id(3), "large", bytes("half")).await.expect("stored");
    there.put(id(4), "other", bytes("mine")).await.expect("stored");

    let copied = copy(&disk.storage, &s3.storage, quietly).await.expect("copied");
    assert_eq!((copied.files, copied.skipped), (3, 1));
    check(&s3).await;
    assert_eq!(s3.entries().await.len(), 4, "what else is there stays");
    let again = copy(&disk.storage, &s3.storage, quietly).await.expect("copied");
    assert_eq!((again.files, again.skipped, again.bytes), (3, 3, again.total_bytes));
}

#[tokio::test]
async fn progress_is_told_on_the_way() {
    let (disk, s3) = (Home::on_disk().await, Home::on_s3().await);
    fill(&disk).await;
    let told = Mutex::new(Vec::new());
    let last = copy(&disk.storage, &s3.storage, |now| told.lock().expect("no panic").push(now)).await;
    let told = told.into_inner().expect("no panic");
    assert_eq!(told.last(), Some(&last.expect("copied")));
    assert!(told.iter().any(|now| now.files < 3 && now.bytes > 5), "also within a file: {told:?}");
    assert!(
        told.is_sorted_by_key(|now| (now.total_files, now.files, now.bytes)),
        "it never goes back: {told:?}"
    );
}

#[tokio::test]
async fn a_copy_that_failed_goes_on_where_it_stopped() {
    let disk = Home::on_disk().await;
    fill(&disk).await;
    let denied = Arc::new(AtomicBool::new(true));
    let (bucket, _) = moto::bucket().await;
    let seen = Arc::clone(&denied);
    let fake = Fake::start(move |asked| {
        let refused = seen.load(Ordering::Relaxed) && asked.is("PUT", "");
        (refused || asked.is("HEAD", "")).then(|| refuse(if refused { 403 } else { 404 }, "AccessDenied", ""))
    });
    let fake = fake.await;
    let place = format!("s3://{bucket}/some/prefix");
    let refusing = Storage::parse(&place, moto::variables_for(&fake.url)).expect("a storage");
    let error = copy(&disk.storage, &refusing, quietly).await.expect_err("refused");
    assert!(matches!(error, Error::Copy { .. }), "{error:?}");
    assert!(whole(&error).contains("s3:PutObject"), "{}", whole(&error));

    let well = Storage::parse(&place, moto::variables()).expect("a storage");
    assert_eq!(copy(&disk.storage, &well, quietly).await.expect("copied").files, 3);
}

#[tokio::test]
async fn what_did_not_arrive_is_found_in_the_end() {
    let disk = Home::on_disk().await;
    fill(&disk).await;
    // It takes everything and keeps nothing.
    let fake = Fake::start(|asked| (asked.is("HEAD", "")).then(|| refuse(404, "NoSuchKey", ""))).await;
    let forgetful = Storage::parse("s3://pics", moto::variables_for(&fake.url)).expect("a storage");
    let error = copy(&disk.storage, &forgetful, quietly).await.expect_err("nothing is there");
    assert!(matches!(error, Error::Incomplete { files: 3, .. }), "{error:?}");
    assert!(error.to_string().contains("s3://pics"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_added_meanwhile_is_missed_or_left_to_the_next_copy() {
    let (disk, one, other) = (Home::on_disk().await, Home::on_disk().await, Home::on_disk().await);
    fill(&disk).await;
    let late = disk.folder.path().join("files/late");
    let add_at_the_end = |now: CopyProgress| {
        if now.files == 3 {
            std::fs::create_dir_all(&late)
                .and_then(|()| std::fs::write(late.join("a"), "late"))
                .expect("written");
        }
    };
    let copied = copy_present(&disk.storage, &one.storage, add_at_the_end).await.expect("copied");
    assert_eq!(copied.files, 3);
    check(&one).await;
    std::fs::remove_dir_all(&late).expect("it was made");
    let error = copy(&disk.storage, &other.storage, add_at_the_end).await.expect_err("one is missing");
    assert!(matches!(error, Error::Incomplete { files: 1, .. }), "{error:?}");
    assert_eq!(copy(&disk.storage, &other.storage, quietly).await.expect("copied").files, 4);
}

#[tokio::test]
async fn what_did_not_arrive_is_found_at_once_beside_a_server() {
    let disk = Home::on_disk().await;
    fill(&disk).await;
    let fake = Fake::start(|asked| (asked.is("HEAD", "")).then(|| refuse(404, "NoSuchKey", ""))).await;
    let forgetful = Storage::parse("s3://pics", moto::variables_for(&fake.url)).expect("a storage");
    let error = copy_present(&disk.storage, &forgetful, quietly).await.expect_err("nothing is there");
    assert!(matches!(error, Error::Incomplete { files: 1, .. }), "{error:?}");
}

#[tokio::test]
async fn parts_have_the_same_size_however_the_bytes_arrive() {
    let s3 = Home::on_s3().await;
    let files = open(&s3.storage).expect("opened");
    let large = Content::Bytes(Bytes::from(vec![7; 20 * MIB]));
    files.put(id(1), "large", large).await.expect("stored");

    let fake = Fake::start(|asked| asked.is("HEAD", "").then(|| refuse(404, "NoSuchKey", ""))).await;
    let place = Storage::parse("s3://pics", moto::variables_for(&fake.url)).expect("a storage");
    copy(&s3.storage, &place, quietly).await.expect_err("it keeps nothing");
    let mut parts: Vec<_> = fake.asked().into_iter().filter(|asked| asked.is("PUT", "partNumber=")).collect();
    parts.sort_by(|one, other| one.query.cmp(&other.query));
    let sizes: Vec<_> = parts.iter().map(|part| part.length).collect();
    assert_eq!(sizes, [8 * MIB, 8 * MIB, 4 * MIB]);
}

#[tokio::test]
async fn empty_objects_that_stand_for_folders_are_no_files() {
    let (s3, disk) = (Home::on_s3().await, Home::on_disk().await);
    fill(&s3).await;
    for folder in ["", "sub/"] {
        outside::put_empty(s3.bucket.as_deref().expect("a bucket"), folder).await;
    }
    assert_eq!(copy(&s3.storage, &disk.storage, quietly).await.expect("copied").files, 3);
    check(&disk).await;
}

#[tokio::test]
async fn a_storage_that_does_not_work_is_named_before_anything_is_copied() {
    let (disk, empty) = (Home::on_disk().await, Home::on_disk().await);
    fill(&disk).await;
    let missing = empty.folder.path().join("missing");
    let error = copy(&Storage::Folder(missing.clone()), &disk.storage, quietly).await.expect_err("not there");
    assert!(matches!(error, Error::Folder { .. }), "{error:?}");
    assert!(!missing.exists(), "it was not made");

    let no_bucket = Storage::parse("s3://missing", moto::variables()).expect("a storage");
    for (from, to) in [(&disk.storage, &no_bucket), (&no_bucket, &disk.storage)] {
        moto::install_tls();
        let error = copy(from, to, quietly).await.expect_err("no bucket");
        assert!(matches!(error, Error::Unusable(_)), "{error:?}");
    }
}
