//! Why people act: who must say it, where it stands, and that it can be erased alone.

use claviger_audit::entry::Entry;
use claviger_audit::op::{Op, Outcome};
use claviger_core::action::Plane;
use claviger_core::key::{Event, KeyRecord};
use claviger_core::object::Object;
use claviger_core::port::Store as _;
use claviger_core::principal::{PrincipalKind, Role, Status};
use claviger_core::reason::{Reason, ReasonCode, ReasonText, TextAtRest, Unasked, Why};
use claviger_core::{Action, Purpose, ReasonId, Spec};
use claviger_service::log::EntryFilter;
use claviger_service::operation::{
    AssignRole, Captioned, Captions, ChangeKeyState, CheckIndexes, CreateCredential, CreateGrant,
    CreatePrincipal, ErasePrincipal, EraseReason, GrantOn, ListGrants, NewCredential, ReadEntries, ReadGrant,
    ReadKey, ReadPrincipal, RevokeGrant, RevokePrincipal,
};
use claviger_service::{ErrorKind, KeyRef, PrincipalRef};
use rusqlite::Connection;

use crate::deployment::{DAY, Deployment, certificate_of};
use crate::evidence::{differences, hold, replay};
use claviger_testkit::older::OLDER;

const TEXT: &str = "Mallory left, and took a disk along";

fn text(text: &str) -> Option<Reason> {
    Some(text.parse::<ReasonText>().unwrap().into())
}

fn step(key: &KeyRecord, event: Event) -> ChangeKeyState {
    ChangeKeyState::new(KeyRef::Id(key.key.id), None, event).unwrap()
}

async fn with_responder() -> (Deployment, KeyRecord) {
    let more = vec![("rita".to_owned(), PrincipalKind::Human, Some(Role::Responder))];
    let deployment = Deployment::build_among(false, more).await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    (deployment, key)
}

async fn read(deployment: &Deployment, key: &KeyRecord) -> (Option<Why>, Captions) {
    let read = Captioned(ReadKey { key: KeyRef::Id(key.key.id) });
    let (record, reasons) = deployment.ask("vera", read).await.unwrap().output;
    (record.key.reason, reasons)
}

/// The reason of a key's state.
async fn given(deployment: &Deployment, key: &KeyRecord) -> (ReasonId, Option<ReasonCode>, Option<String>) {
    let (why, reasons) = read(deployment, key).await;
    let Some(Why::Given(id)) = why else { panic!("{why:?}") };
    let shown = reasons.find(id).unwrap();
    (id, shown.code, shown.text.clone())
}

