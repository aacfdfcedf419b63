//! USE-11: emergency access to keys can be had, is bounded, is known to everybody at once, and is reviewed by somebody else.
//!
//! What it keeps true: what was wrong with one is so until another person has reviewed it, and stays a violation of the period.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use claviger_audit::declaration::deployment_of;
use claviger_audit::fact::{Object, OpenBreakGlass, OpenPrincipal};
use claviger_audit::{Op, Outcome as Ended};
use claviger_core::alert::AlertRule;
use claviger_core::break_glass::BreakGlassVerdict;
use claviger_core::grant::GrantOrigin;
use claviger_core::key::DataClass;
use claviger_core::principal::{PrincipalKind, Role, Status};
use claviger_core::reason::Why;
use claviger_core::{BreakGlassId, GrantId, KeyId, PrincipalId, Timestamp};

use super::grants::Index;
use super::is_unreadable;
use crate::check::approvals::{Act, Approvals};
use crate::check::common::count;
use crate::check::{Check, End, Event};
use crate::evaluation::{Estate, Judgement, Ledger, Outcome, Period, Setting, SignedAbout};

/// What somebody signs of each.
const REVIEWED: &str = "ATT-BREAKGLASS-REVIEW";
/// How old the newest confirmed one may be where health records depend on it: the procedure was tried within that time.
const TRIED_WITHIN: Duration = Duration::from_secs(365 * 86_400);
const HOUR: u64 = 3600;

pub(super) struct BreakGlass {
    ledger: Ledger,
    period: Period,
    longest: Duration,
    review: Duration,
    approvals: Approvals,
    index: Index,
    windows: BTreeMap<BreakGlassId, Window>,
    of_grant: BTreeMap<GrantId, BreakGlassId>,
    /// Keys of health records that are not destroyed.
    of_health: BTreeSet<KeyId>,
    /// Accounts that open emergency access, and those that approve it.
    openers: BTreeSet<PrincipalId>,
    approvers: BTreeSet<PrincipalId>,
    /// Can it be opened?
    is_possible: bool,
    uses: u64,
}

/// Emergency access, as far as it was seen.
#[derive(Debug, Default)]
struct Window {
    /// What is wrong with it, that came first.
    defect: Option<String>,
    /// Why it is not known whether something is.
    unknown: Option<&'static str>,
}

/// When it ended or will end.
fn end_of(row: &OpenBreakGlass) -> Timestamp {
    row.closed.map_or(row.ends_at, |closed| closed.at.min(row.ends_at))
}

/// Who had it, opened it or approved it: they do not review it.
fn involved(row: &OpenBreakGlass, estate: &Estate) -> BTreeSet<PrincipalId> {
    let approval = row.approval.and_then(|id| estate.approvals.get(&id));
    let approvers = approval.into_iter().flat_map(|approval| approval.approvers()).map(|decided| decided.by);
    let all = [row.holder, row.opened_by].into_iter().chain(approvers);
    all.map(|id| estate.person_of(id)).collect()
}

fn is_person(row: &OpenPrincipal) -> bool {
    row.kind == PrincipalKind::Human && row.status == Status::Active
}

/// Is there somebody of that person who holds a role?
fn holds_a_role(person: PrincipalId, estate: &Estate) -> bool {
    let mut accounts = estate.principals.iter().filter(|(id, row)| row.person(**id) == person);
    accounts.any(|(_, row)| row.status == Status::Active && !row.roles.is_empty())
}

