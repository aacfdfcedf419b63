//! A decision on the few grants that the store finds for it is the decision on all of them, whatever they rest on and however
//! they ended.

use std::net::IpAddr;

use claviger_access::{Presented, authenticate};
use claviger_core::change::Change;
use claviger_core::grant::{Basis, Conditions, EndedBy, GrantOrigin, Selector, Spelling};
use claviger_core::key::{
    DataClass, Generator, Key, KeyRecord, KeyRing, KeyVersion, Labels, Origin, Protection, Provenance,
    RequiredContext, RingPolicy, Separation, State, Wrap,
};
use claviger_core::lineage::Delegation;
use claviger_core::port::Journal;
use claviger_core::port::store::{Applied, Batch, GrantFilter, Page};
use claviger_core::principal::{Credential, CredentialKind, Principal, PrincipalKind, Status};
use claviger_core::{CredentialId, KeyId, KeyRingId, KeyVersionId, PrincipalId, Purpose, Spec};
use claviger_crypto::SecretBytes;
use claviger_crypto::kdf::HmacSha256;
use claviger_store::sqlite::{SqliteOptions, SqliteStore};

use super::*;

/// A generator of choices that a seed repeats.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    fn one_of<'a, T>(&mut self, some: &'a [T]) -> &'a T {
        &some[usize::try_from(self.below(some.len() as u64)).unwrap()]
    }

    fn pairs(&mut self, most: usize) -> Pairs {
        let mut pairs = Vec::new();
        for name in ["a", "b", "c", "d"].into_iter().take(most) {
            if self.one_in(2) {
                pairs.push((name.to_owned(), self.below(2).to_string()));
            }
        }
        pairs
    }

    fn id(&mut self) -> [u8; 16] {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.below(u64::MAX).to_be_bytes());
        id
    }

    fn conditions(&mut self) -> Conditions {
        let networks = ["10.0.0.0/8", "10.1.0.0/16", "fd00::/8", "::ffff:10.0.0.0/104"];
        Conditions {
            context_equals: if self.one_in(2) { self.pairs(3) } else { Vec::new() },
            context_exactly: self.one_in(6).then(|| self.pairs(3)),
            source_networks: networks
                .iter()
                .filter(|_| self.one_in(10))
                .map(|network| network.parse().unwrap())
                .collect(),
            until: self.one_in(3).then(|| Timestamp::from_micros(500 + self.below(1000))),
        }
    }

    fn operations(&mut self) -> Vec<Action> {
        let all = [Action::Encrypt, Action::Decrypt, Action::RotateKey, Action::DelegateGrant];
        let mut operations: Vec<_> = all.into_iter().filter(|_| self.one_in(2)).collect();
        if operations.is_empty() {
            operations.push(Action::Encrypt);
        }
        operations.sort_unstable();
        operations
    }
}

const ACTIONS: [Action; 3] = [Action::Encrypt, Action::Decrypt, Action::RotateKey];

fn given(id: [u8; 16], to: &Principal, on: Selector, operations: Vec<Action>, at: u64) -> Grant {
    Grant {
        id: GrantId::from_bytes(id),
        principal: to.id,
        selector: on,
        operations,
        conditions: Conditions::default(),
        reason: None,
        name: None,
        retiring: None,
        created_by: PrincipalId::from_bytes([9; 16]),
        created_at: Timestamp::from_micros(at),
        basis: Basis::Role,
        origin: GrantOrigin::Direct,
        spelling: Spelling::default(),
        status: Status::Active,
        ending: None,
        revision: 0,
    }
}

struct World {
    store: SqliteStore,
    journal: Box<dyn Journal>,
    size: u64,
    record: Arc<KeyRecord>,
    /// The caller, and two who pass rights on beside it.
    people: Vec<Principal>,
    grants: Vec<Grant>,
    _directory: tempfile::TempDir,
}

