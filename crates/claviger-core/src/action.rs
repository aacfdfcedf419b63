//! What can be asked: one table of every action, with the surface it belongs to, the kind of thing it is asked of, and
//! what it does to a key.
//!
//! A new action without a row does not compile, and without a line in the golden policy matrix fails its test.

use crate::principal::PrincipalKind;
use crate::target::TargetKind;

/// Which calls an action belongs to: those of people or those of applications.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Surface {
    /// People, with roles.
    Control,
    /// Applications, with grants.
    Data,
}

impl Surface {
    /// The one that it is not.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Control => Self::Data,
            Self::Data => Self::Control,
        }
    }
}

/// The plane by which a call came in: a listener, and with it whom it serves.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Plane {
    /// The control plane of people.
    Control,
    /// The data plane of applications.
    Data,
    /// A protocol that mixes both kinds of acts, for applications: the action decides which surface a call belongs to.
    Mixed,
}

impl From<Surface> for Plane {
    fn from(surface: Surface) -> Self {
        match surface {
            Surface::Control => Self::Control,
            Surface::Data => Self::Data,
        }
    }
}

impl Plane {
    /// Does this plane serve such a caller with this action at all? The answer depends on nothing else, so it discloses nothing
    /// of what exists.
    #[must_use]
    pub const fn serves(self, kind: PrincipalKind, action: Action) -> bool {
        let people = !matches!(kind, PrincipalKind::Workload);
        match (self, action.surface()) {
            (Self::Control, Surface::Control) => people,
            (Self::Data, Surface::Data) => true,
            // People reach the plane of people, and not always the other.
            (Self::Control, Surface::Data) => people && action.is_of_own_credential(),
            (Self::Data, Surface::Control) => false,
            (Self::Mixed, _) => !people,
        }
    }
}

/// What an action does to a key or to the system.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Effect {
    /// Changes rights: principals, roles, grants, credentials.
    Govern,
    /// Changes rings and keys.
    Manage,
    /// Uses material on old data.
    Process,
    /// Uses material on new data.
    Protect,
    /// Reads what is no material.
    Read,
    /// Takes something out of use, which the fence orders against every use.
    Restrict,
}

/// Whether whoever asks for an action says why.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Reasoning {
    /// There is nothing to say.
    Never,
    /// Who likes to.
    May,
    /// Every person.
    Must,
}

