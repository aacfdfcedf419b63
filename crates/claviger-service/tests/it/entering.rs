//! A certificate is entered only when the listeners would take it, and its credential ends with it.

use claviger_core::port::Clock as _;
use claviger_core::port::store::Page;
use claviger_core::principal::Credential;
use claviger_service::operation::{CreateCredential, ListCredentials, NewCredential, NewlyMade, Recover};
use claviger_service::{ErrorKind, PrincipalRef, ServiceError};
use claviger_testkit::trust::BRIEF;

use crate::deployment::{DAY, Deployment, system};

fn principal() -> PrincipalRef {
    PrincipalRef::Name("outsider".parse().unwrap())
}

async fn enter(deployment: &Deployment, der: &[u8], chain: usize) -> Result<NewlyMade, ServiceError> {
    let expires_at = deployment.clock.now().after(DAY * 90);
    let what = NewCredential::Certificate { der: der.to_vec(), chain: vec![vec![0]; chain], expires_at };
    let create =
        CreateCredential { principal: principal(), label: "card".parse().unwrap(), what, to_confirm: false };
    deployment.ask("ada", create).await.map(|released| released.output)
}

async fn credentials(deployment: &Deployment) -> Vec<Credential> {
    let page = Page { after: None, limit: 100 };
    deployment.ask("vera", ListCredentials { principal: Some(principal()), page }).await.unwrap().output
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_listeners_would_refuse_is_not_entered_and_the_caller_hears_why() {
    let deployment = Deployment::build().await;
    let before = credentials(&deployment).await.len();
    let refused = enter(&deployment, b"refused", 0).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    assert!(refused.public_message().contains("have one of them issue it"), "{refused}");
    assert!(refused.entry().is_some(), "a refusal is recorded");
    assert!(enter(&deployment, b"good", 9).await.is_err());
    assert_eq!(credentials(&deployment).await.len(), before);
    enter(&deployment, b"good", 8).await.unwrap();
    assert_eq!(credentials(&deployment).await.len(), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_ends_not_later_than_its_certificate() {
    let deployment = Deployment::build().await;
    let made = enter(&deployment, b"brief", 0).await.unwrap();
    let lives = made.credential.expires_at.since(made.credential.created_at);
    assert!(lives <= BRIEF && lives + DAY / 24 > BRIEF, "{lives:?}");
    let made = enter(&deployment, b"lasting", 0).await.unwrap();
    assert!(made.credential.expires_at.since(made.credential.created_at) > DAY * 89);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_enters_no_certificate_that_the_listeners_would_refuse() {
    let deployment = Deployment::build().await;
    let recover = |certificate: &[u8]| Recover {
        name: "rita".parse().unwrap(),
        certificate: certificate.to_vec(),
        expires_at: deployment.clock.now().after(DAY),
    };
    let refused = deployment.road.perform_for_system(system(), recover(b"refused")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    deployment.road.perform_for_system(system(), recover(b"good")).await.unwrap();
}
