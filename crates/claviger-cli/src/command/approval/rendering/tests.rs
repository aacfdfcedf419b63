//! Every act that others approve, as it reads.

use claviger_core::declaration::{BuildSort, Document, DocumentSort};
use claviger_core::key::{ContextField, DataClass, Labels, RequiredContext};
use claviger_core::reason::ReasonCode;
use claviger_core::sensitive::ACTS;
use serde_json::json;

use super::*;

const KEY: KeyId = KeyId::from_bytes([1; 16]);
const RING: KeyRingId = KeyRingId::from_bytes([2; 16]);
const CARLA: PrincipalId = PrincipalId::from_bytes([3; 16]);
const SHOP: PrincipalId = PrincipalId::from_bytes([4; 16]);
const DECLARED: DeclarationId = DeclarationId::from_bytes([5; 16]);
const REASON: ReasonId = ReasonId::from_bytes([6; 16]);

const fn days(count: u64) -> Duration {
    Duration::from_secs(count * 86_400)
}

/// An act of each action that others approve.
fn act(action: Action) -> Governed {
    let reason = None;
    match action {
        Action::ApplyPlan => {
            let acts = [Action::SetRingSeparation, Action::UpdateRing, Action::Declare];
            Governed::ApplyPlan { acts: acts.map(|one| act(one).encode()).to_vec(), reason }
        }
        Action::AssignCapacity => {
            Governed::AssignCapacity { principal: CARLA, capacity: Capacity::KeyOwner(KEY), reason }
        }
        Action::AssignRole => Governed::AssignRole { principal: CARLA, role: Role::Custodian, reason },
        Action::CompromiseKey => Governed::CompromiseKey { key: KEY, reason },
        Action::CompromiseVersion => Governed::CompromiseVersion { key: KEY, version: 2, reason },
        Action::CreateCredential => Governed::CreateCredential {
            principal: CARLA,
            label: "laptop".parse().unwrap(),
            what: CredentialAsked::Certificate([7; 32], Timestamp::from_micros(9_000_000)),
            to_confirm: false,
        },
        Action::CreateGrant => Governed::CreateGrant {
            principal: SHOP,
            on: Selector::Ring(RING),
            operations: [Action::Decrypt, Action::Encrypt].into_iter().collect(),
            conditions: GrantConditions {
                context_equals: [("tenant".to_owned(), "7\u{202e}x".to_owned())].into_iter().collect(),
                context_exactly: None,
                source_networks: ["10.0.0.0/8".parse().unwrap()].into_iter().collect(),
                until: None,
            },
            reason,
            name: Some("nightly".to_owned()),
            retiring: Some(CARLA),
        },
        Action::Declare => Governed::Declare {
            declared: Declared::Parameter(Parameter {
                name: "access_review_days".parse().unwrap(),
                value: "180".parse().unwrap(),
                effective_from: Timestamp::from_micros(9_000_000),
            }),
            text: "decided in March".to_owned(),
        },
        Action::ErasePrincipal => Governed::ErasePrincipal { principal: CARLA, reason },
        Action::EraseReason => Governed::EraseReason { id: REASON, reason },
        Action::ImportMaterial => Governed::ImportMaterial {
            key: KEY,
            token: [8; 32],
            material: [9; 32],
            expires_at: None,
            new_material: true,
            version: Some(2),
        },
        Action::OpenBreakGlass => Governed::OpenBreakGlass {
            holder: CARLA,
            keys: [KEY].into_iter().collect(),
            lifetime: Duration::from_secs(7_200),
            reason,
        },
        Action::ScheduleDestroy => Governed::ScheduleDestroy { key: KEY, waiting: days(30), reason },
        Action::SetGovernance => Governed::SetGovernance {
            quorum: Some(1),
            approval_lifetime: None,
            human_grant_lifetime: Some(Period(None)),
            break_glass_lifetime: Some(Duration::from_secs(28_800)),
            compromise_burst: None,
            reason,
            if_revision: Some(1),
        },
        Action::SetRingSeparation => {
            Governed::SetRingSeparation { ring: RING, separation: Separation::Relaxed, reason }
        }
        Action::UpdateKey => Governed::UpdateKey {
            key: KEY,
            data_class: Some(DataClass::Internal),
            description: Some("archive\u{202e}".to_owned()),
            owner: Some(SHOP),
            labels: Some(Labelling::All(Labels::new(vec![("team".to_owned(), "shop".to_owned())]).unwrap())),
            rotation_period: Some(Period(Some(days(90)))),
            if_revision: None,
            context_required: Some(ContextAsked(RequiredContext::default())),
            environment: None,
        },
        Action::UpdateRing => Governed::UpdateRing {
            ring: RING,
            protection: None,
            rotation_period: Some(Period(None)),
            protect_period: None,
            process_period: None,
            destroy_waiting_period: Some(days(7)),
            quorum: Some(1),
            if_revision: None,
            reason,
            rotates: None,
            context_required: Some(ContextAsked(RequiredContext::default())),
            data_class: Some(ClassAsked(None)),
            plaintext_data_keys: Some(PlaintextDataKeys::Allowed),
            environment: None,
            assets: None,
            grants_under_quorum: Some(false),
        },
        Action::WithdrawDeclaration => Governed::WithdrawDeclaration { declaration: DECLARED, reason },
        other => panic!("others do not approve {other}"),
    }
}

