//! Grants as policies: what they give, under which conditions, and which of them cannot be.

use std::net::IpAddr;
use std::sync::Arc;

use claviger_access::authz::{MAX_CONTEXT_PAIRS, MAX_CONTEXT_TEXT, MAX_NETWORKS};
use claviger_access::{Decision, GrantError, RequestContext};
use claviger_core::grant::{Conditions, Grant};
use claviger_core::key::Separation;
use claviger_core::principal::{Principal, PrincipalKind};
use claviger_core::target::TargetKind;
use claviger_core::{Action, Target, Timestamp};
use proptest::prelude::*;

use crate::world::{
    FUTURE, NOW, PAST, application, authorizer, caller, grant, may, on_key, on_ring, pairs, person,
    principal, target, uses, with,
};

fn key() -> Target {
    target(TargetKind::Key, Separation::Strict)
}

fn conditional(conditions: Conditions) -> Grant {
    with(grant(1, &application(10), on_key(1), &[Action::Encrypt]), conditions)
}

fn encrypt(grants: &[Grant], context: &[(String, String)], source: Option<&str>, now: Timestamp) -> Decision {
    let source = source.map(|address| address.parse::<IpAddr>().unwrap());
    let caller = caller(&application(10), source);
    authorizer().decide(&caller, Action::Encrypt, &key(), grants, &RequestContext { now, context })
}

fn passes(conditions: Conditions, context: &[(String, String)], source: Option<&str>) -> bool {
    encrypt(&[conditional(conditions)], context, source, NOW).permit().is_some()
}

fn context_of(context_equals: Vec<(String, String)>) -> Conditions {
    Conditions { context_equals, ..Conditions::default() }
}

fn networks(networks: &[&str]) -> Conditions {
    let source_networks = networks.iter().map(|network| network.parse().unwrap()).collect();
    Conditions { source_networks, ..Conditions::default() }
}

#[test]
fn context_must_contain_all_pairs_and_may_contain_more() {
    let wanted = || context_of(pairs(&[("tenant", "7"), ("team", "blue")]));
    assert!(passes(wanted(), &pairs(&[("team", "blue"), ("tenant", "7")]), None));
    assert!(passes(wanted(), &pairs(&[("a", "b"), ("team", "blue"), ("tenant", "7")]), None));
    for missing in [pairs(&[]), pairs(&[("tenant", "7")]), pairs(&[("tenant", "7"), ("team", "red")])] {
        assert!(!passes(wanted(), &missing, None), "{missing:?}");
    }
    assert!(!passes(wanted(), &pairs(&[("7", "tenant"), ("blue", "team")]), None));
}

#[test]
fn source_must_be_within_one_of_the_networks() {
    let at_home = |source| passes(networks(&["192.0.2.0/24", "2001:db8::/32"]), &[], source);
    assert!(at_home(Some("192.0.2.0")) && at_home(Some("192.0.2.255")) && at_home(Some("2001:db8:ffff::1")));
    assert!(at_home(Some("::ffff:192.0.2.1")), "an address mapped into IPv6 is the IPv4 address");
    assert!(
        !at_home(Some("192.0.3.0")) && !at_home(Some("2001:db9::1")) && !at_home(Some("::ffff:192.0.3.1"))
    );
    assert!(!at_home(Some("::192.0.2.1")), "a compatible address is not a mapped one");
    assert!(!at_home(None), "a call from nowhere is from no network");
}

#[test]
fn networks_are_read_in_every_form() {
    let within = |network: &str, source: &str| passes(networks(&[network]), &[], Some(source));
    assert!(within("10.1.2.3/8", "10.200.0.1"), "what lies beyond the prefix does not count");
    assert!(within("::ffff:192.0.2.0/120", "192.0.2.7") && !within("::ffff:192.0.2.0/120", "192.0.3.7"));
    assert!(within("0.0.0.0/0", "203.0.113.1") && !within("0.0.0.0/0", "2001:db8::1"));
    assert!(within("::/0", "2001:db8::1") && within("::1/128", "::1") && !within("::1/128", "::2"));
    assert!(within("192.0.2.1/32", "192.0.2.1") && !within("192.0.2.1/32", "192.0.2.2"));
}

