//! Small deployments, in which it is known who reaches what; and what each rule is there for.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, LazyLock};

use claviger_core::capacity::Capacity;
use claviger_core::governance::Governance;
use claviger_core::grant::{Basis, Conditions, Grant, GrantOrigin, Selector, Spelling};
use claviger_core::key::{DataClass, KeyRing, RingPolicy, Separation};
use claviger_core::principal::{
    Credential, CredentialKind, Principal, PrincipalKind, Recovery, Role, Status,
};
use claviger_core::sensitive;
use claviger_core::{Action, CredentialId, GrantId, KeyRingId, PrincipalId, Timestamp};
use proptest::prelude::*;

use super::classes::one_by_one;
use super::coalition::length;
use super::powers::Powers;
use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
const LATER: Timestamp = Timestamp::from_micros(1_900_000_000_000_000);
/// Who made what the set-up makes.
const SET_UP: &str = "";

fn id(name: &str) -> [u8; 16] {
    let mut id = [0; 16];
    for (to, from) in id.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    id
}

fn who(name: &str) -> PrincipalId {
    PrincipalId::from_bytes(id(name))
}

fn called(name: &str) -> Subject {
    Subject::Principal(name.parse().unwrap())
}

/// Rows in the making.
#[derive(Clone, Debug)]
struct World {
    quorum: u8,
    principals: Vec<Principal>,
    credentials: Vec<Credential>,
    rings: Vec<KeyRing>,
    grants: Vec<Grant>,
    /// Of which credentials it is signed that the key is the holder's alone.
    own: Vec<CredentialId>,
}

impl World {
    fn new(quorum: u8) -> Self {
        let (principals, credentials) = (Vec::new(), Vec::new());
        Self { quorum, principals, credentials, rings: Vec::new(), grants: Vec::new(), own: Vec::new() }
    }

    /// As a deployment is set up, with a ring in use and one for restricted data.
    fn set_up() -> Self {
        let mut world = Self::new(2);
        for (name, role) in [
            ("administrator", Role::Administrator),
            ("auditor", Role::Auditor),
            ("custodian-1", Role::Custodian),
            ("custodian-2", Role::Custodian),
            ("custodian-3", Role::Custodian),
            ("operator", Role::Operator),
            ("responder", Role::Responder),
            ("officer", Role::SecurityOfficer),
            ("officer-2", Role::SecurityOfficer),
        ] {
            world.person(name, Some(role), SET_UP);
        }
        world.principal("app", PrincipalKind::Workload, SET_UP);
        world.credential("app", CredentialKind::Certificate, SET_UP);
        world.ring("orders", None);
        world.ring("cards", Some(DataClass::Cardholder));
        world.grant("app", "orders", "officer", &[Action::Decrypt, Action::Encrypt]);
        world
    }

    fn principal(&mut self, name: &str, kind: PrincipalKind, by: &str) -> &mut Principal {
        let made = Principal::new(who(name), name.parse().unwrap(), kind, Timestamp::default());
        self.principals.push(Principal { created_by: Some(who(by)), ..made });
        self.principals.last_mut().unwrap()
    }

    /// Somebody with a certificate, both made by the same.
    fn person(&mut self, name: &str, role: Option<Role>, by: &str) -> &mut Self {
        self.principal(name, PrincipalKind::Human, by).roles = role.into_iter().collect();
        self.credential(name, CredentialKind::Certificate, by)
    }

    /// Somebody with a role that another gave.
    fn appointed(&mut self, name: &str, role: Role, made_by: &str, given_by: &str) -> &mut Self {
        self.person(name, Some(role), made_by);
        self.principals.last_mut().unwrap().role_givers = vec![(role, who(given_by))];
        self
    }

    /// A further account of somebody, made by the set-up.
    fn account(&mut self, name: &str, role: Option<Role>, same_as: &str) -> &mut Self {
        self.person(name, role, SET_UP);
        self.principals.last_mut().unwrap().same_person_as = Some(who(same_as));
        self
    }

    fn credential(&mut self, of: &str, kind: CredentialKind, by: &str) -> &mut Self {
        let number = u8::try_from(self.credentials.len() % 250).unwrap();
        self.credentials.push(Credential {
            id: CredentialId::from_bytes([number; 16]),
            principal: who(of),
            kind,
            digest: [number; 32],
            access_key: None,
            label: "label".parse().unwrap(),
            status: Status::Active,
            created_by: Some(who(by)),
            renews: None,
            awaits_confirmation: false,
            created_at: Timestamp::default(),
            expires_at: LATER,
            reason: None,
            revision: 1,
        });
        self
    }

    fn ring(&mut self, name: &str, class: Option<DataClass>) -> &mut Self {
        let policy = RingPolicy {
            data_class: class,
            grants_under_quorum: RingPolicy::grants_under_quorum_for(Separation::Strict, class),
            ..RingPolicy::default()
        };
        self.rings.push(KeyRing {
            id: KeyRingId::from_bytes(id(name)),
            name: name.parse().unwrap(),
            policy,
            kek: Vec::new(),
            kek_wrap: None,
            created_at: Timestamp::default(),
            reason: None,
            revision: 1,
        });
        self
    }

