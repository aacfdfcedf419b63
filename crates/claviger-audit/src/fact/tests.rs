use std::collections::BTreeMap;

use claviger_core::change::Change;
use claviger_core::grant::{Basis, Conditions, Grant, GrantOrigin, Selector, Spelling};
use claviger_core::principal::{Principal, PrincipalKind, Role, Status};
use claviger_core::reason::{Erasure, ReasonCode, ReasonRecord, TextAtRest, Unasked, Why};
use claviger_core::{Action, AliasId, AssetId, Capacity, GrantId, KeyId, PrincipalId, ReasonId, Timestamp};
use proptest::prelude::*;

use super::*;

const AT: Timestamp = Timestamp::from_micros(1_000_000);

fn grant() -> Grant {
    Grant {
        id: GrantId::from_bytes([1; 16]),
        principal: PrincipalId::from_bytes([2; 16]),
        selector: Selector::Key(KeyId::from_bytes([3; 16])),
        operations: vec![Action::Decrypt, Action::Encrypt],
        conditions: Conditions {
            context_equals: vec![("patient".into(), "4711".into())],
            ..Conditions::default()
        },
        reason: None,
        name: Some("orders are encrypted".into()),
        retiring: None,
        created_by: PrincipalId::from_bytes([4; 16]),
        created_at: AT,
        basis: Basis::Role,
        origin: GrantOrigin::Direct,
        spelling: Spelling::default(),
        status: Status::Active,
        ending: None,
        revision: 0,
    }
}

fn key() -> VeilKey {
    VeilKey::new([9; 32])
}

fn facts_of(change: &Change) -> Facts {
    let projection = projection(change).unwrap().of_revision();
    let fact = projection.fact(Some(&key())).unwrap();
    Facts { seed: [5; 16], why: None, facts: vec![fact] }
}

#[test]
fn what_callers_name_is_sealed_and_opens_under_its_key_alone() {
    let facts = facts_of(&Change::PutGrant(grant()));
    let bytes = facts.encode().unwrap();
    let shows = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(shows("decrypt") && !shows("patient") && !shows("4711") && !shows("orders are"));
    let fact = &facts.facts[0];
    let opened =
        key().open(&fact.object, fact.revision, fact.sealed.as_ref().unwrap().bytes().unwrap()).unwrap();
    assert_eq!(opened, projection(&Change::PutGrant(grant())).unwrap().sealed);
    for (number, value) in &opened {
        assert_eq!(key().commit(&fact.object, *number, value).unwrap(), fact.fields[number]);
    }
    let other = Object::Grant(GrantId::from_bytes([8; 16]));
    let sealed = fact.sealed.as_ref().unwrap().bytes().unwrap();
    assert_eq!(VeilKey::new([8; 32]).open(&fact.object, 1, sealed), Err(VeilError::Unopened));
    assert_eq!(key().open(&other, 1, sealed), Err(VeilError::Unopened));
    assert_eq!(key().open(&fact.object, 2, sealed), Err(VeilError::Unopened));
}

#[test]
fn digest_holds_every_field_and_every_header() {
    let facts = facts_of(&Change::PutGrant(grant()));
    let digest = facts.digest();
    let mut seen = vec![digest];
    let mut differs = |edit: &dyn Fn(&mut Facts)| {
        let mut other = facts.clone();
        edit(&mut other);
        let other = other.digest();
        assert!(!seen.contains(&other));
        seen.push(other);
    };
    differs(&|facts| facts.facts[0].revision = 2);
    differs(&|facts| facts.facts[0].object = Object::Grant(GrantId::from_bytes([7; 16])));
    differs(&|facts| facts.facts[0].object = Object::Alias(AliasId::from_bytes([1; 16])));
    differs(&|facts| facts.seed = [6; 16]);
    differs(&|facts| facts.why = Some(Why::Unasked(Unasked::System)));
    differs(&|facts| facts.why = Some(Why::Unasked(Unasked::Protocol)));
    differs(&|facts| facts.facts.push(facts.facts[0].clone()));
    for number in facts.facts[0].fields.keys() {
        differs(&|facts| drop(facts.facts[0].fields.remove(number)));
        differs(&|facts| {
            facts.facts[0].fields.insert(*number, Field::Open(vec![0xf6]));
        });
    }
}

