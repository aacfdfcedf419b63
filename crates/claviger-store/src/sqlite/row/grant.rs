//! Table `grants`.

use std::collections::{BTreeMap, BTreeSet};

use claviger_core::grant::{Basis, Conditions, Ending, Grant, Selector, Spelling};
use claviger_core::key::Separation;
use claviger_core::lineage::{Bearing, Lineage, MAX_DEPTH, Wanted};
use claviger_core::object::Kind;
use claviger_core::port::StoreError;
use claviger_core::port::store::{Applied, GrantFilter, MixedUse};
use claviger_core::principal::Status;
use claviger_core::reason::Why;
use claviger_core::row::Row as _;
use claviger_core::{GrantId, KeyId, KeyRingId, PrincipalId, Timestamp};
use minicbor::{Decoder, Encoder};
use rusqlite::params;

use super::super::columns::{Columns, find, join, list, micros};
use super::super::error::damaged;
use super::super::pairs;
use super::super::tag::{Guarded, Line, Tagged};
use super::grant_index::{self, Place};
use super::reason::why;
use super::{Seen, next_revision, seen, valid, write, write_tagged};

const TABLE: &str = "grants";

/// What the tag of a row covers.
macro_rules! covered {
    () => {
        "fact, id, principal, key, ring, operations, conditions, reason, name, retiring, created_by, created_at, rests_on, origin, \
         standing, ended, ended_at, ended_reason, spelled_principal, spelled_retiring, revision, of_ring, administers, ends_by, \
         place, terms"
    };
}
macro_rules! columns {
    () => {
        concat!("tag, ", covered!())
    };
}

pub(in crate::sqlite) const TAGGED: Tagged = Tagged {
    kind: Kind::Grant,
    what: TABLE,
    columns: covered!(),
    id: 1,
    revision: Some(20),
    has_fact: true,
    later: 0,
    select: concat!("SELECT ", covered!(), " FROM grants WHERE id = ?1"),
    update: "UPDATE grants SET tag = ?1, fact = ?2 WHERE id = ?3",
};

pub(in crate::sqlite) fn find_by_id(
    connection: Guarded<'_>,
    id: GrantId,
) -> Result<Option<Grant>, StoreError> {
    find(connection, concat!("SELECT ", columns!(), " FROM grants WHERE id = ?1"), [id.as_bytes()], parse)
}

/// Who gave the active grants of a principal, and on what kind of ring: each combination once.
pub(in crate::sqlite) fn list_granters(
    connection: Guarded<'_>,
    principal: PrincipalId,
) -> Result<Vec<(PrincipalId, Separation)>, StoreError> {
    let sql = "SELECT g.created_by, r.separation FROM grants g CROSS JOIN ring r ON r.id = g.of_ring \
         WHERE g.principal = ?1 AND g.standing = 'active'";
    let granter = |row: &Line<'_>| {
        let mut columns = Columns::new(TABLE, row);
        Ok((PrincipalId::from_bytes(columns.array()?), columns.word()?))
    };
    let found: BTreeSet<_> = list(connection, sql, [principal.as_bytes()], granter)?.into_iter().collect();
    Ok(found.into_iter().collect())
}

/// At most `limit` grants behind `after`, in the order of ids.
pub(in crate::sqlite) fn list_after(
    connection: Guarded<'_>,
    filter: &GrantFilter,
    after: Option<GrantId>,
    limit: u32,
) -> Result<Vec<Grant>, StoreError> {
    let page = |only: &Only, status: Status| list_one(connection, only, status, after, limit);
    let mut grants = Vec::new();
    for only in narrow(connection, filter)? {
        grants.extend(page(&only, Status::Active)?);
        if filter.with_revoked {
            grants.extend(page(&only, Status::Revoked)?);
        }
    }
    // Each part came in order, and none gives more than a page: the first of all are among them.
    grants.sort_unstable_by_key(|grant| grant.id);
    grants.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(grants)
}

/// Which grants one statement lists.
enum Only {
    /// Those on this key, of this principal if one is named.
    Key(KeyId, Option<PrincipalId>),
    /// All.
    Nothing,
    /// Those that a policy of this key gave.
    Policy(KeyId),
    /// Those to this principal.
    Principal(PrincipalId),
    /// Those that this principal was named to retire, of this holder if one is named.
    Retiring(PrincipalId, Option<PrincipalId>),
    /// Those on this ring as a whole, of this principal if one is named.
    Ring(KeyRingId, Option<PrincipalId>),
}

