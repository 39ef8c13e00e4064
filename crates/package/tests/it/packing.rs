//! What a package is made of.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use cogwire_core::recipe::Digest;
use cogwire_package::{PackError, Packed, pack};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::support::{folder, without_paths};

fn packed(path: &Path) -> (Packed, Vec<u8>) {
    let mut bytes = Vec::new();
    let packed = pack(path, &mut bytes).expect("packed");
    (packed, bytes)
}

/// What an independent reader finds in a package.
pub(crate) fn listing(bytes: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().expect("a tar").map(|entry| entry.expect("an entry"));
    let line = |entry: tar::Entry<'_, &[u8]>| {
        let header = entry.header();
        assert_eq!((header.mtime().ok(), header.uid().ok(), header.gid().ok()), (Some(0), Some(0), Some(0)));
        let target = entry.link_name().expect("a name").map(|target| format!(" -> {}", target.display()));
        let mode = header.mode().expect("a mode");
        format!("{:o} {}{}", mode, entry.path().expect("a path").display(), target.unwrap_or_default())
    };
    entries.map(line).collect()
}

#[test]
fn a_package_has_the_model_and_not_what_others_made() {
    let folder = folder(&[
        ("cog.yaml", "run: run.py:Runner"),
        ("run.py", "code"),
        ("weights/a.bin", "w"),
        ("empty/", ""),
        (".git/config", "x"),
        ("lib/__pycache__/a.pyc", "x"),
        ("lib/a.py", "x"),
        ("lib/b.pyc", "x"),
        (".venv/bin/python", "x"),
        ("venv/bin/python", "x"),
        (".cog/tmp/build/x", "x"),
        (".cog/openapi_schema.json", "{}"),
        ("node_modules/x", "x"),
        (".DS_Store", "x"),
        ("data/big", "x"),
        ("data/keep", "x"),
        (".dockerignore", "data\n!data/keep\n"),
    ]);
    fs::set_permissions(folder.path().join("run.py"), PermissionsExt::from_mode(0o750)).expect("changed");
    symlink("weights/a.bin", folder.path().join("latest")).expect("linked");
    let (packed, bytes) = packed(folder.path());
    let expected = [
        "755 .cog",
        "644 .cog/openapi_schema.json",
        "644 .dockerignore",
        "644 cog.yaml",
        "644 data/keep",
        "755 empty",
        "777 latest -> weights/a.bin",
        "755 lib",
        "644 lib/a.py",
        "755 run.py",
        "755 weights",
        "644 weights/a.bin",
    ];
    assert_eq!(listing(&bytes), expected);
    assert_eq!(packed.files, 7);
    assert_eq!((packed.size, packed.digest), (bytes.len() as u64, Digest::of(&bytes)));
}

#[test]
fn long_names_are_whole() {
    let name = format!("{}/{}", "d".repeat(120), "f".repeat(200));
    let target = format!("{}/x", "t".repeat(180));
    let folder = folder(&[(&name, "x")]);
    symlink(&target, folder.path().join("link")).expect("linked");
    let expected =
        [format!("755 {}", "d".repeat(120)), format!("644 {name}"), format!("777 link -> {target}")];
    assert_eq!(listing(&packed(folder.path()).1), expected);
}

#[test]
fn what_cannot_be_packed_is_named() {
    let refusal = |make: &dyn Fn(&Path)| {
        let folder = folder(&[("cog.yaml", "")]);
        make(folder.path());
        let refused = pack(folder.path(), io::sink()).expect_err("a refusal").to_string();
        without_paths(&refused, folder.path())
    };
    let refusals = [
        refusal(&|folder| symlink("/etc/passwd", folder.join("out")).expect("linked")),
        refusal(&|folder| symlink("../other", folder.join("out")).expect("linked")),
        refusal(&|folder| drop(UnixListener::bind(folder.join("socket")).expect("bound"))),
        refusal(&|folder| fs::write(folder.join(".dockerignore"), "a\n[b\n").expect("written")),
        refusal(&|folder| fs::remove_dir_all(folder).expect("removed")),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn what_is_left_out_may_be_anything() {
    let folder = folder(&[("cog.yaml", ""), (".dockerignore", "socket\nout\n")]);
    symlink("/etc/passwd", folder.path().join("out")).expect("linked");
    let _socket = UnixListener::bind(folder.path().join("socket")).expect("bound");
    assert_eq!(listing(&packed(folder.path()).1), ["644 .dockerignore", "644 cog.yaml"]);
}

#[test]
fn a_writer_that_fails_is_told_apart_from_a_file_that_does() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let folder = folder(&[("cog.yaml", "run: run.py:Runner")]);
    let refused = pack(folder.path(), Full).expect_err("it is full");
    assert!(
        matches!(&refused, PackError::Write(error) if error.kind() == io::ErrorKind::StorageFull),
        "{refused:?}"
    );
}

fn names() -> impl Strategy<Value = String> {
    vec("[a-c]{1,2}", 1..4).prop_map(|parts| parts.join("/"))
}

fn contents() -> impl Strategy<Value = BTreeMap<String, Vec<u8>>> {
    btree_map(names().prop_map(|name| format!("{name}.txt")), vec(any::<u8>(), 0..2000), 0..12)
}

/// Writes the files in this order.
fn write<'a>(files: impl Iterator<Item = (&'a String, &'a Vec<u8>)>) -> tempfile::TempDir {
    let folder = folder(&[]);
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, content).expect("written");
    }
    folder
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn equal_content_has_equal_bytes_whatever_the_order(files in contents()) {
        let (first, second) = (write(files.iter()), write(files.iter().rev()));
        let old = std::time::SystemTime::UNIX_EPOCH;
        if let Some(name) = files.keys().next() {
            let file = fs::File::options().write(true).open(second.path().join(name)).expect("opened");
            file.set_modified(old).expect("aged");
        }
        prop_assert_eq!(packed(first.path()), packed(second.path()));
    }

    #[test]
    fn other_content_has_another_digest(files in contents(), name in names(), byte: u8) {
        let mut more = files.clone();
        more.entry(format!("{name}.txt")).or_default().push(byte);
        prop_assert_ne!(packed(write(files.iter()).path()).0.digest, packed(write(more.iter()).path()).0.digest);
    }
}