#[test]
fn withheld_field_leaves_the_digest_as_it_is() {
    let mut facts = facts_of(&Change::PutGrant(grant()));
    let digest = facts.digest();
    let sealed = facts.facts[0].sealed.take().unwrap();
    assert_ne!(facts.digest(), digest, "sealed bytes that are gone");
    facts.facts[0].sealed = Some(sealed.withheld());
    assert_eq!(facts.digest(), digest);
    assert_eq!(Facts::decode(&facts.encode().unwrap()), Ok(facts.clone()));
    let mut altered = sealed.bytes().unwrap().to_vec();
    altered[20] ^= 1;
    facts.facts[0].sealed = Some(Sealed::Here(altered));
    assert_ne!(facts.digest(), digest, "sealed bytes that were altered");
}

#[test]
fn fixed_fields_stand_in_the_first_fact_alone() {
    let first = facts_of(&Change::PutGrant(grant()));
    let ended = Grant { status: Status::Revoked, revision: 1, ..grant() };
    let second = facts_of(&Change::PutGrant(ended));
    assert_eq!((first.facts[0].revision, second.facts[0].revision), (1, 2));
    assert_eq!(second.facts[0].fields.keys().copied().collect::<Vec<_>>(), [16]);
    assert_eq!(second.facts[0].sealed, None);
    assert_eq!(field_name(Kind::Grant, 16), Some("standing"));
}

#[test]
fn roles_are_open_and_names_are_the_persons_own() {
    let person = Principal::new(
        PrincipalId::from_bytes([2; 16]),
        "ada-lovelace".parse().unwrap(),
        PrincipalKind::Human,
        AT,
    )
    .with_role(Role::Auditor, PrincipalId::from_bytes([3; 16]));
    let projected = projection(&Change::PutPrincipal(person.clone())).unwrap();
    assert_eq!(projected.veil, Object::Principal(person.id));
    assert_eq!(projected.sealed.keys().copied().collect::<Vec<_>>(), [1]);
    assert_eq!(projected.open[&4], b"\x81\x67auditor");
    assert!(projected.fact(None).is_err(), "a name without a key to seal it");
}

/// What facts say of a grant and of what came of it is the grant again.
#[test]
fn grants_are_read_back_from_their_facts() {
    let on_ring = Grant {
        selector: Selector::Ring(claviger_core::KeyRingId::from_bytes([3; 16])),
        conditions: Conditions {
            context_exactly: Some(vec![]),
            source_networks: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
            until: Some(AT),
            ..Conditions::default()
        },
        reason: Some(Why::Given(ReasonId::from_bytes([6; 16]))),
        name: None,
        retiring: Some(PrincipalId::from_bytes([7; 16])),
        basis: Basis::Grants(vec![GrantId::from_bytes([8; 16]), GrantId::from_bytes([9; 16])]),
        origin: GrantOrigin::KeyPolicy,
        spelling: Spelling { principal: Some("role".into()), retiring: None },
        ..grant()
    };
    let exactly =
        Conditions { context_exactly: Some(vec![("a".into(), "b".into())]), ..Conditions::default() };
    for given in [grant(), on_ring, Grant { conditions: exactly, name: None, ..grant() }] {
        let facts = facts_of(&Change::PutGrant(given.clone()));
        let mut replayed = Replayed::new(facts.facts[0].clone());
        let given = Grant { revision: 1, ..given };
        assert_eq!(replayed.grant(Some(&key())), Ok(given.clone()));
        assert_eq!(replayed.granted_until(), Ok(given.conditions.until));
        let veiled = replayed.is_veiled().then_some(ReplayError::Sealed(replayed.object()));
        assert_eq!(replayed.grant(None).err(), veiled);
        let ended =
            given.ended(claviger_core::grant::EndedBy::Revocation, AT, Some(Why::Unasked(Unasked::System)));
        replayed.take(facts_of(&Change::PutGrant(ended.clone())).facts[0].clone());
        assert_eq!(replayed.grant(Some(&key())), Ok(Grant { revision: 2, ..ended.clone() }));
        // Found at a later revision, with all of its fields.
        let found = projection(&Change::PutGrant(ended.clone())).unwrap().fact(Some(&key())).unwrap();
        assert_eq!(Replayed::new(found).grant(Some(&key())), Ok(Grant { revision: 2, ..ended }));
    }
    let other = VeilKey::new([8; 32]);
    let replayed = Replayed::new(facts_of(&Change::PutGrant(grant())).facts[0].clone());
    assert_eq!(replayed.grant(Some(&other)), Err(ReplayError::Sealed(replayed.object())));
}

