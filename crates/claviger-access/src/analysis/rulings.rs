//! What becomes of an act of somebody: done, held up until others approve it, or refused.
//!
//! The rules are those that calls meet: the policy is asked, and the checks of separation are called. What is here says only which of
//! them an act meets, and in what order.

use std::collections::BTreeSet;
use std::sync::Arc;

use claviger_core::approval::Eligible;
use claviger_core::capacity::Capacity;
use claviger_core::key::{DataClass, Separation};
use claviger_core::principal::{Principal, PrincipalKind, Role, Status};
use claviger_core::target::TargetKind;
use claviger_core::{Action, PrincipalId};

use super::facts::{Facts, Known, Ring};
use super::powers::{On, Powers};
use super::{Act, AnalysisError, Rules, Subject};
use crate::authz::Authorizer;
use crate::separation::{
    Makers, Rights, check_capacity, check_credential, check_grant, check_role_assignment,
    credential_needs_approval,
};

/// What becomes of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// So many others must approve it first.
    Approval(u8),
    /// It is done.
    Done,
    /// It is refused.
    Refused,
}

impl Ruling {
    const fn under(approvers: u8) -> Self {
        match approvers {
            0 => Self::Done,
            approvers => Self::Approval(approvers),
        }
    }
}

/// Says what becomes of acts.
#[derive(Debug)]
pub(super) struct Judge<'f> {
    pub(super) facts: &'f Facts,
    powers: Arc<Powers>,
    rules: Rules,
    /// The roles that serve to reach something.
    pub(super) serving: Vec<Role>,
    /// The roles that open emergency access for others.
    pub(super) opening: Vec<Role>,
    /// Of rings of which the same holds for an act, the first: of those with strict separation and keys for grants and for imports, and of
    /// all of them for other acts.
    pub(super) granted: Vec<usize>,
    pub(super) imported_into: Vec<usize>,
    pub(super) changed: Vec<usize>,
}

impl<'f> Judge<'f> {
    pub(super) fn new(
        facts: &'f Facts,
        authorizer: &Authorizer,
        rules: Rules,
    ) -> Result<Self, AnalysisError> {
        Ok(Self::with(facts, Arc::new(Powers::of(facts, authorizer)?), rules))
    }

    pub(super) fn with(facts: &'f Facts, powers: Arc<Powers>, rules: Rules) -> Self {
        let guarded = |ring: &Ring| ring.is_guarded();
        let granted = firsts(&facts.rings, |ring| guarded(ring).then(|| ring.policy.approvers_of_grants()));
        let imported_into =
            firsts(&facts.rings, |ring| guarded(ring).then(|| (is_restricted(ring), ring.policy.quorum)));
        let changed =
            firsts(&facts.rings, |ring| Some((ring.policy.separation, ring.policy.quorum, ring.has_keys)));
        let acts = [(Action::CreateGrant, On::System), (Action::ImportMaterial, On::Key(Separation::Strict))];
        let does = |role: Role| acts.into_iter().any(|(action, on)| powers.of_role(role, action, on));
        let serving = Role::ALL.into_iter().filter(|role| *role == Role::Custodian || does(*role)).collect();
        let human = On::Principal(PrincipalKind::Human);
        let opens = |role: Role| powers.of_role(role, Action::OpenBreakGlass, human);
        let opening = Role::ALL.into_iter().filter(|role| opens(*role)).collect();
        Self { facts, powers, rules, serving, opening, granted, imported_into, changed }
    }

    /// As whom somebody is known to the rules.
    pub(super) fn person(&self, known: &Known) -> PrincipalId {
        if self.rules.persons { known.person } else { known.principal.id }
    }

    /// Can somebody make others, their credentials, or give them something?
    pub(super) fn gives(&self, known: &Known) -> bool {
        let [human, workload] = [PrincipalKind::Human, PrincipalKind::Workload].map(On::Principal);
        let powers = [
            (Action::AssignRole, human),
            (Action::CreateCredential, human),
            (Action::CreateCredential, workload),
            (Action::CreateGrant, On::System),
        ];
        powers.into_iter().any(|(action, on)| self.may(known, action, on))
    }

    /// Can somebody open emergency access for others?
    pub(super) fn opens(&self, known: &Known) -> bool {
        self.may(known, Action::OpenBreakGlass, On::Principal(PrincipalKind::Human))
    }

    /// Can somebody use a key of a strict ring that was granted?
    pub(super) fn may_use(&self, known: &Known, action: Action) -> bool {
        self.may(known, action, On::Key(Separation::Strict))
    }