fn policy() -> serde_json::Value {
    json!({
        "protection": "software", "rotation_period_seconds": 7_776_000, "rotates": "symmetric",
        "protect_period_seconds": null, "process_period_seconds": null, "destroy_waiting_period_seconds": 2_592_000,
        "quorum": 2, "separation": "strict", "context_required": ["tenant"], "data_class": "cardholder",
        "plaintext_data_keys": "refused", "environment": null, "assets": "optional", "grants_under_quorum": true,
    })
}

/// What the deployment shows.
fn estate() -> Estate {
    let (key, ring, carla) = (KEY.to_string(), RING.to_string(), CARLA.to_string());
    let at = "2026-01-01T00:00:00Z";
    let key = json!({
        "id": key, "name": "orders/customer-data", "ring": ring, "purpose": "encrypt", "spec": "aes-256-gcm",
        "protection": "software", "data_class": "cardholder", "description": "cards of the shop", "owner": carla,
        "labels": {}, "rotation_period_seconds": null, "state": "active", "primary": 1, "destroy_at": null,
        "created_at": at, "revision": 7,
    });
    let ring = json!({"id": ring, "name": "orders", "policy": policy(), "created_at": at, "revision": 3});
    let carla = json!({
        "id": carla, "name": "carla", "kind": "human", "standing": "active", "roles": ["auditor"], "created_at": at,
        "capacities": [{"capacity": "dpo", "given_by": SHOP.to_string()}], "revision": 2,
    });
    let rules = json!({
        "quorum": 2, "approval_lifetime_seconds": 604_800, "human_grant_lifetime_seconds": 7_776_000,
        "break_glass_lifetime_seconds": 14_400, "compromise_burst": 10, "revision": 1,
    });
    let declared = json!({
        "id": DECLARED.to_string(), "kind": "parameter", "subject": "access_review_days",
        "declared": {"parameter": {"name": "access_review_days", "value": "90", "effective_from": at}},
        "text": "PCI", "declared_by": CARLA.to_string(), "declared_at": at, "revision": 1,
    });
    let rows = [
        (Object::Key(KEY), Row::Key(serde_json::from_value(key).unwrap())),
        (Object::Ring(RING), Row::Ring(serde_json::from_value(ring).unwrap())),
        (Object::Principal(CARLA), Row::Principal(serde_json::from_value(carla).unwrap())),
        (Object::Governance(GovernanceId::ONLY), Row::Governance(serde_json::from_value(rules).unwrap())),
        (Object::Declaration(DECLARED), Row::Declaration(serde_json::from_value(declared).unwrap())),
    ];
    let mut names = Names::default();
    for (_, row) in &rows {
        row.teach(&mut names);
    }
    names.learn(SHOP, "shop");
    let in_force = [("access_review_days".to_owned(), "90".to_owned())].into();
    Estate { rows: rows.into_iter().collect(), names, in_force, ..Estate::default() }
}

