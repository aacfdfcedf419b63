//! Random deployments, as a model in memory has them: what is written of one finds no difference in it, and what is written of one that was
//! edited finds just the edits.

use std::collections::{BTreeMap, BTreeSet};

use claviger_audit::governed::Governed;
use claviger_client::types::{Instant, Pairs};
use claviger_core::key::{AssetRule, DataClass, PlaintextDataKeys, Protection, RotatedKeys, Separation};
use claviger_core::principal::{PrincipalKind, Role};
use claviger_core::{
    Action, AssetId, KeyId, KeyName, KeyRingId, Name, PrincipalId, Purpose, Spec, Timestamp,
};
use proptest::prelude::*;
use proptest::sample::select;

use super::compare::{Difference, Edit, compare};
use super::files::{Files, written};
use super::live::{KeyEnd, Live, LiveAsset, LiveKey, LivePrincipal, LiveRing};
use super::said::{
    Asset, Class, Governance, Grant, Key, NamedCapacity, OwnPeriod, Parameter, Period, Principal, Ring, Span,
    WORDS, unwritten,
};

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

/// Words of people, odd ones among them.
fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z ]{0,12}".prop_map(String::from),
        2 => any::<String>().prop_map(|text| text.chars().take(12).collect()),
        1 => Just("a \"b\" \\ \n\r\t\u{0}\u{7f}''' \"\"\" # [x]".to_owned()),
    ]
}

fn name() -> impl Strategy<Value = Name> {
    "[a-z0-9][a-z0-9._-]{0,6}".prop_map(|name| name.parse().unwrap())
}

fn span() -> impl Strategy<Value = Span> {
    (1_u64..400 * 86_400).prop_map(Span::of_seconds)
}

fn pairs() -> impl Strategy<Value = Pairs> {
    prop::collection::btree_map(words(), words(), 0..3).prop_map(Pairs)
}

fn fields() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(
        select(vec!["tenant".to_owned(), "claviger:asset".to_owned(), "a/b@c+d".to_owned()]),
        0..4,
    )
}

fn ring() -> impl Strategy<Value = Ring> {
    let one = (
        select(Protection::ALL.to_vec()),
        prop::option::of(span()),
        select(RotatedKeys::ALL.to_vec()),
        span(),
        0_u8..9,
        select(Separation::ALL.to_vec()),
    );
    let other = (
        fields(),
        prop::option::of(select(DataClass::ALL.to_vec())),
        select(PlaintextDataKeys::ALL.to_vec()),
        prop::option::of(name()),
        select(AssetRule::ALL.to_vec()),
        any::<bool>(),
    );
    (one, other).prop_map(|(one, other)| {
        let (protection, rotation, rotates, wait, quorum, separation) = one;
        let (fields, class, plaintext, environment, assets, under) = other;
        Ring {
            protection: Some(protection.into()),
            rotation_period: Some(Period(rotation)),
            rotates: Some(rotates.into()),
            destroy_waiting_period: Some(wait),
            quorum: Some(quorum),
            separation: Some(separation.into()),
            context_required: Some(fields.iter().map(|field| field.parse().unwrap()).collect()),
            data_class: Some(Class(class)),
            plaintext_data_keys: Some(plaintext.into()),
            environment: environment.map(Into::into),
            assets: Some(assets.into()),
            grants_under_quorum: Some(under),
            ..Ring::named("x".parse().unwrap())
        }
    })
}

fn governance() -> impl Strategy<Value = Governance> {
    (0_u8..33, span(), prop::option::of(span()), span(), any::<u16>()).prop_map(
        |(quorum, approvals, grants, emergency, burst)| Governance {
            quorum: Some(quorum),
            approval_lifetime: Some(approvals),
            human_grant_lifetime: Some(Period(grants)),
            break_glass_lifetime: Some(emergency),
            compromise_burst: Some(burst),
        },
    )
}

