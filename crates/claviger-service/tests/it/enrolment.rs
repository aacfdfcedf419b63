//! Enrolment: a code is redeemed once, for a certificate for a key that nobody else has seen, and does nothing else; who made it is the
//! maker of what it gave. A further credential that somebody else made proves nothing until its holder has confirmed it.

use claviger_access::EnrolmentCode;
use claviger_access::analysis::ExceptionKind;
use claviger_audit::entry::Entry;
use claviger_audit::op::{Op, Outcome};
use claviger_core::action::Plane;
use claviger_core::object::Object;
use claviger_core::port::Store as _;
use claviger_core::port::store::Page;
use claviger_core::principal::{Credential, CredentialKind, PrincipalKind, Role, Status};
use claviger_core::{Action, CredentialId, Purpose, Spec};
use claviger_service::log::EntryFilter;
use claviger_service::operation::*;
use claviger_service::{ErrorKind, KeyRef, Presented, PrincipalRef, ServiceError};

use crate::approvals::{Deciding, pending};
use crate::declarations::Signer;
use crate::deployment::{DAY, Deployment, certificate_of, system};
use crate::evidence::{hold, replay};

fn principal(name: &str) -> PrincipalRef {
    PrincipalRef::Name(name.parse().unwrap())
}

fn make(of: &str, what: NewCredential, to_confirm: bool) -> CreateCredential {
    CreateCredential { principal: principal(of), label: "laptop".parse().unwrap(), what, to_confirm }
}

fn code_of(of: &str) -> CreateCredential {
    make(of, NewCredential::EnrolmentCode { lifetime: DAY * 7 }, false)
}

fn certificate(deployment: &Deployment, name: &str) -> NewCredential {
    let expires_at = deployment.clock.wall().after(DAY * 90);
    NewCredential::Certificate { der: certificate_of(name), chain: Vec::new(), expires_at }
}

async fn person(deployment: &Deployment, by: &str, name: &str) {
    let create = CreatePrincipal {
        name: name.parse().unwrap(),
        kind: PrincipalKind::Human,
        home: None,
        environment: None,
        same_person_as: None,
    };
    deployment.ask(by, create).await.unwrap();
}

#[expect(clippy::disallowed_methods, reason = "the tests show the codes that they are given")]
fn shown(code: EnrolmentCode) -> Presented {
    let text = code.into_text();
    Presented::bearer(std::str::from_utf8(text.expose()).unwrap()).unwrap()
}

/// A code for a person, by an officer; with the credential that it is.
async fn code(deployment: &Deployment, by: &str, of: &str) -> (Presented, Credential) {
    let made = deployment.ask(by, code_of(of)).await.unwrap().output;
    assert_eq!(made.credential.kind, CredentialKind::EnrolmentCode);
    assert!(made.token.is_none() && made.access_key.is_none());
    (shown(made.enrolment_code.unwrap()), made.credential)
}

fn enrol(request: &str) -> Enrol {
    Enrol { request: request.as_bytes().to_vec(), lifetime: None }
}

/// A person whom an officer entered, with the code of another.
async fn newcomer(deployment: &Deployment) -> (Presented, Credential) {
    person(deployment, "olga", "nora").await;
    code(deployment, "otto", "nora").await
}

#[track_caller]
fn refused<T>(outcome: Result<T, ServiceError>, kind: ErrorKind, says: &str) {
    let Err(error) = outcome else { panic!("it was done, and should have been refused with {kind}") };
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(error.public_message().contains(says), "{error}");
}

async fn find(deployment: &Deployment, id: CredentialId) -> Credential {
    deployment.store.find_credential(id).await.unwrap().unwrap()
}

