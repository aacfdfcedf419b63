//! Confirms a further credential of the caller's own.
//!
//! What it keeps true: a credential that somebody else made proves nothing until its holder has said, by a certificate that they have,
//! that it is theirs. That confirmation takes the place of the others who would have to approve it.

use claviger_core::change::Change;
use claviger_core::principal::{Credential, CredentialKind, Status};
use claviger_core::{Action, CredentialId};

use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, reference};
use crate::reference::TargetRef;
use crate::view::View;

/// Confirms a credential that was made to be confirmed.
#[derive(Debug)]
pub struct ConfirmCredential {
    /// Which.
    pub credential: CredentialId,
}

impl Operation for ConfirmCredential {
    type Output = Credential;

    fn action(&self) -> Action {
        Action::ConfirmCredential
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Credential>, ServiceError> {
        let by = view.caller.credential().ok_or_else(ServiceError::not_found)?;
        if by.kind != CredentialKind::Certificate {
            // Who made a token has heard it.
            let message =
                "a credential is confirmed by a certificate that its holder has; a token confirms nothing";
            return Err(ServiceError::new(ErrorKind::Denied, message));
        }
        let found = view.store().find_credential(self.credential).await?;
        // What belongs to another is not found.
        let found = found.filter(|found| found.principal == by.principal);
        let credential = found.ok_or_else(ServiceError::not_found)?;
        let detail = EntryDetail { reference: reference(&[credential.id.as_bytes()]), ..view.detail() };
        if credential.status != Status::Active {
            return Err(ServiceError::new(ErrorKind::WrongState, "the credential was revoked"));
        }
        if credential.expires_at <= view.now {
            return Err(ServiceError::new(ErrorKind::WrongState, "the credential has expired"));
        }
        if !credential.awaits_confirmation {
            // Once more changes nothing, and says so by the revision.
            return Ok(Staged::reading(credential, detail));
        }
        let confirmed = Credential { awaits_confirmation: false, ..credential };
        let asked = Governed::ConfirmCredential { credential: confirmed.id };
        let changes = vec![Change::PutCredential(confirmed.clone())];
        let output = Credential { revision: confirmed.revision + 1, ..confirmed };
        Ok(Staged::changing(asked, output, changes, detail))
    }
}
