//! Withdraws a credential.

use claviger_core::change::{Change, Subject};
use claviger_core::permit::Permit;
use claviger_core::principal::{Credential, Standing};
use claviger_core::{Action, CredentialId};

use super::{Operation, Staged};
use crate::error::ServiceError;
use crate::governed::Governed;
use crate::pipeline::submission::{EntryDetail, reference};
use crate::reference::TargetRef;
use crate::view::View;

/// Withdraws a credential.
#[derive(Debug)]
pub struct RevokeCredential {
    /// Which.
    pub credential: CredentialId,
}

impl Operation for RevokeCredential {
    type Output = Credential;

    fn action(&self) -> Action {
        Action::RevokeCredential
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Credential(self.credential)
    }

    async fn run(&self, _permit: &Permit, view: &View<'_>) -> Result<Staged<Credential>, ServiceError> {
        let credential =
            view.store().find_credential(self.credential).await?.ok_or_else(ServiceError::not_found)?;
        let detail = EntryDetail { reference: reference(&[credential.id.as_bytes()]), ..view.detail() };
        if credential.standing == Standing::Revoked {
            return Ok(Staged::reading(credential, detail));
        }
        let revoked = Credential { standing: Standing::Revoked, reason: view.why, ..credential };
        let output = Credential { revision: revoked.revision + 1, ..revoked.clone() };
        let subjects = vec![Subject::Credential(revoked.id)];
        let asked = Governed::RevokeCredential { credential: output.id, reason: view.reason() };
        Ok(Staged::restricting(asked, output, vec![Change::PutCredential(revoked)], subjects, detail))
    }
}
