//! The digests of the newest facts of all rows, in one read of one state of the store: what a snapshot is over.
//!
//! They are read on a connection of their own, from indexes that hold nothing else: commits wait for nothing, no reader is taken,
//! and the write-ahead log is held for no longer than the reading takes.

use std::sync::Arc;

use claviger_core::object::Kind;
use claviger_core::port::StoreError;
use claviger_core::port::store::FactSink;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::columns::{Columns, list};
use super::error::{damaged, translate};
use super::row::fact_head;
use super::tag::Guarded;
use super::{Inner, connection, log};

/// Shows every digest to `sink`, in the order of (kind, identifier). Gives the size of the shard's log as of which the rows stand;
/// `None` while rows of an older release are not all recorded. Ends early when its caller goes away.
pub(super) async fn read(
    inner: Arc<Inner>,
    shard: u32,
    sink: Box<dyn FactSink>,
) -> Result<Option<u64>, StoreError> {
    let unavailable = |what: &str| StoreError::Unavailable(format!("the state is not read: {what}"));
    let (reply, answer) = oneshot::channel();
    std::thread::Builder::new()
        .name("snapshot".to_owned())
        .spawn(move || {
            let read = connection::reading(inner.database(), &inner.options)
                .and_then(|connection| read_all(&connection, shard, sink, || reply.is_closed()));
            // Whoever gets the result may close the store.
            drop(inner);
            drop(reply.send(read));
        })
        .map_err(|error| unavailable(&error.to_string()))?;
    answer.await.unwrap_or_else(|_| Err(unavailable("the thread ended")))
}

fn read_all(
    connection: &Connection,
    shard: u32,
    mut sink: Box<dyn FactSink>,
    is_given_up: impl Fn() -> bool,
) -> Result<Option<u64>, StoreError> {
    // Ends with the guard; a transaction that only read has nothing to lose by it.
    let _transaction = connection.unchecked_transaction().map_err(translate)?;
    let connection = Guarded::off(connection);
    if fact_head::find_it(connection)?.is_some() {
        return Ok(None);
    }
    let head = log::find_head(connection, shard)?;
    let size = head.ok_or_else(|| damaged("shard_head", "its row is missing"))?.size;
    for kind in Kind::ALL {
        let mut rows: u32 = 0;
        list(connection, listing(kind), [], |row| {
            rows = rows.wrapping_add(1);
            if rows.is_multiple_of(4096) && is_given_up() {
                return Err(StoreError::Unavailable("nobody waits for it any more".to_owned()));
            }
            let mut columns = Columns::new("fact", row);
            let fact = columns.maybe(Columns::array)?;
            sink.take(&fact.ok_or_else(|| columns.damaged(format_args!("a {kind} without a fact")))?);
            Ok(())
        })?;
    }
    Ok(Some(size))
}

/// The digests of a kind, by the index that has nothing else.
const fn listing(kind: Kind) -> &'static str {
    match kind {
        Kind::Alert => "SELECT fact FROM alert INDEXED BY alert_revision WHERE id >= x'' ORDER BY id",
        Kind::Alias => "SELECT fact FROM alias INDEXED BY alias_revision WHERE id >= x'' ORDER BY id",
        Kind::Approval => {
            "SELECT fact FROM approval INDEXED BY approval_revision WHERE id >= x'' ORDER BY id"
        }
        Kind::Asset => "SELECT fact FROM asset INDEXED BY asset_revision WHERE id >= x'' ORDER BY id",
        Kind::BreakGlass => {
            "SELECT fact FROM break_glass INDEXED BY break_glass_revision WHERE id >= x'' ORDER BY id"
        }
        Kind::Credential => {
            "SELECT fact FROM credential INDEXED BY credential_revision WHERE id >= x'' ORDER BY id"
        }
        Kind::Declaration => {
            "SELECT fact FROM declaration INDEXED BY declaration_revision WHERE id >= x'' ORDER BY id"
        }
        Kind::Governance => {
            "SELECT fact FROM governance INDEXED BY governance_revision WHERE id >= x'' ORDER BY id"
        }
        Kind::Grant => "SELECT fact FROM grants INDEXED BY grants_revision WHERE id >= x'' ORDER BY id",
        Kind::Key => "SELECT fact FROM key INDEXED BY key_revision WHERE id >= x'' ORDER BY id",
        Kind::Node => "SELECT fact FROM node INDEXED BY node_revision WHERE id >= x'' ORDER BY id",
        Kind::Principal => {
            "SELECT fact FROM principal INDEXED BY principal_revision WHERE id >= x'' ORDER BY id"
        }
        Kind::Reason => "SELECT fact FROM reason INDEXED BY reason_revision WHERE id >= x'' ORDER BY id",
        Kind::Review => "SELECT fact FROM review INDEXED BY review_revision WHERE id >= x'' ORDER BY id",
        Kind::RightsReview => {
            "SELECT fact FROM rights_review INDEXED BY rights_review_revision WHERE id >= x'' ORDER BY id"
        }
        Kind::Ring => "SELECT fact FROM ring INDEXED BY ring_revision WHERE id >= x'' ORDER BY id",
        Kind::Version => {
            "SELECT fact FROM key_version INDEXED BY key_version_fact WHERE key >= x'' ORDER BY key, number"
        }
    }
}
