//! Tags of rows: each row of an object carries one, keyed by a secret that lies sealed under the root, over every column as it is
//! read. A row that was edited, made, copied or exchanged in the database has another one, and is refused wherever it is read.
//!
//! Invariants: a tag is written by [`Guarded::stamp`] alone, in the transaction that wrote its row, from the columns as they
//! stand there then; before a row is written over, it is read, and so held against its tag.
//!
//! What a row's columns say of the object's place, kind and number are among what the tag covers, so that a tag is good in one
//! place only. A column that a later schema added counts from the first value that it has ([`Tagged::later`]): the number of columns is
//! told by what the tag is over, so that no other row has the same. That a row is missing, or is an older one of the same object, its own
//! tag does not show.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, Range};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use claviger_core::object::{Kind, Object};
use claviger_core::port::StoreError;
use claviger_crypto::kdf::HmacSha256;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, ToSql};

use super::error::{damaged, translate};
use super::inventory::{self, Inventory, Seen};
use super::sums::Summing;

/// Bytes of a tag: half of an HMAC-SHA-256 (SP 800-107, 5.3.3). Whoever tries tags does so at the server, row by row.
const LEN: usize = 16;
/// Altered rows that are remembered to be reported; more are only counted.
const MOST_REMEMBERED: usize = 1_024;
/// How often rows are read again that change meanwhile.
const MOST_TRIES: usize = 64;

/// What a tag covers.
#[derive(Debug)]
pub(super) struct Tagged {
    /// The kind of the object.
    pub(super) kind: Kind,
    /// The table and the columns: part of what the tag is over.
    pub(super) what: &'static str,
    /// The columns, as they are selected.
    pub(super) columns: &'static str,
    /// Which of them is the identifier. Of a version, the number is behind it.
    pub(super) id: usize,
    /// Which is the revision.
    pub(super) revision: Option<usize>,
    /// Is the first column the digest of the row's newest fact?
    pub(super) has_fact: bool,
    /// How many columns, at the end, came with a later schema. The tag of a row does not cover those of them behind the last one that has a
    /// value, so that a row without any has the tag that it had before.
    pub(super) later: usize,
    /// Selects the columns of one row.
    pub(super) select: &'static str,
    /// Writes the tag, ?1, of that row, and the digest of its fact, ?2, if it has one. The parameters that name it come behind.
    pub(super) update: &'static str,
}

impl Tagged {
    /// How many columns it covers.
    pub(super) const fn width(&self) -> usize {
        let (bytes, mut at, mut count) = (self.columns.as_bytes(), 0, 1);
        while let Some((_, rest)) = bytes.split_at_checked(at)
            && let Some(byte) = rest.first()
        {
            if *byte == b',' {
                count += 1;
            }
            at += 1;
        }
        count
    }

    fn object(&self, row: &Row<'_>, at: usize) -> Result<Object, StoreError> {
        let value = |at: usize| row.get_ref(at).map_err(translate);
        let lost = || damaged(self.what, "its identifier does not read");
        let mut id = value(at + self.id)?.as_blob().map_err(|_| lost())?.to_vec();
        if self.kind == Kind::Version {
            let number = value(at + self.id + 1)?.as_i64().ok().and_then(|number| u32::try_from(number).ok());
            id.extend(number.ok_or_else(lost)?.to_be_bytes());
        }
        Object::from_id(self.kind, &id).ok_or_else(lost)
    }

    /// The column behind the last one that the tag of a row covers whose columns begin at `at`.
    fn end(&self, row: &Row<'_>, at: usize) -> Result<usize, StoreError> {
        let mut end = at + self.width();
        let first = end.saturating_sub(self.later);
        while end > first && matches!(row.get_ref(end - 1).map_err(translate)?, ValueRef::Null) {
            end -= 1;
        }
        Ok(end)
    }

    fn message(&self, row: &Row<'_>, at: usize) -> Result<Message, StoreError> {
        let mut message = Message::of(self.what);
        put_columns(&mut message, row, at..self.end(row, at)?)?;
        Ok(message)
    }

