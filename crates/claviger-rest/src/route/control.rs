//! The control plane's rows.

use axum::routing::MethodFilter;
use claviger_client::types::access::{AccessAnalysis, AccessReport, AnalyzeAccess, ReportAccess};
use claviger_client::types::alert::{Alert, ListAlerts};
use claviger_client::types::alias::{Alias, CreateAlias, ListAliases, MoveAlias};
use claviger_client::types::approval::{Approval, DecideApproval, ExecutedApproval, ListApprovals};
use claviger_client::types::asset::{Asset, CreateAsset, ListAssets};
use claviger_client::types::audit::{
    Checkpoints, DiscloseAudit, DisclosurePage, EntryPage, EvidenceSignature, Indexes, ListRows, LiveRow,
    Proof, ReadEntries, SearchAudit, SearchPage, SignEvidence, Snapshot, StoreScan,
};
use claviger_client::types::break_glass::{BreakGlass, ListBreakGlass, OpenBreakGlass, ReviewBreakGlass};
use claviger_client::types::credential::{
    CreateCredential, CreatedCredential, Credential, Enrol, EnrolledCredential, ListCredentials,
    RenewCredential, RenewedCredential,
};
use claviger_client::types::declaration::{Attest, Declaration, Declare, ListDeclarations};
use claviger_client::types::governance::{Governance, UpdateGovernance};
use claviger_client::types::grant::{CreateGrant, Grant, ListGrants};
use claviger_client::types::key::{
    AskImport, ChangeState, CreateKey, ExplainKey, Explanations, ImportMaterial, ImportParameters,
    ImportedMaterial, Key, KeyVersion, ListKeys, ListVersions, RemoveMaterial, ScheduleDestroy, UpdateKey,
};
use claviger_client::types::plan::{AskPlan, CheckedPlan};
use claviger_client::types::principal::{CreatePrincipal, Departure, ListPrincipals, Principal};
use claviger_client::types::review::{
    AccessReview, ClosedReview, DecideReview, ListReviews, OpenReview, ReadReview, ReviewPage,
};
use claviger_client::types::rights::{ConfirmRights, ListRights, Right, RightsReview};
use claviger_client::types::ring::{CreateRing, ListRings, Ring, SetSeparation, UpdateRing};
use claviger_client::types::system::{ConfirmClock, Health, LogClock, SystemStatus, Version};
use claviger_client::types::{GiveReason, Page, Reason};

use super::row::{Row, row};
use crate::operation::{
    access, alert, alias, approval, asset, audit, break_glass, declaration, governance, identity, key, plan,
    reason, review, rights, ring, system,
};

const GET: MethodFilter = MethodFilter::GET;
const POST: MethodFilter = MethodFilter::POST;
const PATCH: MethodFilter = MethodFilter::PATCH;
const PUT: MethodFilter = MethodFilter::PUT;
const DELETE: MethodFilter = MethodFilter::DELETE;

