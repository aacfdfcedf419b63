//! Approvals against the log: who decided signed it, what was asked for stays as it was, and what ended stays ended.
//!
//! Of a decision, the facts have all that it takes: the digest of what was asked for, the verdict, the key and the signature. Whose key that
//! is, and whether they could decide, is no question of the log's form.
//!
//! Of a plan, each step is done in an entry of its own, whose facts are those of what it wrote: a step says which rows of the plan these are, and
//! they were as they had been shown, or as the steps before it had left them. How many steps there are is sealed: whoever has the form sees that
//! all were done of a plan that was.

use std::collections::BTreeMap;

use claviger_core::approval::{DoneStep, Outcome, SeenRow, Verdict};
use claviger_core::{Action, ApprovalId, PrincipalId};

use super::finding::Finding;
use super::objects::{Current, Objects};
use crate::approval::{Form, is_signed};
use crate::declaration::deployment_of;
use crate::fact::{Fact, Field, Kind, Object, OpenApproval, OpenRow, is_fixed, is_sealed};
use crate::governed::Governed;

/// Looks at the next fact, before it is taken, beside all of its entry. Of rows as they are found (`as_found`), everything is said at once.
pub(super) fn look_at(
    place: (u32, u64),
    as_found: bool,
    (fact, facts): (&Fact, &[Fact]),
    objects: &Objects,
    findings: &mut Vec<Finding>,
) {
    let Object::Approval(approval) = fact.object else { return };
    let known = objects.find(&fact.object);
    if let Some(why) = judge(place, approval, (known, as_found), (fact, facts), findings) {
        let (shard, entry) = place;
        let why = format!("entry {entry} of shard {shard}: {why}");
        findings.push(Finding::ApprovalAltered { approval, why });
    }
}

/// What is wrong with it. Signatures are judged on the way.
fn judge(
    (shard, entry): (u32, u64),
    approval: ApprovalId,
    (known, as_found): (Option<&Current>, bool),
    (fact, facts): (&Fact, &[Fact]),
    findings: &mut Vec<Finding>,
) -> Option<&'static str> {
    if fact.is_removal() {
        return Some("it is taken away");
    }
    let is_repeated = |number: &u16| is_fixed(Kind::Approval, *number);
    if known.is_some() && !as_found && fact.fields.keys().any(is_repeated) {
        return Some("what was asked for is said once more");
    }
    let fields = known.map_or_else(|| fact.fields.clone(), |known| known.followed_by(fact));
    // What somebody withheld cannot be judged.
    if fields.iter().any(|(number, field)| is_withheld(*number, field)) {
        return None;
    }
    let Ok(OpenRow::Approval(now)) = OpenRow::read(fact.object, &fields) else {
        return Some("it does not read");
    };
    let before = known.and_then(|known| match OpenRow::read(fact.object, &known.fields()) {
        Ok(OpenRow::Approval(before)) => Some(before),
        _ => None,
    });
    let decided_before = before.as_ref().map(|before| before.decisions.as_slice()).unwrap_or_default();
    let Some(added) = now.decisions.strip_prefix(decided_before) else {
        return Some("a decision that was there is gone, or is another one");
    };
    for decided in added.iter().filter(|decided| !is_signed(&now.digest, decided)) {
        findings.push(Finding::ApprovalUnsigned { shard, entry, approval, by: decided.by });
    }
    let done_before = before.as_ref().map(|before| before.done.as_slice()).unwrap_or_default();
    let Some(done) = now.done.strip_prefix(done_before) else {
        return Some("a step that was there is gone, or is another one");
    };
    let ended_before = before.as_ref().and_then(|before| before.ended);
    let goes_on = now.ended != ended_before || !added.is_empty() || !done.is_empty();
    if ended_before.is_some() && !as_found && goes_on {
        return Some("it had ended");
    }
    if let ([step, more @ ..], false) = (done, as_found) {
        if !more.is_empty() {
            return Some("two steps were done in one");
        }
        if is_denied(&now) {
            return Some("a step was done, and somebody had denied it");
        }
        if let Some(why) = misstates(&now, done_before, step, facts) {
            return Some(why);
        }
    }
    is_unfit(&now)
}

