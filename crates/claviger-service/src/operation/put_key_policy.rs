//! The policy of a key: a set of grants that are given together, and end when a policy is set that does not give them.
//!
//! What it keeps true: setting a policy ends what policies of that key gave, and nothing else; whatever is given or ended has
//! an entry of its own that names the grant. The document that came with the set is kept with the grants that it gave, and is
//! never shown as what holds once one of them was ended by another act.

use std::sync::Arc;

use claviger_access::separation::check_delegation;
use claviger_core::change::{Change, Restriction};
use claviger_core::grant::{Conditions, EndedBy, Grant, GrantOrigin, Selector, Spelling};
use claviger_core::key::{Key, KeyRecord, PolicyDocument};
use claviger_core::permit::Permit;
use claviger_core::port::store::GrantFilter;
use claviger_core::{Action, GrantId, KeyId, PrincipalId};

use super::create_grant::{Terms, give};
use super::delegation::{Holdings, named_in_grant};
use crate::call::{Operation, Staged};
use crate::error::ServiceError;
use crate::governed::{Governed, SetGrant, SetOfGrants};
use crate::record::{EntryDetail, SubAction, reference};
use crate::reference::{KeyRef, PrincipalRef, TargetRef};
use crate::view::View;

/// What one of many grants gives.
#[derive(Clone, Debug)]
pub struct NewGrant {
    /// The principal that gets the grant.
    pub principal: PrincipalRef,
    /// The actions that it allows.
    pub operations: Vec<Action>,
    /// Under which conditions.
    pub conditions: Conditions,
    /// Its name.
    pub name: String,
    /// How the caller names the principal, where that is otherwise than by its name.
    pub spelled: Option<String>,
}

impl NewGrant {
    fn spelling(&self) -> Spelling {
        Spelling { principal: self.spelled.clone(), retiring: None }
    }
}

/// Grants on one key that are given together.
#[derive(Debug)]
pub struct GrantSet {
    /// What there shall be.
    pub grants: Vec<NewGrant>,
    /// The document that says so, to be given back as it came.
    pub text: Option<String>,
}

/// Most grants of a set.
const MOST: usize = 500;

/// What it takes to have a set of grants on a key, and no other of its kind.
pub(super) struct Replacing {
    pub(super) changes: Vec<Change>,
    /// What was given before and is not any more.
    pub(super) ended: Vec<Restriction>,
    /// One for each grant that is given or ended.
    pub(super) acts: Vec<EntryDetail>,
    /// To whom each of the set is given.
    pub(super) principals: Vec<PrincipalId>,
    /// The document of the set.
    pub(super) document: Option<PolicyDocument>,
}

impl GrantSet {
    /// The set in resolved identifiers; `principals` are those that it names, in its order.
    pub(super) fn asked(&self, principals: &[PrincipalId]) -> SetOfGrants {
        let grant = |(new, principal): (&NewGrant, &PrincipalId)| SetGrant {
            principal: *principal,
            operations: new.operations.iter().copied().collect(),
            conditions: (&new.conditions).into(),
            name: new.name.clone(),
            spelled_principal: new.spelled.clone(),
        };
        let grants = self.grants.iter().zip(principals).map(grant).collect();
        SetOfGrants { grants, text: self.text.clone() }
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

    /// The document with the grants that it gives.
    pub(super) fn document(&self, key: KeyId, mut grants: Vec<GrantId>) -> Option<PolicyDocument> {
        grants.sort_unstable();
        self.text.clone().map(|text| PolicyDocument { key, text, grants })
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
        if self.text.as_ref().is_some_and(|text| text.len() > PolicyDocument::MAX_TEXT) {
            let message = format!("a policy's document has up to {} bytes", PolicyDocument::MAX_TEXT);
            return Err(ServiceError::invalid(message));
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
            document: None,
        };
        let mut given = Vec::new();
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
                spelling: new.spelling(),
            };
            let operations = terms.operations();
            let same = |grant: &Grant| {
                grant.principal == principal.id
                    && grant.name.as_ref() == Some(&new.name)
                    && grant.operations == operations
                    && grant.conditions == new.conditions
                    && grant.basis == terms.basis
                    && grant.spelling == terms.spelling
            };
            if let Some(at) = old.iter().position(same) {
                given.push(old.swap_remove(at).id);
                continue;
            }
            let grant = terms.grant(view, principal, selector).await?;
            let (grant, changes, _) = give(view, grant, principal, &record.ring).await?;
            given.push(grant.id);
            replacing.acts.push(act(Action::DelegateGrant, &grant));
            replacing.add(changes);
        }
        for grant in old {
            replacing.acts.push(act(Action::WithdrawDelegatedGrant, &grant));
            replacing.ended.push(Restriction::Grant(grant.id, grant.principal));
            replacing.changes.push(Change::PutGrant(grant.ended(EndedBy::Replacement, view.now, view.why)));
        }
        replacing.document = self.document(record.key.id, given);
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

    async fn run(&self, view: &View<'_>) -> Result<Staged<()>, ServiceError> {
        let permit = view.permit;
        let record = view.record()?;
        let of_policy = GrantFilter { key: Some(record.key.id), of_policy: true, ..GrantFilter::default() };
        let old = view.all_grants(of_policy).await?;
        let Replacing { mut changes, ended, acts, principals, document } =
            self.set.replace(view, permit, record, old).await?;
        let policy = document.as_ref().map(PolicyDocument::digest);
        if policy != record.key.policy {
            changes.push(Change::PutKey(Key { policy, ..record.key.clone() }));
            changes.extend(document.map(Change::PutPolicyDocument));
        }
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
