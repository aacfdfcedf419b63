//! The port as others see it.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use claviger_core::alert::{Alert, AlertRule};
use claviger_core::alias::{Alias, AliasName};
use claviger_core::asset::Asset;
use claviger_core::change::{IdempotencyRecord, RingLife, VeilName, VeilRecord};
use claviger_core::grant::Grant;
use claviger_core::key::{Key, KeyRecord, KeyRing, KeyVersion, PolicyDocument, Separation};
use claviger_core::lineage::{Lineage, Wanted};
use claviger_core::log_time::TimeRecord;
use claviger_core::node::Node;
use claviger_core::object::{FoundRow, Kind, Object, RowCursor};
use claviger_core::port::store::{
    AlertFilter, AliasFilter, ApprovalFilter, BatchOutline, BreakGlassCount, BreakGlassFilter,
    DeclarationFilter, EndingPrincipal, FactSink, FenceDelta, GrantFilter, GrantQuery, GrantRoom, Kept,
    KeyFilter, LeftBehind, LogId, MixedUse, Page, ReviewFilter, Room, RootHead, RowRoot,
    ScheduledDestruction, ShardHead, SpaceState, StoredBatch, Ties, VersionUsage,
};
use claviger_core::port::{Journal, Store, StoreError};
use claviger_core::principal::{Credential, Principal, Status};
use claviger_core::reason::KeptReason;
use claviger_core::rights_review::RightsReview;
use claviger_core::{
    Action, AlertId, Approval, ApprovalId, AssetId, BreakGlass, BreakGlassId, CredentialId, Declaration,
    DeclarationId, Governance, GovernanceId, GrantId, KeyId, KeyName, KeyRingId, KeyVersionId, Name, NodeId,
    PrincipalId, ReasonId, Review, ReviewId, RightsReviewId, Timestamp,
};
use claviger_crypto::kdf::HmacSha256;
use rusqlite::{Transaction, TransactionBehavior};

use super::columns::{Columns, find};
use super::error::translate;
use super::row::{
    alert, alias, approval, asset, break_glass, credential, declaration, fact_head, governance, grant,
    grant_index, idempotency, key, log_time, node, policy_document, principal, reason, review, rights_review,
    ring, veil, version,
};
use super::sums::Summing;
use super::tag::Guarded;
use super::{SqliteStore, connection, facts, integrity, inventory, log, rows, usage};

/// Rows of one small transaction of a clean-up: commits wait for no more than that.
const CHUNK: u32 = 500;

#[async_trait]
impl Store for SqliteStore {
    fn open_journal(&self, shard: u32) -> Result<Box<dyn Journal>, StoreError> {
        Ok(Box::new(self.inner.open_journal(shard)?))
    }

    fn left_behind(&self) -> &LeftBehind {
        &self.inner.left
    }

    fn keep_beside(&self, kept: &Kept) -> Result<(), StoreError> {
        self.inner.keep(kept)
    }

    async fn check_indexes(&self) -> Result<Vec<String>, StoreError> {
        integrity::check(Arc::clone(&self.inner)).await
    }

    async fn find_policy_document(&self, key: KeyId) -> Result<Option<PolicyDocument>, StoreError> {
        let find = move |connection: Guarded<'_>| policy_document::find_by_key(connection, key);
        self.inner.pool.read_fresh(Some(Object::Key(key)), find).await
    }

