//! Revokes a credential, with all that renewed it or that it renewed.

use claviger_core::change::{Change, Restriction};
use claviger_core::permit::Permit;
use claviger_core::principal::{Credential, Status};
use claviger_core::{Action, CredentialId};

use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, SubAction, reference};
use crate::reference::TargetRef;
use crate::view::View;

/// Revokes a credential, and the rest of its line: whoever had one of them could have renewed it.
#[derive(Debug)]
pub struct RevokeCredential {
    /// The credential to revoke.
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

    async fn run(&self, view: &View<'_>) -> Result<Staged<Credential>, ServiceError> {
        let permit = view.permit;
        let credential =
            view.store().find_credential(self.credential).await?.ok_or_else(ServiceError::not_found)?;
        let line = line_of(view, &credential).await?;
        let detail = EntryDetail { reference: reference(&[credential.id.as_bytes()]), ..view.detail() };
        if line.is_empty() {
            // Once more changes nothing, and says so by the revision.
            return Ok(Staged::reading(credential, detail));
        }
        let restrictions = line.iter().map(|one| Restriction::Credential(one.id)).collect();
        let others = line.iter().map(|one| one.id).filter(|id| *id != credential.id);
        let acts = others.map(|id| revocation(id, permit, view)).collect();
        let revoke = |one: Credential| Credential { status: Status::Revoked, reason: view.why, ..one };
        let revoked: Vec<_> = line.into_iter().map(revoke).collect();
        let output = match revoked.iter().find(|one| one.id == credential.id) {
            Some(one) => Credential { revision: one.revision + 1, ..one.clone() },
            None => credential,
        };
        let asked = Governed::RevokeCredential { credential: output.id, reason: view.reason() };
        let changes = revoked.into_iter().map(Change::PutCredential).collect();
        Ok(Staged::restricting(asked, output, changes, restrictions, detail).with_acts(acts))
    }
}

/// The entry of a credential that is revoked with another.
pub(super) fn revocation(id: CredentialId, permit: &Permit, view: &View<'_>) -> EntryDetail {
    EntryDetail {
        sub_action: Some(SubAction { op: Action::RevokeCredential.into(), policy: permit.policy_digest() }),
        reference: reference(&[id.as_bytes()]),
        ..view.detail()
    }
}

/// What of its line is not revoked. What has expired is in it: a clock that is set right would bring it back.
async fn line_of(view: &View<'_>, credential: &Credential) -> Result<Vec<Credential>, ServiceError> {
    let mut line: Vec<Credential> = match view.credentials_of(credential.principal).await {
        Ok(all) => Credential::line_of(&all, credential.id).into_iter().cloned().collect(),
        // A row that somebody altered keeps nobody from ending another.
        Err(error) if error.kind() == ErrorKind::RowAltered => vec![credential.clone()],
        Err(error) => return Err(error),
    };
    line.retain(|one| one.status == Status::Active);
    Ok(line)
}