#[test]
fn all_conditions_must_hold_together() {
    let all = || Conditions {
        until: Some(FUTURE),
        source_networks: networks(&["10.0.0.0/8"]).source_networks,
        ..context_of(pairs(&[("a", "b")]))
    };
    assert!(passes(all(), &pairs(&[("a", "b")]), Some("10.0.0.1")));
    assert!(!passes(all(), &pairs(&[("a", "b")]), Some("11.0.0.1")));
    assert!(!passes(all(), &pairs(&[("a", "c")]), Some("10.0.0.1")));
    assert!(!passes(Conditions { until: Some(NOW), ..all() }, &pairs(&[("a", "b")]), Some("10.0.0.1")));
}

#[test]
fn grant_on_a_ring_covers_its_keys_and_no_others() {
    let app = application(10);
    assert!(may(&app, Action::Encrypt, &key(), &[grant(1, &app, on_ring(1), &[Action::Encrypt])]));
    assert!(!may(&app, Action::Encrypt, &key(), &[grant(1, &app, on_ring(2), &[Action::Encrypt])]));
}

#[test]
fn nothing_is_granted_to_the_system() {
    let system = principal(10, PrincipalKind::System, &[]);
    let given = grant(1, &system, on_key(1), &[Action::Encrypt]);
    assert!(!may(&system, Action::Encrypt, &key(), std::slice::from_ref(&given)));
    assert!(matches!(authorizer().validate_grant(&given, &system), Err(GrantError::Holder)));
}

#[test]
fn grants_that_cannot_be_are_refused_with_the_reason() {
    let app = application(10);
    let good = || grant(1, &app, on_key(1), &[Action::Encrypt, Action::Decrypt]);
    let refused = |grant: &Grant, holder: &Principal| {
        authorizer().validate_grant(grant, holder).unwrap_err().to_string()
    };
    authorizer().validate_grant(&good(), &app).unwrap();
    assert!(refused(&good(), &application(11)).contains("holder"));
    for (operations, named) in [
        (vec![], "`nothing`"),
        (vec![Action::Encrypt, Action::CreateRing], "`create_ring`"),
        (vec![Action::Random], "`random`"),
        (vec![Action::Decrypt, Action::Encrypt], "`encrypt`"),
        (vec![Action::Encrypt, Action::Encrypt], "`encrypt`"),
    ] {
        assert!(
            refused(&Grant { operations: operations.clone(), ..good() }, &app).contains(named),
            "{operations:?}"
        );
    }
    let person = person(12, &[]);
    let administers = grant(1, &person, on_key(1), &[Action::Encrypt, Action::RotateKey]);
    assert!(refused(&administers, &person).contains("`rotate_key`"));
    let many = |count: usize| (0..count).map(|at| (at.to_string(), String::new())).collect::<Vec<_>>();
    for invalid in [
        many(MAX_CONTEXT_PAIRS + 1),
        pairs(&[("", "x")]),
        pairs(&[("a", "1"), ("b", "2"), ("a", "3")]),
        vec![("a".into(), "x".repeat(MAX_CONTEXT_TEXT + 1))],
        vec![("x".repeat(MAX_CONTEXT_TEXT + 1), String::new())],
    ] {
        assert!(refused(&with(good(), context_of(invalid)), &app).contains("context condition"));
    }
    authorizer().validate_grant(&with(good(), context_of(many(MAX_CONTEXT_PAIRS))), &app).unwrap();
    let crowded = vec!["10.0.0.0/8"; MAX_NETWORKS + 1];
    assert!(refused(&with(good(), networks(&crowded)), &app).contains("networks"));
    authorizer().validate_grant(&with(good(), networks(&crowded[..MAX_NETWORKS])), &app).unwrap();
    let ended = Conditions { until: Some(PAST), ..Conditions::default() };
    assert!(refused(&with(good(), ended), &app).contains("end before"));
}

