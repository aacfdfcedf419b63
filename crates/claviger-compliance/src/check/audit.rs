//! Checks of the log itself.

mod alerts;
mod anchors;
mod gaps;
mod readers;
mod reconciliation;
mod records;
mod retention;
mod secrets;
mod silences;
mod state;
mod tampering;

use claviger_audit::verify::{Finding, Verified};
use claviger_core::Timestamp;

use crate::evaluation::{Judgement, Ledger, Subject};

pub(super) const CHECKS: super::Checks = &[
    ("AUD-01", |setting| Box::new(reconciliation::Reconciled::new(setting))),
    ("AUD-02", |setting| Box::new(records::WholeRecords::new(setting))),
    ("AUD-03", |setting| Box::new(tampering::TamperEvident::new(setting))),
    ("AUD-04", |setting| Box::new(anchors::Anchored::new(setting))),
    ("AUD-05", |setting| Box::new(gaps::NoGaps::new(setting))),
    ("AUD-06", |setting| Box::new(readers::LogReaders::new(setting))),
    ("AUD-07", |setting| Box::new(retention::Retention::new(setting))),
    ("AUD-09", |setting| Box::new(alerts::LookedAt::new(setting))),
    ("AUD-10", |setting| Box::new(state::LiveState::new(setting))),
    ("AUD-11", |setting| Box::new(secrets::NoSecrets::new(setting))),
];

/// The first finding of some codes, and how many there are.
fn first_of(verified: &Verified, is_meant: impl Fn(&str) -> bool) -> Option<(&Finding, usize)> {
    let mut findings = verified.findings.iter().filter(|finding| is_meant(finding.code()));
    let first = findings.next()?;
    Some((first, 1 + findings.count()))
}

/// What is said of such findings.
fn told((first, number): (&Finding, usize)) -> String {
    let code = first.code();
    match number {
        1 => format!("{code}: {first}"),
        more => format!("{code}: {first}, and {} more findings", more - 1),
    }
}

/// Judges that something is not known.
fn not_known(ledger: &mut Ledger, what: &str, at: Timestamp, why: impl Into<String>) {
    ledger.judge(Subject::named(what), at, Judgement::unknown(why));
}
