//! Approvals against the log: who decided signed it, what was asked for stays as it was, and what ended stays ended.
//!
//! Of a decision, the facts have all that it takes: the digest of what was asked for, the verdict, the key and the signature. Whose key that
//! is, and whether they could decide, is no question of the log's form.

use claviger_core::approval::{Outcome, Verdict};
use claviger_core::{ApprovalId, PrincipalId};

use super::finding::Finding;
use super::objects::{Current, Objects};
use crate::approval::{Form, is_signed};
use crate::declaration::deployment_of;
use crate::fact::{Fact, Field, Kind, Object, OpenApproval, OpenRow, is_fixed, is_sealed};

/// Looks at the next fact, before it is taken. Of rows as they are found (`as_found`), everything is said at once.
pub(super) fn look_at(
    place: (u32, u64),
    as_found: bool,
    fact: &Fact,
    objects: &Objects,
    findings: &mut Vec<Finding>,
) {
    let Object::Approval(approval) = fact.object else { return };
    let known = objects.find(&fact.object);
    if let Some(why) = judge(place, approval, (known, as_found), fact, findings) {
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
    fact: &Fact,
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
    let ended_before = before.as_ref().and_then(|before| before.ended);
    if ended_before.is_some() && !as_found && (now.ended != ended_before || !added.is_empty()) {
        return Some("it had ended");
    }
    is_unfit(&now)
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
    let is_denied = decisions.iter().any(|decided| decided.verdict == Verdict::Deny);
    let is_approved = !is_denied && approval.approvers().count() >= usize::from(approval.quorum);
    match approval.ended.map(|ended| ended.outcome) {
        Some(Outcome::Executed) if !is_approved => Some("it was done, and not approved by enough"),
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
    form.differs_from(&said).map(|field| format!("the form is of another {field}"))
}

#[cfg(test)]
mod tests {
    use claviger_core::Timestamp;
    use claviger_core::approval::{Approval, Decided, Ended};
    use claviger_core::change::Change;

    use super::*;
    use crate::approval::tests::{approval, decided, deployment};
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
            look_at((1, entry), false, fact, &objects, &mut findings);
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