/// A principal: its kind, whether it was revoked, its ring by number, its environment, its roles, its capacities.
type Somebody = (bool, bool, Option<usize>, Option<Name>, BTreeSet<Role>, BTreeSet<usize>);

fn somebody() -> impl Strategy<Value = Somebody> {
    (
        any::<bool>(),
        prop::bool::weighted(0.2),
        prop::option::of(0_usize..9),
        prop::option::of(name()),
        prop::collection::btree_set(select(Role::ALL.to_vec()), 0..3),
        prop::collection::btree_set(0_usize..9, 0..3),
    )
}

/// A key: its ring by number, its name, its end, its owner by number, and what is said of it.
type Something = (usize, Name, KeyEnd, usize, Key);

fn key() -> impl Strategy<Value = Something> {
    let said = (
        select(Protection::ALL.to_vec()),
        select(DataClass::ALL.to_vec()),
        words(),
        prop::option::of(span()),
        fields(),
        prop::option::of(name()),
        pairs(),
    );
    let said = said.prop_map(|(protection, class, description, period, fields, environment, labels)| Key {
        name: unwritten("x/y".parse().unwrap()),
        purpose: Purpose::Encrypt.into(),
        spec: Spec::Aes256Gcm.into(),
        protection: Some(protection.into()),
        origin: None,
        data_class: Some(class.into()),
        description: Some(description),
        owner: None,
        rotation_period: Some(OwnPeriod(period)),
        context_required: Some(fields.iter().map(|field| field.parse().unwrap()).collect()),
        environment: environment.map(Into::into),
        labels: Some(labels),
    });
    let end = prop_oneof![6 => Just(KeyEnd::None), 1 => Just(KeyEnd::Waits), 1 => Just(KeyEnd::Destroyed)];
    (0_usize..9, name(), end, 0_usize..9, said)
}

/// A grant: whose by number, on which key or ring by number, and the rest.
type Given = (usize, bool, usize, Grant, Option<usize>);

fn grant() -> impl Strategy<Value = Given> {
    let said = (
        prop::collection::vec(select(vec![Action::Encrypt, Action::Decrypt, Action::Sign]), 1..4),
        prop::collection::vec(select(vec!["10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32"]), 0..3),
        prop::option::of(1_u64..1 << 48),
        prop::option::of(words()),
        pairs(),
        prop::option::of(pairs()),
    );
    let said = said.prop_map(|(operations, networks, until, name, equals, exactly)| Grant {
        principal: unwritten("x".parse().unwrap()),
        key: None,
        ring: None,
        operations: operations.into_iter().map(Into::into).collect(),
        source_networks: Some(networks.into_iter().map(|network| network.parse().unwrap()).collect()),
        until: until.map(|micros| Instant(Timestamp::from_micros(NOW.as_micros() + micros))),
        name,
        retiring: None,
        context_equals: Some(equals),
        context_exactly: exactly,
    });
    (0_usize..9, any::<bool>(), 0_usize..9, said, prop::option::of(0_usize..9))
}

fn parameter() -> impl Strategy<Value = (String, String, String)> {
    ("[a-z_]{1,8}", "[a-z0-9]{1,6}", words())
}

/// One of these, whichever number; they are not none.
fn pick<T: Clone>(all: &[T], number: usize) -> T {
    all[number % all.len()].clone()
}

