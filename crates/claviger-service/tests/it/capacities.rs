//! Capacities: what a person answers for is said by another one under the quorum, gives nothing but signatures, and ends with the person.

use std::time::Duration;

use claviger_access::separation::SeparationError;
use claviger_audit::{Entry, Op};
use claviger_core::capacity::{Capacity, HeldCapacity};
use claviger_core::key::DataClass;
use claviger_core::permit::Rule;
use claviger_core::port::Store as _;
use claviger_core::port::store::{DeclarationFilter, Page};
use claviger_core::principal::{Principal, PrincipalKind, Role, Status};
use claviger_core::reason::{Reason, ReasonCode};
use claviger_core::{AssetId, KeyId, Purpose, Spec, Timestamp};
use claviger_service::log::EntryFilter;
use claviger_service::operation::*;
use claviger_service::{ErrorKind, KeyRef, PrincipalRef, ServiceError};

use crate::approvals::{Deciding, pending};
use crate::declarations::Signer;
use crate::deployment::{DAY, Deployment, certificate_of};
use crate::evidence::hold;

const HOUR: Duration = Duration::from_secs(3600);

fn principal(name: &str) -> PrincipalRef {
    PrincipalRef::Name(name.parse().unwrap())
}

fn give(name: &str, capacity: Capacity) -> AssignCapacity {
    AssignCapacity { principal: principal(name), capacity }
}

fn withdraw(name: &str, capacity: Capacity) -> WithdrawCapacity {
    WithdrawCapacity { principal: principal(name), capacity }
}

fn person(name: &str, same_person_as: Option<&str>) -> CreatePrincipal {
    CreatePrincipal {
        name: name.parse().unwrap(),
        kind: PrincipalKind::Human,
        home: None,
        environment: None,
        same_person_as: same_person_as.map(principal),
    }
}

/// A credential of somebody, who shows that.
fn certificate(deployment: &Deployment, of: &str, shows: &str) -> CreateCredential {
    let what = NewCredential::Certificate {
        der: certificate_of(shows),
        chain: Vec::new(),
        expires_at: deployment.clock.wall().after(DAY * 365),
    };
    CreateCredential { principal: principal(of), label: "card".parse().unwrap(), what, to_confirm: false }
}

/// Somebody with a certificate, made by that officer.
async fn enter(deployment: &Deployment, by: &str, name: &str, same_person_as: Option<&str>) {
    deployment.ask(by, person(name, same_person_as)).await.unwrap();
    deployment.ask(by, certificate(deployment, name, name)).await.unwrap();
}

async fn found(deployment: &Deployment, name: &str) -> Principal {
    deployment.store.find_principal_by_name(&name.parse().unwrap()).await.unwrap().unwrap()
}

fn capacities(principal: &Principal) -> Vec<Capacity> {
    principal.capacities.iter().map(|held| held.capacity).collect()
}

/// What the report of access says of somebody: by which rules, and what they answer for.
async fn reported(deployment: &Deployment, name: &str, at: Option<Timestamp>) -> Vec<(Rule, Vec<Capacity>)> {
    let report = ReportAccess { at, page: Page { after: None, limit: 1000 } };
    let lines = deployment.ask("vera", report).await.unwrap().output.lines;
    let of_them = lines.into_iter().filter(|line| line.name.as_str() == name);
    of_them.map(|line| (line.rule, line.capacities)).collect()
}

