//! Revokes a grant.

use claviger_core::change::{Change, Restriction};
use claviger_core::grant::{EndedBy, Grant};
use claviger_core::principal::Status;
use claviger_core::{Action, GrantId};

use crate::call::{Operation, Staged};
use crate::error::ServiceError;
use crate::governed::Governed;
use crate::record::{EntryDetail, reference};
use crate::reference::TargetRef;
use crate::view::View;

/// Revokes a grant.
#[derive(Debug)]
pub struct RevokeGrant {
    /// The grant to revoke.
    pub grant: GrantId,
}

impl Operation for RevokeGrant {
    type Output = Grant;

    fn action(&self) -> Action {
        Action::RevokeGrant
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Grant(self.grant)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Grant>, ServiceError> {
        let grant = view.store().find_grant(self.grant).await?.ok_or_else(ServiceError::not_found)?;
        let detail = EntryDetail {
            reference: reference(&[grant.id.as_bytes(), grant.principal.as_bytes()]),
            ..view.detail()
        };
        if grant.status == Status::Revoked {
            return Ok(Staged::reading(grant, detail));
        }
        let revoked = grant.ended(EndedBy::Revocation, view.now, view.why);
        let output = Grant { revision: revoked.revision + 1, ..revoked.clone() };
        let restrictions = vec![Restriction::Grant(revoked.id, revoked.principal)];
        let asked = Governed::RevokeGrant { grant: output.id, reason: view.reason() };
        Ok(Staged::restricting(asked, output, vec![Change::PutGrant(revoked)], restrictions, detail))
    }
}