#[test]
fn grants_are_known_by_what_they_are_on_before_they_are_decoded() {
    let mut seen = Vec::new();
    for selector in [
        Selector::Key(KeyId::from_bytes([3; 16])),
        Selector::Ring(claviger_core::KeyRingId::from_bytes([4; 16])),
    ] {
        let bytes = facts_of(&Change::PutGrant(Grant { selector, ..grant() })).encode().unwrap();
        Facts::skim(&bytes, |raw| {
            assert_eq!(raw.granted_on(), Some(selector));
            seen.push(raw.object);
        })
        .unwrap();
    }
    assert_eq!(seen, [Object::Grant(grant().id); 2]);
    let later = facts_of(&Change::PutGrant(Grant { revision: 1, ..grant() })).encode().unwrap();
    Facts::skim(&later, |raw| assert_eq!(raw.granted_on(), None)).unwrap();
}

#[test]
fn policies_of_rings_and_rights_of_people_are_read_back() {
    use claviger_core::key::{KeyRing, Protection, RingPolicy, RotatedKeys, Separation};
    let policy = RingPolicy {
        protection: Protection::Hsm,
        rotation_period: Some(std::time::Duration::from_secs(90)),
        rotates: RotatedKeys::All,
        quorum: 3,
        separation: Separation::Relaxed,
        grants_under_quorum: true,
        ..RingPolicy::default()
    };
    for policy in [RingPolicy::default(), policy] {
        let ring = KeyRing {
            id: claviger_core::KeyRingId::from_bytes([1; 16]),
            name: "orders".parse().unwrap(),
            policy: policy.clone(),
            kek: vec![1],
            kek_wrap: None,
            created_at: AT,
            reason: None,
            revision: 0,
        };
        let fact = facts_of(&Change::PutRing(ring)).facts.remove(0);
        assert_eq!(Replayed::new(fact).ring_policy(), Ok(policy));
    }
    let person =
        Principal::new(PrincipalId::from_bytes([2; 16]), "ada".parse().unwrap(), PrincipalKind::Human, AT);
    let first = facts_of(&Change::PutPrincipal(person.clone())).facts.remove(0);
    let known = ReplayedPrincipal::after(None, &first).unwrap();
    let made = ReplayedPrincipal {
        kind: PrincipalKind::Human,
        status: Status::Active,
        roles: vec![],
        capacities: vec![],
    };
    assert_eq!(known, made);
    let by = PrincipalId::from_bytes([3; 16]);
    let ending = person.with_role(Role::Responder, by).with_capacity(Capacity::Dpo, by);
    let capacities = ending.capacities.clone();
    let later = Principal { status: Status::Revoked, revision: 1, ..ending };
    let later = facts_of(&Change::PutPrincipal(later)).facts.remove(0);
    assert!(ReplayedPrincipal::after(None, &later).is_err(), "its kind is in its first fact");
    let now = ReplayedPrincipal { status: Status::Revoked, roles: vec![Role::Responder], capacities, ..made };
    assert_eq!(ReplayedPrincipal::after(Some(&known), &later), Ok(now));
}

#[test]
fn rules_of_the_deployment_are_read_back_and_lie_open() {
    use claviger_core::governance::Governance;
    let by = PrincipalId::from_bytes([4; 16]);
    let reason = Some(Why::Given(ReasonId::from_bytes([6; 16])));
    for rules in [Governance::default(), Governance { reason, ..Governance::of_new_deployment(by, AT) }] {
        let projected = projection(&Change::PutGovernance(rules.clone())).unwrap();
        assert_eq!((projected.revision, projected.is_veiled()), (1, false));
        let read = OpenRow::read(projected.object, &projected.open_fields()).unwrap();
        let expected = OpenGovernance {
            quorum: rules.quorum,
            approval_lifetime: rules.approval_lifetime,
            human_grant_lifetime: rules.human_grant_lifetime,
            break_glass_lifetime: rules.break_glass_lifetime,
            compromise_burst: rules.compromise_burst,
            set_by: rules.set_by,
            set_at: rules.set_at,
        };
        assert_eq!(read, OpenRow::Governance(expected));
        // Each fact says all of them.
        let later = projection(&Change::PutGovernance(Governance { revision: 1, ..rules })).unwrap();
        assert_eq!(later.of_revision().open, projected.open);
    }
}