#[test]
fn text_of_a_grant_reads_like_one() {
    let conditions = Conditions {
        until: Some(FUTURE),
        source_networks: networks(&["10.0.0.0/8", "2001:db8::/32"]).source_networks,
        ..context_of(pairs(&[("say", "\"hi\"\n")]))
    };
    let policy = authorizer().validate_grant(&conditional(conditions), &application(10)).unwrap();
    let expected = r#"@id("grant:01010101-0101-0101-0101-010101010101")
permit (
    principal == Workload::"0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a",
    action in [Action::"encrypt"],
    resource == Key::"01010101-0101-0101-0101-010101010101"
)
when { context.now < 1900000000000000 }
when { context.encryption.containsAll([{ name: "say", value: "\"hi\"\n" }]) }
when { context has source && (context.source.isInRange(ip("10.0.0.0/8")) || context.source.isInRange(ip("2001:db8:0:0:0:0:0:0/32"))) };"#;
    assert_eq!(policy.text(), expected);
}

#[test]
fn words_of_people_stay_words() {
    for evil in [
        "\"}; permit(principal, action, resource); //",
        "x\" }]) || true || context.encryption.containsAll([{ name: \"a\", value: \"",
        "\\",
        "\\\"",
        "\\u{0}",
        "\u{0}",
        "*",
        "\\*",
        "\u{202e}",
        "\u{301}",
        "?principal",
    ] {
        let wanted = || context_of(pairs(&[(evil, evil)]));
        authorizer().validate_grant(&conditional(wanted()), &application(10)).unwrap();
        assert!(passes(wanted(), &pairs(&[(evil, evil)]), None), "{evil:?}");
        assert!(!passes(wanted(), &pairs(&[]), None), "{evil:?}");
        assert!(!passes(wanted(), &pairs(&[(evil, "other")]), None), "{evil:?}");
    }
}

#[test]
fn best_of_several_grants_is_named_and_kept() {
    let app = application(10);
    let unconditional = |number, until| {
        with(
            grant(number, &app, on_key(1), &[Action::Encrypt]),
            Conditions { until, ..Conditions::default() },
        )
    };
    let narrow =
        Grant { id: claviger_core::GrantId::from_bytes([0; 16]), ..conditional(networks(&["10.0.0.0/8"])) };
    let soon = Timestamp::from_micros(NOW.as_micros() + 1);
    let cases = [
        (vec![narrow.clone()], false, None),
        (vec![narrow.clone(), unconditional(5, Some(soon))], true, Some(soon)),
        (
            vec![narrow.clone(), unconditional(5, Some(soon)), unconditional(6, Some(FUTURE))],
            true,
            Some(FUTURE),
        ),
        (
            vec![unconditional(5, Some(soon)), unconditional(6, Some(FUTURE)), unconditional(7, None)],
            true,
            None,
        ),
    ];
    for (grants, kept, until) in cases {
        let decision = encrypt(&grants, &[], Some("10.0.0.1"), NOW);
        let last = grants.last().unwrap().id;
        assert_eq!(decision.permit().unwrap().rule(), claviger_core::permit::Rule::Grant(last));
        assert_eq!((decision.is_unconditional(), decision.cacheable_until()), (kept, until));
    }
}

#[test]
fn kept_decision_serves_its_own_case_and_no_other() {
    let app = application(10);
    let until = Timestamp::from_micros(NOW.as_micros() + 1_000);
    let given = conditional(Conditions { until: Some(until), ..Conditions::default() });
    let Decision::Permit { cacheable: Some(kept), permit } = encrypt(&[given], &[], None, NOW) else {
        panic!("kept")
    };
    let (caller, key) = (caller(&app, None), key());
    let later = Timestamp::from_micros(NOW.as_micros() + 999);
    let again = kept.permit(&caller, Action::Encrypt, &key, later).unwrap();
    assert_eq!(
        (again.rule(), again.policy_digest(), again.at()),
        (permit.rule(), permit.policy_digest(), later)
    );
    assert_eq!((kept.until(), kept.rule()), (Some(until), permit.rule()));
    assert!(kept.permit(&caller, Action::Encrypt, &key, until).is_none());
    assert!(kept.permit(&caller, Action::Decrypt, &key, NOW).is_none());
    assert!(
        kept.permit(
            &caller,
            Action::Encrypt,
            &crate::world::key(2, &crate::world::ring(1, Separation::Strict)),
            NOW
        )
        .is_none()
    );
    assert!(kept.permit(&crate::world::caller(&application(11), None), Action::Encrypt, &key, NOW).is_none());
    let changed = Principal { revision: 2, ..app };
    assert!(kept.permit(&crate::world::caller(&changed, None), Action::Encrypt, &key, NOW).is_none());
}

