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

use crate::deployment::{DAY, Deployment, system};

fn principal(name: &str) -> PrincipalRef {
    PrincipalRef::Name(name.parse().unwrap())
}

async fn revoke(deployment: &Deployment, by: &str, who: &str) -> Result<(), ServiceError> {
    deployment.ask(by, RevokePrincipal { principal: principal(who) }).await.map(drop)
}

async fn withdraw(deployment: &Deployment, by: &str, who: &str, role: Role) -> Result<(), ServiceError> {
    deployment.ask(by, WithdrawRole { principal: principal(who), role }).await.map(drop)
}

/// Revokes all credentials of somebody, as a responder can.
async fn disarm(deployment: &Deployment, by: &str, who: &str) {
    let page = Page { after: None, limit: 100 };
    let list = ListCredentials { principal: Some(principal(who)), page };
    for credential in deployment.ask("vera", list).await.unwrap().output {
        deployment.ask(by, RevokeCredential { credential: credential.id }).await.unwrap();
    }
}

async fn recover(deployment: &Deployment, name: &str) -> Result<Principal, ServiceError> {
    let recover = Recover {
        name: name.parse().unwrap(),
        certificate: format!("certificate of {name}").into_bytes(),
        expires_at: deployment.clock.now().after(DAY),
    };
    Ok(deployment.road.perform_for_system(system(), recover).await?.output)
}

async fn unacknowledged(deployment: &Deployment) -> Vec<String> {
    let status = deployment.ask("vera", ReadSystem {}).await.unwrap().output;
    status.unacknowledged.iter().map(|officer| officer.name.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_officer_and_the_last_administrator_stay() {
    let deployment = Deployment::build().await;
    let last = revoke(&deployment, "otto", "ada").await.unwrap_err();
    assert_eq!(last.kind(), ErrorKind::WrongState);
    assert!(last.public_message().contains("the last principal with the role `administrator`"), "{last}");
    let last = withdraw(&deployment, "otto", "ada", Role::Administrator).await.unwrap_err();
    assert_eq!(last.kind(), ErrorKind::WrongState);
    revoke(&deployment, "otto", "olga").await.unwrap();
    let own = withdraw(&deployment, "otto", "otto", Role::SecurityOfficer).await.unwrap_err();
    assert_eq!(own.kind(), ErrorKind::SeparationOfDuties);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_act_is_no_last_one_and_keeps_nobody() {
    let deployment = Deployment::build().await;
    // Olga is enabled and holds the role, but has no credential: Otto is the last one, and she can go.
    disarm(&deployment, "otto", "olga").await;
    let responder = CreatePrincipal {
        name: "rosa".parse().unwrap(),
        kind: PrincipalKind::Human,
        home: None,
        environment: None,
        same_person_as: None,
    };
    deployment.ask("otto", responder).await.unwrap();
    revoke(&deployment, "otto", "olga").await.unwrap();
    // A credential can always be revoked, the last one of the last officer too.
    disarm(&deployment, "otto", "otto").await;
    let gone = deployment.ask("otto", ReadSystem {}).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_credential_keeps_no_role_filled() {
    let deployment = Deployment::build().await;
    for (name, officer) in [("nora", "otto"), ("nils", "otto")] {
        let create = CreatePrincipal {
            name: name.parse().unwrap(),
            kind: PrincipalKind::Human,
            home: None,
            environment: None,
            same_person_as: None,
        };
        deployment.ask(officer, create).await.unwrap();
        let what = NewCredential::Token { lifetime: Duration::from_secs(60) };
        let token = CreateCredential {
            principal: principal(name),
            label: "t".parse().unwrap(),
            what,
            to_confirm: false,
        };
        deployment.ask(officer, token).await.unwrap();
        deployment
            .ask("olga", AssignRole { principal: principal(name), role: Role::Administrator })
            .await
            .unwrap();
    }
    revoke(&deployment, "otto", "nils").await.unwrap();
    deployment.clock.advance(Duration::from_secs(61));
    let last = revoke(&deployment, "otto", "ada").await.unwrap_err();
    assert_eq!(last.kind(), ErrorKind::WrongState, "nora's token has expired");
    revoke(&deployment, "otto", "nora").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_officers_do_not_end_each_other_at_the_same_moment() {
    for _ in 0..8 {
        let deployment = Deployment::build().await;
        let (one, other) =
            tokio::join!(revoke(&deployment, "otto", "olga"), revoke(&deployment, "olga", "otto"));
        assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1, "{one:?} {other:?}");
        let deployment = Deployment::build().await;
        let role = Role::SecurityOfficer;
        let (one, other) = tokio::join!(
            withdraw(&deployment, "otto", "olga", role),
            withdraw(&deployment, "olga", "otto", role)
        );
        assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1, "{one:?} {other:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_makes_one_officer_who_is_shown_until_another_person_acknowledges_it() {
    let deployment = Deployment::build().await;
    disarm(&deployment, "otto", "olga").await;
    disarm(&deployment, "otto", "otto").await;
    let made = recover(&deployment, "rita").await.unwrap();
    assert_eq!((made.roles.clone(), made.role_givers.len()), (vec![Role::SecurityOfficer], 0));
    assert!(made.awaits_acknowledgement());
    assert_eq!(unacknowledged(&deployment).await, ["rita"]);
    let again = recover(&deployment, "rita").await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    // She governs: with a second one, a person comes to a role again.
    recover(&deployment, "ralf").await.unwrap();
    let create = CreatePrincipal {
        name: "nora".parse().unwrap(),
        kind: PrincipalKind::Human,
        home: None,
        environment: None,
        same_person_as: None,
    };
    deployment.ask("rita", create).await.unwrap();
    deployment.ask("ralf", AssignRole { principal: principal("nora"), role: Role::Responder }).await.unwrap();
    // Neither of the two acknowledges; whoever held a role before does.
    let acknowledge = |name: &str| AcknowledgeRecovery { principal: principal(name) };
    assert_eq!(deployment.ask("rita", acknowledge("rita")).await.unwrap_err().kind(), ErrorKind::Denied);
    let other = deployment.ask("ralf", acknowledge("rita")).await.unwrap_err();
    assert_eq!(other.kind(), ErrorKind::SeparationOfDuties);
    assert_eq!(deployment.ask("vera", acknowledge("ada")).await.unwrap_err().kind(), ErrorKind::WrongState);
    deployment.ask("vera", acknowledge("rita")).await.unwrap();
    assert_eq!(unacknowledged(&deployment).await, ["ralf"]);
    deployment.ask("rita", acknowledge("ralf")).await.unwrap();
    let deployment = deployment.restart().await;
    assert_eq!(unacknowledged(&deployment).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_the_system_recovers() {
    let deployment = Deployment::build().await;
    for who in ["otto", "ada", "vera"] {
        let recover = Recover {
            name: "rita".parse().unwrap(),
            certificate: b"x".to_vec(),
            expires_at: deployment.clock.now().after(DAY),
        };
        assert_eq!(deployment.ask(who, recover).await.unwrap_err().kind(), ErrorKind::Denied);
    }
    assert_eq!(Action::Recover.code(), 455);
}
