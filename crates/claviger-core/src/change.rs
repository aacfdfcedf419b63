//! What an operation wants written. Operations stage changes; the road writes them, with their entry or not at all.

use std::sync::Arc;

use crate::alert::Alert;
use crate::alias::Alias;
use crate::approval::{Approval, Decided};
use crate::asset::Asset;
use crate::break_glass::BreakGlass;
use crate::declaration::Declaration;
use crate::governance::Governance;
use crate::grant::Grant;
use crate::key::{Key, KeyRing, KeyVersion, PolicyDocument, Separation};
use crate::log_time::TimeRecord;
use crate::node::Node;
use crate::object::{Object, RowCursor};
use crate::principal::{Credential, Principal};
use crate::reason::ReasonRecord;
use crate::review::Review;
use crate::rights_review::RightsReview;
use crate::time::Timestamp;
use crate::{
    AlertId, ApprovalId, BreakGlassId, CredentialId, DeclarationId, GovernanceId, GrantId, KeyId, KeyRingId,
    KeyVersionId, PrincipalId, ReasonId, ReviewId,
};

/// One row to write. `revision` is that of the row it was computed from, 0 for a row that must not exist yet; the store
/// writes `revision + 1`, and refuses the whole set of changes when another write came in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds to the count of uses of a version whose primitive has a limit. Commutes with every other change.
    CountUses {
        /// The version.
        version: KeyVersionId,
        /// How many uses on new data.
        uses: u64,
    },
    /// Compares and writes nothing: a conflict when it does not hold in the transaction of the other changes.
    Expect(Expectation),
    /// Writes nothing: the other changes hold only while the ring has none of this.
    ExpectNone {
        /// The ring.
        ring: KeyRingId,
        /// What it must not have.
        unwanted: RingLife,
    },
    /// Writes nothing: the other changes hold only if the key has no alias once they are written.
    ExpectNoAlias(KeyId),
    /// Says which digest the newest fact of rows has: of those that are written with it, or of those that stand.
    NoteFacts(Vec<(Object, [u8; 32])>),
    /// Writes an alert.
    PutAlert(Alert),
    /// Writes an alias.
    PutAlias(Alias),
    /// Writes what somebody asked for that others must approve.
    PutApproval(Approval),
    /// Writes a data asset.
    PutAsset(Asset),
    /// Writes an emergency access.
    PutBreakGlass(BreakGlass),
    /// Writes a credential.
    PutCredential(Credential),
    /// Writes a declaration.
    PutDeclaration(Declaration),
    /// Says how far the rows that stood before there were facts are recorded.
    PutFactHead(Option<RowCursor>),
    /// Writes the rules of the deployment.
    PutGovernance(Governance),
    /// Writes a grant.
    PutGrant(Grant),
    /// Remembers a creating call, so that its repetition finds what the first one made.
    PutIdempotency(IdempotencyRecord),
    /// Writes a key.
    PutKey(Key),
    /// Writes what is remembered of the log's time.
    PutLogTime(TimeRecord),
    /// Keeps the document of a key's policy, in place of the one before.
    PutPolicyDocument(PolicyDocument),
    /// Writes a node, as it says that it is.
    PutNode(Node),
    /// Writes a principal.
    PutPrincipal(Principal),
    /// Writes a reason.
    PutReason(ReasonRecord),
    /// Writes an access review.
    PutReview(Review),
    /// Writes a review of rights.
    PutRightsReview(RightsReview),
    /// Writes a ring.
    PutRing(KeyRing),
    /// Keeps a key that seals fields of facts.
    PutVeil(VeilRecord),
    /// Writes a key version.
    PutVersion(KeyVersion),
    /// Seals the text of a reason that an older release kept in clear. The row stays at its revision: it says what it said.
    SealReason {
        /// The reason.
        id: ReasonId,
        /// The text, sealed.
        sealed: Vec<u8>,
    },
    /// Takes an alias away, if it is still as it stands here.
    RemoveAlias(Alias),
    /// Takes a key away that seals fields of facts, and with it what it discloses.
    RemoveVeil(VeilName),
}

/// What lives in a ring, as far as changes of its policy depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingLife {
    /// Keys that are not destroyed.
    pub keys: bool,
    /// Keys whose destruction is scheduled.
    pub scheduled_destructions: bool,
}