    /// Does that role let people read the record?
    pub(super) fn reads_record(&self, role: Role) -> bool {
        self.powers.of_role(role, Action::ReadAudit, On::System)
    }

    fn may(&self, by: &Known, action: Action, on: On) -> bool {
        self.powers.give(&by.principal, action, on)
    }

    fn on(by: &Known, other: &Known) -> On {
        let is_own = by.principal.id == other.principal.id && is_human(&by.principal);
        if is_own { On::Itself } else { On::Principal(other.principal.kind) }
    }

    /// A new principal.
    pub(super) fn create_principal(&self, by: &Known, kind: PrincipalKind) -> Ruling {
        let may = self.may(by, Action::CreatePrincipal, On::NewPrincipal(kind));
        if may { Ruling::Done } else { Ruling::Refused }
    }

    /// A further credential of somebody.
    pub(super) fn create_credential(&self, by: &Known, of: &Known) -> Ruling {
        let may = self.may(by, Action::CreateCredential, Self::on(by, of));
        if !may || of.principal.status != Status::Active {
            return Ruling::Refused;
        }
        if !self.rules.credentials {
            return Ruling::Done;
        }
        // Whoever gave something by another account of theirs gave it all the same.
        let or_caller = |id: PrincipalId| {
            let is_caller = self.rules.persons && self.facts.person_of(id) == by.person;
            if is_caller { by.principal.id } else { id }
        };
        let granters: Vec<_> = of.granters.iter().copied().map(or_caller).collect();
        let mut known = of.principal.clone();
        for (_, giver) in &mut known.role_givers {
            *giver = or_caller(*giver);
        }
        for held in &mut known.capacities {
            held.given_by = or_caller(held.given_by);
        }
        let rights = Rights { uses: of.uses, granters: &granters };
        if check_credential(&known, rights, &by.principal).is_err() {
            return Ruling::Refused;
        }
        // Who opened or approved emergency access could act as its holder then.
        if of.has_emergency && by.principal.id != of.principal.id {
            return Ruling::Refused;
        }
        let is_held = credential_needs_approval(&known, rights, &by.principal);
        Ruling::under(if is_held { self.facts.governance.quorum } else { 0 })
    }

    /// A code for somebody to enrol with: as good as the certificate that it is redeemed for.
    fn create_code(&self, by: &Known, of: &Known) -> Ruling {
        if is_human(&of.principal) { self.create_credential(by, of) } else { Ruling::Refused }
    }

    /// A capacity for somebody, who signs for it from then on, and does nothing else by it.
    fn assign_capacity(&self, by: &Known, to: &Known, capacity: Capacity) -> Ruling {
        if !self.may(by, Action::AssignCapacity, Self::on(by, to)) {
            return Ruling::Refused;
        }
        if to.principal.holds(capacity) {
            return Ruling::Done;
        }
        match check_capacity(&self.as_person(to), &self.makers(to), self.person(by)) {
            Ok(()) => Ruling::under(self.facts.governance.quorum),
            Err(_) => Ruling::Refused,
        }
    }

    /// The end of an officer whom a recovery made, while its wait goes on.
    fn cancel_recovery(&self, by: &Known, of: &Known) -> Ruling {
        let may = self.may(by, Action::CancelRecovery, Self::on(by, of));
        let Some(recovery) = of.principal.recovery.filter(|_| may) else { return Ruling::Refused };
        if of.principal.status == Status::Revoked {
            return Ruling::Done;
        }
        let is_over = recovery.acknowledged_by.is_some() || of.principal.counts(self.facts.now);
        if is_over || self.person(of) == self.person(by) { Ruling::Refused } else { Ruling::Done }
    }

    /// Emergency access of somebody to a key of the ring.
    pub(super) fn open_break_glass(&self, by: &Known, holder: &Known, ring: &Ring) -> Ruling {
        let may = self.may(by, Action::OpenBreakGlass, Self::on(by, holder));
        if !may || !ring.has_keys || !is_human(&holder.principal) || !holder.has_certificate {
            return Ruling::Refused;
        }
        let (person, caller) = (self.as_person(holder), self.person(by));
        // Not even a relaxed ring excuses one who holds a role.
        if person.id == caller || !person.roles.is_empty() {
            return Ruling::Refused;
        }
        match check_grant(&person, &self.makers(holder), ring.policy.separation, &[Action::Decrypt], caller) {
            Ok(()) => Ruling::under(self.approvers_of_emergency(ring)),
            Err(_) => Ruling::Refused,
        }
    }

