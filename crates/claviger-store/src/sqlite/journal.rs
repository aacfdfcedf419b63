//! The one writer: state and log in one transaction.
//!
//! Invariants: a head moves by the compare-and-swap of [`SqliteJournal::commit`] alone; whatever a call fails with, the
//! transaction is gone afterwards; after an outcome that is not known nothing is written any more; what was acknowledged is
//! in the files that bear the store's names.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use claviger_core::change::Change;
use claviger_core::port::store::{
    Applied, Batch, CommitError, LogId, Packed, Room, ShardHead, Tile, UsageRows,
};
use claviger_core::port::{Journal, StoreError};
use claviger_core::{KeyId, KeyVersionId};
use rusqlite::{Connection, ErrorCode, params};

use super::columns::integer;
use super::directory::InPlace;
use super::error::{damaged, refused, translate};
use super::expectation;
use super::inventory::{self, Block, Changed, block_of};
use super::plain::FENCE_DELTA;
use super::row::{
    alert, alias, approval, asset, break_glass, credential, declaration, fact_head, governance, grant,
    idempotency, key, log_time, node, policy_document, principal, reason, review, rights_review, ring, veil,
    version,
};
use super::schema::EMPTY_ROOT;
use super::sums::Summing;
use super::tag::{FactDigests, Guarded};
use super::{Inner, connection, log, rows, usage};
use crate::failpoint;

/// The journal of one shard.
#[derive(Debug)]
pub(super) struct SqliteJournal {
    connection: Connection,
    in_place: InPlace,
    head: ShardHead,
    // Does the open transaction change state, uses apart?
    changes_state: bool,
    counts: RefCell<version::Counts>,
    // Blocks of rows that the open transaction writes to.
    touched: BTreeSet<Block>,
    sums: Summing,
    inner: Arc<Inner>,
}

impl SqliteJournal {
    /// Takes a shard over, with a new incarnation.
    pub(super) fn open(inner: Arc<Inner>, shard: u32) -> Result<Self, StoreError> {
        inner.whole()?;
        log::batch_id(shard, 0)?;
        let connection = connection::writing(inner.database(), &inner.options)?;
        // One statement, hence one transaction: nobody can come between reading the incarnation and raising it.
        connection
            .execute(
                "INSERT INTO shard_head (shard_id, state, incarnation, size, root, epoch) \
                 SELECT ?1, 1, 1, 0, ?2, epoch FROM fence WHERE id = 1 \
                 ON CONFLICT (shard_id) DO UPDATE SET incarnation = incarnation + 1",
                params![shard, EMPTY_ROOT],
            )
            .map_err(translate)?;
        let head = log::find_head(Guarded::off(&connection), shard)?
            .ok_or_else(|| damaged("shard_head", "its row is missing"))?;
        let in_place = InPlace::of(inner.database())?;
        Ok(Self {
            connection,
            in_place,
            head,
            changes_state: false,
            counts: RefCell::default(),
            touched: BTreeSet::new(),
            sums: Summing::default(),
            inner,
        })
    }

    fn run(&self, sql: &str) -> Result<(), StoreError> {
        self.step(sql).map_err(translate)
    }

    fn step(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    fn is_open(&self) -> bool {
        !self.connection.is_autocommit()
    }

    fn begin(&self) -> Result<(), StoreError> {
        self.inner.whole()?;
        if self.is_open() { Ok(()) } else { self.run("BEGIN IMMEDIATE") }
    }

    /// Ends the open transaction, if there is one, without a trace.
    fn abandon(&mut self) {
        self.counts.get_mut().clear();
        self.touched.clear();
        self.sums.get_mut().clear();
        self.inner.guard.inventory.abandon();
        self.changes_state = false;
        if self.is_open()
            && let Err(error) = self.run("ROLLBACK")
        {
            self.inner.break_off(error);
        }
    }

    /// Makes the open transaction durable.
    fn finish(&mut self) -> Result<(), CommitError> {
        match self.step("COMMIT") {
            Ok(()) => {
                self.changes_state = false;
                // After the commit: a look before it would miss what happens in between.
                self.in_place.check().map_err(|error| {
                    self.inner.break_off(error.clone());
                    CommitError::Unknown(error.to_string())
                })
            }
            Err(error) => Err(match error.sqlite_error_code() {
                // The commit frame is the last to be written, and was not: nothing of it counts. A full device that only
                // the fsync finds out about is an I/O error, below.
                Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::ReadOnly) => {
                    CommitError::Failed(translate(error))
                }
                _ => {
                    let error = translate(error);
                    self.inner.break_off(error.clone());
                    CommitError::Unknown(error.to_string())
                }
            }),
        }
    }

