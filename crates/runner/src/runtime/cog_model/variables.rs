//! The environment of a model process.
//!
//! Nothing of the server's own environment gets there but what [`variables`] passes on: it may hold secrets.

use std::env;
use std::ffi::OsString;
use std::path::Path;

use cogwire_core::variables;

use super::CogModel;

/// All variables, the model's own last.
pub(in crate::runtime) fn of(
    model: &CogModel,
    more: &[String],
    temporary: &Path,
) -> Vec<(OsString, OsString)> {
    let mut variables = variables::of_model(&model.bin, more, |name| env::var_os(name));
    variables.push(("TMPDIR".into(), temporary.into()));
    if let Some(weights) = &model.weights {
        variables.push(("COG_WEIGHTS".into(), weights.into()));
    }
    variables.extend(model.variables.iter().map(|(name, value)| (name.into(), value.into())));
    variables
}
