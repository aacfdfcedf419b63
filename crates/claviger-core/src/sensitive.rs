//! The sensitive acts, as a table: which actions others must approve, whose rule says how many, and when.
//!
//! What it keeps true: an operation whose action has a line here says of each call whether the line applies ([`Quorum`]); one whose
//! action has none cannot be held up.

use crate::KeyRingId;
use crate::action::Action;
use crate::approval::SeenRow;

/// Whose rule says how many must approve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The deployment's ([`Governance`](crate::governance::Governance)).
    Deployment,
    /// The ring's ([`RingPolicy::quorum`](crate::key::RingPolicy::quorum)).
    Ring,
}

/// A line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SensitiveAct {
    /// The act.
    pub action: Action,
    /// Whose rule.
    pub scope: Scope,
    /// Of which calls, in words that complete "others must approve it".
    pub when: &'static str,
}

macro_rules! table {
    ($($action:ident $scope:ident $when:literal),+ $(,)?) => {
        &[$(SensitiveAct { action: Action::$action, scope: Scope::$scope, when: $when }),+]
    };
}

/// All of them.
pub const ACTS: &[SensitiveAct] = table! {
    ApplyPlan Deployment "as far as what it does takes others",
    AssignCapacity Deployment "always",
    AssignRole Deployment "always",
    CompromiseKey Deployment "when one person has declared as many keys compromised within an hour as the deployment allows",
    CompromiseVersion Deployment "when one person has declared as many keys compromised within an hour as the deployment allows",
    CreateCredential Deployment "for one who holds a role or a capacity, or uses keys of a strict ring, unless they make it themselves by a certificate",
    CreateGrant Ring "where the ring puts grants under quorum",
    Declare Deployment "for a parameter of the controls, and for an approved build",
    ErasePrincipal Deployment "always",
    EraseReason Deployment "always",
    ImportMaterial Ring "into a strict ring of class R, and into a key that is in use",
    OpenBreakGlass Deployment "always: one responder or security officer in place of the quorum",
    ScheduleDestroy Ring "always",
    SetGovernance Deployment "when it asks for less than before",
    SetRingSeparation Ring "when a ring that has keys is relaxed",
    UpdateKey Ring "when a key is asked less than before",
    UpdateRing Ring "when a ring that has keys is asked less than before",
    WithdrawDeclaration Deployment "for a parameter of the controls",
};

/// The line of an action, if it has one.
#[must_use]
pub fn of(action: Action) -> Option<&'static SensitiveAct> {
    ACTS.iter().find(|act| act.action == action)
}

/// That a call must be approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// The ring whose rule it is; `None` for the deployment's.
    pub ring: Option<KeyRingId>,
    /// How many others must approve; 0 is nobody, and the call goes on.
    pub approvers: u8,
    /// The rows that it was decided on.
    pub rows: Vec<SeenRow>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_one_line_at_most_and_changes_something() {
        for act in ACTS {
            assert_eq!(ACTS.iter().filter(|other| other.action == act.action).count(), 1, "{}", act.action);
            assert_ne!(act.action.effect(), crate::action::Effect::Read, "{}", act.action);
        }
    }
}
