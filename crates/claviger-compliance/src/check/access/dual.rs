//! USE-04: each sensitive act, held against who approved it.
//!
//! Sensitive is what others must approve ([`claviger_core::sensitive`]), and what this release lets one person do all the same: those acts are
//! violations, whoever did them. The set-up of a deployment is none, for there is nobody yet to approve it; how its root was made is for
//! the control of ceremonies.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use claviger_audit::cbor::Reader;
use claviger_audit::fact::{Field, Kind, Object, OpenKey, OpenRing, field_name};
use claviger_audit::{Op, Outcome as Ended};
use claviger_core::capacity::HeldCapacity;
use claviger_core::declaration::Declared;
use claviger_core::governance::Governance;
use claviger_core::grant::GrantOrigin;
use claviger_core::key::{
    AssetRule, PlaintextDataKeys, Protection, RingPolicy, RotatedKeys, Separation, State,
};
use claviger_core::principal::{CredentialKind, Role, Status};
use claviger_core::{
    Action, ApprovalId, CredentialId, DeclarationId, GrantId, KeyId, KeyRingId, PrincipalId, Timestamp,
};

use super::grants::{Index, in_force};
use super::is_unreadable;
use crate::check::approvals::{Act, Approvals, Rule};
use crate::check::common::{NO_RING, count};
use crate::check::rules::uses;
use crate::check::{Check, End, Event};
use crate::evaluation::{Class, Estate, Judgement, Ledger, Outcome, Period, Setting, Subject};

/// What one person does alone, and what it is.
const ALONE: [(Op, &str); 3] = [
    (Op::AcceptLostTail, "the newest part of the log was given up"),
    (Op::Recover, "a security officer was made on the machine"),
    (Op::RemoveImportedMaterial, "its material was removed"),
];
const ASKS_NOBODY: &str = "and no rule of this release has others approve that";
const HOUR: Duration = Duration::from_secs(3600);

pub(super) struct DualControl {
    ledger: Ledger,
    period: Period,
    approvals: Approvals,
    index: Index,
    before: Before,
    /// What the entry at hand did, until its facts are taken.
    pending: Option<Deed>,
    /// When each person declared keys compromised, within the last hour.
    compromised: BTreeMap<PrincipalId, VecDeque<Timestamp>>,
    acts: u64,
    approved: u64,
}

/// Objects as they stood before the entry that changes them.
#[derive(Default)]
struct Before {
    capacities: BTreeMap<PrincipalId, Vec<HeldCapacity>>,
    keys: BTreeMap<KeyId, OpenKey>,
    rings: BTreeMap<KeyRingId, OpenRing>,
    roles: BTreeMap<PrincipalId, Vec<Role>>,
    rules: Option<Governance>,
}

/// Something sensitive that was done.
struct Deed {
    subject: Subject,
    what: String,
    by: By,
}

/// By whose leave it is done.
enum By {
    /// By that of those who approve it.
    Act(Act),
    /// By one person's own.
    Alone,
    /// By that of those who approved that the key waits for it.
    Schedule { key: KeyId, approval: Option<ApprovalId>, rule: Rule },
}

impl Before {
    fn of(event: &Event<'_>, estate: &Estate) -> Self {
        let mut before = Self::default();
        for fact in event.facts {
            match (event.entry.op, fact.object) {
                (Op::UpdateKey, Object::Key(id)) => {
                    before.keys.extend(estate.keys.get(&id).map(|key| (id, key.clone())));
                }
                (Op::SetRingSeparation | Op::UpdateRing, Object::Ring(id)) => {
                    before.rings.extend(estate.rings.get(&id).map(|ring| (id, ring.clone())));
                }
                (Op::AssignCapacity, Object::Principal(id)) => {
                    let held = estate.principals.get(&id).map(|one| (id, one.capacities.clone()));
                    before.capacities.extend(held);
                }
                (Op::AssignRole, Object::Principal(id)) => {
                    before.roles.extend(estate.principals.get(&id).map(|one| (id, one.roles.clone())));
                }
                (Op::SetGovernance, Object::Governance(_)) => before.rules = Some(estate.rules()),
                _ => {}
            }
        }
        before
    }
}

impl Deed {
    fn new(subject: impl Into<Subject>, what: impl Into<String>, by: By) -> Self {
        Self { subject: subject.into(), what: what.into(), by }
    }

    /// An act by the rule of the deployment.
    fn of_deployment(
        object: Object,
        what: impl Into<String>,
        action: Action,
        on: Option<Object>,
        estate: &Estate,
    ) -> Self {
        let rule = Rule::of_deployment(estate);
        Self::new(object, what, By::Act(Act { action, on, rule, appointed: None }))
    }
}

