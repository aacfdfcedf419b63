//! What this node remembers of the store, so that the hot path asks it nothing.
//!
//! Every remembered thing knows as of which epoch it is good. Whoever takes it at a later epoch asks the fence whether
//! anything in between took away what it depends on; a thing that stood is then good as of that later epoch. So a revoked right is
//! never used out of memory, whatever the order in which caches are filled and emptied.

pub(crate) mod fence;
mod known;
mod live;
mod rights;
mod subjects;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use claviger_access::Cacheable;
use claviger_audit::fact::VeilKey;
use claviger_audit::identity::SubjectKey;
use claviger_core::alert::Alert;
use claviger_core::asset::Asset;
use claviger_core::change::{Chain, Change, Dependencies};
use claviger_core::governance::Governance;
use claviger_core::key::KeyRing;
use claviger_core::port::provider::ProviderHealth;
use claviger_core::port::{Provider, Store};
use claviger_core::principal::Principal;
use claviger_core::target::Target;
use claviger_core::{Action, AliasName, AssetId, CredentialId, KeyId, KeyName, KeyRingId, KeyVersionId};
use claviger_crypto::SecretBytes;
use claviger_crypto::kdf::HmacSha256;
use quick_cache::sync::Cache;

use fence::Fence;
pub(crate) use known::{ResolvedCredential, access_key_label};
pub(crate) use live::{LoadedKey, Older};
pub(crate) use rights::{Pairs, Question, Ruling, honoured};
use subjects::Subjects;

use crate::alerts::Alerts;
use crate::error::{ErrorKind, ServiceError};
use crate::evaluations::Evaluations;
use crate::evidence_key::AnnouncedKey;
use crate::governed::Governed;
use crate::job::check_rows::RowCheck;
use crate::job::destroy_due_keys::Blocked;
use crate::log::time::LogTime;
use crate::pipeline::sequencer::Publish;
use crate::pipeline::subject_label;
use crate::reference::{AssetRef, KeyRef, PrincipalRef, RingRef, TargetRef};
use crate::scan::Scans;
use crate::self_test::SelfTests;

/// How much is remembered.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Keys with their material ready for use.
    pub keys: usize,
    /// Credentials and what they prove.
    pub credentials: usize,
    /// Permits.
    pub permits: usize,
}

/// So many identifiers of assets are remembered, and as many of none.
const ASSETS: usize = 4096;

/// So many permits are kept whether or not they are used.
const FEW_PERMITS: usize = 1000;

impl Default for Memory {
    fn default() -> Self {
        Self { keys: 50_000, credentials: 50_000, permits: 200_000 }
    }
}

/// A thing with the epoch as of which it is good.
#[derive(Debug)]
pub(crate) struct Cached<T> {
    pub(crate) thing: T,
    dependencies: Dependencies,
    epoch: AtomicU64,
    /// Since the last look at what is used.
    is_used: AtomicBool,
}

impl<T> Cached<T> {
    pub(crate) fn new(thing: T, dependencies: Dependencies, epoch: u64) -> Self {
        Self { thing, dependencies, epoch: AtomicU64::new(epoch), is_used: AtomicBool::new(true) }
    }

    /// What the right depends on that was passed on, where it was.
    pub(crate) fn chain(&self) -> Option<Arc<Chain>> {
        self.dependencies.chain.clone()
    }

    /// Whether it still holds as of `epoch`; if so, it is marked as good for that epoch.
    pub(crate) fn revalidate(&self, epoch: u64, fence: &Fence) -> bool {
        let known = self.epoch.load(Ordering::Acquire);
        if known >= epoch {
            return true;
        }
        if fence.affects(known, &self.dependencies) {
            return false;
        }
        self.epoch.fetch_max(epoch, Ordering::AcqRel);
        true
    }
}

/// What a permit is remembered by: who came how, what for, and of which key.
pub(crate) type PermitKey = (CredentialId, Action, KeyId);

/// What an alias names, and to whom.
#[derive(Clone, Copy, Debug)]
struct AliasTarget {
    key: KeyId,
    to: Audience,
}

/// To whom an alias names its key.
#[derive(Clone, Copy, Debug)]
enum Audience {
    /// To every caller.
    All,
    /// To callers whose home is this ring.
    AtHomeIn(KeyRingId),
    /// To nobody: it reads as the name of a key.
    Nobody,
}