impl World {
    fn build() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("data"), SqliteOptions::default()).unwrap();
        store.open_rows(Arc::new(HmacSha256::new(&SecretBytes::new(vec![1; 32]))));
        let journal = store.open_journal(1).unwrap();
        let ring = KeyRing {
            id: KeyRingId::from_bytes([3; 16]),
            name: "orders".parse().unwrap(),
            policy: RingPolicy { separation: Separation::Relaxed, ..RingPolicy::default() },
            kek: vec![1],
            kek_wrap: None,
            created_at: Timestamp::default(),
            reason: None,
            revision: 0,
        };
        let key = Key {
            id: KeyId::from_bytes([4; 16]),
            ring: ring.id,
            name: "main".parse().unwrap(),
            purpose: Purpose::Encrypt,
            spec: Spec::Aes256Gcm,
            protection: Protection::Software,
            data_class: DataClass::Internal,
            description: String::new(),
            owner: PrincipalId::from_bytes([9; 16]),
            labels: Labels::default(),
            rotation_period: None,
            context_required: RequiredContext::default(),
            environment: None,
            state: State::Active,
            primary: 1,
            rotates_from: Timestamp::default(),
            destruction: None,
            policy: None,
            created_at: Timestamp::default(),
            reason: None,
            revision: 0,
        };
        let version = KeyVersion {
            id: KeyVersionId { key: key.id, number: 1 },
            state: State::Active,
            spec: key.spec,
            protection: key.protection,
            wrap: Some(Wrap { format: 1, bytes: vec![0x5a; 64] }),
            public_key: None,
            provenance: Provenance {
                origin: Origin::Generated,
                module: "test".into(),
                generator: Generator::ModuleDrbg,
                health_ok: true,
                fingerprint: None,
            },
            rotated: None,
            imported: None,
            created_at: Timestamp::default(),
            activated_at: Some(Timestamp::default()),
            state_changed_at: Timestamp::default(),
            protect_uses: 0,
            reason: None,
            revision: 0,
        };
        let person = |number: u8| {
            let name = format!("app-{number}").parse().unwrap();
            let id = PrincipalId::from_bytes([number; 16]);
            let plain = Principal::new(id, name, PrincipalKind::Workload, Timestamp::from_micros(1));
            Principal { subject_key: vec![1], ..plain }
        };
        let people: Vec<_> = (5..8).map(person).collect();
        let mut changes = vec![
            Change::PutRing(ring.clone()),
            Change::PutKey(key.clone()),
            Change::PutVersion(version.clone()),
        ];
        changes.extend(people.iter().cloned().map(Change::PutPrincipal));
        let record = Arc::new(KeyRecord { ring: Arc::new(ring), key, versions: vec![version] });
        let grants = Vec::new();
        let mut world = Self { store, journal, size: 0, record, people, grants, _directory: directory };
        world.apply(&changes);
        for person in &mut world.people {
            person.revision = 1;
        }
        world
    }

    fn apply(&mut self, changes: &[Change]) {
        assert_eq!(self.journal.apply(changes).unwrap(), Applied::Yes);
        let (old_size, new_size) = (self.size, self.size + 1);
        let batch =
            Batch { old_size, new_size, new_root: [1; 32], epoch: 0, restricts: &[], body: b"x", tiles: &[] };
        self.journal.commit(&batch).unwrap();
        self.size = new_size;
    }

    fn give(&mut self, grant: Grant) {
        self.apply(&[Change::PutGrant(grant.clone())]);
        self.grants.push(Grant { revision: 1, ..grant });
    }

    fn end(&mut self, at: usize, now: u64) {
        let grant = self.grants[at].clone();
        if grant.status == Status::Active {
            let ended = grant.ended(EndedBy::Revocation, Timestamp::from_micros(now), None);
            self.apply(&[Change::PutGrant(ended.clone())]);
            self.grants[at] = Grant { revision: 2, ..ended };
        }
    }

    fn caller(&self, source: IpAddr, now: Timestamp) -> Caller {
        let credential = Credential {
            id: CredentialId::from_bytes([6; 16]),
            principal: self.people[0].id,
            kind: CredentialKind::Token,
            digest: [9; 32],
            access_key: None,
            label: "test".parse().unwrap(),
            status: Status::Active,
            created_at: Timestamp::from_micros(1),
            created_by: None,
            renews: None,
            awaits_confirmation: false,
            expires_at: Timestamp::from_micros(1 << 40),
            reason: None,
            revision: 1,
        };
        let presented = Presented::Token { digest: [9; 32] };
        let principal = Arc::new(self.people[0].clone());
        authenticate(
            &presented,
            Some(&Arc::new(credential)),
            None,
            Some(&principal),
            Some(source.into()),
            now,
        )
        .unwrap()
    }

    /// Passes a right on; by the rules, or as somebody who edits rows would.
    async fn pass_on(&mut self, dice: &mut Dice, by_the_rules: bool, now: u64) {
        let (giver, to) = (dice.one_of(&self.people).clone(), dice.one_of(&self.people).clone());
        let operations = dice.operations();
        let conditions = dice.conditions();
        let held: Vec<_> = self.grants.iter().filter(|grant| grant.principal == giver.id).cloned().collect();
        if held.is_empty() {
            return;
        }
        let origin = if dice.one_in(3) { GrantOrigin::KeyPolicy } else { GrantOrigin::Direct };
        let selector = Selector::Key(self.record.key.id);
        let basis = if by_the_rules {
            let wanted = Delegation {
                selector,
                operations: &operations,
                conditions: &conditions,
                origin,
                permitted_by: None,
            };
            let lineage = lineage_of(&self.store, held.iter()).await.unwrap();
            let lineage = lineage.with_ring(self.record.key.id, self.record.ring.id);
            let mut judge = lineage.judge(Timestamp::from_micros(now));
            let Ok(basis) = judge.choose(giver.id, &held, &wanted) else { return };
            basis
        } else {
            (0..1 + dice.below(3)).map(|_| dice.one_of(&held).id).collect()
        };
        let given = given(dice.id(), &to, selector, operations, now);
        self.give(Grant { conditions, created_by: giver.id, origin, basis: Basis::Grants(basis), ..given });
    }

    /// The decision on all active grants of the caller, as they are listed.
    async fn plainly(&self, authorizer: &Authorizer, asked: &Question<'_>, context: &Pairs) -> Ruling {
        let caller = asked.caller.principal();
        let filter = GrantFilter {
            principal: Some(caller.id),
            key: Some(self.record.key.id),
            ..GrantFilter::default()
        };
        let all = self.store.list_grants(filter, Page { after: None, limit: 10_000 }).await.unwrap();
        let rights = honoured(&self.store, all, asked.now).await.unwrap();
        let slice = authorizer.slice(caller, asked.target, &rights.grants).unwrap();
        let request = RequestContext { now: asked.now, context };
        let decision = match slice.decide(asked.caller, asked.action, &request) {
            Decision::Deny(denial) => Decision::Deny(rights.explained(denial, asked.action)),
            Decision::Permit { permit, cacheable } => {
                let until = rights.honoured_by(&permit).and_then(|honoured| honoured.until);
                Decision::Permit { permit, cacheable: cacheable.map(|kept| kept.ending_by(until)) }
            }
        };
        let chain = decision.permit().and_then(|permit| rights.chain(permit));
        Ruling { decision, chain }
    }

    /// Are all rights to be known by single ones of those that rest on and give the same?
    fn is_plain(&self) -> bool {
        self.grants.iter().all(|grant| grant.basis.grants().len() <= 1)
    }
}

