//! What changes state, as a value: what is asked for, in resolved identifiers, with one encoding.
//!
//! A caller names keys, rings and principals as it likes; what it asks for is about identifiers. An operation of the service says
//! that by a [`Governed`] when it stages changes, and stages none without, so that the same request is known again, can be shown
//! to others before it is done, kept, and done later.
//!
//! What it keeps true:
//! * [`Governed::encode`] and [`Governed::decode`] are inverse, and what is decoded encodes to the same bytes again;
//! * requests that ask for the same have one encoding: what is a set is in order, what a request leaves to a default that
//!   depends on the caller alone is filled in;
//! * why it is asked for is part of it, where somebody says why: what others approve is the act with its reason, and the same
//!   act for another reason is another request;
//! * no material and no secret is in one: what is sent along (certificates, wrapped material, import tokens) is named by
//!   its SHA-256;
//! * an encoding keeps its meaning. A word stays with its operation and a number with its field. A field that comes later is
//!   one that can be absent, and absent means what the operation did before.

mod field;
#[cfg(test)]
mod tests;
mod value;

use std::time::Duration;

use claviger_core::action::Effect;
use claviger_core::approval::Approval;
use claviger_core::break_glass::BreakGlassVerdict;
use claviger_core::declaration::Declared;
use claviger_core::grant::Selector;
use claviger_core::key::{
    AssetRule, DataClass, Labels, Origin, PlaintextDataKeys, Protection, RequiredContext, RingPolicy,
    RotatedKeys, Separation,
};
use claviger_core::principal::{PrincipalKind, Role};
use claviger_core::reason::Reason;
use claviger_core::review::{ReviewDecision, ReviewScope, ReviewSubject};
use claviger_core::{
    Action, AlertId, AliasName, ApprovalId, BreakGlassId, Capacity, CredentialId, DeclarationId, GrantId,
    KeyId, KeyRingId, Name, PrincipalId, Purpose, ReasonId, ReviewId, Spec, Timestamp,
};

use crate::cbor::{self, Fields, Pairs};
use crate::hash::sha256_parts;
use field::{Field, Flag, put_field, take_field};

pub use field::GovernedError;
pub use value::{
    ClassAsked, ContextAsked, CredentialAsked, Founder, GrantConditions, Labelling, Period, SetGrant,
    SetOfGrants, Sorted,
};

/// What the digest of a request is bound to.
const DOMAIN: &[u8] = b"claviger/request/v1\0";