/// What a filter comes to: what all of these give together.
fn narrow(connection: Guarded<'_>, filter: &GrantFilter) -> Result<Vec<Only>, StoreError> {
    let of = filter.principal;
    if let Some(retiring) = filter.retiring {
        return Ok(vec![Only::Retiring(retiring, of)]);
    }
    if let (Some(key), true) = (filter.key, filter.of_policy) {
        return Ok(vec![Only::Policy(key)]);
    }
    let Some(key) = filter.key else {
        return Ok(vec![match (filter.ring, of) {
            (Some(ring), of) => Only::Ring(ring, of),
            (None, Some(of)) => Only::Principal(of),
            (None, None) => Only::Nothing,
        }]);
    };
    let Some(stored) = super::key::find_by_id(connection, key)? else { return Ok(Vec::new()) };
    Ok(match filter.ring {
        Some(ring) if ring == stored.ring => vec![Only::Ring(ring, of)],
        Some(_) => Vec::new(),
        None => vec![Only::Key(key, of), Only::Ring(stored.ring, of)],
    })
}

/// One page of one kind, of one status: a page costs the same however many grants there are of the other.
fn list_one(
    connection: Guarded<'_>,
    only: &Only,
    status: Status,
    after: Option<GrantId>,
    limit: u32,
) -> Result<Vec<Grant>, StoreError> {
    macro_rules! of {
        ($where:literal) => {
            concat!("SELECT ", columns!(), " FROM grants WHERE ", $where, " AND id > ?1 ORDER BY id LIMIT ?2")
        };
    }
    let after = after.as_ref().map_or(&[][..], |after| after.as_bytes());
    let status = status.name();
    let of = |of: &Option<PrincipalId>| of.map(|of| *of.as_bytes());
    match only {
        Only::Key(key, Some(principal)) => {
            let sql = of!("principal = ?4 AND key = ?5 AND standing = ?3");
            list(connection, sql, params![after, limit, status, principal.as_bytes(), key.as_bytes()], parse)
        }
        Only::Key(key, None) => {
            let sql = of!("key = ?4 AND standing = ?3");
            list(connection, sql, params![after, limit, status, key.as_bytes()], parse)
        }
        Only::Nothing => {
            let sql = of!("+standing = ?3");
            list(connection, sql, params![after, limit, status], parse)
        }
        Only::Policy(key) => {
            // Of its index, which has active ones alone.
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM grants INDEXED BY grants_of_policy WHERE key = ?4 AND origin = 'key_policy' \
                 AND standing = 'active' AND standing = ?3 AND id > ?1 ORDER BY id LIMIT ?2"
            );
            list(connection, sql, params![after, limit, status, key.as_bytes()], parse)
        }
        Only::Principal(principal) => {
            let sql = of!("principal = ?4 AND standing = ?3");
            list(connection, sql, params![after, limit, status, principal.as_bytes()], parse)
        }
        Only::Retiring(retiring, holder) => {
            let sql = of!("retiring = ?4 AND standing = ?3 AND (?5 IS NULL OR +principal = ?5)");
            list(connection, sql, params![after, limit, status, retiring.as_bytes(), of(holder)], parse)
        }
        Only::Ring(ring, Some(principal)) => {
            let sql = of!("principal = ?4 AND ring = ?5 AND standing = ?3");
            list(connection, sql, params![after, limit, status, principal.as_bytes(), ring.as_bytes()], parse)
        }
        Only::Ring(ring, None) => {
            let sql = of!("ring = ?4 AND standing = ?3");
            list(connection, sql, params![after, limit, status, ring.as_bytes()], parse)
        }
    }
}

