//! Grants on one key, given and taken by an application that administers it on a relaxed ring, and given up by those who
//! have them.

use std::sync::Arc;

use claviger_access::separation::check_delegation;
use claviger_access::{Decision, RequestContext};
use claviger_core::change::{Change, Subject};
use claviger_core::grant::{Conditions, Grant, Selector};
use claviger_core::key::{Key, KeyRecord};
use claviger_core::permit::Permit;
use claviger_core::port::store::{GrantFilter, Page};
use claviger_core::principal::{Principal, Standing};
use claviger_core::target::Target;
use claviger_core::{Action, GrantId, KeyId, Purpose};

use super::create_grant::Terms;
use super::granted::{NamedGrant, named};
use super::{Operation, Staged};
use crate::error::{ErrorKind, Obstacle, ServiceError};
use crate::pipeline::submission::{Note, reference};
use crate::reference::{KeyRef, PrincipalRef, TargetRef};
use crate::view::View;

/// Passes rights on one key on: none that the caller does not have himself, without conditions.
#[derive(Debug)]
pub struct DelegateGrant {
    /// The key.
    pub key: KeyRef,
    /// To whom.
    pub principal: PrincipalRef,
    /// Which actions.
    pub operations: Vec<Action>,
    /// Under which conditions.
    pub conditions: Conditions,
    /// Why.
    pub reason: String,
    /// A name: the same call with the same name finds the grant that the first one gave.
    pub name: Option<String>,
    /// Who else may end it.
    pub retiring: Option<PrincipalRef>,
}

impl Operation for DelegateGrant {
    type Output = Grant;

    fn action(&self) -> Action {
        Action::DelegateGrant
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, _permit: &Permit, view: &View<'_>) -> Result<Staged<Grant>, ServiceError> {
        let record = view.record()?;
        // What is out of use, or waits for its material or its end, is delegated to nobody.
        record.processing(record.key.primary, view.now)?;
        fits(&record.key, &self.operations, &self.conditions)?;
        let principal = named_in_grant(view, &self.principal).await?;
        let retiring = match &self.retiring {
            Some(retiring) => Some(named_in_grant(view, retiring).await?.id),
            None => None,
        };
        check_delegation(&principal, record.ring.policy.separation, &self.operations)?;
        holds_all(view, record, &self.operations).await?;
        let terms = Terms {
            operations: &self.operations,
            conditions: &self.conditions,
            reason: &self.reason,
            name: self.name.as_deref(),
            retiring,
        };
        let selector = Selector::Key(record.key.id);
        if let Some(name) = &self.name {
            let operations = terms.operations();
            let same = |grant: &Grant| {
                grant.name.as_ref() == Some(name)
                    && grant.selector == selector
                    && grant.retiring == retiring
                    && grant.operations == operations
                    && grant.conditions == self.conditions
            };
            let filter = GrantFilter { principal: Some(principal.id), ..on_key(record.key.id) };
            if let Some(found) = view.all_grants(filter).await?.into_iter().find(same) {
                return Ok(Staged::reading(found, view.note()));
            }
        }
        let (grant, changes, note) = terms.give(view, &principal, selector, &record.ring)?;
        Ok(Staged::changing(grant, changes, note))
    }
}

/// Refuses uses that the key does not have, and conditions on contexts where there are none.
fn fits(key: &Key, operations: &[Action], conditions: &Conditions) -> Result<(), ServiceError> {
    use Action as A;
    let symmetric = key.purpose == Purpose::Encrypt && !key.spec.is_asymmetric();
    let of_key = |action: Action| match action {
        A::Encrypt | A::Decrypt | A::Reencrypt | A::ReencryptInto => key.purpose == Purpose::Encrypt,
        A::GenerateDataKey
        | A::GenerateDataKeyPair
        | A::GenerateDataKeyPairWithoutPlaintext
        | A::GenerateDataKeyWithoutPlaintext => symmetric,
        A::Sign | A::Verify => key.purpose == Purpose::Sign,
        A::Mac | A::VerifyMac => key.purpose == Purpose::Mac,
        A::Wrap | A::Unwrap => key.purpose == Purpose::Wrap,
        A::Encapsulate | A::Decapsulate => key.purpose == Purpose::Encapsulate,
        A::Agree => key.purpose == Purpose::Agree,
        A::ReadPublicKey => key.spec.is_asymmetric(),
        _ => true,
    };
    if let Some(other) = operations.iter().find(|action| !of_key(**action)) {
        let message =
            format!("`{other}` is nothing that a key of {} for `{}` does", key.spec, key.purpose.name());
        return Err(ServiceError::invalid(message));
    }
    if conditions.look_at_context() && !symmetric {
        return Err(ServiceError::invalid("a key that is not symmetric has no encryption contexts"));
    }
    Ok(())
}

