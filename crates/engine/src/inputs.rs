//! Inputs on their way to a model: files that this server keeps are read by links that the model can follow.
//!
//! What a prediction shows, and what webhooks carry, stays as the caller wrote it. Only the model gets other links: it has no
//! token for uploads. A process of this machine reads them here, so that it need not reach the public address, nor trust its
//! certificate. A Cog server may be elsewhere: it reads them where the configuration says, or else at the public address.

use std::collections::HashMap;
use std::time::Duration;

use cogwire_core::id::FileId;
use cogwire_core::json::Json;
use cogwire_core::prediction::Request;
use cogwire_core::recipe::Recipe;
use cogwire_core::time::Timestamp;
use cogwire_files::{Files, Reference, is_loopback};

use crate::Shared;
use crate::error::Error;

/// How much longer than a run may take its links to files are valid.
const LINK_MARGIN: Duration = Duration::from_secs(60 * 60);

impl Shared {
    /// The input as a model gets it: with links that it can follow in place of this server's own URLs of files.
    ///
    /// # Errors
    /// When an upload that the input names is not there any more, and when the store cannot say.
    pub(crate) async fn resolve_input(&self, request: &Request) -> Result<Json, Error> {
        let now = self.clock.now();
        let found = references(&request.input, &self.files, now);
        if found.is_empty() {
            return Ok(request.input.clone());
        }
        let version = self.store.version(&request.version).await?;
        let files = self.files_for(version.and_then(|version| version.recipe).as_ref());
        let expires_at = now + self.config.limits.setup + self.config.limits.run + LINK_MARGIN;
        let mut links = HashMap::new();
        for (text, reference) in found {
            let Some((id, name)) = self.named(request, reference).await? else {
                return Err(Error::NoUpload(text));
            };
            links.insert(text, Json::string(&files.url(id, &name, Some(expires_at))));
        }
        Ok(request.input.map_strings(|text| links.get(text).cloned()))
    }

    /// The files with links that such a model can follow.
    fn files_for(&self, recipe: Option<&Recipe>) -> &Files {
        match (recipe, &self.server_files) {
            (Some(Recipe::Server { .. }), Some(files)) => files,
            (Some(Recipe::Server { url, .. }), None) if !is_loopback(url) => &self.files,
            _ => &self.inner_files,
        }
    }

    /// The file that is meant, and its name.
    async fn named(
        &self,
        request: &Request,
        reference: Reference,
    ) -> Result<Option<(FileId, String)>, Error> {
        match reference {
            Reference::Link { id, name } => Ok(Some((id, name))),
            Reference::Upload(None) => Ok(None),
            Reference::Upload(Some(id)) => {
                let upload = self.store.upload(&request.account, id).await?;
                Ok(upload.map(|upload| (id, upload.name)))
            }
        }
    }
}

/// The URLs of this server's files in `input`, at whatever depth.
fn references(input: &Json, files: &Files, now: Timestamp) -> HashMap<String, Reference> {
    let mut found = HashMap::new();
    // Canonical text does not escape slashes: without these there is nothing to find.
    if !["/files/", "/download/"].iter().any(|part| input.as_str().contains(part)) {
        return found;
    }
    let _unchanged = input.map_strings(|text| {
        found.extend(files.reference(text, now).map(|reference| (text.to_owned(), reference)));
        None
    });
    found
}
