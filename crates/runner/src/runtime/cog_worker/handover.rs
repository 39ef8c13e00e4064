//! Files on their way from a model to whoever stores them.
//!
//! Every process has a folder for what its model produces. The shim puts copies there, so that what the model writes
//! next changes nothing; from there a file belongs to the event that tells of it. A path that comes from elsewhere is
//! copied.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use cogwire_core::json::Json;
use serde_json::Value;
use tokio_util::task::TaskTracker;

use super::protocol::FileKind;
use crate::event::{FileContent, Produced, ProducedFile};
use crate::runtime::cog_model::private;
use crate::temporary::{TemporaryFile, TemporaryFolder};

/// The most bytes of an output as JSON.
const MAX_JSON: u64 = 100 * 1024 * 1024;

/// How a reference to a file begins where a string would be.
const REFERENCE: &str = "cogwire-file:";

/// The folder for what one process produces.
#[derive(Debug)]
pub(super) struct Handover {
    folder: Arc<TemporaryFolder>,
    /// With the secret, which no user can know: a text that only looks like a reference stays a text.
    reference: String,
}

/// Why an output could not be taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandoverError {
    #[error("The file {} that the model gave cannot be read: {reason}.", .path.display())]
    Unreadable { path: PathBuf, reason: io::Error },
    #[error("The model's output is larger than {} MiB as JSON: give it as a file.", MAX_JSON >> 20)]
    TooLarge,
    #[error("The model's output is nested too deeply.")]
    TooDeep,
}

impl Handover {
    /// A folder in `parent`, with one for each slot. The tracker gets the tasks that delete what is in it. Blocks.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn new(parent: &Path, secret: &str, slots: usize, tracker: TaskTracker) -> io::Result<Self> {
        let folder = TemporaryFolder::new(private::folder(parent)?, tracker);
        for slot in 0..slots {
            fs::create_dir(slot_folder(folder.path(), slot))?;
        }
        Ok(Self { folder: Arc::new(folder), reference: format!("{REFERENCE}{secret}:") })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the worker may put files of its own for one slot.
    pub(super) fn slot(&self, slot: usize) -> PathBuf {
        slot_folder(self.folder.path(), slot)
    }

    /// Takes an output that came in a message.
    pub(super) async fn value(&self, value: &Value) -> Result<Produced, HandoverError> {
        let json = Json::from_value(value);
        if json.is_null() && !value.is_null() {
            return Err(HandoverError::TooDeep);
        }
        self.tree(json).await
    }

    /// Takes an output that came as a file.
    pub(super) async fn file(&self, path: PathBuf, kind: FileKind) -> Result<Produced, HandoverError> {
        match kind {
            FileKind::FileType => Ok(Produced::File(self.keep(path).await?)),
            FileKind::Oversized => self.json_file(path).await,
        }
    }

    /// Takes an output whose JSON is in a file.
    pub(super) async fn json_file(&self, path: PathBuf) -> Result<Produced, HandoverError> {
        let unreadable = |reason| HandoverError::Unreadable { path: path.clone(), reason };
        let size = tokio::fs::metadata(&path).await.map_err(unreadable)?.len();
        let text =
            if size > MAX_JSON { None } else { Some(tokio::fs::read(&path).await.map_err(unreadable)?) };
        if self.owns(&path) {
            // What stays goes with the folder.
            let _ = tokio::fs::remove_file(&path).await;
        }
        let text = text.ok_or(HandoverError::TooLarge)?;
        self.tree(Json::from_slice(&text).map_err(|_| HandoverError::TooDeep)?).await
    }

    async fn tree(&self, json: Json) -> Result<Produced, HandoverError> {
        if !json.as_str().contains(&self.reference) {
            return Ok(Produced::Json(json));
        }
        if let Some(path) = json.as_text().and_then(|text| self.referred(&text)) {
            return Ok(Produced::File(self.keep(path).await?));
        }
        let mut files = HashMap::new();
        for (reference, path) in self.references(&json) {
            files.insert(reference, self.keep(path).await?);
        }
        Ok(Produced::Tree { json, files })
    }

    fn references(&self, json: &Json) -> HashMap<String, PathBuf> {
        let mut found = HashMap::new();
        let _unchanged = json.map_strings(|text| {
            found.extend(self.referred(text).map(|path| (text.to_owned(), path)));
            None
        });
        found
    }

    fn referred(&self, text: &str) -> Option<PathBuf> {
        text.strip_prefix(&self.reference).map(PathBuf::from)
    }

    async fn keep(&self, path: PathBuf) -> Result<ProducedFile, HandoverError> {
        let name = self.name_of(&path);
        let kept = self.kept(path.clone(), name.clone()).await;
        let kept = kept.map_err(|reason| HandoverError::Unreadable { path, reason })?;
        let file = TemporaryFile::new(kept, Arc::clone(&self.folder));
        Ok(ProducedFile { name, content: FileContent::Temporary(Arc::new(file)) })
    }

    async fn kept(&self, path: PathBuf, name: String) -> io::Result<PathBuf> {
        if self.owns(&path) && !self.is_of_worker(&path) {
            return tokio::fs::metadata(&path).await.map(|_| path);
        }
        let (folder, is_of_worker) = (self.folder.path().to_owned(), self.is_of_worker(&path));
        let taken = move || {
            let place = private::folder(&folder)?.keep().join(name);
            match is_of_worker {
                true => fs::rename(&path, &place)?,
                false => fs::copy(&path, &place).map(|_| ())?,
            }
            Ok(place)
        };
        tokio::task::spawn_blocking(taken).await.map_err(io::Error::other)?
    }

    fn name_of(&self, path: &Path) -> String {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !self.is_of_worker(path) && !name.is_empty() {
            return name;
        }
        let extension = path.extension().map(|extension| format!(".{}", extension.to_string_lossy()));
        format!("output{}", extension.unwrap_or_default())
    }

    /// Whether the path leads into the folder.
    fn owns(&self, path: &Path) -> bool {
        path.starts_with(self.folder.path()) && path.components().all(|part| part != Component::ParentDir)
    }

    /// Whether the worker wrote it, under a name that it uses again.
    fn is_of_worker(&self, path: &Path) -> bool {
        let inner = path.parent().and_then(|parent| parent.strip_prefix(self.folder.path()).ok());
        inner.and_then(Path::to_str).is_some_and(|inner| inner.starts_with(SLOT))
    }
}

const SLOT: &str = "slot-";

fn slot_folder(folder: &Path, slot: usize) -> PathBuf {
    folder.join(format!("{SLOT}{slot}"))
}