    /// The same with another digest of the fact than the row has.
    fn message_with(&self, row: &Row<'_>, fact: ValueRef<'_>) -> Result<Message, StoreError> {
        let mut message = Message::of(self.what);
        message.put(fact);
        put_columns(&mut message, row, 1..self.end(row, 0)?)?;
        Ok(message)
    }
}

/// Puts these columns of a row.
fn put_columns(message: &mut Message, row: &Row<'_>, columns: Range<usize>) -> Result<(), StoreError> {
    for column in columns {
        message.put(row.get_ref(column).map_err(translate)?);
    }
    Ok(())
}

/// What a tag is over: what it covers, and each column with its type and length.
struct Message(Vec<u8>);

impl Message {
    fn of(what: &str) -> Self {
        let mut message = Self(Vec::with_capacity(512));
        message.put_bytes(0, what.as_bytes());
        message
    }

    fn over(what: &str, columns: &[ValueRef<'_>]) -> Self {
        let mut message = Self::of(what);
        columns.iter().for_each(|column| message.put(*column));
        message
    }

    fn put(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => self.put_bytes(1, &[]),
            ValueRef::Integer(number) => self.put_bytes(2, &number.to_be_bytes()),
            ValueRef::Real(number) => self.put_bytes(3, &number.to_be_bytes()),
            ValueRef::Text(text) => self.put_bytes(4, text),
            ValueRef::Blob(bytes) => self.put_bytes(5, bytes),
        }
    }

    fn put_bytes(&mut self, kind: u8, bytes: &[u8]) {
        self.0.push(kind);
        self.0.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        self.0.extend_from_slice(bytes);
    }
}

/// What the tag of columns is over that are of no object.
pub(super) fn message(what: &str, columns: &[ValueRef<'_>]) -> Vec<u8> {
    Message::over(what, columns).0
}

/// The key of tags, and what was found that does not hold.
#[derive(Debug)]
pub(super) struct Guard {
    key: OnceLock<Arc<HmacSha256>>,
    /// Are rows read without a look at their tags?
    is_off: bool,
    altered: Mutex<BTreeSet<Object>>,
    refused: AtomicU64,
    /// Which rows there are.
    pub(super) inventory: Inventory,
}

/// For rows that no decision is taken on: as migrations take them over, before there are tags, and tables without objects.
static OFF: Guard = Guard::new(true);

impl Guard {
    const fn new(is_off: bool) -> Self {
        let altered = Mutex::new(BTreeSet::new());
        Self {
            key: OnceLock::new(),
            is_off,
            altered,
            refused: AtomicU64::new(0),
            inventory: Inventory::new(),
        }
    }

    /// Reads no row of an object before it has its key.
    pub(super) const fn locked() -> Self {
        Self::new(false)
    }

    /// Takes the key. The first one stays.
    pub(super) fn open(&self, key: Arc<HmacSha256>) {
        let _ = self.key.set(key);
    }

    pub(super) fn is_open(&self) -> bool {
        self.key.get().is_some()
    }

    /// How often a row was refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub(super) fn count_refused(&self, times: u64) {
        self.refused.fetch_add(times, Ordering::Relaxed);
    }

    /// The rows that were refused since the last time this was asked.
    pub(super) fn take_altered(&self) -> Vec<Object> {
        let mut altered = self.altered.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *altered).into_iter().collect()
    }

    fn found_altered(&self, object: Object) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let mut altered = self.altered.lock().unwrap_or_else(PoisonError::into_inner);
        if altered.len() < MOST_REMEMBERED {
            altered.insert(object);
        }
    }
}

/// The digests of the facts that are recorded of rows which are written.
pub(super) type FactDigests = BTreeMap<Object, [u8; 32]>;

/// A connection with the guard of what is read through it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guarded<'c> {
    connection: &'c Connection,
    guard: &'c Guard,
    /// Rows that do not hold are put here, and read all the same.
    noted: Option<&'c RefCell<BTreeSet<Object>>>,
    /// Rows that are read are put here.
    seen: Option<&'c RefCell<Vec<Seen>>>,
    /// What rows get that are written. Others keep the digest that they have.
    facts: Option<&'c FactDigests>,
    /// What becomes of the sums of tags of tables without objects.
    sums: Option<&'c Summing>,
}

