//! Whatever order roles, grants and rings come in: no principal both administers and uses a key of a strict ring.

use std::collections::HashMap;

use claviger_access::separation::{
    Holder, Makers, Uses, check_grant, check_ring_separation, check_role_assignment,
};
use claviger_core::action::{Effect, Surface};
use claviger_core::grant::{Grant, Selector};
use claviger_core::key::Separation;
use claviger_core::principal::{Principal, PrincipalKind, Role};
use claviger_core::{Action, Target};
use proptest::prelude::*;

use crate::world::{application, grant, key, may, on_key, on_ring, person, principal, ring, uses};

#[derive(Clone, Debug)]
enum Step {
    Assign { to: usize, role: Role, by: usize },
    Grant { to: usize, ring: u8, whole: bool, by: usize },
    Revoke { at: usize },
    Separate { ring: u8, separation: Separation },
    Withdraw { from: usize, at: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0_usize..5;
    let role = (0..Role::ALL.len()).prop_map(|at| Role::ALL[at]);
    let separation = prop_oneof![Just(Separation::Relaxed), Just(Separation::Strict)];
    prop_oneof![
        4 => (who(), role, who()).prop_map(|(to, role, by)| Step::Assign { to, role, by }),
        4 => (who(), 1_u8..=2, any::<bool>(), who()).prop_map(|(to, ring, whole, by)| Step::Grant { to, ring, whole, by }),
        1 => (0_usize..8).prop_map(|at| Step::Revoke { at }),
        2 => (1_u8..=2, separation).prop_map(|(ring, separation)| Step::Separate { ring, separation }),
        1 => (who(), 0_usize..2).prop_map(|(from, at)| Step::Withdraw { from, at }),
    ]
}

/// What is stored, changed by what the checks let pass and by nothing else. Key and ring bear the same number.
struct Stored {
    principals: Vec<Principal>,
    grants: Vec<Grant>,
    rings: HashMap<u8, Separation>,
}

impl Stored {
    fn new() -> Self {
        let mut principals: Vec<_> = (10..13).map(|number| person(number, &[])).collect();
        principals.extend([application(13), principal(14, PrincipalKind::System, &[])]);
        Self {
            principals,
            grants: vec![],
            rings: HashMap::from([(1, Separation::Strict), (2, Separation::Strict)]),
        }
    }

    fn ring_of(grant: &Grant) -> u8 {
        match grant.selector {
            Selector::Key(id) => id.as_bytes()[0],
            Selector::Ring(id) => id.as_bytes()[0],
        }
    }

    fn uses(&self, principal: &Principal) -> Uses {
        let theirs = self.grants.iter().filter(|grant| grant.principal == principal.id);
        Uses::of(theirs.map(|grant| self.rings[&Self::ring_of(grant)]))
    }

    fn holders(&self, ring: u8) -> Vec<Holder<'_>> {
        let uses = |who: &&Principal| {
            self.grants.iter().any(|one| one.principal == who.id && Self::ring_of(one) == ring)
        };
        let holder = |principal| Holder { principal, administers: false };
        self.principals.iter().filter(uses).map(holder).collect()
    }

    /// Returns whether the step was let pass.
    fn take(&mut self, step: &Step) -> bool {
        match *step {
            Step::Assign { to, role, by } => {
                let (who, by) = (&self.principals[to], self.principals[by].id);
                let passes = check_role_assignment(who, &Makers::default(), role, self.uses(who), by).is_ok();
                let roles = &mut self.principals[to].roles;
                if passes && !roles.contains(&role) {
                    roles.push(role);
                    roles.sort();
                }
                passes
            }
            Step::Grant { to, ring, whole, by } => {
                let who = &self.principals[to];
                let all: Vec<_> = uses().collect();
                let passes =
                    check_grant(who, &Makers::default(), self.rings[&ring], &all, self.principals[by].id)
                        .is_ok();
                if passes {
                    let number = u8::try_from(self.grants.len()).unwrap() + 1;
                    self.grants.push(grant(
                        number,
                        who,
                        if whole { on_ring(ring) } else { on_key(ring) },
                        &all,
                    ));
                }
                passes
            }
            Step::Revoke { at } => {
                at < self.grants.len() && {
                    self.grants.remove(at);
                    true
                }
            }
            Step::Separate { ring, separation } => {
                let passes = check_ring_separation(separation, self.holders(ring)).is_ok();
                if passes {
                    self.rings.insert(ring, separation);
                }
                passes
            }
            Step::Withdraw { from, at } => {
                let roles = &mut self.principals[from].roles;
                at < roles.len() && {
                    roles.remove(at);
                    true
                }
            }
        }
    }

    fn key(&self, number: u8) -> Target {
        key(number, &ring(number, self.rings[&number]))
    }

