//! A commit with everything encoded, so that whoever has the connection only binds.

use cogwire_core::json::Json;
use cogwire_core::prediction::{Content, Transition};

use crate::lane::FinalBody;
use crate::prediction::{Commit, Guard, Lease};

/// A commit that is ready to be written.
pub(crate) struct Change {
    pub(crate) commit: Commit,
    pub(crate) chunk: Option<EncodedChunk>,
    pub(crate) result: Option<EncodedResult>,
    pub(crate) final_body: Option<FinalBody>,
}

/// The events of a transition, as they are stored.
pub(crate) struct EncodedChunk {
    pub(crate) first: u64,
    pub(crate) end: u64,
    pub(crate) events: String,
}

/// What a prediction ends with, as it is stored; the logs are in the transition.
pub(crate) struct EncodedResult {
    pub(crate) output: Option<Json>,
    pub(crate) metrics: Json,
}

impl Change {
    pub(crate) fn encode(commit: Commit) -> Self {
        let transition = &commit.transition;
        Self {
            chunk: transition.chunk().map(|chunk| EncodedChunk {
                first: chunk.first,
                end: chunk.end(),
                events: chunk.encode(),
            }),
            result: transition.result().map(EncodedResult::of),
            final_body: FinalBody::of(transition),
            commit,
        }
    }

    pub(crate) fn transition(&self) -> &Transition {
        &self.commit.transition
    }

    pub(crate) fn id(&self) -> &str {
        self.commit.request.id.as_str()
    }

    pub(crate) fn ends(&self) -> bool {
        self.transition().next().status().is_terminal()
    }

    /// The hold that the live row must have; `None` for anybody.
    pub(crate) fn lease(&self) -> Option<&Lease> {
        match &self.commit.guard {
            Guard::Holder(lease) => Some(lease),
            Guard::Anyone => None,
        }
    }

    /// The events that become rows. When a prediction has ended, its content is read from the result, and only streams are
    /// read from events.
    pub(crate) fn stored_chunk(&self) -> Option<&EncodedChunk> {
        let kept = !self.ends() || self.commit.request.streams;
        self.chunk.as_ref().filter(|_| kept)
    }
}

impl EncodedResult {
    fn of(content: &Content) -> Self {
        Self { output: content.output.to_json(), metrics: content.metrics_json() }
    }
}
