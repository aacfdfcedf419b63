//! Declarations.

use axum::extract::Request;
use claviger_client::types::declaration::{
    Attest as WireAttest, Declare as WireDeclare, ListDeclarations as WireList,
};
use claviger_client::types::{GiveReason, Page};
use claviger_service::operation::{
    Captioned, Captions, ListDeclarations, ReadDeclaration, ReadableDeclaration, Released,
    WithdrawDeclaration,
};
use http::{StatusCode, Uri};

use super::{Answered, In};
use crate::answer::Answer;
use crate::arrival::Arrival;
use crate::body;
use crate::cursor::{self, List};
use crate::error::Failure;
use crate::names::parse;
use crate::wire::declaration::{attest_from_wire, declare_from_wire, filter_from_wire, to_wire};

pub(crate) async fn declare(arrival: Arrival, request: Request) -> Answered {
    let (_, wire) = body::json::<WireDeclare>(request, arrival.api().limits().body).await?;
    let done = arrival.perform(Captioned(declare_from_wire(wire)?)).await?;
    Ok(shown(&done)?.status(StatusCode::CREATED).recorded(&done.receipt))
}

pub(crate) async fn attest(arrival: Arrival, request: Request) -> Answered {
    let (_, wire) = body::json::<WireAttest>(request, arrival.api().limits().body).await?;
    let done = arrival.perform(Captioned(attest_from_wire(wire))).await?;
    Ok(shown(&done)?.status(StatusCode::CREATED).recorded(&done.receipt))
}

pub(crate) async fn list(arrival: Arrival, uri: Uri) -> Answered {
    let query: WireList = body::query(&uri)?;
    let page = cursor::page(List::Declarations, query.cursor.as_deref(), query.limit)?;
    let limit = page.limit;
    let done = arrival.perform(ListDeclarations { filter: filter_from_wire(&query), page }).await?;
    let next = cursor::next(List::Declarations, limit, &done.output, |declaration| declaration.row.id);
    let items = done.output.iter().map(|declaration| to_wire(declaration, &Captions::default())).collect();
    Ok(Answer::json(&Page { items, next })?.recorded(&done.receipt))
}

pub(crate) async fn read(arrival: Arrival, In(declaration): In<String>) -> Answered {
    let done = arrival.perform(Captioned(ReadDeclaration { declaration: parse(&declaration)? })).await?;
    Ok(shown(&done)?.recorded(&done.receipt))
}

pub(crate) async fn withdraw(arrival: Arrival, In(declaration): In<String>, request: Request) -> Answered {
    let declaration = parse(&declaration)?;
    let wire: GiveReason = body::json_if_any(request, arrival.api().limits().body).await?;
    let arrival = arrival.because(wire.reason, wire.reason_code)?;
    let done = arrival.perform(Captioned(WithdrawDeclaration { declaration })).await?;
    Ok(shown(&done)?.recorded(&done.receipt))
}

fn shown(done: &Released<(ReadableDeclaration, Captions)>) -> Result<Answer, Failure> {
    let (declaration, captions) = &done.output;
    Ok(Answer::json(&to_wire(declaration, captions))?.revision(declaration.row.revision))
}
