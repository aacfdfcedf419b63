//! What the analysis says of one act is what the road answers; each way that it finds is gone to its end; and what the report says of a
//! key is what explaining the key says.

#![expect(
    clippy::indexing_slicing,
    reason = "an act that points beyond what there is is a mistake of this test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use claviger_access::Authorizer;
use claviger_access::analysis::{
    Act, Analysis, Analyzer, ExceptionKind, Goal, Question, Rules, Ruling, Step, Subject,
};
use claviger_core::action::Plane;
use claviger_core::capacity::Capacity;
use claviger_core::grant::Conditions;
use claviger_core::key::{DataClass, KeyRecord, Origin, PlaintextDataKeys, RingPolicy, Separation};
use claviger_core::object::{Kind, RowCursor, StateRow};
use claviger_core::port::Store as _;
use claviger_core::port::store::Page;
use claviger_core::principal::{PrincipalKind, Role};
use claviger_core::reason::TextAtRest;
use claviger_core::{Action, Name, Purpose, ReasonId, Spec, Timestamp};
use claviger_crypto::WrappingAlgorithm;
use claviger_crypto::envelope::Context;
use claviger_service::operation::usage::{Decrypt, UseKey};
use claviger_service::operation::*;
use claviger_service::{
    Call, ErrorKind, Governed, KeyRef, Presented, RingRef, ServiceError, read_access_facts,
};
use proptest::prelude::*;

use crate::approvals::{approval, call};
use crate::declarations::{Signer, parameter};
use crate::delegation::{DEPLOY, given, name, until};
use crate::deployment::{
    ADA, APP, CARL, CLEO, CORA, DAY, Deployment, OLGA, OTTO, OUTSIDER, Person, VERA, certificate_of,
    reason_of, system,
};
use crate::import::import_once;

const HOUR: Duration = Duration::from_secs(3600);
/// People without a role.
const PEOPLE: [&str; 2] = ["pia", "paul"];
/// An officer whom a recovery made.
const RECOVERED: &str = "rosa";
/// Rings: an ordinary one, one for restricted data, one where one person is enough, one without keys.
const RINGS: [&str; 4] = ["orders", "cards", "tools", "empty"];
/// Acts of one history, and histories by day; `PROPTEST_CASES` says how many acts there are by night.
const ACTS: usize = 30;
const FEW: u32 = 4;

/// A deployment with what there is to reach.
struct Place {
    deployment: Deployment,
    /// By what everybody is known, and signs.
    presented: BTreeMap<String, Presented>,
    signers: BTreeMap<String, Signer>,
    /// Credentials that others must approve first, as they were asked for; and keys to be destroyed that are not.
    asked: BTreeMap<String, (Signer, Name, Timestamp)>,
    doomed: BTreeMap<String, KeyRecord>,
    /// What a key of each ring protects.
    sealed: BTreeMap<&'static str, Vec<u8>>,
    made: u32,
}

impl Place {
    /// One in which so many must approve what concerns all of it.
    async fn build(quorum: u8) -> Self {
        let person = |name: &'static str| -> Person<'static> { (name, PrincipalKind::Human, None) };
        let rita = ("rita", PrincipalKind::Human, Some(Role::Responder));
        let people = [ADA, OTTO, OLGA, VERA, APP, OUTSIDER, CARL, CORA, CLEO, rita];
        let people: Vec<_> = people.into_iter().chain(PEOPLE.map(person)).collect();
        let deployment = Deployment::build_under(quorum, &people).await;
        let known = |name: &str| (name.to_owned(), Presented::certificate(&certificate_of(name)));
        let presented = people.iter().map(|(name, ..)| known(name)).collect();
        let (signers, asked) = (BTreeMap::new(), BTreeMap::new());
        let (doomed, sealed) = (BTreeMap::new(), BTreeMap::new());
        let mut place = Self { deployment, presented, signers, asked, doomed, sealed, made: 0 };
        place.furnish().await;
        place
    }

