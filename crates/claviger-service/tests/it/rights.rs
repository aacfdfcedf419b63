//! Rights that an older release kept are unconfirmed until a security officer and an auditor have confirmed the list of them.

use std::path::Path;

use claviger_audit::{Entry, Op};
use claviger_core::object::{Object, RowCursor};
use claviger_core::port::{Clock as _, Store as _, StoreError};
use claviger_core::principal::Role;
use claviger_core::{Action, Purpose, RightsReviewId, Spec};
use claviger_crypto::digest::sha256;
use claviger_service::log::EntryFilter;
use claviger_service::operation::{
    AcknowledgeRecovery, AssignRole, ConfirmRights, ReadEntries, ReadRights, ReadSystem, Recover,
    RightsReviewStatus,
};
use claviger_service::{ErrorKind, PrincipalRef, ServiceError};
use rusqlite::Connection;

use crate::deployment::{DAY, Deployment, system};
use crate::edited_rows::furnish;
use crate::evidence::{differences, hold, replay};
use claviger_testkit::older::{OLDER, WITHOUT_FACTS};

/// As a store is that comes from a release without facts, with something done to it before.
fn older(edit: &str) -> impl FnOnce(&Path) {
    move |database| {
        let database = Connection::open(database).unwrap();
        database.pragma_update(None, "foreign_keys", false).unwrap();
        database.execute_batch(&format!("{OLDER} {WITHOUT_FACTS} {edit}")).unwrap();
    }
}

async fn upgraded(edit: &str) -> Deployment {
    let deployment = Deployment::build().await;
    furnish(&deployment).await;
    deployment.restart_after(older(edit)).await
}

/// The lines of all rights, in pages of a few, and their digest.
pub(crate) async fn rights(deployment: &Deployment, who: &str) -> (Vec<String>, [u8; 32]) {
    let (mut lines, mut next) = (Vec::new(), Some(RowCursor::default()));
    while let Some(from) = next {
        let page = deployment.ask(who, ReadRights { from, limit: 2 }).await.unwrap().output;
        lines.extend(page.rights.into_iter().map(|right| right.line));
        next = page.next;
    }
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    (lines, sha256(text.as_bytes()))
}

async fn confirm(
    deployment: &Deployment,
    who: &str,
    digest: [u8; 32],
) -> Result<RightsReviewStatus, ServiceError> {
    Ok(deployment.ask(who, ConfirmRights { digest }).await?.output)
}

async fn unconfirmed(deployment: &Deployment) -> Option<RightsReviewStatus> {
    let status = deployment.ask("vera", ReadSystem {}).await.unwrap().output.unconfirmed_rights;
    assert_eq!(deployment.road.unconfirmed_rights().await.unwrap().is_some(), status.is_some());
    status
}