impl Deref for Guarded<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl<'c> Guarded<'c> {
    pub(super) const fn new(connection: &'c Connection, guard: &'c Guard) -> Self {
        Self { connection, guard, noted: None, seen: None, facts: None, sums: None }
    }

    /// The same, with sums that change with the rows that are written.
    pub(super) const fn summing(self, sums: &'c Summing) -> Self {
        Self { sums: Some(sums), ..self }
    }

    pub(super) const fn sums(&self) -> Option<&'c Summing> {
        self.sums
    }

    /// The same, giving rows that are written these digests of their facts.
    pub(super) const fn recording(self, facts: &'c FactDigests) -> Self {
        Self { facts: Some(facts), ..self }
    }

    /// Without a look at tags.
    pub(super) const fn off(connection: &'c Connection) -> Self {
        Self { connection, guard: &OFF, noted: None, seen: None, facts: None, sums: None }
    }

    /// What `read` finds of rows as they stand, and which of them do not hold.
    pub(super) fn noting<T>(
        self,
        read: impl FnOnce(Guarded<'_>) -> Result<T, StoreError>,
    ) -> Result<(T, BTreeSet<Object>), StoreError> {
        let noted = RefCell::default();
        let found = read(Guarded {
            connection: self.connection,
            guard: self.guard,
            noted: Some(&noted),
            seen: None,
            facts: self.facts,
            sums: self.sums,
        })?;
        Ok((found, noted.into_inner()))
    }

    /// Says of an object that what was kept of it is not what was written, and remembers it to be reported.
    pub(super) fn altered(&self, object: Object) -> StoreError {
        self.guard.found_altered(object);
        StoreError::RowAltered(object)
    }

    /// Refuses a row that an index gave for another one than was looked for.
    pub(super) fn only<T>(
        &self,
        found: Option<T>,
        is_wanted: impl Fn(&T) -> bool,
        object: impl Fn(&T) -> Object,
    ) -> Result<Option<T>, StoreError> {
        match found {
            Some(row) if !is_wanted(&row) => Err(self.altered(object(&row))),
            found => Ok(found),
        }
    }

    /// What `read` finds, all of one state of the store, if the rows that it reads are those that are there, and in no older
    /// revision. `wanted` is there, or is known not to be.
    pub(super) fn fresh<T>(
        self,
        wanted: Option<Object>,
        read: impl Fn(Guarded<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let inventory = &self.guard.inventory;
        if !inventory.is_open() {
            return read(self);
        }
        for _ in 0..MOST_TRIES {
            let before = inventory.commits();
            let seen = RefCell::default();
            // Ends with the guard; a transaction that only read has nothing to lose by it.
            let transaction = self.connection.unchecked_transaction().map_err(translate)?;
            // Also of what does not read, for that may be why.
            let found = read(Guarded {
                connection: self.connection,
                guard: self.guard,
                noted: None,
                seen: Some(&seen),
                facts: self.facts,
                sums: self.sums,
            });
            let mut seen = seen.into_inner();
            if let Some(object) = wanted.filter(|_| found.is_ok())
                && seen.iter().all(|seen| seen.object != object)
            {
                seen.push(Seen { object, revision: None });
            }
            let wrong = inventory::first_wrong(self, inventory, &seen)?;
            drop(transaction);
            let Some(wrong) = wrong else { return found };
            if let Err(StoreError::RowAltered(_)) = found {
                return found;
            }
            // Otherwise a commit came in between, and changed what was read or what is known.
            if inventory.commits() == before {
                self.guard.found_altered(wrong);
                return Err(StoreError::RowAltered(wrong));
            }
        }
        Err(StoreError::Unavailable("rows change faster than they are read; try again".to_owned()))
    }

    /// Holds the columns behind the tag that stands at `at` against it.
    pub(super) fn hold(&self, of: &Tagged, row: &Row<'_>, at: usize) -> Result<(), StoreError> {
        if self.guard.is_off {
            return Ok(());
        }
        // Noting goes on where nothing can be held against anything yet.
        let key =
            if self.noted.is_some() { self.guard.key.get().map(Arc::as_ref) } else { Some(self.key()?) };
        let tag = row.get_ref(at).map_err(translate)?.as_blob().ok();
        let message = of.message(row, at + 1)?;
        let holds = key.zip(tag).is_some_and(|(key, tag)| key.verify_half(&[&message.0], tag).is_ok());
        if holds {
            if let (Some(seen), Some(revision)) = (self.seen, of.revision) {
                let revision = row.get_ref(at + 1 + revision).map_err(translate)?.as_i64().ok();
                let revision = revision.map(i64::cast_unsigned);
                seen.borrow_mut().push(Seen { object: of.object(row, at + 1)?, revision });
            }
            return Ok(());
        }
        let object = of.object(row, at + 1)?;
        if key.is_some() {
            self.guard.found_altered(object);
        }
        match self.noted {
            Some(noted) => {
                noted.borrow_mut().insert(object);
                Ok(())
            }
            None => Err(StoreError::RowAltered(object)),
        }
    }

    /// Is the key of tags there?
    pub(super) fn is_open(&self) -> bool {
        self.guard.is_open()
    }

    /// Are rows read and written without a look at tags?
    pub(super) const fn is_off(&self) -> bool {
        self.guard.is_off
    }

    fn key(&self) -> Result<&'c HmacSha256, StoreError> {
        let key = self.guard.key.get().map(Arc::as_ref);
        key.ok_or_else(|| StoreError::Unavailable("rows are there once the root is open".to_owned()))
    }

    /// The tag of columns that are about to be written.
    pub(super) fn tag_of(&self, what: &str, columns: &[ValueRef<'_>]) -> Result<[u8; LEN], StoreError> {
        Ok(self.key()?.half(&[&Message::over(what, columns).0]))
    }

    /// Is that the tag of these columns?
    pub(super) fn is_tag_of(
        &self,
        what: &str,
        columns: &[ValueRef<'_>],
        tag: &[u8],
    ) -> Result<bool, StoreError> {
        Ok(self.key()?.verify_half(&[&Message::over(what, columns).0], tag).is_ok())
    }

    /// Gives a row, as it stands in the open transaction, its tag.
    pub(super) fn stamp(&self, of: &Tagged, named: &[&dyn ToSql]) -> Result<(), StoreError> {
        if self.guard.is_off {
            return Ok(());
        }
        self.stamp_under(self.key()?, of, named)
    }

    /// The digest of the fact that a row is to have: the one that is recorded of it now, or else the one that it has.
    fn fact_of(&self, of: &Tagged, row: &Row<'_>) -> Result<Option<[u8; 32]>, StoreError> {
        let object = of.object(row, 0)?;
        match self.facts.and_then(|facts| facts.get(&object)) {
            Some(fact) => Ok(Some(*fact)),
            None => row.get(0).map_err(translate),
        }
    }

    /// The same under a key that is not the guard's yet.
    pub(super) fn stamp_under(
        &self,
        key: &HmacSha256,
        of: &Tagged,
        named: &[&dyn ToSql],
    ) -> Result<(), StoreError> {
        let (message, fact) = {
            let mut select = self.prepare_cached(of.select).map_err(translate)?;
            let mut rows = select.query(named).map_err(translate)?;
            let row = rows.next().map_err(translate)?.ok_or_else(|| damaged(of.what, "a row is gone"))?;
            if of.has_fact {
                let fact = self.fact_of(of, row)?;
                (
                    of.message_with(row, fact.as_ref().map_or(ValueRef::Null, |fact| ValueRef::Blob(fact)))?,
                    fact,
                )
            } else {
                (of.message(row, 0)?, None)
            }
        };
        let tag = key.half(&[&message.0]);
        let mut all: Vec<&dyn ToSql> = vec![&tag];
        if of.has_fact {
            all.push(&fact);
        }
        all.extend(named);
        let written = self.prepare_cached(of.update).and_then(|mut update| update.execute(&*all));
        match written.map_err(translate)? {
            1 => Ok(()),
            _ => Err(damaged(of.what, "a row is gone")),
        }
    }
}

/// One row, with the guard of what is read of it.
pub(super) struct Line<'r> {
    pub(super) row: &'r Row<'r>,
    pub(super) guarded: Guarded<'r>,
}
