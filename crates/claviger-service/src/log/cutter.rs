//! Cuts: every second the heads of all shards go into the root log, and its checkpoint is signed by the key in the root.
//! An idle log is cut every minute.
//!
//! Invariant: what is signed is committed, and consistent with what was signed before.

use std::sync::atomic::Ordering;
use std::time::Duration;

use claviger_audit::checkpoint::Checkpoint;
use claviger_audit::cut::{Cut, ROW_TAGS, ShardHead as CutHead, ShardState};
use claviger_audit::key::VerifierKey;
use claviger_audit::note::assemble_note;
use claviger_core::port::Provider;
use claviger_core::port::store::ShardHead;

use crate::error::{ErrorKind, ServiceError};
use crate::road::Road;

/// How often an idle log is cut.
const IDLE: Duration = Duration::from_secs(60);
/// How often a failure that lasts is traced.
const TRACE_EVERY: Duration = Duration::from_secs(60);

/// Cuts and signs until the road is dropped or stops. Failures are traced and tried again.
pub(crate) async fn keep_cutting(road: Road, every: Duration) {
    let mut last: Option<(Vec<ShardHead>, Duration)> = None;
    let mut lasting = Lasting::default();
    let mut ticks = road.ticks(Duration::ZERO, every);
    while ticks.next().await.is_some() {
        if let Err(error) = road.record_unauthenticated().await {
            tracing::warn!(%error, "the count of unauthenticated calls waits for the log");
        }
        if let Err(error) = road.record_altered().await {
            tracing::warn!(%error, "rows that were altered wait for the log");
        }
        if let Err(error) = road.state.open_subjects().await {
            tracing::debug!(%error, "subject keys of new role-holders wait for the root");
        }
        let now = road.clock.since_boot();
        road.figures().mark_uncovered(now);
        match road
            .cut_if_new(
                last.as_ref().filter(|(_, at)| now.saturating_sub(*at) < IDLE).map(|(heads, _)| heads),
            )
            .await
        {
            Ok(Some(heads)) => {
                last = Some((heads, now));
                lasting = Lasting::default();
            }
            Ok(None) => {}
            Err(error) if lasting.is_due(now) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "the log was not cut");
            }
            Err(_) => {}
        }
    }
}

/// A failure that lasts: when it was traced.
#[derive(Debug, Default)]
struct Lasting(Option<Duration>);

impl Lasting {
    /// Is it to be traced at that time since boot? Then it is.
    fn is_due(&mut self, now: Duration) -> bool {
        let is_due = self.0.is_none_or(|at| now.saturating_sub(at) >= TRACE_EVERY);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }
}

impl Road {
    /// Cuts the log now and signs the cut.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn cut(&self) -> Result<(), ServiceError> {
        self.cut_if_new(None).await.map(|_| ())
    }

    /// Cuts unless the heads are `last`; gives the heads that were cut. A failure is counted, whatever failed.
    async fn cut_if_new(
        &self,
        last: Option<&Vec<ShardHead>>,
    ) -> Result<Option<Vec<ShardHead>>, ServiceError> {
        let cut = self.try_cut(last).await;
        if cut.is_err() {
            self.figures().failures.fetch_add(1, Ordering::Relaxed);
        }
        cut
    }

    async fn try_cut(&self, last: Option<&Vec<ShardHead>>) -> Result<Option<Vec<ShardHead>>, ServiceError> {
        // From the reading of the heads to the signature: a cut that was begun earlier and came later would take entries back.
        let _turn = self.cutting.lock().await;
        let begun = self.clock.since_boot();
        let heads = self.state.store.list_heads().await?;
        if last == Some(&heads) {
            return Ok(None);
        }
        let (t, epoch) = (self.state.time.log_time().as_micros(), self.state.fence.epoch());
        let shards: Vec<_> = heads.iter().map(cut_head).collect();
        let (size, root) = self
            .queue
            .cut(move |cut_no, rows| {
                let (row_tags, rows) = (Some(ROW_TAGS), Some(rows));
                Cut { t, cut_no, epoch, shards, erase_generation: None, capsule_hash: None, row_tags, rows }
                    .encode()
            })
            .await?;
        self.sign_root_head(size, root).await?;
        if let Some(head) = heads.iter().find(|head| head.shard == self.facts.shard) {
            self.figures().mark_covered(head.size, begun);
        }
        Ok(Some(heads))
    }

    /// Signs a committed head of the root log.
    pub(crate) async fn sign_root_head(&self, size: u64, root: [u8; 32]) -> Result<(), ServiceError> {
        let key = &self.facts.root_key;
        let text = Checkpoint { origin: key.name().to_owned(), size, root }.text();
        let note = sign_by_root(self.state.provider.as_ref(), key, &text).await?;
        self.queue.put_note(size, note.clone()).await?;
        (self.on_signed)(&note);
        Ok(())
    }
}

/// A note with that text, signed by the key in the root. A signature that `key` does not verify leaves nobody.
pub(crate) async fn sign_by_root(
    provider: &dyn Provider,
    key: &VerifierKey,
    text: &str,
) -> Result<String, ServiceError> {
    let signature = provider.sign_root(text.as_bytes()).await?;
    let internal =
        |error| ServiceError::new(ErrorKind::Internal, "the root could not sign a note").caused_by(error);
    key.verify(text, &signature).map_err(internal)?;
    assemble_note(text, key.name(), key.key_id(), &signature).map_err(internal)
}

fn cut_head(head: &ShardHead) -> CutHead {
    CutHead {
        shard: head.shard,
        state: ShardState::Active,
        incarnation: head.incarnation,
        size: head.size,
        root: head.root,
        epoch: head.epoch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_that_lasts_is_traced_at_once_and_then_once_a_minute() {
        let mut lasting = Lasting::default();
        let traced: Vec<_> = (100..300).filter(|at| lasting.is_due(Duration::from_secs(*at))).collect();
        assert_eq!(traced, [100, 160, 220, 280]);
    }
}