    fn grant(&mut self, to: &str, ring: &str, by: &str, operations: &[Action]) -> &mut Self {
        let mut operations = operations.to_vec();
        operations.sort_unstable();
        self.grants.push(Grant {
            id: GrantId::from_bytes([1; 16]),
            principal: who(to),
            selector: Selector::Ring(KeyRingId::from_bytes(id(ring))),
            operations,
            conditions: Conditions::default(),
            reason: None,
            name: None,
            retiring: None,
            created_by: who(by),
            created_at: Timestamp::default(),
            basis: Basis::Role,
            origin: GrantOrigin::Direct,
            spelling: Spelling::default(),
            status: Status::Active,
            ending: None,
            revision: 1,
        });
        self
    }

    fn facts(&self) -> Facts {
        let mut rows = Rows::new(NOW, Governance { quorum: self.quorum, ..Governance::default() });
        self.principals.iter().cloned().for_each(|principal| rows.principal(principal));
        self.credentials.iter().for_each(|credential| rows.credential(credential));
        self.own.iter().for_each(|credential| rows.own_key(*credential));
        self.rings.iter().for_each(|ring| rows.ring(ring, true));
        for grant in &self.grants {
            let Selector::Ring(ring) = grant.selector else { panic!("{grant:?}") };
            rows.grant(grant, ring, true);
        }
        rows.settle()
    }

    fn analyzed(&self, rules: Rules, pairs: bool) -> Analysis {
        let facts = self.facts();
        let analyzer = Analyzer(judge(&facts, rules));
        let question = Question { pairs, goal: None, founder: false };
        let Ok(analysis) = analyzer.analyze(question, || Ok::<_, Infallible>(()));
        analysis
    }

    /// Who reaches what, with the shortest way of each.
    fn found(&self, rules: Rules, pairs: bool) -> Vec<(Goal, Vec<String>, Vec<Step>)> {
        let examples = self.analyzed(rules, pairs).found.into_iter();
        let names = |members: &[Member]| members.iter().map(|member| member.names[0].to_string()).collect();
        examples.map(|one| (one.goal, names(&one.members), one.path)).collect()
    }
}

/// Asking the policy costs some time: what roles there are is the same in all of these.
fn judge(facts: &Facts, rules: Rules) -> Judge<'_> {
    static POWERS: LazyLock<Arc<Powers>> = LazyLock::new(|| {
        let mut world = World::new(0);
        world.person("both", Some(Role::Administrator), SET_UP);
        world.principals.last_mut().unwrap().roles.push(Role::Responder);
        Arc::new(Powers::of(&world.facts(), &Authorizer::new().unwrap()).unwrap())
    });
    Judge::with(facts, Arc::clone(&POWERS), rules)
}

/// The shortest way of somebody to a goal.
#[track_caller]
fn way(found: &[(Goal, Vec<String>, Vec<Step>)], goal: Goal, who: &[&str]) -> Vec<Step> {
    let one = found.iter().find(|(of, names, _)| *of == goal && names == who);
    one.unwrap_or_else(|| panic!("{who:?} do not reach {goal}: {found:#?}")).2.clone()
}

fn step(by: &str, act: Act) -> Step {
    Step::of(called(by), act)
}

fn decrypts(by: Subject, ring: &str) -> Step {
    Step::of(by, Act::Use { ring: ring.parse().unwrap(), action: Action::Decrypt })
}

fn granted(by: &str, to: Subject, ring: &str) -> Step {
    step(by, Act::CreateGrant { to, ring: ring.parse().unwrap(), action: Action::Decrypt })
}

#[test]
fn nobody_alone_reaches_anything_in_a_deployment_as_it_is_set_up() {
    let analysis = World::set_up().analyzed(Rules::default(), false);
    assert_eq!(analysis.found, []);
    let named: Vec<_> = analysis.named.iter().map(|one| (one.kind, one.goals.len(), one.count)).collect();
    // Who ran the set-up has made the keys of all nine.
    assert_eq!(named, [(ExceptionKind::MachineAndPin, 4, 1), (ExceptionKind::Founder, 4, 9)]);
    let LookedAt { persons, principals, credentials, grants, rings, strict_rings, .. } = analysis.looked_at;
    assert_eq!((persons, principals, credentials, grants, rings, strict_rings), (9, 10, 10, 1, 2, 2));
}

#[test]
fn with_keys_of_their_own_nobody_founded_anything() {
    let mut world = World::set_up();
    for credential in &mut world.credentials {
        credential.created_by = Some(credential.principal);
    }
    let analysis = world.analyzed(Rules::default(), false);
    assert_eq!(analysis.found, []);
    assert_eq!(analysis.named.iter().map(|one| one.kind).collect::<Vec<_>>(), [ExceptionKind::MachineAndPin]);
}

/// The set-up of which these have signed, of their credential or of the one that it renews, that the key is theirs alone.
fn with_statements_of(holders: &[&str]) -> World {
    let mut world = World::set_up();
    for (number, holder) in holders.iter().enumerate() {
        let holder = who(holder);
        let credential = world.credentials.iter_mut().find(|one| one.principal == holder).unwrap();
        if number % 2 == 1 {
            // Signed of the one before, which is over by now.
            credential.renews = Some(CredentialId::from_bytes([251; 16]));
            world.own.push(CredentialId::from_bytes([251; 16]));
        } else {
            world.own.push(credential.id);
        }
    }
    world
}