    async fn find_veil(&self, name: VeilName) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.pool.read(move |connection| veil::find_by_name(connection, name)).await
    }

    async fn list_veils(
        &self,
        kind: u8,
        after: Option<[u8; 16]>,
        limit: u32,
    ) -> Result<Vec<VeilRecord>, StoreError> {
        self.inner.pool.read(move |connection| veil::list(connection, kind, after, limit)).await
    }

    async fn list_reasons(&self, ids: Vec<ReasonId>) -> Result<Vec<KeptReason>, StoreError> {
        self.inner.pool.read(move |connection| reason::list_with_veils(connection, &ids)).await
    }

    async fn find_rights_review(&self) -> Result<Option<RightsReview>, StoreError> {
        let id = RightsReviewId::UPGRADE;
        self.inner
            .pool
            .read_fresh(Some(Object::RightsReview(id)), move |connection| {
                rights_review::find_by_id(connection, id)
            })
            .await
    }

    async fn find_asset(&self, id: AssetId) -> Result<Option<Asset>, StoreError> {
        self.inner
            .pool
            .read_fresh(Some(Object::Asset(id)), move |connection| asset::find_by_id(connection, id))
            .await
    }

    async fn find_asset_by_name(&self, name: &Name) -> Result<Option<Asset>, StoreError> {
        let name = name.clone();
        self.inner.pool.read_fresh(None, move |connection| asset::find_by_name(connection, &name)).await
    }

    async fn list_assets(&self, page: Page<Name>) -> Result<Vec<Asset>, StoreError> {
        self.inner
            .pool
            .read(move |connection| asset::list_after(connection, page.after.as_ref(), page.limit))
            .await
    }

    async fn find_declaration(&self, id: DeclarationId) -> Result<Option<Declaration>, StoreError> {
        self.inner
            .pool
            .read_fresh(Some(Object::Declaration(id)), move |connection| {
                declaration::find_by_id(connection, id)
            })
            .await
    }

    async fn list_declarations(
        &self,
        filter: DeclarationFilter,
        page: Page<DeclarationId>,
    ) -> Result<Vec<Declaration>, StoreError> {
        self.inner.pool.read(move |connection| declaration::list_by(connection, &filter, &page)).await
    }

    async fn count_declarations(&self, by: PrincipalId) -> Result<u64, StoreError> {
        self.inner.pool.read(move |connection| declaration::count_by(connection, by)).await
    }

    async fn find_approval(&self, id: ApprovalId) -> Result<Option<Approval>, StoreError> {
        self.inner
            .pool
            .read_fresh(Some(Object::Approval(id)), move |connection| approval::find_by_id(connection, id))
            .await
    }

    async fn find_approval_by_tag(
        &self,
        requester: PrincipalId,
        tag: &[u8; 32],
    ) -> Result<Option<Approval>, StoreError> {
        let tag = *tag;
        self.inner
            .pool
            .read_fresh(None, move |connection| approval::find_by_tag(connection, requester, &tag))
            .await
    }

    async fn list_approvals(
        &self,
        filter: ApprovalFilter,
        page: Page<ApprovalId>,
    ) -> Result<Vec<Approval>, StoreError> {
        self.inner.pool.read(move |connection| approval::list_by(connection, &filter, &page)).await
    }

    async fn count_open_approvals(&self, requester: PrincipalId, now: Timestamp) -> Result<u64, StoreError> {
        self.inner.pool.read(move |connection| approval::count_open(connection, requester, now)).await
    }

    async fn find_review(&self, id: ReviewId) -> Result<Option<Review>, StoreError> {
        self.inner
            .pool
            .read_fresh(Some(Object::Review(id)), move |connection| review::find_by_id(connection, id))
            .await
    }

    async fn list_reviews(
        &self,
        filter: ReviewFilter,
        page: Page<ReviewId>,
    ) -> Result<Vec<Review>, StoreError> {
        self.inner.pool.read(move |connection| review::list_by(connection, filter, &page)).await
    }

    async fn count_open_reviews(&self) -> Result<u64, StoreError> {
        self.inner.pool.read(review::count_open).await
    }

    async fn find_alert(&self, id: AlertId) -> Result<Option<Alert>, StoreError> {
        self.inner
            .pool
            .read_fresh(Some(Object::Alert(id)), move |connection| alert::find_by_id(connection, id))
            .await
    }

    async fn find_open_alert(
        &self,
        rule: AlertRule,
        subject: Option<Object>,
    ) -> Result<Option<Alert>, StoreError> {
        self.inner.pool.read_fresh(None, move |connection| alert::find_open(connection, rule, subject)).await
    }

    async fn list_alerts(&self, filter: AlertFilter, page: Page<AlertId>) -> Result<Vec<Alert>, StoreError> {
        self.inner.pool.read(move |connection| alert::list_by(connection, &filter, &page)).await
    }

    async fn count_open_alerts(&self) -> Result<Vec<(AlertRule, u64)>, StoreError> {
        self.inner.pool.read(alert::count_open).await
    }

    async fn find_break_glass(&self, id: BreakGlassId) -> Result<Option<BreakGlass>, StoreError> {
        self.inner
            .pool
            .read_fresh(Some(Object::BreakGlass(id)), move |connection| {
                break_glass::find_by_id(connection, id)
            })
            .await
    }

    async fn list_break_glass(
        &self,
        filter: BreakGlassFilter,
        page: Page<BreakGlassId>,
    ) -> Result<Vec<BreakGlass>, StoreError> {
        self.inner.pool.read(move |connection| break_glass::list_by(connection, &filter, &page)).await
    }

    async fn count_break_glass(&self, now: Timestamp) -> Result<BreakGlassCount, StoreError> {
        self.inner
            .pool
            .read(move |connection| snapshot(connection, || break_glass::count(connection, now)))
            .await
    }

    async fn find_governance(&self) -> Result<Option<Governance>, StoreError> {
        let object = Object::Governance(GovernanceId::ONLY);
        self.inner.pool.read_fresh(Some(object), governance::find_it).await
    }

    async fn count_compromised_by(&self, person: PrincipalId, since: Timestamp) -> Result<u64, StoreError> {
        self.inner
            .pool
            .read(move |connection| snapshot(connection, || count_compromised(connection, person, since)))
            .await
    }

    async fn find_node(&self, id: NodeId) -> Result<Option<Node>, StoreError> {
        self.inner
            .pool
            .read_fresh(Some(Object::Node(id)), move |connection| node::find_by_id(connection, id))
            .await
    }

    async fn find_document(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let name = name.to_owned();
        self.inner.pool.read(move |connection| find_document(connection, &name)).await
    }

    async fn put_document(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let (inner, name, bytes) = (self.inner.clone(), name.to_owned(), bytes.to_vec());
        self.inner
            .pool
            .read(move |reader| {
                match find_document(reader, &name)? {
                    Some(stored) if stored == bytes => return Ok(()),
                    Some(_) => {
                        return Err(StoreError::Unavailable(format!(
                            "document `{name}` has other bytes, and is never replaced"
                        )));
                    }
                    None if inner.has_journal.load(Ordering::Acquire) => {
                        return Err(StoreError::Unavailable(
                            "documents are written before the first journal is opened".to_owned(),
                        ));
                    }
                    None => {}
                }
                inner.before_journals(|connection| inventory::put_document(connection, &name, &bytes))
            })
            .await
    }

    async fn find_ring(&self, id: KeyRingId) -> Result<Option<KeyRing>, StoreError> {
        self.inner
            .pool
            .read_fresh(Some(Object::Ring(id)), move |connection| ring::find_by_id(connection, id))
            .await
    }

    async fn find_ring_by_name(&self, name: &Name) -> Result<Option<KeyRing>, StoreError> {
        let name = name.clone();
        self.inner.pool.read_fresh(None, move |connection| ring::find_by_name(connection, &name)).await
    }

    async fn list_rings(&self, page: Page<Name>) -> Result<Vec<KeyRing>, StoreError> {
        self.inner
            .pool
            .read(move |connection| ring::list_after(connection, page.after.as_ref(), page.limit))
            .await
    }

    async fn find_key(&self, id: KeyId) -> Result<Option<KeyRecord>, StoreError> {
        self.inner
            .pool
            .read_fresh(Some(Object::Key(id)), move |connection| key::find_record(connection, id))
            .await
    }

    async fn find_version(&self, id: KeyVersionId) -> Result<Option<KeyVersion>, StoreError> {
        self.inner
            .pool
            .read_fresh(Some(Object::Version(id)), move |connection| version::find_one(connection, id))
            .await
    }

    async fn list_versions(&self, key: KeyId, page: Page<u32>) -> Result<Vec<KeyVersion>, StoreError> {
        let Page { after, limit } = page;
        self.inner
            .pool
            .read(move |connection| {
                snapshot(connection, || version::list_after(connection, key, after.unwrap_or(0), limit))
            })
            .await
    }

    async fn find_key_id(&self, name: &KeyName) -> Result<Option<KeyId>, StoreError> {
        let name = name.clone();
        self.inner.pool.read_fresh(None, move |connection| key::find_id(connection, &name)).await
    }

    async fn list_keys(
        &self,
        filter: KeyFilter,
        page: Page<KeyName>,
    ) -> Result<Vec<(KeyName, Key)>, StoreError> {
        self.inner
            .pool
            .read(move |connection| key::list_after(connection, &filter, page.after.as_ref(), page.limit))
            .await
    }

    async fn list_rotation_due(&self, now: Timestamp, limit: u32) -> Result<Vec<KeyId>, StoreError> {
        self.inner.pool.read(move |connection| key::list_rotation_due(connection, now, limit)).await
    }

    async fn list_scheduled_destructions(
        &self,
        page: Page<(Timestamp, KeyId)>,
    ) -> Result<Vec<ScheduledDestruction>, StoreError> {
        let Page { after, limit } = page;
        self.inner.pool.read(move |connection| key::list_scheduled(connection, after, limit)).await
    }

    async fn find_ring_life(&self, ring: KeyRingId) -> Result<RingLife, StoreError> {
        self.inner.pool.read(move |connection| key::find_life(connection, ring)).await
    }

    async fn list_expired_material(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<KeyVersionId>, StoreError> {
        self.inner.pool.read(move |connection| version::list_expired(connection, now, limit)).await
    }

    fn open_rows(&self, key: Arc<HmacSha256>) {
        self.inner.guard.open(key);
    }

    fn rows_are_open(&self) -> bool {
        self.inner.guard.is_open()
    }

    async fn tag_rows(
        &self,
        key: Arc<HmacSha256>,
        from: RowCursor,
        limit: u32,
    ) -> Result<Option<RowCursor>, StoreError> {
        let inner = self.inner.clone();
        self.inner
            .pool
            .read(move |_| inner.before_journals(|connection| rows::tag(connection, &key, from, limit)))
            .await
    }

    async fn find_row_root(&self) -> Result<Option<RowRoot>, StoreError> {
        self.inner.pool.read(|connection| snapshot(connection, || inventory::find_root(connection))).await
    }

    async fn make_row_root(&self, log_size: u64, log_root: [u8; 32]) -> Result<(), StoreError> {
        let inner = self.inner.clone();
        self.inner
            .pool
            .read(move |_| inner.before_journals(|rows| inventory::make(rows, (log_size, log_root))))
            .await
    }

    async fn load_row_blocks(&self) -> Result<[u8; 32], StoreError> {
        let inner = self.inner.clone();
        self.inner
            .pool
            .read(move |connection| {
                inner.guard.inventory.load(connection)?;
                Ok(inner.guard.inventory.root())
            })
            .await
    }

    async fn count_wrong_blocks(&self, kind: Kind) -> Result<u64, StoreError> {
        let mut wrong = 0;
        for part in inventory::parts() {
            let inner = self.inner.clone();
            let read = move |connection: Guarded<'_>| {
                inventory::differing(connection, &inner.guard.inventory, kind, part)
            };
            wrong += self.inner.pool.read(read).await?;
        }
        self.inner.guard.inventory.looked_at(kind, wrong);
        self.inner.guard.count_refused(wrong);
        Ok(wrong)
    }

    fn altered_rows(&self) -> u64 {
        self.inner.guard.refused()
    }

    fn take_altered(&self) -> Vec<Object> {
        self.inner.guard.take_altered()
    }

    async fn list_rows(&self, from: RowCursor, limit: u32) -> Result<Vec<FoundRow>, StoreError> {
        self.inner.pool.read(move |connection| rows::list(connection, from, limit)).await
    }

    async fn count_rows(&self) -> Result<u64, StoreError> {
        self.inner.pool.read(|connection| snapshot(connection, || rows::count(connection))).await
    }

    async fn read_facts(&self, shard: u32, sink: Box<dyn FactSink>) -> Result<Option<u64>, StoreError> {
        facts::read(Arc::clone(&self.inner), shard, sink).await
    }

    async fn fact_head(&self) -> Result<Option<RowCursor>, StoreError> {
        self.inner.pool.read(fact_head::find_it).await
    }

    async fn find_alias(&self, name: &AliasName) -> Result<Option<Alias>, StoreError> {
        let name = name.clone();
        self.inner.pool.read_fresh(None, move |connection| alias::find_by_name(connection, &name)).await
    }

    async fn find_alias_owner(&self, name: &AliasName) -> Result<Option<KeyRingId>, StoreError> {
        let name = name.clone();
        self.inner.pool.read(move |connection| alias::find_owner(connection, &name)).await
    }

    async fn find_alias_like(&self, ring: &Name) -> Result<Option<Alias>, StoreError> {
        let ring = ring.clone();
        self.inner.pool.read(move |connection| alias::find_like(connection, &ring)).await
    }

    async fn list_aliases(
        &self,
        filter: AliasFilter,
        page: Page<AliasName>,
    ) -> Result<Vec<Alias>, StoreError> {
        self.inner
            .pool
            .read(move |connection| alias::list_after(connection, &filter, page.after.as_ref(), page.limit))
            .await
    }

    async fn find_principal(&self, id: PrincipalId) -> Result<Option<Principal>, StoreError> {
        self.inner
            .pool
            .read_fresh(Some(Object::Principal(id)), move |connection| principal::find_by_id(connection, id))
            .await
    }

    async fn find_principal_by_name(&self, name: &Name) -> Result<Option<Principal>, StoreError> {
        let name = name.clone();
        self.inner.pool.read_fresh(None, move |connection| principal::find_by_name(connection, &name)).await
    }

    async fn list_principals(&self, page: Page<Name>) -> Result<Vec<Principal>, StoreError> {
        self.inner
            .pool
            .read(move |connection| principal::list_after(connection, page.after.as_ref(), page.limit))
            .await
    }

    async fn list_role_holders(&self) -> Result<Vec<Principal>, StoreError> {
        self.inner.pool.read(principal::list_role_holders).await
    }

    async fn list_capacity_holders(&self) -> Result<Vec<Principal>, StoreError> {
        self.inner.pool.read(principal::list_capacity_holders).await
    }

    async fn list_unacknowledged(&self) -> Result<Vec<Principal>, StoreError> {
        self.inner.pool.read(principal::list_unacknowledged).await
    }

    async fn list_ending(
        &self,
        now: Timestamp,
        by: Timestamp,
        limit: u32,
    ) -> Result<Vec<EndingPrincipal>, StoreError> {
        self.inner.pool.read(move |connection| credential::list_ending(connection, now, by, limit)).await
    }

    async fn find_ties(
        &self,
        principal: PrincipalId,
        person: PrincipalId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Ties, StoreError> {
        self.inner
            .pool
            .read(move |connection| {
                snapshot(connection, || ties(connection, (principal, person), now, limit))
            })
            .await
    }

    async fn list_principal_names(
        &self,
        ids: Vec<PrincipalId>,
    ) -> Result<Vec<(PrincipalId, Name)>, StoreError> {
        self.inner
            .pool
            .read(move |connection| snapshot(connection, || principal::list_names(connection, &ids)))
            .await
    }

    async fn find_credential(&self, id: CredentialId) -> Result<Option<Credential>, StoreError> {
        self.inner
            .pool
            .read_fresh(Some(Object::Credential(id)), move |connection| {
                credential::find_by_id(connection, id)
            })
            .await
    }

    async fn find_credential_by_digest(&self, digest: &[u8; 32]) -> Result<Option<Credential>, StoreError> {
        let digest = *digest;
        self.inner
            .pool
            .read_fresh(None, move |connection| credential::find_by_digest(connection, &digest))
            .await
    }

    async fn list_credentials(
        &self,
        principal: Option<PrincipalId>,
        page: Page<CredentialId>,
    ) -> Result<Vec<Credential>, StoreError> {
        self.inner
            .pool
            .read(move |connection| credential::list_after(connection, principal, page.after, page.limit))
            .await
    }

    async fn list_granters(
        &self,
        principal: PrincipalId,
    ) -> Result<Vec<(PrincipalId, Separation)>, StoreError> {
        self.inner.pool.read(move |connection| grant::list_granters(connection, principal)).await
    }

    async fn find_grant(&self, id: GrantId) -> Result<Option<Grant>, StoreError> {
        self.inner
            .pool
            .read_fresh(Some(Object::Grant(id)), move |connection| grant::find_by_id(connection, id))
            .await
    }

    async fn list_candidates(&self, query: GrantQuery) -> Result<Vec<Vec<Grant>>, StoreError> {
        self.inner
            .pool
            .read_fresh(None, move |connection| grant_index::list_candidates(connection, &query))
            .await
    }

    async fn list_witnesses(
        &self,
        principal: PrincipalId,
        key: Option<KeyId>,
        ring: KeyRingId,
    ) -> Result<Vec<Grant>, StoreError> {
        self.inner
            .pool
            .read_fresh(None, move |connection| grant_index::list_witnesses(connection, principal, key, ring))
            .await
    }

    async fn find_grant_room(&self, grant: Grant) -> Result<GrantRoom, StoreError> {
        self.inner
            .pool
            .read(move |connection| snapshot(connection, || grant_index::room(connection, &grant)))
            .await
    }

    async fn find_same_grant(&self, grant: Grant) -> Result<Option<Grant>, StoreError> {
        self.inner.pool.read_fresh(None, move |connection| grant::find_same(connection, &grant)).await
    }

    async fn list_granted(&self, principal: PrincipalId) -> Result<Vec<Grant>, StoreError> {
        self.inner
            .pool
            .read_fresh(None, move |connection| grant_index::list_granted(connection, principal))
            .await
    }

    async fn find_mixed_use(&self, ring: KeyRingId) -> Result<Option<MixedUse>, StoreError> {
        self.inner.pool.read(move |connection| grant::find_mixed_use(connection, ring)).await
    }

    async fn find_strictest_use(&self, principal: PrincipalId) -> Result<Option<Separation>, StoreError> {
        self.inner.pool.read(move |connection| grant::find_strictest_use(connection, principal)).await
    }

    async fn list_grants(&self, filter: GrantFilter, page: Page<GrantId>) -> Result<Vec<Grant>, StoreError> {
        self.inner
            .pool
            .read(move |connection| {
                snapshot(connection, || grant::list_after(connection, &filter, page.after, page.limit))
            })
            .await
    }

    async fn load_lineage(&self, wanted: Wanted) -> Result<Lineage, StoreError> {
        self.inner.pool.read_fresh(None, move |connection| grant::lineage(connection, wanted.clone())).await
    }

    async fn find_idempotency(
        &self,
        principal: PrincipalId,
        key_digest: &[u8; 32],
    ) -> Result<Option<IdempotencyRecord>, StoreError> {
        let digest = *key_digest;
        self.inner.pool.read(move |connection| idempotency::find_by_key(connection, principal, &digest)).await
    }

    async fn forget_idempotency(&self, before: Timestamp) -> Result<u64, StoreError> {
        let inner = self.inner.clone();
        self.inner
            .pool
            .read(move |reader| {
                inner.whole()?;
                // Where nothing is old, commits need not wait for a second writer.
                if !idempotency::has_older(reader, before)? {
                    return Ok(0);
                }
                let writer = connection::writing(inner.database(), &inner.options)?;
                let (sums, mut forgotten) = (Summing::default(), 0);
                loop {
                    let behavior = TransactionBehavior::Immediate;
                    let transaction = Transaction::new_unchecked(&writer, behavior).map_err(translate)?;
                    let rows = Guarded::new(&writer, &inner.guard).summing(&sums);
                    let chunk = idempotency::forget(rows, before, CHUNK)?;
                    sums.take().write(rows)?;
                    if inner.guard.inventory.is_open() {
                        inventory::write_beside(rows)?;
                    }
                    transaction.commit().map_err(translate)?;
                    forgotten += chunk;
                    if chunk == 0 {
                        return Ok(forgotten);
                    }
                }
            })
            .await
    }

    async fn load_log_time(&self) -> Result<TimeRecord, StoreError> {
        self.inner.pool.read(log_time::load).await
    }

    async fn list_usage(
        &self,
        key: KeyId,
        numbers: RangeInclusive<u32>,
    ) -> Result<Vec<VersionUsage>, StoreError> {
        self.inner.pool.read(move |connection| usage::list_of_key(connection, key, &numbers)).await
    }

    async fn usage_counted_to(&self, shard: u32) -> Result<u64, StoreError> {
        self.inner.pool.read(move |connection| usage::counted_to(connection, shard)).await
    }

    fn room(&self) -> Room {
        self.inner.space.room()
    }

    async fn used_bytes(&self) -> Result<u64, StoreError> {
        let inner = self.inner.clone();
        self.inner.pool.read(move |_| inner.space.used()).await
    }

    async fn space(&self) -> Result<SpaceState, StoreError> {
        let inner = self.inner.clone();
        self.inner.pool.read(move |_| Ok(inner.space.state())).await
    }

    async fn tend_space(&self) -> Result<SpaceState, StoreError> {
        let inner = self.inner.clone();
        self.inner.pool.read(move |_| inner.space.tend().map(|()| inner.space.state())).await
    }

    async fn list_heads(&self) -> Result<Vec<ShardHead>, StoreError> {
        self.inner.pool.read(log::list_heads).await
    }

    async fn list_batches(&self, shard: u32, index: u64, limit: u32) -> Result<Vec<StoredBatch>, StoreError> {
        self.inner.pool.read(move |connection| log::list_batches(connection, shard, index, limit)).await
    }

    async fn list_batch_outlines(
        &self,
        shard: u32,
        index: u64,
        limit: u32,
    ) -> Result<Vec<BatchOutline>, StoreError> {
        self.inner
            .pool
            .read(move |connection| log::list_batch_outlines(connection, shard, index, limit))
            .await
    }

    async fn find_tile(&self, log: LogId, level: u8, index: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.pool.read(move |connection| log::find_tile(connection, log, level, index)).await
    }

    async fn list_deltas(&self, after_epoch: u64, limit: u32) -> Result<Vec<FenceDelta>, StoreError> {
        self.inner.pool.read(move |connection| log::list_deltas(connection, after_epoch, limit)).await
    }

    async fn root_head(&self) -> Result<RootHead, StoreError> {
        self.inner.pool.read(log::root_head).await
    }

    async fn list_cuts(&self, index: u64, limit: u32) -> Result<Vec<Vec<u8>>, StoreError> {
        self.inner.pool.read(move |connection| log::list_cuts(connection, index, limit)).await
    }
}

