//! A reader that hashes what it reads, and stops at a limit.

use std::io::{self, Read};

use cogwire_core::recipe::Digest;
use sha2::{Digest as _, Sha256};

pub(super) struct Measured<R> {
    reader: R,
    hash: Sha256,
    left: u64,
    too_long: bool,
    failure: Option<io::Error>,
}

impl<R: Read> Measured<R> {
    /// Reads at most `most` bytes.
    pub(super) fn new(reader: R, most: u64) -> Self {
        Self { reader, hash: Sha256::new(), left: most, too_long: false, failure: None }
    }

    /// Reads what is left: a package ends later than its last entry.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        io::copy(self, &mut io::sink()).map(drop)
    }

    pub(super) fn is_too_long(&self) -> bool {
        self.too_long
    }

    /// Why it could not be read on, if that is so.
    pub(super) fn failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// The digest of all that was read.
    pub(super) fn digest(self) -> Digest {
        Digest::from_sha256(self.hash.finalize().into())
    }
}

impl<R: Read> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.reader.read(buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                let kind = error.kind();
                self.failure = Some(error);
                return Err(kind.into());
            }
        };
        match self.left.checked_sub(read as u64) {
            Some(left) => {
                self.left = left;
                self.hash.update(&buffer[..read]);
                Ok(read)
            }
            None => {
                self.too_long = true;
                Err(io::Error::other("too long"))
            }
        }
    }
}
