//! Access reviews: who has what is looked at, decided on, and what is to go is withdrawn.
//!
//! What it keeps true:
//! * the population is what there was right before the entry that opens the review: it is read whole, and written only while no principal and
//!   no grant was written since;
//! * nobody decides on an item that is about them, by whatever account, and nobody decides otherwise what was decided;
//! * decisions on one review write a bounded number of bytes, however few items each is about;
//! * what is to go goes in the commit that closes the review, with an entry for each act, by the rules of that act: nobody withdraws their own
//!   roles, and the last who can govern stay.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use claviger_access::separation::check_role_withdrawal;
use claviger_audit::review::{Population, ReviewedGrant, ReviewedPrincipal, population_digest};
use claviger_core::change::{Change, Restriction};
use claviger_core::grant::{EndedBy, Grant, Selector};
use claviger_core::port::store::{GrantFilter, Page, ReviewFilter};
use claviger_core::principal::{Principal, Status};
use claviger_core::reason::Why;
use claviger_core::review::{
    ItemDecision, Review, ReviewClosed, ReviewDecision, ReviewItem, ReviewScope, ReviewSubject,
};
use claviger_core::{Action, KeyId, KeyRingId, PrincipalId, ReviewId, Timestamp};

use super::governance::check_leaving_together;
use super::reviewed::{ClosedReview, ReadableReview, ReviewTold, Withdrawn};
use super::search::principals;
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::log::last_seen::LastSeen;
use crate::log::name_damage;
use crate::record::{EntryDetail, SubAction, reference};
use crate::reference::{PrincipalRef, RingRef, TargetRef};
use crate::view::View;
use crate::work::Class;

/// How long a review can be open before it is overdue, at least and at most.
const LEAST_DUE: Duration = Duration::from_secs(86_400);
const MOST_DUE: Duration = Duration::from_secs(180 * 86_400);
/// So far back it is looked when something was last used, and who was last seen: the defaults of `grant_unused_days` and
/// `inactive_disable_days`.
pub(super) const LOOKED_BACK: Duration = Duration::from_secs(90 * 86_400);
/// Rows that are read at once.
const AT_ONCE: u32 = 1000;
/// Reviews that are read at once: each with all its items.
const REVIEWS_AT_ONCE: u32 = 16;
/// Most items that one call decides on.
const MOST_DECIDED: usize = 1000;
/// Bytes of an item at most: each decision writes all items of the review, in its row and, for good, in the log.
const ITEM: u64 = 103;
/// So many bytes are written by decisions on any number of items; from then on each is on so many at least, as long as so many are left.
const WRITTEN_FREELY: u64 = 32 << 20;
const LEAST_DECIDED: usize = 64;
/// Most rights that one commit withdraws.
const MOST_WITHDRAWN: usize = 512;
/// A day, in microseconds.
const DAY: u64 = 86_400_000_000;

/// Opens a review over what there is.
#[derive(Debug)]
pub struct OpenReview {
    scope: ReviewScope,
    ring: Option<RingRef>,
    due_in: Duration,
    /// What the log says of uses: read once, however often the call runs again because others were faster.
    seen: OnceLock<Arc<LastSeen>>,
}

impl OpenReview {
    /// Of whose access; of which ring alone, or of all and of roles and capacities as well; and in what time it is to be closed.
    #[must_use]
    pub const fn new(scope: ReviewScope, ring: Option<RingRef>, due_in: Duration) -> Self {
        Self { scope, ring, due_in, seen: OnceLock::new() }
    }

    async fn seen(&self, view: &View<'_>) -> Result<Arc<LastSeen>, ServiceError> {
        if let Some(seen) = self.seen.get() {
            return Ok(Arc::clone(seen));
        }
        let (size, _) = view.log.sizes().await?;
        let (log, principals) = (view.log.clone(), principals(view));
        let since = before(view.now, LOOKED_BACK);
        let scan = view
            .work(Class::Scan, move |at| log.last_seen(at, &principals, since, size).map_err(name_damage));
        let seen = Arc::new(scan.await?);
        Ok(Arc::clone(self.seen.get_or_init(|| seen)))
    }