    async fn furnish(&mut self) {
        let deployment = &self.deployment;
        let restricted = RingPolicy {
            data_class: Some(DataClass::Cardholder),
            plaintext_data_keys: PlaintextDataKeys::Refused,
            ..RingPolicy::default()
        };
        for (name, policy) in [("cards", restricted), ("empty", RingPolicy::default())] {
            deployment.ask("ada", CreateRing { name: name.parse().unwrap(), policy }).await.unwrap();
        }
        deployment.relaxed_ring("tools").await;
        for ring in ["orders", "cards", "tools"] {
            deployment.key_in(ring, "one", Purpose::Encrypt, Spec::Aes256Gcm).await;
        }
        for (by, to) in [("otto", "app"), ("olga", "outsider")] {
            let on = GrantOn::Ring("orders".parse().unwrap());
            let uses = if to == "app" { [Action::Encrypt, Action::Decrypt] } else { [Action::Encrypt; 2] };
            deployment.ask(by, given(to, on, &uses, Conditions::default())).await.unwrap();
        }
        let on = GrantOn::Ring("cards".parse().unwrap());
        deployment.ask("otto", given("app", on, &[Action::Encrypt], Conditions::default())).await.unwrap();
        for ring in ["orders", "cards"] {
            let key = format!("{ring}/one").parse().unwrap();
            let key = deployment.store.find_key_id(&key).await.unwrap().unwrap();
            let key = deployment.store.find_key(key).await.unwrap().unwrap();
            let sealed = deployment.encrypt("app", &key, b"what the key protects").await.unwrap();
            self.sealed.insert(ring, sealed);
        }
        let patch = RingPatch { grants_under_quorum: Some(true), ..RingPatch::default() };
        let update = UpdateRing { ring: "cards".parse().unwrap(), patch, if_revision: None };
        deployment.ask("ada", update).await.unwrap();
    }

    /// People whom one officer enters, with certificates of keys that the officer has, and to whom the other gives a role.
    async fn enter(&mut self, people: &[(&str, Role)]) {
        for (who, role) in people {
            self.deployment.ask("otto", create(who, PrincipalKind::Human)).await.unwrap();
            self.make_credential("otto", who).await.unwrap();
            let assign = || AssignRole { principal: name(who), role: *role };
            let pending = self.deployment.ask("olga", assign()).await.unwrap_err();
            for custodian in ["carl", "cora"] {
                self.approve(custodian, &pending).await;
            }
            self.deployment.ask("olga", assign()).await.unwrap();
        }
    }

    /// An officer whom a recovery makes, and whom nobody has acknowledged.
    async fn recover(&mut self, who: &str) {
        let recover = Recover {
            name: who.parse().unwrap(),
            certificate: certificate_of(who),
            expires_at: self.deployment.clock.wall().after(DAY * 365),
        };
        self.deployment.road.perform_for_system(system(), recover).await.unwrap();
    }

    async fn ask<O: Operation>(&self, by: &str, operation: O) -> Result<(), ServiceError> {
        self.deployment.ask_with(self.presented[by].clone(), operation).await.map(drop)
    }

    /// Makes a credential of somebody, with a certificate whose key is known here: the same one until it is made.
    async fn make_credential(&mut self, by: &str, of: &str) -> Result<(), ServiceError> {
        self.made += 1;
        let (signer, label, expires_at) = self.asked.remove(of).unwrap_or_else(|| {
            let label = format!("made-{}", self.made).parse().unwrap();
            (Signer::new(&self.deployment), label, self.deployment.clock.wall().after(DAY * 90))
        });
        let der = signer.certificate().to_vec();
        let what = NewCredential::Certificate { der, chain: Vec::new(), expires_at };
        let create = CreateCredential { principal: name(of), label: label.clone(), what, to_confirm: false };
        if let Err(error) = self.ask(by, create).await {
            self.asked.insert(of.to_owned(), (signer, label, expires_at));
            return Err(error);
        }
        self.presented.insert(of.to_owned(), signer.presented());
        self.signers.insert(of.to_owned(), signer);
        Ok(())
    }

    async fn approve(&mut self, who: &str, pending: &ServiceError) {
        if !self.signers.contains_key(who) {
            let signer = Signer::of(&self.deployment, who).await.unwrap();
            self.signers.insert(who.to_owned(), signer);
        }
        let id = pending.approval().unwrap_or_else(|| panic!("{pending:?}"));
        let row = self.deployment.store.find_approval(id).await.unwrap().unwrap();
        let signer = &self.signers[who];
        let approve = approval(signer, &row, self.deployment.clock.wall());
        self.deployment.ask_with(signer.presented(), approve).await.unwrap();
    }