impl DualControl {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            period: setting.period,
            approvals: Approvals::new(setting),
            index: Index::default(),
            before: Before::default(),
            pending: None,
            compromised: BTreeMap::new(),
            acts: 0,
            approved: 0,
        }
    }

    fn judge(&mut self, deed: Deed, event: &Event<'_>, estate: &Estate) {
        let Deed { subject, what, by } = deed;
        let defect = match by {
            By::Alone => Some(ASKS_NOBODY.to_owned()),
            By::Act(act) => self.approvals.defect(&act, event, estate),
            By::Schedule { key, approval, rule } => {
                self.approvals.defect_at_end(key, approval, rule, event.at, estate)
            }
        };
        if self.period.holds(event.at) {
            self.acts += 1;
            self.approved += u64::from(defect.is_none());
        }
        let violation = defect.map(|defect| format!("{what}, {defect}"));
        self.ledger.happened(subject, event.at, event.index, violation);
    }

    /// What an entry did to a key, as far as the key shows it as it stood before.
    fn deed_on_key(&mut self, key: KeyId, event: &Event<'_>, estate: &Estate) -> Option<Deed> {
        let object = Object::Key(key);
        let what = match event.entry.op {
            op @ (Op::CompromiseKey | Op::CompromiseVersion) if self.is_beyond_burst(event, estate) => {
                let what = "it was declared compromised, as one more than one person may declare in an hour";
                return Some(Deed::of_deployment(object, what, op.action()?, Some(object), estate));
            }
            Op::DestroyKey => "it was destroyed",
            Op::ImportMaterial if is_sensitive_import(key, estate) => "material was imported",
            Op::ScheduleDestroy => "its destruction was scheduled",
            _ => return None,
        };
        let Some(rule) = Rule::of_key(key, estate) else {
            self.ledger.judge_by(object.into(), event.at, Judgement::unknown(NO_RING), Some(event.index));
            return None;
        };
        let by = match event.entry.op {
            Op::DestroyKey => {
                let waits = estate.keys.get(&key).and_then(|row| row.destruction);
                By::Schedule { key, approval: waits.and_then(|waits| waits.approval), rule }
            }
            op => By::Act(Act::on(op.action()?, object, rule)),
        };
        Some(Deed::new(object, what, by))
    }

    /// Counts a declaration that keys are compromised. Has its giver given as many within the hour before as one person may?
    fn is_beyond_burst(&mut self, event: &Event<'_>, estate: &Estate) -> bool {
        let Some(giver) = giver_of_reason(event) else { return false };
        let declared = self.compromised.entry(estate.person_of(giver)).or_default();
        while declared.front().is_some_and(|at| event.at.since(*at) > HOUR) {
            declared.pop_front();
        }
        let is_beyond = count(declared.len()) >= u64::from(estate.rules().compromise_burst);
        declared.push_back(event.at);
        is_beyond
    }

    /// What it means that an object is now as it is.
    fn deed_of(&mut self, object: Object, event: &Event<'_>, estate: &Estate) -> Option<Deed> {
        let op = event.entry.op;
        let action = op.action()?;
        match (op, object) {
            (Op::AssignCapacity, Object::Principal(id)) => self.capacity_of(id, estate),
            (Op::AssignRole, Object::Principal(id)) => self.role_of(id, estate),
            (Op::CreateCredential, Object::Credential(id)) if is_new(object, event) => {
                self.credential(id, event.at, estate)
            }
            (Op::Enrol, Object::Credential(id))
                if is_new(object, event) && !is_redeemed(id, event, estate) =>
            {
                self.credential(id, event.at, estate)
            }
            (Op::Declare | Op::WithdrawDeclaration, Object::Declaration(id)) => declared(id, action, estate),
            (Op::OpenBreakGlass, Object::BreakGlass(id)) if is_new(object, event) => {
                let holder = estate.break_glass.get(&id)?.holder;
                let by = By::Act(Act::of_emergency(holder, estate));
                Some(Deed::new(object, "emergency access was opened", by))
            }
            (Op::ErasePrincipal, Object::Principal(_)) => {
                Some(Deed::of_deployment(object, "it was erased who it was", action, Some(object), estate))
            }
            // The reason for the act itself is new.
            (Op::EraseReason, Object::Reason(_)) if !is_new(object, event) => {
                Some(Deed::of_deployment(object, "its text was erased", action, Some(object), estate))
            }
            (Op::SetGovernance, Object::Governance(_)) => {
                let before = self.before.rules.as_ref().filter(|before| estate.rules().weakens(before))?;
                // The rule until then binds whoever changes it.
                let rule = Rule::of_deployment(estate).asking(before.quorum);
                let what = "the rules of the deployment ask for less than before";
                Some(Deed::new(object, what, By::Act(Act::on(action, object, rule))))
            }
            (Op::SetRingSeparation | Op::UpdateRing, Object::Ring(id)) => {
                let before = &self.before.rings.get(&id)?.policy;
                let what = ring_weakened(before, &estate.rings.get(&id)?.policy)?;
                // Of a ring without keys nothing was asked yet.
                estate.keys_of(id).find(|(_, key)| !key.state.is_destroyed())?;
                let rule = Rule::of_ring(id, before.approvers_of_weakening());
                Some(Deed::new(object, what, By::Act(Act::on(action, object, rule))))
            }
            (Op::UpdateKey, Object::Key(id)) => {
                let ring = estate.ring_of(id);
                let policy = ring.map(|(_, ring)| ring);
                let what = key_weakened(self.before.keys.get(&id)?, estate.keys.get(&id)?, policy)?;
                let Some((ring, row)) = ring else {
                    let unknown = Judgement::unknown(NO_RING);
                    self.ledger.judge_by(object.into(), event.at, unknown, Some(event.index));
                    return None;
                };
                let rule = Rule::of_ring(ring, row.policy.approvers_of_weakening());
                Some(Deed::new(object, what, By::Act(Act::on(action, object, rule))))
            }
            // What emergency access gives, it gives with the approval of that.
            (Op::OpenBreakGlass, Object::Grant(id)) if is_of_emergency(id, estate) => None,
            (_, Object::Grant(id)) if is_new(object, event) => grant(id, action, estate),
            _ => None,
        }
    }

    /// That somebody got a role.
    fn role_of(&self, id: PrincipalId, estate: &Estate) -> Option<Deed> {
        let before = self.before.roles.get(&id).map(Vec::as_slice).unwrap_or_default();
        let now = &estate.principals.get(&id)?.roles;
        let given: Vec<_> = now.iter().filter(|role| !before.contains(role)).collect();
        let names: Vec<_> = given.iter().map(|role| role.name()).collect();
        let act = Act {
            action: Action::AssignRole,
            on: Some(Object::Principal(id)),
            rule: Rule::of_deployment(estate),
            appointed: given.contains(&&Role::Custodian).then_some(id),
        };
        let what = format!("it got the role `{}`", names.join("`, `"));
        (!names.is_empty()).then(|| Deed::new(Object::Principal(id), what, By::Act(act)))
    }

    /// That somebody got a capacity.
    fn capacity_of(&self, id: PrincipalId, estate: &Estate) -> Option<Deed> {
        let before = self.before.capacities.get(&id).map(Vec::as_slice).unwrap_or_default();
        let held = |one: &HeldCapacity| before.iter().any(|other| other.capacity == one.capacity);
        let given = estate.principals.get(&id)?.capacities.iter().filter(|one| !held(one));
        let names: Vec<_> = given.map(|one| one.capacity.to_string()).collect();
        let what = format!("it got the capacity `{}`", names.join("`, `"));
        let (object, action) = (Object::Principal(id), Action::AssignCapacity);
        (!names.is_empty()).then(|| Deed::of_deployment(object, what, action, Some(object), estate))
    }

    /// That a credential was made by another than its holder, for one whose rights it carries. One that waits for the word of its holder by
    /// another one proves nothing until then.
    fn credential(&self, id: CredentialId, at: Timestamp, estate: &Estate) -> Option<Deed> {
        let row = estate.credentials.get(&id).filter(|row| !row.awaits_confirmation)?;
        let holder = estate.principals.get(&row.principal)?;
        let uses_strict = self.index.of(row.principal).any(|id| {
            let on_strict = estate.grants.get(&id).is_some_and(|grant| {
                let ring = grant.ring.or_else(|| Some(estate.keys.get(&grant.key?)?.ring));
                let ring = ring.and_then(|ring| estate.rings.get(&ring));
                grant.operations.iter().any(|action| uses(*action))
                    && ring.is_none_or(|ring| ring.policy.separation == Separation::Strict)
            });
            on_strict && in_force(estate, id, at).is_on()
        });
        let holds_some = !holder.roles.is_empty() || !holder.capacities.is_empty();
        let is_office = holder.status == Status::Active && holds_some;
        if row.created_by == Some(row.principal) || !(is_office || uses_strict) {
            return None;
        }
        let what = "another made it for one who holds a role or a capacity, or uses keys of a strict ring";
        let on = Some(Object::Principal(row.principal));
        Some(Deed::of_deployment(Object::Credential(id), what, Action::CreateCredential, on, estate))
    }
}

