//! Access reviews: who has what is looked at, decided on, and what is to go is withdrawn.

use axum::extract::Request;
use claviger_client::types::review::{
    DecideReview as WireDecide, ListReviews as WireList, OpenReview as WireOpen, ReadReview as WireRead,
    WhichReviews,
};
use claviger_client::types::{GiveReason, Page};
use claviger_service::operation::{
    Captioned, Captions, CloseReview, ListReviews, ReadReview, Released, ReviewTold,
};
use http::{StatusCode, Uri};

use super::{Answered, In};
use crate::answer::Answer;
use crate::arrival::Arrival;
use crate::body;
use crate::cursor::{self, List};
use crate::error::Failure;
use crate::names::parse;
use crate::wire::review::{closed_to_wire, decide_from_wire, open_from_wire, page_to_wire, told_to_wire};

fn shown(done: &Released<(ReviewTold, Captions)>) -> Result<Answer, Failure> {
    let (review, captions) = &done.output;
    Ok(Answer::json(&told_to_wire(review, captions))?.revision(review.revision))
}

pub(crate) async fn open(arrival: Arrival, request: Request) -> Answered {
    let (_, mut wire) = body::json::<WireOpen>(request, arrival.api().limits().body).await?;
    let arrival = arrival.because(wire.reason.take(), wire.reason_code)?;
    let done = arrival.perform(Captioned(open_from_wire(&wire)?)).await?;
    Ok(shown(&done)?.status(StatusCode::CREATED).recorded(&done.receipt))
}

pub(crate) async fn list(arrival: Arrival, uri: Uri) -> Answered {
    let query: WireList = body::query(&uri)?;
    let page = cursor::page(List::Reviews, query.cursor.as_deref(), query.limit)?;
    let limit = page.limit;
    let open = query.state.map(|state| state.0 == WhichReviews::Open);
    let done = arrival.perform(Captioned(ListReviews { open, page })).await?;
    let (found, captions) = &done.output;
    let next = cursor::next(List::Reviews, limit, found, |review| review.id);
    let items = found.iter().map(|review| told_to_wire(review, captions)).collect();
    Ok(Answer::json(&Page { items, next })?.recorded(&done.receipt))
}

pub(crate) async fn read(arrival: Arrival, In(review): In<String>, uri: Uri) -> Answered {
    let (review, query): (_, WireRead) = (parse(&review)?, body::query(&uri)?);
    let page = cursor::page(List::ReviewItems, query.cursor.as_deref(), query.limit)?;
    let done = arrival.perform(Captioned(ReadReview { review, page })).await?;
    let (read, captions) = &done.output;
    let next = read.next.map(|last| cursor::encode(List::ReviewItems, &last));
    let answer = Answer::json(&page_to_wire(read, captions, next))?;
    Ok(answer.revision(read.review.revision).recorded(&done.receipt))
}

pub(crate) async fn decide(arrival: Arrival, In(review): In<String>, request: Request) -> Answered {
    let review = parse(&review)?;
    let (_, mut wire) = body::json::<WireDecide>(request, arrival.api().limits().body).await?;
    let arrival = arrival.because(wire.reason.take(), wire.reason_code)?;
    let done = arrival.perform(Captioned(decide_from_wire(review, &wire)?)).await?;
    Ok(shown(&done)?.recorded(&done.receipt))
}

pub(crate) async fn close(arrival: Arrival, In(review): In<String>, request: Request) -> Answered {
    let review = parse(&review)?;
    let wire: GiveReason = body::json_if_any(request, arrival.api().limits().body).await?;
    let arrival = arrival.because(wire.reason, wire.reason_code)?;
    let done = arrival.perform(Captioned(CloseReview { review })).await?;
    let (closed, captions) = &done.output;
    let answer = Answer::json(&closed_to_wire(closed, captions))?;
    Ok(answer.revision(closed.review.revision).recorded(&done.receipt))
}