/// What is wrong with how it was opened.
fn defect_at_begin(
    id: BreakGlassId,
    row: &OpenBreakGlass,
    event: &Event<'_>,
    estate: &Estate,
) -> Option<String> {
    if row.reason.and_then(Why::given).is_none() {
        return Some("it was opened without a reason".to_owned());
    }
    let is_alert = |object: Object| {
        let Object::Alert(alert) = object else { return false };
        estate.alerts.get(&alert).is_some_and(|alert| {
            alert.rule == AlertRule::BreakGlassOpened && alert.subject == Some(Object::BreakGlass(id))
        })
    };
    if !event.facts.iter().any(|fact| is_alert(fact.object)) {
        return Some("no alert was raised when it was opened".to_owned());
    }
    let holder = estate.principals.get(&row.holder).filter(|holder| is_person(holder));
    if holder.is_none() || holds_a_role(estate.person_of(row.holder), estate) {
        return Some("its holder is no person without a role".to_owned());
    }
    let gives = |(grant, key): (&GrantId, &KeyId)| {
        estate.grants.get(grant).is_some_and(|grant| {
            grant.principal == row.holder
                && grant.key == Some(*key)
                && grant.origin == GrantOrigin::BreakGlass
                && grant.until.is_some_and(|until| until <= row.ends_at)
        })
    };
    let is_whole = row.grants.len() == row.keys.len() && row.grants.iter().zip(&row.keys).all(gives);
    (!is_whole).then(|| "its grants give something else than it says".to_owned())
}

/// What is wrong with how it was closed.
fn defect_at_close(row: &OpenBreakGlass, estate: &Estate) -> Option<String> {
    row.closed?;
    let is_on = |id: &&GrantId| estate.grants.get(id).is_some_and(|grant| grant.status == Status::Active);
    let left = row.grants.iter().find(is_on)?;
    Some(format!("it was closed, and grant {left} was still valid"))
}

