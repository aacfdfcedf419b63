//! How the system is; and what is open to everyone.

use axum::extract::{Request, State};
use axum::response::Response;
use claviger_client::types::system::{ConfirmClock as WireConfirm, Health, Version};
use claviger_core::action::Surface;
use claviger_service::operation::usage::Random;
use claviger_service::operation::{ConfirmClock, ReadSystem};

use super::Answered;
use crate::Api;
use crate::answer::Answer;
use crate::arrival::Arrival;
use crate::body;
use crate::error::Failure;
use crate::wire::audit::{clock_to_wire, status_to_wire};

pub(crate) async fn read(arrival: Arrival) -> Answered {
    let done = arrival.perform(ReadSystem {}).await?;
    Ok(Answer::json(&status_to_wire(done.output))?.recorded(&done.receipt))
}

pub(crate) async fn confirm_clock(arrival: Arrival, request: Request) -> Answered {
    let (_, wire) = body::json::<WireConfirm>(request, arrival.api().limits().body).await?;
    let arrival = arrival.because(wire.reason, wire.reason_code)?;
    let done = arrival.perform(ConfirmClock { time: wire.time.0 }).await?;
    Ok(Answer::json(&clock_to_wire(&done.output))?.recorded(&done.receipt))
}

/// Answers as long as the process does. Says nothing of the inside, and asks nothing of it: anyone may call this as often
/// as they like.
pub(crate) async fn health() -> Result<Response, Failure> {
    Ok(Answer::json(&Health { status: "ok".into() })?.unrecorded())
}

pub(crate) async fn version() -> Result<Response, Failure> {
    let version =
        Version { name: "claviger".into(), version: env!("CARGO_PKG_VERSION").into(), api: "v1".into() };
    Ok(Answer::json(&version)?.unrecorded())
}

/// The OpenAPI document. It discloses nothing that the sources do not; still it is for those whom the deployment knows. Who may
/// read how the system is may read it on the control plane; who may draw random bytes, on the data plane.
pub(crate) async fn openapi(State(api): State<Api>, arrival: Arrival) -> Answered {
    let receipt = match api.surface() {
        Surface::Control => arrival.perform(ReadSystem {}).await?.receipt,
        Surface::Data => arrival.perform(Random { bytes: 1 }).await?.receipt,
    };
    Ok(Answer::written(api.openapi()).recorded(&receipt))
}
