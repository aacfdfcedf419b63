//! What a call hands to the sequencer: what to record, what to change, and what it rests on.

use claviger_core::change::{Change, Dependencies, Restriction};
use claviger_core::port::StoreError;
use claviger_core::port::store::Room;
use claviger_core::receipt::Receipt;
use tokio::sync::oneshot;

use crate::record::{EncodeError, EntryDetails, EntryHeader, FactBytes};

/// As many entries as make no call wait for another's.
const FEW_ENTRIES: usize = 16;

/// A decided call on its way into the log.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) header: EntryHeader,
    pub(crate) details: EntryDetails,
    pub(crate) changes: Vec<Change>,
    /// What the changes make true; with its first entry.
    pub(crate) facts: Option<FactBytes>,
    pub(crate) restricts: Vec<Restriction>,
    /// Epoch as of which everything it rests on is good.
    pub(crate) epoch: u64,
    pub(crate) dependencies: Dependencies,
    /// It holds only while principals and grants were written in no more commits than these.
    pub(crate) rights: Option<u64>,
    /// The least room on the device with which it is still written.
    pub(crate) least_room: Room,
    pub(crate) reply: Reply,
}

/// Where the sequencer answers, and where that arrives.
pub(crate) type Reply = oneshot::Sender<Result<Receipt, NotCommitted>>;
pub(crate) type Answer = oneshot::Receiver<Result<Receipt, NotCommitted>>;

impl Submission {
    /// Is it written in no time: a few entries, and no change but of counts of uses?
    pub(super) fn is_small(&self) -> bool {
        self.restricts.is_empty() && self.details.as_slice().len() <= FEW_ENTRIES && self.has_no_facts()
    }

    /// Does it change nothing that facts are about: nothing at all, or counts of uses?
    pub(super) fn has_no_facts(&self) -> bool {
        self.changes.iter().all(|change| matches!(change, Change::CountUses { .. }))
    }

    /// Does it neither restrict any of these, nor rest on one?
    pub(super) fn is_beside(&self, restrictions: &[Restriction]) -> bool {
        restrictions.iter().all(|restriction| {
            !self.restricts.contains(restriction) && !self.dependencies.include(*restriction)
        })
    }
}

/// Does a change write a principal or a grant?
pub(super) const fn writes_rights(change: &Change) -> bool {
    matches!(change, Change::PutGrant(_) | Change::PutPrincipal(_))
}

/// Why a submission is not in the log.
#[derive(Debug, Clone)]
pub(crate) enum NotCommitted {
    /// Another write came in between: run it again.
    Conflict,
    /// The store could not; nothing happened.
    Failed(StoreError),
    /// What it depends on was restricted: decide it again.
    Fenced,
    /// What room is left on the device is for others.
    NoRoom,
    /// No room in the queue.
    Overloaded,
    /// The sequencer has stopped for good.
    Stopped,
    /// It is in the log, at this index, and no checkpoint that covers it could be kept beside the store.
    Unconfirmed(u64),
    /// The log's schema has no such entry.
    EncodeError(EncodeError),
}
