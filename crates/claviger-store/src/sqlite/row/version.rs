//! Table `key_version`. Spec and protection are the key's own and stand in the key's row only.

use std::collections::HashMap;

use claviger_core::key::{Imported, Key, KeyVersion, Provenance, Rotation, Transport, Wrap};
use claviger_core::object::Kind;
use claviger_core::port::StoreError;
use claviger_core::port::store::Applied;
use claviger_core::reason::Why;
use claviger_core::row::Row as _;
use claviger_core::{KeyId, KeyVersionId, Timestamp};
use rusqlite::params;
use rusqlite::types::ValueRef;

use super::super::columns::{Columns, find, integer, list, micros};
use super::super::error::refused;
use super::super::tag::{Guarded, Tagged};
use super::reason::why;
use super::{Seen, next_revision, seen, valid, write, write_tagged};

const TABLE: &str = "key_version";

/// What the tag of a row covers: all but the count of uses, which changes by itself.
macro_rules! covered {
    () => {
        "v.fact, v.key, v.number, v.state, v.wrap_format, v.wrap, v.public_key, v.origin, v.module, v.generator, v.health_ok, \
         v.fingerprint, v.rotated, v.material_digest, v.material_expires_at, v.material_removed_at, v.transport_algorithm, \
         v.transport_spec, v.transport_key, v.created_at, v.activated_at, \
         v.state_changed_at, v.reason, v.revision"
    };
}
/// What the tag of the count covers.
macro_rules! counted {
    () => {
        "v.key, v.number, v.protect_uses"
    };
}
macro_rules! columns {
    () => {
        concat!(
            "v.tag, ",
            $crate::sqlite::row::version::covered!(),
            ", v.uses_tag, ",
            $crate::sqlite::row::version::counted!()
        )
    };
}
pub(in crate::sqlite) use {columns, counted, covered};

pub(in crate::sqlite) const TAGGED: Tagged = Tagged {
    kind: Kind::Version,
    what: TABLE,
    columns: covered!(),
    id: 1,
    revision: Some(23),
    has_fact: true,
    later: 0,
    select: concat!("SELECT ", covered!(), " FROM key_version v WHERE v.key = ?1 AND v.number = ?2"),
    update: "UPDATE key_version SET tag = ?1, fact = ?2 WHERE key = ?3 AND number = ?4",
};

/// A tag of its own, so that counting a use reads and writes nothing else. An older count with its tag is good in its place: what
/// the log records of uses is what it is held against.
pub(in crate::sqlite) const COUNTED: Tagged = Tagged {
    kind: Kind::Version,
    what: "key_version.protect_uses",
    columns: counted!(),
    id: 0,
    revision: None,
    has_fact: false,
    later: 0,
    select: concat!("SELECT ", counted!(), " FROM key_version v WHERE v.key = ?1 AND v.number = ?2"),
    update: "UPDATE key_version SET uses_tag = ?1 WHERE key = ?2 AND number = ?3",
};

/// Reads the columns of a version of `key`; `None` where a join found none.
pub(in crate::sqlite) fn read(
    columns: &mut Columns<'_>,
    key: &Key,
) -> Result<Option<KeyVersion>, StoreError> {
    if columns.is_absent(&TAGGED)? {
        return Ok(None);
    }
    columns.held(&TAGGED)?;
    let id = KeyVersionId { key: KeyId::from_bytes(columns.array()?), number: columns.small()? };
    if id.key != key.id {
        return Err(columns.damaged("a version of another key"));
    }
    let (spec, protection) = (key.spec, key.protection);
    let state = columns.word()?;
    let format = columns.maybe(Columns::small::<u8>)?;
    let bytes = columns.maybe(|columns| columns.bytes().map(<[u8]>::to_vec))?;
    let mut version = KeyVersion {
        id,
        state,
        spec,
        protection,
        wrap: format.zip(bytes).map(|(format, bytes)| Wrap { format, bytes }),
        public_key: columns.maybe(|columns| columns.bytes().map(<[u8]>::to_vec))?,
        provenance: Provenance {
            origin: columns.word()?,
            module: columns.text()?.to_owned(),
            generator: columns.word()?,
            health_ok: columns.flag()?,
            fingerprint: columns.maybe(Columns::array)?,
        },
        rotated: columns.maybe(Columns::word)?,
        imported: {
            let digest = columns.maybe(Columns::array)?;
            let expires_at = columns.maybe(Columns::instant)?;
            let removed_at = columns.maybe(Columns::instant)?;
            let transport = transport(columns)?;
            if digest.is_none() && (expires_at.is_some() || removed_at.is_some() || transport.is_some()) {
                return Err(columns.damaged("what is said of imported material, without its digest"));
            }
            digest.map(|digest| Imported { digest, expires_at, removed_at, transport })
        },
        created_at: columns.instant()?,
        activated_at: columns.maybe(Columns::instant)?,
        state_changed_at: columns.instant()?,
        reason: why(columns)?,
        revision: columns.count()?,
        protect_uses: 0,
    };
    columns.held(&COUNTED)?;
    let _same = (columns.bytes()?, columns.count()?);
    version.protect_uses = columns.count()?;
    version.check().map_err(|reason| columns.damaged(reason))?;
    Ok(Some(version))
}

