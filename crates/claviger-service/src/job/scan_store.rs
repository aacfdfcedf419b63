//! Opens every stored secret twice a day, so that the newest scan is never a day old. A scan can take long: other jobs do not wait for it.

use std::sync::Arc;
use std::time::Duration;

use claviger_audit::op::Op;
use claviger_core::change::Change;
use claviger_core::log_time::TimeRecord;
use claviger_core::port::store::Room;

use super::SYSTEM;
use super::take_snapshot::begun;
use crate::error::ServiceError;
use crate::operation::scan_store::detail;
use crate::record::EntryHeader;
use crate::road::Road;
use crate::scan::{ScanReport, scan};

/// How old the last one is when the next is due.
const EVERY: Duration = Duration::from_secs(12 * 3600);

/// Scans whenever it is due, until the road stops.
pub(crate) async fn keep_scanning(road: Road, look_every: Duration) {
    let mut ticks = road.ticks(look_every, look_every);
    while ticks.next().await.is_some() {
        let outcome = tokio::select! {
            outcome = road.scan_when_due() => outcome,
            () = road.stopping() => return,
        };
        if let Err(error) = outcome {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, cause, "stored secrets were not looked at");
        }
    }
}

impl Road {
    /// The newest scan of stored secrets since the start.
    #[must_use]
    pub fn last_scan(&self) -> Option<Arc<ScanReport>> {
        self.state.scans.last()
    }

    /// Opens every stored secret if that is due; gives whether it was. That it was done is in the commit of its entry.
    ///
    /// # Errors
    /// When the store cannot be read, the root does not answer, or the log takes no entry: then it is due again.
    pub async fn scan_when_due(&self) -> Result<bool, ServiceError> {
        let (store, now) = (&self.state.store, self.state.time.log_time());
        let last = match store.load_log_time().await?.scanned_at {
            Some(last) => last,
            None => begun(self).await?,
        };
        if now.since(last) < EVERY || self.room() != Room::Plenty {
            return Ok(false);
        }
        let report = scan(&self.state, &self.work, SYSTEM, self.now()).await?;
        // Others may have written there meanwhile.
        let record = TimeRecord { scanned_at: Some(now), ..store.load_log_time().await? };
        let header = EntryHeader::of_system(Op::ScanStore, self.now());
        self.record(header, detail(&report), vec![Change::PutLogTime(record)], None).await?;
        Ok(true)
    }
}