/// A principal that a grant names. Those who give grants may know whether there is one.
async fn named_in_grant(view: &View<'_>, principal: &PrincipalRef) -> Result<Principal, ServiceError> {
    view.state.principal(principal).await.map_err(|error| match error.kind() {
        ErrorKind::NotFound => error.because_of(Obstacle::NoPrincipal),
        _ => error,
    })
}

/// What one of many grants gives.
#[derive(Clone, Debug)]
pub struct NewGrant {
    /// To whom.
    pub principal: PrincipalRef,
    /// Which actions.
    pub operations: Vec<Action>,
    /// Under which conditions.
    pub conditions: Conditions,
    /// Its name, which begins with the prefix of the set.
    pub name: String,
}

/// Grants on one key that are given together.
#[derive(Debug)]
pub struct GrantSet {
    /// What the names of the set begin with.
    pub prefix: &'static str,
    /// What there shall be.
    pub grants: Vec<NewGrant>,
    /// Why.
    pub reason: String,
}

/// Most grants of a set.
const MOST: usize = 500;

impl GrantSet {
    /// The changes that give what is not among the `old` ones on that key, and those of them that are not in the set.
    pub(super) async fn give(
        &self,
        view: &View<'_>,
        record: &Arc<KeyRecord>,
        mut old: Vec<Grant>,
    ) -> Result<(Vec<Change>, Vec<Grant>), ServiceError> {
        if self.grants.len() > MOST {
            return Err(ServiceError::invalid(format!("at most {MOST} grants are given at once")));
        }
        let selector = Selector::Key(record.key.id);
        old.retain(|grant| {
            grant.selector == selector
                && grant.name.as_ref().is_some_and(|name| name.starts_with(self.prefix))
        });
        let mut changes = Vec::new();
        for new in &self.grants {
            let principal = named_in_grant(view, &new.principal).await?;
            check_delegation(&principal, record.ring.policy.separation, &new.operations)?;
            holds_all(view, record, &new.operations).await?;
            let terms = Terms {
                operations: &new.operations,
                conditions: &new.conditions,
                reason: &self.reason,
                name: Some(&new.name),
                retiring: None,
            };
            let operations = terms.operations();
            let same = |grant: &Grant| {
                grant.principal == principal.id
                    && grant.name.as_ref() == Some(&new.name)
                    && grant.operations == operations
                    && grant.conditions == new.conditions
            };
            match old.iter().position(same) {
                Some(at) => drop(old.swap_remove(at)),
                None => add(&mut changes, terms.give(view, &principal, selector, &record.ring)?.1),
            }
        }
        Ok((changes, old))
    }
}

/// Replaces a set of grants on one key, all at once: those whose names begin with its prefix go, the given ones come. What
/// stays the same is left alone.
#[derive(Debug)]
pub struct ReplaceDelegatedGrants {
    /// The key.
    pub key: KeyRef,
    /// What there shall be.
    pub set: GrantSet,
}

impl Operation for ReplaceDelegatedGrants {
    type Output = ();

    fn action(&self) -> Action {
        Action::DelegateGrant
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, _permit: &Permit, view: &View<'_>) -> Result<Staged<()>, ServiceError> {
        let record = view.record()?;
        let old = view.all_grants(on_key(record.key.id)).await?;
        let (mut changes, old) = self.set.give(view, record, old).await?;
        let mut subjects = Vec::new();
        for grant in old {
            subjects.push(Subject::Grant(grant.id, grant.principal));
            changes.push(Change::PutGrant(Grant { standing: Standing::Revoked, ..grant }));
        }
        if subjects.is_empty() {
            return Ok(Staged::changing((), changes, view.note()));
        }
        Ok(Staged::tightening((), changes, subjects, view.note()))
    }
}

/// Adds changes, each row once: grants of a set share their ring, and often their principal.
fn add(changes: &mut Vec<Change>, more: Vec<Change>) {
    for change in more {
        if !changes.contains(&change) {
            changes.push(change);
        }
    }
}

