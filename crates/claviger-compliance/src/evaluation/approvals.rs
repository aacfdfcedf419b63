//! Approvals as facts show them: who could approve when they did, and whose approvals are valid at an instant.
//!
//! What it keeps true:
//! * an approval is valid only with a signature that is verified here, by a certificate that was valid, of a person who could approve: when
//!   it was given, and at the instant that is asked about;
//! * one person approves once, by whatever account, and neither what they ask for themselves nor a role or emergency access that they get;
//! * what came together with the act that it is about approved nothing.
//!
//! That the key which signed is that of the certificate, no open fact shows: digests of certificates are sealed.

use std::collections::BTreeSet;

use claviger_audit::approval::is_signed;
use claviger_audit::fact::{OpenApproval, OpenCredential};
use claviger_core::approval::{Decided, Eligible, Outcome, Verdict};
use claviger_core::principal::{CredentialKind, PrincipalKind, Recovery, Role, Status};
use claviger_core::{Action, ApprovalId, PrincipalId, Timestamp};

use super::estate::Estate;

/// What is wrong with an approval, in words behind `it`.
pub(crate) type Flaw = &'static str;

/// Whose approvals of one thing are valid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Approvers {
    /// The persons.
    pub(crate) persons: BTreeSet<PrincipalId>,
    /// Of the first that is not valid: by whom it is, and what is wrong with it.
    pub(crate) flaw: Option<(PrincipalId, Flaw)>,
}

/// What is wrong with each decision that comes behind so many that are known; none where it is as it should be.
pub(super) fn flaws(
    estate: &Estate,
    id: ApprovalId,
    approval: &OpenApproval,
    known: usize,
) -> Vec<Option<Flaw>> {
    // What is done of a plan is done step by step.
    let is_done = approval.ended.is_some_and(|ended| ended.outcome == Outcome::Executed)
        || approval.done.len() > estate.steps_before(id);
    let new = approval.decisions.iter().skip(known);
    let flaw = |decided: &Decided| {
        if is_done { Some("came together with the act") } else { flaw(estate, approval, decided) }
    };
    new.map(flaw).collect()
}

/// What is wrong with a decision that comes now.
fn flaw(estate: &Estate, approval: &OpenApproval, decided: &Decided) -> Option<Flaw> {
    let Some(credential) = estate.credentials.get(&decided.credential) else {
        return Some("is by a certificate that was not there");
    };
    let is_valid = credential.status == Status::Active
        && !credential.awaits_confirmation
        && credential.created_at <= decided.at
        && decided.at < credential.expires_at;
    if credential.kind != CredentialKind::Certificate || credential.principal != decided.by {
        Some("is by no certificate of its giver")
    } else if !is_valid {
        Some("is by a certificate that was not valid")
    } else if decided.at >= approval.expires_at {
        Some("came when its time was over")
    } else if !is_signed(&approval.digest, decided) {
        Some("has a signature that does not hold")
    } else if !may_approve(estate, decided.by, approval.eligible, decided.at) {
        Some("is by somebody who could not approve then")
    } else {
        None
    }
}

/// Is it a person who can approve, as all objects stand?
fn may_approve(estate: &Estate, id: PrincipalId, eligible: Eligible, at: Timestamp) -> bool {
    let Some(principal) = estate.principals.get(&id) else { return false };
    // Whose recovery nobody knows of decides nothing until the wait for it is over.
    let counts = || {
        let is_over = |since: Timestamp| since.after(Recovery::WAIT) <= at;
        principal.acknowledged_by.is_some() || principal.recovered_at.is_none_or(is_over)
    };
    let has_role = match eligible {
        Eligible::Custodians => principal.roles.contains(&Role::Custodian),
        Eligible::Responders => {
            let roles = [Role::Responder, Role::SecurityOfficer];
            roles.iter().any(|role| principal.roles.contains(role)) && counts()
        }
        Eligible::RoleHolders => !principal.roles.is_empty() && counts(),
    };
    has_role && principal.kind == PrincipalKind::Human && principal.status == Status::Active
}

/// Does it prove its principal?
fn is_live(credential: &OpenCredential, at: Timestamp) -> bool {
    credential.status == Status::Active && !credential.awaits_confirmation && at < credential.expires_at
}

