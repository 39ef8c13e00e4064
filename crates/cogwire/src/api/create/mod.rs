//! `POST /predictions`, `POST /models/{owner}/{name}/predictions` and `POST /models/{owner}/{name}/versions/{id}/trainings`.

mod asked;
mod field;
mod options;
mod undeclared;
mod uploads;

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use cogwire_core::id::{FileId, PredictionId, VersionId};
use cogwire_core::input::{InvalidField, InvalidInput};
use cogwire_core::json::Json;
use cogwire_core::model::ModelName;
use cogwire_core::prediction::{Kind, Prediction, Request, Source};
use cogwire_core::webhook::event::{EventSet, Webhook};
use cogwire_core::wire::request::{CreateBody, Envelope, WebhookUrl};
use cogwire_core::wire::{ErrorBody, Mask, Wait, prediction_body};
use cogwire_engine::{Create, Created, IdempotencyKey, Subscription};
use sha2::{Digest, Sha256};

use super::at::At;
use super::auth::Caller;
use super::trace::About;
use super::versions::Runnable;
use super::{Api, Failure, answer, body, warnings};
use asked::Asked;

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// `POST /predictions`
pub(super) async fn by_version(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let bytes = body::read(body, api.config.body_limit).await?;
    let asked = Asked::read(&headers, &api.config)?;
    let body = CreateBody::parse(&bytes, Envelope::Versioned)?;
    let reference = body.version.as_deref().unwrap_or_default();
    let version = api.find_version(reference).await?.ok_or_else(ErrorBody::unknown_version)?;
    let key = asked.idempotency(Place::Anywhere, &bytes)?;
    Order { api, account, asked, body, version, key, destination: None }.place().await
}

/// `POST /models/{owner}/{name}/predictions`
pub(super) async fn of_model(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    At((owner, name)): At<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let bytes = body::read(body, api.config.body_limit).await?;
    let model = ModelName::new(&owner, &name).map_err(|_| ErrorBody::not_found())?;
    let version = api.latest_version(&model).await?.ok_or_else(ErrorBody::not_found)?;
    let asked = Asked::read(&headers, &api.config)?;
    let body = CreateBody::parse(&bytes, Envelope::OfModel)?;
    let key = asked.idempotency(Place::Model(&model), &bytes)?;
    Order { api, account, asked, body, version, key, destination: None }.place().await
}

/// `POST /models/{owner}/{name}/versions/{id}/trainings`. Nobody can wait for a training.
pub(super) async fn of_training(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    At((owner, name, id)): At<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let bytes = body::read(body, api.config.body_limit).await?;
    let model = ModelName::new(&owner, &name).map_err(|_| ErrorBody::not_found())?;
    let version = api.find_version(&format!("{model}:{id}")).await?.ok_or_else(ErrorBody::not_found)?;
    let asked = Asked { wait: None, ..Asked::read(&headers, &api.config)? };
    let body = CreateBody::parse(&bytes, Envelope::Training)?;
    let key = asked.idempotency(Place::Version(&version.id), &bytes)?;
    let destination = destination(&api, body.destination.as_deref()).await?;
    Order { api, account, asked, body, version, key, destination: Some(destination) }.place().await
}

/// The model that is to get the new version. It must exist, as on Replicate.
async fn destination(api: &Api, named: Option<&str>) -> Result<ModelName, Failure> {
    let unknown = || ErrorBody::new(404, "The specified training destination does not exist");
    let name = named.unwrap_or_default().parse().map_err(|_| unknown())?;
    let model = api.store.model(&name).await?.ok_or_else(unknown)?;
    Ok(model.name)
}

/// A create whose envelope is valid.
struct Order {
    api: Arc<Api>,
    account: cogwire_core::prediction::AccountId,
    asked: Asked,
    body: CreateBody,
    version: Arc<Runnable>,
    key: Option<IdempotencyKey>,
    /// Of a training.
    destination: Option<ModelName>,
}

impl Order {
    async fn place(mut self) -> Result<Response, Failure> {
        let accepted = self.version.accept(self.kind(), &self.body.input)?;
        let mut warnings = std::mem::take(&mut self.body.warnings);
        warnings.extend(undeclared::warning(&accepted.undeclared));
        let uploads = self.api.uploads_of(&self.account, &self.body.input).await?;
        let request = self.request()?;
        // Subscribed before the create, so that the end is not missed however soon it comes.
        let subscription = self.asked.wait.is_some().then(|| self.api.engine.subscribe(request.id));
        let created = self.create(request, uploads).await?;
        let mut response = self.answer(created, subscription).await?;
        warnings::add(&mut response, &warnings);
        Ok(response)
    }

    fn kind(&self) -> Kind {
        if self.destination.is_some() { Kind::Training } else { Kind::Prediction }
    }

    fn request(&mut self) -> Result<Request, Failure> {
        let created_at = self.api.now();
        let webhook = self.body.webhook.take().map(|webhook| self.webhook(&webhook)).transpose()?;
        Ok(Request {
            // Made of the same moment as `created_at`: lists are ordered by one and filtered by the other.
            id: PredictionId::new(created_at, self.api.entropy.bits()),
            account: self.account.clone(),
            kind: self.kind(),
            model: self.version.model.clone(),
            version: self.version.id.clone(),
            source: Source::Api,
            created_at,
            input: std::mem::replace(&mut self.body.input, Json::object()),
            webhook,
            cancel_at: self.asked.cancel_after.map(|life| created_at + life),
            streams: self.version.streams && self.kind() == Kind::Prediction,
            destination: self.destination.clone(),
            trace: self.asked.options.traceparent,
        })
    }

