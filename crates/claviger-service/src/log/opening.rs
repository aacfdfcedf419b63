//! What is held against what before a deployment is served: the log against its heads, the heads against the last cut, and all of
//! it against what was kept beside the store.
//!
//! Whoever can write the store can make its rows agree with each other. What they cannot make is a signature: the root's over the
//! root log, the node's over the newest head of the shard. A store that does not reach what was signed is an older one, and one
//! that has another root there is another one. Nothing is written before all of this holds.
//!
//! A store that is merely behind may have lost its newest part in a crash of the device: it is served by an explicit choice, which
//! gets an entry of its own. A fork never is.

use std::sync::Arc;

use claviger_audit::cut::{Cut, ShardHead as CutHead};
use claviger_audit::tree::{Frontier, Hash, HashReader, root_of};
use claviger_audit::{Checkpoint, Entry, KeptCheckpoint, Op, VerifierKey};
use claviger_core::port::store::{Kept, LogId, RootHead, ShardHead};
use claviger_core::port::{Store, StoreError};
use tokio::runtime::Handle;

use super::hashes::{Source, StoredHashes, read_entries};
use super::tree::{LogTree, Rebuild};
use crate::error::{ErrorKind, ServiceError};
use crate::work::At;

/// The document that says from which incarnation on a checkpoint is kept beside the store.
const SINCE: &str = "newest-shard-checkpoint/since";
/// The name of what is kept, as the operator sees it.
const FILE: &str = "newest-shard-checkpoint";

/// What a store is held against.
pub(crate) struct Against<'a> {
    /// The shard of this node.
    pub(crate) shard: u32,
    /// Its origin.
    pub(crate) origin: &'a str,
    /// Verifies notes of the root log.
    pub(crate) root_key: &'a VerifierKey,
    /// The newest signed note of the root log that was kept beside the store.
    pub(crate) known_note: Option<&'a str>,
    /// Is a store served whose newest part is lost?
    pub(crate) accept_lost_tail: bool,
}

/// A store that holds.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) tree: LogTree,
    pub(crate) root_tree: LogTree,
    pub(crate) root_head: RootHead,
    /// What is lost, by choice; its size and root as far as they are known.
    pub(crate) lost: Option<Lost>,
}

/// The newest part of the log is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Why it is known to be.
    pub(crate) why: String,
    /// The head that was kept of it.
    pub(crate) head: Option<(u64, Hash)>,
}

/// What does not hold.
enum Fault {
    /// The store does not reach what was signed.
    Behind(Lost),
    /// Any other failure.
    Wrong(ServiceError),
}

impl<E: Into<ServiceError>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Wrong(error.into())
    }
}

/// Holds a store against itself and against what was signed.
///
/// # Errors
/// [`ServiceError`] with a sentence for the operator.
pub(crate) async fn hold(store: &Arc<dyn Store>, against: &Against<'_>) -> Result<Held, ServiceError> {
    let heads = store.list_heads().await?;
    let head = head_of(&heads, against.shard);
    let root_head = store.root_head().await?;
    let tree = rebuild(store, LogId::Shard(against.shard), head.size, head.root).await?;
    let root_tree = rebuild(store, LogId::Root, root_head.size, root_head.root).await?;
    hold_cut(store, &heads, root_head.size).await?;
    let mut lost = store.left_behind().lost_tail.clone().map(|why| Lost { why, head: None });
    let signed = Some(root_head.signed_note.as_str()).filter(|note| !note.is_empty());
    if let Some(note) = signed {
        hold_note(store, against.root_key, note, root_head.size).await.map_err(never)?;
    }
    let mut take = |held: Result<(), Fault>| match held {
        Ok(()) => Ok(()),
        Err(Fault::Wrong(error)) => Err(error),
        Err(Fault::Behind(behind)) if against.accept_lost_tail => {
            let head = behind.head.or(lost.as_ref().and_then(|lost| lost.head));
            lost = Some(Lost { head, ..behind });
            Ok(())
        }
        Err(behind) => Err(never(behind)),
    };
    if let Some(note) = against.known_note {
        take(hold_note(store, against.root_key, note, root_head.size).await)?;
    }
    take(hold_kept(store, against, &head).await)?;
    if lost.is_none() && against.accept_lost_tail {
        return Err(wrong(
            "nothing of the store is lost, so there is nothing to accept; start without `--accept-lost-tail`",
        ));
    }
    Ok(Held { tree, root_tree, root_head, lost })
}

fn head_of(heads: &[ShardHead], shard: u32) -> ShardHead {
    let head = heads.iter().find(|head| head.shard == shard).cloned();
    let root = Frontier::new().root();
    head.unwrap_or(ShardHead { shard, incarnation: 0, size: 0, root, epoch: 0 })
}