#[track_caller]
fn refused<T>(outcome: Result<T, ServiceError>, kind: ErrorKind) -> ServiceError {
    let Err(error) = outcome else { panic!("it was done, and should have been refused with {kind}") };
    assert_eq!(error.kind(), kind, "{error:?}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capacity_takes_the_quorum_to_be_given_and_one_officer_to_be_withdrawn() {
    let deciding = Deciding::build(2).await;
    let deployment = &deciding.deployment;
    enter(deployment, "otto", "dora", None).await;
    let id = pending(deployment.ask("olga", give("dora", Capacity::Dpo)).await);
    assert_eq!(pending(deployment.ask("olga", give("dora", Capacity::Dpo)).await), id);
    assert_eq!(capacities(&found(deployment, "dora").await), []);
    deciding.approve("carl", id).await.unwrap();
    assert_eq!(pending(deciding.execute("olga", id).await), id, "one is too few");
    deciding.approve("cora", id).await.unwrap();
    refused(deciding.execute("otto", id).await, ErrorKind::Denied);
    let done = deciding.execute("olga", id).await.unwrap().result;
    let ExecutedResult::Principal(dora) = done else { panic!("{done:?}") };
    let olga = found(deployment, "olga").await.id;
    assert_eq!(dora.capacities, [HeldCapacity { capacity: Capacity::Dpo, given_by: olga }]);
    assert_eq!(found(deployment, "dora").await, *dora);
    assert_eq!(deciding.standing(id).await, (ApprovalState::Executed, 2));

    // Once more changes nothing, and asks nobody.
    for officer in ["olga", "otto"] {
        let again = deployment.ask(officer, give("dora", Capacity::Dpo)).await.unwrap().output;
        assert_eq!(again, *dora, "{officer}");
    }

    let less = deployment.ask("otto", withdraw("dora", Capacity::Dpo)).await.unwrap();
    assert_eq!((capacities(&less.output), less.output.revision), (vec![], dora.revision + 1));
    refused(deployment.ask("otto", withdraw("dora", Capacity::Dpo)).await, ErrorKind::NotFound);
    let read = ReadEntries { from: less.receipt.index(), limit: 1, filter: EntryFilter::default() };
    let page = deployment.ask("vera", read).await.unwrap().output;
    let entry = Entry::decode(&page.entries[0].bytes).unwrap();
    assert_eq!((entry.op, entry.reference.as_deref()), (Op::WithdrawCapacity, Some(&dora.id.as_bytes()[..])));
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_says_it_of_themselves_or_of_one_whom_they_made() {
    let more = vec![("oscar".to_owned(), PrincipalKind::Human, Some(Role::SecurityOfficer))];
    let deployment = Deployment::build_among(false, more).await;
    enter(&deployment, "otto", "olga-2", Some("olga")).await;
    let assign = AssignRole { principal: principal("olga-2"), role: Role::SecurityOfficer };
    deployment.ask("oscar", assign).await.unwrap();
    enter(&deployment, "otto", "dora", None).await;
    enter(&deployment, "olga-2", "mara", None).await;
    deployment.ask("otto", person("gone", None)).await.unwrap();
    deployment.ask("olga", RevokePrincipal { principal: principal("gone") }).await.unwrap();
    let own = SeparationError::OwnCapacity;
    let maker = SeparationError::CapacityByMaker;
    for (by, to, why) in [
        ("otto", "otto", own),
        ("olga", "olga", own),
        // By another account, either way.
        ("olga", "olga-2", own),
        ("olga-2", "olga", own),
        ("otto", "dora", maker),
        ("olga-2", "mara", maker),
        ("olga", "mara", maker),
        ("oscar", "app", SeparationError::CapacityOfNoPerson),
        ("oscar", "gone", SeparationError::Revoked(found(&deployment, "gone").await.id)),
    ] {
        let outcome = deployment.ask(by, give(to, Capacity::Ciso)).await;
        let error = refused(outcome, ErrorKind::SeparationOfDuties);
        assert_eq!(error.public_message(), why.to_string(), "{by} {to}");
    }
    // Whoever holds no role is not even told that there is such a person.
    let others = [("ada", ErrorKind::Denied), ("vera", ErrorKind::Denied), ("dora", ErrorKind::NotFound)];
    for (by, kind) in others {
        refused(deployment.ask(by, give("olga", Capacity::Ciso)).await, kind);
    }
    let unsaid = deployment.ask_because("olga", None, give("dora", Capacity::Ciso)).await;
    refused(unsaid, ErrorKind::ReasonRequired);
    for (by, to) in [("olga", "dora"), ("otto", "olga"), ("oscar", "mara"), ("otto", "vera")] {
        deployment.ask(by, give(to, Capacity::Ciso)).await.unwrap();
    }
    for (by, kind) in others {
        refused(deployment.ask(by, withdraw("olga", Capacity::Ciso)).await, kind);
    }
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_owns_what_is_there() {
    let deployment = Deployment::build().await;
    let create = CreateAsset { name: "patients".parse().unwrap(), owner: None, class: DataClass::Ephi };
    let asset = deployment.ask("ada", create).await.unwrap().output.id;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await.key.id;
    deployment.relaxed_ring("tools").await;
    let destroyed = deployment.key_in("tools", "old", Purpose::Encrypt, Spec::Aes256Gcm).await.key.id;
    let destroy = ScheduleDestroy { key: KeyRef::Id(destroyed), waiting: None };
    deployment.ask("ada", destroy).await.unwrap();
    deployment.clock.advance(DAY * 31);
    deployment.road.do_what_is_due().await;
    let none = Capacity::AssetOwner(AssetId::from_bytes(*key.as_bytes()));
    refused(deployment.ask("otto", give("vera", none)).await, ErrorKind::NotFound);
    let none = Capacity::KeyOwner(KeyId::from_bytes(*asset.as_bytes()));
    refused(deployment.ask("otto", give("vera", none)).await, ErrorKind::NotFound);
    let gone = Capacity::KeyOwner(destroyed);
    refused(deployment.ask("otto", give("vera", gone)).await, ErrorKind::WrongState);
    for owned in [Capacity::KeyOwner(key), Capacity::AssetOwner(asset)] {
        deployment.ask("otto", give("vera", owned)).await.unwrap();
    }
    let held = [Capacity::AssetOwner(asset), Capacity::KeyOwner(key)];
    assert_eq!(capacities(&found(&deployment, "vera").await), held);
    let deployment = deployment.restart().await;
    assert_eq!(capacities(&found(&deployment, "vera").await), held);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_answers_for_so_much_and_no_more() {
    let deployment = Deployment::build().await;
    for number in 0..HeldCapacity::MOST {
        let name = format!("asset-{number}").parse().unwrap();
        let create = CreateAsset { name, owner: None, class: DataClass::Internal };
        let asset = deployment.ask("ada", create).await.unwrap().output.id;
        deployment.ask("otto", give("vera", Capacity::AssetOwner(asset))).await.unwrap();
    }
    refused(deployment.ask("otto", give("vera", Capacity::Dpo)).await, ErrorKind::LimitExceeded);
    let held = capacities(&found(&deployment, "vera").await);
    deployment.ask("otto", withdraw("vera", held[7])).await.unwrap();
    deployment.ask("otto", give("vera", Capacity::Dpo)).await.unwrap();
    assert_eq!(found(&deployment, "vera").await.capacities.len(), HeldCapacity::MOST);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capacity_signs_statements_and_does_nothing_else() {
    let deployment = Deployment::build().await;
    enter(&deployment, "otto", "dora", None).await;
    let declared =
        || ListDeclarations { filter: DeclarationFilter::default(), page: Page { after: None, limit: 10 } };
    let signer = Signer::of(&deployment, "dora").await.unwrap();
    let sign = async || {
        let statement = signer.signed(deployment.clock.wall());
        deployment.ask_with(signer.presented(), statement).await
    };
    refused(deployment.ask("dora", declared()).await, ErrorKind::Denied);
    refused(sign().await, ErrorKind::Denied);
    deployment.ask("olga", give("dora", Capacity::Dpo)).await.unwrap();
    sign().await.unwrap();
    assert_eq!(deployment.ask("dora", declared()).await.unwrap().output.len(), 1);
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    refused(deployment.ask("dora", ReadSystem {}).await, ErrorKind::Denied);
    refused(deployment.ask("dora", give("vera", Capacity::Dpo)).await, ErrorKind::NotFound);
    let read = ReadKey { key: KeyRef::Id(key.key.id) };
    assert!(deployment.ask("dora", read).await.is_err());
    assert!(deployment.encrypt("dora", &key, b"x").await.is_err());
    // It ends with the capacity.
    deployment.ask("otto", withdraw("dora", Capacity::Dpo)).await.unwrap();
    refused(sign().await, ErrorKind::Denied);
    refused(deployment.ask("dora", declared()).await, ErrorKind::Denied);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gets_a_capacity_does_not_decide_on_it() {
    let deciding = Deciding::build(2).await;
    let deployment = &deciding.deployment;
    let id = pending(deployment.ask("olga", give("carl", Capacity::RiskOwner)).await);
    let own = refused(deciding.approve("carl", id).await, ErrorKind::SeparationOfDuties);
    assert!(own.public_message().contains("capacity"), "{own}");
    refused(deciding.deny("carl", id).await, ErrorKind::SeparationOfDuties);
    for custodian in ["cora", "cyril"] {
        deciding.approve(custodian, id).await.unwrap();
    }
    deciding.execute("olga", id).await.unwrap();
    assert_eq!(capacities(&found(deployment, "carl").await), [Capacity::RiskOwner]);
    hold(deployment).await;
}

/// Whoever makes a credential may keep it, and would sign by it in the name of another.
#[tokio::test(flavor = "multi_thread")]
async fn others_approve_a_further_credential_of_who_answers_for_something() {
    let deciding = Deciding::build(2).await;
    let deployment = &deciding.deployment;
    enter(deployment, "otto", "dora", None).await;
    let id = pending(deployment.ask("olga", give("dora", Capacity::Dpo)).await);
    for custodian in ["carl", "cora"] {
        deciding.approve(custodian, id).await.unwrap();
    }
    deciding.execute("olga", id).await.unwrap();
    let further = |shows: &str| certificate(deployment, "dora", shows);
    refused(deployment.ask("olga", further("dora, says olga")).await, ErrorKind::SeparationOfDuties);
    pending(deployment.ask("otto", further("dora, says otto")).await);
    deployment.ask("dora", further("dora herself")).await.unwrap();
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capacity_and_a_credential_by_one_officer_at_the_same_moment_are_not_both_made() {
    let deployment = Deployment::build().await;
    for round in 0..20 {
        let name = format!("person-{round}");
        deployment.ask("otto", person(&name, None)).await.unwrap();
        let made = certificate(&deployment, &name, &name);
        let (given, made) =
            tokio::join!(deployment.ask("olga", give(&name, Capacity::Dpo)), deployment.ask("olga", made));
        assert_eq!(usize::from(given.is_ok()) + usize::from(made.is_ok()), 1, "round {round}");
    }
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn capacities_end_with_the_person_and_the_report_shows_them_until_then() {
    let deployment = Deployment::build().await;
    enter(&deployment, "otto", "dora", None).await;
    enter(&deployment, "otto", "rex", None).await;
    for (to, capacity) in [
        ("dora", Capacity::PrivacyOfficer),
        ("dora", Capacity::Dpo),
        ("rex", Capacity::RiskOwner),
        ("vera", Capacity::Ciso),
    ] {
        deployment.ask("olga", give(to, capacity)).await.unwrap();
    }
    let of_dora = [(Rule::Builtin("capacity"), vec![Capacity::Dpo, Capacity::PrivacyOfficer])];
    assert_eq!(reported(&deployment, "dora", None).await, of_dora);
    let of_vera = reported(&deployment, "vera", None).await;
    assert!(!of_vera.is_empty());
    for (rule, held) in &of_vera {
        assert!(*rule != Rule::Builtin("capacity") && *held == [Capacity::Ciso], "{rule:?} {held:?}");
    }
    let then = deployment.clock.wall();
    deployment.clock.advance(HOUR);

    let why = Reason::new(Some(ReasonCode::PersonLeft), "moves on".parse().ok());
    let left = deployment.ask_because("olga", why, Leave { principal: principal("dora") }).await.unwrap();
    assert_eq!(left.output.capacities, [Capacity::Dpo, Capacity::PrivacyOfficer]);
    assert_eq!(left.output.principal.capacities, []);
    let revoked = deployment.ask("olga", RevokePrincipal { principal: principal("rex") }).await.unwrap();
    assert_eq!((revoked.output.status, revoked.output.capacities.len()), (Status::Revoked, 0));
    for name in ["dora", "rex"] {
        let gone = found(&deployment, name).await;
        assert_eq!((gone.status, gone.capacities.len()), (Status::Revoked, 0), "{name}");
        assert_eq!(reported(&deployment, name, None).await, []);
    }
    // As things stood then.
    assert_eq!(reported(&deployment, "dora", Some(then)).await, of_dora);
    assert_eq!(reported(&deployment, "vera", Some(then)).await, of_vera);
    hold(&deployment).await;
}
