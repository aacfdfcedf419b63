//! Grants on one key, given and taken by an application that administers it on a relaxed ring, and given up by those who
//! have them. What is given so rests on what the giver has.

use std::collections::{BTreeMap, BTreeSet};

use claviger_access::separation::check_delegation;
use claviger_core::change::{Change, Restriction};
use claviger_core::grant::{Basis, Conditions, EndedBy, Grant, GrantOrigin, Selector, Spelling};
use claviger_core::key::{Key, KeyRecord, Separation};
use claviger_core::lineage::{Delegation, Judge, Lineage, Wanted};
use claviger_core::permit::{Permit, Rule};
use claviger_core::port::store::{GrantFilter, GrantQuery, Page};
use claviger_core::principal::{Principal, Status};
use claviger_core::{Action, GrantId, KeyId, Purpose};

use super::create_grant::{Terms, give};
use super::granted::{NamedGrant, named};
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, Obstacle, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, reference};
use crate::reference::{KeyRef, PrincipalRef, TargetRef};
use crate::view::View;
use crate::work::Class;

/// Passes rights on one key on: none that the caller does not have, under the same conditions at least. They rest on the
/// grants by which the caller has them, and end with these.
#[derive(Debug)]
pub struct DelegateGrant {
    /// The key.
    pub key: KeyRef,
    /// The principal that gets the grant.
    pub principal: PrincipalRef,
    /// The actions that it allows.
    pub operations: Vec<Action>,
    /// Under which conditions.
    pub conditions: Conditions,
    /// A name: the same call with the same name finds the grant that the first one gave.
    pub name: Option<String>,
    /// Who else may end it.
    pub retiring: Option<PrincipalRef>,
    /// How the caller names the two.
    pub spelling: Spelling,
}

impl Operation for DelegateGrant {
    type Output = Grant;

