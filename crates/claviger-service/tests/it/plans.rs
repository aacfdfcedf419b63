//! Plans: several acts that others approve at once, each done by itself, in order, once, and just as it was shown.

#![expect(
    clippy::indexing_slicing,
    reason = "a step that points beyond what there is is a mistake of this test"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use claviger_audit::approval::Form;
use claviger_audit::entry::Entry;
use claviger_audit::op::{Op, Outcome as Recorded};
use claviger_core::approval::{Outcome, SeenRow};
use claviger_core::capacity::Capacity;
use claviger_core::key::{DataClass, KeyRecord, Separation};
use claviger_core::object::{Kind, Object};
use claviger_core::port::Store as _;
use claviger_core::port::store::Page;
use claviger_core::principal::{PrincipalKind, Role};
use claviger_core::reason::{Reason, ReasonText};
use claviger_core::{Action, ApprovalId, KeyId, KeyRingId, PrincipalId, Purpose, Spec, Timestamp};
use claviger_service::log::EntryFilter;
use claviger_service::operation::*;
use claviger_service::{Call, ErrorKind, Governed, KeyRef, PrincipalRef, RingRef, ServiceError};
use proptest::prelude::*;

use crate::approvals::{CUSTODIANS, Deciding, call, pending};
use crate::deployment::{DAY, Deployment};
use crate::evidence::hold;

const PEOPLE: [&str; 3] = ["nora", "nils", "nina"];
const HOUR: Duration = Duration::from_secs(3600);
const ROLE: Role = Role::Operator;

fn because(text: &str) -> Option<Reason> {
    Some(text.parse::<ReasonText>().unwrap().into())
}

fn principal(name: &str) -> PrincipalRef {
    PrincipalRef::Name(name.parse().unwrap())
}

/// A deployment whose own rule asks for two custodians, with people who hold nothing.
async fn begin() -> Deciding {
    let deciding = Deciding::build(2).await;
    for name in PEOPLE {
        let create = CreatePrincipal {
            name: name.parse().unwrap(),
            kind: PrincipalKind::Human,
            home: None,
            environment: None,
            same_person_as: None,
        };
        deciding.deployment.ask("olga", create).await.unwrap();
    }
    deciding
}

async fn id_of(deployment: &Deployment, name: &str) -> PrincipalId {
    deployment.store.find_principal_by_name(&name.parse().unwrap()).await.unwrap().unwrap().id
}

async fn holds_role(deployment: &Deployment, name: &str) -> bool {
    let found = deployment.store.find_principal_by_name(&name.parse().unwrap()).await.unwrap().unwrap();
    found.roles.contains(&ROLE)
}

/// To give these people a role.
async fn roles(deployment: &Deployment, names: &[&str]) -> Vec<Governed> {
    let mut acts = Vec::new();
    for name in names {
        let principal = id_of(deployment, name).await;
        acts.push(Governed::AssignRole { principal, role: ROLE, reason: None });
    }
    acts
}

fn plan(who: &str, why: &str, acts: &[Governed]) -> Call<Plan> {
    let acts = acts.iter().map(Governed::encode).collect();
    Call { reason: because(why), ..call(who, Plan { acts }) }
}

async fn ask(deciding: &Deciding, who: &str, acts: &[Governed]) -> Result<Executed, ServiceError> {
    Ok(deciding.deployment.road.ask_plan(plan(who, "a test", acts)).await?.output)
}

/// Asks for a plan, and two approve it.
async fn approved(deciding: &Deciding, who: &str, acts: &[Governed]) -> ApprovalId {
    let id = pending(ask(deciding, who, acts).await);
    for custodian in ["carl", "cora"] {
        deciding.approve(custodian, id).await.unwrap();
    }
    assert_eq!(deciding.standing(id).await, (ApprovalState::Ready, 2));
    id
}

fn assign(name: &str) -> AssignRole {
    AssignRole { principal: principal(name), role: ROLE }
}

/// Writes the row of somebody, and gives them nothing.
async fn touch(deployment: &Deployment, name: &str) {
    let number = deployment.log_size().await;
    let what = NewCredential::Token { lifetime: DAY };
    let label = format!("token-{number}").parse().unwrap();
    let create = CreateCredential { principal: principal(name), label, what, to_confirm: false };
    deployment.ask("olga", create).await.unwrap();
}

#[track_caller]
fn refused<T>(outcome: Result<T, ServiceError>, kind: ErrorKind) -> ServiceError {
    let Err(error) = outcome else { panic!("it was done, and should have been refused with {kind}") };
    assert_eq!(error.kind(), kind, "{error:?}");
    error
}

async fn steps_done(deciding: &Deciding, id: ApprovalId) -> Vec<u16> {
    deciding.row(id).await.done.iter().map(|done| done.step).collect()
}

async fn ended(deciding: &Deciding, id: ApprovalId) -> Option<Outcome> {
    deciding.row(id).await.ended.map(|ended| ended.outcome)
}