#[test]
fn expired_credential_gets_nothing_from_what_was_prepared_before() {
    let app = application(10);
    let given = [grant(1, &app, on_key(1), &[Action::Encrypt])];
    let slice = authorizer().slice(&app, &key(), &given).unwrap();
    let caller = caller(&app, None);
    let decided = |now| slice.decide(&caller, Action::Encrypt, &RequestContext::at(now));
    let Decision::Permit { cacheable: Some(kept), .. } = decided(NOW) else { panic!("permitted") };
    assert_eq!(decided(FUTURE).denial().unwrap().reason, claviger_access::DenyReason::CredentialExpired);
    assert!(kept.permit(&caller, Action::Encrypt, &key(), FUTURE).is_none());
}

#[test]
fn slice_serves_nobody_but_whom_it_was_built_for() {
    let app = application(10);
    let slice = authorizer().slice(&app, &key(), &[grant(1, &app, on_key(1), &[Action::Encrypt])]).unwrap();
    for other in [application(11), Principal { revision: 2, ..app.clone() }, person(12, &[])] {
        let denied =
            slice.decide(&caller(&other, None), Action::Encrypt, &RequestContext::at(NOW)).denial().unwrap();
        assert!(denied.hidden && denied.reason == claviger_access::DenyReason::Unsound);
    }
    let same = Arc::new(slice);
    assert!(same.decide(&caller(&app, None), Action::Encrypt, &RequestContext::at(NOW)).permit().is_some());
}

proptest! {
    #[test]
    fn any_text_is_matched_exactly(name in "\\PC{1,20}|.{1,20}", value in ".{0,20}", other in ".{0,20}") {
        let wanted = || context_of(vec![(name.clone(), value.clone())]);
        prop_assert!(authorizer().validate_grant(&conditional(wanted()), &application(10)).is_ok());
        prop_assert!(passes(wanted(), &[(name.clone(), value.clone())], None));
        prop_assert_eq!(passes(wanted(), &[(name.clone(), other.clone())], None), other == value);
    }

    #[test]
    fn nothing_is_permitted_after_the_end(until in any::<u64>(), now in 0..FUTURE.as_micros(), edge in -1_i64..=1, near in any::<bool>()) {
        let now = if near { until.saturating_add_signed(edge).min(FUTURE.as_micros() - 1) } else { now };
        let (until, now) = (Timestamp::from_micros(until), Timestamp::from_micros(now));
        let decision = encrypt(&[conditional(Conditions { until: Some(until), ..Conditions::default() })], &[], None, now);
        prop_assert_eq!(decision.permit().is_some(), now < until);
        prop_assert!(decision.cacheable_until().is_none_or(|kept| kept == until));
    }

    #[test]
    fn one_more_grant_takes_nothing_from_anyone(
        grants in proptest::collection::vec((0_u8..3, 1_u8..3, any::<bool>(), 0_usize..15, any::<bool>()), 1..6),
        asked in 0_usize..15,
    ) {
        let all: Vec<Action> = uses().collect();
        let holders = [application(10), application(11), person(12, &[])];
        let grants: Vec<Grant> = grants.iter().zip(1..).map(|((holder, on, ring, action, narrow), number)| {
            let selector = if *ring { on_ring(*on) } else { on_key(*on) };
            let given = grant(number, &holders[usize::from(*holder)], selector, &[all[*action]]);
            if *narrow { with(given, context_of(pairs(&[("a", "b")]))) } else { given }
        }).collect();
        let (added, before) = grants.split_last().unwrap();
        for holder in &holders {
            let asks = |grants: &[Grant], context: &[(String, String)]| {
                authorizer().decide(&caller(holder, None), all[asked], &key(), grants, &RequestContext { now: NOW, context }).permit().is_some()
            };
            for context in [vec![], pairs(&[("a", "b")])] {
                let (had, has) = (asks(before, &context), asks(&grants, &context));
                prop_assert!(!had || has, "{:?} lost it", holder.id);
                prop_assert!(had == has || added.principal == holder.id, "{:?} gained by another's grant", holder.id);
            }
        }
    }
}
