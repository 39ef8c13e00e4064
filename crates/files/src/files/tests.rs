use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::{RangeRequest, parse_range};

struct Opened {
    files: Files,
    folder: TempDir,
}

fn opened() -> Opened {
    let folder = tempfile::tempdir().expect("a temporary folder");
    Opened { files: open(folder.path()).expect("opened"), folder }
}

fn open(root: &Path) -> Result<Files, Error> {
    Files::open(root, "http://localhost:8787", LinkKey::new([7; 32]))
}

fn id(number: u128) -> FileId {
    FileId::new(Timestamp::from_micros(1_700_000_000_000_000), number)
}

fn bytes(text: &'static str) -> Content {
    Content::Bytes(Bytes::from_static(text.as_bytes()))
}

async fn find(files: &Files, id: FileId, name: &str) -> Download {
    files.download(id, name).await.expect("readable").expect("there")
}

async fn read(download: Download) -> Vec<u8> {
    download.stream().try_collect::<Vec<Bytes>>().await.expect("read").concat()
}

#[tokio::test]
async fn what_is_stored_is_read_back() {
    let Opened { files, folder } = opened();
    let stored = files.put(id(1), "notes.txt", bytes("hello")).await.expect("stored");
    let expected = StoredFile {
        id: id(1),
        name: "notes.txt".to_owned(),
        content_type: "text/plain; charset=utf-8".to_owned(),
        size: 5,
        sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824".to_owned(),
    };
    assert_eq!(stored, expected);

    let reopened = open(folder.path()).expect("opened again");
    let download = find(&reopened, id(1), "notes.txt").await;
    assert_eq!((download.size(), download.name()), (5, "notes.txt"));
    assert_eq!(download.content_type(), "text/plain; charset=utf-8");
    assert_eq!(read(download).await, b"hello");
}

