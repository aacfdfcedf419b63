//! Gives a grant.

use claviger_access::separation::check_grant;
use claviger_core::change::Change;
use claviger_core::grant::{Conditions, Grant, Selector};
use claviger_core::key::KeyRing;
use claviger_core::permit::Permit;
use claviger_core::principal::Standing;
use claviger_core::{Action, GrantId};

use super::{Operation, Staged};
use crate::error::ServiceError;
use crate::pipeline::submission::{Note, reference};
use crate::reference::{KeyRef, PrincipalRef, RingRef, TargetRef};
use crate::view::View;

/// On what a grant is.
#[derive(Clone, Debug)]
pub enum GrantOn {
    /// One key.
    Key(KeyRef),
    /// Every key of a ring.
    Ring(RingRef),
}

/// Gives a grant.
#[derive(Debug)]
pub struct CreateGrant {
    /// To whom.
    pub principal: PrincipalRef,
    /// On what.
    pub on: GrantOn,
    /// Which uses.
    pub operations: Vec<Action>,
    /// Under which conditions.
    pub conditions: Conditions,
    /// Why.
    pub reason: String,
}

impl Operation for CreateGrant {
    type Output = Grant;

    fn action(&self) -> Action {
        Action::CreateGrant
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, _permit: &Permit, view: &View<'_>) -> Result<Staged<Grant>, ServiceError> {
        let request = format!("create_grant {self:?}");
        if let Some(made) = view.made_before(request.as_bytes()).await? {
            let grant = view
                .store()
                .find_grant(GrantId::from_bytes(made))
                .await?
                .ok_or_else(ServiceError::not_found)?;
            return Ok(Staged::reading(grant, view.note()));
        }
        let principal = view.state.principal(&self.principal).await?;
        let (selector, ring) = match &self.on {
            GrantOn::Key(key) => {
                let record = view.load_key(view.state.key_id(key).await?).await?;
                (Selector::Key(record.key.id), record.ring)
            }
            GrantOn::Ring(ring) => {
                let ring = view.state.ring(ring).await?;
                (Selector::Ring(ring.id), ring.into())
            }
        };
        let by = view.caller.principal().id;
        check_grant(&principal, ring.policy.separation, &self.operations, by)?;
        let mut operations = self.operations.clone();
        operations.sort();
        operations.dedup();
        let grant = Grant {
            id: GrantId::random()?,
            principal: principal.id,
            selector,
            operations,
            conditions: self.conditions.clone(),
            reason: self.reason.clone(),
            created_by: by,
            created_at: view.now,
            standing: Standing::Active,
            revision: 0,
        };
        if grant.conditions.until.is_some_and(|until| until <= view.now) {
            return Err(ServiceError::invalid("the grant would have ended before it began"));
        }
        view.authorizer
            .validate_grant(&grant, &principal)
            .map_err(|error| ServiceError::invalid(error.to_string()))?;
        // Principal and ring are written as they were read: separation of duties was checked against them, and whoever changes
        // a role or the ring's rule at the same time must see this grant, or this grant that change.
        let mut changes = vec![
            Change::PutGrant(grant.clone()),
            Change::PutPrincipal(principal.clone()),
            Change::PutRing(KeyRing::clone(&ring)),
        ];
        changes.extend(view.remember_making(request.as_bytes(), *grant.id.as_bytes()));
        let note =
            Note { reference: reference(&[grant.id.as_bytes(), principal.id.as_bytes()]), ..view.note() };
        Ok(Staged::changing(Grant { revision: 1, ..grant }, changes, note))
    }
}
