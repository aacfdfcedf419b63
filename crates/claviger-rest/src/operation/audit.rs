//! The audit log: entries, proofs, checkpoints, live states, tiles.

use std::fmt;
use std::str::FromStr;

use claviger_client::types::Page;
use claviger_client::types::audit::{Indexes, ListStates, ReadEntries as WireEntries};
use claviger_core::KeyVersionId;
use claviger_core::port::store::Page as ServicePage;
use claviger_service::ServiceError;
use claviger_service::operation::{
    CheckIndexes, Prove, ReadCheckpoint, ReadEntries, ReadLogResource, ReadStates,
};
use http::Uri;

use super::{Answered, In};
use crate::answer::Answer;
use crate::arrival::Arrival;
use crate::body;
use crate::cursor::{self, List};
use crate::wire::audit::{checkpoints_to_wire, filter_from_wire, page_to_wire, proof_to_wire, state_to_wire};

pub(crate) async fn read_entries(arrival: Arrival, uri: Uri) -> Answered {
    let query: WireEntries = body::query(&uri)?;
    let limit = cursor::bounded(query.limit)?;
    let operation = ReadEntries { from: query.from, limit, filter: filter_from_wire(&query) };
    let done = arrival.perform(operation).await?;
    Ok(Answer::json(&page_to_wire(done.output))?.recorded(&done.receipt))
}

pub(crate) async fn prove(arrival: Arrival, In((shard, index)): In<(u32, u64)>) -> Answered {
    if shard != arrival.api().road().facts().shard {
        return Err(ServiceError::not_found().into());
    }
    let done = arrival.perform(Prove { index }).await?;
    Ok(Answer::json(&proof_to_wire(shard, done.output))?.recorded(&done.receipt))
}

pub(crate) async fn read_checkpoint(arrival: Arrival) -> Answered {
    let done = arrival.perform(ReadCheckpoint {}).await?;
    Ok(Answer::json(&checkpoints_to_wire(done.output))?.recorded(&done.receipt))
}

pub(crate) async fn list_states(arrival: Arrival, uri: Uri) -> Answered {
    let query: ListStates = body::query(&uri)?;
    let page = cursor::page::<VersionName>(List::States, query.cursor.as_deref(), query.limit)?;
    let limit = page.limit;
    let page = ServicePage { after: page.after.map(|name| name.0), limit };
    let done = arrival.perform(ReadStates { page }).await?;
    let next = cursor::next(List::States, limit, &done.output, |(version, _, _)| VersionName(*version));
    let items = done.output.iter().map(state_to_wire).collect();
    Ok(Answer::json(&Page { items, next })?.recorded(&done.receipt))
}

pub(crate) async fn check_indexes(arrival: Arrival) -> Answered {
    let done = arrival.perform(CheckIndexes {}).await?;
    Ok(Answer::json(&Indexes { findings: done.output })?.recorded(&done.receipt))
}

/// A file of a log (C2SP tlog-tiles).
pub(crate) async fn read_log_resource(arrival: Arrival, In(path): In<String>) -> Answered {
    let checkpoint = path.ends_with("/checkpoint");
    let done = arrival.perform(ReadLogResource { path }).await?;
    let bytes = done.output.ok_or_else(ServiceError::not_found)?;
    let answer = match String::from_utf8(bytes) {
        Ok(text) if checkpoint => Answer::text(text),
        Ok(text) => Answer::octets(text.into_bytes()),
        Err(error) => Answer::octets(error.into_bytes()),
    };
    Ok(answer.recorded(&done.receipt))
}

/// A key version as a cursor names it, `id/number`.
pub(crate) struct VersionName(pub(crate) KeyVersionId);

/// Text that names no key version.
pub(crate) struct NotAVersionName;

impl FromStr for VersionName {
    type Err = NotAVersionName;

    fn from_str(text: &str) -> Result<Self, NotAVersionName> {
        let (key, number) = text.split_once('/').ok_or(NotAVersionName)?;
        let key = key.parse().map_err(|_| NotAVersionName)?;
        let number = number.parse().map_err(|_| NotAVersionName)?;
        Ok(Self(KeyVersionId { key, number }))
    }
}

impl fmt::Display for VersionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
