//! Redeems an enrolment code for a certificate.
//!
//! What it keeps true: the key of the certificate was made by whoever redeems the code, and nobody else has seen it. A code is good once:
//! it ends in the commit that enters the certificate, so that of two who redeem it one does. Whoever made the code is the maker of the
//! certificate, and gives its holder nothing.

use std::time::Duration;

use claviger_core::change::{Change, Restriction};
use claviger_core::principal::{Credential, CredentialKind, Status};
use claviger_core::{Action, CredentialId, Name, PrincipalId};
use claviger_crypto::digest::sha256;

use super::create_credential::{ordered_against, within};
use super::issuing::IssuedCertificate;
use super::revoke_credential::revocation;
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, reference};
use crate::reference::{PrincipalRef, TargetRef};
use crate::view::View;

/// How long a certificate lives unless said otherwise, and at most.
const LIFETIME: Duration = Duration::from_secs(397 * 86_400);

/// Redeems the code by which the caller calls, for a certificate for the key of a request.
#[derive(Debug)]
pub struct Enrol {
    /// The request (PKCS #10, DER), signed by the new key. Of it nothing but the key is heeded.
    pub request: Vec<u8>,
    /// How long the certificate lives; as long as it can unless said otherwise.
    pub lifetime: Option<Duration>,
}

/// What a code was redeemed for.
#[derive(Debug)]
pub struct Enrolled {
    /// The credential.
    pub credential: Credential,
    /// Its certificate (DER). Kept nowhere.
    pub certificate: Vec<u8>,
    /// What its holder is called.
    pub name: Name,
}

impl Operation for Enrol {
    type Output = Enrolled;

    fn action(&self) -> Action {
        Action::Enrol
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Enrolled>, ServiceError> {
        // As it was authenticated: whoever redeemed or revoked it meanwhile has written it, and this one loses.
        let code = view.caller.credential().filter(|shown| shown.kind == CredentialKind::EnrolmentCode);
        let code = Credential::clone(code.ok_or_else(ServiceError::not_found)?);
        let lifetime = self.lifetime.unwrap_or(LIFETIME);
        within(lifetime, LIFETIME, "a certificate lives up to 397 days")?;
        let principal = view.state.principal(&PrincipalRef::Id(code.principal)).await?;
        let issued = view.issue_to_caller(&self.request, view.now.after(lifetime)).map_err(in_words)?;
        let IssuedCertificate { der, digest, expires_at } = issued;
        if view.store().find_credential_by_digest(&digest).await?.is_some() {
            let message = "that certificate is a credential already; make a new key";
            return Err(ServiceError::new(ErrorKind::AlreadyExists, message));
        }
        let id = CredentialId::random()?;
        let credential = Credential {
            id,
            kind: CredentialKind::Certificate,
            digest,
            renews: Some(code.id),
            created_at: view.now,
            expires_at,
            revision: 0,
            ..code.clone()
        };
        let spent = Credential { status: Status::Revoked, reason: view.why, ..code.clone() };
        let mut changes = vec![Change::PutCredential(spent), Change::PutCredential(credential.clone())];
        // A code that has just expired holds its maker off no more: what that one gives at this moment must be seen here.
        let maker = code.created_by.filter(|maker| ![principal.id, PrincipalId::SYSTEM].contains(maker));
        changes.extend(maker.into_iter().flat_map(|maker| ordered_against(&principal, maker)));
        let request = sha256(&self.request);
        let asked = Governed::Enrol { credential: code.id, request, lifetime: self.lifetime };
        let detail =
            EntryDetail { reference: reference(&[code.id.as_bytes(), id.as_bytes()]), ..view.detail() };
        let credential = Credential { revision: 1, ..credential };
        let output = Enrolled { credential, certificate: der, name: principal.name };
        let acts = vec![revocation(code.id, view.permit, view)];
        let restricted = vec![Restriction::Credential(code.id)];
        Ok(Staged::restricting(asked, output, changes, restricted, detail).with_acts(acts))
    }
}

/// Who enrols has nothing yet that could be renewed.
fn in_words(error: ServiceError) -> ServiceError {
    if error.kind() != ErrorKind::Unsupported {
        return error;
    }
    let message = "the server does not have the key of its authority, by which it would issue the certificate: let its operator put the key \
                   back while people enrol, or sign a request by it and a security officer enter the certificate";
    ServiceError::new(ErrorKind::Unsupported, message).caused_by(error)
}
