//! Files in a folder.

use cogwire_files::{Error, Storage};

use crate::contract::contract_tests;
use crate::home::Home;
use crate::support::{bytes, id, open};

contract_tests!(Home::on_disk);

#[tokio::test]
async fn deleting_takes_what_a_crash_left() {
    let home = Home::on_disk().await;
    let files = open(&home.storage).expect("opened");
    files.put(id(1), "a.txt", bytes("x")).await.expect("stored");
    let its_folder = home.folder.path().join("files").join(id(1).as_str());
    std::fs::write(its_folder.join("c.txt#1"), b"half").expect("written");
    files.delete(id(1)).await.expect("deleted");
    assert!(!its_folder.exists());
}

#[tokio::test]
async fn storage_that_refuses_is_an_error_that_names_the_file() {
    let home = Home::on_disk().await;
    let files = &open(&home.storage).expect("opened");
    std::fs::write(home.folder.path().join("files").join(id(1).as_str()), b"in the way").expect("written");
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
        let error = open(&Storage::Folder(root.clone())).expect_err("not a folder");
        assert!(matches!(error, Error::Folder { .. }), "{error:?}");
        assert!(error.to_string().contains(&root.display().to_string()), "{error}");
    }
}

#[tokio::test]
async fn a_folder_that_went_away_is_not_ready() {
    let home = Home::on_disk().await;
    let files = open(&home.storage).expect("opened");
    std::fs::remove_dir_all(home.folder.path().join("files")).expect("removed");
    let error = files.ready().await.expect_err("it is away");
    assert!(matches!(error, Error::Folder { .. }), "{error:?}");
}

#[tokio::test]
async fn a_probe_finds_a_folder_that_cannot_be_written_to() {
    let home = Home::on_disk().await;
    let files = open(&home.storage).expect("opened");
    std::fs::write(home.folder.path().join("files").join(id(1).as_str()), b"in the way").expect("written");
    let error = files.probe(id(1)).await.expect_err("in the way");
    assert!(matches!(error, Error::Folder { .. }), "{error:?}");
}
