//! Reads principals and their credentials.

use claviger_core::port::store::Page;
use claviger_core::principal::{Credential, Principal};
use claviger_core::{Action, CredentialId, Name};

use crate::call::{Operation, Staged};
use crate::error::ServiceError;
use crate::record::{EntryDetail, reference};
use crate::reference::{PrincipalRef, TargetRef};
use crate::view::View;
use crate::work::Class;

/// Reads a principal.
#[derive(Debug)]
pub struct ReadPrincipal {
    /// The principal to read.
    pub principal: PrincipalRef,
}

impl Operation for ReadPrincipal {
    type Output = Principal;

    fn action(&self) -> Action {
        Action::ReadPrincipal
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Principal>, ServiceError> {
        let principal = view.state.principal(&self.principal).await?;
        let detail = EntryDetail { reference: reference(&[principal.id.as_bytes()]), ..view.detail() };
        Ok(Staged::reading(principal, detail))
    }
}

/// Lists principals in the order of their names.
#[derive(Debug)]
pub struct ListPrincipals {
    /// The page of the list.
    pub page: Page<Name>,
}

impl Operation for ListPrincipals {
    type Output = Vec<Principal>;

    fn action(&self) -> Action {
        Action::ReadPrincipal
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Vec<Principal>>, ServiceError> {
        view.enter(Class::Listing).await?;
        Ok(Staged::reading(view.store().list_principals(self.page.clone()).await?, view.detail()))
    }
}

/// Lists credentials in the order of their identifiers.
#[derive(Debug)]
pub struct ListCredentials {
    /// Only of this principal.
    pub principal: Option<PrincipalRef>,
    /// The page of the list.
    pub page: Page<CredentialId>,
}

impl Operation for ListCredentials {
    type Output = Vec<Credential>;

    fn action(&self) -> Action {
        Action::ReadCredential
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Vec<Credential>>, ServiceError> {
        view.enter(Class::Listing).await?;
        let principal = match &self.principal {
            None => None,
            Some(principal) => Some(view.state.principal(principal).await?.id),
        };
        Ok(Staged::reading(view.store().list_credentials(principal, self.page.clone()).await?, view.detail()))
    }
}
