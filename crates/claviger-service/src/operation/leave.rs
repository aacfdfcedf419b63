//! A person leaves: one act ends all by which they could act, and says what they leave behind.
//!
//! What it keeps true:
//! * it is one restriction, however much the person has: what they may do ends with the principal, and no grant is written for it;
//! * beside the principal, whose roles and capacities go, it writes live credentials and open approvals of that person, and no more of them than a bound;
//! * what was given under a role stays, for it rests on that act; what was passed on from one's own grants ends with them;
//! * what is told of the rest is for people to read, and keeps nobody from leaving: where a row was altered, it says that it is not all.

use std::collections::BTreeSet;

use claviger_core::approval::{Approval, Eligible, Ended, Outcome};
use claviger_core::capacity::Capacity;
use claviger_core::change::{Change, Restriction};
use claviger_core::grant::Grant;
use claviger_core::key::Key;
use claviger_core::port::store::{ApprovalFilter, GrantFilter, Page, Ties};
use claviger_core::principal::{Credential, Principal, PrincipalKind, Role, Status};
use claviger_core::reason::{ReasonCode, Why};
use claviger_core::{Action, ApprovalId, KeyName};

use super::captions::{HasCaptions, Identified};
use super::governance::check_leaving;
use super::revoke_credential::revocation;
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, SubAction, reference};
use crate::reference::{PrincipalRef, TargetRef};
use crate::view::View;

/// Most credentials that are revoked one by one; what is left of them proves nobody either.
const MOST_ENDED: usize = 256;
/// Most things of each kind that are told.
const MOST_TOLD: u32 = 100;
/// Open approvals that are looked at for some that the person gave, in pages of so many.
const APPROVALS: u32 = 100;
const APPROVAL_PAGES: usize = 10;

/// Ends a person who leaves: the principal with its roles, its credentials, and what it asked others to approve.
#[derive(Debug)]
pub struct Leave {
    /// The principal of who leaves.
    pub principal: PrincipalRef,
}

/// Some things, and whether there are more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told<T> {
    /// Those that are told.
    pub told: Vec<T>,
    /// Are there more?
    pub more: bool,
}

impl<T> From<Vec<T>> for Told<T> {
    fn from(mut told: Vec<T>) -> Self {
        let most = usize::try_from(MOST_TOLD).unwrap_or(usize::MAX);
        let more = told.len() > most;
        told.truncate(most);
        Self { told, more }
    }
}

/// A role of who leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleLeft {
    /// The role.
    pub role: Role,
    /// How many other persons hold it; of custodians, those who could approve something.
    pub others: usize,
}

/// What became of who left, and what they leave behind.
#[derive(Clone, Debug)]
pub struct Left {
    /// The principal, as it is now.
    pub principal: Principal,
    /// The roles that were withdrawn.
    pub roles: Vec<RoleLeft>,
    /// The capacities that were withdrawn: somebody else is to answer for each.
    pub capacities: Vec<Capacity>,
    /// The most custodians that any rule asks for; 0 where who leaves was none.
    pub quorum: u8,
    /// The credentials that were revoked.
    pub credentials: Vec<Credential>,
    /// What they had asked others to approve, and was cancelled.
    pub cancelled: Vec<Approval>,
    /// What others asked for, is open, and they had approved: that does not count any more.
    pub approved: Vec<ApprovalId>,
    /// Keys that they own.
    pub keys: Told<(KeyName, Key)>,
    /// Grants that they held, which ended.
    pub grants: Told<Grant>,
    /// Principals that they created.
    pub principals: Told<Principal>,
    /// Credentials of others that they made, and may have kept the secrets of.
    pub made: Told<Credential>,
    /// Other accounts of the same person.
    pub accounts: Vec<Principal>,
    /// Could something of this not be read, because a row was altered?
    pub partial: bool,
}

impl HasCaptions for Left {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        [self.principal.reason].into_iter()
    }

    fn identified(&self) -> Vec<Identified> {
        let of_grants = self.grants.told.iter().map(|grant| Identified::from(grant.selector));
        let of_credentials = self.made.told.iter().map(|made| Identified::Principal(made.principal));
        let owned = self.capacities.iter().filter_map(|capacity| Identified::owned(*capacity));
        self.principal.identified().into_iter().chain(of_grants).chain(of_credentials).chain(owned).collect()
    }
}

impl Operation for Leave {
    type Output = Left;

