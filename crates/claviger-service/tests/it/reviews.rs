//! Access reviews: what there is at one place of the log is decided on by people whom it does not concern, and what is to go goes in one commit.

use std::collections::BTreeSet;

use claviger_audit::fact::OpenRow;
use claviger_audit::review::{Population, ReviewedGrant, ReviewedPrincipal, population_digest};
use claviger_audit::verify::Moment;
use claviger_audit::{Entry, Op};
use claviger_core::action::Surface;
use claviger_core::capacity::Capacity;
use claviger_core::grant::{Conditions, Grant};
use claviger_core::key::KeyRecord;
use claviger_core::object::Object;
use claviger_core::port::Store as _;
use claviger_core::port::store::Page;
use claviger_core::principal::{Principal, PrincipalKind, Role, Status};
use claviger_core::reason::{Reason, ReasonText};
use claviger_core::review::{Review, ReviewDecision, ReviewItem, ReviewScope, ReviewSubject};
use claviger_core::{Action, KeyId, Purpose, ReviewId, Spec, Timestamp};
use claviger_service::log::EntryFilter;
use claviger_service::operation::*;
use claviger_service::{ErrorKind, KeyRef, PrincipalRef, ReviewFigures, RingRef, ServiceError};

use crate::deployment::{DAY, Deployment, certificate_of};
use crate::evidence::{hold, replay_at};

use ReviewDecision::{Keep, Remove};

fn principal(name: &str) -> PrincipalRef {
    PrincipalRef::Name(name.parse().unwrap())
}

fn ring(name: &str) -> RingRef {
    name.parse().unwrap()
}

/// The roles and capacities of somebody.
fn office(name: &str) -> ItemRef {
    ItemRef { principal: principal(name), ring: None }
}

/// What somebody was granted on ring `orders`.
fn uses(name: &str) -> ItemRef {
    ItemRef { principal: principal(name), ring: Some(ring("orders")) }
}

fn month(scope: ReviewScope) -> OpenReview {
    OpenReview::new(scope, None, DAY * 30)
}

/// Items of which the same is decided.
fn all_of(
    items: impl IntoIterator<Item = ItemRef>,
    decision: ReviewDecision,
) -> Vec<(ItemRef, ReviewDecision)> {
    items.into_iter().map(|item| (item, decision)).collect()
}

/// As somebody decides.
async fn decide(
    deployment: &Deployment,
    by: &str,
    review: ReviewId,
    decisions: Vec<(ItemRef, ReviewDecision)>,
) -> Result<ReviewTold, ServiceError> {
    Ok(deployment.ask(by, DecideReview { review, decisions }).await?.output)
}

/// Has all stay of which nothing is decided: by one officer, or the other where it is the first one's own.
async fn keep_the_rest(deployment: &Deployment, review: ReviewId) {
    let otto = found(deployment, "otto").await.id;
    for item in row(deployment, review).await.items.iter().filter(|item| item.decided.is_none()) {
        let by = if item.subject.principal() == otto { "olga" } else { "otto" };
        let ring = match item.subject {
            ReviewSubject::Office(_) => None,
            ReviewSubject::Uses(_, ring) => Some(RingRef::Id(ring)),
        };
        let named = ItemRef { principal: PrincipalRef::Id(item.subject.principal()), ring };
        decide(deployment, by, review, vec![(named, Keep)]).await.unwrap();
    }
}

async fn close(deployment: &Deployment, by: &str, review: ReviewId) -> Result<ClosedReview, ServiceError> {
    let because: Reason = "a review says so".parse::<ReasonText>().unwrap().into();
    Ok(deployment.ask_because(by, Some(because), CloseReview { review }).await?.output)
}

async fn read(deployment: &Deployment, by: &str, review: ReviewId) -> Vec<ShownItem> {
    let page = Page { after: None, limit: 1000 };
    deployment.ask(by, ReadReview { review, page }).await.unwrap().output.items
}

async fn row(deployment: &Deployment, review: ReviewId) -> Review {
    deployment.store.find_review(review).await.unwrap().unwrap()
}

