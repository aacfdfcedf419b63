//! A review, as it is told: its figures, and a page of its items with what is there now under each.
//!
//! What it keeps true: what is shown beside an item is as it is now, and that it differs from what the review was opened over is said.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use claviger_audit::review::{rights_of_office, rights_of_uses};
use claviger_core::capacity::Capacity;
use claviger_core::grant::{Grant, Selector};
use claviger_core::port::store::{GrantFilter, Page};
use claviger_core::principal::{Principal, Role, Status};
use claviger_core::reason::Why;
use claviger_core::review::{Review, ReviewClosed, ReviewItem, ReviewScope, ReviewSubject};
use claviger_core::{Action, GrantId, KeyRingId, PrincipalId, ReviewId, Timestamp};

use super::captions::{HasCaptions, Identified};
use super::review::{LOOKED_BACK, Rings, before};
use crate::error::ServiceError;
use crate::view::View;

/// Most rights of one item that are shown.
const MOST_SHOWN: usize = 64;

/// A review without its items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewTold {
    /// Its identifier.
    pub id: ReviewId,
    /// Whose access.
    pub scope: ReviewScope,
    /// Of which ring alone; `None` for all of them and for roles and capacities.
    pub ring: Option<KeyRingId>,
    /// SHA-256 of the population.
    pub population: [u8; 32],
    /// How many items there are.
    pub items: usize,
    /// How many of them are decided.
    pub decided: usize,
    /// How many of those are to go.
    pub to_remove: usize,
    /// Who opened it.
    pub opened_by: PrincipalId,
    /// When.
    pub opened_at: Timestamp,
    /// By when it is to be closed.
    pub due_at: Timestamp,
    /// That it was closed.
    pub closed: Option<ReviewClosed>,
    /// Why it was opened, or what was said when it was closed.
    pub reason: Option<Why>,
    /// Counts the writes of its row.
    pub revision: u64,
}

impl From<&Review> for ReviewTold {
    fn from(review: &Review) -> Self {
        Self {
            id: review.id,
            scope: review.scope,
            ring: review.ring,
            population: review.population,
            items: review.items.len(),
            decided: review.items.iter().filter(|item| item.decided.is_some()).count(),
            to_remove: review.to_remove().count(),
            opened_by: review.opened_by,
            opened_at: review.opened_at,
            due_at: review.due_at,
            closed: review.closed,
            reason: review.reason,
            revision: review.revision,
        }
    }
}

impl HasCaptions for ReviewTold {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        [self.reason].into_iter()
    }

    fn identified(&self) -> Vec<Identified> {
        let people = [self.opened_by].into_iter().chain(self.closed.map(|closed| closed.by));
        people.map(Identified::Principal).chain(self.ring.map(Identified::Ring)).collect()
    }
}

/// What was withdrawn by the close of a review.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Withdrawn {
    /// So many roles.
    pub roles: usize,
    /// So many capacities.
    pub capacities: usize,
    /// So many grants.
    pub grants: usize,
}

impl Withdrawn {
    pub(super) const fn count(self) -> usize {
        self.roles + self.capacities + self.grants
    }
}

/// A review that was closed, and what that withdrew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedReview {
    /// The review.
    pub review: ReviewTold,
    /// What was withdrawn by this call; nothing where it was closed before.
    pub withdrawn: Withdrawn,
}

impl ClosedReview {
    pub(super) fn of(review: &Review, withdrawn: Withdrawn) -> Self {
        Self { review: review.into(), withdrawn }
    }
}

impl HasCaptions for ClosedReview {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        self.review.whys()
    }

    fn identified(&self) -> Vec<Identified> {
        self.review.identified()
    }
}

/// A review with a page of its items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadableReview {
    /// The review.
    pub review: ReviewTold,
    /// Some of its items.
    pub items: Vec<ShownItem>,
    /// The place of the last of them, if there are more behind it.
    pub next: Option<u32>,
}

/// An item, with what helps to decide on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownItem {
    /// Its place, from 0 on.
    pub place: u32,
    /// As the review has it.
    pub item: ReviewItem,
    /// Grants that were not used in 90 days before the review was opened, and are older than that.
    pub unused: bool,
    /// Somebody who was not seen in 90 days before, and is there for longer than that.
    pub inactive: bool,
    /// What is there under it now, as far as it is shown. Nothing, once the review is closed.
    pub rights: Vec<ShownRight>,
    /// Is there more under it?
    pub more: bool,
    /// Does it differ from what the review was opened over?
    pub changed: bool,
    /// Is it of the person who asks, by whatever account?
    pub own: bool,
}