/// Does the caller have each of these rights on the key, whatever a call says of itself?
async fn holds_all(
    view: &View<'_>,
    record: &Arc<KeyRecord>,
    operations: &[Action],
) -> Result<(), ServiceError> {
    let target = Target::Key(Arc::clone(record));
    let caller = view.caller;
    let grants =
        view.store().list_grants_for(caller.principal().id, Some(record.key.id), record.ring.id).await?;
    let request = RequestContext::at(view.now);
    let holds = |action: Action| {
        let decision = view.authorizer.decide(caller, action, &target, &grants, &request);
        matches!(&decision, Decision::Permit { .. } if decision.is_unconditional())
    };
    // To give up what one was given is nothing that one must have oneself.
    let missing = operations.iter().find(|action| **action != Action::RetireGrant && !holds(**action));
    match missing {
        None => Ok(()),
        Some(missing) => {
            let message = format!("you may pass on what you may do yourself, which `{missing}` is not");
            Err(ServiceError::new(ErrorKind::Denied, message))
        }
    }
}

fn on_key(key: KeyId) -> GrantFilter {
    GrantFilter { key: Some(key), ..GrantFilter::default() }
}

/// Reads the grants on one key and on its ring, in the order of their identifiers.
#[derive(Debug)]
pub struct ReadKeyGrants {
    /// The key.
    pub key: KeyRef,
    /// Only to this principal.
    pub principal: Option<PrincipalRef>,
    /// Which page.
    pub page: Page<GrantId>,
}

impl Operation for ReadKeyGrants {
    type Output = Vec<NamedGrant>;

    fn action(&self) -> Action {
        Action::ReadKeyGrants
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, _permit: &Permit, view: &View<'_>) -> Result<Staged<Self::Output>, ServiceError> {
        let mut filter = on_key(view.record()?.key.id);
        if let Some(principal) = &self.principal {
            filter.principal = Some(view.state.principal(principal).await?.id);
        }
        let grants = view.store().list_grants(filter, self.page.clone()).await?;
        Ok(Staged::reading(named(view, grants).await?, view.note()))
    }
}

/// Withdraws a grant on one key.
#[derive(Debug)]
pub struct WithdrawDelegatedGrant {
    /// The key.
    pub key: KeyRef,
    /// The grant, which must be on that key alone.
    pub grant: GrantId,
}

impl Operation for WithdrawDelegatedGrant {
    type Output = Grant;

    fn action(&self) -> Action {
        Action::WithdrawDelegatedGrant
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, _permit: &Permit, view: &View<'_>) -> Result<Staged<Grant>, ServiceError> {
        let key = view.record()?.key.id;
        let found = view.store().find_grant(self.grant).await?;
        let on_key = found.filter(|grant| grant.selector == Selector::Key(key));
        end(view, on_key)
    }
}

/// Gives a grant up, as the one who has it with the right to, or the one who was named to.
#[derive(Debug)]
pub struct RetireGrant {
    /// The grant.
    pub grant: GrantId,
    /// Only if it is on this key.
    pub key: Option<KeyId>,
}

impl Operation for RetireGrant {
    type Output = Grant;

    fn action(&self) -> Action {
        Action::RetireGrant
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Grant(self.grant)
    }

    async fn run(&self, _permit: &Permit, view: &View<'_>) -> Result<Staged<Grant>, ServiceError> {
        let caller = view.caller.principal().id;
        let on_key = |grant: &Grant| self.key.is_none_or(|key| grant.selector == Selector::Key(key));
        let found = view.store().find_grant(self.grant).await?.filter(on_key);
        let Some(grant) =
            found.filter(|grant| [Some(grant.principal), grant.retiring].contains(&Some(caller)))
        else {
            return Err(ServiceError::not_found());
        };
        if grant.retiring != Some(caller) && !grant.operations.contains(&Action::RetireGrant) {
            let message = "the grant does not let its holder give it up, and names another to do so";
            return Err(ServiceError::new(ErrorKind::Denied, message));
        }
        end(view, Some(grant))
    }
}

/// Ends a grant in standing; what is not there, or ended before, is not found.
fn end(view: &View<'_>, grant: Option<Grant>) -> Result<Staged<Grant>, ServiceError> {
    let grant =
        grant.filter(|grant| grant.standing == Standing::Active).ok_or_else(ServiceError::not_found)?;
    let note =
        Note { reference: reference(&[grant.id.as_bytes(), grant.principal.as_bytes()]), ..view.note() };
    let ended = Grant { standing: Standing::Revoked, ..grant };
    let output = Grant { revision: ended.revision + 1, ..ended.clone() };
    let subjects = vec![Subject::Grant(ended.id, ended.principal)];
    Ok(Staged::tightening(output, vec![Change::PutGrant(ended)], subjects, note))
}
