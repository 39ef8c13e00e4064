//! What helps against a status.

use http::{HeaderMap, header};

/// What to do about this status, given the headers of the request that was answered with it.
pub(super) fn advice(status: u16, request: &HeaderMap) -> &'static str {
    match status {
        401 | 403 => {
            "the receiver must let these requests in; let it check the webhook-signature header instead of a login"
        }
        404 => "nothing is at this path; correct the URL, or add the route",
        405 => "the receiver must accept POST at this path",
        408 | 504 => "the receiver was too slow for its own proxy; answer first and do the work afterwards",
        410 => "the receiver says that it is gone for good; stop using this URL",
        413 => {
            "the body is too large for the receiver; raise its limit, or enable thin bodies (Cogwire-Webhook-Body: thin)"
        }
        415 if request.contains_key(header::CONTENT_ENCODING) => {
            "the receiver does not inflate bodies; turn gzip off (Cogwire-Webhook-Gzip: false)"
        }
        415 => "the receiver must take application/json",
        429 => "the receiver limits its rate; let it take more requests, or answer 2xx and queue them",
        431 => "the receiver takes no headers of this length; raise its limit",
        500..=599 => "the receiver failed; look into its logs",
        _ => "answer 2xx when the message was taken",
    }
}
