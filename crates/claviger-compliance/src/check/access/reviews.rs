//! USE-08: who may do what with keys is reviewed by people whom it does not concern, and what is not needed goes.
//!
//! What it keeps true:
//! * what a review looked at is made again from facts, as it stood when the review was opened. Where the two differ, or somebody decided on what is
//!   their own, the review is a violation and counts for nothing;
//! * the age of a review counts from when it was opened: what came later it has not looked at;
//! * roles and capacities are reviewed by reviews of the whole deployment alone, grants by those of their ring as well.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use claviger_audit::Op;
use claviger_audit::declaration::deployment_of;
use claviger_audit::fact::{Object, OpenReview};
use claviger_audit::review::{Population, ReviewedGrant, ReviewedPrincipal, population_digest};
use claviger_core::capacity::Capacity;
use claviger_core::principal::{PrincipalKind, Role, Status};
use claviger_core::review::{ReviewDecision, ReviewItem, ReviewScope, ReviewSubject};
use claviger_core::{GrantId, KeyId, KeyRingId, PrincipalId, ReviewId, Timestamp};

use super::is_unreadable;
use crate::check::common::count;
use crate::check::{Check, End, Event};
use crate::evaluation::{Estate, Judgement, Ledger, Outcome, Setting, SignedAbout};

/// What management signs of each review.
const CONFIRMED: &str = "ATT-ACCESS-REVIEW";
const DAY: u64 = 86_400;

pub(super) struct AccessReviews {
    ledger: Ledger,
    of_people: Duration,
    of_workloads: Duration,
    /// Within which time what is to go has gone.
    removal: Duration,
    reviews: BTreeMap<ReviewId, Looked>,
    /// Reviews that wait for something of a principal to go.
    waiting: BTreeMap<PrincipalId, BTreeSet<ReviewId>>,
    offices: Option<Last>,
    people: Reviewed,
    workloads: Reviewed,
}

/// The newest review of something that was closed and is in order.
#[derive(Clone, Copy, Debug)]
struct Last {
    opened_at: Timestamp,
    id: ReviewId,
}

impl Last {
    /// The newer one of two.
    fn newer(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        one.into_iter().chain(other).max_by_key(|last| last.opened_at)
    }
}

/// The newest reviews of grants: of all rings, and of single ones.
#[derive(Debug, Default)]
struct Reviewed {
    everywhere: Option<Last>,
    by_ring: BTreeMap<KeyRingId, Last>,
}

impl Reviewed {
    fn take(&mut self, ring: Option<KeyRingId>, last: Last) {
        match ring {
            None => self.everywhere = Last::newer(self.everywhere, Some(last)),
            Some(ring) => {
                let newer = Last::newer(self.by_ring.get(&ring).copied(), Some(last));
                self.by_ring.extend(newer.map(|newer| (ring, newer)));
            }
        }
    }

    fn of(&self, ring: KeyRingId) -> Option<Last> {
        Last::newer(self.everywhere, self.by_ring.get(&ring).copied())
    }
}

/// What was given by an item of a review.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rights {
    roles: BTreeSet<Role>,
    capacities: BTreeSet<Capacity>,
    grants: BTreeSet<GrantId>,
}

impl Rights {
    fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.capacities.is_empty() && self.grants.is_empty()
    }

    /// Forgets what somebody does not have any more.
    fn keep_what_is_there(&mut self, of: PrincipalId, estate: &Estate) {
        let Some(principal) = estate.principals.get(&of).filter(|one| one.status == Status::Active) else {
            *self = Self::default();
            return;
        };
        self.roles.retain(|role| principal.roles.contains(role));
        self.capacities.retain(|one| principal.capacities.iter().any(|held| held.capacity == *one));
        self.grants.retain(|id| estate.grants.get(id).is_some_and(|grant| grant.status == Status::Active));
    }
}

