//! The one writer. Takes what waits, asks the fence once more, and commits it as one batch: changes and entries together or
//! not at all. While small calls wait, such as uses of keys, the others get a share of its time and no more.
//!
//! What it keeps true:
//! * one commit in flight; the commit of a batch is the point in time at which all its operations happen;
//! * nobody hears of success before the commit, and everybody of failure;
//! * a restricting call is a barrier: what is in the batch commits first, and what comes after is asked again; it commits alone, or
//!   with others that restrict something else and rest on nothing that is restricted beside them;
//! * it is answered only when a checkpoint that covers it is kept beside the store: an older store is then refused at the start;
//! * no transaction of the store stays open behind a batch, one without entries included;
//! * after an outcome that it does not know, it stops for good. Recovery at the next start decides.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use claviger_audit::cut::CutError;
use claviger_audit::fact::writes_a_fact;
use claviger_audit::key::SigningKey;
use claviger_audit::op::{Op, Outcome};
use claviger_audit::receipt;
use claviger_audit::tree::{Hash, leaf_hash};
use claviger_core::KeyVersionId;
use claviger_core::change::{Change, Restriction};
use claviger_core::port::store::{Applied, Batch, CommitError, UsageRows};
use claviger_core::port::{Clock, Journal, StoreError};
use claviger_core::receipt::{BatchSeal, Receipt};
use tokio::sync::oneshot;

use super::lanes::Lanes;
use super::queue::{Command, Intake, Queue, queue};
use super::submission::{NotCommitted, Submission, writes_rights};
use crate::log::body::{self, Packer};
use crate::log::newest::{Head, Keeper};
use crate::log::tree::{Draft, LogTree};
use crate::log::usage::{self, Noted, Usage, Used, Uses};
use crate::record::{EncodeError, EntryDetail, EntryHeader, FactBytes, log2_ceil};
use crate::state::fence::Fence;

/// Most entries of a batch.
const MOST_ENTRIES: usize = 4096;
/// Most bytes of a batch before packing.
const MOST_BYTES: usize = 512 << 10;
/// How long what is not small is served while small calls wait.
const SHARE: Duration = Duration::from_millis(3);

/// Who learns of committed changes before anyone hears of success: the caches.
pub(crate) trait Publish: Send {
    /// Drops what `changes` outdated.
    fn publish(&self, changes: &[Change]);
}

/// What the sequencer says of itself.
#[derive(Debug, Default)]
pub struct Figures {
    /// Commits so far.
    pub commits: AtomicU64,
    /// Entries so far.
    pub entries: AtomicU64,
    /// Commits that the store could not make, and cuts that were not made, signed or kept.
    pub failures: AtomicU64,
    /// Could the store not take what was last to be written?
    pub stuck: AtomicBool,
    /// Calls that were decided again because the fence moved.
    pub fenced: AtomicU64,
    /// Size of the log.
    pub size: AtomicU64,
    /// Size of the root log.
    pub cuts: AtomicU64,
    /// Size of the log that the newest signed checkpoint covers.
    pub covered: AtomicU64,
    /// Since when entries wait for a signed checkpoint, in milliseconds since the machine started; 0 while none does.
    pub uncovered_since: AtomicU64,
}

impl Figures {
    /// How long entries have waited for a signed checkpoint at `now`, which is counted from the start of the machine.
    #[must_use]
    pub fn checkpoint_age(&self, now: Duration) -> Duration {
        match self.uncovered_since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => now.saturating_sub(Duration::from_millis(since)),
        }
    }

    /// Looks whether entries wait for a checkpoint, and remembers since when.
    pub(crate) fn mark_uncovered(&self, now: Duration) {
        if self.size.load(Ordering::Relaxed) > self.covered.load(Ordering::Relaxed) {
            let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX).max(1);
            let _ = self.uncovered_since.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// A checkpoint that covers the first `size` entries was signed; it was begun at `begun`.
    pub(crate) fn mark_covered(&self, size: u64, begun: Duration) {
        self.covered.store(size, Ordering::Relaxed);
        self.uncovered_since.store(0, Ordering::Relaxed);
        self.mark_uncovered(begun);
    }
}

