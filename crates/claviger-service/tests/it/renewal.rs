//! Whoever calls by a credential renews it: in its last third, for no more than it gave, and what renewed each other ends together.

use claviger_access::Presented;
use claviger_audit::op::Op;
use claviger_core::action::Plane;
use claviger_core::object::Object;
use claviger_core::port::Store as _;
use claviger_core::port::store::Page;
use claviger_core::principal::{Credential, PrincipalKind, Role, Status};
use claviger_service::log::EntryFilter;
use claviger_service::operation::{
    AssignRole, ConfirmCredential, CreateCredential, CreatePrincipal, ListCredentials, NewCredential,
    NewlyMade, ReadEntries, ReadSystem, RenewCredential, Renewal, Renewed, RevokeCredential,
};
use claviger_service::{ErrorKind, PrincipalRef, ServiceError};

use crate::deployment::{DAY, Deployment, certificate_of};
use crate::evidence::{hold, replay};

fn principal(name: &str) -> PrincipalRef {
    PrincipalRef::Name(name.parse().unwrap())
}

/// Makes a credential.
async fn give(deployment: &Deployment, by: &str, to: &str, what: NewCredential) -> NewlyMade {
    let create = CreateCredential {
        principal: principal(to),
        label: "card".parse().unwrap(),
        what,
        to_confirm: false,
    };
    deployment.ask(by, create).await.unwrap().output
}

/// The auditor's certificate `vera-1`, which she enters herself, for so many days.
async fn first(deployment: &Deployment, days: u32) -> Credential {
    let expires_at = deployment.clock.wall().after(DAY * days);
    let what = NewCredential::Certificate { der: certificate_of("vera-1"), chain: Vec::new(), expires_at };
    give(deployment, "vera", "vera", what).await.credential
}

fn by_certificate(name: &str) -> RenewCredential {
    let what = Renewal::Certificate { der: certificate_of(name), chain: Vec::new(), expires_at: None };
    RenewCredential { what }
}

const fn by_token(days: Option<u32>) -> RenewCredential {
    let lifetime = match days {
        Some(days) => Some(DAY.saturating_mul(days)),
        None => None,
    };
    RenewCredential { what: Renewal::Token { lifetime } }
}

async fn renew(deployment: &Deployment, by: &str, to: &str) -> Result<Renewed, ServiceError> {
    Ok(deployment.ask(by, by_certificate(to)).await?.output)
}

#[expect(clippy::disallowed_methods, reason = "the tests show the tokens that they are given")]
fn shown(token: claviger_access::Token) -> Presented {
    let text = token.into_text();
    Presented::token(std::str::from_utf8(text.expose()).unwrap()).unwrap()
}

/// Is somebody known by it?
async fn is_known(deployment: &Deployment, presented: Presented) -> bool {
    match deployment.ask_with(presented, ReadSystem {}).await {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::Unauthenticated => false,
        // An application that is known may not, and the answer says so.
        Err(error) if error.kind() == ErrorKind::Denied => true,
        Err(error) => panic!("{error:?}"),
    }
}

async fn is_known_by(deployment: &Deployment, certificate: &str) -> bool {
    is_known(deployment, Presented::certificate(&certificate_of(certificate))).await
}

