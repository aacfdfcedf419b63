//! What a verification can find. Each finding has a stable code for programs and a sentence for people.

use std::fmt;

use claviger_core::key::State;
use claviger_core::{ApprovalId, KeyId, PrincipalId};

use crate::Op;
use crate::fact::Object;

/// One thing that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The facts of an approval are not those of what was asked for, or do not follow from each other.
    ApprovalAltered {
        /// The approval.
        approval: ApprovalId,
        /// What is wrong with it.
        why: String,
    },
    /// A decision on what somebody asked for is not signed by the key that it names.
    ApprovalUnsigned {
        /// The shard.
        shard: u32,
        /// The entry.
        entry: u64,
        /// The approval.
        approval: ApprovalId,
        /// Whose decision.
        by: PrincipalId,
    },
    /// The checkpoint is not one that the given key signed.
    CheckpointInvalid {
        /// What is wrong with it.
        why: String,
    },
    /// The newest cut is older than the caller accepts.
    CheckpointStale {
        /// Its age in seconds.
        age_seconds: u64,
    },
    /// A cut is not one.
    CutMalformed {
        /// Its index in the root log.
        cut: u64,
        /// What is wrong with it.
        why: String,
    },
    /// A cut calls itself by another number, or goes back in its epoch.
    CutOutOfOrder {
        /// Its index in the root log.
        cut: u64,
    },
    /// The name of an object is disclosed otherwise than the log commits to.
    DisclosedName {
        /// The object.
        object: Object,
    },
    /// A session is disclosed otherwise than the log commits to.
    DisclosedSession {
        /// The shard.
        shard: u32,
        /// Its entry.
        entry: u64,
    },
    /// A disclosure is about entries that the log does not reach.
    DisclosureBeyondLog {
        /// The first entry behind its range.
        to: u64,
    },
    /// A disclosure leaves out a session that its range is about.
    DisclosureIncomplete {
        /// The shard.
        shard: u32,
        /// The entry of the session.
        entry: u64,
    },
    /// A disclosure is about another log.
    DisclosureOfAnotherLog {
        /// The origin that it names.
        origin: String,
    },
    /// Entries are not those that were cut.
    EntriesAltered {
        /// The shard.
        shard: u32,
        /// The first entry that may be altered.
        first: u64,
        /// The first entry after those that may be.
        end: u64,
    },
    /// Entries that were cut are not there.
    EntriesMissing {
        /// The shard.
        shard: u32,
        /// The first of the bundle that is missing.
        first: u64,
        /// The first after that bundle.
        end: u64,
        /// Where they should be.
        name: String,
    },
    /// An entry goes back in its epoch.
    EntryOutOfOrder {
        /// The shard.
        shard: u32,
        /// The entry.
        entry: u64,
    },
    /// An entry does not have the one form that entries have.
    EntryMalformed {
        /// The shard.
        shard: u32,
        /// The entry.
        entry: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The log announces another evidence key than before.
    EvidenceKeyChanged {
        /// The shard.
        shard: u32,
        /// The entry.
        entry: u64,
    },
    /// Facts are not those that their entry records.
    FactAltered {
        /// The shard.
        shard: u32,
        /// The entry.
        entry: u64,
        /// What is wrong with them.
        why: String,
    },
    /// The facts of an entry are not there.
    FactMissing {
        /// The shard.
        shard: u32,
        /// The entry.
        entry: u64,
    },
    /// A fact does not follow from the facts before it.
    FactOutOfOrder {
        /// The shard.
        shard: u32,
        /// The entry.
        entry: u64,
        /// The object.
        object: Object,
        /// The revision that the fact has.
        revision: u64,
    },
    /// A file is not what its place says.
    FileMalformed {
        /// Its name in the export.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file that the checkpoint covers is not there.
    FileMissing {
        /// Its name in the export.
        name: String,
    },
    /// The log is not the one of a checkpoint that was held before, grown: somebody keeps two histories.
    Forked {
        /// Size of the root log at which they differ.
        size: u64,
    },
    /// A change of a key's state that cannot follow from the entries before it.
    ImpossibleStep {
        /// The shard.
        shard: u32,
        /// The entry.
        entry: u64,
        /// The operation that it records.
        op: Op,
        /// The key.
        key: Option<KeyId>,
    },
    /// A node of this log signed a head that the log does not have, though it is as long: it was rolled back and went on, or it is
    /// a fork.
    ReceiptOfAnotherHistory {
        /// The receipt's place in the request, from 0.
        receipt: usize,
        /// The entry that was promised.
        entry: u64,
        /// Size of the log at which the histories differ.
        size: u64,
    },
    /// A receipt is signed by a node whose start is not in the log, and whose key is not known from elsewhere.
    ReceiptOfUnknownNode {
        /// The receipt's place in the request, from 0.
        receipt: usize,
        /// The entry that was promised.
        entry: u64,
    },
    /// The log has the head that a receipt carries, and not its entry at that place: the receipt was changed.
    ReceiptBroken {
        /// The receipt's place in the request, from 0.
        receipt: usize,
        /// The entry that was promised.
        entry: u64,
    },
    /// A node signed a head that the log does not reach: it was rolled back, or the export is older than the receipt.
    ReceiptBeyondLog {
        /// The receipt's place in the request, from 0.
        receipt: usize,
        /// The entry that was promised.
        entry: u64,
    },
    /// A receipt that no node of this log signed.
    ReceiptForged {
        /// The receipt's place in the request, from 0.
        receipt: usize,
        /// What is wrong with it.
        why: String,
    },
    /// More results left a node than the log records.
    ReleasedUnrecorded {
        /// The shard.
        shard: u32,
        /// The entry at which the node says so.
        entry: u64,
        /// The use.
        op: Op,
        /// Results that left the listeners of the node since its start, as it counted them there.
        released: u64,
        /// Those that entries record.
        recorded: u64,
    },
    /// The log is shorter than at a checkpoint that was held before.
    RolledBack {
        /// Size of the root log then.
        known: u64,
        /// Size now.
        size: u64,
    },
    /// The root log is not the one that the checkpoint commits to.
    RootLogAltered,
    /// What a session commits to is not what lies beside it.
    SessionAltered {
        /// The shard.
        shard: u32,
        /// The entry.
        entry: u64,
        /// What is wrong with it.
        why: String,
    },
    /// What a session commits to is not there.
    SessionMissing {
        /// The shard.
        shard: u32,
        /// The entry.
        entry: u64,
    },
    /// An entry names a session that is not in the log before it.
    SessionUnknown {
        /// The shard.
        shard: u32,
        /// The entry.
        entry: u64,
    },
    /// A cut leaves out a shard that was not retired.
    ShardDropped {
        /// Index of the cut.
        cut: u64,
        /// The shard.
        shard: u32,
    },
    /// Two cuts give a shard different roots at one size.
    ShardForked {
        /// Index of the later cut.
        cut: u64,
        /// The shard.
        shard: u32,
    },
    /// A cut takes back entries, an epoch or an incarnation of a shard.
    ShardWentBack {
        /// Index of the cut.
        cut: u64,
        /// The shard.
        shard: u32,
    },
    /// A snapshot is not of the state that the facts before it yield.
    SnapshotDiffers {
        /// The shard.
        shard: u32,
        /// The entry.
        entry: u64,
        /// What is wrong with it.
        why: String,
    },
    /// A live row is not what the facts of the log yield.
    StateDiffers {
        /// The object.
        object: Object,
        /// The field, or what is the matter with the whole of it.
        field: &'static str,
    },
    /// A key was used in a state that forbids it, or without being there.
    UseOfDeadKey {
        /// The shard.
        shard: u32,
        /// The entry.
        entry: u64,
        /// The use.
        op: Op,
        /// The key.
        key: KeyId,
        /// Its state; `None` for one that the log does not know.
        state: Option<State>,
    },
}

impl Finding {
    /// Is it about what somebody disclosed, and not about the log itself?
    #[must_use]
    pub const fn is_of_disclosure(&self) -> bool {
        matches!(
            self,
            Self::DisclosedName { .. }
                | Self::DisclosedSession { .. }
                | Self::DisclosureBeyondLog { .. }
                | Self::DisclosureIncomplete { .. }
                | Self::DisclosureOfAnotherLog { .. }
        )
    }

    /// A word for programs. Stable.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ApprovalAltered { .. } => "approval-altered",
            Self::ApprovalUnsigned { .. } => "approval-unsigned",
            Self::CheckpointInvalid { .. } => "checkpoint-invalid",
            Self::CheckpointStale { .. } => "checkpoint-stale",
            Self::CutMalformed { .. } => "cut-malformed",
            Self::CutOutOfOrder { .. } => "cut-out-of-order",
            Self::DisclosedName { .. } => "disclosed-name",
            Self::DisclosedSession { .. } => "disclosed-session",
            Self::DisclosureBeyondLog { .. } => "disclosure-beyond-log",
            Self::DisclosureIncomplete { .. } => "disclosure-incomplete",
            Self::DisclosureOfAnotherLog { .. } => "disclosure-of-another-log",
            Self::EntriesAltered { .. } => "entries-altered",
            Self::EntriesMissing { .. } => "entries-missing",
            Self::EntryMalformed { .. } => "entry-malformed",
            Self::EntryOutOfOrder { .. } => "entry-out-of-order",
            Self::EvidenceKeyChanged { .. } => "evidence-key-changed",
            Self::FactAltered { .. } => "fact-altered",
            Self::FactMissing { .. } => "fact-missing",
            Self::FactOutOfOrder { .. } => "fact-out-of-order",
            Self::FileMalformed { .. } => "file-malformed",
            Self::FileMissing { .. } => "file-missing",
            Self::Forked { .. } => "forked",
            Self::ImpossibleStep { .. } => "impossible-step",
            Self::ReceiptBeyondLog { .. } => "receipt-beyond-log",
            Self::ReceiptBroken { .. } => "receipt-broken",
            Self::ReceiptForged { .. } => "receipt-forged",
            Self::ReceiptOfAnotherHistory { .. } => "receipt-of-another-history",
            Self::ReceiptOfUnknownNode { .. } => "receipt-of-unknown-node",
            Self::ReleasedUnrecorded { .. } => "released-unrecorded",
            Self::RolledBack { .. } => "rolled-back",
            Self::RootLogAltered => "root-log-altered",
            Self::SessionAltered { .. } => "session-altered",
            Self::SessionMissing { .. } => "session-missing",
            Self::SessionUnknown { .. } => "session-unknown",
            Self::ShardDropped { .. } => "shard-dropped",
            Self::ShardForked { .. } => "shard-forked",
            Self::ShardWentBack { .. } => "shard-went-back",
            Self::SnapshotDiffers { .. } => "snapshot-differs",
            Self::StateDiffers { .. } => "state-differs",
            Self::UseOfDeadKey { .. } => "use-of-dead-key",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApprovalAltered { approval, why } => {
                write!(f, "approval {approval} is not what was asked for and decided: {why}")
            }
            Self::ApprovalUnsigned { shard, entry, approval, by } => write!(
                f,
                "entry {entry} of shard {shard}: the decision of {by} on approval {approval} is not signed by the key that it names"
            ),
            Self::CheckpointInvalid { why } => write!(f, "the checkpoint does not hold: {why}"),
            Self::CheckpointStale { age_seconds } => write!(f, "the newest cut is {age_seconds} s old"),
            Self::CutMalformed { cut, why } => write!(f, "cut {cut} is no cut: {why}"),
            Self::CutOutOfOrder { cut } => {
                write!(f, "cut {cut} has another number, or goes back in its epoch")
            }
            Self::DisclosedName { object } => {
                write!(f, "the disclosure gives {object} a name that the log does not commit to")
            }
            Self::DisclosedSession { shard, entry } => write!(
                f,
                "the disclosure says of the session at entry {entry} of shard {shard} what the log does not commit to"
            ),
            Self::DisclosureBeyondLog { to } => {
                write!(
                    f,
                    "the disclosure is about entries up to {}, which the log does not reach",
                    to.saturating_sub(1)
                )
            }
            Self::DisclosureIncomplete { shard, entry } => write!(
                f,
                "the disclosure leaves out the session at entry {entry} of shard {shard}, which its range is about"
            ),
            Self::DisclosureOfAnotherLog { origin } => {
                write!(f, "the disclosure is about `{origin}`, which is no log of this deployment")
            }
            Self::EntriesAltered { shard, first, end } => write!(
                f,
                "entries {first} to {} of shard {shard} are not those that were cut: altered, inserted, removed or reordered",
                end.saturating_sub(1)
            ),
            Self::EntriesMissing { shard, first, end, name } => write!(
                f,
                "entries {first} to {} of shard {shard} are missing: `{name}` is not there",
                end.saturating_sub(1)
            ),
            Self::EntryMalformed { shard, entry, why } => {
                write!(f, "entry {entry} of shard {shard} is no entry: {why}")
            }
            Self::EntryOutOfOrder { shard, entry } => {
                write!(f, "entry {entry} of shard {shard} goes back in its epoch")
            }
            Self::EvidenceKeyChanged { shard, entry } => write!(
                f,
                "entry {entry} of shard {shard} announces another evidence key than the log did before: a deployment has one for its whole life"
            ),
            Self::FactAltered { shard, entry, why } => {
                write!(f, "the facts of entry {entry} of shard {shard} are not those that it records: {why}")
            }
            Self::FactMissing { shard, entry } => {
                write!(f, "the facts of entry {entry} of shard {shard} are not there")
            }
            Self::FactOutOfOrder { shard, entry, object, revision: 0 } => {
                write!(f, "entry {entry} of shard {shard} takes {object} away, which was not there")
            }
            Self::FactOutOfOrder { shard, entry, object, revision } => {
                write!(
                    f,
                    "entry {entry} of shard {shard}: revision {revision} of {object} does not follow from the one before"
                )
            }
            Self::FileMalformed { name, why } => write!(f, "`{name}`: {why}"),
            Self::FileMissing { name } => write!(f, "`{name}` is missing"),
            Self::Forked { size } => write!(
                f,
                "at {size} cuts the log is another one than the checkpoint that was held before: two histories are kept"
            ),
            Self::ImpossibleStep { shard, entry, op, key: Some(key) } => {
                write!(
                    f,
                    "entry {entry} of shard {shard}: `{op}` of key {key} cannot follow from the entries before"
                )
            }
            Self::ImpossibleStep { shard, entry, op, key: None } => {
                write!(f, "entry {entry} of shard {shard}: `{op}` names no key")
            }
            Self::ReceiptBeyondLog { receipt, entry } => write!(
                f,
                "receipt {receipt} is genuine and promises entry {entry}, which the log does not reach: it was rolled back, or the export is older than the receipt"
            ),
            Self::ReceiptBroken { receipt, entry } => {
                write!(
                    f,
                    "receipt {receipt} promises another entry {entry} than the log holds under the head that it carries: the receipt was changed"
                )
            }
            Self::ReceiptOfAnotherHistory { receipt, entry, size } => write!(
                f,
                "receipt {receipt} is genuine and promises entry {entry} of another history: at {size} entries the log has another root than its node signed, so it was rolled back or forked"
            ),
            Self::ReceiptOfUnknownNode { receipt, entry } => write!(
                f,
                "receipt {receipt} promises entry {entry} and is signed by a node whose start is not in the log: the log was rolled back to before that start, or the receipt is made up; give the node's key from before to decide which"
            ),
            Self::ReceiptForged { receipt, why } => {
                write!(f, "receipt {receipt} was not given by this log: {why}")
            }
            Self::ReleasedUnrecorded { shard, entry, op, released, recorded } => write!(
                f,
                "entry {entry} of shard {shard}: {released} results of `{op}` left the node since its start, and the log records {recorded}"
            ),
            Self::RolledBack { known, size } => {
                write!(f, "the log has {size} cuts, and had {known} at the checkpoint that was held before")
            }
            Self::RootLogAltered => f.write_str("the root log is not the one that the checkpoint commits to"),
            Self::SessionAltered { shard, entry, why } => write!(
                f,
                "what lies beside the session at entry {entry} of shard {shard} is not what it commits to: {why}"
            ),
            Self::SessionMissing { shard, entry } => {
                write!(f, "what the session at entry {entry} of shard {shard} commits to is not there")
            }
            Self::SessionUnknown { shard, entry } => {
                write!(f, "entry {entry} of shard {shard} names a session that is not in the log before it")
            }
            Self::ShardDropped { cut, shard } => write!(f, "cut {cut} leaves out shard {shard}"),
            Self::ShardForked { cut, shard } => {
                write!(f, "cut {cut}: shard {shard} had another root at that size before")
            }
            Self::ShardWentBack { cut, shard } => write!(f, "cut {cut}: shard {shard} goes back"),
            Self::SnapshotDiffers { shard, entry, why } => {
                write!(f, "entry {entry} of shard {shard} is no snapshot of the state: {why}")
            }
            Self::StateDiffers { object, field } => {
                write!(f, "{object}: live is another {field} than the log yields")
            }
            Self::UseOfDeadKey { shard, entry, op, key, state: Some(state) } => {
                write!(f, "entry {entry} of shard {shard}: `{op}` with key {key}, which was {state}")
            }
            Self::UseOfDeadKey { shard, entry, op, key, state: None } => {
                write!(f, "entry {entry} of shard {shard}: `{op}` with key {key}, which was not there")
            }
        }
    }
}
