//! Packs the log: batches of a few entries each, as lone calls leave them, become one behind the newest signed cut. What is hashed, and so every
//! root, receipt and proof, stays as it was; only how entries lie in the store changes.
//!
//! What is packed is one transaction of the one writer. A crash leaves the batches as they were or as they became, and whoever reads
//! entries meanwhile finds each of them once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use claviger_core::port::store::{BatchOutline, Packed, Room, StoredBatch};
use claviger_core::port::{Store, StoreError};

use super::body::{Packer, Unpacker};
use crate::error::ServiceError;
use crate::road::Road;
use crate::system::SHARD;

/// How often it is looked for what can be packed.
const EVERY: Duration = Duration::from_secs(10);
/// Batches of more entries stay as they are.
const FEW: u32 = 4;
/// What one batch becomes at most: so many entries, and so many bytes as they were stored.
const MOST_ENTRIES: u32 = 1024;
const MOST_BYTES: u64 = 256 << 10;
/// Fewer batches than this are not worth a commit; what they become has more entries than what is packed.
const LEAST: u32 = 17;
/// Behind the last of them others are still to come: so many are not waited for.
const LEAST_AT_THE_END: u32 = 256;
/// Outlines that are read at once.
const OUTLINES: u32 = 4096;

/// Batches that follow each other and can become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    first: u64,
    count: u32,
    batches: u32,
}

/// The same, as one.
#[derive(Debug)]
pub(crate) struct PackedRun {
    run: Run,
    body: Vec<u8>,
}

impl PackedRun {
    pub(crate) fn as_packed(&self) -> Packed<'_> {
        let Run { first, count, batches } = self.run;
        Packed { first_index: first, count, batches, body: &self.body }
    }

    /// Joins the entries of batches; nothing, where they are not those of the run any more.
    fn of(run: Run, found: &[StoredBatch]) -> Result<Option<Self>, StoreError> {
        let (mut plain, mut unpacker, mut next) = (Vec::new(), Unpacker::default(), run.first);
        for batch in found {
            if batch.first_index != next {
                return Ok(None);
            }
            plain.extend_from_slice(unpacker.plain(&batch.body)?);
            next += u64::from(batch.count);
        }
        let is_whole = next == run.first + u64::from(run.count);
        Ok(is_whole.then(|| Self { run, body: Packer::new().pack(&plain).to_vec() }))
    }
}

/// Packs what can be packed, again and again, until the road stops.
pub(crate) async fn keep_packing(road: Road) {
    let (mut next, mut ticks) = (0, road.ticks(EVERY, EVERY));
    while ticks.next().await.is_some() {
        if let Err(error) = road.pack_from(&mut next).await {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, cause, "the log was not packed");
        }
    }
}

impl Road {
    /// Packs the log now, as far as a signed cut covers it. Gives how many batches became fewer.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn pack_log(&self) -> Result<u64, ServiceError> {
        self.pack_from(&mut 0).await
    }

    /// The same from there on; moves it to where there may be more later.
    async fn pack_from(&self, next: &mut u64) -> Result<u64, ServiceError> {
        let covered = self.figures().covered.load(Ordering::Relaxed);
        let mut packed = 0;
        // It takes room before it gives some.
        while self.room() == Room::Plenty {
            let outlines = self.state.store.list_batch_outlines(SHARD, *next, OUTLINES).await?;
            let (runs, rest) = runs(&outlines, covered);
            for run in runs {
                packed += self.pack(run).await?;
            }
            if std::mem::replace(next, rest) == rest {
                break;
            }
        }
        Ok(packed)
    }

    async fn pack(&self, run: Run) -> Result<u64, ServiceError> {
        let store: Arc<dyn Store> = Arc::clone(&self.state.store);
        let found = store.list_batches(SHARD, run.first, run.batches).await?;
        let joined = tokio::task::spawn_blocking(move || PackedRun::of(run, &found)).await;
        let Ok(Some(joined)) = joined.unwrap_or(Ok(None)) else { return Ok(0) };
        let is_done = self.queue.pack(joined).await?;
        Ok(if is_done { u64::from(run.batches) } else { 0 })
    }
}