/// What a step says that it moved, held against what its entry wrote.
fn misstates(
    approval: &OpenApproval,
    done_before: &[DoneStep],
    step: &DoneStep,
    facts: &[Fact],
) -> Option<&'static str> {
    let moved_before = done_before.iter().flat_map(|done| &done.moved);
    let seen = approval.rows.iter().chain(moved_before);
    let expected: BTreeMap<_, _> = seen.map(|seen| (seen.object, seen.revision)).collect();
    let of_plan = facts.iter().filter(|fact| expected.contains_key(&fact.object));
    let mut written: Vec<_> =
        of_plan.map(|fact| SeenRow { object: fact.object, revision: fact.revision }).collect();
    written.sort_unstable_by_key(|seen| seen.object);
    if written != step.moved {
        return Some("a step moved other rows of it than it says");
    }
    let follows = |seen: &SeenRow| {
        expected.get(&seen.object).and_then(|revision| revision.checked_add(1)) == Some(seen.revision)
    };
    (!written.iter().all(follows)).then_some("a step moved a row that was not as it was shown")
}

fn is_denied(approval: &OpenApproval) -> bool {
    approval.decisions.iter().any(|decided| decided.verdict == Verdict::Deny)
}

/// Does a field that lies open in facts not lie here?
fn is_withheld(number: u16, field: &Field) -> bool {
    matches!(field, Field::Hidden(_)) && !is_sealed(Kind::Approval, number)
}

/// Can it not have come to that?
fn is_unfit(approval: &OpenApproval) -> Option<&'static str> {
    let decisions = &approval.decisions;
    let is_twice = |(at, by): (usize, PrincipalId)| decisions.iter().take(at).any(|other| other.by == by);
    if decisions.iter().map(|decided| decided.by).enumerate().any(is_twice) {
        return Some("somebody decided twice");
    }
    if decisions.iter().any(|decided| decided.by == approval.requester) {
        return Some("who asked for it decided on it");
    }
    let is_denied = is_denied(approval);
    let approve_enough = approval.approvers().count() >= usize::from(approval.quorum);
    let is_plan = approval.action == Action::ApplyPlan;
    if !approval.done.is_empty() && !is_plan {
        return Some("it has steps, and is no plan");
    }
    if !approval.done.is_empty() && !approve_enough {
        return Some("a step was done, and not approved by enough");
    }
    if !approval.done.iter().zip(0..).all(|(done, step)| done.step == step) {
        return Some("its steps were not done one behind the other");
    }
    let is_by_another = approval.ended.is_some_and(|ended| ended.by != approval.requester);
    match approval.ended.map(|ended| ended.outcome) {
        Some(Outcome::Executed) if is_denied || !approve_enough => {
            Some("it was done, and not approved by enough")
        }
        Some(Outcome::Executed) if is_plan && (approval.done.is_empty() || is_by_another) => {
            Some("the plan was done without a step, or by another one than asked for it")
        }
        Some(Outcome::Denied) if !is_denied => Some("it was denied by nobody"),
        _ => None,
    }
}

/// Holds forms, as somebody disclosed them, against what the log of that origin says of their approvals.
pub(super) fn hold(forms: &[Form], origin: &str, objects: &Objects, findings: &mut Vec<Finding>) {
    for form in forms {
        if let Some(why) = differs(form, origin, objects) {
            findings.push(Finding::ApprovalAltered { approval: form.id, why });
        }
    }
}

fn differs(form: &Form, origin: &str, objects: &Objects) -> Option<String> {
    if deployment_of(origin) != Some(form.deployment.as_str()) {
        return Some(format!("the form is of the deployment `{}`", form.deployment));
    }
    let object = Object::Approval(form.id);
    let Some(current) = objects.find(&object) else {
        return Some("the log knows no such approval".to_owned());
    };
    let Ok(OpenRow::Approval(said)) = OpenRow::read(object, &current.fields()) else {
        return Some("its facts do not read".to_owned());
    };
    if let Some(field) = form.differs_from(&said) {
        return Some(format!("the form is of another {field}"));
    }
    let is_executed = said.ended.is_some_and(|ended| ended.outcome == Outcome::Executed);
    let steps = match form.act() {
        Ok(Governed::ApplyPlan { acts, .. }) => acts.len(),
        Ok(_) => 0,
        // What this release does not know is not judged.
        Err(_) => return None,
    };
    let is_whole = if is_executed { said.done.len() == steps } else { said.done.len() <= steps };
    (!is_whole).then(|| format!("{} of {steps} steps were done", said.done.len()))
}

#[cfg(test)]
mod tests {
    use claviger_core::Timestamp;
    use claviger_core::approval::{Approval, Decided, Ended};
    use claviger_core::change::Change;

