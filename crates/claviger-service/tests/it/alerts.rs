//! Alerts: each is raised by what it is about, counted while it is open, closed by others than those whom it is about, and raised again.

use std::time::Duration;

use claviger_audit::EvaluationRun;
use claviger_audit::entry::Entry;
use claviger_audit::op::Op;
use claviger_core::alert::{Alert, AlertRule};
use claviger_core::key::{Event, KeyRecord};
use claviger_core::object::{Kind, Object};
use claviger_core::port::Store as _;
use claviger_core::port::store::{AlertFilter, Page};
use claviger_core::principal::{PrincipalKind, Role};
use claviger_core::review::ReviewScope;
use claviger_core::{Action, AlertId, CredentialId, Purpose, Spec};
use claviger_crypto::envelope::Context;
use claviger_service::log::EntryFilter;
use claviger_service::operation::usage::{Encrypt, UseBatch};
use claviger_service::operation::*;
use claviger_service::{ErrorKind, KeyRef, PrincipalRef, ServiceError};

use crate::deployment::{
    ADA, APP, DAY, Deployment, OLGA, OTTO, OUTSIDER, Person, VERA, certificate_of, system,
};
use crate::evidence::hold;

const MINUTE: Duration = Duration::from_secs(61);
const OSCAR: Person<'static> = ("oscar", PrincipalKind::Human, Some(Role::Operator));
const RITA: Person<'static> = ("rita", PrincipalKind::Human, Some(Role::Responder));

async fn place() -> Deployment {
    Deployment::build_for(&[ADA, OTTO, OLGA, VERA, APP, OUTSIDER, OSCAR, RITA]).await
}

fn principal(name: &str) -> PrincipalRef {
    PrincipalRef::Name(name.parse().unwrap())
}

#[track_caller]
fn refused<T>(outcome: Result<T, ServiceError>, kind: ErrorKind) {
    let Err(error) = outcome else { panic!("it was done, and should have been refused with {kind:?}") };
    assert_eq!(error.kind(), kind, "{error:?}");
}

async fn open(deployment: &Deployment) -> Vec<Alert> {
    let filter = AlertFilter { open: Some(true), ..AlertFilter::default() };
    deployment.store.list_alerts(filter, Page { after: None, limit: 1000 }).await.unwrap()
}

/// The one alert that is open by a rule, if there is one.
async fn find(deployment: &Deployment, rule: AlertRule) -> Option<Alert> {
    let mut found = open(deployment).await;
    found.retain(|alert| alert.rule == rule);
    assert!(found.len() < 2, "{found:?}");
    found.pop()
}

