//! Verifies an exported log with nothing but its files and one public key. No I/O: the files come through [`Files`].
//!
//! What is checked: the root log is the one that the checkpoint commits to, and, where an older checkpoint is at hand, that one
//! grown; its cuts follow each other, and no shard shrinks, goes back in its epochs or disappears; each shard's log has, at
//! every size that a cut names, the root that the cut names; every entry has the one form that entries have, no entry goes back
//! in its epoch, and each names a session that is there; the states of keys follow from the entries, and no key was used in a
//! state that forbids it; no more results left a node, as it counted them where they leave, than entries record; the facts of
//! each entry are those that it records, and each follows from the one before about the same object; what people decided on what
//! others asked for is signed, and what was asked for stays what it was; each snapshot is of the state that the facts before it
//! yield; live rows that lie beside the log are what the facts say of the time in which they were read; what sessions commit to is
//! there; what is disclosed of them is what they commit to, and all of it; the log holds what receipts promised; and the evidence key
//! that the log announces is one alone, of which the root says so.
//!
//! What the facts yield are all objects as they stand after the last entry, or as they stood at a moment before: in one walk, in
//! memory that grows with the objects and not with the entries.

mod announced;
mod approvals;
mod beside;
mod disclosed;
mod files;
mod finding;
mod live;
mod moment;
mod objects;
mod receipts;
mod released;
mod replay;
mod root;
mod shard;
mod shown;
mod snapshots;
mod watch;
mod window;

use std::collections::BTreeMap;

pub use files::{
    CHECKPOINT, Files, Newer, NoFile, ROOT, ROOT_VKEY, WalkError, bundles, evidence_note, for_each_entry,
    node_vkey, read, read_vkey,
};
pub use finding::Finding;
pub use live::{Comparison, LiveState};
pub use moment::{Moment, Reached};
pub use objects::{Current, Objects};
use receipts::Receipts;
pub use replay::{Replay, States};
pub use root::find_cut;
pub use shown::ShownObject;
use watch::Watching;
pub use watch::{SeenEntry, Watcher};

use crate::approval::Form;
use crate::session::Disclosure;
use crate::{Checkpoint, EvidenceKey, VerifierKey};
use disclosed::Disclosed;

/// What to verify an export with.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The key of the root log. It must come from elsewhere than the export to mean anything.
    pub key: &'a VerifierKey,
    /// A checkpoint that was held before: a signed note.
    pub known: Option<&'a [u8]>,
    /// Receipts that callers hold, in their wire form.
    pub receipts: &'a [String],
    /// Keys of nodes that were kept from before, for receipts of nodes that the log does not know any more.
    pub node_keys: &'a [VerifierKey],
    /// Who stands behind a range of entries, as somebody disclosed it.
    pub disclosure: Option<&'a Disclosure>,
    /// What was asked for, as somebody disclosed it: the forms of approvals.
    pub forms: &'a [Form],
    /// The instant, in microseconds since 1970, and the age in seconds beyond which the newest cut is stale.
    pub freshness: Option<(u64, u64)>,
    /// A moment of which the objects are wanted as well: [`Objects::rewound`] gives them.
    pub moment: Option<Moment>,
    /// The log as it was when it had so many cuts: later ones, and the entries behind them, are not looked at, nor are live rows, which
    /// were read later. The whole root log is still held against its checkpoint.
    pub upto: Option<u64>,
}

impl<'a> Request<'a> {
    /// With the key alone.
    #[must_use]
    pub const fn new(key: &'a VerifierKey) -> Self {
        Self {
            key,
            known: None,
            receipts: &[],
            node_keys: &[],
            disclosure: None,
            forms: &[],
            freshness: None,
            moment: None,
            upto: None,
        }
    }
}

/// What was verified, and what does not hold. Figures are of what was reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Name of the root log.
    pub origin: String,
    /// Cuts of the root log.
    pub cuts: u64,
    /// Clock of the newest cut, in microseconds since 1970. Advisory.
    pub cut_at: u64,
    /// Sizes of the shards.
    pub shards: BTreeMap<u32, u64>,
    /// The states of keys that the log yields.
    pub states: States,
    /// The objects that the facts of the log yield.
    pub objects: Objects,
    /// The moment that was asked for; none where the log does not reach it, or has several shards, which have no common order.
    pub moment: Option<Reached>,
    /// How many entries lie before the first behind which the whole state is known: those of a release that kept no facts.
    pub unknown_before: u64,
    /// Snapshots that were held against the state.
    pub snapshots: u64,
    /// Receipts that the log keeps.
    pub receipts_kept: usize,
    /// Whether live rows were held against the log.
    pub live_state: LiveState,
    /// The evidence key that the log announces; of an older release none.
    pub evidence_key: Option<EvidenceKey>,
    /// What does not hold; empty if all does.
    pub findings: Vec<Finding>,
}

impl Verified {
    /// Entries of all shards.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.shards.values().fold(0, |sum: u64, size| sum.saturating_add(*size))
    }
}

/// Why a log is neither verified nor found wanting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotVerified {
    /// A newer release wrote part of it.
    #[error(transparent)]
    Newer(#[from] Newer),
    /// A file is there and cannot be read, which says nothing about the log.
    #[error("`{name}` cannot be read: {why}")]
    Unreadable {
        /// Its name.
        name: String,
        /// The reason.
        why: String,
    },
}

/// Verifies an export. What does not hold is in [`Verified::findings`].
///
/// # Errors
/// [`NotVerified`].
pub fn verify(files: &dyn Files, request: &Request<'_>) -> Result<Verified, NotVerified> {
    verify_watching(files, request, None)
}