    use super::*;
    use crate::approval::tests::{KEY, approval, decided, deployment, plan};
    use crate::fact::{VeilKey, projection};

    const ORIGIN: &str = "shop/audit/root";

    /// The facts of each write, as a service would make them.
    fn facts(writes: &[Approval]) -> Vec<Fact> {
        let veil = VeilKey::new([9; 32]);
        let written = (0..).zip(writes).map(|(revision, approval)| Approval { revision, ..approval.clone() });
        let projected = written.map(|approval| projection(&Change::PutApproval(approval)).unwrap());
        projected.map(|projected| projected.of_revision().fact(Some(&veil)).unwrap()).collect()
    }

    fn walk(facts: &[Fact]) -> (Objects, Vec<Finding>) {
        let (mut objects, mut findings) = (Objects::default(), Vec::new());
        for (entry, fact) in (0..).zip(facts) {
            look_at((1, entry), false, (fact, std::slice::from_ref(fact)), &objects, &mut findings);
            objects.take((1, entry), false, [(fact, [7; 32])].into_iter(), &mut findings);
        }
        (objects, findings)
    }

    fn codes(findings: &[Finding]) -> Vec<&'static str> {
        findings.iter().map(Finding::code).collect()
    }

    fn ended(outcome: Outcome) -> Option<Ended> {
        Some(Ended { outcome, at: Timestamp::from_micros(3_000), by: PrincipalId::from_bytes([4; 16]) })
    }

    /// Asked for, approved by two, done.
    fn history() -> Vec<Approval> {
        let asked = approval();
        let one = decided(&asked, Verdict::Approve, 7);
        let other = decided(&asked, Verdict::Approve, 8);
        let once = Approval { decisions: vec![one.clone()], ..asked.clone() };
        let twice = Approval { decisions: vec![one, other], ..asked.clone() };
        let done = Approval { ended: ended(Outcome::Executed), ..twice.clone() };
        vec![asked, once, twice, done]
    }

    #[test]
    fn what_a_service_writes_holds() {
        let asked = approval();
        let denial = decided(&asked, Verdict::Deny, 7);
        let denied = Approval { decisions: vec![denial], ended: ended(Outcome::Denied), ..asked.clone() };
        let cancelled = Approval { ended: ended(Outcome::Cancelled), ..asked.clone() };
        for writes in [history(), vec![asked.clone(), denied], vec![asked, cancelled]] {
            assert_eq!(walk(&facts(&writes)).1, [], "{writes:?}");
        }
    }

    #[test]
    fn a_decision_that_nobody_signed_is_found() {
        let edits: [fn(&mut Approval); 4] = [
            |one| one.decisions[0].signature[0] ^= 1,
            |one| one.decisions[0].signed_at = Timestamp::from_micros(1),
            |one| one.decisions[0].public_key = one.decisions[0].public_key.iter().rev().copied().collect(),
            // Of another approval.
            |one| {
                let other = Approval { digest: [1; 32], ..approval() };
                one.decisions[0] = decided(&other, Verdict::Approve, 7);
            },
        ];
        for edit in edits {
            let mut writes = history();
            writes.iter_mut().skip(1).for_each(edit);
            let findings = walk(&facts(&writes)).1;
            assert_eq!(codes(&findings), ["approval-unsigned"], "it is told once");
            let by = PrincipalId::from_bytes([7; 16]);
            let approval = writes[0].id;
            assert_eq!(findings, [Finding::ApprovalUnsigned { shard: 1, entry: 1, approval, by }]);
        }
    }

    #[test]
    fn decisions_are_added_and_the_end_is_written_once() {
        let all = history();
        let [asked, once, twice, done] = all.as_slice() else { panic!("four writes") };
        let again = |edit: &dyn Fn(&mut Approval)| {
            let mut edited = done.clone();
            edit(&mut edited);
            edited
        };
        let third = decided(asked, Verdict::Approve, 9);
        for writes in [
            vec![asked, once, asked],
            vec![asked, twice, once],
            vec![asked, once, twice, done, twice],
            vec![asked, once, twice, done, &again(&|one| one.decisions.push(third.clone()))],
            vec![asked, once, twice, done, &again(&|one| one.ended = ended(Outcome::Moved))],
        ] {
            let writes: Vec<_> = writes.into_iter().cloned().collect();
            assert_eq!(codes(&walk(&facts(&writes)).1), ["approval-altered"], "{writes:?}");
        }
    }

    #[test]
    fn what_cannot_have_come_to_pass_is_found() {
        let asked = approval();
        let with = |decisions: Vec<_>, outcome: Option<Outcome>| {
            let ended = outcome.and_then(ended);
            vec![asked.clone(), Approval { decisions, ended, ..asked.clone() }]
        };
        let by = |person| decided(&asked, Verdict::Approve, person);
        let own = Decided { by: asked.requester, ..by(7) };
        for writes in [
            with(vec![by(7)], Some(Outcome::Executed)),
            with(vec![by(7), by(7)], None),
            with(vec![own], None),
            with(vec![by(7), by(8), decided(&asked, Verdict::Deny, 9)], Some(Outcome::Executed)),
            with(vec![by(7), by(8)], Some(Outcome::Denied)),
        ] {
            assert_eq!(codes(&walk(&facts(&writes)).1), ["approval-altered"], "{writes:?}");
        }
    }

    #[test]
    fn what_was_asked_for_is_said_once() {
        let mut all = facts(&history());
        let quorum = all[0].fields[&6].clone();
        all[2].fields.insert(6, quorum);
        assert_eq!(codes(&walk(&all).1), ["approval-altered"]);
        // The first fact, without it.
        let mut all = facts(&history());
        all[0].fields.remove(&4);
        assert_eq!(codes(&walk(&all).1), ["approval-altered"; 4]);
        // Withheld is not altered.
        all[0].fields.insert(4, Field::Hidden([1; 32]));
        assert_eq!(codes(&walk(&all).1), [""; 0]);
        let mut all = facts(&history());
        all[3] = Fact { revision: 0, fields: [].into(), ..all[3].clone() };
        assert_eq!(codes(&walk(&all).1), ["approval-altered"]);
    }

    /// An entry: the fact of the plan, and the other rows that it wrote.
    type Written = (Fact, Vec<(Object, u64)>);

    /// A plan of two steps, of which the first writes the key and the second the key and a ring that the plan does not rest on.
    fn planned() -> Vec<Approval> {
        let asked = plan();
        let decisions = vec![decided(&asked, Verdict::Approve, 7), decided(&asked, Verdict::Approve, 8)];
        let approved = Approval { decisions, ..asked.clone() };
        let step = |step, revision| {
            let moved = vec![SeenRow { object: Object::Key(KEY), revision }];
            DoneStep { step, moved }
        };
        let half = Approval { done: vec![step(0, 8)], ..approved.clone() };
        let whole = Approval { done: vec![step(0, 8), step(1, 9)], ..approved.clone() };
        let end =
            Ended { outcome: Outcome::Executed, at: Timestamp::from_micros(3_000), by: asked.requester };
        vec![asked, approved, half, Approval { ended: Some(end), ..whole }]
    }

    fn entries(writes: &[Approval]) -> Vec<Written> {
        let ring = Object::Ring(claviger_core::KeyRingId::from_bytes([99; 16]));
        let written = |at: usize| match at {
            2 => vec![(Object::Key(KEY), 8)],
            3 => vec![(ring, 4), (Object::Key(KEY), 9)],
            _ => Vec::new(),
        };
        (0..).zip(facts(writes)).map(|(at, fact)| (fact, written(at))).collect()
    }

    fn codes_of(entries: &[Written]) -> Vec<&'static str> {
        let (mut objects, mut findings) = (Objects::default(), Vec::new());
        for (entry, (fact, written)) in (0..).zip(entries) {
            let other = |(object, revision): &(Object, u64)| Fact {
                object: *object,
                revision: *revision,
                fields: [].into(),
                sealed: None,
            };
            let all: Vec<_> = std::iter::once(fact.clone()).chain(written.iter().map(other)).collect();
            look_at((1, entry), false, (fact, &all), &objects, &mut findings);
            objects.take((1, entry), false, [(fact, [7; 32])].into_iter(), &mut findings);
        }
        codes(&findings)
    }

    #[test]
    fn a_plan_that_was_done_step_by_step_holds() {
        assert_eq!(codes_of(&entries(&planned())), [""; 0]);
        // Somebody stops it behind its first step.
        let mut stopped = planned();
        let denial = decided(&stopped[0], Verdict::Deny, 9);
        stopped[3] = Approval { ended: ended(Outcome::Denied), ..stopped[2].clone() };
        stopped[3].decisions.push(denial);
        let mut stopped = entries(&stopped);
        stopped[3].1.clear();
        assert_eq!(codes_of(&stopped), [""; 0]);
    }

    #[test]
    fn a_step_that_was_not_done_as_it_was_approved_is_found() {
        let edits: [fn(&mut Vec<Approval>); 9] = [
            // Before enough had approved.
            |all| all[1].decisions.truncate(1),
            |all| all.iter_mut().skip(1).for_each(|one| one.decisions.truncate(1)),
            // Behind a denial.
            |all| {
                let denial = decided(&all[0], Verdict::Deny, 9);
                all[2].decisions.push(denial);
            },
            // Both at once, in another order, another one than before, taken back, or of no plan.
            |all| all[2].done = all[3].done.clone(),
            |all| all[2].done[0].step = 1,
            |all| all[3].done[0].moved.clear(),
            |all| all[3].done.clear(),
            |all| all.iter_mut().for_each(|one| one.action = Action::UpdateRing),
            // By another one than asked.
            |all| {
                let by = PrincipalId::from_bytes([5; 16]);
                all[3].ended = all[3].ended.map(|ended| Ended { by, ..ended });
            },
        ];
        // The first does not go round anything: who approves, approves in time for the step.
        for (number, edit) in edits.into_iter().enumerate() {
            let mut writes = planned();
            edit(&mut writes);
            let is_found = codes_of(&entries(&writes)).contains(&"approval-altered");
            assert_eq!(is_found, number != 0, "edit {number}");
        }
    }

    #[test]
    fn a_step_says_what_it_moved_and_moves_nothing_that_was_not_as_shown() {
        let good = || entries(&planned());
        let edits: [fn(&mut Vec<Written>); 4] = [
            // It wrote none of it, another revision, and more than it says.
            |all| all[2].1.clear(),
            |all| all[2].1[0].1 = 9,
            |all| all[2].1.push((plan().rows[1].object, 2)),
            |all| all[3].1.truncate(1),
        ];
        for (number, edit) in edits.into_iter().enumerate() {
            let mut edited = good();
            edit(&mut edited);
            assert!(codes_of(&edited).contains(&"approval-altered"), "edit {number}");
        }
        // The key had been written by somebody else in between, and the step says what it found.
        let mut writes = planned();
        for one in writes.iter_mut().skip(2) {
            one.done[0].moved[0].revision = 9;
        }
        writes[3].done[1].moved[0].revision = 10;
        let mut edited = entries(&writes);
        edited[2].1[0].1 = 9;
        edited[3].1[1].1 = 10;
        assert_eq!(codes_of(&edited), ["approval-altered"]);
    }

    #[test]
    fn a_plan_that_is_done_was_done_to_its_last_step() {
        let walked = |writes: &[Approval]| {
            let (mut objects, mut findings) = (Objects::default(), Vec::new());
            for (entry, fact) in (0..).zip(facts(writes)) {
                objects.take((1, entry), false, [(&fact, [7; 32])].into_iter(), &mut findings);
            }
            let form = Form::of(&plan(), &deployment());
            hold(&[form], ORIGIN, &objects, &mut findings);
            codes(&findings)
        };
        let all = planned();
        assert_eq!(walked(&all), [""; 0]);
        assert_eq!(walked(&all[..3]), [""; 0]);
        let early = Approval { done: all[2].done.clone(), ..all[3].clone() };
        assert_eq!(walked(&[all[0].clone(), early]), ["approval-altered"]);
        let mut longer = all[3].clone();
        longer.done.push(DoneStep { step: 2, moved: Vec::new() });
        assert_eq!(walked(&[all[0].clone(), longer]), ["approval-altered"]);
    }

    #[test]
    fn a_form_that_was_changed_is_found() {
        let objects = walk(&facts(&history())).0;
        let held = |form: &Form, origin: &str| {
            let mut findings = Vec::new();
            hold(std::slice::from_ref(form), origin, &objects, &mut findings);
            codes(&findings)
        };
        let form = Form::of(&approval(), &deployment());
        assert_eq!(held(&form, ORIGIN), [""; 0]);
        let edits: [fn(&mut Form); 4] = [
            |one| one.asked[30] ^= 1,
            |one| one.salt[0] ^= 1,
            |one| one.quorum = 1,
            |one| one.id = ApprovalId::from_bytes([9; 16]),
        ];
        for edit in edits {
            let mut edited = form.clone();
            edit(&mut edited);
            assert_eq!(held(&edited, ORIGIN), ["approval-altered"], "{edited:?}");
        }
        assert_eq!(held(&form, "another/audit/root"), ["approval-altered"]);
    }
}
