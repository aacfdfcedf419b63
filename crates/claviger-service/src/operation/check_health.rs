//! Whether the service can work right now, as one who uses it may know.

use claviger_core::port::provider::{ModuleInfo, ProviderHealth};
use claviger_core::{Action, Name};

use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::reference::TargetRef;
use crate::view::View;

/// Under which label the probe is sealed.
const LABEL: &[u8] = b"claviger/health-probe/v1\0";
/// Length of the probe, in bytes.
const PROBE: usize = 32;

/// How the service is.
#[derive(Debug, Clone)]
pub struct Health {
    /// The deployment's name.
    pub deployment: Name,
    /// The module, as it says of itself.
    pub module: ModuleInfo,
    /// How it is.
    pub provider: ProviderHealth,
}

/// Tries whether the service can work: the root draws, seals and opens a probe that is no key of anybody's, and the entry of
/// this call shows that the log takes entries.
#[derive(Debug, Clone, Copy)]
pub struct CheckHealth {}

impl Operation for CheckHealth {
    type Output = Health;

    fn action(&self) -> Action {
        Action::ReadSelf
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Health>, ServiceError> {
        let provider = view.provider();
        let probe = provider.random(PROBE).await?;
        let sealed = provider.seal(LABEL, &probe).await?;
        if !provider.unseal(LABEL, &sealed).await?.ct_eq(&probe) {
            let message = "the cryptographic module does not open what it sealed";
            return Err(ServiceError::new(ErrorKind::Internal, message));
        }
        let health = Health {
            deployment: view.system.deployment.clone(),
            module: provider.module(),
            provider: view.state.provider_health().await?,
        };
        Ok(Staged::reading(health, view.detail()))
    }
}