/// An active grant with the same terms, among those with the same name.
pub(in crate::sqlite) fn find_same(
    connection: Guarded<'_>,
    grant: &Grant,
) -> Result<Option<Grant>, StoreError> {
    let terms = grant_index::terms(grant, &encode(&grant.conditions));
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM grants WHERE principal = ?1 AND terms = ?2 AND standing = 'active' ORDER BY id"
    );
    let alike = list(connection, sql, params![grant.principal.as_bytes(), terms], parse)?;
    Ok(alike.into_iter().find(|other| {
        (other.selector, &other.name, other.retiring) == (grant.selector, &grant.name, grant.retiring)
            && other.spelling == grant.spelling
            && (&other.operations, &other.conditions) == (&grant.operations, &grant.conditions)
            && (other.created_by, other.origin, &other.basis)
                == (grant.created_by, grant.origin, &grant.basis)
    }))
}

/// One who mixes administering and using keys of the ring, as [`MixedUse`] has it.
pub(in crate::sqlite) fn find_mixed_use(
    connection: Guarded<'_>,
    ring: KeyRingId,
) -> Result<Option<MixedUse>, StoreError> {
    let by_grant = "SELECT g.principal FROM grants g CROSS JOIN principal p ON p.id = g.principal \
                    WHERE g.of_ring = ?1 AND g.administers = 1 AND g.standing = 'active' AND p.standing = 'active' LIMIT 1";
    let by_role = "SELECT p.id FROM principal p WHERE p.standing = 'active' AND p.roles <> '' AND EXISTS \
                   (SELECT 1 FROM grants g WHERE g.principal = p.id AND g.of_ring = ?1 AND g.standing = 'active') LIMIT 1";
    for (sql, administers) in [(by_grant, true), (by_role, false)] {
        let found = find(connection, sql, [ring.as_bytes()], |row| {
            Columns::new(TABLE, row).array().map(PrincipalId::from_bytes)
        })?;
        if let Some(principal) = found {
            return Ok(Some(MixedUse { principal, administers }));
        }
    }
    Ok(None)
}

/// The strictest separation of the rings on which, or on whose keys, the principal has active grants. One step per ring,
/// however many grants there are on it.
pub(in crate::sqlite) fn find_strictest_use(
    connection: Guarded<'_>,
    principal: PrincipalId,
) -> Result<Option<Separation>, StoreError> {
    let next = "SELECT g.of_ring, r.separation FROM grants g CROSS JOIN ring r ON r.id = g.of_ring \
                WHERE g.principal = ?1 AND g.of_ring > ?2 AND g.standing = 'active' ORDER BY g.of_ring LIMIT 1";
    let mut after = Vec::new();
    let mut strictest = None;
    while strictest != Some(Separation::Strict) {
        let found = find(connection, next, params![principal.as_bytes(), after], |row| {
            let mut columns = Columns::new(TABLE, row);
            Ok((columns.bytes()?.to_vec(), columns.word()?))
        })?;
        let Some((ring, separation)) = found else { break };
        after = ring;
        strictest = strictest.max(Some(separation));
    }
    Ok(strictest)
}

/// Fills the columns that follow from others, in the rows that a migration took over. What grants rest on comes before them.
pub(in crate::sqlite) fn complete(connection: Guarded<'_>) -> Result<(), StoreError> {
    let all = GrantFilter { with_revoked: true, ..GrantFilter::default() };
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let grants = list_after(connection, &all, after, 1000)?;
        let Some(last) = grants.last() else { break };
        after = Some(last.id);
        ids.extend(grants.iter().map(|grant| (grant.created_at, grant.id)));
    }
    ids.sort_unstable();
    for (_, id) in ids {
        let grant = find_by_id(connection, id)?.ok_or_else(|| damaged(TABLE, "a row is gone"))?;
        let ends_by = grant_index::ends_by(connection, &grant)?;
        let place = match grant.status {
            Status::Active => Some(grant_index::adopt(connection, &grant, ends_by)?),
            Status::Revoked => None,
        };
        let place = place.as_ref().map(Place::bytes);
        let terms = grant_index::terms(&grant, &encode(&grant.conditions));
        write(
            connection,
            "UPDATE grants SET administers = ?2, ends_by = ?3, place = ?4, terms = ?5 WHERE id = ?1",
            params![id.as_bytes(), administers(&grant), grant_index::kept(ends_by), place, terms],
        )?;
    }
    Ok(())
}

/// Does it give more than uses of keys?
fn administers(grant: &Grant) -> bool {
    !grant.operations.iter().all(|action| action.is_grantable())
}

