//! Table `key`, and the record that a decision reads: key, ring and versions in one statement, hence one snapshot.

use std::sync::Arc;

use claviger_core::change::RingLife;
use claviger_core::key::{Destruction, Key, KeyRecord, Labels, State};
use claviger_core::object::{Kind, Object};
use claviger_core::port::StoreError;
use claviger_core::port::store::{Applied, KeyFilter, ScheduledDestruction};
use claviger_core::reason::Why;
use claviger_core::row::Row as _;
use claviger_core::{ApprovalId, KeyId, KeyName, KeyRingId, KeyVersionId, Name, PrincipalId, Timestamp};
use rusqlite::params;

use super::super::columns::{Columns, find, integer, join, list, micros, span};
use super::super::error::{damaged, refused};
use super::super::pairs;
use super::super::tag::{Guarded, Line, Tagged};
use super::reason::why;
use super::{Seen, next_revision, ring, seen, valid, version, write_tagged};

const TABLE: &str = "key";

/// What the tag of a row covers.
macro_rules! covered {
    () => {
        "k.fact, k.ring_name, k.id, k.ring, k.name, k.purpose, k.spec, k.protection, k.data_class, k.description, k.owner, \
         k.labels, k.rotation_period, k.state, k.primary_version, k.rotates_from, k.destroy_at, k.destroy_scheduled_at, \
         k.destroy_approval, k.created_at, k.reason, k.policy, k.context_required, k.environment, k.revision"
    };
}
macro_rules! columns {
    () => {
        concat!("k.tag, ", $crate::sqlite::row::key::covered!())
    };
}
pub(in crate::sqlite) use {columns, covered};

pub(in crate::sqlite) const TAGGED: Tagged = Tagged {
    kind: Kind::Key,
    what: TABLE,
    columns: covered!(),
    id: 2,
    revision: Some(24),
    has_fact: true,
    later: 0,
    select: concat!("SELECT ", covered!(), " FROM key k WHERE k.id = ?1"),
    update: "UPDATE key SET tag = ?1, fact = ?2 WHERE id = ?3",
};

pub(in crate::sqlite) fn find_by_id(connection: Guarded<'_>, id: KeyId) -> Result<Option<Key>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM key k WHERE k.id = ?1");
    let found = find(connection, sql, [id.as_bytes()], parse)?.map(|(_, key)| key);
    connection.only(found, |key| key.id == id, |key| Object::Key(key.id))
}

/// The key that bears a name.
pub(in crate::sqlite) fn find_id(
    connection: Guarded<'_>,
    name: &KeyName,
) -> Result<Option<KeyId>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM key k WHERE k.ring_name = ?1 AND k.name = ?2");
    let found = find(connection, sql, [name.ring.as_str(), name.key.as_str()], parse)?;
    let found = connection.only(found, |(found, _)| found == name, |(_, key)| Object::Key(key.id))?;
    Ok(found.map(|(_, key)| key.id))
}

/// A key with its ring and the versions at hand.
pub(in crate::sqlite) fn find_record(
    connection: Guarded<'_>,
    id: KeyId,
) -> Result<Option<KeyRecord>, StoreError> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        ", ",
        ring::columns!(),
        ", ",
        version::columns!(),
        " FROM key k JOIN ring r ON r.id = k.ring LEFT JOIN key_version v ON v.key = k.id",
        " AND v.number > (SELECT max(w.number) FROM key_version w WHERE w.key = ?1) - ?2",
        " WHERE k.id = ?1 ORDER BY v.number"
    );
    let mut record = None;
    list(connection, sql, params![id.as_bytes(), KeyRecord::AT_HAND], |row| {
        let mut columns = Columns::new(TABLE, row);
        // Key and ring are the same in every row: they are read from the first one.
        let KeyRecord { key, versions, .. } = match &mut record {
            Some(record) => {
                columns = columns.behind(TAGGED.width() + ring::TAGGED.width() + 2);
                record
            }
            None => {
                let (name, key) = read(&mut columns)?;
                columns = columns.of("ring");
                let ring = ring::read(&mut columns)?;
                if ring.name != name.ring {
                    return Err(damaged(TABLE, "the name of the ring is not that of its ring"));
                }
                record.insert(KeyRecord { ring: Arc::new(ring), key, versions: Vec::new() })
            }
        };
        versions.extend(version::read(&mut columns.of("key_version"), key)?);
        Ok(())
    })?;
    let record =
        connection.only(record, |record| record.key.id == id, |record| Object::Key(record.key.id))?;
    let Some(mut record) = record else { return Ok(None) };
    if record.find_version(record.key.primary).is_none() {
        // It is older than those.
        let primary = version::find_by_id(connection, &record.key, record.key.primary)?;
        let primary = primary.ok_or_else(|| damaged(TABLE, "its primary version does not exist"))?;
        record.versions.insert(0, primary);
    }
    Ok(Some(record))
}