/// That a parameter of the controls, or what may run, is declared, or is not any more.
fn declared(id: DeclarationId, action: Action, estate: &Estate) -> Option<Deed> {
    let object = Object::Declaration(id);
    let what = match &estate.declarations.get(&id)?.declared {
        Declared::Build(build) => format!("the list of approved {}s was changed by `{action}`", build.sort),
        Declared::Parameter(parameter) => {
            format!("parameter {} was changed by `{action}`", parameter.name)
        }
        Declared::Attestation(_)
        | Declared::Device(_)
        | Declared::Document(_)
        | Declared::Module(_)
        | Declared::PolicyFiles(_)
        | Declared::Supplier(_) => return None,
    };
    // Of one that is new, nobody was shown a row.
    let on = (action == Action::WithdrawDeclaration).then_some(object);
    Some(Deed::of_deployment(object, what, action, on, estate))
}

/// That something was granted on a ring that has others approve grants.
fn grant(id: GrantId, action: Action, estate: &Estate) -> Option<Deed> {
    let grant = estate.grants.get(&id)?;
    let ring = grant.ring.or_else(|| Some(estate.keys.get(&grant.key?)?.ring))?;
    let policy = &estate.rings.get(&ring)?.policy;
    let rule = Rule::of_ring(ring, policy.approvers_of_grants());
    let act = Act::on(action, Object::Principal(grant.principal), rule);
    let what = "it was given on a ring that puts grants under quorum";
    policy.grants_under_quorum.then(|| Deed::new(Object::Grant(id), what, By::Act(act)))
}

/// Is it one that emergency access gave?
fn is_of_emergency(id: GrantId, estate: &Estate) -> bool {
    estate.grants.get(&id).is_some_and(|grant| grant.origin == GrantOrigin::BreakGlass)
}

/// Was it made for a code that somebody else had made for its holder, and that is used up by this?
fn is_redeemed(id: CredentialId, event: &Event<'_>, estate: &Estate) -> bool {
    let Some(made) = estate.credentials.get(&id) else { return false };
    let Some(code) = made.renews.and_then(|code| estate.credentials.get(&code)) else { return false };
    let is_written = event.facts.iter().any(|fact| Some(fact.object) == made.renews.map(Object::Credential));
    code.kind == CredentialKind::EnrolmentCode
        && code.principal == made.principal
        && code.status == Status::Revoked
        && is_written
}

/// Is the object one that the entry made?
fn is_new(object: Object, event: &Event<'_>) -> bool {
    event.facts.iter().any(|fact| fact.object == object && fact.revision == 1)
}

/// Who gave the reason of an entry.
fn giver_of_reason(event: &Event<'_>) -> Option<PrincipalId> {
    let reasons = event.facts.iter().filter(|fact| matches!(fact.object, Object::Reason(_)));
    let mut fields = reasons.flat_map(|fact| &fact.fields);
    fields.find_map(|(number, field)| match field {
        Field::Open(cbor) if field_name(Kind::Reason, *number) == Some("given_by") => {
            Reader::new(cbor).fixed().ok().map(PrincipalId::from_bytes)
        }
        _ => None,
    })
}

/// Was material brought in where nobody alone may?
fn is_sensitive_import(key: KeyId, estate: &Estate) -> bool {
    let Some(row) = estate.keys.get(&key) else { return true };
    let Some((_, ring)) = estate.ring_of(key) else { return true };
    ring.policy.import_needs_approval(Some(row.data_class), row.state == State::Active)
}

/// Is a period longer than before, none being without end?
fn longer(before: Option<Duration>, now: Option<Duration>) -> bool {
    before.is_some_and(|before| now.is_none_or(|now| now > before))
}

/// In what a ring asks for less than before.
fn ring_weakened(before: &RingPolicy, now: &RingPolicy) -> Option<&'static str> {
    let fields = now.context_required.fields();
    let checks = [
        (
            before.separation == Separation::Strict && now.separation == Separation::Relaxed,
            "separation of duties was relaxed",
        ),
        (now.quorum < before.quorum, "its quorum was lowered"),
        (
            before.grants_under_quorum && !now.grants_under_quorum,
            "grants on it need not be approved any more",
        ),
        (
            now.destroy_waiting_period < before.destroy_waiting_period,
            "its wait before destruction was shortened",
        ),
        (
            !before.context_required.fields().iter().all(|field| fields.contains(field)),
            "it asks for less context",
        ),
        (
            before.plaintext_data_keys == PlaintextDataKeys::Refused
                && now.plaintext_data_keys == PlaintextDataKeys::Allowed,
            "data keys in clear were allowed",
        ),
        (
            before.assets == AssetRule::Required && now.assets == AssetRule::Optional,
            "assets need not be named any more",
        ),
        (longer(before.rotation_period, now.rotation_period), "its keys rotate later"),
        (
            before.rotates == RotatedKeys::All && now.rotates == RotatedKeys::Symmetric,
            "its keys with a public half rotate no more",
        ),
        (longer(before.protect_period, now.protect_period), "its keys protect for longer"),
        (longer(before.process_period, now.process_period), "its keys process for longer"),
        (
            before.protection == Protection::Hsm && now.protection == Protection::Software,
            "new keys need not be in a token any more",
        ),
    ];
    let found = checks.into_iter().find(|(is_so, _)| *is_so).map(|(_, what)| what);
    let what = found.unwrap_or("the data of its keys was said to be less restricted");
    now.weakens(before).then_some(what)
}

