//! Opens every stored secret in its place, and says which do not open. The entry has how many there are of both.

use std::sync::Arc;

use claviger_core::Action;

use crate::call::{Operation, Staged};
use crate::error::ServiceError;
use crate::record::{EntryDetail, reference};
use crate::reference::TargetRef;
use crate::scan::{ScanReport, scan};
use crate::view::View;

/// Scans the store.
#[derive(Debug, Clone, Copy)]
pub struct ScanStore {}

impl Operation for ScanStore {
    type Output = Arc<ScanReport>;

    fn action(&self) -> Action {
        Action::ScanStore
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Arc<ScanReport>>, ServiceError> {
        let _aside = view.places.set_aside();
        let report = scan(view.state, view.work, view.caller.principal().id, view.now).await?;
        let detail = detail(&report);
        Ok(Staged::reading(report, detail))
    }
}

/// What the entry of a scan says.
pub(crate) fn detail(report: &ScanReport) -> EntryDetail {
    EntryDetail { reference: reference(&[&report.summary().to_bytes()]), ..EntryDetail::default() }
}
