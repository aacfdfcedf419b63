//! A person leaves: one act ends all by which they could act, tells what they leave behind, and no list shows a right of theirs any more.

use std::time::Duration;

use claviger_audit::entry::Entry;
use claviger_audit::op::Op;
use claviger_core::approval::Outcome;
use claviger_core::grant::Conditions;
use claviger_core::key::KeyRecord;
use claviger_core::lineage::Cause;
use claviger_core::port::Store as _;
use claviger_core::port::store::Page;
use claviger_core::principal::{Principal, PrincipalKind, Role, Status};
use claviger_core::reason::{Reason, ReasonCode};
use claviger_core::{Action, Purpose, Spec};
use claviger_service::log::{EntryFilter, FoundEntry};
use claviger_service::operation::*;
use claviger_service::{ErrorKind, KeyRef, Presented, PrincipalRef, ServiceError};

use crate::approvals::{Deciding, pending};
use crate::deployment::{DAY, Deployment, certificate_of};
use crate::evidence::hold;
use crate::rights::rights;

const HOUR: Duration = Duration::from_secs(3600);

fn principal(name: &str) -> PrincipalRef {
    PrincipalRef::Name(name.parse().unwrap())
}

/// Why somebody is ended who leaves.
fn left(text: Option<&str>) -> Option<Reason> {
    Reason::new(Some(ReasonCode::PersonLeft), text.map(|text| text.parse().unwrap()))
}

async fn leave(deployment: &Deployment, by: &str, who: &str) -> Result<Released<Left>, ServiceError> {
    deployment.ask_because(by, left(Some("moves on")), Leave { principal: principal(who) }).await
}

async fn create(deployment: &Deployment, by: &str, name: &str, kind: PrincipalKind) -> Principal {
    let name = name.parse().unwrap();
    let create = CreatePrincipal { name, kind, home: None, environment: None, same_person_as: None };
    deployment.ask(by, create).await.unwrap().output
}

async fn token(deployment: &Deployment, by: &str, of: &str) -> NewlyMade {
    let what = NewCredential::Token { lifetime: HOUR };
    let create =
        CreateCredential { principal: principal(of), label: "t".parse().unwrap(), what, to_confirm: false };
    deployment.ask(by, create).await.unwrap().output
}

/// Another administrator than the one who is there.
async fn administrator(deployment: &Deployment, name: &str) {
    create(deployment, "otto", name, PrincipalKind::Human).await;
    let what = NewCredential::Certificate {
        der: certificate_of(name),
        chain: Vec::new(),
        expires_at: deployment.clock.wall().after(DAY * 365),
    };
    let create = CreateCredential {
        principal: principal(name),
        label: "card".parse().unwrap(),
        what,
        to_confirm: false,
    };
    deployment.ask("otto", create).await.unwrap();
    let assign = AssignRole { principal: principal(name), role: Role::Administrator };
    deployment.ask("olga", assign).await.unwrap();
}

