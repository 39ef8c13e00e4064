//! What a model has said, folded together.

use std::collections::BTreeMap;

use super::chunk::ChunkEvent;
use crate::json::{Json, MAX_DEPTH};

/// Logs, output and metrics as a reader sees them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// All log text.
    pub logs: String,
    /// The output.
    pub output: OutputContent,
    /// Metrics by name.
    pub metrics: BTreeMap<String, Json>,
}

/// The output as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum OutputContent {
    /// Nothing yet.
    #[default]
    None,
    /// A whole value.
    Value(Json),
    /// A list that may still grow.
    Items(Vec<Json>),
}

impl Content {
    /// Folds one event in.
    pub fn absorb(&mut self, event: &ChunkEvent) {
        match event {
            ChunkEvent::Log(text) => self.logs.push_str(text),
            ChunkEvent::Value(value) => self.output = OutputContent::Value(value.clone()),
            ChunkEvent::Item(item) => self.output.push(item.clone()),
            ChunkEvent::Metric(name, value) => {
                self.metrics.insert(name.clone(), value.clone());
            }
        }
    }

    /// The metrics as one object, without those that are too deep to be part of one.
    pub fn metrics_json(&self) -> Json {
        let fits = |(_, value): &(&String, &Json)| value.depth() < MAX_DEPTH;
        Json::object_of(self.metrics.iter().filter(fits).map(|(name, value)| (name.as_str(), value)))
    }
}

impl OutputContent {
    /// Appends an item; what was a single value before is replaced by the list.
    fn push(&mut self, item: Json) {
        match self {
            Self::Items(items) => items.push(item),
            Self::None | Self::Value(_) => *self = Self::Items(vec![item]),
        }
    }

    /// The output as one value; `None` when there is none.
    pub fn to_json(&self) -> Option<Json> {
        match self {
            Self::None => None,
            Self::Value(value) => Some(value.clone()),
            Self::Items(items) => Some(Json::array(items)),
        }
    }
}