    fn webhook(&self, webhook: &WebhookUrl) -> Result<Webhook, Failure> {
        if let Err(blocked) = self.api.guard.check_url(webhook.url()) {
            let fault = InvalidField::new("format", "webhook", blocked.to_string());
            return Err(ErrorBody::invalid_input(InvalidInput::from(fault)).into());
        }
        let filter = self.body.filter;
        Ok(Webhook {
            url: webhook.as_str().to_owned(),
            origin: webhook.origin(),
            events: filter
                .filter(|events| *events != EventSet::NONE)
                .unwrap_or(self.api.config.webhook_default_events),
            filter,
            payload: self.asked.payload,
            options: self.asked.options.clone(),
        })
    }

    async fn create(&mut self, request: Request, uploads: Vec<FileId>) -> Result<Created, Failure> {
        let api = Arc::clone(&self.api);
        let create = Create { request, uploads, idempotency: self.key.take() };
        self.api.detached(async move { Ok(api.engine.create(create).await?) }).await
    }

    async fn answer(self, created: Created, subscription: Option<Subscription>) -> Result<Response, Failure> {
        let (prediction, replayed) = match created {
            Created::New(prediction) => (prediction, false),
            Created::Replayed(prediction) => (prediction, true),
            Created::KeyReused => return Err(key_reused().into()),
        };
        let (shown, mut response) = match (self.asked.wait.clone(), subscription) {
            (Some(wait), Some(subscription)) => {
                let subscription =
                    if replayed { self.api.engine.subscribe(prediction.id()) } else { subscription };
                let latest = self.wait(prediction, &wait, subscription).await;
                let response = self.held(&latest, &wait);
                (latest, response)
            }
            _ => {
                let response = self.shown(StatusCode::CREATED, &prediction, self.asked.mask);
                (prediction, response)
            }
        };
        if replayed {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        warnings::add(&mut response, &self.api.unserved(&shown).await);
        Ok(response)
    }

    /// Waits for the end, but not for ever.
    async fn wait(&self, created: Prediction, wait: &Wait, subscription: Subscription) -> Prediction {
        if created.status().is_terminal() { created } else { self.latest(created, wait, subscription).await }
    }

    /// The answer that was held until the end. When the time is up the prediction is shown as it was created, because the
    /// clients take every other status for the end.
    fn held(&self, latest: &Prediction, wait: &Wait) -> Response {
        let mut response = match latest.status().is_terminal() {
            true => self.shown(StatusCode::CREATED, latest, self.asked.mask),
            false => self.shown(StatusCode::ACCEPTED, latest, Mask::AsCreated),
        };
        let applied = HeaderValue::from_str(&wait.applied()).expect("a preference is ASCII");
        response.headers_mut().insert(PREFERENCE_APPLIED, applied);
        response
    }

    async fn latest(&self, created: Prediction, wait: &Wait, subscription: Subscription) -> Prediction {
        let until = self.api.now() + wait.duration().min(self.api.config.max_wait);
        match self.api.engine.wait_ended(subscription, until).await {
            Ok(latest) => latest.unwrap_or(created),
            Err(error) => {
                // It exists: an error now would make the client create another one.
                tracing::warn!(prediction_id = %created.id(), %error, "a wait for the end was cut short");
                created
            }
        }
    }

    fn shown(&self, status: StatusCode, prediction: &Prediction, mask: Mask) -> Response {
        let mut response = answer::json(status, prediction_body(prediction, &self.api.links, mask));
        let location = HeaderValue::from_str(&self.api.links.get(prediction.id()));
        response.headers_mut().extend(location.ok().map(|location| (header::LOCATION, location)));
        response.extensions_mut().insert(About(prediction.id()));
        response
    }
}

/// What of a create is in its path.
#[derive(Clone, Copy)]
enum Place<'a> {
    Anywhere,
    Model(&'a ModelName),
    Version(&'a VersionId),
}

impl Place<'_> {
    fn as_str(&self) -> &str {
        match self {
            Self::Anywhere => "",
            Self::Model(name) => name.as_str(),
            Self::Version(id) => id.as_str(),
        }
    }
}

impl Asked {
    fn idempotency(&self, place: Place<'_>, body: &[u8]) -> Result<Option<IdempotencyKey>, Failure> {
        self.idempotency_key.as_deref().map(|key| idempotency(key, place.as_str(), body)).transpose()
    }
}

/// Keys are compared with what was asked for, whatever the order of the members.
fn idempotency(key: &str, place: &str, body: &[u8]) -> Result<IdempotencyKey, Failure> {
    let canonical = Json::from_slice(body)
        .map_err(|error| ErrorBody::new(400, format!("The request body is not valid JSON: {error}")))?;
    let digest =
        Sha256::new().chain_update(place).chain_update([0]).chain_update(canonical.as_str()).finalize();
    Ok(IdempotencyKey { key: key.to_owned(), request_sha256: digest.into() })
}

fn key_reused() -> ErrorBody {
    let detail =
        "This Idempotency-Key was used before, for a different request: use a new key for each prediction";
    ErrorBody { title: Some("Idempotency-Key reused"), ..ErrorBody::new(422, detail) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(model: &str, body: &str) -> [u8; 32] {
        idempotency("k", model, body.as_bytes()).expect("JSON").request_sha256
    }

    #[test]
    fn the_same_request_in_another_order_is_the_same() {
        assert_eq!(
            digest("", r#"{"a":1,"b":{"x":1,"y":2}}"#),
            digest("", r#"{ "b": {"y":2,"x":1}, "a": 1.0 }"#)
        );
    }

    #[test]
    fn another_body_or_model_is_another_request() {
        assert_ne!(digest("", r#"{"a":1}"#), digest("", r#"{"a":2}"#));
        assert_ne!(digest("a/b", r#"{"a":1}"#), digest("a/c", r#"{"a":1}"#));
    }
}