fn to(name: &str, key: &KeyRecord, tenant: &str) -> CreateGrant {
    CreateGrant {
        principal: principal(name),
        on: GrantOn::Key(KeyRef::Id(key.key.id)),
        operations: vec![Action::Encrypt],
        conditions: Conditions {
            context_equals: vec![("tenant".to_owned(), tenant.to_owned())],
            ..Conditions::default()
        },
        name: None,
        retiring: None,
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests show the tokens that they are given")]
fn shown(made: NewlyMade) -> Presented {
    let text = made.token.unwrap().into_text();
    Presented::token(std::str::from_utf8(text.expose()).unwrap()).unwrap()
}

/// The operations of the entries of an act, with what they are about.
async fn entries(deployment: &Deployment, from: u64, count: u32) -> Vec<(Op, Vec<u8>, bool)> {
    let read = ReadEntries { from, limit: count, filter: EntryFilter::default() };
    let page = deployment.ask("vera", read).await.unwrap().output;
    let entry = |found: &FoundEntry| {
        let entry = Entry::decode(&found.bytes).unwrap();
        (entry.op, entry.reference.unwrap().to_vec(), entry.fct.is_some())
    };
    page.entries.iter().map(entry).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_act_ends_all_by_which_somebody_acted_and_no_list_shows_a_right_of_theirs() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let carla = create(&deployment, "otto", "carla", PrincipalKind::Human).await;
    let made = token(&deployment, "otto", "carla").await;
    let credential = made.credential.id;
    let grant = deployment.ask("olga", to("carla", &key, "a")).await.unwrap().output;
    let presented = shown(made);
    let call = async || deployment.ask_with(presented.clone(), ReadSystem {}).await.unwrap_err().kind();
    assert_eq!(call().await, ErrorKind::Denied, "known, and without a role");
    let of_carla = async || {
        let (lines, _) = rights(&deployment, "vera").await;
        lines.iter().filter(|line| line.contains("carla")).count()
    };
    assert_eq!(of_carla().await, 2, "a credential and a grant");

    let done = leave(&deployment, "otto", "carla").await.unwrap();
    let (left, index) = (done.output, done.receipt.index());
    assert_eq!((left.principal.status, left.principal.roles.len()), (Status::Revoked, 0));
    let revoked: Vec<_> = left.credentials.iter().map(|one| (one.id, one.status)).collect();
    assert_eq!(revoked, [(credential, Status::Revoked)]);
    assert_eq!(left.grants.told.iter().map(|one| one.id).collect::<Vec<_>>(), [grant.id]);
    assert!(!left.partial && left.keys.told.is_empty() && left.cancelled.is_empty());
    assert_eq!(
        entries(&deployment, index, 2).await,
        [
            (Op::RevokePrincipal, carla.id.as_bytes().to_vec(), true),
            (Op::RevokeCredential, credential.as_bytes().to_vec(), false),
        ]
    );

    assert_eq!(call().await, ErrorKind::Unauthenticated);
    // Nothing was written into the grant, and nobody is told that it is one.
    let stored = deployment.store.find_grant(grant.id).await.unwrap().unwrap();
    assert_eq!((stored.status, stored.revision), (Status::Active, 1));
    let ended = Some(Cause::PrincipalRevoked { principal: carla.id });
    let read = deployment.ask("vera", ReadGrant { grant: grant.id }).await.unwrap().output;
    assert_eq!(read.verdict.ended(), ended);
    let page = Page { after: None, limit: 10 };
    let on_key = ReadKeyGrants { key: KeyRef::Id(key.key.id), principal: None, page: page.clone() };
    let on_key = deployment.ask("vera", on_key).await.unwrap().output;
    assert_eq!(on_key.iter().map(|named| named.verdict.ended()).collect::<Vec<_>>(), [ended]);
    let list = ListGrants {
        principal: Some(principal("carla")),
        key: None,
        ring: None,
        with_revoked: false,
        page: page.clone(),
    };
    let listed = deployment.ask("vera", list).await.unwrap().output;
    assert_eq!(listed.iter().map(|judged| judged.verdict.ended()).collect::<Vec<_>>(), [ended]);
    let list =
        ListCredentials { principal: Some(principal("carla")), page: Page { after: None, limit: 100 } };
    let listed = deployment.ask("vera", list).await.unwrap().output;
    assert!(listed.iter().all(|credential| credential.status == Status::Revoked));
    assert_eq!(of_carla().await, 0);
    let explain = ExplainKey { key: KeyRef::Id(key.key.id), at: None };
    let explained = deployment.ask("vera", explain).await.unwrap().output.items;
    assert!(explained.iter().all(|(who, _)| who.id != carla.id));
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_leaves_behind_is_told_until_it_is_somebody_elses() {
    let more = vec![("adam".to_owned(), PrincipalKind::Human, Some(Role::Administrator))];
    let deployment = Deployment::build_among(false, more).await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&key, &[Action::Encrypt]).await;
    let shop = create(&deployment, "ada", "shop", PrincipalKind::Workload).await;
    let made = token(&deployment, "ada", "shop").await.credential;

    let first = leave(&deployment, "otto", "ada").await.unwrap().output;
    let keys = |left: &Left| left.keys.told.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>();
    let credentials = |left: &Left| left.made.told.iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!(first.roles, [RoleLeft { role: Role::Administrator, others: 1 }]);
    assert_eq!((keys(&first), credentials(&first)), (vec!["orders/cards".to_owned()], vec![made.id]));
    assert_eq!(first.principals.told.iter().map(|one| one.id).collect::<Vec<_>>(), [shop.id]);
    assert_eq!((first.quorum, first.keys.more, first.partial), (0, false, false));
    // What was made under the role goes on.
    deployment.encrypt("app", &key, b"kept").await.unwrap();

    // Once more changes nothing, and tells what is still there.
    let again = leave(&deployment, "olga", "ada").await.unwrap().output;
    assert_eq!(again.principal, first.principal);
    assert_eq!((again.roles.len(), again.credentials.len()), (0, 0));
    assert_eq!((keys(&again), credentials(&again)), (keys(&first), credentials(&first)));
    let patch = KeyPatch { owner: Some(principal("adam")), ..KeyPatch::default() };
    let update = UpdateKey { key: KeyRef::Id(key.key.id), patch, if_revision: None };
    deployment.ask("adam", update).await.unwrap();
    deployment.ask("adam", RevokeCredential { credential: made.id }).await.unwrap();
    let last = leave(&deployment, "olga", "ada").await.unwrap().output;
    assert_eq!((keys(&last).len(), credentials(&last).len(), last.principals.told.len()), (0, 0, 1));

    let stays = leave(&deployment, "otto", "adam").await.unwrap_err();
    assert_eq!(stays.kind(), ErrorKind::WrongState);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_requests_end_with_who_asked_and_lose_who_approved() {
    let deciding = Deciding::build(0).await;
    let deployment = &deciding.deployment;
    administrator(deployment, "adam").await;
    let one = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let other = deployment.key("tokens", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let destroy = |key: &KeyRecord| ScheduleDestroy { key: KeyRef::Id(key.key.id), waiting: None };
    let by_ada = pending(deployment.ask("ada", destroy(&one)).await);
    let by_adam = pending(deployment.ask("adam", destroy(&other)).await);
    for id in [by_ada, by_adam] {
        for custodian in ["carl", "cora"] {
            deciding.approve(custodian, id).await.unwrap();
        }
    }
    assert_eq!(deciding.standing(by_adam).await, (ApprovalState::Ready, 2));

    let carl = leave(deployment, "otto", "carl").await.unwrap().output;
    let mut approved = carl.approved.clone();
    approved.sort();
    let mut both = vec![by_ada, by_adam];
    both.sort();
    assert_eq!(approved, both);
    assert_eq!((carl.roles, carl.quorum), (vec![RoleLeft { role: Role::Custodian, others: 2 }], 2));
    assert_eq!(deciding.standing(by_adam).await, (ApprovalState::Open, 1));

    let done = leave(deployment, "otto", "ada").await.unwrap();
    let (ada, index) = (done.output, done.receipt.index());
    assert_eq!(ada.cancelled.iter().map(|row| row.id).collect::<Vec<_>>(), [by_ada]);
    assert_eq!(deciding.standing(by_ada).await.0, ApprovalState::Cancelled);
    let otto = deployment.store.find_principal_by_name(&"otto".parse().unwrap()).await.unwrap().unwrap();
    let ended = deciding.row(by_ada).await.ended.unwrap();
    assert_eq!((ended.outcome, ended.by), (Outcome::Cancelled, otto.id));
    let count = u32::try_from(ada.credentials.len()).unwrap() + 2;
    let recorded = entries(deployment, index, count).await;
    let cancelled = (Op::CancelApproval, by_ada.as_bytes().to_vec(), false);
    assert_eq!((recorded.first().unwrap().0, recorded.last()), (Op::RevokePrincipal, Some(&cancelled)));

    // What others asked for goes on, with another custodian.
    assert_eq!(deciding.standing(by_adam).await, (ApprovalState::Open, 1));
    deciding.approve("cyril", by_adam).await.unwrap();
    deployment.ask("adam", destroy(&other)).await.unwrap();
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_is_a_person_for_that_reason_by_somebody_who_may() {
    let more = vec![("rita".to_owned(), PrincipalKind::Human, Some(Role::Responder))];
    let deployment = Deployment::build_among(false, more).await;
    let because = |code: ReasonCode| Reason::new(Some(code), "moves on".parse().ok());
    for (by, who, reason, kind) in [
        ("otto", "app", left(Some("moves on")), ErrorKind::InvalidArgument),
        ("otto", "otto", left(Some("moves on")), ErrorKind::SeparationOfDuties),
        ("otto", "vera", because(ReasonCode::Misuse), ErrorKind::InvalidArgument),
        ("otto", "vera", left(None), ErrorKind::ReasonRequired),
        ("otto", "vera", None, ErrorKind::ReasonRequired),
        ("vera", "olga", left(Some("moves on")), ErrorKind::Denied),
        ("ada", "olga", left(Some("moves on")), ErrorKind::Denied),
        ("otto", "ada", left(Some("moves on")), ErrorKind::WrongState),
    ] {
        let refused = deployment.ask_because(by, reason, Leave { principal: principal(who) }).await;
        assert_eq!(refused.unwrap_err().kind(), kind, "{by} {who}");
    }
    let second = CreatePrincipal {
        name: "otto-2".parse().unwrap(),
        kind: PrincipalKind::Human,
        home: None,
        environment: None,
        same_person_as: Some(principal("otto")),
    };
    deployment.ask("olga", second).await.unwrap();
    let own = leave(&deployment, "otto", "otto-2").await.unwrap_err();
    assert_eq!(own.kind(), ErrorKind::SeparationOfDuties);
    let otto = leave(&deployment, "olga", "otto").await.unwrap().output;
    assert_eq!(otto.accounts.iter().map(|account| account.name.as_str()).collect::<Vec<_>>(), ["otto-2"]);
    assert_eq!(otto.roles, [RoleLeft { role: Role::SecurityOfficer, others: 1 }]);
    // Of a responder the code is enough.
    let vera = Leave { principal: principal("vera") };
    let vera = deployment.ask_because("rita", left(None), vera).await.unwrap().output;
    assert_eq!(vera.roles, [RoleLeft { role: Role::Auditor, others: 0 }]);
    // One who was revoked before is brought to the same end.
    let revoke = RevokePrincipal { principal: principal("rita") };
    deployment.ask("olga", revoke).await.unwrap();
    let rita = leave(&deployment, "olga", "rita").await.unwrap().output;
    assert_eq!((rita.roles.len(), rita.principal.roles.len(), rita.credentials.len()), (1, 0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_grants_leave_by_as_little_as_one() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    create(&deployment, "otto", "carla", PrincipalKind::Human).await;
    token(&deployment, "otto", "carla").await;
    for number in 0..120 {
        deployment.ask("olga", to("carla", &key, &number.to_string())).await.unwrap();
    }
    let size = deployment.log_size().await;
    let left = leave(&deployment, "otto", "carla").await.unwrap().output;
    assert_eq!((left.grants.told.len(), left.grants.more), (100, true));
    // The act with its credential, and the officer's session at most.
    assert!(deployment.log_size().await <= size + 3);
    let list = ListGrants {
        principal: Some(principal("carla")),
        key: None,
        ring: None,
        with_revoked: false,
        page: Page { after: None, limit: 1000 },
    };
    let listed = deployment.ask("vera", list).await.unwrap().output;
    assert_eq!(listed.len(), 120);
    assert!(listed.iter().all(|judged| judged.grant.revision == 1 && judged.verdict.honoured().is_none()));
}
