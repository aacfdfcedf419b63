//! What people hold and decide: roles and capacities, access reviews, emergency access, and alerts.

use std::collections::BTreeSet;

use claviger_audit::fact::{OpenAlert, OpenBreakGlass, OpenPrincipal, OpenReview};
use claviger_audit::to_hex;
use claviger_compliance::Period;
use claviger_compliance::evaluation::Estate;
use claviger_core::principal::Status;
use claviger_core::reason::Why;
use claviger_core::review::{ReviewDecision, ReviewItem, ReviewSubject};
use claviger_core::{AlertId, BreakGlassId, PrincipalId, ReviewId, Timestamp};
use serde::Serialize;

use super::Inventory;
use super::tables::{cell, words};
use crate::csv::Table;
use crate::pack::instant;

/// Somebody who holds a role or a capacity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OfficeLine {
    /// Who.
    pub principal: String,
    /// The account that stood for the same person first; none where this one did.
    pub same_person_as: Option<String>,
    /// Roles.
    pub roles: Vec<String>,
    /// Capacities.
    pub capacities: Vec<String>,
    /// Who gave these.
    pub capacities_given_by: Vec<String>,
    /// When the account was made.
    pub created_at: String,
}

/// An access review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReviewLine {
    /// Its identifier.
    pub id: String,
    /// Whose access.
    pub scope: String,
    /// Of which ring alone; none for all of them and for roles and capacities.
    pub ring: Option<String>,
    /// SHA-256 of what it looked at.
    pub population: String,
    /// How many items that are.
    pub items: u64,
    /// How many stay.
    pub kept: u64,
    /// How many were to go.
    pub removed: u64,
    /// Who decided.
    pub deciders: Vec<String>,
    /// Who opened it.
    pub opened_by: String,
    /// When.
    pub opened_at: String,
    /// By when it was to be closed.
    pub due_at: String,
    /// Who closed it; none where nobody has.
    pub closed_by: Option<String>,
    /// When.
    pub closed_at: Option<String>,
}

/// An item of an access review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReviewItemLine {
    /// The review.
    pub review: String,
    /// What was looked at: `roles and capacities`, or `grants`.
    pub what: String,
    /// Whose.
    pub principal: String,
    /// On which ring; none of roles and capacities.
    pub ring: Option<String>,
    /// How many there were.
    pub count: u32,
    /// SHA-256 of them.
    pub rights: String,
    /// When one of them was last used, as far as the server knew.
    pub last_used: Option<String>,
    /// What was decided.
    pub decision: Option<String>,
    /// By whom.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<String>,
}

