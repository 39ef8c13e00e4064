//! Why a server did not run what it was given, in a sentence for users.

use std::error::Error;

use http::StatusCode;
use serde::Deserialize;

use super::client::{Answer, CallError};
use crate::event::End;

/// The most characters of an answer that are quoted.
const QUOTE: usize = 200;

/// How Cog refuses.
#[derive(Debug, Deserialize)]
struct Refusal {
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    detail: Option<Detail>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Detail {
    Text(String),
    Faults(Vec<Fault>),
}

#[derive(Debug, Deserialize)]
struct Fault {
    #[serde(default)]
    loc: Vec<serde_json::Value>,
    msg: String,
}

/// An answer that is not the end of a run.
pub(super) fn explain(url: &str, answer: &Answer) -> End {
    let said = said(answer);
    End::Failed(match answer.status {
        StatusCode::UNPROCESSABLE_ENTITY => format!("The model refused its input: {said}"),
        StatusCode::CONFLICT => format!(
            "The model's server at {url} says that it is busy, with nothing of ours ({said}): let nobody else use it, \
             register it with fewer slots, or restart it if it stays so, as some versions of Cog do"
        ),
        StatusCode::ACCEPTED => {
            format!("The model's server at {url} still runs an earlier try of this prediction")
        }
        status if status.is_success() => {
            format!("The model's server at {url} answered with what is no prediction: {said}")
        }
        status => format!("The model's server at {url} answered {status}: {said}"),
    })
}

/// No answer at all.
pub(super) fn lost(url: &str, error: &CallError) -> String {
    let causes = std::iter::successors(error.source(), |cause: &&dyn Error| (*cause).source());
    let why = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    format!("The model's server at {url} did not finish the run: {why}")
}

fn said(answer: &Answer) -> String {
    let refusal = serde_json::from_slice::<Refusal>(&answer.body).ok();
    let words = refusal.and_then(|refusal| match (refusal.detail, refusal.error) {
        (Some(Detail::Faults(faults)), _) => Some(faults.iter().map(fault).collect::<Vec<_>>().join("; ")),
        (Some(Detail::Text(text)), _) | (None, Some(text)) => Some(text),
        (None, None) => None,
    });
    words.unwrap_or_else(|| quote(&answer.body))
}

/// `body.input.text: Field required` is said without what all faults begin with.
fn fault(fault: &Fault) -> String {
    let part = |part: &serde_json::Value| part.as_str().map_or_else(|| part.to_string(), str::to_owned);
    let place: Vec<String> =
        fault.loc.iter().map(part).filter(|it| it != "body" && it != "__root__").collect();
    let place = place.join(".");
    let place = place.strip_prefix("input.").unwrap_or(&place);
    if place.is_empty() { fault.msg.clone() } else { format!("{place}: {}", fault.msg) }
}

fn quote(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * QUOTE)]);
    let shown = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    let quote: String = shown.take(QUOTE).collect();
    if quote.is_empty() { "nothing".to_owned() } else { quote }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_put_into_words() {
        let cases: [(u16, &str, &str); 7] = [
            (
                422,
                r#"{"detail":[{"loc":["body","input","text"],"msg":"Field required","type":"x"},
                    {"loc":["body","input","__root__"],"msg":"0 is not of type \"object\""}]}"#,
                r#"The model refused its input: text: Field required; input: 0 is not of type "object""#,
            ),
            (
                409,
                r#"{"detail":"Already running a prediction"}"#,
                "The model's server at http://m says that it is busy, with nothing of ours (Already running a prediction): \
                 let nobody else use it, register it with fewer slots, or restart it if it stays so, as some versions of \
                 Cog do",
            ),
            (
                503,
                r#"{"error":"Setup has not finished yet.","status":"failed"}"#,
                "The model's server at http://m answered 503 Service Unavailable: Setup has not finished yet.",
            ),
            (
                500,
                "Internal Server Error",
                "The model's server at http://m answered 500 Internal Server Error: Internal Server Error",
            ),
            (
                200,
                "<html>\n\u{7}</html>",
                "The model's server at http://m answered with what is no prediction: <html>  </html>",
            ),
            (200, "", "The model's server at http://m answered with what is no prediction: nothing"),
            (202, "{}", "The model's server at http://m still runs an earlier try of this prediction"),
        ];
        for (status, body, expected) in cases {
            let status = StatusCode::from_u16(status).expect("a status");
            let answer = Answer { status, body: bytes::Bytes::from_static(body.as_bytes()) };
            assert_eq!(explain("http://m", &answer), End::Failed(expected.to_owned()));
        }
    }
}
