//! Creating calls that come again under their idempotency key: the same one finds what it made, however its parts are named;
//! another one is told apart; one of an older build is neither.

use std::path::Path;

use claviger_core::grant::{Conditions, Grant};
use claviger_core::key::{Key, RingPolicy};
use claviger_core::principal::PrincipalKind;
use claviger_core::{Action, Purpose, Spec};
use claviger_service::operation::*;
use claviger_service::{ErrorKind, KeyRef, PrincipalRef, RingRef};

use crate::deployment::{DAY, Deployment};
use claviger_testkit::older::OLDER;

const BY_ID: bool = true;
const BY_NAME: bool = false;

async fn grant(
    deployment: &Deployment,
    key: &Key,
    by_id: bool,
    operations: &[Action],
    context: &[(&str, &str)],
) -> Result<Grant, ErrorKind> {
    let app =
        deployment.ask("otto", ReadPrincipal { principal: "app".parse().unwrap() }).await.unwrap().output;
    let create = CreateGrant {
        principal: if by_id { PrincipalRef::Id(app.id) } else { PrincipalRef::Name(app.name.clone()) },
        on: GrantOn::Key(if by_id { KeyRef::Id(key.id) } else { "orders/cards".parse().unwrap() }),
        operations: operations.to_vec(),
        conditions: Conditions {
            context_equals: context.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            ..Conditions::default()
        },
        name: None,
        retiring: None,
    };
    deployment.ask_once("otto", "grant-1", create).await.map(|done| done.output).map_err(|error| error.kind())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_is_known_again_by_other_names_and_in_another_order() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await.key;
    let (encrypt, decrypt) = (Action::Encrypt, Action::Decrypt);
    let pairs = [("tenant", "7"), ("app", "x")];
    let made = grant(&deployment, &key, BY_NAME, &[encrypt, decrypt], &pairs).await.unwrap();
    let turned = [pairs[1], pairs[0]];
    let again = grant(&deployment, &key, BY_ID, &[decrypt, encrypt, decrypt], &turned).await.unwrap();
    assert_eq!(again.id, made.id);
    for (operations, context) in [(&[encrypt][..], &pairs[..]), (&[encrypt, decrypt], &pairs[..1])] {
        let other = grant(&deployment, &key, BY_ID, operations, context).await;
        assert_eq!(other.unwrap_err(), ErrorKind::IdempotencyMismatch);
    }
    // And after a restart.
    let deployment = deployment.restart().await;
    assert_eq!(grant(&deployment, &key, BY_ID, &[encrypt, decrypt], &pairs).await.unwrap().id, made.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_creating_call_finds_what_it_made() {
    let deployment = Deployment::build().await;
    let ring = || CreateRing { name: "orders".parse().unwrap(), policy: RingPolicy::default() };
    let made = deployment.ask_once("ada", "1", ring()).await.unwrap().output;
    assert_eq!(deployment.ask_once("ada", "1", ring()).await.unwrap().output, made);

    let key = || deployment.new_key("orders", "cards", Purpose::Encrypt, Spec::Aes256Gcm);
    let made_key = deployment.ask_once("ada", "2", key()).await.unwrap().output;
    let by_id = CreateKey { ring: RingRef::Id(made.id), owner: Some("ada".parse().unwrap()), ..key() };
    assert_eq!(deployment.ask_once("ada", "2", by_id).await.unwrap().output.key.id, made_key.key.id);
    let other = CreateKey { description: "other".into(), ..key() };
    let refused = deployment.ask_once("ada", "2", other).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::IdempotencyMismatch);
    // An owner who is not there was not there before.
    let nobody = CreateKey { owner: Some("nobody".parse().unwrap()), ..key() };
    assert_eq!(deployment.ask_once("ada", "2", nobody).await.unwrap_err().kind(), ErrorKind::AlreadyExists);

    let alias = || CreateAlias { name: "main".parse().unwrap(), key: "orders/cards".parse().unwrap() };
    deployment.ask_once("ada", "3", alias()).await.unwrap();
    let by_id = CreateAlias { key: KeyRef::Id(made_key.key.id), ..alias() };
    assert_eq!(deployment.ask_once("ada", "3", by_id).await.unwrap().output.key, made_key.key.id);

    let person = |home: &str| CreatePrincipal {
        name: "billing".parse().unwrap(),
        kind: PrincipalKind::Workload,
        home: Some(home.parse().unwrap()),
        environment: None,
        same_person_as: None,
    };
    let billing = deployment.ask_once("ada", "4", person("orders")).await.unwrap().output;
    let again = deployment.ask_once("ada", "4", person(&made.id.to_string())).await.unwrap().output;
    assert_eq!(again.id, billing.id);

    let token = |principal: &str| CreateCredential {
        principal: principal.parse().unwrap(),
        label: "ci".parse().unwrap(),
        what: NewCredential::Token { lifetime: DAY },
        to_confirm: false,
    };
    deployment.ask_once("ada", "5", token("billing")).await.unwrap();
    let again = deployment.ask_once("ada", "5", token(&billing.id.to_string())).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    let other = deployment.ask_once("ada", "5", token("app")).await.unwrap_err();
    assert_eq!(other.kind(), ErrorKind::IdempotencyMismatch);
}

/// The rows become those that a release before the canonical encoding wrote.
fn age(database: &Path) {
    let connection = rusqlite::Connection::open(database).unwrap();
    connection.execute_batch(OLDER).unwrap();
    assert!(connection.execute("UPDATE idempotency SET scheme = 0", []).unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_an_older_build_has_expired_and_conflicts_with_nothing() {
    let deployment = Deployment::build().await;
    let ring = || CreateRing { name: "orders".parse().unwrap(), policy: RingPolicy::default() };
    let other = || CreateRing { name: "others".parse().unwrap(), policy: RingPolicy::default() };
    deployment.ask_once("ada", "1", ring()).await.unwrap();
    let deployment = deployment.restart_after(age).await;
    // It cannot be used to recognize the same request, nor another one.
    for refused in
        [deployment.ask_once("ada", "1", ring()).await, deployment.ask_once("ada", "1", other()).await]
    {
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::IdempotencyExpired);
        assert!(refused.public_message().contains("use a fresh key"));
        assert!(refused.entry().is_some());
    }
    assert!(deployment.ask("ada", ReadRing { ring: "others".parse().unwrap() }).await.is_err());
    // Somebody else's key of the same name is another, and so is a fresh one.
    deployment.ask_once("ada", "2", other()).await.unwrap();
    assert!(deployment.ask_once("ada", "2", other()).await.is_ok());

    deployment.clock.advance(DAY * 8);
    deployment.road.do_what_is_due().await;
    let taken = deployment.ask_once("ada", "1", ring()).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    let third = CreateRing { name: "third".parse().unwrap(), policy: RingPolicy::default() };
    deployment.ask_once("ada", "1", third).await.unwrap();
}
