//! Who could do what with a key at an instant that is past: what the facts of the log say of it is what was said of it at that instant,
//! over random histories.

#![expect(
    clippy::indexing_slicing,
    reason = "an act that points beyond what there is is a mistake of this test"
)]

use claviger_core::action::Plane;
use claviger_core::grant::Conditions;
use claviger_core::key::{Event, KeyRecord, Separation, State};
use claviger_core::object::{Kind, Object, RowCursor};
use claviger_core::port::Store as _;
use claviger_core::principal::{PrincipalKind, Role};
use claviger_core::{Action, GrantId, Purpose, Spec, Timestamp};
use claviger_service::operation::*;
use claviger_service::{ErrorKind, Explanation, KeyRef, ServiceError};
use proptest::prelude::*;
use rusqlite::Connection;

use crate::delegation::{DEPLOY, given, name};
use crate::deployment::{DAY, Deployment};

const APPLICATIONS: [&str; 4] = ["app", "outsider", "shop", "cart"];
const PEOPLE: [&str; 2] = ["pia", "paul"];
/// Histories by day; `PROPTEST_CASES` says how many by night.
const FEW: u32 = 6;

/// What was said of the key at an instant.
struct Said {
    at: Timestamp,
    rights: Vec<(String, Explanation)>,
    state: State,
    doomed: bool,
}

/// One act: what is done, and three numbers that choose among what there is.
type Act = [u8; 4];

fn pick<T: Copy>(all: &[T], number: u8) -> T {
    all[usize::from(number) % all.len()]
}

/// Whatever was refused was refused for a reason of the caller's: no fault of the program.
fn bear<T>(done: Result<T, ServiceError>, act: Act) {
    if let Err(error) = done
        && error.kind() == ErrorKind::Internal
    {
        panic!("{act:?}: {error:?}");
    }
}

struct History {
    deployment: Deployment,
    /// The key that is asked about, and another one in its ring.
    keys: [KeyRecord; 2],
    said: Vec<Said>,
}

impl History {
    async fn begin() -> Self {
        let application = |name: &str| (name.to_owned(), PrincipalKind::Workload, None);
        let person = |name: &str| (name.to_owned(), PrincipalKind::Human, None);
        let more = APPLICATIONS[2..].iter().map(|name| application(name));
        let more = more.chain(PEOPLE.iter().map(|name| person(name))).collect();
        let deployment = Deployment::build_among(false, more).await;
        deployment.relaxed_ring("orders").await;
        let one = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
        let other = deployment.key("other", Purpose::Encrypt, Spec::Aes256Gcm).await;
        Self { deployment, keys: [one, other], said: Vec::new() }
    }

    fn key(&self) -> KeyRef {
        KeyRef::Id(self.keys[0].key.id)
    }

    async fn explain(&self, at: Option<Timestamp>) -> Result<KeyRights, ServiceError> {
        Ok(self.deployment.ask("vera", ExplainKey { key: self.key(), at }).await?.output)
    }

    async fn note(&mut self) {
        let at = self.deployment.clock.wall();
        let rights = self.explain(None).await.unwrap();
        assert_eq!(rights.then, None);
        let key = self.deployment.store.find_key(self.keys[0].key.id).await.unwrap().unwrap().key;
        let said = Said { at, rights: named(rights), state: key.state, doomed: key.destruction.is_some() };
        self.said.push(said);
    }

    /// A grant to somebody, on the key, on the other one, or on their ring.
    fn grant(&self, [_, who, how, when]: Act) -> CreateGrant {
        let on = match who % 3 {
            0 => GrantOn::Ring("orders".parse().unwrap()),
            1 => GrantOn::Key(KeyRef::Id(self.keys[1].key.id)),
            _ => GrantOn::Key(self.key()),
        };
        let pair = |name: &str| vec![(name.to_owned(), "v".to_owned())];
        let mut conditions = Conditions::default();
        match how % 5 {
            0 => conditions.context_equals = pair("tenant"),
            1 => conditions.context_exactly = Some(pair("purpose")),
            2 => conditions.source_networks = vec!["10.0.0.0/8".parse().unwrap()],
            _ => {}
        }
        conditions.until =
            (when % 3 == 0).then(|| self.deployment.clock.wall().after(DAY * u32::from(1 + when % 40)));
        match who % 7 {
            0 => given(pick(&PEOPLE, how), on, &[Action::Encrypt], conditions),
            1..=3 => given(pick(&APPLICATIONS, who / 7), on, &DEPLOY, conditions),
            _ => given(pick(&APPLICATIONS, who / 7), on, &[Action::Encrypt, Action::Decrypt], conditions),
        }
    }