    fn action(&self) -> Action {
        Action::DelegateGrant
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Grant>, ServiceError> {
        let permit = view.permit;
        let record = view.record()?;
        // What is out of use, or waits for its material or its end, is delegated to nobody.
        record.processing(record.key.primary, view.now)?;
        fits(&record.key, &self.operations, &self.conditions)?;
        // Before names: who could not give it to anybody learns nothing of them.
        let wanted = [(&self.operations[..], &self.conditions)];
        let holdings = Holdings::of_caller(view, permit, record, &wanted).await?;
        let basis =
            holdings.judge(view).basis(permit, &self.operations, &self.conditions, GrantOrigin::Direct)?;
        let separation = record.ring.policy.separation;
        let principal = named_in_grant(view, &self.principal, separation).await?;
        let retiring = match &self.retiring {
            Some(retiring) => Some(named_in_grant(view, retiring, separation).await?.id),
            None => None,
        };
        check_delegation(&principal, separation, &self.operations)?;
        let terms = Terms {
            operations: &self.operations,
            conditions: &self.conditions,
            name: self.name.as_deref(),
            retiring,
            basis,
            origin: GrantOrigin::Direct,
            spelling: self.spelling.clone(),
        };
        let selector = Selector::Key(record.key.id);
        let grant = terms.grant(view, &principal, selector).await?;
        // The same on the same basis: it is honoured for as long as what would be given now.
        if grant.name.is_some()
            && let Some(found) = view.store().find_same_grant(grant.clone()).await?
        {
            return Ok(Staged::reading(found, view.detail()));
        }
        let (grant, changes, detail) = give(view, grant, &principal, &record.ring).await?;
        let asked = Governed::DelegateGrant {
            key: record.key.id,
            principal: principal.id,
            operations: self.operations.iter().copied().collect(),
            conditions: (&self.conditions).into(),
            reason: view.reason(),
            name: self.name.clone(),
            retiring,
            spelled_principal: self.spelling.principal.clone(),
            spelled_retiring: self.spelling.retiring.clone(),
        };
        Ok(Staged::changing(asked, grant, changes, detail))
    }
}

/// What the caller holds on a key and its ring that some grants can rest on, with what that rests on itself.
pub(super) struct Holdings {
    held: Vec<Grant>,
    lineage: Lineage,
    selector: Selector,
}

impl Holdings {
    /// Those of the caller on that key, which may be about to be made, that can bear grants of such operations under such
    /// conditions: what gives one of them under no more than these conditions, and what lets give them.
    pub(super) async fn of_caller(
        view: &View<'_>,
        permit: &Permit,
        record: &KeyRecord,
        wanted: &[(&[Action], &Conditions)],
    ) -> Result<Self, ServiceError> {
        let (key, ring) = (record.key.id, record.ring.id);
        let to_give = [Action::DelegateGrant, Action::PutKeyPolicy];
        let actions: BTreeSet<_> =
            wanted.iter().flat_map(|(operations, _)| operations.iter().copied()).chain(to_give).collect();
        let contexts: BTreeSet<_> = wanted.iter().flat_map(|(_, conditions)| within(conditions)).collect();
        let query = GrantQuery {
            principal: view.caller.principal().id,
            key: Some(key),
            ring,
            actions: actions.into_iter().collect(),
            contexts: contexts.into_iter().collect(),
            now: view.now,
        };
        let mut held: BTreeMap<GrantId, Grant> = BTreeMap::new();
        for found in view.store().list_candidates(query).await? {
            held.extend(found.into_iter().map(|grant| (grant.id, grant)));
        }
        // What permits the call bears what it gives, under whatever conditions that is.
        if let Rule::Grant(id) = permit.rule()
            && !held.contains_key(&id)
        {
            held.extend(view.store().find_grant(id).await?.map(|grant| (id, grant)));
        }
        let held: Vec<_> = held.into_values().collect();
        let lineage = match Wanted::of(&held) {
            Some(wanted) => view.store().load_lineage(wanted).await?,
            None => Lineage::default(),
        };
        Ok(Self { held, lineage: lineage.with_ring(key, ring), selector: Selector::Key(key) })
    }

    pub(super) fn judge(&self, view: &View<'_>) -> Delegator<'_> {
        Delegator { holdings: self, judge: self.lineage.judge(view.now) }
    }
}

/// The contexts of calls that meet those conditions alone: they meet every grant that these are within.
fn within(conditions: &Conditions) -> Vec<Vec<(String, String)>> {
    let equals = &conditions.context_equals;
    match &conditions.context_exactly {
        None => vec![equals.clone()],
        Some(exactly) => {
            let more = equals.iter().filter(|pair| !exactly.contains(pair));
            vec![exactly.clone(), exactly.iter().chain(more).cloned().collect()]
        }
    }
}

/// Says what rights that the caller passes on rest on.
pub(super) struct Delegator<'a> {
    holdings: &'a Holdings,
    judge: Judge<'a>,
}

impl Delegator<'_> {
    /// What such a grant rests on.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] where the caller does not have as much, for as long, or has it by too long a chain.
    pub(super) fn basis(
        &mut self,
        permit: &Permit,
        operations: &[Action],
        conditions: &Conditions,
        origin: GrantOrigin,
    ) -> Result<Basis, ServiceError> {
        let permitted_by = match permit.rule() {
            Rule::Grant(id) => Some(id),
            Rule::Role(_) | Rule::Builtin(_) => None,
        };
        let selector = self.holdings.selector;
        let wanted = Delegation { selector, operations, conditions, origin, permitted_by };
        let chosen = self.judge.choose(permit.principal(), &self.holdings.held, &wanted);
        let mut basis = chosen.map_err(|short| ServiceError::new(ErrorKind::Denied, short.to_string()))?;
        basis.sort_unstable();
        Ok(Basis::Grants(basis))
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

/// A principal that a grant names: whoever could give a right to somebody may know to whom. One that can be given nothing there
/// (revoked, with a role, the system) is for the caller the same as one that never was.
pub(super) async fn named_in_grant(
    view: &View<'_>,
    principal: &PrincipalRef,
    separation: Separation,
) -> Result<Principal, ServiceError> {
    let nobody = || ServiceError::not_found().because_of(Obstacle::NoPrincipal);
    let found = view.state.principal(principal).await.map_err(|error| match error.kind() {
        ErrorKind::NotFound => nobody(),
        _ => error,
    })?;
    check_delegation(&found, separation, &[]).map_err(|rule| nobody().caused_by(rule))?;
    Ok(found)
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
    /// The page of the list.
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

    async fn run(&self, view: &View<'_>) -> Result<Staged<Self::Output>, ServiceError> {
        view.enter(Class::Listing).await?;
        let mut filter = on_key(view.record()?.key.id);
        if let Some(principal) = &self.principal {
            filter.principal = match view.state.principal(principal).await {
                Ok(principal) => Some(principal.id),
                // Whoever is not there has no grants, like most of those who are.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Ok(Staged::reading(Vec::new(), view.detail()));
                }
                Err(error) => return Err(error),
            };
        }
        let grants = view.store().list_grants(filter, self.page.clone()).await?;
        Ok(Staged::reading(named(view, grants).await?, view.detail()))
    }
}

/// Revokes a grant on one key.
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

