//! Persons behind accounts: what keeps duties apart, and what others decide, is about persons, whatever accounts they have.
//!
//! What it keeps true: nobody gets by a second account what they would be refused by the first. Who is given a right, who gives it, who made
//! whom, and what all accounts of a person have, is held against each other by person; and what was read of the other accounts is still so when
//! it is committed.

use claviger_access::separation::Makers;
use claviger_core::change::{Change, Expectation};
use claviger_core::grant::Selector;
use claviger_core::key::Separation;
use claviger_core::principal::{Principal, PrincipalKind};
use claviger_core::{KeyRingId, PrincipalId};

use crate::error::{ErrorKind, ServiceError};
use crate::view::View;

/// So many accounts of one person are too many.
const MOST_ACCOUNTS: u32 = 256;

/// A principal with the other accounts of its person.
#[derive(Debug)]
pub(super) struct Accounts {
    principal: Principal,
    /// Those that were not revoked; none, of an application.
    others: Vec<Principal>,
    makers: Makers,
}

impl Accounts {
    /// The principal as one person: under the identifier of the person, with the roles of all its accounts that were not revoked.
    pub(super) fn as_person(&self) -> Principal {
        let mut person = Principal { id: self.principal.person(), ..self.principal.clone() };
        person.roles.extend(self.others.iter().flat_map(|other| other.roles.iter().copied()));
        person.roles.sort_unstable();
        person.roles.dedup();
        person
    }

    /// Who could act as the person without being it, by person.
    pub(super) const fn makers(&self) -> &Makers {
        &self.makers
    }

    /// All of them, by identifier.
    pub(super) fn ids(&self) -> impl Iterator<Item = PrincipalId> {
        self.others.iter().chain([&self.principal]).map(|account| account.id)
    }

    /// What must still be so of the other accounts when it is committed.
    pub(super) fn expected(&self) -> impl Iterator<Item = Change> {
        self.others.iter().map(Change::expect_principal)
    }

    /// What all accounts may use at most; with what must still be so of it.
    pub(super) async fn strictest_use(
        &self,
        view: &View<'_>,
    ) -> Result<(Option<Separation>, Vec<Change>), ServiceError> {
        let (mut of_all, mut expected): (Option<Separation>, _) = (None, Vec::new());
        for account in self.others.iter().chain([&self.principal]) {
            let strictest = view.store().find_strictest_use(account.id).await?;
            expected.push(Change::Expect(Expectation::UsesWithin { principal: account.id, strictest }));
            of_all = of_all.max(strictest);
        }
        Ok((of_all, expected))
    }
}

impl View<'_> {
    /// The person who calls.
    pub(super) fn caller_person(&self) -> PrincipalId {
        self.caller.principal().person()
    }

    /// The principal with the other accounts of its person.
    ///
    /// # Errors
    /// When rows cannot be read.
    pub(super) async fn accounts(&self, principal: Principal) -> Result<Accounts, ServiceError> {
        let others = match principal.kind {
            PrincipalKind::Human => self.other_accounts(&principal).await?,
            PrincipalKind::System | PrincipalKind::Workload => Vec::new(),
        };
        let makers = self.state.makers_of(&principal, self.now).await?;
        Ok(Accounts { principal, others, makers })
    }

    /// Accounts of the same person that were not revoked, but for this one. All of them: of a person with more, nothing is decided.
    async fn other_accounts(&self, principal: &Principal) -> Result<Vec<Principal>, ServiceError> {
        let (id, person) = (principal.id, principal.person());
        let accounts = self.store().find_ties(id, person, self.now, MOST_ACCOUNTS).await?.accounts;
        if accounts.len() as u64 >= u64::from(MOST_ACCOUNTS) {
            let message = format!("a person with {MOST_ACCOUNTS} accounts gets no more rights; revoke some");
            return Err(ServiceError::new(ErrorKind::LimitExceeded, message));
        }
        Ok(accounts)
    }

    /// Somebody who may use keys of that ring, and whose person holds a role by another account.
    ///
    /// # Errors
    /// When rows cannot be read.
    pub(super) async fn mixed_account(&self, ring: KeyRingId) -> Result<Option<Principal>, ServiceError> {
        for holder in self.store().list_role_holders().await? {
            for account in self.other_accounts(&holder).await? {
                // Who holds a role by the very account is found by the store.
                if account.roles.is_empty() && self.is_granted(&account, ring).await? {
                    return Ok(Some(account));
                }
            }
        }
        Ok(None)
    }

    async fn is_granted(&self, account: &Principal, ring: KeyRingId) -> Result<bool, ServiceError> {
        for grant in self.store().list_granted(account.id).await? {
            let is_of_ring = match grant.selector {
                Selector::Ring(on) => on == ring,
                Selector::Key(key) => self.load_key(key).await?.ring.id == ring,
            };
            if is_of_ring {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The principal, or the caller, where it is another account of the caller.
    ///
    /// # Errors
    /// When its row cannot be read.
    pub(super) async fn or_caller(&self, id: PrincipalId) -> Result<PrincipalId, ServiceError> {
        let is_caller = self.state.person_of(id).await? == self.caller_person();
        Ok(if is_caller { self.caller.principal().id } else { id })
    }
}
