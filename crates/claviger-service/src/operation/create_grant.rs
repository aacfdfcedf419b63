//! Gives a grant.

use claviger_access::separation::check_grant;
use claviger_core::change::Change;
use claviger_core::grant::{Basis, Conditions, Grant, GrantOrigin, Selector, Spelling};
use claviger_core::key::KeyRing;
use claviger_core::principal::{Principal, PrincipalKind, Status};
use claviger_core::{Action, GrantId, PrincipalId, Timestamp};

use super::sensitive::{by_ring, nobody, seen_key, seen_principal};
use crate::call::{Operation, Staged};
use crate::error::ServiceError;
use crate::governed::Governed;
use crate::record::{EntryDetail, reference};
use crate::reference::{KeyRef, PrincipalRef, RingRef, TargetRef};
use crate::view::View;
use crate::work::Class;

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
    /// The principal that gets the grant.
    pub principal: PrincipalRef,
    /// The key or ring that it covers.
    pub on: GrantOn,
    /// The uses that it allows.
    pub operations: Vec<Action>,
    /// Under which conditions.
    pub conditions: Conditions,
    /// A name to find it again by.
    pub name: Option<String>,
    /// Who else may end it.
    pub retiring: Option<PrincipalRef>,
}

impl CreateGrant {
    async fn asked(&self, view: &View<'_>) -> Result<Governed, ServiceError> {
        let on = match &self.on {
            GrantOn::Key(key) => Selector::Key(view.key_id(key).await?),
            GrantOn::Ring(ring) => Selector::Ring(view.state.ring(ring).await?.id),
        };
        let retiring = match &self.retiring {
            Some(retiring) => Some(view.state.principal(retiring).await?.id),
            None => None,
        };
        Ok(Governed::CreateGrant {
            principal: view.state.principal(&self.principal).await?.id,
            on,
            operations: self.operations.iter().copied().collect(),
            conditions: (&self.conditions).into(),
            reason: view.reason(),
            name: self.name.clone(),
            retiring,
        })
    }
}

impl Operation for CreateGrant {
    type Output = Grant;

    fn action(&self) -> Action {
        Action::CreateGrant
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Grant>, ServiceError> {
        let asked = self.asked(view).await?;
        if let Some(made) = view.made_before(&asked).await? {
            let grant = view
                .store()
                .find_grant(GrantId::from_bytes(made))
                .await?
                .ok_or_else(ServiceError::not_found)?;
            return Ok(Staged::reading(grant, view.detail()));
        }
        let principal = view.state.principal(&self.principal).await?;
        let (selector, ring, key) = match &self.on {
            GrantOn::Key(key) => {
                let record = view.load_key(view.key_id(key).await?).await?;
                (Selector::Key(record.key.id), record.ring, Some(seen_key(&record.key)))
            }
            GrantOn::Ring(ring) => {
                let ring = view.state.ring(ring).await?;
                (Selector::Ring(ring.id), ring.into(), None)
            }
        };
        let accounts = view.accounts(principal.clone()).await?;
        let (person, by) = (accounts.as_person(), view.caller_person());
        check_grant(&person, accounts.makers(), ring.policy.separation, &self.operations, by)?;
        let retiring = match &self.retiring {
            Some(retiring) => Some(view.state.principal(retiring).await?.id),
            None => None,
        };
        let terms = Terms {
            operations: &self.operations,
            conditions: &self.conditions,
            name: self.name.as_deref(),
            retiring,
            // The role acted, not the person: the grant stays when the person goes.
            basis: Basis::Role,
            origin: GrantOrigin::Direct,
            spelling: Spelling::default(),
        };
        let grant = terms.grant(view, &principal, selector).await?;
        let (grant, mut changes, detail) = give(view, grant, &principal, &ring).await?;
        changes.extend(accounts.expected());
        changes.extend(view.remember_making(&asked, *grant.id.as_bytes()));
        let quorum = match ring.policy.approvers_of_grants() {
            0 => nobody(),
            approvers => by_ring(&ring, approvers, [seen_principal(&principal)].into_iter().chain(key)),
        };
        Ok(Staged::changing(asked, grant, changes, detail).under(quorum))
    }
}

/// Longest name of a grant, in bytes.
const LONGEST_NAME: usize = 256;

/// What a grant gives, apart from to whom and on what.
pub(super) struct Terms<'a> {
    pub(super) operations: &'a [Action],
    pub(super) conditions: &'a Conditions,
    pub(super) name: Option<&'a str>,
    pub(super) retiring: Option<PrincipalId>,
    pub(super) basis: Basis,
    pub(super) origin: GrantOrigin,
    pub(super) spelling: Spelling,
}