/// What is in the files of the store.
fn at_rest(deployment: &Deployment) -> Vec<u8> {
    let data = deployment.directory.path().join("data");
    ["store.db", "store.db-wal"]
        .into_iter()
        .flat_map(|name| std::fs::read(data.join(name)).unwrap())
        .collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_a_key_out_of_use_without_saying_why() {
    let (deployment, key) = with_responder().await;
    let code = || Some(Reason::from(ReasonCode::CompromiseSuspected));
    for (who, reason, event) in [
        ("ada", None, Event::Suspend),
        ("rita", None, Event::Suspend),
        ("ada", code(), Event::Suspend),
        ("rita", code(), Event::Compromise),
        ("ada", code(), Event::Deactivate),
    ] {
        let refused = deployment.ask_because(who, reason, step(&key, event)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ReasonRequired, "{who} {event}");
        assert!(refused.public_message().contains("say"), "{}", refused.public_message());
        let filter = EntryFilter::default();
        let entry = ReadEntries { from: refused.entry().unwrap(), limit: 1, filter };
        let found = deployment.ask("vera", entry).await.unwrap().output.entries;
        assert_eq!(Entry::decode(&found[0].bytes).unwrap().out, Outcome::BadInput);
    }
    // Who may not do it is denied, whatever reason is given.
    let denied = deployment.ask_because("vera", None, step(&key, Event::Suspend)).await.unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::Denied);
    // Where there is nothing to say, nothing is taken and then dropped.
    let read = ReadKey { key: KeyRef::Id(key.key.id) };
    let refused = deployment.ask_because("ada", text("curious"), read).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    // In an incident a word is enough.
    deployment.ask_because("rita", code(), step(&key, Event::Suspend)).await.unwrap();
    let (_, code, text) = given(&deployment, &key).await;
    assert_eq!((code, text), (Some(ReasonCode::CompromiseSuspected), None));
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reason_stands_with_what_was_done_for_it_and_with_its_entry() {
    let (deployment, key) = with_responder().await;
    let suspended =
        deployment.ask_because("ada", text(TEXT), Captioned(step(&key, Event::Suspend))).await.unwrap();
    let (record, reasons) = &suspended.output;
    let Some(Why::Given(id)) = record.key.reason else { panic!("no reason") };
    assert_eq!(reasons.find(id).unwrap().text.as_deref(), Some(TEXT), "shown at once");
    assert_eq!(given(&deployment, &key).await, (id, None, Some(TEXT.to_owned())));
    let entries = ReadEntries { from: suspended.receipt.index(), limit: 1, filter: EntryFilter::default() };
    let (page, reasons) = deployment.ask("vera", Captioned(entries)).await.unwrap().output;
    assert_eq!(page.entries[0].why, Some(Why::Given(id)));
    assert_eq!(reasons.find(id).unwrap().text.as_deref(), Some(TEXT));
    assert!(!holds(&at_rest(&deployment), TEXT), "it lies sealed");
    // A state that came about without a reason has none.
    deployment.ask_because("ada", None, step(&key, Event::Resume)).await.unwrap();
    assert_eq!(read(&deployment, &key).await.0, None);
    deployment.ask_because("ada", text("found again"), step(&key, Event::Suspend)).await.unwrap();
    deployment.ask_because("ada", text("all is well"), step(&key, Event::Resume)).await.unwrap();
    assert_eq!(given(&deployment, &key).await.2.as_deref(), Some("all is well"));
    // Of a grant both are shown: why it was given, and why it was revoked.
    let grant = deployment.grant(&key, &[Action::Encrypt]).await;
    deployment.ask_because("otto", text("over"), RevokeGrant { grant: grant.id }).await.unwrap();
    let (read, reasons) =
        deployment.ask("otto", Captioned(ReadGrant { grant: grant.id })).await.unwrap().output;
    let reported =
        |why: Option<Why>| reasons.find(why.unwrap().given().unwrap()).unwrap().text.clone().unwrap();
    assert_eq!(
        (reported(read.grant.reason), reported(read.grant.ending.unwrap().reason)),
        ("a test".into(), "over".into())
    );
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_is_asked_the_row_and_the_entry_say_so() {
    let deployment = Deployment::build().await;
    deployment.relaxed_ring("tools").await;
    let tool = deployment.key_in("tools", "main", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let grant = CreateGrant {
        principal: PrincipalRef::Name("app".parse().unwrap()),
        on: GrantOn::Ring("tools".parse().unwrap()),
        operations: vec![Action::SuspendKey],
        conditions: Default::default(),
        name: None,
        retiring: None,
    };
    deployment.ask("otto", grant).await.unwrap();
    let done = deployment.ask_at("app", Plane::Mixed, step(&tool, Event::Suspend)).await.unwrap();
    let protocol = Some(Why::Unasked(Unasked::Protocol));
    assert_eq!(done.output.key.reason, protocol);
    let entries = ReadEntries { from: done.receipt.index(), limit: 1, filter: EntryFilter::default() };
    assert_eq!(deployment.ask("vera", entries).await.unwrap().output.entries[0].why, protocol);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_reason_is_erased_and_nothing_else() {
    let (deployment, key) = with_responder().await;
    let other = deployment.key("other", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let why = Reason::new(Some(ReasonCode::PersonLeft), TEXT.parse().ok());
    deployment.ask_because("ada", why, step(&key, Event::Suspend)).await.unwrap();
    deployment
        .ask_because("ada", text("maintenance of the hall"), step(&other, Event::Suspend))
        .await
        .unwrap();
    let (id, ..) = given(&deployment, &key).await;
    let facts = replay(&deployment).await;
    let before = facts.objects.find(&Object::Reason(id)).unwrap().clone();

    let asked = || Reason::new(Some(ReasonCode::ErasureRequest), "request 4711".parse().ok());
    for (who, kind) in [("ada", ErrorKind::Denied), ("rita", ErrorKind::Denied), ("vera", ErrorKind::Denied)]
    {
        let refused = deployment.ask_because(who, asked(), EraseReason { id }).await.unwrap_err();
        assert_eq!(refused.kind(), kind, "{who}");
    }
    let silent = deployment.ask_because("otto", None, EraseReason { id }).await.unwrap_err();
    assert_eq!(silent.kind(), ErrorKind::ReasonRequired);
    let nowhere = EraseReason { id: ReasonId::from_bytes([7; 16]) };
    assert_eq!(deployment.ask("otto", nowhere).await.unwrap_err().kind(), ErrorKind::NotFound);
    let erased = deployment.ask_because("otto", asked(), EraseReason { id }).await.unwrap();
    assert_eq!(erased.output.text, TextAtRest::None);

    let (_, reasons) = read(&deployment, &key).await;
    let shown = reasons.find(id).unwrap();
    assert_eq!((shown.code, &shown.text), (Some(ReasonCode::PersonLeft), &None));
    assert_eq!(shown.erased_at, Some(erased.output.erasure.unwrap().at));
    assert_eq!(given(&deployment, &other).await.2.as_deref(), Some("maintenance of the hall"));
    // The key of the text is gone, and the act is in the log with a reason of its own, which can be erased by another officer.
    let name = Object::Reason(id).veil_name().unwrap();
    assert_eq!(deployment.store.find_veil(name).await.unwrap(), None);
    let entries = ReadEntries { from: erased.receipt.index(), limit: 1, filter: EntryFilter::default() };
    let found = deployment.ask("vera", entries).await.unwrap().output.entries.remove(0);
    let entry = Entry::decode(&found.bytes).unwrap();
    assert_eq!((entry.op, entry.reference.as_deref()), (Op::EraseReason, Some(id.as_bytes().as_slice())));
    let Some(Why::Given(of_erasure)) = found.why else { panic!("{:?}", found.why) };
    let own = deployment.ask_because("otto", asked(), EraseReason { id: of_erasure }).await.unwrap_err();
    assert_eq!(own.kind(), ErrorKind::SeparationOfDuties);
    // Once more is nothing new.
    let again = deployment.ask_because("otto", asked(), EraseReason { id }).await.unwrap();
    assert_eq!(again.output.revision, erased.output.revision);
    deployment.ask_because("olga", asked(), EraseReason { id: of_erasure }).await.unwrap();

    // Every digest verifies, and what was said before is still committed to.
    hold(&deployment).await;
    let verified = replay(&deployment).await;
    let after = verified.objects.find(&Object::Reason(id)).unwrap();
    assert_eq!((before.revision, after.revision), (1, 2));
    assert!(before.fields().contains_key(&3) && !after.fields().contains_key(&3), "the text");
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_a_person_leaves_names_of_keys_reasons_and_pseudonyms() {
    let (deployment, key) = with_responder().await;
    let carla = || PrincipalRef::Name("carla".parse().unwrap());
    let create = CreatePrincipal {
        name: "carla".parse().unwrap(),
        kind: PrincipalKind::Human,
        home: None,
        environment: None,
        same_person_as: None,
    };
    deployment.ask("otto", create).await.unwrap();
    deployment
        .ask_because("olga", text("hired"), AssignRole { principal: carla(), role: Role::Responder })
        .await
        .unwrap();
    let certificate = NewCredential::Certificate {
        der: certificate_of("carla"),
        chain: Vec::new(),
        expires_at: deployment.clock.wall().after(DAY),
    };
    let give = CreateCredential {
        principal: carla(),
        label: "laptop".parse().unwrap(),
        what: certificate,
        to_confirm: false,
    };
    deployment.ask("otto", give).await.unwrap();
    deployment.ask_because("carla", text(TEXT), step(&key, Event::Suspend)).await.unwrap();
    let person = deployment.store.find_principal_by_name(&"carla".parse().unwrap()).await.unwrap().unwrap();
    let erase = || ErasePrincipal { principal: PrincipalRef::Id(person.id) };
    let asked = || text("request 4711");
    let early = deployment.ask_because("otto", asked(), erase()).await.unwrap_err();
    assert_eq!(early.kind(), ErrorKind::WrongState);
    deployment.ask_because("otto", asked(), RevokePrincipal { principal: carla() }).await.unwrap();
    let silent = deployment.ask_because("otto", None, erase()).await.unwrap_err();
    assert_eq!(silent.kind(), ErrorKind::ReasonRequired);
    for who in ["ada", "vera"] {
        let refused = deployment.ask_because(who, asked(), erase()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Denied, "{who}");
    }
    let erased = deployment.ask_because("otto", asked(), erase()).await.unwrap().output;
    let name = format!("erased-{}", person.id);
    assert_eq!((erased.name.as_str(), erased.subject_key.len()), (name.as_str(), 0));
    // Once more changes nothing, and nobody gets such a name.
    let again = deployment.ask_because("otto", asked(), erase()).await.unwrap().output;
    assert_eq!(again, erased);
    let taken = CreatePrincipal {
        name: name.parse().unwrap(),
        kind: PrincipalKind::Human,
        home: None,
        environment: None,
        same_person_as: None,
    };
    assert_eq!(deployment.ask("otto", taken).await.unwrap_err().kind(), ErrorKind::InvalidArgument);
    // The name is nowhere any more; all else reads, every digest verifies, and what is live is what the log yields.
    hold(&deployment).await;
    assert_eq!(deployment.ask("vera", CheckIndexes {}).await.unwrap().output, Vec::<String>::new());
    let deployment = deployment.restart().await;
    hold(&deployment).await;
    let database = Connection::open(deployment.directory.path().join("data/store.db")).unwrap();
    let named = "SELECT count(*) FROM principal WHERE name = 'carla'";
    assert_eq!(database.query_row(named, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    let veil = Object::Principal(person.id).veil_name().unwrap();
    assert_eq!(deployment.store.find_veil(veil).await.unwrap(), None);
    // Whoever says now what was erased is found.
    let edit = "UPDATE principal SET name = 'carla' WHERE id = ?1";
    assert_eq!(database.execute(edit, [person.id.as_bytes()]).unwrap(), 1);
    let verified = replay(&deployment).await;
    let differs = differences(&deployment, &verified).await;
    assert!(differs.len() == 1 && differs[0].contains("tag"), "{differs:?}");
    let edit = "UPDATE principal SET name = ?2 WHERE id = ?1";
    assert_eq!(database.execute(edit, rusqlite::params![person.id.as_bytes(), name]).unwrap(), 1);
    let read_key = deployment.ask("vera", ReadKey { key: KeyRef::Id(key.key.id) }).await.unwrap().output;
    assert_eq!(read_key.name().to_string(), "orders/cards");
    let (id, _, text) = given(&deployment, &key).await;
    assert_eq!(text.as_deref(), Some(TEXT));
    let by = deployment.store.list_reasons(vec![id]).await.unwrap().remove(0).record.given_by;
    assert_eq!(by, person.id, "who, by pseudonym");
    let read = Captioned(ReadPrincipal { principal: PrincipalRef::Id(person.id) });
    let (carla, reasons) = deployment.ask("otto", read).await.unwrap().output;
    assert_eq!((carla.status, carla.roles), (Status::Revoked, vec![Role::Responder]));
    let why = carla.reason.and_then(Why::given).unwrap();
    assert_eq!(reasons.find(why).unwrap().text.as_deref(), Some("request 4711"));
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_an_older_release_kept_in_clear_are_sealed_at_the_first_start() {
    let (deployment, key) = with_responder().await;
    let grant = deployment.grant(&key, &[Action::Encrypt]).await;
    let id = grant.reason.and_then(Why::given).unwrap();
    // As a store of schema 1 is once its tables were migrated.
    let deployment = deployment
        .restart_after(|database| {
            let database = Connection::open(database).unwrap();
            let clear = "UPDATE reason SET text = 'orders are sealed', sealed = NULL WHERE id = ?1";
            assert_eq!(database.execute(clear, [id.as_bytes()]).unwrap(), 1);
            database.execute("DELETE FROM veil WHERE substr(name, 2) = ?1", [id.as_bytes()]).unwrap();
            database.execute("INSERT INTO fact_head (id, kind, after) VALUES (1, 8, x'')", []).unwrap();
            database.execute_batch(OLDER).unwrap();
        })
        .await;
    let list = ListGrants {
        principal: None,
        key: Some(KeyRef::Id(key.key.id)),
        ring: None,
        with_revoked: false,
        page: claviger_core::port::store::Page { after: None, limit: 10 },
    };
    let (_, reasons) = deployment.ask("otto", Captioned(list)).await.unwrap().output;
    assert_eq!(reasons.find(id).unwrap().text.as_deref(), Some("orders are sealed"));
    let kept = deployment.store.list_reasons(vec![id]).await.unwrap().remove(0);
    assert!(matches!(kept.record.text, TextAtRest::Sealed(_)) && kept.key.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_put_in_the_place_of_another_opens_nowhere_and_is_found() {
    let (deployment, key) = with_responder().await;
    let other = deployment.key("other", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.ask_because("ada", text(TEXT), step(&key, Event::Suspend)).await.unwrap();
    deployment.ask_because("ada", text("maintenance"), step(&other, Event::Suspend)).await.unwrap();
    let (id, other_id) = (given(&deployment, &key).await.0, given(&deployment, &other).await.0);
    let verified = replay(&deployment).await;
    let database = Connection::open(deployment.directory.path().join("data/store.db")).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    let copied = "UPDATE reason SET sealed = (SELECT sealed FROM reason WHERE id = ?2) WHERE id = ?1";
    assert_eq!(database.execute(copied, [id.as_bytes(), other_id.as_bytes()]).unwrap(), 1);
    let (_, reasons) = read(&deployment, &key).await;
    assert!(reasons.find(id).is_none(), "the row does not hold");
    let refused = deployment.ask("otto", EraseReason { id }).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::RowAltered);
    let of = |id: ReasonId| Object::Reason(id).veil_name().unwrap().to_bytes();
    let copied = "UPDATE veil SET sealed = (SELECT sealed FROM veil WHERE name = ?2) WHERE name = ?1";
    assert_eq!(database.execute(copied, [of(id), of(other_id)]).unwrap(), 1);
    assert!(read(&deployment, &key).await.1.find(id).is_none(), "with its key");
    assert_eq!(given(&deployment, &other).await.2.as_deref(), Some("maintenance"));
    let found = differences(&deployment, &verified).await;
    assert!(!found.is_empty() && found.iter().all(|line| line.contains(&id.to_string())), "{found:?}");
    assert!(found.iter().any(|line| line.contains("text")), "{found:?}");
}
