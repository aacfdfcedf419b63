//! Governance cannot be lost by one call: the last security officer and the last administrator who can act stay.
//!
//! Who can act is a person that is not revoked and has a credential that is live. The check names the rows of one other
//! person on which it rests, so that two of these calls at the same moment cannot each rest on the person whom the other one
//! takes away. A credential can always be revoked, and expires: what is lost in that way, `claviger recover` gives back.

use claviger_core::change::Change;
use claviger_core::principal::{Principal, Role};

use crate::error::{ErrorKind, ServiceError};
use crate::view::View;

/// Roles without a holder of which nobody could ever act again.
const GOVERNING: [Role; 2] = [Role::Administrator, Role::SecurityOfficer];

/// May the principal lose these roles? Gives what must still be so when it is committed.
///
/// # Errors
/// [`ErrorKind::WrongState`] for the last holder of one of them who can act.
pub(super) async fn check_leaving(
    view: &View<'_>,
    leaving: &Principal,
    roles: &[Role],
) -> Result<Vec<Change>, ServiceError> {
    let mut expected = Vec::new();
    for role in GOVERNING.into_iter().filter(|role| roles.contains(role)) {
        if proof_of(view, leaving).await?.is_none() {
            // Nothing is lost with one who cannot act.
            continue;
        }
        match another(view, leaving, role).await? {
            Some(rows) => expected.extend(rows),
            None => {
                let message = format!(
                    "this is the last principal with the role `{role}` that can act; give another one the role first, or revoke the credentials of this one"
                );
                return Err(ServiceError::new(ErrorKind::WrongState, message));
            }
        }
    }
    Ok(expected)
}

/// The rows of another person who holds the role and can act.
async fn another(
    view: &View<'_>,
    leaving: &Principal,
    role: Role,
) -> Result<Option<[Change; 2]>, ServiceError> {
    let holders = view.store().list_role_holders().await?;
    for holder in holders.iter().filter(|one| one.id != leaving.id && one.roles.contains(&role)) {
        if let Some(proof) = proof_of(view, holder).await? {
            return Ok(Some([Change::expect_principal(holder), proof]));
        }
    }
    Ok(None)
}

/// The credential of the principal that is valid for longest.
async fn proof_of(view: &View<'_>, principal: &Principal) -> Result<Option<Change>, ServiceError> {
    let credentials = view.credentials_of(principal.id).await?;
    let live = credentials.iter().filter(|credential| credential.is_live(view.now));
    Ok(live.max_by_key(|credential| credential.expires_at).map(Change::expect_credential))
}
