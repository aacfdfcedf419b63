//! Gives and withdraws roles.

use claviger_access::separation::{Uses, check_role_assignment, check_role_withdrawal};
use claviger_core::Action;
use claviger_core::change::{Change, Restriction};
use claviger_core::principal::{Principal, Role};

use super::governance::check_leaving;
use super::sensitive::seen_principal;
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, reference};
use crate::reference::{PrincipalRef, TargetRef};
use crate::view::View;

/// Gives a role.
#[derive(Debug)]
pub struct AssignRole {
    /// The principal that gets the role.
    pub principal: PrincipalRef,
    /// The role.
    pub role: Role,
}

impl Operation for AssignRole {
    type Output = Principal;

    fn action(&self) -> Action {
        Action::AssignRole
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Principal(&self.principal)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Principal>, ServiceError> {
        let principal = view.state.principal(&self.principal).await?;
        let detail = EntryDetail { reference: reference(&[principal.id.as_bytes()]), ..view.detail() };
        if principal.roles.contains(&self.role) {
            return Ok(Staged::reading(principal, detail));
        }
        let accounts = view.accounts(principal.clone()).await?;
        accounts.check_no_emergency(view).await?;
        // A grant may come, or a ring become strict, between here and the commit; and an account of the same person may get a role.
        let (strictest, mut expected) = accounts.strictest_use(view).await?;
        expected.extend(accounts.expected());
        let (person, uses) = (accounts.as_person(), Uses::of(strictest));
        check_role_assignment(&person, accounts.makers(), self.role, uses, view.caller_person())?;
        let quorum = view.by_deployment([seen_principal(&principal)]).await?;
        let asked = Governed::AssignRole { principal: principal.id, role: self.role, reason: view.reason() };
        let by = view.caller.principal().id;
        let changed = Principal { reason: view.why, ..principal.with_role(self.role, by) };
        Ok(put(asked, changed, expected, detail).under(quorum))
    }
}

/// Withdraws a role.
#[derive(Debug)]
pub struct WithdrawRole {
    /// The principal that loses the role.
    pub principal: PrincipalRef,
    /// The role.
    pub role: Role,
}

impl Operation for WithdrawRole {
    type Output = Principal;

    fn action(&self) -> Action {
        Action::WithdrawRole
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Principal(&self.principal)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Principal>, ServiceError> {
        let principal = view.state.principal(&self.principal).await?;
        let detail = EntryDetail { reference: reference(&[principal.id.as_bytes()]), ..view.detail() };
        if !principal.roles.contains(&self.role) {
            return Err(ServiceError::new(ErrorKind::NotFound, "the principal does not hold that role"));
        }
        let person = Principal { id: principal.person(), ..principal.clone() };
        check_role_withdrawal(&person, view.caller_person())?;
        let expected = check_leaving(view, &principal, &[self.role]).await?;
        let asked =
            Governed::WithdrawRole { principal: principal.id, role: self.role, reason: view.reason() };
        let changed = Principal { reason: view.why, ..principal.without_role(self.role) };
        Ok(put(asked, changed, expected, detail))
    }
}

/// A change of roles goes to the fence either way: what a role gives and what it forbids both change.
fn put(asked: Governed, changed: Principal, expected: Vec<Change>, detail: EntryDetail) -> Staged<Principal> {
    let output = Principal { revision: changed.revision + 1, ..changed.clone() };
    let restrictions = vec![Restriction::Principal(changed.id)];
    let changes = [vec![Change::PutPrincipal(changed)], expected].concat();
    Staged::restricting(asked, output, changes, restrictions, detail)
}