/// At most `limit` keys behind `after`, in the order of (ring name, key name).
pub(in crate::sqlite) fn list_after(
    connection: Guarded<'_>,
    filter: &KeyFilter,
    after: Option<&KeyName>,
    limit: u32,
) -> Result<Vec<(KeyName, Key)>, StoreError> {
    let (ring, key) = after.map_or(("", ""), |after| (after.ring.as_str(), after.key.as_str()));
    let Some(of_ring) = filter.ring else {
        return match filter.state {
            None => {
                let sql = concat!(
                    "SELECT ",
                    columns!(),
                    " FROM key k WHERE (k.ring_name, k.name) > (?1, ?2) ORDER BY k.ring_name, k.name LIMIT ?3"
                );
                list(connection, sql, params![ring, key, limit], parse)
            }
            Some(state) => {
                let sql = concat!(
                    "SELECT ",
                    columns!(),
                    " FROM key k WHERE k.state = ?4 AND (k.ring_name, k.name) > (?1, ?2) \
                     ORDER BY k.ring_name, k.name LIMIT ?3"
                );
                list(connection, sql, params![ring, key, limit, state.name()], parse)
            }
        };
    };
    let Some(name) = find_ring_name(connection, of_ring)? else { return Ok(Vec::new()) };
    let key = match ring.cmp(&name) {
        std::cmp::Ordering::Less => "",
        std::cmp::Ordering::Equal => key,
        std::cmp::Ordering::Greater => return Ok(Vec::new()),
    };
    match filter.state {
        None => {
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM key k WHERE k.ring_name = ?1 AND k.name > ?2 ORDER BY k.name LIMIT ?3"
            );
            list(connection, sql, params![name, key, limit], parse)
        }
        Some(state) => {
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM key k WHERE k.state = ?4 AND k.ring_name = ?1 AND k.name > ?2 ORDER BY k.name LIMIT ?3"
            );
            list(connection, sql, params![name, key, limit, state.name()], parse)
        }
    }
}

/// At most `limit` keys that a principal owns and that are not destroyed, in the order of (ring name, key name).
pub(in crate::sqlite) fn list_owned(
    connection: Guarded<'_>,
    owner: PrincipalId,
    limit: u32,
) -> Result<Vec<(KeyName, Key)>, StoreError> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM key k INDEXED BY key_by_owner WHERE k.owner = ?1 \
         AND k.state <> 'destroyed' AND k.state <> 'destroyed_compromised' ORDER BY k.ring_name, k.name LIMIT ?2"
    );
    list(connection, sql, params![owner.as_bytes(), limit], parse)
}

/// Material of such a key is imported: no policy rotates it.
macro_rules! is_made_here {
    () => {
        "NOT EXISTS (SELECT 1 FROM key_version v WHERE v.key = k.id AND v.number = 1 AND v.origin = 'imported')"
    };
}

/// The specs without a public half.
macro_rules! symmetric_specs {
    () => {
        "'aes-128-gcm', 'aes-256-gcm', 'aes-256-kwp', 'hmac-sha224', 'hmac-sha256', 'hmac-sha384', 'hmac-sha512'"
    };
}

/// Active keys whose rotation is due, by the very indexes that hold no others: first those that rotate by their own rule, then those that rotate by their ring's.
pub(in crate::sqlite) fn list_rotation_due(
    connection: Guarded<'_>,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<KeyId>, StoreError> {
    let now = micros(TABLE, now)?;
    let own = concat!(
        "SELECT k.id FROM key k INDEXED BY key_by_rotation WHERE k.state = 'active' AND k.rotation_period IS NOT NULL ",
        "AND k.rotates_from + k.rotation_period <= ?1 AND ",
        is_made_here!(),
        " ORDER BY k.rotates_from + k.rotation_period LIMIT ?2"
    );
    let mut due = list(connection, own, params![now, limit], id)?;
    let room = limit.saturating_sub(u32::try_from(due.len()).unwrap_or(u32::MAX));
    let rings = concat!(
        "SELECT k.id FROM ring r INDEXED BY ring_by_rotation CROSS JOIN key k INDEXED BY key_by_ring_rotation ",
        "ON k.ring = r.id WHERE r.rotation_period > 0 ",
        "AND k.state = 'active' AND k.rotation_period IS NULL ",
        "AND k.rotates_from <= ?1 - r.rotation_period AND (r.rotates = 'all' OR k.spec IN (",
        symmetric_specs!(),
        ")) AND ",
        is_made_here!(),
        " LIMIT ?2"
    );
    due.extend(list(connection, rings, params![now, room], id)?);
    Ok(due)
}