    /// The items, with when each was last used.
    async fn items(
        &self,
        view: &View<'_>,
        ring: Option<KeyRingId>,
        seen: &LastSeen,
    ) -> Result<Vec<ReviewItem>, ServiceError> {
        let mut rings = Rings::default();
        let mut items = population(view, (self.scope, ring), &mut rings).await?.items();
        if items.is_empty() {
            let message = "nobody of whom that would be reviewed has anything; choose another scope or ring";
            return Err(ServiceError::new(ErrorKind::WrongState, message));
        }
        let mut used: HashMap<(PrincipalId, KeyRingId), Timestamp> = HashMap::new();
        for ((principal, key), at) in &seen.used {
            let ring = rings.of(Selector::Key(*key), view).await?;
            used.entry((*principal, ring)).and_modify(|last| *last = (*at).max(*last)).or_insert(*at);
        }
        for item in &mut items {
            let last = match item.subject {
                ReviewSubject::Office(principal) => seen.seen.get(&principal),
                ReviewSubject::Uses(principal, ring) => used.get(&(principal, ring)),
            };
            // The day is enough for who decides, and more than that is nobody's business for as long as the row is there.
            item.last_used = last.map(|at| Timestamp::from_micros(at.utc_day() * DAY));
        }
        Ok(items)
    }
}

impl Operation for OpenReview {
    type Output = ReviewTold;

    fn action(&self) -> Action {
        Action::OpenReview
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<ReviewTold>, ServiceError> {
        if !(LEAST_DUE..=MOST_DUE).contains(&self.due_in) {
            return Err(ServiceError::invalid("a review is to be closed within 1 to 180 days"));
        }
        let ring = match &self.ring {
            Some(ring) => Some(view.state.ring(ring).await?.id),
            None => None,
        };
        let (scope, due_in) = (self.scope, self.due_in);
        let asked = Governed::OpenReview { scope, ring, due_in, reason: view.reason() };
        if let Some(made) = view.made_before(&asked).await? {
            let review = find(ReviewId::from_bytes(made), view).await?;
            return Ok(Staged::reading((&review).into(), detail(review.id, view)));
        }
        if view.store().count_open_reviews().await? >= Review::MOST_OPEN {
            let message = format!(
                "at most {} reviews are open at a time; close those that are decided",
                Review::MOST_OPEN
            );
            return Err(ServiceError::new(ErrorKind::LimitExceeded, message));
        }
        view.enter(Class::Listing).await?;
        let seen = self.seen(view).await?;
        // Before rows are read: what is written from here on makes the call run again.
        let commits = view.state.fence.rights();
        let items = self.items(view, ring, &seen).await?;
        let review = Review {
            id: ReviewId::random()?,
            scope,
            ring,
            population: population_digest(&items),
            items,
            opened_by: view.caller.principal().id,
            opened_at: view.now,
            due_at: view.now.after(due_in),
            closed: None,
            reason: view.why,
            revision: 0,
        };
        let told = ReviewTold { revision: 1, ..(&review).into() };
        let detail = detail(review.id, view);
        let remembered = view.remember_making(&asked, *review.id.as_bytes());
        let changes = [Change::PutReview(review)].into_iter().chain(remembered).collect();
        Ok(Staged::changing(asked, told, changes, detail).while_rights_stand(commits))
    }
}

/// On which rings keys are, as far as that was asked.
#[derive(Default)]
pub(super) struct Rings(HashMap<KeyId, KeyRingId>);

impl Rings {
    /// The ring of which, or of a key of which, a grant is.
    pub(super) async fn of(
        &mut self,
        selector: Selector,
        view: &View<'_>,
    ) -> Result<KeyRingId, ServiceError> {
        let key = match selector {
            Selector::Key(key) => key,
            Selector::Ring(ring) => return Ok(ring),
        };
        if let Some(ring) = self.0.get(&key) {
            return Ok(*ring);
        }
        let ring = view.load_key(key).await?.ring.id;
        self.0.insert(key, ring);
        Ok(ring)
    }
}

/// Who has what, as the rows say it.
async fn population(
    view: &View<'_>,
    (scope, ring): (ReviewScope, Option<KeyRingId>),
    rings: &mut Rings,
) -> Result<Population, ServiceError> {
    let mut population = Population::new(scope, ring, view.now);
    let mut page = Page { after: None, limit: AT_ONCE };
    loop {
        let principals = view.store().list_principals(page.clone()).await?;
        let Some(last) = principals.last() else { break };
        page.after = Some(last.name.clone());
        for Principal { id, kind, status, roles, capacities, .. } in &principals {
            let principal = ReviewedPrincipal { id: *id, kind: *kind, status: *status, roles };
            population.principal(principal, capacities.iter().map(|held| held.capacity));
        }
        check_size(&population)?;
    }
    let mut page = Page { after: None, limit: AT_ONCE };
    loop {
        let grants = view.store().list_grants(GrantFilter::default(), page.clone()).await?;
        let Some(last) = grants.last() else { return Ok(population) };
        page.after = Some(last.id);
        for grant in &grants {
            let ring = rings.of(grant.selector, view).await?;
            let (id, principal, until) = (grant.id, grant.principal, grant.conditions.until);
            population.grant(ReviewedGrant { id, principal, ring, until });
        }
        check_size(&population)?;
    }
}

fn check_size(population: &Population) -> Result<(), ServiceError> {
    if population.len() <= Review::MOST_ITEMS {
        return Ok(());
    }
    let message = format!(
        "one review has at most {} items; review people and applications apart, or ring by ring",
        Review::MOST_ITEMS
    );
    Err(ServiceError::new(ErrorKind::LimitExceeded, message))
}

/// An item, as a caller names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemRef {
    /// Whose access it is.
    pub principal: PrincipalRef,
    /// On which ring; `None` for roles and capacities.
    pub ring: Option<RingRef>,
}