/// A review, as far as it was seen.
#[derive(Debug)]
struct Looked {
    scope: ReviewScope,
    ring: Option<KeyRingId>,
    opened_at: Timestamp,
    population: [u8; 32],
    /// What each item gave when the review was opened.
    had: BTreeMap<ReviewSubject, Rights>,
    decided: BTreeSet<ReviewSubject>,
    /// What is to go by when, and is there still.
    to_go: BTreeMap<ReviewSubject, (Timestamp, Rights)>,
    is_closed: bool,
    /// What is wrong with it, that came first.
    defect: Option<String>,
    /// Why it is not known whether something is.
    unknown: Option<&'static str>,
    /// Was another one closed since, which looked at the same and is in order?
    is_replaced: bool,
}

/// What there is to review in a deployment, as all objects stand, with what each item gives.
///
/// # Errors
/// Why that is not known.
fn population(
    row: &OpenReview,
    estate: &Estate,
) -> Result<(Vec<ReviewItem>, BTreeMap<ReviewSubject, Rights>), &'static str> {
    let bears = |object: &Object| matches!(object, Object::Grant(_) | Object::Key(_) | Object::Principal(_));
    if estate.unreadable.iter().any(bears) {
        return Err("facts of what there was to review do not read");
    }
    let mut population = Population::new(row.scope, row.ring, row.opened_at);
    for (id, principal) in &estate.principals {
        let reviewed = ReviewedPrincipal {
            id: *id,
            kind: principal.kind,
            status: principal.status,
            roles: &principal.roles,
        };
        population.principal(reviewed, principal.capacities.iter().map(|held| held.capacity));
    }
    let mut uses = BTreeMap::<_, BTreeSet<GrantId>>::new();
    for (id, grant) in estate.grants.iter().filter(|(_, grant)| grant.status == Status::Active) {
        let ring = grant.ring.or_else(|| Some(estate.keys.get(&grant.key?)?.ring));
        let ring = ring.ok_or("a grant is on a key that is not there")?;
        let until = grant.until;
        population.grant(ReviewedGrant { id: *id, principal: grant.principal, ring, until });
        if until.is_none_or(|until| row.opened_at < until) {
            uses.entry((grant.principal, ring)).or_default().insert(*id);
        }
    }
    let items = population.items();
    let rights = |item: &ReviewItem| match item.subject {
        ReviewSubject::Office(id) => {
            let principal = estate.principals.get(&id);
            let roles = principal.map(|one| one.roles.iter().copied().collect()).unwrap_or_default();
            let held = principal.map(|one| one.capacities.iter().map(|held| held.capacity).collect());
            Rights { roles, capacities: held.unwrap_or_default(), grants: BTreeSet::new() }
        }
        ReviewSubject::Uses(id, ring) => {
            let grants = uses.get(&(id, ring)).cloned().unwrap_or_default();
            Rights { grants, ..Rights::default() }
        }
    };
    let had = items.iter().map(|item| (item.subject, rights(item))).collect();
    Ok((items, had))
}

impl Looked {
    /// One that is opened now.
    fn opened(row: &OpenReview, event: &Event<'_>, estate: &Estate) -> Self {
        let mut looked = Self {
            scope: row.scope,
            ring: row.ring,
            opened_at: row.opened_at,
            population: row.population,
            had: BTreeMap::new(),
            decided: BTreeSet::new(),
            to_go: BTreeMap::new(),
            is_closed: false,
            defect: None,
            unknown: None,
            is_replaced: false,
        };
        if event.entry.op != Op::OpenReview {
            looked.unknown = Some("what there was when it was opened is not known");
            return looked;
        }
        match population(row, estate) {
            Err(why) => looked.unknown = Some(why),
            Ok((items, had)) => {
                let shown = |item: &ReviewItem| (item.subject, item.rights, item.count);
                if !items.iter().map(shown).eq(row.items.iter().map(shown)) {
                    let (said, there) = (row.items.len(), items.len());
                    looked.defect = Some(format!(
                        "what it looked at is not what there was when it was opened: {said} items, where {there} are made again from facts"
                    ));
                }
                looked.had = had;
            }
        }
        looked
    }

    /// What is wrong with it as it stands now, beside what was found before.
    fn defect_of(&self, row: &OpenReview) -> Option<String> {
        let is_same = row.population == self.population && population_digest(&row.items) == self.population;
        (!is_same).then(|| "what it looked at is not what its digest says".to_owned())
    }