/// The same, in sight of somebody who looks on.
///
/// # Errors
/// [`NotVerified`].
pub fn verify_watched(
    files: &dyn Files,
    request: &Request<'_>,
    watcher: &mut dyn Watcher,
) -> Result<Verified, NotVerified> {
    verify_watching(files, request, Some(watcher))
}

fn verify_watching(
    files: &dyn Files,
    request: &Request<'_>,
    watcher: Watching<'_>,
) -> Result<Verified, NotVerified> {
    let mut verified = Verified::default();
    match walk(files, request, &mut verified, watcher) {
        Ok(()) => Ok(verified),
        Err(WalkError::Finding(finding)) => {
            verified.findings.push(finding);
            Ok(verified)
        }
        // What does not hold comes first, whoever wrote the rest.
        Err(WalkError::Newer(_)) if !verified.findings.is_empty() => Ok(verified),
        Err(WalkError::Newer(newer)) => Err(newer.into()),
        Err(WalkError::Unreadable { name, why }) => Err(NotVerified::Unreadable { name, why }),
    }
}

/// Goes on as long as what follows can be judged: entries mean nothing where the checkpoint or the root log does not hold.
fn walk(
    files: &dyn Files,
    request: &Request<'_>,
    verified: &mut Verified,
    mut watcher: Watching<'_>,
) -> Result<(), WalkError> {
    hold_key(files, request.key)?;
    let head = open(&read(files, CHECKPOINT)?, request.key, "")?;
    verified.origin.clone_from(&head.origin);
    let known = request.known.map(|note| open(note, request.key, "the one that was held before: "));
    let known = known.transpose()?;
    verified.cuts = head.size;
    let cuts =
        root::verify(files, &head, known.as_ref(), request.upto, &mut verified.findings, &mut watcher)?;
    verified.cuts = cuts.size;
    if let Some(watcher) = &mut watcher {
        watcher.root(cuts.size, &cuts.root);
    }
    verified.cut_at = cuts.newest_at;
    if let Some((now, limit)) = request.freshness {
        let age_seconds = now.saturating_sub(cuts.newest_at) / 1_000_000;
        if age_seconds > limit {
            verified.findings.push(Finding::CheckpointStale { age_seconds });
        }
    }
    let mut receipts = Receipts::parse(request.receipts, &head.origin, &mut verified.findings);
    let mut replay = Replay::default();
    let mut disclosed = request.disclosure.map(|disclosure| Disclosed::new(disclosure, &head.origin));
    let rows = if request.upto.is_none() { live::find(files) } else { Ok(None) };
    let window = live::window(&rows, &cuts.shards);
    let mut is_whole = true;
    for (number, roots) in &cuts.shards {
        let part = cuts.part_of(*number);
        let size = part.size;
        verified.shards.insert(*number, size);
        let mut wanted = receipts.wanted(*number);
        let replayed = (&mut replay, &mut verified.objects);
        let moment = request.moment.filter(|_| cuts.shards.len() == 1);
        let walked = shard::Shard::new(*number, roots, &mut wanted, replayed, &mut verified.findings)
            .marking(moment)
            .within(window)
            .watched(watch::for_a_while(&mut watcher))
            .holding(disclosed.as_mut())
            .verify(files, part);
        let of_shard = receipts.of(*number);
        match walked.and_then(|walked| {
            verified.snapshots += walked.snapshots;
            verified.unknown_before = verified.unknown_before.max(walked.unknown_before);
            let is_in = |moment: Moment| moment.is_in(walked.end, cuts.newest_at);
            verified.moment =
                walked.moment.or_else(|| moment.filter(|moment| is_in(*moment)).map(|_| walked.end));
            of_shard.judge(files, (*number, size), &wanted, &walked.nodes, request.node_keys, verified)?;
            announced::judge(files, *number, &walked.announced, request.key, verified)
        }) {
            Ok(()) => {}
            // The other shards can still be verified.
            Err(WalkError::Finding(finding)) => {
                verified.findings.push(finding);
                is_whole = false;
            }
            Err(other) => return Err(other),
        }
    }
    receipts.judge_rest(request.node_keys, &mut verified.findings);
    if let Some(disclosed) = disclosed {
        disclosed.judge(&verified.objects, &mut verified.findings);
    }
    approvals::hold(request.forms, &head.origin, &verified.objects, &mut verified.findings);
    verified.states = replay.finish();
    verified.live_state = match rows? {
        None => LiveState::NotHeld,
        Some(_) if !is_whole => LiveState::NotCompared,
        Some(head) => {
            let Verified { shards, objects, findings, .. } = verified;
            live::compare(files, &head, shards, objects, findings)?
        }
    };
    Ok(())
}

/// The key that lies in the export is nobody's proof, but another one than the request's is a sign that something is wrong.
fn hold_key(files: &dyn Files, key: &VerifierKey) -> Result<(), WalkError> {
    if read_vkey(files, ROOT_VKEY)? == *key {
        return Ok(());
    }
    let why = "it is another key than the one to verify with".to_owned();
    Err(WalkError::Finding(Finding::FileMalformed { name: ROOT_VKEY.to_owned(), why }))
}

fn open(note: &[u8], key: &VerifierKey, which: &str) -> Result<Checkpoint, WalkError> {
    Checkpoint::open(note, key)
        .map_err(|error| WalkError::Finding(Finding::CheckpointInvalid { why: format!("{which}{error}") }))
}