impl ItemRef {
    async fn subject(&self, view: &View<'_>) -> Result<ReviewSubject, ServiceError> {
        let principal = view.state.principal(&self.principal).await?.id;
        Ok(match &self.ring {
            None => ReviewSubject::Office(principal),
            Some(ring) => ReviewSubject::Uses(principal, view.state.ring(ring).await?.id),
        })
    }
}

/// Decides on items of a review what stays and what goes.
#[derive(Debug)]
pub struct DecideReview {
    /// The review.
    pub review: ReviewId,
    /// What is decided of which items.
    pub decisions: Vec<(ItemRef, ReviewDecision)>,
}

impl DecideReview {
    /// What is decided, each item once, in the order of subjects.
    async fn resolved(
        &self,
        view: &View<'_>,
    ) -> Result<BTreeMap<ReviewSubject, ReviewDecision>, ServiceError> {
        if self.decisions.is_empty() || self.decisions.len() > MOST_DECIDED {
            let message = format!("one call decides on 1 to {MOST_DECIDED} items");
            return Err(ServiceError::invalid(message));
        }
        let mut decided = BTreeMap::new();
        for (item, decision) in &self.decisions {
            let before = decided.insert(item.subject(view).await?, *decision);
            if before.is_some_and(|before| before != *decision) {
                return Err(ServiceError::invalid("one item is to stay and to go"));
            }
        }
        Ok(decided)
    }
}

impl Operation for DecideReview {
    type Output = ReviewTold;

