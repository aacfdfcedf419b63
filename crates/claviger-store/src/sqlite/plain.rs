//! Rows of tables without objects that decisions are taken on all the same: which ring a name belongs to, what a repeated call made,
//! what is held of the log's time, what an epoch restricted. Each carries a keyed tag over its columns, written in the transaction that
//! writes the row, and is held against it wherever it is read.
//!
//! That a row is missing, or is an older one, its tag does not show; the sum of all tags of the table does (`sums`). Of `log_time`, which has
//! one row, `row_root` has the revision.

use claviger_core::port::StoreError;
use claviger_crypto::kdf::HmacSha256;
use rusqlite::types::ValueRef;
use rusqlite::{Row, ToSql};

use super::error::{damaged, translate};
use super::sums::tag_in;
use super::tag::Guarded;

/// What a tag covers.
#[derive(Debug)]
pub(super) struct Plain {
    /// The table: part of what the tag is over.
    pub(super) table: &'static str,
    /// Columns of the tag's row, all but the tag.
    width: usize,
    /// Selects the tag, and behind it the columns, of all rows; a condition may come behind.
    select: &'static str,
    /// Which row, by parameters from ?1 on.
    place: &'static str,
    /// Writes the tag, ?1, of the row that the other parameters name.
    update: &'static str,
}