#[test]
fn who_ran_the_set_up_reaches_everything_until_those_who_must_approve_have_keys_of_their_own() {
    let asked = |world: &World| {
        let facts = world.facts();
        let question = Question { pairs: false, goal: None, founder: true };
        let Ok(analysis) =
            Analyzer(judge(&facts, Rules::default())).analyze(question, || Ok::<_, Infallible>(()));
        analysis
    };
    // Two custodians approve nothing without each other; what takes one officer or responder instead is left then.
    let all = ["custodian-1", "custodian-2", "officer", "officer-2", "responder", "custodian-3"];
    for (signed, is_reached) in [(0, true), (1, true), (2, true), (3, true), (4, false), (6, false)] {
        let world = with_statements_of(&all[..signed]);
        let found = asked(&world).found;
        assert!(found.iter().all(|one| one.members.is_empty() && one.count == 1), "{found:?}");
        assert_eq!(found.iter().any(|one| one.goal == Goal::Quorum), is_reached, "{signed}");
        // Without being asked for, it is named and not counted.
        let named = world.analyzed(Rules::default(), false);
        assert_eq!(named.found, []);
        let founder = named.named.iter().find(|one| one.kind == ExceptionKind::Founder).unwrap();
        assert_eq!(founder.count, 9 - u64::try_from(signed).unwrap());
        assert_eq!(founder.goals.contains(&Goal::Quorum), is_reached, "{signed}");
    }
    // Nor does it help that those have signed who decide on emergency access, where two custodians have not.
    let found = asked(&with_statements_of(&all[1..5])).found;
    assert!(found.iter().any(|one| one.goal == Goal::Quorum));
    // Who ran it acts as others by what was kept of them.
    let path = &asked(&World::set_up()).found[0].path;
    let keeps =
        |step: &Step| matches!(step.act, Act::Keep { is_code: false, .. }) && step.by == Subject::SetUp;
    assert!(path.iter().any(keeps), "{path:?}");
}

#[test]
fn a_statement_about_a_key_takes_nothing_from_the_maker_whom_it_is_known_by_name() {
    let mut world = World::set_up();
    world.appointed("carla", Role::Custodian, "officer", "officer-2");
    let carla = world.credentials.last().unwrap().id;
    world.appointed("cyril", Role::Custodian, "officer", "officer-2");
    let cyril = world.credentials.last().unwrap().id;
    world.own = vec![carla, cyril];
    // Puppets sign what whoever holds their strings has them sign.
    assert!(world.found(Rules::default(), false).iter().any(|(_, names, _)| names == &["officer"]));
}

#[test]
fn a_code_is_as_good_as_the_certificate_for_which_its_maker_redeems_it() {
    let mut world = World::set_up();
    for name in ["carla", "cyril"] {
        world.appointed(name, Role::Custodian, "officer", "officer-2");
        world.credentials.last_mut().unwrap().kind = CredentialKind::EnrolmentCode;
    }
    let found = world.found(Rules::default(), false);
    let path = way(&found, Goal::Quorum, &["officer"]);
    let keeps = |of: &str| step("officer", Act::Keep { of: called(of), is_code: true });
    assert_eq!(path[..2], [keeps("carla"), keeps("cyril")]);
    // One that awaits the confirmation of its holder is none yet.
    for credential in world.credentials.iter_mut().rev().take(2) {
        *credential =
            Credential { kind: CredentialKind::Certificate, awaits_confirmation: true, ..credential.clone() };
    }
    assert_eq!(world.found(Rules::default(), false), []);
}

#[test]
fn two_who_make_and_grant_read_an_ordinary_ring_and_nothing_else() {
    let found = World::set_up().found(Rules::default(), true);
    let ways: BTreeSet<_> = found.iter().map(|(goal, names, _)| (*goal, names.clone())).collect();
    let pair = |one: &str, other: &str| (Goal::Plaintext, vec![one.to_owned(), other.to_owned()]);
    let [first, second] = ["officer", "officer-2"].map(|officer| pair("administrator", officer));
    let expected = BTreeSet::from([first, second, pair("officer", "officer-2")]);
    assert_eq!(ways, expected, "no pair does without the two who must approve");
    // The application that there is has the grant of one of them; a new one takes an act more.
    let made = Act::CreatePrincipal { puppet: Subject::Puppet(1), kind: PrincipalKind::Workload };
    let path = way(&found, Goal::Plaintext, &["administrator", "officer"]);
    assert_eq!(
        path,
        [
            step("administrator", made),
            step("administrator", Act::CreateCredential { of: Subject::Puppet(1) }),
            granted("officer", Subject::Puppet(1), "orders"),
            decrypts(Subject::Puppet(1), "orders"),
        ]
    );
    let path = way(&found, Goal::Plaintext, &["officer", "officer-2"]);
    let is_person = |act: &Act| matches!(act, Act::CreatePrincipal { kind: PrincipalKind::Human, .. });
    assert!(path.iter().any(|step| is_person(&step.act)));
    assert_eq!(length(&path), 4);
}

