//! Approvals: what somebody asked for is read, decided on, done, or given up.

use axum::extract::Request;
use claviger_client::types::approval::{
    DecideApproval as WireDecide, ExecutedApproval, ExecutedResult as WireResult, ListApprovals as WireList,
    WhichApprovals,
};
use claviger_client::types::{GiveReason, Page};
use claviger_core::ApprovalId;
use claviger_core::receipt::Receipt;
use claviger_service::operation::{
    CancelApproval, Captioned, Captions, Executed, ExecutedResult, ListApprovals, ReadApproval,
    ReadableApproval, Released,
};
use http::Uri;

use super::identity::created_to_wire;
use super::{Answered, In};
use crate::answer::Answer;
use crate::arrival::Arrival;
use crate::body;
use crate::cursor::{self, List};
use crate::error::Failure;
use crate::names::parse;
use crate::wire::approval::{approve_from_wire, deny_from_wire, listed_to_wire, to_wire};
use crate::wire::{break_glass, declaration, governance, identity, key, reason, ring};

pub(crate) async fn list(arrival: Arrival, uri: Uri) -> Answered {
    let query: WireList = body::query(&uri)?;
    let page = cursor::page(List::Approvals, query.cursor.as_deref(), query.limit)?;
    let limit = page.limit;
    let open = query.state.map(|state| state.0 == WhichApprovals::Open);
    let done = arrival.perform(Captioned(ListApprovals { open, page })).await?;
    let (found, captions) = &done.output;
    let next = cursor::next(List::Approvals, limit, found, |approval| approval.row.id);
    let items = found.iter().map(|approval| listed_to_wire(approval, captions)).collect();
    Ok(Answer::json(&Page { items, next })?.recorded(&done.receipt))
}

pub(crate) async fn read(arrival: Arrival, In(approval): In<String>) -> Answered {
    shown(arrival.perform(Captioned(ReadApproval { approval: parse(&approval)? })).await?)
}

pub(crate) async fn approve(arrival: Arrival, In(approval): In<String>, request: Request) -> Answered {
    let approval = parse(&approval)?;
    let (arrival, wire) = decision(arrival, request).await?;
    shown(arrival.perform(Captioned(approve_from_wire(approval, &wire))).await?)
}

pub(crate) async fn deny(arrival: Arrival, In(approval): In<String>, request: Request) -> Answered {
    let approval = parse(&approval)?;
    let (arrival, wire) = decision(arrival, request).await?;
    shown(arrival.perform(Captioned(deny_from_wire(approval, &wire))).await?)
}

/// Reads a decision, and why it is taken.
async fn decision(arrival: Arrival, request: Request) -> Result<(Arrival, WireDecide), Failure> {
    let (_, mut wire) = body::json::<WireDecide>(request, arrival.api().limits().body).await?;
    let arrival = arrival.because(wire.reason.take(), wire.reason_code)?;
    Ok((arrival, wire))
}

pub(crate) async fn cancel(arrival: Arrival, In(approval): In<String>, request: Request) -> Answered {
    let approval = parse(&approval)?;
    let wire: GiveReason = body::json_if_any(request, arrival.api().limits().body).await?;
    let arrival = arrival.because(wire.reason, wire.reason_code)?;
    shown(arrival.perform(Captioned(CancelApproval { approval })).await?)
}

fn shown(done: Released<(ReadableApproval, Captions)>) -> Answered {
    let (approval, captions) = &done.output;
    let answer = Answer::json(&to_wire(approval, captions))?;
    Ok(answer.revision(approval.row.revision).recorded(&done.receipt))
}

pub(crate) async fn execute(arrival: Arrival, In(approval): In<String>, request: Request) -> Answered {
    let approval: ApprovalId = parse(&approval)?;
    body::none(request).await?;
    let Released { output: executed, receipt } = arrival.execute(approval).await?;
    let answer = executed_to_wire(approval, executed, &receipt)?;
    // What came of it may be a credential with its secret.
    Ok(Answer::secret_json(&answer)?.recorded(&receipt))
}

/// What was done by an approval.
pub(super) fn executed_to_wire(
    approval: ApprovalId,
    executed: Executed,
    receipt: &Receipt,
) -> Result<ExecutedApproval, Failure> {
    let result = result_to_wire(executed.result, &executed.captions)?;
    let (action, entry) = (executed.action.into(), receipt.index());
    Ok(ExecutedApproval { approval: approval.into(), action, entry, result })
}

/// What came of it, as the call itself answers it.
fn result_to_wire(result: ExecutedResult, captions: &Captions) -> Result<WireResult, Failure> {
    Ok(match result {
        ExecutedResult::BreakGlass(access) => {
            WireResult::BreakGlass(Box::new(break_glass::to_wire(&access, captions)))
        }
        ExecutedResult::Credential(made) => {
            WireResult::Credential(Box::new(created_to_wire(*made, captions)?))
        }
        ExecutedResult::Declaration(declaration) => {
            WireResult::Declaration(Box::new(declaration::to_wire(&declaration, captions)))
        }
        ExecutedResult::Governance(rules) => {
            WireResult::Governance(Box::new(governance::to_wire(&rules, captions)))
        }
        ExecutedResult::Grant(grant) => {
            WireResult::Grant(Box::new(identity::grant_to_wire(&grant, captions)))
        }
        ExecutedResult::Key(record) => WireResult::Key(Box::new(key::record_to_wire(&record, captions))),
        ExecutedResult::Plan(plan) => WireResult::Plan(Box::new(to_wire(&plan, captions))),
        ExecutedResult::Principal(principal) => {
            WireResult::Principal(Box::new(identity::principal_to_wire(&principal, captions)))
        }
        ExecutedResult::Reason(record) => WireResult::Reason(Box::new(reason::record_to_wire(&record))),
        ExecutedResult::Ring(of) => WireResult::Ring(Box::new(ring::to_wire(&of, captions))),
    })
}
