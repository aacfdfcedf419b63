//! What checks ask alike of acts that others approve: whether the entry of one shows that they did, of this very act, and validly.
//!
//! What was asked for is sealed. What shows that it is what was done is open: which act, by whose rule, of which rows at which revisions,
//! by whom and when; the digest that approvers signed covers these and the rest, and a disclosed form shows it.
//!
//! A plan is approved as a whole and done step by step, each with an entry of its own act, which says that the step was done. Rows are as they
//! were shown, but for what steps before moved.

use std::collections::BTreeMap;

use claviger_audit::fact::{Object, OpenApproval};
use claviger_core::approval::{Eligible, Outcome, SeenRow, Verdict};
use claviger_core::{Action, ApprovalId, GovernanceId, KeyId, KeyRingId, PrincipalId, Timestamp};

use super::Event;
use crate::evaluation::{Estate, Setting};

/// Whose rule says how many must approve, and how many that are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// The ring; none for the deployment.
    ring: Option<KeyRingId>,
    approvers: u8,
}

impl Rule {
    pub(super) fn of_deployment(estate: &Estate) -> Self {
        Self { ring: None, approvers: estate.rules().quorum }
    }

    pub(super) const fn of_ring(ring: KeyRingId, approvers: u8) -> Self {
        Self { ring: Some(ring), approvers }
    }

    /// That of the ring of a key, where its facts read.
    pub(super) fn of_key(key: KeyId, estate: &Estate) -> Option<Self> {
        estate.ring_of(key).map(|(id, ring)| Self::of_ring(id, ring.policy.quorum))
    }

    /// The same where it asks for so many.
    pub(super) const fn asking(self, approvers: u8) -> Self {
        Self { approvers, ..self }
    }

    /// The row that it is in.
    fn row(self) -> Object {
        self.ring.map_or(Object::Governance(GovernanceId::ONLY), Object::Ring)
    }

    /// That nobody was asked.
    fn not_asked(self) -> String {
        match (self.approvers, self.ring) {
            (0, None) => "and nobody else had to approve it: the quorum of the deployment was 0".to_owned(),
            (0, Some(ring)) => format!("and nobody else had to approve it: the quorum of ring {ring} was 0"),
            (approvers, _) => format!("and nobody approved it, where {approvers} must"),
        }
    }
}

/// Something that others must approve.
#[derive(Clone, Copy, Debug)]
pub(super) struct Act {
    pub(super) action: Action,
    /// What it is done to, where approvers are shown the row of that.
    pub(super) on: Option<Object>,
    pub(super) rule: Rule,
    /// Who becomes a custodian, or gets emergency access, by it.
    pub(super) appointed: Option<PrincipalId>,
}

/// How many approve emergency access.
const OF_EMERGENCY: u8 = 1;

impl Act {
    pub(super) const fn on(action: Action, on: Object, rule: Rule) -> Self {
        Self { action, on: Some(on), rule, appointed: None }
    }

    /// That somebody gets emergency access: it is approved by one person, whatever the quorum of the deployment is.
    pub(super) fn of_emergency(holder: PrincipalId, estate: &Estate) -> Self {
        let rule = Rule::of_deployment(estate).asking(OF_EMERGENCY);
        let on = Some(Object::Principal(holder));
        Self { action: Action::OpenBreakGlass, on, rule, appointed: Some(holder) }
    }
}

/// Holds acts against their approvals while a log is walked over.
#[derive(Debug)]
pub(super) struct Approvals {
    /// How many persons must have decided: who asks is one of them.
    persons: usize,
    /// The revisions of the rows that say how many must approve.
    rules: BTreeMap<Object, u64>,
}

