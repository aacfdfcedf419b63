//! Who can do what with a key, and by which rule.

use claviger_access::Explanation;
use claviger_core::grant::{Conditions, Grant};
use claviger_core::key::Separation;
use claviger_core::permit::Rule;
use claviger_core::principal::{Principal, Role};
use claviger_core::target::TargetKind;
use claviger_core::{Action, Target};

use crate::world::{
    FUTURE, NOW, application, authorizer, grant, may, on_key, on_ring, pairs, person, target, uses, with,
};

fn explain(target: &Target, candidates: &[(Principal, Vec<Grant>)]) -> Vec<Explanation> {
    authorizer().explain(target, candidates, NOW).unwrap()
}

#[test]
fn explanation_is_what_decisions_say() {
    let key = target(TargetKind::Key, Separation::Relaxed);
    let mut candidates: Vec<_> =
        Role::ALL.into_iter().zip(20..).map(|(role, number)| (person(number, &[role]), vec![])).collect();
    for (who, grants) in &mut candidates {
        grants.push(grant(who.id.as_bytes()[0], who, on_key(1), &[Action::Sign, Action::Verify]));
    }
    let app = application(10);
    candidates.push((app.clone(), vec![grant(1, &app, on_ring(1), &[Action::Encrypt])]));
    candidates.push((person(11, &[]), vec![]));
    let explained = explain(&key, &candidates);
    let mut permitted = 0;
    for (who, grants) in &candidates {
        for action in Action::ALL.into_iter().filter(|action| action.target_kind() == TargetKind::Key) {
            let said = explained.iter().any(|one| one.principal == who.id && one.action == action);
            assert_eq!(said, may(who, action, &key, grants), "{action} by {:?}", who.roles);
            permitted += usize::from(said);
        }
    }
    assert_eq!(explained.len(), permitted);
    assert!(permitted > 20);
}

#[test]
fn conditional_rights_are_explained_with_their_conditions() {
    let app = application(10);
    let conditions = Conditions {
        context_equals: pairs(&[("tenant", "7"), ("team", "blue")]),
        context_exactly: None,
        source_networks: vec!["2001:db8::/32".parse().unwrap(), "192.0.2.0/24".parse().unwrap()],
        until: Some(FUTURE),
    };
    let conditional = with(grant(1, &app, on_key(1), &[Action::Encrypt]), conditions);
    let plain = grant(2, &app, on_ring(1), &[Action::Encrypt, Action::Decrypt]);
    let explained = explain(
        &target(TargetKind::Key, Separation::Strict),
        &[(app, vec![conditional.clone(), plain.clone()])],
    );
    let told: Vec<_> = explained.iter().map(|one| (one.action, one.rule, one.conditions.as_str())).collect();
    let words = "context contains \"tenant\"=\"7\", \"team\"=\"blue\"; source in 2001:db8::/32 or 192.0.2.0/24; \
                 until 1900000000000000 microseconds since 1970";
    assert_eq!(
        told,
        vec![
            (Action::Encrypt, Rule::Grant(conditional.id), words),
            (Action::Encrypt, Rule::Grant(plain.id), ""),
            (Action::Decrypt, Rule::Grant(plain.id), ""),
        ]
    );
}

#[test]
fn what_is_forbidden_or_over_is_not_explained() {
    let key = target(TargetKind::Key, Separation::Strict);
    let admin = person(10, &[Role::Administrator]);
    let mixed = explain(&key, &[(admin.clone(), vec![grant(1, &admin, on_key(1), &[Action::Encrypt])])]);
    assert!(mixed.iter().all(|one| one.rule == Rule::Role(Role::Administrator)));
    assert!(uses().all(|used| mixed.iter().all(|one| one.action != used)));
    let app = application(11);
    let ended = Conditions { until: Some(NOW), ..Conditions::default() };
    assert_eq!(
        explain(&key, &[(app.clone(), vec![with(grant(1, &app, on_key(1), &[Action::Encrypt]), ended)])]),
        vec![]
    );
}