impl Change {
    /// Does it change a row? An expectation does not.
    #[must_use]
    pub const fn writes(&self) -> bool {
        !matches!(self, Self::Expect(_) | Self::ExpectNoAlias(_) | Self::ExpectNone { .. })
    }

    /// The principal is still as it was read.
    #[must_use]
    pub const fn expect_principal(principal: &Principal) -> Self {
        let row = Row::Principal(principal.id);
        Self::Expect(Expectation::Revision { row, revision: principal.revision })
    }

    /// The credential is still as it was read.
    #[must_use]
    pub const fn expect_credential(credential: &Credential) -> Self {
        let row = Row::Credential(credential.id);
        Self::Expect(Expectation::Revision { row, revision: credential.revision })
    }

    /// The ring is still as it was read.
    #[must_use]
    pub const fn expect_ring(ring: &KeyRing) -> Self {
        Self::Expect(Expectation::Revision { row: Row::Ring(ring.id), revision: ring.revision })
    }
}

/// What a decision was based on and must still be so when it is committed. It is compared before any change of its set is
/// written, so it is about the rows as they were before the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// No [mixed use](crate::port::store::MixedUse) of the ring's keys.
    NoMixedUse {
        /// The ring.
        ring: KeyRingId,
    },
    /// No grant by `by` to `to` is active on a strict ring, or on a key of one.
    NoStrictGrant {
        /// Who was given none.
        to: PrincipalId,
        /// Who gave none.
        by: PrincipalId,
    },
    /// The row has this revision, 0 for one that is not there.
    Revision {
        /// The row.
        row: Row,
        /// Its revision.
        revision: u64,
    },
    /// The active grants of the principal are on rings, or on keys of rings, of this separation at most.
    UsesWithin {
        /// The principal.
        principal: PrincipalId,
        /// The strictest ring; `None` when there are no active grants.
        strictest: Option<Separation>,
    },
}

/// A row with a revision, as far as decisions rest on such.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Row {
    /// An alert.
    Alert(AlertId),
    /// What somebody asked for that others must approve.
    Approval(ApprovalId),
    /// An emergency access.
    BreakGlass(BreakGlassId),
    /// A credential.
    Credential(CredentialId),
    /// A declaration.
    Declaration(DeclarationId),
    /// The rules of the deployment.
    Governance(GovernanceId),
    /// A grant.
    Grant(GrantId),
    /// A key.
    Key(KeyId),
    /// A principal.
    Principal(PrincipalId),
    /// A reason.
    Reason(ReasonId),
    /// An access review.
    Review(ReviewId),
    /// A ring.
    Ring(KeyRingId),
    /// A version. The count of its uses is no part of its revision.
    Version(KeyVersionId),
}

impl Row {
    /// The row of an object; `None` of such as no decision rests on.
    #[must_use]
    pub const fn of(object: Object) -> Option<Self> {
        Some(match object {
            Object::Alert(id) => Self::Alert(id),
            Object::Approval(id) => Self::Approval(id),
            Object::BreakGlass(id) => Self::BreakGlass(id),
            Object::Credential(id) => Self::Credential(id),
            Object::Declaration(id) => Self::Declaration(id),
            Object::Governance(id) => Self::Governance(id),
            Object::Grant(id) => Self::Grant(id),
            Object::Key(id) => Self::Key(id),
            Object::Principal(id) => Self::Principal(id),
            Object::Reason(id) => Self::Reason(id),
            Object::Review(id) => Self::Review(id),
            Object::Ring(id) => Self::Ring(id),
            Object::Version(id) => Self::Version(id),
            Object::Alias(_) | Object::Asset(_) | Object::Node(_) | Object::RightsReview(_) => return None,
        })
    }
}

/// A key that seals what facts say of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VeilRecord {
    /// Whose it is.
    pub name: VeilName,
    /// The key, sealed: opaque to the store.
    pub sealed: Vec<u8>,
}

/// What a key seals: the kind of the object, and its identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VeilName {
    /// The kind, by the number that facts have for it.
    pub kind: u8,
    /// The identifier.
    pub id: [u8; 16],
}

impl VeilName {
    /// Kind and identifier.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 17] {
        let mut bytes = [self.kind; 17];
        bytes[1..].copy_from_slice(&self.id);
        bytes
    }

    /// The name that reads so.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 17]) -> Self {
        let [kind, id @ ..] = bytes;
        Self { kind, id }
    }
}

