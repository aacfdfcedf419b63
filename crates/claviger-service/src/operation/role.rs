//! Gives and withdraws roles.

use claviger_access::separation::{Uses, check_role_assignment};
use claviger_core::Action;
use claviger_core::change::{Change, Subject};
use claviger_core::grant::Selector;
use claviger_core::permit::Permit;
use claviger_core::port::store::GrantFilter;
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
        check_role_assignment(
            &principal,
            self.role,
            uses_of(view, &principal).await?,
            view.caller.principal().id,
        )?;
        let mut roles = principal.roles.clone();
        roles.push(self.role);
        roles.sort();
        Ok(put_roles(principal, roles, note))
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
        Ok(put_roles(principal, roles, note))
    }
}

/// A change of roles is told to the fence either way: what a role gives and what it forbids both change.
fn put_roles(principal: Principal, roles: Vec<Role>, note: Note) -> Staged<Principal> {
    let changed = Principal { roles, ..principal };
    let output = Principal { revision: changed.revision + 1, ..changed.clone() };
    let subjects = vec![Subject::Principal(changed.id)];
    Staged::tightening(output, vec![Change::PutPrincipal(changed)], subjects, note)
}

/// On what kind of rings the principal has grants in standing.
async fn uses_of(view: &View<'_>, principal: &Principal) -> Result<Uses, ServiceError> {
    let filter = GrantFilter { principal: Some(principal.id), ..GrantFilter::default() };
    let mut separations = Vec::new();
    for grant in view.all_grants(filter).await? {
        let ring = match grant.selector {
            Selector::Ring(ring) => view.store().find_ring(ring).await?.map(|ring| ring.policy.separation),
            Selector::Key(key) => {
                view.store().find_key(key).await?.map(|record| record.ring.policy.separation)
            }
        };
        separations.extend(ring);
    }
    Ok(Uses::of(separations))
}
