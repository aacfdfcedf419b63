//! Rows that cannot lie: the key of their tags, the first tags of an older store, and what is recorded of rows that were altered.
//!
//! What it keeps true: rows get tags as they stand only in a store of which no cut says that they carry them, and only after the
//! states of its keys were held against its log; whoever takes key and tags out of a newer store makes it one that does not open.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use claviger_audit::Entry;
use claviger_audit::op::{Op, Outcome};
use claviger_audit::tree::Hash;
use claviger_audit::verify::{Replay, States};
use claviger_core::KeyId;
use claviger_core::alert::AlertRule;
use claviger_core::key::State;
use claviger_core::object::{FoundRow, Kind, Object, RowCursor, StateRow};
use claviger_core::port::store::{LogId, Room};
use claviger_core::port::{Provider, Store, StoreError};
use claviger_crypto::kdf::HmacSha256;

use crate::error::{ErrorKind, ServiceError};
use crate::log::hashes::{Source, read_entries};
use crate::log::opening;
use crate::open;
use crate::record::{EntryDetail, EntryHeader, EntryOutcome, reference};
use crate::road::Road;
use crate::system::SHARD;
use crate::work::At;

/// The document with the key of the tags, sealed under the root.
pub(crate) const ROW_TAGS: &str = "row-tags";
pub(crate) const ROW_TAGS_LABEL: &[u8] = b"claviger/row-tags/v1";
/// Rows, and entries, that are read at once.
const AT_ONCE: u32 = 1_024;
/// Rows of an older store that get their tags in one transaction.
const TAGGED_AT_ONCE: u32 = 8 * AT_ONCE;
/// How often one row gets an entry for having been altered.
const RECORD_EVERY: Duration = Duration::from_secs(3_600);
/// Most rows of which it is remembered when that was.
const MOST_RECORDED: usize = 10_000;

/// Gives the store the key of its tags, if it does not have it yet. In a store of a release that knew none, rows get them first.
/// `known_note` is the newest signed note that was kept beside the store.
///
/// # Errors
/// [`ServiceError`], after which no row of an object is read: the key is gone; or an older store's log does not hold, or records
/// other states of keys than its rows.
pub async fn open_rows(
    store: &Arc<dyn Store>,
    provider: &dyn Provider,
    known_note: Option<&str>,
    accept_lost_tail: bool,
) -> Result<(), ServiceError> {
    if !look_at_rows(store.as_ref(), provider).await? {
        tag_rows(store, provider, known_note, accept_lost_tail).await?;
    }
    Ok(())
}

/// Gives the rows of an older store their tags.
async fn tag_rows(
    store: &Arc<dyn Store>,
    provider: &dyn Provider,
    known_note: Option<&str>,
    accept_lost_tail: bool,
) -> Result<(), ServiceError> {
    if let Some(size) = open::held_size(store, known_note, accept_lost_tail).await? {
        hold_states(store, size).await?;
    }
    let key = key_of(store.as_ref(), provider).await?;
    let mut next = Some(RowCursor::default());
    while let Some(from) = next {
        next = store.tag_rows(Arc::clone(&key), from, TAGGED_AT_ONCE).await?;
    }
    store.open_rows(key);
    Ok(())
}

/// The same, where rows have tags; writes nothing. Gives whether they have.
///
/// # Errors
/// [`ServiceError`]: the key is gone, or does not open.
pub async fn look_at_rows(store: &dyn Store, provider: &dyn Provider) -> Result<bool, ServiceError> {
    if store.rows_are_open() {
        return Ok(true);
    }
    if open::newest_cut(store).await?.is_none_or(|cut| cut.row_tags.is_none()) {
        return Ok(false);
    }
    if store.find_document(ROW_TAGS).await?.is_none() {
        let message = format!("document `{ROW_TAGS}`, the key of the tags of rows, is gone");
        return Err(StoreError::Corrupt(message).into());
    }
    store.open_rows(key_of(store, provider).await?);
    Ok(true)
}

async fn key_of(store: &dyn Store, provider: &dyn Provider) -> Result<Arc<HmacSha256>, ServiceError> {
    let secret = open::kept_secret(store, provider, ROW_TAGS, ROW_TAGS_LABEL).await?;
    Ok(Arc::new(HmacSha256::new(&secret)))
}

/// Rows that are not as they were written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlteredRows {
    /// The objects of those whose tag does not hold.
    pub objects: Vec<Object>,
    /// Blocks of rows of which some are missing, are older ones, or were put in.
    pub blocks: u64,
}

