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
use claviger_service::{ErrorKind, KeyRef, Presented, PrincipalRef, ServiceError};

use crate::deployment::Deployment;

const HOUR: Duration = Duration::from_secs(3600);

fn principal(name: &str) -> PrincipalRef {
    PrincipalRef::Name(name.parse().unwrap())
}

async fn create(
    deployment: &Deployment,
    by: &str,
    name: &str,
    kind: PrincipalKind,
) -> Result<Principal, ServiceError> {
    let name = name.parse().unwrap();
    let create = CreatePrincipal { name, kind, home: None, environment: None, same_person_as: None };
    Ok(deployment.ask(by, create).await?.output)
}

fn new_token(of: &str, lifetime: Duration) -> CreateCredential {
    CreateCredential {
        principal: principal(of),
        label: "t".parse().unwrap(),
        what: NewCredential::Token { lifetime },
        to_confirm: false,
    }
}

async fn token(deployment: &Deployment, by: &str, of: &str) -> Result<NewlyMade, ServiceError> {
    Ok(deployment.ask(by, new_token(of, HOUR)).await?.output)
}

/// What the holder of a token shows.
#[expect(clippy::disallowed_methods, reason = "the tests show the tokens that they are given")]
pub(crate) fn shown(made: NewlyMade) -> Presented {
    let text = made.token.unwrap().into_text();
    Presented::token(std::str::from_utf8(text.expose()).unwrap()).unwrap()
}

async fn grant(deployment: &Deployment, by: &str, to: &str, key: &KeyRecord) -> Result<(), ServiceError> {
    let create = CreateGrant {
        principal: principal(to),
        on: GrantOn::Key(KeyRef::Id(key.key.id)),
        operations: vec![Action::Decrypt],
        conditions: Default::default(),
        name: None,
        retiring: None,
    };
    deployment.ask(by, create).await.map(drop)
}