#[test]
fn where_a_ring_puts_grants_under_quorum_no_pair_reads_it() {
    let mut world = World::set_up();
    world.rings.retain(|ring| ring.name.as_str() == "cards");
    world.grants.clear();
    assert_eq!(world.found(Rules::default(), true), []);
    let off = Rules { grants: false, ..Rules::default() };
    assert_eq!(world.found(off, false), [], "it takes two even so");
    let found = world.found(off, true);
    let path = way(&found, Goal::Plaintext, &["administrator", "officer"]);
    let expected = [
        step("administrator", Act::CreateCredential { of: called("app") }),
        granted("officer", called("app"), "cards"),
        decrypts(called("app"), "cards"),
    ];
    assert_eq!(path, expected);
}

fn opens(by: &str, holder: Subject, ring: &str) -> Step {
    step(by, Act::OpenBreakGlass { holder, ring: ring.parse().unwrap() })
}

#[test]
fn emergency_access_takes_three_unless_nobody_must_approve_anything() {
    let mut world = World::set_up();
    world.person("pia", None, SET_UP);
    let is_emergency = |step: &Step| matches!(step.act, Act::OpenBreakGlass { .. });
    let found = world.found(Rules::default(), true);
    assert!(!found.is_empty() && found.iter().all(|(.., path)| !path.iter().any(is_emergency)), "{found:#?}");
    world.quorum = 0;
    let found = world.found(Rules::default(), true);
    let expected = [opens("responder", called("pia"), "orders"), decrypts(called("pia"), "orders")];
    assert_eq!(way(&found, Goal::Plaintext, &["pia", "responder"]), expected);
    let alone = world.found(Rules::default(), false);
    assert!(!alone.iter().any(|(_, names, _)| names == &["responder"] || names == &["pia"]), "{alone:#?}");
    world.rings.retain(|ring| ring.name.as_str() == "cards");
    world.grants.clear();
    // Where others approve grants, one approves this as well; and nobody makes the holder a credential as long as it is open.
    let found = world.found(Rules::default(), true);
    for pair in [["pia", "responder"], ["officer", "responder"]] {
        assert!(!found.iter().any(|(_, names, _)| names == &pair), "{pair:?}: {found:#?}");
    }
}

/// Whoever made a credential may have made by it, as its holder, what the holder seems to have made.
#[test]
fn what_somebody_made_by_what_another_made_for_them_is_the_others_as_well() {
    let mut world = World::set_up();
    for name in ["carla", "cyril"] {
        world.appointed(name, Role::Custodian, "officer", "officer-2");
        let first = world.credentials.last_mut().unwrap();
        (first.status, first.expires_at) = (Status::Revoked, NOW);
        // Made while that one was good.
        world.credential(name, CredentialKind::Certificate, name);
    }
    let path = way(&world.found(Rules::default(), false), Goal::Quorum, &["officer"]);
    let keeps = |of: &str| step("officer", Act::Keep { of: called(of), is_code: false });
    assert_eq!(path[..2], [keeps("carla"), keeps("cyril")]);
    let facts = world.facts();
    let analyzer = Analyzer(judge(&facts, Rules::default()));
    let gives = |to: &str| Act::AssignCapacity { to: called(to), capacity: Capacity::Dpo };
    let ruling = |by: &str| analyzer.ruling(&by.parse().unwrap(), &gives("carla"));
    assert_eq!((ruling("officer"), ruling("officer-2")), (Some(Ruling::Refused), Some(Ruling::Approval(2))));
    // What came about once that had ended is theirs alone.
    for credential in world.credentials.iter_mut().rev().take(4) {
        if credential.status == Status::Active {
            credential.created_at = NOW;
        }
    }
    assert_eq!(world.found(Rules::default(), false), []);
}

#[test]
fn whoever_entered_who_decides_on_emergency_access_may_have_kept_their_secrets() {
    let mut world = World::set_up();
    world.person("pia", None, SET_UP);
    world.appointed("rolf", Role::Responder, "officer", "officer-2");
    let found = world.found(Rules::default(), false);
    let keeps = |of: &str| step("officer", Act::Keep { of: called(of), is_code: false });
    let opened = Step { approved_by: vec![called("rolf")], ..opens("officer", called("pia"), "orders") };
    assert_eq!(way(&found, Goal::Quorum, &["officer"]), [keeps("rolf"), opened]);
    // Whoever can act as the holder approves nothing: for what a key protects it takes another one.
    assert!(
        found.iter().all(|(goal, names, _)| *goal == Goal::Quorum && names == &["officer"]),
        "{found:#?}"
    );
    world.appointed("rudi", Role::Responder, "officer", "officer-2");
    let path = way(&world.found(Rules::default(), false), Goal::Plaintext, &["officer"]);
    let opened = Step { approved_by: vec![called("rudi")], ..opens("rolf", called("pia"), "orders") };
    let made = step("officer", Act::CreateCredential { of: called("pia") });
    assert_eq!(path, [made, keeps("rolf"), keeps("rudi"), opened, decrypts(called("pia"), "orders")]);
}

