//! The audit log: entries, checkpoints, and the check of the live state against the log.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::{ActionWord, KeyIdText};
use super::{Base64Bytes, Instant};

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// Its index in the shard's log.
    pub index: u64,
    /// The entry as it is hashed: deterministic CBOR (RFC 8949, 4.2).
    pub canonical: Base64Bytes,
}

/// A page of entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EntryPage {
    /// The entries, ascending.
    pub items: Vec<Entry>,
    /// Where the next page begins, for `?from=`; `null` when the log holds no more for now.
    #[schema(required)]
    pub next: Option<u64>,
    /// Size of the log when it was read.
    pub size: u64,
}

/// Which entries to read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadEntries {
    /// Index of the first one; 0 unless said otherwise.
    #[serde(default)]
    pub from: u64,
    /// How many at most: 1 to 1000, 100 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Only about this key, by identifier or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyIdText>,
    /// Only of this action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionWord>,
    /// Only with this outcome, as in `denied`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Only from this instant on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Instant>,
    /// Only before this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Instant>,
}

/// The newest checkpoints (C2SP signed notes) and the keys to check them with (C2SP vkeys).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Checkpoints {
    /// Checkpoint of the root log.
    pub root_note: String,
    /// Checkpoint of this node's shard.
    pub shard_note: String,
    /// Key of the root log's checkpoints.
    pub root_vkey: String,
    /// Key of this node's checkpoints and receipts.
    pub node_vkey: String,
}

/// What the check of the live state against a replay of the log found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LiveReport {
    /// Whether nothing differs.
    pub consistent: bool,
    /// How many entries were replayed.
    pub entries: u64,
    /// How many key versions were compared.
    pub versions: u64,
    /// What differs, a line each.
    pub differences: Vec<String>,
}
