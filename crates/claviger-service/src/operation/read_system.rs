//! How the system is.

use std::sync::Arc;
use std::time::Duration;

use claviger_core::key::Separation;
use claviger_core::node::Node;
use claviger_core::port::StoreError;
use claviger_core::port::provider::{ModuleInfo, ProviderHealth};
use claviger_core::port::store::{BreakGlassCount, EndingPrincipal, Page, SpaceState};
use claviger_core::principal::Principal;
use claviger_core::{Action, Name, NodeId};

use super::rights::{self, RightsReviewStatus};
use super::{ClockStatus, Operation, Staged};
use crate::alerts::{AlertFigures, AlertReceiver};
use crate::approval_figures::ApprovalFigures;
use crate::error::ServiceError;
use crate::evaluations::EvaluationFigures;
use crate::job::check_rows::RowFigures;
use crate::reference::TargetRef;
use crate::review_figures::ReviewFigures;
use crate::scan::ScanReport;
use crate::view::View;
use crate::work::Class;

/// How long before its end a credential is shown.
const ENDING: Duration = Duration::from_secs(30 * 86_400);
/// How many are shown at most.
const MOST_ENDING: u32 = 100;

/// How the system is.
#[derive(Debug, Clone)]
pub struct SystemStatus {
    /// The deployment's name.
    pub deployment: Name,
    /// The environment that the deployment is, if it is said.
    pub environment: Option<Name>,
    /// Which start of the process this is.
    pub incarnation: u64,
    /// Fence epoch.
    pub epoch: u64,
    /// Origin of the shard's log.
    pub origin: Arc<str>,
    /// Entries in the shard's log.
    pub log_size: u64,
    /// Cuts in the root log.
    pub cuts: u64,
    /// Cuts that the newest signed checkpoint covers.
    pub signed_cuts: u64,
    /// How many rings let one principal both administer and use their keys.
    pub relaxed_rings: u64,
    /// Scheduled destructions that their rings blocked when jobs last looked.
    pub blocked_destructions: u64,
    /// How approvals stand; `None` where a row that says so was altered.
    pub approvals: Option<ApprovalFigures>,
    /// How access reviews stand; `None` where a row that says so was altered.
    pub reviews: Option<ReviewFigures>,
    /// How many emergency accesses there are that somebody must know of.
    pub break_glass: BreakGlassCount,
    /// How many alerts are open.
    pub alerts: AlertFigures,
    /// Findings since the start that raised no alert, because there were too many already.
    pub unraised_alerts: u64,
    /// Whom the server tells of alerts, in the order of its configuration.
    pub alert_receivers: Vec<AlertReceiver>,
    /// The log's time.
    pub clock: ClockStatus,
    /// Security officers made by a recovery that nobody else has acknowledged, the oldest first.
    pub unacknowledged: Vec<Principal>,
    /// Principals whose last credential ends within 30 days, those that end first before others; at most 100.
    pub ending: Vec<EndingPrincipal>,
    /// The rights that an older release kept, as long as not both a security officer and an auditor have confirmed them.
    pub unconfirmed_rights: Option<RightsReviewStatus>,
    /// What the node says of itself, once it has.
    pub node: Option<Node>,
    /// Room on the store's device.
    pub space: SpaceState,
    /// Calls that were refused, without an entry, for want of room.
    pub refused_for_space: u64,
    /// Whether rows are as they were written, as far as they were looked at.
    pub rows: RowFigures,
    /// The newest scan of stored secrets since the start.
    pub scan: Option<Arc<ScanReport>>,
    /// How the evaluation of the controls stands.
    pub evaluation: EvaluationFigures,
    /// The module, as it says of itself.
    pub module: ModuleInfo,
    /// How it is; `None` when it does not answer.
    pub provider: Option<ProviderHealth>,
}

/// Asks how the system is.
#[derive(Debug, Clone, Copy)]
pub struct ReadSystem {}

impl Operation for ReadSystem {
    type Output = SystemStatus;

    fn action(&self) -> Action {
        Action::ReadSystem
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<SystemStatus>, ServiceError> {
        let (log_size, cuts) = view.log.sizes().await?;
        let status = SystemStatus {
            deployment: view.system.deployment.clone(),
            environment: view.system.environment.clone(),
            incarnation: view.system.incarnation,
            epoch: view.state.fence.epoch(),
            origin: Arc::clone(&view.system.origin),
            log_size,
            cuts,
            signed_cuts: view.store().root_head().await?.signed_size,
            relaxed_rings: relaxed_rings(view).await?,
            blocked_destructions: view.state.blocked.count(),
            approvals: approvals(view).await?,
            reviews: reviews(view).await?,
            break_glass: view.store().count_break_glass(view.now).await?,
            alerts: AlertFigures::of(view.store()).await?,
            unraised_alerts: view.state.alerts.unraised(),
            alert_receivers: view.state.alerts.receivers(),
            clock: ClockStatus::of(view),
            unacknowledged: view.store().list_unacknowledged().await?,
            ending: view.store().list_ending(view.now, view.now.after(ENDING), MOST_ENDING).await?,
            unconfirmed_rights: rights::unconfirmed_by_name(view.store()).await?,
            node: node(view).await?,
            space: view.store().space().await?,
            refused_for_space: view.no_room.refused(),
            rows: view.state.row_figures(),
            scan: view.state.scans.last(),
            evaluation: view.state.evaluations.figures(view.state.time.log_time()),
            module: view.provider().module(),
            provider: view.state.provider_health().await.ok(),
        };
        Ok(Staged::reading(status, view.detail()))
    }
}

/// What the node said of itself; nothing, where somebody edited it.
async fn node(view: &View<'_>) -> Result<Option<Node>, ServiceError> {
    match view.store().find_node(NodeId::of_shard(view.system.shard)).await {
        Err(StoreError::RowAltered(_)) => Ok(None),
        found => Ok(found?),
    }
}

async fn approvals(view: &View<'_>) -> Result<Option<ApprovalFigures>, ServiceError> {
    match ApprovalFigures::of(view.store(), view.now).await {
        Err(StoreError::RowAltered(_)) => Ok(None),
        figures => Ok(Some(figures?)),
    }
}

async fn reviews(view: &View<'_>) -> Result<Option<ReviewFigures>, ServiceError> {
    if view.store().count_open_reviews().await? > 0 {
        // Each is read with all its items.
        view.enter(Class::Listing).await?;
    }
    match ReviewFigures::of(view.store(), view.now).await {
        Err(StoreError::RowAltered(_)) => Ok(None),
        figures => Ok(Some(figures?)),
    }
}

async fn relaxed_rings(view: &View<'_>) -> Result<u64, ServiceError> {
    let mut page = Page { after: None, limit: 1000 };
    let mut relaxed = 0;
    loop {
        let rings = view.store().list_rings(page.clone()).await?;
        let Some(last) = rings.last().map(|ring| ring.name.clone()) else { return Ok(relaxed) };
        page.after = Some(last);
        let of_page = rings.iter().filter(|ring| ring.policy.separation == Separation::Relaxed).count();
        relaxed += u64::try_from(of_page).unwrap_or_default();
    }
}