/// Keys whose destruction is scheduled, in the order of (its instant, key id).
pub(in crate::sqlite) fn list_scheduled(
    connection: Guarded<'_>,
    after: Option<(Timestamp, KeyId)>,
    limit: u32,
) -> Result<Vec<ScheduledDestruction>, StoreError> {
    let sql = "SELECT k.id, k.ring, k.destroy_at, k.destroy_scheduled_at, k.destroy_approval \
               FROM key k INDEXED BY key_by_destruction \
               WHERE k.destroy_at IS NOT NULL AND (k.destroy_at, k.id) > (?1, ?2) ORDER BY k.destroy_at, k.id LIMIT ?3";
    let (at, id) = match after {
        None => (-1, [0; 16]),
        Some((at, id)) => (micros(TABLE, at)?, *id.as_bytes()),
    };
    list(connection, sql, params![at, id, limit], |row| {
        let mut columns = Columns::new(TABLE, row);
        Ok(ScheduledDestruction {
            key: KeyId::from_bytes(columns.array()?),
            ring: KeyRingId::from_bytes(columns.array()?),
            destruction: destruction(&mut columns)?.ok_or_else(|| columns.damaged("it is not scheduled"))?,
        })
    })
}

/// What lives in a ring.
pub(in crate::sqlite) fn find_life(connection: Guarded<'_>, ring: KeyRingId) -> Result<RingLife, StoreError> {
    let Some(name) = find_ring_name(connection, ring)? else { return Ok(RingLife::default()) };
    let mut life = RingLife::default();
    let keys =
        "SELECT k.id FROM key k INDEXED BY key_by_state WHERE k.state = ?1 AND k.ring_name = ?2 LIMIT 1";
    for state in State::ALL.into_iter().filter(|state| !state.is_destroyed()) {
        life.keys |= find(connection, keys, params![state.name(), name], id)?.is_some();
    }
    let scheduled = "SELECT k.id FROM key k INDEXED BY key_by_destruction WHERE k.destroy_at IS NOT NULL AND k.ring = ?1 \
                     LIMIT 1";
    life.scheduled_destructions = find(connection, scheduled, [ring.as_bytes()], id)?.is_some();
    Ok(life)
}

/// Does the ring have none of what it must not have? Read in the transaction that rests on it.
pub(in crate::sqlite) fn expect_none(
    connection: Guarded<'_>,
    ring: KeyRingId,
    unwanted: RingLife,
) -> Result<Applied, StoreError> {
    let found = find_life(connection, ring)?;
    let clash =
        (found.keys && unwanted.keys) || (found.scheduled_destructions && unwanted.scheduled_destructions);
    Ok(if clash { Applied::Conflict } else { Applied::Yes })
}

fn id(row: &Line<'_>) -> Result<KeyId, StoreError> {
    Columns::new(TABLE, row).array().map(KeyId::from_bytes)
}

fn find_ring_name(connection: Guarded<'_>, ring: KeyRingId) -> Result<Option<String>, StoreError> {
    find(connection, "SELECT r.name FROM ring r WHERE r.id = ?1", [ring.as_bytes()], |row| {
        Columns::new("ring", row).text().map(str::to_owned)
    })
}

/// Rows in the order of their identifiers, behind `after`.
pub(in crate::sqlite) fn list_from(
    connection: Guarded<'_>,
    after: &[u8],
    limit: u32,
) -> Result<Vec<Key>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM key k WHERE k.id > ?1 ORDER BY k.id LIMIT ?2");
    list(connection, sql, params![after, limit], |row| parse(row).map(|(_, key)| key))
}

fn parse(row: &Line<'_>) -> Result<(KeyName, Key), StoreError> {
    read(&mut Columns::new(TABLE, row))
}

pub(in crate::sqlite) fn read(columns: &mut Columns<'_>) -> Result<(KeyName, Key), StoreError> {
    columns.held(&TAGGED)?;
    let ring_name = columns.word()?;
    let key = Key {
        id: KeyId::from_bytes(columns.array()?),
        ring: KeyRingId::from_bytes(columns.array()?),
        name: columns.word()?,
        purpose: columns.word()?,
        spec: columns.word()?,
        protection: columns.word()?,
        data_class: columns.word()?,
        description: columns.text()?.to_owned(),
        owner: PrincipalId::from_bytes(columns.array()?),
        labels: match columns.maybe(Columns::bytes)? {
            None => Labels::default(),
            Some(bytes) => pairs::decode(bytes)
                .and_then(|pairs| Labels::new(pairs).ok())
                .ok_or_else(|| columns.damaged("these are no labels"))?,
        },
        rotation_period: columns.maybe(Columns::span)?,
        state: columns.word()?,
        primary: columns.small()?,
        rotates_from: columns.instant()?,
        destruction: destruction(columns)?,
        created_at: columns.instant()?,
        reason: why(columns)?,
        policy: columns.maybe(Columns::array)?,
        context_required: ring::required_context(columns)?,
        environment: columns.maybe(Columns::word)?,
        revision: columns.count()?,
    };
    key.check().map_err(|reason| columns.damaged(reason))?;
    Ok((KeyName { ring: ring_name, key: key.name.clone() }, key))
}

