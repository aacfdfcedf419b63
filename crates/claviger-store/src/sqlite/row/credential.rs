//! Table `credential`.

use claviger_core::port::StoreError;
use claviger_core::port::store::Applied;
use claviger_core::principal::Credential;
use claviger_core::{CredentialId, PrincipalId};
use rusqlite::{Connection, Row, params};

use super::super::columns::{Columns, find, list, micros};
use super::{Seen, compare, fixed, next_revision, write};

const TABLE: &str = "credential";

macro_rules! columns {
    () => {
        "id, principal, kind, digest, label, standing, created_at, expires_at, revision"
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

fn parse(row: &Row<'_>) -> Result<Credential, StoreError> {
    let mut columns = Columns::new(TABLE, row);
    Ok(Credential {
        id: CredentialId::from_bytes(columns.array()?),
        principal: PrincipalId::from_bytes(columns.array()?),
        kind: columns.word()?,
        digest: columns.array()?,
        label: columns.word()?,
        standing: columns.word()?,
        created_at: columns.instant()?,
        expires_at: columns.instant()?,
        revision: columns.count()?,
    })
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
            (credential.principal, credential.kind, credential.digest, credential.created_at)
        };
        fixed(TABLE, bound(&stored) == bound(credential))?;
    }
    write(
        connection,
        "INSERT INTO credential (id, principal, kind, digest, label, standing, created_at, expires_at, revision) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
         ON CONFLICT (id) DO UPDATE SET label = excluded.label, standing = excluded.standing, \
         expires_at = excluded.expires_at, revision = excluded.revision",
        params![
            credential.id.as_bytes(),
            credential.principal.as_bytes(),
            credential.kind.name(),
            credential.digest,
            credential.label.as_str(),
            credential.standing.name(),
            micros(TABLE, credential.created_at)?,
            micros(TABLE, credential.expires_at)?,
            next_revision(TABLE, credential.revision)?,
        ],
    )
}