/// Says from which incarnation on a checkpoint is kept, before the first one takes the log over.
pub(crate) async fn note_first(store: &dyn Store, shard: u32) -> Result<(), ServiceError> {
    if store.find_document(SINCE).await?.is_none() {
        let next = head_of(&store.list_heads().await?, shard).incarnation + 1;
        store.put_document(SINCE, next.to_string().as_bytes()).await?;
    }
    Ok(())
}

fn wrong(message: impl Into<std::borrow::Cow<'static, str>>) -> ServiceError {
    ServiceError::new(ErrorKind::Internal, message)
}

/// What is not accepted: also that a store is behind.
fn never(fault: Fault) -> ServiceError {
    match fault {
        Fault::Wrong(error) => error,
        Fault::Behind(Lost { why, .. }) => wrong(format!(
            "{why}: the store was rolled back, or its newest part was lost; put the newest state back and investigate, or, if it is lost, start once with `claviger serve --accept-lost-tail`"
        )),
    }
}

/// Rebuilds the tree of a log and holds it against its head.
async fn rebuild(
    store: &Arc<dyn Store>,
    log: LogId,
    size: u64,
    root: [u8; 32],
) -> Result<LogTree, ServiceError> {
    blocking(store, move |store, runtime| {
        let hashes = StoredHashes::new(store, At::staying(runtime), log, size, None);
        let frontier = Frontier::from_subtrees(size, |height, index| hashes.hash(height, index));
        let whole = frontier.filter(|frontier| frontier.root() == root || size == 0);
        let Some(frontier) = whole else {
            let why = hashes.failure();
            return Err(why.unwrap_or_else(|| {
                StoreError::Corrupt(format!("{} is not what its head says", named(log)))
            }));
        };
        let mut rebuild = Rebuild::default();
        for level in 1..8_u8 {
            let there = size >> (8 * u32::from(level));
            if there > 0 {
                let tile = hashes.tile(level, there / 256)?;
                rebuild.put(level, tile.to_vec());
            }
        }
        Ok(rebuild.finish(frontier))
    })
    .await
}

/// A log in words.
fn named(log: LogId) -> String {
    match log {
        LogId::Root => "the root log".to_owned(),
        LogId::Shard(shard) => format!("the log of shard {shard}"),
    }
}

/// The root that a log had at a size that it has reached.
pub(crate) async fn root_at(store: &Arc<dyn Store>, log: LogId, size: u64) -> Result<Hash, ServiceError> {
    blocking(store, move |store, runtime| {
        let hashes = StoredHashes::new(store, At::staying(runtime), log, size, None);
        root_of(size, &hashes).map_err(|error| {
            hashes.failure().unwrap_or_else(|| StoreError::Corrupt(format!("{}: {error}", named(log))))
        })
    })
    .await
}

pub(crate) async fn blocking<T: Send + 'static>(
    store: &Arc<dyn Store>,
    work: impl FnOnce(Arc<dyn Store>, Handle) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ServiceError> {
    let (store, runtime) = (Arc::clone(store), Handle::current());
    let done = tokio::task::spawn_blocking(move || work(store, runtime)).await;
    Ok(done.map_err(|error| wrong("reading the log failed").caused_by(error))??)
}

/// Every shard of the last cut is there, and is that one, grown.
async fn hold_cut(store: &Arc<dyn Store>, heads: &[ShardHead], cuts: u64) -> Result<(), ServiceError> {
    let Some(last) = cuts.checked_sub(1) else { return Ok(()) };
    let bytes = store.list_cuts(last, 1).await?.pop();
    let cut = bytes.as_deref().map(Cut::decode);
    let Some(Ok(cut)) = cut else { return Err(wrong(format!("cut {last} of the log does not read"))) };
    for was in &cut.shards {
        let is = head_of(heads, was.shard);
        hold_shard(store, last, was, &is).await?;
    }
    Ok(())
}

async fn hold_shard(
    store: &Arc<dyn Store>,
    cut: u64,
    was: &CutHead,
    is: &ShardHead,
) -> Result<(), ServiceError> {
    let shard = was.shard;
    if is.size < was.size {
        return Err(wrong(format!(
            "the log of shard {shard} was cut off: the store has {} entries, and cut {cut} names {}; restore the newest state, and investigate",
            is.size, was.size
        )));
    }
    if is.epoch < was.epoch || is.incarnation < was.incarnation {
        return Err(wrong(format!(
            "the head of shard {shard} was put back: its epoch or incarnation is below that of cut {cut}; restore the newest state, and investigate"
        )));
    }
    if root_at(store, LogId::Shard(shard), was.size).await? != was.root {
        return Err(wrong(format!(
            "the log of shard {shard} is not the one that cut {cut} names: at {} entries it has another root; restore the newest state, and investigate",
            was.size
        )));
    }
    Ok(())
}