    fn action(&self) -> Action {
        Action::DecideReview
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<ReviewTold>, ServiceError> {
        view.enter(Class::Listing).await?;
        let mut review = find(self.review, view).await?;
        if review.closed.is_some() {
            return Err(ServiceError::new(ErrorKind::WrongState, "the review is closed"));
        }
        let (decisions, left) = (self.resolved(view).await?, undecided(&review));
        for (subject, decision) in &decisions {
            decide(&mut review, *subject, *decision, view).await?;
        }
        let detail = detail(review.id, view);
        let new = left.saturating_sub(undecided(&review));
        if new == 0 {
            // Once more changes nothing, and says so by the revision.
            return Ok(Staged::reading((&review).into(), detail));
        }
        check_written(&review, new, left)?;
        let asked = Governed::DecideReview {
            review: review.id,
            decisions: decisions.into_iter().collect(),
            reason: view.reason(),
        };
        let told = ReviewTold { revision: review.revision + 1, ..(&review).into() };
        Ok(Staged::changing(asked, told, vec![Change::PutReview(review)], detail))
    }
}

fn undecided(review: &Review) -> usize {
    review.items.iter().filter(|item| item.decided.is_none()).count()
}

/// May a decision on so many new items be written, of so many that were left? Of a large review that was written often, few at a time may not.
fn check_written(review: &Review, new: usize, left: usize) -> Result<(), ServiceError> {
    let bytes = u64::try_from(review.items.len()).unwrap_or(u64::MAX).saturating_mul(ITEM);
    let is_written_freely = bytes.saturating_mul(review.revision) <= WRITTEN_FREELY;
    if is_written_freely || new >= LEAST_DECIDED || left <= LEAST_DECIDED {
        return Ok(());
    }
    let message = format!(
        "a review of {} items is written whole by each decision, and was {} times: decide on {LEAST_DECIDED} items or more at once from now on",
        review.items.len(),
        review.revision
    );
    Err(ServiceError::new(ErrorKind::LimitExceeded, message))
}

/// Decides on one item, unless that was decided so before.
async fn decide(
    review: &mut Review,
    subject: ReviewSubject,
    decision: ReviewDecision,
    view: &View<'_>,
) -> Result<(), ServiceError> {
    let found = review.items.binary_search_by_key(&subject, |item| item.subject);
    let item = found.ok().and_then(|at| review.items.get_mut(at));
    let Some(item) = item else {
        let message = "the review has no such item: what came after it was opened is for the next one";
        return Err(ServiceError::new(ErrorKind::NotFound, message));
    };
    if let Some(before) = item.decided {
        if before.decision == decision {
            return Ok(());
        }
        let message = format!(
            "`{}` was decided of one of these before: each is decided once, and what is to be otherwise is changed by itself",
            before.decision
        );
        return Err(ServiceError::new(ErrorKind::WrongState, message));
    }
    if view.state.person_of(subject.principal()).await? == view.caller_person() {
        let message = "nobody decides on what they have themselves, by whatever account; ask another manager";
        return Err(ServiceError::new(ErrorKind::SeparationOfDuties, message));
    }
    item.decided = Some(ItemDecision { decision, by: view.caller.principal().id, at: view.now });
    Ok(())
}

/// Closes a review of which all is decided, and withdraws what is to go.
#[derive(Debug)]
pub struct CloseReview {
    /// The review.
    pub review: ReviewId,
}

impl Operation for CloseReview {
    type Output = ClosedReview;

    fn action(&self) -> Action {
        Action::CloseReview
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<ClosedReview>, ServiceError> {
        view.enter(Class::Listing).await?;
        let review = find(self.review, view).await?;
        let detail = detail(review.id, view);
        if review.closed.is_some() {
            // Once more changes nothing, and says so by the revision.
            return Ok(Staged::reading(ClosedReview::of(&review, Withdrawn::default()), detail));
        }
        let left = undecided(&review);
        if left > 0 {
            let message = format!("{left} items are not decided; a review is closed when all are");
            return Err(ServiceError::new(ErrorKind::WrongState, message));
        }
        let leaving = Leaving::of(&review, view).await?;
        let withdrawn = leaving.counted();
        leaving.check(withdrawn, view)?;
        let holding: Vec<_> = leaving.persons.iter().filter(|one| !one.roles.is_empty()).cloned().collect();
        let expected = check_leaving_together(view, &holding).await?;
        let asked = Governed::CloseReview { review: review.id, reason: view.reason() };
        let closed = Some(ReviewClosed { by: view.caller.principal().id, at: view.now });
        let closed = Review { closed, reason: said(view).or(review.reason), ..review };
        let told = ReviewTold { revision: closed.revision + 1, ..(&closed).into() };
        let Ending { changes, restrictions, acts } = leaving.ending(view);
        let changes = [Change::PutReview(closed)].into_iter().chain(changes).chain(expected).collect();
        let output = ClosedReview { review: told, withdrawn };
        Ok(Staged::restricting(asked, output, changes, restrictions, detail).with_acts(acts))
    }
}

/// Why the caller does it, if they say so.
fn said(view: &View<'_>) -> Option<Why> {
    view.why.filter(|why| why.given().is_some())
}

/// What is to go, as it stands now.
struct Leaving {
    /// Persons who lose what they hold.
    persons: Vec<Principal>,
    grants: Vec<Grant>,
}

/// What is written so that it goes.
struct Ending {
    changes: Vec<Change>,
    restrictions: Vec<Restriction>,
    acts: Vec<EntryDetail>,
}

impl Leaving {
    async fn of(review: &Review, view: &View<'_>) -> Result<Self, ServiceError> {
        let (mut persons, mut grants, mut rings) = (Vec::new(), Vec::new(), Rings::default());
        let mut uses: BTreeMap<PrincipalId, BTreeSet<KeyRingId>> = BTreeMap::new();
        for item in review.to_remove() {
            match item.subject {
                ReviewSubject::Office(id) => persons.extend(active(id, view).await?.filter(holds_something)),
                ReviewSubject::Uses(id, ring) => {
                    uses.entry(id).or_default().insert(ring);
                }
            }
        }
        for (holder, on) in uses {
            if active(holder, view).await?.is_none() {
                // What somebody revoked was given gives nothing any more.
                continue;
            }
            let filter = GrantFilter { principal: Some(holder), ..GrantFilter::default() };
            for grant in view.all_grants(filter).await? {
                if on.contains(&rings.of(grant.selector, view).await?) {
                    grants.push(grant);
                }
            }
        }
        Ok(Self { persons, grants })
    }