impl Estate {
    /// Whose approvals are valid at an instant, of what gives that principal a role or emergency access where it gives one.
    pub(crate) fn approvers(
        &self,
        id: ApprovalId,
        at: Timestamp,
        appointed: Option<PrincipalId>,
    ) -> Approvers {
        let Some(approval) = self.approvals.get(&id) else { return Approvers::default() };
        let is_emergency = approval.action == Action::OpenBreakGlass;
        let made_by = appointed.filter(|_| is_emergency).map(|holder| self.makers_of(holder, at));
        let concerned = [Some(approval.requester), appointed].into_iter().flatten();
        let concerned = concerned.chain(made_by.into_iter().flatten());
        let concerned: BTreeSet<_> = concerned.map(|principal| self.person_of(principal)).collect();
        let (mut persons, mut keys, mut first) = (BTreeSet::new(), BTreeSet::new(), None);
        for (decided, flaw) in approval.decisions.iter().zip(self.flaws.get(&id).into_iter().flatten()) {
            if decided.verdict != Verdict::Approve {
                continue;
            }
            let person = self.person_of(decided.by);
            let flaw = if flaw.is_some() {
                *flaw
            } else if concerned.contains(&person) {
                Some("is by who asked for it, or gets something by it")
            } else if persons.contains(&person) {
                Some("is by a person who approved by another account")
            } else if keys.contains(decided.public_key.as_slice()) {
                Some("is signed by the key of another one")
            } else {
                self.flaw_since(approval, decided, at)
            };
            match flaw {
                Some(flaw) => {
                    first.get_or_insert((decided.by, flaw));
                }
                None => {
                    persons.insert(person);
                    keys.insert(decided.public_key.as_slice());
                }
            }
        }
        Approvers { persons, flaw: first }
    }

    /// Who made somebody, or one of the credentials that prove them, and may have kept its secret.
    fn makers_of(&self, id: PrincipalId, at: Timestamp) -> BTreeSet<PrincipalId> {
        let own = self.credentials.values().filter(|credential| credential.principal == id);
        let live = own.filter(|credential| is_live(credential, at));
        let of_account = self.principals.get(&id).and_then(|principal| principal.created_by);
        live.filter_map(|credential| credential.created_by).chain(of_account).collect()
    }

    /// What came to be wrong since with a decision that was as it should be. A certificate that ends by itself is renewed by another one.
    fn flaw_since(&self, approval: &OpenApproval, decided: &Decided, at: Timestamp) -> Option<Flaw> {
        if !may_approve(self, decided.by, approval.eligible, at) {
            return Some("is by somebody who could not approve any more");
        }
        let signed_by = self.credentials.get(&decided.credential);
        if signed_by.is_none_or(|credential| credential.status != Status::Active) {
            return Some("is by a certificate that was revoked since");
        }
        let is_own = |credential: &OpenCredential| {
            credential.principal == decided.by
                && credential.kind == CredentialKind::Certificate
                && is_live(credential, at)
        };
        let is_proved = signed_by.is_some_and(is_own) || self.credentials.values().any(is_own);
        (!is_proved).then_some("is by a certificate that ended, and no other one followed it")
    }
}

#[cfg(test)]
mod tests {
    use claviger_audit::Op;
    use claviger_audit::fact::{Object, OpenPrincipal, OpenRow};

    use super::*;
    use crate::evaluation::fixture::{
        ADA, ANNA, CUSTODIANS, KEY, OTTO, Story, at, card, human, person, principal,
    };

    const CARL: PrincipalId = CUSTODIANS[0];
    const CORA: PrincipalId = CUSTODIANS[1];

    fn asked(story: &mut Story) -> ApprovalId {
        story.ask(story.asked(ADA, Action::ScheduleDestroy, true, &[Object::Key(KEY)]))
    }

    /// Who approved validly by now, and what is wrong with the first that is not valid.
    fn valid(story: &Story, id: ApprovalId) -> (Vec<PrincipalId>, Option<Flaw>) {
        let Approvers { persons, flaw } = story.estate.approvers(id, story.next(), None);
        (persons.into_iter().collect(), flaw.map(|(_, flaw)| flaw))
    }

    fn approved() -> (Story, ApprovalId) {
        let mut story = Story::of("USE-04");
        let id = asked(&mut story);
        story.approve(id, CARL);
        story.approve(id, CORA);
        assert_eq!(valid(&story, id), (vec![CARL, CORA], None));
        (story, id)
    }

    #[test]
    fn an_approval_is_valid_for_as_long_as_its_giver_can_approve() {
        let edits: [fn(&mut Story); 4] = [
            |story| story.act(Op::WithdrawRole, None, vec![principal(CARL, human(&[]))]),
            |story| {
                let revoked = OpenPrincipal { status: Status::Revoked, ..human(&[Role::Custodian]) };
                story.act(Op::RevokePrincipal, None, vec![principal(CARL, revoked)]);
            },
            |story| {
                let mut revoked = story.estate.credentials[&card(CARL)].clone();
                revoked.status = Status::Revoked;
                let row = (Object::Credential(card(CARL)), OpenRow::Credential(revoked));
                story.act(Op::RevokeCredential, None, vec![row]);
            },
            |story| {
                let mut ending = story.estate.credentials[&card(CARL)].clone();
                ending.expires_at = story.next();
                let row = (Object::Credential(card(CARL)), OpenRow::Credential(ending));
                story.act(Op::RenewCredential, None, vec![row]);
            },
        ];
        for edit in edits {
            let (mut story, id) = approved();
            edit(&mut story);
            let (persons, flaw) = valid(&story, id);
            assert!(persons == [CORA] && flaw.is_some(), "{persons:?}, {flaw:?}");
        }
    }