pub(super) fn rows() -> Vec<Row> {
    [
        open_rows(),
        ring_rows(),
        key_rows(),
        alias_rows(),
        asset_rows(),
        declaration_rows(),
        approval_rows(),
        alert_rows(),
        break_glass_rows(),
        governance_rows(),
        principal_rows(),
        grant_rows(),
        credential_rows(),
        own_rows(),
        audit_rows(),
        reason_rows(),
        rights_rows(),
        access_rows(),
        system_rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What is open to everyone, on both planes.
pub(super) fn open_rows() -> Vec<Row> {
    vec![
        row(GET, "/v1/health", "health", "Says that the process answers.", system::health)
            .open()
            .gives::<Health>(),
        row(GET, "/v1/version", "version", "Says what answers here.", system::version)
            .open()
            .gives::<Version>(),
    ]
}

fn ring_rows() -> Vec<Row> {
    vec![
        row(POST, "/v1/rings", "create_ring", "Creates a key ring.", ring::create)
            .takes::<CreateRing>()
            .gives::<Ring>()
            .creates(),
        row(GET, "/v1/rings", "list_rings", "Lists rings in the order of their names.", ring::list)
            .asks::<ListRings>()
            .gives::<Page<Ring>>(),
        row(GET, "/v1/rings/{ring}", "read_ring", "Reads a ring.", ring::read).gives::<Ring>(),
        row(PATCH, "/v1/rings/{ring}", "update_ring", "Changes a ring's policy.", ring::update)
            .takes::<UpdateRing>()
            .gives::<Ring>()
            .conditional(),
        row(
            PUT,
            "/v1/rings/{ring}/separation",
            "set_ring_separation",
            "Sets a ring's separation of duties.",
            ring::set_separation,
        )
        .takes::<SetSeparation>()
        .gives::<Ring>(),
    ]
}

fn key_rows() -> Vec<Row> {
    vec![
        row(POST, "/v1/keys", "create_key", "Creates a key with its first version.", key::create)
            .takes::<CreateKey>()
            .gives::<Key>()
            .creates(),
        row(GET, "/v1/keys", "list_keys", "Lists keys in the order of their full names.", key::list)
            .asks::<ListKeys>()
            .gives::<Page<Key>>(),
        row(GET, "/v1/keys/{key}", "read_key", "Reads a key.", key::read).gives::<Key>(),
        row(PATCH, "/v1/keys/{key}", "update_key", "Changes what is said about a key.", key::update)
            .takes::<UpdateKey>()
            .gives::<Key>()
            .conditional(),
        row(
            POST,
            "/v1/keys/{key}/rotate",
            "rotate_key",
            "Makes a new version that protects from now on.",
            key::rotate,
        )
        .gives::<Key>(),
        row(POST, "/v1/keys/{key}/activate", "activate_key", "Puts a key into use.", key::activate)
            .may_take::<ChangeState>()
            .gives::<Key>(),
        row(
            POST,
            "/v1/keys/{key}/suspend",
            "suspend_key",
            "Takes a key, or one version of it, out of use for a while.",
            key::suspend,
        )
        .takes::<ChangeState>()
        .gives::<Key>(),
        row(
            POST,
            "/v1/keys/{key}/resume",
            "resume_key",
            "Brings a key, or one version of it, back from suspension.",
            key::resume,
        )
        .may_take::<ChangeState>()
        .gives::<Key>(),
        row(
            POST,
            "/v1/keys/{key}/deactivate",
            "deactivate_key",
            "Ends the protecting of a key, or of one version of it.",
            key::deactivate,
        )
        .takes::<ChangeState>()
        .gives::<Key>(),
        row(
            POST,
            "/v1/keys/{key}/compromise",
            "compromise_key",
            "Declares a key, or one version of it, compromised, for ever.",
            key::compromise,
        )
        .takes::<ChangeState>()
        .gives::<Key>(),
        row(
            POST,
            "/v1/keys/{key}/destroy",
            "schedule_destroy",
            "Takes a key out of use, and has it destroyed at the end of a waiting period.",
            key::schedule_destroy,
        )
        .takes::<ScheduleDestroy>()
        .gives::<Key>(),
        row(
            POST,
            "/v1/keys/{key}/cancel-destroy",
            "cancel_destroy",
            "Ends the waiting period of a key without destroying it; it stays out of use.",
            key::cancel_destroy,
        )
        .may_take::<GiveReason>()
        .gives::<Key>(),
        row(
            POST,
            "/v1/keys/{key}/import-parameters",
            "read_import_parameters",
            "Gives a public key to wrap material for, and a token that goes with the material, for a day.",
            key::read_import_parameters,
        )
        .may_take::<AskImport>()
        .gives::<ImportParameters>(),
        row(
            POST,
            "/v1/keys/{key}/import",
            "import_material",
            "Imports material, wrapped, into a key that was created for that.",
            key::import_material,
        )
        .takes::<ImportMaterial>()
        .gives::<ImportedMaterial>(),
        row(
            POST,
            "/v1/keys/{key}/remove-material",
            "remove_material",
            "Removes imported material; the same can be imported again.",
            key::remove_material,
        )
        .may_take::<RemoveMaterial>()
        .gives::<Key>(),
        row(
            GET,
            "/v1/keys/{key}/versions",
            "list_key_versions",
            "Lists versions of a key in the order of their numbers.",
            key::list_versions,
        )
        .asks::<ListVersions>()
        .gives::<Page<KeyVersion>>(),
        row(
            GET,
            "/v1/keys/{key}/explain",
            "explain_key",
            "Explains who can do what with a key, and by which rule; or who could at a past instant.",
            key::explain,
        )
        .asks::<ExplainKey>()
        .gives::<Explanations>(),
    ]
}

fn alert_rows() -> Vec<Row> {
    vec![
        row(GET, "/v1/alerts", "list_alerts", "Lists alerts in the order of their identifiers.", alert::list)
            .asks::<ListAlerts>()
            .gives::<Page<Alert>>(),
        row(GET, "/v1/alerts/{alert}", "read_alert", "Reads an alert.", alert::read).gives::<Alert>(),
        row(
            POST,
            "/v1/alerts/{alert}/triage",
            "triage_alert",
            "Says that one has looked at an alert, and what came of it.",
            alert::triage,
        )
        .takes::<GiveReason>()
        .gives::<Alert>(),
        row(
            POST,
            "/v1/alerts/{alert}/close",
            "close_alert",
            "Closes an alert; the same finding raises another one from then on.",
            alert::close,
        )
        .takes::<GiveReason>()
        .gives::<Alert>(),
    ]
}

fn alias_rows() -> Vec<Row> {
    vec![
        row(POST, "/v1/aliases", "create_alias", "Gives a key another name.", alias::create)
            .takes::<CreateAlias>()
            .gives::<Alias>()
            .creates(),
        row(GET, "/v1/aliases", "list_aliases", "Lists aliases in the order of their names.", alias::list)
            .asks::<ListAliases>()
            .gives::<Page<Alias>>(),
        row(GET, "/v1/aliases/{alias}", "read_alias", "Reads an alias.", alias::read).gives::<Alias>(),
        row(PUT, "/v1/aliases/{alias}", "move_alias", "Moves an alias to another key.", alias::move_to)
            .takes::<MoveAlias>()
            .gives::<Alias>(),
        row(DELETE, "/v1/aliases/{alias}", "remove_alias", "Takes an alias away.", alias::remove)
            .gives::<Alias>(),
    ]
}

fn principal_rows() -> Vec<Row> {
    vec![
        row(POST, "/v1/principals", "create_principal", "Creates a principal.", identity::create_principal)
            .takes::<CreatePrincipal>()
            .gives::<Principal>()
            .creates(),
        row(
            GET,
            "/v1/principals",
            "list_principals",
            "Lists principals in the order of their names.",
            identity::list_principals,
        )
        .asks::<ListPrincipals>()
        .gives::<Page<Principal>>(),
        row(
            GET,
            "/v1/principals/{principal}",
            "read_principal",
            "Reads a principal.",
            identity::read_principal,
        )
        .gives::<Principal>(),
        row(
            POST,
            "/v1/principals/{principal}/revoke",
            "revoke_principal",
            "Revokes a principal for ever.",
            identity::revoke_principal,
        )
        .takes::<GiveReason>()
        .gives::<Principal>(),
        row(
            POST,
            "/v1/principals/{principal}/leave",
            "leave",
            "Ends a person who leaves, with roles, credentials and open approvals, and says what they leave behind.",
            identity::leave,
        )
        .takes::<GiveReason>()
        .gives::<Departure>(),
        row(
            POST,
            "/v1/principals/{principal}/erase",
            "erase_principal",
            "Erases who a revoked principal was; what it did stays, under its identifier.",
            identity::erase_principal,
        )
        .takes::<GiveReason>()
        .gives::<Principal>(),
        row(
            POST,
            "/v1/principals/{principal}/acknowledge-recovery",
            "acknowledge_recovery",
            "Acknowledges the recovery that made a security officer, as another person with a role.",
            identity::acknowledge_recovery,
        )
        .gives::<Principal>(),
        row(
            POST,
            "/v1/principals/{principal}/cancel-recovery",
            "cancel_recovery",
            "Revokes a security officer whom a recovery made, as a custodian, before its wait is over.",
            identity::cancel_recovery,
        )
        .takes::<GiveReason>()
        .gives::<Principal>(),
        row(
            PUT,
            "/v1/principals/{principal}/roles/{role}",
            "assign_role",
            "Gives a role.",
            identity::assign_role,
        )
        .takes::<GiveReason>()
        .gives::<Principal>(),
        row(
            POST,
            "/v1/principals/{principal}/roles/{role}/withdraw",
            "withdraw_role",
            "Withdraws a role.",
            identity::withdraw_role,
        )
        .takes::<GiveReason>()
        .gives::<Principal>(),
        row(
            PUT,
            "/v1/principals/{principal}/capacities/{capacity}",
            "assign_capacity",
            "Says that a person answers for something, and so signs the statements that ask for it.",
            identity::assign_capacity,
        )
        .takes::<GiveReason>()
        .gives::<Principal>(),
        row(
            POST,
            "/v1/principals/{principal}/capacities/{capacity}/withdraw",
            "withdraw_capacity",
            "Says that a person answers for it no more.",
            identity::withdraw_capacity,
        )
        .takes::<GiveReason>()
        .gives::<Principal>(),
    ]
}

fn grant_rows() -> Vec<Row> {
    vec![
        row(POST, "/v1/grants", "create_grant", "Gives a grant.", identity::create_grant)
            .takes::<CreateGrant>()
            .gives::<Grant>()
            .creates(),
        row(
            GET,
            "/v1/grants",
            "list_grants",
            "Lists grants in the order of their identifiers.",
            identity::list_grants,
        )
        .asks::<ListGrants>()
        .gives::<Page<Grant>>(),
        row(GET, "/v1/grants/{grant}", "read_grant", "Reads a grant.", identity::read_grant).gives::<Grant>(),
        row(POST, "/v1/grants/{grant}/revoke", "revoke_grant", "Revokes a grant.", identity::revoke_grant)
            .takes::<GiveReason>()
            .gives::<Grant>(),
    ]
}

fn credential_rows() -> Vec<Row> {
    vec![
        row(POST, "/v1/credentials", "create_credential", "Gives a credential.", identity::create_credential)
            .takes::<CreateCredential>()
            .gives::<CreatedCredential>()
            .creates(),
        row(
            GET,
            "/v1/credentials",
            "list_credentials",
            "Lists credentials in the order of their identifiers.",
            identity::list_credentials,
        )
        .asks::<ListCredentials>()
        .gives::<Page<Credential>>(),
        row(
            POST,
            "/v1/credentials/{credential}/revoke",
            "revoke_credential",
            "Revokes a credential.",
            identity::revoke_credential,
        )
        .takes::<GiveReason>()
        .gives::<Credential>(),
        row(
            POST,
            "/v1/credentials/{credential}/confirm",
            "confirm_credential",
            "Confirms a credential of one's own that was made to be confirmed, by a certificate.",
            identity::confirm_credential,
        )
        .gives::<Credential>(),
        row(
            POST,
            "/v1/credentials/enrol",
            "enrol",
            "Redeems the enrolment code that is presented as a bearer token, once, for a certificate.",
            identity::enrol,
        )
        .takes::<Enrol>()
        .gives::<EnrolledCredential>(),
    ]
}

/// What whoever holds a credential does with it, on both planes.
pub(super) fn own_rows() -> Vec<Row> {
    vec![
        row(
            POST,
            "/v1/credentials/renew",
            "renew_credential",
            "Renews the credential by which the call is made; the one before ends within a day.",
            identity::renew_credential,
        )
        .takes::<RenewCredential>()
        .gives::<RenewedCredential>(),
    ]
}

fn audit_rows() -> Vec<Row> {
    vec![
        row(GET, "/v1/audit/entries", "read_entries", "Reads entries of the log.", audit::read_entries)
            .asks::<ReadEntries>()
            .gives::<EntryPage>(),
        row(
            GET,
            "/v1/audit/search",
            "search_audit",
            "Searches the log for who did what, from where.",
            audit::search,
        )
        .asks::<SearchAudit>()
        .gives::<SearchPage>(),
        row(
            GET,
            "/v1/audit/disclosure",
            "disclose_audit",
            "Discloses who stands behind a range of entries, to be checked by whoever holds the log.",
            audit::disclose,
        )
        .asks::<DiscloseAudit>()
        .gives::<DisclosurePage>(),
        row(
            GET,
            "/v1/audit/proof/{shard}/{index}",
            "prove",
            "Gives all that it takes to check that an entry is in the log.",
            audit::prove,
        )
        .gives::<Proof>(),
        row(
            GET,
            "/v1/audit/checkpoint",
            "read_checkpoint",
            "Gives the newest checkpoint and the keys to check with.",
            audit::read_checkpoint,
        )
        .gives::<Checkpoints>(),
        row(
            GET,
            "/v1/audit/rows",
            "list_rows",
            "Lists the live rows of all objects, to hold against a replay of the log's facts.",
            audit::list_rows,
        )
        .asks::<ListRows>()
        .gives::<Page<LiveRow>>(),
        row(
            GET,
            "/v1/audit/indexes",
            "check_indexes",
            "Holds the indexes of the store against its rows. Long, on a large store; one at a time.",
            audit::check_indexes,
        )
        .gives::<Indexes>(),
        row(
            POST,
            "/v1/audit/snapshots",
            "take_snapshot",
            "Takes a snapshot: an entry that commits to all objects as they stand. Long, on a large store.",
            audit::take_snapshot,
        )
        .gives::<Snapshot>(),
        row(
            POST,
            "/v1/audit/scans",
            "scan_store",
            "Opens every stored secret in its place: an entry that says how many do not open. Long, on a large store.",
            audit::scan_store,
        )
        .gives::<StoreScan>(),
        row(
            POST,
            "/v1/evidence/signatures",
            "sign_evidence",
            "Signs the manifest of an evidence pack by the key that signs the root log's checkpoints.",
            audit::sign_evidence,
        )
        .takes::<SignEvidence>()
        .gives::<EvidenceSignature>(),
        row(
            GET,
            "/audit/{*path}",
            "read_log_resource",
            "Gives a file of a log (C2SP tlog-tiles).",
            audit::read_log_resource,
        )
        .gives_octets()
        .gives_text(),
    ]
}

fn asset_rows() -> Vec<Row> {
    vec![
        row(POST, "/v1/assets", "create_asset", "Enters a data asset, which keys protect.", asset::create)
            .takes::<CreateAsset>()
            .gives::<Asset>()
            .creates(),
        row(GET, "/v1/assets", "list_assets", "Lists data assets in the order of their names.", asset::list)
            .asks::<ListAssets>()
            .gives::<Page<Asset>>(),
        row(GET, "/v1/assets/{asset}", "read_asset", "Reads a data asset.", asset::read).gives::<Asset>(),
    ]
}

fn declaration_rows() -> Vec<Row> {
    vec![
        row(
            POST,
            "/v1/declarations",
            "declare",
            "Declares what no machine can know: a parameter, a document, a supplier, a device, a module.",
            declaration::declare,
        )
        .takes::<Declare>()
        .gives::<Declaration>()
        .creates(),
        row(
            GET,
            "/v1/declarations",
            "list_declarations",
            "Lists declarations in the order of their identifiers.",
            declaration::list,
        )
        .asks::<ListDeclarations>()
        .gives::<Page<Declaration>>(),
        row(
            GET,
            "/v1/declarations/{declaration}",
            "read_declaration",
            "Reads a declaration.",
            declaration::read,
        )
        .gives::<Declaration>(),
        row(
            POST,
            "/v1/declarations/{declaration}/withdraw",
            "withdraw_declaration",
            "Withdraws a declaration: it stays, and is in force no more.",
            declaration::withdraw,
        )
        .takes::<GiveReason>()
        .gives::<Declaration>(),
        row(
            POST,
            "/v1/attestations",
            "attest",
            "Signs a statement, by the certificate that the call is made with.",
            declaration::attest,
        )
        .takes::<Attest>()
        .gives::<Declaration>()
        .creates(),
    ]
}

fn approval_rows() -> Vec<Row> {
    vec![
        row(
            GET,
            "/v1/approvals",
            "list_approvals",
            "Lists approvals in the order of their identifiers.",
            approval::list,
        )
        .asks::<ListApprovals>()
        .gives::<Page<Approval>>(),
        row(
            GET,
            "/v1/approvals/{approval}",
            "read_approval",
            "Reads an approval, with the form that is signed.",
            approval::read,
        )
        .gives::<Approval>(),
        row(
            POST,
            "/v1/approvals/{approval}/approve",
            "approve",
            "Approves what somebody else asked for, signed by the certificate that the call is made with.",
            approval::approve,
        )
        .takes::<DecideApproval>()
        .gives::<Approval>(),
        row(
            POST,
            "/v1/approvals/{approval}/deny",
            "deny",
            "Denies what somebody else asked for, signed by the certificate that the call is made with.",
            approval::deny,
        )
        .takes::<DecideApproval>()
        .gives::<Approval>(),
        row(
            POST,
            "/v1/approvals/{approval}/execute",
            "execute_approval",
            "Does what was approved, as whoever asked for it.",
            approval::execute,
        )
        .gives::<ExecutedApproval>(),
        row(
            POST,
            "/v1/approvals/{approval}/cancel",
            "cancel_approval",
            "Ends an approval of which nothing shall come.",
            approval::cancel,
        )
        .takes::<GiveReason>()
        .gives::<Approval>(),
        row(
            POST,
            "/v1/plans",
            "ask_plan",
            "Asks others to approve several acts at once; does them once they have.",
            plan::ask,
        )
        .takes::<AskPlan>()
        .gives::<ExecutedApproval>(),
        row(
            POST,
            "/v1/plans/check",
            "check_plan",
            "Says how many others must approve each of several acts, or why it would be refused, and does nothing.",
            plan::check,
        )
        .takes::<AskPlan>()
        .gives::<CheckedPlan>(),
    ]
}

fn break_glass_rows() -> Vec<Row> {
    vec![
        row(
            POST,
            "/v1/break-glass",
            "open_break_glass",
            "Opens emergency access for a person, to named keys and for a bounded time. One other person approves it first.",
            break_glass::open,
        )
        .takes::<OpenBreakGlass>()
        .gives::<BreakGlass>()
        .creates(),
        row(
            GET,
            "/v1/break-glass",
            "list_break_glass",
            "Lists emergency accesses in the order of their identifiers.",
            break_glass::list,
        )
        .asks::<ListBreakGlass>()
        .gives::<Page<BreakGlass>>(),
        row(
            GET,
            "/v1/break-glass/{access}",
            "read_break_glass",
            "Reads an emergency access.",
            break_glass::read,
        )
        .gives::<BreakGlass>(),
        row(
            POST,
            "/v1/break-glass/{access}/close",
            "close_break_glass",
            "Ends emergency access before its time.",
            break_glass::close,
        )
        .takes::<GiveReason>()
        .gives::<BreakGlass>(),
        row(
            POST,
            "/v1/break-glass/{access}/review",
            "review_break_glass",
            "Says what a review of emergency access found, once it has ended.",
            break_glass::review,
        )
        .takes::<ReviewBreakGlass>()
        .gives::<BreakGlass>(),
    ]
}

fn governance_rows() -> Vec<Row> {
    vec![
        row(GET, "/v1/governance", "read_governance", "Reads the rules of the deployment.", governance::read)
            .gives::<Governance>(),
        row(
            PATCH,
            "/v1/governance",
            "set_governance",
            "Changes the rules of the deployment.",
            governance::update,
        )
        .takes::<UpdateGovernance>()
        .gives::<Governance>()
        .conditional(),
    ]
}

fn reason_rows() -> Vec<Row> {
    vec![
        row(
            POST,
            "/v1/reasons/{reason}/erase",
            "erase_reason",
            "Erases the text of a reason; its code stays, and who gave it when and for what.",
            reason::erase,
        )
        .takes::<GiveReason>()
        .gives::<Reason>(),
    ]
}

fn rights_rows() -> Vec<Row> {
    vec![
        row(
            GET,
            "/v1/rights",
            "list_rights",
            "Lists all rights by name: rules of rings, roles, credentials, grants, aliases.",
            rights::list,
        )
        .asks::<ListRights>()
        .gives::<Page<Right>>(),
        row(
            POST,
            "/v1/rights/confirm",
            "confirm_rights",
            "Confirms the rights that an older release kept, as a security officer or an auditor.",
            rights::confirm,
        )
        .takes::<ConfirmRights>()
        .gives::<RightsReview>(),
    ]
}

fn access_rows() -> Vec<Row> {
    vec![
        row(
            GET,
            "/v1/access/analysis",
            "analyze_access",
            "Looks for persons, and pairs of persons, who reach what nobody should reach alone.",
            access::analyze,
        )
        .asks::<AnalyzeAccess>()
        .gives::<AccessAnalysis>(),
        row(
            GET,
            "/v1/access/report",
            "report_access",
            "Says who can do what across all keys, by name and by which rule; or who could at an instant that is past.",
            access::report,
        )
        .asks::<ReportAccess>()
        .gives::<AccessReport>(),
        row(
            POST,
            "/v1/access/reviews",
            "open_review",
            "Opens an access review over what there is now. It searches the log of 90 days; long, on a large one.",
            review::open,
        )
        .takes::<OpenReview>()
        .gives::<AccessReview>()
        .creates(),
        row(
            GET,
            "/v1/access/reviews",
            "list_reviews",
            "Lists access reviews in the order of their identifiers, without their items.",
            review::list,
        )
        .asks::<ListReviews>()
        .gives::<Page<AccessReview>>(),
        row(
            GET,
            "/v1/access/reviews/{review}",
            "read_review",
            "Reads an access review with a page of its items.",
            review::read,
        )
        .asks::<ReadReview>()
        .gives::<ReviewPage>(),
        row(
            POST,
            "/v1/access/reviews/{review}/decide",
            "decide_review",
            "Decides on items of an access review what stays and what goes.",
            review::decide,
        )
        .takes::<DecideReview>()
        .gives::<AccessReview>(),
        row(
            POST,
            "/v1/access/reviews/{review}/close",
            "close_review",
            "Closes an access review of which all is decided, and withdraws what is to go.",
            review::close,
        )
        .may_take::<GiveReason>()
        .gives::<ClosedReview>(),
    ]
}

fn system_rows() -> Vec<Row> {
    vec![
        row(GET, "/v1/system", "read_system", "Reads the state of the system.", system::read)
            .gives::<SystemStatus>(),
        row(
            POST,
            "/v1/system/clock/confirm",
            "confirm_clock",
            "Confirms that the server's clock is right.",
            system::confirm_clock,
        )
        .takes::<ConfirmClock>()
        .gives::<LogClock>(),
        row(GET, "/openapi.json", "openapi", "Gives this document.", system::openapi),
    ]
}
