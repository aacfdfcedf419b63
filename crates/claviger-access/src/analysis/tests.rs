//! Small deployments, in which it is known who reaches what; and what each rule is there for.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, LazyLock};

use claviger_core::governance::Governance;
use claviger_core::grant::{Basis, Conditions, Grant, GrantOrigin, Selector, Spelling};
use claviger_core::key::{DataClass, KeyRing, RingPolicy, Separation};
use claviger_core::principal::{Credential, CredentialKind, Principal, PrincipalKind, Role, Status};
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
}

impl World {
    fn new(quorum: u8) -> Self {
        let (principals, credentials) = (Vec::new(), Vec::new());
        Self { quorum, principals, credentials, rings: Vec::new(), grants: Vec::new() }
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
        let question = Question { pairs, goal: None };
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
    let keeps = |of: &str| step("officer", Act::Keep { of: called(of) });
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
    let keeps = step("officer-2", Act::Keep { of: called("gina") });
    assert_eq!(way(&found, Goal::Plaintext, &["officer-2"]), [keeps, decrypts(called("gina"), "orders")]);
}

#[test]
fn one_goal_alone_is_looked_for_where_that_is_asked() {
    let facts = World::set_up().facts();
    let off = Rules { credentials: false, ..Rules::default() };
    let analyzer = Analyzer(judge(&facts, off));
    let question = Question { pairs: true, goal: Some(Goal::Record) };
    let Ok(analysis) = analyzer.analyze(question, || Ok::<_, Infallible>(()));
    assert!(!analysis.found.is_empty() && analysis.found.iter().all(|one| one.goal == Goal::Record));
    assert!(analysis.named.iter().all(|one| one.goals.iter().all(|goal| *goal == Goal::Record)));
    // Whoever asked may leave.
    let question = Question { pairs: true, goal: None };
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
}

/// How often each is reached, by classes.
fn counted(judge: &Judge<'_>) -> BTreeMap<Goal, (u64, u64)> {
    let question = Question { pairs: true, goal: None };
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

/// `CLAVIGER_GRANTS=100000` is a firm of ten thousand principals, and looks at times.
#[test]
fn a_firm_of_thousands_is_looked_at_in_seconds() {
    let by_night = std::env::var("CLAVIGER_GRANTS").ok().map(|number| number.parse::<usize>().unwrap());
    let grants = by_night.unwrap_or(1_000);
    let world = firm((grants / 10).clamp(300, 10_000), grants);
    let facts = world.facts();
    let judge = judge(&facts, Rules::default());
    for (pairs, bound_seconds) in [(false, 10), (true, 60)] {
        #[expect(clippy::disallowed_methods, reason = "how long it takes is what is looked at")]
        let began = std::time::Instant::now();
        let question = Question { pairs, goal: None };
        let Ok(analysis) = classes::analyze(&judge, question, || Ok::<_, Infallible>(()));
        let (took, classes) = (began.elapsed(), analysis.looked_at.classes);
        let principals = facts.known.len();
        println!("{principals} principals, {grants} grants, {classes} classes, pairs {pairs}: {took:?}");
        assert!(analysis.found.iter().all(|one| one.members.len() == 2), "{:#?}", analysis.found.first());
        assert_eq!(analysis.found.is_empty(), !pairs);
        let is_measured = by_night.is_some() && cfg!(not(debug_assertions));
        assert!(!is_measured || took <= std::time::Duration::from_secs(bound_seconds), "{took:?}");
    }
}
