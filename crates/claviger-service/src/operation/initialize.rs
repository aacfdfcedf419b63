//! Sets a deployment up, once: its first principals with their roles and what proves them, and how many must approve what.

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
    /// What proves it.
    pub credential: FirstCredential,
}

/// What proves a principal that a deployment begins with.
#[derive(Debug, Clone)]
pub enum FirstCredential {
    /// A client certificate.
    Certificate {
        /// The certificate (DER).
        der: Vec<u8>,
        /// SHA-256 of the request that it was issued for, where the principal made the key.
        request: Option<[u8; 32]>,
        /// When it ends.
        expires_at: Timestamp,
    },
    /// A code, by which a person enrols.
    EnrolmentCode {
        /// Its identifier, which the text of the code names.
        id: CredentialId,
        /// SHA-256 of that text.
        digest: [u8; 32],
        /// Until when it can be redeemed.
        expires_at: Timestamp,
    },
}

impl FirstPrincipal {
    /// As it is asked for.
    fn asked(&self) -> Founder {
        let (fingerprint, request, expires_at) = match &self.credential {
            FirstCredential::Certificate { der, request: None, expires_at } => {
                (Some(fingerprint(der)), None, *expires_at)
            }
            FirstCredential::Certificate { request, expires_at, .. } => (None, *request, *expires_at),
            FirstCredential::EnrolmentCode { expires_at, .. } => (None, None, *expires_at),
        };
        let (name, kind, role) = (self.name.clone(), self.kind, self.role);
        Founder { name, kind, role, fingerprint, expires_at, request }
    }

    /// What proves it, as the credential of the principal that it is.
    fn proof(&self, view: &View<'_>, principal: &Principal) -> Result<Credential, ServiceError> {
        match &self.credential {
            FirstCredential::Certificate { der, request: _, expires_at } => {
                let entered = EnteredCertificate { der, chain: &[] };
                let expires_at = view.entered(entered, *expires_at)?;
                Ok(certificate_of(view, principal, CredentialId::random()?, fingerprint(der), expires_at))
            }
            FirstCredential::EnrolmentCode { id, digest, expires_at } => {
                if self.kind != PrincipalKind::Human {
                    return Err(ServiceError::invalid("codes are for people, who enrol by them"));
                }
                let kind = CredentialKind::EnrolmentCode;
                let certificate = certificate_of(view, principal, *id, *digest, *expires_at);
                Ok(Credential { kind, ..certificate })
            }
        }
    }
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
            changes.push(Change::PutCredential(first.proof(view, &principal)?));
            founders.push(first.asked());
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
        awaits_confirmation: false,
        created_at: view.now,
        expires_at,
        reason: None,
        revision: 0,
    }
}