/// An act in one text: its title, then each change in a line, then its steps.
fn said(act: &Governed, estate: &Estate) -> String {
    worded(rendered(act, estate).unwrap())
}

fn worded(Rendered { title, changes, consequence: _, steps }: Rendered) -> String {
    let lines = changes.into_iter().map(|Change { of, field, before, after }| match before {
        Some(before) => format!("\n{of}: {field}: {before} -> {after}"),
        None => format!("\n{of}: {field}: {after}"),
    });
    let steps = steps.into_iter().map(|step| format!("\nstep: {}", worded(step)));
    title + &lines.chain(steps).collect::<String>()
}

#[test]
fn every_act_that_others_approve_reads_as_a_person_would_say_it() {
    let hex = |byte: &str| byte.repeat(32);
    let expected = |action: Action| {
        match action {
        // The second step is about the ring as the first one leaves it: nothing stands before an arrow.
        Action::ApplyPlan => "a plan of 3 steps\n\
            step: relax ring orders*\n\
            ring orders*: separation: strict -> relaxed\n\
            step: change the policy of ring orders*\n\
            ring orders*: rotation period: never\n\
            ring orders*: wait before destruction: 7d\n\
            ring orders*: quorum: 1\n\
            ring orders*: context required: none\n\
            ring orders*: data class: none\n\
            ring orders*: data keys in clear: allowed\n\
            ring orders*: grants: by a security officer alone\n\
            step: set the parameter access_review_days to 180\n\
            parameter access_review_days: value: 90 -> 180\n\
            parameter access_review_days: in force from: 1970-01-01T00:00:09Z\n\
            parameter access_review_days: said of it: decided in March"
            .to_owned(),
        Action::AssignCapacity => "say that carla* answers for key_owner:orders/customer-data*\n\
            principal carla*: answers for: dpo -> dpo, key_owner:orders/customer-data*"
            .to_owned(),
        Action::AssignRole => "give carla* the role custodian\n\
            principal carla*: roles: auditor -> auditor, custodian\n\
            principal carla*: who holds it is there to: approve sensitive acts, hold a share of the root"
            .to_owned(),
        Action::CompromiseKey => "declare key orders/customer-data* compromised\n\
            key orders/customer-data*: state: active -> compromised"
            .to_owned(),
        Action::CompromiseVersion => "declare version 2 of key orders/customer-data* compromised\n\
            key orders/customer-data*, version 2: state: compromised"
            .to_owned(),
        Action::CreateCredential => format!(
            "enter a certificate of carla*\n\
             new credential of carla*: label: laptop\n\
             new credential of carla*: certificate, sha-256: {}\n\
             new credential of carla*: valid until: 1970-01-01T00:00:09Z",
            hex("07")
        ),
        Action::CreateGrant => "grant shop* uses of every key of ring orders*\n\
            new grant to shop*: on: every key of ring orders*\n\
            new grant to shop*: operations: encrypt, decrypt\n\
            new grant to shop*: only with the context: tenant=7\\u{202e}x\n\
            new grant to shop*: only from: 10.0.0.0/8\n\
            new grant to shop*: until: no end\n\
            new grant to shop*: name: nightly\n\
            new grant to shop*: may be given up by: carla*"
            .to_owned(),
        Action::Declare => "set the parameter access_review_days to 180\n\
            parameter access_review_days: value: 90 -> 180\n\
            parameter access_review_days: in force from: 1970-01-01T00:00:09Z\n\
            parameter access_review_days: said of it: decided in March"
            .to_owned(),
        Action::ErasePrincipal => {
            format!("erase who carla* was\nprincipal {CARLA}: name: carla* -> erased")
        }
        Action::EraseReason => format!("erase the text of a reason\nreason {REASON}: text: erased"),
        Action::ImportMaterial => format!(
            "import material into key orders/customer-data*\n\
             key orders/customer-data*: material is: new: it protects from the next rotation on\n\
             key orders/customer-data*: wrapped material, sha-256: {}\n\
             key orders/customer-data*: import token, sha-256: {}\n\
             key orders/customer-data*: material expires: never\n\
             key orders/customer-data*: only of version: 2",
            hex("09"),
            hex("08")
        ),
        Action::OpenBreakGlass => "open emergency access of carla* to key orders/customer-data*\n\
            emergency access of carla*: to key: orders/customer-data*, whose data is cardholder\n\
            emergency access of carla*: gives: what processes what a key protected before, as to decrypt; nothing new is protected\n\
            emergency access of carla*: lasts: 2h from when it is opened"
            .to_owned(),
        Action::ScheduleDestroy => "destroy key orders/customer-data*\n\
            key orders/customer-data*: state: active -> out of use\n\
            key orders/customer-data*: destruction: none -> 30d after this is done\n\
            key orders/customer-data*: its data is: cardholder\n\
            key orders/customer-data*: it is for: cards of the shop*"
            .to_owned(),
        Action::SetGovernance => "change the rules of the deployment\n\
            the deployment: quorum: 2 -> 1\n\
            the deployment: grants to people last for: 90d -> no end\n\
            the deployment: emergency access lasts for: 4h -> 8h"
            .to_owned(),
        Action::SetRingSeparation => "relax ring orders*\n\
            ring orders*: separation: strict -> relaxed"
            .to_owned(),
        Action::UpdateKey => "change what is said of key orders/customer-data*\n\
            key orders/customer-data*: data class: cardholder -> internal\n\
            key orders/customer-data*: rotation period: as its ring says -> 90d\n\
            key orders/customer-data*: description: cards of the shop* -> archive\\u{202e}\n\
            key orders/customer-data*: owner: carla* -> shop*\n\
            key orders/customer-data*: labels: none -> team=shop"
            .to_owned(),
        Action::UpdateRing => "change the policy of ring orders*\n\
            ring orders*: rotation period: 90d -> never\n\
            ring orders*: wait before destruction: 30d -> 7d\n\
            ring orders*: quorum: 2 -> 1\n\
            ring orders*: context required: tenant -> none\n\
            ring orders*: data class: cardholder -> none\n\
            ring orders*: data keys in clear: refused -> allowed\n\
            ring orders*: grants: under quorum -> by a security officer alone"
            .to_owned(),
        Action::WithdrawDeclaration => format!(
            "withdraw the parameter access_review_days = 90\n\
             declaration {DECLARED}: in force: yes -> no\n\
             declaration {DECLARED}: said of it: PCI*"
        ),
        other => panic!("others do not approve {other}"),
    }
    };
    let estate = estate();
    for sensitive in ACTS {
        assert_eq!(said(&act(sensitive.action), &estate), expected(sensitive.action), "{}", sensitive.action);
    }
}