impl BreakGlass {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            period: setting.period,
            longest: setting.hours("breakglass_max_h"),
            review: setting.hours("breakglass_review_h"),
            approvals: Approvals::new(setting),
            index: Index::default(),
            windows: BTreeMap::new(),
            of_grant: BTreeMap::new(),
            of_health: BTreeSet::new(),
            openers: BTreeSet::new(),
            approvers: BTreeSet::new(),
            is_possible: false,
            uses: 0,
        }
    }

    fn take(&mut self, id: BreakGlassId, event: &Event<'_>, estate: &Estate) {
        let Some(row) = estate.break_glass.get(&id) else { return };
        let is_first = !self.windows.contains_key(&id);
        let mut window = self.windows.remove(&id).unwrap_or_default();
        let mut defect = None;
        if is_first && event.entry.op == Op::OpenBreakGlass {
            self.of_grant.extend(row.grants.iter().map(|grant| (*grant, id)));
            let act = Act::of_emergency(row.holder, estate);
            let unapproved = self.approvals.defect(&act, event, estate);
            let unapproved = unapproved.map(|defect| format!("it was opened, {defect}"));
            defect = unapproved.or_else(|| defect_at_begin(id, row, event, estate));
        } else if is_first {
            window.unknown = Some("how it was opened is not known");
        }
        let defect = defect.or_else(|| defect_at_close(row, estate));
        window.defect = window.defect.take().or(defect);
        let judgement = self.judgement(row, &window, estate);
        self.windows.insert(id, window);
        self.ledger.judge_by(Object::BreakGlass(id).into(), event.at, judgement, Some(event.index));
    }

    fn judgement(&self, row: &OpenBreakGlass, window: &Window, estate: &Estate) -> Judgement {
        if let Some(why) = window.unknown {
            return Judgement::unknown(why);
        }
        if let Some(reviewed) = row.reviewed {
            let is_involved = involved(row, estate).contains(&estate.person_of(reviewed.by));
            let because = "it was reviewed by one who had it, opened it or approved it";
            return if is_involved { Judgement::violated(because) } else { Judgement::Holds };
        }
        if let Some(defect) = &window.defect {
            return Judgement::violated(defect.clone());
        }
        let (end, most) = (end_of(row), row.opened_at.after(self.longest));
        let (until, because) = if most < end {
            (most, format!("it was open for more than {} hours", self.longest.as_secs() / HOUR))
        } else {
            let hours = self.review.as_secs() / HOUR;
            (end.after(self.review), format!("nobody reviewed it within {hours} hours of its end"))
        };
        Judgement::HoldsUntil(until, because.into())
    }

    /// Emergency access that is no part of any that was opened.
    fn take_grant(&mut self, id: GrantId, event: &Event<'_>, estate: &Estate) {
        let Some(grant) = estate.grants.get(&id) else { return };
        if grant.origin != GrantOrigin::BreakGlass {
            return;
        }
        self.index.take(id, grant);
        let is_opened = estate.break_glass.values().any(|window| window.grants.contains(&id));
        let judgement = if is_opened || grant.status != Status::Active {
            Judgement::OutOfScope
        } else {
            Judgement::violated("it is emergency access that nobody opened")
        };
        self.ledger.judge_by(Object::Grant(id).into(), event.at, judgement, Some(event.index));
    }

    /// Who can open it and approve it may have changed.
    fn take_person(&mut self, id: PrincipalId, at: Timestamp, estate: &Estate) {
        let row = estate.principals.get(&id).filter(|row| is_person(row));
        let holds = |roles: &[Role]| row.is_some_and(|row| row.roles.iter().any(|role| roles.contains(role)));
        let approves = holds(&[Role::Responder, Role::SecurityOfficer]);
        let opens = approves || holds(&[Role::Administrator]);
        let was = (self.approvers.contains(&id), self.openers.contains(&id));
        if was == (approves, opens) {
            return;
        }
        turn(&mut self.approvers, id, approves);
        turn(&mut self.openers, id, opens);
        let persons: BTreeSet<_> = self.openers.iter().map(|id| estate.person_of(*id)).collect();
        let is_possible = !self.approvers.is_empty() && persons.len() > 1;
        if is_possible != self.is_possible {
            self.is_possible = is_possible;
            for key in self.of_health.clone() {
                self.judge_key(key, at);
            }
        }
    }

    fn take_key(&mut self, id: KeyId, at: Timestamp, estate: &Estate) {
        let Some(key) = estate.keys.get(&id) else { return };
        let is_of_health = key.data_class == DataClass::Ephi && !key.state.is_destroyed();
        turn(&mut self.of_health, id, is_of_health);
        self.judge_key(id, at);
    }

    fn judge_key(&mut self, id: KeyId, at: Timestamp) {
        let judgement = if !self.of_health.contains(&id) {
            Judgement::OutOfScope
        } else if self.is_possible {
            Judgement::Holds
        } else {
            Judgement::violated(
                "its data is health records, and nobody can open emergency access to it: that takes two persons, of whom one is a responder or a security officer",
            )
        };
        self.ledger.judge(Object::Key(id), at, judgement);
    }

    /// Those that somebody must confirm, and has not: what ended in the period, and the trial of the procedure that health records ask for.
    fn unconfirmed(&self, end: &End<'_>) -> Vec<BreakGlassId> {
        let signed = signed(end);
        let ended = end.estate.break_glass.iter().filter(|(_, row)| {
            let ended_at = end_of(row);
            ended_at <= end.setting.as_of() && self.period.from <= ended_at
        });
        ended.filter(|(id, row)| !is_confirmed(&signed, **id, row, end.estate)).map(|(id, _)| *id).collect()
    }

    /// Was the procedure tried, and that confirmed, as lately as health records ask for?
    fn was_tried(&self, end: &End<'_>) -> bool {
        let (signed, to) = (signed(end), end.setting.as_of());
        let mut windows = end.estate.break_glass.iter();
        let was_tried = windows.any(|(id, row)| {
            to.since(row.opened_at) <= TRIED_WITHIN && is_confirmed(&signed, *id, row, end.estate)
        });
        self.of_health.is_empty() || was_tried
    }
}

