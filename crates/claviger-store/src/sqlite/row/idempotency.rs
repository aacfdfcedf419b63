//! Table `idempotency`.

use claviger_core::change::{IdempotencyRecord, RequestScheme};
use claviger_core::port::StoreError;
use claviger_core::port::store::Applied;
use claviger_core::{PrincipalId, Timestamp};
use rusqlite::params;

use super::super::columns::{Columns, find, micros};
use super::super::error::{damaged, translate};
use super::super::plain::{self, IDEMPOTENCY};
use super::super::sums::tag_in;
use super::super::tag::Guarded;
use super::write;

const TABLE: &str = "idempotency";

pub(in crate::sqlite) fn find_by_key(
    connection: Guarded<'_>,
    principal: PrincipalId,
    key_digest: &[u8; 32],
) -> Result<Option<IdempotencyRecord>, StoreError> {
    find(connection, &plain::select(&IDEMPOTENCY), params![principal.as_bytes(), key_digest], |row| {
        connection.hold_plain(&IDEMPOTENCY, row.row)?;
        let mut columns = Columns::new(TABLE, row).behind(1);
        Ok(IdempotencyRecord {
            principal: PrincipalId::from_bytes(columns.array()?),
            key_digest: columns.array()?,
            request_digest: columns.array()?,
            scheme: scheme(columns.small()?)?,
            created: columns.array()?,
            created_at: columns.instant()?,
        })
    })
}

fn scheme(code: u8) -> Result<RequestScheme, StoreError> {
    RequestScheme::from_code(code).ok_or_else(|| damaged(TABLE, format_args!("scheme {code} is not known")))
}

/// Is there a call that was answered before `before`?
pub(in crate::sqlite) fn has_older(connection: Guarded<'_>, before: Timestamp) -> Result<bool, StoreError> {
    let sql = "SELECT created_at FROM idempotency WHERE created_at < ?1 LIMIT 1";
    Ok(find(connection, sql, [micros(TABLE, before)?], |_| Ok(()))?.is_some())
}

/// Forgets at most `limit` calls that were answered before `before`; gives how many. A row that is not as it was written stays, to be found.
pub(in crate::sqlite) fn forget(
    connection: Guarded<'_>,
    before: Timestamp,
    limit: u32,
) -> Result<u64, StoreError> {
    let before = micros(TABLE, before)?;
    let old = {
        let mut select = connection.prepare_cached(&plain::select_old(&IDEMPOTENCY)).map_err(translate)?;
        let mut rows = select.query([before]).map_err(translate)?;
        let mut old = Vec::new();
        while let Some(row) = rows.next().map_err(translate)? {
            if old.len() as u64 == u64::from(limit) {
                break;
            }
            if connection.hold_plain(&IDEMPOTENCY, row).is_ok() {
                let tag = tag_in(TABLE, row.get_ref(0).map_err(translate)?)?;
                let key = |at: usize| row.get::<_, Vec<u8>>(at).map_err(translate);
                old.push((tag, key(1)?, key(2)?));
            }
        }
        old
    };
    for (tag, principal, key_digest) in &old {
        let sql = "DELETE FROM idempotency WHERE principal = ?1 AND key_digest = ?2";
        write(connection, sql, params![principal, key_digest])?;
        connection.sum(TABLE, *tag, None);
    }
    Ok(old.len() as u64)
}

/// Remembers a call; a call that is remembered already is a conflict.
pub(in crate::sqlite) fn put(
    connection: Guarded<'_>,
    record: &IdempotencyRecord,
) -> Result<Applied, StoreError> {
    let applied = write(
        connection,
        "INSERT INTO idempotency (principal, key_digest, request_digest, scheme, created, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            record.principal.as_bytes(),
            record.key_digest,
            record.request_digest,
            record.scheme.code(),
            record.created,
            micros(TABLE, record.created_at)?,
        ],
    )?;
    if applied == Applied::Yes {
        connection.stamp_plain(&IDEMPOTENCY, &[record.principal.as_bytes(), &record.key_digest])?;
    }
    Ok(applied)
}
