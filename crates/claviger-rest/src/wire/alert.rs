//! Alerts.

use claviger_client::types::alert as wire;
use claviger_core::alert::AlertAct;
use claviger_service::operation::{Captions, Identified, ReadableAlert};

use super::approval::principal_to_wire;
use super::names_to_wire;
use super::reason::reason_to_wire;

/// An alert as callers see it.
#[must_use]
pub fn to_wire(alert: &ReadableAlert, captions: &Captions) -> wire::Alert {
    let row = &alert.row;
    let state = match (row.closed, row.triaged) {
        (Some(_), _) => wire::AlertState::Closed,
        (None, Some(_)) => wire::AlertState::Triaged,
        (None, None) => wire::AlertState::Open,
    };
    let name = |one: Identified| captions.name(one).map(str::to_owned);
    wire::Alert {
        id: row.id.into(),
        rule: row.rule.into(),
        advice: row.rule.advice().to_owned(),
        state: state.into(),
        subject: row.subject.map(Into::into),
        subject_name: alert.called_by().and_then(name),
        raised_at: row.raised_at.into(),
        last_at: row.last_at.into(),
        count: row.count,
        triaged: row.triaged.map(|act| act_to_wire(act, captions)),
        closed: row.closed.map(|act| act_to_wire(act, captions)),
        reason: reason_to_wire(row.reason, captions),
        names: names_to_wire(alert, captions),
        revision: row.revision,
    }
}

fn act_to_wire(act: AlertAct, captions: &Captions) -> wire::AlertAct {
    wire::AlertAct { by: principal_to_wire(act.by, captions), at: act.at.into() }
}