#[test]
fn accounts_of_one_person_are_known_by_the_first() {
    let (first, second) = (PrincipalId::from_bytes([2; 16]), PrincipalId::from_bytes([3; 16]));
    let person = Principal::new(second, "ada-2".parse().unwrap(), PrincipalKind::Human, AT);
    for same_person_as in [None, Some(first)] {
        let made = Principal { same_person_as, ..person.clone() };
        let projected = projection(&Change::PutPrincipal(made)).unwrap();
        let read = OpenRow::read(projected.object, &projected.open_fields()).unwrap();
        let OpenRow::Principal(open) = read else { panic!("a principal") };
        assert_eq!(open.same_person_as, same_person_as);
        assert_eq!(open.person(second), same_person_as.unwrap_or(second));
    }
}

/// As an open row says it that was written at a revision of its own, with the fields that are fixed.
fn open_of(change: &Change) -> OpenRow {
    let projected = projection(change).unwrap();
    OpenRow::read(projected.object, &projected.open_fields()).unwrap()
}

/// The row as its facts yield it, one behind the other.
fn replayed_of(changes: &[Change]) -> OpenRow {
    let mut facts = changes.iter().map(|change| facts_of(change).facts.remove(0));
    let first = facts.next().unwrap();
    let object = first.object;
    let mut fields = first.fields;
    for fact in facts {
        assert!(fact.fields.keys().all(|number| !is_fixed(object.kind(), *number)));
        fields.retain(|number, _| is_fixed(object.kind(), *number));
        fields.extend(fact.fields);
    }
    OpenRow::read(object, &fields).unwrap()
}

#[test]
fn what_a_person_answers_for_is_open_with_who_said_so() {
    let officer = PrincipalId::from_bytes([9; 16]);
    let person =
        Principal::new(PrincipalId::from_bytes([2; 16]), "ada".parse().unwrap(), PrincipalKind::Human, AT);
    let all = [
        Capacity::RiskOwner,
        Capacity::AssetOwner(AssetId::from_bytes([7; 16])),
        Capacity::KeyOwner(KeyId::from_bytes([3; 16])),
    ];
    let held = all.into_iter().fold(person.clone(), |one, capacity| one.with_capacity(capacity, officer));
    let OpenRow::Principal(open) = open_of(&Change::PutPrincipal(held.clone())) else {
        panic!("a principal")
    };
    assert_eq!(open.capacities, held.capacities);
    // Of none there is no field, as of everybody before there were capacities.
    let projected = projection(&Change::PutPrincipal(person.clone())).unwrap();
    assert!(!projected.open.contains_key(&17));
    let OpenRow::Principal(open) = open_of(&Change::PutPrincipal(person)) else { panic!("a principal") };
    assert_eq!(open.capacities, []);
    let projected = projection(&Change::PutPrincipal(held)).unwrap();
    let words = |words: &[&str]| {
        let mut value = Vec::new();
        crate::cbor::put_array(&mut value, words.len() as u64);
        words.iter().for_each(|word| crate::cbor::put_text(&mut value, word));
        Field::Open(value)
    };
    let (ciso, dpo) = (format!("ciso={officer}"), format!("dpo={officer}"));
    let (ciso, dpo) = (ciso.as_str(), dpo.as_str());
    let read = |all: &[&str]| {
        let mut fields = projected.open_fields();
        fields.insert(17, words(all));
        OpenRow::read(projected.object, &fields).is_ok()
    };
    assert!(read(&[ciso, dpo]));
    for wrong in [&[dpo, ciso][..], &[ciso, ciso], &["ciso"], &["boss=x"], &["ciso=x"]] {
        assert!(!read(wrong), "{wrong:?}");
    }
}

