//! Plans: several acts that others approve at once.

use axum::extract::Request;
use claviger_client::types::plan::{AskPlan as WireAsk, CheckedPlan};
use claviger_service::ErrorKind;
use claviger_service::operation::{ExecutedResult, Plan, Released};

use super::Answered;
use super::approval::executed_to_wire;
use crate::answer::Answer;
use crate::arrival::Arrival;
use crate::body;
use crate::error::{Failure, to_wire};
use crate::wire::plan::{act_to_wire, plan_from_wire};

pub(crate) async fn ask(arrival: Arrival, request: Request) -> Answered {
    let (arrival, plan) = asked(arrival, request).await?;
    let Released { output: executed, receipt } = arrival.ask_plan(plan).await?;
    let ExecutedResult::Plan(plan) = &executed.result else {
        return Err(Failure::new(to_wire(ErrorKind::Internal), "what was done is no plan"));
    };
    let answer = executed_to_wire(plan.row.id, executed, &receipt)?;
    Ok(Answer::json(&answer)?.recorded(&receipt))
}

pub(crate) async fn check(arrival: Arrival, request: Request) -> Answered {
    let (arrival, plan) = asked(arrival, request).await?;
    let Released { output: acts, receipt } = arrival.check_plan(plan).await?;
    let answer = Answer::json(&CheckedPlan { acts: acts.into_iter().map(act_to_wire).collect() })?;
    Ok(answer.recorded(&receipt))
}

/// Reads a plan, and why it is asked for.
async fn asked(arrival: Arrival, request: Request) -> Result<(Arrival, Plan), Failure> {
    let (_, mut wire) = body::json::<WireAsk>(request, arrival.api().limits().body).await?;
    let arrival = arrival.because(wire.reason.take(), wire.reason_code)?;
    Ok((arrival, plan_from_wire(wire)))
}
