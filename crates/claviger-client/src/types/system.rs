//! How the system is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether the process serves. Open to everyone; says nothing more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, or `unavailable` together with status 503.
    pub status: String,
}

/// What answers here. Open to everyone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// `claviger`.
    pub name: String,
    /// Its release.
    pub version: String,
    /// Version of the interface.
    pub api: String,
}

/// How the system is, as far as it was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SystemStatus {
    /// Name of the deployment, the origin of its logs.
    pub deployment: String,
    /// Which start of the process this is.
    pub incarnation: u64,
    /// Fence epoch.
    pub epoch: u64,
    /// Entries in this node's log.
    pub log_size: u64,
    /// Entries in the root log.
    pub root_log_size: u64,
    /// Age of the newest signed checkpoint of the root log; `null` before the first.
    #[schema(required)]
    pub checkpoint_age_seconds: Option<u64>,
    /// The cryptographic module, with its version, as it says it.
    pub module: String,
    /// Whether the module runs in its validated mode.
    pub module_validated_mode: bool,
    /// Kind of the root: `pkcs11` or `insecure_software_root`.
    pub root: String,
    /// Whether the provider answers.
    pub provider_ok: bool,
    /// Settings in force that weaken security, by their names.
    pub insecure: Vec<String>,
}