impl Terms<'_> {
    /// The actions, as a grant has them.
    pub(super) fn operations(&self) -> Vec<Action> {
        let mut operations = self.operations.to_vec();
        operations.sort();
        operations.dedup();
        operations
    }

    /// The grant to that principal. Separation of duties was checked before.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for terms that no grant has, and overloaded when the
    /// caller's principal has too many waiting.
    pub(super) async fn grant(
        &self,
        view: &View<'_>,
        principal: &Principal,
        selector: Selector,
    ) -> Result<Grant, ServiceError> {
        let grant = Grant {
            id: GrantId::random()?,
            principal: principal.id,
            selector,
            operations: self.operations(),
            conditions: self.conditions.clone(),
            reason: view.why,
            name: self.name.map(str::to_owned),
            retiring: self.retiring,
            created_by: view.caller.principal().id,
            created_at: view.now,
            basis: self.basis.clone(),
            origin: self.origin,
            spelling: self.spelling.clone(),
            status: Status::Active,
            ending: None,
            revision: 0,
        };
        if grant.conditions.until.is_some_and(|until| until <= view.now) {
            return Err(ServiceError::invalid("the grant would have ended before it began"));
        }
        check_end(view, principal, grant.conditions.until).await?;
        if grant.name.as_ref().is_some_and(|name| name.is_empty() || name.len() > LONGEST_NAME) {
            return Err(ServiceError::invalid(format!("a grant's name has 1 to {LONGEST_NAME} bytes")));
        }
        if !grant.spelling.fits() {
            return Err(ServiceError::invalid(format!("a name in a grant has 1 to {} bytes", Spelling::MAX)));
        }
        // A policy is written, parsed and checked against the schema: as long as hundreds of uses take.
        let (authorizer, principal) = (view.authorizer.clone(), principal.clone());
        view.work(Class::Creation, move |_| {
            let valid = authorizer.validate_grant(&grant, &principal);
            valid.map_err(|error| ServiceError::invalid(error.to_string()))?;
            Ok(grant)
        })
        .await
    }
}

/// What people may do ends, where the deployment says so: somebody looks again whether they still must.
async fn check_end(
    view: &View<'_>,
    principal: &Principal,
    until: Option<Timestamp>,
) -> Result<(), ServiceError> {
    if principal.kind != PrincipalKind::Human {
        return Ok(());
    }
    let Some(longest) = view.state.governance().await?.human_grant_lifetime else { return Ok(()) };
    if until.is_some_and(|until| until <= view.now.after(longest)) {
        return Ok(());
    }
    let days = longest.as_secs() / 86_400;
    let message = format!(
        "a grant to a person ends within {days} days by the rules of the deployment (`claviger governance show`): say until when"
    );
    Err(ServiceError::invalid(message))
}

/// What is to be written for a new grant, if there is room for it.
///
/// # Errors
/// [`ErrorKind::LimitExceeded`](crate::ErrorKind::LimitExceeded) where there is none.
pub(super) async fn give(
    view: &View<'_>,
    grant: Grant,
    principal: &Principal,
    ring: &KeyRing,
) -> Result<(Grant, Vec<Change>, EntryDetail), ServiceError> {
    view.check_room(&grant).await?;
    // Separation of duties was checked against principal and ring as they were read. Whoever changes a role or the ring's
    // rule at the same time either committed before, and this is a conflict, or expects no grant like this one.
    let changes =
        vec![Change::expect_principal(principal), Change::expect_ring(ring), Change::PutGrant(grant.clone())];
    let detail = EntryDetail {
        reference: reference(&[grant.id.as_bytes(), principal.id.as_bytes()]),
        ..view.detail()
    };
    Ok((Grant { revision: 1, ..grant }, changes, detail))
}