/// Store, provider, and what is remembered of both.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) fence: Arc<Fence>,
    pub(crate) time: LogTime,
    /// Subject keys of those who hold a role.
    pub(crate) subjects: Subjects,
    /// Scheduled destructions that their rings block.
    pub(crate) blocked: Blocked,
    /// How far the pass over all rows is.
    pub(crate) row_check: RowCheck,
    /// Whether self-tests have held.
    pub(crate) self_tests: SelfTests,
    /// The scans of stored secrets.
    pub(crate) scans: Scans,
    /// Runs of the evaluation of the controls.
    pub(crate) evaluations: Evaluations,
    /// Alerts, as far as they are in memory.
    pub(crate) alerts: Alerts,
    /// Signs evidence packs beside the root.
    pub(crate) evidence_key: AnnouncedKey,
    keys: Cache<KeyId, Arc<Cached<LoadedKey>>>,
    names: Cache<KeyName, KeyId>,
    /// What aliases name to whom, and as of which count of moves.
    aliases: Cache<AliasName, (AliasTarget, u64)>,
    /// Counts the moves of aliases: what was remembered under an earlier count is read again. A mover hears of success after
    /// its move is counted, so nobody who comes later takes the old key out of memory.
    alias_moves: AtomicU64,
    /// Assets that are there; none is ever taken away.
    assets: Cache<AssetId, ()>,
    /// Identifiers of none, and as of which count of assets that were made.
    no_assets: Cache<AssetId, u64>,
    /// Counts assets that were made.
    assets_made: AtomicU64,
    known: Cache<[u8; 32], Arc<Cached<ResolvedCredential>>>,
    permits: Cache<PermitKey, Arc<Cached<Cacheable>>>,
    /// The rules of the deployment, once they were read.
    governance: Mutex<Option<Arc<Governance>>>,
    /// Tags encryption contexts and request ids in the log; one key per deployment, from which each key's is derived.
    tags: HmacSha256,
    /// Keys the fingerprints of material.
    pub(crate) fingerprints: Arc<HmacSha256>,
    /// Seals the keys that seal what facts say of objects.
    pub(crate) veils: VeilKey,
}