    fn rows(&self) -> Guarded<'_> {
        Guarded::new(&self.connection, &self.inner.guard).summing(&self.sums)
    }

    fn count_uses(&self, version: KeyVersionId, uses: u64) -> Result<Applied, StoreError> {
        version::count_uses(self.rows(), version, uses, &mut self.counts.borrow_mut())
    }

    /// Refuses to write beside rows that are not as they are known, and to make a row whose name may be that of one that is gone.
    fn hold_blocks(&self, changes: &[Change]) -> Result<(), StoreError> {
        let (rows, inventory) = (self.rows(), &self.inner.guard.inventory);
        let mut held = BTreeSet::new();
        for change in changes {
            let Some(object) = inventory::written(change) else { continue };
            let block = block_of(&object);
            let is_looked_at = self.touched.contains(&block) || !held.insert(block);
            let is_known = is_looked_at || inventory::holds(rows, inventory, block)?;
            if !is_known || inventory::named(change).is_some_and(|kind| inventory.is_wrong(kind)) {
                return Err(rows.altered(object));
            }
        }
        Ok(())
    }

    fn put_all(&self, changes: &[Change]) -> Result<Applied, StoreError> {
        self.hold_blocks(changes)?;
        let mut sorted: Vec<_> = changes.iter().collect();
        // What others refer to goes first; the order among equals is the caller's.
        sorted.sort_by_key(|change| change.rank());
        let facts = facts_of(changes);
        let connection = self.rows().recording(&facts);
        let mut keys = BTreeSet::new();
        for change in sorted {
            if self.put(connection, change, &mut keys)? == Applied::Conflict {
                return Ok(Applied::Conflict);
            }
        }
        let written: BTreeSet<_> = changes.iter().filter_map(inventory::written).collect();
        for object in facts.keys().filter(|object| !written.contains(*object)) {
            rows::stamp(connection, *object)?;
        }
        for key in keys {
            key::check_primary(self.rows(), key)?;
        }
        Ok(Applied::Yes)
    }

    fn put(
        &self,
        connection: Guarded<'_>,
        change: &Change,
        keys: &mut BTreeSet<KeyId>,
    ) -> Result<Applied, StoreError> {
        match change {
            Change::CountUses { version, uses } => self.count_uses(*version, *uses),
            Change::Expect(expectation) => expectation::compare(connection, expectation),
            Change::ExpectNoAlias(key) => alias::expect_none(connection, *key),
            Change::ExpectNone { ring, unwanted } => key::expect_none(connection, *ring, *unwanted),
            // Rows get them as they are written.
            Change::NoteFacts(_) => Ok(Applied::Yes),
            Change::PutAlert(value) => alert::put(connection, value),
            Change::PutAlias(value) => alias::put(connection, value),
            Change::PutApproval(value) => approval::put(connection, value),
            Change::PutAsset(value) => asset::put(connection, value),
            Change::PutBreakGlass(value) => break_glass::put(connection, value),
            Change::PutCredential(value) => credential::put(connection, value),
            Change::PutDeclaration(value) => declaration::put(connection, value),
            Change::PutFactHead(next) => fact_head::put(connection, *next),
            Change::PutGovernance(value) => governance::put(connection, value),
            Change::PutGrant(value) => grant::put(connection, value),
            Change::PutIdempotency(value) => idempotency::put(connection, value),
            Change::PutKey(value) => {
                keys.insert(value.id);
                key::put(connection, value)
            }
            Change::PutLogTime(value) => log_time::put(connection, value),
            Change::PutNode(value) => node::put(connection, value),
            Change::PutPolicyDocument(value) => policy_document::put(connection, value),
            Change::PutPrincipal(value) => principal::put(connection, value),
            Change::PutReason(value) => reason::put(connection, value),
            Change::PutReview(value) => review::put(connection, value),
            Change::PutRightsReview(value) => rights_review::put(connection, value),
            Change::PutRing(value) => ring::put(connection, value),
            Change::PutVeil(value) => veil::put(connection, value),
            Change::PutVersion(value) => {
                keys.insert(value.id.key);
                version::put(connection, value)
            }
            Change::RemoveAlias(value) => alias::remove(connection, value),
            Change::RemoveVeil(name) => veil::remove(connection, *name),
            Change::SealReason { id, sealed } => reason::seal(connection, *id, sealed),
        }
    }

    fn apply_set(&self, changes: &[Change]) -> Result<Applied, StoreError> {
        self.begin()?;
        if let [Change::CountUses { version, uses }] = changes {
            return self.count_uses(*version, *uses);
        }
        self.run("SAVEPOINT changes")?;
        let sums = self.sums.borrow().clone();
        let applied = self.put_all(changes);
        if let Ok(Applied::Conflict) | Err(StoreError::RowAltered(_)) = applied {
            self.counts.borrow_mut().clear();
            self.sums.replace(sums);
            self.run("ROLLBACK TO changes")?;
        }
        if let Ok(_) | Err(StoreError::RowAltered(_)) = applied {
            self.run("RELEASE changes")?;
        }
        applied
    }

    /// Writes it, and what becomes of the inventory of rows; gives how that differs once it is committed.
    fn write_batch(&self, batch: &Batch<'_>) -> Result<Changed, CommitError> {
        let count = batch.new_size.checked_sub(batch.old_size).and_then(|count| u32::try_from(count).ok());
        let count = count.filter(|count| *count > 0);
        let count = count.ok_or_else(|| refused("audit_batch", "a batch has 1 to 2^32 - 1 entries"))?;
        let id = log::batch_id(self.head.shard, batch.old_size)?;
        log::batch_id(self.head.shard, batch.new_size)?;
        let number = |count| integer("audit_batch", count);
        let (before, incarnation) = (number(batch.epoch)?, number(self.head.incarnation)?);
        let after = number(self.epoch_after(batch))?;

        self.begin()?;
        let swapped = self
            .connection
            .prepare_cached(
                "UPDATE shard_head SET size = ?4, root = ?5 \
                 WHERE shard_id = ?1 AND state = 1 AND incarnation = ?2 AND size = ?3 AND epoch = ?6",
            )
            .and_then(|mut update| {
                let (old_size, new_size) = (batch.old_size.cast_signed(), batch.new_size.cast_signed());
                update.execute(params![
                    self.head.shard,
                    incarnation,
                    old_size,
                    new_size,
                    batch.new_root,
                    before
                ])
            })
            .map_err(translate)?;
        if swapped == 0 {
            return Err(self.lost_swap(batch)?);
        }
        self.connection
            .prepare_cached(
                "INSERT INTO audit_batch (id, n, epoch, incarnation, root, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )
            .and_then(|mut insert| insert.execute(params![id, count, after, incarnation, batch.new_root, batch.body]))
            .map_err(translate)?;
        self.write_tiles(LogId::Shard(self.head.shard), batch.tiles)?;
        if self.changes_state {
            self.run("UPDATE fence SET state_seq = state_seq + 1 WHERE id = 1")?;
        }
        if !batch.restricts.is_empty() {
            self.restrict(batch, after)?;
            failpoint("restrict-inside");
        }
        let inventory = &self.inner.guard.inventory;
        let sums = self.sums.borrow();
        sums.write(self.rows())?;
        if (self.changes_state || !sums.is_empty()) && inventory.is_open() {
            let log = (batch.new_size, batch.new_root);
            return Ok(inventory::write(self.rows(), inventory, &self.touched, log)?);
        }
        Ok(Changed::default())
    }

    fn epoch_after(&self, batch: &Batch<'_>) -> u64 {
        if batch.restricts.is_empty() { batch.epoch } else { batch.epoch.saturating_add(1) }
    }

    /// Begins an epoch for all shards.
    fn restrict(&self, batch: &Batch<'_>, epoch: i64) -> Result<(), StoreError> {
        let raised = self
            .connection
            .prepare_cached("UPDATE fence SET epoch = ?1 WHERE id = 1 AND epoch = ?1 - 1")
            .and_then(|mut update| update.execute([epoch]))
            .map_err(translate)?;
        if raised != 1 {
            return Err(damaged("fence", "its epoch is not that of the shards"));
        }
        self.connection
            .prepare_cached("UPDATE shard_head SET epoch = ?1 WHERE state = 1")
            .and_then(|mut update| update.execute([epoch]))
            .map_err(translate)?;
        self.connection
            .prepare_cached(
                "INSERT INTO fence_delta (epoch, subjects, shard_id, idx) VALUES (?1, ?2, ?3, ?4)",
            )
            .and_then(|mut insert| {
                let index = batch.old_size.cast_signed();
                insert.execute(params![epoch, log::encode(batch.restricts), self.head.shard, index])
            })
            .map_err(translate)?;
        self.rows().stamp_plain(&FENCE_DELTA, &[&epoch])
    }

    /// Why the compare-and-swap found nothing to swap.
    fn lost_swap(&self, batch: &Batch<'_>) -> Result<CommitError, StoreError> {
        let stored = log::find_head(self.rows(), self.head.shard)?
            .ok_or_else(|| damaged("shard_head", "its row is missing"))?;
        let same_writer = stored.incarnation == self.head.incarnation && stored.size == batch.old_size;
        Ok(if same_writer && stored.epoch != batch.epoch {
            CommitError::Fenced(stored.epoch)
        } else {
            CommitError::Superseded
        })
    }

    fn write_cut(&self, old_size: u64, new_root: [u8; 32], entry: &[u8]) -> Result<(), CommitError> {
        let (size, incarnation) =
            (integer("root_head", old_size)?, integer("root_head", self.head.incarnation)?);
        self.begin()?;
        let swapped = self
            .connection
            .prepare_cached(
                "UPDATE root_head SET size = size + 1, root = ?2 WHERE id = 1 AND size = ?1 \
                 AND EXISTS (SELECT 1 FROM shard_head WHERE shard_id = ?3 AND state = 1 AND incarnation = ?4)",
            )
            .and_then(|mut update| update.execute(params![size, new_root, self.head.shard, incarnation]))
            .map_err(translate)?;
        if swapped == 0 {
            return Err(CommitError::Superseded);
        }
        self.connection
            .prepare_cached("INSERT INTO root_leaf (idx, entry) VALUES (?1, ?2)")
            .and_then(|mut insert| insert.execute(params![size, entry]))
            .map_err(translate)?;
        Ok(())
    }

    fn write_tiles(&self, log: LogId, tiles: &[Tile]) -> Result<(), StoreError> {
        for tile in tiles {
            let index = integer("tile", tile.index)?;
            self.connection
                .prepare_cached("INSERT INTO tile (log, level, idx, hashes) VALUES (?1, ?2, ?3, ?4)")
                .and_then(|mut insert| {
                    insert.execute(params![log::number_of(log), tile.level, index, tile.hashes])
                })
                .map_err(translate)?;
        }
        Ok(())
    }

    /// A commit that was not made.
    fn not_committed(&mut self, error: CommitError) -> CommitError {
        self.abandon();
        if error == CommitError::Failed(StoreError::Full) {
            self.inner.space.exhausted();
        }
        if let CommitError::Fenced(epoch) = error {
            self.head.epoch = epoch;
        }
        error
    }

    /// Refuses what would make changes durable without their entry.
    fn between_commits(&self) -> Result<(), StoreError> {
        if self.is_open() {
            Err(refused("root_head", "changes are applied and not committed"))
        } else {
            Ok(())
        }
    }
}