/// Who has signed what of emergency access.
fn signed(end: &End<'_>) -> SignedAbout {
    let deployment = deployment_of(&end.verified.origin).unwrap_or_default();
    let statement = end.setting.catalogue.find_statement(REVIEWED);
    let of = |one| SignedAbout::of(one, deployment, end.setting.as_of(), end.estate);
    statement.map(of).unwrap_or_default()
}

/// Has somebody signed of it after its end, who neither had it nor opened it?
fn is_confirmed(signed: &SignedAbout, id: BreakGlassId, row: &OpenBreakGlass, estate: &Estate) -> bool {
    let own = [row.holder, row.opened_by].map(|id| estate.person_of(id));
    let mut signers = signed.signers(Object::BreakGlass(id), end_of(row));
    signers.any(|signer| !own.contains(&estate.person_of(signer)))
}

/// Puts something into a set, or takes it out.
fn turn<T: Ord>(set: &mut BTreeSet<T>, one: T, is_in: bool) {
    if is_in {
        set.insert(one);
    } else {
        set.remove(&one);
    }
}

impl Check for BreakGlass {
    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        let (Ended::Ok, Some(digest)) = (event.entry.out, event.entry.pol) else { return };
        let is_use = self.index.named(digest).is_some_and(|grant| self.of_grant.contains_key(&grant));
        if is_use && self.period.holds(event.at) {
            self.uses += 1;
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        self.approvals.changed(object, event);
        match object {
            Object::Alert(_)
            | Object::Approval(_)
            | Object::BreakGlass(_)
            | Object::Grant(_)
            | Object::Key(_)
            | Object::Principal(_)
                if is_unreadable(&mut self.ledger, object, event.at, estate) => {}
            Object::BreakGlass(id) => self.take(id, event, estate),
            Object::Grant(id) => self.take_grant(id, event, estate),
            Object::Key(id) => self.take_key(id, event.at, estate),
            Object::Principal(id) => self.take_person(id, event.at, estate),
            _ => {}
        }
    }

    fn end(self: Box<Self>, end: &End<'_>) -> Outcome {
        let (to, rows) = (end.setting.as_of(), &end.estate.break_glass);
        let of =
            |which: &dyn Fn(&OpenBreakGlass) -> bool| count(rows.values().filter(|row| which(row)).count());
        let open = of(&|row| to < end_of(row));
        let unreviewed = of(&|row| end_of(row) <= to && row.reviewed.is_none());
        let is_unjustified = |row: &OpenBreakGlass| {
            row.reviewed.is_some_and(|reviewed| reviewed.verdict == BreakGlassVerdict::Unjustified)
        };
        let unjustified = of(&is_unjustified);
        let (unconfirmed, was_tried) = (self.unconfirmed(end), self.was_tried(end));
        let outcome = Outcome::of(self.ledger, "emergency access can be had, is bounded, and was reviewed by others")
            .figure("emergency_accesses", count(rows.len()))
            .figure("emergency_accesses_open", open)
            .figure("emergency_accesses_unreviewed", unreviewed)
            .figure("emergency_accesses_unjustified", unjustified)
            .figure("uses_by_emergency_access", self.uses)
            .note("that it can be had is taken to be that two persons are there for it: one who opens it, and another responder or security officer who approves it")
            .note("what was done by it is what was done by its grants: `claviger audit search` with its holder and its time shows each use")
            .note("what was wrong with one stays so until another person has reviewed it; what is wrong with that review stays");
        let outcome = match unconfirmed.first() {
            None => outcome,
            Some(first) => outcome.needs(REVIEWED).note(format!(
                "{} emergency accesses have no signed statement of somebody who neither had nor opened them; {first} is the first",
                unconfirmed.len()
            )),
        };
        if was_tried {
            outcome
        } else {
            outcome
                .needs(REVIEWED)
                .note("keys of health records are there, and no emergency access was opened and confirmed within a year: open one as a trial")
        }
    }
}