/// Emergency access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BreakGlassLine {
    /// Its identifier.
    pub id: String,
    /// Who had it.
    pub holder: String,
    /// To which keys.
    pub keys: Vec<String>,
    /// By which grants.
    pub grants: Vec<String>,
    /// Who opened it.
    pub opened_by: String,
    /// Who approved it.
    pub approved_by: Vec<String>,
    /// Whether a reason was given.
    pub has_reason: bool,
    /// When it was opened.
    pub opened_at: String,
    /// When it ended or will end.
    pub ends_at: String,
    /// Who closed it before its time.
    pub closed_by: Option<String>,
    /// What a review found.
    pub verdict: Option<String>,
    /// Whose review.
    pub reviewed_by: Option<String>,
    /// When.
    pub reviewed_at: Option<String>,
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AlertLine {
    /// Its identifier.
    pub id: String,
    /// What raised it.
    pub rule: String,
    /// What it is about; none for the deployment.
    pub subject: Option<String>,
    /// How often it was found.
    pub count: u64,
    /// When it was first found.
    pub raised_at: String,
    /// When last.
    pub last_at: String,
    /// Who looked at it.
    pub triaged_by: Option<String>,
    /// When.
    pub triaged_at: Option<String>,
    /// Who closed it.
    pub closed_by: Option<String>,
    /// When.
    pub closed_at: Option<String>,
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Who holds a role or a capacity at the end of the period.
pub(super) fn office_lines(estate: &Estate) -> Vec<OfficeLine> {
    let line = |(id, row): (&PrincipalId, &OpenPrincipal)| {
        let givers: BTreeSet<_> = row.capacities.iter().map(|held| held.given_by).collect();
        OfficeLine {
            principal: id.to_string(),
            same_person_as: row.same_person_as.map(|other| other.to_string()),
            roles: row.roles.iter().map(ToString::to_string).collect(),
            capacities: row.capacities.iter().map(|held| held.capacity.to_string()).collect(),
            capacities_given_by: givers.iter().map(ToString::to_string).collect(),
            created_at: instant(row.created_at),
        }
    };
    let holds = |row: &OpenPrincipal| !row.roles.is_empty() || !row.capacities.is_empty();
    let active = estate.principals.iter().filter(|(_, row)| row.status == Status::Active && holds(row));
    active.map(line).collect()
}

/// All reviews that were opened until the end of the period, in the order in which they were.
pub(super) fn review_lines(estate: &Estate) -> Vec<ReviewLine> {
    let mut rows: Vec<_> = estate.reviews.iter().collect();
    rows.sort_by_key(|(id, row)| (row.opened_at, **id));
    rows.into_iter().map(|(id, row)| review_line(*id, row)).collect()
}

fn review_line(id: ReviewId, row: &OpenReview) -> ReviewLine {
    let decided = |decision: ReviewDecision| {
        let items = row.items.iter().filter_map(|item| item.decided);
        number(items.filter(|one| one.decision == decision).count())
    };
    let deciders: BTreeSet<_> = row.items.iter().filter_map(|item| Some(item.decided?.by)).collect();
    ReviewLine {
        id: id.to_string(),
        scope: row.scope.to_string(),
        ring: row.ring.map(|ring| ring.to_string()),
        population: to_hex(&row.population),
        items: number(row.items.len()),
        kept: decided(ReviewDecision::Keep),
        removed: decided(ReviewDecision::Remove),
        deciders: deciders.iter().map(ToString::to_string).collect(),
        opened_by: row.opened_by.to_string(),
        opened_at: instant(row.opened_at),
        due_at: instant(row.due_at),
        closed_by: row.closed.map(|closed| closed.by.to_string()),
        closed_at: row.closed.map(|closed| instant(closed.at)),
    }
}

/// The items of all reviews.
pub(super) fn review_item_lines(estate: &Estate) -> Vec<ReviewItemLine> {
    let of_review = |(id, row): (&ReviewId, &OpenReview)| {
        row.items.iter().map(|item| review_item_line(*id, item)).collect::<Vec<_>>()
    };
    estate.reviews.iter().flat_map(of_review).collect()
}

fn review_item_line(id: ReviewId, item: &ReviewItem) -> ReviewItemLine {
    let (what, ring) = match item.subject {
        ReviewSubject::Office(_) => ("roles and capacities", None),
        ReviewSubject::Uses(_, ring) => ("grants", Some(ring.to_string())),
    };
    ReviewItemLine {
        review: id.to_string(),
        what: what.to_owned(),
        principal: item.subject.principal().to_string(),
        ring,
        count: item.count,
        rights: to_hex(&item.rights),
        last_used: item.last_used.map(instant),
        decision: item.decided.map(|decided| decided.decision.to_string()),
        decided_by: item.decided.map(|decided| decided.by.to_string()),
        decided_at: item.decided.map(|decided| instant(decided.at)),
    }
}

/// Emergency access that was open at some instant of a period, or was not reviewed until then, in the order in which it was opened.
pub(super) fn break_glass_lines(estate: &Estate, period: Period) -> Vec<BreakGlassLine> {
    let is_of_period = |row: &OpenBreakGlass| {
        let reviewed_at = row.reviewed.map_or(period.to, |reviewed| reviewed.at);
        end_of(row).max(reviewed_at) >= period.from
    };
    let mut rows: Vec<_> = estate.break_glass.iter().filter(|(_, row)| is_of_period(row)).collect();
    rows.sort_by_key(|(id, row)| (row.opened_at, **id));
    rows.into_iter().map(|(id, row)| break_glass_line(*id, row, estate)).collect()
}

/// When it ended or will end.
fn end_of(row: &OpenBreakGlass) -> Timestamp {
    row.closed.map_or(row.ends_at, |closed| closed.at.min(row.ends_at))
}

fn break_glass_line(id: BreakGlassId, row: &OpenBreakGlass, estate: &Estate) -> BreakGlassLine {
    let approval = row.approval.and_then(|approval| estate.approvals.get(&approval));
    let approvers = approval.into_iter().flat_map(|approval| approval.approvers());
    BreakGlassLine {
        id: id.to_string(),
        holder: row.holder.to_string(),
        keys: row.keys.iter().map(ToString::to_string).collect(),
        grants: row.grants.iter().map(ToString::to_string).collect(),
        opened_by: row.opened_by.to_string(),
        approved_by: approvers.map(|decided| decided.by.to_string()).collect(),
        has_reason: row.reason.and_then(Why::given).is_some(),
        opened_at: instant(row.opened_at),
        ends_at: instant(end_of(row)),
        closed_by: row.closed.map(|closed| closed.by.to_string()),
        verdict: row.reviewed.map(|reviewed| reviewed.verdict.to_string()),
        reviewed_by: row.reviewed.map(|reviewed| reviewed.by.to_string()),
        reviewed_at: row.reviewed.map(|reviewed| instant(reviewed.at)),
    }
}

/// Alerts that were open at some instant of a period, in the order in which they were raised.
pub(super) fn alert_lines(estate: &Estate, period: Period) -> Vec<AlertLine> {
    let is_of_period = |row: &OpenAlert| row.closed.is_none_or(|closed| closed.at >= period.from);
    let mut rows: Vec<_> = estate.alerts.iter().filter(|(_, row)| is_of_period(row)).collect();
    rows.sort_by_key(|(id, row)| (row.raised_at, **id));
    rows.into_iter().map(|(id, row)| alert_line(*id, row)).collect()
}

fn alert_line(id: AlertId, row: &OpenAlert) -> AlertLine {
    AlertLine {
        id: id.to_string(),
        rule: row.rule.to_string(),
        subject: row.subject.map(|subject| subject.to_string()),
        count: row.count,
        raised_at: instant(row.raised_at),
        last_at: instant(row.last_at),
        triaged_by: row.triaged.map(|act| act.by.to_string()),
        triaged_at: row.triaged.map(|act| instant(act.at)),
        closed_by: row.closed.map(|act| act.by.to_string()),
        closed_at: row.closed.map(|act| instant(act.at)),
    }
}

impl Inventory {
    pub(super) fn capacities_table(&self) -> Table {
        let mut table = Table::new(&[
            "principal",
            "same_person_as",
            "roles",
            "capacities",
            "capacities_given_by",
            "created_at",
        ]);
        for line in &self.offices {
            table.row(&[
                &line.principal,
                cell(&line.same_person_as),
                &words(&line.roles),
                &words(&line.capacities),
                &words(&line.capacities_given_by),
                &line.created_at,
            ]);
        }
        table
    }

    pub(super) fn reviews_table(&self) -> Table {
        let mut table = Table::new(&[
            "id",
            "scope",
            "ring",
            "population",
            "items",
            "kept",
            "removed",
            "deciders",
            "opened_by",
            "opened_at",
            "due_at",
            "closed_by",
            "closed_at",
        ]);
        for line in &self.reviews {
            table.row(&[
                &line.id,
                &line.scope,
                cell(&line.ring),
                &line.population,
                &line.items.to_string(),
                &line.kept.to_string(),
                &line.removed.to_string(),
                &words(&line.deciders),
                &line.opened_by,
                &line.opened_at,
                &line.due_at,
                cell(&line.closed_by),
                cell(&line.closed_at),
            ]);
        }
        table
    }

    pub(super) fn review_items_table(&self) -> Table {
        let mut table = Table::new(&[
            "review",
            "what",
            "principal",
            "ring",
            "count",
            "rights",
            "last_used",
            "decision",
            "decided_by",
            "decided_at",
        ]);
        for line in &self.review_items {
            table.row(&[
                &line.review,
                &line.what,
                &line.principal,
                cell(&line.ring),
                &line.count.to_string(),
                &line.rights,
                cell(&line.last_used),
                cell(&line.decision),
                cell(&line.decided_by),
                cell(&line.decided_at),
            ]);
        }
        table
    }

    pub(super) fn break_glass_table(&self) -> Table {
        let mut table = Table::new(&[
            "id",
            "holder",
            "keys",
            "grants",
            "opened_by",
            "approved_by",
            "has_reason",
            "opened_at",
            "ends_at",
            "closed_by",
            "verdict",
            "reviewed_by",
            "reviewed_at",
        ]);
        for line in &self.break_glass {
            table.row(&[
                &line.id,
                &line.holder,
                &words(&line.keys),
                &words(&line.grants),
                &line.opened_by,
                &words(&line.approved_by),
                if line.has_reason { "yes" } else { "no" },
                &line.opened_at,
                &line.ends_at,
                cell(&line.closed_by),
                cell(&line.verdict),
                cell(&line.reviewed_by),
                cell(&line.reviewed_at),
            ]);
        }
        table
    }

    pub(super) fn alerts_table(&self) -> Table {
        let mut table = Table::new(&[
            "id",
            "rule",
            "subject",
            "count",
            "raised_at",
            "last_at",
            "triaged_by",
            "triaged_at",
            "closed_by",
            "closed_at",
        ]);
        for line in &self.alerts {
            table.row(&[
                &line.id,
                &line.rule,
                cell(&line.subject),
                &line.count.to_string(),
                &line.raised_at,
                &line.last_at,
                cell(&line.triaged_by),
                cell(&line.triaged_at),
                cell(&line.closed_by),
                cell(&line.closed_at),
            ]);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use claviger_compliance::Catalogue;

    use super::super::fixture;
    use super::*;

    fn inventory() -> Inventory {
        let catalogue = Catalogue::load().unwrap();
        Inventory::of(&fixture::estate(), catalogue.algorithms(), fixture::period())
    }

    #[test]
    fn who_holds_something_is_told_with_what_and_who_gave_it() {
        let inventory = inventory();
        let [officer, manager] = inventory.offices.as_slice() else { panic!("{:?}", inventory.offices) };
        assert_eq!((officer.roles.as_slice(), officer.capacities.len()), (&["custodian".to_owned()][..], 0));
        assert_eq!((manager.roles.len(), manager.capacities.as_slice()), (0, &["executive".to_owned()][..]));
        assert_eq!(manager.capacities_given_by, std::slice::from_ref(&officer.principal));
    }

    #[test]
    fn reviews_are_told_with_what_was_decided_and_by_whom() {
        let inventory = inventory();
        let [review] = inventory.reviews.as_slice() else { panic!("{:?}", inventory.reviews) };
        assert_eq!((review.items, review.kept, review.removed), (3, 1, 1));
        assert_eq!((review.deciders.len(), review.closed_by.as_deref()), (1, None));
        let what: Vec<_> = inventory.review_items.iter().map(|line| line.what.as_str()).collect();
        assert_eq!(what, ["roles and capacities", "roles and capacities", "grants"]);
        let last = inventory.review_items.last().unwrap();
        assert!(last.decision.is_none() && last.ring.is_some() && last.last_used.is_some(), "{last:?}");
    }

    #[test]
    fn emergency_access_and_alerts_of_the_period_are_told() {
        let inventory = inventory();
        let [access] = inventory.break_glass.as_slice() else { panic!("{:?}", inventory.break_glass) };
        // It was closed before its time.
        assert_eq!(access.ends_at, "2026-05-10T01:00:00.000Z");
        assert_eq!((access.verdict.as_deref(), access.has_reason), (Some("justified"), true));
        let [alert] = inventory.alerts.as_slice() else { panic!("{:?}", inventory.alerts) };
        assert_eq!((alert.rule.as_str(), alert.count), ("break_glass_opened", 1));
        assert!(alert.triaged_at.is_some() && alert.closed_at.is_none(), "{alert:?}");

        // Of a later period, what was over and reviewed before is none; what is open is.
        let (catalogue, estate) = (Catalogue::load().unwrap(), fixture::estate());
        let (from, to) = (fixture::at("2026-06-20T00:00:00Z"), fixture::at("2026-07-01T00:00:00Z"));
        let later = Inventory::of(&estate, catalogue.algorithms(), Period { from, to });
        assert_eq!((later.break_glass.len(), later.alerts.len(), later.reviews.len()), (0, 1, 1));
    }
}