/// The digests of the facts that changes are recorded by.
fn facts_of(changes: &[Change]) -> FactDigests {
    let noted = changes.iter().filter_map(|change| match change {
        Change::NoteFacts(noted) => Some(noted),
        _ => None,
    });
    noted.flatten().copied().collect()
}

impl Journal for SqliteJournal {
    fn head(&self) -> ShardHead {
        self.head.clone()
    }

    fn apply(&mut self, changes: &[Change]) -> Result<Applied, StoreError> {
        if changes.is_empty() {
            return Ok(Applied::Yes);
        }
        let alone = !self.is_open();
        let applied = self.apply_set(changes);
        match &applied {
            Ok(Applied::Yes) => {
                self.touched.extend(changes.iter().filter_map(inventory::written).map(|row| block_of(&row)));
                self.changes_state |= changes
                    .iter()
                    .any(|change| change.writes() && !matches!(change, Change::CountUses { .. }));
            }
            // What was begun for these changes alone ends with them: an open transaction would keep cuts out.
            Ok(Applied::Conflict) | Err(StoreError::RowAltered(_)) if alone => self.abandon(),
            // Others in the transaction have nothing to do with the row that somebody altered.
            Ok(Applied::Conflict) | Err(StoreError::RowAltered(_)) => {}
            Err(error) => {
                let full = *error == StoreError::Full;
                self.abandon();
                if full {
                    self.inner.space.exhausted();
                }
            }
        }
        applied
    }