    fn counted(&self) -> Withdrawn {
        Withdrawn {
            roles: self.persons.iter().map(|one| one.roles.len()).sum(),
            capacities: self.persons.iter().map(|one| one.capacities.len()).sum(),
            grants: self.grants.len(),
        }
    }

    /// May the caller withdraw all of it, at once?
    fn check(&self, withdrawn: Withdrawn, view: &View<'_>) -> Result<(), ServiceError> {
        let count = withdrawn.count();
        if count > MOST_WITHDRAWN {
            let message = format!(
                "{count} rights are to go, and one call withdraws at most {MOST_WITHDRAWN}; revoke some of them first"
            );
            return Err(ServiceError::new(ErrorKind::LimitExceeded, message));
        }
        if count > 0 && said(view).is_none() {
            let message = "what is taken away is recorded with its reason: say why";
            return Err(ServiceError::new(ErrorKind::ReasonRequired, message));
        }
        for one in self.persons.iter().filter(|one| !one.roles.is_empty()) {
            let person = Principal { id: one.person(), ..one.clone() };
            check_role_withdrawal(&person, view.caller_person())?;
        }
        Ok(())
    }

    /// The end of it, with an entry for each act.
    fn ending(self, view: &View<'_>) -> Ending {
        let mut ending = Ending { changes: Vec::new(), restrictions: Vec::new(), acts: Vec::new() };
        for one in self.persons {
            let of_person = |of: Action| act(of, &[one.id.as_bytes()], view);
            ending.acts.extend(one.roles.iter().map(|_| of_person(Action::WithdrawRole)));
            ending.acts.extend(one.capacities.iter().map(|_| of_person(Action::WithdrawCapacity)));
            if !one.roles.is_empty() {
                ending.restrictions.push(Restriction::Principal(one.id));
            }
            let (roles, role_givers, capacities) = (Vec::new(), Vec::new(), Vec::new());
            let left = Principal { roles, role_givers, capacities, reason: view.why, ..one };
            ending.changes.push(Change::PutPrincipal(left));
        }
        for grant in self.grants {
            let parts: [&[u8]; 2] = [grant.id.as_bytes(), grant.principal.as_bytes()];
            ending.acts.push(act(Action::RevokeGrant, &parts, view));
            ending.restrictions.push(Restriction::Grant(grant.id, grant.principal));
            let ended = grant.ended(EndedBy::Revocation, view.now, view.why);
            ending.changes.push(Change::PutGrant(ended));
        }
        ending
    }
}

/// The entry of an act that is done with the close.
fn act(of: Action, parts: &[&[u8]], view: &View<'_>) -> EntryDetail {
    let policy = view.permit.policy_digest();
    EntryDetail {
        sub_action: Some(SubAction { op: of.into(), policy }),
        reference: reference(parts),
        ..view.detail()
    }
}

/// The principal, unless it was revoked.
async fn active(id: PrincipalId, view: &View<'_>) -> Result<Option<Principal>, ServiceError> {
    let found = view.store().find_principal(id).await?;
    Ok(found.filter(|one| one.status == Status::Active))
}

fn holds_something(one: &Principal) -> bool {
    !one.roles.is_empty() || !one.capacities.is_empty()
}

/// Reads a review, with a page of its items.
#[derive(Debug)]
pub struct ReadReview {
    /// The review to read.
    pub review: ReviewId,
    /// Its items behind the one of that place, so many at most.
    pub page: Page<u32>,
}

impl Operation for ReadReview {
    type Output = ReadableReview;