#[test]
fn without_the_rule_of_makers_two_open_emergency_access_for_one_whom_they_made() {
    let mut world = World::set_up();
    world.rings.retain(|ring| ring.name.as_str() == "cards");
    world.grants.clear();
    assert_eq!(world.found(Rules::default(), true), []);
    let off = Rules { makers: false, ..Rules::default() };
    assert_eq!(world.found(off, false), [], "it takes two even so");
    let path = way(&world.found(off, true), Goal::Plaintext, &["officer", "officer-2"]);
    let made = Act::CreatePrincipal { puppet: Subject::Puppet(1), kind: PrincipalKind::Human };
    assert_eq!((length(&path), &path[0]), (6, &step("officer", made)));
    let is_emergency = |step: &&Step| matches!(step.act, Act::OpenBreakGlass { .. });
    let approved_by = path.iter().find(is_emergency).map(|step| step.approved_by.len());
    assert_eq!(approved_by, Some(1), "{path:#?}");
}

#[test]
fn a_code_is_ruled_as_a_credential_and_a_capacity_takes_the_quorum() {
    let mut world = World::set_up();
    world.person("pia", None, SET_UP);
    let facts = world.facts();
    let analyzer = Analyzer(judge(&facts, Rules::default()));
    let ruling = |by: &str, act: Act| analyzer.ruling(&by.parse().unwrap(), &act).unwrap();
    let gives = |to: &str| Act::AssignCapacity { to: called(to), capacity: Capacity::Dpo };
    assert_eq!(ruling("officer", gives("pia")), Ruling::Approval(2));
    for (by, to) in [("officer", "officer"), ("officer", "app"), ("administrator", "pia"), ("pia", "pia")] {
        assert_eq!(ruling(by, gives(to)), Ruling::Refused, "{by} {to}");
    }
    for (by, of) in [
        ("officer", "pia"),
        ("officer", "custodian-1"),
        ("officer", "app"),
        ("administrator", "pia"),
        ("pia", "pia"),
    ] {
        let [code, credential] =
            [Act::CreateCode { of: called(of) }, Act::CreateCredential { of: called(of) }]
                .map(|act| ruling(by, act));
        assert_eq!(code, credential, "{by} {of}");
    }
    // Codes are for people.
    assert_eq!(ruling("administrator", Act::CreateCode { of: called("app") }), Ruling::Refused);
}

#[test]
fn a_plan_takes_as_many_as_what_it_does_and_does_nothing_else() {
    let mut world = World::set_up();
    world.person("pia", None, SET_UP);
    let facts = world.facts();
    let analyzer = Analyzer(judge(&facts, Rules::default()));
    let ruling = |by: &str, act: &Act| analyzer.ruling(&by.parse().unwrap(), act).unwrap();
    let plan = |acts: &[Act]| Act::ApplyPlan { acts: acts.to_vec() };
    let (to, ring) = (called("pia"), "orders".parse().unwrap());
    let gives = Act::AssignCapacity { to: to.clone(), capacity: Capacity::Dpo };
    let assigns = Act::AssignRole { to: to.clone(), role: Role::Operator };
    let relaxes = Act::Perform { action: Action::SetRingSeparation, ring: Some(ring) };
    for (by, acts, expected) in [
        ("officer", &[gives.clone(), assigns.clone()][..], Ruling::Approval(2)),
        ("officer", &[relaxes.clone(), assigns.clone()], Ruling::Approval(2)),
        ("administrator", std::slice::from_ref(&gives), Ruling::Refused),
        ("auditor", std::slice::from_ref(&gives), Ruling::Refused),
        ("officer", &[], Ruling::Refused),
    ] {
        assert_eq!(ruling(by, &plan(acts)), expected, "{by}: {acts:?}");
    }
    // What nobody must approve, and what cannot be taken back, is in no plan.
    let grants = Act::CreateGrant { to, ring: "orders".parse().unwrap(), action: Action::Decrypt };
    assert_eq!(ruling("officer", &grants), Ruling::Done);
    assert_eq!(ruling("officer", &plan(&[gives.clone(), grants])), Ruling::Refused);
    let destroys = Act::Perform { action: Action::ScheduleDestroy, ring: Some("orders".parse().unwrap()) };
    assert_eq!(ruling("administrator", &destroys), Ruling::Approval(2));
    assert_eq!(ruling("administrator", &plan(&[destroys])), Ruling::Refused);
    // By no plan anybody does what nobody lets them do by itself.
    for by in ["administrator", "auditor", "custodian-1", "operator", "responder", "officer", "pia", "app"] {
        for act in [&gives, &assigns, &relaxes] {
            assert!(ruling(by, &plan(std::slice::from_ref(act))) == ruling(by, act), "{by}: {act:?}");
        }
    }
}