#[test]
fn a_credential_says_that_it_awaits_its_confirmation_and_of_which_code_it_came() {
    use claviger_core::CredentialId;
    use claviger_core::principal::{Credential, CredentialKind};
    let awaiting = Credential {
        id: CredentialId::from_bytes([1; 16]),
        principal: PrincipalId::from_bytes([2; 16]),
        kind: CredentialKind::Certificate,
        digest: [3; 32],
        access_key: None,
        label: "laptop".parse().unwrap(),
        status: Status::Active,
        created_by: None,
        renews: Some(CredentialId::from_bytes([4; 16])),
        awaits_confirmation: true,
        created_at: AT,
        expires_at: Timestamp::from_micros(2_000_000),
        reason: None,
        revision: 0,
    };
    let confirmed = Credential { awaits_confirmation: false, revision: 1, ..awaiting.clone() };
    let (first, second) = (Change::PutCredential(awaiting.clone()), Change::PutCredential(confirmed));
    let OpenRow::Credential(open) = replayed_of(std::slice::from_ref(&first)) else { panic!("a credential") };
    assert!(open.awaits_confirmation && open.renews == awaiting.renews);
    assert!(!projection(&second).unwrap().open.contains_key(&14), "as those of an older release");
    let OpenRow::Credential(open) = replayed_of(&[first, second]) else { panic!("a credential") };
    assert!(!open.awaits_confirmation && open.renews == awaiting.renews);
    let code = Credential { kind: CredentialKind::EnrolmentCode, ..awaiting };
    let OpenRow::Credential(open) = open_of(&Change::PutCredential(code)) else { panic!("a credential") };
    assert_eq!(open.kind, CredentialKind::EnrolmentCode);
}

#[test]
fn an_access_review_is_read_back_with_what_was_decided() {
    use claviger_core::review::{
        ItemDecision, Review, ReviewClosed, ReviewDecision, ReviewItem, ReviewScope, ReviewSubject,
        encode_population,
    };
    use claviger_core::{KeyRingId, ReviewId};
    let (principal, by) = (PrincipalId::from_bytes([2; 16]), PrincipalId::from_bytes([4; 16]));
    let item = |subject| ReviewItem { subject, rights: [3; 32], count: 2, last_used: None, decided: None };
    let items = vec![
        item(ReviewSubject::Office(principal)),
        item(ReviewSubject::Uses(principal, KeyRingId::from_bytes([5; 16]))),
    ];
    let opened = Review {
        id: ReviewId::from_bytes([1; 16]),
        scope: ReviewScope::All,
        ring: None,
        population: crate::hash::sha256(&encode_population(&items)),
        items,
        opened_by: by,
        opened_at: AT,
        due_at: Timestamp::from_micros(9_000_000),
        closed: None,
        reason: None,
        revision: 0,
    };
    let mut closed = Review {
        closed: Some(ReviewClosed { by, at: Timestamp::from_micros(5_000_000) }),
        reason: Some(Why::Given(ReasonId::from_bytes([6; 16]))),
        revision: 1,
        ..opened.clone()
    };
    for item in &mut closed.items {
        item.decided = Some(ItemDecision { decision: ReviewDecision::Keep, by, at: AT });
    }
    let changes = [Change::PutReview(opened.clone()), Change::PutReview(closed.clone())];
    assert!(!projection(&changes[0]).unwrap().is_veiled());
    for (written, said) in [(&opened, &changes[..1]), (&closed, &changes[..])] {
        let OpenRow::Review(open) = replayed_of(said) else { panic!("a review") };
        let read = OpenReview {
            scope: written.scope,
            ring: written.ring,
            population: written.population,
            items: written.items.clone(),
            opened_by: written.opened_by,
            opened_at: written.opened_at,
            due_at: written.due_at,
            closed: written.closed,
            reason: written.reason,
        };
        assert_eq!(*open, read);
    }
    let ring = Some(KeyRingId::from_bytes([5; 16]));
    let OpenRow::Review(open) = open_of(&Change::PutReview(Review { ring, ..opened })) else {
        panic!("a review")
    };
    assert_eq!(open.ring, ring);
}