    async fn analyze(&self, pairs: bool) -> Analysis {
        let analyze = AnalyzeAccess { pairs, goal: None, founder: false };
        self.deployment.ask("vera", analyze).await.unwrap().output
    }

    /// A new key of a ring, which nothing was done to yet.
    async fn new_key(&mut self, ring: &str, origin: Origin) -> KeyRecord {
        self.made += 1;
        let key = format!("new-{}", self.made);
        let new = self.deployment.new_key(ring, &key, Purpose::Encrypt, Spec::Aes256Gcm);
        let new = CreateKey { data_class: Some(DataClass::Internal), origin, ..new };
        self.deployment.ask("ada", new).await.unwrap().output
    }

    /// A reason that somebody else gave, and whose text was not erased.
    async fn reason_of_another(&self, than: &str) -> Option<ReasonId> {
        let than = self.deployment.store.find_principal_by_name(&than.parse().unwrap()).await.unwrap()?.id;
        let from = RowCursor { kind: Kind::Reason, after: None };
        let rows = self.deployment.store.list_rows(from, 1000).await.unwrap();
        rows.into_iter().find_map(|found| match found.row {
            StateRow::Reason(reason) => {
                (reason.given_by != than && reason.text != TextAtRest::None).then_some(reason.id)
            }
            _ => None,
        })
    }

    /// Does what the analysis calls so. `None` where there is nothing left to do it to.
    async fn perform(&mut self, by: &str, act: &Act) -> Option<Result<(), ServiceError>> {
        Some(match act {
            Act::ApplyPlan { acts } => self.ask_plan(by, acts).await,
            Act::AssignCapacity { to, capacity } => {
                self.ask(by, AssignCapacity { principal: name(&to.to_string()), capacity: *capacity }).await
            }
            Act::AssignRole { to, role } => {
                self.ask(by, AssignRole { principal: name(&to.to_string()), role: *role }).await
            }
            Act::CancelRecovery { of } => {
                self.ask(by, CancelRecovery { principal: name(&of.to_string()) }).await
            }
            Act::CreateCode { of } => {
                self.made += 1;
                let label = format!("code-{}", self.made).parse().unwrap();
                let what = NewCredential::EnrolmentCode { lifetime: DAY };
                let principal = name(&of.to_string());
                self.ask(by, CreateCredential { principal, label, what, to_confirm: false }).await
            }
            Act::CreateCredential { of } => self.make_credential(by, &of.to_string()).await,
            Act::CreateGrant { to, ring, action } => {
                let on = GrantOn::Ring(ring_ref(ring));
                let ends = until(self.deployment.clock.wall().after(DAY));
                self.ask(by, given(&to.to_string(), on, &[*action], ends)).await
            }
            Act::CreatePrincipal { puppet, kind } => self.ask(by, create(&puppet.to_string(), *kind)).await,
            Act::ImportMaterial { .. } | Act::Keep { .. } => return None,
            Act::OpenBreakGlass { holder, ring } => {
                let (holder, keys) =
                    (name(&holder.to_string()), vec![format!("{ring}/one").parse().unwrap()]);
                self.ask(by, OpenBreakGlass { holder, keys, lifetime: None }).await
            }
            Act::Perform { action, ring } => self.perform_other(by, *action, ring.as_ref()).await?,
            Act::Use { ring, action: Action::Decrypt } => {
                let ciphertext = self.sealed[ring.as_str()].clone().into();
                let what = Decrypt { ciphertext, context: Context::EMPTY, algorithm: None };
                self.ask(by, UseKey::by_header(what).unwrap()).await
            }
            Act::Use { .. } => panic!("{act:?}"),
        })
    }