impl State {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        provider: Arc<dyn Provider>,
        fence: Arc<Fence>,
        time: LogTime,
        tags: HmacSha256,
        veils: VeilKey,
        memory: Memory,
    ) -> Self {
        Self {
            store,
            provider,
            fence,
            time,
            subjects: Subjects::default(),
            blocked: Blocked::default(),
            row_check: RowCheck::default(),
            self_tests: SelfTests::default(),
            scans: Scans::default(),
            evaluations: Evaluations::default(),
            alerts: Alerts::new(),
            evidence_key: AnnouncedKey::default(),
            keys: Cache::new(memory.keys),
            names: Cache::new(memory.keys),
            aliases: Cache::new(memory.keys),
            alias_moves: AtomicU64::new(0),
            assets: Cache::new(ASSETS),
            no_assets: Cache::new(ASSETS),
            assets_made: AtomicU64::new(0),
            known: Cache::new(memory.credentials),
            permits: Cache::new(memory.permits),
            governance: Mutex::default(),
            fingerprints: Arc::new(HmacSha256::new(&SecretBytes::copied_from(&tags.tag(&[b"fingerprint"])))),
            tags,
            veils,
        }
    }

    /// How the provider is, and whether every self-test since the start has held.
    pub(crate) async fn provider_health(&self) -> Result<ProviderHealth, ServiceError> {
        let health = self.provider.health().await?;
        Ok(ProviderHealth {
            self_test_ok: health.self_test_ok && self.self_tests.failure().is_none(),
            ..health
        })
    }

    /// How many keys are ready for use in memory.
    pub(crate) fn keys_in_memory(&self) -> usize {
        self.keys.len()
    }

    /// The key, as it is at `epoch` or later.
    pub(crate) async fn live_key(
        &self,
        id: KeyId,
        epoch: u64,
    ) -> Result<Arc<Cached<LoadedKey>>, ServiceError> {
        if let Some(live) = self.keys.get(&id)
            && live.revalidate(epoch, &self.fence)
        {
            return Ok(live);
        }
        let (sequence, good_at) = (self.fence.sequence(), self.fence.epoch());
        let record = self.store.find_key(id).await?.ok_or_else(ServiceError::not_found)?;
        let dependencies =
            Dependencies { key: Some(id), ring: Some(record.ring.id), ..Dependencies::default() };
        let tag = self.tags.tag(&[b"context", id.as_bytes()]);
        let live = Arc::new(Cached::new(LoadedKey::new(Arc::new(record), tag), dependencies, good_at));
        self.keys.insert(id, Arc::clone(&live));
        if self.fence.sequence() != sequence {
            // A change was published while we read: what we read may be from before it.
            self.keys.remove(&id);
        }
        Ok(live)
    }

    /// Whose credential has that digest, as of `epoch` or later, if it is remembered.
    pub(crate) fn known_in_memory(
        &self,
        digest: &[u8; 32],
        epoch: u64,
    ) -> Option<Arc<Cached<ResolvedCredential>>> {
        self.known.get(digest).filter(|known| known.revalidate(epoch, &self.fence))
    }

    /// Whose credential has that digest, as of `epoch` or later; `None` when it identifies no principal.
    pub(crate) async fn known(
        &self,
        digest: &[u8; 32],
        epoch: u64,
    ) -> Result<Option<Arc<Cached<ResolvedCredential>>>, ServiceError> {
        if let Some(known) = self.known_in_memory(digest, epoch) {
            return Ok(Some(known));
        }
        Box::pin(self.load_known(digest)).await
    }

    async fn load_known(
        &self,
        digest: &[u8; 32],
    ) -> Result<Option<Arc<Cached<ResolvedCredential>>>, ServiceError> {
        let (sequence, good_at) = (self.fence.sequence(), self.fence.epoch());
        let Some(credential) = self.store.find_credential_by_digest(digest).await? else { return Ok(None) };
        let Some(principal) = self.store.find_principal(credential.principal).await? else { return Ok(None) };
        let dependencies = Dependencies {
            principal: Some(principal.id),
            credential: Some(credential.id),
            ..Dependencies::default()
        };
        let known = ResolvedCredential::load(principal, credential, self.provider.as_ref()).await?;
        let known = Arc::new(Cached::new(known, dependencies, good_at));
        self.known.insert(*digest, Arc::clone(&known));
        if self.fence.sequence() != sequence {
            self.known.remove(digest);
        }
        Ok(Some(known))
    }

    /// A permit that was given before and still stands at `epoch`.
    pub(crate) fn remembered(&self, key: &PermitKey, epoch: u64) -> Option<Arc<Cached<Cacheable>>> {
        let permit = self.permits.get(key).filter(|permit| permit.revalidate(epoch, &self.fence))?;
        // A line of memory that many cores write is slow; it is written once a look.
        if !permit.is_used.load(Ordering::Relaxed) {
            permit.is_used.store(true, Ordering::Relaxed);
        }
        Some(permit)
    }

    /// Gives back permits that were not used since the last time, unless they are few.
    pub(crate) fn forget_unused(&self) {
        if self.permits.len() > FEW_PERMITS {
            self.permits.retain(|_, permit| permit.is_used.swap(false, Ordering::Relaxed));
        }
    }

    /// Remembers a permit that was decided on grants read since `sequence`.
    pub(crate) fn remember(&self, key: PermitKey, permit: Arc<Cached<Cacheable>>, sequence: u64) {
        self.permits.insert(key, permit);
        if self.fence.sequence() != sequence {
            self.permits.remove(&key);
        }
    }

    /// The identifier of the key that a caller of this home means.
    pub(crate) async fn key_id(&self, key: &KeyRef, home: Option<KeyRingId>) -> Result<KeyId, ServiceError> {
        let name = match key {
            KeyRef::Alias(alias) => {
                let named = self.named(alias).await?;
                let is_for_caller = match named.to {
                    Audience::All => true,
                    Audience::AtHomeIn(ring) => home == Some(ring),
                    Audience::Nobody => false,
                };
                return if is_for_caller { Ok(named.key) } else { Err(ServiceError::not_found()) };
            }
            KeyRef::Id(id) => return Ok(*id),
            KeyRef::Name(name) => name,
        };
        if let Some(id) = self.names.get(name) {
            return Ok(id);
        }
        let id = self.store.find_key_id(name).await?.ok_or_else(ServiceError::not_found)?;
        // Bound for ever: what is remembered here is never outdated.
        self.names.insert(name.clone(), id);
        Ok(id)
    }

    /// What an alias names now, and to whom.
    async fn named(&self, alias: &AliasName) -> Result<AliasTarget, ServiceError> {
        // Read before the store is: a move in between outdates what is remembered here.
        let moves = self.alias_moves.load(Ordering::Acquire);
        if let Some((named, known)) = self.aliases.get(alias)
            && known == moves
        {
            return Ok(named);
        }
        let found = self.store.find_alias(alias).await?.ok_or_else(ServiceError::not_found)?;
        let ring = match alias.as_key_name() {
            Some(name) => self.store.find_ring_by_name(&name.ring).await?,
            None => None,
        };
        let to = match (ring, found.only_for()) {
            (Some(_), _) => Audience::Nobody,
            (None, Some(ring)) => Audience::AtHomeIn(ring),
            (None, None) => Audience::All,
        };
        let named = AliasTarget { key: found.key, to };
        self.aliases.insert(alias.clone(), (named, moves));
        Ok(named)
    }

    /// Is there an asset of that identifier, as far as it is remembered?
    pub(crate) fn remembers_asset(&self, id: AssetId) -> Option<bool> {
        if self.assets.get(&id).is_some() {
            return Some(true);
        }
        let made = self.assets_made.load(Ordering::Acquire);
        self.no_assets.get(&id).filter(|known| *known == made).map(|_| false)
    }

    /// Is there an asset of that identifier? The answer is remembered.
    pub(crate) async fn has_asset(&self, id: AssetId) -> Result<bool, ServiceError> {
        // Read before the store is: one that is made in between outdates what is remembered here.
        let made = self.assets_made.load(Ordering::Acquire);
        let is_there = self.store.find_asset(id).await?.is_some();
        if is_there {
            self.assets.insert(id, ());
        } else {
            self.no_assets.insert(id, made);
        }
        Ok(is_there)
    }

    /// The asset that callers mean.
    pub(crate) async fn asset(&self, asset: &AssetRef) -> Result<Asset, ServiceError> {
        let found = match asset {
            AssetRef::Id(id) => self.store.find_asset(*id).await?,
            AssetRef::Name(name) => self.store.find_asset_by_name(name).await?,
        };
        found.ok_or_else(ServiceError::not_found)
    }

    /// The ring that callers mean.
    pub(crate) async fn ring(&self, ring: &RingRef) -> Result<KeyRing, ServiceError> {
        let found = match ring {
            RingRef::Id(id) => self.store.find_ring(*id).await?,
            RingRef::Name(name) => self.store.find_ring_by_name(name).await?,
        };
        found.ok_or_else(ServiceError::not_found)
    }

    /// The principal that callers mean.
    pub(crate) async fn principal(&self, principal: &PrincipalRef) -> Result<Principal, ServiceError> {
        let found = match principal {
            PrincipalRef::Id(id) => self.store.find_principal(*id).await?,
            PrincipalRef::Name(name) => self.store.find_principal_by_name(name).await?,
        };
        found.ok_or_else(ServiceError::not_found)
    }

    /// Finds what a call by a caller of this home is about. Gives the live key beside the target when it is one.
    pub(crate) async fn resolve(
        &self,
        target: TargetRef<'_>,
        home: Option<KeyRingId>,
        epoch: u64,
    ) -> Result<(Target, Option<Arc<Cached<LoadedKey>>>), ServiceError> {
        let id = match target {
            // The alias itself is meant, whomever it names its key to.
            TargetRef::Alias(alias) => self.named(alias).await?.key,
            TargetRef::Key(key) => self.key_id(key, home).await?,
            TargetRef::KeyId(id) => id,
            TargetRef::Credential(id) => {
                let credential = self.store.find_credential(id).await?.ok_or_else(ServiceError::not_found)?;
                let principal = self.principal(&PrincipalRef::Id(credential.principal)).await?;
                return Ok((Target::Principal(principal.id, principal.kind), None));
            }
            TargetRef::Grant(id) => return Ok((Target::Grant(id), None)),
            TargetRef::NewPrincipal(kind) => return Ok((Target::NewPrincipal(kind), None)),
            TargetRef::Principal(principal) => {
                let principal = self.principal(principal).await?;
                return Ok((Target::Principal(principal.id, principal.kind), None));
            }
            TargetRef::Ring(ring) => return Ok((Target::Ring(Arc::new(self.ring(ring).await?)), None)),
            TargetRef::System => return Ok((Target::System, None)),
        };
        let live = self.live_key(id, epoch).await?;
        Ok((Target::Key(Arc::clone(live.thing.record())), Some(live)))
    }

    /// The rules of the deployment; those of one that nobody ever set, where there are none.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) async fn governance(&self) -> Result<Arc<Governance>, ServiceError> {
        if let Some(known) = self.known_governance().clone() {
            return Ok(known);
        }
        let sequence = self.fence.sequence();
        let rules = Arc::new(self.store.find_governance().await?.unwrap_or_default());
        let mut known = self.known_governance();
        // Where a change was published while we read, what we read may be from before it.
        *known = (self.fence.sequence() == sequence).then(|| Arc::clone(&rules));
        Ok(rules)
    }

    fn known_governance(&self) -> MutexGuard<'_, Option<Arc<Governance>>> {
        self.governance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wants the subject keys of all who hold a role.
    pub(crate) async fn want_subjects(&self) -> Result<(), ServiceError> {
        for principal in self.store.list_role_holders().await? {
            self.subjects.written(&principal);
        }
        Ok(())
    }

    /// Opens the subject keys that are wanted.
    pub(crate) async fn open_subjects(&self) -> Result<(), ServiceError> {
        for id in self.subjects.wanted() {
            let Some(principal) = self.store.find_principal(id).await? else { continue };
            self.subjects.keep(id, self.open_subject(&principal).await?);
        }
        Ok(())
    }

    /// The subject key of a principal, by the root.
    pub(crate) async fn open_subject(&self, principal: &Principal) -> Result<SubjectKey, ServiceError> {
        let sealed = &principal.subject_key;
        let opened = self.provider.unseal(&subject_label(principal.id), sealed).await?;
        #[expect(clippy::disallowed_methods, reason = "the subject key seals identities in the audit crate")]
        let bytes = <[u8; 32]>::try_from(opened.expose());
        bytes
            .map(SubjectKey::new)
            .map_err(|_| ServiceError::new(ErrorKind::Internal, "a subject key is damaged"))
    }

    /// Knows the material of a version again, without keeping it.
    pub(crate) fn material_digest(&self, version: KeyVersionId, material: &SecretBytes) -> [u8; 32] {
        let number = version.number.to_be_bytes();
        self.tags.tag_of_secret(&[b"material", version.key.as_bytes(), &number], material)
    }

    /// What the same request is found by, for which others' approval was asked.
    pub(crate) fn approval_tag(&self, asked: &Governed) -> [u8; 32] {
        self.tags.tag(&[b"approval", asked.encode().as_slice()])
    }

    /// The tag of a caller's request id in the log.
    pub(crate) fn request_tag(&self, request_id: &str) -> [u8; 16] {
        half(self.tags.tag(&[b"request", request_id.as_bytes()]))
    }
}

