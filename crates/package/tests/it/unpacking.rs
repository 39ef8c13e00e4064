//! What becomes of a package, also of one that means harm.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use cogwire_core::recipe::Digest;
use cogwire_package::{Limits, UnpackError, pack, remove_leftovers, unpack};
use proptest::collection::vec;
use proptest::prelude::*;
use tar::{Builder, EntryType, Header};

use crate::support::folder;

const ROOMY: Limits = Limits { bytes: 1 << 20, entries: 100 };

/// A package with one entry that this crate would not make.
struct Hostile(Builder<Vec<u8>>);

impl Hostile {
    fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    /// Writes names as they are: the library refuses to write such ones.
    fn entry(mut self, kind: EntryType, name: &str, target: &str, content: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        self.0.append(&header, content).expect("appended");
        self
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().expect("finished")
    }
}

/// Unpacks into a folder of its own and sees that nothing is left when it fails.
fn refusal(bytes: &[u8], limits: Limits) -> String {
    let home = folder(&[]);
    let destination = home.path().join("models/one");
    let refused = unpack(bytes, &Digest::of(bytes), &destination, limits).expect_err("a refusal");
    let left = fs::read_dir(home.path().join("models")).expect("a folder").count();
    assert_eq!(left, 0, "nothing is left");
    refused.to_string()
}

fn one(kind: EntryType, name: &str, target: &str) -> String {
    refusal(&Hostile::new().entry(kind, name, target, b"").bytes(), ROOMY)
}

#[test]
fn a_model_comes_out_as_it_went_in() {
    let name = format!("{}/{}", "d".repeat(120), "f".repeat(200));
    let source =
        folder(&[("cog.yaml", "run: run.py:R"), ("run.py", "code"), ("a/empty/", ""), (&name, "deep")]);
    fs::set_permissions(source.path().join("run.py"), PermissionsExt::from_mode(0o700)).expect("changed");
    symlink("../run.py", source.path().join("a/link")).expect("linked");
    let mut bytes = Vec::new();
    let packed = pack(source.path(), &mut bytes).expect("packed");

    let home = folder(&[]);
    let destination = home.path().join("models/one");
    unpack(bytes.as_slice(), &packed.digest, &destination, ROOMY).expect("unpacked");
    assert_eq!(fs::read_to_string(destination.join(&name)).expect("read"), "deep");
    assert_eq!(fs::read_link(destination.join("a/link")).expect("a link"), Path::new("../run.py"));
    let mode = |name| destination.join(name).metadata().expect("there").permissions().mode() & 0o100;
    assert_eq!((mode("run.py"), mode("cog.yaml")), (0o100, 0));
    assert_eq!(pack(&destination, io::sink()).expect("packed again"), packed);

    let broken: &[u8] = b"not read: it is there already";
    fs::write(destination.join("run.py"), "changed").expect("written");
    let again = unpack(bytes.as_slice(), &packed.digest, &destination, ROOMY);
    again.expect("it is there already");
    assert_eq!(fs::read_to_string(destination.join("run.py")).expect("read"), "changed");
    let damaged = unpack(broken, &packed.digest, &destination, Limits::of_bytes(100)).expect_err("damaged");
    assert!(matches!(damaged, UnpackError::Damaged), "{damaged:?}");
    assert!(std::error::Error::source(&damaged).is_none(), "its bytes are not repeated: {damaged:?}");
}

#[test]
fn several_may_unpack_one_package_at_once() {
    let package = Hostile::new().entry(EntryType::Regular, "a", "", &[7; 5000]).bytes();
    let home = folder(&[]);
    let destination = home.path().join("models/one");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                unpack(package.as_slice(), &Digest::of(&package), &destination, ROOMY).expect("unpacked");
                assert_eq!(fs::read(destination.join("a")).expect("whole").len(), 5000);
            });
        }
    });
    assert_eq!(
        fs::read_dir(home.path().join("models")).expect("a folder").count(),
        1,
        "nothing else is left"
    );
}