/// Rows in the order of their identifiers, behind `after`.
pub(in crate::sqlite) fn list_from(
    connection: Guarded<'_>,
    after: &[u8],
    limit: u32,
) -> Result<Vec<Grant>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM grants WHERE id > ?1 ORDER BY id LIMIT ?2");
    list(connection, sql, params![after, limit], parse)
}

fn parse(row: &Line<'_>) -> Result<Grant, StoreError> {
    read(&mut Columns::new(TABLE, row))
}

fn read(columns: &mut Columns<'_>) -> Result<Grant, StoreError> {
    columns.held(&TAGGED)?;
    let grant = Grant {
        id: GrantId::from_bytes(columns.array()?),
        principal: PrincipalId::from_bytes(columns.array()?),
        selector: match (columns.maybe(Columns::array)?, columns.maybe(Columns::array)?) {
            (Some(key), None) => Selector::Key(KeyId::from_bytes(key)),
            (None, Some(ring)) => Selector::Ring(KeyRingId::from_bytes(ring)),
            _ => return Err(columns.damaged("neither on one key nor on one ring")),
        },
        operations: columns.words()?,
        conditions: match columns.maybe(Columns::bytes)? {
            None => Conditions::default(),
            Some(bytes) => decode(bytes).ok_or_else(|| columns.damaged("these are no conditions"))?,
        },
        reason: why(columns)?,
        name: columns.maybe(Columns::text)?.map(str::to_owned),
        retiring: columns.maybe(Columns::array)?.map(PrincipalId::from_bytes),
        created_by: PrincipalId::from_bytes(columns.array()?),
        created_at: columns.instant()?,
        basis: match columns.maybe(Columns::bytes)? {
            None => Basis::Role,
            Some(bytes) => {
                Basis::Grants(ids(bytes).ok_or_else(|| columns.damaged("these are no identifiers"))?)
            }
        },
        origin: columns.word()?,
        status: columns.word()?,
        ending: match (columns.maybe(Columns::word)?, columns.maybe(Columns::instant)?, why(columns)?) {
            (Some(by), Some(at), reason) => Some(Ending { by, at, reason }),
            (None, None, None) => None,
            _ => return Err(columns.damaged("ended without an instant, or the other way round")),
        },
        spelling: Spelling { principal: spelled(columns)?, retiring: spelled(columns)? },
        revision: columns.count()?,
    };
    grant.check().map_err(|reason| columns.damaged(reason))?;
    Ok(grant)
}

fn spelled(columns: &mut Columns<'_>) -> Result<Option<String>, StoreError> {
    Ok(columns.maybe(Columns::text)?.map(str::to_owned))
}

/// Identifiers, one after the other.
pub(super) fn ids(bytes: &[u8]) -> Option<Vec<GrantId>> {
    let (ids, rest) = bytes.as_chunks::<16>();
    rest.is_empty().then(|| ids.iter().copied().map(GrantId::from_bytes).collect())
}