#[cfg(test)]
mod tests {
    use claviger_audit::fact::{OpenKey, OpenRow};
    use claviger_core::break_glass::{BreakGlassClosed, BreakGlassReviewed};

    use super::*;
    use crate::control::Mode;
    use crate::evaluation::fixture::{
        ACCESS, ADA, ANNA, CUSTODIANS, KEY, OTTO, Story, Told, human, key, open_key, person, principal,
    };

    /// Another responder, who reviews.
    const RITA: PrincipalId = person(40);

    fn story() -> Story {
        let mut story = Story::of("USE-11");
        let card = story.certificate(RITA);
        story.act(Op::AssignRole, None, vec![principal(RITA, human(&[Role::Responder])), card]);
        story.wait(900);
        story
    }

    fn reviewed(story: &mut Story, by: PrincipalId) {
        story.access_is(Op::ReviewBreakGlass, |access, at| {
            access.reviewed = Some(BreakGlassReviewed { verdict: BreakGlassVerdict::Justified, by, at });
        });
    }

    fn told(story: Story) -> Told {
        story.told(Mode::Period)
    }

    #[test]
    fn where_nothing_was_opened_and_no_health_records_are_there_nothing_is_in_scope() {
        told(story()).holds_of(0);
    }

    #[test]
    fn emergency_access_that_is_short_approved_known_and_reviewed_by_another_holds() {
        let mut story = story();
        story.emergency(2, |_, _| {});
        story.wait(1);
        reviewed(&mut story, RITA);
        story.attest(RITA, REVIEWED, &[Object::BreakGlass(ACCESS)]);
        let told = told(story);
        told.holds_of(1);
        assert!(told.needs.is_empty(), "{told:?}");
        assert_eq!(told.figures["emergency_accesses"], 1);
    }

    #[test]
    fn it_is_reviewed_in_time_and_by_somebody_who_neither_had_opened_nor_approved_it() {
        let found = |days: u64, by: Option<PrincipalId>, mode: Mode| {
            let mut story = story();
            story.emergency(2, |_, _| {});
            story.wait(days);
            if let Some(by) = by {
                reviewed(&mut story, by);
            }
            story.told(mode)
        };
        let late = "nobody reviewed it within 72 hours of its end";
        found(2, Some(RITA), Mode::Period).holds_of(1);
        found(2, None, Mode::State).is_violated(late);
        // What came late is of the period alone.
        found(4, Some(RITA), Mode::Period).is_violated(late);
        found(4, Some(RITA), Mode::State).holds_of(1);
        for by in [ANNA, ADA, OTTO] {
            found(2, Some(by), Mode::State).is_violated("had it, opened it or approved it");
        }
    }

    #[test]
    fn it_lasts_no_longer_than_is_asked_unless_it_is_closed_before() {
        let found = |hours: u64, close: bool| {
            let mut story = story();
            story.emergency(hours, |_, _| {});
            if close {
                story.access_is(Op::CloseBreakGlass, |access, at| {
                    access.closed = Some(BreakGlassClosed { by: OTTO, at });
                });
            }
            story.wait(2);
            reviewed(&mut story, RITA);
            told(story)
        };
        found(4, false).holds_of(1);
        found(5, false).is_violated("it was open for more than 4 hours");
        found(5, true).holds_of(1);
    }