    fn action(&self) -> Action {
        Action::ReadReview
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<ReadableReview>, ServiceError> {
        view.enter(Class::Listing).await?;
        let review = find(self.review, view).await?;
        let read = ReadableReview::read(&review, &self.page, view).await?;
        Ok(Staged::reading(read, detail(review.id, view)))
    }
}

/// Lists reviews in the order of their identifiers, without their items.
#[derive(Debug)]
pub struct ListReviews {
    /// Only those that are not closed, or only those that are.
    pub open: Option<bool>,
    /// The page of the list.
    pub page: Page<ReviewId>,
}

impl Operation for ListReviews {
    type Output = Vec<ReviewTold>;

    fn action(&self) -> Action {
        Action::ReadReview
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Vec<ReviewTold>>, ServiceError> {
        view.enter(Class::Listing).await?;
        let filter = ReviewFilter { open: self.open };
        let (mut told, mut page) = (Vec::new(), self.page.clone());
        let mut left = self.page.limit;
        while left > 0 {
            page.limit = left.min(REVIEWS_AT_ONCE);
            let reviews = view.store().list_reviews(filter, page.clone()).await?;
            let Some(last) = reviews.last() else { break };
            page.after = Some(last.id);
            left = left.saturating_sub(u32::try_from(reviews.len()).unwrap_or(u32::MAX));
            told.extend(reviews.iter().map(ReviewTold::from));
        }
        Ok(Staged::reading(told, view.detail()))
    }
}

async fn find(id: ReviewId, view: &View<'_>) -> Result<Review, ServiceError> {
    view.store().find_review(id).await?.ok_or_else(ServiceError::not_found)
}

fn detail(id: ReviewId, view: &View<'_>) -> EntryDetail {
    EntryDetail { reference: reference(&[id.as_bytes()]), ..view.detail() }
}

/// So long before; the first instant there is where that lies before it.
pub(super) fn before(at: Timestamp, span: Duration) -> Timestamp {
    let span = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    Timestamp::from_micros(at.as_micros().saturating_sub(span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_lies_before_the_first_instant() {
        let day = Timestamp::from_micros(DAY);
        assert_eq!(before(day, LEAST_DUE), Timestamp::default());
        assert_eq!(before(day, MOST_DUE), Timestamp::default());
        assert_eq!(before(day.after(LEAST_DUE), LEAST_DUE), day);
    }

    #[test]
    fn a_large_review_that_was_written_often_is_decided_many_at_a_time() {
        let item = |number: usize| {
            let [.., high, low] = number.to_be_bytes();
            let mut id = [0; 16];
            (id[0], id[1]) = (high, low);
            let subject = ReviewSubject::Office(PrincipalId::from_bytes(id));
            ReviewItem { subject, rights: [0; 32], count: 1, last_used: None, decided: None }
        };
        let review = |items: usize, revision| Review {
            id: ReviewId::from_bytes([1; 16]),
            scope: ReviewScope::All,
            ring: None,
            population: [0; 32],
            items: (0..items).map(item).collect(),
            opened_by: PrincipalId::from_bytes([9; 16]),
            opened_at: Timestamp::default(),
            due_at: Timestamp::from_micros(DAY),
            closed: None,
            reason: None,
            revision,
        };
        // Of what has fewer items than it may be written times, each is decided by itself.
        let small = review(512, 512);
        assert_eq!(undecided(&small), 512);
        assert!(check_written(&small, 1, 100).is_ok());
        let often = WRITTEN_FREELY / (ITEM * 4096);
        assert!(check_written(&review(4096, often), 1, 4000).is_ok());
        let large = review(4096, often + 1);
        let refused = check_written(&large, LEAST_DECIDED - 1, 4000).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::LimitExceeded, "{refused}");
        assert!(check_written(&large, LEAST_DECIDED, 4000).is_ok());
        // What is left in the end is decided by whoever may.
        assert!(check_written(&large, 1, LEAST_DECIDED).is_ok());
    }

    #[test]
    fn an_item_has_no_more_bytes_than_are_counted() {
        let at = Timestamp::from_micros(u64::MAX);
        let by = PrincipalId::from_bytes([2; 16]);
        let item = ReviewItem {
            subject: ReviewSubject::Uses(by, KeyRingId::from_bytes([3; 16])),
            rights: [4; 32],
            count: u32::MAX,
            last_used: Some(at),
            decided: Some(ItemDecision { decision: ReviewDecision::Keep, by, at }),
        };
        let encoded = |items: &[ReviewItem]| claviger_core::review::encode_items(items).len() as u64;
        assert_eq!(encoded(&[item]) - encoded(&[]), ITEM);
    }
}
