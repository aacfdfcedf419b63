//! Governance cannot be lost by one call: the last security officer and the last administrator who can act stay.
//!
//! Who can act is a person that is not revoked and has a credential that is live, a code to enrol with aside. The check names the rows of one other
//! person on which it rests, so that two of these calls at the same moment cannot each rest on the person whom the other one
//! takes away. A credential can always be revoked, and expires: what is lost in that way, `claviger recover` gives back.

use claviger_core::PrincipalId;
use claviger_core::change::Change;
use claviger_core::principal::{Credential, CredentialKind, Principal, Role};

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
        // Nothing is lost with one who cannot act.
        if proof_of(view, leaving).await?.is_some() {
            expected.extend(kept(view, &[leaving.id], role).await?);
        }
    }
    Ok(expected)
}

/// May all of these lose all their roles in one commit? None of them stays for another.
///
/// # Errors
/// [`ErrorKind::WrongState`] where those who can act in one of these roles would all go.
pub(super) async fn check_leaving_together(
    view: &View<'_>,
    leaving: &[Principal],
) -> Result<Vec<Change>, ServiceError> {
    let all: Vec<_> = leaving.iter().map(|one| one.id).collect();
    let mut expected = Vec::new();
    for role in GOVERNING {
        for one in leaving.iter().filter(|one| one.roles.contains(&role)) {
            if proof_of(view, one).await?.is_some() {
                expected.extend(kept(view, &all, role).await?);
                break;
            }
        }
    }
    Ok(expected)
}

/// The rows of another person who holds the role and can act.
///
/// # Errors
/// [`ErrorKind::WrongState`] where there is none.
async fn kept(view: &View<'_>, leaving: &[PrincipalId], role: Role) -> Result<[Change; 2], ServiceError> {
    another(view, leaving, role).await?.ok_or_else(|| {
        let message = format!(
            "this is the last principal with the role `{role}` that can act; give another one the role first, or revoke the credentials of this one"
        );
        ServiceError::new(ErrorKind::WrongState, message)
    })
}

async fn another(
    view: &View<'_>,
    leaving: &[PrincipalId],
    role: Role,
) -> Result<Option<[Change; 2]>, ServiceError> {
    let holders = view.store().list_role_holders().await?;
    for holder in holders.iter().filter(|one| !leaving.contains(&one.id) && one.roles.contains(&role)) {
        if let Some(proof) = proof_of(view, holder).await? {
            return Ok(Some([Change::expect_principal(holder), proof]));
        }
    }
    Ok(None)
}

/// The credential of the principal that is valid for longest.
async fn proof_of(view: &View<'_>, principal: &Principal) -> Result<Option<Change>, ServiceError> {
    let credentials = view.credentials_of(principal.id).await?;
    // By a code nobody acts: whoever has no more may never enrol.
    let proves = |one: &&Credential| one.kind != CredentialKind::EnrolmentCode && one.is_live(view.now);
    let live = credentials.iter().filter(proves);
    Ok(live.max_by_key(|credential| credential.expires_at).map(Change::expect_credential))
}
