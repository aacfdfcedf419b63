//! Emergency access: it is opened, read, closed, and reviewed.

use axum::extract::Request;
use claviger_client::types::break_glass::{
    ListBreakGlass as WireList, OpenBreakGlass as WireOpen, ReviewBreakGlass as WireReview,
};
use claviger_client::types::{GiveReason, Page};
use claviger_core::break_glass::BreakGlass;
use claviger_service::operation::{Captioned, Captions, CloseBreakGlass, ReadBreakGlass, Released};
use http::{StatusCode, Uri};

use super::{Answered, In};
use crate::answer::Answer;
use crate::arrival::Arrival;
use crate::body;
use crate::cursor::{self, List};
use crate::names::parse;
use crate::wire::break_glass::{list_from_wire, open_from_wire, review_from_wire, to_wire};

pub(crate) async fn open(arrival: Arrival, request: Request) -> Answered {
    let (_, mut wire) = body::json::<WireOpen>(request, arrival.api().limits().body).await?;
    let arrival = arrival.because(wire.reason.take(), wire.reason_code)?;
    let done = arrival.perform(Captioned(open_from_wire(&wire)?)).await?;
    let (access, captions) = &done.output;
    let answer = Answer::json(&to_wire(access, captions))?.status(StatusCode::CREATED);
    Ok(answer.revision(access.revision).recorded(&done.receipt))
}

pub(crate) async fn list(arrival: Arrival, uri: Uri) -> Answered {
    let query: WireList = body::query(&uri)?;
    let page = cursor::page(List::BreakGlass, query.cursor.as_deref(), query.limit)?;
    let limit = page.limit;
    let operation = list_from_wire(query.state.map(|state| state.0), page);
    let done = arrival.perform(Captioned(operation)).await?;
    let (found, captions) = &done.output;
    let next = cursor::next(List::BreakGlass, limit, found, |access| access.id);
    let items = found.iter().map(|access| to_wire(access, captions)).collect();
    Ok(Answer::json(&Page { items, next })?.recorded(&done.receipt))
}

pub(crate) async fn read(arrival: Arrival, In(access): In<String>) -> Answered {
    shown(arrival.perform(Captioned(ReadBreakGlass { access: parse(&access)? })).await?)
}

pub(crate) async fn close(arrival: Arrival, In(access): In<String>, request: Request) -> Answered {
    let access = parse(&access)?;
    let wire: GiveReason = body::json_if_any(request, arrival.api().limits().body).await?;
    let arrival = arrival.because(wire.reason, wire.reason_code)?;
    shown(arrival.perform(Captioned(CloseBreakGlass { access })).await?)
}

pub(crate) async fn review(arrival: Arrival, In(access): In<String>, request: Request) -> Answered {
    let access = parse(&access)?;
    let (_, mut wire) = body::json::<WireReview>(request, arrival.api().limits().body).await?;
    let arrival = arrival.because(wire.reason.take(), wire.reason_code)?;
    shown(arrival.perform(Captioned(review_from_wire(access, &wire))).await?)
}

fn shown(done: Released<(BreakGlass, Captions)>) -> Answered {
    let (access, captions) = &done.output;
    let answer = Answer::json(&to_wire(access, captions))?;
    Ok(answer.revision(access.revision).recorded(&done.receipt))
}