    fn action(&self) -> Action {
        Action::RevokePrincipal
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Principal(&self.principal)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Left>, ServiceError> {
        let before = view.state.principal(&self.principal).await?;
        check(view, &before)?;
        let detail = EntryDetail { reference: reference(&[before.id.as_bytes()]), ..view.detail() };
        let left = Left::of(view, before.clone()).await?;
        let holds_nothing = before.roles.is_empty() && before.capacities.is_empty();
        let is_gone = before.status == Status::Revoked && holds_nothing;
        if is_gone && left.credentials.is_empty() && left.cancelled.is_empty() {
            // Once more changes nothing, and says so by the revision.
            return Ok(Staged::reading(left, detail));
        }
        let expected = match before.status {
            Status::Active => check_leaving(view, &before, &before.roles).await?,
            Status::Revoked => Vec::new(),
        };
        Ok(left.staged(view, expected, detail))
    }
}

/// May the caller end this one, as one who leaves?
fn check(view: &View<'_>, principal: &Principal) -> Result<(), ServiceError> {
    if principal.kind != PrincipalKind::Human {
        let message = "people leave; anything else is revoked: `claviger principal revoke`";
        return Err(ServiceError::invalid(message));
    }
    if principal.person() == view.caller_person() {
        let message = "nobody ends themselves, by whatever account; ask a security officer other than you";
        return Err(ServiceError::new(ErrorKind::SeparationOfDuties, message));
    }
    if view.reason().is_some_and(|reason| reason.code() != Some(ReasonCode::PersonLeft)) {
        let message = "who leaves is ended with the reason code `person_left`; for any other reason there is `claviger principal revoke`";
        return Err(ServiceError::invalid(message));
    }
    Ok(())
}

impl Left {
    /// What there is of a principal, before anything is done.
    async fn of(view: &View<'_>, principal: Principal) -> Result<Self, ServiceError> {
        let mut reading = Reading::default();
        let credentials = reading.take(live_credentials(view, &principal).await)?;
        let cancelled = reading.take(asked_for(view, &principal).await)?;
        let approved = reading.take(approved_by(view, &principal).await)?;
        let roles = reading.take(roles_left(view, &principal).await)?;
        let capacities = principal.capacities.iter().map(|held| held.capacity).collect();
        let quorum = match principal.roles.contains(&Role::Custodian) {
            true => reading.take(largest_quorum(view).await)?,
            false => 0,
        };
        let held = GrantFilter { principal: Some(principal.id), ..GrantFilter::default() };
        let grants = view.store().list_grants(held, Page { after: None, limit: MOST_TOLD + 1 }).await;
        let grants = reading.take(grants.map_err(ServiceError::from))?;
        let ties = view.store().find_ties(principal.id, principal.person(), view.now, MOST_TOLD + 1).await;
        let Ties { keys, principals, credentials: made, accounts } =
            reading.take(ties.map_err(ServiceError::from))?;
        Ok(Self {
            principal,
            roles,
            capacities,
            quorum,
            credentials,
            cancelled,
            approved,
            keys: keys.into(),
            grants: grants.into(),
            principals: principals.into(),
            made: made.into(),
            accounts,
            partial: reading.is_partial,
        })
    }

