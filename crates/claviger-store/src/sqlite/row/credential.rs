//! Table `credential`.

use claviger_core::access_key::AccessKey;
use claviger_core::object::{Kind, Object};
use claviger_core::port::StoreError;
use claviger_core::port::store::{Applied, EndingPrincipal};
use claviger_core::principal::{Credential, CredentialKind};
use claviger_core::reason::Why;
use claviger_core::{CredentialId, PrincipalId, Timestamp};
use rusqlite::params;

use super::super::columns::{Columns, find, list, micros};
use super::super::tag::{Guarded, Line, Tagged};
use super::reason::why;
use super::{Seen, next_revision, seen, write_tagged};

const TABLE: &str = "credential";

/// What the tag of a row covers.
macro_rules! covered {
    () => {
        "fact, id, principal, kind, digest, access_key_id, sealed_secret, session_digest, label, standing, created_at, expires_at, reason, revision, created_by, renews, \
         awaits_confirmation"
    };
}
macro_rules! columns {
    () => {
        concat!("tag, ", covered!())
    };
}

pub(in crate::sqlite) const TAGGED: Tagged = Tagged {
    kind: Kind::Credential,
    what: TABLE,
    columns: covered!(),
    id: 1,
    revision: Some(13),
    has_fact: true,
    later: 1,
    select: concat!("SELECT ", covered!(), " FROM credential WHERE id = ?1"),
    update: "UPDATE credential SET tag = ?1, fact = ?2 WHERE id = ?3",
};

pub(in crate::sqlite) fn find_by_id(
    connection: Guarded<'_>,
    id: CredentialId,
) -> Result<Option<Credential>, StoreError> {
    find(connection, concat!("SELECT ", columns!(), " FROM credential WHERE id = ?1"), [id.as_bytes()], parse)
}

pub(in crate::sqlite) fn find_by_digest(
    connection: Guarded<'_>,
    digest: &[u8; 32],
) -> Result<Option<Credential>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM credential WHERE digest = ?1");
    let found = find(connection, sql, [digest], parse)?;
    connection.only(found, |one| one.digest == *digest, |one| Object::Credential(one.id))
}

/// At most `limit` credentials behind `after`, of one principal or of all, in the order of ids.
pub(in crate::sqlite) fn list_after(
    connection: Guarded<'_>,
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

/// Principals that are not revoked and whose last valid credential ends behind `now` and not behind `by`, as long as it was made
/// for more than the time between; those that end first before others. A code that is to be redeemed and what awaits its confirmation
/// are not valid ones.
pub(in crate::sqlite) fn list_ending(
    connection: Guarded<'_>,
    now: Timestamp,
    by: Timestamp,
    limit: u32,
) -> Result<Vec<EndingPrincipal>, StoreError> {
    let sql = "SELECT p.id, p.name, p.roles <> '', max(c.expires_at) \
         FROM credential AS c INDEXED BY credential_by_end CROSS JOIN principal AS p ON p.id = c.principal \
         WHERE c.standing = 'active' AND c.expires_at > ?1 AND c.expires_at <= ?2 \
         AND c.expires_at - c.created_at > ?2 - ?1 AND p.standing = 'active' \
         AND c.kind <> 'enrolment_code' AND c.awaits_confirmation IS NULL \
         AND NOT EXISTS (SELECT 1 FROM credential AS o INDEXED BY credential_by_principal \
             WHERE o.principal = c.principal AND o.standing = 'active' AND o.expires_at > ?2 \
             AND o.kind <> 'enrolment_code' AND o.awaits_confirmation IS NULL) \
         GROUP BY p.id ORDER BY 4, 1 LIMIT ?3";
    let (now, by) = (micros(TABLE, now)?, micros(TABLE, by)?);
    list(connection, sql, params![now, by, limit], |row| {
        let mut columns = Columns::new(TABLE, row);
        Ok(EndingPrincipal {
            id: PrincipalId::from_bytes(columns.array()?),
            name: columns.word()?,
            holds_role: columns.flag()?,
            ends_at: columns.instant()?,
        })
    })
}

/// At most `limit` credentials that one made for others and that prove somebody at `now`, or will once they are confirmed, those that end
/// first before others.
pub(in crate::sqlite) fn list_made_by(
    connection: Guarded<'_>,
    maker: PrincipalId,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Credential>, StoreError> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM credential INDEXED BY credential_by_maker WHERE created_by = ?1 AND standing = 'active' \
         AND expires_at > ?2 AND principal <> ?1 \
         AND EXISTS (SELECT 1 FROM principal AS p WHERE p.id = credential.principal AND p.standing = 'active') \
         ORDER BY expires_at, id LIMIT ?3"
    );
    list(connection, sql, params![maker.as_bytes(), micros(TABLE, now)?, limit], parse)
}