    /// Does it look at whatever the other looks at?
    fn covers(&self, other: &Self) -> bool {
        (self.ring.is_none() || self.ring == other.ring)
            && (self.scope == ReviewScope::All || self.scope == other.scope)
    }

    const fn counts(&self) -> bool {
        self.defect.is_none() && self.unknown.is_none()
    }
}

/// What is wrong with a decision.
fn defect_of_decision(item: &ReviewItem, by: PrincipalId, estate: &Estate) -> Option<String> {
    let of = item.subject.principal();
    if estate.person_of(by) == estate.person_of(of) {
        return Some(format!("principal {by} decided on their own access"));
    }
    let manages = |role: &Role| matches!(role, Role::Administrator | Role::SecurityOfficer);
    let is_manager = estate.principals.get(&by).is_some_and(|one| {
        one.kind == PrincipalKind::Human && one.status == Status::Active && one.roles.iter().any(manages)
    });
    (!is_manager).then(|| {
        format!("principal {by} decided on it, and was neither an administrator nor a security officer")
    })
}

impl AccessReviews {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            of_people: setting.days("access_review_days"),
            of_workloads: setting.days("workload_review_days"),
            removal: setting.days("review_removal_days"),
            reviews: BTreeMap::new(),
            waiting: BTreeMap::new(),
            offices: None,
            people: Reviewed::default(),
            workloads: Reviewed::default(),
        }
    }

    /// The newest reviews that a key rests on, each with what it is of and how long it is good.
    fn bases(&self, ring: KeyRingId) -> [(&'static str, Option<Last>, Duration); 3] {
        [
            ("who holds roles and capacities", self.offices, self.of_people),
            ("which people use it", self.people.of(ring), self.of_people),
            ("which applications use it", self.workloads.of(ring), self.of_workloads),
        ]
    }

    fn judge_key(&mut self, id: KeyId, at: Timestamp, estate: &Estate) {
        let Some(key) = estate.keys.get(&id) else { return };
        let due = self.bases(key.ring).map(|(what, last, within)| {
            let since = last.map_or(key.created_at, |last| last.opened_at.max(key.created_at));
            (since.after(within), what, within)
        });
        let first = due.into_iter().min_by_key(|(due, ..)| *due);
        let judgement = match first {
            Some((due, what, within)) if !key.state.is_destroyed() => {
                let days = within.as_secs() / DAY;
                Judgement::HoldsUntil(due, format!("{what} was not reviewed for {days} days").into())
            }
            _ => Judgement::OutOfScope,
        };
        self.ledger.judge(Object::Key(id), at, judgement);
    }

    fn judge_review(&mut self, id: ReviewId, at: Timestamp, entry: Option<u64>) {
        let Some(looked) = self.reviews.get(&id) else { return };
        let first = looked.to_go.iter().min_by_key(|(_, (due, _))| *due);
        let judgement = if looked.is_replaced && !looked.counts() {
            Judgement::OutOfScope
        } else if let Some(defect) = &looked.defect {
            Judgement::violated(defect.clone())
        } else if let Some(why) = looked.unknown {
            Judgement::unknown(why)
        } else if let Some((subject, (due, _))) = first {
            let (of, days) = (subject.principal(), self.removal.as_secs() / DAY);
            let because = format!("access of principal {of} was to go, and was there {days} days later");
            Judgement::HoldsUntil(*due, because.into())
        } else {
            Judgement::Holds
        };
        self.ledger.judge_by(Object::Review(id).into(), at, judgement, entry);
    }

    fn take(&mut self, id: ReviewId, event: &Event<'_>, estate: &Estate) {
        let Some(row) = estate.reviews.get(&id) else { return };
        let removal = self.removal;
        let looked = self.reviews.entry(id).or_insert_with(|| Looked::opened(row, event, estate));
        let mut defect = looked.defect_of(row);
        for item in &row.items {
            let Some(decided) = item.decided.filter(|_| looked.decided.insert(item.subject)) else {
                continue;
            };
            defect = defect.or_else(|| defect_of_decision(item, decided.by, estate));
            if decided.decision == ReviewDecision::Remove {
                let due = decided.at.after(removal);
                let mut rights = looked.had.get(&item.subject).cloned().unwrap_or_default();
                // What ends by itself before that need not be withdrawn.
                let lasts = |id: &GrantId| {
                    let until = estate.grants.get(id).and_then(|grant| grant.until);
                    until.is_none_or(|until| due < until)
                };
                rights.grants.retain(lasts);
                looked.to_go.insert(item.subject, (due, rights));
                self.waiting.entry(item.subject.principal()).or_default().insert(id);
            }
        }
        looked.defect = looked.defect.take().or(defect);
        let closes = row.closed.is_some() && !looked.is_closed;
        looked.is_closed |= closes;
        let (counts, covered) = (looked.counts(), (looked.scope, looked.ring, looked.opened_at));
        self.settle(id, estate);
        self.judge_review(id, event.at, Some(event.index));
        if closes && counts {
            self.complete(id, covered, event.at, estate);
        }
    }

    /// A review that is in order was closed.
    fn complete(
        &mut self,
        id: ReviewId,
        (scope, ring, opened_at): (ReviewScope, Option<KeyRingId>, Timestamp),
        at: Timestamp,
        estate: &Estate,
    ) {
        let last = Last { opened_at, id };
        if scope.covers(PrincipalKind::Human) {
            self.people.take(ring, last);
            if ring.is_none() {
                self.offices = Last::newer(self.offices, Some(last));
            }
        }
        if scope.covers(PrincipalKind::Workload) {
            self.workloads.take(ring, last);
        }
        let replaces = |other: &Looked| {
            self.reviews.get(&id).is_some_and(|one| one.covers(other) && other.opened_at <= one.opened_at)
        };
        let others = self.reviews.iter().filter(|(other, looked)| **other != id && replaces(looked));
        let others: Vec<_> = others.map(|(other, _)| *other).collect();
        for other in others {
            if let Some(looked) = self.reviews.get_mut(&other) {
                looked.is_replaced = true;
            }
            self.judge_review(other, at, None);
        }
        for key in estate.keys.keys() {
            self.judge_key(*key, at, estate);
        }
    }

    /// Forgets what has gone of what a review has go.
    fn settle(&mut self, id: ReviewId, estate: &Estate) {
        let Some(looked) = self.reviews.get_mut(&id) else { return };
        for (subject, (_, rights)) in &mut looked.to_go {
            rights.keep_what_is_there(subject.principal(), estate);
        }
        looked.to_go.retain(|_, (_, rights)| !rights.is_empty());
    }

    /// Something of a principal has changed.
    fn settle_of(&mut self, principal: PrincipalId, at: Timestamp, estate: &Estate) {
        for id in self.waiting.get(&principal).cloned().unwrap_or_default() {
            self.settle(id, estate);
            self.judge_review(id, at, None);
            let is_done = self
                .reviews
                .get(&id)
                .is_none_or(|looked| looked.to_go.keys().all(|subject| subject.principal() != principal));
            if is_done && let Some(waiting) = self.waiting.get_mut(&principal) {
                waiting.remove(&id);
            }
        }
    }

    /// The reviews that keys rest on.
    fn in_use(&self, estate: &Estate) -> BTreeSet<ReviewId> {
        let live = estate.keys.values().filter(|key| !key.state.is_destroyed());
        live.flat_map(|key| self.bases(key.ring)).filter_map(|(_, last, _)| Some(last?.id)).collect()
    }
}

