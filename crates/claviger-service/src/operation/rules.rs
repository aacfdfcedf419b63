//! The rules of the deployment: how many must approve what concerns all of it, and for how long rights last.
//!
//! What it keeps true: whoever asks for less than before does it with the approval of as many as had to approve until then; more can be asked
//! for by one person alone, but never of more people than there are.

use std::time::Duration;

use claviger_core::Action;
use claviger_core::change::Change;
use claviger_core::governance::Governance;

use super::create_ring::check_quorum;
use super::sensitive::nobody;
use super::update_ring::check_revision;
use crate::call::{Operation, Staged};
use crate::error::ServiceError;
use crate::governed::{Governed, Period};
use crate::reference::TargetRef;
use crate::view::View;

/// Reads the rules of the deployment; those of one that nobody ever set, at revision 0, where there are none.
#[derive(Debug, Clone, Copy)]
pub struct ReadGovernance {}

impl Operation for ReadGovernance {
    type Output = Governance;

    fn action(&self) -> Action {
        Action::ReadSystem
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Governance>, ServiceError> {
        let rules = Governance::clone(view.state.governance().await?.as_ref());
        Ok(Staged::reading(rules, view.detail()))
    }
}

/// Changes the rules of the deployment; `None` leaves as it is.
#[derive(Debug, Default)]
pub struct SetGovernance {
    /// How many custodians must approve what concerns the whole deployment.
    pub quorum: Option<u8>,
    /// How long an approval can be decided and done.
    pub approval_lifetime: Option<Duration>,
    /// The longest that a grant to a person lasts; `Some(None)` is without an end.
    pub human_grant_lifetime: Option<Option<Duration>>,
    /// The longest that emergency access lasts.
    pub break_glass_lifetime: Option<Duration>,
    /// How many keys one person declares compromised in an hour before others must approve the next.
    pub compromise_burst: Option<u16>,
    /// Only if the rules are at this revision.
    pub if_revision: Option<u64>,
}

impl Operation for SetGovernance {
    type Output = Governance;

    fn action(&self) -> Action {
        Action::SetGovernance
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Governance>, ServiceError> {
        let before = view.state.governance().await?;
        check_revision(self.if_revision, before.revision)?;
        let rules = Governance {
            quorum: self.quorum.unwrap_or(before.quorum),
            approval_lifetime: self.approval_lifetime.unwrap_or(before.approval_lifetime),
            human_grant_lifetime: self.human_grant_lifetime.unwrap_or(before.human_grant_lifetime),
            break_glass_lifetime: self.break_glass_lifetime.unwrap_or(before.break_glass_lifetime),
            compromise_burst: self.compromise_burst.unwrap_or(before.compromise_burst),
            set_by: view.caller.principal().id,
            set_at: view.now,
            reason: view.why,
            revision: before.revision,
        };
        if !rules.is_sound() {
            return Err(ServiceError::invalid(
                "an approval lives for an hour to 30 days, emergency access for 15 minutes to 24 hours, a grant to a person for a day to \
                 3660 days, and at most 32 approve",
            ));
        }
        if rules.quorum > before.quorum {
            check_quorum(rules.quorum, view).await?;
        }
        let quorum = if rules.weakens(&before) { view.by_deployment([]).await? } else { nobody() };
        let output = Governance { revision: rules.revision + 1, ..rules.clone() };
        let asked = Governed::SetGovernance {
            quorum: self.quorum,
            approval_lifetime: self.approval_lifetime,
            human_grant_lifetime: self.human_grant_lifetime.map(Period),
            break_glass_lifetime: self.break_glass_lifetime,
            compromise_burst: self.compromise_burst,
            reason: view.reason(),
            if_revision: self.if_revision,
        };
        let changes = vec![Change::PutGovernance(rules)];
        Ok(Staged::changing(asked, output, changes, view.detail()).under(quorum))
    }
}