    /// The end of it, in one restriction.
    fn staged(mut self, view: &View<'_>, expected: Vec<Change>, detail: EntryDetail) -> Staged<Self> {
        let (roles, role_givers, capacities) = (Vec::new(), Vec::new(), Vec::new());
        let (status, reason) = (Status::Revoked, view.why);
        let gone = Principal { status, roles, role_givers, capacities, reason, ..self.principal };
        let revoke = |one: Credential| Credential { status: Status::Revoked, reason: view.why, ..one };
        let revoked: Vec<_> = self.credentials.into_iter().map(revoke).collect();
        let ended = Some(Ended { outcome: Outcome::Cancelled, at: view.now, by: view.caller.principal().id });
        let cancelled: Vec<_> = self.cancelled.into_iter().map(|one| Approval { ended, ..one }).collect();
        let ends = revoked.iter().map(|one| revocation(one.id, view.permit, view));
        let acts = ends.chain(cancelled.iter().map(|one| cancellation(one.id, view))).collect();
        let mut changes = vec![Change::PutPrincipal(gone.clone())];
        changes.extend(revoked.iter().cloned().map(Change::PutCredential));
        changes.extend(cancelled.iter().cloned().map(Change::PutApproval));
        changes.extend(expected);
        self.credentials =
            revoked.into_iter().map(|one| Credential { revision: one.revision + 1, ..one }).collect();
        self.cancelled =
            cancelled.into_iter().map(|one| Approval { revision: one.revision + 1, ..one }).collect();
        self.principal = Principal { revision: gone.revision + 1, ..gone };
        let asked = Governed::RevokePrincipal { principal: self.principal.id, reason: view.reason() };
        let restrictions = vec![Restriction::Principal(self.principal.id)];
        Staged::restricting(asked, self, changes, restrictions, detail).with_acts(acts)
    }
}

/// The entry of an approval that is cancelled with its requester.
fn cancellation(id: ApprovalId, view: &View<'_>) -> EntryDetail {
    let policy = view.permit.policy_digest();
    EntryDetail {
        sub_action: Some(SubAction { op: Action::CancelApproval.into(), policy }),
        reference: reference(&[id.as_bytes()]),
        ..view.detail()
    }
}

/// Reads what is there, as far as it is as it was written.
#[derive(Default)]
struct Reading {
    is_partial: bool,
}

impl Reading {
    /// What was read; nothing, where a row was altered.
    fn take<T: Default>(&mut self, read: Result<T, ServiceError>) -> Result<T, ServiceError> {
        match read {
            Err(error) if error.kind() == ErrorKind::RowAltered => {
                self.is_partial = true;
                Ok(T::default())
            }
            read => read,
        }
    }
}

async fn live_credentials(view: &View<'_>, of: &Principal) -> Result<Vec<Credential>, ServiceError> {
    let mut live = view.credentials_of(of.id).await?;
    // What awaits its confirmation among them: nobody is there to confirm it.
    live.retain(|credential| credential.status == Status::Active && view.now < credential.expires_at);
    live.truncate(MOST_ENDED);
    Ok(live)
}

/// What somebody asked for that can still be done. Nobody else does it.
async fn asked_for(view: &View<'_>, by: &Principal) -> Result<Vec<Approval>, ServiceError> {
    let filter = ApprovalFilter { open: Some(true), requester: Some(by.id), now: view.now };
    let limit = u32::try_from(Approval::MOST_OPEN_OF_ONE).unwrap_or(u32::MAX);
    Ok(view.store().list_approvals(filter, Page { after: None, limit }).await?)
}

/// What others asked for, is open, and somebody approved.
async fn approved_by(view: &View<'_>, by: &Principal) -> Result<Vec<ApprovalId>, ServiceError> {
    let filter = ApprovalFilter { open: Some(true), requester: None, now: view.now };
    let (mut approved, mut page) = (Vec::new(), Page { after: None, limit: APPROVALS });
    for _ in 0..APPROVAL_PAGES {
        let open = view.store().list_approvals(filter, page.clone()).await?;
        let Some(last) = open.last() else { break };
        page.after = Some(last.id);
        let is_theirs = |one: &&Approval| one.approvers().any(|decided| decided.by == by.id);
        approved.extend(open.iter().filter(is_theirs).map(|one| one.id));
    }
    Ok(approved)
}

/// How many other persons hold each role of who leaves.
async fn roles_left(view: &View<'_>, leaving: &Principal) -> Result<Vec<RoleLeft>, ServiceError> {
    if leaving.roles.is_empty() {
        return Ok(Vec::new());
    }
    let person = leaving.person();
    let holders = view.store().list_role_holders().await?;
    let mut left = Vec::new();
    for role in leaving.roles.iter().copied() {
        let others = match role {
            Role::Custodian => {
                view.state.eligible(Eligible::Custodians, &BTreeSet::from([person]), view.now).await?
            }
            Role::Administrator
            | Role::Auditor
            | Role::Operator
            | Role::Responder
            | Role::SecurityOfficer => {
                let hold = holders.iter().filter(|holder| holder.roles.contains(&role));
                hold.map(Principal::person).filter(|other| *other != person).collect()
            }
        };
        left.push(RoleLeft { role, others: others.len() });
    }
    Ok(left)
}

/// The most custodians that the deployment, or a ring, asks for.
async fn largest_quorum(view: &View<'_>) -> Result<u8, ServiceError> {
    let mut largest = view.state.governance().await?.quorum;
    let mut page = Page { after: None, limit: 1000 };
    loop {
        let rings = view.store().list_rings(page.clone()).await?;
        let Some(last) = rings.last() else { return Ok(largest) };
        page.after = Some(last.name.clone());
        largest = rings.iter().fold(largest, |most, ring| most.max(ring.policy.quorum));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_bounded_and_says_that_there_is_more() {
        let told = |count: u32| Told::from((0..count).collect::<Vec<_>>());
        assert_eq!((told(0).told.len(), told(0).more), (0, false));
        assert_eq!((told(MOST_TOLD).told.len(), told(MOST_TOLD).more), (100, false));
        assert_eq!((told(MOST_TOLD + 1).told.len(), told(MOST_TOLD + 1).more), (100, true));
    }

    #[test]
    fn an_altered_row_is_no_hindrance_and_any_other_failure_is() {
        let mut reading = Reading::default();
        assert_eq!(reading.take(Ok(vec![1])).unwrap(), [1]);
        assert!(!reading.is_partial);
        let altered = || Err(ServiceError::new(ErrorKind::RowAltered, "altered"));
        assert!(reading.take::<Vec<u8>>(altered()).unwrap().is_empty());
        assert!(reading.is_partial);
        assert!(reading.take::<u8>(Err(ServiceError::not_found())).is_err());
    }
}