#[tokio::test]
async fn every_name_is_stored_below_its_id() {
    let Opened { files, folder } = opened();
    let long = "x".repeat(300);
    let table = [
        ("../../etc/passwd", "passwd"),
        ("🐈 ñ.png", "🐈 ñ.png"),
        (long.as_str(), &long[..255]),
        ("", "file"),
        ("..", "file"),
        ("cat.png#1", "cat.png#1"),
        ("a%2Fb", "a%2Fb"),
        ("CON", "CON"),
    ];
    for (number, (name, expected)) in (1..).zip(table) {
        let stored = files.put(id(number), name, bytes("x")).await.expect(name);
        assert_eq!(stored.name, expected);
        for asked in [name, expected] {
            assert_eq!(read(find(&files, id(number), asked).await).await, b"x", "{asked:?}");
        }
        let entries = std::fs::read_dir(folder.path().join(id(number).as_str())).expect("its folder");
        assert_eq!(entries.count(), 1, "{name:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("the root").count(), table.len());
}

#[tokio::test]
async fn storing_again_replaces_the_bytes_and_the_etag() {
    let Opened { files, .. } = &opened();
    files.put(id(1), "a.txt", bytes("one")).await.expect("stored");
    let before = find(files, id(1), "a.txt").await;
    files.put(id(1), "a.txt", bytes("three")).await.expect("stored");
    let after = find(files, id(1), "a.txt").await;

    assert_ne!(before.etag(), after.etag());
    assert!(after.etag().starts_with('"') && after.etag().ends_with('"'), "{}", after.etag());
    assert_eq!(read(after).await, b"three");
    let mixed = before.stream().try_collect::<Vec<Bytes>>().await;
    assert!(matches!(mixed, Err(Error::Read { .. })), "the old size with the new bytes: {mixed:?}");
}

#[tokio::test]
async fn a_range_gives_its_bytes_only() {
    let Opened { files, .. } = &opened();
    files.put(id(1), "digits", bytes("0123456789")).await.expect("stored");
    for (header, expected) in
        [("bytes=2-4", "234"), ("bytes=7-", "789"), ("bytes=-1", "9"), ("bytes=0-99", "0123456789")]
    {
        let download = find(files, id(1), "digits").await;
        let RangeRequest::Part(range) = parse_range(header, download.size()) else {
            panic!("{header} is a part");
        };
        let pieces: Vec<Bytes> = download.range(range).try_collect().await.expect("read");
        assert_eq!(pieces.concat(), expected.as_bytes(), "{header}");
    }
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let Opened { files, folder } = &opened();
    let source = folder.path().join("empty");
    std::fs::write(&source, b"").expect("written");
    for (number, content) in (1..).zip([bytes(""), Content::Path(source)]) {
        assert_eq!(files.put(id(number), "empty", content).await.expect("stored").size, 0);
        assert_eq!(read(find(files, id(number), "empty").await).await, b"");
    }
}

#[tokio::test]
async fn what_is_not_there_is_none() {
    let Opened { files, .. } = &opened();
    files.put(id(1), "a.txt", bytes("x")).await.expect("stored");
    for (number, name) in [(2, "a.txt"), (1, "b.txt")] {
        assert!(files.download(id(number), name).await.expect("readable").is_none());
    }
}

#[tokio::test]
async fn deleting_takes_everything_of_one_id_and_may_be_repeated() {
    let Opened { files, folder } = &opened();
    for (number, name) in [(1, "a.txt"), (1, "b 🐈.txt"), (2, "a.txt")] {
        files.put(id(number), name, bytes("x")).await.expect("stored");
    }
    let cut_off = folder.path().join(id(1).as_str()).join("c.txt#1");
    std::fs::write(&cut_off, b"half").expect("written");

    for _ in 0..2 {
        files.delete(id(1)).await.expect("deleted");
        assert!(!folder.path().join(id(1).as_str()).exists());
        assert!(files.download(id(1), "a.txt").await.expect("readable").is_none());
    }
    assert_eq!(read(find(files, id(2), "a.txt").await).await, b"x");
}

#[tokio::test]
async fn a_file_that_goes_away_is_an_error_in_the_stream() {
    let Opened { files, .. } = &opened();
    files.put(id(1), "a.txt", bytes("x")).await.expect("stored");
    let download = find(files, id(1), "a.txt").await;
    files.delete(id(1)).await.expect("deleted");
    let outcome = download.stream().try_collect::<Vec<Bytes>>().await;
    assert!(matches!(outcome, Err(Error::Read { .. })), "{outcome:?}");
}

#[tokio::test]
async fn content_that_cannot_be_read_is_named_and_leaves_nothing() {
    let Opened { files, folder } = &opened();
    for path in [folder.path().join("missing"), folder.path().to_owned(), PathBuf::from("/dev/zero")] {
        let error = files.put(id(1), "a", Content::Path(path.clone())).await.expect_err("unreadable");
        assert!(matches!(error, Error::Content { .. }) && !error.is_full(), "{error:?}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        assert!(files.download(id(1), "a").await.expect("readable").is_none());
    }
}

#[tokio::test]
async fn storage_that_refuses_is_an_error_that_names_the_file() {
    let Opened { files, folder } = &opened();
    std::fs::write(folder.path().join(id(1).as_str()), b"in the way").expect("written");
    let error = files.put(id(1), "a.txt", bytes("x")).await.expect_err("in the way");
    assert!(matches!(error, Error::Write { .. }), "{error:?}");
    assert!(error.to_string().contains("a.txt"), "{error}");
}

#[test]
fn a_root_that_cannot_be_written_to_is_refused_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let in_the_way = folder.path().join("file");
    std::fs::write(&in_the_way, b"").expect("written");
    for root in [in_the_way.clone(), in_the_way.join("files")] {
        let error = open(&root).expect_err("not a folder");
        assert!(matches!(error, Error::Folder { .. }), "{error:?}");
        assert!(error.to_string().contains(&root.display().to_string()), "{error}");
    }
}

#[tokio::test]
async fn links_lead_to_what_was_stored() {
    let Opened { files, .. } = &opened();
    let stored = files.put(id(1), "../a b.png", bytes("x")).await.expect("stored");
    let url = url::Url::parse(&files.url(id(1), &stored.name, None)).expect("a URL");
    let (_, signature) = url.query_pairs().find(|(key, _)| key == "signature").expect("signed");
    let now = Timestamp::from_micros(0);
    assert_eq!(files.check(id(1), &stored.name, "never", &signature, now), Ok(()));
    assert_eq!(files.check(id(1), "other", "never", &signature, now), Err(LinkError::Invalid));
}