/// Which of these batches become one, of those that end before `covered`, and where to go on.
fn runs(outlines: &[BatchOutline], covered: u64) -> (Vec<Run>, u64) {
    let (mut runs, mut open): (Vec<Run>, Option<(Run, BatchOutline, u64)>) = (Vec::new(), None);
    let mut next = outlines.first().map_or(0, |first| first.first_index);
    for outline in outlines {
        let end = outline.first_index + u64::from(outline.count);
        if end > covered {
            break;
        }
        if let Some((run, of, bytes)) = &mut open {
            let fits = outline.count <= FEW
                && outline.first_index == next
                && (outline.epoch, outline.incarnation) == (of.epoch, of.incarnation)
                && run.count + outline.count <= MOST_ENTRIES
                && *bytes + outline.bytes <= MOST_BYTES;
            if fits {
                (run.count, run.batches, *bytes) =
                    (run.count + outline.count, run.batches + 1, *bytes + outline.bytes);
                next = end;
                continue;
            }
            runs.push(*run);
        }
        let run = Run { first: outline.first_index, count: outline.count, batches: 1 };
        open = (outline.count <= FEW).then_some((run, *outline, outline.bytes));
        next = end;
    }
    if let Some((run, ..)) = open {
        if run.batches < LEAST_AT_THE_END {
            // Others may follow it.
            next = run.first;
        } else {
            runs.push(run);
        }
    }
    runs.retain(|run| run.batches >= LEAST);
    (runs, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlines(counts: &[(u32, u32)]) -> Vec<BatchOutline> {
        let mut next = 0;
        let counts =
            counts.iter().flat_map(|(batches, count)| std::iter::repeat_n(*count, *batches as usize));
        let outline = |count| {
            let first_index = next;
            next += u64::from(count);
            BatchOutline { first_index, count, epoch: 1, incarnation: 1, bytes: 100 }
        };
        counts.map(outline).collect()
    }

    fn run(first: u64, count: u32, batches: u32) -> Run {
        Run { first, count, batches }
    }

    #[test]
    fn small_batches_that_follow_each_other_become_one() {
        // Twenty lone entries, a large batch, three small ones, another large one, and the end.
        let all = outlines(&[(20, 1), (1, 60), (3, 2), (1, 50), (5, 1)]);
        assert_eq!(runs(&all, 1_000), (vec![run(0, 20, 20)], 136));
        // What no signed cut covers is left alone, and looked at again.
        assert_eq!(runs(&all, 18), (vec![], 0));
        assert_eq!(runs(&all, 0), (vec![], 0));
        assert_eq!(runs(&[], 100), (vec![], 0));
    }

    #[test]
    fn a_run_is_bounded_and_its_end_is_not_waited_for() {
        let all = outlines(&[(2500, 1)]);
        assert_eq!(
            runs(&all, 9_999),
            (vec![run(0, 1024, 1024), run(1024, 1024, 1024), run(2048, 452, 452)], 2500)
        );
        let few = outlines(&[(255, 1)]);
        assert_eq!(runs(&few, 9_999), (vec![], 0));
        let mut heavy = outlines(&[(40, 1)]);
        heavy.iter_mut().for_each(|outline| outline.bytes = MOST_BYTES / 20);
        assert_eq!(runs(&heavy, 9_999).0, [run(0, 20, 20)]);
    }

    #[test]
    fn epochs_and_incarnations_stay_apart() {
        let mut all = outlines(&[(60, 1)]);
        all[20..].iter_mut().for_each(|outline| outline.epoch = 2);
        all[45..].iter_mut().for_each(|outline| outline.incarnation = 2);
        assert_eq!(runs(&all, 9_999), (vec![run(0, 20, 20), run(20, 25, 25)], 45));
    }

    #[test]
    fn what_was_packed_is_not_packed_again() {
        let all = outlines(&[(1, LEAST), (300, 1)]);
        assert_eq!(runs(&all, 9_999).0, [run(LEAST.into(), 300, 300)]);
    }
}