#[test]
fn a_custodian_takes_a_recovery_back_while_its_wait_goes_on() {
    let mut world = World::set_up();
    let wait = Recovery::WAIT;
    for (name, at, acknowledged_by) in [
        ("rosa", NOW, None),
        ("ralf", NOW, Some(who("auditor"))),
        ("ruth", Timestamp::from_micros(NOW.as_micros() - u64::try_from(wait.as_micros()).unwrap()), None),
    ] {
        world.person(name, Some(Role::SecurityOfficer), SET_UP);
        world.principals.last_mut().unwrap().recovery = Some(Recovery { at, acknowledged_by });
    }
    let facts = world.facts();
    let analyzer = Analyzer(judge(&facts, Rules::default()));
    for (by, of, expected) in [
        ("custodian-1", "rosa", Ruling::Done),
        ("custodian-1", "ralf", Ruling::Refused),
        ("custodian-1", "ruth", Ruling::Refused),
        ("custodian-1", "officer", Ruling::Refused),
        ("officer", "rosa", Ruling::Refused),
        ("rosa", "rosa", Ruling::Refused),
    ] {
        let cancel = Act::CancelRecovery { of: called(of) };
        assert_eq!(analyzer.ruling(&by.parse().unwrap(), &cancel), Some(expected), "{by} {of}");
    }
}

#[test]
fn without_the_rule_of_credentials_an_officer_acts_as_applications_and_custodians() {
    let off = Rules { credentials: false, ..Rules::default() };
    let found = World::set_up().found(off, false);
    for officer in ["officer", "officer-2"] {
        let path = way(&found, Goal::Plaintext, &[officer]);
        assert_eq!(
            path,
            [step(officer, Act::CreateCredential { of: called("app") }), decrypts(called("app"), "orders")]
        );
        let path = way(&found, Goal::Quorum, &[officer]);
        let [one, other, last] = path.as_slice() else { panic!("{path:?}") };
        let taken = |step: &Step| match &step.act {
            Act::CreateCredential { of } => Some(of.clone()),
            _ => None,
        };
        assert_eq!(last.approved_by, [one, other].map(|step| taken(step).unwrap()));
        way(&found, Goal::Record, &[officer]);
        way(&found, Goal::Weakening, &[officer]);
    }
}

#[test]
fn without_the_rule_of_makers_an_officer_makes_who_reads() {
    let off = Rules { makers: false, ..Rules::default() };
    let found = World::set_up().found(off, false);
    let path = way(&found, Goal::Plaintext, &["officer"]);
    let made = Act::CreatePrincipal { puppet: Subject::Puppet(1), kind: PrincipalKind::Human };
    assert_eq!((length(&path), &path[0]), (4, &step("officer", made)));
    assert!(found.iter().all(|(goal, ..)| *goal == Goal::Plaintext));
}

#[test]
fn without_the_rule_of_imports_an_administrator_knows_the_key() {
    let off = Rules { imports: false, ..Rules::default() };
    let found = World::set_up().found(off, false);
    let path = way(&found, Goal::Plaintext, &["administrator"]);
    assert!(matches!(path.as_slice(), [Step { act: Act::ImportMaterial { .. }, .. }]), "{path:?}");
    assert_eq!(found.len(), 1);
}

#[test]
fn without_the_rule_of_persons_second_accounts_are_others() {
    let off = Rules { persons: false, ..Rules::default() };
    let mut world = World::set_up();
    world.account("second", None, "officer");
    assert_eq!(world.found(Rules::default(), false), []);
    let path = way(&world.found(off, false), Goal::Plaintext, &["officer"]);
    assert_eq!(path, [granted("officer", called("second"), "orders"), decrypts(called("second"), "orders")]);

    let mut world = World::set_up();
    world.account("keeper", Some(Role::Custodian), "officer-2");
    world.account("keeper-2", Some(Role::Custodian), "officer-2");
    assert_eq!(world.found(Rules::default(), false), []);
    let path = way(&world.found(off, false), Goal::Quorum, &["keeper"]);
    assert_eq!(path.len(), 1);
    assert_eq!(path[0].approved_by, [called("keeper"), called("keeper-2")]);
}

#[test]
fn where_nobody_must_approve_an_officer_does_what_is_held_up_elsewhere() {
    let mut world = World::set_up();
    world.quorum = 0;
    let found = world.found(Rules::default(), false);
    // Not the one who granted.
    let path = way(&found, Goal::Plaintext, &["officer-2"]);
    assert_eq!(path[0], step("officer-2", Act::CreateCredential { of: called("app") }));
    assert!(!found.iter().any(|(goal, names, _)| *goal == Goal::Plaintext && names == &["officer"]));
    for officer in ["officer", "officer-2"] {
        assert_eq!(length(&way(&found, Goal::Record, &[officer])), 1);
        assert_eq!(length(&way(&found, Goal::Weakening, &[officer])), 1);
    }
    // What rings ask for is asked for still: whoever makes custodians does not appoint them.
    assert!(!found.iter().any(|(goal, ..)| *goal == Goal::Quorum));
    let pairs = world.found(Rules::default(), true);
    let quorum = pairs.iter().filter(|(goal, ..)| *goal == Goal::Quorum);
    assert!(quorum.clone().any(|(_, names, _)| names == &["officer", "officer-2"]), "{pairs:#?}");
}

#[test]
fn whoever_entered_the_custodians_may_have_kept_their_secrets() {
    let mut world = World::set_up();
    world.appointed("carla", Role::Custodian, "officer", "officer-2");
    assert_eq!(world.found(Rules::default(), false), [], "one is too few");
    world.appointed("cyril", Role::Custodian, "officer", "officer-2");
    let found = world.found(Rules::default(), false);
    let path = way(&found, Goal::Quorum, &["officer"]);
    let keeps = |of: &str| step("officer", Act::Keep { of: called(of), is_code: false });
    assert_eq!((&path[..2], length(&path)), (&[keeps("carla"), keeps("cyril")][..], 6));
    assert!(!found.iter().any(|(_, names, _)| names == &["officer-2"]));
}

