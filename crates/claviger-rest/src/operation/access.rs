//! All rights together: who can reach what nobody should reach alone, and who can do what.

use claviger_client::types::access::{AnalyzeAccess as WireAnalyze, ReportAccess as WireReport};
use claviger_service::operation::ReportAccess;
use http::Uri;

use super::Answered;
use crate::answer::Answer;
use crate::arrival::Arrival;
use crate::body;
use crate::cursor::{self, List};
use crate::wire::access::{analysis_to_wire, analyze_from_wire, report_to_wire};

pub(crate) async fn analyze(arrival: Arrival, uri: Uri) -> Answered {
    let query: WireAnalyze = body::query(&uri)?;
    let done = arrival.perform(analyze_from_wire(query)?).await?;
    Ok(Answer::json(&analysis_to_wire(&done.output))?.recorded(&done.receipt))
}

pub(crate) async fn report(arrival: Arrival, uri: Uri) -> Answered {
    let query: WireReport = body::query(&uri)?;
    let page = cursor::page(List::Access, query.cursor.as_deref(), query.limit)?;
    let done = arrival.perform(ReportAccess { at: query.at.map(|at| at.0), page }).await?;
    let next = done.output.next.as_ref().map(|last| cursor::encode(List::Access, last));
    Ok(Answer::json(&report_to_wire(&done.output, next))?.recorded(&done.receipt))
}
