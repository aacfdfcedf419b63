//! Table `credential`.

use claviger_core::access_key::AccessKey;
use claviger_core::port::StoreError;
use claviger_core::port::store::Applied;
use claviger_core::principal::{Credential, CredentialKind};
use claviger_core::{CredentialId, PrincipalId};
use rusqlite::{Connection, Row, params};

use super::super::columns::{Columns, find, list, micros};
use super::{Seen, compare, fixed, next_revision, write};

const TABLE: &str = "credential";

macro_rules! columns {
    () => {
        "id, principal, kind, digest, access_key_id, sealed_secret, session_digest, label, standing, created_at, expires_at, revision, created_by"
    };
}

pub(in crate::sqlite) fn find_by_id(
    connection: &Connection,
    id: CredentialId,
) -> Result<Option<Credential>, StoreError> {
    find(connection, concat!("SELECT ", columns!(), " FROM credential WHERE id = ?1"), [id.as_bytes()], parse)
}

pub(in crate::sqlite) fn find_by_digest(
    connection: &Connection,
    digest: &[u8; 32],
) -> Result<Option<Credential>, StoreError> {
    find(connection, concat!("SELECT ", columns!(), " FROM credential WHERE digest = ?1"), [digest], parse)
}

/// At most `limit` credentials behind `after`, of one principal or of all, in the order of ids.
pub(in crate::sqlite) fn list_after(
    connection: &Connection,
    principal: Option<PrincipalId>,
    after: Option<CredentialId>,
    limit: u32,
) -> Result<Vec<Credential>, StoreError> {
    let after = after.as_ref().map_or(&[][..], |after| after.as_bytes());
    match principal {
        None => {
            let sql = concat!("SELECT ", columns!(), " FROM credential WHERE id > ?1 ORDER BY id LIMIT ?2");
            list(connection, sql, params![after, limit], parse)
        }
        Some(principal) => {
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM credential WHERE principal = ?3 AND id > ?1 ORDER BY id LIMIT ?2"
            );
            list(connection, sql, params![after, limit, principal.as_bytes()], parse)
        }
    }
}

/// Rows in the order of their identifiers, behind `after`.
pub(in crate::sqlite) fn list_from(
    connection: &Connection,
    after: &[u8],
    limit: u32,
) -> Result<Vec<Credential>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM credential WHERE id > ?1 ORDER BY id LIMIT ?2");
    list(connection, sql, params![after, limit], parse)
}

fn parse(row: &Row<'_>) -> Result<Credential, StoreError> {
    let mut columns = Columns::new(TABLE, row);
    let id = CredentialId::from_bytes(columns.array()?);
    let principal = PrincipalId::from_bytes(columns.array()?);
    let kind = columns.word()?;
    Ok(Credential {
        id,
        principal,
        kind,
        digest: columns.array()?,
        access_key: access_key(kind, &mut columns)?,
        label: columns.word()?,
        standing: columns.word()?,
        created_at: columns.instant()?,
        expires_at: columns.instant()?,
        revision: columns.count()?,
        created_by: columns.maybe(Columns::array)?.map(PrincipalId::from_bytes),
    })
}

/// An access key has an identifier and a secret, nothing else has either.
fn access_key(kind: CredentialKind, columns: &mut Columns<'_>) -> Result<Option<AccessKey>, StoreError> {
    let id = columns.maybe(Columns::word)?;
    let sealed_secret = columns.maybe(Columns::bytes)?.map(<[u8]>::to_vec);
    let session_digest = columns.maybe(Columns::array)?;
    match (kind, id, sealed_secret) {
        (CredentialKind::AccessKey, Some(id), Some(sealed_secret)) => {
            Ok(Some(AccessKey { id, sealed_secret, session_digest }))
        }
        (CredentialKind::Certificate | CredentialKind::Token, None, None) if session_digest.is_none() => {
            Ok(None)
        }
        _ => Err(columns.damaged("an access key lacks a part, or what is none has one")),
    }
}

/// Writes a credential. Whom it proves and by what is fixed.
pub(in crate::sqlite) fn put(
    connection: &Connection,
    credential: &Credential,
) -> Result<Applied, StoreError> {
    let stored = find_by_id(connection, credential.id)?;
    if let Seen::Moved = compare(stored.as_ref().map(|stored| stored.revision), credential.revision) {
        return Ok(Applied::Conflict);
    }
    if let Some(stored) = stored {
        let bound = |credential: &Credential| {
            (
                credential.principal,
                credential.kind,
                credential.digest,
                credential.created_by,
                credential.created_at,
            )
        };
        fixed(TABLE, bound(&stored) == bound(credential) && stored.access_key == credential.access_key)?;
    }
    let access_key = credential.access_key.as_ref();
    write(
        connection,
        "INSERT INTO credential (id, principal, kind, digest, access_key_id, sealed_secret, session_digest, label, \
         standing, created_at, expires_at, revision, created_by) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) \
         ON CONFLICT (id) DO UPDATE SET label = excluded.label, standing = excluded.standing, \
         expires_at = excluded.expires_at, revision = excluded.revision",
        params![
            credential.id.as_bytes(),
            credential.principal.as_bytes(),
            credential.kind.name(),
            credential.digest,
            access_key.map(|kept| kept.id.as_str()),
            access_key.map(|kept| &kept.sealed_secret),
            access_key.and_then(|kept| kept.session_digest),
            credential.label.as_str(),
            credential.standing.name(),
            micros(TABLE, credential.created_at)?,
            micros(TABLE, credential.expires_at)?,
            next_revision(TABLE, credential.revision)?,
            credential.created_by.as_ref().map(PrincipalId::as_bytes),
        ],
    )
}
