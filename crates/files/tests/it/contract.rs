//! What files do, wherever they are. Each function is a test of every storage: see [`contract_tests`].

use std::path::PathBuf;

use bytes::Bytes;
use cogwire_core::time::Timestamp;
use cogwire_files::{Content, Error, LinkError, RangeRequest, ReceiveError, StoredFile, parse_range};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::home::Home;
use crate::support::{bytes, find, id, open, read};

/// The size of a part of an upload, in bytes.
const PART: usize = 8 * 1024 * 1024;

/// Makes a test of every function of the suite. The argument is a function that gives a [`Home`].
macro_rules! contract_tests {
    ($home:path) => {
        $crate::contract::contract_tests!(@each $home,
            what_is_stored_is_read_back
            every_name_is_stored_below_its_id
            storing_again_replaces_the_bytes_and_the_etag
            a_range_gives_its_bytes_only
            an_empty_file_is_a_file
            a_file_of_several_parts_is_read_back_whole
            what_is_not_there_is_none
            deleting_takes_everything_of_one_id_and_may_be_repeated
            a_file_that_goes_away_is_an_error_in_the_stream
            content_that_cannot_be_read_is_named_and_leaves_nothing
            what_comes_in_pieces_is_stored_whole_or_not_at_all
            links_lead_to_what_was_stored
            a_probe_succeeds_and_leaves_nothing
        );
    };
    (@each $home:path, $($test:ident)*) => {$(
        #[tokio::test]
        async fn $test() {
            $crate::contract::$test($home().await).await;
        }
    )*};
}

pub(crate) use contract_tests;

pub(crate) async fn what_is_stored_is_read_back(home: Home) {
    let files = open(&home.storage).expect("opened");
    let stored = files.put(id(1), "notes.txt", bytes("hello")).await.expect("stored");
    let expected = StoredFile {
        id: id(1),
        name: "notes.txt".to_owned(),
        content_type: "text/plain; charset=utf-8".to_owned(),
        size: 5,
        sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824".to_owned(),
    };
    assert_eq!(stored, expected);

    let reopened = open(&home.storage).expect("opened again");
    let download = find(&reopened, id(1), "notes.txt").await;
    assert_eq!((download.size(), download.name()), (5, "notes.txt"));
    assert_eq!(download.content_type(), "text/plain; charset=utf-8");
    assert_eq!(read(download).await, b"hello");
}

pub(crate) async fn every_name_is_stored_below_its_id(home: Home) {
    let files = open(&home.storage).expect("opened");
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
        let folder = format!("{}/", id(number));
        let entries = home.entries().await;
        assert_eq!(
            entries.iter().filter(|entry| entry.starts_with(&folder)).count(),
            1,
            "{name:?}: {entries:?}"
        );
    }
    assert_eq!(home.entries().await.len(), table.len());
}