    /// By the rows alone, without asking the policy: it forbids the same, and must not be what saves the day.
    fn rows_are_valid(&self) -> Result<(), TestCaseError> {
        for who in &self.principals {
            prop_assert!(who.roles.is_empty() || who.kind == PrincipalKind::Human);
            let uses = self.uses(who);
            prop_assert!(who.kind != PrincipalKind::System || uses == Uses::None);
            prop_assert!(who.roles.is_empty() || uses != Uses::Strict, "{:?} uses a strict ring", who.roles);
            let alone = |role| !who.roles.contains(&role) || who.roles.len() == 1;
            prop_assert!(
                alone(Role::Auditor) && alone(Role::Custodian) && alone(Role::Operator),
                "{:?}",
                who.roles
            );
            prop_assert!(
                !(who.roles.contains(&Role::Administrator) && who.roles.contains(&Role::SecurityOfficer))
            );
        }
        Ok(())
    }

    /// By what decisions say to callers.
    fn decisions_are_valid(&self) -> Result<(), TestCaseError> {
        let administers = [Action::RotateKey, Action::ActivateKey, Action::UpdateKey];
        let uses = [Action::Encrypt, Action::Decrypt, Action::Sign];
        for who in &self.principals {
            for number in [1, 2] {
                let key = self.key(number);
                let any = |actions: [Action; 3]| {
                    actions.into_iter().any(|action| may(who, action, &key, &self.grants))
                };
                let both = any(uses) && who.kind != PrincipalKind::System && any(administers);
                prop_assert!(
                    !both || self.rings[&number] == Separation::Relaxed,
                    "{:?} does both on ring {number}",
                    who.roles
                );
                let governs = || may(who, Action::CreateGrant, &Target::System, &self.grants);
                prop_assert!(!any(uses) || !governs(), "{:?} grants and uses", who.roles);
            }
        }
        Ok(())
    }
}

proptest! {
    // Each case is long; `PROPTEST_CASES` counts here too.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases * 3 / 8))]

    #[test]
    fn nobody_ever_both_administers_and_uses_a_key_of_a_strict_ring(history in proptest::collection::vec(step(), 1..60)) {
        let mut stored = Stored::new();
        for step in &history {
            if stored.take(step) {
                stored.rows_are_valid()?;
            }
        }
        stored.decisions_are_valid()?;
    }
}

/// Every set of roles there could be, with every use granted, asked of the policy alone: rows that no check let pass.
#[test]
fn policy_holds_even_for_rows_that_no_check_let_pass() {
    let acts = |effects: &[Effect], surface| {
        let fits = |action: &Action| effects.contains(&action.effect()) && action.surface() == surface;
        Action::ALL.into_iter().filter(fits).collect::<Vec<_>>()
    };
    let used: Vec<_> = uses().collect();
    let managed = acts(&[Effect::Manage], Surface::Control);
    let key = key(1, &ring(1, Separation::Strict));
    for set in 0_u32..1 << Role::ALL.len() {
        let roles: Vec<_> = Role::ALL
            .into_iter()
            .enumerate()
            .filter(|(at, _)| set >> at & 1 == 1)
            .map(|(_, role)| role)
            .collect();
        let who = person(10, &roles);
        let grants = [grant(1, &who, on_key(1), &used)];
        let uses = used.iter().any(|action| may(&who, *action, &key, &grants));
        let manages = managed
            .iter()
            .filter(|action| action.target_kind() == key.kind())
            .any(|action| may(&who, *action, &key, &grants));
        assert!(!(uses && manages), "{roles:?}");
        assert_eq!(uses, roles.is_empty(), "{roles:?}");
    }
}

/// Applications with roles in their rows, and parts of the system with grants, get nothing from them.
#[test]
fn policy_gives_nothing_for_rows_of_the_wrong_kind() {
    let key = key(1, &ring(1, Separation::Relaxed));
    let dressed_up = principal(10, PrincipalKind::Workload, &Role::ALL);
    for action in Action::ALL.into_iter().filter(|action| action.surface() == Surface::Control) {
        let target = crate::world::target(action.target_kind(), Separation::Relaxed);
        assert!(!may(&dressed_up, action, &target, &[]), "{action}");
    }
    let job = principal(10, PrincipalKind::System, &Role::ALL);
    let grants = [grant(1, &job, on_key(1), &uses().collect::<Vec<_>>())];
    for action in uses() {
        assert!(!may(&job, action, &key, &grants), "{action}");
    }
    for action in [Action::CreateGrant, Action::AssignRole, Action::CreateKey] {
        assert!(
            !may(&job, action, &crate::world::target(action.target_kind(), Separation::Relaxed), &[]),
            "{action}"
        );
    }
}