#[test]
fn an_alert_is_read_back_whatever_it_is_about() {
    use claviger_core::AlertId;
    use claviger_core::alert::{Alert, AlertAct, AlertRule};
    let by = PrincipalId::from_bytes([4; 16]);
    let act = |at| Some(AlertAct { by, at: Timestamp::from_micros(at) });
    let about = [
        None,
        Some(Object::Key(KeyId::from_bytes([3; 16]))),
        Some(Object::Version(claviger_core::KeyVersionId { key: KeyId::from_bytes([3; 16]), number: 7 })),
    ];
    for (rule, subject) in AlertRule::ALL.into_iter().flat_map(|rule| about.map(|subject| (rule, subject))) {
        let raised = Alert::raised(AlertId::from_bytes([1; 16]), rule, subject, AT);
        let closed = Alert {
            count: 3,
            last_at: Timestamp::from_micros(4_000_000),
            triaged: act(5_000_000),
            closed: act(6_000_000),
            reason: Some(Why::Given(ReasonId::from_bytes([6; 16]))),
            revision: 1,
            ..raised.clone()
        };
        let changes = [Change::PutAlert(raised.clone()), Change::PutAlert(closed.clone())];
        assert!(!projection(&changes[0]).unwrap().is_veiled());
        for (written, said) in [(raised, &changes[..1]), (closed, &changes[..])] {
            let OpenRow::Alert(open) = replayed_of(said) else { panic!("an alert") };
            let read = OpenAlert {
                rule: written.rule,
                subject: written.subject,
                raised_at: written.raised_at,
                last_at: written.last_at,
                count: written.count,
                triaged: written.triaged,
                closed: written.closed,
                reason: written.reason,
            };
            assert_eq!(open, read);
        }
    }
}

#[test]
fn emergency_access_is_read_back_with_its_end_and_its_review() {
    use claviger_core::break_glass::{BreakGlass, BreakGlassClosed, BreakGlassReviewed, BreakGlassVerdict};
    use claviger_core::{ApprovalId, BreakGlassId};
    let person = |number: u8| PrincipalId::from_bytes([number; 16]);
    let opened = BreakGlass {
        id: BreakGlassId::from_bytes([1; 16]),
        holder: person(2),
        keys: vec![KeyId::from_bytes([3; 16]), KeyId::from_bytes([4; 16])],
        grants: vec![GrantId::from_bytes([9; 16]), GrantId::from_bytes([8; 16])],
        opened_by: person(5),
        approval: Some(ApprovalId::from_bytes([6; 16])),
        opened_at: AT,
        ends_at: Timestamp::from_micros(9_000_000),
        closed: None,
        reviewed: None,
        reason: Some(Why::Given(ReasonId::from_bytes([6; 16]))),
        revision: 0,
    };
    let (at, by) = (Timestamp::from_micros(5_000_000), person(7));
    let reviewed = BreakGlass {
        closed: Some(BreakGlassClosed { by: person(5), at }),
        reviewed: Some(BreakGlassReviewed { verdict: BreakGlassVerdict::Unjustified, by, at }),
        revision: 1,
        ..opened.clone()
    };
    let changes = [Change::PutBreakGlass(opened.clone()), Change::PutBreakGlass(reviewed.clone())];
    assert!(!projection(&changes[0]).unwrap().is_veiled());
    for (written, said) in [(opened, &changes[..1]), (reviewed, &changes[..])] {
        let OpenRow::BreakGlass(open) = replayed_of(said) else { panic!("an emergency access") };
        let read = OpenBreakGlass {
            holder: written.holder,
            keys: written.keys,
            grants: written.grants,
            opened_by: written.opened_by,
            approval: written.approval,
            opened_at: written.opened_at,
            ends_at: written.ends_at,
            reason: written.reason,
            closed: written.closed,
            reviewed: written.reviewed,
        };
        assert_eq!(*open, read);
    }
    // Who did something and when come together.
    let projected = projection(&changes[1]).unwrap();
    for number in [9, 10, 11, 12, 13] {
        let mut fields = projected.open_fields();
        fields.remove(&number);
        assert!(OpenRow::read(projected.object, &fields).is_err(), "{number}");
    }
}

#[test]
fn objects_of_every_kind_have_fields() {
    for kind in Kind::ALL {
        assert!((1..100).any(|number| field_name(kind, number).is_some()), "{kind}");
    }
}