    async fn run(&self, view: &View<'_>) -> Result<Staged<Grant>, ServiceError> {
        let key = view.record()?.key.id;
        let found = view.store().find_grant(self.grant).await?;
        let on_key = found.filter(|grant| grant.selector == Selector::Key(key));
        let asked = Governed::WithdrawDelegatedGrant { key, grant: self.grant, reason: view.reason() };
        end(view, asked, on_key, EndedBy::Revocation)
    }
}

/// Gives a grant up, as the one who has it with the right to, the one who was named to, or, where nobody was, the one who gave
/// it.
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

    async fn run(&self, view: &View<'_>) -> Result<Staged<Grant>, ServiceError> {
        let caller = view.caller.principal().id;
        let on_key = |grant: &Grant| self.key.is_none_or(|key| grant.selector == Selector::Key(key));
        let found = view.store().find_grant(self.grant).await?.filter(on_key);
        // Who gave it gives it up too, where nobody was named to.
        let retires = |grant: &Grant| match grant.retiring {
            Some(retiring) => retiring == caller,
            None => grant.created_by == caller,
        };
        let Some(grant) = found.filter(|grant| grant.principal == caller || retires(grant)) else {
            return Err(ServiceError::not_found());
        };
        if !retires(&grant) && !grant.operations.contains(&Action::RetireGrant) {
            let message = "the grant does not let its holder give it up, and names another to do so";
            return Err(ServiceError::new(ErrorKind::Denied, message));
        }
        let asked = Governed::RetireGrant { grant: grant.id, reason: view.reason() };
        end(view, asked, Some(grant), EndedBy::Retirement)
    }
}

/// Ends an active grant; what is not there, or ended before, is not found.
fn end(
    view: &View<'_>,
    asked: Governed,
    grant: Option<Grant>,
    by: EndedBy,
) -> Result<Staged<Grant>, ServiceError> {
    let grant = grant.filter(|grant| grant.status == Status::Active).ok_or_else(ServiceError::not_found)?;
    let detail = EntryDetail {
        reference: reference(&[grant.id.as_bytes(), grant.principal.as_bytes()]),
        ..view.detail()
    };
    let ended = grant.ended(by, view.now, view.why);
    let output = Grant { revision: ended.revision + 1, ..ended.clone() };
    let restrictions = vec![Restriction::Grant(ended.id, ended.principal)];
    Ok(Staged::restricting(asked, output, vec![Change::PutGrant(ended)], restrictions, detail))
}