macro_rules! plain {
    ($(#[$doc:meta])* $name:ident, $table:literal, $columns:literal, $width:literal, $place:literal, $shifted:literal) => {
        $(#[$doc])*
        pub(super) const $name: Plain = Plain {
            table: $table,
            width: $width,
            select: concat!("SELECT tag, ", $columns, " FROM ", $table),
            place: $place,
            update: concat!("UPDATE ", $table, " SET tag = ?1 WHERE ", $shifted),
        };
    };
}

plain!(
    /// Names that aliases ever bore.
    ALIAS_NAME, "alias_name", "name, ring", 2, "name = ?1", "name = ?2"
);
plain!(
    /// What each epoch changed.
    FENCE_DELTA, "fence_delta", "epoch, subjects, shard_id, idx", 4, "epoch = ?1", "epoch = ?2"
);
plain!(
    /// Creating calls that are remembered.
    IDEMPOTENCY,
    "idempotency",
    "principal, key_digest, request_digest, scheme, created, created_at",
    6,
    "principal = ?1 AND key_digest = ?2",
    "principal = ?2 AND key_digest = ?3"
);
plain!(
    /// What is remembered of the log's time.
    LOG_TIME,
    "log_time",
    "id, confirmed_at, held_at, steps, snapshot_at, scanned_at, evaluated_at, revision",
    8,
    "id = ?1",
    "id = ?2"
);

const ALL: [&Plain; 4] = [&ALIAS_NAME, &FENCE_DELTA, &IDEMPOTENCY, &LOG_TIME];

impl Plain {
    /// Is there a sum of the tags of its rows?
    fn is_summed(&self) -> bool {
        self.table != LOG_TIME.table
    }

    fn columns<'r>(&self, row: &'r Row<'_>) -> Result<Vec<ValueRef<'r>>, StoreError> {
        (1..=self.width).map(|column| row.get_ref(column).map_err(translate)).collect()
    }
}

impl Guarded<'_> {
    /// Holds a row that was selected by [`select`] against its tag.
    pub(super) fn hold_plain(&self, of: &Plain, row: &Row<'_>) -> Result<(), StoreError> {
        if self.is_off() || self.is_plain_tag(of, row)? {
            return Ok(());
        }
        Err(damaged(of.table, "a row is not as a server wrote it: somebody changed it in the database"))
    }

    fn is_plain_tag(&self, of: &Plain, row: &Row<'_>) -> Result<bool, StoreError> {
        let columns = of.columns(row)?;
        let tag = row.get_ref(0).map_err(translate)?.as_blob().unwrap_or_default();
        self.is_tag_of(of.table, &columns, tag)
    }

    /// Gives a row, as it stands in the open transaction, its tag.
    pub(super) fn stamp_plain(&self, of: &Plain, named: &[&dyn ToSql]) -> Result<(), StoreError> {
        if self.is_off() {
            return Ok(());
        }
        let (old, tag) = {
            let mut select =
                self.prepare_cached(&format!("{} WHERE {}", of.select, of.place)).map_err(translate)?;
            let mut rows = select.query(named).map_err(translate)?;
            let row = rows.next().map_err(translate)?.ok_or_else(|| damaged(of.table, "a row is gone"))?;
            // What is written over still has the tag of what it was.
            let old = tag_in(of.table, row.get_ref(0).map_err(translate)?)?;
            (old, self.tag_of(of.table, &of.columns(row)?)?)
        };
        if of.is_summed() {
            self.sum(of.table, old, Some(tag));
        }
        let mut all: Vec<&dyn ToSql> = vec![&tag];
        all.extend(named);
        let written = self.prepare_cached(of.update).and_then(|mut update| update.execute(&*all));
        written.map(drop).map_err(translate)
    }
}

/// The statement that reads rows of a table with their tags.
pub(super) fn select(of: &Plain) -> String {
    format!("{} WHERE {}", of.select, of.place)
}

/// The same of those that were written before an instant, ?1.
pub(super) fn select_old(of: &Plain) -> String {
    format!("{} WHERE created_at < ?1", of.select)
}

/// Gives every row of these tables its tag under `key`, as it stands.
pub(super) fn tag_all(connection: Guarded<'_>, key: &HmacSha256) -> Result<(), StoreError> {
    for of in ALL {
        let named: Vec<Vec<rusqlite::types::Value>> = {
            let mut select = connection.prepare(of.select).map_err(translate)?;
            let mut rows = select.query([]).map_err(translate)?;
            let mut named = Vec::new();
            while let Some(row) = rows.next().map_err(translate)? {
                let columns = of.columns(row)?;
                let tag = key.half(&[&super::tag::message(of.table, &columns)]);
                let keys = of.place.matches('?').count();
                let mut one = vec![rusqlite::types::Value::Blob(tag.to_vec())];
                for column in columns.iter().take(keys) {
                    one.push((*column).try_into().map_err(|_| damaged(of.table, "a key does not read"))?);
                }
                named.push(one);
            }
            named
        };
        for one in named {
            let written = connection
                .prepare_cached(of.update)
                .and_then(|mut update| update.execute(rusqlite::params_from_iter(one)));
            written.map_err(translate)?;
        }
    }
    Ok(())
}

/// The tables of which there is a sum.
pub(super) fn summed() -> impl Iterator<Item = &'static str> {
    ALL.into_iter().filter(|of| of.is_summed()).map(|of| of.table)
}

/// Shows the tags of all rows of these.
pub(super) fn each_tag(
    connection: Guarded<'_>,
    mut see: impl FnMut(&'static str, [u8; 16]),
) -> Result<(), StoreError> {
    for of in ALL.into_iter().filter(|of| of.is_summed()) {
        let mut select = connection.prepare(of.select).map_err(translate)?;
        let mut rows = select.query([]).map_err(translate)?;
        while let Some(row) = rows.next().map_err(translate)? {
            // What has no tag that could be one is found by its row.
            if let Ok(Some(tag)) = tag_in(of.table, row.get_ref(0).map_err(translate)?) {
                see(of.table, tag);
            }
        }
    }
    Ok(())
}

/// The tables of which rows are not as a server wrote them.
pub(super) fn differing(connection: Guarded<'_>) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    for of in ALL {
        let mut select = connection.prepare(of.select).map_err(translate)?;
        let mut rows = select.query([]).map_err(translate)?;
        let mut wrong = 0_u64;
        while let Some(row) = rows.next().map_err(translate)? {
            wrong += u64::from(!connection.is_plain_tag(of, row)?);
        }
        if wrong > 0 {
            found.push(format!("table `{}`: {wrong} rows are not as a server wrote them", of.table));
        }
    }
    Ok(found)
}
