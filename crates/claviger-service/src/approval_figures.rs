//! How approvals stand, for whoever watches: how many must approve, how many can, and how much waits for them. Nothing is decided on it.

use std::collections::BTreeSet;

use claviger_core::approval::Eligible;
use claviger_core::port::store::{ApprovalFilter, Page};
use claviger_core::port::{Store, StoreError};
use claviger_core::principal::CredentialKind;
use claviger_core::{PrincipalId, Timestamp};

use crate::standing::is_entitled;

/// How many open approvals are counted at most.
const MOST: u32 = 1000;

/// How approvals stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApprovalFigures {
    /// How many custodians must approve what concerns the whole deployment; 0 for nobody.
    pub quorum: u8,
    /// How many persons can: custodians with a certificate that is valid, each once whatever accounts they have.
    pub custodians: u64,
    /// Approvals that can still be decided or done; those beyond 1000 are not counted.
    pub open: u64,
}

impl ApprovalFigures {
    /// As the store has it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn of(store: &dyn Store, now: Timestamp) -> Result<Self, StoreError> {
        let filter = ApprovalFilter { open: Some(true), requester: None, now };
        let open = store.list_approvals(filter, Page { after: None, limit: MOST }).await?;
        Ok(Self {
            quorum: store.find_governance().await?.unwrap_or_default().quorum,
            custodians: custodians(store, now).await?,
            open: count(open.len()),
        })
    }

    /// Does one person decide for the whole deployment?
    #[must_use]
    pub const fn are_off(&self) -> bool {
        self.quorum == 0
    }

    /// Does the absence of one custodian stop what custodians must approve?
    #[must_use]
    pub fn have_no_spare(&self) -> bool {
        !self.are_off() && self.custodians <= u64::from(self.quorum)
    }
}

async fn custodians(store: &dyn Store, now: Timestamp) -> Result<u64, StoreError> {
    let mut persons = BTreeSet::new();
    for holder in store.list_role_holders().await? {
        if is_entitled(&holder, Eligible::Custodians, now) && can_sign(store, holder.id, now).await? {
            persons.insert(holder.person());
        }
    }
    Ok(count(persons.len()))
}

/// Has somebody a certificate that is valid? Approvals are signed by its key.
async fn can_sign(store: &dyn Store, who: PrincipalId, now: Timestamp) -> Result<bool, StoreError> {
    let mut page = Page { after: None, limit: 1000 };
    loop {
        let credentials = store.list_credentials(Some(who), page.clone()).await?;
        let Some(last) = credentials.last() else { return Ok(false) };
        page.after = Some(last.id);
        let signs = |kind| kind == CredentialKind::Certificate;
        if credentials.iter().any(|credential| signs(credential.kind) && credential.is_live(now)) {
            return Ok(true);
        }
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_than_must_approve_is_enough() {
        let figures = |quorum, custodians| ApprovalFigures { quorum, custodians, open: 0 };
        assert!(figures(2, 2).have_no_spare() && figures(2, 0).have_no_spare());
        assert!(!figures(2, 3).have_no_spare() && !figures(0, 0).have_no_spare());
        assert!(figures(0, 3).are_off() && !figures(1, 3).are_off());
    }
}
