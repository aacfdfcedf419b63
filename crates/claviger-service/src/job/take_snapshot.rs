//! Takes a snapshot of the whole state every day.

use std::time::Duration;

use claviger_audit::Entry;
use claviger_audit::op::Op;
use claviger_core::Timestamp;
use claviger_core::change::Change;
use claviger_core::log_time::TimeRecord;
use claviger_core::port::store::{LogId, Room};

use super::Done;
use crate::error::ServiceError;
use crate::log::hashes::{Source, read_entries};
use crate::log::opening;
use crate::operation::snapshot::{detail, read_state};
use crate::record::EntryHeader;
use crate::road::Road;
use crate::system::SHARD;
use crate::work::At;

/// How old the last one is when the next is due.
const EVERY: Duration = Duration::from_secs(86_400);

/// That one was taken is in the commit of its entry: a crash before it leaves the snapshot due, and one behind it does not.
pub(super) async fn run(road: &Road) -> Result<Done, ServiceError> {
    let store = &road.state.store;
    let (record, now) = (store.load_log_time().await?, road.state.time.log_time());
    let last = match record.snapshot_at {
        Some(last) => last,
        None => begun(road).await?,
    };
    if now.since(last) < EVERY || road.room() != Room::Plenty || store.fact_head().await?.is_some() {
        return Ok(Done::default());
    }
    take(road).await?;
    Ok(Done::default())
}

/// Takes one now.
pub(crate) async fn take(road: &Road) -> Result<(), ServiceError> {
    let store = &road.state.store;
    let snapshot = read_state(store.as_ref(), SHARD).await?;
    let snapshot_at = Some(road.state.time.log_time());
    let record = TimeRecord { snapshot_at, ..store.load_log_time().await? };
    let header = EntryHeader::of_system(Op::Snapshot, road.now());
    let entry = road.record(header, detail(&snapshot), vec![Change::PutLogTime(record)], None).await?;
    tracing::info!(entry, objects = snapshot.objects, "a snapshot of the state is in the log");
    Ok(())
}

/// When the log began: a deployment has its first snapshot a day later, and one that is older at once. Read once: it never changes.
pub(super) async fn begun(road: &Road) -> Result<Timestamp, ServiceError> {
    if let Some(begun) = road.log_begun.get() {
        return Ok(*begun);
    }
    let first = opening::blocking(&road.state.store, |store, runtime| {
        let at = At::staying(runtime);
        let source = Source { store: store.as_ref(), log: LogId::Shard(SHARD), at: &at };
        let entries = read_entries(source, 0, 1)?;
        Ok(entries.first().and_then(|bytes| Entry::decode(bytes).ok()).map(|first| first.t))
    });
    let Some(first) = first.await? else { return Ok(Timestamp::default()) };
    Ok(*road.log_begun.get_or_init(|| Timestamp::from_micros(first)))
}
