//! Sets a deployment up, once: its first principals with their roles and certificates, and how many must approve what.

use claviger_access::authn::certificate::fingerprint;
use claviger_core::change::Change;
use claviger_core::governance::Governance;
use claviger_core::port::EnteredCertificate;
use claviger_core::port::store::Page;
use claviger_core::principal::{Credential, CredentialKind, Principal, PrincipalKind, Role, Status};
use claviger_core::{Action, CredentialId, Name, Timestamp};

use super::create_principal::make_principal;
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::{Founder, Governed};
use crate::reference::TargetRef;
use crate::view::View;

/// A principal that a deployment begins with.
#[derive(Debug, Clone)]
pub struct FirstPrincipal {
    /// Its name.
    pub name: Name,
    /// A person or an application.
    pub kind: PrincipalKind,
    /// Its role; applications have none.
    pub role: Option<Role>,
    /// Its client certificate (DER).
    pub certificate: Vec<u8>,
    /// When that ends.
    pub expires_at: Timestamp,
}

/// Sets a deployment up. Refused as soon as there is anyone.
#[derive(Debug)]
pub struct Initialize {
    /// Who is there from the beginning.
    pub principals: Vec<FirstPrincipal>,
    /// How many custodians must approve what concerns the whole deployment. With 0 nobody must, and it has no rules of its own.
    pub quorum: u8,
}

impl Operation for Initialize {
    type Output = Vec<Principal>;

    fn action(&self) -> Action {
        Action::Initialize
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Vec<Principal>>, ServiceError> {
        if !view.store().list_principals(Page { after: None, limit: 1 }).await?.is_empty() {
            return Err(ServiceError::new(
                ErrorKind::AlreadyExists,
                "this deployment has been set up already",
            ));
        }
        let mut changes = Vec::new();
        let mut made = Vec::new();
        let mut founders = Vec::new();
        for first in &self.principals {
            let roles = first.role.into_iter().collect();
            let principal = Principal { roles, ..make_principal(view, &first.name, first.kind).await? };
            changes.push(Change::PutPrincipal(principal.clone()));
            let id = CredentialId::random()?;
            let entered = EnteredCertificate { der: &first.certificate, chain: &[] };
            let expires_at = view.entered(entered, first.expires_at)?;
            let digest = fingerprint(&first.certificate);
            changes.push(Change::PutCredential(certificate_of(view, &principal, id, digest, expires_at)));
            founders.push(Founder {
                name: first.name.clone(),
                kind: first.kind,
                role: first.role,
                fingerprint: digest,
                expires_at: first.expires_at,
            });
            made.push(Principal { revision: 1, ..principal });
        }
        let quorum = (self.quorum > 0).then_some(self.quorum);
        if let Some(quorum) = quorum {
            let rules = Governance::of_new_deployment(view.caller.principal().id, view.now);
            let rules = Governance { quorum, reason: view.why, ..rules };
            if !rules.is_sound() {
                return Err(ServiceError::invalid("more would have to approve than can"));
            }
            changes.push(Change::PutGovernance(rules));
        }
        let asked = Governed::Initialize { principals: founders, quorum };
        Ok(Staged::changing(asked, made, changes, view.detail()))
    }
}

/// A certificate as the credential of a principal that is made in the same commit.
pub(super) fn certificate_of(
    view: &View<'_>,
    principal: &Principal,
    id: CredentialId,
    digest: [u8; 32],
    expires_at: Timestamp,
) -> Credential {
    Credential {
        id,
        principal: principal.id,
        kind: CredentialKind::Certificate,
        digest,
        access_key: None,
        label: principal.name.clone(),
        status: Status::Active,
        created_by: Some(view.caller.principal().id),
        renews: None,
        created_at: view.now,
        expires_at,
        reason: None,
        revision: 0,
    }
}
