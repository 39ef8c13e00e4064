//! The file that tells client commands on this machine where the server is, and with which token.

use std::io;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::private_file;

const FILE_NAME: &str = "credentials.json";

/// What the file says.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The server's URL.
    pub url: String,
    /// A token.
    pub token: SecretString,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    url: String,
    token: String,
}

impl Credentials {
    /// Where the file is.
    pub fn path(data_dir: &Path) -> PathBuf {
        data_dir.join(FILE_NAME)
    }

    /// Reads the file; `None` when there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn load(data_dir: &Path) -> io::Result<Option<Self>> {
        match std::fs::read_to_string(Self::path(data_dir)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(text) => {
                let stored: Stored = serde_json::from_str(&text)?;
                Ok(Some(Self { url: stored.url, token: stored.token.into() }))
            }
        }
    }

    /// Writes the file, for this user only.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, data_dir: &Path) -> io::Result<()> {
        let stored = Stored { url: self.url.clone(), token: self.token.expose_secret().to_owned() };
        private_file::write(&Self::path(data_dir), &serde_json::to_string_pretty(&stored)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(Credentials::load(folder.path()).expect("no file is no error").is_none());
        let saved = Credentials { url: "http://127.0.0.1:1".to_owned(), token: "r8_x".to_owned().into() };
        saved.save(folder.path()).expect("it is saved");
        let loaded = Credentials::load(folder.path()).expect("it is read").expect("it is there");
        assert_eq!((loaded.url.as_str(), loaded.token.expose_secret()), ("http://127.0.0.1:1", "r8_x"));
    }
}