/// Writes a grant. What it gives to whom, by whom, and what it rests on is fixed; it can be ended.
pub(in crate::sqlite) fn put(connection: Guarded<'_>, grant: &Grant) -> Result<Applied, StoreError> {
    valid(TABLE, grant)?;
    let stored = find_by_id(connection, grant.id)?;
    if let Seen::Moved = seen(TABLE, stored.as_ref(), grant)? {
        return Ok(Applied::Conflict);
    }
    if let Some(stored) = &stored
        && stored.status == Status::Active
    {
        grant_index::remove(connection, stored, place_of(connection, stored.id)?)?;
    }
    let (key, ring) = match &grant.selector {
        Selector::Key(key) => (Some(key.as_bytes()), None),
        Selector::Ring(ring) => (None, Some(ring.as_bytes())),
    };
    let Some(of_ring) = ring_of(connection, grant.selector)? else { return Ok(Applied::Conflict) };
    let conditions = encode(&grant.conditions);
    let ends_by = grant_index::ends_by(connection, grant)?;
    let place = match grant.status {
        Status::Active => {
            let place = grant_index::add(connection, grant, ends_by)?;
            // Room was asked for before, with the reason; others may have come since.
            let Some(place) = place else { return Ok(Applied::Conflict) };
            Some(place)
        }
        Status::Revoked => None,
    };
    write_tagged(
        connection,
        &TAGGED,
        &[grant.id.as_bytes()],
        "INSERT INTO grants (id, principal, key, ring, operations, conditions, reason, name, retiring, created_by, \
         created_at, rests_on, origin, standing, ended, ended_at, ended_reason, spelled_principal, spelled_retiring, revision, \
         of_ring, administers, ends_by, place, terms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, \
         ?24, ?25) \
         ON CONFLICT (id) DO UPDATE SET operations = excluded.operations, conditions = excluded.conditions, \
         standing = excluded.standing, ended = excluded.ended, \
         ended_at = excluded.ended_at, ended_reason = excluded.ended_reason, revision = excluded.revision, administers = excluded.administers, \
         ends_by = excluded.ends_by, place = excluded.place, terms = excluded.terms",
        params![
            grant.id.as_bytes(),
            grant.principal.as_bytes(),
            key,
            ring,
            join(&grant.operations),
            (grant.conditions != Conditions::default()).then_some(&conditions),
            grant.reason.map(Why::to_bytes),
            grant.name,
            grant.retiring.as_ref().map(PrincipalId::as_bytes),
            grant.created_by.as_bytes(),
            micros(TABLE, grant.created_at)?,
            rests_on(&grant.basis),
            grant.origin.name(),
            grant.status.name(),
            grant.ending.map(|ending| ending.by.name()),
            grant.ending.map(|ending| micros(TABLE, ending.at)).transpose()?,
            grant.ending.and_then(|ending| ending.reason).map(Why::to_bytes),
            grant.spelling.principal,
            grant.spelling.retiring,
            next_revision(TABLE, grant.revision)?,
            of_ring.as_bytes(),
            administers(grant),
            grant_index::kept(ends_by),
            place.as_ref().map(Place::bytes),
            grant_index::terms(grant, &conditions),
        ],
    )
}

/// What a grant gives to those that rest on it.
pub(super) fn find_bearing(connection: Guarded<'_>, id: GrantId) -> Result<Option<Bearing>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM grants WHERE id = ?1");
    find(connection, sql, [id.as_bytes()], |row| {
        let mut columns = Columns::new(TABLE, row);
        let grant = read(&mut columns)?;
        let (_of_ring, _administers) = (columns.bytes()?, columns.flag()?);
        Ok(Bearing { operations: grant.operations, ends_by: grant_index::instant(columns.count()?) })
    })
}

/// Says where an active grant lies in the index from now on.
pub(super) fn put_place(connection: Guarded<'_>, id: GrantId, place: &Place) -> Result<(), StoreError> {
    // Read, and so held against its tag, before it gets a new one.
    find_by_id(connection, id)?.ok_or_else(|| damaged(TABLE, "a row is gone"))?;
    let sql = "UPDATE grants SET place = ?2 WHERE id = ?1";
    write_tagged(connection, &TAGGED, &[id.as_bytes()], sql, params![id.as_bytes(), place.bytes()]).map(drop)
}

/// Where an active grant lies in the index.
fn place_of(connection: Guarded<'_>, id: GrantId) -> Result<Place, StoreError> {
    let place = find(connection, "SELECT place FROM grants WHERE id = ?1", [id.as_bytes()], |row| {
        Columns::new(TABLE, row).array().map(Place::from_bytes)
    })?;
    place.ok_or_else(|| damaged(TABLE, "a row is gone"))
}

/// The ring that a grant is on, or that its key is of.
fn ring_of(connection: Guarded<'_>, selector: Selector) -> Result<Option<KeyRingId>, StoreError> {
    match selector {
        Selector::Key(key) => Ok(super::key::find_by_id(connection, key)?.map(|key| key.ring)),
        Selector::Ring(ring) => Ok(Some(ring)),
    }
}

fn rests_on(basis: &Basis) -> Option<Vec<u8>> {
    match basis {
        Basis::Role => None,
        Basis::Grants(grants) => Some(grants.iter().flat_map(|id| *id.as_bytes()).collect()),
    }
}

/// Most rows that are read to judge grants. What is behind them is not there, so that what rests on it is not honoured.
const MOST_ANCESTORS: usize = 16_384;