/// The first half of a digest.
pub(crate) fn half(digest: [u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(digest.first_chunk::<16>().unwrap_or(&[0; 16]));
    half
}

/// Drops from memory what changes outdated; shared with the sequencer.
#[derive(Debug)]
pub(crate) struct Forget(pub(crate) Arc<State>);

impl Publish for Forget {
    fn publish(&self, changes: &[Change]) {
        let state = &self.0;
        for change in changes {
            match change {
                Change::PutKey(key) => drop(state.keys.remove(&key.id)),
                Change::PutVersion(version) => drop(state.keys.remove(&version.id.key)),
                Change::PutCredential(credential) => drop(state.known.remove(&credential.digest)),
                // Nothing is remembered of what was not there; but a new ring takes names from aliases that read as its keys.
                Change::PutRing(KeyRing { revision: 0, .. }) => {
                    state.alias_moves.fetch_add(1, Ordering::AcqRel);
                }
                Change::PutPrincipal(principal @ Principal { revision: 0, .. }) => {
                    state.subjects.written(principal);
                }
                // Rare, and what rests on a ring or a principal is not indexed by it.
                Change::PutRing(_) => state.keys.clear(),
                Change::PutPrincipal(principal) => {
                    state.subjects.written(principal);
                    state.known.clear();
                    state.permits.clear();
                }
                Change::PutAlias(_) | Change::RemoveAlias(_) => {
                    state.alias_moves.fetch_add(1, Ordering::AcqRel);
                }
                Change::PutAsset(Asset { revision: 0, .. }) => {
                    state.assets_made.fetch_add(1, Ordering::AcqRel);
                }
                Change::PutAlert(alert @ Alert { revision: 0, .. }) => state.alerts.tell(alert),
                Change::PutGovernance(_) => drop(state.known_governance().take()),
                Change::PutLogTime(record) => state.time.adopt(record),
                // A permit says what is allowed and is only ever outdated by a restriction, which the fence shows.
                Change::CountUses { .. }
                | Change::Expect(_)
                | Change::ExpectNoAlias(_)
                | Change::ExpectNone { .. }
                | Change::NoteFacts(_)
                | Change::PutAlert(_)
                | Change::PutApproval(_)
                | Change::PutAsset(_)
                | Change::PutBreakGlass(_)
                | Change::PutDeclaration(_)
                | Change::PutFactHead(_)
                | Change::PutGrant(_)
                | Change::PutIdempotency(_)
                | Change::PutNode(_)
                | Change::PutPolicyDocument(_)
                | Change::PutReason(_)
                | Change::PutReview(_)
                | Change::PutRightsReview(_)
                | Change::PutVeil(_)
                | Change::RemoveVeil(_)
                | Change::SealReason { .. } => {}
            }
        }
    }
}