    async fn any_grant(&self, number: u8) -> GrantId {
        let from = RowCursor { kind: Kind::Grant, after: None };
        let grants = self.deployment.store.list_rows(from, 1000).await.unwrap();
        match grants.get(usize::from(number) % grants.len().max(1)).map(|found| found.row.object()) {
            Some(Object::Grant(id)) => id,
            _ => GrantId::from_bytes([9; 16]),
        }
    }

    async fn act(&mut self, act: Act) {
        let [what, who, how, when] = act;
        let deployment = &self.deployment;
        match what % 16 {
            0..=3 => bear(deployment.ask("otto", self.grant(act)).await, act),
            4..=6 => {
                let until = (when % 4 == 0).then(|| deployment.clock.wall().after(DAY * 9));
                let delegate = DelegateGrant {
                    key: self.key(),
                    principal: name(pick(&APPLICATIONS, how)),
                    operations: DEPLOY[usize::from(when % 3)..].to_vec(),
                    conditions: Conditions { until, ..Conditions::default() },
                    name: None,
                    retiring: None,
                    spelling: Default::default(),
                };
                bear(deployment.ask_at(pick(&APPLICATIONS, who), Plane::Mixed, delegate).await, act);
            }
            7 => {
                let grants = (0..how % 3).map(|number| NewGrant {
                    principal: name(pick(&APPLICATIONS, when.wrapping_add(number))),
                    operations: DEPLOY[..2].to_vec(),
                    conditions: Conditions::default(),
                    name: format!("key-policy/{number}"),
                    spelled: None,
                });
                let set = GrantSet { grants: grants.collect(), text: Some("{}".to_owned()) };
                let put = PutKeyPolicy { key: self.key(), set };
                bear(deployment.ask_at(pick(&APPLICATIONS, who), Plane::Mixed, put).await, act);
            }
            8 | 9 => {
                let grant = self.any_grant(how).await;
                bear(deployment.ask("otto", RevokeGrant { grant }).await, act);
            }
            10 if how % 3 == 0 => {
                let everybody = [&APPLICATIONS[..], &PEOPLE].concat();
                let principal = name(pick(&everybody, who));
                bear(deployment.ask("otto", RevokePrincipal { principal }).await, act);
            }
            10 | 11 => {
                let (principal, role) = (name(pick(&PEOPLE, who)), pick(&Role::ALL, when));
                match how % 2 {
                    0 => bear(deployment.ask("olga", AssignRole { principal, role }).await, act),
                    _ => bear(deployment.ask("otto", WithdrawRole { principal, role }).await, act),
                }
            }
            12 => {
                let event = pick(&[Event::Suspend, Event::Resume, Event::Suspend, Event::Deactivate], how);
                let change = ChangeKeyState::new(self.key(), None, event).unwrap();
                bear(deployment.ask("ada", change).await, act);
            }
            13 => {
                let separation = pick(&[Separation::Relaxed, Separation::Relaxed, Separation::Strict], how);
                let set = SetRingSeparation { ring: "orders".parse().unwrap(), separation };
                bear(deployment.ask("otto", set).await, act);
            }
            14 if how % 4 == 0 => {
                let schedule = ScheduleDestroy { key: self.key(), waiting: None };
                bear(deployment.ask("ada", schedule).await, act);
            }
            14 => bear(deployment.ask("ada", CancelDestroy { key: self.key() }).await, act),
            _ => deployment.clock.advance(DAY * u32::from(1 + when % 12)),
        }
    }