/// What grants rest on, as far as a right can be passed on.
pub(in crate::sqlite) fn lineage(connection: Guarded<'_>, mut wanted: Wanted) -> Result<Lineage, StoreError> {
    let mut found: BTreeMap<GrantId, Grant> = BTreeMap::new();
    let mut next: Vec<_> = wanted.grants.iter().copied().collect();
    for _ in 0..MAX_DEPTH {
        let mut behind = Wanted::default();
        for id in next {
            if found.len() < MOST_ANCESTORS
                && let Some(grant) = find_by_id(connection, id)?
            {
                behind.add(&grant);
                found.insert(id, grant);
            }
        }
        wanted.principals.append(&mut behind.principals);
        wanted.keys.append(&mut behind.keys);
        next = behind.grants.into_iter().filter(|id| !found.contains_key(id)).collect();
    }
    let mut active = Vec::new();
    for id in wanted.principals {
        let stored = super::principal::find_by_id(connection, id)?;
        active.extend(stored.filter(|stored| stored.status == Status::Active).map(|stored| stored.id));
    }
    let mut rings = Vec::new();
    for key in wanted.keys {
        rings.extend(super::key::find_by_id(connection, key)?.map(|stored| (key, stored.ring)));
    }
    Ok(Lineage::new(found.into_values(), active, rings))
}

/// Conditions as CBOR (RFC 8949): `[[name, value, ...], [network, ...], until or null, [name, value, ...] or null]`.
fn encode(conditions: &Conditions) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    let written = (|| {
        encoder.array(4)?;
        pairs::write(&mut encoder, &conditions.context_equals)?;
        encoder.array(conditions.source_networks.len() as u64)?;
        for network in &conditions.source_networks {
            encoder.str(&network.to_string())?;
        }
        match conditions.until {
            Some(until) => encoder.u64(until.as_micros())?,
            None => encoder.null()?,
        };
        match &conditions.context_exactly {
            Some(context) => pairs::write(&mut encoder, context)?,
            None => drop(encoder.null()?),
        }
        Ok::<(), minicbor::encode::Error<std::convert::Infallible>>(())
    })();
    match written {
        Ok(()) => encoder.into_writer(),
        // Writing to memory does not fail; empty conditions would be found damaged when they are read.
        Err(_) => Vec::new(),
    }
}

fn decode(bytes: &[u8]) -> Option<Conditions> {
    let mut decoder = Decoder::new(bytes);
    if decoder.array().ok()?? != 4 {
        return None;
    }
    let context_equals = pairs::read(&mut decoder)?;
    let networks = pairs::texts(&mut decoder)?;
    let until = if is_null(&mut decoder)? { None } else { Some(Timestamp::from_micros(decoder.u64().ok()?)) };
    let context_exactly = if is_null(&mut decoder)? { None } else { Some(pairs::read(&mut decoder)?) };
    let source_networks = networks.iter().map(|network| network.parse().ok()).collect::<Option<_>>()?;
    let conditions = Conditions { context_equals, context_exactly, source_networks, until };
    (decoder.position() == bytes.len()).then_some(conditions)
}

/// Is there nothing in this place? What is nothing is passed over.
fn is_null(decoder: &mut Decoder<'_>) -> Option<bool> {
    let is_null = decoder.datatype().ok()? == minicbor::data::Type::Null;
    if is_null {
        decoder.null().ok()?;
    }
    Some(is_null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_come_back_and_nothing_else_is_taken_for_them() {
        let all = Conditions {
            context_equals: vec![("tenant".to_owned(), "a".to_owned())],
            source_networks: vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()],
            context_exactly: Some(vec![("a".to_owned(), String::new())]),
            until: Some(Timestamp::from_micros(7)),
        };
        for conditions in [
            all.clone(),
            Conditions { until: None, ..all.clone() },
            Conditions { context_exactly: None, ..all.clone() },
            Conditions { context_exactly: Some(Vec::new()), ..Conditions::default() },
            Conditions::default(),
        ] {
            assert_eq!(decode(&encode(&conditions)), Some(conditions));
        }
        let bytes = encode(&all);
        for end in 0..bytes.len() {
            assert_eq!(decode(&bytes[..end]), None);
        }
        assert_eq!(decode(&[&bytes[..], &[0]].concat()), None);
    }
}