pub(crate) async fn storing_again_replaces_the_bytes_and_the_etag(home: Home) {
    let files = &open(&home.storage).expect("opened");
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

pub(crate) async fn a_range_gives_its_bytes_only(home: Home) {
    let files = &open(&home.storage).expect("opened");
    files.put(id(1), "digits", bytes("0123456789")).await.expect("stored");
    for (header, expected) in
        [("bytes=2-4", "234"), ("bytes=7-", "789"), ("bytes=-1", "9"), ("bytes=0-99", "0123456789")]
    {
        let download = find(files, id(1), "digits").await;
        let range = match parse_range(header, download.size()) {
            RangeRequest::Part(range) => range,
            other => unreachable!("{header} is a part, not {other:?}"),
        };
        let pieces: Vec<Bytes> = download.range(range).try_collect().await.expect("read");
        assert_eq!(pieces.concat(), expected.as_bytes(), "{header}");
    }
}

pub(crate) async fn an_empty_file_is_a_file(home: Home) {
    let files = &open(&home.storage).expect("opened");
    let source = home.folder.path().join("empty");
    std::fs::write(&source, b"").expect("written");
    for (number, content) in (1..).zip([bytes(""), Content::Path(source)]) {
        assert_eq!(files.put(id(number), "empty", content).await.expect("stored").size, 0);
        assert_eq!(read(find(files, id(number), "empty").await).await, b"");
    }
}

pub(crate) async fn a_file_of_several_parts_is_read_back_whole(home: Home) {
    let files = &open(&home.storage).expect("opened");
    for (number, size) in (1..).zip([PART - 1, PART, PART + 1, 2 * PART + PART / 2]) {
        let content: Bytes = (0..size).map(|at| ((at >> 16) ^ at) as u8).collect();
        let stored = files.put(id(number), "large", Content::Bytes(content.clone())).await.expect("stored");
        assert_eq!(stored.size, size as u64);
        assert!(read(find(files, id(number), "large").await).await == content, "{size} bytes");

        let range = size as u64 / 2..size as u64;
        let part = find(files, id(number), "large").await.range(range.clone());
        let part = part.try_collect::<Vec<Bytes>>().await.expect("read").concat();
        assert!(part == content[range.start as usize..], "the second half of {size} bytes");
    }
    assert_eq!(home.unfinished().await, 0);
}

pub(crate) async fn what_is_not_there_is_none(home: Home) {
    let files = &open(&home.storage).expect("opened");
    files.put(id(1), "a.txt", bytes("x")).await.expect("stored");
    for (number, name) in [(2, "a.txt"), (1, "b.txt")] {
        assert!(files.download(id(number), name).await.expect("readable").is_none());
    }
}

pub(crate) async fn deleting_takes_everything_of_one_id_and_may_be_repeated(home: Home) {
    let files = &open(&home.storage).expect("opened");
    for (number, name) in [(1, "a.txt"), (1, "b 🐈.txt"), (2, "a.txt")] {
        files.put(id(number), name, bytes("x")).await.expect("stored");
    }
    for _ in 0..2 {
        files.delete(id(1)).await.expect("deleted");
        assert_eq!(home.entries().await, [format!("{}/a.txt", id(2))]);
        assert!(files.download(id(1), "a.txt").await.expect("readable").is_none());
    }
    assert_eq!(read(find(files, id(2), "a.txt").await).await, b"x");
}

pub(crate) async fn a_file_that_goes_away_is_an_error_in_the_stream(home: Home) {
    let files = &open(&home.storage).expect("opened");
    files.put(id(1), "a.txt", bytes("x")).await.expect("stored");
    let download = find(files, id(1), "a.txt").await;
    files.delete(id(1)).await.expect("deleted");
    let outcome = download.stream().try_collect::<Vec<Bytes>>().await;
    assert!(matches!(outcome, Err(Error::Read { .. })), "{outcome:?}");
}

pub(crate) async fn content_that_cannot_be_read_is_named_and_leaves_nothing(home: Home) {
    let files = &open(&home.storage).expect("opened");
    let there = home.folder.path();
    for path in [there.join("missing"), there.to_owned(), PathBuf::from("/dev/zero")] {
        let error = files.put(id(1), "a", Content::Path(path.clone())).await.expect_err("unreadable");
        assert!(matches!(error, Error::Content { .. }) && !error.is_full(), "{error:?}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        assert!(files.download(id(1), "a").await.expect("readable").is_none());
    }
    assert!(home.entries().await.is_empty());
}

pub(crate) async fn links_lead_to_what_was_stored(home: Home) {
    let files = &open(&home.storage).expect("opened");
    let stored = files.put(id(1), "../a b.png", bytes("x")).await.expect("stored");
    let url = url::Url::parse(&files.url(id(1), &stored.name, None)).expect("a URL");
    let (_, signature) = url.query_pairs().find(|(key, _)| key == "signature").expect("signed");
    let now = Timestamp::from_micros(0);
    assert_eq!(files.check(id(1), &stored.name, "never", &signature, now), Ok(()));
    assert_eq!(files.check(id(1), "other", "never", &signature, now), Err(LinkError::Invalid));
}

pub(crate) async fn a_probe_succeeds_and_leaves_nothing(home: Home) {
    let files = open(&home.storage).expect("opened");
    files.probe(id(1)).await.expect("it works");
    files.ready().await.expect("it is ready");
    assert!(home.entries().await.is_empty());
}

pub(crate) async fn what_comes_in_pieces_is_stored_whole_or_not_at_all(home: Home) {
    let files = &open(&home.storage).expect("opened");
    let pieces = |texts: [&'static str; 3]| {
        stream::iter(texts).map(|text| match text {
            "broken" => Err("the line broke"),
            text => Ok(Bytes::from_static(text.as_bytes())),
        })
    };
    let stored = files.receive(id(1), "../notes.txt", pieces(["hel", "", "lo"])).await.expect("received");
    let put = files.put(id(2), "notes.txt", bytes("hello")).await.expect("stored");
    assert_eq!(StoredFile { id: put.id, ..stored }, put);
    assert_eq!(read(find(files, id(1), "notes.txt").await).await, b"hello");

    let cut = files.receive(id(3), "notes.txt", pieces(["hel", "lo", "broken"])).await;
    assert!(matches!(cut, Err(ReceiveError::Source("the line broke"))), "{cut:?}");
    assert!(files.download(id(3), "notes.txt").await.expect("readable").is_none());
    let long = stream::iter([Ok(Bytes::from(vec![7; PART + 1])), Err("the line broke")]);
    let cut = files.receive(id(4), "long.bin", long).await;
    assert!(matches!(cut, Err(ReceiveError::Source("the line broke"))), "{cut:?}");
    assert_eq!(home.entries().await.len(), 2, "nothing else is there");
}
