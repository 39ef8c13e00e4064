//! What the configuration says about models that run as processes or on other servers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cogwire_core::model::ModelName;
use cogwire_core::variables::{SECRET_PREFIXES, SECRETS, is_secret};
use url::Url;

/// The most instances of one version on one node.
const MOST_INSTANCES: usize = 1000;

/// How models run.
#[derive(Debug, Clone)]
pub struct Models {
    /// Those that the server registers when it starts.
    pub named: Vec<NamedModel>,
    /// How many instances of each version there are.
    pub instances: Instances,
    /// How long an instance may have nothing to do before it is stopped; `None` keeps it.
    pub idle_timeout: Option<Duration>,
    /// How long a model may take to obey a cancel.
    pub cancel_timeout: Duration,
    /// The most memory of an instance, in bytes.
    pub memory: Option<u64>,
    /// Variables of the server that models see.
    pub variables: Vec<String>,
    /// Whether another Python than `cog.yaml` names will do.
    pub any_python: bool,
    /// The largest package that may be uploaded, in bytes.
    pub package_limit: u64,
    /// Where models find their input files and Cog servers report.
    pub internal_listen: SocketAddr,
    /// How those reach it, when that is not where it listens.
    pub internal_url: Option<Url>,
}

/// A model that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedModel {
    /// What it is to be called; else the folder says.
    pub name: Option<ModelName>,
    /// Where it is.
    pub place: ModelPlace,
}

/// Where a model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelPlace {
    /// In a folder with a `cog.yaml`.
    Folder(PathBuf),
    /// On a Cog server that runs already.
    Server(Url),
}

/// How many instances of a version there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceRange {
    /// Kept even when there is nothing to do.
    pub min: usize,
    /// Started when there is much to do; 1 at least.
    pub max: usize,
}

/// Ranges for all models and for single ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instances {
    all: InstanceRange,
    of_model: Vec<(ModelName, InstanceRange)>,
}

impl Instances {
    /// The range for the versions of this model.
    pub fn of(&self, model: &ModelName) -> InstanceRange {
        let own = self.of_model.iter().rev().find(|(name, _)| name == model);
        own.map_or(self.all, |(_, range)| *range)
    }
}

impl Default for Instances {
    fn default() -> Self {
        Self { all: InstanceRange { min: 0, max: 1 }, of_model: Vec::new() }
    }
}

/// A range and whom it is for; the last one of several wins.
impl FromIterator<(Option<ModelName>, InstanceRange)> for Instances {
    fn from_iter<T: IntoIterator<Item = (Option<ModelName>, InstanceRange)>>(ranges: T) -> Self {
        let mut instances = Self::default();
        for (model, range) in ranges {
            match model {
                Some(model) => instances.of_model.push((model, range)),
                None => instances.all = range,
            }
        }
        instances
    }
}

/// `PLACE` or `OWNER/NAME=PLACE`. A place is a path or an http URL; `path` says where relative paths start.
pub(super) fn named_model(text: &str, path: impl Fn(&str) -> PathBuf) -> Option<NamedModel> {
    let (name, place) = match text.split_once('=') {
        Some((name, place)) => (Some(name.parse().ok()?), place),
        None => (None, text),
    };
    if place.is_empty() {
        return None;
    }
    let place = match place.split_once("://") {
        Some(("http" | "https", _)) => ModelPlace::Server(Url::parse(place).ok().filter(Url::has_host)?),
        Some(_) => return None,
        None => ModelPlace::Folder(path(place)),
    };
    Some(NamedModel { name, place })
}

/// The name of a variable that is none of the server's settings and secrets.
pub(super) fn variable(text: &str) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let valid = !text.is_empty() && text.bytes().all(allowed) && !is_secret(text);
    valid.then(|| text.to_owned())
}

/// What [`variable`] takes.
pub(super) fn variable_expected() -> String {
    let (names, beginnings) = (SECRETS.join(", "), SECRET_PREFIXES.join(" or "));
    format!(
        "the name of a variable that models may see: {names} and all that begin with {beginnings} are the server's own; \
         give what is meant for models another name"
    )
}

/// `MIN..MAX` or `OWNER/NAME=MIN..MAX`.
pub(super) fn instances(text: &str) -> Option<(Option<ModelName>, InstanceRange)> {
    let (model, range) = match text.split_once('=') {
        Some((model, range)) => (Some(model.parse().ok()?), range),
        None => (None, text),
    };
    let (min, max) = range.split_once("..")?;
    let range = InstanceRange { min: min.parse().ok()?, max: max.parse().ok()? };
    let valid = range.min <= range.max && (1..=MOST_INSTANCES).contains(&range.max);
    valid.then_some((model, range))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ModelName {
        text.parse().expect("a name")
    }

    #[test]
    fn models_are_folders_and_servers() {
        let read = |text| named_model(text, |path| PathBuf::from("/etc").join(path));
        let folder = |path: &str| ModelPlace::Folder(path.into());
        assert_eq!(read("./hello").expect("a folder").place, folder("/etc/./hello"));
        let named = read("acme/hello=/models/hello").expect("a folder");
        assert_eq!((named.name, named.place), (Some(name("acme/hello")), folder("/models/hello")));
        let server = read("acme/far=http://gpu:5000").expect("a server");
        assert_eq!(server.place, ModelPlace::Server("http://gpu:5000".parse().expect("a URL")));
        for bad in ["", "acme/hello=", "hello=./hello", "ftp://host/model", "http://"] {
            assert_eq!(read(bad), None, "for {bad}");
        }
    }

    #[test]
    fn a_models_own_range_wins() {
        let ranges = ["0..2", "acme/hello=1..4"].map(|text| instances(text).expect("a range"));
        let all: Instances = ranges.into_iter().collect();
        assert_eq!(all.of(&name("acme/hello")), InstanceRange { min: 1, max: 4 });
        assert_eq!(all.of(&name("acme/other")), InstanceRange { min: 0, max: 2 });
    }

    #[test]
    fn the_servers_own_variables_are_not_for_models() {
        assert_eq!(variable("HF_TOKEN").as_deref(), Some("HF_TOKEN"));
        for bad in ["", "COGWIRE_API_TOKEN", "AWS_SECRET_ACCESS_KEY", "DATABASE_URL", "A=B", "A B"] {
            assert_eq!(variable(bad), None, "for {bad}");
        }
    }

    #[test]
    fn ranges_that_make_no_sense_are_refused() {
        for bad in ["", "1", "2..1", "0..0", "..", "0..1001", "hello=0..1", "-1..1"] {
            assert_eq!(instances(bad), None, "for {bad}");
        }
    }
}
