//! Gives and withdraws roles.

use claviger_access::separation::{Uses, check_role_assignment};
use claviger_core::Action;
use claviger_core::change::{Change, Expectation, Subject};
use claviger_core::permit::Permit;
use claviger_core::principal::{Principal, Role};

use super::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::pipeline::submission::{Note, reference};
use crate::reference::{PrincipalRef, TargetRef};
use crate::view::View;

/// Gives a role.
#[derive(Debug)]
pub struct AssignRole {
    /// To whom.
    pub principal: PrincipalRef,
    /// Which.
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

    async fn run(&self, _permit: &Permit, view: &View<'_>) -> Result<Staged<Principal>, ServiceError> {
        let principal = view.state.principal(&self.principal).await?;
        let note = Note { reference: reference(&[principal.id.as_bytes()]), ..view.note() };
        if principal.roles.contains(&self.role) {
            return Ok(Staged::reading(principal, note));
        }
        let strictest = view.store().find_strictest_use(principal.id).await?;
        check_role_assignment(&principal, self.role, Uses::of(strictest), view.caller.principal().id)?;
        // A grant may come, or a ring become strict, between here and the commit.
        let expected = Expectation::UsesWithin { principal: principal.id, strictest };
        let mut roles = principal.roles.clone();
        roles.push(self.role);
        roles.sort();
        Ok(put_roles(principal, roles, vec![Change::Expect(expected)], note))
    }
}

/// Withdraws a role.
#[derive(Debug)]
pub struct WithdrawRole {
    /// From whom.
    pub principal: PrincipalRef,
    /// Which.
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

    async fn run(&self, _permit: &Permit, view: &View<'_>) -> Result<Staged<Principal>, ServiceError> {
        let principal = view.state.principal(&self.principal).await?;
        let note = Note { reference: reference(&[principal.id.as_bytes()]), ..view.note() };
        if !principal.roles.contains(&self.role) {
            return Err(ServiceError::new(ErrorKind::NotFound, "the principal does not hold that role"));
        }
        let roles = principal.roles.iter().copied().filter(|role| *role != self.role).collect();
        Ok(put_roles(principal, roles, Vec::new(), note))
    }
}

/// A change of roles is told to the fence either way: what a role gives and what it forbids both change.
fn put_roles(
    principal: Principal,
    roles: Vec<Role>,
    mut changes: Vec<Change>,
    note: Note,
) -> Staged<Principal> {
    let changed = Principal { roles, ..principal };
    let output = Principal { revision: changed.revision + 1, ..changed.clone() };
    let subjects = vec![Subject::Principal(changed.id)];
    changes.push(Change::PutPrincipal(changed));
    Staged::tightening(output, changes, subjects, note)
}