/// The same, once it is raised.
async fn raised(deployment: &Deployment, rule: AlertRule) -> Alert {
    for _ in 0..200 {
        if let Some(alert) = find(deployment, rule).await {
            return alert;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no alert by {rule}")
}

/// Long enough for what was noted to be raised.
async fn none_is_raised(deployment: &Deployment) {
    tokio::time::sleep(Duration::from_millis(300)).await;
    deployment.road.do_what_is_due().await;
    assert_eq!(open(deployment).await, []);
}

async fn key(deployment: &Deployment, name: &str) -> KeyRecord {
    deployment.relaxed_ring("orders").await;
    let key = deployment.key(name, Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&key, &[Action::Encrypt, Action::Decrypt]).await;
    key
}

fn step(key: &KeyRecord, event: Event) -> ChangeKeyState {
    ChangeKeyState::new(KeyRef::Id(key.key.id), None, event).unwrap()
}

/// A key that waits for its destruction, with something that it sealed before.
async fn waiting(deployment: &Deployment) -> (KeyRecord, Vec<u8>) {
    let key = key(deployment, "cards").await;
    let sealed = deployment.encrypt("app", &key, b"kept").await.unwrap();
    let schedule = ScheduleDestroy { key: KeyRef::Id(key.key.id), waiting: Some(DAY * 7) };
    deployment.ask("ada", schedule).await.unwrap();
    (key, sealed)
}

async fn close(deployment: &Deployment, who: &str, alert: AlertId) -> Result<ReadableAlert, ServiceError> {
    Ok(deployment.ask(who, CloseAlert { alert }).await?.output)
}

async fn triage(deployment: &Deployment, who: &str, alert: AlertId) -> Result<ReadableAlert, ServiceError> {
    Ok(deployment.ask(who, TriageAlert { alert }).await?.output)
}

/// A person without a role, with a certificate that lasts for so many days.
async fn enter(deployment: &Deployment, name: &str, days: u32) -> CredentialId {
    let create = CreatePrincipal {
        name: name.parse().unwrap(),
        kind: PrincipalKind::Human,
        home: None,
        environment: None,
        same_person_as: None,
    };
    deployment.ask("olga", create).await.unwrap();
    certify(deployment, name, name, days).await
}

async fn certify(deployment: &Deployment, name: &str, shown: &str, days: u32) -> CredentialId {
    let what = NewCredential::Certificate {
        der: certificate_of(shown),
        chain: Vec::new(),
        expires_at: deployment.clock.wall().after(DAY * days),
    };
    let label = shown.parse().unwrap();
    let create = CreateCredential { principal: principal(name), label, what, to_confirm: false };
    deployment.ask("olga", create).await.unwrap().output.credential.id
}

#[tokio::test(flavor = "multi_thread")]
async fn uses_of_a_key_that_waits_for_destruction_raise_one_alert_and_are_counted() {
    let deployment = place().await;
    let (key, sealed) = waiting(&deployment).await;
    // Who may not use it finds nothing, and neither does who reads of it or acts on it.
    deployment.encrypt("outsider", &key, b"x").await.unwrap_err();
    deployment.ask("vera", ReadKey { key: KeyRef::Id(key.key.id) }).await.unwrap();
    refused(deployment.ask("ada", step(&key, Event::Resume)).await, ErrorKind::WrongState);
    none_is_raised(&deployment).await;

    refused(deployment.decrypt("app", &sealed).await, ErrorKind::WrongState);
    let first = raised(&deployment, AlertRule::UseWhileDestroying).await;
    assert_eq!((first.subject, first.count), (Some(Object::Key(key.key.id)), 1));
    // What follows is counted, and not written each time.
    refused(deployment.encrypt("app", &key, b"x").await, ErrorKind::WrongState);
    let item = || Encrypt { plaintext: b"x".to_vec().into(), context: Context::EMPTY, algorithm: None };
    let batch = UseBatch { key: KeyRef::Id(key.key.id), items: vec![item(), item(), item()] };
    let items = deployment.ask("app", batch).await.unwrap().output;
    assert!(items.iter().all(Result::is_err));
    deployment.road.do_what_is_due().await;
    assert_eq!(raised(&deployment, AlertRule::UseWhileDestroying).await.count, 1);
    deployment.clock.advance(MINUTE);
    deployment.road.do_what_is_due().await;
    let counted = raised(&deployment, AlertRule::UseWhileDestroying).await;
    assert_eq!((counted.id, counted.count, counted.revision), (first.id, 5, 2));
    assert!(counted.last_at > counted.raised_at);

    let filter = EntryFilter { operation: Some(Op::RaiseAlert.code()), ..EntryFilter::default() };
    let page = deployment.ask("vera", ReadEntries { from: 0, limit: 1000, filter }).await.unwrap().output;
    let entries: Vec<_> = page.entries.iter().map(|found| Entry::decode(&found.bytes).unwrap()).collect();
    assert_eq!(entries.len(), 2);
    for entry in entries {
        let named = [[AlertRule::UseWhileDestroying.code()].as_slice(), first.id.as_bytes()].concat();
        assert_eq!((entry.reference.unwrap().to_vec(), entry.key), (named, Some(*key.key.id.as_bytes())));
        assert!(entry.act.is_none() && entry.fct.is_some(), "the system raises it");
    }
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_only_suspended_raises_none() {
    let deployment = place().await;
    let key = key(&deployment, "cards").await;
    deployment.ask("ada", step(&key, Event::Suspend)).await.unwrap();
    refused(deployment.encrypt("app", &key, b"x").await, ErrorKind::WrongState);
    none_is_raised(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_is_written_before_the_process_ends() {
    let deployment = place().await;
    let (_, sealed) = waiting(&deployment).await;
    deployment.decrypt("app", &sealed).await.unwrap_err();
    let first = raised(&deployment, AlertRule::UseWhileDestroying).await;
    for _ in 0..2 {
        deployment.decrypt("app", &sealed).await.unwrap_err();
    }
    let deployment = deployment.restart().await;
    let then = raised(&deployment, AlertRule::UseWhileDestroying).await;
    assert_eq!((then.id, then.count), (first.id, 3));
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_looked_at_once_and_closed_once_and_then_the_next_finding_raises_another() {
    let deployment = place().await;
    let (_, sealed) = waiting(&deployment).await;
    deployment.decrypt("app", &sealed).await.unwrap_err();
    let first = raised(&deployment, AlertRule::UseWhileDestroying).await;
    for who in ["ada", "vera"] {
        refused(triage(&deployment, who, first.id).await, ErrorKind::Denied);
    }
    for who in ["app", "outsider"] {
        refused(triage(&deployment, who, first.id).await, ErrorKind::Denied);
        refused(deployment.ask(who, ReadAlert { alert: first.id }).await, ErrorKind::Denied);
    }
    for who in ["ada", "vera", "oscar"] {
        refused(close(&deployment, who, first.id).await, ErrorKind::Denied);
    }
    let silent = deployment.ask_because("oscar", None, TriageAlert { alert: first.id }).await;
    refused(silent, ErrorKind::ReasonRequired);

    let seen = triage(&deployment, "oscar", first.id).await.unwrap().row;
    assert!(seen.is_open() && seen.triaged.is_some() && seen.reason.is_some());
    // Once more changes nothing, and nobody else says that they were the first.
    assert_eq!(triage(&deployment, "oscar", first.id).await.unwrap().row, seen);
    refused(triage(&deployment, "rita", first.id).await, ErrorKind::WrongState);
    // What was found again keeps what was said of it.
    deployment.decrypt("app", &sealed).await.unwrap_err();
    deployment.clock.advance(MINUTE);
    deployment.road.do_what_is_due().await;
    let again = raised(&deployment, AlertRule::UseWhileDestroying).await;
    assert_eq!((again.count, again.triaged, again.reason), (2, seen.triaged, seen.reason));

    let silent = deployment.ask_because("rita", None, CloseAlert { alert: first.id }).await;
    refused(silent, ErrorKind::ReasonRequired);
    let closed = close(&deployment, "rita", first.id).await.unwrap().row;
    assert!(!closed.is_open() && closed.reason != seen.reason);
    assert_eq!(close(&deployment, "rita", first.id).await.unwrap().row, closed);
    refused(close(&deployment, "otto", first.id).await, ErrorKind::WrongState);
    refused(triage(&deployment, "otto", first.id).await, ErrorKind::WrongState);
    assert_eq!(open(&deployment).await, []);

    deployment.decrypt("app", &sealed).await.unwrap_err();
    deployment.clock.advance(MINUTE);
    deployment.road.do_what_is_due().await;
    let other = raised(&deployment, AlertRule::UseWhileDestroying).await;
    assert_ne!(other.id, first.id);
    assert_eq!((other.count, other.triaged), (1, None));
    let kept = deployment.ask("vera", ReadAlert { alert: first.id }).await.unwrap().output.row;
    assert_eq!(kept, closed);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_take_state_and_rule_and_page_and_keys_are_named_to_those_who_may_know_them() {
    let deployment = place().await;
    let (key, sealed) = waiting(&deployment).await;
    deployment.decrypt("app", &sealed).await.unwrap_err();
    let first = raised(&deployment, AlertRule::UseWhileDestroying).await;
    deployment.road.expect_evaluations(DAY).await.unwrap();
    deployment.clock.advance(DAY * 3);
    deployment.road.do_what_is_due().await;
    let second = raised(&deployment, AlertRule::JobOverdue).await;
    let list = async |open, rule, after, limit| {
        let page = Page { after, limit };
        let listed = deployment.ask("ada", ListAlerts::new(open, rule, page)).await.unwrap().output;
        listed.into_iter().map(|alert| alert.row.id).collect::<Vec<_>>()
    };
    let mut both = vec![first.id, second.id];
    both.sort_unstable();
    assert_eq!(list(None, None, None, 10).await, both);
    assert_eq!(list(Some(true), Some(AlertRule::JobOverdue), None, 10).await, [second.id]);
    assert_eq!(list(None, None, None, 1).await, both[..1]);
    assert_eq!(list(None, None, Some(both[0]), 10).await, both[1..]);
    close(&deployment, "otto", second.id).await.unwrap();
    assert_eq!(list(Some(false), None, None, 10).await, [second.id]);
    assert_eq!(list(Some(true), None, None, 10).await, [first.id]);

    let figures = deployment.ask("oscar", ReadSystem {}).await.unwrap().output.alerts;
    assert_eq!(figures.open, [(AlertRule::UseWhileDestroying, 1)]);
    let read = async |who: &str| {
        let read = Captioned(ReadAlert { alert: first.id });
        let (alert, captions) = deployment.ask(who, read).await.unwrap().output;
        alert.called_by().and_then(|one| captions.name(one).map(str::to_owned))
    };
    for who in ["ada", "otto", "vera", "rita"] {
        assert_eq!(read(who).await.as_deref(), Some("orders/cards"), "{who}");
    }
    // Who watches over the system knows no key, not even its name.
    assert_eq!(read("oscar").await, None);
    assert_eq!(first.subject, Some(Object::Key(key.key.id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_hears_of_alerts_hears_of_each_that_is_raised_and_of_no_count() {
    let deployment = place().await;
    let mut heard = deployment.road.hear_alerts();
    let (_, sealed) = waiting(&deployment).await;
    deployment.decrypt("app", &sealed).await.unwrap_err();
    let told = tokio::time::timeout(Duration::from_secs(10), heard.recv()).await.unwrap().unwrap();
    let row = raised(&deployment, AlertRule::UseWhileDestroying).await;
    assert_eq!((told.id, told.rule, told.subject), (row.id, row.rule, row.subject));
    deployment.decrypt("app", &sealed).await.unwrap_err();
    deployment.clock.advance(MINUTE);
    deployment.road.do_what_is_due().await;
    close(&deployment, "rita", row.id).await.unwrap();
    assert!(heard.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_officer_made_by_a_recovery_raises_one_a_day_until_somebody_acknowledges_it() {
    let deployment = place().await;
    let recover = Recover {
        name: "rosa".parse().unwrap(),
        certificate: certificate_of("rosa"),
        expires_at: deployment.clock.wall().after(DAY * 365),
    };
    let rosa = deployment.road.perform_for_system(system(), recover).await.unwrap().output.id;
    deployment.road.do_what_is_due().await;
    let alert = raised(&deployment, AlertRule::OfficerRecovered).await;
    assert_eq!(alert.subject, Some(Object::Principal(rosa)));
    deployment.road.do_what_is_due().await;
    assert_eq!(raised(&deployment, AlertRule::OfficerRecovered).await.revision, 1);
    // Who came about by it says nothing of it.
    refused(close(&deployment, "rosa", alert.id).await, ErrorKind::SeparationOfDuties);
    refused(triage(&deployment, "rosa", alert.id).await, ErrorKind::SeparationOfDuties);
    deployment.clock.advance(DAY);
    deployment.road.do_what_is_due().await;
    let next = raised(&deployment, AlertRule::OfficerRecovered).await;
    assert_eq!((next.id, next.count), (alert.id, 2), "it goes on");
    // A restart is no other finding.
    let deployment = deployment.restart().await;
    deployment.road.do_what_is_due().await;
    assert_eq!(raised(&deployment, AlertRule::OfficerRecovered).await.count, 2);

    close(&deployment, "otto", alert.id).await.unwrap();
    deployment.clock.advance(DAY);
    deployment.road.do_what_is_due().await;
    let other = raised(&deployment, AlertRule::OfficerRecovered).await;
    assert_ne!(other.id, alert.id, "it goes on all the same");
    deployment.ask("otto", AcknowledgeRecovery { principal: principal("rosa") }).await.unwrap();
    close(&deployment, "rita", other.id).await.unwrap();
    deployment.clock.advance(DAY * 2);
    none_is_raised(&deployment).await;
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destruction_that_is_held_raises_one() {
    let deployment = place().await;
    let key = key(&deployment, "cards").await;
    let schedule = ScheduleDestroy { key: KeyRef::Id(key.key.id), waiting: Some(DAY) };
    deployment.ask("ada", schedule).await.unwrap();
    let patch = RingPatch { quorum: Some(2), ..RingPatch::default() };
    let update = UpdateRing { ring: "orders".parse().unwrap(), patch, if_revision: None };
    deployment.ask("ada", update).await.unwrap();
    none_is_raised(&deployment).await;
    deployment.clock.advance(DAY * 2);
    deployment.road.do_what_is_due().await;
    let alert = raised(&deployment, AlertRule::DestructionHeld).await;
    assert_eq!(alert.subject, Some(Object::Key(key.key.id)));
    deployment.ask("ada", CancelDestroy { key: KeyRef::Id(key.key.id) }).await.unwrap();
    close(&deployment, "otto", alert.id).await.unwrap();
    deployment.clock.advance(DAY * 2);
    none_is_raised(&deployment).await;
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_did_not_run_raises_one_about_the_deployment() {
    let deployment = place().await;
    deployment.road.expect_evaluations(DAY).await.unwrap();
    none_is_raised(&deployment).await;
    deployment.clock.advance(DAY * 3);
    deployment.road.do_what_is_due().await;
    let alert = raised(&deployment, AlertRule::JobOverdue).await;
    assert_eq!(alert.subject, None);
    let cuts = deployment.road.log_to_evaluate().await.unwrap().cuts();
    let run = EvaluationRun { digest: [1; 32], cuts, counts: [0; 5], evaluator: [2; 8] };
    deployment.road.record_evaluation(run).await.unwrap();
    close(&deployment, "rita", alert.id).await.unwrap();
    deployment.clock.advance(DAY);
    none_is_raised(&deployment).await;
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_somebody_edits_raises_one_about_it() {
    let deployment = place().await;
    let key = key(&deployment, "cards").await;
    let deployment = deployment
        .restart_after(|database| {
            let database = rusqlite::Connection::open(database).unwrap();
            assert!(database.execute("UPDATE grants SET operations = 'encrypt'", []).unwrap() > 0);
        })
        .await;
    refused(deployment.encrypt("app", &key, b"x").await, ErrorKind::RowAltered);
    let alert = raised(&deployment, AlertRule::RowAltered).await;
    assert_eq!(alert.subject.map(|subject| subject.kind()), Some(Kind::Grant));
    assert!(deployment.ask("vera", ReadAlert { alert: alert.id }).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_credential_of_a_person_raises_one_before_its_end_and_none_once_another_follows() {
    let deployment = place().await;
    let nina = enter(&deployment, "nina", 40).await;
    enter(&deployment, "nils", 40).await;
    certify(&deployment, "nils", "nils-next", 400).await;
    // One that was made for a few weeks is not to be renewed.
    enter(&deployment, "nora", 20).await;
    none_is_raised(&deployment).await;
    deployment.clock.advance(DAY * 12);
    none_is_raised(&deployment).await;
    deployment.clock.advance(DAY * 18);
    deployment.road.do_what_is_due().await;
    let alert = raised(&deployment, AlertRule::CredentialExpires).await;
    assert_eq!(alert.subject, Some(Object::Credential(nina)));
    let read = Captioned(ReadAlert { alert: alert.id });
    let (shown, captions) = deployment.ask("oscar", read).await.unwrap().output;
    assert_eq!(shown.called_by().and_then(|one| captions.name(one)), Some("nina"));
    // It has ended, and is found all the same.
    deployment.clock.advance(DAY * 15);
    deployment.road.do_what_is_due().await;
    assert_eq!(raised(&deployment, AlertRule::CredentialExpires).await.count, 2);
    certify(&deployment, "nina", "nina-next", 400).await;
    close(&deployment, "rita", alert.id).await.unwrap();
    deployment.clock.advance(DAY * 2);
    none_is_raised(&deployment).await;
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_compromises_raises_one_about_who_declares_them() {
    let deployment = place().await;
    let burst = SetGovernance { compromise_burst: Some(1), ..SetGovernance::default() };
    deployment.ask("otto", burst).await.unwrap();
    let (one, other) = (key(&deployment, "one").await, key(&deployment, "other").await);
    deployment.ask("otto", step(&one, Event::Compromise)).await.unwrap();
    none_is_raised(&deployment).await;
    // Another person's are counted apart.
    deployment.ask("rita", step(&other, Event::Suspend)).await.unwrap();
    none_is_raised(&deployment).await;
    deployment.ask("otto", step(&other, Event::Compromise)).await.unwrap();
    let alert = raised(&deployment, AlertRule::CompromiseBurst).await;
    let otto = deployment.store.find_principal_by_name(&"otto".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(alert.subject, Some(Object::Principal(otto.id)));
    refused(close(&deployment, "otto", alert.id).await, ErrorKind::SeparationOfDuties);
    close(&deployment, "olga", alert.id).await.unwrap();
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_that_is_not_closed_in_time_raises_one() {
    let deployment = place().await;
    let review = OpenReview::new(ReviewScope::Humans, None, DAY * 2);
    let review = deployment.ask("otto", review).await.unwrap().output.id;
    none_is_raised(&deployment).await;
    deployment.clock.advance(DAY * 3);
    deployment.road.do_what_is_due().await;
    let alert = raised(&deployment, AlertRule::ReviewOverdue).await;
    assert_eq!(alert.subject, Some(Object::Review(review)));
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn emergency_access_raises_one_at_once_and_another_where_nobody_reviews_it() {
    let deployment = place().await;
    let key = key(&deployment, "cards").await;
    enter(&deployment, "nina", 365).await;
    let holder = principal("nina");
    let open_for_an_hour = OpenBreakGlass {
        holder,
        keys: vec![KeyRef::Id(key.key.id)],
        lifetime: Some(Duration::from_secs(3600)),
    };
    let access = deployment.ask("otto", open_for_an_hour).await.unwrap().output;
    // In the same commit.
    let opened = find(&deployment, AlertRule::BreakGlassOpened).await.unwrap();
    assert_eq!(opened.subject, Some(Object::BreakGlass(access.id)));
    refused(close(&deployment, "otto", opened.id).await, ErrorKind::SeparationOfDuties);
    close(&deployment, "olga", opened.id).await.unwrap();
    deployment.clock.advance(DAY * 3);
    none_is_raised(&deployment).await;
    deployment.clock.advance(Duration::from_secs(2 * 3600));
    deployment.road.do_what_is_due().await;
    let unreviewed = raised(&deployment, AlertRule::BreakGlassUnreviewed).await;
    assert_eq!(unreviewed.subject, Some(Object::BreakGlass(access.id)));
    refused(triage(&deployment, "otto", unreviewed.id).await, ErrorKind::SeparationOfDuties);
    triage(&deployment, "rita", unreviewed.id).await.unwrap();
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_raises_or_edits_an_alert_but_the_server() {
    let deployment = place().await;
    let (_, sealed) = waiting(&deployment).await;
    deployment.decrypt("app", &sealed).await.unwrap_err();
    let alert = raised(&deployment, AlertRule::UseWhileDestroying).await;
    let unknown = AlertId::from_bytes([9; 16]);
    refused(close(&deployment, "rita", unknown).await, ErrorKind::NotFound);
    // Who closes it in the database has it refused, and raises another one.
    let deployment = deployment
        .restart_after(|database| {
            let database = rusqlite::Connection::open(database).unwrap();
            assert_eq!(database.execute("UPDATE alert SET count = count + 1", []).unwrap(), 1);
        })
        .await;
    refused(deployment.ask("vera", ReadAlert { alert: alert.id }).await, ErrorKind::RowAltered);
    refused(close(&deployment, "rita", alert.id).await, ErrorKind::RowAltered);
    for _ in 0..200 {
        let filter = AlertFilter { rule: Some(AlertRule::RowAltered), ..AlertFilter::default() };
        let page = Page { after: None, limit: 10 };
        if let Ok(found) = deployment.store.list_alerts(filter, page).await
            && let Some(found) = found.first()
        {
            assert_eq!(found.subject, Some(Object::Alert(alert.id)));
            // Whoever is told of those that are open is told of all others.
            let open = deployment.road.open_alerts().await.unwrap();
            assert_eq!(open.iter().map(|one| one.id).collect::<Vec<_>>(), [found.id]);
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nobody says that an alert was edited");
}
