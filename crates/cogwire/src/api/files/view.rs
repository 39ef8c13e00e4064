//! An upload in Replicate's JSON.

use cogwire_core::json::ObjectWriter;
use cogwire_core::wire::Links;
use cogwire_files::Files;
use cogwire_store::upload::Upload;

/// The upload as one canonical JSON object.
pub(super) fn upload_body(upload: &Upload, links: &Links, files: &Files) -> String {
    let mut body = String::with_capacity(1024);
    let mut object = ObjectWriter::new(&mut body);
    object.object("checksums", |checksums| {
        checksums.string("sha256", &upload.sha256);
    });
    object.string("content_type", &upload.content_type);
    object.string("created_at", &upload.created_at.to_string());
    object.string("etag", &upload.sha256);
    match upload.expires_at {
        Some(at) => object.string("expires_at", &at.to_string()),
        None => object.null("expires_at"),
    };
    object.string("id", upload.id.as_str()).json("metadata", &upload.metadata);
    object.string("name", &upload.name).raw("size", &upload.size.to_string());
    object.object("urls", |urls| {
        if let Some(at) = upload.expires_at {
            urls.string("download", &files.signed_url(&upload.account.0, upload.id, at));
        }
        urls.string("get", &links.file(upload.id));
    });
    object.finish();
    body
}
