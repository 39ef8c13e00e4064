//! What the tests share.

pub(crate) mod fake;
pub(crate) mod moto;
pub(crate) mod outside;

use bytes::Bytes;
use cogwire_core::id::FileId;
use cogwire_core::link::LinkKey;
use cogwire_core::time::Timestamp;
use cogwire_files::{Content, Download, Error, Files, Storage};
use futures_util::TryStreamExt;

pub(crate) fn open(storage: &Storage) -> Result<Files, Error> {
    moto::install_tls();
    Files::open(storage, "http://localhost:8787", LinkKey::new([7; 32]))
}

pub(crate) fn id(number: u128) -> FileId {
    FileId::new(Timestamp::from_micros(1_700_000_000_000_000), number)
}

pub(crate) fn bytes(text: &'static str) -> Content {
    Content::Bytes(Bytes::from_static(text.as_bytes()))
}

pub(crate) async fn find(files: &Files, id: FileId, name: &str) -> Download {
    files.download(id, name).await.expect("readable").expect("there")
}

pub(crate) async fn read(download: Download) -> Vec<u8> {
    download.stream().try_collect::<Vec<Bytes>>().await.expect("read").concat()
}

/// An error and its causes, as the program says them.
pub(crate) fn whole(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