    fn commit(&mut self, batch: &Batch<'_>) -> Result<(), CommitError> {
        failpoint("commit-before");
        let outcome = self.write_batch(batch).and_then(|changed| self.finish().map(|()| changed));
        let changed = match outcome {
            Ok(changed) => changed,
            Err(error) => return Err(self.not_committed(error)),
        };
        self.inner.guard.inventory.publish(changed);
        self.touched.clear();
        self.sums.get_mut().clear();
        failpoint("commit-after");
        self.head.size = batch.new_size;
        self.head.root = batch.new_root;
        self.head.epoch = self.epoch_after(batch);
        self.inner.committed(&self.connection, batch.body.len());
        Ok(())
    }

    fn row_root(&self) -> [u8; 32] {
        self.inner.guard.inventory.root()
    }

    fn roll_back(&mut self) {
        self.abandon();
    }

    fn room(&self) -> Room {
        self.inner.space.room()
    }

    fn append_cut(
        &mut self,
        old_size: u64,
        new_root: [u8; 32],
        entry: &[u8],
        tiles: &[Tile],
        usage: UsageRows<'_>,
    ) -> Result<(), CommitError> {
        self.between_commits()?;
        let outcome = self
            .write_cut(old_size, new_root, entry)
            .and_then(|()| Ok(self.write_tiles(LogId::Root, tiles)?))
            .and_then(|()| Ok(usage::put(self.rows(), self.head.shard, usage)?))
            .and_then(|()| self.finish());
        if let Err(error) = &outcome {
            self.abandon();
            if *error == CommitError::Failed(StoreError::Full) {
                self.inner.space.exhausted();
            }
        } else {
            failpoint("cut-after-cas");
            self.inner.committed(&self.connection, entry.len());
        }
        outcome
    }