/// How often its ring has a key rotate that has no period of its own.
fn period_by_ring(key: &OpenKey, ring: Option<&OpenRing>) -> Option<Duration> {
    let policy = &ring?.policy;
    let rotates = policy.rotates == RotatedKeys::All || !key.spec.is_asymmetric();
    policy.rotation_period.filter(|_| rotates)
}

/// In what a key asks for less than before.
fn key_weakened(before: &OpenKey, now: &OpenKey, ring: Option<&OpenRing>) -> Option<&'static str> {
    let asked = |field: &String| now.context_required.contains(field);
    if !before.context_required.iter().all(asked) {
        return Some("it asks for less context");
    }
    if Class::from(now.data_class) > Class::from(before.data_class) {
        return Some("its data was said to be less restricted");
    }
    let period = |key: &OpenKey| key.rotation_period.or_else(|| period_by_ring(key, ring));
    longer(period(before), period(now)).then_some("it rotates later")
}

impl Check for DualControl {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        self.before = Before::default();
        self.pending = None;
        let entry = event.entry;
        if entry.out != Ended::Ok {
            return;
        }
        let key = entry.key.map(KeyId::from_bytes);
        // Material that expires was imported to end so; and where there was none, nothing changed.
        let is_harmless =
            entry.op == Op::RemoveImportedMaterial && (entry.ses.is_none() || entry.fct.is_none());
        if let Some((op, what)) = ALONE.iter().find(|(op, _)| *op == entry.op && !is_harmless) {
            let subject = key.map_or_else(|| Subject::named(op.name()), |key| Object::Key(key).into());
            self.judge(Deed::new(subject, *what, By::Alone), event, estate);
        }
        // What changed nothing was done before.
        if event.facts.is_empty() {
            return;
        }
        self.before = Before::of(event, estate);
        self.pending = key.and_then(|key| self.deed_on_key(key, event, estate));
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        self.approvals.changed(object, event);
        if let Some(deed) = self.pending.take() {
            self.judge(deed, event, estate);
        }
        match object {
            Object::Approval(_)
            | Object::BreakGlass(_)
            | Object::Credential(_)
            | Object::Declaration(_)
            | Object::Governance(_)
            | Object::Grant(_)
            | Object::Key(_)
            | Object::Principal(_)
            | Object::Ring(_)
                if is_unreadable(&mut self.ledger, object, event.at, estate) =>
            {
                return;
            }
            Object::Grant(id) => {
                if let Some(grant) = estate.grants.get(&id) {
                    self.index.take(id, grant);
                }
            }
            _ => {}
        }
        if event.entry.out == Ended::Ok
            && let Some(deed) = self.deed_of(object, event, estate)
        {
            self.judge(deed, event, estate);
        }
    }

    fn end(self: Box<Self>, end: &End<'_>) -> Outcome {
        let quorums = || end.estate.rings.values().map(|ring| ring.policy.quorum);
        let persons = self.approvals.persons();
        let outcome =
            Outcome::of(self.ledger, format!("at least {persons} persons decided on each sensitive act"))
                .figure("sensitive_acts", self.acts)
                .figure("sensitive_acts_approved", self.approved)
                .figure("quorum_of_deployment", u64::from(end.estate.rules().quorum))
                .figure("rings_with_quorum", count(quorums().filter(|quorum| *quorum > 0).count()))
                .figure("rings_without_quorum", count(quorums().filter(|quorum| *quorum == 0).count()));
        let outcome = match quorums().min() {
            Some(least) => outcome.figure("least_quorum_of_rings", u64::from(least)),
            None => outcome,
        };
        outcome
            .note("approvals are signatures of the keys of certificates, and are verified here; that the key is that of the certificate which is named, and whose digest is sealed, is the word of the service")
            .note("what was asked for is sealed: that it is what was done is shown by the act, its rule and its rows with their revisions; a form that is disclosed shows the rest")
            .note("whoever asks is one of the persons; two accounts are two persons unless one was entered as another account of the same")
            .note("by which kind of credential somebody makes themselves another one is sealed: where that was a token, that others must approve it is not seen here")
            .note("the set-up of a deployment is not among the acts: nobody was there to approve it, and `GEN-06` asks how its root was made")
            .note("one person removes imported material, gives up the newest part of a log and recovers on the machine: each is a violation where it was done")
            .note("a plan is approved as a whole and done step by step: each step is an act of its own here, held against the approval of the plan")
            .note("emergency access takes the approval of one responder or security officer in place of the quorum; `USE-11` asks how long it was and whether it was reviewed")
            .note("a credential that is made for its holder to confirm by another one is no act of others until then; that the holder confirmed it is the word of the service")
            .note("there is no export of secret keys and no restore of single keys, and the log cannot be switched off")
    }
}

#[cfg(test)]
mod tests {
    use claviger_audit::fact::{
        OpenApproval, OpenCredential, OpenDeclaration, OpenGrant, OpenPrincipal, OpenRow,
    };
    use claviger_core::approval::{Eligible, Verdict};
    use claviger_core::capacity::Capacity;
    use claviger_core::declaration::{Build, BuildSort, Parameter};
    use claviger_core::grant::Basis;
    use claviger_core::key::{DataClass, Destruction};

    use super::*;
    use crate::control::Mode;
    use crate::evaluation::fixture::{
        ADA, ANNA, CUSTODIANS, KEY, OTTO, RING, Story, Told, answering, at, card, human, key, open_key,
        person, principal, ring, rules,
    };

    const ON_KEY: (bool, &[Object]) = (true, &[Object::Key(KEY)]);

    fn story() -> Story {
        Story::of("USE-04")
    }

