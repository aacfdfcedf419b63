//! What an operation is: it reads and stages, and never writes. One file each.

pub mod usage;

mod alias;
pub(crate) mod analyze_access;
mod approval;
mod asset;
mod audit;
mod captions;
mod change_key_state;
mod check_health;
mod confirm_clock;
mod create_credential;
mod create_grant;
mod create_key;
mod create_principal;
mod create_ring;
mod declaration;
mod delegation;
mod describe_uses;
mod destroy_key;
mod erase_principal;
mod evidence;
mod explain_key;
mod governance;
mod granted;
mod import_material;
mod import_token;
mod initialize;
mod leave;
mod persons;
mod put_key_policy;
mod read_grant;
mod read_import_parameters;
mod read_key;
mod read_key_policy;
mod read_last_use;
mod read_principal;
mod read_ring;
mod read_system;
mod reason;
mod recover;
mod remove_imported_material;
mod renew_credential;
mod report_access;
mod revoke_credential;
mod revoke_grant;
mod revoke_principal;
pub(crate) mod rights;
mod role;
mod rotate_key;
mod rules;
pub(crate) mod scan_store;
mod search;
mod sensitive;
mod set_ring_separation;
pub(crate) mod snapshot;
mod thaw;
mod update_key;
mod update_ring;

pub use alias::{AliasFilterRef, CreateAlias, ListAliases, MoveAlias, ReadAlias, RemoveAlias};
pub use analyze_access::AnalyzeAccess;
pub use approval::{
    ApprovalState, Approve, CancelApproval, Deny, ListApprovals, ReadApproval, ReadableApproval,
};
pub use asset::{CreateAsset, ListAssets, ReadAsset};
pub use audit::{
    CheckIndexes, Checkpoints, Prove, ReadCheckpoint, ReadEntries, ReadLogResource, ReadRows, RowsPage,
};
pub use captions::{Captioned, Captions, HasCaptions, Identified};
pub use change_key_state::ChangeKeyState;
pub use check_health::{CheckHealth, Health};
pub use confirm_clock::{ClockStatus, ConfirmClock};
pub use create_credential::{CreateCredential, NewCredential, NewlyMade};
pub use create_grant::{CreateGrant, GrantOn};
pub use create_key::CreateKey;
pub use create_principal::CreatePrincipal;
pub use create_ring::CreateRing;
pub use declaration::{
    Attest, Declare, ListDeclarations, ReadDeclaration, ReadableDeclaration, WithdrawDeclaration,
};
pub use delegation::{DelegateGrant, ReadKeyGrants, RetireGrant, WithdrawDelegatedGrant};
pub use describe_uses::{DescribeUses, Described};
pub use destroy_key::{CancelDestroy, DestroyKey, ScheduleDestroy};
pub use erase_principal::ErasePrincipal;
pub use evidence::SignEvidence;
pub use explain_key::{ExplainKey, KeyRights, KeyThen};
pub use granted::{
    DescribeKey, ListGrantedAliases, ListGrantedKeys, ListRetirableGrants, NamedGrant, ReadSelf,
};
pub use import_material::{ImportMaterial, MaterialImported};
pub use initialize::{FirstPrincipal, Initialize};
pub use leave::{Leave, Left, RoleLeft, Told};
pub use put_key_policy::{GrantSet, NewGrant, PutKeyPolicy};
pub use read_grant::{JudgedGrant, ListGrants, ReadGrant};
pub use read_import_parameters::{ImportParameters, ReadImportParameters};
pub use read_key::{DescribeVersions, KeyFilterRef, KeyVersions, ListKeys, ListVersions, ReadKey};
pub use read_key_policy::{KeyPolicy, PolicyStatus, ReadKeyPolicy, WithPolicyStatus};
pub use read_last_use::ReadLastUse;
pub use read_principal::{ListCredentials, ListPrincipals, ReadPrincipal};
pub use read_ring::{ListRings, ReadRing};
pub use read_system::{ReadSystem, SystemStatus};
pub use reason::{EraseReason, ShownReason};
pub use recover::{AcknowledgeRecovery, Recover};
pub use remove_imported_material::RemoveImportedMaterial;
pub use renew_credential::{RenewCredential, Renewal, Renewed};
pub use report_access::{AccessLine, AccessOn, AccessReport, ReportAccess};
pub use revoke_credential::RevokeCredential;
pub use revoke_grant::RevokeGrant;
pub use revoke_principal::RevokePrincipal;
pub use rights::{ConfirmRights, ReadRights, Right, RightsPage, RightsReviewStatus};
pub use role::{AssignRole, WithdrawRole};
pub use rotate_key::{RotateDueKey, RotateKey};
pub use rules::{ReadGovernance, SetGovernance};
pub use scan_store::ScanStore;
pub use search::{DiscloseAudit, DisclosurePage, SearchAudit};
pub use set_ring_separation::SetRingSeparation;
pub use snapshot::TakeSnapshot;
pub use thaw::{Executed, ExecutedResult};
pub use update_key::{KeyPatch, LabelPatch, UpdateKey};
pub use update_ring::{RingPatch, UpdateRing};

pub use crate::call::{Call, Operation, Released, Staged};
