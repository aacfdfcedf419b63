//! Captions.

use axum::extract::Request;
use claviger_client::types::reason::GiveReason;
use claviger_service::operation::EraseReason;

use super::{Answered, In};
use crate::answer::Answer;
use crate::arrival::Arrival;
use crate::body;
use crate::names::parse;
use crate::wire::reason::record_to_wire;

pub(crate) async fn erase(arrival: Arrival, In(reason): In<String>, request: Request) -> Answered {
    let id = parse(&reason)?;
    let wire: GiveReason = body::json_if_any(request, arrival.api().limits().body).await?;
    let arrival = arrival.because(wire.reason, wire.reason_code)?;
    let done = arrival.perform(EraseReason { id }).await?;
    Ok(Answer::json(&record_to_wire(&done.output))?.recorded(&done.receipt))
}
