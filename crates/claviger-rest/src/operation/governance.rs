//! The rules of the deployment.

use axum::extract::Request;
use claviger_client::types::governance::UpdateGovernance as WireUpdate;
use claviger_core::Governance;
use claviger_service::operation::{Captioned, Captions, ReadGovernance, Released};

use super::Answered;
use crate::answer::Answer;
use crate::arrival::{Arrival, if_revision};
use crate::body;
use crate::wire::governance::{set_from_wire, to_wire};

pub(crate) async fn read(arrival: Arrival) -> Answered {
    shown(arrival.perform(Captioned(ReadGovernance {})).await?)
}

pub(crate) async fn update(arrival: Arrival, request: Request) -> Answered {
    let (headers, mut wire) = body::json::<WireUpdate>(request, arrival.api().limits().body).await?;
    let arrival = arrival.because(wire.reason.take(), wire.reason_code)?;
    shown(arrival.perform(Captioned(set_from_wire(&wire, if_revision(&headers)?))).await?)
}

fn shown(done: Released<(Governance, Captions)>) -> Answered {
    let (governance, captions) = &done.output;
    let answer = Answer::json(&to_wire(governance, captions))?;
    Ok(answer.revision(governance.revision).recorded(&done.receipt))
}