#[test]
fn what_was_granted_is_named_and_so_is_who_may_have_kept_the_secret_of_an_application() {
    let mut world = World::set_up();
    world.person("gina", None, SET_UP);
    world.grant("gina", "orders", "officer", &[Action::Decrypt]);
    world.credential("app", CredentialKind::Token, "administrator");
    let analysis = world.analyzed(Rules::default(), false);
    assert_eq!(analysis.found, []);
    let of = |kind| {
        let one = analysis.named.iter().find(|one| one.kind == kind);
        one.map(|one| (one.names[0].as_str(), one.count))
    };
    assert_eq!(of(ExceptionKind::Granted), Some(("gina", 1)));
    assert_eq!(of(ExceptionKind::KeptSecret), Some(("administrator", 1)));
    // Who made the credential of the person acts as the person.
    world.credential("gina", CredentialKind::Token, "officer-2");
    let found = world.found(Rules::default(), false);
    let keeps = step("officer-2", Act::Keep { of: called("gina"), is_code: false });
    assert_eq!(way(&found, Goal::Plaintext, &["officer-2"]), [keeps, decrypts(called("gina"), "orders")]);
}

#[test]
fn one_goal_alone_is_looked_for_where_that_is_asked() {
    let facts = World::set_up().facts();
    let off = Rules { credentials: false, ..Rules::default() };
    let analyzer = Analyzer(judge(&facts, off));
    let question = Question { pairs: true, goal: Some(Goal::Record), founder: false };
    let Ok(analysis) = analyzer.analyze(question, || Ok::<_, Infallible>(()));
    assert!(!analysis.found.is_empty() && analysis.found.iter().all(|one| one.goal == Goal::Record));
    assert!(analysis.named.iter().all(|one| one.goals.iter().all(|goal| *goal == Goal::Record)));
    // Whoever asked may leave.
    let question = Question { pairs: true, goal: None, founder: false };
    assert_eq!(analyzer.analyze(question, || Err("gone")), Err("gone"));
}

#[test]
fn goals_have_numbers_and_every_act_a_command() {
    for goal in Goal::ALL {
        assert_eq!(Goal::from_number(goal.number()), Some(goal));
    }
    assert_eq!((Goal::from_number(0), Goal::from_number(5)), (None, None));
    let off = Rules { credentials: false, makers: false, imports: false, ..Rules::default() };
    for (.., path) in World::set_up().found(off, true) {
        for Step { act, .. } in path {
            assert!(act.command().starts_with("claviger "), "{}", act.command());
            if let Act::Perform { action, .. } = act {
                assert!(sensitive::of(action).is_some(), "{action}");
            }
        }
    }
    let (to, ring) = (called("pia"), "orders".parse().unwrap());
    for act in [
        Act::ApplyPlan { acts: Vec::new() },
        Act::AssignCapacity { to: to.clone(), capacity: Capacity::Dpo },
        Act::CancelRecovery { of: to.clone() },
        Act::CreateCode { of: to.clone() },
        Act::OpenBreakGlass { holder: to, ring },
    ] {
        let command = act.command();
        assert!(command.starts_with("claviger ") && act.action().is_some(), "{command}");
    }
}

/// How often each is reached, by classes.
fn counted(judge: &Judge<'_>) -> BTreeMap<Goal, (u64, u64)> {
    let question = Question { pairs: true, goal: None, founder: false };
    let Ok(analysis) = classes::analyze(judge, question, || Ok::<_, Infallible>(()));
    let mut counted: BTreeMap<_, _> = Goal::ALL.map(|goal| (goal, (0, 0))).into();
    for one in analysis.found {
        let of = counted.get_mut(&one.goal).unwrap();
        if one.members.len() == 1 { of.0 += one.count } else { of.1 += one.count }
    }
    counted
}

/// The same, one by one.
fn counted_one_by_one(judge: &Judge<'_>) -> BTreeMap<Goal, (u64, u64)> {
    let count = |found: &BTreeSet<Vec<PrincipalId>>, size: usize| {
        u64::try_from(found.iter().filter(|one| one.len() == size).count()).unwrap()
    };
    let all = one_by_one(judge).into_iter();
    all.map(|(goal, found)| (goal, (count(&found, 1), count(&found, 2)))).collect()
}

/// Numbers that follow from one.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn pick<'a>(&mut self, all: &'a [String]) -> &'a str {
        &all[self.below(all.len())]
    }
}

