//! What an operation wants written. Operations stage changes; the road writes them, with their entry or not at all.

use std::sync::Arc;

use crate::alias::Alias;
use crate::asset::Asset;
use crate::declaration::Declaration;
use crate::grant::Grant;
use crate::key::{Key, KeyRing, KeyVersion, PolicyDocument, Separation};
use crate::log_time::TimeRecord;
use crate::node::Node;
use crate::object::{Object, RowCursor};
use crate::principal::{Credential, Principal};
use crate::reason::ReasonRecord;
use crate::rights_review::RightsReview;
use crate::time::Timestamp;
use crate::{CredentialId, GrantId, KeyId, KeyRingId, KeyVersionId, PrincipalId, ReasonId};

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
    /// Writes an alias.
    PutAlias(Alias),
    /// Writes a data asset.
    PutAsset(Asset),
    /// Writes a credential.
    PutCredential(Credential),
    /// Writes a declaration.
    PutDeclaration(Declaration),
    /// Says how far the rows that stood before there were facts are recorded.
    PutFactHead(Option<RowCursor>),
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

/// A row with a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Row {
    /// A credential.
    Credential(CredentialId),
    /// A grant.
    Grant(GrantId),
    /// A key.
    Key(KeyId),
    /// A principal.
    Principal(PrincipalId),
    /// A ring.
    Ring(KeyRingId),
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
}

impl Dependencies {
    /// Does the call depend on what `restriction` is about?
    #[must_use]
    pub fn include(&self, restriction: Restriction) -> bool {
        match restriction {
            Restriction::Credential(id) => self.credential == Some(id),
            Restriction::Grant(id, holder) => {
                self.principal == Some(holder)
                    || self.chain.as_ref().is_some_and(|chain| chain.grants.contains(&id))
            }
            Restriction::Principal(id) => {
                self.principal == Some(id)
                    || self.chain.as_ref().is_some_and(|chain| chain.principals.contains(&id))
            }
            Restriction::Key(id) => self.key == Some(id) || self.other_key == Some(id),
            Restriction::Ring(id) => self.ring == Some(id) || self.other_ring == Some(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn joined_chains_have_what_either_has() {
        let one = Some(Arc::new(Chain::new([grant(1)], [principal(1)])));
        let other = Some(Arc::new(Chain::new([grant(2)], [principal(1)])));
        assert_eq!(Chain::join(one.clone(), None), one);
        assert_eq!(Chain::join(None, other.clone()), other);
        let both = Chain::join(one, other).unwrap();
        assert_eq!(*both, Chain::new([grant(1), grant(2)], [principal(1)]));
    }
}