/// Is a note that was signed before consistent with the root log as it is now?
async fn hold_note(store: &Arc<dyn Store>, key: &VerifierKey, note: &str, size: u64) -> Result<(), Fault> {
    let known = Checkpoint::open(note.as_bytes(), key)
        .map_err(|error| wrong("a kept checkpoint does not verify").caused_by(error))?;
    if known.size > size {
        return Err(Fault::Behind(Lost {
            why: format!(
                "the store is older than a checkpoint that its root signed ({size} cuts are there, {} were signed)",
                known.size
            ),
            head: None,
        }));
    }
    if root_at(store, LogId::Root, known.size).await? != known.root {
        return Err(Fault::Wrong(wrong(format!(
            "the root log is not the one of a checkpoint that was signed: at {} cuts it has another root, so two histories are kept; restore the newest state, and investigate",
            known.size
        ))));
    }
    Ok(())
}

/// Holds the shard against what its node kept beside the store.
async fn hold_kept(store: &Arc<dyn Store>, against: &Against<'_>, head: &ShardHead) -> Result<(), Fault> {
    let left = store.left_behind();
    let Some(kept) = &left.kept else {
        return hold_nothing(store, left.damaged, head).await;
    };
    let (known, key) = open(kept, against.origin)?;
    if known.head.size > head.size {
        let why = format!(
            "the store is older than the checkpoint beside it (`{FILE}`: {} entries; the store: {})",
            known.head.size, head.size
        );
        return Err(Fault::Behind(Lost { why, head: Some((known.head.size, known.head.root)) }));
    }
    hold_start(store, against.shard, &known, &key).await?;
    if root_at(store, LogId::Shard(against.shard), known.head.size).await? != known.head.root {
        return Err(Fault::Wrong(wrong(format!(
            "the log is not the one of the checkpoint beside it (`{FILE}`): at {} entries it has another root, so two histories are kept; restore the newest state, and investigate",
            known.head.size
        ))));
    }
    if known.incarnation > head.incarnation || known.epoch > head.epoch {
        return Err(Fault::Wrong(wrong(format!(
            "the head of the log was put back: its epoch or start is below that of the checkpoint beside it (`{FILE}`); restore the newest state, and investigate"
        ))));
    }
    if known.closed && known.incarnation == head.incarnation && known.head.size != head.size {
        return Err(Fault::Wrong(wrong(format!(
            "the log was closed at {} entries and has {}: somebody added to it since; restore the state as it was closed, and investigate",
            known.head.size, head.size
        ))));
    }
    Ok(())
}

/// Nothing was kept, or nothing of it reads.
async fn hold_nothing(store: &Arc<dyn Store>, damaged: bool, head: &ShardHead) -> Result<(), Fault> {
    let lost = |what: &str| {
        Err(Fault::Behind(Lost {
            why: format!("the checkpoint that was kept beside the store (`{FILE}`) {what}"),
            head: None,
        }))
    };
    if damaged {
        return lost("does not read");
    }
    let Some(since) = store.find_document(SINCE).await? else { return Ok(()) };
    let since = std::str::from_utf8(&since).ok().and_then(|text| text.parse::<u64>().ok());
    let since = since.ok_or_else(|| StoreError::Corrupt(format!("document `{SINCE}` does not read")))?;
    if head.incarnation > since { lost("is gone") } else { Ok(()) }
}

fn open(kept: &Kept, origin: &str) -> Result<(KeptCheckpoint, VerifierKey), ServiceError> {
    let changed = || {
        wrong(format!(
            "the checkpoint beside the store (`{FILE}`) is not as its node signed it; restore it, and investigate"
        ))
    };
    let (known, key) = KeptCheckpoint::open(&kept.bytes).map_err(|error| changed().caused_by(error))?;
    if known.head.origin != origin {
        return Err(wrong(format!(
            "the checkpoint beside the store (`{FILE}`) is of another log than document `deployment` of the store says: of `{}`",
            known.head.origin
        )));
    }
    if known.closed == kept.closed { Ok((known, key)) } else { Err(changed()) }
}

/// The log names the key of the node that kept it, so that its word is the log's own.
async fn hold_start(
    store: &Arc<dyn Store>,
    shard: u32,
    known: &KeptCheckpoint,
    key: &VerifierKey,
) -> Result<(), ServiceError> {
    let start = known.start;
    let bytes = blocking(store, move |store, runtime| {
        let (log, at) = (LogId::Shard(shard), At::staying(runtime));
        read_entries(Source { store: store.as_ref(), log, at: &at }, start, start + 1)
    });
    let bytes = if start < known.head.size { bytes.await?.pop() } else { None };
    let entry = bytes.as_deref().map(Entry::decode);
    let named = matches!(&entry, Some(Ok(entry))
        if entry.op == Op::NodeStart && entry.reference.as_deref() == Some(key.digest().as_slice()));
    if named {
        return Ok(());
    }
    Err(wrong(format!(
        "the checkpoint beside the store (`{FILE}`) was signed by no node of this log: entry {start} does not name its key; restore the newest state, and investigate"
    )))
}