impl Check for AccessReviews {
    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        match object {
            Object::Grant(_) | Object::Key(_) | Object::Principal(_) | Object::Review(_)
                if is_unreadable(&mut self.ledger, object, event.at, estate) => {}
            Object::Key(id) => self.judge_key(id, event.at, estate),
            Object::Review(id) => self.take(id, event, estate),
            Object::Principal(id) => self.settle_of(id, event.at, estate),
            Object::Grant(id) => {
                if let Some(grant) = estate.grants.get(&id) {
                    self.settle_of(grant.principal, event.at, estate);
                }
            }
            _ => {}
        }
    }

    fn end(self: Box<Self>, end: &End<'_>) -> Outcome {
        let (to, estate) = (end.setting.as_of(), end.estate);
        let in_use = self.in_use(estate);
        let deployment = deployment_of(&end.verified.origin).unwrap_or_default();
        let statement = end.setting.catalogue.find_statement(CONFIRMED);
        let signed = statement.map(|one| SignedAbout::of(one, deployment, to, estate)).unwrap_or_default();
        let is_confirmed = |id: &ReviewId| {
            let closed = estate.reviews.get(id).and_then(|review| review.closed);
            closed.is_some_and(|closed| signed.signers(Object::Review(*id), closed.at).next().is_some())
        };
        let unconfirmed: Vec<_> = in_use.iter().filter(|id| !is_confirmed(id)).copied().collect();
        let decisions = |decision: ReviewDecision| {
            let items = estate.reviews.values().flat_map(|review| &review.items);
            count(items.filter(|item| item.decided.is_some_and(|one| one.decision == decision)).count())
        };
        let (kept, removed) = (decisions(ReviewDecision::Keep), decisions(ReviewDecision::Remove));
        let open = estate.reviews.values().filter(|review| review.closed.is_none()).count();
        let to_go = self.reviews.values().map(|looked| looked.to_go.len()).sum();
        let outcome = Outcome::of(
            self.ledger,
            "access to each key was reviewed in time by people whom it does not concern, and what was to go went",
        )
        .figure("reviews", count(self.reviews.len()))
        .figure("reviews_open", count(open))
        .figure("items_kept", kept)
        .figure("items_removed", removed)
        .figure("items_to_go", count(to_go))
        .note("the population of each review is made again from facts, as it stood when the review was opened; when something was last used is no part of that, and the word of the server")
        .note("the age of a review counts from when it was opened; a key is unreviewed since it was made until the first one is closed");
        match unconfirmed.first() {
            Some(first) => outcome.needs(CONFIRMED).note(format!(
                "{} reviews that keys rest on are not signed by management since they were closed; review {first} is the first",
                unconfirmed.len()
            )),
            None if in_use.is_empty() => outcome.needs(CONFIRMED).note("no review was closed yet"),
            None => outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use claviger_audit::fact::{OpenGrant, OpenPrincipal, OpenRow};
    use claviger_core::Action;
    use claviger_core::grant::{Basis, GrantOrigin};

    use super::*;
    use crate::control::Mode;
    use crate::evaluation::fixture::{
        ADA, ANNA, CUSTODIANS, KEY, OTTO, RING, Story, Told, answering, human, person, principal,
    };

    const FIRST: ReviewId = ReviewId::from_bytes([30; 16]);
    const SECOND: ReviewId = ReviewId::from_bytes([31; 16]);
    const GRANT: GrantId = GrantId::from_bytes([32; 16]);

    /// Somebody manages the organization, and days pass until its access is reviewed.
    fn story(days: u64) -> Story {
        let mut story = Story::of("USE-08");
        let card = story.certificate(ANNA);
        let manager = principal(ANNA, answering(&[], &[Capacity::Executive]));
        story.act(Op::AssignCapacity, None, vec![manager, card]);
        story.wait(days);
        story
    }

    /// Everything stays: the officer says so of others, the administrator of the officer.
    fn kept(subject: ReviewSubject) -> (ReviewDecision, PrincipalId) {
        (ReviewDecision::Keep, if subject.principal() == OTTO { ADA } else { OTTO })
    }

    /// The same, but for what somebody holds.
    fn without(of: PrincipalId) -> impl Fn(ReviewSubject) -> (ReviewDecision, PrincipalId) {
        move |subject| match kept(subject) {
            (_, by) if subject.principal() == of => (ReviewDecision::Remove, by),
            decided => decided,
        }
    }

    fn all(story: &Story) -> OpenReview {
        story.review(ReviewScope::All, None)
    }

    fn told(story: Story) -> Told {
        story.told(Mode::State)
    }

    #[track_caller]
    fn names(told: &Told, because: &str) {
        assert!(told.violations.iter().any(|violation| violation.contains(because)), "{told:?}");
    }

    #[test]
    fn a_review_that_is_in_order_and_signed_by_management_is_good_for_half_a_year() {
        let mut reviewed = story(900);
        let review = all(&reviewed);
        reviewed.reviewed(FIRST, review, kept);
        reviewed.attest(ANNA, CONFIRMED, &[Object::Review(FIRST)]);
        let found = told(reviewed);
        // The key and the review.
        found.holds_of(2);
        assert!(found.needs.is_empty(), "{found:?}");
        assert_eq!((found.figures["items_kept"], found.figures["items_removed"]), (6, 0));

        let mut old = story(700);
        let review = all(&old);
        old.reviewed(FIRST, review, kept);
        told(old).is_violated("who holds roles and capacities was not reviewed for 180 days");
        told(story(900)).is_violated("was not reviewed for 180 days");
        // One that is open is none yet.
        let mut open = story(900);
        let review = all(&open);
        open.review_is(FIRST, Op::OpenReview, &review);
        told(open).is_violated("was not reviewed for 180 days");
    }

    #[test]
    fn management_signs_of_each_review_once_it_is_closed_and_is_who_is_asked() {
        let needed = |sign: &dyn Fn(&mut Story, bool)| {
            let mut story = story(900);
            sign(&mut story, false);
            let review = all(&story);
            story.reviewed(FIRST, review, kept);
            sign(&mut story, true);
            told(story).needs.contains(CONFIRMED)
        };
        assert!(needed(&|_, _| {}));
        assert!(!needed(&|story, closed| {
            if closed {
                story.attest(ANNA, CONFIRMED, &[Object::Review(FIRST)]);
            }
        }));
        // Too early, about another one, about nothing alone, and by somebody who manages nothing.
        assert!(needed(&|story, closed| {
            if !closed {
                story.attest(ANNA, CONFIRMED, &[Object::Review(FIRST)]);
            }
        }));
        assert!(needed(&|story, _| story.attest(ANNA, CONFIRMED, &[Object::Review(SECOND)])));
        assert!(needed(&|story, _| story.attest(ANNA, CONFIRMED, &[])));
        assert!(needed(&|story, _| story.attest(ADA, CONFIRMED, &[Object::Review(FIRST)])));
    }

    #[test]
    fn a_review_of_another_population_than_there_was_counts_for_nothing() {
        let edits: [fn(&mut OpenReview); 4] = [
            |review| review.items.truncate(review.items.len() - 1),
            |review| review.items[0].rights[0] ^= 1,
            |review| review.items[0].count += 1,
            |review| review.opened_at = Timestamp::default(),
        ];
        for (number, edit) in edits.into_iter().enumerate() {
            let mut story = story(900);
            // A grant that has ended by itself is no part of it.
            story.act(Op::CreateGrant, None, vec![grant(Some(story.next()), Status::Active)]);
            story.wait(1);
            let mut review = all(&story);
            edit(&mut review);
            review.population = population_digest(&review.items);
            story.reviewed(FIRST, review, kept);
            let found = told(story);
            names(&found, "what it looked at is not what there was when it was opened");
            names(&found, "was not reviewed for 180 days");
            assert_eq!(found.violations.len(), 2, "{number}: {found:?}");
        }
        // Nor does one whose digest is that of something else, or that changes later.
        let mut story = story(900);
        let review = all(&story);
        let other = OpenReview { population: [7; 32], ..review.clone() };
        story.review_is(FIRST, Op::OpenReview, &review);
        story.review_is(FIRST, Op::DecideReview, &other);
        names(&told(story), "what it looked at is not what its digest says");
    }

    #[test]
    fn nobody_decides_on_their_own_access_by_whatever_account_and_none_but_managers_decide() {
        let by = |decider: PrincipalId, account: OpenPrincipal| {
            let mut story = story(900);
            story.act(Op::CreatePrincipal, None, vec![principal(person(33), account)]);
            let review = all(&story);
            story.reviewed(FIRST, review, move |subject| {
                let (decision, by) = kept(subject);
                (decision, if subject.principal() == ADA { decider } else { by })
            });
            told(story)
        };
        let manager = human(&[Role::SecurityOfficer]);
        by(person(33), manager.clone()).holds_of(2);
        names(&by(ADA, manager.clone()), "decided on their own access");
        let again = OpenPrincipal { same_person_as: Some(ADA), ..manager };
        names(&by(person(33), again), "decided on their own access");
        let auditor = human(&[Role::Auditor]);
        names(&by(person(33), auditor), "was neither an administrator nor a security officer");
    }

    /// A grant of somebody to the key.
    fn grant(until: Option<Timestamp>, status: Status) -> (Object, OpenRow) {
        let row = OpenGrant {
            principal: ANNA,
            key: Some(KEY),
            ring: None,
            operations: vec![Action::Decrypt],
            is_conditional: false,
            until,
            created_by: OTTO,
            created_at: Timestamp::default(),
            basis: Basis::Role,
            origin: GrantOrigin::Direct,
            status,
            ended_by: None,
            ended_at: None,
        };
        (Object::Grant(GRANT), OpenRow::Grant(row))
    }

    #[test]
    fn what_is_to_go_has_gone_within_a_week() {
        let left = CUSTODIANS[0];
        let removed = |mode: Mode, days: Option<u64>, gone: OpenPrincipal| {
            let mut story = story(900);
            let review = all(&story);
            story.reviewed(FIRST, review, without(left));
            if let Some(days) = days {
                story.wait(days);
                story.act(Op::WithdrawRole, None, vec![principal(left, gone)]);
            }
            story.told(mode)
        };
        let (without_role, revoked) =
            (human(&[]), OpenPrincipal { status: Status::Revoked, ..human(&[Role::Custodian]) });
        let late = "was to go, and was there 7 days later";
        for gone in [without_role.clone(), revoked] {
            removed(Mode::State, Some(6), gone).holds_of(2);
        }
        names(&removed(Mode::State, None, without_role.clone()), late);
        names(&removed(Mode::State, Some(6), human(&[Role::Custodian])), late);
        // What went late is of the period.
        removed(Mode::State, Some(8), without_role.clone()).holds_of(2);
        names(&removed(Mode::Period, Some(8), without_role), late);
    }

    #[test]
    fn grants_that_are_to_go_are_revoked_or_end_by_themselves() {
        let removed = |until: Option<u64>, revoke: bool| {
            let mut story = story(900);
            let until = until.map(|days| story.next().after(Duration::from_secs(days * DAY)));
            story.act(Op::CreateGrant, None, vec![grant(until, Status::Active)]);
            let review = all(&story);
            story.reviewed(FIRST, review, |subject| match subject {
                ReviewSubject::Uses(..) => (ReviewDecision::Remove, OTTO),
                ReviewSubject::Office(_) => kept(subject),
            });
            if revoke {
                story.act(Op::RevokeGrant, None, vec![grant(until, Status::Revoked)]);
            }
            told(story)
        };
        removed(None, true).holds_of(2);
        removed(Some(3), false).holds_of(2);
        names(&removed(None, false), "was to go, and was there 7 days later");
        names(&removed(Some(30), false), "was to go, and was there 7 days later");
    }

    #[test]
    fn reviews_of_a_ring_or_of_one_kind_of_principals_leave_the_rest_unreviewed() {
        let reviewed = |reviews: &[(ReviewScope, Option<KeyRingId>)]| {
            let mut story = story(900);
            for ((scope, ring), id) in reviews.iter().zip([FIRST, SECOND]) {
                let review = story.review(*scope, *ring);
                story.reviewed(id, review, kept);
            }
            told(story)
        };
        let (people, applications) = (ReviewScope::Humans, ReviewScope::Workloads);
        reviewed(&[(people, None), (applications, Some(RING))]).holds_of(3);
        names(&reviewed(&[(ReviewScope::All, Some(RING))]), "who holds roles and capacities");
        names(&reviewed(&[(applications, None)]), "who holds roles and capacities");
        names(&reviewed(&[(people, None)]), "which applications use it was not reviewed for 365 days");
    }

    #[test]
    fn a_review_that_was_not_in_order_is_made_good_by_another_one() {
        let mut story = story(900);
        let mut short = all(&story);
        short.items.pop();
        short.population = population_digest(&short.items);
        story.reviewed(FIRST, short, kept);
        let review = all(&story);
        story.reviewed(SECOND, review, kept);
        told(story).holds_of(2);
    }
}