#[test]
fn every_act_that_others_approve_has_its_sentence_and_no_other_has_one() {
    for sensitive in ACTS {
        let said = consequence(sensitive.action);
        assert!(said.is_some_and(|said| said.ends_with('.')), "{}", sensitive.action);
    }
    assert_eq!(CONSEQUENCES.len(), ACTS.len());
    let actions: Vec<_> = CONSEQUENCES.iter().map(|(action, _)| action.name()).collect();
    assert!(actions.is_sorted(), "{actions:?}");
}

#[test]
fn without_names_there_are_identifiers_and_no_marks() {
    let unnamed = Estate { names: Names::default(), ..estate() };
    for sensitive in ACTS {
        let act = act(sensitive.action);
        let said = said(&act, &unnamed);
        for object in objects(&act).iter().filter(|object| !matches!(object, Object::Governance(_))) {
            assert!(said.contains(&object.shown_id()), "{said}");
        }
        // What the owner of a key, or who declared, says of it is still the server's.
        let words = ["cards of the shop*", "PCI*"].iter().fold(said, |said, word| said.replace(word, ""));
        assert!(!words.contains(MARK), "{words}");
    }
}

#[test]
fn a_row_that_is_not_at_the_revision_shows_nothing_before_an_arrow() {
    let unseen = Estate { names: estate().names, ..Estate::default() };
    for action in [
        Action::CompromiseKey,
        Action::ScheduleDestroy,
        Action::SetGovernance,
        Action::UpdateKey,
        Action::UpdateRing,
    ] {
        let said = said(&act(action), &unseen);
        assert!(!said.contains("->"), "{said}");
    }
    let update = said(&act(Action::UpdateRing), &unseen);
    assert!(update.contains("ring orders*: quorum: 1"), "{update}");
}

