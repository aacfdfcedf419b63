//! The audit log: entries, proofs, checkpoints, and the live rows to hold against a replay.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::{AssetIdText, CredentialIdText, KeyIdText};
use super::{Base64Bytes, Instant, Pairs, Reason};

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
    /// Names of the keys that entries have by identifier, by that identifier.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub names: Pairs,
}

/// By what entries are chosen. All that is given must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryChoice {
    /// Only about this key.
    pub key: Option<KeyIdText>,
    /// Only with this operation code.
    pub operation: Option<u16>,
    /// Only with this outcome code.
    pub outcome: Option<u8>,
    /// Only what was refused.
    pub refused: bool,
    /// Only from this instant on.
    pub since: Option<Instant>,
    /// Only before this instant.
    pub until: Option<Instant>,
    /// Only uses on this data asset.
    pub asset: Option<AssetIdText>,
}

/// A query for entries: members of its own around those that every one has. They are written out in each, because a query string is
/// read by members, and unknown ones are refused.
macro_rules! entry_query {
    ($(#[$doc:meta])+ $name:ident { $($before:tt)* } { $($behind:tt)* }) => {
        $(#[$doc])+
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($before)*
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
            /// Only what was refused, with whatever outcome that is: by a right, a state, a limit, or what was asked.
            #[serde(default, skip_serializing_if = "std::ops::Not::not")]
            pub refused: bool,
            /// Only from this instant on.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub since: Option<Instant>,
            /// Only before this instant.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub until: Option<Instant>,
            /// Only uses on this data asset.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub asset: Option<AssetIdText>,
            $($behind)*
        }

        impl $name {
            /// By what entries are chosen.
            #[must_use]
            pub const fn choice(&self) -> EntryChoice {
                let Self { key, operation, outcome, refused, since, until, asset, .. } = *self;
                EntryChoice { key, operation, outcome, refused, since, until, asset }
            }
        }
    };
}

entry_query! {
    /// Which entries to read.
    ReadEntries {
        /// Index of the first one; 0 unless said otherwise.
        #[serde(default)]
        pub from: u64,
    } {}
}

entry_query! {
    /// What to search the log for. All that is given must hold.
    SearchAudit {
        /// Index of the first entry; 0 unless said otherwise.
        #[serde(default)]
        pub from: u64,
        /// Size of the log that is searched: `size` of the first page, so that all pages are of one log; its size now unless said
        /// otherwise.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub size: Option<u64>,
    } {
        /// Only of this principal: its identifier or name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub principal: Option<String>,
        /// Only under this credential.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub credential: Option<CredentialIdText>,
    }
}

/// A page of entries with who they are of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SearchPage {
    /// The entries, ascending. There may be none although more follow.
    pub items: Vec<SearchedEntry>,
    /// Where the next page begins, for `?from=`; `null` when there is no more.
    #[schema(required)]
    pub next: Option<u64>,
    /// Size of the log that was searched, for `?size=`.
    pub size: u64,
    /// Entries that were passed over because nothing says whose they are: an older release recorded their sessions, or somebody
    /// changed what lies beside them.
    pub undecided: u64,
    /// Names of the keys that entries have by identifier, by that identifier.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub names: Pairs,
}

/// An entry with who it is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SearchedEntry {
    /// Its index in the shard's log.
    pub index: u64,
    /// The entry as it is hashed: deterministic CBOR (RFC 8949, 4.2).
    pub canonical: Base64Bytes,
    /// Why it was made, for entries of what changed something. Absent where nobody was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Who it is of. Absent from entries of the system's own, and of callers that nobody knew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<Who>,
}

/// Who an entry is of, and how that was proved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Who {
    /// `known`; `erased` when the principal's key is gone; `not_recorded` by an older release; `damaged` when somebody changed what
    /// lies beside the session.
    #[schema(example = "known")]
    pub state: String,
    /// Identifier of the principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "01940f3e-7b1c-7d20-8c3e-5a6f1b2c3d4e")]
    pub principal: Option<String>,
    /// Its name, for those who may read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "app")]
    pub name: Option<String>,
    /// `human`, `workload` or `system`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "workload")]
    pub kind: Option<String>,
    /// Identifier of the credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// What kind the credential is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "certificate")]
    pub method: Option<String>,
    /// What was shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub factors: Vec<String>,
    /// Version of TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "TLS 1.3")]
    pub tls_version: Option<String>,
    /// Cipher suite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "TLS_AES_256_GCM_SHA384")]
    pub cipher_suite: Option<String>,
    /// Group of the key exchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "X25519MLKEM768")]
    pub group: Option<String>,
    /// `loopback`, `private` or `public`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "private")]
    pub origin: Option<String>,
    /// The address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "192.0.2.7")]
    pub address: Option<String>,
}