    fn told(story: Story) -> Told {
        story.told(Mode::Period)
    }

    fn waiting(approval: Option<ApprovalId>) -> (Object, OpenRow) {
        let destruction = Some(Destruction { scheduled_at: at(1), at: at(31), approval });
        key(OpenKey { state: State::Suspended, destruction, ..open_key() })
    }

    fn destroyed() -> (Object, OpenRow) {
        key(OpenKey { state: State::Destroyed, ..open_key() })
    }

    fn given(roles: &[Role]) -> Vec<(Object, OpenRow)> {
        vec![principal(ANNA, human(roles))]
    }

    /// The key waits for its destruction, which two approved.
    fn scheduled(story: &mut Story) -> ApprovalId {
        let id = story.approved_act(ADA, Op::ScheduleDestroy, ON_KEY, vec![]);
        story.act(Op::UpdateKey, Some(KEY), vec![waiting(Some(id))]);
        id
    }

    #[test]
    fn less_than_before_is_weaker_as_the_vocabulary_says_and_more_is_not() {
        let base = RingPolicy {
            rotation_period: Some(HOUR),
            protect_period: Some(HOUR),
            process_period: Some(HOUR),
            data_class: Some(DataClass::Cardholder),
            grants_under_quorum: true,
            assets: AssetRule::Required,
            plaintext_data_keys: PlaintextDataKeys::Refused,
            protection: Protection::Hsm,
            rotates: RotatedKeys::All,
            ..RingPolicy::default()
        };
        let edits: [fn(&mut RingPolicy); 12] = [
            |policy| policy.separation = Separation::Relaxed,
            |policy| policy.quorum = 1,
            |policy| policy.destroy_waiting_period = HOUR,
            |policy| policy.rotation_period = None,
            |policy| policy.protect_period = Some(HOUR * 2),
            |policy| policy.process_period = None,
            |policy| policy.data_class = Some(DataClass::Internal),
            |policy| policy.grants_under_quorum = false,
            |policy| policy.assets = AssetRule::Optional,
            |policy| policy.plaintext_data_keys = PlaintextDataKeys::Allowed,
            |policy| policy.protection = Protection::Software,
            |policy| policy.rotates = RotatedKeys::Symmetric,
        ];
        for (number, edit) in edits.into_iter().enumerate() {
            let mut weaker = base.clone();
            edit(&mut weaker);
            assert!(ring_weakened(&base, &weaker).is_some() && weaker.weakens(&base), "{number}");
            assert!(ring_weakened(&weaker, &base).is_none() && !base.weakens(&weaker), "{number}");
        }
    }

    #[test]
    fn without_a_sensitive_act_nothing_is_in_scope_and_the_quorums_are_shown() {
        let told = told(story());
        told.holds_of(0);
        let figure = |name: &str| told.figures.get(name).copied();
        assert_eq!((figure("quorum_of_deployment"), figure("least_quorum_of_rings")), (Some(2), Some(2)));
        assert_eq!((figure("rings_with_quorum"), figure("rings_without_quorum")), (Some(1), Some(0)));
    }

    #[test]
    fn what_two_custodians_approved_holds() {
        let mut story = story();
        let on: (bool, &[Object]) = (false, &[Object::Principal(ANNA)]);
        story.approved_act(OTTO, Op::AssignRole, on, given(&[Role::Auditor]));
        let weaker = RingPolicy { destroy_waiting_period: HOUR * 24 * 8, ..RingPolicy::default() };
        story.approved_act(ADA, Op::UpdateRing, (true, &[]), vec![ring(weaker)]);
        story.approved_act(OTTO, Op::SetGovernance, (false, &[]), vec![rules(1)]);
        let lower = OpenKey { data_class: DataClass::Internal, ..open_key() };
        story.approved_act(ADA, Op::UpdateKey, ON_KEY, vec![key(lower)]);
        let told = told(story);
        told.holds_of(4);
        assert_eq!(told.figures["sensitive_acts_approved"], 4);
    }

    #[test]
    fn what_nobody_approved_is_named_with_the_rule() {
        type Act = fn(&mut Story);
        let acts: [(&str, Act); 11] = [
            ("it got the role `auditor`, and nobody approved it, where 2 must", |story| {
                story.act(Op::AssignRole, None, given(&[Role::Auditor]));
            }),
            ("its destruction was scheduled, and nobody approved it", |story| {
                story.act(Op::ScheduleDestroy, Some(KEY), vec![waiting(None)]);
            }),
            ("its quorum was lowered, and nobody approved it", |story| {
                let weaker = RingPolicy { quorum: 1, ..RingPolicy::default() };
                story.act(Op::UpdateRing, None, vec![ring(weaker)]);
            }),
            ("its data was said to be less restricted, and nobody approved it, where 2 must", |story| {
                let lower = OpenKey { data_class: DataClass::Internal, ..open_key() };
                story.act(Op::UpdateKey, Some(KEY), vec![key(lower)]);
            }),
            ("the rules of the deployment ask for less than before", |story| {
                story.act(Op::SetGovernance, None, vec![rules(0)]);
            }),
            ("material was imported", |story| {
                story.act(Op::ImportMaterial, Some(KEY), vec![key(open_key())]);
            }),
            ("parameter access_review_days was changed by `declare`", |story| {
                let (name, value) = ("access_review_days".parse().unwrap(), "90".parse().unwrap());
                let declared = Declared::Parameter(Parameter { name, value, effective_from: at(1) });
                let row =
                    OpenDeclaration { declared, declared_by: ADA, declared_at: at(1), withdrawn_at: None };
                let object = Object::Declaration(DeclarationId::from_bytes([50; 16]));
                story.act(Op::Declare, None, vec![(object, OpenRow::Declaration(Box::new(row)))]);
            }),
            ("another made it for one who holds a role", |story| {
                let mut row = story.certificate(CUSTODIANS[0]);
                row.0 = Object::Credential(CredentialId::from_bytes([51; 16]));
                story.act(Op::CreateCredential, None, vec![row]);
            }),
            ("another made it for one who holds a role", |story| {
                // As if a code had been redeemed that never was.
                let mut row = story.certificate(CUSTODIANS[0]);
                row.0 = Object::Credential(CredentialId::from_bytes([51; 16]));
                story.act(Op::Enrol, None, vec![row]);
            }),
            ("it got the capacity `ciso`, and nobody approved it, where 2 must", |story| {
                let row = principal(ANNA, answering(&[], &[Capacity::Ciso]));
                story.act(Op::AssignCapacity, None, vec![row]);
            }),
            ("the list of approved builds was changed by `declare`, and nobody approved it", |story| {
                story.act(Op::Declare, None, vec![may_run(53)]);
            }),
        ];
        for (because, act) in acts {
            let mut story = story();
            act(&mut story);
            told(story).is_violated(because);
        }
    }

