//! Table `ring`.

use claviger_core::key::{DataClass, KeyRing, RequiredContext, RingPolicy, RootWrap};
use claviger_core::object::{Kind, Object};
use claviger_core::port::StoreError;
use claviger_core::port::store::Applied;
use claviger_core::reason::Why;
use claviger_core::{KeyRingId, Name};
use rusqlite::params;

use super::super::columns::{Columns, find, integer, join, list, micros, span};
use super::super::tag::{Guarded, Line, Tagged};
use super::reason::why;
use super::{Seen, next_revision, seen, write_tagged};

const TABLE: &str = "ring";

/// What the tag of a row covers.
macro_rules! covered {
    () => {
        "r.fact, r.id, r.name, r.protection, r.rotation_period, r.protect_period, r.process_period, \
         r.destroy_waiting_period, r.quorum, r.separation, r.rotates, r.context_required, r.data_class, r.plaintext_data_keys, r.environment, r.assets, \
         r.grants_under_quorum, r.kek, r.kek_root_key, r.kek_root_version, \
         r.kek_wrap_algorithm, r.kek_wrap_strength, r.created_at, r.reason, r.revision"
    };
}
macro_rules! columns {
    () => {
        concat!("r.tag, ", $crate::sqlite::row::ring::covered!())
    };
}
pub(in crate::sqlite) use {columns, covered};

pub(in crate::sqlite) const TAGGED: Tagged = Tagged {
    kind: Kind::Ring,
    what: TABLE,
    columns: covered!(),
    id: 1,
    revision: Some(24),
    has_fact: true,
    later: 0,
    select: concat!("SELECT ", covered!(), " FROM ring r WHERE r.id = ?1"),
    update: "UPDATE ring SET tag = ?1, fact = ?2 WHERE id = ?3",
};

pub(in crate::sqlite) fn find_by_id(
    connection: Guarded<'_>,
    id: KeyRingId,
) -> Result<Option<KeyRing>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM ring r WHERE r.id = ?1");
    find(connection, sql, [id.as_bytes()], parse)
}

pub(in crate::sqlite) fn find_by_name(
    connection: Guarded<'_>,
    name: &Name,
) -> Result<Option<KeyRing>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM ring r WHERE r.name = ?1");
    let found = find(connection, sql, [name.as_str()], parse)?;
    connection.only(found, |ring| ring.name == *name, |ring| Object::Ring(ring.id))
}

/// At most `limit` rings behind `after`, in the order of their names.
pub(in crate::sqlite) fn list_after(
    connection: Guarded<'_>,
    after: Option<&Name>,
    limit: u32,
) -> Result<Vec<KeyRing>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM ring r WHERE r.name > ?1 ORDER BY r.name LIMIT ?2");
    list(connection, sql, params![after.map_or("", Name::as_str), limit], parse)
}

/// Rows in the order of their identifiers, behind `after`.
pub(in crate::sqlite) fn list_from(
    connection: Guarded<'_>,
    after: &[u8],
    limit: u32,
) -> Result<Vec<KeyRing>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM ring r WHERE r.id > ?1 ORDER BY r.id LIMIT ?2");
    list(connection, sql, params![after, limit], parse)
}

fn parse(row: &Line<'_>) -> Result<KeyRing, StoreError> {
    read(&mut Columns::new(TABLE, row))
}

/// Reads the columns of a ring, wherever they stand in a row.
pub(in crate::sqlite) fn read(columns: &mut Columns<'_>) -> Result<KeyRing, StoreError> {
    columns.held(&TAGGED)?;
    Ok(KeyRing {
        id: KeyRingId::from_bytes(columns.array()?),
        name: columns.word()?,
        policy: RingPolicy {
            protection: columns.word()?,
            rotation_period: columns.maybe(Columns::span)?,
            protect_period: columns.maybe(Columns::span)?,
            process_period: columns.maybe(Columns::span)?,
            destroy_waiting_period: columns.span()?,
            quorum: columns.small()?,
            separation: columns.word()?,
            rotates: columns.word()?,
            context_required: required_context(columns)?,
            data_class: columns.maybe(Columns::word)?,
            plaintext_data_keys: columns.word()?,
            environment: columns.maybe(Columns::word)?,
            assets: columns.word()?,
            grants_under_quorum: columns.flag()?,
        },
        kek: columns.bytes()?.to_vec(),
        kek_wrap: kek_wrap(columns)?,
        created_at: columns.instant()?,
        reason: why(columns)?,
        revision: columns.count()?,
    })
}

