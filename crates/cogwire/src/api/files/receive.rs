//! Takes an upload: its bytes go to storage as they come, and then there is a row.
//!
//! The bytes come before the row that callers see, so that nobody is told of a file that is not whole. Until then there is
//! another row: the file is recorded as that of a prediction that will never be. What a crash leaves is found as those
//! files are, a day later. Making the upload known removes that row.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::HeaderMap;
use cogwire_core::id::{FileId, PredictionId};
use cogwire_core::json::Json;
use cogwire_core::prediction::AccountId;
use cogwire_core::time::Timestamp;
use cogwire_files::{ReceiveError, StoredFile};
use cogwire_store::prediction::FileRow;
use cogwire_store::upload::Upload;
use multer::Field;

use super::form;
use crate::api::{Api, Failure, body};

/// How long an upload is kept, as on Replicate. One that a prediction uses stays until that has ended.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// The content type of a file that came without one.
const UNKNOWN: &str = "application/octet-stream";

/// Receives one file and makes it durable.
pub(super) async fn receive(
    api: &Api,
    account: AccountId,
    headers: &HeaderMap,
    body: Body,
) -> Result<Upload, Failure> {
    let mut body = body.into_data_stream();
    let mut receiving = Receiving::new(api);
    let outcome = match receiving.read(headers, &mut body).await {
        Ok(()) => receiving.keep(account).await,
        Err(failure) => Err(failure),
    };
    if outcome.is_err() {
        body::discard(body).await;
        receiving.forget().await;
    }
    outcome
}

/// A form, as far as it was read.
struct Receiving<'a> {
    api: &'a Api,
    id: FileId,
    created_at: Timestamp,
    filename: Option<String>,
    content_type: Option<String>,
    metadata: Option<Json>,
    content: Option<Stored>,
    /// Whether there may be bytes.
    recorded: bool,
}

/// The file of a form.
struct Stored {
    /// As the caller has it.
    name: String,
    content_type: Option<String>,
    file: StoredFile,
}

impl<'a> Receiving<'a> {
    fn new(api: &'a Api) -> Self {
        let created_at = api.now();
        Self {
            api,
            id: FileId::new(created_at, api.entropy.bits()),
            created_at,
            filename: None,
            content_type: None,
            metadata: None,
            content: None,
            recorded: false,
        }
    }

    async fn read(&mut self, headers: &HeaderMap, body: &mut BodyDataStream) -> Result<(), Failure> {
        let mut parts = form::parts(headers, body, form::MAX_FILE)?;
        while let Some(part) = parts.next_field().await.map_err(form::refused)? {
            self.take(part).await?;
        }
        Ok(())
    }

    async fn take(&mut self, part: Field<'_>) -> Result<(), Failure> {
        match part.name() {
            Some("content") => return self.store(part).await,
            Some("filename") => {
                let name = form::name(form::text(part).await?)?;
                if self.content.as_ref().is_some_and(|content| content.name != name) {
                    return Err(form::late_name());
                }
                once(&mut self.filename, "filename", name)
            }
            Some("type") => {
                let content_type = form::content_type(form::text(part).await?)?;
                once(&mut self.content_type, "type", content_type)
            }
            _ => {
                let metadata = form::metadata(&form::text(part).await?)?;
                once(&mut self.metadata, "metadata", metadata)
            }
        }
    }

    async fn store(&mut self, part: Field<'_>) -> Result<(), Failure> {
        if self.content.is_some() {
            return Err(form::twice("content"));
        }
        let given = self.filename.clone().or_else(|| part.file_name().map(str::to_owned));
        let name = form::name(given.ok_or_else(form::no_name)?)?;
        let content_type = part.content_type().map(ToString::to_string);
        self.record(&name).await?;
        let file = self.api.files.receive(self.id, &name, part).await.map_err(|error| match error {
            ReceiveError::Source(error) => form::refused(error),
            ReceiveError::Storage(error) => error.into(),
        })?;
        self.content = Some(Stored { name, content_type, file });
        Ok(())
    }

    async fn record(&mut self, name: &str) -> Result<(), Failure> {
        let prediction = PredictionId::new(self.created_at, self.api.entropy.bits());
        let row =
            FileRow { id: self.id, prediction, name: name.to_owned(), size: 0, created_at: self.created_at };
        self.api.store.add_file(row).await?;
        self.recorded = true;
        Ok(())
    }

    async fn keep(&mut self, account: AccountId) -> Result<Upload, Failure> {
        let Stored { content_type, file, .. } = self.content.as_ref().ok_or_else(form::no_content)?;
        let content_type = self.content_type.take().or_else(|| content_type.clone());
        let upload = Upload {
            id: self.id,
            account,
            name: file.name.clone(),
            content_type: content_type.unwrap_or_else(|| UNKNOWN.to_owned()),
            size: file.size,
            sha256: file.sha256.clone(),
            metadata: self.metadata.take().unwrap_or_else(Json::object),
            created_at: self.created_at,
            expires_at: Some(self.created_at + KEPT),
        };
        self.api.store.add_upload(&upload).await?;
        Ok(upload)
    }

    /// Deletes the bytes of an upload that came to nothing, and then the record of them. When that fails, a sweep does it a
    /// day later.
    async fn forget(&self) {
        if !self.recorded {
            return;
        }
        if let Err(error) = self.api.files.delete(self.id).await {
            tracing::warn!(file_id = %self.id, %error, "an upload that was refused could not be deleted yet");
        } else if let Err(error) = self.api.store.forget_files(&[self.id]).await {
            tracing::warn!(file_id = %self.id, %error, "an upload that was refused is still recorded");
        }
    }
}

fn once<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), Failure> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(form::twice(name)),
    }
}