async fn credentials(deployment: &Deployment, of: &str) -> Vec<Credential> {
    let list = ListCredentials { principal: Some(principal(of)), page: Page { after: None, limit: 100 } };
    deployment.ask("otto", list).await.unwrap().output
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_renewed_in_its_last_third_and_the_one_before_ends_within_a_day() {
    let deployment = Deployment::build().await;
    let before = first(&deployment, 90).await;
    deployment.clock.advance(DAY * 59);
    let early = renew(&deployment, "vera-1", "vera-2").await.unwrap_err();
    assert_eq!(early.kind(), ErrorKind::WrongState);
    assert!(early.public_message().contains("last third"), "{early}");
    deployment.clock.advance(DAY * 2);
    let renewed = renew(&deployment, "vera-1", "vera-2").await.unwrap();
    let next = &renewed.credential;
    assert_eq!(next.renews, Some(before.id));
    let same = |one: &Credential| (one.principal, one.kind, one.label.clone(), one.created_by);
    assert_eq!(same(next), same(&before));
    let lives = next.expires_at.since(next.created_at);
    assert!(lives <= DAY * 90 && lives > DAY * 89, "{lives:?}");
    assert!(renewed.before.expires_at <= next.created_at.after(DAY));
    assert_eq!(renewed.replaced, []);
    // Asked again with the same certificate, it is the same.
    let again = renew(&deployment, "vera-1", "vera-2").await.unwrap();
    assert_eq!((again.credential.id, again.credential.revision), (next.id, 1));
    assert!(is_known_by(&deployment, "vera-1").await && is_known_by(&deployment, "vera-2").await);
    let verified = replay(&deployment).await;
    let fact = verified.objects.find(&Object::Credential(next.id)).unwrap();
    assert!(fact.fields().contains_key(&13));
    hold(&deployment).await;

    deployment.clock.advance(DAY + DAY / 24);
    let deployment = deployment.restart().await;
    assert!(!is_known_by(&deployment, "vera-1").await && is_known_by(&deployment, "vera-2").await);
    // The next one of the line.
    deployment.clock.advance(DAY * 60);
    let third = renew(&deployment, "vera-2", "vera-3").await.unwrap();
    assert_eq!(third.credential.renews, Some(renewed.credential.id));
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_revokes_one_of_a_line_revokes_all_of_it() {
    for which in 0..3 {
        let deployment = Deployment::build().await;
        let mut line = vec![first(&deployment, 90).await.id];
        for (by, to) in [("vera-1", "vera-2"), ("vera-2", "vera-3")] {
            deployment.clock.advance(DAY * 61);
            line.push(renew(&deployment, by, to).await.unwrap().credential.id);
        }
        assert!(is_known_by(&deployment, "vera-2").await && is_known_by(&deployment, "vera-3").await);
        let revoke = || RevokeCredential { credential: line[which] };
        let revoked = deployment.ask("otto", revoke()).await.unwrap().output;
        assert_eq!((revoked.id, revoked.status), (line[which], Status::Revoked));
        for certificate in ["vera-1", "vera-2", "vera-3"] {
            assert!(!is_known_by(&deployment, certificate).await, "{certificate}, by {which}");
        }
        // What is not of the line stays.
        assert!(is_known_by(&deployment, "vera").await);
        let ended: Vec<_> = credentials(&deployment, "vera").await;
        let ended = ended.iter().filter(|one| one.status == Status::Revoked && one.reason.is_some());
        assert_eq!(ended.count(), 3);
        let filter = EntryFilter { operation: Some(Op::RevokeCredential.code()), ..EntryFilter::default() };
        let read = ReadEntries { from: 0, limit: 100, filter };
        assert_eq!(deployment.ask("vera", read).await.unwrap().output.entries.len(), 3);
        // Once more changes nothing.
        let again = deployment.ask("otto", revoke()).await.unwrap().output;
        assert_eq!(again.revision, revoked.revision);
        hold(&deployment).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_renewed_again_ends_what_was_made_before() {
    let deployment = Deployment::build().await;
    let made = give(&deployment, "ada", "app", NewCredential::Token { lifetime: DAY * 30 }).await;
    let old = shown(made.token.unwrap());
    deployment.clock.advance(DAY * 21);
    let renew = |days| deployment.ask_with(old.clone(), by_token(days));
    let lost = renew(Some(10)).await.unwrap().output;
    let kept = renew(None).await.unwrap().output;
    assert_eq!(kept.replaced, [lost.credential.id]);
    // No longer than the one that it takes the place of.
    assert!(kept.credential.expires_at <= kept.credential.created_at.after(DAY * 10));
    assert_eq!(kept.credential.created_by, made.credential.created_by);
    assert!(!is_known(&deployment, shown(lost.token.unwrap())).await);
    let kept_token = shown(kept.token.unwrap());
    assert!(is_known(&deployment, kept_token.clone()).await && is_known(&deployment, old.clone()).await);
    deployment.clock.advance(DAY * 2);
    assert!(is_known(&deployment, kept_token).await && !is_known(&deployment, old.clone()).await);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_renewed_keeps_its_maker() {
    let deployment = Deployment::build().await;
    let create = CreatePrincipal {
        name: "carla".parse().unwrap(),
        kind: PrincipalKind::Human,
        home: None,
        environment: None,
        same_person_as: None,
    };
    deployment.ask("olga", create).await.unwrap();
    let made = give(&deployment, "otto", "carla", NewCredential::Token { lifetime: DAY * 30 }).await;
    deployment.clock.advance(DAY * 25);
    let renewed = deployment.ask_with(shown(made.token.unwrap()), by_token(None)).await.unwrap().output;
    assert_eq!(renewed.credential.created_by, made.credential.created_by);
    // Who made the first may have kept it, and so have renewed it.
    deployment.clock.advance(DAY * 6);
    let assign = AssignRole { principal: principal("carla"), role: Role::Operator };
    let refused = deployment.ask("otto", assign).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::SeparationOfDuties);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_short_or_of_another_kind_is_not_renewed_and_a_line_ends() {
    let deployment = Deployment::build().await;
    let token = async |days: u32| {
        let made = give(&deployment, "ada", "app", NewCredential::Token { lifetime: DAY * days }).await;
        shown(made.token.unwrap())
    };
    let (short, long) = (token(6).await, token(200).await);
    deployment.clock.advance(DAY * 5);
    let refused = deployment.ask_with(short, by_token(None)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WrongState);
    assert!(refused.public_message().contains("less than 7 days"), "{refused}");
    let refused = deployment.ask_with(long.clone(), by_certificate("other")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    let refused = deployment.ask("vera", by_token(None)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    // Day 140, day 280, and a year is over for the line.
    deployment.clock.advance(DAY * 135);
    let second = deployment.ask_with(long, by_token(Some(300))).await.unwrap().output;
    let lives = second.credential.expires_at.since(second.credential.created_at);
    assert!(lives <= DAY * 200 && lives > DAY * 199, "{lives:?}");
    deployment.clock.advance(DAY * 140);
    let second = shown(second.token.unwrap());
    let third = deployment.ask_with(second, by_token(None)).await.unwrap().output;
    let lives = third.credential.expires_at.since(third.credential.created_at);
    assert!(lives <= DAY * 86 && lives > DAY * 85, "{lives:?}");
    deployment.clock.advance(DAY * 70);
    let refused = deployment.ask_with(shown(third.token.unwrap()), by_token(None)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WrongState);
    assert!(refused.public_message().contains("a line ends after 366 days"), "{refused}");
    // A certificate of ten years is older at its end than a line may be.
    deployment.clock.advance(DAY * 3000);
    let refused = renew(&deployment, "vera", "other").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WrongState);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_issued_for_a_request_where_the_authority_is() {
    let deployment = Deployment::build().await;
    first(&deployment, 90).await;
    deployment.clock.advance(DAY * 70);
    let by_request = |request: &[u8]| {
        let what = Renewal::Request { request: request.to_vec(), lifetime: Some(DAY * 20) };
        RenewCredential { what }
    };
    let refused = deployment.ask("vera-1", by_request(b"refused")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(refused.public_message().contains("sign the request"), "{refused}");
    let renewed = deployment.ask("vera-1", by_request(b"a key")).await.unwrap().output;
    let issued = renewed.certificate.unwrap();
    assert_eq!(issued, b"issued to vera for a key");
    assert!(renewed.credential.expires_at.since(renewed.credential.created_at) <= DAY * 20);
    assert!(is_known(&deployment, Presented::certificate(&issued)).await);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_renew_on_both_planes_and_applications_on_theirs() {
    let deployment = Deployment::build().await;
    first(&deployment, 90).await;
    let expires_at = deployment.clock.wall().after(DAY * 90);
    let what = NewCredential::Certificate { der: certificate_of("app-1"), chain: Vec::new(), expires_at };
    give(&deployment, "ada", "app", what).await;
    deployment.clock.advance(DAY * 70);
    let at = |who: &'static str, plane: Plane, to: &'static str| {
        let deployment = &deployment;
        async move {
            deployment.ask_at(who, plane, by_certificate(to)).await.map(|done| done.output.replaced.len())
        }
    };
    assert_eq!(at("vera-1", Plane::Control, "vera-2").await.unwrap(), 0);
    assert_eq!(at("vera-1", Plane::Data, "vera-3").await.unwrap(), 1);
    assert_eq!(at("app-1", Plane::Control, "app-2").await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(at("app-1", Plane::Data, "app-2").await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_line_outlives_its_revocation() {
    for round in 0..6 {
        let deployment = Deployment::build().await;
        let before = first(&deployment, 90).await;
        deployment.clock.advance(DAY * 70);
        let revoke = deployment.ask("otto", RevokeCredential { credential: before.id });
        let renewal = renew(&deployment, "vera-1", "vera-2");
        let (revoked, _) = if round % 2 == 0 {
            tokio::join!(revoke, renewal)
        } else {
            let (renewed, revoked) = tokio::join!(renewal, revoke);
            (revoked, renewed)
        };
        revoked.unwrap();
        assert!(!is_known_by(&deployment, "vera-1").await && !is_known_by(&deployment, "vera-2").await);
        let of_line = |one: &Credential| one.id == before.id || one.renews == Some(before.id);
        let all = deployment.store.list_credentials(None, Page { after: None, limit: 1000 }).await.unwrap();
        assert!(all.iter().filter(|one| of_line(one)).all(|one| one.status == Status::Revoked));
        hold(&deployment).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_last_credential_ends_within_30_days_is_shown() {
    let deployment = Deployment::build().await;
    let shown = async || {
        let ending = deployment.ask("vera", ReadSystem {}).await.unwrap().output.ending;
        ending.into_iter().map(|one| (one.name.to_string(), one.holds_role)).collect::<Vec<_>>()
    };
    let create = |name: &str, kind| CreatePrincipal {
        name: name.parse().unwrap(),
        kind,
        home: None,
        environment: None,
        same_person_as: None,
    };
    deployment.ask("ada", create("shop", PrincipalKind::Workload)).await.unwrap();
    deployment.ask("ada", create("brief", PrincipalKind::Workload)).await.unwrap();
    deployment.ask("otto", create("carla", PrincipalKind::Human)).await.unwrap();
    give(&deployment, "ada", "shop", NewCredential::Token { lifetime: DAY * 45 }).await;
    give(&deployment, "otto", "carla", NewCredential::Token { lifetime: DAY * 40 }).await;
    // What is made for less ends soon from the beginning, as it should.
    give(&deployment, "ada", "brief", NewCredential::Token { lifetime: DAY * 20 }).await;
    deployment.ask("olga", AssignRole { principal: principal("carla"), role: Role::Operator }).await.unwrap();
    assert_eq!(shown().await, []);
    deployment.clock.advance(DAY * 16);
    assert_eq!(shown().await, [("carla".to_owned(), true), ("shop".to_owned(), false)]);
    // Who has another one that ends later has nothing to do.
    give(&deployment, "ada", "shop", NewCredential::Token { lifetime: DAY * 45 }).await;
    assert_eq!(shown().await, [("carla".to_owned(), true)]);
    deployment.clock.advance(DAY * 25);
    assert_eq!(shown().await, [("shop".to_owned(), false)]);
}

/// A code is for a certificate that is not there yet, and what its holder has not confirmed proves nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_and_what_awaits_its_confirmation_neither_end_nor_follow() {
    let deployment = Deployment::build().await;
    let shown = async || {
        let ending = deployment.road.ending(DAY * 20).await.unwrap();
        ending.into_iter().map(|one| one.name.to_string()).collect::<Vec<_>>()
    };
    for name in ["nora", "dora"] {
        let create = CreatePrincipal {
            name: name.parse().unwrap(),
            kind: PrincipalKind::Human,
            home: None,
            environment: None,
            same_person_as: None,
        };
        deployment.ask("otto", create).await.unwrap();
    }
    let certificate = |name: &str, days: u32| {
        let expires_at = deployment.clock.wall().after(DAY * days);
        NewCredential::Certificate { der: certificate_of(name), chain: Vec::new(), expires_at }
    };
    give(&deployment, "otto", "dora", NewCredential::EnrolmentCode { lifetime: DAY * 30 }).await;
    give(&deployment, "otto", "nora", certificate("nora", 40)).await;
    let (label, what) = ("next".parse().unwrap(), certificate("nora-2", 400));
    let next = CreateCredential { principal: principal("nora"), label, what, to_confirm: true };
    let next = deployment.ask("otto", next).await.unwrap().output.credential;
    assert_eq!(shown().await, Vec::<String>::new());
    deployment.clock.advance(DAY * 25);
    assert_eq!(shown().await, ["nora"]);
    deployment.ask("nora", ConfirmCredential { credential: next.id }).await.unwrap();
    assert_eq!(shown().await, Vec::<String>::new());
}