fn transport(columns: &mut Columns<'_>) -> Result<Option<Transport>, StoreError> {
    let algorithm = columns.maybe(Columns::word)?;
    let (spec, key) = (columns.maybe(Columns::word)?, columns.maybe(Columns::array)?);
    match (algorithm, spec, key) {
        (None, None, None) => Ok(None),
        (Some(algorithm), Some(spec), Some(key)) => Ok(Some(Transport { algorithm, spec, key })),
        _ => Err(columns.damaged("a transport of which a part is missing")),
    }
}

/// Writes a version of `key`, which must stand already. What it was made as is fixed; its uses are counted by
/// [`count_uses`] alone, so that a write computed from an older row loses none.
pub(in crate::sqlite) fn put(connection: Guarded<'_>, version: &KeyVersion) -> Result<Applied, StoreError> {
    valid(TABLE, version)?;
    let Some(key) = super::key::find_by_id(connection, version.id.key)? else { return Ok(Applied::Conflict) };
    if (version.spec, version.protection) != (key.spec, key.protection) {
        return Err(refused(TABLE, "spec and protection are not the key's"));
    }
    let stored = find_by_id(connection, &key, version.id.number)?;
    if let Seen::Moved = seen(TABLE, stored.as_ref(), version)? {
        return Ok(Applied::Conflict);
    }
    let is_new = stored.is_none();
    let (key, number, provenance) = (version.id.key.as_bytes(), version.id.number, &version.provenance);
    let transport = version.imported.as_ref().and_then(|imported| imported.transport);
    let applied = write_tagged(
        connection,
        &TAGGED,
        &[key, &number],
        "INSERT INTO key_version (key, number, state, wrap_format, wrap, public_key, origin, module, generator, \
         health_ok, rotated, created_at, activated_at, state_changed_at, protect_uses, revision, material_digest, \
         material_expires_at, material_removed_at, reason, fingerprint, transport_algorithm, transport_spec, transport_key) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, \
         ?24) \
         ON CONFLICT (key, number) DO UPDATE SET state = excluded.state, wrap_format = excluded.wrap_format, \
         wrap = excluded.wrap, public_key = excluded.public_key, module = excluded.module, \
         generator = excluded.generator, health_ok = excluded.health_ok, rotated = excluded.rotated, \
         material_digest = excluded.material_digest, material_expires_at = excluded.material_expires_at, \
         material_removed_at = excluded.material_removed_at, activated_at = excluded.activated_at, \
         state_changed_at = excluded.state_changed_at, reason = excluded.reason, revision = excluded.revision, \
         fingerprint = excluded.fingerprint, transport_algorithm = excluded.transport_algorithm, \
         transport_spec = excluded.transport_spec, transport_key = excluded.transport_key",
        params![
            key,
            number,
            version.state.name(),
            version.wrap.as_ref().map(|wrap| wrap.format),
            version.wrap.as_ref().map(|wrap| &wrap.bytes),
            version.public_key,
            provenance.origin.name(),
            provenance.module,
            provenance.generator.name(),
            provenance.health_ok,
            version.rotated.map(Rotation::name),
            micros(TABLE, version.created_at)?,
            version.activated_at.map(|at| micros(TABLE, at)).transpose()?,
            micros(TABLE, version.state_changed_at)?,
            integer(TABLE, version.protect_uses)?,
            next_revision(TABLE, version.revision)?,
            digest(version),
            instant(version, |imported| imported.expires_at)?,
            instant(version, |imported| imported.removed_at)?,
            version.reason.map(Why::to_bytes),
            provenance.fingerprint,
            transport.map(|transport| transport.algorithm.name()),
            transport.map(|transport| transport.spec.name()),
            transport.map(|transport| transport.key),
        ],
    )?;
    if is_new && applied == Applied::Yes {
        connection.stamp(&COUNTED, &[key, &number])?;
    }
    Ok(applied)
}

fn digest(version: &KeyVersion) -> Option<[u8; 32]> {
    version.imported.as_ref().map(|imported| imported.digest)
}

/// Counts of uses as the one writer left them, so that it need not read them again.
pub(in crate::sqlite) type Counts = HashMap<KeyVersionId, u64>;

/// Most counts that are kept in memory.
const MOST_COUNTS: usize = 16_384;