/// Looks at all rows of a store that is not served, and whose log holds and has this size; writes nothing.
///
/// # Errors
/// When the store cannot be read, or rows were put back together with what is kept of them.
pub async fn examine_rows(store: &Arc<dyn Store>, log_size: u64) -> Result<AlteredRows, ServiceError> {
    let has_blocks = load_blocks(store, log_size).await?;
    let mut altered = AlteredRows::default();
    for kind in Kind::ALL {
        each_row(store.as_ref(), kind, |found| {
            altered.objects.extend((!found.holds).then(|| found.row.object()));
            Ok(())
        })
        .await?;
        if has_blocks {
            altered.blocks += hold_blocks(store.as_ref(), kind).await?;
        }
    }
    Ok(altered)
}

/// Takes into memory which rows there are, once that is held against the log; for a store that was held itself, before its journal is
/// opened. A store that keeps none gets its record of the rows as they stand, as of this head of the log.
///
/// # Errors
/// [`ServiceError`]: what is kept is another one, or older than the log.
pub(crate) async fn hold_rows(store: &Arc<dyn Store>, size: u64, root: Hash) -> Result<(), ServiceError> {
    if !load_blocks(store, size).await? {
        store.make_row_root(size, root).await?;
        store.load_row_blocks().await?;
    }
    // All that rights and rules rest on, before the first answer; the others as they are read, and in the background.
    for kind in
        [Kind::Ring, Kind::Principal, Kind::Credential, Kind::Grant, Kind::RightsReview, Kind::Governance]
    {
        hold_blocks(store.as_ref(), kind).await?;
    }
    Ok(())
}

/// The same, where the store keeps a record; writes nothing. It is as of the last commit that changed state: each cut has its root,
/// and behind the last one the log records no commit that it does not know. Gives whether there is one.
async fn load_blocks(store: &Arc<dyn Store>, size: u64) -> Result<bool, ServiceError> {
    let cut = open::newest_cut(store.as_ref()).await?;
    let cut_root = cut.as_ref().and_then(|cut| cut.rows);
    let Some(kept) = store.find_row_root().await? else {
        return if cut_root.is_none() { Ok(false) } else { Err(put_back("is gone")) };
    };
    let is_of_log = kept.log_size <= size
        && opening::root_at(store, LogId::Shard(SHARD), kept.log_size).await? == kept.log_root;
    if !is_of_log {
        return Err(put_back("is of another log"));
    }
    let covered = cut.as_ref().and_then(|cut| cut.shard(SHARD)).map_or(0, |head| head.size);
    if cut_root.is_some_and(|root| kept.log_size <= covered && root != kept.root) {
        return Err(put_back("is not that of the last cut"));
    }
    let from = if cut_root.is_some() { kept.log_size.max(covered) } else { kept.log_size };
    if records_changes(store, from, size).await? {
        return Err(put_back("is older than the log"));
    }
    if store.load_row_blocks().await? != kept.root {
        return Err(put_back("does not hold"));
    }
    Ok(true)
}

/// Holds all rows of a kind against what is known to be there; gives how many blocks of them differ.
pub(crate) async fn hold_blocks(store: &dyn Store, kind: Kind) -> Result<u64, ServiceError> {
    let wrong = store.count_wrong_blocks(kind).await?;
    if wrong > 0 {
        tracing::error!(
            %kind,
            blocks = wrong,
            "rows were taken out, put in or put back in the database; what lies with them is refused: `claviger audit verify`"
        );
    }
    Ok(wrong)
}

