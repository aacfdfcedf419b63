//! Table `idempotency`.

use claviger_core::change::{IdempotencyRecord, RequestScheme};
use claviger_core::port::StoreError;
use claviger_core::port::store::Applied;
use claviger_core::{PrincipalId, Timestamp};
use rusqlite::params;

use super::super::columns::{Columns, find, micros};
use super::super::error::damaged;
use super::super::plain::{self, IDEMPOTENCY};
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