/// What the sequencer works with.
pub(crate) struct Parts {
    pub(crate) journal: Box<dyn Journal>,
    pub(crate) tree: LogTree,
    pub(crate) root_tree: LogTree,
    pub(crate) fence: Arc<Fence>,
    pub(crate) publish: Box<dyn Publish>,
    pub(crate) node_key: Arc<SigningKey>,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) usage: Arc<Usage>,
    pub(crate) origin: Arc<str>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Called once when the sequencer stops for another reason than being asked to.
    pub(crate) on_fatal: Box<dyn FnOnce(String) + Send>,
}

struct Sequencer {
    parts: Parts,
    intake: Intake,
    figures: Arc<Figures>,
    packer: Packer,
    epoch: u64,
    /// Restricting calls that are committed and wait for a checkpoint to be kept: one for all of them.
    unconfirmed: Vec<Unconfirmed>,
    /// Room to encode one call in, kept between calls.
    encoded: Vec<u8>,
    leaves: Vec<Hash>,
    /// Test-only: leaves the second look at the fence out, to show that the history test sees it missing.
    fence_off: bool,
}

/// A batch being filled.
struct Filling {
    draft: Draft,
    plain: Vec<u8>,
    first: u64,
    waiting: Vec<Waiting>,
    uses: Noted,
}

struct Waiting {
    index: u64,
    leaf: Hash,
    changes: Vec<Change>,
    reply: oneshot::Sender<Result<Receipt, NotCommitted>>,
}

/// A call that was committed, and not answered yet.
type Unconfirmed = (oneshot::Sender<Result<Receipt, NotCommitted>>, Receipt);

/// Starts the sequencer on a thread of its own.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn start(parts: Parts, fence_off: bool) -> std::io::Result<(Queue, thread::JoinHandle<()>)> {
    let figures = Arc::new(Figures::default());
    figures.size.store(parts.tree.size(), Ordering::Relaxed);
    figures.cuts.store(parts.root_tree.size(), Ordering::Relaxed);
    let epoch = parts.fence.epoch();
    let (queue, intake) = queue(Arc::clone(&figures));
    let sequencer = Sequencer {
        parts,
        intake,
        figures: Arc::clone(&figures),
        packer: Packer::new(),
        epoch,
        unconfirmed: Vec::new(),
        encoded: Vec::new(),
        leaves: Vec::new(),
        fence_off,
    };
    let thread = thread::Builder::new().name("sequencer".into()).spawn(move || sequencer.run())?;
    Ok((queue, thread))
}

impl Sequencer {
    fn run(mut self) {
        let mut lanes = Lanes::default();
        loop {
            self.intake.take(&mut lanes);
            let served = self.serve(&mut lanes);
            // Also when the rest went wrong: they are committed.
            let confirmed = self.confirm();
            if let Err(end) = confirmed.and(served) {
                match end {
                    End::Asked => self.close(),
                    End::Fatal(why) => (self.parts.on_fatal)(why),
                }
                // The intake and the lanes go, and everyone who still waits learns by it that the log has stopped.
                return;
            }
            self.intake.served(&lanes);
        }
    }

    /// Serves the small calls that wait, and the others for their share of time, or for as long as no small one waits.
    fn serve(&mut self, lanes: &mut Lanes) -> Result<(), End> {
        let mut filling = self.begin();
        for submission in lanes.small.drain(..) {
            self.admit(&mut filling, *submission, self.epoch)?;
            if filling.is_full() {
                self.flush(&mut filling, &[])?;
            }
        }
        let mut end = None;
        while let Some(command) = lanes.next() {
            let until = *end.get_or_insert_with(|| self.parts.clock.since_boot() + SHARE);
            self.serve_one(&mut filling, command, lanes, until)?;
            if self.is_turn_over(lanes, until) {
                break;
            }
        }
        self.flush(&mut filling, &[])
    }

