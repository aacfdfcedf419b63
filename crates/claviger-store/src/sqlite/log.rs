//! The tables of the log: heads, batches, deltas and the root log.

use claviger_core::change::Restriction;
use claviger_core::port::StoreError;
use claviger_core::port::store::{BatchOutline, FenceDelta, LogId, Packed, RootHead, ShardHead, StoredBatch};
use claviger_core::{CredentialId, GrantId, KeyId, KeyRingId, PrincipalId};
use rusqlite::params;

use super::columns::{Columns, find, integer, list};
use super::error::{damaged, translate};
use super::plain::FENCE_DELTA;
use super::tag::{Guarded, Line};

/// Highest shard number: what is left of an integer of 63 bits beside the index.
const MAX_SHARD: u32 = (1 << 15) - 1;
const INDEX_BITS: u32 = 48;

/// Where the batch of `shard` that begins at `index` is kept. Beyond 2^15 shards or 2^48 entries there is no place; at
/// 100 000 entries a second the latter is 89 years away.
pub(super) fn batch_id(shard: u32, index: u64) -> Result<i64, StoreError> {
    if shard > MAX_SHARD || index >> INDEX_BITS != 0 {
        return Err(StoreError::Unavailable(format!(
            "shard {shard} at index {index} is beyond what this store can hold; use shards up to {MAX_SHARD}"
        )));
    }
    integer("audit_batch", u64::from(shard) << INDEX_BITS | index)
}

pub(super) fn find_head(connection: Guarded<'_>, shard: u32) -> Result<Option<ShardHead>, StoreError> {
    let sql = "SELECT shard_id, incarnation, size, root, epoch FROM shard_head WHERE shard_id = ?1";
    find(connection, sql, [shard], parse_head)
}

/// All heads, in the order of shards.
pub(super) fn list_heads(connection: Guarded<'_>) -> Result<Vec<ShardHead>, StoreError> {
    let sql = "SELECT shard_id, incarnation, size, root, epoch FROM shard_head WHERE shard_id >= 0 ORDER BY shard_id";
    list(connection, sql, [], parse_head)
}

fn parse_head(row: &Line<'_>) -> Result<ShardHead, StoreError> {
    let mut columns = Columns::new("shard_head", row);
    Ok(ShardHead {
        shard: columns.small()?,
        incarnation: columns.count()?,
        size: columns.count()?,
        root: columns.array()?,
        epoch: columns.count()?,
    })
}

/// At most `limit` batches of a shard, from the one that holds `index` on, in order.
pub(super) fn list_batches(
    connection: Guarded<'_>,
    shard: u32,
    index: u64,
    limit: u32,
) -> Result<Vec<StoredBatch>, StoreError> {
    let last = batch_id(shard, (1 << INDEX_BITS) - 1)?;
    // An index that no batch can have has none behind it either.
    let Ok(at) = batch_id(shard, index) else { return Ok(Vec::new()) };
    // The batch that holds `index` begins at it or is the last one to begin before; unless it ends before `index`.
    let sql = "SELECT b.id & 281474976710655, b.n, b.epoch, b.incarnation, b.root, b.body FROM audit_batch b \
               WHERE b.id >= coalesce((SELECT max(a.id) FROM audit_batch a WHERE a.id BETWEEN ?1 AND ?2), ?2) \
               AND b.id <= ?3 AND (b.id + b.n > ?2) ORDER BY b.id LIMIT ?4";
    list(connection, sql, params![batch_id(shard, 0)?, at, last, limit], |row| {
        let mut columns = Columns::new("audit_batch", row);
        Ok(StoredBatch {
            first_index: columns.count()?,
            count: columns.small()?,
            epoch: columns.count()?,
            incarnation: columns.count()?,
            root: columns.array()?,
            body: columns.bytes()?.to_vec(),
        })
    })
}

/// At most `limit` batches of a shard that begin at `index` or behind it, in order, without their entries.
pub(super) fn list_batch_outlines(
    connection: Guarded<'_>,
    shard: u32,
    index: u64,
    limit: u32,
) -> Result<Vec<BatchOutline>, StoreError> {
    let last = batch_id(shard, (1 << INDEX_BITS) - 1)?;
    let Ok(at) = batch_id(shard, index) else { return Ok(Vec::new()) };
    let sql = "SELECT id & 281474976710655, n, epoch, incarnation, length(body) FROM audit_batch \
               WHERE id >= ?1 AND id <= ?2 ORDER BY id LIMIT ?3";
    list(connection, sql, params![at, last, limit], |row| {
        let mut columns = Columns::new("audit_batch", row);
        Ok(BatchOutline {
            first_index: columns.count()?,
            count: columns.small()?,
            epoch: columns.count()?,
            incarnation: columns.count()?,
            bytes: columns.count()?,
        })
    })
}

