//! What servers that share a database should have in common besides it, said once at the start of one that has not.

use super::foundation::Foundation;
use crate::config::{Config, Roles};

/// Warns of what the others do not see.
pub(super) async fn give(foundation: &Foundation, url: &str) {
    let config = &foundation.config;
    if !foundation.opened.is_shared() || !(config.roles != Roles::ALL || has_peers(foundation).await) {
        return;
    }
    let Config { storage, public_url, .. } = config;
    if storage.is_none() {
        tracing::warn!(
            folder = %config.files_place(),
            "files are only on this machine: unless all servers see this folder, give them the same --storage-url, such as \
             s3://bucket/prefix"
        );
    }
    if public_url.is_none() {
        tracing::warn!(
            url,
            "links in what this server answers and sends lead to itself: give all servers the same --public-url"
        );
    }
}

/// Whether other nodes are alive. It is only advice, so a store that cannot say is taken to say no.
async fn has_peers(foundation: &Foundation) -> bool {
    let nodes = foundation.store.live_nodes(foundation.clock.now()).await.unwrap_or_default();
    nodes.iter().any(|node| node.epoch != foundation.node)
}