    #[test]
    fn a_certificate_that_ended_is_followed_by_another_one() {
        let (mut story, id) = approved();
        let before = story.estate.credentials[&card(CARL)].clone();
        let ended = OpenCredential { expires_at: story.next(), ..before.clone() };
        let rows = vec![
            (Object::Credential(card(CARL)), OpenRow::Credential(ended)),
            (Object::Credential(card(person(77))), OpenRow::Credential(before)),
        ];
        story.act(Op::RenewCredential, None, rows);
        assert_eq!(valid(&story, id), (vec![CARL, CORA], None));
    }

    #[test]
    fn what_was_not_in_order_when_it_came_stays_so() {
        let edits: [fn(&mut Decided); 5] = [
            |decided| decided.signature[0] ^= 1,
            |decided| decided.credential = card(CORA),
            |decided| decided.credential = card(person(77)),
            |decided| decided.at = at(950),
            |decided| decided.verdict = Verdict::Approve,
        ];
        for (number, edit) in edits.into_iter().enumerate() {
            let mut story = Story::of("USE-04");
            let id = asked(&mut story);
            // Signed as a denial, for the last of them.
            let verdict = if number == 4 { Verdict::Deny } else { Verdict::Approve };
            let mut decided = story.decision(id, CARL, verdict);
            edit(&mut decided);
            story.decide(id, decided);
            let (persons, flaw) = valid(&story, id);
            assert!(persons.is_empty() && flaw.is_some(), "{number}: {persons:?}");
        }
        // Who becomes a custodian later was none then.
        let mut story = Story::of("USE-04");
        let card = story.certificate(ANNA);
        story.act(Op::CreateCredential, None, vec![card]);
        let id = asked(&mut story);
        story.approve(id, ANNA);
        story.act(Op::AssignRole, None, vec![principal(ANNA, human(&[Role::Custodian]))]);
        assert_eq!(valid(&story, id), (vec![], Some("is by somebody who could not approve then")));
    }

    #[test]
    fn who_asks_does_not_approve_and_one_person_and_one_key_approve_once() {
        let mut story = Story::of("USE-04");
        let again = OpenPrincipal { same_person_as: Some(CARL), ..human(&[Role::Custodian]) };
        let card = story.certificate(ANNA);
        story.act(Op::CreatePrincipal, None, vec![principal(ANNA, again), card]);
        let id = asked(&mut story);
        story.approve(id, CARL);
        story.approve(id, ANNA);
        let flaw = "is by a person who approved by another account";
        assert_eq!(valid(&story, id), (vec![CARL], Some(flaw)));

        let id = story.ask(story.asked(CARL, Action::ScheduleDestroy, true, &[Object::Key(KEY)]));
        story.approve(id, ANNA);
        assert!(valid(&story, id).0.is_empty());

        let appoint = story.asked(OTTO, Action::AssignRole, false, &[Object::Principal(CORA)]);
        let id = story.ask(appoint);
        story.approve(id, CORA);
        assert!(story.estate.approvers(id, story.next(), Some(CORA)).persons.is_empty());

        story.share_a_key(CARL, CORA);
        let id = asked(&mut story);
        story.approve(id, CARL);
        story.approve(id, CORA);
        assert_eq!(valid(&story, id), (vec![CARL], Some("is signed by the key of another one")));
    }

    #[test]
    fn what_comes_together_with_the_act_approves_nothing() {
        let mut story = Story::of("USE-04");
        let id = asked(&mut story);
        story.approve(id, CARL);
        let (object, row) = story.executed(id);
        let OpenRow::Approval(mut approval) = row else { panic!("an approval") };
        approval.decisions.push(story.decision(id, CORA, Verdict::Approve));
        story.act(Op::ScheduleDestroy, Some(KEY), vec![(object, OpenRow::Approval(approval))]);
        assert_eq!(valid(&story, id), (vec![CARL], Some("came together with the act")));
    }

    #[test]
    fn whoever_holds_a_role_approves_where_that_is_enough() {
        let mut story = Story::of("USE-04");
        let appoint = story.asked(ADA, Action::AssignRole, false, &[Object::Principal(ANNA)]);
        let id = story.ask(OpenApproval { eligible: Eligible::RoleHolders, ..appoint });
        story.approve(id, OTTO);
        story.approve(id, CARL);
        assert_eq!(valid(&story, id).0.len(), 2);
        // Who came about by a recovery that nobody knows of decides nothing until the wait for it is over.
        let recovered = OpenPrincipal { recovered_at: Some(story.next()), ..human(&[Role::SecurityOfficer]) };
        story.act(Op::Recover, None, vec![principal(OTTO, recovered)]);
        assert_eq!(valid(&story, id).0, [CARL]);
        story.wait(4);
        assert_eq!(valid(&story, id).0.len(), 2);
    }
}