async fn found(deployment: &Deployment, name: &str) -> Principal {
    deployment.store.find_principal_by_name(&name.parse().unwrap()).await.unwrap().unwrap()
}

/// A person with a certificate, made by otto.
async fn enter(deployment: &Deployment, name: &str, same_person_as: Option<&str>) {
    let create = CreatePrincipal {
        name: name.parse().unwrap(),
        kind: PrincipalKind::Human,
        home: None,
        environment: None,
        same_person_as: same_person_as.map(principal),
    };
    deployment.ask("otto", create).await.unwrap();
    let what = NewCredential::Certificate {
        der: certificate_of(name),
        chain: Vec::new(),
        expires_at: deployment.clock.wall().after(DAY * 365),
    };
    let label = "card".parse().unwrap();
    let create = CreateCredential { principal: principal(name), label, what, to_confirm: false };
    deployment.ask("otto", create).await.unwrap();
}

/// A person with a role, which that officer gives.
async fn appoint(deployment: &Deployment, by: &str, name: &str, role: Role) {
    enter(deployment, name, None).await;
    deployment.ask(by, AssignRole { principal: principal(name), role }).await.unwrap();
}

async fn give(deployment: &Deployment, name: &str, capacity: Capacity) {
    deployment.ask("olga", AssignCapacity { principal: principal(name), capacity }).await.unwrap();
}

fn granted(to: &str, on: GrantOn, tenant: &str, until: Option<Timestamp>) -> CreateGrant {
    CreateGrant {
        principal: principal(to),
        on,
        operations: vec![Action::Encrypt],
        conditions: Conditions {
            context_equals: vec![("tenant".to_owned(), tenant.to_owned())],
            until,
            ..Conditions::default()
        },
        name: None,
        retiring: None,
    }
}

/// What an application was granted on a key, in the context of a tenant.
async fn grant(deployment: &Deployment, to: &str, key: &KeyRecord, tenant: &str) -> Grant {
    let on = GrantOn::Key(KeyRef::Id(key.key.id));
    deployment.ask("otto", granted(to, on, tenant, None)).await.unwrap().output
}

async fn cards(deployment: &Deployment) -> KeyRecord {
    deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await
}

#[track_caller]
fn refused<T>(outcome: Result<T, ServiceError>, kind: ErrorKind) -> ServiceError {
    let Err(error) = outcome else { panic!("it was done, and should have been refused with {kind}") };
    assert_eq!(error.kind(), kind, "{error:?}");
    error
}

/// The items of a review, as facts alone yield them at the entry that opened it.
async fn made_again(deployment: &Deployment, opened: u64, review: &Review) -> Vec<ReviewItem> {
    let objects = replay_at(deployment, Moment::Entry(opened)).await.objects.rewound();
    let read = |object: &Object| {
        let fields = objects.find(object).unwrap().fields();
        OpenRow::read(*object, &fields).unwrap()
    };
    let ring_of = |key: KeyId| match read(&Object::Key(key)) {
        OpenRow::Key(key) => key.ring,
        other => panic!("{other:?}"),
    };
    let mut population = Population::new(review.scope, review.ring, review.opened_at);
    let mut grants = Vec::new();
    for (object, _) in objects.iter() {
        match (object, read(object)) {
            (Object::Principal(id), OpenRow::Principal(one)) => {
                let (id, kind, status, roles) = (*id, one.kind, one.status, one.roles.as_slice());
                let reviewed = ReviewedPrincipal { id, kind, status, roles };
                population.principal(reviewed, one.capacities.iter().map(|held| held.capacity));
            }
            (Object::Grant(id), OpenRow::Grant(one)) if one.status == Status::Active => {
                let ring = one.ring.unwrap_or_else(|| ring_of(one.key.unwrap()));
                grants.push(ReviewedGrant { id: *id, principal: one.principal, ring, until: one.until });
            }
            _ => {}
        }
    }
    grants.into_iter().for_each(|grant| population.grant(grant));
    population.items()
}