#[test]
fn a_destruction_says_by_which_approval_it_was_scheduled() {
    use claviger_core::ApprovalId;
    use claviger_core::key::{Destruction, State};

    use crate::cbor;
    let open = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut value = Vec::new();
        write(&mut value);
        Field::Open(value)
    };
    let id = ApprovalId::from_bytes([7; 16]);
    for approval in [None, Some(id)] {
        let mut fields = BTreeMap::from([
            (11, open(&|out| cbor::put_text(out, "suspended"))),
            (14, open(&|out| cbor::put_uint(out, 1))),
            (15, open(&|out| cbor::put_uint(out, 2))),
        ]);
        fields.extend(approval.map(|id| (21, open(&|out| cbor::put_bytes(out, id.as_bytes())))));
        let object = Object::Key(KeyId::from_bytes([3; 16]));
        let replayed = Replayed::new(Fact { object, revision: 1, fields, sealed: None });
        let (scheduled_at, at) = (Timestamp::from_micros(1), Timestamp::from_micros(2));
        let destruction = Some(Destruction { scheduled_at, at, approval });
        assert_eq!(replayed.key_life(), Ok((State::Suspended, destruction)));
    }
}

#[test]
fn what_wraps_the_kek_of_a_ring_is_said_where_it_is_known() {
    use claviger_core::key::{KeyRing, RingPolicy, RootWrap};

    use crate::hash::{sha256, to_hex};
    let wrap = RootWrap {
        key: "claviger-root-seal-1".into(),
        version: 1,
        algorithm: "aes-256-gcm".into(),
        strength_bits: 256,
    };
    let ring = KeyRing {
        id: claviger_core::KeyRingId::from_bytes([1; 16]),
        name: "orders".parse().unwrap(),
        policy: RingPolicy::default(),
        kek: vec![1],
        kek_wrap: Some(wrap.clone()),
        created_at: AT,
        reason: None,
        revision: 0,
    };
    let said = |ring: &KeyRing| -> Vec<String> {
        let fact = facts_of(&Change::PutRing(ring.clone())).facts.remove(0);
        let shown = fact.fields.iter().map(|(number, field)| show_field(Kind::Ring, *number, field));
        let shown = shown.filter(|(name, _)| name.starts_with("kek_"));
        shown.map(|(name, value)| format!("{name}={value}")).collect()
    };
    let expected = |kek: &[u8], key: &str, version: u32| {
        [
            format!("kek_digest={}", to_hex(&sha256(kek))),
            format!("kek_root_key={key}"),
            format!("kek_root_version={version}"),
            "kek_wrap_algorithm=aes-256-gcm".to_owned(),
            "kek_wrap_strength=256".to_owned(),
        ]
    };
    assert_eq!(said(&ring), expected(&[1], "claviger-root-seal-1", 1));
    // Under another key of the root it is another wrap, and the next fact says so.
    let again = RootWrap { key: "claviger-root-seal-2".into(), version: 2, ..wrap };
    let again = KeyRing { kek: vec![2], kek_wrap: Some(again), revision: 1, ..ring.clone() };
    assert_eq!(said(&again), expected(&[2], "claviger-root-seal-2", 2));
    let unknown = KeyRing { kek_wrap: None, ..ring };
    assert_eq!(said(&unknown), expected(&[1], "", 0)[..1]);
}

fn reason(text: &str) -> ReasonRecord {
    let id = ReasonId::from_bytes([3; 16]);
    ReasonRecord {
        id,
        action: Action::SuspendKey,
        code: Some(ReasonCode::Misuse),
        text: TextAtRest::Sealed(key().seal_reason(id, text).unwrap()),
        given_by: PrincipalId::from_bytes([4; 16]),
        given_at: AT,
        erasure: None,
        revision: 0,
    }
}

#[test]
fn reason_is_sealed_once_for_its_row_and_its_fact() {
    let given = reason("a disk was stolen");
    let TextAtRest::Sealed(sealed) = &given.text else { panic!("a text") };
    assert_eq!(key().open_reason(given.id, sealed).as_deref(), Ok("a disk was stolen"));
    assert_eq!(key().open_reason(ReasonId::from_bytes([4; 16]), sealed), Err(VeilError::Unopened));
    assert_eq!(VeilKey::new([8; 32]).open_reason(given.id, sealed), Err(VeilError::Unopened));
    let projected = projection(&Change::PutReason(given.clone())).unwrap();
    assert!(projected.is_veiled() && projected.fact(None).is_err());
    let fact = projected.fact(Some(&key())).unwrap();
    assert_eq!(fact.sealed.as_ref().unwrap().bytes(), Some(sealed.as_slice()));
    let opened = key().open(&fact.object, fact.revision, sealed).unwrap();
    assert_eq!(key().commit(&fact.object, 3, &opened[&3]).unwrap(), fact.fields[&3]);
    let erasure = Some(Erasure { by: given.given_by, at: AT });
    let erased = ReasonRecord { text: TextAtRest::None, erasure, revision: 1, ..given };
    let projected = projection(&Change::PutReason(erased)).unwrap().of_revision();
    assert!(!projected.is_veiled());
    assert_eq!(projected.open.keys().copied().collect::<Vec<_>>(), [6, 7], "the code stays as it was");
}

