//! Erases who a principal was: the keys under which the log has sealed what is said of it go, and its name. What it did stays, under its
//! identifier, and every digest with it.

use claviger_audit::fact::Object;
use claviger_core::Action;
use claviger_core::change::Change;
use claviger_core::principal::{Principal, Status};
use claviger_core::reason::Erasure;

use super::sensitive::seen_principal;
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, reference};
use crate::reference::{PrincipalRef, TargetRef};
use crate::view::View;

/// Erases who a principal was that was revoked.
#[derive(Debug)]
pub struct ErasePrincipal {
    /// The principal whose identity is erased.
    pub principal: PrincipalRef,
}

impl Operation for ErasePrincipal {
    type Output = Principal;

    fn action(&self) -> Action {
        Action::ErasePrincipal
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Principal(&self.principal)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Principal>, ServiceError> {
        let principal = view.state.principal(&self.principal).await?;
        let detail = EntryDetail { reference: reference(&[principal.id.as_bytes()]), ..view.detail() };
        let seen = seen_principal(&principal);
        if principal.erasure.is_some() {
            // Once more changes nothing, and says so by the revision.
            return Ok(Staged::reading(principal, detail));
        }
        if principal.status != Status::Revoked {
            // Whoever still acts leaves entries that must lead to somebody.
            return Err(ServiceError::new(
                ErrorKind::WrongState,
                "a principal is erased once it is revoked; revoke it first",
            ));
        }
        let erasure = Erasure { by: view.caller.principal().id, at: view.now };
        let erased = principal.erased(erasure, view.why).map_err(|error| {
            ServiceError::new(ErrorKind::Internal, "the principal cannot be erased").caused_by(error)
        })?;
        let output = Principal { revision: erased.revision + 1, ..erased.clone() };
        let mut changes = vec![Change::PutPrincipal(erased)];
        if let Some(name) = Object::Principal(output.id).veil_name()
            && view.store().find_veil(name).await?.is_some()
        {
            changes.push(Change::RemoveVeil(name));
        }
        let asked = Governed::ErasePrincipal { principal: output.id, reason: view.reason() };
        let quorum = view.by_deployment([seen]).await?;
        Ok(Staged::changing(asked, output, changes, detail).under(quorum))
    }
}
