//! Which rows there are of tables without objects, so that one that was taken out, or an older one that was put in its place, is found
//! though every tag that is there holds.
//!
//! Of each such table row `row_sum` has the sum of the tags of its rows (modulo 2^128). Tags are keyed, and are 128 bits that nobody chooses: rows of
//! another sum are other rows. A sum changes in the transaction that changes its table, and the tag of `row_root` covers all of them.
//! Rows of `veil` and `document`, which carry no tag, are summed by the one that they would have.

use std::cell::RefCell;
use std::collections::BTreeMap;

use claviger_core::port::StoreError;
use rusqlite::params;
use rusqlite::types::ValueRef;

use super::columns::{Columns, find, list};
use super::error::{damaged, translate};
use super::plain;
use super::tag::Guarded;

/// Keys that seal what facts say of objects.
pub(super) const VEIL: &str = "veil";
/// Small documents of the deployment.
const DOCUMENT: &str = "document";

/// By how much the sums of tables differ behind the open transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums(BTreeMap<&'static str, u128>);

impl Sums {
    fn add(&mut self, table: &'static str, gone: Option<[u8; 16]>, come: Option<[u8; 16]>) {
        let by = |tag: Option<[u8; 16]>| tag.map_or(0, u128::from_be_bytes);
        let sum = self.0.entry(table).or_default();
        *sum = sum.wrapping_add(by(come)).wrapping_sub(by(gone));
    }

    /// Does none differ?
    pub(super) fn is_empty(&self) -> bool {
        self.0.values().all(|by| *by == 0)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Writes what becomes of the sums into the open transaction.
    pub(super) fn write(&self, connection: Guarded<'_>) -> Result<(), StoreError> {
        for (table, by) in self.0.iter().filter(|(_, by)| **by != 0) {
            put(connection, table, kept(connection, table)?.wrapping_add(*by))?;
        }
        Ok(())
    }
}

/// The sums that a transaction changes.
pub(super) type Summing = RefCell<Sums>;

impl Guarded<'_> {
    /// Rows of a table go and come.
    pub(super) fn sum(&self, table: &'static str, gone: Option<[u8; 16]>, come: Option<[u8; 16]>) {
        if let Some(sums) = self.sums() {
            sums.borrow_mut().add(table, gone, come);
        }
    }

    /// The tag that a row of `veil` would have.
    pub(super) fn veil_tag(&self, name: &[u8], sealed: &[u8]) -> Result<[u8; 16], StoreError> {
        self.tag_of(VEIL, &[ValueRef::Blob(name), ValueRef::Blob(sealed)])
    }
}

/// The tag that a row of `document` would have.
fn document_tag(connection: Guarded<'_>, name: &str, bytes: &[u8]) -> Result<[u8; 16], StoreError> {
    connection.tag_of(DOCUMENT, &[ValueRef::Text(name.as_bytes()), ValueRef::Blob(bytes)])
}

/// Writes into the open transaction that a document came.
pub(super) fn add_document(connection: Guarded<'_>, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let tag = u128::from_be_bytes(document_tag(connection, name, bytes)?);
    put(connection, DOCUMENT, kept(connection, DOCUMENT)?.wrapping_add(tag))
}

fn kept(connection: Guarded<'_>, table: &str) -> Result<u128, StoreError> {
    let sum = find(connection, "SELECT sum FROM row_sum WHERE name = ?1", [table], |row| {
        Columns::new("row_sum", row).array::<16>()
    })?;
    Ok(sum.map_or(0, u128::from_be_bytes))
}

fn put(connection: Guarded<'_>, table: &str, sum: u128) -> Result<(), StoreError> {
    let sql =
        "INSERT INTO row_sum (name, sum) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET sum = excluded.sum";
    let written = connection
        .prepare_cached(sql)
        .and_then(|mut upsert| upsert.execute(params![table, sum.to_be_bytes()]));
    written.map(drop).map_err(translate)
}

/// The sums of the tables as their rows stand.
fn as_they_stand(connection: Guarded<'_>) -> Result<BTreeMap<&'static str, u128>, StoreError> {
    let mut sums = Sums::default();
    // Also of what has no rows left.
    plain::summed().chain([VEIL, DOCUMENT]).for_each(|table| sums.add(table, None, None));
    plain::each_tag(connection, |table, tag| sums.add(table, None, Some(tag)))?;
    list(connection, "SELECT name, sealed FROM veil WHERE name > x''", [], |row| {
        let mut columns = Columns::new(VEIL, row);
        let tag = connection.veil_tag(columns.bytes()?, columns.bytes()?)?;
        sums.add(VEIL, None, Some(tag));
        Ok(())
    })?;
    list(connection, "SELECT name, bytes FROM document WHERE name > ''", [], |row| {
        let mut columns = Columns::new(DOCUMENT, row);
        let (name, bytes) = (columns.text()?.to_owned(), columns.bytes()?.to_vec());
        sums.add(DOCUMENT, None, Some(document_tag(connection, &name, &bytes)?));
        Ok(())
    })?;
    Ok(sums.0)
}

/// Makes the sums of the rows as they stand, for a store that has none.
pub(super) fn make(connection: Guarded<'_>) -> Result<(), StoreError> {
    connection.execute("DELETE FROM row_sum", []).map_err(translate)?;
    as_they_stand(connection)?.into_iter().try_for_each(|(table, sum)| put(connection, table, sum))
}

/// All sums that are kept, as bytes.
pub(super) fn all(connection: Guarded<'_>) -> Result<Vec<u8>, StoreError> {
    let sums = list(connection, "SELECT name, sum FROM row_sum WHERE name > '' ORDER BY name", [], |row| {
        let mut columns = Columns::new("row_sum", row);
        let name = columns.text()?.to_owned();
        Ok([name.as_bytes(), &[0], &columns.array::<16>()?].concat())
    })?;
    Ok(sums.concat())
}

/// The tables that have other rows than are kept to be there, read in one state of the store.
pub(super) fn differing(connection: Guarded<'_>) -> Result<Vec<String>, StoreError> {
    // Ends with the guard; a transaction that only read has nothing to lose by it.
    let _transaction = connection.unchecked_transaction().map_err(translate)?;
    let mut found = Vec::new();
    for (table, sum) in as_they_stand(connection)? {
        if sum != kept(connection, table)? {
            found.push(format!("table `{table}`: rows were taken out, put in or put back to older ones"));
        }
    }
    Ok(found)
}

/// A tag, as it stands in a row.
pub(super) fn tag_in(table: &str, value: ValueRef<'_>) -> Result<Option<[u8; 16]>, StoreError> {
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Blob(bytes) => {
            bytes.try_into().map(Some).map_err(|_| damaged(table, "a tag has another length"))
        }
        _ => Err(damaged(table, "a tag is none")),
    }
}
