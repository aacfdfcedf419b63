//! Gives and withdraws roles.

use claviger_access::separation::{Uses, check_role_assignment, check_role_withdrawal};
use claviger_core::Action;
use claviger_core::change::{Change, Expectation, Restriction};
use claviger_core::principal::{Principal, Role};

use super::governance::check_leaving;
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
        let by = view.caller.principal().id;
        let strictest = view.store().find_strictest_use(principal.id).await?;
        let makers = view.makers(&principal).await?;
        check_role_assignment(&principal, &makers, self.role, Uses::of(strictest), by)?;
        // A grant may come, or a ring become strict, between here and the commit.
        let expected = Change::Expect(Expectation::UsesWithin { principal: principal.id, strictest });
        let asked = Governed::AssignRole { principal: principal.id, role: self.role, reason: view.reason() };
        let changed = Principal { reason: view.why, ..principal.with_role(self.role, by) };
        Ok(put(asked, changed, vec![expected], detail))
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
        check_role_withdrawal(&principal, view.caller.principal().id)?;
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