/// A few people and applications, made and given things by each other in any way.
fn random(seed: u64) -> (World, Rules) {
    let mut dice = Dice(seed);
    let mut world = World::new(u8::try_from(dice.below(3)).unwrap());
    world.ring("orders", None);
    world.ring("cards", Some(DataClass::Cardholder));
    let people: Vec<_> = (0..4 + dice.below(4)).map(|number| format!("p{number}")).collect();
    let makers: Vec<_> = people.iter().cloned().chain([SET_UP.to_owned(), SET_UP.to_owned()]).collect();
    for (number, name) in people.iter().enumerate() {
        let role = match dice.below(8) {
            0 | 1 => Some(Role::SecurityOfficer),
            2 => Some(Role::Administrator),
            3 | 4 => Some(Role::Custodian),
            5 => Some(Role::Auditor),
            _ => None,
        };
        world.person(name, role, dice.pick(&makers));
        let given_by = who(dice.pick(&people));
        let made = world.principals.last_mut().unwrap();
        if let Some(role) = role.filter(|_| dice.below(2) == 0) {
            made.role_givers = vec![(role, given_by)];
        }
        if number > 0 && dice.below(6) == 0 {
            made.same_person_as = Some(who("p0"));
        }
    }
    for name in ["app", "tool"] {
        world.principal(name, PrincipalKind::Workload, dice.pick(&makers));
        world.credential(name, CredentialKind::Token, dice.pick(&makers));
        if dice.below(2) == 0 {
            world.grant(name, "orders", dice.pick(&people), &[Action::Decrypt]);
        }
    }
    let mut on = || dice.below(4) > 0;
    let rules = Rules { credentials: on(), grants: on(), imports: on(), makers: on(), persons: on() };
    (world, rules)
}

fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(16), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn classes_say_of_many_what_each_of_them_reaches(seed in any::<u64>()) {
        let (world, rules) = random(seed);
        let facts = world.facts();
        let judge = judge(&facts, rules);
        prop_assert_eq!(counted(&judge), counted_one_by_one(&judge), "{:#?} {:#?}", rules, world);
    }
}

/// A firm of so many principals, a tenth of them people and one in thirty with a role, with so many grants.
fn firm(principals: usize, grants: usize) -> World {
    let mut dice = Dice(7);
    let mut world = World::set_up();
    world.grants.clear();
    for number in 0..40 {
        world.ring(&format!("ring-{number}"), (number % 4 == 0).then_some(DataClass::Ephi));
    }
    let roles = [Role::Administrator, Role::Custodian, Role::SecurityOfficer, Role::Operator, Role::Auditor];
    let (mut officers, mut administrators) = (vec!["officer".to_owned()], vec!["administrator".to_owned()]);
    let mut applications = vec!["app".to_owned()];
    for number in 0..principals {
        let name = format!("n{number}");
        if number % 10 != 0 {
            let by = dice.pick(&administrators).to_owned();
            world.principal(&name, PrincipalKind::Workload, &by);
            world.credential(&name, CredentialKind::Certificate, &by);
            applications.push(name);
            continue;
        }
        let by = dice.pick(&officers).to_owned();
        if number % 30 != 0 {
            world.person(&name, None, &by);
            continue;
        }
        let role = roles[dice.below(roles.len())];
        let giver = dice.pick(&officers).to_owned();
        world.appointed(&name, role, &by, &giver);
        // Each has entered a certificate of their own since.
        world.credentials.last_mut().unwrap().created_by = Some(who(&name));
        match role {
            Role::Administrator => administrators.push(name),
            Role::SecurityOfficer => officers.push(name),
            _ => {}
        }
    }
    for _ in 0..grants {
        let (to, by) = (dice.pick(&applications).to_owned(), dice.pick(&officers).to_owned());
        let ring = format!("ring-{}", dice.below(40));
        world.grant(&to, &ring, &by, &[Action::Decrypt, Action::Encrypt]);
    }
    world
}

/// What this process has had of memory at most, in kB.
fn most_memory_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// `CLAVIGER_GRANTS`, as many as it says and a hundred thousand at least, is a firm of ten thousand principals, and looks at times and at
/// memory.
#[test]
fn a_firm_of_thousands_is_looked_at_in_seconds() {
    let by_night = std::env::var("CLAVIGER_GRANTS").ok().map(|number| number.parse::<usize>().unwrap());
    let grants = by_night.map_or(1_000, |grants| grants.max(100_000));
    let world = firm((grants / 10).clamp(300, 10_000), grants);
    let facts = world.facts();
    let judge = judge(&facts, Rules::default());
    for (pairs, bound_seconds) in [(false, 10), (true, 60)] {
        #[expect(clippy::disallowed_methods, reason = "how long it takes is what is looked at")]
        let began = std::time::Instant::now();
        let question = Question { pairs, goal: None, founder: false };
        let Ok(analysis) = classes::analyze(&judge, question, || Ok::<_, Infallible>(()));
        let (took, classes) = (began.elapsed(), analysis.looked_at.classes);
        let principals = facts.known.len();
        println!("{principals} principals, {grants} grants, {classes} classes, pairs {pairs}: {took:?}");
        assert!(analysis.found.iter().all(|one| one.members.len() == 2), "{:#?}", analysis.found.first());
        assert_eq!(analysis.found.is_empty(), !pairs);
        let is_measured = by_night.is_some() && cfg!(not(debug_assertions));
        assert!(!is_measured || took <= std::time::Duration::from_secs(bound_seconds), "{took:?}");
    }
    // The rows that are looked at and what is made of them, both: a service that reads them has less.
    let most = most_memory_kb();
    println!("{most} kB at most");
    assert!(by_night.is_none() || most <= 1024 * 1024, "{most} kB");
}