/// Runs several statements on one state of the store.
fn snapshot<T>(
    connection: Guarded<'_>,
    read: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    // Ends with the guard; a transaction that only read has nothing to lose by it.
    let _transaction = connection.unchecked_transaction().map_err(translate)?;
    read()
}

fn count_compromised(
    connection: Guarded<'_>,
    person: PrincipalId,
    since: Timestamp,
) -> Result<u64, StoreError> {
    let mut compromised = 0;
    for account in principal::list_accounts(connection, person)? {
        for action in [Action::CompromiseKey, Action::CompromiseVersion] {
            compromised += reason::count_by(connection, account, action, since)?;
        }
    }
    Ok(compromised)
}

fn ties(
    connection: Guarded<'_>,
    (of, person): (PrincipalId, PrincipalId),
    now: Timestamp,
    limit: u32,
) -> Result<Ties, StoreError> {
    let mut accounts = Vec::new();
    for id in principal::list_accounts(connection, person)?.into_iter().filter(|id| *id != of) {
        if accounts.len() as u64 >= u64::from(limit) {
            break;
        }
        let account = principal::find_by_id(connection, id)?;
        accounts.extend(account.filter(|account| account.status == Status::Active));
    }
    Ok(Ties {
        keys: key::list_owned(connection, of, limit)?,
        principals: principal::list_made_by(connection, of, limit)?,
        credentials: credential::list_made_by(connection, of, now, limit)?,
        accounts,
    })
}

fn find_document(connection: Guarded<'_>, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    find(connection, "SELECT bytes FROM document WHERE name = ?1", [name], |row| {
        Columns::new("document", row).bytes().map(<[u8]>::to_vec)
    })
}
