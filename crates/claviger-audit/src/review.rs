//! The population of an access review: who had what at an instant, made alike out of rows and out of facts.
//!
//! What it keeps true: whoever knows all principals and active grants as they stood at one place of the log comes to the same items, without any
//! key. When something was last used is not among that: it is no state, and is what the review says of itself.

use std::collections::{BTreeMap, BTreeSet};

use claviger_core::capacity::Capacity;
use claviger_core::principal::{PrincipalKind, Role, Status};
use claviger_core::review::{ReviewItem, ReviewScope, ReviewSubject, encode_population};
use claviger_core::{GrantId, KeyRingId, PrincipalId, Timestamp};

use crate::hash::{Hash, sha256};

/// What the digest of rights is bound to.
const DOMAIN: &[u8] = b"claviger/reviewed-rights/v1\0";
/// What begins roles and capacities, and what grants.
const OFFICE: u8 = 1;
const USES: u8 = 2;

/// SHA-256 of a population: of its items, without what was decided on them.
#[must_use]
pub fn population_digest(items: &[ReviewItem]) -> Hash {
    sha256(&encode_population(items))
}

/// A principal, as far as a review looks at it.
#[derive(Clone, Copy, Debug)]
pub struct ReviewedPrincipal<'a> {
    /// Its identifier.
    pub id: PrincipalId,
    /// What it is.
    pub kind: PrincipalKind,
    /// Whether it is valid. Of one that was revoked nothing is reviewed.
    pub status: Status,
    /// Its roles.
    pub roles: &'a [Role],
}

/// A grant that no act has ended. What it gives never changes, so that its identifier stands for all of it.
#[derive(Clone, Copy, Debug)]
pub struct ReviewedGrant {
    /// Its identifier.
    pub id: GrantId,
    /// Who holds it.
    pub principal: PrincipalId,
    /// On which ring it is, or on a key of which.
    pub ring: KeyRingId,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
}

/// Who has what, as it is put together: all principals first, and then the grants.
#[derive(Clone, Debug)]
pub struct Population {
    scope: ReviewScope,
    ring: Option<KeyRingId>,
    opened_at: Timestamp,
    covered: BTreeSet<PrincipalId>,
    offices: BTreeMap<PrincipalId, (BTreeSet<Role>, BTreeSet<Capacity>)>,
    uses: BTreeMap<(PrincipalId, KeyRingId), BTreeSet<GrantId>>,
}

impl Population {
    /// Of nobody yet, for a review of that scope, of one ring alone or of all, that is opened then.
    #[must_use]
    pub const fn new(scope: ReviewScope, ring: Option<KeyRingId>, opened_at: Timestamp) -> Self {
        Self {
            scope,
            ring,
            opened_at,
            covered: BTreeSet::new(),
            offices: BTreeMap::new(),
            uses: BTreeMap::new(),
        }
    }

    /// Takes a principal with its capacities.
    pub fn principal(
        &mut self,
        principal: ReviewedPrincipal<'_>,
        capacities: impl IntoIterator<Item = Capacity>,
    ) {
        let ReviewedPrincipal { id, kind, status, roles } = principal;
        if status != Status::Active || !self.scope.covers(kind) {
            return;
        }
        self.covered.insert(id);
        let office = (roles.iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from_iter(capacities));
        let has_some = !office.0.is_empty() || !office.1.is_empty();
        if has_some && self.ring.is_none() {
            self.offices.insert(id, office);
        }
    }

    /// Takes a grant. One that has ended by itself is passed over, and so is that of somebody who is not reviewed.
    pub fn grant(&mut self, grant: ReviewedGrant) {
        let is_in_force = grant.until.is_none_or(|until| self.opened_at < until);
        let is_of_ring = self.ring.is_none_or(|ring| ring == grant.ring);
        if is_in_force && is_of_ring && self.covered.contains(&grant.principal) {
            self.uses.entry((grant.principal, grant.ring)).or_default().insert(grant.id);
        }
    }

    /// How many items there are so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offices.len() + self.uses.len()
    }

    /// Is there nothing to review?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The items, ascending, of which it is not known when they were last used.
    #[must_use]
    pub fn items(&self) -> Vec<ReviewItem> {
        let offices = self.offices.iter().map(|(principal, (roles, capacities))| {
            let count = roles.len() + capacities.len();
            item(ReviewSubject::Office(*principal), rights_of_office(roles, capacities), count)
        });
        let uses = self.uses.iter().map(|((principal, ring), grants)| {
            item(ReviewSubject::Uses(*principal, *ring), rights_of_uses(grants), grants.len())
        });
        let mut items: Vec<_> = offices.chain(uses).collect();
        items.sort_by_key(|item| item.subject);
        items
    }
}

