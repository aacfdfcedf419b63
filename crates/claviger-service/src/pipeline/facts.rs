//! What a call makes true, put into words that the log keeps beside its entry.
//!
//! What is kept true: the facts of a commit and its rows are made from the same changes, and are written in one transaction or
//! not at all. What callers name is sealed under a key of its object, which is made with the object and kept sealed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use claviger_audit::fact::{Facts, Object, Projection, VEIL_LEN, VeilError, VeilKey, projections};
use claviger_audit::op::Op;
use claviger_core::change::{Change, VeilName, VeilRecord};
use claviger_core::key::KeyRing;
use claviger_core::node::{Node, NodeReport};
use claviger_core::object::{RowCursor, StateRow};
use claviger_core::port::{ProviderError, StoreError};
use claviger_core::reason::{ReasonRecord, TextAtRest, Why};
use claviger_core::rights_review::RightsReview;
use claviger_core::{NodeId, RightsReviewId};
use claviger_crypto::{SecretBytes, random};

use super::reason::Given;
use crate::error::{ErrorKind, ServiceError};
use crate::record::{EntryDetail, EntryHeader, FactBytes};
use crate::road::Road;
use crate::state::State;

/// Rows that one entry records of those that stood before there were facts.
const ROWS: u32 = 256;

/// Rows that one entry records, in words.
struct Told {
    from: RowCursor,
    next: Option<RowCursor>,
    changes: Vec<Change>,
    facts: Option<FactBytes>,
}

impl Road {
    /// The facts of changes, with the reason that they are made for. It is put to the changes, with keys that are made for facts.
    ///
    /// # Errors
    /// When such a key cannot be read or made.
    pub(super) async fn facts_of(
        &self,
        given: Given<'_>,
        changes: &mut Vec<Change>,
    ) -> Result<Option<FactBytes>, ServiceError> {
        let veil = given.stage(&self.state, changes)?;
        let projections = projections(changes).into_iter().map(Projection::of_revision).collect();
        self.facts_of_rows(given.why, projections, veil.into_iter().collect(), changes).await
    }

    /// Records the rows that stood before there were facts, and goes on where an earlier start was interrupted. While some are written, those
    /// behind them are read and put into words.
    ///
    /// # Errors
    /// When the store cannot be read, or the log takes no entry.
    pub(crate) async fn record_state(&self) -> Result<(), ServiceError> {
        let Some(from) = self.state.store.fact_head().await? else { return Ok(()) };
        let mut told = self.told_state(from).await?;
        loop {
            let Told { from, next, changes, facts } = told;
            // A key that seals and is made with these rows is looked for with later ones, where it is not a row's own.
            let is_own = |change: &Change| !matches!(change, Change::PutVeil(veil) if veil.name.kind != from.kind.code());
            let ahead = next.filter(|next| next.kind == from.kind && changes.iter().all(is_own));
            let header = EntryHeader::of_system(Op::RecordState, self.now());
            let written = self.record(header, EntryDetail::default(), changes, facts);
            let following = async {
                match ahead {
                    Some(next) => self.told_state(next).await.map(Some),
                    None => Ok(None),
                }
            };
            let (written, following) = tokio::join!(written, following);
            written?;
            told = match (following?, next) {
                (Some(following), _) => following,
                (None, Some(next)) => self.told_state(next).await?,
                (None, None) => return Ok(()),
            };
        }
    }

    /// What is recorded of rows from there on.
    async fn told_state(&self, from: RowCursor) -> Result<Told, ServiceError> {
        let rows = self.state.store.list_rows(from, ROWS).await?;
        if let Some(altered) = rows.iter().find(|found| !found.holds) {
            // What somebody put there never becomes what the log says.
            return Err(StoreError::RowAltered(altered.row.object()).into());
        }
        let mut changes = Vec::new();
        let (mut projections, mut veils) = (Vec::with_capacity(rows.len()), BTreeMap::new());
        for found in &rows {
            projections.push(match &found.row {
                StateRow::Reason(reason) => self.state.sealed(reason, &mut veils, &mut changes).await?,
                StateRow::Ring(ring) => self.state.with_kek_wrap(ring, &mut changes).await?,
                other => other.into(),
            });
        }
        self.state.own_veils(from, &projections, &mut veils, &mut changes).await?;
        let is_full = rows.len() as u64 >= u64::from(ROWS);
        let next = from.next(projections.last().map(|row: &Projection| row.object), is_full);
        if next.is_none() && self.state.store.find_rights_review().await?.is_none() {
            // What somebody did to rights before now, the log does not know.
            let review = RightsReview::new(RightsReviewId::UPGRADE, self.now());
            projections.push(Projection { revision: 1, ..(&review).into() });
            changes.push(Change::PutRightsReview(review));
        }
        changes.push(Change::PutFactHead(next));
        let facts = self.facts_of_rows(None, projections, veils, &mut changes).await?;
        Ok(Told { from, next, changes, facts })
    }

