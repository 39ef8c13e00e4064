//! A model and a version in Replicate's JSON.

use crate::json::ObjectWriter;
use crate::model::{Model, Version};

use super::Links;

/// The model as one canonical JSON object.
pub fn model_body(model: &Model, links: &Links) -> String {
    let mut body = String::with_capacity(1024);
    let mut object = ObjectWriter::new(&mut body);
    object
        .null("cover_image_url")
        .string("created_at", &model.created_at.to_string())
        .null("default_example");
    match &model.description {
        Some(text) => object.string("description", text),
        None => object.null("description"),
    };
    object.null("github_url").bool("is_official", false);
    match &model.latest_version {
        Some(version) => object.raw("latest_version", &version_body(version)),
        None => object.null("latest_version"),
    };
    object.null("license_url").string("name", model.name.name()).string("owner", model.name.owner());
    object.null("paper_url").raw("run_count", &model.run_count.to_string());
    object.string("url", &links.model(&model.name)).string("visibility", "public");
    object.finish();
    body
}

/// The version as one canonical JSON object.
pub fn version_body(version: &Version) -> String {
    let mut body = String::with_capacity(256 + version.openapi_schema.as_str().len());
    let mut object = ObjectWriter::new(&mut body);
    object.string("cog_version", &version.cog_version).string("created_at", &version.created_at.to_string());
    object.string("id", version.id.as_str()).json("openapi_schema", &version.openapi_schema);
    object.finish();
    body
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::json::Json;
    use crate::link::LinkKey;
    use crate::time::Timestamp;

    #[test]
    fn every_field_that_clients_need_is_there() {
        let created_at = Timestamp::from_micros(1_700_000_000_000_000);
        let version = Version {
            id: "9dcd6d78e7c6560c340d916fe32e9f24aabfa331e5cce95fe31f77fb03121426".parse().expect("an id"),
            model: "replicate/hello-world".parse().expect("a name"),
            created_at,
            cog_version: "0.16.0".to_owned(),
            openapi_schema: Json::object(),
            recipe: None,
        };
        let model = Model {
            name: version.model.clone(),
            description: None,
            created_at,
            run_count: 7,
            latest_version: Some(version),
        };
        let links = Links::new("https://example.com", LinkKey::new([7; 32]));
        let body: serde_json::Value = serde_json::from_str(&model_body(&model, &links)).expect("JSON");
        let expected = json!({
            "cover_image_url": null, "created_at": "2023-11-14T22:13:20.000000Z", "default_example": null,
            "description": null, "github_url": null, "is_official": false, "license_url": null,
            "latest_version": {"cog_version": "0.16.0", "created_at": "2023-11-14T22:13:20.000000Z",
                "id": "9dcd6d78e7c6560c340d916fe32e9f24aabfa331e5cce95fe31f77fb03121426", "openapi_schema": {}},
            "name": "hello-world", "owner": "replicate", "paper_url": null, "run_count": 7,
            "url": "https://example.com/v1/models/replicate/hello-world", "visibility": "public",
        });
        assert_eq!(body, expected);
    }
}