/// The digest of roles and capacities that somebody holds.
#[must_use]
pub fn rights_of_office(roles: &BTreeSet<Role>, capacities: &BTreeSet<Capacity>) -> Hash {
    let mut bytes = [DOMAIN, &[OFFICE]].concat();
    let roles = roles.iter().map(|role| role.name().to_owned());
    for text in roles.chain(capacities.iter().map(ToString::to_string)) {
        bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    sha256(&bytes)
}

/// The digest of grants that somebody holds on a ring and its keys.
#[must_use]
pub fn rights_of_uses(grants: &BTreeSet<GrantId>) -> Hash {
    let mut bytes = [DOMAIN, &[USES]].concat();
    grants.iter().for_each(|grant| bytes.extend_from_slice(grant.as_bytes()));
    sha256(&bytes)
}

fn item(subject: ReviewSubject, rights: Hash, count: usize) -> ReviewItem {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    ReviewItem { subject, rights, count, last_used: None, decided: None }
}

#[cfg(test)]
mod tests {
    use claviger_core::KeyId;
    use claviger_core::review::Review;

    use super::*;

    const RING: KeyRingId = KeyRingId::from_bytes([7; 16]);
    const OTHER: KeyRingId = KeyRingId::from_bytes([8; 16]);

    fn id(number: u8) -> PrincipalId {
        PrincipalId::from_bytes([number; 16])
    }

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn principal(number: u8, kind: PrincipalKind, roles: &[Role]) -> ReviewedPrincipal<'_> {
        ReviewedPrincipal { id: id(number), kind, status: Status::Active, roles }
    }

    fn grant(number: u8, to: u8, ring: KeyRingId) -> ReviewedGrant {
        ReviewedGrant { id: GrantId::from_bytes([number; 16]), principal: id(to), ring, until: None }
    }

    fn subjects(population: &Population) -> Vec<ReviewSubject> {
        population.items().iter().map(|item| item.subject).collect()
    }

    /// A security officer, a person without a role who answers for a key, one who was revoked, an application, a part of the system; and
    /// grants.
    fn of(scope: ReviewScope, ring: Option<KeyRingId>) -> Population {
        let mut population = Population::new(scope, ring, at(100));
        let owner = Capacity::KeyOwner(KeyId::from_bytes([9; 16]));
        population.principal(principal(1, PrincipalKind::Human, &[Role::SecurityOfficer]), []);
        population.principal(principal(2, PrincipalKind::Human, &[]), [owner]);
        let gone = ReviewedPrincipal {
            status: Status::Revoked,
            ..principal(3, PrincipalKind::Human, &[Role::Auditor])
        };
        population.principal(gone, [Capacity::Ciso]);
        population.principal(principal(4, PrincipalKind::Workload, &[]), []);
        population.principal(principal(5, PrincipalKind::System, &[]), []);
        population.principal(principal(6, PrincipalKind::Human, &[]), []);
        for one in [grant(1, 4, RING), grant(2, 4, RING), grant(3, 4, OTHER), grant(4, 3, RING)] {
            population.grant(one);
        }
        population.grant(ReviewedGrant { until: Some(at(101)), ..grant(5, 6, RING) });
        population.grant(ReviewedGrant { until: Some(at(100)), ..grant(6, 2, RING) });
        population
    }

    #[test]
    fn who_has_something_is_reviewed_and_nobody_else() {
        let (office, uses) = (
            |number| ReviewSubject::Office(id(number)),
            |number, ring| ReviewSubject::Uses(id(number), ring),
        );
        let all = of(ReviewScope::All, None);
        assert_eq!(
            subjects(&all),
            [office(1), office(2), uses(4, RING), uses(4, OTHER), uses(6, RING)],
            "{all:?}"
        );
        assert_eq!(subjects(&of(ReviewScope::Humans, None)), [office(1), office(2), uses(6, RING)]);
        assert_eq!(subjects(&of(ReviewScope::Workloads, None)), [uses(4, RING), uses(4, OTHER)]);
        // Of one ring, roles and capacities are no part.
        assert_eq!(subjects(&of(ReviewScope::All, Some(RING))), [uses(4, RING), uses(6, RING)]);
        assert!(of(ReviewScope::Humans, Some(OTHER)).is_empty());
        let counts: Vec<_> = all.items().iter().map(|item| item.count).collect();
        assert_eq!((counts, all.len()), (vec![1, 1, 2, 1, 1], 5));
        assert!(Review::are_listed(&all.items()));
    }

    #[test]
    fn the_same_rights_have_one_digest_in_whatever_order_they_come() {
        let with = |roles: &[Role], capacities: &[Capacity], grants: &[u8]| {
            let mut population = Population::new(ReviewScope::All, None, at(1));
            population.principal(principal(1, PrincipalKind::Human, roles), capacities.iter().copied());
            grants.iter().for_each(|number| population.grant(grant(*number, 1, RING)));
            population_digest(&population.items())
        };
        let (both, turned) = ([Role::Administrator, Role::Responder], [Role::Responder, Role::Administrator]);
        let capacities = [Capacity::Dpo, Capacity::Ciso];
        let same = with(&both, &capacities, &[1, 2]);
        assert_eq!(with(&turned, &[Capacity::Ciso, Capacity::Dpo], &[2, 1, 2]), same);
        for other in [
            with(&both[..1], &capacities, &[1, 2]),
            with(&both, &capacities[..1], &[1, 2]),
            with(&both, &capacities, &[1, 3]),
            with(&both, &capacities, &[]),
            with(&[], &[], &[1, 2]),
        ] {
            assert_ne!(other, same);
        }
    }
}
