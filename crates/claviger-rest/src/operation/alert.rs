//! Alerts: what the server found is read, looked at, and closed.

use axum::extract::Request;
use claviger_client::types::alert::{ListAlerts as WireList, WhichAlerts};
use claviger_client::types::{GiveReason, Page};
use claviger_service::operation::{
    Captioned, Captions, CloseAlert, ListAlerts, ReadAlert, ReadableAlert, Released, TriageAlert,
};
use http::Uri;

use super::{Answered, In};
use crate::answer::Answer;
use crate::arrival::Arrival;
use crate::body;
use crate::cursor::{self, List};
use crate::error::Failure;
use crate::names::parse;
use crate::wire::alert::to_wire;

pub(crate) async fn list(arrival: Arrival, uri: Uri) -> Answered {
    let query: WireList = body::query(&uri)?;
    let page = cursor::page(List::Alerts, query.cursor.as_deref(), query.limit)?;
    let limit = page.limit;
    let open = query.state.map(|state| state.0 == WhichAlerts::Open);
    let asked = ListAlerts::new(open, query.rule.map(|rule| rule.0), page);
    let done = arrival.perform(Captioned(asked)).await?;
    let (found, captions) = &done.output;
    let next = cursor::next(List::Alerts, limit, found, |alert| alert.row.id);
    let items = found.iter().map(|alert| to_wire(alert, captions)).collect();
    Ok(Answer::json(&Page { items, next })?.recorded(&done.receipt))
}

pub(crate) async fn read(arrival: Arrival, In(alert): In<String>) -> Answered {
    shown(arrival.perform(Captioned(ReadAlert { alert: parse(&alert)? })).await?)
}

pub(crate) async fn triage(arrival: Arrival, In(alert): In<String>, request: Request) -> Answered {
    let alert = parse(&alert)?;
    let arrival = because(arrival, request).await?;
    shown(arrival.perform(Captioned(TriageAlert { alert })).await?)
}

pub(crate) async fn close(arrival: Arrival, In(alert): In<String>, request: Request) -> Answered {
    let alert = parse(&alert)?;
    let arrival = because(arrival, request).await?;
    shown(arrival.perform(Captioned(CloseAlert { alert })).await?)
}

/// Reads why it is done.
async fn because(arrival: Arrival, request: Request) -> Result<Arrival, Failure> {
    let wire: GiveReason = body::json_if_any(request, arrival.api().limits().body).await?;
    arrival.because(wire.reason, wire.reason_code)
}

fn shown(done: Released<(ReadableAlert, Captions)>) -> Answered {
    let (alert, captions) = &done.output;
    let answer = Answer::json(&to_wire(alert, captions))?;
    Ok(answer.revision(alert.row.revision).recorded(&done.receipt))
}