fn destruction(columns: &mut Columns<'_>) -> Result<Option<Destruction>, StoreError> {
    let (at, scheduled_at) = (columns.maybe(Columns::instant)?, columns.maybe(Columns::instant)?);
    let approval = columns.maybe(Columns::array)?.map(ApprovalId::from_bytes);
    match (at, scheduled_at, approval) {
        (None, None, None) => Ok(None),
        (Some(at), Some(scheduled_at), approval) => Ok(Some(Destruction { scheduled_at, at, approval })),
        (None, _, _) | (Some(_), None, _) => {
            Err(columns.damaged("a destruction has two instants or none, and its approval none without them"))
        }
    }
}

/// Writes a key. Its name, ring, purpose, spec and protection are fixed. That its primary version exists is checked by
/// [`check_primary`] once the whole set is in.
pub(in crate::sqlite) fn put(connection: Guarded<'_>, key: &Key) -> Result<Applied, StoreError> {
    valid(TABLE, key)?;
    let stored = find_by_id(connection, key.id)?;
    if let Seen::Moved = seen(TABLE, stored.as_ref(), key)? {
        return Ok(Applied::Conflict);
    }
    let Some(ring) = ring::find_by_id(connection, key.ring)? else { return Ok(Applied::Conflict) };
    let labels = key.labels.pairs();
    write_tagged(
        connection,
        &TAGGED,
        &[key.id.as_bytes()],
        "INSERT INTO key (id, ring, ring_name, name, purpose, spec, protection, data_class, description, owner, labels, \
         rotation_period, state, primary_version, rotates_from, destroy_at, destroy_scheduled_at, destroy_approval, created_at, reason, \
         policy, context_required, environment, revision) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24) \
         ON CONFLICT (id) DO UPDATE SET data_class = excluded.data_class, description = excluded.description, \
         owner = excluded.owner, labels = excluded.labels, rotation_period = excluded.rotation_period, state = excluded.state, \
         primary_version = excluded.primary_version, rotates_from = excluded.rotates_from, \
         destroy_at = excluded.destroy_at, destroy_scheduled_at = excluded.destroy_scheduled_at, \
         destroy_approval = excluded.destroy_approval, reason = excluded.reason, \
         policy = excluded.policy, context_required = excluded.context_required, environment = excluded.environment, revision = excluded.revision",
        params![
            key.id.as_bytes(),
            key.ring.as_bytes(),
            ring.name.as_str(),
            key.name.as_str(),
            key.purpose.name(),
            key.spec.name(),
            key.protection.name(),
            key.data_class.name(),
            key.description,
            key.owner.as_bytes(),
            (!labels.is_empty()).then(|| pairs::encode(labels)),
            key.rotation_period.map(|period| span(TABLE, period)).transpose()?,
            key.state.name(),
            integer(TABLE, key.primary.into())?,
            micros(TABLE, key.rotates_from)?,
            key.destruction.map(|destruction| micros(TABLE, destruction.at)).transpose()?,
            key.destruction.map(|destruction| micros(TABLE, destruction.scheduled_at)).transpose()?,
            key.destruction.as_ref().and_then(|one| one.approval.as_ref()).map(ApprovalId::as_bytes),
            micros(TABLE, key.created_at)?,
            key.reason.map(Why::to_bytes),
            key.policy,
            join(key.context_required.fields()),
            key.environment.as_ref().map(Name::as_str),
            next_revision(TABLE, key.revision)?,
        ],
    )
}

/// Refuses a set of changes that leaves a key without its primary version.
pub(in crate::sqlite) fn check_primary(connection: Guarded<'_>, id: KeyId) -> Result<(), StoreError> {
    let sql = "SELECT v.number FROM key k JOIN key_version v ON v.key = k.id AND v.number = k.primary_version \
               WHERE k.id = ?1";
    let primary = find(connection, sql, [id.as_bytes()], |row| {
        Columns::new(TABLE, row).small().map(|number| KeyVersionId { key: id, number })
    })?;
    primary.map(drop).ok_or_else(|| refused(TABLE, "its primary version does not exist"))
}

#[cfg(test)]
mod tests {
    use claviger_core::Spec;

    #[test]
    fn the_specs_without_a_public_half_are_those() {
        for spec in Spec::ALL {
            let is_named = symmetric_specs!().split(", ").any(|name| name == format!("'{}'", spec.name()));
            assert_eq!(is_named, !spec.is_asymmetric(), "{spec}");
        }
    }
}
