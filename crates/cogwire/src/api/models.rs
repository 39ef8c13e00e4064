//! The catalogue: models and their versions, read-only.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use cogwire_core::id::VersionId;
use cogwire_core::model::{Model, ModelName};
use cogwire_core::text_enum;
use cogwire_core::wire::{PageCursor, model_body, version_body};
use cogwire_store::catalog::{ListModels, ModelOrder};

use super::at::At;
use super::list::{Page, page_url};
use super::query::Query;
use super::{Api, Failure, answer};

/// Models on a page, as on Replicate.
const PAGE: u32 = 25;

text_enum! {
    /// `sort_by`.
    SortBy {
        /// By when the latest version was registered.
        LatestVersion = "latest_version_created_at",
        /// By when the model was.
        Model = "model_created_at",
    }
}

text_enum! {
    /// `sort_direction`.
    SortDirection {
        /// Oldest first.
        Ascending = "asc",
        /// Newest first.
        Descending = "desc",
    }
}

/// `GET /models`
pub(super) async fn list(State(api): State<Arc<Api>>, query: Query) -> Result<Response, Failure> {
    let asked = asked(&query)?;
    let mut models = api.store.list_models(&asked).await?;
    let more = models.len() > PAGE as usize;
    models.truncate(PAGE as usize);
    let url = |offset: u32| page_url(&api.links, "/models", &query, &PageCursor::after(offset.to_string()));
    let page = Page {
        results: models.iter().map(|model| model_body(model, &api.links)).collect(),
        next: more.then(|| url(asked.offset.saturating_add(PAGE))),
        previous: (asked.offset > 0).then(|| url(asked.offset.saturating_sub(PAGE))),
    };
    Ok(page.into_response())
}

/// `GET /models/{owner}/{name}`
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    At((owner, name)): At<(String, String)>,
) -> Result<Response, Failure> {
    let model = model(&api, &owner, &name).await?;
    Ok(answer::json(StatusCode::OK, model_body(&model, &api.links)))
}

/// `GET /models/{owner}/{name}/versions`
pub(super) async fn versions(
    State(api): State<Arc<Api>>,
    At((owner, name)): At<(String, String)>,
) -> Result<Response, Failure> {
    let model = model(&api, &owner, &name).await?;
    let versions = api.store.versions(&model.name).await?;
    Ok(Page::whole(versions.iter().map(version_body).collect()).into_response())
}

/// `GET /models/{owner}/{name}/versions/{id}`
pub(super) async fn version(
    State(api): State<Arc<Api>>,
    At((owner, name, id)): At<(String, String, String)>,
) -> Result<Response, Failure> {
    let id: VersionId = id.parse().map_err(|_| Failure::not_found())?;
    let found = api.store.version(&id).await?;
    let of_model = found.filter(|found| found.model.owner() == owner && found.model.name() == name);
    let version = of_model.ok_or_else(Failure::not_found)?;
    Ok(answer::json(StatusCode::OK, version_body(&version)))
}

/// `GET /models/{owner}/{name}/examples`
pub(super) async fn examples(
    State(api): State<Arc<Api>>,
    At((owner, name)): At<(String, String)>,
) -> Result<Response, Failure> {
    model(&api, &owner, &name).await?;
    Ok(Page::default().into_response())
}

/// `GET /models/{owner}/{name}/readme`: the description, as Markdown.
pub(super) async fn readme(
    State(api): State<Arc<Api>>,
    At((owner, name)): At<(String, String)>,
) -> Result<Response, Failure> {
    let text = model(&api, &owner, &name).await?.description.ok_or_else(Failure::not_found)?;
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, text).into_response())
}

async fn model(api: &Api, owner: &str, name: &str) -> Result<Model, Failure> {
    let name = ModelName::new(owner, name).map_err(|_| Failure::not_found())?;
    api.store.model(&name).await?.ok_or_else(Failure::not_found)
}

fn asked(query: &Query) -> Result<ListModels, Failure> {
    let by = query.choice("sort_by", &[SortBy::LatestVersion.as_str(), SortBy::Model.as_str()])?;
    let directions = [SortDirection::Descending.as_str(), SortDirection::Ascending.as_str()];
    let direction = query.choice("sort_direction", &directions)?;
    Ok(ListModels {
        order: match by.unwrap_or(SortBy::LatestVersion) {
            SortBy::LatestVersion => ModelOrder::LatestVersionCreated,
            SortBy::Model => ModelOrder::ModelCreated,
        },
        descending: direction.unwrap_or(SortDirection::Descending) == SortDirection::Descending,
        offset: query.cursor(|cursor| cursor.position.parse().ok())?.unwrap_or(0),
        // One more than is shown tells whether there are more.
        limit: PAGE + 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_read() {
        let default = asked(&Query::default()).expect("valid");
        assert_eq!(
            (default.order, default.descending, default.offset),
            (ModelOrder::LatestVersionCreated, true, 0)
        );
        let query = Query::parse("sort_by=model_created_at&sort_direction=asc&cursor=cD0yNQ");
        let other = asked(&query).expect("valid");
        assert_eq!((other.order, other.descending, other.offset), (ModelOrder::ModelCreated, false, 25));
        for bad in ["sort_by=name", "sort_direction=up", "cursor=cD14"] {
            assert!(asked(&Query::parse(bad)).is_err(), "for {bad}");
        }
    }
}