    /// Records what the node says of itself, in the place of what it said before.
    ///
    /// # Errors
    /// When the store cannot be read, or the log takes no entry.
    pub async fn report_node(&self, report: NodeReport) -> Result<(), ServiceError> {
        let id = NodeId::of_shard(self.facts.shard);
        let (incarnation, reported_at) = (self.facts.incarnation, self.now());
        let before = self.state.store.find_node(id).await?;
        let revision = before.as_ref().map_or(0, |before| before.revision);
        let of_this_start = before.filter(|before| before.incarnation == incarnation);
        let released = of_this_start.map(|before| before.released).unwrap_or_default();
        let node = Node { id, incarnation, reported_at, report, released, revision };
        self.put_node(Op::NodeReport, node).await
    }

    /// Records how many results left the listeners since the start, in the place of what was recorded before: for each use its name
    /// and the number, as in `encrypt=12`.
    ///
    /// # Errors
    /// When the store cannot be read, or the log takes no entry.
    pub async fn report_released(&self, released: Vec<String>) -> Result<(), ServiceError> {
        let before = self.state.store.find_node(NodeId::of_shard(self.facts.shard)).await?;
        let before = before.filter(|before| before.incarnation == self.facts.incarnation);
        let before = before
            .ok_or_else(|| ServiceError::new(ErrorKind::Internal, "the node has not said yet what it is"))?;
        self.put_node(Op::ReleasedResults, Node { released, ..before }).await
    }

    async fn put_node(&self, op: Op, node: Node) -> Result<(), ServiceError> {
        self.put_as_system(op, EntryDetail::default(), vec![Change::PutNode(node)]).await.map(drop)
    }

    /// Writes rows as the system itself, because of nobody's call, with their facts and one entry; gives that.
    ///
    /// # Errors
    /// When the log takes no entry, and when a row is not as it was read.
    pub(crate) async fn put_as_system(
        &self,
        op: Op,
        detail: EntryDetail,
        mut changes: Vec<Change>,
    ) -> Result<u64, ServiceError> {
        let rows = projections(&changes).into_iter().map(Projection::of_revision).collect();
        let facts = self.facts_of_rows(None, rows, BTreeMap::new(), &mut changes).await?;
        self.record(EntryHeader::of_system(op, self.now()), detail, changes, facts).await
    }

    async fn facts_of_rows(
        &self,
        why: Option<Why>,
        projections: Vec<Projection>,
        mut veils: BTreeMap<Object, VeilKey>,
        changes: &mut Vec<Change>,
    ) -> Result<Option<FactBytes>, ServiceError> {
        if projections.is_empty() {
            return Ok(None);
        }
        let mut facts = Vec::with_capacity(projections.len());
        for projection in projections {
            let key = if !projection.is_veiled() {
                None
            } else {
                Some(match veils.entry(projection.veil) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => {
                        let key = self.state.veil_to_seal(projection.veil, changes).await?;
                        new.insert(key)
                    }
                })
            };
            facts.push(projection.fact(key.as_deref()).map_err(not_recorded)?);
        }
        let facts = Facts { seed: random::array()?, why, facts };
        let (bytes, digests) = (facts.encode().map_err(not_recorded)?, facts.digests());
        let digest = facts.digest_over(&digests);
        let noted = facts.facts.iter().zip(digests).filter(|(fact, _)| !fact.is_removal());
        changes.push(Change::NoteFacts(noted.map(|(fact, digest)| (fact.object, digest)).collect()));
        Ok(Some(FactBytes { digest, bytes }))
    }
}

impl State {
    /// The key that seals the fields of an object; made now, if there is none yet.
    pub(super) async fn veil_to_seal(
        &self,
        object: Object,
        changes: &mut Vec<Change>,
    ) -> Result<VeilKey, ServiceError> {
        let name = object.veil_name().ok_or_else(|| not_recorded(VeilError::Unsealed))?;
        if let Some(key) = self.find_veil(name).await? {
            return Ok(key);
        }
        self.new_veil(object, changes)
    }

    /// A new key that seals the fields of an object. It is put to the changes, sealed.
    ///
    /// # Errors
    /// When it cannot be made, or the object has none of its own.
    pub(super) fn new_veil(
        &self,
        object: Object,
        changes: &mut Vec<Change>,
    ) -> Result<VeilKey, ServiceError> {
        let name = object.veil_name().ok_or_else(|| not_recorded(VeilError::Unsealed))?;
        let key = veil_of(&random::secret(VEIL_LEN)?)?;
        let sealed = self.veils.wrap(name, &key).map_err(not_recorded)?;
        changes.push(Change::PutVeil(VeilRecord { name, sealed }));
        Ok(key)
    }