macro_rules! governed {
    (@put $pairs:ident $number:literal $field:ident) => {
        put_field(&mut $pairs, $number, $field);
    };
    (@put $pairs:ident $number:literal $field:ident $form:ident) => {
        put_field(&mut $pairs, $number, &$form(*$field));
    };
    (@take $fields:ident $number:literal) => {
        take_field($fields, $number)?
    };
    (@take $fields:ident $number:literal $form:ident) => {
        take_field::<$form>($fields, $number)?.0
    };
    ($($(#[$doc:meta])+ $name:ident ($action:ident) = $word:literal {
        $($(#[$field_doc:meta])+ $number:literal $field:ident: $type:ty $(as $form:ident)?),+ $(,)?
    })+) => {
        /// What is asked for that changes state.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Governed {
            $($(#[$doc])+ $name { $($(#[$field_doc])+ $field: $type),+ }),+
        }

        impl Governed {
            const ACTIONS: &[Action] = &[$(Action::$action),+];

            /// The action that it takes.
            #[must_use]
            pub const fn action(&self) -> Action {
                match self { $(Self::$name { .. } => Action::$action),+ }
            }

            /// Its word: that of the action, where the action has no other form.
            #[must_use]
            pub const fn word(&self) -> &'static str {
                match self { $(Self::$name { .. } => $word),+ }
            }

            /// Its one encoding: a map in deterministic CBOR, of the word under 0 and each field under its number.
            #[must_use]
            pub fn encode(&self) -> Vec<u8> {
                let mut pairs = Pairs::default();
                pairs.text(0, self.word());
                match self {
                    $(Self::$name { $($field),+ } => {
                        const _: () = assert!(field::ascend(&[0, $($number),+]));
                        $(governed!(@put pairs $number $field $($form)?);)+
                    })+
                }
                pairs.finish()
            }

            /// The reason that is given for it, if one is.
            #[must_use]
            pub fn reason(&self) -> Option<&Reason> {
                match self {
                    $(Self::$name { $($field),+ } => None$(.or($field.as_reason()))+),+
                }
            }

            /// The same, without a reason.
            #[must_use]
            pub fn without_reason(self) -> Self {
                match self {
                    $(Self::$name { $($field),+ } => {
                        Self::$name { $($field: $field.without_reason()),+ }
                    })+
                }
            }

            fn take(word: &str, fields: &mut Fields<'_, '_>) -> Result<Self, GovernedError> {
                match word {
                    $($word => Ok(Self::$name {
                        $($field: governed!(@take fields $number $($form)?)),+
                    }),)+
                    _ => Err(GovernedError::Operation),
                }
            }
        }
    };
}

governed! {
    /// Acknowledge a security officer that a recovery made.
    AcknowledgeRecovery(AcknowledgeRecovery) = "acknowledge_recovery" {
        /// The officer.
        1 principal: PrincipalId,
    }
    /// Put a key into use.
    ActivateKey(ActivateKey) = "activate_key" {
        /// The key.
        1 key: KeyId,
        /// The reason given for it.
        2 reason: Option<Reason>,
    }
    /// Do several acts, one behind the other.
    ApplyPlan(ApplyPlan) = "apply_plan" {
        /// The acts in that order, each as it is asked for by itself, without a reason.
        1 acts: Vec<Vec<u8>>,
        /// The reason given for it.
        2 reason: Option<Reason>,
    }
    /// Approve what somebody asked for, as it was asked for.
    Approve(Approve) = "approve" {
        /// The approval.
        1 approval: ApprovalId,
        /// SHA-256 of what was asked for.
        2 digest: [u8; 32],
    }
    /// Say that a person answers for something.
    AssignCapacity(AssignCapacity) = "assign_capacity" {
        /// The principal.
        1 principal: PrincipalId,
        /// What for.
        2 capacity: Capacity,
        /// The reason given for it.
        3 reason: Option<Reason>,
    }
    /// Give a role.
    AssignRole(AssignRole) = "assign_role" {
        /// The principal that gets it.
        1 principal: PrincipalId,
        /// The role.
        2 role: Role,
        /// The reason given for it.
        3 reason: Option<Reason>,
    }
    /// Sign a statement.
    Attest(Attest) = "attest" {
        /// What is stated, with its signature.
        1 attestation: Declared,
    }
    /// Give up what was asked for, or stop it.
    CancelApproval(CancelApproval) = "cancel_approval" {
        /// The approval.
        1 approval: ApprovalId,
        /// The reason given for it.
        2 reason: Option<Reason>,
    }
    /// End the waiting period of a key without destroying.
    CancelDestroy(CancelDestroy) = "cancel_destroy" {
        /// The key.
        1 key: KeyId,
        /// The reason given for it.
        2 reason: Option<Reason>,
    }
    /// Revoke a security officer that a recovery made, before anybody has acknowledged it.
    CancelRecovery(CancelRecovery) = "cancel_recovery" {
        /// The officer.
        1 principal: PrincipalId,
        /// The reason given for it.
        2 reason: Option<Reason>,
    }
    /// Close an alert.
    CloseAlert(CloseAlert) = "close_alert" {
        /// The alert.
        1 alert: AlertId,
        /// The reason given for it.
        2 reason: Option<Reason>,
    }
    /// Close emergency access before its time.
    CloseBreakGlass(CloseBreakGlass) = "close_break_glass" {
        /// The emergency access.
        1 id: BreakGlassId,
        /// The reason given for it.
        2 reason: Option<Reason>,
    }
    /// Close an access review, and withdraw what is to go.
    CloseReview(CloseReview) = "close_review" {
        /// The review.
        1 review: ReviewId,
        /// The reason given for it.
        2 reason: Option<Reason>,
    }
    /// Declare a key compromised.
    CompromiseKey(CompromiseKey) = "compromise_key" {
        /// The key.
        1 key: KeyId,
        /// The reason given for it.
        2 reason: Option<Reason>,
    }
    /// Declare one version compromised.
    CompromiseVersion(CompromiseVersion) = "compromise_version" {
        /// The key.
        1 key: KeyId,
        /// Number of the version.
        2 version: u32,
        /// The reason given for it.
        3 reason: Option<Reason>,
    }
    /// Confirm that the server's clock is right.
    ConfirmClock(ConfirmClock) = "confirm_clock" {
        /// What time it is by the caller's clock.
        1 time: Timestamp,
        /// The reason given for it.
        2 reason: Option<Reason>,
    }
    /// Confirm a further credential of one's own.
    ConfirmCredential(ConfirmCredential) = "confirm_credential" {
        /// The credential.
        1 credential: CredentialId,
    }
    /// Confirm the rights that an older release kept.
    ConfirmRights(ConfirmRights) = "confirm_rights" {
        /// SHA-256 of the list of rights.
        1 digest: [u8; 32],
    }
    /// Give a key another name.
    CreateAlias(PutAlias) = "create_alias" {
        /// The name.
        1 name: AliasName,
        /// The key.
        2 key: KeyId,
    }
    /// Enter a data asset.
    CreateAsset(CreateAsset) = "create_asset" {
        /// Its name.
        1 name: Name,
        /// Who answers for it.
        2 owner: PrincipalId,
        /// What its data is.
        3 class: DataClass,
    }
    /// Give a credential.
    CreateCredential(CreateCredential) = "create_credential" {
        /// The principal that gets it.
        1 principal: PrincipalId,
        /// A word that distinguishes it from others.
        2 label: Name,
        /// The kind of credential, with what that kind needs.
        3 what: CredentialAsked,
        /// Does it prove nothing before its holder has confirmed it by another one?
        4 to_confirm: bool as Flag,
    }
    /// Give a grant.
    CreateGrant(CreateGrant) = "create_grant" {
        /// The principal that gets it.
        1 principal: PrincipalId,
        /// The key or ring that it covers.
        2 on: Selector,
        /// The uses that it allows.
        3 operations: Sorted<Action>,
        /// Under which conditions.
        4 conditions: GrantConditions,
        /// The reason given for it.
        5 reason: Option<Reason>,
        /// A name to find it again by.
        6 name: Option<String>,
        /// Who else may end it.
        7 retiring: Option<PrincipalId>,
    }
    /// Create a key.
    CreateKey(CreateKey) = "create_key" {
        /// Its ring.
        1 ring: KeyRingId,
        /// Its name in the ring; its identifier where there is none.
        2 name: Option<Name>,
        /// What it is for.
        3 purpose: Purpose,
        /// Algorithm and size.
        4 spec: Spec,
        /// Where it lives; the ring's default where there is none.
        5 protection: Option<Protection>,
        /// What its data is; as its ring says where nothing is said.
        6 data_class: Option<DataClass>,
        /// What it is for, in its owners' words.
        7 description: String,
        /// Who answers for it.
        8 owner: PrincipalId,
        /// Labels: names and values of the caller's choice.
        9 labels: Labels,
        /// How often it rotates; the ring's rule where there is none.
        10 rotation_period: Option<Duration>,
        /// Put it into use at once?
        11 activate: bool,
        /// Whether its material is made here or imported.
        12 origin: Origin,
        /// The rights on it that are there from the beginning.
        13 rights: Option<SetOfGrants>,
        /// What the encryption context must have of each use.
        14 context_required: RequiredContext,
        /// The environment that it belongs to.
        15 environment: Option<Name>,
    }
    /// Create a principal.
    CreatePrincipal(CreatePrincipal) = "create_principal" {
        /// Its name.
        1 name: Name,
        /// A person or an application.
        2 kind: PrincipalKind,
        /// The ring that its keys land in.
        3 home: Option<KeyRingId>,
        /// The environment that it belongs to.
        4 environment: Option<Name>,
        /// The account that stood for the same person first.
        5 same_person_as: Option<PrincipalId>,
    }
    /// Create a ring.
    CreateRing(CreateRing) = "create_ring" {
        /// Its name.
        1 name: Name,
        /// What its keys inherit.
        2 policy: RingPolicy,
        /// The reason given for it.
        3 reason: Option<Reason>,
    }
    /// Decide what stays and what goes of what is reviewed.
    DecideReview(DecideReview) = "decide_review" {
        /// The review.
        1 review: ReviewId,
        /// What is decided, in the order of what it is decided on, of which each is there once.
        2 decisions: Vec<(ReviewSubject, ReviewDecision)>,
        /// The reason given for it.
        3 reason: Option<Reason>,
    }
    /// Declare what no machine can know.
    Declare(Declare) = "declare" {
        /// What is declared.
        1 declared: Declared,
        /// What is said of it.
        2 text: String,
    }
    /// End a key's protecting.
    DeactivateKey(DeactivateKey) = "deactivate_key" {
        /// The key.
        1 key: KeyId,
        /// The reason given for it.
        2 reason: Option<Reason>,
    }
    /// End one version's protecting.
    DeactivateVersion(DeactivateVersion) = "deactivate_version" {
        /// The key.
        1 key: KeyId,
        /// Number of the version.
        2 version: u32,
        /// The reason given for it.
        3 reason: Option<Reason>,
    }
    /// Pass rights on a key on.
    DelegateGrant(DelegateGrant) = "delegate_grant" {
        /// The key.
        1 key: KeyId,
        /// The principal that gets it.
        2 principal: PrincipalId,
        /// The actions that it allows.
        3 operations: Sorted<Action>,
        /// Under which conditions.
        4 conditions: GrantConditions,
        /// The reason given for it.
        5 reason: Option<Reason>,
        /// A name to find it again by.
        6 name: Option<String>,
        /// Who else may end it.
        7 retiring: Option<PrincipalId>,
        /// How the holder is named.
        8 spelled_principal: Option<String>,
        /// How the one who may end it is named.
        9 spelled_retiring: Option<String>,
    }
    /// Deny what somebody asked for.
    Deny(Deny) = "deny" {
        /// The approval.
        1 approval: ApprovalId,
        /// SHA-256 of what was asked for.
        2 digest: [u8; 32],
        /// The reason given for it.
        3 reason: Option<Reason>,
    }
    /// Make a key's material unrecoverable.
    DestroyKey(DestroyKey) = "destroy_key" {
        /// The key.
        1 key: KeyId,
    }
    /// Redeem an enrolment code, as its owner, for a certificate that is issued for a request.
    Enrol(Enrol) = "enrol" {
        /// The code.
        1 credential: CredentialId,
        /// SHA-256 of the request.
        2 request: [u8; 32],
        /// How long the certificate lives; as long as it can where nothing is said.
        3 lifetime: Option<Duration>,
    }
    /// Erase who a principal was.
    ErasePrincipal(ErasePrincipal) = "erase_principal" {
        /// The principal.
        1 principal: PrincipalId,
        /// The reason given for it.
        2 reason: Option<Reason>,
    }
    /// Erase the text of a reason.
    EraseReason(EraseReason) = "erase_reason" {
        /// The reason.
        1 id: ReasonId,
        /// The reason given for it.
        2 reason: Option<Reason>,
    }
    /// Import material.
    ImportMaterial(ImportMaterial) = "import_material" {
        /// The key.
        1 key: KeyId,
        /// SHA-256 of the import token.
        2 token: [u8; 32],
        /// SHA-256 of the wrapped material.
        3 material: [u8; 32],
        /// From then on it is used no more.
        4 expires_at: Option<Timestamp>,
        /// Is it new material, which waits for the key's rotation?
        5 new_material: bool,
        /// Only if it is that of this version.
        6 version: Option<u32>,
    }
    /// Set a deployment up.
    Initialize(Initialize) = "initialize" {
        /// Who is there from the beginning.
        1 principals: Vec<Founder>,
        /// How many custodians must approve an act that concerns the whole deployment; nobody where nothing is said.
        2 quorum: Option<u8>,
    }
    /// Move an alias to another key.
    MoveAlias(PutAlias) = "move_alias" {
        /// The alias.
        1 name: AliasName,
        /// The key that it names now.
        2 from: KeyId,
        /// The key that it shall name.
        3 to: KeyId,
    }
    /// Open emergency access for a person.
    OpenBreakGlass(OpenBreakGlass) = "open_break_glass" {
        /// Who gets it.
        1 holder: PrincipalId,
        /// To which keys.
        2 keys: Sorted<KeyId>,
        /// For how long.
        3 lifetime: Duration,
        /// The reason given for it.
        4 reason: Option<Reason>,
    }
    /// Open an access review.
    OpenReview(OpenReview) = "open_review" {
        /// Whose access.
        1 scope: ReviewScope,
        /// Of which ring alone; of all, and of roles and capacities, where nothing is said.
        2 ring: Option<KeyRingId>,
        /// Until when it is to be closed, from its opening.
        3 due_in: Duration,
        /// The reason given for it.
        4 reason: Option<Reason>,
    }
    /// Set the policy of a key.
    PutKeyPolicy(PutKeyPolicy) = "put_key_policy" {
        /// The key.
        1 key: KeyId,
        /// What it gives.
        2 grants: SetOfGrants,
        /// The reason given for it.
        3 reason: Option<Reason>,
    }
    /// Make a security officer on the machine.
    Recover(Recover) = "recover" {
        /// Its name.
        1 name: Name,
        /// Fingerprint of its certificate.
        2 fingerprint: [u8; 32],
        /// When that ends.
        3 expires_at: Timestamp,
    }
    /// Take an alias away.
    RemoveAlias(RemoveAlias) = "remove_alias" {
        /// The alias.
        1 name: AliasName,
        /// The key that it names now.
        2 key: KeyId,
    }
    /// Remove imported material.
    RemoveImportedMaterial(RemoveImportedMaterial) = "remove_imported_material" {
        /// The key.
        1 key: KeyId,
        /// Number of the version.
        2 version: u32,
        /// Only if it has expired?
        3 only_if_expired: bool,
    }
    /// Renew a credential, as its holder: by a certificate, by one that is issued for a request, or else by a token.
    RenewCredential(RenewCredential) = "renew_credential" {
        /// The one that is renewed.
        1 credential: CredentialId,
        /// Fingerprint of the certificate.
        2 certificate: Option<[u8; 32]>,
        /// SHA-256 of the request.
        3 request: Option<[u8; 32]>,
        /// When the next one ends; as late as it can where nothing is said.
        4 expires_at: Option<Timestamp>,
        /// How long it lives; as long as the one before where nothing is said.
        5 lifetime: Option<Duration>,
    }
    /// Bring a key back from suspension.
    ResumeKey(ResumeKey) = "resume_key" {
        /// The key.
        1 key: KeyId,
        /// The reason given for it.
        2 reason: Option<Reason>,
    }
    /// Bring one version back from suspension.
    ResumeVersion(ResumeVersion) = "resume_version" {
        /// The key.
        1 key: KeyId,
        /// Number of the version.
        2 version: u32,
        /// The reason given for it.
        3 reason: Option<Reason>,
    }
    /// Give a grant up.
    RetireGrant(RetireGrant) = "retire_grant" {
        /// The grant.
        1 grant: GrantId,
        /// The reason given for it.
        2 reason: Option<Reason>,
    }
    /// Review what was done by emergency access.
    ReviewBreakGlass(ReviewBreakGlass) = "review_break_glass" {
        /// The emergency access.
        1 id: BreakGlassId,
        /// What the reviewer finds.
        2 verdict: BreakGlassVerdict,
        /// The reason given for it.
        3 reason: Option<Reason>,
    }
    /// Revoke a credential.
    RevokeCredential(RevokeCredential) = "revoke_credential" {
        /// The credential.
        1 credential: CredentialId,
        /// The reason given for it.
        2 reason: Option<Reason>,
    }
    /// Revoke a grant.
    RevokeGrant(RevokeGrant) = "revoke_grant" {
        /// The grant.
        1 grant: GrantId,
        /// The reason given for it.
        2 reason: Option<Reason>,
    }
    /// Revoke a principal for ever.
    RevokePrincipal(RevokePrincipal) = "revoke_principal" {
        /// The principal.
        1 principal: PrincipalId,
        /// The reason given for it.
        2 reason: Option<Reason>,
    }
    /// Rotate a key if that is due by policy.
    RotateDueKey(RotateKey) = "rotate_due_key" {
        /// The key.
        1 key: KeyId,
    }
    /// Rotate a key.
    RotateKey(RotateKey) = "rotate_key" {
        /// The key.
        1 key: KeyId,
    }
    /// Take a key out of use, and have it destroyed at the end of a waiting period.
    ScheduleDestroy(ScheduleDestroy) = "schedule_destroy" {
        /// The key.
        1 key: KeyId,
        /// How long to wait.
        2 waiting: Duration,
        /// The reason given for it.
        3 reason: Option<Reason>,
    }
    /// Set the rules of the deployment. What is absent stays as it is.
    SetGovernance(SetGovernance) = "set_governance" {
        /// Custodians that must approve an act that concerns the whole deployment.
        1 quorum: Option<u8>,
        /// How long an approval can be decided and done.
        2 approval_lifetime: Option<Duration>,
        /// The longest that a grant to a person lasts.
        3 human_grant_lifetime: Option<Period>,
        /// The longest that emergency access lasts.
        4 break_glass_lifetime: Option<Duration>,
        /// How many keys one person declares compromised in an hour before others must approve the next.
        5 compromise_burst: Option<u16>,
        /// The reason given for it.
        6 reason: Option<Reason>,
        /// Only if the rules are at this revision.
        7 if_revision: Option<u64>,
    }
    /// Set a ring's separation of duties.
    SetRingSeparation(SetRingSeparation) = "set_ring_separation" {
        /// The ring.
        1 ring: KeyRingId,
        /// What it shall be.
        2 separation: Separation,
        /// The reason given for it.
        3 reason: Option<Reason>,
    }
    /// Take a key out of use for a while.
    SuspendKey(SuspendKey) = "suspend_key" {
        /// The key.
        1 key: KeyId,
        /// The reason given for it.
        2 reason: Option<Reason>,
    }
    /// Take one version out of use for a while.
    SuspendVersion(SuspendVersion) = "suspend_version" {
        /// The key.
        1 key: KeyId,
        /// Number of the version.
        2 version: u32,
        /// The reason given for it.
        3 reason: Option<Reason>,
    }
    /// Say that one has looked at an alert.
    TriageAlert(TriageAlert) = "triage_alert" {
        /// The alert.
        1 alert: AlertId,
        /// The reason given for it.
        2 reason: Option<Reason>,
    }
    /// Change what is said about a key. What is absent stays as it is.
    UpdateKey(UpdateKey) = "update_key" {
        /// The key.
        1 key: KeyId,
        /// What its data is.
        2 data_class: Option<DataClass>,
        /// What it is for, in its owners' words.
        3 description: Option<String>,
        /// Who answers for it.
        4 owner: Option<PrincipalId>,
        /// Labels: names and values of the caller's choice.
        5 labels: Option<Labelling>,
        /// How often it rotates.
        6 rotation_period: Option<Period>,
        /// Only if the key is at this revision.
        7 if_revision: Option<u64>,
        /// What the encryption context must have of each use.
        8 context_required: Option<ContextAsked>,
        /// The environment that it belongs to.
        9 environment: Option<Name>,
    }
    /// Change a ring's policy. What is absent stays as it is.
    UpdateRing(UpdateRing) = "update_ring" {
        /// The ring.
        1 ring: KeyRingId,
        /// Protection of keys that do not ask for one.
        2 protection: Option<Protection>,
        /// How often keys rotate.
        3 rotation_period: Option<Period>,
        /// How long a version may protect.
        4 protect_period: Option<Period>,
        /// How long it may process after that.
        5 process_period: Option<Period>,
        /// Wait before destruction.
        6 destroy_waiting_period: Option<Duration>,
        /// Custodians that must approve.
        7 quorum: Option<u8>,
        /// Only if the ring is at this revision.
        8 if_revision: Option<u64>,
        /// The reason given for it.
        9 reason: Option<Reason>,
        /// Which keys the rotation period rotates.
        10 rotates: Option<RotatedKeys>,
        /// What the encryption context must have of each use.
        11 context_required: Option<ContextAsked>,
        /// What the data of its keys is.
        12 data_class: Option<ClassAsked>,
        /// Whether data keys are handed out in clear.
        13 plaintext_data_keys: Option<PlaintextDataKeys>,
        /// The environment of keys that name none.
        14 environment: Option<Name>,
        /// Whether uses of its keys name a data asset.
        15 assets: Option<AssetRule>,
        /// Whether others must approve the grants on it.
        16 grants_under_quorum: Option<bool>,
    }
    /// Say that a person answers for something no more.
    WithdrawCapacity(WithdrawCapacity) = "withdraw_capacity" {
        /// The principal.
        1 principal: PrincipalId,
        /// What for.
        2 capacity: Capacity,
        /// The reason given for it.
        3 reason: Option<Reason>,
    }
    /// Withdraw a declaration.
    WithdrawDeclaration(WithdrawDeclaration) = "withdraw_declaration" {
        /// The declaration.
        1 declaration: DeclarationId,
        /// The reason given for it.
        2 reason: Option<Reason>,
    }
    /// Revoke a grant on one key.
    WithdrawDelegatedGrant(WithdrawDelegatedGrant) = "withdraw_delegated_grant" {
        /// The key.
        1 key: KeyId,
        /// The grant.
        2 grant: GrantId,
        /// The reason given for it.
        3 reason: Option<Reason>,
    }
    /// Revoke a role.
    WithdrawRole(WithdrawRole) = "withdraw_role" {
        /// The principal that loses the role.
        1 principal: PrincipalId,
        /// The role.
        2 role: Role,
        /// The reason given for it.
        3 reason: Option<Reason>,
    }
}

impl Governed {
    /// Reads an encoding.
    ///
    /// # Errors
    /// [`GovernedError`] for everything that [`Self::encode`] does not write.
    pub fn decode(bytes: &[u8]) -> Result<Self, GovernedError> {
        let asked = Self::take_one(bytes)?;
        if asked.is_sound() { Ok(asked) } else { Err(GovernedError::Unsound) }
    }

    /// Reads an act of a plan.
    ///
    /// # Errors
    /// As [`Self::decode`], and for a plan and for an act with a reason: those of a plan have the plan's.
    pub fn decode_act(bytes: &[u8]) -> Result<Self, GovernedError> {
        let asked = Self::take_one(bytes)?;
        let is_plan = matches!(asked, Self::ApplyPlan { .. });
        if is_plan || asked.reason().is_some() || !asked.is_sound() {
            return Err(GovernedError::Unsound);
        }
        Ok(asked)
    }

    /// Reads one, a plan without its acts.
    fn take_one(bytes: &[u8]) -> Result<Self, GovernedError> {
        cbor::whole_map(bytes, |fields| {
            let word = fields.need(0, |reader| Ok(reader.text()?))?;
            Self::take(word, fields)
        })
    }

    /// Is it what can be asked for, where its parts do not say so themselves? A plan has acts and not too many, and each thing is decided
    /// on once.
    fn is_sound(&self) -> bool {
        match self {
            Self::ApplyPlan { acts, .. } => {
                (1..=Approval::MOST_STEPS).contains(&acts.len())
                    && acts.iter().all(|act| Self::decode_act(act).is_ok())
            }
            Self::DecideReview { decisions, .. } => decisions.is_sorted_by(|(one, _), (next, _)| one < next),
            _ => true,
        }
    }

    /// SHA-256 of `claviger/request/v1`, a zero byte and the encoding.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        sha256_parts(&[DOMAIN, &self.encode()])
    }

    /// Has the action a form here?
    #[must_use]
    pub const fn governs(action: Action) -> bool {
        let mut rest = Self::ACTIONS;
        while let [one, others @ ..] = rest {
            if one.code() == action.code() {
                return true;
            }
            rest = others;
        }
        false
    }
}

/// An action that changes state and has no form here does not compile, and neither does a form of one that does not.
const _: () = {
    let mut rest: &[Action] = &Action::ALL;
    while let [action, others @ ..] = rest {
        let changes = match action.effect() {
            Effect::Govern | Effect::Manage | Effect::Restrict => true,
            Effect::Process | Effect::Protect | Effect::Read => false,
        };
        // It makes a transport key that is kept nowhere.
        let changes = changes && !matches!(action, Action::ReadImportParameters);
        assert!(Governed::governs(*action) == changes, "an action that changes state has no governed form");
        rest = others;
    }
};