    /// How many must approve emergency access to a key of the ring: one, in place of however many are asked otherwise.
    pub(super) fn approvers_of_emergency(&self, ring: &Ring) -> u8 {
        let of_ring = if self.rules.grants { ring.policy.approvers_of_grants() } else { 0 };
        self.facts.governance.quorum.max(of_ring).min(1)
    }

    /// Which persons decide on no emergency access of that holder, beside who asks: the holder, and whoever could act as it.
    pub(super) fn concerned(&self, holder: &Known) -> Vec<PrincipalId> {
        let makers = if self.rules.persons { &holder.made_by } else { &holder.made_by_accounts };
        let makers = makers.iter().copied().filter(|_| self.rules.makers);
        makers.chain([self.person(holder)]).collect()
    }

    /// Several acts that others are asked for at once: as many must approve as the act that asks for most, and each must be one that
    /// others approve.
    fn apply_plan(&self, by: &Known, acts: &[Act]) -> Option<Ruling> {
        if acts.is_empty() || !self.may(by, Action::ApplyPlan, On::System) {
            return Some(Ruling::Refused);
        }
        let mut most = 0;
        for act in acts {
            let Ruling::Approval(approvers) = self.ruling(by, act)? else { return Some(Ruling::Refused) };
            // What others than custodians decide on is asked for by itself.
            let is_theirs = match act {
                Act::AssignRole { role, .. } => self.eligible(by, *role, approvers) == Eligible::Custodians,
                _ => true,
            };
            if !is_theirs || !is_of_plans(act) {
                return Some(Ruling::Refused);
            }
            most = approvers.max(most);
        }
        Some(Ruling::Approval(most))
    }

    /// A role for somebody.
    pub(super) fn assign_role(&self, by: &Known, to: &Known, role: Role) -> Ruling {
        if !self.may(by, Action::AssignRole, Self::on(by, to)) {
            return Ruling::Refused;
        }
        if to.principal.roles.contains(&role) {
            return Ruling::Done;
        }
        if to.in_emergency {
            return Ruling::Refused;
        }
        let uses = if self.rules.persons { to.person_uses } else { to.uses };
        let (person, makers, by) = (self.as_person(to), self.makers(to), self.person(by));
        match check_role_assignment(&person, &makers, role, uses, by) {
            Ok(()) => Ruling::under(self.facts.governance.quorum),
            Err(_) => Ruling::Refused,
        }
    }

    /// A grant of a use to somebody, on the ring or a key of it.
    pub(super) fn create_grant(&self, by: &Known, to: &Known, ring: &Ring, action: Action) -> Ruling {
        if !self.may(by, Action::CreateGrant, On::System) {
            return Ruling::Refused;
        }
        let (person, makers, by) = (self.as_person(to), self.makers(to), self.person(by));
        match check_grant(&person, &makers, ring.policy.separation, &[action], by) {
            Ok(()) if self.rules.grants => Ruling::under(ring.policy.approvers_of_grants()),
            Ok(()) => Ruling::Done,
            Err(_) => Ruling::Refused,
        }
    }

    /// Material for a key of the ring, which is in use or is not.
    pub(super) fn import(&self, by: &Known, ring: &Ring, is_in_use: bool) -> Ruling {
        if !self.may(by, Action::ImportMaterial, On::Key(ring.policy.separation)) {
            return Ruling::Refused;
        }
        let is_held = self.rules.imports && ring.policy.import_needs_approval(None, is_in_use);
        Ruling::under(if is_held { ring.policy.quorum } else { 0 })
    }

    /// Any other sensitive act, of the kind that asks for less than before where there is one.
    pub(super) fn perform(&self, by: &Known, action: Action, ring: Option<&Ring>) -> Ruling {
        let separation = ring.map(|ring| ring.policy.separation);
        let on = match (action.target_kind(), separation) {
            (TargetKind::Key, Some(separation)) => On::Key(separation),
            (TargetKind::Ring, Some(separation)) => On::Ring(separation),
            (TargetKind::Principal, None) => On::Principal(PrincipalKind::Human),
            (TargetKind::System, None) => On::System,
            _ => return Ruling::Refused,
        };
        if !self.may(by, action, on) {
            return Ruling::Refused;
        }
        let of_ring = |approvers: fn(&Ring) -> u8| ring.map_or(0, approvers);
        Ruling::under(match action {
            Action::ScheduleDestroy => of_ring(|ring| ring.policy.quorum),
            // It is relaxed already.
            Action::SetRingSeparation if separation == Some(Separation::Relaxed) => 0,
            Action::SetRingSeparation | Action::UpdateKey | Action::UpdateRing => {
                of_ring(|ring| if ring.has_keys { ring.policy.approvers_of_weakening() } else { 0 })
            }
            Action::Declare
            | Action::ErasePrincipal
            | Action::EraseReason
            | Action::SetGovernance
            | Action::WithdrawDeclaration => self.facts.governance.quorum,
            _ => 0,
        })
    }

