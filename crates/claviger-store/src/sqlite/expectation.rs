//! What a set of changes expects of rows that it does not write: compared inside its transaction.

use claviger_core::change::{Expectation, Row};
use claviger_core::key::Separation;
use claviger_core::port::StoreError;
use claviger_core::port::store::Applied;

use super::row::{
    alert, approval, break_glass, credential, declaration, governance, grant, key, principal, reason, review,
    ring, version,
};
use super::tag::Guarded;

/// Does it hold, in the transaction that is open?
pub(super) fn compare(connection: Guarded<'_>, expected: &Expectation) -> Result<Applied, StoreError> {
    let holds = match expected {
        Expectation::NoMixedUse { ring } => grant::find_mixed_use(connection, *ring)?.is_none(),
        Expectation::NoStrictGrant { to, by } => {
            !grant::list_granters(connection, *to)?.contains(&(*by, Separation::Strict))
        }
        Expectation::Revision { row, revision } => revision_of(connection, *row)? == *revision,
        Expectation::UsesWithin { principal, strictest } => {
            grant::find_strictest_use(connection, *principal)? <= *strictest
        }
    };
    Ok(if holds { Applied::Yes } else { Applied::Conflict })
}

/// The row's revision, 0 for one that is not there.
fn revision_of(connection: Guarded<'_>, row: Row) -> Result<u64, StoreError> {
    let found = match row {
        Row::Alert(id) => alert::find_by_id(connection, id)?.map(|row| row.revision),
        Row::Approval(id) => approval::find_by_id(connection, id)?.map(|row| row.revision),
        Row::BreakGlass(id) => break_glass::find_by_id(connection, id)?.map(|row| row.revision),
        Row::Credential(id) => credential::find_by_id(connection, id)?.map(|row| row.revision),
        Row::Declaration(id) => declaration::find_by_id(connection, id)?.map(|row| row.revision),
        // There is one row of them.
        Row::Governance(_) => governance::find_it(connection)?.map(|row| row.revision),
        Row::Grant(id) => grant::find_by_id(connection, id)?.map(|row| row.revision),
        Row::Key(id) => key::find_by_id(connection, id)?.map(|row| row.revision),
        Row::Principal(id) => principal::find_by_id(connection, id)?.map(|row| row.revision),
        Row::Reason(id) => reason::find_by_id(connection, id)?.map(|row| row.revision),
        Row::Review(id) => review::find_by_id(connection, id)?.map(|row| row.revision),
        Row::Ring(id) => ring::find_by_id(connection, id)?.map(|row| row.revision),
        Row::Version(id) => version::find_one(connection, id)?.map(|row| row.revision),
    };
    Ok(found.unwrap_or_default())
}