prop_compose! {
    fn estate()(
        governance in governance(),
        rings in prop::collection::btree_map(name(), ring(), 2..4),
        people in prop::collection::btree_map(name(), somebody(), 3..6),
        assets in prop::collection::btree_map(name(), (select(DataClass::ALL.to_vec()), 0_usize..9), 2..4),
        keys in prop::collection::vec(key(), 2..6),
        grants in prop::collection::vec(grant(), 2..6),
        parameters in prop::collection::vec(parameter(), 2..4),
    ) -> Live {
        let mut live = Live { governance, ..Live::default() };
        let ids = |number: usize| [u8::try_from(number).unwrap(); 16];
        for (at, (name, said)) in rings.into_iter().enumerate() {
            let said = Ring { name: unwritten(name.clone().into()), ..said };
            live.rings.insert(name, LiveRing { id: KeyRingId::from_bytes(ids(at)), said });
        }
        let ring_names: Vec<_> = live.rings.keys().cloned().collect();
        let people_names: Vec<_> = people.keys().cloned().collect();
        for (at, (name, (class, owner))) in assets.into_iter().enumerate() {
            let owner = Some(pick(&people_names, owner).into());
            let said = Asset { name: unwritten(name.clone().into()), class: class.into(), owner };
            live.assets.insert(name, LiveAsset { id: AssetId::from_bytes(ids(at)), said });
        }
        for (at, (ring, name, end, owner, said)) in keys.into_iter().enumerate() {
            let name = KeyName { ring: pick(&ring_names, ring), key: name };
            let owner = Some(pick(&people_names, owner).into());
            let said = Key { name: unwritten(name.clone().into()), owner, ..said };
            // The first one is there to be changed.
            let end = if at == 0 { KeyEnd::None } else { end };
            live.keys.entry(name).or_insert(LiveKey { id: KeyId::from_bytes(ids(at)), end, said });
        }
        let asset_names: Vec<_> = live.assets.keys().cloned().collect();
        let key_names: Vec<_> = live.keys.keys().cloned().collect();
        for (at, (name, (is_human, is_revoked, home, environment, roles, capacities))) in people.into_iter().enumerate() {
            let capacity = |number: usize| match number % 3 {
                0 => NamedCapacity::AssetOwner(pick(&asset_names, number)),
                1 => NamedCapacity::KeyOwner(pick(&key_names, number)),
                _ => NamedCapacity::Word(pick(&WORDS, number)),
            };
            let kind = if is_human { PrincipalKind::Human } else { PrincipalKind::Workload };
            let said = Principal {
                name: unwritten(name.clone().into()),
                kind: kind.into(),
                home: home.map(|home| pick(&ring_names, home).into()),
                environment: environment.map(Into::into),
                same_person_as: None,
                roles: Some(roles.into_iter().map(Into::into).collect()),
                capacities: Some(capacities.into_iter().map(capacity).collect()),
            };
            // The first one is there to be given something.
            let is_revoked = is_revoked && at > 0;
            live.principals.insert(name, LivePrincipal { id: PrincipalId::from_bytes(ids(at)), is_revoked, said });
        }
        let active: Vec<_> =
            live.principals.iter().filter(|(_, one)| !one.is_revoked).map(|(name, _)| name.clone()).collect();
        for (whose, on_key, on, said, retiring) in grants {
            let key = on_key.then(|| pick(&key_names, on).into());
            let ring = (!on_key).then(|| pick(&ring_names, on).into());
            let principal = unwritten(pick(&active, whose).into());
            let retiring = retiring.map(|number| pick(&active, number).into());
            live.grants.push(Grant { principal, key, ring, retiring, ..said });
        }
        for (name, value, basis) in parameters {
            let said = Parameter { name: unwritten(name.parse().unwrap()), value: value.parse().unwrap(), basis };
            live.parameters.insert(name.parse().unwrap(), said);
        }
        live
    }
}

fn files_of(live: &Live) -> Files {
    let texts = written(&live.policy());
    let files = Files::of(&texts);
    files.unwrap_or_else(|failure| panic!("{failure}\n{texts:#?}"))
}

/// What a comparison found, in words, in order.
fn found(difference: &Difference) -> BTreeSet<String> {
    let items = difference.items.iter().flat_map(|item| {
        let fields = item.changes.iter().map(|change| format!("{} {}", item.title(), change.field));
        if item.does == "change" { fields.collect() } else { vec![item.title()] }
    });
    let stuck = difference.stuck.iter().map(|one| format!("stuck {} {}", one.what, one.name));
    let absent = difference.absent.iter().map(|one| format!("absent {} {}", one.what, one.name));
    items.chain(stuck).chain(absent).collect()
}

