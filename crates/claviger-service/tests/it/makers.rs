//! Who makes a principal, or a credential that may act as it, gives it neither role nor grant; and who gave it one makes it no
//! credential.

use std::time::Duration;

use claviger_core::key::KeyRecord;
use claviger_core::principal::{Principal, PrincipalKind, Role};
use claviger_core::{Action, PrincipalId, Purpose, Spec};
use claviger_service::operation::{
    AssignRole, CreateCredential, CreateGrant, CreatePrincipal, GrantOn, ListCredentials, NewCredential,
    NewlyMade, ReadPrincipal, RevokeCredential, RevokePrincipal, WithdrawRole,
};
use claviger_service::{ErrorKind, KeyRef, PrincipalRef, ServiceError};

use crate::house::House;

const HOUR: Duration = Duration::from_secs(3600);

fn principal(name: &str) -> PrincipalRef {
    PrincipalRef::Name(name.parse().unwrap())
}

async fn create(house: &House, by: &str, name: &str, kind: PrincipalKind) -> Result<Principal, ServiceError> {
    let create = CreatePrincipal { name: name.parse().unwrap(), kind, home: None };
    Ok(house.ask(by, create).await?.output)
}

async fn token(house: &House, by: &str, of: &str) -> Result<NewlyMade, ServiceError> {
    let what = NewCredential::Token { lifetime: HOUR };
    let create = CreateCredential { principal: principal(of), label: "t".parse().unwrap(), what };
    Ok(house.ask(by, create).await?.output)
}

async fn grant(house: &House, by: &str, to: &str, key: &KeyRecord) -> Result<(), ServiceError> {
    let create = CreateGrant {
        principal: principal(to),
        on: GrantOn::Key(KeyRef::Id(key.key.id)),
        operations: vec![Action::Decrypt],
        conditions: Default::default(),
        name: None,
        retiring: None,
    };
    house.ask(by, create).await.map(drop)
}

