//! Reading rows: a value that exists is valid, a row that is none is [`StoreError::Corrupt`].

use std::str::FromStr;
use std::time::Duration;

use claviger_core::Timestamp;
use claviger_core::port::StoreError;
use rusqlite::Params;
use rusqlite::types::ValueRef;

use super::error::{damaged, refused, translate};
use super::tag::{Guarded, Line, Tagged};

/// The columns of one row, from left to right.
pub(super) struct Columns<'r> {
    line: &'r Line<'r>,
    table: &'static str,
    at: usize,
}

impl<'r> Columns<'r> {
    pub(super) const fn new(table: &'static str, line: &'r Line<'r>) -> Self {
        Self { line, table, at: 0 }
    }

    /// Goes on with the columns of another table that the row is joined with.
    pub(super) const fn of(mut self, table: &'static str) -> Self {
        self.table = table;
        self
    }

    /// Skips to the column behind the first `count`.
    pub(super) const fn behind(mut self, count: usize) -> Self {
        self.at = count;
        self
    }

    /// Did a join find no row for the tag and columns that come next?
    pub(super) fn is_absent(&self, of: &Tagged) -> Result<bool, StoreError> {
        let id = self.line.row.get_ref(self.at + 1 + of.id).map_err(translate)?;
        Ok(matches!(id, ValueRef::Null))
    }

    /// Reads the tag, and holds the columns behind it against it; reads the digest of the fact, which no row's value has.
    pub(super) fn held(&mut self, of: &Tagged) -> Result<(), StoreError> {
        self.line.guarded.hold(of, self.line.row, self.at)?;
        self.at += 1 + usize::from(of.has_fact);
        Ok(())
    }

    fn value(&mut self) -> Result<ValueRef<'r>, StoreError> {
        let value = self.line.row.get_ref(self.at).map_err(translate)?;
        self.at += 1;
        Ok(value)
    }

    /// `what` is wrong with the row.
    pub(super) fn damaged(&self, what: impl std::fmt::Display) -> StoreError {
        damaged(self.table, what)
    }

    pub(super) fn bytes(&mut self) -> Result<&'r [u8], StoreError> {
        self.value()?.as_blob().map_err(|_| self.damaged("bytes expected"))
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        self.bytes()?.try_into().map_err(|_| self.damaged(format_args!("{N} bytes expected")))
    }

    pub(super) fn text(&mut self) -> Result<&'r str, StoreError> {
        self.value()?.as_str().map_err(|_| self.damaged("text expected"))
    }

    /// A name, or a word of a closed set.
    pub(super) fn word<T: FromStr<Err: std::fmt::Display>>(&mut self) -> Result<T, StoreError> {
        self.text()?.parse().map_err(|reason: T::Err| self.damaged(reason))
    }

    /// Words joined by commas.
    pub(super) fn words<T: FromStr<Err: std::fmt::Display>>(&mut self) -> Result<Vec<T>, StoreError> {
        let text = self.text()?;
        if text.is_empty() {
            return Ok(Vec::new());
        }
        text.split(',').map(|word| word.parse().map_err(|reason: T::Err| self.damaged(reason))).collect()
    }

    /// A count.
    pub(super) fn count(&mut self) -> Result<u64, StoreError> {
        let number = self.value()?.as_i64().map_err(|_| self.damaged("a number expected"))?;
        u64::try_from(number).map_err(|_| self.damaged("a negative number"))
    }

    /// A count that fits a smaller type.
    pub(super) fn small<T: TryFrom<u64>>(&mut self) -> Result<T, StoreError> {
        T::try_from(self.count()?).map_err(|_| self.damaged("a number out of range"))
    }

    pub(super) fn flag(&mut self) -> Result<bool, StoreError> {
        match self.count()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.damaged("neither yes nor no")),
        }
    }

    pub(super) fn instant(&mut self) -> Result<Timestamp, StoreError> {
        self.count().map(Timestamp::from_micros)
    }

    pub(super) fn span(&mut self) -> Result<Duration, StoreError> {
        self.count().map(Duration::from_micros)
    }

    /// What `read` gives, or `None` for a column without a value.
    pub(super) fn maybe<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        if matches!(self.value()?, ValueRef::Null) {
            return Ok(None);
        }
        self.at -= 1;
        read(self).map(Some)
    }
}

/// A count as SQLite keeps it.
pub(super) fn integer(table: &str, count: u64) -> Result<i64, StoreError> {
    i64::try_from(count).map_err(|_| refused(table, "a number beyond 2^63"))
}

/// An instant as SQLite keeps it.
pub(super) fn micros(table: &str, at: Timestamp) -> Result<i64, StoreError> {
    integer(table, at.as_micros())
}

/// A span as SQLite keeps it: whole microseconds.
pub(super) fn span(table: &str, span: Duration) -> Result<i64, StoreError> {
    if !span.subsec_nanos().is_multiple_of(1000) {
        return Err(refused(table, "a span finer than a microsecond"));
    }
    i64::try_from(span.as_micros()).map_err(|_| refused(table, "a span beyond 2^63 microseconds"))
}

/// Words joined by commas.
pub(super) fn join<T: std::fmt::Display>(words: &[T]) -> String {
    let mut text = String::new();
    for word in words {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&word.to_string());
    }
    text
}

/// The first row that `sql` gives, read by `read`.
pub(super) fn find<T>(
    connection: Guarded<'_>,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Line<'_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    #[cfg(test)]
    super::plan::check(&connection, sql);
    let mut statement = connection.prepare_cached(sql).map_err(translate)?;
    let mut rows = statement.query(params).map_err(translate)?;
    rows.next().map_err(translate)?.map(|row| read(&Line { row, guarded: connection })).transpose()
}

/// All rows that `sql` gives, each read by `read`.
pub(super) fn list<T>(
    connection: Guarded<'_>,
    sql: &str,
    params: impl Params,
    mut read: impl FnMut(&Line<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    #[cfg(test)]
    super::plan::check(&connection, sql);
    let mut statement = connection.prepare_cached(sql).map_err(translate)?;
    let mut rows = statement.query(params).map_err(translate)?;
    let mut values = Vec::new();
    while let Some(row) = rows.next().map_err(translate)? {
        values.push(read(&Line { row, guarded: connection })?);
    }
    Ok(values)
}
