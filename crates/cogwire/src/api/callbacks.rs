//! `POST /callbacks/{token}`: what Cog servers say about their runs, for whoever waits for it on this node.
//!
//! The address is the permission: nobody can guess it, and it is worth nothing when its run has ended.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use cogwire_runner::CallbackRegistry;

use super::at::At;
use super::{Failure, body};

/// The longest callback, in bytes. It holds the whole output, files included.
const LONGEST: usize = 100 << 20;

/// The only route.
pub(super) fn routes(registry: Arc<CallbackRegistry>) -> Router {
    Router::new().route("/callbacks/{token}", post(receive)).with_state(registry)
}

async fn receive(
    State(registry): State<Arc<CallbackRegistry>>,
    At(token): At<String>,
    body: Body,
) -> Result<StatusCode, Failure> {
    // Before anything is read: whoever cannot name a run gets no memory here.
    if !registry.knows(&token) {
        return Err(Failure::not_found());
    }
    let bytes = body::read(body, LONGEST).await?;
    if registry.deliver(&token, &bytes) { Ok(StatusCode::NO_CONTENT) } else { Err(Failure::not_found()) }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use cogwire_core::time::Entropy;
    use tower::ServiceExt;

    use super::*;

    struct Zeros;

    impl Entropy for Zeros {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    #[tokio::test]
    async fn a_body_for_nobody_is_not_read() {
        let routes = routes(Arc::new(CallbackRegistry::new(Arc::new(Zeros))));
        let endless = Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
        let request = Request::post("/callbacks/unknown").body(endless).expect("a request");
        let answer = routes.oneshot(request).await.expect("a router never fails");
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    }
}
