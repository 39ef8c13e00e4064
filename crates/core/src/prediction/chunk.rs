//! What a model says bit by bit, numbered: the durable form of a stream.

use crate::json::Json;

/// One thing that a model said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkEvent {
    /// Text for the logs.
    Log(String),
    /// The whole output; it replaces what was there.
    Value(Json),
    /// One more item of a list output.
    Item(Json),
    /// A metric, by name.
    Metric(String, Json),
}

impl ChunkEvent {
    /// How much was said, in bytes.
    pub fn size(&self) -> usize {
        match self {
            Self::Log(text) => text.len(),
            Self::Value(value) | Self::Item(value) => value.as_str().len(),
            Self::Metric(name, value) => name.len() + value.as_str().len(),
        }
    }
}

/// Consecutive events that were made durable together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The number of the first event.
    pub first: u64,
    /// The events, in order; never empty.
    pub events: Vec<ChunkEvent>,
}

/// A stored chunk did not decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a chunk is a JSON array of [kind, value] pairs")]
pub struct InvalidChunk;

impl Chunk {
    /// The number after the last event.
    pub fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    /// The stored form of the events: `[["log","text"],["item",…],["value",…],["metric","name",…]]`.
    pub fn encode(&self) -> String {
        let mut text = String::from("[");
        for (index, event) in self.events.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            encode_event(&mut text, event);
        }
        text.push(']');
        text
    }

    /// Reads the stored form back.
    ///
    /// # Errors
    /// When the text is not what [`Chunk::encode`] writes.
    pub fn decode(first: u64, text: &str) -> Result<Self, InvalidChunk> {
        let rows: Vec<Vec<Json>> = serde_json::from_str(text).map_err(|_| InvalidChunk)?;
        let events = rows.into_iter().map(decode_event).collect::<Option<_>>().ok_or(InvalidChunk)?;
        Ok(Self { first, events })
    }
}

fn encode_event(text: &mut String, event: &ChunkEvent) {
    let (kind, name, value) = match event {
        ChunkEvent::Log(log) => ("log", None, Json::string(log)),
        ChunkEvent::Value(value) => ("value", None, value.clone()),
        ChunkEvent::Item(item) => ("item", None, item.clone()),
        ChunkEvent::Metric(name, value) => ("metric", Some(name), value.clone()),
    };
    text.push_str("[\"");
    text.push_str(kind);
    text.push('"');
    for part in name.map(|name| Json::string(name)).iter().chain([&value]) {
        text.push(',');
        text.push_str(part.as_str());
    }
    text.push(']');
}

fn decode_event(row: Vec<Json>) -> Option<ChunkEvent> {
    let mut parts = row.into_iter();
    let kind = parts.next()?.as_text()?;
    let value = parts.next()?;
    match kind.as_str() {
        "log" => Some(ChunkEvent::Log(value.as_text()?)),
        "value" => Some(ChunkEvent::Value(value)),
        "item" => Some(ChunkEvent::Item(value)),
        "metric" => Some(ChunkEvent::Metric(value.as_text()?, parts.next()?)),
        _ => None,
    }
}
