//! What people hold and decide, as the report shows it: access reviews, emergency access, alerts, roles and capacities.

use super::parts::{MOST_ROWS, Rows, rows, said};
use crate::dossier::Dossier;

/// Several words, or that there is none.
fn listed(words: &[String], none: &str) -> String {
    if words.is_empty() { none.to_owned() } else { words.join("; ") }
}

/// Access reviews.
pub(super) fn reviews(dossier: &Dossier<'_>) -> Rows {
    rows(&dossier.inventory.reviews, MOST_ROWS, |line| {
        let undecided = line.items.saturating_sub(line.kept).saturating_sub(line.removed);
        vec![
            line.id.clone(),
            line.scope.clone(),
            line.ring.clone().unwrap_or_else(|| "all rings".to_owned()),
            line.opened_at.clone(),
            line.items.to_string(),
            line.kept.to_string(),
            line.removed.to_string(),
            undecided.to_string(),
            listed(&line.deciders, "nobody"),
            line.closed_at.clone().unwrap_or_else(|| format!("open, due {}", line.due_at)),
        ]
    })
}

/// Emergency access.
pub(super) fn emergencies(dossier: &Dossier<'_>) -> Rows {
    rows(&dossier.inventory.break_glass, MOST_ROWS, |line| {
        vec![
            line.id.clone(),
            line.holder.clone(),
            listed(&line.keys, "none"),
            line.opened_by.clone(),
            listed(&line.approved_by, "nobody"),
            if line.has_reason { "given" } else { "none" }.to_owned(),
            line.opened_at.clone(),
            line.ends_at.clone(),
            line.verdict.clone().unwrap_or_else(|| "not reviewed".to_owned()),
            said(line.reviewed_by.as_ref()),
        ]
    })
}

/// Alerts.
pub(super) fn alerts(dossier: &Dossier<'_>) -> Rows {
    rows(&dossier.inventory.alerts, MOST_ROWS, |line| {
        vec![
            line.rule.replace('_', " "),
            line.subject.clone().unwrap_or_else(|| "the deployment".to_owned()),
            line.count.to_string(),
            line.raised_at.clone(),
            line.last_at.clone(),
            said(line.triaged_at.as_ref()),
            line.closed_at.clone().unwrap_or_else(|| "open".to_owned()),
        ]
    })
}

/// Who holds a role or a capacity.
pub(super) fn offices(dossier: &Dossier<'_>) -> Rows {
    rows(&dossier.inventory.offices, MOST_ROWS, |line| {
        vec![
            line.principal.clone(),
            listed(&line.roles, "none"),
            listed(&line.capacities, "none"),
            listed(&line.capacities_given_by, "\u{2013}"),
            said(line.same_person_as.as_ref()),
        ]
    })
}
