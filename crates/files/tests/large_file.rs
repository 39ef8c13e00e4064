//! A large file goes in and out without being in memory. Alone in its file, because it measures the whole process.

#[path = "it/support/moto.rs"]
mod moto;

use std::fs::File;
use std::io::Write;
use std::path::Path;

use cogwire_core::id::FileId;
use cogwire_core::link::LinkKey;
use cogwire_core::time::Timestamp;
use cogwire_files::{Content, Files, Storage};
use futures_util::TryStreamExt;

const SIZE: usize = 40 * 1024 * 1024;

/// An upload holds three parts of 8 MiB at most; this leaves room for the runtime and not for the file.
const BOUND: usize = 32 * 1024 * 1024;

#[tokio::test]
async fn a_large_file_is_streamed_both_ways() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let source = folder.path().join("large.bin");
    write_numbers(&source);
    let (_, bucket) = moto::bucket().await;
    let before = current_memory();
    for storage in [Storage::Folder(folder.path().join("files")), bucket] {
        store_and_read(&storage, &source).await;
        let grown = peak_memory().saturating_sub(before);
        assert!(grown < BOUND, "{grown} bytes in {storage}");
    }
    assert!(source.exists(), "the source is left alone");
}

async fn store_and_read(storage: &Storage, source: &Path) {
    let files = Files::open(storage, "http://localhost", LinkKey::new([7; 32])).expect("opened");
    let id = FileId::new(Timestamp::from_micros(0), 1);
    let stored = files.put(id, "large.bin", Content::Path(source.to_owned())).await.expect("stored");
    assert_eq!(stored.size, SIZE as u64);

    if matches!(storage, Storage::Folder(_)) {
        let pieces = files.download(id, "large.bin").await.expect("readable").expect("there").stream();
        let again = files.receive(FileId::new(Timestamp::from_micros(0), 2), "large.bin", pieces).await;
        assert_eq!(again.expect("received").sha256, stored.sha256);
    }

    let download = files.download(id, "large.bin").await.expect("readable").expect("there");
    let mut next = 0;
    let mut pieces = download.stream();
    while let Some(piece) = pieces.try_next().await.expect("read") {
        for byte in piece {
            assert_eq!(byte, byte_at(next), "byte {next}");
            next += 1;
        }
    }
    assert_eq!(next, SIZE);
}

/// Differs from one 64 KiB to the next, so that swapped parts are noticed.
fn byte_at(position: usize) -> u8 {
    ((position >> 16) ^ position) as u8
}

fn write_numbers(path: &Path) {
    let mut file = File::create(path).expect("created");
    for start in (0..SIZE).step_by(1 << 16) {
        let block: Vec<u8> = (start..start + (1 << 16)).map(byte_at).collect();
        file.write_all(&block).expect("written");
    }
}

/// The memory that this process has now, in bytes.
fn current_memory() -> usize {
    in_status("VmRSS:")
}

/// The most memory that this process ever had.
fn peak_memory() -> usize {
    in_status("VmHWM:")
}

/// Always the same where the system does not tell.
fn in_status(key: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let kilobytes = line.and_then(|text| text.trim().strip_suffix(" kB")).and_then(|text| text.parse().ok());
    kilobytes.unwrap_or(0) * 1024
}