    /// Asks others for these acts at once.
    async fn ask_plan(&self, by: &str, acts: &[Act]) -> Result<(), ServiceError> {
        let mut encoded = Vec::new();
        for act in acts {
            let (Act::AssignCapacity { to, .. } | Act::AssignRole { to, .. }) = act else {
                panic!("{act:?}")
            };
            let to = to.to_string().parse().unwrap();
            let principal = self.deployment.store.find_principal_by_name(&to).await.unwrap().unwrap().id;
            let act = match act {
                Act::AssignCapacity { capacity, .. } => {
                    Governed::AssignCapacity { principal, capacity: *capacity, reason: None }
                }
                Act::AssignRole { role, .. } => Governed::AssignRole { principal, role: *role, reason: None },
                other => panic!("{other:?}"),
            };
            encoded.push(act.encode());
        }
        let plan = Call {
            presented: self.presented[by].clone(),
            reason: reason_of(Plane::Control, Action::ApplyPlan),
            ..call("nobody", Plan { acts: encoded })
        };
        self.deployment.road.ask_plan(plan).await.map(drop)
    }

    async fn perform_other(
        &mut self,
        by: &str,
        action: Action,
        ring: Option<&Name>,
    ) -> Option<Result<(), ServiceError>> {
        let reference = ring.map(ring_ref);
        Some(match action {
            Action::Declare => self.ask(by, parameter("access_review_days", "90")).await,
            Action::EraseReason => {
                let id = self.reason_of_another(by).await?;
                self.ask(by, EraseReason { id }).await
            }
            Action::ScheduleDestroy => {
                let ring = ring?.to_string();
                let key = match self.doomed.remove(&ring) {
                    Some(key) => key,
                    None => self.new_key(&ring, Origin::Generated).await,
                };
                let schedule = ScheduleDestroy { key: KeyRef::Id(key.key.id), waiting: None };
                let answer = self.ask(by, schedule).await;
                if answer.is_err() {
                    self.doomed.insert(ring, key);
                }
                answer
            }
            Action::SetGovernance => {
                let rules = self.deployment.ask("vera", ReadGovernance {}).await.unwrap().output;
                let approval_lifetime = Some(rules.approval_lifetime + HOUR);
                self.ask(by, SetGovernance { approval_lifetime, ..SetGovernance::default() }).await
            }
            Action::SetRingSeparation => {
                self.ask(by, SetRingSeparation { ring: reference?, separation: Separation::Relaxed }).await
            }
            Action::UpdateKey => {
                let name = format!("{}/one", ring?).parse().unwrap();
                let key = self.deployment.store.find_key_id(&name).await.unwrap()?;
                let class = self.deployment.store.find_key(key).await.unwrap().unwrap().key.data_class;
                let lower = match class {
                    DataClass::Test => return None,
                    DataClass::Internal => DataClass::Test,
                    _ => DataClass::Internal,
                };
                let patch = KeyPatch { data_class: Some(lower), ..KeyPatch::default() };
                self.ask(by, UpdateKey { key: KeyRef::Id(key), patch, if_revision: None }).await
            }
            Action::UpdateRing => {
                let ring = self.deployment.store.find_ring_by_name(ring?).await.unwrap().unwrap();
                let shorter = ring.policy.destroy_waiting_period.checked_sub(DAY)?;
                if shorter < DAY * 7 {
                    return None;
                }
                let patch = RingPatch { destroy_waiting_period: Some(shorter), ..RingPatch::default() };
                self.ask(by, UpdateRing { ring: reference?, patch, if_revision: None }).await
            }
            other => panic!("{other}"),
        })
    }

    /// Goes a way to its end, step by step, with those who approve on it.
    async fn go(&mut self, path: &[Step]) {
        for step in path {
            let Step { by, act, approved_by } = step;
            let by = by.to_string();
            if let Act::Keep { of, .. } = act {
                assert!(self.presented.contains_key(&of.to_string()), "{of}");
                continue;
            }
            let done = self.perform(&by, act).await.unwrap_or_else(|| panic!("{step:?}"));
            if approved_by.is_empty() {
                done.unwrap_or_else(|error| panic!("{step:?}: {error:?}"));
                continue;
            }
            let pending = done.unwrap_err();
            assert_eq!(pending.kind(), ErrorKind::ApprovalRequired, "{step:?}: {pending:?}");
            for approver in approved_by {
                self.approve(&approver.to_string(), &pending).await;
            }
            self.perform(&by, act).await.unwrap().unwrap_or_else(|error| panic!("{step:?}: {error:?}"));
        }
    }