    /// The keys that seal fields of these rows, which are those of a kind behind an object, where they are the rows' own: read at once, and made
    /// where there are none.
    async fn own_veils(
        &self,
        from: RowCursor,
        rows: &[Projection],
        veils: &mut BTreeMap<Object, VeilKey>,
        changes: &mut Vec<Change>,
    ) -> Result<(), ServiceError> {
        let is_wanted =
            |row: &&Projection| row.is_veiled() && row.veil == row.object && !veils.contains_key(&row.object);
        let wanted: BTreeMap<VeilName, Object> = rows
            .iter()
            .filter(is_wanted)
            .filter_map(|row| row.veil.veil_name().map(|name| (name, row.veil)))
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let after = from.after.and_then(|after| after.veil_name()).map(|name| name.id);
        let kept = self.store.list_veils(from.kind.code(), after, ROWS).await?;
        // Behind the last of so many there may be more, of rows that have no key of those before them.
        let read_to = kept.last().map(|last| last.name).filter(|_| kept.len() as u64 >= u64::from(ROWS));
        let mut kept: BTreeMap<VeilName, Vec<u8>> =
            kept.into_iter().map(|kept| (kept.name, kept.sealed)).collect();
        for (name, object) in wanted {
            let veil = match kept.remove(&name) {
                Some(sealed) => self.veils.unwrap_key(name, &sealed).map_err(not_recorded)?,
                None if read_to.is_some_and(|to| to < name) => self.veil_to_seal(object, changes).await?,
                None => self.new_veil(object, changes)?,
            };
            veils.insert(object, veil);
        }
        Ok(())
    }

    /// What a reason says whose text an older release may have kept in clear: it is sealed now.
    async fn sealed(
        &self,
        reason: &ReasonRecord,
        veils: &mut BTreeMap<Object, VeilKey>,
        changes: &mut Vec<Change>,
    ) -> Result<Projection, ServiceError> {
        let TextAtRest::Clear(clear) = &reason.text else { return Ok(reason.into()) };
        let (id, object) = (reason.id, Object::Reason(reason.id));
        let veil = self.veil_to_seal(object, changes).await?;
        let sealed = veil.seal_reason(id, clear).map_err(not_recorded)?;
        veils.insert(object, veil);
        changes.push(Change::SealReason { id, sealed: sealed.clone() });
        let text = TextAtRest::Sealed(sealed);
        Ok((&ReasonRecord { text, ..reason.clone() }).into())
    }

    /// What a ring says whose row an older release wrote: what wraps its KEK is known now, if the KEK opens under this root.
    async fn with_kek_wrap(
        &self,
        ring: &KeyRing,
        changes: &mut Vec<Change>,
    ) -> Result<Projection, ServiceError> {
        if ring.kek_wrap.is_some() {
            return Ok(ring.into());
        }
        match self.provider.check_ring_kek(ring).await {
            Ok(()) => {
                let ring = KeyRing { kek_wrap: Some(self.provider.module().sealing), ..ring.clone() };
                let written = Projection { revision: ring.revision + 1, ..(&ring).into() };
                changes.push(Change::PutRing(ring));
                Ok(written)
            }
            Err(ProviderError::BadWrap) => {
                tracing::warn!(ring = %ring.id, "the KEK of a ring does not open under this root; its facts do not say what wraps it");
                Ok(ring.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The key of that name, if there is one.
    ///
    /// # Errors
    /// When it cannot be read, or does not open.
    pub(crate) async fn find_veil(&self, name: VeilName) -> Result<Option<VeilKey>, ServiceError> {
        let Some(sealed) = self.store.find_veil(name).await? else { return Ok(None) };
        Ok(Some(self.veils.unwrap_key(name, &sealed).map_err(not_recorded)?))
    }

    /// The same; one that does not open is as good as none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) async fn find_sound_veil(&self, name: VeilName) -> Result<Option<VeilKey>, ServiceError> {
        let sealed = self.store.find_veil(name).await?;
        Ok(sealed.and_then(|sealed| self.veils.unwrap_key(name, &sealed).ok()))
    }
}

/// A key that seals fields, from bytes that are one.
#[expect(clippy::disallowed_methods, reason = "the bytes become a key that wipes itself")]
pub(crate) fn veil_of(secret: &SecretBytes) -> Result<VeilKey, ServiceError> {
    let bytes = secret.expose().try_into().map_err(|_| not_recorded(VeilError::Unsealed))?;
    Ok(VeilKey::new(bytes))
}

pub(super) fn not_recorded(why: impl std::error::Error + Send + Sync + 'static) -> ServiceError {
    let message = "what this call makes true cannot be recorded, so nothing was done";
    ServiceError::new(ErrorKind::Internal, message).caused_by(why)
}