/// A creating call that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// The principal that called.
    pub principal: PrincipalId,
    /// SHA-256 of the caller's idempotency key.
    pub key_digest: [u8; 32],
    /// Digest of what was asked.
    pub request_digest: [u8; 32],
    /// Of what it is the digest.
    pub scheme: RequestScheme,
    /// What it made.
    pub created: [u8; 16],
    /// When it was answered.
    pub created_at: Timestamp,
}

/// Of what the digest of a request is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum RequestScheme {
    /// Of text that other builds of the program write differently: it says nothing to them.
    Text,
    /// Of the request's canonical encoding.
    Governed,
}

impl RequestScheme {
    /// Its number in the store.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Text => 0,
            Self::Governed => 1,
        }
    }

    /// The one with that number.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Text),
            1 => Some(Self::Governed),
            _ => None,
        }
    }
}

/// One thing that a change restricts: a call that rests on it, and was decided before, must be decided again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Restriction {
    /// A credential.
    Credential(CredentialId),
    /// A grant, with its holder. Every call of the holder counts as resting on it, and every call by a right that was passed on
    /// from it, however far.
    Grant(GrantId, PrincipalId),
    /// A key with all its versions.
    Key(KeyId),
    /// A principal.
    Principal(PrincipalId),
    /// A ring with all its keys.
    Ring(KeyRingId),
}

/// What a right that was passed on depends on beyond its holder: the grants that it rests on, and who passed it on, up to
/// what was given under a role.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Chain {
    grants: Box<[GrantId]>,
    principals: Box<[PrincipalId]>,
}

impl Chain {
    /// A chain of these.
    #[must_use]
    pub fn new(
        grants: impl IntoIterator<Item = GrantId>,
        principals: impl IntoIterator<Item = PrincipalId>,
    ) -> Self {
        let (mut grants, mut principals) = (Vec::from_iter(grants), Vec::from_iter(principals));
        grants.sort_unstable();
        grants.dedup();
        principals.sort_unstable();
        principals.dedup();
        Self { grants: grants.into(), principals: principals.into() }
    }

    /// The grants, each once.
    #[must_use]
    pub fn grants(&self) -> &[GrantId] {
        &self.grants
    }

    /// The principals, each once.
    #[must_use]
    pub fn principals(&self) -> &[PrincipalId] {
        &self.principals
    }

    /// What depends on either depends on both together. Nothing is made anew where one is enough.
    #[must_use]
    pub fn join(one: Option<Arc<Self>>, other: Option<Arc<Self>>) -> Option<Arc<Self>> {
        match (one, other) {
            (None, only) | (only, None) => only,
            (Some(one), Some(other)) if one == other => Some(one),
            (Some(one), Some(other)) => Some(Arc::new(Self::new(
                one.grants.iter().chain(&other.grants).copied(),
                one.principals.iter().chain(&other.principals).copied(),
            ))),
        }
    }
}

/// Who approved what a call does, and the credentials by whose certificates they did: it depends on each of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Approvers {
    principals: Box<[PrincipalId]>,
    credentials: Box<[CredentialId]>,
}

impl Approvers {
    /// Those who made these decisions.
    #[must_use]
    pub fn new<'d>(decisions: impl IntoIterator<Item = &'d Decided>) -> Self {
        let decided = decisions.into_iter().map(|decided| (decided.by, decided.credential));
        let (principals, credentials): (Vec<_>, Vec<_>) = decided.unzip();
        Self { principals: principals.into(), credentials: credentials.into() }
    }
}

/// What a decided call rests on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dependencies {
    /// The caller.
    pub principal: Option<PrincipalId>,
    /// The credential of that caller.
    pub credential: Option<CredentialId>,
    /// The key.
    pub key: Option<KeyId>,
    /// The ring.
    pub ring: Option<KeyRingId>,
    /// Another key, of a call about two.
    pub other_key: Option<KeyId>,
    /// That key's ring.
    pub other_ring: Option<KeyRingId>,
    /// What the rights of the call depend on that were passed on; `None` for rights that were given under a role.
    pub chain: Option<Arc<Chain>>,
    /// Who approved what it does; `None` where nobody must.
    pub approvers: Option<Arc<Approvers>>,
}

