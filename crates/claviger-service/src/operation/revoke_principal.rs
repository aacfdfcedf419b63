//! Revokes a principal for ever, with all its credentials and grants.

use claviger_core::Action;
use claviger_core::change::{Change, Restriction};
use claviger_core::principal::{Principal, Status};

use super::governance::check_leaving;
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, reference};
use crate::reference::{PrincipalRef, TargetRef};
use crate::view::View;

/// Revokes a principal.
#[derive(Debug)]
pub struct RevokePrincipal {
    /// The principal to revoke.
    pub principal: PrincipalRef,
}

impl Operation for RevokePrincipal {
    type Output = Principal;

    fn action(&self) -> Action {
        Action::RevokePrincipal
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Principal(&self.principal)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Principal>, ServiceError> {
        let principal = view.state.principal(&self.principal).await?;
        let detail = EntryDetail { reference: reference(&[principal.id.as_bytes()]), ..view.detail() };
        if principal.status == Status::Revoked {
            // Once more changes nothing, and says so by the revision.
            return Ok(Staged::reading(principal, detail));
        }
        if principal.id == view.caller.principal().id {
            return Err(ServiceError::new(
                ErrorKind::SeparationOfDuties,
                "nobody revokes their own principal; ask another security officer",
            ));
        }
        let expected = check_leaving(view, &principal, &principal.roles).await?;
        // What it was by its roles stays to be read; nobody answers for something any more who is gone.
        let (status, reason) = (Status::Revoked, view.why);
        let revoked = Principal { status, reason, capacities: Vec::new(), ..principal };
        let output = Principal { revision: revoked.revision + 1, ..revoked.clone() };
        let restrictions = vec![Restriction::Principal(revoked.id)];
        let changes = [vec![Change::PutPrincipal(revoked)], expected].concat();
        let asked = Governed::RevokePrincipal { principal: output.id, reason: view.reason() };
        Ok(Staged::restricting(asked, output, changes, restrictions, detail))
    }
}