    #[test]
    fn how_it_was_opened_is_held_against_what_is_asked() {
        type Edit = fn(&mut OpenBreakGlass, &mut Vec<(Object, OpenRow)>);
        let edits: [(&str, Edit); 6] = [
            ("without a reason", |access, _| access.reason = None),
            ("no alert was raised", |_, rows| {
                rows.retain(|(object, _)| !matches!(object, Object::Alert(_)));
            }),
            ("and nobody approved it, where 1 must", |_, rows| {
                rows.retain(|(object, _)| !matches!(object, Object::Approval(_)));
            }),
            ("its grants give something else", |access, _| access.ends_at = access.opened_at),
            ("its grants give something else", |access, _| access.keys = vec![KeyId::from_bytes([9; 16])]),
            ("its holder is no person without a role", |access, rows| {
                rows.push(principal(access.holder, human(&[Role::Operator])));
            }),
        ];
        for (because, edit) in edits {
            let mut story = story();
            story.emergency(2, edit);
            told(story).is_violated(because);
        }
        // A role that another account of the holder has is theirs.
        let mut story = story();
        let again = OpenPrincipal { same_person_as: Some(ANNA), ..human(&[Role::Auditor]) };
        story.act(Op::CreatePrincipal, None, vec![principal(person(41), again)]);
        story.emergency(2, |_, _| {});
        told(story).is_violated("its holder is no person without a role");
    }

    #[test]
    fn emergency_access_that_nobody_opened_is_none_and_ends_with_what_is_closed() {
        let mut other = story();
        other.emergency(2, |access, _| access.grants = vec![GrantId::from_bytes([42; 16])]);
        let found = told(other);
        assert!(found.violations.iter().any(|one| one.contains("that nobody opened")), "{found:?}");

        let mut story = story();
        story.emergency(2, |_, _| {});
        let mut access = story.estate.break_glass[&ACCESS].clone();
        access.closed = Some(BreakGlassClosed { by: OTTO, at: story.next() });
        let row = (Object::BreakGlass(ACCESS), OpenRow::BreakGlass(Box::new(access)));
        story.act(Op::CloseBreakGlass, None, vec![row]);
        told(story).is_violated("and grant");
    }

    #[test]
    fn somebody_who_neither_had_nor_opened_it_signs_of_it_after_its_end() {
        let needed = |by: Option<PrincipalId>, about: &[Object]| {
            let mut story = story();
            let card = story.certificate(ANNA);
            story.act(Op::CreateCredential, None, vec![card]);
            story.emergency(2, |_, _| {});
            story.wait(1);
            reviewed(&mut story, RITA);
            if let Some(by) = by {
                story.attest(by, REVIEWED, about);
            }
            told(story).needs.contains(REVIEWED)
        };
        let window = [Object::BreakGlass(ACCESS)];
        assert!(!needed(Some(RITA), &window) && !needed(Some(OTTO), &window));
        assert!(needed(None, &window) && needed(Some(RITA), &[]));
        for by in [ANNA, ADA, CUSTODIANS[0]] {
            assert!(needed(Some(by), &window), "who had it, who opened it, and who is not asked");
        }
    }

    #[test]
    fn health_records_ask_for_a_way_and_for_a_trial_of_it() {
        let health = || key(OpenKey { data_class: DataClass::Ephi, ..open_key() });
        let mut with_way = story();
        with_way.act(Op::CreateKey, Some(KEY), vec![health()]);
        let found = told(with_way);
        found.holds_of(1);
        assert!(found.needs.contains(REVIEWED), "{found:?}");

        let mut tried = story();
        tried.act(Op::CreateKey, Some(KEY), vec![health()]);
        tried.emergency(1, |_, _| {});
        tried.wait(1);
        reviewed(&mut tried, RITA);
        tried.attest(RITA, REVIEWED, &[Object::BreakGlass(ACCESS)]);
        let found = told(tried);
        found.holds_of(2);
        assert!(found.needs.is_empty(), "{found:?}");

        // One officer alone, by two accounts.
        let mut alone = Story::of("USE-11");
        alone.act(Op::CreateKey, Some(KEY), vec![health()]);
        alone.act(Op::WithdrawRole, None, vec![principal(ADA, human(&[]))]);
        let again = OpenPrincipal { same_person_as: Some(OTTO), ..human(&[Role::Responder]) };
        alone.act(Op::CreatePrincipal, None, vec![principal(person(41), again)]);
        alone.told(Mode::State).is_violated("nobody can open emergency access to it");
    }
}