#[test]
fn every_kind_of_credential_and_of_policy_reads() {
    let estate = estate();
    let made = |what, to_confirm| {
        let label = "x".parse().unwrap();
        said(&Governed::CreateCredential { principal: CARLA, label, what, to_confirm }, &estate)
    };
    let credential = |what| made(what, false);
    assert!(credential(CredentialAsked::AccessKey(days(90))).starts_with("make an access key for carla*\n"));
    assert!(credential(CredentialAsked::ShortLived(days(1))).contains("short-lived"));
    assert!(credential(CredentialAsked::Token(days(90))).ends_with("lives for: 90d"));
    let code = credential(CredentialAsked::EnrolmentCode(days(7)));
    assert!(
        code.starts_with("make a code by which carla* enrols\n") && code.ends_with("within: 7d"),
        "{code}"
    );
    let awaiting = made(CredentialAsked::Certificate([7; 32], Timestamp::from_micros(9_000_000)), true);
    assert!(
        awaiting.ends_with("proves nothing until: its holder has confirmed it by a certificate"),
        "{awaiting}"
    );
    let strict = Governed::SetRingSeparation { ring: RING, separation: Separation::Strict, reason: None };
    // It is so already: nothing changes.
    assert_eq!(said(&strict, &estate), "make ring orders* strict");
    let tenant: ContextField = "tenant".parse().unwrap();
    let update = Governed::UpdateRing {
        ring: RING,
        protection: Some(Protection::Hsm),
        rotation_period: None,
        protect_period: Some(Period(Some(days(365)))),
        process_period: Some(Period(Some(days(730)))),
        destroy_waiting_period: None,
        quorum: Some(2),
        if_revision: None,
        reason: None,
        rotates: Some(RotatedKeys::All),
        context_required: Some(ContextAsked(RequiredContext::new([tenant]).unwrap())),
        data_class: Some(ClassAsked(Some(DataClass::Internal))),
        plaintext_data_keys: None,
        environment: Some("production".parse().unwrap()),
        assets: Some(AssetRule::Required),
        grants_under_quorum: None,
    };
    assert_eq!(
        said(&update, &estate),
        "change the policy of ring orders*\n\
         ring orders*: protection: software -> hsm\n\
         ring orders*: rotates: symmetric -> all\n\
         ring orders*: protect period: no end -> 365d\n\
         ring orders*: process period: no end -> 730d\n\
         ring orders*: data class: cardholder -> internal\n\
         ring orders*: environment: none -> production\n\
         ring orders*: data assets: optional -> required"
    );
}

#[test]
fn what_was_done_of_a_plan_is_shown_and_what_it_left_stands_before_what_comes() {
    let quorum = |quorum| {
        let Governed::UpdateRing { ring, .. } = act(Action::UpdateRing) else { panic!("a ring") };
        Governed::UpdateRing {
            ring,
            protection: None,
            rotation_period: None,
            protect_period: None,
            process_period: None,
            destroy_waiting_period: None,
            quorum: Some(quorum),
            if_revision: None,
            reason: None,
            rotates: None,
            context_required: None,
            data_class: None,
            plaintext_data_keys: None,
            environment: None,
            assets: None,
            grants_under_quorum: None,
        }
    };
    let acts = [quorum(2), quorum(1)].map(|act| act.encode()).to_vec();
    let plan = Governed::ApplyPlan { acts, reason: None };
    // The ring is at 2, as the first step left it.
    let done = Estate { done: [0].into(), ..estate() };
    assert_eq!(
        said(&plan, &done),
        "a plan of 2 steps\n\
         step: change the policy of ring orders*\n\
         ring orders*: quorum: 2\n\
         step: change the policy of ring orders*\n\
         ring orders*: quorum: 2 -> 1"
    );
    assert_eq!(objects(&plan), [Object::Ring(RING); 2]);
    let alone = Governed::ApplyPlan { acts: vec![quorum(1).encode()], reason: None };
    assert!(said(&alone, &estate()).starts_with("a plan of one step: change the policy of ring orders*\n"));
    // Of a plan with an act that is not known, nothing is shown.
    let other = Governed::SuspendKey { key: KEY, reason: None };
    let plan = Governed::ApplyPlan { acts: vec![quorum(1).encode(), other.encode()], reason: None };
    assert_eq!(rendered(&plan, &estate()), None);
}