    /// Is it later than that, and does a small call wait?
    fn is_turn_over(&self, lanes: &mut Lanes, until: Duration) -> bool {
        if self.parts.clock.since_boot() < until {
            return false;
        }
        self.intake.take_more(lanes);
        !lanes.small.is_empty()
    }

    fn serve_one(
        &mut self,
        filling: &mut Filling,
        command: Command,
        lanes: &mut Lanes,
        until: Duration,
    ) -> Result<(), End> {
        match command {
            Command::Submit(submission) if submission.restricts.is_empty() => {
                self.admit(filling, *submission, self.epoch)?;
                if filling.is_full() { self.flush(filling, &[]) } else { Ok(()) }
            }
            Command::Submit(submission) => {
                self.flush(filling, &[])?;
                self.serve_restrictions(filling, submission, lanes, until)
            }
            Command::Cut { entry, reply } => {
                self.flush(filling, &[])?;
                let cut = self.cut(entry);
                let end = cut.as_ref().err().and_then(NotCut::end);
                let _ = reply.send(cut.map_err(NotCut::into_store_error));
                end.map_or(Ok(()), Err)
            }
            Command::PutNote { size, note, reply } => {
                self.flush(filling, &[])?;
                let put = self.parts.journal.put_signed_note(size, &note);
                let end = put.as_ref().err().and_then(fatal);
                let _ = reply.send(put);
                end.map_or(Ok(()), Err)
            }
            Command::Pack { run, reply } => {
                self.flush(filling, &[])?;
                let packed = self.parts.journal.pack(run.as_packed()).map_err(NotCut::Commit);
                let end = packed.as_ref().err().and_then(NotCut::end);
                let _ = reply.send(packed.map_err(NotCut::into_store_error));
                end.map_or(Ok(()), Err)
            }
            Command::GiveUp(why) => Err(End::Fatal(why)),
            Command::Stop => {
                self.flush(filling, &[])?;
                Err(End::Asked)
            }
        }
    }

    /// Commits a restricting call, and those that wait, can be beside it and are taken before the turn is over, in one new epoch.
    fn serve_restrictions(
        &mut self,
        filling: &mut Filling,
        first: Box<Submission>,
        lanes: &mut Lanes,
        until: Duration,
    ) -> Result<(), End> {
        let (mut next, mut restricted) = (Some(first), Vec::new());
        while let Some(mut submission) = next {
            let (restrictions, before) = (std::mem::take(&mut submission.restricts), filling.waiting.len());
            self.admit(filling, *submission, self.epoch + 1)?;
            match filling.waiting.len() {
                // Nothing of the batch is left.
                0 => restricted.clear(),
                after if after > before => restricted.extend(restrictions),
                _ => {}
            }
            let is_over = filling.is_full() || self.is_turn_over(lanes, until);
            next = if is_over { None } else { lanes.next_restriction_beside(&restricted) };
        }
        self.flush(filling, &restricted)
    }

    fn begin(&self) -> Filling {
        Filling {
            draft: self.parts.tree.draft(),
            plain: Vec::new(),
            first: self.parts.tree.size(),
            waiting: Vec::new(),
            uses: Noted::new(),
        }
    }

