//! Who can do what with a key, and by which rule.

use std::collections::BTreeSet;
use std::net::IpAddr;

use claviger_access::{Explanation, RequestContext};
use claviger_core::grant::{Conditions, Grant};
use claviger_core::key::Separation;
use claviger_core::permit::Rule;
use claviger_core::principal::{Principal, Role, Status};
use claviger_core::target::TargetKind;
use claviger_core::{Action, Target};
use proptest::prelude::*;

use crate::world::{
    FUTURE, NOW, PAST, application, authorizer, caller, grant, may, on_key, on_ring, pairs, person, target,
    uses, with,
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
    let reported: Vec<_> =
        explained.iter().map(|one| (one.action, one.rule, one.conditions.as_str())).collect();
    let words = "context contains \"tenant\"=\"7\", \"team\"=\"blue\"; source in 2001:db8::/32 or 192.0.2.0/24; \
                 until 1900000000000000 microseconds since 1970";
    assert_eq!(
        reported,
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

const NAMES: [&str; 3] = ["tenant", "team", "purpose"];
const VALUES: [&str; 2] = ["7", "blue \"sea\""];
/// Networks, each with an address in it.
const PLACES: [(&str, &str); 7] = [
    ("10.0.0.0/8", "10.9.8.7"),
    ("192.0.2.128/25", "192.0.2.200"),
    ("198.51.100.7/32", "198.51.100.7"),
    ("::ffff:10.0.0.0/104", "10.200.0.1"),
    ("2001:db8::/32", "2001:db8:1::5"),
    ("fd00::5/128", "fd00::5"),
    ("::/0", "2a00::1"),
];

fn some_pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec(prop::option::of(0..VALUES.len()), NAMES.len()).prop_map(|chosen| {
        let said = NAMES.iter().zip(chosen);
        said.filter_map(|(name, value)| Some(((*name).to_owned(), VALUES[value?].to_owned()))).collect()
    })
}

prop_compose! {
    fn some_grant()(
        number in 1..100_u8,
        holder in 0..3_u8,
        (on, which) in (any::<bool>(), 1..3_u8),
        operations in prop::sample::subsequence(uses().collect::<Vec<_>>(), 1..4),
        equals in prop::option::of(some_pairs()),
        exactly in prop::option::of(some_pairs()),
        places in prop::sample::subsequence(PLACES.to_vec(), 0..3),
        until in prop::sample::select(vec![None, Some(PAST), Some(NOW), Some(FUTURE)]),
        status in prop::sample::select(vec![Status::Active, Status::Active, Status::Active, Status::Revoked]),
    ) -> Grant {
        let holder = candidates()[usize::from(holder)].clone();
        let selector = if on { on_key(which) } else { on_ring(which) };
        let conditions = Conditions {
            context_equals: equals.unwrap_or_default(),
            context_exactly: exactly,
            source_networks: places.iter().map(|(network, _)| network.parse().unwrap()).collect(),
            until,
        };
        Grant { status, ..with(grant(number, &holder, selector, &operations), conditions) }
    }
}

/// An application, a person without a role, and one who holds a role.
fn candidates() -> [Principal; 3] {
    [application(10), person(11, &[]), person(12, &[Role::Administrator])]
}

/// Every context over the names and values that grants speak of, and one that says more.
fn contexts() -> Vec<Vec<(String, String)>> {
    let choices = || std::iter::once(None).chain((0..VALUES.len()).map(Some));
    let mut all = vec![vec![]];
    for name in NAMES {
        let longer = |said: &Vec<(String, String)>| {
            let said = said.clone();
            choices().map(move |value| {
                let more = value.map(|value| (name.to_owned(), VALUES[value].to_owned()));
                said.iter().cloned().chain(more).collect::<Vec<_>>()
            })
        };
        all = all.iter().flat_map(longer).collect();
    }
    all.push(pairs(&[("other", "1")]));
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// What is explained of grants is what the authorizer permits to some call, for each grant alone: no more and no less.
    #[test]
    fn every_grant_that_can_permit_is_explained_and_no_other(
        mut grants in prop::collection::vec(some_grant(), 1..5),
        relaxed: bool,
    ) {
        grants.sort_by_key(|grant| grant.id);
        grants.dedup_by_key(|grant| grant.id);
        let separation = if relaxed { Separation::Relaxed } else { Separation::Strict };
        let key = target(TargetKind::Key, separation);
        let asked = candidates().map(|who| {
            let own = grants.iter().filter(|grant| grant.principal == who.id).cloned().collect();
            (who, own)
        });
        let explained: BTreeSet<_> = explain(&key, &asked)
            .into_iter()
            .filter_map(|one| match one.rule {
                Rule::Grant(id) => Some((one.principal, one.action, id)),
                Rule::Role(_) | Rule::Builtin(_) => None,
            })
            .collect();
        let sources: Vec<Option<IpAddr>> = std::iter::once(None)
            .chain(PLACES.iter().map(|(_, address)| Some(address.parse().unwrap())))
            .collect();
        let mut permitted = BTreeSet::new();
        for (who, own) in &asked {
            for grant in own {
                for action in &grant.operations {
                    let permits = contexts().iter().any(|context| {
                        sources.iter().any(|source| {
                            let request = RequestContext { now: NOW, context };
                            let alone = std::slice::from_ref(grant);
                            let decision =
                                authorizer().decide(&caller(who, *source), *action, &key, alone, &request);
                            decision.permit().is_some_and(|permit| permit.rule() == Rule::Grant(grant.id))
                        })
                    });
                    permitted.extend(permits.then_some((who.id, *action, grant.id)));
                }
            }
        }
        prop_assert_eq!(explained, permitted);
    }
}
