//! What the sequencer promises beyond the commit: what is kept beside the store, and what a lost race leaves behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use claviger_audit::cut::{Cut, ShardHead, ShardState};
use claviger_audit::op::Op;
use claviger_core::alert::AlertRule;
use claviger_core::change::{Change, Restriction};
use claviger_core::object::Object;
use claviger_core::port::{Clock, Store as _};
use claviger_core::principal::Principal;
use claviger_core::{Action, KeyId, KeyRingId, PrincipalId, Timestamp};
use claviger_crypto::SecretBytes;
use claviger_provider::software::{RootUnlock, SoftwareProvider};
use claviger_store::sqlite::{SqliteOptions, SqliteStore};
use claviger_testkit::trust::Lenient;
use tokio::runtime::Handle;

use super::*;
use crate::governed::Governed;
use crate::job::raise_alerts::write_within;
use crate::log::past::Asked;
use crate::log::who::Principals;
use crate::open::Options;
use crate::reference::TargetRef;
use crate::state::Memory;
use crate::work::At;

#[derive(Debug)]
struct TestClock;

#[expect(clippy::disallowed_methods, reason = "the tests' own clock")]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::default().after(self.since_boot())
    }

    fn since_boot(&self) -> Duration {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap()
    }
}

/// A call that always computes on a row that is not there any more.
#[derive(Debug, Default)]
struct Loses {
    attempts: AtomicUsize,
}

impl Operation for Loses {
    type Output = ();

    fn action(&self) -> Action {
        Action::Initialize
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<()>, ServiceError> {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        let stale = Principal { revision: 7, ..system() };
        let asked = Governed::Initialize { principals: Vec::new(), quorum: None };
        Ok(Staged::changing(asked, (), vec![Change::PutPrincipal(stale)], view.detail()))
    }
}

fn system() -> Principal {
    crate::job::system().unwrap()
}

/// A deployment that cuts only when it is asked to.
struct Site {
    road: Road,
    store: Arc<SqliteStore>,
    directory: tempfile::TempDir,
    fatal: Mutex<std::sync::mpsc::Receiver<String>>,
}

impl Site {
    async fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("data"), SqliteOptions::default()).unwrap();
        let store = Arc::new(store);
        let unlock = RootUnlock::KeyFile(SecretBytes::new(vec![7; 32]));
        let (provider, _) = SoftwareProvider::create(&unlock).unwrap();
        let (report_fatal, fatal) = std::sync::mpsc::channel();
        let options = Options {
            deployment: "test".parse().unwrap(),
            cut_every: Duration::from_secs(3600),
            jobs_every: Duration::from_secs(3600),
            clock_step: Duration::from_secs(600),
            memory: Memory::default(),
            known_note: None,
            accept_lost_tail: false,
            trust: Arc::new(Lenient),
            environment: None,
            renewable_for: Duration::from_secs(3 * 366 * 86_400),
            on_signed: Box::new(|_| {}),
            on_fatal: Box::new(move |why| report_fatal.send(why).unwrap()),
            insecure_fence_off: false,
        };
        let road = Road::open(store.clone(), Arc::new(provider), Arc::new(TestClock), options).await.unwrap();
        Self { road, store, directory, fatal: fatal.into() }
    }

    fn kept_file(&self) -> std::path::PathBuf {
        self.directory.path().join("data/newest-shard-checkpoint")
    }

    /// How often a checkpoint was kept, and the newest of them.
    fn kept(&self) -> (u64, claviger_audit::KeptCheckpoint) {
        let bytes = std::fs::read(self.kept_file()).unwrap();
        let slot = |slot: &[u8]| {
            let sequence = u64::from_be_bytes(slot[8..16].try_into().unwrap());
            let length = usize::try_from(u32::from_be_bytes(slot[20..24].try_into().unwrap())).unwrap();
            let kept = claviger_audit::KeptCheckpoint::open(&slot[24..24 + length]);
            (sequence, kept.unwrap().0)
        };
        bytes
            .chunks(4096)
            .filter(|slot| slot[0] != 0)
            .map(slot)
            .max_by_key(|(sequence, _)| *sequence)
            .unwrap()
    }

    /// A restriction, or an ordinary call.
    async fn record_entry(&self, restricts: Vec<Restriction>) -> Result<Receipt, NotCommitted> {
        self.road.commit(|reply| self.submission(restricts, reply)).await
    }

    fn submission(
        &self,
        restricts: Vec<Restriction>,
        reply: oneshot::Sender<Result<Receipt, NotCommitted>>,
    ) -> Submission {
        Submission {
            header: EntryHeader::of_system(Op::Heartbeat, self.road.clock.now()),
            details: EntryDetail::default().into(),
            changes: Vec::new(),
            facts: None,
            restricts,
            epoch: self.road.epoch(),
            dependencies: Dependencies::default(),
            rights: None,
            least_room: Room::Plenty,
            reply,
        }
    }

    async fn restrict(&self) -> Result<Receipt, NotCommitted> {
        let key = KeyId::random().unwrap();
        self.record_entry(vec![Restriction::Key(key)]).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restriction_is_answered_when_its_checkpoint_is_kept() {
    let site = Site::open().await;
    let (begun, first) = site.kept();
    assert_eq!((begun, first.start, first.closed), (1, 0, false));
    for _ in 0..20 {
        let index = site.restrict().await.unwrap().index();
        let kept = site.kept().1;
        assert!(kept.head.size > index, "{kept:?}");
        assert_eq!(kept.epoch, site.road.epoch());
    }
    site.road.stop().await;
    let (_, last) = site.kept();
    assert!(last.closed);
    assert_eq!(last.head.size, site.store.list_heads().await.unwrap()[0].size);
}

#[tokio::test(flavor = "multi_thread")]
async fn restrictions_that_wait_together_share_one_sync() {
    let site = Arc::new(Site::open().await);
    // The sequencer is held while they come.
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (begin, begun) = oneshot::channel();
    let busy = tokio::spawn({
        let road = site.road.clone();
        let cut = move |_, _| {
            begin.send(()).unwrap();
            held.recv().unwrap();
            Ok(b"cut".to_vec())
        };
        async move { road.queue.cut(cut).await }
    });
    begun.await.unwrap();
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let site = Arc::clone(&site);
            tokio::spawn(async move { site.restrict().await.unwrap().index() })
        })
        .collect();
    while site.road.waiting() < 10 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let (before, epoch) = (site.kept().0, site.road.epoch());
    release.send(()).unwrap();
    busy.await.unwrap().unwrap();
    let mut newest = 0;
    for call in calls {
        newest = newest.max(call.await.unwrap());
    }
    let (after, kept) = site.kept();
    assert!(kept.head.size > newest);
    // One for all of them; another may be that of the second.
    assert!((1..=2).contains(&(after - before)), "{} checkpoints were kept", after - before);
    // They are about ten different keys.
    assert!((1..=2).contains(&(site.road.epoch() - epoch)), "{} epochs", site.road.epoch() - epoch);
}