impl Approvals {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        let persons = setting.number("dual_control_min_persons");
        Self { persons: usize::try_from(persons).unwrap_or(usize::MAX), rules: BTreeMap::new() }
    }

    /// How many persons must have decided.
    pub(super) const fn persons(&self) -> usize {
        self.persons
    }

    /// To be told of each object that the facts of an entry are about.
    pub(super) fn changed(&mut self, object: Object, event: &Event<'_>) {
        if matches!(object, Object::Governance(_) | Object::Ring(_))
            && let Some(fact) = event.facts.iter().find(|fact| fact.object == object)
        {
            self.rules.insert(object, fact.revision);
        }
    }

    /// Why an act is not one that enough persons decided on, in words behind what was done; none where it is. With all objects as they stand
    /// behind its entry. An approval that does not read is for the check to judge itself: it is not known what it approves.
    pub(super) fn defect(&self, act: &Act, event: &Event<'_>, estate: &Estate) -> Option<String> {
        let mut objects = event.facts.iter().map(|fact| fact.object);
        let is_unread =
            |object: Object| matches!(object, Object::Approval(_)) && estate.unreadable.contains(&object);
        if objects.any(is_unread) {
            return None;
        }
        let Some((id, approval)) = executed(act.action, event, estate) else {
            return Some(act.rule.not_asked());
        };
        let differs = match approval.action {
            Action::ApplyPlan => self.differs_of_plan(act, approval, event),
            _ => self.differs(act, approval, event),
        };
        if let Some(what) = differs {
            return Some(format!("and approval {id} {what}"));
        }
        let least = act.rule.approvers.max(approval.quorum);
        self.weigh(id, approval, least, (act.appointed, event.at), estate)
    }

    /// Why the destruction of a key is not one that enough persons stood by at its end. It is held against the approval that the key named.
    pub(super) fn defect_at_end(
        &self,
        key: KeyId,
        named: Option<ApprovalId>,
        rule: Rule,
        at: Timestamp,
        estate: &Estate,
    ) -> Option<String> {
        let Some(id) = named else { return Some(rule.not_asked()) };
        if estate.unreadable.contains(&Object::Approval(id)) {
            return None;
        }
        let Some(approval) = estate.approvals.get(&id) else {
            return Some(format!("and approval {id}, which the key names, is not there"));
        };
        let is_done = approval.ended.is_some_and(|ended| ended.outcome == Outcome::Executed);
        if approval.action != Action::ScheduleDestroy || !is_done || !shows(approval, Object::Key(key)) {
            let what = "which the key names, is not one by which it was scheduled";
            return Some(format!("and approval {id}, {what}"));
        }
        self.weigh(id, approval, rule.approvers, (None, at), estate)
    }

    /// In what an approval is not of the act that it was done by.
    fn differs(&self, act: &Act, approval: &OpenApproval, event: &Event<'_>) -> Option<&'static str> {
        let is_moved = approval.rows.iter().any(|seen| {
            self.revision_before(seen.object, event).is_some_and(|revision| revision != seen.revision)
        });
        let ended = approval.ended?;
        let is_emergency = approval.action == Action::OpenBreakGlass;
        if approval.ring != act.rule.ring || !shows(approval, act.rule.row()) {
            Some("is by another rule")
        } else if act.on.is_some_and(|on| !shows(approval, on)) {
            Some("is about something else")
        } else if is_moved {
            Some("is about rows that have changed since it was asked for")
        } else if ended.at >= approval.expires_at {
            Some("was over by then")
        } else if ended.by != approval.requester {
            Some("was asked for by somebody else")
        } else if is_denied(approval) {
            Some("was denied")
        } else if approval.eligible == Eligible::RoleHolders && (act.appointed.is_none() || is_emergency) {
            Some("let persons with any role approve, and that is for the appointment of a custodian alone")
        } else if approval.eligible == Eligible::Responders && !is_emergency {
            Some("let responders and security officers approve, and that is for emergency access alone")
        } else {
            None
        }
    }

    /// In what a plan is not of the act that one of its steps was.
    fn differs_of_plan(&self, act: &Act, approval: &OpenApproval, event: &Event<'_>) -> Option<&'static str> {
        let (step, before) = approval.done.split_last()?;
        // As it was shown, or as a step before this one left it.
        let expected = |seen: &SeenRow| {
            let mut moved = before.iter().rev().flat_map(|done| &done.moved);
            moved.find(|moved| moved.object == seen.object).map_or(seen.revision, |moved| moved.revision)
        };
        let is_moved = approval.rows.iter().any(|seen| {
            self.revision_before(seen.object, event).is_some_and(|revision| revision != expected(seen))
        });
        let is_written = |moved: &SeenRow| {
            event.facts.iter().any(|fact| fact.object == moved.object && fact.revision == moved.revision)
        };
        if !shows(approval, act.rule.row()) {
            Some("is by another rule")
        } else if act.on.is_some_and(|on| !shows(approval, on)) {
            Some("is about something else")
        } else if !step.moved.iter().all(is_written) {
            Some("says of a step that it wrote what it did not")
        } else if is_moved {
            Some("is about rows that have changed since it was asked for, otherwise than by its own steps")
        } else if event.at >= approval.expires_at {
            Some("was over by then")
        } else if approval.ended.is_some_and(|ended| ended.by != approval.requester) {
            Some("was asked for by somebody else")
        } else if is_denied(approval) {
            Some("was denied")
        } else if approval.eligible != Eligible::Custodians {
            Some("let others than custodians approve a plan")
        } else {
            None
        }
    }

    /// The revision at which an object stood before the entry, where it is known.
    fn revision_before(&self, object: Object, event: &Event<'_>) -> Option<u64> {
        let written = event.facts.iter().find(|fact| fact.object == object);
        match written {
            Some(fact) => Some(fact.revision.saturating_sub(1)),
            None => self.rules.get(&object).copied(),
        }
    }

    /// Why an approval does not stand at an instant, where so many must have approved.
    fn weigh(
        &self,
        id: ApprovalId,
        approval: &OpenApproval,
        least: u8,
        (appointed, at): (Option<PrincipalId>, Timestamp),
        estate: &Estate,
    ) -> Option<String> {
        let valid = estate.approvers(id, at, appointed);
        let count = valid.persons.len();
        if count < usize::from(least) {
            let all = approval.approvers().count();
            let why = valid.flaw.map(|(by, flaw)| format!(": that of principal {by} {flaw}"));
            let why = why.unwrap_or_default();
            let valid = format!("{count} are valid, where {least} must");
            return Some(format!("and of {all} approvals of it ({id}) {valid}{why}"));
        }
        let persons = count + 1;
        let least = self.persons;
        (persons < least).then(|| format!("and {persons} persons decided on it ({id}), where {least} must"))
    }
}

/// The approval by which an entry did something, if it names one that was done by it: one of that act, or a plan of which it is a step.
pub(super) fn executed<'e>(
    action: Action,
    event: &Event<'_>,
    estate: &'e Estate,
) -> Option<(ApprovalId, &'e OpenApproval)> {
    event.facts.iter().find_map(|fact| {
        let Object::Approval(id) = fact.object else { return None };
        let approval = estate.approvals.get(&id)?;
        let is_done = approval.ended.is_some_and(|ended| ended.outcome == Outcome::Executed);
        let is_step =
            approval.action == Action::ApplyPlan && approval.done.len() == estate.steps_before(id) + 1;
        (is_step || is_done && approval.action == action).then_some((id, approval))
    })
}

fn is_denied(approval: &OpenApproval) -> bool {
    approval.decisions.iter().any(|decided| decided.verdict == Verdict::Deny)
}

/// Were approvers shown the row of an object?
fn shows(approval: &OpenApproval, object: Object) -> bool {
    approval.rows.iter().any(|seen| seen.object == object)
}