async fn assign(house: &House, by: &str, to: &str, role: Role) -> Result<Principal, ServiceError> {
    Ok(house.ask(by, AssignRole { principal: principal(to), role }).await?.output)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T, ServiceError>, says: &str) {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SeparationOfDuties, "{error}");
    assert!(error.public_message().contains(says), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_security_officer_alone_becomes_no_application_that_reads() {
    let house = House::build().await;
    let key = house.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    for by in ["otto", "olga"] {
        let made = create(&house, by, "puppet", PrincipalKind::Workload).await;
        assert_eq!(made.unwrap_err().kind(), ErrorKind::Denied);
    }
    // The application that there is: no token before the grant, and none by the granter after it.
    refused(token(&house, "otto", "app").await, "an administrator");
    grant(&house, "otto", "app", &key).await.unwrap();
    refused(token(&house, "otto", "app").await, "who gave a principal a role or a grant");
    // And the one who can make it grants nothing.
    token(&house, "olga", "app").await.unwrap();
    refused(grant(&house, "olga", "app", &key).await, "who made a principal");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_makes_applications_and_their_credentials_until_they_use_a_strict_ring() {
    let house = House::build().await;
    house.relaxed_ring("tools").await;
    let key = house.key_in("tools", "cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let made = create(&house, "ada", "shop", PrincipalKind::Workload).await.unwrap();
    let ada = house.ask("vera", ReadPrincipal { principal: principal("ada") });
    assert_eq!(made.created_by, Some(ada.await.unwrap().output.id));
    let first = token(&house, "ada", "shop").await.unwrap();
    assert_eq!(first.credential.created_by, made.created_by);
    let human = create(&house, "ada", "person", PrincipalKind::Human).await;
    assert_eq!(human.unwrap_err().kind(), ErrorKind::Denied);
    grant(&house, "otto", "shop", &key).await.unwrap();
    // On a relaxed ring an administrator goes on.
    token(&house, "ada", "shop").await.unwrap();
    let strict = house.key_in("strict", "cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    grant(&house, "otto", "shop", &strict).await.unwrap();
    refused(token(&house, "ada", "shop").await, "gets a further credential from itself");
    refused(token(&house, "otto", "shop").await, "who gave a principal a role or a grant");
    token(&house, "olga", "shop").await.unwrap();
    // An administrator ends what an administrator makes, and nobody else's.
    house.ask("ada", RevokeCredential { credential: first.credential.id }).await.unwrap();
    let of_vera = house
        .ask(
            "vera",
            ListCredentials {
                principal: Some(principal("vera")),
                page: claviger_core::port::store::Page { after: None, limit: 1 },
            },
        )
        .await
        .unwrap()
        .output;
    let end = RevokeCredential { credential: of_vera[0].id };
    assert_eq!(house.ask("ada", end).await.unwrap_err().kind(), ErrorKind::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_becomes_a_custodian() {
    let house = House::build().await;
    create(&house, "otto", "carla", PrincipalKind::Human).await.unwrap();
    token(&house, "otto", "carla").await.unwrap();
    refused(assign(&house, "otto", "carla", Role::Custodian).await, "who made a principal");
    let carla = assign(&house, "olga", "carla", Role::Custodian).await.unwrap();
    assert_eq!(carla.role_givers.len(), 1);
    refused(token(&house, "olga", "carla").await, "who gave a principal a role or a grant");
    assert_eq!(token(&house, "ada", "carla").await.unwrap_err().kind(), ErrorKind::Denied);
    // Of roles of the set-up nobody knows that an officer did not give them.
    for by in ["otto", "olga"] {
        refused(token(&house, by, "vera").await, "nobody is known to have given");
    }
    token(&house, "vera", "vera").await.unwrap();
    assert_eq!(token(&house, "vera", "carla").await.unwrap_err().kind(), ErrorKind::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maker_grants_once_what_he_made_is_dead() {
    let house = House::build().await;
    let key = house.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    create(&house, "otto", "carla", PrincipalKind::Human).await.unwrap();
    let made = token(&house, "olga", "carla").await.unwrap();
    refused(grant(&house, "olga", "carla", &key).await, "who made a principal");
    house.ask("otto", RevokeCredential { credential: made.credential.id }).await.unwrap();
    grant(&house, "olga", "carla", &key).await.unwrap();
    // Expired is as dead as revoked.
    create(&house, "otto", "dora", PrincipalKind::Human).await.unwrap();
    token(&house, "olga", "dora").await.unwrap();
    house.clock.advance(HOUR);
    grant(&house, "olga", "dora", &key).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_and_a_credential_by_one_officer_at_the_same_moment_are_not_both_made() {
    let house = House::build().await;
    let key = house.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    for round in 0..20 {
        let name = format!("person-{round}");
        create(&house, "otto", &name, PrincipalKind::Human).await.unwrap();
        let (granted, made) = tokio::join!(grant(&house, "olga", &name, &key), token(&house, "olga", &name));
        assert_eq!(usize::from(granted.is_ok()) + usize::from(made.is_ok()), 1, "round {round}");
        let name = format!("other-{round}");
        create(&house, "otto", &name, PrincipalKind::Human).await.unwrap();
        let (given, made) =
            tokio::join!(assign(&house, "olga", &name, Role::Auditor), token(&house, "olga", &name));
        assert_eq!(usize::from(given.is_ok()) + usize::from(made.is_ok()), 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gave_a_role_is_forgotten_with_the_role() {
    let house = House::build().await;
    create(&house, "otto", "carla", PrincipalKind::Human).await.unwrap();
    assign(&house, "olga", "carla", Role::Responder).await.unwrap();
    let both = assign(&house, "olga", "carla", Role::SecurityOfficer).await.unwrap();
    assert_eq!(both.role_givers.iter().map(|(role, _)| *role).collect::<Vec<_>>(), both.roles);
    let withdraw = WithdrawRole { principal: principal("carla"), role: Role::Responder };
    let less = house.ask("olga", withdraw).await.unwrap().output;
    assert_eq!(less.role_givers.iter().map(|(role, _)| *role).collect::<Vec<_>>(), [Role::SecurityOfficer]);
    house.ask("olga", RevokePrincipal { principal: principal("carla") }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn makers_survive_a_restart_and_the_set_up_is_the_system() {
    let house = House::build().await;
    create(&house, "otto", "carla", PrincipalKind::Human).await.unwrap();
    token(&house, "otto", "carla").await.unwrap();
    let house = house.restart().await;
    refused(assign(&house, "otto", "carla", Role::Auditor).await, "who made a principal");
    let read = ReadPrincipal { principal: principal("otto") };
    assert_eq!(house.ask("vera", read).await.unwrap().output.created_by, Some(PrincipalId::SYSTEM));
}
