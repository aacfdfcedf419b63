//! Table `grants`.

use claviger_core::Action;
use claviger_core::grant::{Conditions, Grant, Selector};
use claviger_core::port::StoreError;
use claviger_core::port::store::{Applied, GrantFilter};
use claviger_core::{GrantId, KeyId, KeyRingId, PrincipalId, Timestamp};
use minicbor::{Decoder, Encoder};
use rusqlite::{Connection, Row, params};

use super::super::columns::{Columns, find, join, list, micros};
use super::super::error::refused;
use super::super::pairs;
use super::{Seen, compare, fixed, next_revision, write};

const TABLE: &str = "grants";

macro_rules! columns {
    () => {
        "id, principal, key, ring, operations, conditions, reason, name, retiring, created_by, created_at, standing, revision"
    };
}

pub(in crate::sqlite) fn find_by_id(
    connection: &Connection,
    id: GrantId,
) -> Result<Option<Grant>, StoreError> {
    find(connection, concat!("SELECT ", columns!(), " FROM grants WHERE id = ?1"), [id.as_bytes()], parse)
}

/// The active grants of a principal on a key or its ring, in the order of ids.
pub(in crate::sqlite) fn list_for(
    connection: &Connection,
    principal: PrincipalId,
    key: Option<KeyId>,
    ring: KeyRingId,
) -> Result<Vec<Grant>, StoreError> {
    let principal = principal.as_bytes();
    let on_ring = concat!(
        "SELECT ",
        columns!(),
        " FROM grants WHERE principal = ?1 AND ring = ?2 AND standing = 'active'"
    );
    let mut grants = list(connection, on_ring, params![principal, ring.as_bytes()], parse)?;
    if let Some(key) = key {
        let on_key = concat!(
            "SELECT ",
            columns!(),
            " FROM grants WHERE principal = ?1 AND key = ?2 AND standing = 'active'"
        );
        grants.extend(list(connection, on_key, params![principal, key.as_bytes()], parse)?);
    }
    grants.sort_unstable_by_key(|grant| grant.id);
    Ok(grants)
}

/// At most `limit` grants behind `after`, in the order of ids.
pub(in crate::sqlite) fn list_after(
    connection: &Connection,
    filter: &GrantFilter,
    after: Option<GrantId>,
    limit: u32,
) -> Result<Vec<Grant>, StoreError> {
    let after = after.as_ref().map_or(&[][..], |after| after.as_bytes());
    let principal = filter.principal.as_ref().map(PrincipalId::as_bytes);
    let on_ring = |ring: KeyRingId| {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM grants WHERE ring = ?5 AND id > ?1 AND (?3 IS NULL OR +principal = ?3) \
             AND (?4 OR standing = 'active') ORDER BY id LIMIT ?2"
        );
        list(connection, sql, params![after, limit, principal, filter.with_revoked, ring.as_bytes()], parse)
    };
    if let Some(retiring) = filter.retiring {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM grants WHERE retiring = ?5 AND id > ?1 AND (?3 IS NULL OR +principal = ?3) \
             AND (?4 OR standing = 'active') ORDER BY id LIMIT ?2"
        );
        let by = params![after, limit, principal, filter.with_revoked, retiring.as_bytes()];
        return list(connection, sql, by, parse);
    }
    if let Some(key) = filter.key {
        let Some(stored) = super::key::find_by_id(connection, key)? else { return Ok(Vec::new()) };
        return match filter.ring {
            Some(ring) if ring == stored.ring => on_ring(ring),
            Some(_) => Ok(Vec::new()),
            None => {
                let sql = concat!(
                    "SELECT ",
                    columns!(),
                    " FROM grants WHERE key = ?5 AND id > ?1 AND (?3 IS NULL OR +principal = ?3) \
                     AND (?4 OR standing = 'active') ORDER BY id LIMIT ?2"
                );
                let on_key = params![after, limit, principal, filter.with_revoked, key.as_bytes()];
                let mut grants = list(connection, sql, on_key, parse)?;
                grants.extend(on_ring(stored.ring)?);
                grants.sort_unstable_by_key(|grant| grant.id);
                grants.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
                Ok(grants)
            }
        };
    }
    if let Some(ring) = filter.ring {
        return on_ring(ring);
    }
    match principal {
        Some(principal) => {
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM grants WHERE principal = ?3 AND id > ?1 AND (?4 OR standing = 'active') ORDER BY id LIMIT ?2"
            );
            list(connection, sql, params![after, limit, principal, filter.with_revoked], parse)
        }
        None => {
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM grants WHERE id > ?1 AND (?3 OR standing = 'active') ORDER BY id LIMIT ?2"
            );
            list(connection, sql, params![after, limit, filter.with_revoked], parse)
        }
    }
}

fn parse(row: &Row<'_>) -> Result<Grant, StoreError> {
    let mut columns = Columns::new(TABLE, row);
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
        reason: columns.text()?.to_owned(),
        name: columns.maybe(Columns::text)?.map(str::to_owned),
        retiring: columns.maybe(Columns::array)?.map(PrincipalId::from_bytes),
        created_by: PrincipalId::from_bytes(columns.array()?),
        created_at: columns.instant()?,
        standing: columns.word()?,
        revision: columns.count()?,
    };
    check(&grant).map_err(|reason| columns.damaged(reason))?;
    Ok(grant)
}

fn check(grant: &Grant) -> Result<(), &'static str> {
    let operations = &grant.operations;
    let grantable = |action: &Action| action.is_grantable_when_relaxed();
    if operations.is_empty() || !operations.is_sorted_by(|a, b| a < b) || !operations.iter().all(grantable) {
        return Err("operations are such as can be granted, ascending, each once, at least one");
    }
    Ok(())
}

/// Writes a grant. What it gives to whom, and by whom, is fixed; it can be withdrawn.
pub(in crate::sqlite) fn put(connection: &Connection, grant: &Grant) -> Result<Applied, StoreError> {
    check(grant).map_err(|reason| refused(TABLE, reason))?;
    let stored = find_by_id(connection, grant.id)?;
    if let Seen::Moved = compare(stored.as_ref().map(|stored| stored.revision), grant.revision) {
        return Ok(Applied::Conflict);
    }
    if let Some(stored) = stored {
        let bound = |grant: &Grant| (grant.principal, grant.selector, grant.created_by, grant.created_at);
        fixed(TABLE, bound(&stored) == bound(grant))?;
    }
    let (key, ring) = match &grant.selector {
        Selector::Key(key) => (Some(key.as_bytes()), None),
        Selector::Ring(ring) => (None, Some(ring.as_bytes())),
    };
    write(
        connection,
        "INSERT INTO grants (id, principal, key, ring, operations, conditions, reason, name, retiring, created_by, \
         created_at, standing, revision) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) \
         ON CONFLICT (id) DO UPDATE SET operations = excluded.operations, conditions = excluded.conditions, \
         reason = excluded.reason, standing = excluded.standing, revision = excluded.revision",
        params![
            grant.id.as_bytes(),
            grant.principal.as_bytes(),
            key,
            ring,
            join(&grant.operations),
            (grant.conditions != Conditions::default()).then(|| encode(&grant.conditions)),
            grant.reason,
            grant.name,
            grant.retiring.as_ref().map(PrincipalId::as_bytes),
            grant.created_by.as_bytes(),
            micros(TABLE, grant.created_at)?,
            grant.standing.name(),
            next_revision(TABLE, grant.revision)?,
        ],
    )
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