/// How often something was asked for in that way, by the log.
async fn recorded(deployment: &Deployment, op: Op, outcome: Recorded) -> usize {
    let filter = EntryFilter { operation: Some(op.code()), ..EntryFilter::default() };
    let read = ReadEntries { from: 0, limit: 1000, filter };
    let found = deployment.ask("vera", read).await.unwrap().output.entries;
    found.iter().filter(|found| Entry::decode(&found.bytes).unwrap().out == outcome).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_asked_for_once_shown_as_a_whole_and_done_step_by_step() {
    let deciding = begin().await;
    let deployment = &deciding.deployment;
    let acts = roles(deployment, &["nora", "nils"]).await;
    let id = pending(ask(&deciding, "otto", &acts).await);
    assert_eq!(pending(ask(&deciding, "otto", &acts).await), id, "the same is asked for once");

    let row = deciding.row(id).await;
    assert_eq!((row.action, row.quorum, row.ring), (Action::ApplyPlan, 2, None));
    assert_eq!(row.rows.len(), 3, "two persons, and the rules of the deployment: {:?}", row.rows);
    let read = deployment.ask("carl", ReadApproval { approval: id }).await.unwrap().output;
    let Governed::ApplyPlan { acts: shown, reason: None } = Form::decode(&read.form).unwrap().act().unwrap()
    else {
        panic!("a plan")
    };
    assert_eq!(shown, acts.iter().map(Governed::encode).collect::<Vec<_>>());

    deciding.approve("carl", id).await.unwrap();
    assert_eq!(pending(deciding.execute("otto", id).await), id, "one is too few");
    assert!(!holds_role(deployment, "nora").await);
    deciding.approve("cora", id).await.unwrap();
    for who in ["olga", "ada", "carl", "vera"] {
        refused(deciding.execute(who, id).await, ErrorKind::Denied);
    }
    let executed = deciding.execute("otto", id).await.unwrap();
    let ExecutedResult::Plan(done) = executed.result else { panic!("a plan") };
    assert_eq!((executed.action, done.state), (Action::ApplyPlan, ApprovalState::Executed));
    assert_eq!(steps_done(&deciding, id).await, [0, 1]);
    let row = deciding.row(id).await;
    let [first, second] = [&row.done[0], &row.done[1]];
    let moved = |done: &[SeenRow]| done.iter().map(|seen| seen.object.kind()).collect::<Vec<_>>();
    assert_eq!((moved(&first.moved), moved(&second.moved)), (vec![Kind::Principal], vec![Kind::Principal]));
    assert!(holds_role(deployment, "nora").await && holds_role(deployment, "nils").await);
    refused(deciding.execute("otto", id).await, ErrorKind::WrongState);
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_call_does_a_plan_that_was_approved_and_asks_for_none_that_is_done() {
    let deciding = begin().await;
    let acts = roles(&deciding.deployment, &["nora", "nils"]).await;
    let id = approved(&deciding, "otto", &acts).await;
    let executed = ask(&deciding, "otto", &acts).await.unwrap();
    assert!(matches!(executed.result, ExecutedResult::Plan(done) if done.row.id == id));
    let error = refused(ask(&deciding, "otto", &acts).await, ErrorKind::InvalidArgument);
    assert!(error.public_message().starts_with("step 1, `assign_role`: it is so already"), "{error}");
    hold(&deciding.deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_call_is_a_step_of_its_requester_for_the_same_reason_and_in_order() {
    let deciding = begin().await;
    let deployment = &deciding.deployment;
    let acts = roles(deployment, &["nora", "nils"]).await;
    let id = approved(&deciding, "otto", &acts).await;
    // Others asked for nothing, and another reason is another request.
    refused(deployment.ask("ada", assign("nora")).await, ErrorKind::Denied);
    let other = pending(deployment.ask_because("otto", because("another"), assign("nora")).await);
    assert_ne!(other, id);
    // Neither is somebody else of the plan.
    assert_ne!(pending(deployment.ask("otto", assign("nina")).await), id);
    let early = refused(deployment.ask("otto", assign("nils")).await, ErrorKind::WrongState);
    assert!(early.public_message().contains("step 2") && early.approval() == Some(id), "{early}");
    assert_eq!((steps_done(&deciding, id).await, ended(&deciding, id).await), (vec![], None));

    deployment.ask("otto", assign("nora")).await.unwrap();
    assert_eq!((steps_done(&deciding, id).await, ended(&deciding, id).await), (vec![0], None));
    // Once more it is so already, and nothing is done twice.
    deployment.ask("otto", assign("nora")).await.unwrap();
    assert_eq!(steps_done(&deciding, id).await, [0]);
    deployment.ask("otto", assign("nils")).await.unwrap();
    assert_eq!(
        (steps_done(&deciding, id).await, ended(&deciding, id).await),
        (vec![0, 1], Some(Outcome::Executed))
    );
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_officer_is_no_requester_of_the_plan() {
    let deciding = begin().await;
    let deployment = &deciding.deployment;
    let acts = roles(deployment, &["nora"]).await;
    let id = approved(&deciding, "otto", &acts).await;
    // She made the person, and may give it nothing; the plan helps her to nothing either.
    let asked = deployment.ask("olga", assign("nora")).await;
    refused(asked, ErrorKind::SeparationOfDuties);
    refused(deciding.execute("olga", id).await, ErrorKind::Denied);
    assert!(steps_done(&deciding, id).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_anybody_else_changed_ends_the_plan_and_what_was_done_stays() {
    let deciding = begin().await;
    let deployment = &deciding.deployment;
    let acts = roles(deployment, &["nora", "nils", "nina"]).await;
    let id = approved(&deciding, "otto", &acts).await;
    deployment.ask("otto", assign("nora")).await.unwrap();
    touch(deployment, "nils").await;
    let moved = refused(deciding.execute("otto", id).await, ErrorKind::Conflict);
    assert!(moved.public_message().starts_with("step 2 of 3, `assign_role`"), "{moved}");
    assert_eq!(
        (steps_done(&deciding, id).await, ended(&deciding, id).await),
        (vec![0], Some(Outcome::Moved))
    );
    refused(deciding.execute("otto", id).await, ErrorKind::WrongState);
    for name in ["nils", "nina"] {
        assert!(!holds_role(deployment, name).await, "{name}");
    }
    // What is left is asked for anew.
    let left = roles(deployment, &["nils", "nina"]).await;
    let again = approved(&deciding, "otto", &left).await;
    assert_ne!(again, id);
    deciding.execute("otto", again).await.unwrap();
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_call_finds_out_as_well_that_something_changed() {
    let deciding = begin().await;
    let deployment = &deciding.deployment;
    let acts = roles(deployment, &["nora"]).await;
    let id = approved(&deciding, "otto", &acts).await;
    touch(deployment, "nora").await;
    refused(deployment.ask("otto", assign("nora")).await, ErrorKind::Conflict);
    assert_eq!(ended(&deciding, id).await, Some(Outcome::Moved));
    // From now on it is asked for by itself.
    assert_ne!(pending(deployment.ask("otto", assign("nora")).await), id);
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_did_first_is_not_done_once_more() {
    let deciding = begin().await;
    let deployment = &deciding.deployment;
    let acts = roles(deployment, &["nora", "nils"]).await;
    let id = approved(&deciding, "otto", &acts).await;
    let alone = roles(deployment, &["nora"]).await;
    let other = approved(&deciding, "otto", &alone).await;
    deciding.execute("otto", other).await.unwrap();
    refused(deciding.execute("otto", id).await, ErrorKind::Conflict);
    assert_eq!((steps_done(&deciding, id).await, ended(&deciding, id).await), (vec![], Some(Outcome::Moved)));
    assert!(!holds_role(deployment, "nils").await);
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_asks_whether_a_plan_would_be_done_ends_none() {
    let deciding = begin().await;
    let deployment = &deciding.deployment;
    let acts = roles(deployment, &["nora", "nils"]).await;
    let id = approved(&deciding, "otto", &acts).await;
    let asks = || deployment.road.execute(Call { dry_run: true, ..call("otto", id) });
    refused(asks().await, ErrorKind::DryRun);
    let alone = approved(&deciding, "otto", &acts[..1]).await;
    deciding.execute("otto", alone).await.unwrap();
    // Somebody was faster.
    refused(asks().await, ErrorKind::Conflict);
    assert_eq!((steps_done(&deciding, id).await, ended(&deciding, id).await), (vec![], None));
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gets_a_capacity_by_a_step_does_not_decide_on_the_plan() {
    let deciding = begin().await;
    let deployment = &deciding.deployment;
    let mut acts = roles(deployment, &["nora"]).await;
    let principal = id_of(deployment, "carl").await;
    acts.push(Governed::AssignCapacity { principal, capacity: Capacity::Ciso, reason: None });
    let id = pending(ask(&deciding, "otto", &acts).await);
    refused(deciding.approve("carl", id).await, ErrorKind::SeparationOfDuties);
    for custodian in ["cora", "cyril"] {
        deciding.approve(custodian, id).await.unwrap();
    }
    deciding.execute("otto", id).await.unwrap();
    assert_eq!(ended(&deciding, id).await, Some(Outcome::Executed));
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_rests_on_the_rules_as_they_were_and_asks_again_when_they_change() {
    let deciding = begin().await;
    let deployment = &deciding.deployment;
    let acts = roles(deployment, &["nora", "nils"]).await;
    let id = approved(&deciding, "otto", &acts).await;
    deployment.ask("otto", assign("nora")).await.unwrap();
    let more = SetGovernance { quorum: Some(3), ..SetGovernance::default() };
    deployment.ask("otto", more).await.unwrap();
    let error = deciding.execute("otto", id).await;
    // Three must approve now, and what was shown asked for two: whichever is said first, it is not done.
    let error = error.map(drop).unwrap_err();
    assert!([ErrorKind::ApprovalRequired, ErrorKind::Conflict].contains(&error.kind()), "{error:?}");
    deciding.approve("cyril", id).await.unwrap();
    refused(deciding.execute("otto", id).await, ErrorKind::Conflict);
    assert_eq!(
        (steps_done(&deciding, id).await, ended(&deciding, id).await),
        (vec![0], Some(Outcome::Moved))
    );
    assert!(!holds_role(deployment, "nils").await);
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_approved_and_may_no_more_has_not_approved_the_steps_that_are_left() {
    let deciding = begin().await;
    let deployment = &deciding.deployment;
    let acts = roles(deployment, &["nora", "nils"]).await;
    let id = approved(&deciding, "otto", &acts).await;
    deployment.ask("otto", assign("nora")).await.unwrap();
    let withdraw = WithdrawRole { principal: principal("carl"), role: Role::Custodian };
    deployment.ask("olga", withdraw).await.unwrap();
    assert_eq!(pending(deciding.execute("otto", id).await), id);
    assert_eq!((steps_done(&deciding, id).await, deciding.standing(id).await.1), (vec![0], 1));
    // A single call waits for itself: the plan has too few.
    assert_ne!(pending(deployment.ask("otto", assign("nils")).await), id);
    deciding.approve("cyril", id).await.unwrap();
    deciding.execute("otto", id).await.unwrap();
    assert_eq!(ended(&deciding, id).await, Some(Outcome::Executed));
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_denied_or_cancelled_or_is_too_late_does_nothing_more() {
    for how in ["denied", "cancelled", "expired"] {
        let deciding = begin().await;
        let deployment = &deciding.deployment;
        let acts = roles(deployment, &["nora", "nils"]).await;
        let id = approved(&deciding, "otto", &acts).await;
        deployment.ask("otto", assign("nora")).await.unwrap();
        match how {
            "denied" => drop(deciding.deny("cyril", id).await.unwrap()),
            "cancelled" => drop(deployment.ask("olga", CancelApproval { approval: id }).await.unwrap()),
            _ => deployment.clock.advance(DAY * 8),
        }
        refused(deciding.execute("otto", id).await, ErrorKind::WrongState);
        assert_eq!(steps_done(&deciding, id).await, [0], "{how}");
        // By itself it is asked for afresh.
        assert_ne!(pending(deployment.ask("otto", assign("nils")).await), id, "{how}");
        assert!(holds_role(deployment, "nora").await && !holds_role(deployment, "nils").await, "{how}");
        hold(deployment).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_was_denied_is_not_asked_for_again_for_the_same_reason() {
    let deciding = begin().await;
    let acts = roles(&deciding.deployment, &["nora"]).await;
    let id = pending(ask(&deciding, "otto", &acts).await);
    deciding.deny("carl", id).await.unwrap();
    let denied = refused(ask(&deciding, "otto", &acts).await, ErrorKind::Denied);
    assert_eq!(denied.approval(), Some(id));
    let asked = deciding.deployment.road.ask_plan(plan("otto", "another reason", &acts)).await;
    assert_ne!(pending(asked), id);
}

/// What weakens a ring and a key of it.
async fn weaker(deployment: &Deployment) -> (KeyRecord, Vec<Governed>) {
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let ring = Governed::UpdateRing {
        ring: key.ring.id,
        protection: None,
        rotation_period: None,
        protect_period: None,
        process_period: None,
        destroy_waiting_period: Some(DAY * 8),
        quorum: None,
        if_revision: None,
        reason: None,
        rotates: None,
        context_required: None,
        data_class: None,
        plaintext_data_keys: None,
        environment: None,
        assets: None,
        grants_under_quorum: None,
    };
    (key.clone(), vec![ring, of_class(key.key.id, DataClass::Internal)])
}

fn of_class(key: KeyId, class: DataClass) -> Governed {
    Governed::UpdateKey {
        key,
        data_class: Some(class),
        description: None,
        owner: None,
        labels: None,
        rotation_period: None,
        if_revision: None,
        context_required: None,
        environment: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_step_moves_is_no_change_for_those_behind_it() {
    let deciding = begin().await;
    let deployment = &deciding.deployment;
    let (key, acts) = weaker(deployment).await;
    let id = approved(&deciding, "ada", &acts).await;
    let row = deciding.row(id).await;
    assert_eq!(row.rows.iter().map(|seen| seen.object.kind()).collect::<Vec<_>>(), [Kind::Ring, Kind::Key]);
    deciding.execute("ada", id).await.unwrap();
    let row = deciding.row(id).await;
    let ring = Object::Ring(key.ring.id);
    assert_eq!(
        row.expected(ring),
        Some(key.ring.revision + 1),
        "the second step rests on what the first left"
    );
    let now = deployment.store.find_key(key.key.id).await.unwrap().unwrap();
    assert_eq!((now.ring.policy.destroy_waiting_period, now.key.data_class), (DAY * 8, DataClass::Internal));
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_others_need_not_approve_any_more_is_done_just_as_shown_or_not_at_all() {
    let deciding = begin().await;
    let deployment = &deciding.deployment;
    let (key, acts) = weaker(deployment).await;
    let id = approved(&deciding, "ada", &acts[1..]).await;
    // Somebody makes the key what the plan would make it: nothing would be weaker then, and nobody would have to approve.
    let internal = KeyPatch { data_class: Some(DataClass::Internal), ..KeyPatch::default() };
    let update = UpdateKey { key: KeyRef::Id(key.key.id), patch: internal, if_revision: None };
    crate::approvals::do_approved(deployment, "ada", || UpdateKey {
        key: KeyRef::Id(key.key.id),
        patch: KeyPatch { data_class: Some(DataClass::Test), ..KeyPatch::default() },
        if_revision: None,
    })
    .await;
    // From `test`, `internal` is more.
    refused(deciding.execute("ada", id).await, ErrorKind::Conflict);
    assert_eq!(ended(&deciding, id).await, Some(Outcome::Moved));
    deployment.ask("ada", update).await.unwrap();
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_must_approve_is_none_of_a_plan() {
    let deciding = begin().await;
    let deployment = &deciding.deployment;
    let (key, acts) = weaker(deployment).await;
    let same = of_class(key.key.id, DataClass::Cardholder);
    let error = refused(ask(&deciding, "ada", &[acts[0].clone(), same]).await, ErrorKind::InvalidArgument);
    assert!(error.public_message().starts_with("step 2, `update_key`: nobody must approve it"), "{error}");
    // Policy and separation of duties say of each what they say of it alone.
    let roles = roles(deployment, &["nora"]).await;
    let error = refused(ask(&deciding, "ada", &roles).await, ErrorKind::Denied);
    assert!(error.public_message().starts_with("step 1, `assign_role`"), "{error}");
    refused(ask(&deciding, "olga", &roles).await, ErrorKind::SeparationOfDuties);
    for who in ["vera", "carl", "rita"] {
        refused(ask(&deciding, who, &roles).await, ErrorKind::Denied);
    }
    let gone = Governed::AssignRole { principal: PrincipalId::from_bytes([9; 16]), role: ROLE, reason: None };
    refused(ask(&deciding, "otto", &[gone]).await, ErrorKind::NotFound);
    let gone = Governed::SetRingSeparation {
        ring: KeyRingId::from_bytes([9; 16]),
        separation: Separation::Relaxed,
        reason: None,
    };
    refused(ask(&deciding, "otto", &[gone]).await, ErrorKind::NotFound);
    let page = Page { after: None, limit: 10 };
    let open = deployment.ask("vera", ListApprovals { open: None, page }).await.unwrap().output;
    assert!(open.is_empty(), "nothing was asked for: {open:?}");
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_than_custodians_decide_on_is_asked_for_by_itself() {
    let deciding = begin().await;
    let deployment = &deciding.deployment;
    // With one custodian left besides who asks, whoever holds a role decides on the next one.
    for custodian in ["cora", "cyril"] {
        let withdraw = WithdrawRole { principal: principal(custodian), role: Role::Custodian };
        deployment.ask("otto", withdraw).await.unwrap();
    }
    let nora = id_of(deployment, "nora").await;
    let custodian = Governed::AssignRole { principal: nora, role: Role::Custodian, reason: None };
    let error = refused(ask(&deciding, "otto", &[custodian]).await, ErrorKind::InvalidArgument);
    assert!(error.public_message().contains("others than custodians"), "{error}");
    let alone = AssignRole { principal: principal("nora"), role: Role::Custodian };
    pending(deployment.ask("otto", alone).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_back_or_gives_a_secret_is_in_no_plan() {
    let deciding = begin().await;
    let deployment = &deciding.deployment;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let nora = id_of(deployment, "nora").await;
    for act in [
        Governed::ScheduleDestroy { key: key.key.id, waiting: DAY * 30, reason: None },
        Governed::ErasePrincipal { principal: nora, reason: None },
        Governed::CompromiseKey { key: key.key.id, reason: None },
        Governed::WithdrawRole { principal: nora, role: ROLE, reason: None },
    ] {
        let error = refused(ask(&deciding, "otto", &[act]).await, ErrorKind::InvalidArgument);
        assert!(error.public_message().contains("in no plan"), "{error}");
    }
    let twice = roles(deployment, &["nora", "nora"]).await;
    refused(ask(&deciding, "otto", &twice).await, ErrorKind::InvalidArgument);
    refused(ask(&deciding, "otto", &[]).await, ErrorKind::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_of_each_act_how_many_must_approve_or_why_not_and_asks_nobody() {
    let deciding = begin().await;
    let deployment = &deciding.deployment;
    let (key, weaker) = weaker(deployment).await;
    let roles = roles(deployment, &["nora"]).await;
    let acts = [weaker[0].clone(), of_class(key.key.id, DataClass::Cardholder), roles[0].clone()];
    let checked = deployment.road.check_plan(plan("ada", "a test", &acts)).await.unwrap().output;
    let said: Vec<_> =
        checked.iter().map(|one| one.approvers.as_ref().copied().map_err(ServiceError::kind)).collect();
    assert_eq!(said, [Ok(2), Ok(0), Err(ErrorKind::Denied)]);
    let page = Page { after: None, limit: 10 };
    assert!(deployment.ask("vera", ListApprovals { open: None, page }).await.unwrap().output.is_empty());
    let now = deployment.store.find_key(key.key.id).await.unwrap().unwrap();
    assert_eq!((now.key.revision, now.ring.revision), (key.key.revision, key.ring.revision));
    // The log has it as what was only asked.
    assert_eq!(recorded(deployment, Op::from(Action::UpdateRing), Recorded::DryRun).await, 1);
    let nobody = Call { presented: claviger_service::Presented::None, ..plan("ada", "a test", &acts) };
    refused(deployment.road.check_plan(nobody).await, ErrorKind::Unauthenticated);
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_two_steps_goes_on_with_the_next() {
    for crashes in [false, true] {
        let deciding = begin().await;
        let acts = roles(&deciding.deployment, &["nora", "nils"]).await;
        let id = approved(&deciding, "otto", &acts).await;
        deciding.deployment.ask("otto", assign("nora")).await.unwrap();
        let Deciding { deployment, signers } = deciding;
        let deployment = if crashes { deployment.crash().await } else { deployment.restart().await };
        let deciding = Deciding { deployment, signers };
        assert_eq!(steps_done(&deciding, id).await, [0]);
        // The plan as a whole, asked for once more, is that plan.
        ask(&deciding, "otto", &acts).await.unwrap();
        assert_eq!(ended(&deciding, id).await, Some(Outcome::Executed));
        let op = Op::from(Action::AssignRole);
        assert_eq!(recorded(&deciding.deployment, op, Recorded::DryRun).await, 2, "as it was asked for");
        hold(&deciding.deployment).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_execute_at_once_do_each_step_once() {
    for _ in 0..4 {
        let deciding = begin().await;
        let acts = roles(&deciding.deployment, &PEOPLE).await;
        let id = approved(&deciding, "otto", &acts).await;
        let (one, other) = tokio::join!(deciding.execute("otto", id), deciding.execute("otto", id));
        for outcome in [one, other] {
            if let Err(error) = outcome {
                assert!([ErrorKind::WrongState, ErrorKind::Conflict].contains(&error.kind()), "{error:?}");
            }
        }
        // Whoever lost did no harm.
        if ended(&deciding, id).await.is_none() {
            deciding.execute("otto", id).await.unwrap();
        }
        assert_eq!(
            (steps_done(&deciding, id).await, ended(&deciding, id).await),
            (vec![0, 1, 2], Some(Outcome::Executed))
        );
        hold(&deciding.deployment).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_rests_on_no_more_things_than_others_can_look_at() {
    let deciding = begin().await;
    let deployment = &deciding.deployment;
    let ring: RingRef = "orders".parse().unwrap();
    let mut acts = Vec::new();
    for number in 0..64 {
        let key = deployment.key(&format!("key-{number}"), Purpose::Encrypt, Spec::Aes256Gcm).await;
        acts.push(of_class(key.key.id, DataClass::Internal));
    }
    // 64 keys and their ring.
    let error = refused(ask(&deciding, "ada", &acts).await, ErrorKind::TooLarge);
    assert!(error.public_message().contains("65"), "{error}");
    let id = approved(&deciding, "ada", &acts[..63]).await;
    deciding.execute("ada", id).await.unwrap();
    assert_eq!(steps_done(&deciding, id).await.len(), 63);
    let read = deployment.ask("ada", ReadRing { ring }).await.unwrap().output;
    assert_eq!(deciding.row(id).await.rows.len(), 64, "{read:?}");
    hold(deployment).await;
}

// ---- Random plans, and what others do meanwhile ----

/// How many by night; a few otherwise.
const MOST: u32 = 100_000;
const FEW: u32 = 8;
const QUORUM: usize = 2;
const LIFETIME: Duration = Duration::from_secs(7 * 86_400);

/// One step. Numbers choose among what there is, and wrap around.
#[derive(Clone, Debug)]
enum Step {
    Approve { which: usize, by: usize },
    Ask { people: Vec<usize> },
    Crash,
    Deny { which: usize, by: usize },
    Execute { which: usize },
    Jump { hours: u32 },
    Restart,
    Single { person: usize },
    Touch { person: usize },
    WithdrawRole { of: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let one = || 0_usize..12;
    let people = prop::collection::vec(0..PEOPLE.len(), 1..4);
    prop_oneof![
        6 => people.prop_map(|people| Step::Ask { people }),
        12 => (one(), 0..CUSTODIANS.len()).prop_map(|(which, by)| Step::Approve { which, by }),
        1 => (one(), 0..CUSTODIANS.len()).prop_map(|(which, by)| Step::Deny { which, by }),
        6 => one().prop_map(|which| Step::Execute { which }),
        6 => (0..PEOPLE.len()).prop_map(|person| Step::Single { person }),
        2 => (0..PEOPLE.len()).prop_map(|person| Step::Touch { person }),
        1 => (0..CUSTODIANS.len()).prop_map(|of| Step::WithdrawRole { of }),
        1 => prop_oneof![1_u32..30, 100_u32..150].prop_map(|hours| Step::Jump { hours }),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash),
    ]
}

/// A plan, as the model has it.
#[derive(Clone, Debug)]
struct Known {
    id: ApprovalId,
    people: Vec<usize>,
    /// The row of each as it was shown, or as a step left it.
    expected: BTreeMap<usize, u32>,
    asked_at: Timestamp,
    approved: Vec<usize>,
    done: usize,
    outcome: Option<Outcome>,
}

#[derive(Clone, Debug, Default)]
struct Model {
    plans: Vec<Known>,
    has_role: [bool; PEOPLE.len()],
    rows: [u32; PEOPLE.len()],
    is_custodian: [bool; CUSTODIANS.len()],
}

/// What comes of a step of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comes {
    Done,
    Moves,
    Waits,
}

impl Model {
    fn is_open(&self, plan: usize, now: Timestamp) -> bool {
        let known = &self.plans[plan];
        known.outcome.is_none() && now < known.asked_at.after(LIFETIME)
    }

    fn valid(&self, plan: usize) -> usize {
        self.plans[plan].approved.iter().filter(|by| self.is_custodian[**by]).count()
    }

    /// The next step of an open plan is tried.
    fn step(&mut self, plan: usize) -> Comes {
        if self.valid(plan) < QUORUM {
            return Comes::Waits;
        }
        let known = &mut self.plans[plan];
        let person = known.people[known.done];
        if self.has_role[person] || known.expected[&person] != self.rows[person] {
            known.outcome = Some(Outcome::Moved);
            return Comes::Moves;
        }
        self.has_role[person] = true;
        self.rows[person] += 1;
        known.expected.insert(person, self.rows[person]);
        known.done += 1;
        if known.done == known.people.len() {
            known.outcome = Some(Outcome::Executed);
        }
        Comes::Done
    }

    /// All steps are tried, in order, until one is not done.
    fn run(&mut self, plan: usize) -> Comes {
        loop {
            match self.step(plan) {
                Comes::Done if self.plans[plan].outcome.is_none() => {}
                comes => return comes,
            }
        }
    }
}

struct History {
    deciding: Option<Deciding>,
    model: Model,
}

impl History {
    fn deciding(&self) -> &Deciding {
        self.deciding.as_ref().unwrap()
    }

    fn now(&self) -> Timestamp {
        self.deciding().deployment.clock.wall()
    }

    async fn take(&mut self, step: &Step) {
        match step.clone() {
            Step::Ask { people } => self.ask(people).await,
            Step::Approve { which, by } => self.approve(which, by).await,
            Step::Deny { which, by } => self.deny(which, by).await,
            Step::Execute { which } => self.execute(which).await,
            Step::Single { person } => self.single(person).await,
            Step::Touch { person } => self.touch(person).await,
            Step::WithdrawRole { of } => {
                let withdraw = WithdrawRole { principal: principal(CUSTODIANS[of]), role: Role::Custodian };
                let done = self.deciding().deployment.ask("olga", withdraw).await;
                assert_eq!(done.is_ok(), self.model.is_custodian[of], "{done:?}");
                self.model.is_custodian[of] = false;
            }
            Step::Jump { hours } => self.deciding().deployment.clock.advance(HOUR * hours),
            Step::Restart => {
                let Deciding { deployment, signers } = self.deciding.take().unwrap();
                self.deciding = Some(Deciding { deployment: deployment.restart().await, signers });
            }
            Step::Crash => {
                let Deciding { deployment, signers } = self.deciding.take().unwrap();
                self.deciding = Some(Deciding { deployment: deployment.crash().await, signers });
            }
        }
    }

    /// A plan of these, unless one is open that has one of them and is not the same: which of two a single call is a step of is not said
    /// here.
    async fn ask(&mut self, people: Vec<usize>) {
        let mut distinct = Vec::new();
        for person in people {
            if !distinct.contains(&person) {
                distinct.push(person);
            }
        }
        let now = self.now();
        let open: Vec<_> = (0..self.model.plans.len()).filter(|at| self.model.is_open(*at, now)).collect();
        let shares = |at: &usize| self.model.plans[*at].people.iter().any(|person| distinct.contains(person));
        let sharing: Vec<_> = open.into_iter().filter(shares).collect();
        if sharing.iter().any(|at| self.model.plans[*at].people != distinct) {
            return;
        }
        let same = (0..self.model.plans.len()).rev().find(|at| self.model.plans[*at].people == distinct);
        let names: Vec<_> = distinct.iter().map(|person| PEOPLE[*person]).collect();
        let acts = roles(&self.deciding().deployment, &names).await;
        let done = ask(self.deciding(), "otto", &acts).await;
        let told = done.as_ref().err().map(ServiceError::kind);
        let open = same.filter(|at| self.model.is_open(*at, now));
        if let Some(at) = open.filter(|at| self.model.plans[*at].done > 0 || self.model.valid(*at) >= QUORUM)
        {
            let comes = self.model.run(at);
            assert_eq!(told, told_of(comes), "{:?}: {done:?}", self.model.plans[at]);
            return;
        }
        if distinct.iter().any(|person| self.model.has_role[*person]) {
            assert_eq!(told, Some(ErrorKind::InvalidArgument), "{done:?}");
            return;
        }
        let is_denied = |at: &usize| {
            let known = &self.model.plans[*at];
            known.outcome == Some(Outcome::Denied) && now < known.asked_at.after(LIFETIME)
        };
        match same {
            Some(at) if is_denied(&at) => assert_eq!(told, Some(ErrorKind::Denied), "{done:?}"),
            Some(at) if self.model.is_open(at, now) => {
                let known = &self.model.plans[at];
                if known.expected.iter().any(|(person, row)| self.model.rows[*person] != *row) {
                    assert_eq!(told, Some(ErrorKind::Conflict), "{done:?}");
                    self.model.plans[at].outcome = Some(Outcome::Moved);
                } else {
                    assert_eq!(pending(done), known.id);
                }
            }
            before => {
                let id = pending(done);
                if let Some(at) = before {
                    self.model.plans[at].outcome.get_or_insert(Outcome::Expired);
                }
                let expected = distinct.iter().map(|person| (*person, self.model.rows[*person]));
                let expected: BTreeMap<_, _> = expected.collect();
                let asked_at = self.deciding().row(id).await.requested_at;
                self.model.plans.push(Known {
                    id,
                    people: distinct,
                    expected,
                    asked_at,
                    approved: Vec::new(),
                    done: 0,
                    outcome: None,
                });
            }
        }
    }

    async fn approve(&mut self, which: usize, by: usize) {
        let Some(at) = which.checked_rem(self.model.plans.len()) else { return };
        let now = self.now();
        let done = self.deciding().approve(CUSTODIANS[by], self.model.plans[at].id).await;
        let again = self.model.plans[at].approved.contains(&by);
        let may = self.model.is_custodian[by] && (again || self.model.is_open(at, now));
        assert_eq!(done.is_ok(), may, "{} of {:?}: {done:?}", CUSTODIANS[by], self.model.plans[at]);
        if may && !again {
            self.model.plans[at].approved.push(by);
        }
    }

    async fn deny(&mut self, which: usize, by: usize) {
        let Some(at) = which.checked_rem(self.model.plans.len()) else { return };
        let now = self.now();
        let done = self.deciding().deny(CUSTODIANS[by], self.model.plans[at].id).await;
        let known = &self.model.plans[at];
        let may = self.model.is_custodian[by] && self.model.is_open(at, now) && !known.approved.contains(&by);
        if may {
            assert!(done.is_ok(), "{done:?}");
            self.model.plans[at].outcome = Some(Outcome::Denied);
        } else if known.outcome != Some(Outcome::Denied) {
            assert!(done.is_err(), "{known:?}");
        }
    }

    async fn execute(&mut self, which: usize) {
        let Some(at) = which.checked_rem(self.model.plans.len()) else { return };
        let now = self.now();
        let done = self.deciding().execute("otto", self.model.plans[at].id).await;
        let told = done.as_ref().err().map(ServiceError::kind);
        if !self.model.is_open(at, now) {
            assert_eq!(told, Some(ErrorKind::WrongState), "{:?}: {done:?}", self.model.plans[at]);
            return;
        }
        let comes = self.model.run(at);
        assert_eq!(told, told_of(comes), "{:?}: {done:?}", self.model.plans[at]);
    }

    async fn single(&mut self, person: usize) {
        let now = self.now();
        let done = self.deciding().deployment.ask("otto", assign(PEOPLE[person])).await;
        let told = done.as_ref().err().map(ServiceError::kind);
        if self.model.has_role[person] {
            assert_eq!(told, None, "it is so already: {done:?}");
            return;
        }
        let of_plan = (0..self.model.plans.len()).find(|at| {
            self.model.is_open(*at, now)
                && self.model.valid(*at) >= QUORUM
                && self.model.plans[*at].people[self.model.plans[*at].done..].contains(&person)
        });
        let Some(at) = of_plan else {
            // It is asked for by itself, and nobody here approves that.
            let kinds = [ErrorKind::ApprovalRequired, ErrorKind::Conflict];
            assert!(told.is_some_and(|kind| kinds.contains(&kind)), "{done:?}");
            return;
        };
        let known = &self.model.plans[at];
        if known.people[known.done] != person {
            assert_eq!(told, Some(ErrorKind::WrongState), "{known:?}: {done:?}");
            return;
        }
        let comes = self.model.step(at);
        assert_eq!(told, told_of(comes), "{:?}: {done:?}", self.model.plans[at]);
    }

    /// Somebody else writes the row.
    async fn touch(&mut self, person: usize) {
        if !self.model.has_role[person] {
            touch(&self.deciding().deployment, PEOPLE[person]).await;
            self.model.rows[person] += 1;
        }
    }

    /// What is there is what the model has.
    async fn compare(&self) {
        for known in &self.model.plans {
            let row = self.deciding().row(known.id).await;
            assert_eq!(row.ended.map(|ended| ended.outcome), known.outcome, "{known:?}");
            let done: Vec<_> = row.done.iter().map(|done| usize::from(done.step)).collect();
            assert_eq!(done, (0..known.done).collect::<Vec<_>>(), "each once, in order: {known:?}");
        }
        for (at, name) in PEOPLE.iter().enumerate() {
            let has = holds_role(&self.deciding().deployment, name).await;
            assert_eq!(has, self.model.has_role[at], "{name}");
        }
    }
}

fn told_of(comes: Comes) -> Option<ErrorKind> {
    match comes {
        Comes::Done => None,
        Comes::Moves => Some(ErrorKind::Conflict),
        Comes::Waits => Some(ErrorKind::ApprovalRequired),
    }
}

async fn live_through(steps: &[Step]) {
    let deciding = begin().await;
    let model = Model { is_custodian: [true; CUSTODIANS.len()], ..Model::default() };
    let mut history = History { deciding: Some(deciding), model };
    for step in steps {
        Box::pin(history.take(step)).await;
        history.compare().await;
    }
    let Deciding { deployment, .. } = history.deciding.take().unwrap();
    hold(&deployment).await;
    deployment.road.stop().await;
}

fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse::<u32>().ok());
    let cases = asked.map_or(FEW, |cases| cases.min(MOST));
    ProptestConfig { cases, max_shrink_iters: 200, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nothing_of_a_plan_is_done_but_what_enough_others_approve_just_so_and_once(
        steps in prop::collection::vec(step(), 1..50)
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(live_through(&steps));
    }
}