/// Does the log record changes of state in these entries?
async fn records_changes(store: &Arc<dyn Store>, from: u64, to: u64) -> Result<bool, ServiceError> {
    opening::blocking(store, move |store, runtime| {
        let at = At::staying(runtime);
        for first in (from..to).step_by(AT_ONCE as usize) {
            let source = Source { store: store.as_ref(), log: LogId::Shard(SHARD), at: &at };
            for bytes in read_entries(source, first, to.min(first + u64::from(AT_ONCE)))? {
                let entry = Entry::decode(&bytes)
                    .map_err(|error| StoreError::Corrupt(format!("an entry of the log: {error}")))?;
                if entry.fct.is_some() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    })
    .await
}

fn put_back(what: &str) -> ServiceError {
    let what = format!("the record of which rows there are {what}");
    let message = format!(
        "{what}: older rows were put back, or some taken out; restore the newest state, and investigate"
    );
    ServiceError::new(ErrorKind::Internal, message).caused_by(StoreError::Corrupt(what))
}

/// Holds the states of all keys and versions against those that the log yields.
async fn hold_states(store: &Arc<dyn Store>, size: u64) -> Result<(), ServiceError> {
    let logged = opening::blocking(store, move |store, runtime| {
        let (at, mut replay) = (At::staying(runtime), Replay::default());
        for from in (0..size).step_by(AT_ONCE as usize) {
            let source = Source { store: store.as_ref(), log: LogId::Shard(SHARD), at: &at };
            for (index, bytes) in
                (from..).zip(read_entries(source, from, size.min(from + u64::from(AT_ONCE)))?)
            {
                let entry = Entry::decode(&bytes)
                    .map_err(|error| StoreError::Corrupt(format!("entry {index} of the log: {error}")))?;
                // What cannot be is for `audit verify` to report.
                replay.take(SHARD, index, &entry, &mut Vec::new());
            }
        }
        Ok(replay.finish())
    });
    let mut logged: States = logged.await?;
    let mut keys: BTreeMap<KeyId, State> = BTreeMap::new();
    each_row(store.as_ref(), Kind::Key, |found| {
        if let StateRow::Key(key) = &found.row {
            keys.insert(key.id, key.state);
        }
        Ok(())
    })
    .await?;
    each_row(store.as_ref(), Kind::Version, |found| {
        let StateRow::Version(version) = &found.row else { return Ok(()) };
        let live = keys.get(&version.id.key).map(|key| (version.state, *key));
        let recorded = logged.remove(&version.id);
        if recorded.is_some() && recorded == live {
            Ok(())
        } else {
            Err(differs(Object::Version(version.id)))
        }
    })
    .await?;
    match logged.into_keys().next() {
        None => Ok(()),
        Some(gone) => Err(differs(Object::Version(gone))),
    }
}

async fn each_row(
    store: &dyn Store,
    kind: Kind,
    mut take: impl FnMut(&FoundRow) -> Result<(), ServiceError> + Send,
) -> Result<(), ServiceError> {
    let mut from = RowCursor { kind, after: None };
    loop {
        let rows = store.list_rows(from, AT_ONCE).await?;
        rows.iter().try_for_each(&mut take)?;
        let is_full = rows.len() as u64 >= u64::from(AT_ONCE);
        match from.next(rows.last().map(|found| found.row.object()), is_full) {
            Some(next) if next.kind == kind => from = next,
            _ => return Ok(()),
        }
    }
}

fn differs(object: Object) -> ServiceError {
    let message = format!(
        "the store does not say of {object} what its log says: somebody changed it in the database, and no row of it was taken for good; restore the newest state, and investigate"
    );
    ServiceError::new(ErrorKind::Internal, message).caused_by(StoreError::RowAltered(object))
}

/// When the log last recorded which row.
#[derive(Debug, Default)]
pub(crate) struct AlteredRecorded(Mutex<BTreeMap<Object, Duration>>);

impl AlteredRecorded {
    /// Is another entry about this row due?
    fn is_due(&self, object: Object, now: Duration) -> bool {
        let mut recorded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recorded.retain(|_, at| now.saturating_sub(*at) < RECORD_EVERY);
        if recorded.contains_key(&object) || recorded.len() >= MOST_RECORDED {
            return false;
        }
        recorded.insert(object, now);
        true
    }
}

impl Road {
    /// Records which rows were refused since the last time, each once an hour.
    pub(crate) async fn record_altered(&self) -> Result<(), ServiceError> {
        if self.room() != Room::Plenty || self.queue.is_full() {
            // They are remembered by the store until then.
            return Ok(());
        }
        for object in self.state.store.take_altered() {
            if !self.altered_recorded.is_due(object, self.clock.since_boot()) {
                continue;
            }
            tracing::error!(%object, "a row is not as it was written: somebody changed it in the database; it is refused");
            let (key, version) = match object {
                Object::Key(key) => (Some(key), None),
                Object::Version(version) => (Some(version.key), Some(version.number)),
                _ => (None, None),
            };
            let reference = reference(&[&[object.kind().code()], &object.id()]);
            let detail = EntryDetail {
                outcome: EntryOutcome(Outcome::Denied),
                key,
                version,
                reference,
                ..EntryDetail::default()
            };
            self.record_entry(EntryHeader::of_system(Op::RowAltered, self.now()), detail).await?;
            self.state.alerts.note(AlertRule::RowAltered, Some(object));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use claviger_core::PrincipalId;

    use super::*;

    #[test]
    fn one_entry_an_hour_records_a_row() {
        let recorded = AlteredRecorded::default();
        let object = |number| Object::Principal(PrincipalId::from_bytes([number; 16]));
        let at = Duration::from_secs;
        assert!(recorded.is_due(object(1), at(0)));
        assert!(!recorded.is_due(object(1), at(3_599)) && recorded.is_due(object(2), at(3_599)));
        assert!(recorded.is_due(object(1), at(3_600)) && !recorded.is_due(object(2), at(3_600)));
    }
}