    fn pack(&mut self, packed: Packed<'_>) -> Result<bool, CommitError> {
        self.between_commits()?;
        self.begin()?;
        let outcome = match log::pack(self.rows(), self.head.shard, packed) {
            Ok(true) => {
                failpoint("pack-inside");
                self.finish().map(|()| true)
            }
            Ok(false) => Ok(false),
            Err(error) => Err(error.into()),
        };
        match &outcome {
            Ok(true) => {
                failpoint("pack-after");
                self.inner.committed(&self.connection, packed.body.len());
            }
            Ok(false) => self.abandon(),
            Err(error) => {
                let is_full = *error == CommitError::Failed(StoreError::Full);
                self.abandon();
                if is_full {
                    self.inner.space.exhausted();
                }
            }
        }
        outcome
    }

    fn put_signed_note(&mut self, size: u64, note: &str) -> Result<(), StoreError> {
        self.between_commits()?;
        self.inner.whole()?;
        let outcome = self.connection.prepare_cached(
            "UPDATE root_head SET signed_size = ?1, signed_note = ?2 WHERE id = 1 AND signed_size <= ?1 AND size >= ?1",
        );
        let size = integer("root_head", size)?;
        let outcome = outcome.and_then(|mut update| update.execute(params![size, note]));
        match outcome {
            Ok(1) => Ok(()),
            Ok(_) => Err(refused(
                "root_head",
                "a note is for a size that is there, and never older than the last one",
            )),
            Err(error) => {
                let error = translate(error);
                if let StoreError::Io(_) = error {
                    self.inner.break_off(error.clone());
                }
                Err(error)
            }
        }
    }
}