/// What to disclose of who stands behind entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DiscloseAudit {
    /// Index of the first entry.
    pub from: u64,
    /// Index of the first entry behind the range.
    pub to: u64,
    /// How much: `minimal`, `pseudonym` or `full`.
    #[schema(example = "pseudonym")]
    pub level: String,
}

/// A page of a disclosure. Its members are the ones of a disclosure file, each in deterministic CBOR.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DisclosurePage {
    /// The log's origin.
    #[schema(example = "shop/audit/1")]
    pub origin: String,
    /// Sessions, ascending. Another page may have some of them again.
    pub sessions: Vec<Base64Bytes>,
    /// Names, in the order of objects. Another page may have some of them again.
    pub names: Vec<Base64Bytes>,
    /// Where the next page begins, for `?from=`; `null` when the range is done.
    #[schema(required)]
    pub next: Option<u64>,
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
    #[schema(example = "shop/audit/root\n1204\n...\n\n— shop/audit/root ...")]
    pub root_note: String,
}

/// The newest checkpoint of the root log, and the keys to check notes and receipts with (C2SP vkeys).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Checkpoints {
    /// Signed checkpoint of the root log; empty before the first cut is signed.
    #[schema(example = "shop/audit/root\n1204\n...\n\n— shop/audit/root ...")]
    pub root_note: String,
    /// Key of the root log's checkpoints.
    #[schema(example = "shop/audit/root+9f3d2a11+ARk2...")]
    pub root_vkey: String,
    /// Origin of this node's log.
    #[schema(example = "shop/audit/1")]
    pub shard_origin: String,
    /// Number of this node's log.
    pub shard: u32,
    /// Entries in this node's log.
    pub shard_size: u64,
    /// Key of this node's receipts, for as long as it runs.
    #[schema(example = "shop/audit/1+5d0b1f3c+AbM0...")]
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
    #[schema(example = "quorum")]
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
    #[schema(example = json!([]))]
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

/// A scan of the store: every stored secret was opened in its place, and none kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreScan {
    /// When it began.
    pub at: Instant,
    /// How many secrets were to be opened.
    pub scanned: u64,
    /// How many of them are not wrapped, do not authenticate in their place, or do not reach the root.
    pub failed: u64,
    /// The same by kind of secret, and by what wraps them.
    pub counts: Vec<SecretCount>,
    /// Secrets that did not open, at most 100.
    pub findings: Vec<SecretFinding>,
    /// SHA-256 of the result in its canonical form, which the entry has: in hexadecimal.
    #[schema(example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    pub digest: String,
}

/// Stored secrets of one kind, under one kind of key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretCount {
    /// `access_key_secret`, `deployment`, `material`, `ring_kek`, `subject_key` or `veil_key`.
    #[schema(example = "material")]
    pub kind: String,
    /// What wraps them: `ring_kek`, `root` or `veil_key`.
    #[schema(example = "ring_kek")]
    pub wrapped_by: String,
    /// How many were to be opened.
    pub scanned: u64,
    /// How many of them did not open.
    pub failed: u64,
}

/// A stored secret that did not open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretFinding {
    /// Its kind.
    #[schema(example = "material")]
    pub kind: String,
    /// Where it lies.
    #[schema(example = "version 01940f3e-7b1c-7d20-8c3e-5a6f1b2c3d4e/1")]
    pub place: String,
    /// What is wrong.
    #[schema(example = "it does not open in its place")]
    pub because: String,
}

/// Which evidence pack to sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignEvidence {
    /// SHA-256 of its `MANIFEST.json`, in hexadecimal.
    #[schema(example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    pub manifest: String,
}

/// The signature of an evidence pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceSignature {
    /// Signed note (C2SP signed-note) by the key of the root log's checkpoints and by the evidence key: `MANIFEST.sig`.
    #[schema(example = "shop/audit/root evidence pack\n...\n\n— shop/audit/root ...")]
    pub note: String,
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