    /// What the road answered, as the analysis calls it.
    async fn ruling(&self, answer: &Result<(), ServiceError>) -> Ruling {
        let Err(error) = answer else { return Ruling::Done };
        match error.kind() {
            ErrorKind::ApprovalRequired => {
                let id = error.approval().unwrap();
                let row = self.deployment.store.find_approval(id).await.unwrap().unwrap();
                Ruling::Approval(row.quorum)
            }
            ErrorKind::Denied | ErrorKind::NotFound | ErrorKind::SeparationOfDuties => Ruling::Refused,
            _ => panic!("{error:?}"),
        }
    }
}

fn ring_ref(ring: &Name) -> RingRef {
    ring.as_str().parse().unwrap()
}

fn create(name: &str, kind: PrincipalKind) -> CreatePrincipal {
    let name = name.parse().unwrap();
    CreatePrincipal { name, kind, home: None, environment: None, same_person_as: None }
}

/// One act: what is done, and three numbers that choose among what there is.
type Draw = [u8; 4];

fn pick(all: &[String], number: u8) -> &str {
    &all[usize::from(number) % all.len()]
}

/// An act, by somebody who can call, done to somebody who is there.
fn drawn(place: &Place, there: &[String], [what, who, whom, how]: Draw) -> (String, Act) {
    let callers: Vec<_> = place.presented.keys().cloned().collect();
    let by = pick(&callers, who).to_owned();
    let to = Subject::Principal(pick(there, whom).parse().unwrap());
    let ring: Name = RINGS[usize::from(how) % RINGS.len()].parse().unwrap();
    let perform = |action, ring| Act::Perform { action, ring };
    let assign = || Act::AssignRole { to: to.clone(), role: Role::ALL[usize::from(how) % Role::ALL.len()] };
    let capacity = [Capacity::Dpo, Capacity::Ciso][usize::from(how) % 2];
    let answer = || Act::AssignCapacity { to: to.clone(), capacity };
    let act = match what % 25 {
        0 | 1 => {
            let kind = if how % 2 == 0 { PrincipalKind::Human } else { PrincipalKind::Workload };
            let puppet = Subject::Principal(format!("made-{}", place.made).parse().unwrap());
            Act::CreatePrincipal { puppet, kind }
        }
        2..=4 => Act::CreateCredential { of: to },
        5 | 6 => assign(),
        7..=9 => {
            let action = [Action::Decrypt, Action::Encrypt][usize::from(how / 4) % 2];
            Act::CreateGrant { to, ring, action }
        }
        10 => perform(Action::UpdateRing, Some(ring)),
        11 => perform(Action::SetRingSeparation, Some(ring)),
        12 => perform(Action::SetGovernance, None),
        13 => perform(Action::EraseReason, None),
        14 => perform(Action::Declare, None),
        15 => perform(Action::UpdateKey, Some(ring)),
        16 | 17 => answer(),
        18 => Act::ApplyPlan { acts: vec![assign(), answer()] },
        19 => Act::ApplyPlan { acts: vec![if how % 4 < 2 { assign() } else { answer() }] },
        20 => Act::CreateCode { of: to },
        21..=23 if how % 5 > 0 => Act::OpenBreakGlass { holder: to, ring },
        21..=23 => Act::CancelRecovery {
            of: if how % 2 == 0 { Subject::Principal(RECOVERED.parse().unwrap()) } else { to },
        },
        _ => perform(Action::ScheduleDestroy, Some(RINGS[usize::from(how) % 3].parse().unwrap())),
    };
    (by, act)
}

/// Is such an act refused so, where it is not asked of what it is for?
fn is_refused(act: &Act, kind: ErrorKind) -> bool {
    let of_wrong_things = matches!(
        act,
        Act::ApplyPlan { .. }
            | Act::CancelRecovery { .. }
            | Act::CreateCode { .. }
            | Act::CreateCredential { .. }
            | Act::OpenBreakGlass { .. }
    );
    of_wrong_things && matches!(kind, ErrorKind::InvalidArgument | ErrorKind::WrongState)
}