async fn entries(deployment: &Deployment, op: Op) -> Vec<Outcome> {
    let filter = EntryFilter { operation: Some(op.code()), ..EntryFilter::default() };
    let read = ReadEntries { from: 0, limit: 100, filter };
    let entries = deployment.ask("vera", read).await.unwrap().output.entries;
    entries.iter().map(|found| Entry::decode(&found.bytes).unwrap().out).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_redeemed_once_for_a_certificate_and_ends_with_that() {
    let deployment = Deployment::build().await;
    let (shown, code) = newcomer(&deployment).await;
    let done = deployment.ask_with(shown.clone(), enrol("a key")).await.unwrap().output;
    let credential = &done.credential;
    assert_eq!((credential.kind, credential.renews), (CredentialKind::Certificate, Some(code.id)));
    let of = |one: &Credential| (one.principal, one.label.clone(), one.created_by);
    assert_eq!((of(credential), done.name.as_str()), (of(&code), "nora"));
    assert!(credential.expires_at.since(credential.created_at) <= DAY * 397);
    assert_eq!(done.certificate, b"issued to nora for a key");
    let spent = find(&deployment, code.id).await;
    assert_eq!((spent.status, spent.revision), (Status::Revoked, 2));
    // The certificate is good for what certificates are, and the code for nothing any more.
    let create = make("nora", NewCredential::Token { lifetime: DAY }, false);
    deployment.ask_with(Presented::certificate(&done.certificate), create).await.unwrap();
    for _ in 0..2 {
        refused(
            deployment.ask_with(shown.clone(), enrol("another key")).await,
            ErrorKind::Unauthenticated,
            "",
        );
    }
    assert_eq!(entries(&deployment, Op::Enrol).await, [Outcome::Ok]);
    let verified = replay(&deployment).await;
    let fact = verified.objects.find(&Object::Credential(credential.id)).unwrap();
    assert!(fact.fields().contains_key(&13), "it says of which code it came");
    hold(&deployment).await;
    let deployment = deployment.restart().await;
    refused(deployment.ask_with(shown, enrol("another key")).await, ErrorKind::Unauthenticated, "");
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_who_redeem_a_code_at_once_one_does() {
    for round in 0..8 {
        let deployment = Deployment::build().await;
        let (shown, code) = newcomer(&deployment).await;
        let (one, other) = tokio::join!(
            deployment.ask_with(shown.clone(), enrol("one")),
            deployment.ask_with(shown.clone(), enrol("other")),
        );
        let won = [one.is_ok(), other.is_ok()].into_iter().filter(|won| *won).count();
        assert_eq!(won, 1, "round {round}");
        for lost in [one.err(), other.err()].into_iter().flatten() {
            assert_eq!(lost.kind(), ErrorKind::Unauthenticated, "{lost:?}");
        }
        let all = deployment.store.list_credentials(Some(code.principal), Page { after: None, limit: 100 });
        let made = all.await.unwrap().into_iter().filter(|one| one.renews == Some(code.id)).count();
        assert_eq!(made, 1, "round {round}");
        hold(&deployment).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_redeemed_while_it_is_revoked_leaves_nothing_alive() {
    for round in 0..6 {
        let deployment = Deployment::build().await;
        let (shown, code) = newcomer(&deployment).await;
        let revoke = deployment.ask("olga", RevokeCredential { credential: code.id });
        let redeem = deployment.ask_with(shown, enrol("a key"));
        let revoked =
            if round % 2 == 0 { tokio::join!(revoke, redeem).0 } else { tokio::join!(redeem, revoke).1 };
        revoked.unwrap();
        let issued = Presented::certificate(b"issued to nora for a key");
        let create = make("nora", NewCredential::Token { lifetime: DAY }, false);
        refused(deployment.ask_with(issued, create).await, ErrorKind::Unauthenticated, "");
        hold(&deployment).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_revokes_the_code_ends_what_it_was_redeemed_for() {
    let deployment = Deployment::build().await;
    let (shown, code) = newcomer(&deployment).await;
    let done = deployment.ask_with(shown, enrol("a key")).await.unwrap().output;
    // Somebody else redeemed it: whoever made it ends all of it by what they know of it.
    deployment.ask("otto", RevokeCredential { credential: code.id }).await.unwrap();
    assert_eq!(find(&deployment, done.credential.id).await.status, Status::Revoked);
    let ask = deployment.ask_with(Presented::certificate(&done.certificate), code_of("nora"));
    refused(ask.await, ErrorKind::Unauthenticated, "");
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_expired_or_whose_owner_was_revoked_is_refused() {
    let deployment = Deployment::build().await;
    let (shown, _) = newcomer(&deployment).await;
    deployment.clock.advance(DAY * 7);
    refused(deployment.ask_with(shown, enrol("a key")).await, ErrorKind::Unauthenticated, "");
    let (shown, _) = code(&deployment, "otto", "nora").await;
    deployment.ask("otto", RevokePrincipal { principal: principal("nora") }).await.unwrap();
    refused(deployment.ask_with(shown, enrol("a key")).await, ErrorKind::Unauthenticated, "");
    assert!(entries(&deployment, Op::Enrol).await.is_empty());
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_code_nothing_else_is_done_whatever_its_owner_may() {
    let deployment = Deployment::build().await;
    // A security officer makes their own code, for another machine.
    let (shown, code) = code(&deployment, "otto", "otto").await;
    assert_eq!(code.created_by, Some(code.principal));
    let says = "good for one thing";
    let by = || shown.clone();
    refused(deployment.ask_with(by(), ReadSystem {}).await, ErrorKind::Denied, says);
    refused(deployment.ask_with(by(), code_of("otto")).await, ErrorKind::Denied, says);
    let assign = AssignRole { principal: principal("outsider"), role: Role::Auditor };
    refused(deployment.ask_with(by(), assign).await, ErrorKind::Denied, says);
    refused(
        deployment.ask_with(by(), ConfirmCredential { credential: code.id }).await,
        ErrorKind::Denied,
        says,
    );
    let renew = || RenewCredential { what: Renewal::Request { request: b"a key".to_vec(), lifetime: None } };
    refused(deployment.ask_with(by(), renew()).await, ErrorKind::Denied, says);
    refused(deployment.ask_with(by(), ReadSelf {}).await, ErrorKind::Denied, says);
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    refused(
        deployment.ask_with(by(), ReadKey { key: KeyRef::Id(key.key.id) }).await,
        ErrorKind::Denied,
        says,
    );
    let create = CreateRing { name: "more".parse().unwrap(), policy: Default::default() };
    refused(deployment.ask_with(by(), create).await, ErrorKind::Denied, says);
    // It is still good for what it is there for.
    deployment.ask_with(by(), enrol("a key")).await.unwrap();
    let denied = entries(&deployment, Op::ReadSystem).await;
    assert!(denied.contains(&Outcome::Denied), "{denied:?}");
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_enrols_by_anything_but_a_code() {
    let deployment = Deployment::build().await;
    let says = "takes a code";
    for who in ["otto", "ada", "vera", "app"] {
        for plane in [Plane::Control, Plane::Data] {
            let ask = deployment.ask_at(who, plane, enrol("a key"));
            refused(ask.await, ErrorKind::Denied, says);
        }
    }
    let create = make("vera", NewCredential::Token { lifetime: DAY }, false);
    let token = deployment.ask("vera", create).await.unwrap().output.token.unwrap();
    let token = bearer(token);
    refused(deployment.ask_with(token, enrol("a key")).await, ErrorKind::Denied, says);
    let error = deployment.road.perform_for_system(system(), enrol("a key")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
    assert_eq!(entries(&deployment, Op::Enrol).await.iter().filter(|out| **out == Outcome::Ok).count(), 0);
    hold(&deployment).await;
}

#[expect(clippy::disallowed_methods, reason = "the tests show the tokens that they are given")]
fn bearer(token: claviger_access::Token) -> Presented {
    let text = token.into_text();
    Presented::bearer(std::str::from_utf8(text.expose()).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_for_people_and_for_thirty_days_at_most() {
    let deployment = Deployment::build().await;
    refused(deployment.ask("ada", code_of("app")).await, ErrorKind::InvalidArgument, "for people");
    for days in [0, 31] {
        let what = NewCredential::EnrolmentCode { lifetime: DAY * days };
        let made = deployment.ask("vera", make("vera", what, false)).await;
        refused(made, ErrorKind::InvalidArgument, "up to 30 days");
    }
    let (shown, _) = code(&deployment, "vera", "vera").await;
    for days in [0, 398] {
        let enrol = Enrol { lifetime: Some(DAY * days), ..enrol("a key") };
        let asked = deployment.ask_with(shown.clone(), enrol).await;
        refused(asked, ErrorKind::InvalidArgument, "up to 397 days");
    }
    // Where the authority's key is kept elsewhere, the code stays good.
    refused(
        deployment.ask_with(shown.clone(), enrol("refused")).await,
        ErrorKind::Unsupported,
        "put the key back",
    );
    let enrol = Enrol { lifetime: Some(DAY * 30), ..enrol("a key") };
    let done = deployment.ask_with(shown, enrol).await.unwrap().output;
    assert!(done.credential.expires_at.since(done.credential.created_at) <= DAY * 30);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_made_the_code_gives_its_owner_nothing_before_nor_after() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let grant = || CreateGrant {
        principal: principal("nora"),
        on: GrantOn::Key(KeyRef::Id(key.key.id)),
        operations: vec![Action::Decrypt],
        conditions: claviger_core::grant::Conditions {
            until: Some(deployment.clock.wall().after(DAY * 30)),
            ..Default::default()
        },
        name: None,
        retiring: None,
    };
    let assign = || AssignRole { principal: principal("nora"), role: Role::Operator };
    let (shown, _) = newcomer(&deployment).await;
    let says = "who made a principal";
    refused(deployment.ask("otto", assign()).await, ErrorKind::SeparationOfDuties, says);
    refused(deployment.ask("otto", grant()).await, ErrorKind::SeparationOfDuties, says);
    let done = deployment.ask_with(shown, enrol("a key")).await.unwrap().output;
    refused(deployment.ask("otto", assign()).await, ErrorKind::SeparationOfDuties, says);
    refused(deployment.ask("otto", grant()).await, ErrorKind::SeparationOfDuties, says);
    // Nor once its owner has renewed it.
    deployment.clock.advance(DAY * 300);
    let what = Renewal::Request { request: b"another key".to_vec(), lifetime: None };
    let by = Presented::certificate(&done.certificate);
    let renewed = deployment.ask_with(by, RenewCredential { what }).await.unwrap().output;
    assert_eq!(renewed.credential.created_by, done.credential.created_by);
    refused(deployment.ask("otto", assign()).await, ErrorKind::SeparationOfDuties, says);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_was_made_by_what_another_made_keeps_that_maker_after_its_end() {
    let deployment = Deployment::build().await;
    person(&deployment, "olga", "nora").await;
    let lent = make("nora", NewCredential::Token { lifetime: DAY / 24 }, false);
    let lent = bearer(deployment.ask("otto", lent).await.unwrap().output.token.unwrap());
    // Whoever heard the token makes a code by it, as its owner, and redeems it once the token has ended.
    let made = deployment.ask_with(lent, code_of("nora")).await.unwrap().output;
    let code = shown(made.enrolment_code.unwrap());
    deployment.clock.advance(DAY);
    deployment.ask_with(code, enrol("a key")).await.unwrap();
    let assign = AssignRole { principal: principal("nora"), role: Role::Operator };
    refused(deployment.ask("otto", assign).await, ErrorKind::SeparationOfDuties, "who made a principal");
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_one_who_holds_a_role_takes_the_others() {
    let deciding = Deciding::build(2).await;
    let deployment = &deciding.deployment;
    person(deployment, "olga", "nora").await;
    let (first, _) = code(deployment, "olga", "nora").await;
    let first = deployment.ask_with(first, enrol("first")).await.unwrap().output;
    let assign = || AssignRole { principal: principal("nora"), role: Role::Operator };
    let id = pending(deployment.ask("otto", assign()).await);
    for custodian in ["carl", "cora"] {
        deciding.approve(custodian, id).await.unwrap();
    }
    deployment.ask("otto", assign()).await.unwrap();
    // Who gave the role makes no code; another officer asks, and what is approved is made once.
    refused(deployment.ask("otto", code_of("nora")).await, ErrorKind::SeparationOfDuties, "who gave");
    let id = pending(deployment.ask("olga", code_of("nora")).await);
    deciding.approve("carl", id).await.unwrap();
    assert_eq!(pending(deployment.ask("olga", code_of("nora")).await), id);
    deciding.approve("cora", id).await.unwrap();
    let executed = deciding.execute("olga", id).await.unwrap();
    let ExecutedResult::Credential(made) = executed.result else { panic!("a credential") };
    let shown = shown(made.enrolment_code.unwrap());
    deployment.ask_with(shown, enrol("second")).await.unwrap();
    // What was approved was one code.
    assert_ne!(pending(deployment.ask("olga", code_of("nora")).await), id);
    // The person's own is free, by a certificate.
    let by = Presented::certificate(&first.certificate);
    deployment.ask_with(by, code_of("nora")).await.unwrap();
    hold(deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_further_credential_proves_nothing_until_its_holder_confirms_it() {
    let deciding = Deciding::build(2).await;
    let deployment = &deciding.deployment;
    // The same rules as ever say who makes it: nobody is known to have given `rita` her role.
    let create = make("rita", certificate(deployment, "rita-2"), true);
    refused(deployment.ask("otto", create).await, ErrorKind::SeparationOfDuties, "nobody is known");
    person(deployment, "olga", "nora").await;
    deployment.ask("olga", make("nora", certificate(deployment, "nora"), false)).await.unwrap();
    let assign = || AssignRole { principal: principal("nora"), role: Role::Operator };
    let id = pending(deployment.ask("otto", assign()).await);
    for custodian in ["carl", "cora"] {
        deciding.approve(custodian, id).await.unwrap();
    }
    deployment.ask("otto", assign()).await.unwrap();
    // Others would have to approve it, and the person's own word takes their place.
    pending(deployment.ask("olga", make("nora", certificate(deployment, "nora-1"), false)).await);
    let create = || make("nora", certificate(deployment, "nora-2"), true);
    refused(deployment.ask("otto", create()).await, ErrorKind::SeparationOfDuties, "who gave");
    let made = deployment.ask("olga", create()).await.unwrap().output.credential;
    assert!(made.awaits_confirmation);
    let confirm = || ConfirmCredential { credential: made.id };
    // Nobody is known by it, on any plane, and so it confirms not even itself.
    for plane in [Plane::Control, Plane::Data, Plane::Mixed] {
        let ask = deployment.ask_at("nora-2", plane, ReadSystem {});
        refused(ask.await, ErrorKind::Unauthenticated, "no valid credential");
    }
    refused(deployment.ask("nora-2", confirm()).await, ErrorKind::Unauthenticated, "no valid credential");
    // Nor does anybody else: whoever made it, and whoever may do most.
    for who in ["olga", "otto", "ada", "rita"] {
        let error = deployment.ask(who, confirm()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{who}: {error:?}");
    }
    // A token of the holder's own is not enough.
    let token = make("nora", NewCredential::Token { lifetime: DAY }, false);
    let token = bearer(deployment.ask("nora", token).await.unwrap().output.token.unwrap());
    refused(deployment.ask_with(token, confirm()).await, ErrorKind::Denied, "by a certificate");
    let confirmed = deployment.ask("nora", confirm()).await.unwrap().output;
    assert_eq!((confirmed.awaits_confirmation, confirmed.revision), (false, 2));
    deployment.ask("nora-2", ReadSystem {}).await.unwrap();
    // Once more changes nothing.
    assert_eq!(deployment.ask("nora", confirm()).await.unwrap().output.revision, 2);
    hold(deployment).await;
    let verified = replay(deployment).await;
    let fact = verified.objects.find(&Object::Credential(made.id)).unwrap();
    assert!(!fact.fields().contains_key(&14), "it awaits nothing any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_awaits_its_confirmation_has_a_maker_and_ends_like_all_others() {
    let deployment = Deployment::build().await;
    person(&deployment, "olga", "nora").await;
    deployment.ask("olga", make("nora", certificate(&deployment, "nora"), false)).await.unwrap();
    let create = |name: &str| make("nora", certificate(&deployment, name), true);
    let made = deployment.ask("otto", create("nora-2")).await.unwrap().output.credential;
    let assign = AssignRole { principal: principal("nora"), role: Role::Operator };
    refused(deployment.ask("otto", assign).await, ErrorKind::SeparationOfDuties, "who made a principal");
    deployment.ask("otto", RevokeCredential { credential: made.id }).await.unwrap();
    let confirm = |credential: CredentialId| deployment.ask("nora", ConfirmCredential { credential });
    refused(confirm(made.id).await, ErrorKind::WrongState, "revoked");
    let made = deployment.ask("otto", create("nora-3")).await.unwrap().output.credential;
    deployment.clock.advance(DAY * 89);
    let what = NewCredential::Certificate {
        der: certificate_of("nora-4"),
        chain: Vec::new(),
        expires_at: deployment.clock.wall().after(DAY * 365),
    };
    deployment.ask("nora", make("nora", what, false)).await.unwrap();
    deployment.clock.advance(DAY * 2);
    let late = deployment.ask("nora-4", ConfirmCredential { credential: made.id }).await;
    refused(late, ErrorKind::WrongState, "expired");
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_people_with_a_certificate_are_asked_to_confirm() {
    let deployment = Deployment::build().await;
    person(&deployment, "olga", "nora").await;
    let create = || make("nora", certificate(&deployment, "nora-1"), true);
    refused(deployment.ask("otto", create()).await, ErrorKind::WrongState, "nobody could confirm it");
    // A token is no certificate, and neither is a code, nor what awaits a confirmation itself.
    deployment.ask("otto", make("nora", NewCredential::Token { lifetime: DAY }, false)).await.unwrap();
    code(&deployment, "otto", "nora").await;
    refused(deployment.ask("otto", create()).await, ErrorKind::WrongState, "nobody could confirm it");
    for (of, what) in [
        ("app", NewCredential::Token { lifetime: DAY }),
        ("app", NewCredential::AccessKey { lifetime: DAY }),
        ("app", NewCredential::ShortLived { lifetime: DAY / 24 }),
    ] {
        refused(
            deployment.ask("ada", make(of, what, true)).await,
            ErrorKind::InvalidArgument,
            "confirm nothing",
        );
    }
    for what in [NewCredential::EnrolmentCode { lifetime: DAY }, NewCredential::Token { lifetime: DAY }] {
        let made = deployment.ask("otto", make("nora", what, true)).await;
        refused(made, ErrorKind::InvalidArgument, "has heard it");
    }
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_begins_with_codes_of_people_and_with_certificates() {
    // Nobody is there yet.
    let deployment = Deployment::build_for(&[]).await;
    let expires_at = deployment.clock.wall().after(DAY * 30);
    let first = |name: &str, kind: PrincipalKind, role: Option<Role>, credential: FirstCredential| {
        FirstPrincipal { name: name.parse().unwrap(), kind, role, credential }
    };
    let code = || {
        let id = CredentialId::random().unwrap();
        let (code, digest) = EnrolmentCode::generate(id).unwrap();
        (shown(code), FirstCredential::EnrolmentCode { id, digest, expires_at })
    };
    let certificate =
        |name: &str, request| FirstCredential::Certificate { der: certificate_of(name), request, expires_at };
    let begin = |principals: Vec<FirstPrincipal>| {
        deployment.road.perform_for_system(system(), Initialize { principals, quorum: 0 })
    };
    let application = vec![first("app", PrincipalKind::Workload, None, code().1)];
    let error = begin(application).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error:?}");
    let (of_ada, by_code) = code();
    let people = vec![
        first("ada", PrincipalKind::Human, Some(Role::Administrator), by_code),
        first("vera", PrincipalKind::Human, Some(Role::Auditor), certificate("vera", Some([7; 32]))),
        first("app", PrincipalKind::Workload, None, certificate("app", None)),
    ];
    begin(people).await.unwrap();
    let create = || CreateRing { name: "orders".parse().unwrap(), policy: Default::default() };
    refused(deployment.ask_with(of_ada.clone(), create()).await, ErrorKind::Denied, "good for one thing");
    let done = deployment.ask_with(of_ada, enrol("a key")).await.unwrap().output;
    assert_eq!(done.credential.created_by, Some(claviger_core::PrincipalId::SYSTEM));
    deployment.ask_with(Presented::certificate(&done.certificate), create()).await.unwrap();
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_that_a_key_is_theirs_is_nobody_whom_the_set_up_keeps() {
    let deployment = Deployment::build().await;
    let signer = Signer::new(&deployment);
    let recover = Recover {
        name: "rita".parse().unwrap(),
        certificate: signer.certificate().to_vec(),
        expires_at: deployment.clock.wall().after(DAY * 90),
    };
    deployment.road.perform_for_system(system(), recover).await.unwrap();
    let founded = async || {
        let analyze = AnalyzeAccess { pairs: false, goal: None, founder: true };
        let analysis = deployment.ask("vera", analyze).await.unwrap().output;
        assert!(analysis.found.iter().any(|one| one.members.is_empty()), "whoever set it up reaches much");
        let founder = analysis.named.iter().find(|one| one.kind == ExceptionKind::Founder).unwrap();
        founder.count
    };
    let before = founded().await;
    let rita = deployment.store.find_principal_by_name(&"rita".parse().unwrap()).await.unwrap().unwrap();
    let all =
        deployment.store.list_credentials(Some(rita.id), Page { after: None, limit: 10 }).await.unwrap();
    let of = |id: CredentialId| vec![Object::Credential(id)];
    let state = |statement: &str, scope: Vec<Object>| {
        let signed = signer.states(statement, scope, deployment.clock.wall());
        deployment.ask_with(signer.presented(), signed)
    };
    // Neither another statement, nor the same about something else, says it.
    state("ATT-POLICY", of(all[0].id)).await.unwrap();
    state("ATT-ENROLMENT", Vec::new()).await.unwrap();
    state("ATT-ENROLMENT", of(CredentialId::from_bytes([7; 16]))).await.unwrap();
    assert_eq!(founded().await, before);
    let signed = state("ATT-ENROLMENT", of(all[0].id)).await.unwrap().output;
    assert_eq!(founded().await, before - 1);
    // Withdrawn, or over, it says nothing.
    deployment.ask("otto", WithdrawDeclaration { declaration: signed.row.id }).await.unwrap();
    assert_eq!(founded().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_officer_who_has_a_code_alone_cannot_act_yet() {
    let deciding = Deciding::build(0).await;
    let deployment = &deciding.deployment;
    let (shown, _) = code(deployment, "olga", "olga").await;
    let olga = deployment.store.find_principal_by_name(&"olga".parse().unwrap()).await.unwrap().unwrap();
    let all =
        deployment.store.list_credentials(Some(olga.id), Page { after: None, limit: 10 }).await.unwrap();
    let certificate = all.iter().find(|one| one.kind == CredentialKind::Certificate).unwrap();
    deployment.ask("otto", RevokeCredential { credential: certificate.id }).await.unwrap();
    let revoke = || RevokePrincipal { principal: principal("otto") };
    refused(deployment.ask("rita", revoke()).await, ErrorKind::WrongState, "last principal");
    deployment.ask_with(shown, enrol("a key")).await.unwrap();
    deployment.ask("rita", revoke()).await.unwrap();
    hold(deployment).await;
}
