//! How the system is.

use std::sync::Arc;

use claviger_core::permit::Permit;
use claviger_core::port::provider::{ModuleInfo, ProviderHealth};
use claviger_core::{Action, Name};

use super::{Operation, Staged};
use crate::error::ServiceError;
use crate::reference::TargetRef;
use crate::view::View;

/// How the system is.
#[derive(Debug, Clone)]
pub struct SystemStatus {
    /// The deployment's name.
    pub deployment: Name,
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

    async fn run(&self, _permit: &Permit, view: &View<'_>) -> Result<Staged<SystemStatus>, ServiceError> {
        let (log_size, cuts) = view.log.sizes().await?;
        let status = SystemStatus {
            deployment: view.system.deployment.clone(),
            incarnation: view.system.incarnation,
            epoch: view.state.fence.epoch(),
            origin: Arc::clone(&view.system.origin),
            log_size,
            cuts,
            signed_cuts: view.store().root_head().await?.signed_size,
            module: view.provider().module(),
            provider: view.provider().health().await.ok(),
        };
        Ok(Staged::reading(status, view.note()))
    }
}