    #[test]
    fn a_quorum_of_zero_is_said_where_it_was() {
        let mut story = story();
        story.act(Op::Initialize, None, vec![rules(0)]);
        story.act(Op::AssignRole, None, given(&[Role::Auditor]));
        told(story).is_violated("the quorum of the deployment was 0");
        let mut story = Story::of("USE-04");
        let relaxed = RingPolicy { quorum: 0, separation: Separation::Relaxed, ..RingPolicy::default() };
        story.act(Op::CreateRing, None, vec![ring(relaxed)]);
        story.act(Op::ScheduleDestroy, Some(KEY), vec![waiting(None)]);
        told(story).is_violated(&format!("the quorum of ring {RING} was 0"));
    }

    #[test]
    fn an_approval_of_something_else_is_none() {
        /// Schedules the destruction by an approval that is edited, once two gave it.
        fn by(edit: impl FnOnce(&mut OpenApproval)) -> Told {
            let mut story = story();
            let mut asked = story.asked(ADA, Action::ScheduleDestroy, true, &[Object::Key(KEY)]);
            edit(&mut asked);
            let id = story.ask(asked);
            for custodian in &CUSTODIANS[..2] {
                story.approve(id, *custodian);
            }
            let done = story.executed(id);
            story.act(Op::ScheduleDestroy, Some(KEY), vec![waiting(Some(id)), done]);
            told(story)
        }
        by(|_| {}).holds_of(1);
        by(|asked| asked.action = Action::UpdateRing).is_violated("nobody approved it");
        by(|asked| asked.ring = None).is_violated("is by another rule");
        by(|asked| asked.rows.retain(|seen| seen.object != Object::Key(KEY)))
            .is_violated("is about something else");
        for place in 0..2 {
            by(|asked| asked.rows[place].revision += 1).is_violated("rows that have changed");
        }
        by(|asked| asked.eligible = Eligible::RoleHolders)
            .is_violated("for the appointment of a custodian alone");
        by(|asked| asked.quorum = 3).is_violated("2 are valid, where 3 must");
    }

    #[test]
    fn an_approval_that_is_over_denied_or_short_of_persons_is_none() {
        let done = |custodians: &[PrincipalId], days: u64, deny: bool, by: Option<PrincipalId>| {
            let mut story = story();
            let id = story.ask(story.asked(ADA, Action::ScheduleDestroy, true, &[Object::Key(KEY)]));
            for custodian in custodians {
                story.approve(id, *custodian);
            }
            if deny {
                let denial = story.decision(id, CUSTODIANS[2], Verdict::Deny);
                story.decide(id, denial);
            }
            story.wait(days);
            let (object, row) = story.executed(id);
            let OpenRow::Approval(mut approval) = row else { panic!("an approval") };
            if let (Some(by), Some(ended)) = (by, &mut approval.ended) {
                ended.by = by;
            }
            let done = (object, OpenRow::Approval(approval));
            story.act(Op::ScheduleDestroy, Some(KEY), vec![waiting(Some(id)), done]);
            told(story)
        };
        let two = &CUSTODIANS[..2];
        done(two, 6, false, None).holds_of(1);
        done(two, 8, false, None).is_violated("was over by then");
        done(two, 0, true, None).is_violated("was denied");
        done(two, 0, false, Some(OTTO)).is_violated("was asked for by somebody else");
        done(&two[..1], 0, false, None).is_violated("1 are valid, where 2 must");
    }

    #[test]
    fn approvers_stand_by_a_destruction_until_its_end() {
        let mut story = story();
        scheduled(&mut story);
        story.wait(31);
        story.act(Op::DestroyKey, Some(KEY), vec![destroyed()]);
        told(story).holds_of(1);

        let mut story = Story::of("USE-04");
        scheduled(&mut story);
        story.act(Op::WithdrawRole, None, vec![principal(CUSTODIANS[0], human(&[]))]);
        story.wait(31);
        story.act(Op::DestroyKey, Some(KEY), vec![destroyed()]);
        told(story).is_violated("it was destroyed, and of 2 approvals of it");

        let mut story = Story::of("USE-04");
        story.act(Op::UpdateKey, Some(KEY), vec![waiting(None)]);
        story.act(Op::DestroyKey, Some(KEY), vec![destroyed()]);
        told(story).is_violated("it was destroyed, and nobody approved it, where 2 must");

        // By the approval of another thing.
        let mut story = Story::of("USE-04");
        let on: (bool, &[Object]) = (false, &[Object::Principal(ANNA)]);
        let id = story.approved_act(OTTO, Op::AssignRole, on, given(&[Role::Auditor]));
        story.act(Op::UpdateKey, Some(KEY), vec![waiting(Some(id))]);
        story.act(Op::DestroyKey, Some(KEY), vec![destroyed()]);
        told(story).is_violated("is not one by which it was scheduled");
    }

    #[test]
    fn a_custodian_is_appointed_by_others_with_a_role_and_not_by_themselves() {
        let appointed = |by: [PrincipalId; 2], role: Role| {
            let mut story = story();
            let card = story.certificate(ANNA);
            story.act(Op::CreatePrincipal, None, vec![principal(ANNA, human(&[Role::Operator])), card]);
            let asked = story.asked(ADA, Action::AssignRole, false, &[Object::Principal(ANNA)]);
            let id = story.ask(OpenApproval { eligible: Eligible::RoleHolders, ..asked });
            for one in by {
                story.approve(id, one);
            }
            let (done, row) = (story.executed(id), principal(ANNA, human(&[Role::Operator, role])));
            story.act(Op::AssignRole, None, vec![row, done]);
            told(story)
        };
        appointed([OTTO, CUSTODIANS[0]], Role::Custodian).holds_of(1);
        appointed([OTTO, CUSTODIANS[0]], Role::Auditor).is_violated("a custodian alone");
        appointed([OTTO, ANNA], Role::Custodian).is_violated("1 are valid, where 2 must");
    }

