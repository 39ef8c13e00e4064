//! Files on their way in and out: data URLs in inputs, files in outputs.

use std::time::Duration;

use cogwire_core::id::{FileId, PredictionId};
use cogwire_core::json::Json;
use cogwire_core::time::Timestamp;
use cogwire_files::{Content, StoredFile, data_url};
use cogwire_runner::{FileContent, Produced, ProducedFile};
use cogwire_store::prediction::FileRow;

use crate::config::{MAX_DATA_URL, OutputFiles};
use crate::error::Error;
use crate::{Engine, Shared};

/// How much longer than the data a link to it stays valid: whether the file is still there is for retention to say.
const LINK_MARGIN: Duration = Duration::from_secs(24 * 60 * 60);

impl Engine {
    /// Stores the files that the input holds as data URLs, and gives the input with links in their place: a prediction is
    /// read and sent many times, and must not carry its files each time.
    ///
    /// # Errors
    /// When a file cannot be stored.
    pub async fn keep_data_urls(&self, id: PredictionId, input: Json) -> Result<Json, Error> {
        let mut found = Vec::new();
        input.map_strings(|text| {
            if data_url::looks_like(text) {
                found.extend(data_url::decode(text).map(|url| (text.to_owned(), url)));
            }
            None
        });
        if found.is_empty() {
            return Ok(input);
        }
        let mut links = std::collections::HashMap::new();
        for (text, url) in found {
            let name = url.file_name("input");
            let file = self.0.store_file(id, &name, Content::Bytes(url.bytes)).await?;
            links.insert(text, Json::string(&self.0.link(&file)));
        }
        Ok(input.map_strings(|text| links.get(text).cloned()))
    }
}

impl Shared {
    /// Turns what a model produced into what readers see.
    pub(crate) async fn keep_output(&self, id: PredictionId, produced: Produced) -> Result<Json, Error> {
        let file = match produced {
            Produced::Json(value) => return Ok(value),
            Produced::File(file) => file,
        };
        if let Some(url) = self.as_data_url(&file).await? {
            return Ok(Json::string(&url));
        }
        let content = match file.content {
            FileContent::Bytes(bytes) => Content::Bytes(bytes::Bytes::copy_from_slice(&bytes)),
            FileContent::Path(path) => Content::Path(path),
        };
        let stored = self.store_file(id, &file.name, content).await?;
        Ok(Json::string(&self.link(&stored)))
    }

    async fn as_data_url(&self, file: &ProducedFile) -> Result<Option<String>, Error> {
        if self.config.output_files == OutputFiles::Url {
            return Ok(None);
        }
        let content_type = cogwire_files::content_type(&file.name);
        match &file.content {
            FileContent::Bytes(bytes) if bytes.len() as u64 <= MAX_DATA_URL => {
                Ok(Some(data_url::encode(&content_type, bytes)))
            }
            FileContent::Bytes(_) => Ok(None),
            FileContent::Path(path) => {
                let small = cogwire_files::read_small(path, MAX_DATA_URL).await?;
                Ok(small.map(|bytes| data_url::encode(&content_type, &bytes)))
            }
        }
    }

    /// The row comes first: a crash in between leaves a row whose file is missing, which retention removes, and not a
    /// file that nobody knows.
    async fn store_file(&self, prediction: PredictionId, name: &str, content: Content) -> Result<StoredFile, Error> {
        let created_at = self.clock.now();
        let id = FileId::new(created_at, self.entropy.bits());
        let size = content.size().await?;
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