async fn assign(deployment: &Deployment, by: &str, to: &str, role: Role) -> Result<Principal, ServiceError> {
    Ok(deployment.ask(by, AssignRole { principal: principal(to), role }).await?.output)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T, ServiceError>, says: &str) {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SeparationOfDuties, "{error}");
    assert!(error.public_message().contains(says), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_security_officer_alone_becomes_no_application_that_reads() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    for by in ["otto", "olga"] {
        let made = create(&deployment, by, "puppet", PrincipalKind::Workload).await;
        assert_eq!(made.unwrap_err().kind(), ErrorKind::Denied);
    }
    // The application that there is: no token before the grant, and none by the granter after it.
    refused(token(&deployment, "otto", "app").await, "an administrator");
    grant(&deployment, "otto", "app", &key).await.unwrap();
    refused(token(&deployment, "otto", "app").await, "who gave a principal a role");
    // And the one who can make it grants nothing.
    token(&deployment, "olga", "app").await.unwrap();
    refused(grant(&deployment, "olga", "app", &key).await, "who made a principal");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_makes_applications_and_their_credentials_until_they_use_a_strict_ring() {
    let deployment = Deployment::build().await;
    deployment.relaxed_ring("tools").await;
    let key = deployment.key_in("tools", "cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let made = create(&deployment, "ada", "shop", PrincipalKind::Workload).await.unwrap();
    let ada = deployment.ask("vera", ReadPrincipal { principal: principal("ada") });
    assert_eq!(made.created_by, Some(ada.await.unwrap().output.id));
    let first = token(&deployment, "ada", "shop").await.unwrap();
    assert_eq!(first.credential.created_by, made.created_by);
    let human = create(&deployment, "ada", "person", PrincipalKind::Human).await;
    assert_eq!(human.unwrap_err().kind(), ErrorKind::Denied);
    grant(&deployment, "otto", "shop", &key).await.unwrap();
    // On a relaxed ring an administrator goes on.
    token(&deployment, "ada", "shop").await.unwrap();
    let strict = deployment.key_in("strict", "cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    grant(&deployment, "otto", "shop", &strict).await.unwrap();
    refused(token(&deployment, "ada", "shop").await, "gets a further credential from itself");
    refused(token(&deployment, "otto", "shop").await, "who gave a principal a role");
    token(&deployment, "olga", "shop").await.unwrap();
    // An administrator ends what an administrator makes, and nobody else's.
    deployment.ask("ada", RevokeCredential { credential: first.credential.id }).await.unwrap();
    let of_vera = deployment
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
    assert_eq!(deployment.ask("ada", end).await.unwrap_err().kind(), ErrorKind::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_becomes_a_custodian() {
    let deployment = Deployment::build().await;
    create(&deployment, "otto", "carla", PrincipalKind::Human).await.unwrap();
    token(&deployment, "otto", "carla").await.unwrap();
    refused(assign(&deployment, "otto", "carla", Role::Custodian).await, "who made a principal");
    let carla = assign(&deployment, "olga", "carla", Role::Custodian).await.unwrap();
    assert_eq!(carla.role_givers.len(), 1);
    refused(token(&deployment, "olga", "carla").await, "who gave a principal a role");
    assert_eq!(token(&deployment, "ada", "carla").await.unwrap_err().kind(), ErrorKind::Denied);
    // Of roles of the set-up nobody knows that an officer did not give them.
    for by in ["otto", "olga"] {
        refused(token(&deployment, by, "vera").await, "nobody is known to have given");
    }
    token(&deployment, "vera", "vera").await.unwrap();
    assert_eq!(token(&deployment, "vera", "carla").await.unwrap_err().kind(), ErrorKind::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maker_grants_once_what_they_made_is_dead() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    create(&deployment, "otto", "carla", PrincipalKind::Human).await.unwrap();
    let made = token(&deployment, "olga", "carla").await.unwrap();
    refused(grant(&deployment, "olga", "carla", &key).await, "who made a principal");
    deployment.ask("otto", RevokeCredential { credential: made.credential.id }).await.unwrap();
    grant(&deployment, "olga", "carla", &key).await.unwrap();
    // Expired is as dead as revoked.
    create(&deployment, "otto", "dora", PrincipalKind::Human).await.unwrap();
    token(&deployment, "olga", "dora").await.unwrap();
    deployment.clock.advance(HOUR);
    grant(&deployment, "olga", "dora", &key).await.unwrap();
}

/// Who acts as somebody by what they made, and has that one make another, holds the other as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_maker_is_not_forgotten_by_what_the_holder_made_by_that() {
    for ends in ["revoked", "expired"] {
        let deployment = Deployment::build().await;
        let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
        create(&deployment, "otto", "carla", PrincipalKind::Human).await.unwrap();
        let first = token(&deployment, "olga", "carla").await.unwrap();
        let id = first.credential.id;
        let own = deployment.ask_with(shown(first), new_token("carla", HOUR * 48)).await.unwrap().output;
        match ends {
            "revoked" => drop(deployment.ask("otto", RevokeCredential { credential: id }).await.unwrap()),
            _ => deployment.clock.advance(HOUR * 2),
        }
        let own_id = own.credential.id;
        let further = deployment.ask_with(shown(own), new_token("carla", HOUR * 48)).await.unwrap().output;
        refused(grant(&deployment, "olga", "carla", &key).await, "who made a principal");
        refused(assign(&deployment, "olga", "carla", Role::Auditor).await, "who made a principal");
        deployment.ask("otto", RevokeCredential { credential: own_id }).await.unwrap();
        refused(grant(&deployment, "olga", "carla", &key).await, "who made a principal");
        deployment.ask("otto", RevokeCredential { credential: further.credential.id }).await.unwrap();
        grant(&deployment, "olga", "carla", &key).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_and_a_credential_by_one_officer_at_the_same_moment_are_not_both_made() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    for round in 0..20 {
        let name = format!("person-{round}");
        create(&deployment, "otto", &name, PrincipalKind::Human).await.unwrap();
        let (granted, made) =
            tokio::join!(grant(&deployment, "olga", &name, &key), token(&deployment, "olga", &name));
        assert_eq!(usize::from(granted.is_ok()) + usize::from(made.is_ok()), 1, "round {round}");
        let name = format!("other-{round}");
        create(&deployment, "otto", &name, PrincipalKind::Human).await.unwrap();
        let (given, made) = tokio::join!(
            assign(&deployment, "olga", &name, Role::Auditor),
            token(&deployment, "olga", &name)
        );
        assert_eq!(usize::from(given.is_ok()) + usize::from(made.is_ok()), 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gave_a_role_is_forgotten_with_the_role() {
    let deployment = Deployment::build().await;
    create(&deployment, "otto", "carla", PrincipalKind::Human).await.unwrap();
    assign(&deployment, "olga", "carla", Role::Responder).await.unwrap();
    let both = assign(&deployment, "olga", "carla", Role::SecurityOfficer).await.unwrap();
    assert_eq!(both.role_givers.iter().map(|(role, _)| *role).collect::<Vec<_>>(), both.roles);
    let withdraw = WithdrawRole { principal: principal("carla"), role: Role::Responder };
    let less = deployment.ask("olga", withdraw).await.unwrap().output;
    assert_eq!(less.role_givers.iter().map(|(role, _)| *role).collect::<Vec<_>>(), [Role::SecurityOfficer]);
    deployment.ask("olga", RevokePrincipal { principal: principal("carla") }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn makers_survive_a_restart_and_the_set_up_is_the_system() {
    let deployment = Deployment::build().await;
    create(&deployment, "otto", "carla", PrincipalKind::Human).await.unwrap();
    token(&deployment, "otto", "carla").await.unwrap();
    let deployment = deployment.restart().await;
    refused(assign(&deployment, "otto", "carla", Role::Auditor).await, "who made a principal");
    let read = ReadPrincipal { principal: principal("otto") };
    assert_eq!(deployment.ask("vera", read).await.unwrap().output.created_by, Some(PrincipalId::SYSTEM));
}