async fn live_through(quorum: u8, acts: &[Draw]) {
    let mut place = Place::build(quorum).await;
    place.recover(RECOVERED).await;
    let authorizer = Authorizer::new().unwrap();
    let there = place.presented.keys().cloned().chain([RECOVERED.to_owned()]);
    let mut there: Vec<_> = there.collect();
    for draw in acts {
        place.made += 1;
        let (by, act) = drawn(&place, &there, *draw);
        let facts = read_access_facts(&*place.deployment.store, place.deployment.clock.wall()).await.unwrap();
        let analyzer = Analyzer::new(&facts, &authorizer, Rules::default()).unwrap();
        let reported = analyzer.ruling(&by.parse().unwrap(), &act).unwrap();
        let Some(mut answer) = place.perform(&by, &act).await else { continue };
        if answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::Conflict) {
            // What was asked for before has moved since: it is asked for afresh.
            answer = place.perform(&by, &act).await.unwrap();
        }
        let ruling = match &answer {
            // Nobody has reviewed the last ones of that person: rules of rights say nothing of that.
            Err(error) if error.kind() == ErrorKind::LimitExceeded => continue,
            Err(error) if is_refused(&act, error.kind()) => Ruling::Refused,
            _ => place.ruling(&answer).await,
        };
        assert_eq!(ruling, reported, "{by}: {act:?}: {answer:?}");
        if let (Act::CreatePrincipal { puppet, kind }, Ruling::Done) = (&act, reported) {
            let puppet = puppet.to_string();
            // Who is new can call from then on, in half of the cases.
            if draw[3] % 4 < 2 {
                let by = if *kind == PrincipalKind::Human { "olga" } else { "ada" };
                place.make_credential(by, &puppet).await.unwrap();
            }
            there.push(puppet);
        }
    }
}

fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse::<u32>().ok());
    let histories = asked.map_or(FEW, |acts| acts.div_ceil(u32::try_from(ACTS).unwrap()));
    ProptestConfig { cases: histories, max_shrink_iters: 60, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_the_analysis_says_of_an_act_is_what_the_road_answers(
        is_strict in any::<bool>(),
        acts in prop::collection::vec(any::<Draw>(), ACTS),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.unwrap().block_on(live_through(if is_strict { 2 } else { 0 }, &acts));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_says_of_imports_is_what_the_road_answers() {
    let mut place = Place::build(2).await;
    let authorizer = Authorizer::new().unwrap();
    let facts = read_access_facts(&*place.deployment.store, place.deployment.clock.wall()).await.unwrap();
    let analyzer = Analyzer::new(&facts, &authorizer, Rules::default()).unwrap();
    let ruling = |by: &str, ring: &str, is_in_use| {
        let act = Act::ImportMaterial { ring: ring.parse().unwrap(), is_in_use };
        analyzer.ruling(&by.parse().unwrap(), &act).unwrap()
    };
    let of_new = [("orders", Ruling::Done), ("cards", Ruling::Approval(2)), ("tools", Ruling::Done)];
    for (ring, expected) in of_new {
        assert_eq!(ruling("ada", ring, false), expected, "{ring}");
        assert_eq!(ruling("otto", ring, false), Ruling::Refused);
        let key = place.new_key(ring, Origin::Imported).await;
        let import = async |material: [u8; 32], is_new| {
            let wrapping = WrappingAlgorithm::RsaesOaepSha256;
            import_once(&place.deployment, &key, wrapping, &material, is_new).await.map(drop)
        };
        let answer = import([1; 32], false).await;
        assert_eq!(place.ruling(&answer).await, expected, "{ring}: {answer:?}");
        if expected == Ruling::Done {
            let answer = import([2; 32], true).await;
            assert_eq!(place.ruling(&answer).await, ruling("ada", ring, true), "{ring}: {answer:?}");
        }
    }
    assert_eq!(ruling("ada", "orders", true), Ruling::Approval(2));
}

/// Goes every way that is found, each in a deployment of its own, in which these were entered. Gives who reaches what.
async fn go_all(quorum: u8, pairs: bool, entered: &[(&str, Role)]) -> BTreeSet<(Goal, Vec<String>)> {
    let build = async || {
        let mut place = Place::build(quorum).await;
        place.enter(entered).await;
        place
    };
    let found = build().await.analyze(pairs).await.found;
    let mut reached = BTreeSet::new();
    for example in found {
        build().await.go(&example.path).await;
        let names = example.members.iter().map(|member| member.names[0].to_string()).collect();
        reached.insert((example.goal, names));
    }
    reached
}

fn who(goal: Goal, names: &[&str]) -> (Goal, Vec<String>) {
    (goal, names.iter().map(|name| (*name).to_owned()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_alone_reaches_anything_where_two_must_approve() {
    let place = Place::build(2).await;
    let analysis = place.analyze(false).await;
    assert_eq!(analysis.found, []);
    let named: Vec<_> = analysis.named.iter().map(|one| one.kind).collect();
    assert_eq!(named, [ExceptionKind::MachineAndPin, ExceptionKind::Founder]);
    for refused in ["ada", "carl", "pia"] {
        let analyze = AnalyzeAccess { pairs: false, goal: None, founder: false };
        let error = place.deployment.ask(refused, analyze).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        let report = ReportAccess { at: None, page: Page { after: None, limit: 1 } };
        assert_eq!(place.deployment.ask(refused, report).await.unwrap_err().kind(), ErrorKind::Denied);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ways_of_two_are_ways() {
    let reached = go_all(2, true, &[]).await;
    for pair in [["ada", "otto"], ["ada", "olga"]] {
        assert!(reached.contains(&who(Goal::Plaintext, &pair)), "{reached:?}");
    }
    assert!(reached.iter().all(|(goal, names)| *goal == Goal::Plaintext && names.len() == 2), "{reached:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ways_are_ways_where_nobody_must_approve() {
    let reached = go_all(0, true, &[]).await;
    for (goal, names) in [
        (Goal::Plaintext, &["olga"][..]),
        (Goal::Record, &["otto"]),
        (Goal::Weakening, &["otto"]),
        (Goal::Quorum, &["olga", "otto"]),
        // By emergency access.
        (Goal::Plaintext, &["paul", "rita"]),
        (Goal::Plaintext, &["otto", "rita"]),
    ] {
        assert!(reached.contains(&who(goal, names)), "{goal} {names:?}: {reached:?}");
    }
    assert!(!reached.contains(&who(Goal::Plaintext, &["otto"])), "who granted makes no credential");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ways_are_ways_of_whoever_entered_the_custodians() {
    let custodians = [("carla", Role::Custodian), ("cyril", Role::Custodian)];
    let reached = go_all(2, false, &custodians).await;
    for goal in [Goal::Quorum, Goal::Record, Goal::Weakening] {
        assert!(reached.contains(&who(goal, &["otto"])), "{reached:?}");
    }
    assert!(reached.iter().all(|(_, names)| names == &["otto"]), "{reached:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ways_are_ways_of_whoever_entered_who_decides_on_emergency_access() {
    let reached = go_all(2, false, &[("rolf", Role::Responder)]).await;
    assert_eq!(reached, BTreeSet::from([who(Goal::Quorum, &["otto"])]));
    let reached = go_all(2, false, &[("rolf", Role::Responder), ("rudi", Role::Responder)]).await;
    let both = [Goal::Plaintext, Goal::Quorum].map(|goal| who(goal, &["otto"]));
    assert_eq!(reached, BTreeSet::from(both));
}

/// All lines of a report, in pages of so many principals.
async fn report(deployment: &Deployment, at: Option<Timestamp>, limit: u32) -> Vec<AccessLine> {
    let (mut lines, mut after) = (Vec::new(), None);
    loop {
        let page = Page { after, limit };
        let report = deployment.ask("vera", ReportAccess { at, page }).await.unwrap().output;
        assert_eq!(report.then.map(|(then, _)| then), at);
        lines.extend(report.lines);
        match report.next {
            Some(next) => after = Some(next),
            None => return lines,
        }
    }
}

/// Holds what is reported against what explaining each key says.
async fn hold_against_keys(deployment: &Deployment, lines: &[AccessLine], at: Option<Timestamp>) {
    let mut held = 0;
    for ring in ["orders", "cards", "tools"] {
        let key: claviger_core::KeyName = format!("{ring}/one").parse().unwrap();
        let id = deployment.store.find_key_id(&key).await.unwrap().unwrap();
        let record = deployment.store.find_key(id).await.unwrap().unwrap();
        let separation = record.ring.policy.separation;
        let covers = |on: &AccessOn| match on {
            AccessOn::Every(only) => only.is_none_or(|only| only == separation),
            AccessOn::Key(on, _) => *on == id,
            AccessOn::Ring(on, _) => *on == record.ring.id,
        };
        let mut reported = BTreeSet::new();
        for line in lines.iter().filter(|line| covers(&line.on)) {
            let AccessLine { name, actions, rule, conditions, .. } = line;
            let of_ring = |action: &Action| matches!(action, Action::CreateKey | Action::ReadRing);
            let of_key = actions.iter().filter(|action| !of_ring(action));
            reported.extend(of_key.map(|action| format!("{name} {action} {rule:?} {conditions}")));
        }
        let explain = ExplainKey { key: KeyRef::Id(id), at };
        let explained = deployment.ask("vera", explain).await.unwrap().output.items;
        let explained: BTreeSet<_> = explained
            .iter()
            .map(|(who, one)| format!("{} {} {:?} {}", who.name, one.action, one.rule, one.conditions))
            .collect();
        held += explained.len();
        assert_eq!(reported, explained, "{ring}");
    }
    assert!(held > 50, "{held}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_says_of_each_key_what_explaining_it_says_now_and_then() {
    let place = Place::build(0).await;
    let deployment = &place.deployment;
    // Grants of every sort: on a key, with conditions, to a person, passed on, and what only a relaxed ring gives.
    let on_key = |ring: &str| GrantOn::Key(format!("{ring}/one").parse().unwrap());
    let soon = until(deployment.clock.wall().after(DAY));
    deployment.ask("otto", given("pia", on_key("orders"), &[Action::Decrypt], soon)).await.unwrap();
    let pair = vec![("tenant".to_owned(), "a".to_owned())];
    let conditions = Conditions { context_equals: pair, ..Conditions::default() };
    deployment.ask("otto", given("app", on_key("orders"), &[Action::Encrypt], conditions)).await.unwrap();
    let all = [&DEPLOY[..], &[Action::CreateKey]].concat();
    let on_ring = GrantOn::Ring("tools".parse().unwrap());
    deployment.ask("otto", given("app", on_ring, &all, Conditions::default())).await.unwrap();
    let delegate = DelegateGrant {
        key: "tools/one".parse().unwrap(),
        principal: name("outsider"),
        operations: vec![Action::Encrypt],
        conditions: Conditions::default(),
        name: None,
        retiring: None,
        spelling: Default::default(),
    };
    deployment.ask_at("app", Plane::Mixed, delegate).await.unwrap();
    let then = deployment.clock.wall();
    let before = report(deployment, None, 1000).await;
    assert_eq!(report(deployment, None, 2).await, before, "pages are parts of the whole");
    hold_against_keys(deployment, &before, None).await;

    deployment.clock.advance(HOUR);
    deployment.ask("otto", RevokePrincipal { principal: name("app") }).await.unwrap();
    deployment.ask("olga", AssignRole { principal: name("paul"), role: Role::Auditor }).await.unwrap();
    let after = report(deployment, None, 1000).await;
    hold_against_keys(deployment, &after, None).await;
    // What the application passed on ended with it.
    let of = |name: &'static str| after.iter().filter(move |line| line.name.as_str() == name);
    assert_eq!(of("app").count(), 0);
    assert!(of("outsider").count() == 1 && of("outsider").all(|line| matches!(line.on, AccessOn::Ring(..))));

    assert_eq!(report(deployment, Some(then), 1000).await, before);
    assert_eq!(report(deployment, Some(then), 3).await, before);
    hold_against_keys(deployment, &before, Some(then)).await;
    let to_come = ReportAccess { at: Some(then.after(DAY)), page: Page { after: None, limit: 1 } };
    assert_eq!(deployment.ask("vera", to_come).await.unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_goal_is_analyzed_where_that_is_asked() {
    let place = Place::build(0).await;
    let facts = read_access_facts(&*place.deployment.store, place.deployment.clock.wall()).await.unwrap();
    let analyzer = Analyzer::new(&facts, &Authorizer::new().unwrap(), Rules::default()).unwrap();
    for goal in Goal::ALL {
        let asked = AnalyzeAccess { pairs: true, goal: Some(goal), founder: false };
        let said = place.deployment.ask("otto", asked).await.unwrap().output;
        let question = Question { pairs: true, goal: Some(goal), founder: false };
        let expected = analyzer.analyze(question, || Ok::<_, ServiceError>(())).unwrap();
        assert_eq!(said, expected);
    }
}