    #[test]
    fn more_compromises_than_one_person_may_declare_in_an_hour_take_others() {
        let mut story = story();
        for _ in 0..10 {
            story.act_for(Some(ADA), Op::CompromiseKey, Some(KEY), vec![key(open_key())]);
        }
        story.act_for(Some(OTTO), Op::CompromiseKey, Some(KEY), vec![key(open_key())]);
        story.act_for(Some(ADA), Op::CompromiseKey, Some(KEY), vec![key(open_key())]);
        told(story).is_violated("one more than one person may declare");
        let mut story = Story::of("USE-04");
        for number in 0..20 {
            if number == 10 {
                story.wait(1);
            }
            story.act_for(Some(ADA), Op::CompromiseKey, Some(KEY), vec![key(open_key())]);
        }
        told(story).holds_of(0);
        // A second account of the same person is no second person.
        let mut story = Story::of("USE-04");
        let again = OpenPrincipal { same_person_as: Some(ADA), ..human(&[Role::Administrator]) };
        story.act(Op::CreatePrincipal, None, vec![principal(ANNA, again)]);
        for number in 0..11 {
            let giver = if number % 2 == 0 { ADA } else { ANNA };
            story.act_for(Some(giver), Op::CompromiseKey, Some(KEY), vec![key(open_key())]);
        }
        assert_eq!(told(story).violations.len(), 1);
    }

    #[test]
    fn grants_are_held_against_approvals_where_the_ring_asks() {
        let grant = |under_quorum: bool| {
            let mut story = story();
            let policy = RingPolicy { grants_under_quorum: under_quorum, ..RingPolicy::default() };
            story.act(Op::CreateRing, None, vec![ring(policy)]);
            let row = OpenGrant {
                principal: ANNA,
                key: Some(KEY),
                ring: None,
                operations: vec![Action::Encrypt],
                is_conditional: false,
                until: None,
                created_by: OTTO,
                created_at: at(1),
                basis: Basis::Role,
                origin: GrantOrigin::Direct,
                status: Status::Active,
                ended_by: None,
                ended_at: None,
            };
            let row = (Object::Grant(GrantId::from_bytes([52; 16])), OpenRow::Grant(row));
            (story, row)
        };
        let (mut alone, row) = grant(true);
        alone.act(Op::CreateGrant, None, vec![row]);
        told(alone).is_violated("on a ring that puts grants under quorum, and nobody approved it");
        let (mut together, row) = grant(true);
        let on: (bool, &[Object]) = (true, &[Object::Key(KEY), Object::Principal(ANNA)]);
        together.approved_act(OTTO, Op::CreateGrant, on, vec![row]);
        told(together).holds_of(1);
        let (mut free, row) = grant(false);
        free.act(Op::CreateGrant, None, vec![row]);
        told(free).holds_of(0);
    }

    /// A program that may run.
    fn may_run(number: u8) -> (Object, OpenRow) {
        let build = Build { sort: BuildSort::Build, digest: [number; 32], effective_from: at(1) };
        let declared = Declared::Build(build);
        let row = OpenDeclaration { declared, declared_by: ADA, declared_at: at(1), withdrawn_at: None };
        let object = Object::Declaration(DeclarationId::from_bytes([number; 16]));
        (object, OpenRow::Declaration(Box::new(row)))
    }

    #[test]
    fn capacities_and_programs_that_custodians_approved_hold() {
        let mut story = story();
        let on: (bool, &[Object]) = (false, &[Object::Principal(ANNA)]);
        let given = vec![principal(ANNA, answering(&[], &[Capacity::Dpo]))];
        story.approved_act(OTTO, Op::AssignCapacity, on, given);
        story.approved_act(ADA, Op::Declare, (false, &[]), vec![may_run(53)]);
        // What ends a capacity asks nobody.
        story.act(Op::WithdrawCapacity, None, vec![principal(ANNA, human(&[]))]);
        told(story).holds_of(2);
    }

    #[test]
    fn what_is_made_for_a_code_or_waits_for_its_holder_is_no_act_of_others() {
        let (code, made) = (card(person(54)), CredentialId::from_bytes([55; 16]));
        let of_code = |story: &mut Story, holder: PrincipalId, status: Status| {
            let (_, row) = story.certificate(CUSTODIANS[0]);
            let OpenRow::Credential(row) = row else { panic!("a credential") };
            let kind = CredentialKind::EnrolmentCode;
            let row = OpenCredential { principal: holder, kind, status, created_by: Some(OTTO), ..row };
            (Object::Credential(code), OpenRow::Credential(row))
        };
        let redeemed = |holder: PrincipalId, status: Status, is_written: bool| {
            let mut story = story();
            let before = of_code(&mut story, holder, Status::Active);
            story.act(Op::Initialize, None, vec![before]);
            let (_, row) = story.certificate(CUSTODIANS[0]);
            let OpenRow::Credential(row) = row else { panic!("a credential") };
            let row = OpenCredential { renews: Some(code), created_by: Some(OTTO), ..row };
            let after = of_code(&mut story, holder, status);
            let made = (Object::Credential(made), OpenRow::Credential(row));
            if is_written {
                story.act(Op::Enrol, None, vec![after, made]);
            } else {
                story.act(Op::RevokeCredential, None, vec![after]);
                story.act(Op::Enrol, None, vec![made]);
            }
            told(story)
        };
        redeemed(CUSTODIANS[0], Status::Revoked, true).holds_of(0);
        // A code of another person, one that could be redeemed again, and one that was used up before.
        for (holder, status, is_written) in [
            (ANNA, Status::Revoked, true),
            (CUSTODIANS[0], Status::Active, true),
            (CUSTODIANS[0], Status::Revoked, false),
        ] {
            redeemed(holder, status, is_written).is_violated("another made it for one who holds a role");
        }

        let mut story = story();
        let (_, row) = story.certificate(CUSTODIANS[0]);
        let OpenRow::Credential(row) = row else { panic!("a credential") };
        let row = OpenCredential { awaits_confirmation: true, created_by: Some(OTTO), ..row };
        story.act(Op::CreateCredential, None, vec![(Object::Credential(made), OpenRow::Credential(row))]);
        told(story).holds_of(0);
    }