/// A role, a capacity or a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShownRight {
    /// A capacity.
    Capacity(Capacity),
    /// A grant.
    Grant(ShownGrant),
    /// A role.
    Role(Role),
}

/// A grant, as a review shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownGrant {
    /// Its identifier.
    pub id: GrantId,
    /// On what it is.
    pub on: Selector,
    /// What it gives.
    pub operations: Vec<Action>,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// When it was given.
    pub created_at: Timestamp,
}

impl From<&Grant> for ShownGrant {
    fn from(grant: &Grant) -> Self {
        Self {
            id: grant.id,
            on: grant.selector,
            operations: grant.operations.clone(),
            until: grant.conditions.until,
            created_at: grant.created_at,
        }
    }
}

impl HasCaptions for ReadableReview {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        self.review.whys()
    }

    fn identified(&self) -> Vec<Identified> {
        self.review.identified().into_iter().chain(self.items.iter().flat_map(of_item)).collect()
    }
}

/// What an item has by identifier.
fn of_item(shown: &ShownItem) -> Vec<Identified> {
    let mut identified = vec![Identified::Principal(shown.item.subject.principal())];
    if let ReviewSubject::Uses(_, ring) = shown.item.subject {
        identified.push(Identified::Ring(ring));
    }
    identified.extend(shown.item.decided.map(|decided| Identified::Principal(decided.by)));
    identified.extend(shown.rights.iter().filter_map(|right| match right {
        ShownRight::Capacity(capacity) => Identified::owned(*capacity),
        ShownRight::Grant(grant) => Some(grant.on.into()),
        ShownRight::Role(_) => None,
    }));
    identified
}

impl ReadableReview {
    /// The review, with the items behind that place.
    pub(super) async fn read(
        review: &Review,
        page: &Page<u32>,
        view: &View<'_>,
    ) -> Result<Self, ServiceError> {
        let first = page.after.map_or(0, |after| after.saturating_add(1));
        let from = usize::try_from(first).unwrap_or(usize::MAX);
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let mut looking = Looking::at(review);
        let mut items = Vec::new();
        for (item, place) in review.items.iter().skip(from).take(limit).zip(first..) {
            items.push(looking.shown(place, item, view).await?);
        }
        let is_more = review.items.len().saturating_sub(from) > items.len();
        let next = items.last().map(|last| last.place).filter(|_| is_more);
        Ok(Self { review: review.into(), items, next })
    }
}

/// What is there now, as far as it was looked at.
struct Looking<'a> {
    review: &'a Review,
    /// Those of whom something was used.
    were_seen: BTreeSet<PrincipalId>,
    rings: Rings,
    /// Grants of a principal, by the rings on which they are: an item of one follows the other.
    held: Option<(PrincipalId, HashMap<KeyRingId, Vec<Grant>>)>,
}

impl<'a> Looking<'a> {
    fn at(review: &'a Review) -> Self {
        let used = review.items.iter().filter(|item| item.last_used.is_some());
        let were_seen = used.map(|item| item.subject.principal()).collect();
        Self { review, were_seen, rings: Rings::default(), held: None }
    }

    async fn shown(
        &mut self,
        place: u32,
        item: &ReviewItem,
        view: &View<'_>,
    ) -> Result<ShownItem, ServiceError> {
        let id = item.subject.principal();
        let mut shown = ShownItem {
            place,
            item: *item,
            unused: false,
            inactive: !self.were_seen.contains(&id),
            rights: Vec::new(),
            more: false,
            changed: false,
            own: false,
        };
        let long_ago = before(self.review.opened_at, LOOKED_BACK);
        let principal = view.store().find_principal(id).await?;
        shown.own = principal.as_ref().is_some_and(|principal| principal.person() == view.caller_person());
        shown.inactive &= principal.as_ref().is_some_and(|principal| principal.created_at <= long_ago);
        if self.review.closed.is_some() {
            shown.unused = matches!(item.subject, ReviewSubject::Uses(..)) && item.last_used.is_none();
            return Ok(shown);
        }
        let principal = principal.filter(|principal| principal.status == Status::Active);
        match (item.subject, principal) {
            (_, None) => shown.changed = true,
            (ReviewSubject::Office(_), Some(principal)) => shown.take_office(&principal),
            (ReviewSubject::Uses(_, ring), Some(_)) => {
                let grants = self.grants(id, ring, view).await?;
                shown.take_uses(grants, (view.now, long_ago));
            }
        }
        Ok(shown)
    }

