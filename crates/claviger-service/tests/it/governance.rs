//! Governance is not lost by one call, and a recovery gives it back.

use std::time::Duration;

use claviger_core::Action;
use claviger_core::port::Clock as _;
use claviger_core::port::store::Page;
use claviger_core::principal::{Principal, PrincipalKind, Role};
use claviger_service::operation::{
    AcknowledgeRecovery, AssignRole, CreateCredential, CreatePrincipal, ListCredentials, NewCredential,
    ReadSystem, Recover, RevokeCredential, RevokePrincipal, WithdrawRole,
};
use claviger_service::{ErrorKind, PrincipalRef, ServiceError};

use crate::house::{DAY, House, system};

fn principal(name: &str) -> PrincipalRef {
    PrincipalRef::Name(name.parse().unwrap())
}

async fn revoke(house: &House, by: &str, who: &str) -> Result<(), ServiceError> {
    house.ask(by, RevokePrincipal { principal: principal(who) }).await.map(drop)
}

async fn withdraw(house: &House, by: &str, who: &str, role: Role) -> Result<(), ServiceError> {
    house.ask(by, WithdrawRole { principal: principal(who), role }).await.map(drop)
}

/// Revokes all credentials of somebody, as a responder can.
async fn disarm(house: &House, by: &str, who: &str) {
    let page = Page { after: None, limit: 100 };
    let list = ListCredentials { principal: Some(principal(who)), page };
    for credential in house.ask("vera", list).await.unwrap().output {
        house.ask(by, RevokeCredential { credential: credential.id }).await.unwrap();
    }
}

async fn recover(house: &House, name: &str) -> Result<Principal, ServiceError> {
    let recover = Recover {
        name: name.parse().unwrap(),
        certificate: format!("certificate of {name}").into_bytes(),
        expires_at: house.clock.now().after(DAY),
    };
    Ok(house.road.perform_for_house(system(), recover).await?.output)
}

async fn unacknowledged(house: &House) -> Vec<String> {
    let status = house.ask("vera", ReadSystem {}).await.unwrap().output;
    status.unacknowledged.iter().map(|officer| officer.name.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_officer_and_the_last_administrator_stay() {
    let house = House::build().await;
    let last = revoke(&house, "otto", "ada").await.unwrap_err();
    assert_eq!(last.kind(), ErrorKind::WrongState);
    assert!(last.public_message().contains("the last principal with the role `administrator`"), "{last}");
    let last = withdraw(&house, "otto", "ada", Role::Administrator).await.unwrap_err();
    assert_eq!(last.kind(), ErrorKind::WrongState);
    revoke(&house, "otto", "olga").await.unwrap();
    let own = withdraw(&house, "otto", "otto", Role::SecurityOfficer).await.unwrap_err();
    assert_eq!(own.kind(), ErrorKind::SeparationOfDuties);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_act_is_no_last_one_and_keeps_nobody() {
    let house = House::build().await;
    // Olga is enabled and holds the role, but has no credential: Otto is the last one, and she can go.
    disarm(&house, "otto", "olga").await;
    let responder = CreatePrincipal { name: "rosa".parse().unwrap(), kind: PrincipalKind::Human, home: None };
    house.ask("otto", responder).await.unwrap();
    revoke(&house, "otto", "olga").await.unwrap();
    // A credential can always be revoked, the last one of the last officer too.
    disarm(&house, "otto", "otto").await;
    let gone = house.ask("otto", ReadSystem {}).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_credential_keeps_nobody_in_office() {
    let house = House::build().await;
    for (name, officer) in [("nora", "otto"), ("nils", "otto")] {
        let create = CreatePrincipal { name: name.parse().unwrap(), kind: PrincipalKind::Human, home: None };
        house.ask(officer, create).await.unwrap();
        let what = NewCredential::Token { lifetime: Duration::from_secs(60) };
        let token = CreateCredential { principal: principal(name), label: "t".parse().unwrap(), what };
        house.ask(officer, token).await.unwrap();
        house
            .ask("olga", AssignRole { principal: principal(name), role: Role::Administrator })
            .await
            .unwrap();
    }
    revoke(&house, "otto", "nils").await.unwrap();
    house.clock.advance(Duration::from_secs(61));
    let last = revoke(&house, "otto", "ada").await.unwrap_err();
    assert_eq!(last.kind(), ErrorKind::WrongState, "nora's token has expired");
    revoke(&house, "otto", "nora").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_officers_do_not_end_each_other_at_the_same_moment() {
    for _ in 0..8 {
        let house = House::build().await;
        let (one, other) = tokio::join!(revoke(&house, "otto", "olga"), revoke(&house, "olga", "otto"));
        assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1, "{one:?} {other:?}");
        let house = House::build().await;
        let role = Role::SecurityOfficer;
        let (one, other) =
            tokio::join!(withdraw(&house, "otto", "olga", role), withdraw(&house, "olga", "otto", role));
        assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1, "{one:?} {other:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_makes_one_officer_who_is_shown_until_another_person_acknowledges_it() {
    let house = House::build().await;
    disarm(&house, "otto", "olga").await;
    disarm(&house, "otto", "otto").await;
    let made = recover(&house, "rita").await.unwrap();
    assert_eq!((made.roles.clone(), made.role_givers.len()), (vec![Role::SecurityOfficer], 0));
    assert!(made.awaits_acknowledgement());
    assert_eq!(unacknowledged(&house).await, ["rita"]);
    let again = recover(&house, "rita").await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    // She governs: with a second one, a person comes to a role again.
    recover(&house, "ralf").await.unwrap();
    let create = CreatePrincipal { name: "nora".parse().unwrap(), kind: PrincipalKind::Human, home: None };
    house.ask("rita", create).await.unwrap();
    house.ask("ralf", AssignRole { principal: principal("nora"), role: Role::Responder }).await.unwrap();
    // Neither of the two acknowledges; whoever held a role before does.
    let acknowledge = |name: &str| AcknowledgeRecovery { principal: principal(name) };
    assert_eq!(house.ask("rita", acknowledge("rita")).await.unwrap_err().kind(), ErrorKind::Denied);
    let other = house.ask("ralf", acknowledge("rita")).await.unwrap_err();
    assert_eq!(other.kind(), ErrorKind::SeparationOfDuties);
    assert_eq!(house.ask("vera", acknowledge("ada")).await.unwrap_err().kind(), ErrorKind::WrongState);
    house.ask("vera", acknowledge("rita")).await.unwrap();
    assert_eq!(unacknowledged(&house).await, ["ralf"]);
    house.ask("rita", acknowledge("ralf")).await.unwrap();
    let house = house.restart().await;
    assert_eq!(unacknowledged(&house).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_the_system_recovers() {
    let house = House::build().await;
    for who in ["otto", "ada", "vera"] {
        let recover = Recover {
            name: "rita".parse().unwrap(),
            certificate: b"x".to_vec(),
            expires_at: house.clock.now().after(DAY),
        };
        assert_eq!(house.ask(who, recover).await.unwrap_err().kind(), ErrorKind::Denied);
    }
    assert_eq!(Action::Recover.code(), 455);
}
