//! A file that must stay as long as it was.

use std::fs::File;
use std::io::{self, Read};

/// Reads exactly as many bytes as a file had. Anything else would be a package whose parts are shifted.
pub(super) struct Steady {
    file: File,
    left: u64,
    fault: Option<Fault>,
}

/// Why reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The file is longer or shorter than it was.
    Changed,
    /// The operating system refused.
    Unreadable,
}

impl Steady {
    pub(super) fn new(file: File, length: u64) -> Self {
        Self { file, left: length, fault: None }
    }

    /// Whether the file was at fault, and not whoever took its bytes.
    pub(super) fn into_fault(self) -> Option<Fault> {
        self.fault
    }

    fn fail(&mut self, fault: Fault, error: io::Error) -> io::Result<usize> {
        self.fault = Some(fault);
        Err(error)
    }
}

impl Read for Steady {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX)).max(1);
        match self.file.read(&mut buffer[..most]) {
            Ok(0) if self.left == 0 => Ok(0),
            Ok(read) if read > 0 && self.left > 0 => {
                self.left -= read as u64;
                Ok(read)
            }
            Ok(_) => self.fail(Fault::Changed, io::Error::other("the file changed")),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => self.fail(Fault::Unreadable, error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(content: &[u8], length: u64) -> (io::Result<Vec<u8>>, Option<Fault>) {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(content).expect("written");
        let mut steady = Steady::new(file.reopen().expect("opened"), length);
        let mut bytes = Vec::new();
        let read = steady.read_to_end(&mut bytes).map(|_| bytes);
        (read, steady.into_fault())
    }

    #[test]
    fn a_file_of_the_expected_length_is_read() {
        for content in ["", "x", "hello"] {
            let (bytes, fault) = read(content.as_bytes(), content.len() as u64);
            assert_eq!((bytes.expect("read"), fault), (content.as_bytes().to_vec(), None));
        }
    }

    #[test]
    fn a_file_that_grew_or_shrank_is_an_error() {
        for length in [0, 4, 6] {
            let (bytes, fault) = read(b"hello", length);
            assert!(bytes.is_err(), "for {length}");
            assert_eq!(fault, Some(Fault::Changed), "for {length}");
        }
    }
}
