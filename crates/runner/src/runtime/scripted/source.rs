//! The text of a script, and where in it something is.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::error::{Problem, ScriptError};
use super::limits::MAX_FILE_BYTES;

/// A script's text with its name.
pub(super) struct Source {
    /// The path as the user gave it, or another name for people.
    pub(super) name: String,
    /// What relative paths in the script start from; absent when the script was not read from a file.
    folder: Option<PathBuf>,
    pub(super) text: String,
}

impl Source {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, ScriptError> {
        let name = path.display().to_string();
        let unreadable = |error| ScriptError::Unreadable { file: name.clone(), error };
        let folder = std::path::absolute(path).map_err(unreadable)?.parent().map(Path::to_owned);
        let text = read_bounded(path).map_err(unreadable)?;
        Ok(Self { name, folder, text })
    }

    /// Takes a text that has no folder.
    pub(super) fn from_text(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), folder: None, text: text.to_owned() }
    }

    /// The line, from 1, on which the byte at `offset` is.
    pub(super) fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().iter().take(offset);
        before.filter(|&&byte| byte == b'\n').count() + 1
    }

    /// `FILE:LINE` of a place in the text.
    pub(super) fn place(&self, span: &Range<usize>) -> String {
        format!("{}:{}", self.name, self.line(span.start))
    }

    /// The error that says that the text at `span` is wrong.
    pub(super) fn error(&self, span: &Range<usize>, problem: Problem) -> ScriptError {
        ScriptError::Wrong {
            file: self.name.clone(),
            line: self.line(span.start),
            problem: Box::new(problem),
        }
    }

    /// Where a path in the script leads; `None` when the script has no folder.
    pub(super) fn resolve(&self, path: &str) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(path))
    }
}

/// The text of a file of at most [`MAX_FILE_BYTES`].
pub(super) fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    if read as u64 > MAX_FILE_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than {MAX_FILE_BYTES} bytes"),
        ));
    }
    Ok(text)
}