    /// Looks at the fence again, applies the changes and writes the entries, which lie in epoch `under`, into the batch.
    fn admit(&mut self, filling: &mut Filling, submission: Submission, under: u64) -> Result<(), End> {
        let Submission {
            header,
            details,
            changes,
            facts,
            restricts,
            epoch,
            dependencies,
            rights,
            least_room,
            reply,
        } = submission;
        debug_assert!(restricts.is_empty());
        if self.parts.journal.room() > least_room {
            let _ = reply.send(Err(NotCommitted::NoRoom));
            return Ok(());
        }
        if !self.fence_off && epoch < self.epoch && self.parts.fence.affects(epoch, &dependencies) {
            self.figures.fenced.fetch_add(1, Ordering::Relaxed);
            let _ = reply.send(Err(NotCommitted::Fenced));
            return Ok(());
        }
        // What is in the batch lies before it in the log, and is not counted yet.
        if rights.is_some_and(|known| known != self.parts.fence.rights() || filling.writes_rights()) {
            let _ = reply.send(Err(NotCommitted::Conflict));
            return Ok(());
        }
        // What is written and not recorded, or recorded and not written, could not be replayed.
        let is_recorded =
            header.op == Op::RecordState || facts.is_some() == changes.iter().any(writes_a_fact);
        if !is_recorded {
            let _ = reply.send(Err(NotCommitted::EncodeError(EncodeError::Facts)));
            return Ok(());
        }
        self.encoded.clear();
        self.leaves.clear();
        let mut facts = facts.as_ref();
        for detail in details.as_slice() {
            // All that one commit makes true lies with the first entry of the call.
            let facts = facts.take();
            if let Err(error) = encode(&header, detail, under, facts, &mut self.encoded, &mut self.leaves) {
                let _ = reply.send(Err(NotCommitted::EncodeError(error)));
                return Ok(());
            }
        }
        let Some(leaf) = self.leaves.first().copied() else {
            let _ = reply.send(Err(NotCommitted::EncodeError(EncodeError::Nothing)));
            return Ok(());
        };
        if !changes.is_empty() {
            match self.parts.journal.apply(&changes) {
                Ok(Applied::Yes) => {}
                Ok(Applied::Conflict) => {
                    let _ = reply.send(Err(NotCommitted::Conflict));
                    return Ok(());
                }
                Err(error @ StoreError::RowAltered(_)) => {
                    let _ = reply.send(Err(NotCommitted::Failed(error)));
                    return Ok(());
                }
                Err(error) => {
                    let _ = reply.send(Err(NotCommitted::Failed(error.clone())));
                    return self.fail(filling, CommitError::Failed(error));
                }
            }
        }
        let index = filling.draft.size();
        keep_uses(&mut filling.uses, &header, details.as_slice(), index);
        filling.plain.extend_from_slice(&self.encoded);
        for leaf in self.leaves.drain(..) {
            filling.draft.push(leaf);
        }
        filling.waiting.push(Waiting { index, leaf, changes, reply });
        Ok(())
    }

    /// Commits the batch. A batch that restricts begins a new epoch, in which its entries lie.
    fn flush(&mut self, filling: &mut Filling, restricts: &[Restriction]) -> Result<(), End> {
        if filling.waiting.is_empty() {
            self.parts.journal.roll_back();
            return Ok(());
        }
        let (size, root) = (filling.draft.size(), filling.draft.root());
        let batch = Batch {
            old_size: filling.first,
            new_size: size,
            new_root: root,
            epoch: self.epoch,
            restricts,
            body: self.packer.pack(&filling.plain),
            tiles: filling.draft.tiles(),
        };
        match self.parts.journal.commit(&batch) {
            Ok(()) => self.release(filling, restricts, size, root),
            Err(error) => self.fail(filling, error),
        }
    }