impl Dependencies {
    /// Does the call depend on what `restriction` is about?
    #[must_use]
    pub fn include(&self, restriction: Restriction) -> bool {
        match restriction {
            Restriction::Credential(id) => {
                self.credential == Some(id)
                    || self.approvers.as_ref().is_some_and(|approvers| approvers.credentials.contains(&id))
            }
            Restriction::Grant(id, holder) => {
                self.principal == Some(holder)
                    || self.chain.as_ref().is_some_and(|chain| chain.grants.contains(&id))
            }
            Restriction::Principal(id) => {
                self.principal == Some(id)
                    || self.chain.as_ref().is_some_and(|chain| chain.principals.contains(&id))
                    || self.approvers.as_ref().is_some_and(|approvers| approvers.principals.contains(&id))
            }
            Restriction::Key(id) => self.key == Some(id) || self.other_key == Some(id),
            Restriction::Ring(id) => self.ring == Some(id) || self.other_ring == Some(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::Verdict;
    use crate::declaration::SigningMethod;
    use crate::object::Kind;

    fn grant(number: u8) -> GrantId {
        GrantId::from_bytes([number; 16])
    }

    fn principal(number: u8) -> PrincipalId {
        PrincipalId::from_bytes([number; 16])
    }

    #[test]
    fn a_call_depends_on_every_grant_and_principal_of_its_chain_and_on_no_other() {
        let chain = Some(Arc::new(Chain::new([grant(2), grant(1), grant(2)], [principal(7)])));
        let call = Dependencies { principal: Some(principal(9)), chain, ..Dependencies::default() };
        for taken in [
            Restriction::Grant(grant(1), principal(7)),
            Restriction::Grant(grant(2), principal(3)),
            Restriction::Grant(grant(5), principal(9)),
            Restriction::Principal(principal(7)),
            Restriction::Principal(principal(9)),
        ] {
            assert!(call.include(taken), "{taken:?}");
        }
        // Another grant of one who passed the right on takes nothing away.
        for other in [Restriction::Grant(grant(5), principal(7)), Restriction::Principal(principal(3))] {
            assert!(!call.include(other), "{other:?}");
        }
    }

    #[test]
    fn a_call_depends_on_each_who_approved_it_and_on_how_they_did() {
        let credential = |number: u8| CredentialId::from_bytes([number; 16]);
        let decided = |number: u8| Decided {
            verdict: Verdict::Approve,
            by: principal(number),
            credential: credential(number + 10),
            public_key: vec![1],
            method: SigningMethod::Ed25519,
            signature: vec![1],
            signed_at: Timestamp::default(),
            at: Timestamp::default(),
        };
        let decisions = [decided(1), decided(2)];
        let approvers = Some(Arc::new(Approvers::new(&decisions)));
        let call = Dependencies {
            principal: Some(principal(9)),
            credential: Some(credential(9)),
            approvers,
            ..Dependencies::default()
        };
        for taken in [1, 2, 9].map(principal).map(Restriction::Principal) {
            assert!(call.include(taken), "{taken:?}");
        }
        for taken in [11, 12, 9].map(credential).map(Restriction::Credential) {
            assert!(call.include(taken), "{taken:?}");
        }
        // What else approvers have is no part of it.
        for other in [
            Restriction::Principal(principal(3)),
            Restriction::Credential(credential(1)),
            Restriction::Grant(grant(1), principal(1)),
        ] {
            assert!(!call.include(other), "{other:?}");
        }
    }

    #[test]
    fn every_row_that_decisions_rest_on_is_known_by_its_object() {
        let without = [Kind::Alias, Kind::Asset, Kind::Node, Kind::RightsReview];
        for kind in Kind::ALL {
            let id =
                [vec![7; 16], if kind == Kind::Version { vec![0, 0, 0, 1] } else { Vec::new() }].concat();
            let row = Row::of(Object::from_id(kind, &id).unwrap());
            assert_eq!(row.is_none(), without.contains(&kind), "{kind}");
        }
    }

    #[test]
    fn joined_chains_have_what_either_has() {
        let one = Some(Arc::new(Chain::new([grant(1)], [principal(1)])));
        let other = Some(Arc::new(Chain::new([grant(2)], [principal(1)])));
        assert_eq!(Chain::join(one.clone(), None), one);
        assert_eq!(Chain::join(None, other.clone()), other);
        let both = Chain::join(one, other).unwrap();
        assert_eq!(*both, Chain::new([grant(1), grant(2)], [principal(1)]));
    }
}
