mod docs;
mod play;
mod refuse;
mod schema;
mod stop;
mod template;

use std::sync::Arc;

use crate::testing::{Harness, TestClock};
use crate::{RunnableModel, Scripts};

/// The models of a script whose one model is `acme/test` with this body.
fn models(body: &str) -> Vec<RunnableModel> {
    parse(body).unwrap_or_else(|error| panic!("{error}")).into_models()
}

fn parse(body: &str) -> Result<Scripts, crate::ScriptError> {
    Scripts::parse("test.toml", &format!("[[model]]\nowner = 'acme'\nname = 'test'\n{body}"))
}

fn harness(body: &str, clock: Arc<TestClock>) -> Harness {
    Harness::new(models(body), clock)
}