/// Puts one batch in the place of several, if they are what they are said to be.
pub(super) fn pack(connection: Guarded<'_>, shard: u32, packed: Packed<'_>) -> Result<bool, StoreError> {
    let end = packed.first_index.saturating_add(packed.count.into());
    let (first, end) = (batch_id(shard, packed.first_index)?, batch_id(shard, end)?);
    let sql = "SELECT count(*), coalesce(sum(n), 0), coalesce(max(id), 0), coalesce(min(epoch), 0), coalesce(max(epoch), 0), \
               coalesce(min(incarnation), 0), coalesce(max(incarnation), 0) FROM audit_batch WHERE id >= ?1 AND id < ?2";
    let found = find(connection, sql, params![first, end], |row| {
        let mut columns = Columns::new("audit_batch", row);
        let (batches, entries, last) = (columns.small()?, columns.small()?, columns.count()?);
        let (epochs, incarnations) =
            ([columns.count()?, columns.count()?], [columns.count()?, columns.count()?]);
        Ok((batches, entries, last, epochs, incarnations))
    })?;
    let Some((batches, entries, last, [epoch, epochs], [incarnation, incarnations])) = found else {
        return Ok(false);
    };
    let root = find(
        connection,
        "SELECT n, root FROM audit_batch WHERE id = ?1",
        [integer("audit_batch", last)?],
        |row| {
            let mut columns = Columns::new("audit_batch", row);
            Ok((columns.count()?, columns.array::<32>()?))
        },
    )?;
    let Some((of_last, root)) = root else { return Ok(false) };
    let is_whole = u64::try_from(end).is_ok_and(|end| last + of_last == end);
    if (batches, entries) != (packed.batches, packed.count)
        || !is_whole
        || epoch != epochs
        || incarnation != incarnations
    {
        return Ok(false);
    }
    connection
        .prepare_cached("DELETE FROM audit_batch WHERE id >= ?1 AND id < ?2")
        .and_then(|mut delete| delete.execute(params![first, end]))
        .map_err(translate)?;
    let (epoch, incarnation) = (integer("audit_batch", epoch)?, integer("audit_batch", incarnation)?);
    connection
        .prepare_cached(
            "INSERT INTO audit_batch (id, n, epoch, incarnation, root, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .and_then(|mut insert| {
            insert.execute(params![first, packed.count, epoch, incarnation, root, packed.body])
        })
        .map_err(translate)?;
    Ok(true)
}

/// At most `limit` deltas behind an epoch, in order.
pub(super) fn list_deltas(
    connection: Guarded<'_>,
    after_epoch: u64,
    limit: u32,
) -> Result<Vec<FenceDelta>, StoreError> {
    let Ok(after) = i64::try_from(after_epoch) else { return Ok(Vec::new()) };
    let sql = "SELECT tag, epoch, subjects, shard_id, idx FROM fence_delta WHERE epoch > ?1 ORDER BY epoch LIMIT ?2";
    list(connection, sql, params![after, limit], |row| {
        connection.hold_plain(&FENCE_DELTA, row.row)?;
        let mut columns = Columns::new(FENCE_DELTA.table, row).behind(1);
        Ok(FenceDelta {
            epoch: columns.count()?,
            restrictions: decode(columns.bytes()?)
                .ok_or_else(|| columns.damaged("these are no restrictions"))?,
            shard: columns.small()?,
            index: columns.count()?,
        })
    })
}

/// The number under which a log's tiles are kept.
pub(super) fn number_of(log: LogId) -> i64 {
    match log {
        LogId::Root => -1,
        LogId::Shard(shard) => i64::from(shard),
    }
}

pub(super) fn find_tile(
    connection: Guarded<'_>,
    log: LogId,
    level: u8,
    index: u64,
) -> Result<Option<Vec<u8>>, StoreError> {
    let Ok(index) = integer("tile", index) else { return Ok(None) };
    let sql = "SELECT hashes FROM tile WHERE log = ?1 AND level = ?2 AND idx = ?3";
    find(connection, sql, params![number_of(log), level, index], |row| {
        Columns::new("tile", row).bytes().map(<[u8]>::to_vec)
    })
}

