//! Gives and withdraws capacities: what a person answers for, and so which statements are theirs to sign.
//!
//! What it keeps true: nobody says of themselves what they answer for, by whatever account, and nobody says it of a principal whose
//! certificate they made: whoever has that certificate signs. Who is said to own a key or an asset owns one that is there.

use claviger_access::separation::check_capacity;
use claviger_core::Action;
use claviger_core::capacity::{Capacity, HeldCapacity};
use claviger_core::change::Change;
use claviger_core::principal::Principal;

use super::sensitive::seen_principal;
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, reference};
use crate::reference::{PrincipalRef, TargetRef};
use crate::view::View;

/// Gives a capacity.
#[derive(Debug)]
pub struct AssignCapacity {
    /// The person who answers for it.
    pub principal: PrincipalRef,
    /// The capacity.
    pub capacity: Capacity,
}

impl Operation for AssignCapacity {
    type Output = Principal;

    fn action(&self) -> Action {
        Action::AssignCapacity
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Principal(&self.principal)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Principal>, ServiceError> {
        let principal = view.state.principal(&self.principal).await?;
        let detail = EntryDetail { reference: reference(&[principal.id.as_bytes()]), ..view.detail() };
        if principal.holds(self.capacity) {
            return Ok(Staged::reading(principal, detail));
        }
        let accounts = view.accounts(principal.clone()).await?;
        check_capacity(&accounts.as_person(), accounts.makers(), view.caller_person())?;
        if principal.capacities.len() >= HeldCapacity::MOST {
            let message =
                format!("a person has at most {} capacities; withdraw some first", HeldCapacity::MOST);
            return Err(ServiceError::new(ErrorKind::LimitExceeded, message));
        }
        check_owned(view, self.capacity).await?;
        let quorum = view.by_deployment([seen_principal(&principal)]).await?;
        let asked = Governed::AssignCapacity {
            principal: principal.id,
            capacity: self.capacity,
            reason: view.reason(),
        };
        let by = view.caller.principal().id;
        let changed = Principal { reason: view.why, ..principal.with_capacity(self.capacity, by) };
        let output = Principal { revision: changed.revision + 1, ..changed.clone() };
        // Who made the person, and who else they are, may change between here and the commit.
        let changes = [Change::PutPrincipal(changed)].into_iter().chain(accounts.expected()).collect();
        Ok(Staged::changing(asked, output, changes, detail).under(quorum))
    }
}

/// Is there what the person is said to own?
async fn check_owned(view: &View<'_>, capacity: Capacity) -> Result<(), ServiceError> {
    match capacity {
        Capacity::AssetOwner(id) => match view.store().find_asset(id).await? {
            Some(_) => Ok(()),
            None => Err(ServiceError::new(ErrorKind::NotFound, "there is no such data asset to own")),
        },
        Capacity::KeyOwner(id) => match view.store().find_key(id).await? {
            Some(record) if record.key.state.is_destroyed() => {
                let message = "the key is destroyed, and nobody answers for it any more";
                Err(ServiceError::new(ErrorKind::WrongState, message))
            }
            Some(_) => Ok(()),
            None => Err(ServiceError::new(ErrorKind::NotFound, "there is no such key to own")),
        },
        Capacity::Ciso
        | Capacity::Dpo
        | Capacity::Executive
        | Capacity::PrivacyOfficer
        | Capacity::RiskOwner => Ok(()),
    }
}

/// Withdraws a capacity.
#[derive(Debug)]
pub struct WithdrawCapacity {
    /// The person who answers for it no more.
    pub principal: PrincipalRef,
    /// The capacity.
    pub capacity: Capacity,
}

impl Operation for WithdrawCapacity {
    type Output = Principal;

    fn action(&self) -> Action {
        Action::WithdrawCapacity
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Principal(&self.principal)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Principal>, ServiceError> {
        let principal = view.state.principal(&self.principal).await?;
        let detail = EntryDetail { reference: reference(&[principal.id.as_bytes()]), ..view.detail() };
        if !principal.holds(self.capacity) {
            let message = "the principal does not hold that capacity";
            return Err(ServiceError::new(ErrorKind::NotFound, message));
        }
        let asked = Governed::WithdrawCapacity {
            principal: principal.id,
            capacity: self.capacity,
            reason: view.reason(),
        };
        let changed = Principal { reason: view.why, ..principal.without_capacity(self.capacity) };
        let output = Principal { revision: changed.revision + 1, ..changed.clone() };
        Ok(Staged::changing(asked, output, vec![Change::PutPrincipal(changed)], detail))
    }
}