#[test]
fn what_a_key_says_already_is_no_change() {
    let estate = estate();
    let tenant: ContextField = "tenant".parse().unwrap();
    let set = Labels::new(vec![("team".to_owned(), "shop".to_owned())]).unwrap();
    let update = Governed::UpdateKey {
        key: KEY,
        data_class: Some(DataClass::Cardholder),
        description: Some("cards of the shop".to_owned()),
        owner: Some(CARLA),
        labels: Some(Labelling::Some(set, ["old".to_owned()].into_iter().collect())),
        rotation_period: Some(Period(None)),
        if_revision: Some(7),
        context_required: Some(ContextAsked(RequiredContext::new([tenant]).unwrap())),
        environment: Some("production".parse().unwrap()),
    };
    assert_eq!(
        said(&update, &estate),
        "change what is said of key orders/customer-data*\n\
         key orders/customer-data*: context required: none -> tenant\n\
         key orders/customer-data*: labels set: team=shop\n\
         key orders/customer-data*: labels removed: old\n\
         key orders/customer-data*: environment: none -> production"
    );
}

#[test]
fn a_destruction_that_is_held_is_approved_anew() {
    let mut estate = estate();
    let Some(Row::Key(key)) = estate.rows.get_mut(&Object::Key(KEY)) else { panic!("no key") };
    key.destroy_at = Some("2026-02-01T00:00:00Z".parse().unwrap());
    let said = said(&act(Action::ScheduleDestroy), &estate);
    let kept = "destruction: due at 2026-02-01T00:00:00Z, held -> due at 2026-02-01T00:00:00Z";
    assert!(said.contains(kept), "{said}");
}

#[test]
fn an_act_that_is_not_known_is_not_shown() {
    let estate = estate();
    let other = Governed::SuspendKey { key: KEY, reason: Some(ReasonCode::Precaution.into()) };
    assert_eq!(rendered(&other, &estate), None);
    assert!(objects(&other).is_empty());
    // Of a declaration that is no parameter, kind and subject are shown.
    let document = Document {
        sort: DocumentSort::Policy,
        digest: [1; 32],
        reviewed_at: Timestamp::from_micros(1),
        next_review_at: Timestamp::from_micros(2),
        covers: Vec::new(),
    };
    let declare = Governed::Declare { declared: Declared::Document(document), text: "keys".to_owned() };
    assert_eq!(said(&declare, &estate), "declare a document: policy\ndocument policy: said of it: keys");
}

#[test]
fn what_may_run_is_shown_with_its_digest() {
    let build = Build {
        sort: BuildSort::Configuration,
        digest: [7; 32],
        effective_from: Timestamp::from_micros(9_000_000),
    };
    let declare = Governed::Declare { declared: Declared::Build(build), text: "ticket\n7".to_owned() };
    let shown = format!(
        "approve a configuration to run\n\
         approved configuration: sha-256: {}\n\
         approved configuration: may run from: 1970-01-01T00:00:09Z\n\
         approved configuration: said of it: ticket\\u{{a}}7",
        "07".repeat(32)
    );
    assert_eq!(said(&declare, &estate()), shown);
}

#[test]
fn nothing_that_is_shown_moves_the_cursor_or_hides() {
    assert_eq!(harmless("plain \u{fc} text"), "plain \u{fc} text");
    for bad in ["\x1b[2J", "a\nb", "\u{9b}1m", "\u{202e}", "\u{200b}", "\u{2066}", "\u{feff}", "\u{e0041}"] {
        let shown = harmless(bad);
        assert!(shown.contains("\\u{") && !shown.chars().any(|sign| sign.is_control() || is_hidden(sign)));
    }
    let mut names = Names::default();
    names.learn(KEY, "a\r/b");
    assert_eq!(names.of(KEY), "a\\u{d}/b*");
    assert_eq!(names.principal(PrincipalId::SYSTEM), "the system");
    assert_eq!(names.of(RING), RING.to_string());
}
