//! A store in the making, and what is put there.

use std::time::Duration;

use claviger_core::alert::{Alert, AlertRule};
use claviger_core::alias::{Alias, AliasScope};
use claviger_core::approval::{Approval, Decided, Eligible, SeenRow, Verdict};
use claviger_core::break_glass::BreakGlass;
use claviger_core::change::{Change, Expectation};
use claviger_core::declaration::SigningMethod;
use claviger_core::grant::{Basis, Conditions, Grant, GrantOrigin, Selector, Spelling};
use claviger_core::key::{
    DataClass, Generator, ImportedMaterial, Key, KeyRing, KeyVersion, Labels, Origin, Protection, Provenance,
    RequiredContext, RingPolicy, RootWrap, Rotation, Separation, State, Transport, Wrap,
};
use claviger_core::object::Object;
use claviger_core::port::store::{Applied, Batch, GrantQuery, UsageRows, VersionUsage};
use claviger_core::port::{Journal, Store};
use claviger_core::principal::{Principal, PrincipalKind, Status};
use claviger_core::reason::{Unasked, Why};
use claviger_core::review::{self, Review, ReviewItem, ReviewScope, ReviewSubject};
use claviger_core::{
    Action, AlertId, AliasId, ApprovalId, BreakGlassId, CredentialId, GrantId, KeyId, KeyRingId,
    KeyVersionId, PrincipalId, Purpose, ReviewId, Spec, Timestamp,
};
use claviger_crypto::WrappingAlgorithm;
use claviger_crypto::digest::sha256;

pub const DAY: Duration = Duration::from_secs(86_400);

pub fn at(day: u32) -> Timestamp {
    Timestamp::from_micros(0).after(DAY * day)
}

fn root_wrap() -> RootWrap {
    RootWrap { key: "root-seal-1".into(), version: 1, algorithm: "aes-256-gcm".into(), strength_bits: 256 }
}

/// A store with its journal, and how far they are.
pub struct Shelf<S> {
    pub store: S,
    pub journal: Box<dyn Journal>,
    pub size: u64,
    pub cuts: u64,
    /// Where it lies; goes with it.
    pub directory: tempfile::TempDir,
}

impl<S> std::fmt::Debug for Shelf<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf").field("size", &self.size).finish_non_exhaustive()
    }
}

impl<S: Store> Shelf<S> {
    /// One over an empty store, whose rows are open.
    pub fn new(store: S, directory: tempfile::TempDir) -> Self {
        let journal = store.open_journal(1).unwrap();
        Self { store, journal, size: 0, cuts: 0, directory }
    }

    pub fn apply(&mut self, changes: &[Change]) -> Applied {
        let applied = self.journal.apply(changes).unwrap();
        let (old_size, new_size) = (self.size, self.size + 1);
        let batch =
            Batch { old_size, new_size, new_root: [1; 32], epoch: 0, restricts: &[], body: b"x", tiles: &[] };
        self.journal.commit(&batch).unwrap();
        self.size = new_size;
        applied
    }

    pub fn cut(&mut self, number: u64, rows: &[VersionUsage], counted_to: u64) {
        let usage = UsageRows { rows, counted_to };
        self.journal.append_cut(number, [2; 32], b"cut", &[], usage).unwrap();
    }

    pub fn ring(&mut self, number: u8, rotation_period: Option<Duration>) -> KeyRingId {
        let ring = KeyRing {
            id: KeyRingId::from_bytes([number; 16]),
            name: format!("ring-{number}").parse().unwrap(),
            policy: RingPolicy { rotation_period, ..RingPolicy::default() },
            kek: vec![1],
            kek_wrap: Some(root_wrap()),
            created_at: at(0),
            reason: None,
            revision: 0,
        };
        assert_eq!(self.apply(&[Change::PutRing(ring.clone())]), Applied::Yes);
        ring.id
    }

