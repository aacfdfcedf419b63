//! Approvals: what one person asked for, and what others decide on it.

use claviger_core::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::break_glass::BreakGlass;
use super::credential::CreatedCredential;
use super::declaration::Declaration;
use super::governance::Governance;
use super::grant::Grant;
use super::key::Key;
use super::principal::Principal;
use super::ring::Ring;
use super::text::{
    ActionWord, ApprovalIdText, ApprovalStateWord, EligibleWord, KeyRingIdText, NameText, ObjectText,
    OutcomeWord, PrincipalIdText, ReasonCodeWord, Sha256, Sha256Text, SigningMethodWord, VerdictWord,
    WhichApprovalsWord,
};
use super::{Base64Bytes, Instant, Pairs, Reason};
use crate::profile::HolderSignature;

/// How an approval stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum ApprovalState {
    /// Whoever asked gave it up, or a security officer or a responder stopped it.
    Cancelled,
    /// Somebody denied it.
    Denied,
    /// It was done.
    Executed,
    /// Nobody did it in time.
    Expired,
    /// Something that it was decided on has changed since.
    Moved,
    /// Not enough people have approved yet.
    Open,
    /// Enough have: whoever asked can have it done.
    Ready,
}

claviger_core::named! {
    /// Text that is not the state of an approval.
    ApprovalState, "the state of an approval" {
        Cancelled = "cancelled",
        Denied = "denied",
        Executed = "executed",
        Expired = "expired",
        Moved = "moved",
        Open = "open",
        Ready = "ready",
    }
}

/// Which approvals a list has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum WhichApprovals {
    /// Those of which nothing comes any more.
    Ended,
    /// Those that can still be decided or done.
    Open,
}

claviger_core::named! {
    /// Text that does not say which approvals.
    WhichApprovals, "a choice of approvals" {
        Ended = "ended",
        Open = "open",
    }
}

/// What somebody asked for that others must approve, with what they decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Approval {
    /// Its identifier.
    pub id: ApprovalIdText,
    /// What was asked for.
    pub action: ActionWord,
    /// How it stands.
    pub state: ApprovalStateWord,
    /// Who asked.
    pub requester: NamedPrincipal,
    /// The ring whose rule asks for approval; `null` where that of the deployment does.
    #[schema(required)]
    pub ring: Option<NamedRing>,
    /// How many others must approve.
    pub quorum: u8,
    /// Who they may be.
    pub eligible: EligibleWord,
    /// How many persons approved it who may still; once it has ended, how many did.
    pub approved: u8,
    /// When it was asked for.
    pub requested_at: Instant,
    /// From then on it is neither decided nor done.
    pub expires_at: Instant,
    /// SHA-256 of the form that approvers sign.
    pub digest: Sha256Text,
    /// That form: all that was asked for, in one encoding (CBOR). Absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Base64Bytes>,
    /// Why it was asked for. Absent where nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What it was asked of: it is done only while each is at its revision.
    pub rows: Vec<SeenRow>,
    /// What was decided, in the order in which it came.
    pub decisions: Vec<Decision>,
    /// Which steps of a plan were done, in that order. Absent of anything else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub done: Vec<DoneStep>,
    /// Its end; `null` before. What nobody did in time has none of its own: its `state` says so.
    #[schema(required)]
    pub ended: Option<ApprovalEnded>,
    /// Names of what is here by identifier, by that identifier. Absent in lists.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub names: Pairs,
    /// Counts its changes; the ETag of a read.
    pub revision: u64,
}

/// A principal, by identifier and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NamedPrincipal {
    /// Its identifier.
    pub id: PrincipalIdText,
    /// Its name. Absent where it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<NameText>,
}

/// A ring, by identifier and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NamedRing {
    /// Its identifier.
    pub id: KeyRingIdText,
    /// Its name. Absent where it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<NameText>,
}

/// Something that an approval was asked of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ApprovedRow)]
pub struct SeenRow {
    /// What.
    pub object: ObjectText,
    /// At which revision.
    pub revision: u64,
    /// What it is called; `null` for what has no name, or none that can be read.
    #[serde(default)]
    #[schema(example = "orders/main", required)]
    pub name: Option<String>,
}

/// A step of a plan that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DoneStep {
    /// Its place in the plan, from 0.
    pub step: u16,
    /// What of the plan's `rows` it wrote, with the revisions that they have since: steps that follow are done only while each is at that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moved: Vec<SeenRow>,
}

/// What one person decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    /// What.
    pub verdict: VerdictWord,
    /// Who.
    pub by: NamedPrincipal,
    /// When it came in.
    pub at: Instant,
}

/// The end of an approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalEnded {
    /// How.
    pub outcome: OutcomeWord,
    /// When.
    pub at: Instant,
    /// By whom.
    pub by: NamedPrincipal,
}

/// Approves or denies, signed by the key of the certificate that the call is made with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideApproval {
    /// SHA-256 of the form that is decided on: what the caller made out of it, and not what the server says that it is.
    pub digest: Sha256Text,
    /// The certificate that the call is made with (DER). Nothing but its public key is kept.
    pub certificate: Base64Bytes,
    /// How it is signed.
    pub method: SigningMethodWord,
    /// The signature over `claviger/decision/v1`, a zero byte, the digest, one byte that is 1 to approve and 0 to deny, and `signed_at` as
    /// 8 bytes, big-endian, of microseconds since 1970.
    pub signature: Base64Bytes,
    /// When it was signed: within five minutes of the server's clock.
    pub signed_at: Instant,
    /// Why: 1 to 1024 bytes without control characters. Whoever denies must say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "compared with ticket 4711")]
    pub reason: Option<String>,
    /// The same in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<ReasonCodeWord>,
}

impl DecideApproval {
    /// A decision on what has this digest, with the signature of who decides. No reason is given yet.
    #[must_use]
    pub fn signed(digest: [u8; 32], signed_at: Timestamp, by: HolderSignature) -> Self {
        Self {
            digest: Sha256(digest).into(),
            certificate: by.certificate.into(),
            method: by.method.into(),
            signature: by.signature.into(),
            signed_at: signed_at.into(),
            reason: None,
            reason_code: None,
        }
    }
}

/// What was done by an approval.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ExecutedApproval {
    /// The approval.
    pub approval: ApprovalIdText,
    /// What was done.
    pub action: ActionWord,
    /// Index of the entry in the audit log that records it.
    pub entry: u64,
    /// What came of it.
    pub result: ExecutedResult,
}

/// What came of what was approved, as `{"key": {...}}`: the same as the call itself answers.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExecutedResult {
    /// Emergency access that was opened.
    BreakGlass(Box<BreakGlass>),
    /// A credential that was made, with its secret if it has one.
    Credential(Box<CreatedCredential>),
    /// What was declared or withdrawn.
    Declaration(Box<Declaration>),
    /// The rules of the deployment.
    Governance(Box<Governance>),
    /// A grant that was given.
    Grant(Box<Grant>),
    /// A key.
    Key(Box<Key>),
    /// A plan, all of whose steps were done.
    Plan(Box<Approval>),
    /// A principal.
    Principal(Box<Principal>),
    /// A reason whose text was erased.
    Reason(Box<Reason>),
    /// A ring.
    Ring(Box<Ring>),
}

/// Which approvals to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListApprovals {
    /// Only those that can still be decided or done (`open`), or of which nothing comes any more (`ended`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<WhichApprovalsWord>,
    /// Where to begin: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many at most: 1 to 1000, 100 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}