async fn entries(deployment: &Deployment) -> usize {
    let filter = EntryFilter { operation: Some(Op::ConfirmRights.code()), ..EntryFilter::default() };
    let read = ReadEntries { from: 0, limit: 1000, filter };
    let page = deployment.ask("vera", read).await.unwrap().output;
    let made = page.entries.iter().map(|found| Entry::decode(&found.bytes).unwrap());
    made.filter(|entry| entry.fct.is_some()).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_of_an_older_store_are_unconfirmed_until_two_persons_confirmed_one_list() {
    let deployment = upgraded("").await;
    let waiting = unconfirmed(&deployment).await.unwrap();
    assert_eq!((waiting.review.digest, waiting.officer, waiting.auditor), (None, None, None));
    let (lines, digest) = rights(&deployment, "otto").await;
    for part in [
        "rules of ring orders: separation strict",
        "roles of ada (human): administrator (given by nobody who is known)",
        "roles of vera (human): auditor",
        "credential of app: access_key sdk",
        "credential of otto: certificate",
        "grant to app on key orders/cards: encrypt, context with {\"tenant\"=\"7\"}",
        "alias shop/cards: key orders/cards",
    ] {
        assert_eq!(lines.iter().filter(|line| line.starts_with(part)).count(), 1, "{part}: {lines:#?}");
    }

    let first = confirm(&deployment, "otto", digest).await.unwrap();
    assert!(!first.review.is_confirmed());
    assert_eq!(first.officer.as_ref().unwrap().as_str(), "otto");
    // The same again is the same; another officer is no auditor.
    assert_eq!(confirm(&deployment, "otto", digest).await.unwrap(), first);
    let second = confirm(&deployment, "olga", digest).await.unwrap_err();
    assert_eq!(second.kind(), ErrorKind::SeparationOfDuties);
    let denied = confirm(&deployment, "ada", digest).await.unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::Denied);
    assert_eq!(unconfirmed(&deployment).await, Some(first));

    let deployment = deployment.restart().await;
    assert!(unconfirmed(&deployment).await.is_some());
    let both = confirm(&deployment, "vera", digest).await.unwrap();
    assert!(both.review.is_confirmed());
    assert_eq!((both.officer.unwrap().as_str(), both.auditor.unwrap().as_str()), ("otto", "vera"));
    assert_eq!(unconfirmed(&deployment).await, None);
    assert_eq!(entries(&deployment).await, 2);
    hold(&deployment).await;
    let verified = replay(&deployment).await;
    let review = verified.objects.find(&Object::RightsReview(RightsReviewId::UPGRADE)).unwrap();
    assert_eq!(review.revision, 3);

    // What changes later was recorded as it came about.
    let principal = PrincipalRef::Name("olga".parse().unwrap());
    let _ = deployment.ask("otto", AssignRole { principal, role: Role::Responder }).await;
    let deployment = deployment.restart().await;
    assert_eq!(unconfirmed(&deployment).await, None);
    assert_eq!(confirm(&deployment, "olga", digest).await.unwrap_err().kind(), ErrorKind::WrongState);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_that_is_outdated_is_refused_and_a_new_one_takes_the_place_of_the_old() {
    let deployment = upgraded("").await;
    let (_, digest) = rights(&deployment, "vera").await;
    confirm(&deployment, "vera", digest).await.unwrap();
    let key = deployment.key("other", Purpose::Encrypt, Spec::Aes256Gcm).await;
    assert_eq!(rights(&deployment, "vera").await.1, digest, "a key is no right");
    deployment.grant(&key, &[Action::Decrypt]).await;
    let outdated = confirm(&deployment, "otto", digest).await.unwrap_err();
    assert_eq!(outdated.kind(), ErrorKind::Conflict);
    assert!(outdated.public_message().contains("`claviger rights list`"), "{outdated}");
    let (lines, now) = rights(&deployment, "otto").await;
    assert!(
        lines.iter().any(|line| line.starts_with("grant to app on key orders/other: decrypt")),
        "{lines:?}"
    );
    let alone = confirm(&deployment, "otto", now).await.unwrap();
    assert_eq!((alone.review.is_confirmed(), alone.auditor), (false, None), "it was another list");
    assert!(confirm(&deployment, "vera", now).await.unwrap().review.is_confirmed());
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_edited_before_the_upgrade_is_listed_or_refused() {
    let untouched = upgraded("").await;
    let (before, digest) = rights(&untouched, "vera").await;
    for (edit, line) in [
        ("UPDATE principal SET roles = 'responder' WHERE name = 'olga'", "roles of olga (human): responder"),
        (
            "UPDATE principal SET roles = 'administrator' WHERE name = 'outsider'",
            "roles of outsider (workload): administrator",
        ),
        ("UPDATE grants SET operations = 'decrypt'", "grant to app on key orders/cards: decrypt"),
        ("UPDATE grants SET conditions = NULL", "grant to app on key orders/cards: encrypt, without an end"),
        (
            "UPDATE ring SET quorum = 0, separation = 'relaxed'",
            "rules of ring orders: separation relaxed, quorum 0",
        ),
        (
            "UPDATE credential SET principal = (SELECT id FROM principal WHERE name = 'outsider') WHERE kind = 'access_key'",
            "credential of outsider: access_key sdk",
        ),
        (
            "UPDATE alias SET key = (SELECT id FROM key WHERE name = 'signing')",
            "alias shop/cards: key orders/signing",
        ),
    ] {
        assert!(!before.iter().any(|known| known.starts_with(line)), "{line}");
        let deployment = upgraded(edit).await;
        let (lines, other) = rights(&deployment, "vera").await;
        assert!(lines.iter().any(|shown| shown.starts_with(line)), "{edit}: {lines:#?}");
        assert_ne!(other, digest);
        assert!(unconfirmed(&deployment).await.is_some());
    }
    for edit in [
        "UPDATE key SET state = 'suspended' WHERE name = 'cards'",
        "UPDATE key_version SET state = 'deactivated' WHERE key = (SELECT id FROM key WHERE name = 'cards')",
    ] {
        let deployment = Deployment::build().await;
        furnish(&deployment).await;
        let key = deployment.store.find_key_id(&"orders/cards".parse().unwrap()).await.unwrap().unwrap();
        let refused = deployment.try_restart_after(older(edit)).await.unwrap_err();
        let cause = std::error::Error::source(&refused).and_then(|cause| cause.downcast_ref::<StoreError>());
        assert!(
            matches!(cause, Some(StoreError::RowAltered(Object::Version(id))) if id.key == key),
            "{edit}"
        );
        assert!(refused.to_string().contains(&key.to_string()), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_no_older_release_wrote_has_nothing_to_confirm() {
    let deployment = Deployment::build().await;
    furnish(&deployment).await;
    let deployment = deployment.restart().await;
    assert_eq!(unconfirmed(&deployment).await, None);
    let (_, digest) = rights(&deployment, "vera").await;
    for who in ["otto", "vera"] {
        assert_eq!(confirm(&deployment, who, digest).await.unwrap_err().kind(), ErrorKind::WrongState);
    }
    assert_eq!(entries(&deployment).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_came_about_by_a_recovery_confirms_nothing_before_it_is_acknowledged() {
    let deployment = upgraded("").await;
    let recover = Recover {
        name: "rita".parse().unwrap(),
        certificate: crate::deployment::certificate_of("rita"),
        expires_at: deployment.clock.now().after(DAY),
    };
    deployment.road.perform_for_system(system(), recover).await.unwrap();
    let (_, digest) = rights(&deployment, "vera").await;
    let refused = confirm(&deployment, "rita", digest).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::SeparationOfDuties);
    let principal = PrincipalRef::Name("rita".parse().unwrap());
    deployment.ask("otto", AcknowledgeRecovery { principal }).await.unwrap();
    confirm(&deployment, "rita", digest).await.unwrap();
}

/// Whoever edits the confirmation, or takes it away, has confirmed nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_edited_confirmation_confirms_nothing_and_is_found() {
    for edit in [
        "DELETE FROM rights_review",
        "UPDATE rights_review SET auditor = (SELECT id FROM principal WHERE name = 'vera'), auditor_at = officer_at",
        "UPDATE rights_review SET id = randomblob(16)",
    ] {
        let deployment = upgraded("").await;
        let (_, digest) = rights(&deployment, "otto").await;
        confirm(&deployment, "otto", digest).await.unwrap();
        let verified = replay(&deployment).await;
        let deployment = deployment
            .restart_after(|database| Connection::open(database).unwrap().execute_batch(edit).unwrap())
            .await;
        assert!(unconfirmed(&deployment).await.is_some(), "{edit}");
        let found = differences(&deployment, &verified).await;
        assert!(found.iter().any(|line| line.contains("rights_review")), "{edit}: {found:?}");
        assert_eq!(confirm(&deployment, "vera", digest).await.unwrap_err().kind(), ErrorKind::RowAltered);
    }
}