/// What anyone can see of a permit.
fn reported(ruling: &Ruling) -> Option<String> {
    let permit = ruling.decision.permit()?;
    let (until, unconditional) = (ruling.decision.cacheable_until(), ruling.decision.is_unconditional());
    Some(format!("{:?} {until:?} {unconditional} {:?}", permit.rule(), ruling.chain))
}

fn hides(ruling: &Ruling) -> bool {
    ruling.decision.denial().is_some_and(|denial| denial.hidden)
}

#[derive(Debug, Default)]
struct Seen {
    permitted: u32,
    by_what_was_passed_on: u32,
    denied: u32,
    hidden: u32,
    basis_ended: u32,
}

/// Asks all that a seed asks, both ways.
async fn compare(world: &World, dice: &mut Dice, by_the_rules: bool, seen: &mut Seen, what: &str) {
    let authorizer = Authorizer::new().unwrap();
    let target = Target::Key(Arc::clone(&world.record));
    for _ in 0..40 {
        let now = Timestamp::from_micros(400 + dice.below(1200));
        let sources = ["10.1.2.3", "10.2.0.1", "11.0.0.1", "fd00::1", "::ffff:10.9.9.9"];
        let source = dice.one_of(&sources).parse().unwrap();
        let caller = world.caller(source, now);
        let context = dice.pairs(4);
        let asked = Question { caller: &caller, action: *dice.one_of(&ACTIONS), target: &target, now };
        let found = asked.rule(&world.store, &authorizer, vec![context.clone()]).await.unwrap();
        let plain = world.plainly(&authorizer, &asked, &context).await;
        let of = || format!("{what}: {} {context:?} {source} {now:?}\n{:#?}", asked.action, world.grants);
        assert_eq!(reported(&found), reported(&plain), "{}", of());
        // What is hidden from one who reads all is hidden; the other way round too, where one grant stands for
        // others that give the same.
        assert!(hides(&found) || !hides(&plain), "{}", of());
        if by_the_rules && world.is_plain() {
            assert_eq!(hides(&found), hides(&plain), "{}", of());
        }
        seen.permitted += u32::from(plain.decision.permit().is_some());
        seen.by_what_was_passed_on += u32::from(plain.chain.is_some());
        seen.denied += u32::from(plain.decision.permit().is_none());
        seen.hidden += u32::from(hides(&plain));
        let reason = found.decision.denial().map(|denial| denial.reason);
        seen.basis_ended += u32::from(matches!(reason, Some(DenyReason::BasisEnded(_))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_on_the_grants_that_are_found_is_that_on_all_of_them() {
    let mut seen = Seen::default();
    for seed in 0..24 {
        let mut dice = Dice(seed);
        let by_the_rules = seed % 3 != 0;
        let mut world = World::build();
        let everyone = world.people.clone();
        let mut now = 2;
        for _ in 0..10 + dice.below(40) {
            now += 1 + dice.below(20);
            let selector = if dice.one_in(4) {
                Selector::Ring(world.record.ring.id)
            } else {
                Selector::Key(world.record.key.id)
            };
            match dice.below(8) {
                0..3 => {
                    let to = dice.one_of(&everyone);
                    let conditions = if dice.one_in(2) { Conditions::default() } else { dice.conditions() };
                    let given = given(dice.id(), to, selector, dice.operations(), now);
                    world.give(Grant { conditions, ..given });
                }
                3..7 => world.pass_on(&mut dice, by_the_rules, now).await,
                _ if world.grants.is_empty() => {}
                _ => {
                    let at = usize::try_from(dice.below(world.grants.len() as u64)).unwrap();
                    world.end(at, now);
                }
            }
        }
        compare(&world, &mut dice, by_the_rules, &mut seen, &format!("seed {seed}")).await;
        // One of those who passed rights on is revoked.
        let gone = Principal { status: Status::Revoked, ..world.people[1].clone() };
        world.apply(&[Change::PutPrincipal(gone)]);
        compare(&world, &mut dice, by_the_rules, &mut seen, &format!("seed {seed}, one gone")).await;
    }
    let Seen { permitted, by_what_was_passed_on, denied, hidden, basis_ended } = seen;
    assert!(permitted > 200 && by_what_was_passed_on > 50, "{seen:?}");
    assert!(denied > 200 && hidden > 20 && basis_ended > 20, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_ended_in_any_number_hide_none_that_has_not() {
    let mut world = World::build();
    let [app, deploy] = [0, 1].map(|at| world.people[at].clone());
    let selector = Selector::Key(world.record.key.id);
    let id = |number: u32, kind: u8| {
        let mut id = [kind; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        id
    };
    let run = |number: u32| {
        let both = vec![Action::Encrypt, Action::DelegateGrant];
        let basis = given(id(number, 1), &deploy, selector, both, 10 + u64::from(number));
        let mut passed = given(id(number, 2), &app, selector, vec![Action::Encrypt], 10 + u64::from(number));
        (passed.created_by, passed.basis) = (deploy.id, Basis::Grants(vec![basis.id]));
        // Half of them end by time.
        if number % 2 == 1 {
            passed.conditions.until = Some(passed.created_at.after(std::time::Duration::from_micros(50)));
        }
        (basis, passed)
    };
    for runs in (0..1_200).collect::<Vec<_>>().chunks(40) {
        let both: Vec<_> = runs.iter().map(|number| run(*number)).collect();
        let changes = both.iter().flat_map(|(basis, passed)| [basis.clone(), passed.clone()]);
        world.apply(&changes.map(Change::PutGrant).collect::<Vec<_>>());
        let end = |basis: &Grant| {
            Grant { revision: 1, ..basis.clone() }.ended(EndedBy::Retirement, basis.created_at, None)
        };
        let ended: Vec<_> = both
            .iter()
            .filter(|(_, passed)| passed.conditions.until.is_none())
            .map(|(basis, _)| end(basis))
            .collect();
        world.apply(&ended.into_iter().map(Change::PutGrant).collect::<Vec<_>>());
    }
    let authorizer = Authorizer::new().unwrap();
    let target = Target::Key(Arc::clone(&world.record));
    let ask = async |world: &World, now: u64| {
        let now = Timestamp::from_micros(now);
        let caller = world.caller("10.0.0.1".parse().unwrap(), now);
        let asked = Question { caller: &caller, action: Action::Encrypt, target: &target, now };
        let found = asked.rule(&world.store, &authorizer, vec![Vec::new()]).await.unwrap();
        let plain = world.plainly(&authorizer, &asked, &Vec::new()).await;
        assert_eq!(reported(&found), reported(&plain));
        assert!(hides(&found) || !hides(&plain));
        found.decision.permit().map(Permit::rule)
    };
    assert_eq!(ask(&world, 100_000).await, None);
    // What time ended comes back with a clock that is set right.
    for now in [12, 200, 700, 1_230] {
        assert!(ask(&world, now).await.is_some(), "{now}");
    }
    let (basis, passed) = run(5_000);
    world.apply(&[basis, passed.clone()].map(Change::PutGrant));
    assert_eq!(ask(&world, 100_000).await, Some(Rule::Grant(passed.id)));
}

/// How many grants there are in each shape, if a variable says so. `CLAVIGER_GRANTS=50000` takes minutes, and looks at times.
fn by_night() -> Option<u32> {
    std::env::var("CLAVIGER_GRANTS").ok().map(|number| number.parse().unwrap())
}

/// How many there are by day.
const BY_DAY: u32 = 500;

/// One principal with a grant for each of many documents, and a grant for each of many principals.
async fn fill(world: &mut World, shape: &str, many: u32) -> Vec<Principal> {
    let app = world.people[0].clone();
    let selector = Selector::Key(world.record.key.id);
    let mut operations = vec![Action::Decrypt, Action::Encrypt];
    operations.sort_unstable();
    let mut people = Vec::new();
    for some in (0..many).collect::<Vec<_>>().chunks(500) {
        let mut changes = Vec::new();
        for number in some {
            let id = |kind: u8| {
                let mut id = [kind; 16];
                id[..4].copy_from_slice(&number.to_be_bytes());
                id
            };
            let mut grant = given(id(0xaa), &app, selector, operations.clone(), 10);
            if shape == "contexts" {
                let pair = |name: &str, value: String| (name.to_owned(), value);
                grant.conditions.context_equals =
                    vec![pair("application", "shop".into()), pair("document", number.to_string())];
            } else {
                let who = PrincipalId::from_bytes(id(0xbb));
                let name = format!("many-{number}").parse().unwrap();
                let plain = Principal::new(who, name, PrincipalKind::Workload, Timestamp::from_micros(1));
                let holder = Principal { subject_key: vec![1], ..plain };
                grant.principal = holder.id;
                changes.push(Change::PutPrincipal(holder.clone()));
                people.push(Principal { revision: 1, ..holder });
            }
            changes.push(Change::PutGrant(grant));
        }
        world.apply(&changes);
    }
    people
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_among_many_grants_are_made_on_those_that_they_meet() {
    let many = by_night().unwrap_or(BY_DAY);
    for (shape, bound_millis) in [("contexts", 5), ("principals", 2)] {
        let mut world = World::build();
        let people = fill(&mut world, shape, many).await;
        let authorizer = Authorizer::new().unwrap();
        let target = Target::Key(Arc::clone(&world.record));
        let now = Timestamp::from_micros(1_000);
        let mut dice = Dice(7);
        let mut took = Vec::new();
        for _ in 0..1_000 {
            let number = dice.below(u64::from(many));
            if let Some(who) = people.get(usize::try_from(number).unwrap()) {
                world.people[0] = who.clone();
            }
            let caller = world.caller("10.0.0.1".parse().unwrap(), now);
            let asked = Question { caller: &caller, action: Action::Encrypt, target: &target, now };
            let pair = |name: &str, value: String| (name.to_owned(), value);
            let context = vec![pair("document", number.to_string()), pair("application", "shop".into())];
            #[expect(clippy::disallowed_methods, reason = "how long it takes is what is looked at")]
            let began = std::time::Instant::now();
            let ruling = asked.rule(&world.store, &authorizer, vec![context]).await.unwrap();
            took.push(began.elapsed());
            assert!(ruling.decision.permit().is_some(), "{shape} {number}");
            let other = vec![pair("application", "shop".into())];
            let denied = asked.rule(&world.store, &authorizer, vec![other]).await.unwrap();
            assert_eq!(denied.decision.permit().is_none(), shape == "contexts");
            assert!(!hides(&denied));
        }
        took.sort_unstable();
        let (p50, p99) = (took[500], took[990]);
        println!("{many} {shape}: a decision takes {p50:?} (p50), {p99:?} (p99)");
        let is_measured = by_night().is_some() && cfg!(not(debug_assertions));
        assert!(!is_measured || p99 <= std::time::Duration::from_millis(bound_millis), "{shape}");
    }
}