/// What the review was opened over is what facts alone yield, and its digest is of that.
async fn follows_from_facts(deployment: &Deployment, opened: u64, review: &Review) {
    let known = |item: &ReviewItem| (item.subject, item.rights, item.count);
    let again: Vec<_> = made_again(deployment, opened, review).await.iter().map(known).collect();
    assert_eq!(review.items.iter().map(known).collect::<Vec<_>>(), again);
    assert_eq!(population_digest(&review.items), review.population);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_go_goes_in_one_commit_with_an_entry_for_each_act() {
    let deployment = Deployment::build().await;
    let key = cards(&deployment).await;
    let of_app = deployment.grant(&key, &[Action::Encrypt]).await;
    appoint(&deployment, "olga", "tom", Role::Operator).await;
    enter(&deployment, "dora", None).await;
    give(&deployment, "dora", Capacity::Dpo).await;
    let told = deployment.ask("ada", month(ReviewScope::All)).await.unwrap().output;
    let id = told.id;
    // Four of the set-up, two that came, and the grant.
    assert_eq!((told.items, told.decided, told.to_remove, told.revision), (7, 0, 0, 1));
    assert_eq!((told.due_at.since(told.opened_at), told.closed), (DAY * 30, None));
    refused(deployment.ask("otto", CloseReview { review: id }).await, ErrorKind::WrongState);

    let kept = [office("otto"), office("olga"), office("vera")];
    let by_ada = [all_of(kept, Keep), all_of([uses("app")], Remove)].concat();
    let told = decide(&deployment, "ada", id, by_ada.clone()).await.unwrap();
    assert_eq!((told.decided, told.to_remove, told.revision), (4, 1, 2));
    assert_eq!(decide(&deployment, "ada", id, by_ada).await.unwrap(), told, "once more changes nothing");
    assert_eq!(decide(&deployment, "olga", id, vec![(uses("app"), Remove)]).await.unwrap(), told);
    refused(decide(&deployment, "ada", id, vec![(uses("app"), Keep)]).await, ErrorKind::WrongState);
    refused(close(&deployment, "otto", id).await, ErrorKind::WrongState);
    let by_otto = [all_of([office("ada")], Keep), all_of([office("tom"), office("dora")], Remove)].concat();
    let told = decide(&deployment, "otto", id, by_otto).await.unwrap();
    assert_eq!((told.decided, told.to_remove), (7, 3));

    // Nothing has gone yet.
    deployment.encrypt("app", &key, b"x").await.unwrap();
    for by in ["ada", "vera", "tom"] {
        refused(close(&deployment, by, id).await, ErrorKind::Denied);
    }
    refused(deployment.ask("otto", CloseReview { review: id }).await, ErrorKind::ReasonRequired);
    let because: Reason = "nobody needs it".parse::<ReasonText>().unwrap().into();
    let closing = CloseReview { review: id };
    let closed = deployment.ask_because("otto", Some(because), closing).await.unwrap();
    let (index, closed) = (closed.receipt.index(), closed.output);
    assert_eq!(closed.withdrawn, Withdrawn { roles: 1, capacities: 1, grants: 1 });
    let (tom, dora) = (found(&deployment, "tom").await, found(&deployment, "dora").await);
    let (app, otto) = (found(&deployment, "app").await.id, found(&deployment, "otto").await.id);
    assert!(tom.roles.is_empty() && tom.role_givers.is_empty() && dora.capacities.is_empty());
    assert_eq!(deployment.store.find_grant(of_app.id).await.unwrap().unwrap().status, Status::Revoked);
    assert!(deployment.encrypt("app", &key, b"x").await.is_err());
    let now = row(&deployment, id).await;
    assert_eq!(now.closed.map(|closed| closed.by), Some(otto));
    assert!(now.reason.is_some() && now.reason != told.reason);

    let entries = ReadEntries { from: index, limit: 4, filter: EntryFilter::default() };
    let page = deployment.ask("vera", entries).await.unwrap().output;
    let entry = |bytes: &[u8]| {
        let entry = Entry::decode(bytes).unwrap();
        (entry.op, entry.reference.unwrap().to_vec(), entry.fct.is_some())
    };
    let acts: Vec<_> = page.entries.iter().map(|found| entry(&found.bytes)).collect();
    assert_eq!(acts[0], (Op::CloseReview, id.as_bytes().to_vec(), true));
    let done = acts[1..].iter().map(|(op, about, facts)| (op.code(), about.clone(), *facts));
    let grant = [&of_app.id.as_bytes()[..], app.as_bytes()].concat();
    let expected = BTreeSet::from([
        (Op::WithdrawRole.code(), tom.id.as_bytes().to_vec(), false),
        (Op::WithdrawCapacity.code(), dora.id.as_bytes().to_vec(), false),
        (Op::RevokeGrant.code(), grant, false),
    ]);
    assert_eq!(done.collect::<BTreeSet<_>>(), expected);

    // Once more changes nothing; and what is closed is decided no more.
    let again = close(&deployment, "olga", id).await.unwrap();
    assert_eq!((again.review, again.withdrawn), (closed.review, Withdrawn::default()));
    refused(decide(&deployment, "ada", id, vec![(office("vera"), Keep)]).await, ErrorKind::WrongState);
    hold(&deployment).await;
    let deployment = deployment.restart().await;
    assert_eq!(row(&deployment, id).await, now);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_decides_on_their_own_access_by_whatever_account() {
    let more = vec![("oscar".to_owned(), PrincipalKind::Human, Some(Role::SecurityOfficer))];
    let deployment = Deployment::build_among(false, more).await;
    enter(&deployment, "olga-2", Some("olga")).await;
    let assign = AssignRole { principal: principal("olga-2"), role: Role::SecurityOfficer };
    deployment.ask("oscar", assign).await.unwrap();
    // An account of the same person that holds no role.
    enter(&deployment, "ada-2", Some("ada")).await;
    give(&deployment, "ada-2", Capacity::Executive).await;
    let id = deployment.ask("olga", month(ReviewScope::Humans)).await.unwrap().output.id;
    for (by, of) in [
        ("olga", "olga"),
        ("olga", "olga-2"),
        ("olga-2", "olga"),
        ("olga-2", "olga-2"),
        ("ada", "ada"),
        ("ada", "ada-2"),
    ] {
        for decision in ReviewDecision::ALL {
            let own = decide(&deployment, by, id, vec![(office(of), decision)]).await;
            refused(own, ErrorKind::SeparationOfDuties);
        }
    }
    // Not among others either: what is refused decides nothing.
    let mixed = all_of([office("vera"), office("olga-2")], Keep);
    refused(decide(&deployment, "olga", id, mixed).await, ErrorKind::SeparationOfDuties);
    assert_eq!(row(&deployment, id).await.revision, 1);
    for by in ["vera", "ada-2"] {
        refused(decide(&deployment, by, id, vec![(office("otto"), Keep)]).await, ErrorKind::Denied);
    }
    let own = async |by: &str| {
        let items = read(&deployment, by, id).await;
        items.iter().filter(|shown| shown.own).count()
    };
    assert_eq!((own("olga").await, own("olga-2").await), (2, 2));
    assert_eq!((own("ada").await, own("vera").await, own("oscar").await), (2, 1, 1));
    let of_id = ReadReview { review: id, page: Page { after: None, limit: 10 } };
    refused(deployment.ask("ada-2", of_id).await, ErrorKind::Denied);
    let list = ListReviews { open: None, page: Page { after: None, limit: 10 } };
    refused(deployment.ask("ada-2", list).await, ErrorKind::Denied);
    let others = all_of([office("olga"), office("olga-2"), office("ada")], Keep);
    decide(&deployment, "otto", id, others).await.unwrap();
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_who_can_govern_stay_and_so_does_the_review() {
    let more = vec![("adam".to_owned(), PrincipalKind::Human, Some(Role::Administrator))];
    let deployment = Deployment::build_among(false, more).await;
    let id = deployment.ask("otto", month(ReviewScope::Humans)).await.unwrap().output.id;
    decide(&deployment, "otto", id, all_of([office("ada"), office("adam")], Remove)).await.unwrap();
    keep_the_rest(&deployment, id).await;
    // Each of them alone could go; together they are the last.
    let stays = refused(close(&deployment, "otto", id).await, ErrorKind::WrongState);
    assert!(stays.public_message().contains("administrator"), "{stays}");
    assert_eq!(row(&deployment, id).await.closed, None);
    for name in ["ada", "adam"] {
        assert_eq!(found(&deployment, name).await.roles, [Role::Administrator], "{name}");
    }
    appoint(&deployment, "olga", "anna", Role::Administrator).await;
    let closed = close(&deployment, "otto", id).await.unwrap();
    assert_eq!(closed.withdrawn, Withdrawn { roles: 2, ..Withdrawn::default() });
    assert_eq!(found(&deployment, "anna").await.roles, [Role::Administrator]);

    // Both officers: who closes is one of them.
    let id = deployment.ask("otto", month(ReviewScope::Humans)).await.unwrap().output.id;
    decide(&deployment, "anna", id, all_of([office("otto"), office("olga")], Remove)).await.unwrap();
    decide(&deployment, "otto", id, all_of([office("anna"), office("vera")], Keep)).await.unwrap();
    for by in ["otto", "olga"] {
        refused(close(&deployment, by, id).await, ErrorKind::SeparationOfDuties);
    }
    assert_eq!(row(&deployment, id).await.closed, None);

    // One officer of two goes, closed by the other.
    let id = deployment.ask("otto", month(ReviewScope::Humans)).await.unwrap().output.id;
    decide(&deployment, "anna", id, vec![(office("olga"), Remove)]).await.unwrap();
    keep_the_rest(&deployment, id).await;
    refused(close(&deployment, "olga", id).await, ErrorKind::SeparationOfDuties);
    close(&deployment, "otto", id).await.unwrap();
    assert_eq!(found(&deployment, "olga").await.roles, []);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_population_follows_from_facts_alone_whatever_came_since() {
    let deployment = Deployment::build().await;
    let key = cards(&deployment).await;
    let other = deployment.key_in("vaults", "one", Purpose::Encrypt, Spec::Aes256Gcm).await;
    enter(&deployment, "dora", None).await;
    give(&deployment, "dora", Capacity::Dpo).await;
    give(&deployment, "dora", Capacity::KeyOwner(key.key.id)).await;
    appoint(&deployment, "olga", "gone", Role::Operator).await;
    deployment.ask("olga", RevokePrincipal { principal: principal("gone") }).await.unwrap();
    grant(&deployment, "app", &key, "a").await;
    grant(&deployment, "app", &key, "b").await;
    grant(&deployment, "app", &other, "a").await;
    let on_ring = granted("outsider", GrantOn::Ring(ring("orders")), "a", None);
    deployment.ask("otto", on_ring).await.unwrap();
    // What an act has ended, and what has ended by itself, is nobody's any more.
    let ended = grant(&deployment, "outsider", &other, "a").await;
    deployment.ask("otto", RevokeGrant { grant: ended.id }).await.unwrap();
    let soon = Some(deployment.clock.wall().after(DAY));
    let short = granted("outsider", GrantOn::Ring(ring("vaults")), "b", soon);
    deployment.ask("otto", short).await.unwrap();
    deployment.clock.advance(DAY * 2);

    let mut opened = Vec::new();
    for (scope, only, items) in [
        (ReviewScope::All, None, 8),
        (ReviewScope::Humans, None, 5),
        (ReviewScope::Workloads, None, 3),
        (ReviewScope::All, Some("orders"), 2),
        (ReviewScope::Workloads, Some("vaults"), 1),
    ] {
        let open = OpenReview::new(scope, only.map(ring), DAY * 30);
        let made = deployment.ask("otto", open).await.unwrap();
        assert_eq!(made.output.items, items, "{scope} {only:?}");
        opened.push((made.receipt.index(), made.output.id));
    }
    // What comes later is for the next one.
    grant(&deployment, "app", &key, "c").await;
    deployment.ask("otto", RevokePrincipal { principal: principal("outsider") }).await.unwrap();
    deployment.ask("otto", RevokePrincipal { principal: principal("dora") }).await.unwrap();
    for (index, id) in &opened {
        let review = row(&deployment, *id).await;
        follows_from_facts(&deployment, *index, &review).await;
    }
    let everything = row(&deployment, opened[0].1).await;
    let now = deployment.log_size().await - 1;
    assert_ne!(made_again(&deployment, now, &everything).await.len(), everything.items.len());
    let made = deployment.ask("otto", month(ReviewScope::All)).await.unwrap();
    let next = row(&deployment, made.output.id).await;
    assert_ne!(next.population, everything.population);
    follows_from_facts(&deployment, made.receipt.index(), &next).await;
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_at_the_same_moment_is_in_the_population_or_comes_after_it() {
    let deployment = Deployment::build().await;
    let key = cards(&deployment).await;
    let mut opened = Vec::new();
    for round in 0..6 {
        let name = format!("person-{round}");
        enter(&deployment, &name, None).await;
        let role = AssignRole { principal: principal(&name), role: Role::Operator };
        let to_app = granted("app", GrantOn::Key(KeyRef::Id(key.key.id)), &name, None);
        let to_other = granted("outsider", GrantOn::Key(KeyRef::Id(key.key.id)), &name, None);
        let (review, role, one, other) = tokio::join!(
            deployment.ask("ada", month(ReviewScope::All)),
            deployment.ask("olga", role),
            deployment.ask("otto", to_app),
            deployment.ask("olga", to_other)
        );
        let review = review.unwrap();
        role.unwrap();
        one.unwrap();
        other.unwrap();
        opened.push((review.receipt.index(), review.output.id));
    }
    for (index, id) in opened {
        let review = row(&deployment, id).await;
        follows_from_facts(&deployment, index, &review).await;
    }
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_since_is_shown_and_goes_as_it_is_then() {
    let deployment = Deployment::build().await;
    let key = cards(&deployment).await;
    let first = grant(&deployment, "app", &key, "a").await;
    let second = grant(&deployment, "outsider", &key, "a").await;
    for name in ["dora", "emil"] {
        appoint(&deployment, "olga", name, Role::Operator).await;
    }
    let opened = deployment.ask("otto", month(ReviewScope::All)).await.unwrap();
    let (index, id) = (opened.receipt.index(), opened.output.id);
    assert!(read(&deployment, "vera", id).await.iter().all(|shown| !shown.changed && !shown.more));
    let before = row(&deployment, id).await;

    let later = grant(&deployment, "app", &key, "b").await;
    deployment.ask("otto", RevokeGrant { grant: second.id }).await.unwrap();
    give(&deployment, "dora", Capacity::Ciso).await;
    let leave = RevokePrincipal { principal: principal("emil") };
    deployment.ask("otto", leave).await.unwrap();
    appoint(&deployment, "olga", "nora", Role::Operator).await;
    let ids = async |name: &str| found(&deployment, name).await.id;
    let changed: BTreeSet<_> = read(&deployment, "vera", id)
        .await
        .into_iter()
        .filter(|shown| shown.changed)
        .map(|shown| (shown.item.subject.principal(), shown.rights.len()))
        .collect();
    let expected =
        [(ids("app").await, 2), (ids("outsider").await, 0), (ids("dora").await, 2), (ids("emil").await, 0)];
    assert_eq!(changed, BTreeSet::from(expected));
    let of_ring = read(&deployment, "vera", id).await;
    let of_app = of_ring.iter().find(|shown| shown.item.subject.principal() == expected[0].0).unwrap();
    let shown: BTreeSet<_> = of_app
        .rights
        .iter()
        .map(|right| match right {
            ShownRight::Grant(grant) => grant.id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(shown, BTreeSet::from([first.id, later.id]));

    // Who came later is for the next one.
    refused(decide(&deployment, "otto", id, vec![(office("nora"), Remove)]).await, ErrorKind::NotFound);
    let to_go = all_of([uses("app"), uses("outsider"), office("dora"), office("emil")], Remove);
    decide(&deployment, "otto", id, to_go).await.unwrap();
    keep_the_rest(&deployment, id).await;
    let after = row(&deployment, id).await;
    assert_eq!((after.population, after.items.len()), (before.population, before.items.len()));
    let closed = close(&deployment, "olga", id).await.unwrap();
    assert_eq!(closed.withdrawn, Withdrawn { roles: 1, capacities: 1, grants: 2 });
    for grant in [first.id, later.id] {
        assert_eq!(deployment.store.find_grant(grant).await.unwrap().unwrap().status, Status::Revoked);
    }
    assert!(found(&deployment, "dora").await.roles.is_empty());
    assert_eq!(found(&deployment, "nora").await.roles, [Role::Operator]);
    follows_from_facts(&deployment, index, &row(&deployment, id).await).await;
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_used_and_who_was_not_seen_is_marked() {
    let deployment = Deployment::build().await;
    let key = cards(&deployment).await;
    let tools = deployment.key_in("vaults", "one", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&key, &[Action::Encrypt]).await;
    deployment.grant(&tools, &[Action::Encrypt]).await;
    grant(&deployment, "outsider", &key, "a").await;
    enter(&deployment, "dora", None).await;
    give(&deployment, "dora", Capacity::Dpo).await;
    deployment.encrypt("app", &tools, b"long ago").await.unwrap();
    // Of what is new it cannot be said that nobody uses it.
    let id = deployment.ask("otto", month(ReviewScope::All)).await.unwrap().output.id;
    let marked = |items: &[ShownItem]| items.iter().filter(|shown| shown.unused || shown.inactive).count();
    assert_eq!(marked(&read(&deployment, "vera", id).await), 0);

    deployment.clock.advance(DAY * 91);
    deployment.encrypt("app", &key, b"today").await.unwrap();
    deployment.grant(&tools, &[Action::Decrypt]).await;
    let id = deployment.ask("otto", month(ReviewScope::All)).await.unwrap().output.id;
    let items = read(&deployment, "vera", id).await;
    let of = async |name: &str, ring: Option<&KeyRecord>| {
        let principal = found(&deployment, name).await.id;
        let subject = match ring {
            None => ReviewSubject::Office(principal),
            Some(key) => ReviewSubject::Uses(principal, key.ring.id),
        };
        let shown = items.iter().find(|shown| shown.item.subject == subject).unwrap();
        (shown.item.last_used.is_some(), shown.unused, shown.inactive)
    };
    assert_eq!(of("app", Some(&key)).await, (true, false, false));
    assert_eq!(of("app", Some(&tools)).await, (false, true, false), "there is an old grant, and a new one");
    assert_eq!(of("outsider", Some(&key)).await, (false, true, true));
    assert_eq!(of("otto", None).await, (true, false, false));
    assert_eq!(of("dora", None).await, (false, false, true));
    // The day, and no more than that.
    let now = deployment.clock.wall();
    for at in row(&deployment, id).await.items.iter().filter_map(|item| item.last_used) {
        assert!(at <= now && at.as_micros() % 86_400_000_000 == 0 && now.since(at) < DAY * 2, "{at:?}");
    }
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_has_bounds() {
    let deployment = Deployment::build().await;
    cards(&deployment).await;
    for days in [0, 181] {
        let open = OpenReview::new(ReviewScope::All, None, DAY * days);
        refused(deployment.ask("otto", open).await, ErrorKind::InvalidArgument);
    }
    let of = |scope, of_ring: &str| OpenReview::new(scope, Some(ring(of_ring)), DAY);
    refused(deployment.ask("otto", of(ReviewScope::All, "orders")).await, ErrorKind::WrongState);
    refused(deployment.ask("otto", of(ReviewScope::All, "nowhere")).await, ErrorKind::NotFound);
    refused(deployment.ask("otto", month(ReviewScope::Workloads)).await, ErrorKind::WrongState);
    for by in ["vera", "app"] {
        assert!(deployment.ask_by(by, Surface::Control, month(ReviewScope::All)).await.is_err(), "{by}");
    }

    let once = || deployment.ask_once("ada", "quarter", month(ReviewScope::All));
    let first = once().await.unwrap().output;
    assert_eq!(once().await.unwrap().output, first);
    let id = first.id;
    let mut all = vec![id];
    for _ in 1..Review::MOST_OPEN {
        all.push(deployment.ask("ada", month(ReviewScope::All)).await.unwrap().output.id);
    }
    refused(deployment.ask("otto", month(ReviewScope::All)).await, ErrorKind::LimitExceeded);
    all.sort();
    let list = async |open: Option<bool>, after: Option<ReviewId>, limit: u32| {
        let list = ListReviews { open, page: Page { after, limit } };
        let found = deployment.ask("vera", list).await.unwrap().output;
        found.into_iter().map(|told| told.id).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None, 100).await, all);
    assert_eq!(list(Some(true), None, 20).await, all[..20]);
    assert_eq!(list(Some(true), Some(all[19]), 20).await, all[20..]);
    assert_eq!(list(Some(false), None, 20).await, []);
    let open = u64::try_from(all.len()).unwrap();
    assert_eq!(deployment.road.review_figures().await.unwrap(), ReviewFigures { open, overdue: 0 });
    keep_the_rest(&deployment, id).await;
    // Where nothing is to go no reason is asked for.
    deployment.ask("otto", CloseReview { review: id }).await.unwrap();
    deployment.ask("otto", month(ReviewScope::All)).await.unwrap();
    assert_eq!(list(Some(false), None, 20).await, [id]);
    deployment.clock.advance(DAY * 31);
    let figures = ReviewFigures { open, overdue: open };
    assert_eq!(deployment.road.review_figures().await.unwrap(), figures);
    assert_eq!(deployment.ask("vera", ReadSystem {}).await.unwrap().output.reviews, Some(figures));

    let id = all.into_iter().find(|one| *one != id).unwrap();
    let both = vec![(office("vera"), Keep), (office("vera"), Remove)];
    let many = all_of(vec![office("vera"); 1001], Keep);
    for wrong in [Vec::new(), both, many] {
        refused(decide(&deployment, "otto", id, wrong).await, ErrorKind::InvalidArgument);
    }
    for none in [office("nobody"), uses("app"), office("app")] {
        refused(decide(&deployment, "otto", id, vec![(none, Keep)]).await, ErrorKind::NotFound);
    }
    let none = ReviewId::from_bytes([7; 16]);
    refused(decide(&deployment, "otto", none, vec![(office("vera"), Keep)]).await, ErrorKind::NotFound);
    refused(close(&deployment, "otto", none).await, ErrorKind::NotFound);
    let page = Page { after: None, limit: 10 };
    refused(deployment.ask("vera", ReadReview { review: none, page }).await, ErrorKind::NotFound);
    // Twice the same in one call is decided once.
    let twice = all_of([office("vera"), office("vera")], Keep);
    assert_eq!(decide(&deployment, "otto", id, twice).await.unwrap().decided, 1);

    // It is read page by page.
    let mut places = Vec::new();
    let mut after = None;
    loop {
        let page = Page { after, limit: 3 };
        let read = deployment.ask("vera", ReadReview { review: id, page }).await.unwrap().output;
        places.extend(read.items.iter().map(|shown| shown.place));
        after = read.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(places, (0..4).collect::<Vec<u32>>());
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_commit_withdraws_so_much_and_no_more() {
    const MOST: usize = 512;
    let deployment = Deployment::build().await;
    let key = cards(&deployment).await;
    let mut grants = Vec::new();
    for number in 0..=MOST {
        grants.push(grant(&deployment, "app", &key, &number.to_string()).await);
    }
    let open = OpenReview::new(ReviewScope::Workloads, Some(ring("orders")), DAY);
    let id = deployment.ask("otto", open).await.unwrap().output.id;
    decide(&deployment, "olga", id, vec![(uses("app"), Remove)]).await.unwrap();
    let many = read(&deployment, "vera", id).await;
    assert_eq!((many[0].rights.len(), many[0].more, many[0].item.count), (64, true, 513));
    refused(close(&deployment, "otto", id).await, ErrorKind::LimitExceeded);
    assert_eq!(row(&deployment, id).await.closed, None);
    deployment.ask("otto", RevokeGrant { grant: grants[0].id }).await.unwrap();
    let closed = close(&deployment, "otto", id).await.unwrap();
    assert_eq!(closed.withdrawn, Withdrawn { grants: MOST, ..Withdrawn::default() });
    hold(&deployment).await;
}
