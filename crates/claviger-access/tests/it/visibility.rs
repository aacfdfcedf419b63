//! What a caller may know to exist.

use claviger_access::DenyReason;
use claviger_access::authz::admits;
use claviger_core::grant::Conditions;
use claviger_core::key::Separation;
use claviger_core::principal::{Principal, PrincipalKind, Role};
use claviger_core::target::TargetKind;
use claviger_core::{Action, Target};

use crate::world::{NOW, application, ask, caller, grant, on_key, on_ring, pairs, person, target, with};

#[test]
fn key_is_shown_to_those_who_read_it_or_were_granted_something_on_it() {
    let (app, key) = (application(10), target(TargetKind::Key, Separation::Strict));
    let hidden =
        |grants: &[_]| ask(&caller(&app, None), Action::Decrypt, &key, grants).denial().unwrap().hidden;
    let given = grant(1, &app, on_key(1), &[Action::Encrypt]);
    assert!(hidden(&[]));
    assert!(!hidden(std::slice::from_ref(&given)));
    assert!(!hidden(&[grant(1, &app, on_ring(1), &[Action::Encrypt])]));
    assert!(hidden(&[grant(1, &app, on_key(2), &[Action::Decrypt])]));
    assert!(hidden(&[grant(1, &application(11), on_key(1), &[Action::Decrypt])]));
    let unmet = Conditions { context_equals: pairs(&[("a", "b")]), ..Conditions::default() };
    assert!(!hidden(&[with(given.clone(), unmet)]));
    let ended = Conditions { until: Some(NOW), ..Conditions::default() };
    assert!(hidden(&[with(given, ended)]));
}

#[test]
fn roles_that_read_a_kind_of_thing_know_what_there_is_of_it() {
    let hidden = |role: Option<Role>, action: Action| {
        let who = person(10, role.as_slice());
        ask(&caller(&who, None), action, &target(action.target_kind(), Separation::Strict), &[])
            .denial()
            .unwrap()
            .hidden
    };
    for denied in [Action::Encrypt, Action::UpdateRing, Action::AssignRole, Action::RevokeGrant] {
        assert!(!hidden(Some(Role::Auditor), denied), "{denied}");
        assert!(!hidden(Some(Role::Custodian), denied), "{denied}");
        assert!(hidden(Some(Role::Operator), denied), "{denied}");
        assert!(hidden(None, denied), "{denied}");
    }
    assert!(!hidden(None, Action::CreateRing), "the system is there for all");
}

#[test]
fn everyone_knows_themselves() {
    let who = person(10, &[]);
    let denial = |target| ask(&caller(&who, None), Action::RevokeCredential, &target, &[]).denial().unwrap();
    assert!(!denial(Target::Principal(who.id, PrincipalKind::Human)).hidden);
    assert!(denial(Target::Principal(application(11).id, PrincipalKind::Workload)).hidden);
    let new = Target::NewPrincipal(PrincipalKind::Human);
    assert!(!ask(&caller(&who, None), Action::CreatePrincipal, &new, &[]).denial().unwrap().hidden);
}

#[test]
fn a_person_makes_credentials_for_itself_and_an_application_none() {
    let (who, app) = (person(10, &[]), application(11));
    let of = |target: &Principal| Target::Principal(target.id, target.kind);
    let may = |by: &Principal, target: &Principal| {
        ask(&caller(by, None), Action::CreateCredential, &of(target), &[]).permit().is_some()
    };
    assert!(may(&who, &who));
    assert!(!may(&who, &person(12, &[])) && !may(&who, &app) && !may(&app, &app));
}

#[test]
fn the_plane_is_the_same_whatever_exists() {
    for action in Action::ALL {
        let target = target(action.target_kind(), Separation::Strict);
        for kind in PrincipalKind::ALL {
            let who = crate::world::principal(10, kind, &[]);
            let decision = ask(&caller(&who, None), action, &target, &[]);
            let shut = decision.denial().is_some_and(|denial| denial.reason == DenyReason::WrongSurface);
            assert_eq!(shut, admits(kind, action).is_err(), "{action} by {kind}");
        }
    }
}
