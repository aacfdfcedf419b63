//! Table `key_policy`. Its rows have no tags: the row of the key has a digest of each.

use claviger_core::KeyId;
use claviger_core::key::{Key, PolicyDocument};
use claviger_core::object::Object;
use claviger_core::port::StoreError;
use claviger_core::port::store::Applied;
use rusqlite::params;

use super::super::columns::{Columns, find};
use super::super::error::refused;
use super::super::tag::Guarded;
use super::{grant, key, write};

const TABLE: &str = "key_policy";

/// The document that goes with the key as it stands.
pub(in crate::sqlite) fn find_by_key(
    connection: Guarded<'_>,
    id: KeyId,
) -> Result<Option<PolicyDocument>, StoreError> {
    let sql = concat!(
        "SELECT ",
        key::columns!(),
        ", p.text, p.grants FROM key k LEFT JOIN key_policy p ON p.key = k.id WHERE k.id = ?1"
    );
    let found = find(connection, sql, [id.as_bytes()], |row| {
        let mut columns = Columns::new("key", row);
        let (_, key) = key::read(&mut columns)?;
        let mut columns = columns.of(TABLE);
        let text = columns.maybe(Columns::text)?.map(str::to_owned);
        let grants = columns.maybe(Columns::bytes)?.and_then(grant::ids);
        Ok((key, text.zip(grants)))
    })?;
    let found = connection.only(found, |(key, _)| key.id == id, |(key, _)| Object::Key(key.id))?;
    let Some((Key { policy: Some(digest), .. }, kept)) = found else { return Ok(None) };
    let document = kept.map(|(text, grants)| PolicyDocument { key: id, text, grants });
    match document.filter(|document| document.digest() == digest) {
        Some(document) => Ok(Some(document)),
        None => Err(connection.altered(Object::Key(id))),
    }
}

/// Keeps a document in place of the one before.
pub(in crate::sqlite) fn put(
    connection: Guarded<'_>,
    document: &PolicyDocument,
) -> Result<Applied, StoreError> {
    if document.text.len() > PolicyDocument::MAX_TEXT {
        return Err(refused(TABLE, "the document is too long"));
    }
    let grants: Vec<u8> = document.grants.iter().flat_map(|grant| *grant.as_bytes()).collect();
    write(
        connection,
        "INSERT INTO key_policy (key, text, grants) VALUES (?1, ?2, ?3) \
         ON CONFLICT (key) DO UPDATE SET text = excluded.text, grants = excluded.grants",
        params![document.key.as_bytes(), document.text, grants],
    )
}