/// Reads what wraps the KEK of a ring: all of it, or nothing.
fn kek_wrap(columns: &mut Columns<'_>) -> Result<Option<RootWrap>, StoreError> {
    let key = columns.maybe(|columns| columns.text().map(str::to_owned))?;
    let version = columns.maybe(Columns::small)?;
    let algorithm = columns.maybe(|columns| columns.text().map(str::to_owned))?;
    let strength = columns.maybe(Columns::small)?;
    match (key, version, algorithm, strength) {
        (None, None, None, None) => Ok(None),
        (Some(key), Some(version), Some(algorithm), Some(strength_bits)) => {
            Ok(Some(RootWrap { key, version, algorithm, strength_bits }))
        }
        _ => Err(columns.damaged("what wraps the KEK is not all there")),
    }
}

/// Reads the required fields of encryption contexts.
pub(in crate::sqlite) fn required_context(columns: &mut Columns<'_>) -> Result<RequiredContext, StoreError> {
    let required = RequiredContext::new(columns.words()?);
    required.map_err(|reason| columns.damaged(reason))
}

/// Writes a ring. Its name and the instant of its making are fixed.
pub(in crate::sqlite) fn put(connection: Guarded<'_>, ring: &KeyRing) -> Result<Applied, StoreError> {
    let stored = find_by_id(connection, ring.id)?;
    if let Seen::Moved = seen(TABLE, stored.as_ref(), ring)? {
        return Ok(Applied::Conflict);
    }
    let (policy, wrap) = (&ring.policy, ring.kek_wrap.as_ref());
    let optional = |period: Option<_>| period.map(|period| span(TABLE, period)).transpose();
    write_tagged(
        connection,
        &TAGGED,
        &[ring.id.as_bytes()],
        "INSERT INTO ring (id, name, protection, rotation_period, protect_period, process_period, \
         destroy_waiting_period, quorum, separation, kek, created_at, reason, rotates, context_required, data_class, plaintext_data_keys, \
         environment, assets, grants_under_quorum, kek_root_key, kek_root_version, kek_wrap_algorithm, kek_wrap_strength, revision) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24) \
         ON CONFLICT (id) DO UPDATE SET protection = excluded.protection, \
         rotation_period = excluded.rotation_period, protect_period = excluded.protect_period, \
         process_period = excluded.process_period, destroy_waiting_period = excluded.destroy_waiting_period, \
         quorum = excluded.quorum, separation = excluded.separation, kek = excluded.kek, reason = excluded.reason, \
         rotates = excluded.rotates, context_required = excluded.context_required, data_class = excluded.data_class, \
         plaintext_data_keys = excluded.plaintext_data_keys, environment = excluded.environment, assets = excluded.assets, \
         grants_under_quorum = excluded.grants_under_quorum, \
         kek_root_key = excluded.kek_root_key, kek_root_version = excluded.kek_root_version, \
         kek_wrap_algorithm = excluded.kek_wrap_algorithm, kek_wrap_strength = excluded.kek_wrap_strength, \
         revision = excluded.revision",
        params![
            ring.id.as_bytes(),
            ring.name.as_str(),
            policy.protection.name(),
            optional(policy.rotation_period)?,
            optional(policy.protect_period)?,
            optional(policy.process_period)?,
            span(TABLE, policy.destroy_waiting_period)?,
            integer(TABLE, policy.quorum.into())?,
            policy.separation.name(),
            ring.kek,
            micros(TABLE, ring.created_at)?,
            ring.reason.map(Why::to_bytes),
            policy.rotates.name(),
            join(policy.context_required.fields()),
            policy.data_class.map(DataClass::name),
            policy.plaintext_data_keys.name(),
            policy.environment.as_ref().map(Name::as_str),
            policy.assets.name(),
            policy.grants_under_quorum,
            wrap.map(|wrap| &wrap.key),
            wrap.map(|wrap| wrap.version),
            wrap.map(|wrap| &wrap.algorithm),
            wrap.map(|wrap| wrap.strength_bits),
            next_revision(TABLE, ring.revision)?,
        ],
    )
}