/// Rows in the order of their identifiers, behind `after`.
pub(in crate::sqlite) fn list_from(
    connection: Guarded<'_>,
    after: &[u8],
    limit: u32,
) -> Result<Vec<Credential>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM credential WHERE id > ?1 ORDER BY id LIMIT ?2");
    list(connection, sql, params![after, limit], parse)
}

fn parse(row: &Line<'_>) -> Result<Credential, StoreError> {
    let mut columns = Columns::new(TABLE, row);
    columns.held(&TAGGED)?;
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
        status: columns.word()?,
        created_at: columns.instant()?,
        expires_at: columns.instant()?,
        reason: why(&mut columns)?,
        revision: columns.count()?,
        created_by: columns.maybe(Columns::array)?.map(PrincipalId::from_bytes),
        renews: columns.maybe(Columns::array)?.map(CredentialId::from_bytes),
        awaits_confirmation: columns.maybe(Columns::flag)?.unwrap_or_default(),
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
        (CredentialKind::Certificate | CredentialKind::EnrolmentCode | CredentialKind::Token, None, None)
            if session_digest.is_none() =>
        {
            Ok(None)
        }
        _ => Err(columns.damaged("an access key lacks a part, or what is none has one")),
    }
}

/// Writes a credential. Whom it proves and by what is fixed.
pub(in crate::sqlite) fn put(
    connection: Guarded<'_>,
    credential: &Credential,
) -> Result<Applied, StoreError> {
    let stored = find_by_id(connection, credential.id)?;
    if let Seen::Moved = seen(TABLE, stored.as_ref(), credential)? {
        return Ok(Applied::Conflict);
    }
    let access_key = credential.access_key.as_ref();
    write_tagged(
        connection,
        &TAGGED,
        &[credential.id.as_bytes()],
        "INSERT INTO credential (id, principal, kind, digest, access_key_id, sealed_secret, session_digest, label, \
         standing, created_at, expires_at, reason, revision, created_by, renews, awaits_confirmation) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) \
         ON CONFLICT (id) DO UPDATE SET label = excluded.label, standing = excluded.standing, \
         expires_at = excluded.expires_at, reason = excluded.reason, revision = excluded.revision, \
         awaits_confirmation = excluded.awaits_confirmation",
        params![
            credential.id.as_bytes(),
            credential.principal.as_bytes(),
            credential.kind.name(),
            credential.digest,
            access_key.map(|kept| kept.id.as_str()),
            access_key.map(|kept| &kept.sealed_secret),
            access_key.and_then(|kept| kept.session_digest),
            credential.label.as_str(),
            credential.status.name(),
            micros(TABLE, credential.created_at)?,
            micros(TABLE, credential.expires_at)?,
            credential.reason.map(Why::to_bytes),
            next_revision(TABLE, credential.revision)?,
            credential.created_by.as_ref().map(PrincipalId::as_bytes),
            credential.renews.as_ref().map(CredentialId::as_bytes),
            credential.awaits_confirmation.then_some(true),
        ],
    )
}
