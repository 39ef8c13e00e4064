//! The absolute URLs that a prediction carries.

use crate::id::{FileId, PredictionId};
use crate::link::LinkKey;
use crate::model::ModelName;

/// Builds URLs from the server's public URL, never from what a request claims. Those of a prediction are made for
/// each answer and each webhook, so they are put together without a formatter.
#[derive(Debug, Clone)]
pub struct Links {
    base: String,
    key: LinkKey,
    /// The collection that a prediction is shown in.
    collection: &'static str,
}

impl Links {
    /// `public_url` is scheme, host and port, with or without a slash at the end; `key` signs the URLs that need no token.
    pub fn new(public_url: &str, key: LinkKey) -> Self {
        Self { base: public_url.trim_end_matches('/').to_owned(), key, collection: "predictions" }
    }

    /// The same for trainings that are read as such. Where they are created and in webhooks, Replicate shows them among
    /// predictions, and either way leads to them.
    #[must_use]
    pub fn of_trainings(&self) -> Self {
        Self { collection: "trainings", ..self.clone() }
    }

    /// The public URL, without a slash at the end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Where the API begins.
    pub fn api(&self) -> String {
        format!("{}/v1", self.base)
    }

    /// Where the model can be read.
    pub fn model(&self, name: &ModelName) -> String {
        format!("{}/v1/models/{name}", self.base)
    }

    /// Where what is known about an uploaded file can be read. Clients send this URL as an input.
    pub fn file(&self, id: FileId) -> String {
        format!("{}/v1/files/{id}", self.base)
    }

    /// Where the prediction can be read.
    pub fn get(&self, id: PredictionId) -> String {
        [&*self.base, "/v1/", self.collection, "/", id.as_str()].concat()
    }

    /// Where the prediction can be canceled.
    pub fn cancel(&self, id: PredictionId) -> String {
        [&*self.base, "/v1/", self.collection, "/", id.as_str(), "/cancel"].concat()
    }

    /// The page about the prediction. It is readable without a token by whoever has this URL, so it carries a key.
    pub fn web(&self, id: PredictionId) -> String {
        [&*self.base, "/p/", id.as_str(), "?key=", &self.key.sign("web", id.as_str())].concat()
    }

    /// Whether `key` is the one that [`Links::web`] put into the page's URL.
    pub fn opens_web(&self, id: PredictionId, key: &str) -> bool {
        self.key.verify("web", id.as_str(), key)
    }

    /// The prediction's event stream. Clients read it without a token, so it cannot be guessed.
    pub fn stream(&self, id: PredictionId) -> String {
        [&*self.base, "/v1/streams/", id.as_str(), "-", &self.key.sign("stream", id.as_str())].concat()
    }

    /// Reads the last part of a stream URL; `None` when its signature is wrong.
    pub fn parse_stream(&self, capability: &str) -> Option<PredictionId> {
        let (id, signature) = capability.split_once('-')?;
        let id: PredictionId = id.parse().ok()?;
        self.key.verify("stream", id.as_str(), signature).then_some(id)
    }
}