#[test]
fn nothing_gets_out_of_the_folder() {
    let refusals = [
        one(EntryType::Regular, "/etc/passwd", ""),
        one(EntryType::Regular, "../escaped", ""),
        one(EntryType::Regular, "a/../../escaped", ""),
        one(EntryType::Directory, "..", ""),
        one(EntryType::Symlink, "link", "/etc/passwd"),
        one(EntryType::Symlink, "link", "../../etc/passwd"),
        one(EntryType::Symlink, "a/link", "b/../../.."),
        one(EntryType::Symlink, "../link", "a"),
        one(EntryType::Link, "hard", "/etc/passwd"),
        one(EntryType::Fifo, "pipe", ""),
        one(EntryType::Char, "null", ""),
        one(EntryType::Block, "disk", ""),
        one(EntryType::XHeader, "pax", ""),
        one(EntryType::GNUSparse, "sparse", ""),
        one(EntryType::Regular, "", ""),
        refusal(&Hostile::new().entry(EntryType::GNULongName, "long", "", &[b'x'; 5000]).bytes(), ROOMY),
        refusal(
            &Hostile::new()
                .entry(EntryType::GNULongName, "long", "", b"../up\0")
                .entry(EntryType::Regular, "a", "", b"")
                .bytes(),
            ROOMY,
        ),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn nothing_is_written_through_a_link() {
    let home = folder(&[("outside/", "")]);
    let package = Hostile::new()
        .entry(EntryType::Symlink, "up", "inner", b"")
        .entry(EntryType::Regular, "up/file", "", b"x")
        .bytes();
    let destination = home.path().join("models/one");
    let refused =
        unpack(package.as_slice(), &Digest::of(&package), &destination, ROOMY).expect_err("a refusal");
    assert!(
        matches!(&refused, UnpackError::Write { source, .. } if source.kind() == io::ErrorKind::AlreadyExists),
        "{refused:?}"
    );
    assert!(!destination.exists());
}

#[test]
fn two_files_of_one_name_are_refused() {
    let package = Hostile::new()
        .entry(EntryType::Regular, "a", "", b"1")
        .entry(EntryType::Regular, "a", "", b"2")
        .bytes();
    assert!(refusal(&package, ROOMY).starts_with("cannot write "));
}

#[test]
fn limits_hold() {
    let package = Hostile::new()
        .entry(EntryType::Regular, "a", "", &[0; 5000])
        .entry(EntryType::Regular, "b", "", b"")
        .bytes();
    assert_eq!(
        refusal(&package, Limits { bytes: 4000, ..ROOMY }),
        "the package has more than 4000 bytes: leave out what the model does not need (.dockerignore), or raise \
         package_limit (--package-limit)"
    );
    assert_eq!(
        refusal(&package, Limits { entries: 1, ..ROOMY }),
        "the package has more than 1 files: leave out what the model does not need (.dockerignore)"
    );
    let length = package.len() as u64;
    let home = folder(&[]);
    unpack(
        package.as_slice(),
        &Digest::of(&package),
        &home.path().join("a"),
        Limits { bytes: length, entries: 2 },
    )
    .expect("exactly as much");
}

#[test]
fn a_package_without_an_end_stops_at_the_limit() {
    let mut package = Hostile::new().entry(EntryType::Regular, "a", "", b"1").bytes();
    package.truncate(1024);
    let endless = package.chain(io::repeat(0));
    let home = folder(&[]);
    let digest = Digest::of(b"whatever");
    let refused = unpack(endless, &digest, &home.path().join("a"), ROOMY).expect_err("too long");
    assert!(matches!(refused, UnpackError::TooLong(_)), "{refused:?}");
}

#[test]
fn another_package_is_not_taken_for_the_expected_one() {
    let package = Hostile::new().entry(EntryType::Regular, "a", "", b"1").bytes();
    let home = folder(&[]);
    let expected = Digest::of(b"another");
    let refused = unpack(package.as_slice(), &expected, &home.path().join("a"), ROOMY).expect_err("another");
    assert!(
        matches!(&refused, UnpackError::Different { found, .. } if *found == Digest::of(&package)),
        "{refused:?}"
    );
    assert!(!home.path().join("a").exists());
}

#[test]
fn a_reader_that_fails_leaves_nothing() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let package = Hostile::new().entry(EntryType::Regular, "a", "", &[1; 5000]).bytes();
    let home = folder(&[]);
    let reader = (&package[..2000]).chain(Broken);
    let refused =
        unpack(reader, &Digest::of(&package), &home.path().join("a"), ROOMY).expect_err("a refusal");
    assert!(matches!(refused, UnpackError::Unreadable(_)), "{refused:?}");
    assert_eq!(fs::read_dir(home.path()).expect("a folder").count(), 0);
}

#[test]
fn what_a_killed_process_left_can_be_removed() {
    let home = folder(&[(".one.Xa3.part/run.py", "x"), ("two/run.py", "x"), (".hidden/x", "x")]);
    remove_leftovers(home.path()).expect("removed");
    let mut names: Vec<_> = fs::read_dir(home.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort();
    assert_eq!(names, [".hidden", "two"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn garbage_never_gets_a_name(
        cut in 0usize..4096, flips in vec((0usize..4096, any::<u8>()), 1..4)
    ) {
        let source = folder(&[("cog.yaml", "run: run.py:R"), ("run.py", "code")]);
        let mut bytes = Vec::new();
        let packed = pack(source.path(), &mut bytes).expect("packed");
        let whole = bytes.clone();
        for (at, byte) in flips {
            let length = bytes.len();
            bytes[at % length] = byte;
        }
        bytes.truncate(bytes.len() - cut % bytes.len());
        let home = folder(&[]);
        let destination = home.path().join("a");
        let unpacked = unpack(bytes.as_slice(), &packed.digest, &destination, ROOMY);
        prop_assert_eq!(unpacked.is_ok(), bytes == whole);
        prop_assert_eq!(destination.exists(), bytes == whole);
    }
}