macro_rules! actions {
    ($d:tt $($(#[$doc:meta])+ $name:ident = $code:literal $word:literal $surface:ident $target:ident $effect:ident),+ $(,)?) => {
        /// Everything that can be asked. The numbers are the operation codes of the log.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        #[repr(u16)]
        pub enum Action { $($(#[$doc])+ $name = $code),+ }

        impl Action {
            /// The operation code in the log.
            #[must_use]
            pub const fn code(self) -> u16 { match self { $(Self::$name => $code),+ } }

            /// The surface it belongs to.
            #[must_use]
            pub const fn surface(self) -> Surface { match self { $(Self::$name => Surface::$surface),+ } }

            /// What it is asked of.
            #[must_use]
            pub const fn target_kind(self) -> TargetKind { match self { $(Self::$name => TargetKind::$target),+ } }

            /// What it does.
            #[must_use]
            pub const fn effect(self) -> Effect { match self { $(Self::$name => Effect::$effect),+ } }
        }

        crate::named! {
            /// Text that is not an action.
            Action, "an action" { $($name = $word),+ }
        }

        /// Hands the documentation, name, code and word of every action to another macro, behind what is given. The log takes
        /// its operation codes from here, so that an action cannot be without one.
        #[doc(hidden)]
        #[macro_export]
        macro_rules! with_actions {
            ($d to:ident! { $d($d before:tt)* }) => {
                $d to! { $d($d before)* $($(#[$doc])+ $name = $code $word),+ }
            };
        }
    };
}

actions! { $
    /// Seal data under a key.
    Encrypt = 101 "encrypt" Data Key Protect,
    /// Open what the key sealed.
    Decrypt = 102 "decrypt" Data Key Process,
    /// Open under one version, seal under the newest, show nothing.
    Reencrypt = 103 "reencrypt" Data Key Process,
    /// Make a data key; hand it out in clear and wrapped.
    GenerateDataKey = 104 "generate_data_key" Data Key Protect,
    /// Sign.
    Sign = 105 "sign" Data Key Protect,
    /// Verify a signature.
    Verify = 106 "verify" Data Key Process,
    /// Make a message authentication code.
    Mac = 107 "mac" Data Key Protect,
    /// Check a message authentication code.
    VerifyMac = 108 "verify_mac" Data Key Process,
    /// Wrap a key of the caller's.
    Wrap = 109 "wrap" Data Key Protect,
    /// Unwrap a key of the caller's.
    Unwrap = 110 "unwrap" Data Key Process,
    /// Make a shared secret for the holder of a key (KEM).
    Encapsulate = 111 "encapsulate" Data Key Protect,
    /// Take a shared secret out of its capsule (KEM).
    Decapsulate = 112 "decapsulate" Data Key Process,
    /// Agree on a shared secret with a peer (ECDH).
    Agree = 113 "agree" Data Key Process,
    /// Draw random bytes.
    Random = 114 "random" Data System Read,
    /// Read a public key.
    ReadPublicKey = 115 "read_public_key" Data Key Read,
    /// Make a data key; hand it out wrapped only.
    GenerateDataKeyWithoutPlaintext = 116 "generate_data_key_without_plaintext" Data Key Protect,
    /// Read what is said about a key, as one who uses it.
    DescribeKey = 117 "describe_key" Data Key Read,
    /// List what one was granted: keys, their aliases, and grants that one may retire.
    ListGranted = 118 "list_granted" Data System Read,
    /// Make a key pair; hand out its private half in clear and wrapped.
    GenerateDataKeyPair = 119 "generate_data_key_pair" Data Key Protect,
    /// Make a key pair; hand out its private half wrapped only.
    GenerateDataKeyPairWithoutPlaintext = 120 "generate_data_key_pair_without_plaintext" Data Key Protect,
    /// Seal under this key what was opened under another and shown to nobody.
    ReencryptInto = 121 "reencrypt_into" Data Key Protect,
    /// Give up a grant, as its holder, as the one who was named to retire it, or as the giver where nobody was named.
    RetireGrant = 122 "retire_grant" Data Grant Restrict,
    /// Ask who one is.
    ReadSelf = 123 "read_self" Data System Read,

    /// Create a key ring.
    CreateRing = 201 "create_ring" Control System Manage,
    /// Change a ring's policy.
    UpdateRing = 202 "update_ring" Control Ring Manage,
    /// Relax a ring's separation of duties, or make it strict again.
    SetRingSeparation = 203 "set_ring_separation" Control Ring Govern,
    /// Create a key.
    CreateKey = 210 "create_key" Control Ring Manage,
    /// Put a key into use.
    ActivateKey = 211 "activate_key" Control Key Manage,
    /// Make a new version that protects from now on.
    RotateKey = 212 "rotate_key" Control Key Manage,
    /// Take a key out of use for a while.
    SuspendKey = 213 "suspend_key" Control Key Restrict,
    /// Bring a key back from suspension.
    ResumeKey = 214 "resume_key" Control Key Manage,
    /// End a key's protecting.
    DeactivateKey = 215 "deactivate_key" Control Key Restrict,
    /// Declare a key compromised.
    CompromiseKey = 216 "compromise_key" Control Key Restrict,
    /// Make a key's material unrecoverable.
    DestroyKey = 219 "destroy_key" Control Key Restrict,
    /// Change what is said about a key.
    UpdateKey = 220 "update_key" Control Key Manage,
    /// Read what is said about a key.
    ReadKey = 221 "read_key" Control Key Read,
    /// Ask who can do what with a key, and by which rule.
    ExplainKey = 222 "explain_key" Control Key Read,
    /// Read what is said about a ring.
    ReadRing = 223 "read_ring" Control Ring Read,
    /// List rings and keys.
    ListKeys = 224 "list_keys" Control System Read,
    /// Take one version out of use for a while.
    SuspendVersion = 231 "suspend_version" Control Key Restrict,
    /// Bring one version back from suspension.
    ResumeVersion = 232 "resume_version" Control Key Manage,
    /// End one version's protecting.
    DeactivateVersion = 233 "deactivate_version" Control Key Restrict,
    /// Declare one version compromised.
    CompromiseVersion = 234 "compromise_version" Control Key Restrict,
    /// Give a key another name, or move such a name to it.
    PutAlias = 240 "put_alias" Control Key Manage,
    /// Take such a name away.
    RemoveAlias = 241 "remove_alias" Control Key Manage,
    /// Take a key out of use and begin its waiting period, at whose end it is destroyed.
    ScheduleDestroy = 242 "schedule_destroy" Control Key Restrict,
    /// End the waiting period without destroying.
    CancelDestroy = 243 "cancel_destroy" Control Key Manage,
    /// Ask for what is needed to import material.
    ReadImportParameters = 244 "read_import_parameters" Control Key Manage,
    /// Import material.
    ImportMaterial = 245 "import_material" Control Key Manage,
    /// Remove imported material again.
    RemoveImportedMaterial = 246 "remove_imported_material" Control Key Restrict,
    /// Enter a data asset, which keys protect.
    CreateAsset = 260 "create_asset" Control System Manage,
    /// Read or list data assets.
    ReadAsset = 261 "read_asset" Control System Read,
    /// Declare what no machine can know: a parameter, a document, a supplier, a device, a module.
    Declare = 262 "declare" Control System Manage,
    /// Sign a statement, as oneself.
    Attest = 263 "attest" Control System Manage,
    /// Withdraw a declaration.
    WithdrawDeclaration = 264 "withdraw_declaration" Control System Manage,
    /// Read or list declarations.
    ReadDeclaration = 265 "read_declaration" Control System Read,

    /// Create a principal.
    CreatePrincipal = 301 "create_principal" Control Principal Govern,
    /// Revoke a principal for ever.
    RevokePrincipal = 302 "revoke_principal" Control Principal Restrict,
    /// Read or list principals.
    ReadPrincipal = 303 "read_principal" Control System Read,
    /// Give a role.
    AssignRole = 304 "assign_role" Control Principal Govern,
    /// Withdraw a role.
    WithdrawRole = 305 "withdraw_role" Control Principal Restrict,
    /// Give a grant.
    CreateGrant = 307 "create_grant" Control System Govern,
    /// Revoke a grant.
    RevokeGrant = 308 "revoke_grant" Control Grant Restrict,
    /// Read or list grants.
    ReadGrant = 309 "read_grant" Control System Read,
    /// Give a credential.
    CreateCredential = 310 "create_credential" Control Principal Govern,
    /// Revoke a credential.
    RevokeCredential = 311 "revoke_credential" Control Principal Restrict,
    /// Read or list credentials.
    ReadCredential = 312 "read_credential" Control System Read,
    /// Erase who a principal was that was revoked.
    ErasePrincipal = 313 "erase_principal" Control Principal Govern,
    /// Renew the credential by which one calls.
    RenewCredential = 314 "renew_credential" Data System Govern,
    /// Say that a person answers for something.
    AssignCapacity = 315 "assign_capacity" Control Principal Govern,
    /// Say that a person answers for it no more.
    WithdrawCapacity = 316 "withdraw_capacity" Control Principal Restrict,
    /// Redeem an enrolment code for a certificate for a key of one's own.
    Enrol = 317 "enrol" Data System Govern,
    /// Confirm a further credential of one's own by one that one has.
    ConfirmCredential = 318 "confirm_credential" Data System Govern,
    /// Give a grant on a key, as one who administers it.
    DelegateGrant = 320 "delegate_grant" Control Key Govern,
    /// Revoke a grant on a key, as one who administers it.
    WithdrawDelegatedGrant = 321 "withdraw_delegated_grant" Control Key Restrict,
    /// Read the grants on a key.
    ReadKeyGrants = 322 "read_key_grants" Control Key Read,
    /// Set the policy of a key, which gives grants on it and ends those that the policy before gave.
    PutKeyPolicy = 323 "put_key_policy" Control Key Govern,

    /// Approve what somebody asked for, by a signature.
    Approve = 331 "approve" Control System Govern,
    /// Deny what somebody asked for, by a signature.
    Deny = 332 "deny" Control System Govern,
    /// Give up what one asked for, or stop what another did.
    CancelApproval = 333 "cancel_approval" Control System Govern,
    /// Read or list what was asked for, and what was decided on it.
    ReadApproval = 334 "read_approval" Control System Read,
    /// Set the rules of the deployment.
    SetGovernance = 335 "set_governance" Control System Govern,
    /// Do several acts, one behind the other, by one approval.
    ApplyPlan = 337 "apply_plan" Control System Govern,

    /// Open emergency access for a person.
    OpenBreakGlass = 350 "open_break_glass" Control Principal Govern,
    /// Close emergency access before its time.
    CloseBreakGlass = 351 "close_break_glass" Control System Restrict,
    /// Review what was done by emergency access.
    ReviewBreakGlass = 352 "review_break_glass" Control System Govern,
    /// Read or list emergency accesses.
    ReadBreakGlass = 353 "read_break_glass" Control System Read,
    /// Open an access review.
    OpenReview = 360 "open_review" Control System Govern,
    /// Decide what stays and what goes.
    DecideReview = 361 "decide_review" Control System Govern,
    /// Close an access review, and withdraw what is to go.
    CloseReview = 362 "close_review" Control System Govern,
    /// Read or list access reviews.
    ReadReview = 363 "read_review" Control System Read,
    /// Say that one has looked at an alert.
    TriageAlert = 371 "triage_alert" Control System Govern,
    /// Close an alert.
    CloseAlert = 372 "close_alert" Control System Govern,
    /// Read or list alerts.
    ReadAlert = 373 "read_alert" Control System Read,

    /// Set a deployment up, once.
    Initialize = 409 "initialize" Control System Govern,
    /// Read the log.
    ReadAudit = 430 "read_audit" Control System Read,
    /// Take the whole log out.
    ExportAudit = 431 "export_audit" Control System Read,
    /// Search the log for who did what.
    SearchAudit = 433 "search_audit" Control System Read,
    /// Disclose who stands behind a range of the log, to those who hold it.
    DiscloseAudit = 434 "disclose_audit" Control System Read,
    /// Read the list of all rights.
    ReadRights = 435 "read_rights" Control System Read,
    /// Have the deployment sign the manifest of an evidence pack.
    SignEvidence = 436 "sign_evidence" Control System Read,
    /// Read how the system is.
    ReadSystem = 432 "read_system" Control System Read,
    /// Commit the log to the whole state as it stands.
    Snapshot = 440 "snapshot" Control System Read,
    /// Erase the text of a reason.
    EraseReason = 444 "erase_reason" Control System Govern,
    /// Open every stored secret in its place, and say which do not open.
    ScanStore = 447 "scan_store" Control System Read,
    /// Make a security officer on the machine, with the root's own secret.
    Recover = 455 "recover" Control System Govern,
    /// Acknowledge such a security officer, as another person.
    AcknowledgeRecovery = 456 "acknowledge_recovery" Control Principal Govern,
    /// Revoke such a security officer, as a custodian, within the waiting period.
    CancelRecovery = 457 "cancel_recovery" Control Principal Restrict,
    /// Confirm that the server's clock is right.
    ConfirmClock = 458 "confirm_clock" Control System Manage,
    /// Confirm the rights that an older release kept.
    ConfirmRights = 459 "confirm_rights" Control System Govern,
}

impl Action {
    /// Can it be granted to an application? Every use of a key can, and nothing else.
    #[must_use]
    pub const fn is_grantable(self) -> bool {
        matches!((self.surface(), self.target_kind()), (Surface::Data, TargetKind::Key))
    }

    /// Can it be granted to an application on a ring whose separation is relaxed? There, what is done to a ring or a key of it
    /// can be; the ring's own rules never.
    #[must_use]
    pub const fn is_grantable_when_relaxed(self) -> bool {
        let of_key = matches!(self.target_kind(), TargetKind::Key) && !matches!(self, Self::DestroyKey);
        self.is_grantable() || of_key || matches!(self, Self::CreateKey | Self::ReadRing | Self::RetireGrant)
    }

    /// Is it about a credential of the caller's own? People ask for it where they administer as well.
    #[must_use]
    pub const fn is_of_own_credential(self) -> bool {
        matches!(self, Self::ConfirmCredential | Self::Enrol | Self::RenewCredential)
    }

    /// Does it leave a key wrapped under the key that is used: one that is made, or one that the caller supplies?
    #[must_use]
    pub const fn wraps_a_key(self) -> bool {
        matches!(
            self,
            Self::GenerateDataKey
                | Self::GenerateDataKeyWithoutPlaintext
                | Self::GenerateDataKeyPair
                | Self::GenerateDataKeyPairWithoutPlaintext
                | Self::Wrap
        )
    }

    /// Does one who asks for it say why?
    #[must_use]
    pub const fn reasoning(self) -> Reasoning {
        match self {
            Self::ApplyPlan
            | Self::AssignCapacity
            | Self::AssignRole
            | Self::CancelApproval
            | Self::CancelRecovery
            | Self::CloseAlert
            | Self::CloseBreakGlass
            | Self::CompromiseKey
            | Self::CompromiseVersion
            | Self::ConfirmClock
            | Self::CreateGrant
            | Self::DeactivateKey
            | Self::DeactivateVersion
            | Self::DelegateGrant
            | Self::Deny
            | Self::DestroyKey
            | Self::ErasePrincipal
            | Self::EraseReason
            | Self::OpenBreakGlass
            | Self::PutKeyPolicy
            | Self::RemoveImportedMaterial
            | Self::ReviewBreakGlass
            | Self::RevokeCredential
            | Self::RevokeGrant
            | Self::RevokePrincipal
            | Self::ScheduleDestroy
            | Self::SetGovernance
            | Self::SetRingSeparation
            | Self::SuspendKey
            | Self::SuspendVersion
            | Self::TriageAlert
            | Self::UpdateRing
            | Self::WithdrawCapacity
            | Self::WithdrawDeclaration
            | Self::WithdrawDelegatedGrant
            | Self::WithdrawRole => Reasoning::Must,
            Self::ActivateKey
            | Self::Approve
            | Self::CancelDestroy
            | Self::CloseReview
            | Self::CreateRing
            | Self::DecideReview
            | Self::OpenReview
            | Self::ResumeKey
            | Self::ResumeVersion
            | Self::RetireGrant => Reasoning::May,
            _ => Reasoning::Never,
        }
    }

    /// Is a code enough of a reason where a responder gives it? Who stops something in an incident writes no essay first.
    #[must_use]
    pub const fn takes_code_of_responder(self) -> bool {
        matches!(
            self,
            Self::RevokeCredential
                | Self::RevokeGrant
                | Self::RevokePrincipal
                | Self::SuspendKey
                | Self::SuspendVersion
        )
    }

    /// The action with this operation code.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_words_are_distinct() {
        for (at, a) in Action::ALL.iter().enumerate() {
            for b in Action::ALL.iter().skip(at + 1) {
                assert_ne!(a.code(), b.code());
                assert_ne!(a.name(), b.name());
            }
            assert_eq!(Action::from_code(a.code()), Some(*a));
            assert_eq!(a.name().parse::<Action>().unwrap(), *a);
        }
    }

    #[test]
    fn no_plane_but_the_mixed_one_lets_applications_administer() {
        for action in Action::ALL {
            let control = action.surface() == Surface::Control;
            for plane in [Plane::Control, Plane::Data] {
                assert!(!(control && plane.serves(PrincipalKind::Workload, action)), "{action}");
            }
            assert!(Plane::Mixed.serves(PrincipalKind::Workload, action));
            assert!(!Plane::Mixed.serves(PrincipalKind::Human, action));
            let served = control || action.is_of_own_credential();
            assert_eq!(Plane::Control.serves(PrincipalKind::Human, action), served, "{action}");
        }
    }

    #[test]
    fn whatever_takes_something_away_on_the_control_surface_is_given_a_reason() {
        for action in Action::ALL {
            let restricts = (action.surface(), action.effect()) == (Surface::Control, Effect::Restrict);
            assert!(!restricts || action.reasoning() == Reasoning::Must, "{action}");
            let changes = !matches!(action.effect(), Effect::Read | Effect::Protect | Effect::Process);
            assert!(changes || action.reasoning() == Reasoning::Never, "{action}");
            assert!(!action.takes_code_of_responder() || action.reasoning() == Reasoning::Must, "{action}");
        }
    }

    #[test]
    fn uses_of_material_are_data_surface_and_nothing_else_is_granted() {
        for action in Action::ALL {
            let uses = matches!(action.effect(), Effect::Protect | Effect::Process);
            assert!(!uses || action.is_grantable(), "{action}");
            assert!(!action.is_grantable() || action.code() < 200, "{action}");
        }
    }
}