    #[test]
    fn one_responder_or_security_officer_approves_emergency_access_and_nothing_else() {
        let mut opened = story();
        opened.emergency(2, |_, _| {});
        told(opened).holds_of(1);

        let mut alone = story();
        alone.emergency(2, |access, rows| {
            access.approval = None;
            rows.remove(0);
        });
        told(alone).is_violated("emergency access was opened, and nobody approved it, where 1 must");

        // Who made the holder could act as the holder.
        let mut made = story();
        let by_otto = OpenPrincipal { created_by: Some(OTTO), ..human(&[]) };
        made.act(Op::CreatePrincipal, None, vec![principal(ANNA, by_otto)]);
        made.emergency(2, |_, _| {});
        told(made).is_violated("is by who asked for it, or gets something by it");

        // Custodians are not asked, and responders approve no roles.
        let mut other = story();
        let asked = other.asked(ADA, Action::AssignRole, false, &[Object::Principal(ANNA)]);
        let id = other.ask(OpenApproval { eligible: Eligible::Responders, quorum: 1, ..asked });
        other.approve(id, OTTO);
        let done = other.executed(id);
        other.act(Op::AssignRole, None, given(&[Role::Auditor]).into_iter().chain([done]).collect());
        told(other).is_violated("and that is for emergency access alone");
    }

    /// A plan that gives a role, changes the ring and gives a grant on it, which two custodians approved.
    fn plan(edit: impl FnOnce(&mut OpenApproval)) -> (Story, ApprovalId) {
        let mut story = story();
        let mut asked =
            story.asked(ADA, Action::ApplyPlan, false, &[Object::Principal(ANNA), Object::Ring(RING)]);
        edit(&mut asked);
        let id = story.ask(asked);
        for custodian in &CUSTODIANS[..2] {
            story.approve(id, *custodian);
        }
        (story, id)
    }

    /// Its first step.
    fn first(story: &mut Story, id: ApprovalId) {
        let done = story.stepped(id, &[Object::Principal(ANNA)], false);
        story.act(Op::AssignRole, None, given(&[Role::Auditor]).into_iter().chain([done]).collect());
    }

    /// Its last one, which says that it wrote these.
    fn last(story: &mut Story, id: ApprovalId, written: &[Object]) {
        let done = story.stepped(id, written, true);
        let weaker = RingPolicy { quorum: 1, ..RingPolicy::default() };
        story.act(Op::UpdateRing, None, vec![ring(weaker), done]);
    }

    #[test]
    fn steps_of_a_plan_are_held_against_the_approval_of_the_plan() {
        let (mut story, id) = plan(|_| {});
        first(&mut story, id);
        last(&mut story, id, &[Object::Ring(RING)]);
        told(story).holds_of(2);

        // Nothing is a step that the plan does not count, and nothing is one twice.
        let (mut story, id) = plan(|_| {});
        first(&mut story, id);
        let (object, row) = story.stepped(id, &[], false);
        let OpenRow::Approval(mut same) = row else { panic!("an approval") };
        same.done.pop();
        let weaker = RingPolicy { quorum: 1, ..RingPolicy::default() };
        story.act(Op::UpdateRing, None, vec![ring(weaker), (object, OpenRow::Approval(same))]);
        told(story).is_violated("its quorum was lowered, and nobody approved it");
    }

    #[test]
    fn a_plan_that_is_of_other_rows_over_denied_or_short_of_persons_covers_no_step() {
        let with = |edit: fn(&mut OpenApproval)| {
            let (mut story, id) = plan(edit);
            last(&mut story, id, &[Object::Ring(RING)]);
            told(story)
        };
        with(|_| {}).holds_of(1);
        with(|asked| asked.rows.retain(|seen| seen.object != Object::Ring(RING)))
            .is_violated("is by another rule");
        with(|asked| asked.rows.iter_mut().for_each(|seen| seen.revision += 1))
            .is_violated("otherwise than by its own steps");
        with(|asked| asked.quorum = 3).is_violated("2 are valid, where 3 must");
        with(|asked| asked.expires_at = at(0)).is_violated("was over by then");
        with(|asked| asked.eligible = Eligible::Responders).is_violated("let others than custodians approve");

        // What somebody else changed in between is not what was shown, and a step says no more than it did.
        let (mut story, id) = plan(|_| {});
        story.act(Op::UpdateRing, None, vec![ring(RingPolicy { quorum: 3, ..RingPolicy::default() })]);
        last(&mut story, id, &[Object::Ring(RING)]);
        told(story).is_violated("otherwise than by its own steps");
        let (mut story, id) = plan(|_| {});
        last(&mut story, id, &[Object::Ring(RING), Object::Principal(ANNA)]);
        told(story).is_violated("says of a step that it wrote what it did not");
        let (mut story, id) = plan(|_| {});
        first(&mut story, id);
        let denial = story.decision(id, CUSTODIANS[2], Verdict::Deny);
        story.decide(id, denial);
        last(&mut story, id, &[Object::Ring(RING)]);
        told(story).is_violated("was denied");
    }

    #[test]
    fn what_one_person_does_alone_is_a_violation() {
        let mut story = story();
        story.act(Op::Recover, None, vec![principal(ANNA, human(&[Role::SecurityOfficer]))]);
        story.act(Op::RemoveImportedMaterial, Some(KEY), vec![key(open_key())]);
        let told = told(story);
        assert_eq!((told.subjects, told.violations.len()), (2, 2), "{told:?}");
        assert!(told.violations.iter().all(|violation| violation.ends_with(ASKS_NOBODY)), "{told:?}");
    }

    #[test]
    fn an_approval_that_does_not_read_leaves_the_act_undecided() {
        let mut story = story();
        let id = story.ask(story.asked(ADA, Action::ScheduleDestroy, true, &[Object::Key(KEY)]));
        story.act_unread(Op::ScheduleDestroy, Some(KEY), Object::Approval(id));
        let told = told(story);
        assert_eq!((told.subjects, told.violations.len(), told.undecided.len()), (2, 0, 1), "{told:?}");
    }
}