    fn release(
        &mut self,
        filling: &mut Filling,
        restricts: &[Restriction],
        size: u64,
        root: Hash,
    ) -> Result<(), End> {
        let done = std::mem::replace(filling, Filling::empty(&self.parts.tree));
        self.parts.tree.install(done.draft);
        if !restricts.is_empty() {
            self.epoch += 1;
            self.parts.fence.advance(self.epoch, restricts);
        }
        let changed: Vec<&Waiting> =
            done.waiting.iter().filter(|waiting| !waiting.changes.is_empty()).collect();
        if !changed.is_empty() {
            self.parts.fence.count_change();
            if changed.iter().any(|waiting| waiting.changes.iter().any(writes_rights)) {
                self.parts.fence.count_rights();
            }
            for waiting in changed {
                self.parts.publish.publish(&waiting.changes);
            }
        }
        self.figures.stuck.store(false, Ordering::Relaxed);
        self.parts.usage.committed(&done.uses, size);
        self.figures.commits.fetch_add(1, Ordering::Relaxed);
        self.figures.entries.fetch_add(size - done.first, Ordering::Relaxed);
        self.figures.size.store(size, Ordering::Relaxed);
        let signature = self
            .parts
            .node_key
            .sign_checkpoint(&self.parts.origin, size, &root)
            .map_err(|error| End::Fatal(format!("the node key does not sign: {error}")))?;
        let seal = Arc::new(BatchSeal {
            origin: Arc::clone(&self.parts.origin),
            size,
            epoch: self.epoch,
            tail: receipt::tail(size, &root, &signature).into(),
        });
        for waiting in done.waiting {
            #[expect(
                clippy::disallowed_methods,
                reason = "the fence commit has just made these entries durable"
            )]
            let receipt = Receipt::assertion(waiting.index, waiting.leaf, Arc::clone(&seal));
            if restricts.is_empty() {
                let _ = waiting.reply.send(Ok(receipt));
            } else {
                self.unconfirmed.push((waiting.reply, receipt));
            }
        }
        *filling = self.begin();
        Ok(())
    }

    /// Keeps a checkpoint beside the store that covers all restricting calls that wait for one, and answers them.
    fn confirm(&mut self) -> Result<(), End> {
        if self.unconfirmed.is_empty() {
            return Ok(());
        }
        let kept = self.parts.keeper.keep(self.head());
        for (reply, receipt) in self.unconfirmed.drain(..) {
            let index = receipt.index();
            let _ = reply.send(kept.as_ref().map(|()| receipt).map_err(|_| NotCommitted::Unconfirmed(index)));
        }
        kept.map_err(|error| {
            self.figures.failures.fetch_add(1, Ordering::Relaxed);
            End::Fatal(error.to_string())
        })
    }

    /// Says beside the store that this is an orderly end.
    fn close(&self) {
        if let Err(error) = self.parts.keeper.close(self.head()) {
            tracing::warn!(%error, "the end was in order, and the next start will not know");
        }
    }

    fn head(&self) -> Head {
        Head { size: self.parts.tree.size(), root: self.parts.tree.root(), epoch: self.epoch }
    }

    /// Answers everyone in the batch that nothing happened. What is not known ends the sequencer.
    fn fail(&mut self, filling: &mut Filling, error: CommitError) -> Result<(), End> {
        self.parts.journal.roll_back();
        self.figures.stuck.store(true, Ordering::Relaxed);
        self.figures.failures.fetch_add(1, Ordering::Relaxed);
        let failed = std::mem::replace(filling, self.begin());
        let (answer, end) = match error {
            CommitError::Failed(error @ StoreError::Io(_)) => {
                (NotCommitted::Stopped, Err(End::Fatal(error.to_string())))
            }
            CommitError::Failed(error) => (NotCommitted::Failed(error), Ok(())),
            // One process alone moves this fence: that it moved means that another one is at work here.
            CommitError::Fenced(_) | CommitError::Superseded | CommitError::Unknown(_) => {
                (NotCommitted::Stopped, Err(End::Fatal(error.to_string())))
            }
        };
        for waiting in failed.waiting {
            let _ = waiting.reply.send(Err(answer.clone()));
        }
        end
    }

    fn cut(&mut self, entry: CutEntry) -> Result<(u64, Hash), NotCut> {
        let number = self.parts.root_tree.size();
        let bytes = entry(number, self.parts.journal.row_root()).map_err(NotCut::Entry)?;
        let mut draft = self.parts.root_tree.draft();
        draft.push(leaf_hash(&bytes));
        let (size, root) = (draft.size(), draft.root());
        let (rows, counted_to) = self.parts.usage.due();
        let usage = UsageRows { rows: &rows, counted_to };
        let cut = self.parts.journal.append_cut(number, root, &bytes, draft.tiles(), usage);
        self.figures.stuck.store(cut.is_err(), Ordering::Relaxed);
        match cut {
            Ok(()) => {
                self.parts.usage.carried(&rows);
                self.parts.root_tree.install(draft);
                self.figures.cuts.store(size, Ordering::Relaxed);
                Ok((size, root))
            }
            Err(error) => Err(NotCut::Commit(error)),
        }
    }
}

