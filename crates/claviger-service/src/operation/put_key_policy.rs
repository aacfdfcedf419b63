//! The policy of a key: a set of grants that are given together, and end when a policy is set that does not give them.
//!
//! What it keeps true: setting a policy ends what policies of that key gave, and nothing else; whatever is given or ended has
//! an entry of its own that names the grant.

use std::sync::Arc;

use claviger_access::separation::check_delegation;
use claviger_core::change::{Change, Subject};
use claviger_core::grant::{Conditions, EndedBy, Grant, GrantOrigin, Selector};
use claviger_core::key::KeyRecord;
use claviger_core::permit::Permit;
use claviger_core::port::store::GrantFilter;
use claviger_core::{Action, PrincipalId};

use super::create_grant::{Terms, give};
use super::delegation::{Holdings, named_in_grant};
use super::{Operation, Staged};
use crate::error::ServiceError;
use crate::governed::{Governed, SetGrant, SetOfGrants};
use crate::pipeline::submission::{EntryDetail, SubAction, reference};
use crate::reference::{KeyRef, PrincipalRef, TargetRef};
use crate::view::View;

/// What one of many grants gives.
#[derive(Clone, Debug)]
pub struct NewGrant {
    /// To whom.
    pub principal: PrincipalRef,
    /// Which actions.
    pub operations: Vec<Action>,
    /// Under which conditions.
    pub conditions: Conditions,
    /// Its name.
    pub name: String,
}

/// Grants on one key that are given together.
#[derive(Debug)]
pub struct GrantSet {
    /// What there shall be.
    pub grants: Vec<NewGrant>,
}

/// Most grants of a set.
const MOST: usize = 500;

/// What it takes to have a set of grants on a key, and no other of its kind.
pub(super) struct Replacing {
    pub(super) changes: Vec<Change>,
    /// What was given before and is not any more.
    pub(super) ended: Vec<Subject>,
    /// One for each grant that is given or ended.
    pub(super) acts: Vec<EntryDetail>,
    /// To whom each of the set is given.
    pub(super) principals: Vec<PrincipalId>,
}

impl GrantSet {
    /// The set in resolved identifiers; `principals` are those that it names, in its order.
    pub(super) fn asked(&self, principals: &[PrincipalId]) -> SetOfGrants {
        let grant = |(new, principal): (&NewGrant, &PrincipalId)| SetGrant {
            principal: *principal,
            operations: new.operations.iter().copied().collect(),
            conditions: (&new.conditions).into(),
            name: new.name.clone(),
        };
        SetOfGrants { grants: self.grants.iter().zip(principals).map(grant).collect() }
    }

    /// The set in resolved identifiers, whatever can be given to whom. What it fails with must not reach a caller who could
    /// not give the rights.
    pub(super) async fn resolved(&self, view: &View<'_>) -> Result<SetOfGrants, ServiceError> {
        let mut principals = Vec::new();
        for new in &self.grants {
            principals.push(view.state.principal(&new.principal).await?.id);
        }
        Ok(self.asked(&principals))
    }

    /// What puts this set in the place of the `old` one. What stays the same, on the same basis, is left alone.
    pub(super) async fn replace(
        &self,
        view: &View<'_>,
        permit: &Permit,
        record: &Arc<KeyRecord>,
        mut old: Vec<Grant>,
    ) -> Result<Replacing, ServiceError> {
        if self.grants.len() > MOST {
            return Err(ServiceError::invalid(format!("at most {MOST} grants are given at once")));
        }
        let origin = GrantOrigin::KeyPolicy;
        // Before names: who could not give it to anybody learns nothing of them.
        let bases = {
            let wanted: Vec<_> =
                self.grants.iter().map(|new| (&new.operations[..], &new.conditions)).collect();
            let holdings = Holdings::of_caller(view, permit, record, &wanted).await?;
            let mut delegator = holdings.judge(view);
            let basis = |new: &NewGrant| delegator.basis(permit, &new.operations, &new.conditions, origin);
            self.grants.iter().map(basis).collect::<Result<Vec<_>, _>>()?
        };
        let separation = record.ring.policy.separation;
        let mut principals = Vec::new();
        for new in &self.grants {
            principals.push(named_in_grant(view, &new.principal, separation).await?);
        }
        let selector = Selector::Key(record.key.id);
        let mut replacing = Replacing {
            changes: Vec::new(),
            ended: Vec::new(),
            acts: Vec::new(),
            principals: principals.iter().map(|principal| principal.id).collect(),
        };
        let act = |of: Action, grant: &Grant| EntryDetail {
            sub_action: Some(SubAction { op: of.into(), policy: permit.policy_digest() }),
            key: Some(record.key.id),
            reference: reference(&[grant.id.as_bytes(), grant.principal.as_bytes()]),
            ..EntryDetail::default()
        };
        for ((new, principal), basis) in self.grants.iter().zip(&principals).zip(bases) {
            check_delegation(principal, separation, &new.operations)?;
            let terms = Terms {
                operations: &new.operations,
                conditions: &new.conditions,
                name: Some(&new.name),
                retiring: None,
                basis,
                origin,
            };
            let operations = terms.operations();
            let same = |grant: &Grant| {
                grant.principal == principal.id
                    && grant.name.as_ref() == Some(&new.name)
                    && grant.operations == operations
                    && grant.conditions == new.conditions
                    && grant.basis == terms.basis
            };
            if let Some(at) = old.iter().position(same) {
                old.swap_remove(at);
                continue;
            }
            let grant = terms.grant(view, principal, selector)?;
            let (grant, changes, _) = give(view, grant, principal, &record.ring).await?;
            replacing.acts.push(act(Action::DelegateGrant, &grant));
            replacing.add(changes);
        }
        for grant in old {
            replacing.acts.push(act(Action::WithdrawDelegatedGrant, &grant));
            replacing.ended.push(Subject::Grant(grant.id, grant.principal));
            replacing.changes.push(Change::PutGrant(grant.ended(EndedBy::Replacement, view.now, view.why)));
        }
        Ok(replacing)
    }
}

impl Replacing {
    /// Adds changes, each row once: grants of a set share their ring, and often their principal.
    fn add(&mut self, more: Vec<Change>) {
        for change in more {
            if !self.changes.contains(&change) {
                self.changes.push(change);
            }
        }
    }
}

/// Sets the policy of a key, all at once: what policies gave before ends, what this one says comes.
#[derive(Debug)]
pub struct PutKeyPolicy {
    /// The key.
    pub key: KeyRef,
    /// What it gives.
    pub set: GrantSet,
}

impl Operation for PutKeyPolicy {
    type Output = ();

    fn action(&self) -> Action {
        Action::PutKeyPolicy
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, permit: &Permit, view: &View<'_>) -> Result<Staged<()>, ServiceError> {
        let record = view.record()?;
        let of_policy = GrantFilter { key: Some(record.key.id), of_policy: true, ..GrantFilter::default() };
        let old = view.all_grants(of_policy).await?;
        let Replacing { changes, ended, acts, principals } =
            self.set.replace(view, permit, record, old).await?;
        let grants = self.set.asked(&principals);
        let asked = Governed::PutKeyPolicy { key: record.key.id, grants, reason: view.reason() };
        let staged = if ended.is_empty() {
            Staged::changing(asked, (), changes, view.detail())
        } else {
            Staged::restricting(asked, (), changes, ended, view.detail())
        };
        Ok(staged.with_acts(acts))
    }
}
