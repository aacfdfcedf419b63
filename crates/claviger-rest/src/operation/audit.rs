//! The audit log: entries, proofs, checkpoints, live rows, tiles.

use std::fmt;
use std::str::FromStr;

use axum::extract::Request;
use claviger_client::types::Page;
use claviger_client::types::audit::{
    DiscloseAudit as WireDisclose, EvidenceSignature, Indexes, ListRows, ReadEntries as WireEntries,
    SearchAudit as WireSearch, SignEvidence as WireSign,
};
use claviger_core::object::{Object, RowCursor};
use claviger_service::ServiceError;
use claviger_service::operation::{
    Captioned, CheckIndexes, DiscloseAudit, Prove, ReadCheckpoint, ReadEntries, ReadLogResource, ReadRows,
    ScanStore, SearchAudit, TakeSnapshot,
};
use http::Uri;

use super::{Answered, In};
use crate::answer::Answer;
use crate::arrival::Arrival;
use crate::body;
use crate::cursor::{self, List};
use crate::names::{parse, parse_if_any};
use crate::wire::audit::{
    checkpoints_to_wire, disclosure_to_wire, evidence_from_wire, filter_from_wire, page_to_wire,
    proof_to_wire, row_to_wire, scan_to_wire, searched_to_wire, snapshot_to_wire,
};

pub(crate) async fn read_entries(arrival: Arrival, uri: Uri) -> Answered {
    let query: WireEntries = body::query(&uri)?;
    let limit = cursor::bounded(query.limit)?;
    let operation = ReadEntries { from: query.from, limit, filter: filter_from_wire(query.choice()) };
    let done = arrival.perform(Captioned(operation)).await?;
    let (page, captions) = done.output;
    Ok(Answer::json(&page_to_wire(page, &captions))?.recorded(&done.receipt))
}

pub(crate) async fn search(arrival: Arrival, uri: Uri) -> Answered {
    let query: WireSearch = body::query(&uri)?;
    let operation = SearchAudit {
        from: query.from,
        size: query.size,
        limit: cursor::bounded(query.limit)?,
        filter: filter_from_wire(query.choice()),
        principal: parse_if_any(query.principal.as_deref())?,
        credential: query.credential.map(|id| id.0),
    };
    let done = arrival.perform(Captioned(operation)).await?;
    let (page, captions) = done.output;
    Ok(Answer::json(&searched_to_wire(page, &captions))?.recorded(&done.receipt))
}

pub(crate) async fn disclose(arrival: Arrival, uri: Uri) -> Answered {
    let query: WireDisclose = body::query(&uri)?;
    let level = parse(&query.level)?;
    let done = arrival.perform(DiscloseAudit { from: query.from, to: query.to, level }).await?;
    Ok(Answer::json(&disclosure_to_wire(done.output))?.recorded(&done.receipt))
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

pub(crate) async fn list_rows(arrival: Arrival, uri: Uri) -> Answered {
    let query: ListRows = body::query(&uri)?;
    let page = cursor::page::<RowPlace>(List::Rows, query.cursor.as_deref(), query.limit)?;
    let from = page.after.map_or_else(RowCursor::default, |place| place.0);
    let done = arrival.perform(ReadRows { from, limit: page.limit }).await?;
    let next = done.output.next.map(|next| cursor::encode(List::Rows, &RowPlace(next)));
    let items = done.output.rows.into_iter().map(row_to_wire).collect();
    Ok(Answer::json(&Page { items, next })?.recorded(&done.receipt))
}

pub(crate) async fn check_indexes(arrival: Arrival) -> Answered {
    let done = arrival.perform(CheckIndexes {}).await?;
    Ok(Answer::json(&Indexes { findings: done.output })?.recorded(&done.receipt))
}

pub(crate) async fn take_snapshot(arrival: Arrival) -> Answered {
    let done = arrival.perform(TakeSnapshot {}).await?;
    Ok(Answer::json(&snapshot_to_wire(&done.output))?.recorded(&done.receipt))
}

pub(crate) async fn scan_store(arrival: Arrival) -> Answered {
    let done = arrival.perform(ScanStore {}).await?;
    Ok(Answer::json(&scan_to_wire(&done.output))?.recorded(&done.receipt))
}

pub(crate) async fn sign_evidence(arrival: Arrival, request: Request) -> Answered {
    let (_, wire) = body::json::<WireSign>(request, arrival.api().limits().body).await?;
    let done = arrival.perform(evidence_from_wire(&wire)?).await?;
    Ok(Answer::json(&EvidenceSignature { note: done.output })?.recorded(&done.receipt))
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

/// Where a list of rows goes on, as a cursor has it: `kind/` and the identifier in hexadecimal, if there is one.
pub(crate) struct RowPlace(pub(crate) RowCursor);

/// Text that is no such place.
pub(crate) struct NotAPlace;

impl FromStr for RowPlace {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        let (kind, id) = text.split_once('/').ok_or(NotAPlace)?;
        let kind = kind.parse().map_err(|_| NotAPlace)?;
        let after = match id {
            "" => None,
            id => {
                let id = hex::decode(id).map_err(|_| NotAPlace)?;
                Some(Object::from_id(kind, &id).ok_or(NotAPlace)?)
            }
        };
        Ok(Self(RowCursor { kind, after }))
    }
}

impl fmt::Display for RowPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.0.after.map(|after| hex::encode(after.id())).unwrap_or_default();
        write!(f, "{}/{id}", self.0.kind)
    }
}
