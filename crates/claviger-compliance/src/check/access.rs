//! Checks of access and use.

mod dual;
mod duties;
mod emergency;
mod grants;
mod identity;
mod privilege;
mod replay;
mod reviews;
mod usage;

use claviger_audit::fact::Object;
use claviger_core::Timestamp;

use super::common;
use crate::evaluation::{Estate, Judgement, Ledger};

pub(super) const CHECKS: super::Checks = &[
    ("USE-01", |setting| Box::new(replay::GrantedUses::new(setting))),
    ("USE-02", |setting| Box::new(privilege::LeastPrivilege::new(setting))),
    ("USE-03", |setting| Box::new(duties::SeparatedDuties::new(setting))),
    ("USE-04", |setting| Box::new(dual::DualControl::new(setting))),
    ("USE-05", |setting| Box::new(usage::OnePurpose::new(setting))),
    ("USE-06", |setting| Box::new(identity::StrongIdentity::new(setting))),
    ("USE-08", |setting| Box::new(reviews::AccessReviews::new(setting))),
    ("USE-09", |setting| Box::new(usage::BoundToContext::new(setting))),
    ("USE-10", |setting| Box::new(usage::DeclaredAssets::new(setting))),
    ("USE-11", |setting| Box::new(emergency::BreakGlass::new(setting))),
];

/// Judges an object on which judgements rest, and whose facts do not read. Are those of this one so?
fn is_unreadable(ledger: &mut Ledger, object: Object, at: Timestamp, estate: &Estate) -> bool {
    let is_so = common::is_unreadable(ledger, object, at, estate);
    if !is_so && matches!(ledger.find(&object.into()), Some(Judgement::Unknown(_))) {
        // They read again. What is judged itself is so again in a moment.
        ledger.judge(object, at, Judgement::OutOfScope);
    }
    is_so
}