    pub fn key(&mut self, ring: KeyRingId, number: u8, with: impl FnOnce(&mut Key)) -> Key {
        let id = KeyId::from_bytes([number; 16]);
        let mut key = Key {
            id,
            ring,
            name: format!("key-{number}").parse().unwrap(),
            purpose: Purpose::Encrypt,
            spec: Spec::Aes256Gcm,
            protection: Protection::Software,
            data_class: DataClass::Internal,
            description: "what it is for".into(),
            owner: PrincipalId::from_bytes([9; 16]),
            labels: Labels::default(),
            rotation_period: None,
            context_required: RequiredContext::default(),
            environment: None,
            state: State::Active,
            primary: 1,
            rotates_from: at(0),
            destruction: None,
            policy: None,
            created_at: at(0),
            reason: None,
            revision: 0,
        };
        with(&mut key);
        let version = KeyVersion {
            id: KeyVersionId { key: id, number: 1 },
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
                fingerprint: Some([8; 16]),
            },
            rotated: Some(Rotation::ByPolicy),
            imported: None,
            created_at: at(0),
            activated_at: Some(at(0)),
            state_changed_at: at(0),
            protect_uses: 0,
            reason: None,
            revision: 0,
        };
        let changes = [Change::PutKey(key.clone()), Change::PutVersion(version)];
        assert_eq!(self.apply(&changes), Applied::Yes);
        Key { revision: 1, ..key }
    }

    pub fn principal(&mut self, number: u8, kind: PrincipalKind) -> Principal {
        let principal = Principal {
            subject_key: vec![1],
            ..Principal::new(
                PrincipalId::from_bytes([number; 16]),
                format!("principal-{number}").parse().unwrap(),
                kind,
                at(0),
            )
        };
        assert_eq!(self.apply(&[Change::PutPrincipal(principal.clone())]), Applied::Yes);
        Principal { revision: 1, ..principal }
    }

    pub fn relaxed_ring(&mut self, number: u8) -> KeyRing {
        let ring = KeyRing {
            id: KeyRingId::from_bytes([number; 16]),
            name: format!("ring-{number}").parse().unwrap(),
            policy: RingPolicy { separation: Separation::Relaxed, ..RingPolicy::default() },
            kek: vec![1],
            kek_wrap: None,
            created_at: at(0),
            reason: None,
            revision: 0,
        };
        assert_eq!(self.apply(&[Change::PutRing(ring.clone())]), Applied::Yes);
        KeyRing { revision: 1, ..ring }
    }

    pub fn expect(&mut self, expected: Expectation) -> Applied {
        self.apply(&[Change::Expect(expected)])
    }

    pub fn give(&mut self, grant: &Grant) {
        assert_eq!(self.apply(&[Change::PutGrant(grant.clone())]), Applied::Yes);
    }

    pub async fn candidates(
        &self,
        principal: &Principal,
        key: &Key,
        context: &[(&str, &str)],
    ) -> Vec<GrantId> {
        let context = context.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let query = GrantQuery {
            principal: principal.id,
            key: Some(key.id),
            ring: key.ring,
            actions: vec![Action::Encrypt],
            contexts: vec![context],
            now: at(2),
        };
        let found = self.store.list_candidates(query).await.unwrap().remove(0);
        found.into_iter().map(|grant| grant.id).collect()
    }
}

pub fn alias(name: &str, key: &Key) -> Alias {
    let name = name.parse().unwrap();
    let scope = AliasScope::Deployment;
    let id = AliasId::random().unwrap();
    Alias { id, name, scope, key: key.id, ring: key.ring, created_at: at(1), updated_at: at(1), revision: 0 }
}

pub fn grant(number: u8, principal: &Principal, selector: Selector, operations: &[Action]) -> Grant {
    Grant {
        id: GrantId::from_bytes([number; 16]),
        principal: principal.id,
        selector,
        operations: operations.to_vec(),
        conditions: Conditions::default(),
        reason: None,
        name: None,
        retiring: None,
        created_by: PrincipalId::from_bytes([9; 16]),
        created_at: at(1),
        basis: Basis::Role,
        origin: GrantOrigin::Direct,
        spelling: Spelling::default(),
        status: Status::Active,
        ending: None,
        revision: 0,
    }
}

pub fn revoked(grant: &Grant) -> Change {
    Change::PutGrant(Grant { status: Status::Revoked, revision: 1, ..grant.clone() })
}