    /// Who may approve that somebody gives a role, as many as must.
    pub(super) fn eligible(&self, by: &Known, role: Role, approvers: u8) -> Eligible {
        let asking = BTreeSet::from([by.person]);
        let others = self.facts.custodians.difference(&asking).count();
        if role == Role::Custodian && others < usize::from(approvers) {
            Eligible::RoleHolders
        } else {
            Eligible::Custodians
        }
    }

    /// What becomes of an act of somebody who is there, done to somebody who is there; `None` where one of them is not.
    pub(super) fn ruling(&self, by: &Known, act: &Act) -> Option<Ruling> {
        let known = |subject: &Subject| match subject {
            Subject::Principal(name) => self.facts.find_by_name(name),
            Subject::Puppet(_) | Subject::SetUp => None,
        };
        Some(match act {
            Act::ApplyPlan { acts } => self.apply_plan(by, acts)?,
            Act::AssignCapacity { to, capacity } => self.assign_capacity(by, known(to)?, *capacity),
            Act::AssignRole { to, role } => self.assign_role(by, known(to)?, *role),
            Act::CancelRecovery { of } => self.cancel_recovery(by, known(of)?),
            Act::CreateCode { of } => self.create_code(by, known(of)?),
            Act::CreateCredential { of } => self.create_credential(by, known(of)?),
            Act::CreateGrant { to, ring, action } => {
                self.create_grant(by, known(to)?, self.facts.find_ring(ring)?, *action)
            }
            Act::CreatePrincipal { kind, .. } => self.create_principal(by, *kind),
            Act::ImportMaterial { ring, is_in_use } => {
                self.import(by, self.facts.find_ring(ring)?, *is_in_use)
            }
            Act::OpenBreakGlass { holder, ring } => {
                self.open_break_glass(by, known(holder)?, self.facts.find_ring(ring)?)
            }
            Act::Perform { action, ring: Some(ring) } => {
                self.perform(by, *action, Some(self.facts.find_ring(ring)?))
            }
            Act::Perform { action, ring: None } => self.perform(by, *action, None),
            Act::Keep { .. } | Act::Use { .. } => return None,
        })
    }

    /// Somebody as the rules see them: with all that their person has.
    fn as_person(&self, known: &Known) -> Principal {
        if self.rules.persons {
            Principal { id: known.person, roles: known.person_roles.clone(), ..known.principal.clone() }
        } else {
            known.principal.clone()
        }
    }

    fn makers(&self, of: &Known) -> Makers {
        if self.rules.makers { of.makers(self.rules.persons) } else { Makers::default() }
    }
}

/// Is it one of the acts that plans are made of: those that set policy?
const fn is_of_plans(act: &Act) -> bool {
    match act {
        Act::AssignCapacity { .. } | Act::AssignRole { .. } | Act::CreateGrant { .. } => true,
        Act::Perform { action, .. } => matches!(
            action,
            Action::Declare
                | Action::SetGovernance
                | Action::SetRingSeparation
                | Action::UpdateKey
                | Action::UpdateRing
                | Action::WithdrawDeclaration
        ),
        Act::ApplyPlan { .. }
        | Act::CancelRecovery { .. }
        | Act::CreateCode { .. }
        | Act::CreateCredential { .. }
        | Act::CreatePrincipal { .. }
        | Act::ImportMaterial { .. }
        | Act::Keep { .. }
        | Act::OpenBreakGlass { .. }
        | Act::Use { .. } => false,
    }
}

fn is_human(principal: &Principal) -> bool {
    principal.kind == PrincipalKind::Human
}

/// Is it for restricted data?
pub(super) fn is_restricted(ring: &Ring) -> bool {
    ring.policy.data_class.is_some_and(DataClass::is_restricted)
}

/// The place of the first ring for each key.
fn firsts<K: Ord>(rings: &[Ring], key: impl Fn(&Ring) -> Option<K>) -> Vec<usize> {
    let mut found = BTreeSet::new();
    let mut is_first = |ring: &Ring| key(ring).is_some_and(|key| found.insert(key));
    rings.iter().enumerate().filter(|(_, ring)| is_first(ring)).map(|(place, _)| place).collect()
}
