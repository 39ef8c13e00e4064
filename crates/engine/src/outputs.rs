//! Files on their way in and out: data URLs in inputs, files in outputs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cogwire_core::id::{FileId, PredictionId};
use cogwire_core::json::Json;
use cogwire_core::time::Timestamp;
use cogwire_files::data_url::{self, DataUrl};
use cogwire_files::{Content, StoredFile};
use cogwire_runner::{FileContent, Produced, ProducedFile};
use cogwire_store::prediction::FileRow;

use crate::Shared;
use crate::config::{MAX_DATA_URL, OutputFiles};
use crate::error::Error;
use crate::intake::Create;

/// How much longer than the data a link to it stays valid: whether the file is still there is for retention to say.
const LINK_MARGIN: Duration = Duration::from_secs(24 * 60 * 60);

impl Shared {
    /// Stores the files that the input holds as data URLs, and puts links in their place: a prediction is read and sent
    /// many times, and must not carry its files each time. Also gives the files, for a create that comes to nothing.
    pub(crate) async fn keep_data_urls(&self, mut create: Create) -> Result<(Create, Vec<FileId>), Error> {
        let mut files = Vec::new();
        let request = &create.request;
        match self.store_data_urls(request.id, &request.input, "input", None, &mut files).await {
            Ok(input) => create.request.input = input,
            Err(error) => {
                self.drop_files(&files).await;
                return Err(error);
            }
        }
        Ok((create, files))
    }

    /// Deletes files whose prediction was not created. What cannot be deleted is only space.
    pub(crate) async fn drop_files(&self, files: &[FileId]) {
        if files.is_empty() {
            return;
        }
        let deleted = self.delete_files(files).await.map_err(Error::Files);
        let forgotten = self.store.forget_files(files).await.map_err(Error::Store);
        if let Err(error) = deleted.and(forgotten) {
            tracing::warn!(%error, files = files.len(), "files of an input that was not accepted could not be deleted");
        }
    }

    /// Turns what a model produced into what readers see. A data URL in JSON is a file, too: that is how a Cog server hands
    /// over the files of its outputs.
    pub(crate) async fn keep_output(&self, id: PredictionId, produced: Produced) -> Result<Json, Error> {
        match produced {
            Produced::Json(value) => {
                self.store_data_urls(id, &value, "output", self.shown_whole(), &mut Vec::new()).await
            }
            Produced::File(file) => self.keep_file(id, &file).await,
            Produced::Tree { json, files } => {
                let mut links = HashMap::new();
                for (text, file) in files {
                    links.insert(text, self.keep_file(id, &file).await?);
                }
                Ok(json.map_strings(|text| links.get(text).cloned()))
            }
        }
    }

    async fn keep_file(&self, id: PredictionId, file: &ProducedFile) -> Result<Json, Error> {
        let content = content_of(&file.content);
        if let Some(most) = self.shown_whole()
            && let Some(url) = content.data_url(&file.name, most).await.map_err(Error::Produced)?
        {
            return Ok(Json::string(&url));
        }
        let stored = self.store_file(id, &file.name, content).await?;
        Ok(Json::string(&self.link(&stored)))
    }

    /// The largest file of an output that is shown as a data URL, in bytes; `None` when none is.
    fn shown_whole(&self) -> Option<u64> {
        match self.config.output_files {
            OutputFiles::Url => None,
            OutputFiles::Data => Some(MAX_DATA_URL),
        }
    }

    /// Stores the files that `json` holds as data URLs, at whatever depth, and puts links in their place; those of at most
    /// `whole` bytes stay as they are. `files` learns which were stored, also before an error.
    async fn store_data_urls(
        &self,
        prediction: PredictionId,
        json: &Json,
        stem: &str,
        whole: Option<u64>,
        files: &mut Vec<FileId>,
    ) -> Result<Json, Error> {
        if !json.as_str().contains("\"data:") {
            return Ok(json.clone());
        }
        let mut links = HashMap::new();
        for (text, url) in data_urls(json) {
            if whole.is_some_and(|most| url.bytes.len() as u64 <= most) {
                continue;
            }
            let file = self.store_file(prediction, &url.file_name(stem), Content::Bytes(url.bytes)).await?;
            links.insert(text, Json::string(&self.link(&file)));
            files.push(file.id);
        }
        Ok(json.map_strings(|text| links.get(text).cloned()))
    }

    /// The row comes first: a crash in between leaves a row whose file is missing, and not a file that nobody knows. Retention
    /// removes the rows of a prediction; those of an input whose prediction was never created go a day later.
    async fn store_file(
        &self,
        prediction: PredictionId,
        name: &str,
        content: Content,
    ) -> Result<StoredFile, Error> {
        let created_at = self.clock.now();
        let id = FileId::new(created_at, self.entropy.bits());
        let size = content.size().await.map_err(Error::Produced)?;
        self.store.add_file(FileRow { id, prediction, name: name.to_owned(), size, created_at }).await?;
        Ok(self.files.put(id, name, content).await?)
    }

    fn link(&self, file: &StoredFile) -> String {
        self.files.url(file.id, &file.name, self.link_expiry(self.clock.now()))
    }

    fn link_expiry(&self, now: Timestamp) -> Option<Timestamp> {
        let limits = self.config.limits;
        self.config.retention.map(|kept| now + limits.queue + limits.setup + limits.run + kept + LINK_MARGIN)
    }
}

/// The data URLs in `input`, at whatever depth, as written and as read.
fn data_urls(input: &Json) -> HashMap<String, DataUrl> {
    let mut found = HashMap::new();
    let _unchanged = input.map_strings(|text| {
        if data_url::looks_like(text) {
            found.extend(data_url::decode(text).map(|url| (text.to_owned(), url)));
        }
        None
    });
    found
}

pub(crate) fn content_of(content: &FileContent) -> Content {
    match content {
        FileContent::Bytes(bytes) => Content::Bytes(Bytes::from_owner(Arc::clone(bytes))),
        FileContent::Path(path) => Content::Path(path.clone()),
        FileContent::Temporary(file) => Content::Path(file.path().to_owned()),
    }
}