    /// Every instant is explained as it was then.
    async fn hold(&self) {
        for said in &self.said {
            let rights = self.explain(Some(said.at)).await.unwrap();
            let then = rights.then.unwrap();
            assert_eq!((then.at, then.state), (said.at, said.state));
            assert_eq!(then.destroy_at.is_some(), said.doomed);
            assert!(then.reached.newest_at.is_some_and(|newest| newest <= said.at.as_micros()));
            assert_eq!(named(rights), said.rights, "at {:?}", said.at);
        }
    }
}

fn named(rights: KeyRights) -> Vec<(String, Explanation)> {
    rights.items.into_iter().map(|(who, what)| (who.name.to_string(), what)).collect()
}

async fn live_through(acts: &[Act]) {
    let mut history = History::begin().await;
    history.note().await;
    for act in acts {
        history.act(*act).await;
        history.note().await;
    }
    history.hold().await;
    let History { deployment, keys, said } = history;
    let history = History { deployment: deployment.restart().await, keys, said };
    history.hold().await;
    history.deployment.road.stop().await;
}

fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(FEW), max_shrink_iters: 100, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_the_log_says_of_an_instant_is_what_was_said_at_it(acts in prop::collection::vec(any::<Act>(), 20..60)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(live_through(&acts));
    }
}

/// The history that the answer is for: an application had the right, and has it no more.
#[tokio::test(flavor = "multi_thread")]
async fn who_could_use_the_key_then_is_said_whatever_changed_since() {
    let mut history = History::begin().await;
    let before = history.deployment.clock.wall();
    let give = given("app", GrantOn::Key(history.key()), &[Action::Encrypt], Conditions::default());
    let grant = history.deployment.ask("otto", give).await.unwrap().output;
    history.note().await;
    let suspend = ChangeKeyState::new(history.key(), None, Event::Suspend).unwrap();
    history.deployment.ask("ada", suspend).await.unwrap();
    history.note().await;
    history.deployment.ask("otto", RevokeGrant { grant: grant.id }).await.unwrap();
    let gone = RevokePrincipal { principal: name("app") };
    history.deployment.ask("otto", gone).await.unwrap();
    history.note().await;
    history.hold().await;
    let may =
        |said: &Said| said.rights.iter().any(|(who, what)| who == "app" && what.action == Action::Encrypt);
    assert_eq!(history.said.iter().map(may).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(history.said[1].state, State::Suspended);
    assert!(!named(history.explain(Some(before)).await.unwrap()).iter().any(|(who, _)| who == "app"));

    // The row of the grant says something else now: the answer is the log's.
    let database = Connection::open(history.deployment.directory.path().join("data/store.db")).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    let edit = "UPDATE grants SET operations = 'decrypt', standing = 'active' WHERE id = ?1";
    assert_eq!(database.execute(edit, [grant.id.as_bytes()]).unwrap(), 1);
    history.hold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instants_of_which_nothing_can_be_said_are_refused() {
    let history = History::begin().await;
    let now = history.deployment.clock.wall();
    let to_come = history.explain(Some(now.after(DAY))).await.unwrap_err();
    assert_eq!(to_come.kind(), ErrorKind::InvalidArgument);
    for before in [Timestamp::from_micros(1), Timestamp::from_micros(now.as_micros() - 60_000_000)] {
        let absent = history.explain(Some(before)).await.unwrap_err();
        assert_eq!(absent.kind(), ErrorKind::NotFound);
        assert!(absent.public_message().contains("not there at that instant"), "{absent:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_question_is_an_entry_with_its_instant() {
    let history = History::begin().await;
    let at = history.deployment.clock.wall();
    let asked = ExplainKey { key: history.key(), at: Some(at) };
    let index = history.deployment.ask("vera", asked).await.unwrap().receipt.index();
    let read = ReadEntries { from: index, limit: 1, filter: Default::default() };
    let page = history.deployment.ask("vera", read).await.unwrap().output;
    let entry = claviger_audit::Entry::decode(&page.entries[0].bytes).unwrap();
    assert_eq!(entry.op, claviger_audit::Op::ExplainKey);
    assert_eq!(entry.key, Some(*history.keys[0].key.id.as_bytes()));
    assert_eq!(entry.reference.as_deref(), Some(at.as_micros().to_be_bytes().as_slice()));
}