    /// What somebody was granted on a ring and its keys, and no act has ended.
    async fn grants(
        &mut self,
        holder: PrincipalId,
        ring: KeyRingId,
        view: &View<'_>,
    ) -> Result<&[Grant], ServiceError> {
        if self.held.as_ref().is_none_or(|(of, _)| *of != holder) {
            let filter = GrantFilter { principal: Some(holder), ..GrantFilter::default() };
            let mut by_ring: HashMap<_, Vec<_>> = HashMap::new();
            for grant in view.all_grants(filter).await? {
                by_ring.entry(self.rings.of(grant.selector, view).await?).or_default().push(grant);
            }
            self.held = Some((holder, by_ring));
        }
        let held = self.held.as_ref().and_then(|(_, by_ring)| by_ring.get(&ring));
        Ok(held.map(Vec::as_slice).unwrap_or_default())
    }
}

impl ShownItem {
    fn take_office(&mut self, principal: &Principal) {
        let roles: BTreeSet<_> = principal.roles.iter().copied().collect();
        let capacities: BTreeSet<_> = principal.capacities.iter().map(|held| held.capacity).collect();
        self.changed = rights_of_office(&roles, &capacities) != self.item.rights;
        let roles = roles.into_iter().map(ShownRight::Role);
        self.take(roles.chain(capacities.into_iter().map(ShownRight::Capacity)));
    }

    /// Those of these that are in force.
    fn take_uses(&mut self, grants: &[Grant], (now, long_ago): (Timestamp, Timestamp)) {
        let is_in_force = |grant: &&Grant| grant.conditions.until.is_none_or(|until| now < until);
        let in_force: BTreeMap<_, _> =
            grants.iter().filter(is_in_force).map(|grant| (grant.id, grant)).collect();
        self.changed = rights_of_uses(&in_force.keys().copied().collect()) != self.item.rights;
        let are_old = in_force.values().any(|grant| grant.created_at <= long_ago);
        self.unused = self.item.last_used.is_none() && are_old;
        self.take(in_force.into_values().map(|grant| ShownRight::Grant(grant.into())));
    }

    fn take(&mut self, rights: impl Iterator<Item = ShownRight>) {
        self.rights = rights.take(MOST_SHOWN + 1).collect();
        self.more = self.rights.len() > MOST_SHOWN;
        self.rights.truncate(MOST_SHOWN);
    }
}

#[cfg(test)]
mod tests {
    use claviger_core::KeyId;
    use claviger_core::capacity::HeldCapacity;
    use claviger_core::principal::PrincipalKind;

    use super::*;

    fn item(subject: ReviewSubject, rights: [u8; 32]) -> ShownItem {
        let item = ReviewItem { subject, rights, count: 1, last_used: None, decided: None };
        let (unused, inactive, more, changed, own) = (false, false, false, false, false);
        ShownItem { place: 0, item, unused, inactive, rights: Vec::new(), more, changed, own }
    }

    fn person(roles: &[Role], capacities: &[Capacity]) -> Principal {
        let id = PrincipalId::from_bytes([1; 16]);
        let given_by = PrincipalId::from_bytes([2; 16]);
        let held = capacities.iter().map(|capacity| HeldCapacity { capacity: *capacity, given_by });
        Principal {
            roles: roles.to_vec(),
            capacities: held.collect(),
            ..Principal::new(id, "ada".parse().unwrap(), PrincipalKind::Human, Timestamp::default())
        }
    }

    #[test]
    fn what_is_there_now_is_shown_and_that_it_is_other_than_it_was_is_said() {
        let subject = ReviewSubject::Office(PrincipalId::from_bytes([1; 16]));
        let rights = rights_of_office(&BTreeSet::from([Role::Auditor]), &BTreeSet::from([Capacity::Dpo]));
        let mut same = item(subject, rights);
        same.take_office(&person(&[Role::Auditor], &[Capacity::Dpo]));
        assert!(!same.changed && !same.more);
        assert_eq!(same.rights, [ShownRight::Role(Role::Auditor), ShownRight::Capacity(Capacity::Dpo)]);
        let mut other = item(subject, rights);
        other.take_office(&person(&[Role::Auditor], &[]));
        assert!(other.changed);
        let owned: Vec<_> = (0..=u8::try_from(MOST_SHOWN).unwrap())
            .map(|number| Capacity::KeyOwner(KeyId::from_bytes([number; 16])))
            .collect();
        let mut many = item(subject, rights);
        many.take_office(&person(&[], &owned));
        assert_eq!((many.rights.len(), many.more), (MOST_SHOWN, true));
    }
}