/// The bytes of a cut, once its number and the root over the rows there are are known.
pub(super) type CutEntry = Box<dyn FnOnce(u64, Hash) -> Result<Vec<u8>, CutError> + Send>;

/// Why there is no cut.
enum NotCut {
    Commit(CommitError),
    Entry(CutError),
}

impl NotCut {
    /// How the sequencer ends over it, if it does. A cut that has no form would never have one: the log could go on without
    /// anything that covers it.
    fn end(&self) -> Option<End> {
        match self {
            Self::Commit(CommitError::Failed(error)) => fatal(error),
            Self::Commit(error) => Some(End::Fatal(error.to_string())),
            Self::Entry(error) => Some(End::Fatal(format!("a cut has no form: {error}"))),
        }
    }

    fn into_store_error(self) -> StoreError {
        match self {
            Self::Commit(CommitError::Failed(error)) => error,
            Self::Commit(error) => StoreError::Unavailable(error.to_string()),
            Self::Entry(error) => StoreError::Refused(format!("a cut has no form: {error}")),
        }
    }
}

/// A device that failed is not asked again.
fn fatal(error: &StoreError) -> Option<End> {
    matches!(error, StoreError::Io(_)).then(|| End::Fatal(error.to_string()))
}

impl Filling {
    fn empty(tree: &LogTree) -> Self {
        Self {
            draft: tree.draft(),
            plain: Vec::new(),
            first: tree.size(),
            waiting: Vec::new(),
            uses: Noted::new(),
        }
    }

    /// Does a call in it write a principal or a grant?
    fn writes_rights(&self) -> bool {
        self.waiting.iter().any(|waiting| waiting.changes.iter().any(writes_rights))
    }

    fn is_full(&self) -> bool {
        self.draft.size() - self.first >= MOST_ENTRIES as u64 || self.plain.len() >= MOST_BYTES
    }
}

/// Keeps the uses of keys that these entries record, the first of which has this index.
fn keep_uses(noted: &mut Noted, header: &EntryHeader, details: &[EntryDetail], first: u64) {
    for (index, detail) in (first..).zip(details) {
        let op = detail.sub_action.map_or(header.op, |act| act.op);
        if let (true, Outcome::Ok, Some(key)) = (op.uses_material(), detail.outcome.0, detail.key) {
            let version = KeyVersionId { key, number: detail.version.unwrap_or(0) };
            let used = Used { op, at: header.at, index };
            usage::note(noted, version, Uses::one(used, detail.input_len.map(log2_ceil)));
        }
    }
}

/// Appends the entry for `detail` with its facts or the record of its session, and its leaf hash.
fn encode(
    header: &EntryHeader,
    detail: &EntryDetail,
    epoch: u64,
    facts: Option<&FactBytes>,
    out: &mut Vec<u8>,
    leaves: &mut Vec<Hash>,
) -> Result<(), EncodeError> {
    let (digest, bytes) = facts.map(|facts| (facts.digest, facts.bytes.as_slice())).unzip();
    let beside = bytes.or_else(|| header.record());
    let entry = body::push::<EncodeError>(out, beside, |out| header.encode(detail, epoch, digest, out))?;
    leaves.push(leaf_hash(entry));
    Ok(())
}

enum End {
    Asked,
    Fatal(String),
}