pub(super) fn root_head(connection: Guarded<'_>) -> Result<RootHead, StoreError> {
    let sql = "SELECT size, root, signed_size, signed_note FROM root_head WHERE id = 1";
    let head = find(connection, sql, [], |row| {
        let mut columns = Columns::new("root_head", row);
        Ok(RootHead {
            size: columns.count()?,
            root: columns.array()?,
            signed_size: columns.count()?,
            signed_note: columns.text()?.to_owned(),
        })
    })?;
    head.ok_or_else(|| damaged("root_head", "its row is missing"))
}

/// At most `limit` cuts from `index` on, in order.
pub(super) fn list_cuts(connection: Guarded<'_>, index: u64, limit: u32) -> Result<Vec<Vec<u8>>, StoreError> {
    let Ok(index) = i64::try_from(index) else { return Ok(Vec::new()) };
    let sql = "SELECT entry FROM root_leaf WHERE idx >= ?1 ORDER BY idx LIMIT ?2";
    list(connection, sql, params![index, limit], |row| {
        Columns::new("root_leaf", row).bytes().map(<[u8]>::to_vec)
    })
}

/// The epoch of the fence.
pub(super) fn epoch(connection: Guarded<'_>) -> Result<u64, StoreError> {
    let epoch = find(connection, "SELECT epoch FROM fence WHERE id = 1", [], |row| {
        Columns::new("fence", row).count()
    })?;
    epoch.ok_or_else(|| damaged("fence", "its row is missing"))
}

/// Restrictions in a column: one byte for the kind, 16 for the identifier, for a grant 16 more for its principal.
pub(super) fn encode(restrictions: &[Restriction]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(restrictions.len() * 17);
    let mut push = |kind: u8, id: &[u8; 16]| {
        bytes.push(kind);
        bytes.extend_from_slice(id);
    };
    for restriction in restrictions {
        match restriction {
            Restriction::Credential(id) => push(CREDENTIAL, id.as_bytes()),
            Restriction::Grant(id, principal) => {
                push(GRANT, id.as_bytes());
                push(PRINCIPAL, principal.as_bytes());
            }
            Restriction::Key(id) => push(KEY, id.as_bytes()),
            Restriction::Principal(id) => push(PRINCIPAL, id.as_bytes()),
            Restriction::Ring(id) => push(RING, id.as_bytes()),
        }
    }
    bytes
}

const CREDENTIAL: u8 = 1;
const GRANT: u8 = 2;
const KEY: u8 = 3;
const PRINCIPAL: u8 = 4;
const RING: u8 = 5;

fn decode(bytes: &[u8]) -> Option<Vec<Restriction>> {
    let (records, []) = bytes.as_chunks::<17>() else { return None };
    let mut records = records.iter().map(|[kind, id @ ..]| (*kind, *id));
    let mut restrictions = Vec::new();
    while let Some((kind, id)) = records.next() {
        restrictions.push(match kind {
            CREDENTIAL => Restriction::Credential(CredentialId::from_bytes(id)),
            GRANT => match records.next()? {
                (PRINCIPAL, to) => Restriction::Grant(GrantId::from_bytes(id), PrincipalId::from_bytes(to)),
                _ => return None,
            },
            KEY => Restriction::Key(KeyId::from_bytes(id)),
            PRINCIPAL => Restriction::Principal(PrincipalId::from_bytes(id)),
            RING => Restriction::Ring(KeyRingId::from_bytes(id)),
            _ => return None,
        });
    }
    (!restrictions.is_empty()).then_some(restrictions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restrictions_come_back_and_nothing_else_is_taken_for_them() {
        let restrictions = [
            Restriction::Credential(CredentialId::from_bytes([1; 16])),
            Restriction::Grant(GrantId::from_bytes([2; 16]), PrincipalId::from_bytes([3; 16])),
            Restriction::Principal(PrincipalId::from_bytes([4; 16])),
            Restriction::Key(KeyId::from_bytes([5; 16])),
            Restriction::Ring(KeyRingId::from_bytes([6; 16])),
        ];
        let bytes = encode(&restrictions);
        assert_eq!(decode(&bytes).unwrap(), restrictions);
        assert_eq!(decode(&[]), None);
        assert_eq!(decode(&bytes[1..]), None);
        assert_eq!(decode(&encode(&restrictions[1..2])[..17]), None);
        assert_eq!(decode(&[9; 17]), None);
    }

    #[test]
    fn places_of_batches_are_in_the_order_of_shard_and_index() {
        assert!(batch_id(0, (1 << 48) - 1).unwrap() < batch_id(1, 0).unwrap());
        assert!(batch_id(MAX_SHARD, (1 << 48) - 1).is_ok());
        assert!(batch_id(MAX_SHARD + 1, 0).is_err());
        assert!(batch_id(0, 1 << 48).is_err());
    }
}
