//! What becomes of an act of somebody: done, held up until others approve it, or refused.
//!
//! The rules are those that calls meet: the policy is asked, and the checks of separation are called. What is here says only which of
//! them an act meets, and in what order.

use std::collections::BTreeSet;
use std::sync::Arc;

use claviger_core::approval::Eligible;
use claviger_core::key::{DataClass, Separation};
use claviger_core::principal::{Principal, PrincipalKind, Role, Status};
use claviger_core::target::TargetKind;
use claviger_core::{Action, PrincipalId};

use super::facts::{Facts, Known, Ring};
use super::powers::{On, Powers};
use super::{Act, AnalysisError, Rules, Subject};
use crate::authz::Authorizer;
use crate::separation::{
    Makers, Rights, check_credential, check_grant, check_role_assignment, credential_needs_approval,
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
        Self { facts, powers, rules, serving, granted, imported_into, changed }
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
        let rights = Rights { uses: of.uses, granters: &granters };
        if check_credential(&known, rights, &by.principal).is_err() {
            return Ruling::Refused;
        }
        let is_held = credential_needs_approval(&known, rights, &by.principal);
        Ruling::under(if is_held { self.facts.governance.quorum } else { 0 })
    }

    /// A role for somebody.
    pub(super) fn assign_role(&self, by: &Known, to: &Known, role: Role) -> Ruling {
        if !self.may(by, Action::AssignRole, Self::on(by, to)) {
            return Ruling::Refused;
        }
        if to.principal.roles.contains(&role) {
            return Ruling::Done;
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
            Act::AssignRole { to, role } => self.assign_role(by, known(to)?, *role),
            Act::CreateCredential { of } => self.create_credential(by, known(of)?),
            Act::CreateGrant { to, ring, action } => {
                self.create_grant(by, known(to)?, self.facts.find_ring(ring)?, *action)
            }
            Act::CreatePrincipal { kind, .. } => self.create_principal(by, *kind),
            Act::ImportMaterial { ring, is_in_use } => {
                self.import(by, self.facts.find_ring(ring)?, *is_in_use)
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
