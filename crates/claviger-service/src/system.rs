//! What is fixed of a deployment while the process runs.

use std::sync::Arc;
use std::time::Duration;

use claviger_audit::key::VerifierKey;
use claviger_core::Name;

/// The shard of a single node.
pub(crate) const SHARD: u32 = 1;

/// What is fixed while the process runs.
#[derive(Debug)]
pub struct SystemFacts {
    /// The deployment's name.
    pub deployment: Name,
    /// The environment that the deployment is, if it is said.
    pub environment: Option<Name>,
    /// How long after the first of them certificates end that renewed each other.
    pub renewable_for: Duration,
    /// Which start of the process this is.
    pub incarnation: u64,
    /// Origin of the shard's log.
    pub origin: Arc<str>,
    /// The shard.
    pub shard: u32,
    /// Verifies checkpoints of the root log.
    pub root_key: VerifierKey,
    /// Verifies checkpoints of the shard's log, and receipts, of this incarnation.
    pub node_key: VerifierKey,
}

/// Under which name a node's verifier key is kept, by its digest in hexadecimal.
pub(crate) fn named_node_document(digest: &str) -> Option<String> {
    let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_digest.then(|| format!("node/{}", digest.to_ascii_lowercase()))
}

/// Under which name a node's verifier key is kept.
pub(crate) fn node_document(digest: &[u8; 32]) -> String {
    let mut name = String::from("node/");
    for byte in digest {
        name.push_str(&format!("{byte:02x}"));
    }
    name
}