/// Adds to the count of uses. The revision stays: counting commutes with every other write. A count that reached the
/// largest number stays there. `counts` is to be emptied when what was written is taken back.
pub(in crate::sqlite) fn count_uses(
    connection: Guarded<'_>,
    version: KeyVersionId,
    uses: u64,
    counts: &mut Counts,
) -> Result<Applied, StoreError> {
    let (key, number) = (version.key.as_bytes(), version.number);
    let known = match counts.get(&version) {
        Some(known) => Some(*known),
        None => find_count(connection, version)?,
    };
    let Some(known) = known else { return Ok(Applied::Conflict) };
    let count = known.saturating_add(uses).min(i64::MAX.unsigned_abs());
    let kept = integer(TABLE, count)?;
    let columns = [ValueRef::Blob(key), ValueRef::Integer(number.into()), ValueRef::Integer(kept)];
    let tag = connection.tag_of(COUNTED.what, &columns)?;
    let applied = write(
        connection,
        "UPDATE key_version SET protect_uses = ?3, uses_tag = ?4 WHERE key = ?1 AND number = ?2",
        params![key, number, kept, tag],
    )?;
    if counts.len() >= MOST_COUNTS {
        counts.clear();
    }
    counts.insert(version, count);
    Ok(applied)
}

fn find_count(connection: Guarded<'_>, version: KeyVersionId) -> Result<Option<u64>, StoreError> {
    let sql =
        concat!("SELECT v.uses_tag, ", counted!(), " FROM key_version v WHERE v.key = ?1 AND v.number = ?2");
    find(connection, sql, params![version.key.as_bytes(), version.number], |row| {
        let mut columns = Columns::new(TABLE, row);
        columns.held(&COUNTED)?;
        let _same = (columns.bytes()?, columns.count()?);
        columns.count()
    })
}

/// A version of a key that is there.
pub(in crate::sqlite) fn find_one(
    connection: Guarded<'_>,
    id: KeyVersionId,
) -> Result<Option<KeyVersion>, StoreError> {
    match super::key::find_by_id(connection, id.key)? {
        Some(key) => find_by_id(connection, &key, id.number),
        None => Ok(None),
    }
}

/// At most `limit` versions of a key behind `after`, in the order of their numbers.
pub(in crate::sqlite) fn list_after(
    connection: Guarded<'_>,
    key: KeyId,
    after: u32,
    limit: u32,
) -> Result<Vec<KeyVersion>, StoreError> {
    let Some(key) = super::key::find_by_id(connection, key)? else { return Ok(Vec::new()) };
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM key_version v WHERE v.key = ?1 AND v.number > ?2 ORDER BY v.number LIMIT ?3"
    );
    let found = list(connection, sql, params![key.id.as_bytes(), after, limit], |row| {
        read(&mut Columns::new(TABLE, row), &key)
    })?;
    Ok(found.into_iter().flatten().collect())
}

/// A version of that key.
pub(in crate::sqlite) fn find_by_id(
    connection: Guarded<'_>,
    key: &Key,
    number: u32,
) -> Result<Option<KeyVersion>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM key_version v WHERE v.key = ?1 AND v.number = ?2");
    let version = find(connection, sql, params![key.id.as_bytes(), number], |row| {
        read(&mut Columns::new(TABLE, row), key)
    })?;
    Ok(version.flatten())
}

fn instant(
    version: &KeyVersion,
    of: impl FnOnce(&Imported) -> Option<Timestamp>,
) -> Result<Option<i64>, StoreError> {
    version.imported.as_ref().and_then(of).map(|at| micros(TABLE, at)).transpose()
}

/// At most `limit` versions whose material expired by `now` and is still here, the longest expired first.
pub(in crate::sqlite) fn list_expired(
    connection: Guarded<'_>,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<KeyVersionId>, StoreError> {
    let sql = "SELECT key, number FROM key_version WHERE material_expires_at <= ?1 AND wrap IS NOT NULL \
               ORDER BY material_expires_at LIMIT ?2";
    list(connection, sql, params![micros(TABLE, now)?, limit], |row| {
        let mut columns = Columns::new(TABLE, row);
        Ok(KeyVersionId { key: KeyId::from_bytes(columns.array()?), number: columns.small()? })
    })
}

/// Versions in the order of key and number, behind `after`.
pub(in crate::sqlite) fn list_from(
    connection: Guarded<'_>,
    after: Option<KeyVersionId>,
    limit: u32,
) -> Result<Vec<KeyVersion>, StoreError> {
    let (key, number) =
        after.as_ref().map_or((&[][..], 0), |after| (&after.key.as_bytes()[..], after.number));
    let sql = concat!(
        "SELECT ",
        super::key::columns!(),
        ", ",
        columns!(),
        " FROM key_version v JOIN key k ON k.id = v.key \
         WHERE (v.key, v.number) > (?1, ?2) ORDER BY v.key, v.number LIMIT ?3"
    );
    list(connection, sql, params![key, number, limit], |row| {
        let mut columns = Columns::new(TABLE, row);
        let (_, key) = super::key::read(&mut columns)?;
        read(&mut columns, &key)?.ok_or_else(|| columns.damaged("a version without a number"))
    })
}
