//! The audit log: entries, proofs, checkpoints, and the live rows to hold against a replay.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::KeyIdText;
use super::{Base64Bytes, Instant, Reason};

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// Its index in the shard's log.
    pub index: u64,
    /// The entry as it is hashed: deterministic CBOR (RFC 8949, 4.2).
    pub canonical: Base64Bytes,
    /// Why it was made, for entries of what changed something. Absent where nobody was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// A page of entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EntryPage {
    /// The entries, ascending. There may be none although more follow.
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
    /// Only about this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyIdText>,
    /// Only with this operation code, as entries have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<u16>,
    /// Only with this outcome code, as entries have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<u8>,
    /// Only from this instant on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Instant>,
    /// Only before this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Instant>,
}

/// All that it takes to check that an entry is in the log: from the entry to its shard's root in a cut, from the cut to the
/// signed root checkpoint. Hashes are SHA-256 (RFC 6962, 2.1), in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Proof {
    /// The shard.
    pub shard: u32,
    /// Index of the entry in the shard's log.
    pub index: u64,
    /// The entry as it is hashed.
    pub entry: Base64Bytes,
    /// Size of the shard's log in the cut.
    pub shard_size: u64,
    /// Inclusion path from the entry to the shard's root.
    pub shard_path: Vec<Base64Bytes>,
    /// The cut as it is hashed: it names the size and root of every shard.
    pub cut: Base64Bytes,
    /// Index of the cut in the root log.
    pub cut_index: u64,
    /// Inclusion path from the cut to the root log's root.
    pub root_path: Vec<Base64Bytes>,
    /// Signed checkpoint of the root log (C2SP signed note).
    pub root_note: String,
}

/// The newest checkpoint of the root log, and the keys to check notes and receipts with (C2SP vkeys).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Checkpoints {
    /// Signed checkpoint of the root log; empty before the first cut is signed.
    pub root_note: String,
    /// Key of the root log's checkpoints.
    pub root_vkey: String,
    /// Origin of this node's log.
    pub shard_origin: String,
    /// Number of this node's log.
    pub shard: u32,
    /// Entries in this node's log.
    pub shard_size: u64,
    /// Key of this node's receipts, for as long as it runs.
    pub node_vkey: String,
}

/// A live row, to hold against the one that a replay of the log's facts yields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LiveRow {
    /// What kind of object it is of.
    #[schema(example = "key")]
    pub kind: String,
    /// Identifier of the object: 16 bytes, of a version those of its key and its number in 4 bytes, big-endian.
    pub id: Base64Bytes,
    /// Revision of the row.
    pub revision: u64,
    /// Its fields.
    pub fields: Vec<LiveField>,
    /// It is not as a server wrote it: somebody changed it in the database, and it is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub altered: bool,
}

/// A field of a live row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LiveField {
    /// Its number among the fields of its kind.
    pub number: u16,
    /// Its name.
    pub name: String,
    /// Its value in deterministic CBOR, of a field that facts hold openly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Base64Bytes>,
    /// What commits to its value, of a field that facts hold sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment: Option<Base64Bytes>,
}

/// Whether decisions, which read by index, find what the rows say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Indexes {
    /// A sentence for each index that does not agree with its rows; none when all do.
    pub findings: Vec<String>,
}

/// A snapshot: the log is committed to all objects as they stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Snapshot {
    /// Root of the tree (RFC 6962, 2.1) over the digests of the newest facts of all objects, in the order of (kind, identifier).
    pub root: Base64Bytes,
    /// How many objects there are.
    pub objects: u64,
    /// It is of the state behind so many entries of the log.
    pub size: u64,
}

/// What to list of the live rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListRows {
    /// Where to begin: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many at most: 1 to 1000, 100 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}