pub fn numbered(number: u32, principal: &Principal, key: &Key, equals: &[(&str, &str)]) -> Grant {
    let mut id = [7; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    let pairs = equals.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Grant {
        id: GrantId::from_bytes(id),
        conditions: Conditions { context_equals: pairs.collect(), ..Conditions::default() },
        ..grant(0, principal, Selector::Key(key.id), &[Action::Encrypt])
    }
}

/// What somebody asked for on the first day and can be done until the eighth, under that tag.
pub fn approval(number: u8, requester: PrincipalId, tag: [u8; 32]) -> Approval {
    let seen = SeenRow { object: Object::Key(KeyId::from_bytes([number; 16])), revision: 1 };
    Approval {
        id: ApprovalId::from_bytes([number; 16]),
        action: Action::ScheduleDestroy,
        ring: Some(KeyRingId::from_bytes([1; 16])),
        requester,
        asked: vec![number; 40],
        salt: [number; 16],
        tag,
        digest: [number; 32],
        rows: vec![seen],
        quorum: 2,
        eligible: Eligible::Custodians,
        requested_at: at(1),
        expires_at: at(8),
        decisions: Vec::new(),
        done: Vec::new(),
        ended: None,
        reason: Some(Why::Unasked(Unasked::Protocol)),
        revision: 0,
    }
}

pub fn decided(number: u8, verdict: Verdict, when: Timestamp) -> Decided {
    Decided {
        verdict,
        by: PrincipalId::from_bytes([number; 16]),
        credential: CredentialId::from_bytes([number; 16]),
        public_key: vec![number; 91],
        method: SigningMethod::EcdsaP256Sha256,
        signature: vec![number; 70],
        signed_at: when,
        at: when,
    }
}

/// A review of three items, opened on the first day and due on the eighth.
pub fn review(number: u8) -> Review {
    let (one, other) = (PrincipalId::from_bytes([1; 16]), PrincipalId::from_bytes([2; 16]));
    let uses = ReviewSubject::Uses(one, KeyRingId::from_bytes([1; 16]));
    let item = |subject| ReviewItem {
        subject,
        rights: [number; 32],
        count: 2,
        last_used: (subject == uses).then(|| at(0)),
        decided: None,
    };
    let items = [ReviewSubject::Office(one), ReviewSubject::Office(other), uses].map(item).to_vec();
    Review {
        id: ReviewId::from_bytes([number; 16]),
        scope: ReviewScope::Humans,
        ring: None,
        population: sha256(&review::encode_population(&items)),
        items,
        opened_by: PrincipalId::from_bytes([9; 16]),
        opened_at: at(1),
        due_at: at(8),
        closed: None,
        reason: Some(Why::Unasked(Unasked::Protocol)),
        revision: 0,
    }
}

/// What was found for the first time on the first day.
pub fn alert(number: u8, rule: AlertRule, subject: Option<Object>) -> Alert {
    Alert::raised(AlertId::from_bytes([number; 16]), rule, subject, at(1))
}

/// Access to two keys from the first to the second day.
pub fn break_glass(number: u8, holder: PrincipalId) -> BreakGlass {
    BreakGlass {
        id: BreakGlassId::from_bytes([number; 16]),
        holder,
        keys: [1, 2].map(|key| KeyId::from_bytes([key; 16])).to_vec(),
        grants: [2, 1].map(|grant| GrantId::from_bytes([grant; 16])).to_vec(),
        opened_by: PrincipalId::from_bytes([9; 16]),
        approval: Some(ApprovalId::from_bytes([number; 16])),
        opened_at: at(1),
        ends_at: at(2),
        closed: None,
        reviewed: None,
        reason: Some(Why::Unasked(Unasked::Protocol)),
        revision: 0,
    }
}

pub fn imported() -> Provenance {
    Provenance {
        origin: Origin::Imported,
        module: "test".into(),
        generator: Generator::Elsewhere,
        health_ok: true,
        fingerprint: Some([9; 16]),
    }
}

pub fn material(digest: u8, expires_at: Option<Timestamp>) -> ImportedMaterial {
    let wrap = Wrap { format: 1, bytes: vec![digest; 64] };
    let transport =
        Transport { algorithm: WrappingAlgorithm::RsaesOaepSha256, spec: Spec::Rsa3072, key: [digest; 32] };
    ImportedMaterial {
        wrap,
        public_key: None,
        provenance: imported(),
        digest: [digest; 32],
        expires_at,
        transport,
    }
}

/// The only version of the key, as it stands.
pub async fn version_of(shelf: &Shelf<impl Store>, key: &Key) -> KeyVersion {
    shelf.store.find_key(key.id).await.unwrap().unwrap().versions.remove(0)
}

/// A key whose material is to come.
pub async fn awaiting(shelf: &mut Shelf<impl Store>, ring: KeyRingId, number: u8) -> (Key, KeyVersion) {
    let key = shelf.key(ring, number, |key| key.state = State::PreActive);
    let id = KeyVersionId { key: key.id, number: 2 };
    let waiting = KeyVersion {
        id,
        state: State::PreActive,
        wrap: None,
        provenance: Provenance { module: String::new(), ..imported() },
        rotated: None,
        activated_at: None,
        revision: 0,
        ..version_of(shelf, &key).await
    };
    assert_eq!(shelf.apply(&[Change::PutVersion(waiting.clone())]), Applied::Yes);
    (key, KeyVersion { revision: 1, ..waiting })
}