fn added() -> Name {
    // Longer than any that is drawn.
    "added-here".parse().unwrap()
}

fn first<K: Clone, V>(map: &BTreeMap<K, V>) -> K {
    map.keys().next().unwrap().clone()
}

/// How many edits there are.
const EDITS: usize = 14;

/// Does one edit to what files say; gives what is found of it. Each is of something else.
fn edit(number: usize, live: &mut Live) -> String {
    let key_of = |live: &Live| {
        let mut keys = live.keys.iter().filter(|(_, key)| key.end == KeyEnd::None);
        keys.next().map(|(name, _)| name.clone()).unwrap()
    };
    let person_of = |live: &Live| {
        let mut people = live.principals.iter().filter(|(_, one)| !one.is_revoked);
        people.next().map(|(name, _)| name.clone()).unwrap()
    };
    match number {
        0 => {
            let name = first(&live.rings);
            let ring = &mut live.rings.get_mut(&name).unwrap().said;
            ring.quorum = ring.quorum.map(|quorum| quorum + 1);
            format!("change ring {name} quorum")
        }
        1 => {
            let name = first(&live.rings);
            let ring = &mut live.rings.get_mut(&name).unwrap().said;
            ring.rotation_period = Some(Period(match ring.rotation_period.and_then(|period| period.0) {
                None => Some(Span::of_seconds(86_400)),
                Some(_) => None,
            }));
            format!("change ring {name} rotation_period")
        }
        2 => {
            let said = Ring { quorum: Some(2), ..Ring::named(added()) };
            live.rings.insert(added(), LiveRing { id: KeyRingId::from_bytes([200; 16]), said });
            "create ring added-here".to_owned()
        }
        3 => {
            live.governance.compromise_burst = live.governance.compromise_burst.map(|burst| burst ^ 1);
            "change governance of the deployment compromise_burst".to_owned()
        }
        4 => {
            let name = person_of(live);
            let roles = live.principals.get_mut(&name).unwrap().said.roles.as_mut().unwrap();
            let missing =
                Role::ALL.into_iter().find(|role| !roles.iter().any(|held| held.0 == *role)).unwrap();
            roles.push(missing.into());
            format!("give role {missing} to {name}")
        }
        5 => {
            let name = person_of(live);
            let capacities = live.principals.get_mut(&name).unwrap().said.capacities.as_mut().unwrap();
            let missing =
                WORDS.into_iter().map(NamedCapacity::Word).find(|word| !capacities.contains(word)).unwrap();
            capacities.push(missing.clone());
            format!("give capacity {missing} to {name}")
        }
        6 => {
            let said = Principal {
                name: unwritten(added().into()),
                kind: PrincipalKind::Workload.into(),
                home: None,
                environment: None,
                same_person_as: None,
                roles: None,
                capacities: None,
            };
            let id = PrincipalId::from_bytes([201; 16]);
            live.principals.insert(added(), LivePrincipal { id, is_revoked: false, said });
            "create principal added-here".to_owned()
        }
        7 => {
            let name = key_of(live);
            let key = &mut live.keys.get_mut(&name).unwrap().said;
            key.description = key.description.as_ref().map(|text| format!("{text}!"));
            format!("change key {name} description")
        }
        8 => {
            let name = key_of(live);
            live.keys.get_mut(&name).unwrap().said.spec = Spec::Aes128Gcm.into();
            format!("stuck key {name}")
        }
        9 => {
            let name = KeyName { ring: first(&live.rings), key: added() };
            let said = Key {
                name: unwritten(name.clone().into()),
                ..live.keys.values().next().unwrap().said.clone()
            };
            let id = KeyId::from_bytes([202; 16]);
            live.keys.insert(name.clone(), LiveKey { id, end: KeyEnd::None, said });
            format!("create key {name}")
        }
        10 => {
            let (principal, ring) = (person_of(live), first(&live.rings));
            let mut grant = live.grants[0].clone();
            grant.principal = unwritten(principal.into());
            (grant.key, grant.ring) = (None, Some(ring.into()));
            grant.operations = vec![Action::Verify.into()];
            let called = grant.called();
            live.grants.push(grant);
            format!("create grant {called}")
        }
        11 => {
            let name = first(&live.parameters);
            live.parameters.get_mut(&name).unwrap().value = "another".parse().unwrap();
            format!("change parameter {name} value")
        }
        12 => {
            // The last of several, which no other edit is about.
            let name = live.parameters.keys().next_back().unwrap().clone();
            live.parameters.remove(&name);
            format!("absent parameter {name}")
        }
        _ => {
            let name = live.assets.keys().next_back().unwrap().clone();
            let asset = &mut live.assets.get_mut(&name).unwrap().said;
            let other = if asset.class.0 == DataClass::Test { DataClass::Internal } else { DataClass::Test };
            asset.class = other.into();
            format!("stuck asset {name}")
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_of_a_deployment_finds_no_difference_in_it(live in estate()) {
        let files = files_of(&live);
        let difference = compare(&files, &live, NOW);
        prop_assert_eq!(found(&difference), BTreeSet::new());
        prop_assert_eq!(difference.count(), 0);
        // The same is written as the same bytes, whatever the order in which it was listed.
        let mut listed = live.clone();
        listed.grants.reverse();
        for one in listed.principals.values_mut() {
            one.said.roles.iter_mut().for_each(|roles| roles.reverse());
        }
        prop_assert_eq!(written(&listed.policy()), written(&live.policy()));
        // Time passes; what ends meanwhile was there.
        let later = Timestamp::from_micros(NOW.as_micros() + (1 << 50));
        prop_assert_eq!(compare(&files, &live, later).count(), 0);
    }

    #[test]
    fn what_was_edited_is_found_and_nothing_else(
        live in estate(),
        edits in prop::collection::btree_set(0..EDITS, 0..EDITS),
    ) {
        // Two parameters at least, so that one can go and another change.
        prop_assume!(live.parameters.len() > 1);
        let (mut wanted, mut expected) = (live.clone(), BTreeSet::new());
        for number in edits {
            expected.insert(edit(number, &mut wanted));
        }
        let difference = compare(&files_of(&wanted), &live, NOW);
        prop_assert_eq!(found(&difference), expected);
        for item in &difference.items {
            // What others can approve reads back as what it is; what is created is no such act.
            if let Some(act) = item.edit.to_governed(&live, NOW) {
                prop_assert!(!item.edit.creates());
                prop_assert_eq!(Governed::decode_act(&act.encode()), Ok(act));
            } else {
                let names_new = matches!(&item.edit, Edit::CreateGrant(_));
                prop_assert!(item.edit.creates() || names_new, "{}", item.title());
            }
        }
    }

    #[test]
    fn the_other_way_round_what_was_added_is_told_and_stays(live in estate()) {
        let mut more = live.clone();
        for number in [4, 2, 6, 9] {
            edit(number, &mut more);
        }
        let difference = compare(&files_of(&live), &more, NOW);
        prop_assert!(difference.items.is_empty() && difference.stuck.is_empty(), "{:?}", found(&difference));
        let told: Vec<_> = difference.absent.iter().map(|one| one.what).collect();
        prop_assert_eq!(told, ["key", "principal", "ring", "role"]);
    }
}

/// A deployment of one ring with a key, and somebody.
fn small() -> Live {
    let mut live = Live {
        governance: Governance { quorum: Some(2), compromise_burst: Some(10), ..Governance::default() },
        ..Live::default()
    };
    let name: Name = "orders".parse().unwrap();
    let said = Ring {
        quorum: Some(3),
        separation: Some(Separation::Strict.into()),
        grants_under_quorum: Some(true),
        data_class: Some(Class(Some(DataClass::Cardholder))),
        ..Ring::named(name.clone())
    };
    live.rings.insert(name, LiveRing { id: KeyRingId::from_bytes([1; 16]), said });
    let key = Key {
        name: unwritten("orders/pan".parse().unwrap()),
        purpose: Purpose::Encrypt.into(),
        spec: Spec::Aes256Gcm.into(),
        protection: None,
        origin: None,
        data_class: Some(DataClass::Cardholder.into()),
        description: None,
        owner: None,
        rotation_period: Some(OwnPeriod(None)),
        context_required: Some(Vec::new()),
        environment: None,
        labels: None,
    };
    live.keys.insert(
        "orders/pan".parse().unwrap(),
        LiveKey { id: KeyId::from_bytes([2; 16]), end: KeyEnd::None, said: key },
    );
    let said = Principal {
        name: unwritten("ada".parse().unwrap()),
        kind: PrincipalKind::Human.into(),
        home: None,
        environment: None,
        same_person_as: None,
        roles: Some(Vec::new()),
        capacities: Some(Vec::new()),
    };
    let one = LivePrincipal { id: PrincipalId::from_bytes([3; 16]), is_revoked: false, said };
    live.principals.insert("ada".parse().unwrap(), one);
    live
}

fn compared(text: &str, live: &Live) -> Difference {
    let files =
        Files::of(&[("a.toml".to_owned(), text.to_owned())]).unwrap_or_else(|failure| panic!("{failure}"));
    compare(&files, live, NOW)
}

#[test]
fn what_takes_others_is_said_with_how_many() {
    let ring = "[[ring]]\nname = \"orders\"\n";
    let key = "[[key]]\nname = \"orders/pan\"\npurpose = \"encrypt\"\nspec = \"aes-256-gcm\"\n";
    let grant = "[[grant]]\nprincipal = \"ada\"\noperations = [\"encrypt\"]\n";
    for (text, approvers) in [
        (format!("{ring}quorum = 2\n"), vec![3]),
        (format!("{ring}quorum = 4\n"), vec![0]),
        (format!("{ring}separation = \"relaxed\"\n"), vec![3]),
        (format!("{ring}grants_under_quorum = false\nquorum = 5\n"), vec![3]),
        (format!("{key}data_class = \"internal\"\n"), vec![3]),
        (format!("{key}description = \"cards\"\n"), vec![0]),
        (format!("{grant}key = \"orders/pan\"\n"), vec![3]),
        (format!("{grant}ring = \"orders\"\n"), vec![3]),
        ("[[principal]]\nname = \"ada\"\nkind = \"human\"\nroles = [\"auditor\"]\n".to_owned(), vec![2]),
        ("[[principal]]\nname = \"ada\"\nkind = \"human\"\ncapacities = [\"dpo\"]\n".to_owned(), vec![2]),
        ("[governance]\nquorum = 1\n".to_owned(), vec![2]),
        ("[governance]\nquorum = 3\n".to_owned(), vec![0]),
        (
            "[[parameter]]\nname = \"access_review_days\"\nvalue = \"90\"\nbasis = \"asked\"\n".to_owned(),
            vec![2],
        ),
        // A new ring for restricted data puts grants under quorum; another one does not.
        (format!("[[ring]]\nname = \"new\"\ndata_class = \"ephi\"\n{grant}ring = \"new\"\n"), vec![0, 2]),
        (format!("[[ring]]\nname = \"new\"\n{grant}ring = \"new\"\n"), vec![0, 0]),
    ] {
        let difference = compared(&text, &small());
        let found: Vec<_> = difference.items.iter().map(|item| item.approvers).collect();
        assert_eq!(found, approvers, "{text}");
    }
    // A ring without keys asks for less by one person.
    let mut empty = small();
    empty.keys.clear();
    assert_eq!(compared(&format!("{ring}quorum = 2\n"), &empty).items[0].approvers, 0);
}

#[test]
fn what_cannot_be_is_told_with_the_reason_and_the_place() {
    let mut live = small();
    let gone = LivePrincipal { is_revoked: true, ..live.principals.values().next().unwrap().clone() };
    live.principals.insert("bob".parse().unwrap(), gone);
    let ring = live.rings.values_mut().next().unwrap();
    ring.said.environment = Some("production".parse().unwrap());
    for (text, words) in [
        ("[[ring]]\nname = \"orders\"\nenvironment = \"test\"\n", "keeps its environment"),
        ("[[principal]]\nname = \"bob\"\nkind = \"human\"\n", "was revoked"),
        (
            "[[principal]]\nname = \"ada\"\nkind = \"workload\"\n",
            "`kind` is fixed when it is created: human, not workload",
        ),
        ("[[key]]\nname = \"other/pan\"\npurpose = \"encrypt\"\nspec = \"aes-256-gcm\"\n", "no ring `other`"),
        (
            "[[key]]\nname = \"orders/pan\"\npurpose = \"encrypt\"\nspec = \"aes-128-gcm\"\n",
            "`spec` is fixed for ever",
        ),
        (
            "[[grant]]\nprincipal = \"bob\"\nring = \"orders\"\noperations = [\"encrypt\"]\n",
            "`bob` was revoked",
        ),
        (
            "[[grant]]\nprincipal = \"eve\"\nring = \"orders\"\noperations = [\"encrypt\"]\n",
            "no principal `eve`",
        ),
        (
            "[[grant]]\nprincipal = \"ada\"\nkey = \"orders/x\"\noperations = [\"encrypt\"]\n",
            "no key `orders/x`",
        ),
        (
            "[[grant]]\nprincipal = \"ada\"\nring = \"orders\"\noperations = [\"encrypt\"]\nuntil = \"2020-01-01T00:00:00Z\"\n",
            "its end is past",
        ),
        (
            "[[principal]]\nname = \"ada\"\nkind = \"human\"\ncapacities = [\"asset_owner:x\"]\n",
            "no data asset `x`",
        ),
    ] {
        let difference = compared(text, &live);
        assert!(difference.items.is_empty(), "{text}: {:?}", difference.items);
        let [stuck] = difference.stuck.as_slice() else { panic!("{text}: {:?}", difference.stuck) };
        assert!(stuck.why.contains(words) && stuck.place.starts_with("a.toml, line "), "{text}: {stuck:?}");
        assert!(difference.text().contains("a.toml, line "), "{}", difference.text());
    }
}

#[test]
fn of_a_kind_that_no_file_mentions_nothing_is_told() {
    let difference = compared("[governance]\nquorum = 2\n", &small());
    assert_eq!((difference.count(), difference.text().as_str()), (0, "no difference"));
    let difference = compared("[[ring]]\nname = \"cards\"\n", &small());
    assert_eq!(found(&difference), ["absent ring orders", "create ring cards"].map(str::to_owned).into());
    let text = difference.text();
    assert!(
        text.contains("cards") && text.contains("NOT IN THE FILES") && !text.contains("orders/pan"),
        "{text}"
    );
}

#[test]
fn a_relaxed_ring_begins_strict_and_separation_is_a_step_of_its_own() {
    let relaxed =
        "[[ring]]\nname = \"orders\"\nseparation = \"relaxed\"\nquorum = 0\ngrants_under_quorum = false\n";
    let difference = compared(relaxed, &small());
    let stages: Vec<_> = difference.items.iter().map(|item| item.edit.stage()).collect();
    assert!(stages.is_sorted() && stages.len() == 2, "{stages:?}");
    assert!(matches!(difference.items[0].edit, Edit::SetSeparation(_, Separation::Relaxed)));
}