/// What was decided before a restriction of what it rests on is decided again, a restriction like any other call.
#[tokio::test(flavor = "multi_thread")]
async fn a_restriction_shares_no_epoch_with_one_of_the_same_or_of_what_it_rests_on() {
    let site = Site::open().await;
    let (key, other) = (KeyId::from_bytes([1; 16]), KeyId::from_bytes([2; 16]));
    let (app, responder) = (PrincipalId::from_bytes([3; 16]), PrincipalId::from_bytes([4; 16]));
    let by_responder = Dependencies { principal: Some(responder), ..Dependencies::default() };
    let free = Dependencies::default();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (begin, begun) = oneshot::channel();
    let cut = tokio::spawn({
        let queue = site.road.queue.clone();
        async move {
            let entry = move |_, _| {
                begin.send(()).unwrap();
                held.recv().unwrap();
                Ok(b"cut".to_vec())
            };
            queue.cut(entry).await
        }
    });
    begun.await.unwrap();
    let before = site.road.epoch();
    let mut answers = Vec::new();
    for (restriction, dependencies) in [
        (Restriction::Key(key), &by_responder),
        (Restriction::Principal(app), &free),
        (Restriction::Key(other), &free),
        // Another time: by itself, in the next.
        (Restriction::Key(key), &free),
        // Takes the responder's right, who then takes nothing away.
        (Restriction::Principal(responder), &free),
        (Restriction::Principal(app), &by_responder),
    ] {
        let (reply, answer) = oneshot::channel();
        let submission = Submission {
            dependencies: dependencies.clone(),
            epoch: before,
            ..site.submission(vec![restriction], reply)
        };
        site.road.queue.submit(submission).unwrap();
        answers.push(answer);
    }
    release.send(()).unwrap();
    cut.await.unwrap().unwrap();
    let mut outcomes = Vec::new();
    for answer in answers {
        outcomes.push(match answer.await.unwrap() {
            Ok(receipt) => receipt.seal().epoch - before,
            Err(NotCommitted::Fenced) => 0,
            Err(other) => panic!("{other:?}"),
        });
    }
    assert_eq!(outcomes, [1, 1, 1, 2, 2, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_call_waits_for_no_crowd_of_restrictions() {
    const CROWD: u64 = 200;
    let site = Arc::new(Site::open().await);
    let before = site.road.figures().size.load(Ordering::Relaxed);
    let key = KeyId::from_bytes([7; 16]);
    let restriction = |reply| site.submission(vec![Restriction::Key(key)], reply);
    let mut answers = Vec::new();
    for _ in 0..CROWD {
        let (reply, answer) = oneshot::channel();
        site.road.queue.submit(restriction(reply)).unwrap();
        answers.push(answer);
    }
    // Each of them is a commit of its own: hundreds of milliseconds.
    let index = site.record_entry(Vec::new()).await.unwrap().index() - before;
    assert!(index < CROWD / 2, "{index} entries came before it");
    let mut last = 0;
    for answer in answers {
        last = answer.await.unwrap().unwrap().index() - before;
    }
    assert!(last >= CROWD, "all were served");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restriction_whose_checkpoint_cannot_be_kept_is_recorded_and_not_confirmed() {
    let site = Site::open().await;
    let away = site.directory.path().join("away");
    std::fs::rename(site.kept_file(), &away).unwrap();
    let unconfirmed = site.restrict().await.unwrap_err();
    let NotCommitted::Unconfirmed(index) = unconfirmed else { panic!("{unconfirmed:?}") };
    let error = not_committed(unconfirmed);
    assert_eq!((error.kind(), error.entry()), (ErrorKind::Unavailable, Some(index)));
    assert!(error.public_message().contains("recorded, not confirmed"));
    assert!(site.fatal.lock().unwrap().recv().unwrap().contains("was moved"));
    // It is in the log, and nothing comes after it.
    assert_eq!(site.store.list_heads().await.unwrap()[0].size, index + 1);
    assert!(matches!(site.record_entry(Vec::new()).await, Err(NotCommitted::Stopped)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_of_16_attempts_loses_and_nobody_calls_after() {
    let site = Site::open().await;
    let (road, store) = (&site.road, &site.store);
    let operation = Loses::default();
    let call = Call {
        presented: claviger_access::Presented::None,
        source: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST).into(),
        listener: ListenerName::Control,
        plane: Plane::Control,
        dry_run: false,
        request_id: None,
        idempotency_key: None,
        reason: None,
        operation,
    };
    let lost = road.perform_as(&Who::System(Arc::new(system())), &call, None).await.unwrap_err();
    assert_eq!((lost.kind(), lost.entry()), (ErrorKind::Conflict, None));
    assert_eq!(call.operation.attempts.load(Ordering::Relaxed), ATTEMPTS);

    // Nobody calls any more, and the log is cut and signed as ever.
    let before = store.root_head().await.unwrap();
    road.cut().await.unwrap();
    let after = store.root_head().await.unwrap();
    assert!(after.size > before.size && after.signed_size == after.size, "{after:?}");
    assert_eq!(road.figures().failures.load(Ordering::Relaxed), 0);
    // Neither does anything stand in the way of other writers of the store.
    assert_eq!(store.forget_idempotency(Timestamp::from_micros(u64::MAX >> 1)).await, Ok(0));
    road.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_that_does_not_encode_stops_the_log_and_writes_and_signs_nothing() {
    let site = Site::open().await;
    site.road.cut().await.unwrap();
    // The one of the start may come before or after.
    let mut before = site.store.root_head().await.unwrap();
    while before.signed_size < 2 {
        tokio::time::sleep(Duration::from_millis(2)).await;
        before = site.store.root_head().await.unwrap();
    }
    let entry = |cut_no, _| {
        let head = ShardHead {
            shard: 1,
            state: ShardState::Active,
            incarnation: 1,
            size: 0,
            root: [0; 32],
            epoch: 0,
        };
        let shards = vec![head, ShardHead { shard: 0, ..head }];
        Cut {
            t: 1,
            cut_no,
            epoch: 0,
            shards,
            erase_generation: None,
            capsule_hash: None,
            row_tags: None,
            rows: None,
        }
        .encode()
    };
    let refused = site.road.queue.cut(entry).await.unwrap_err();
    let because = "a cut has no form: shard 0 is out of order";
    assert_eq!(refused, StoreError::Refused(because.to_owned()));
    assert_eq!(site.fatal.lock().unwrap().recv().unwrap(), because);
    assert_eq!(site.store.root_head().await.unwrap(), before);
    assert!(matches!(site.record_entry(Vec::new()).await, Err(NotCommitted::Stopped)));
    site.road.cut().await.unwrap_err();
    assert_eq!(site.store.root_head().await.unwrap(), before);
}

/// Of the part of a log that an older release wrote nobody says who could do what.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_release_wrote_does_not_say_who_could_use_a_key() {
    let site = Site::open().await;
    site.record_entry(Vec::new()).await.unwrap();
    let before = site.road.now();
    tokio::time::sleep(Duration::from_millis(20)).await;
    // As the upgrade of a store begins, and ends.
    let database = rusqlite::Connection::open(site.directory.path().join("data/store.db")).unwrap();
    database.execute("INSERT INTO fact_head (id, kind, after) VALUES (1, 1, x'')", []).unwrap();
    drop(database);
    site.road.record_state().await.unwrap();
    assert_eq!(site.store.fact_head().await.unwrap(), None);
    let after = site.road.now();
    let ask = async |at| {
        let (size, _) = site.road.log.sizes().await.unwrap();
        let log = site.road.log.clone();
        let principals = Principals { store: log.store(), veils: site.road.state.veils.clone() };
        let (key, ring) = (KeyId::from_bytes([7; 16]), KeyRingId::from_bytes([8; 16]));
        let asked = Asked { key, ring, at, size };
        let past = move || log.past(&At::staying(Handle::current()), &principals, &asked).map(drop);
        tokio::task::spawn_blocking(past).await.unwrap().unwrap_err()
    };
    let refused = ask(before).await;
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    assert!(refused.public_message().contains("not decidable before entry"), "{refused}");
    // From then on it is: there is no such key.
    assert_eq!(ask(after).await.kind(), ErrorKind::NotFound);
}

#[test]
fn target_kinds_that_are_remembered_are_keys() {
    use claviger_core::target::TargetKind;
    assert!(Action::ALL.iter().filter(|a| a.is_grantable()).all(|a| a.target_kind() == TargetKind::Key));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_beyond_the_most_alerts_leaves_an_entry_and_no_row() {
    let site = Site::open().await;
    let (road, store) = (&site.road, &site.store);
    let found = |number| {
        let key = Object::Key(KeyId::from_bytes([number; 16]));
        (AlertRule::UseWhileDestroying, Some(key))
    };
    let write = async |number, times| {
        write_within(road, found(number), times, Duration::ZERO, 2).await.unwrap();
        let open = store.count_open_alerts().await.unwrap();
        (open, road.unraised_alerts(), road.figures().entries.load(Ordering::Relaxed))
    };
    let (_, _, before) = write(1, 1).await;
    let (open, unraised, after) = write(2, 1).await;
    assert_eq!((open, unraised, after - before), (vec![(AlertRule::UseWhileDestroying, 2)], 0, 1));
    let (open, unraised, beyond) = write(3, 7).await;
    assert_eq!((open, unraised, beyond - after), (vec![(AlertRule::UseWhileDestroying, 2)], 7, 1));
    // What is open is counted all the same.
    let (open, unraised, counted) = write(1, 4).await;
    assert_eq!((open, unraised, counted - beyond), (vec![(AlertRule::UseWhileDestroying, 2)], 7, 1));
    let (rule, subject) = found(1);
    assert_eq!(store.find_open_alert(rule, subject).await.unwrap().unwrap().count, 5);
    // Whoever causes many by one rule hides none by another.
    write_within(road, (AlertRule::JobOverdue, None), 1, Duration::ZERO, 2).await.unwrap();
    let open = store.count_open_alerts().await.unwrap();
    assert_eq!(open, [(AlertRule::UseWhileDestroying, 2), (AlertRule::JobOverdue, 1)]);
    assert_eq!(road.unraised_alerts(), 7);
    site.road.stop().await;
}