#[test]
fn reason_of_an_entry_is_among_its_facts() {
    let given = reason("a disk was stolen");
    let facts = Facts { why: Some(Why::Given(given.id)), ..facts_of(&Change::PutReason(given)) };
    assert_eq!(Facts::decode(&facts.encode().unwrap()), Ok(facts.clone()));
    assert_eq!(Facts::why_of(&facts.encode().unwrap()), Ok(facts.why));
    let without = Facts { why: facts.why, ..facts_of(&Change::PutGrant(grant())) };
    assert_eq!(without.encode(), Err(FactError::Reason));
    for why in [Unasked::System, Unasked::Protocol] {
        let none = Facts { why: Some(Why::Unasked(why)), ..facts_of(&Change::PutGrant(grant())) };
        assert_eq!(Facts::decode(&none.encode().unwrap()), Ok(none));
    }
}

#[test]
fn what_the_schema_lacks_is_refused() {
    let facts = facts_of(&Change::PutGrant(grant()));
    let none = Facts { facts: Vec::new(), ..facts.clone() };
    assert_eq!(none.encode(), Err(FactError::Count));
    let mut bytes = facts.encode().unwrap();
    assert_eq!(Facts::decode(&bytes[..bytes.len() - 1]), Err(FactError::Cbor(crate::CborError::Truncated)));
    bytes.push(0);
    assert_eq!(Facts::decode(&bytes), Err(FactError::Cbor(crate::CborError::Trailing)));
    bytes.pop();
    bytes[1] = 2;
    assert_eq!(Facts::decode(&bytes), Err(FactError::UnknownVersion(2)));
    let mut bare = facts;
    bare.facts[0].fields.clear();
    assert_eq!(bare.encode(), Err(FactError::Sealed), "sealed bytes of no field");
}

prop_compose! {
    fn some_fact()(
        kind in 0..Kind::ALL.len(),
        id in any::<[u8; 16]>(),
        number in any::<u32>(),
        revision in any::<u64>(),
        fields in prop::collection::btree_map(any::<u16>(), (any::<bool>(), prop::collection::vec(any::<u8>(), 0..40), any::<[u8; 32]>()), 0..12),
        sealed in prop::option::of(prop::collection::vec(any::<u8>(), 0..60).prop_map(Sealed::Here)),
    ) -> Fact {
        let kind = Kind::ALL[kind];
        let id = if kind == Kind::Version { [&id[..], &number.to_be_bytes()].concat() } else { id.to_vec() };
        let fields: BTreeMap<_, _> = fields
            .into_iter()
            .map(|(number, (open, value, hash))| (number, if open { Field::Open(value) } else { Field::Hidden(hash) }))
            .collect();
        let hides = fields.values().any(|field| matches!(field, Field::Hidden(_)));
        Fact { object: Object::from_id(kind, &id).unwrap(), revision, fields, sealed: sealed.filter(|_| hides) }
    }
}

proptest! {
    #[test]
    fn facts_read_back(seed in any::<[u8; 16]>(), facts in prop::collection::vec(some_fact(), 1..6)) {
        let facts = Facts { seed, why: None, facts };
        let bytes = facts.encode().unwrap();
        let read = Facts::decode(&bytes).unwrap();
        prop_assert_eq!(read.digest(), facts.digest());
        prop_assert_eq!(read, facts);
    }

    #[test]
    fn what_is_read_encodes_to_the_same_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), facts in some_fact(), at in any::<usize>(), byte: u8) {
        if let Ok(read) = Facts::decode(&bytes) {
            prop_assert_eq!(read.encode().unwrap(), bytes);
        }
        let mut edited = Facts { seed: [1; 16], why: None, facts: vec![facts] }.encode().unwrap();
        let at = at % edited.len();
        edited[at] = byte;
        if let Ok(read) = Facts::decode(&edited) {
            prop_assert_eq!(read.encode().unwrap(), edited);
        }
    }
}
