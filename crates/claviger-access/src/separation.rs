//! Separation of duties, refused when a role or a grant is given.
//!
//! Invariants: no row of roles and grants that came about through these checks lets one principal both administer and use
//! the keys of a ring with strict separation, or hold two roles that exclude each other. The built-in policy
//! forbids the same once more at every call, for rows that came about otherwise. And no one person both makes a principal,
//! or a credential that may act as it, and gives it a role or a grant: the maker of a credential may have kept it, and have made by it what
//! the principal seems to have made itself.

use std::collections::BTreeSet;

use claviger_core::Action;
use claviger_core::PrincipalId;
use claviger_core::key::Separation;
use claviger_core::principal::{Credential, CredentialKind, Principal, PrincipalKind, Role, Status};
use claviger_core::time::Timestamp;

/// What uses a principal was granted, as far as roles depend on it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Uses {
    /// None.
    None,
    /// Of keys of rings with relaxed separation only.
    Relaxed,
    /// Of a key of a ring with strict separation, or more.
    Strict,
}

impl Uses {
    /// Of the rings on which, or on whose keys, the principal has active grants.
    #[must_use]
    pub fn of(rings: impl IntoIterator<Item = Separation>) -> Self {
        let one = |separation| match separation {
            Separation::Relaxed => Self::Relaxed,
            Separation::Strict => Self::Strict,
        };
        rings.into_iter().map(one).max().unwrap_or(Self::None)
    }
}

/// Who could act as a principal without being it: who made it, or one of its live credentials, or one by which such a one was made, and may have
/// kept the secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Makers(Vec<PrincipalId>);

impl Makers {
    /// Of the principal with all its credentials, those that ended among them, as of `now`. Makers that an older release did not keep are not
    /// known.
    #[must_use]
    pub fn of(principal: &Principal, credentials: &[Credential], now: Timestamp) -> Self {
        // One that awaits its confirmation proves nothing yet; who made it is its maker all the same, once it does.
        let lasts =
            |credential: &&Credential| credential.status == Status::Active && now < credential.expires_at;
        let live = credentials.iter().filter(lasts).collect();
        let proofs = with_origins(principal.id, credentials, live);
        let makers = proofs.into_iter().map(|credential| credential.created_by).chain([principal.created_by]);
        Self::among(principal.id, makers.flatten())
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = PrincipalId> {
        self.0.iter().copied()
    }

    /// Those of them who are somebody else than the principal.
    pub(crate) fn among(principal: PrincipalId, makers: impl IntoIterator<Item = PrincipalId>) -> Self {
        // What a principal made for itself says nothing of others.
        Self(makers.into_iter().filter(|maker| *maker != principal).collect())
    }

    fn include(&self, by: PrincipalId) -> bool {
        self.0.contains(&by)
    }
}

/// These credentials; with each that the principal made itself, those by which that call may have been made; and so on, to the first. Who had
/// the secret of one may have that of what came of it, whatever became of the first one since.
pub(crate) fn with_origins<'c>(
    principal: PrincipalId,
    all: &'c [Credential],
    mut found: Vec<&'c Credential>,
) -> Vec<&'c Credential> {
    let mut known: BTreeSet<_> = found.iter().map(|one| one.id).collect();
    let mut next = 0;
    while let Some(made) = found.get(next).copied() {
        next += 1;
        if made.created_by != Some(principal) {
            continue;
        }
        // A code makes nothing but the certificate that names it, and what nobody has confirmed makes nothing.
        let may_have_made = |one: &&Credential| {
            let makes_others = one.kind != CredentialKind::EnrolmentCode && !one.awaits_confirmation;
            let was_good = one.created_at <= made.created_at && made.created_at < one.expires_at;
            made.renews == Some(one.id) || (makes_others && was_good)
        };
        found.extend(all.iter().filter(may_have_made).filter(|one| known.insert(one.id)));
    }
    found
}

/// Which rule a role, a grant or a ring's policy would break, and what to do instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SeparationError {
    /// A capacity for one whom the giver made.
    #[error(
        "who made a principal, or a credential that is still valid or by which it made one that is, gives it no capacity; ask another security officer"
    )]
    CapacityByMaker,
    /// A capacity for an application or a part of the system.
    #[error("persons answer for something, and nothing else does; give the capacity to a person")]
    CapacityOfNoPerson,
    /// A credential of an application, from one who does not administer.
    #[error(
        "an administrator makes the credentials of an application that uses no key of a strict ring; ask an administrator"
    )]
    CredentialOfApplication,
    /// A credential of one who has rights, from one who gave them.
    #[error(
        "who gave a principal a role, a capacity or a grant makes it no credential; ask the principal itself, or another security officer"
    )]
    CredentialByGiver,
    /// A credential of a person with a role that came with the set-up.
    #[error(
        "nobody is known to have given this person the role `{0}`, so that nobody else makes a further credential; ask the person, or create a new principal and let another security officer give it the role"
    )]
    CredentialOfRole(Role),
    /// A credential of one who has rights, from one who does not govern them.
    #[error(
        "who holds a role or a capacity, or uses keys of a strict ring, gets a further credential from itself, or from a security officer who gave it none of them; ask one of them"
    )]
    CredentialOfRights,
    /// Rights for one whom the giver made.
    #[error(
        "who made a principal, or a credential that is still valid or by which it made one that is, gives it neither role nor grant; ask another security officer"
    )]
    Maker,
    /// Roles that nobody holds together.
    #[error(
        "`{wanted}` and `{held}` are not held together; withdraw `{held}` first, or give `{wanted}` to another person"
    )]
    Exclusive {
        /// The role held.
        held: Role,
        /// The role wanted.
        wanted: Role,
    },
    /// Rights for one who acts no more.
    #[error("principal `{0}` is revoked and gets no more rights; create a new principal")]
    Revoked(PrincipalId),
    /// A capacity for oneself.
    #[error("nobody says of themselves what they answer for; ask another security officer")]
    OwnCapacity,
    /// The end of one's own role.
    #[error("nobody withdraws a role of their own; ask another security officer")]
    OwnRole,
    /// Rights for oneself.
    #[error("nobody gives themselves a role or a grant; ask another security officer")]
    SelfService,
    /// A ring made strict while someone both administers and uses it.
    #[error(
        "principal `{0}` both administers and may use keys of this ring; revoke its grants or withdraw its roles before separation becomes strict"
    )]
    StillMixed(PrincipalId),
    /// A role for a part of the system.
    #[error(
        "roles and grants are for people and applications; what the system does itself is in the built-in policy"
    )]
    System,
    /// A use granted to one who holds a role.
    #[error(
        "who holds the role `{0}` uses no keys; grant it to an application or another person, or let a security officer relax the ring's separation for an administrator"
    )]
    UseByRoleHolder(Role),
    /// A role for one who uses keys.
    #[error(
        "who uses keys gets no role `{0}`; revoke their grants first, or give the role to another person"
    )]
    UserOfKeys(Role),
    /// A grant of what is no use of a key.
    #[error(
        "`{0}` is no use of a key and is not granted, save to applications on rings with relaxed separation; give the role that it belongs to"
    )]
    NotAUse(Action),
    /// A role for an application.
    #[error("applications hold no roles; give the role `{0}` to a person, and grants to the application")]
    Workload(Role),
}

/// May `by` give `role` to the principal, who was granted `uses`?
///
/// # Errors
/// [`SeparationError`] says which rule it would break.
pub fn check_role_assignment(
    principal: &Principal,
    makers: &Makers,
    role: Role,
    uses: Uses,
    by: PrincipalId,
) -> Result<(), SeparationError> {
    match principal.kind {
        PrincipalKind::Human => {}
        PrincipalKind::System => return Err(SeparationError::System),
        PrincipalKind::Workload => return Err(SeparationError::Workload(role)),
    }
    check_recipient(principal, makers, by)?;
    if let Some(held) = principal.roles.iter().find(|held| excludes(**held, role)) {
        return Err(SeparationError::Exclusive { held: *held, wanted: role });
    }
    let mut roles = principal.roles.clone();
    roles.push(role);
    match uses {
        Uses::None => Ok(()),
        Uses::Relaxed if excused_on_relaxed_rings(&roles) => Ok(()),
        Uses::Relaxed | Uses::Strict => Err(SeparationError::UserOfKeys(role)),
    }
}

/// May `by` give the principal a capacity? It gives no right, so whatever else the principal has is no hindrance; but whoever could act as it
/// would sign in its name.
///
/// # Errors
/// [`SeparationError`] says which rule it would break.
pub fn check_capacity(
    principal: &Principal,
    makers: &Makers,
    by: PrincipalId,
) -> Result<(), SeparationError> {
    if principal.kind != PrincipalKind::Human {
        return Err(SeparationError::CapacityOfNoPerson);
    }
    check_recipient(principal, makers, by).map_err(|error| match error {
        SeparationError::Maker => SeparationError::CapacityByMaker,
        SeparationError::SelfService => SeparationError::OwnCapacity,
        other => other,
    })
}

/// May `by` grant `operations` to the principal, on a ring of this separation or a key of it?
///
/// # Errors
/// [`SeparationError`] says which rule it would break.
pub fn check_grant(
    principal: &Principal,
    makers: &Makers,
    separation: Separation,
    operations: &[Action],
    by: PrincipalId,
) -> Result<(), SeparationError> {
    if principal.kind == PrincipalKind::System {
        return Err(SeparationError::System);
    }
    check_recipient(principal, makers, by)?;
    check_operations(principal, separation, operations)?;
    check_user(principal, separation).map_err(SeparationError::UseByRoleHolder)
}

/// May an application that administers a relaxed ring pass `operations` on to the principal? It gives no more than it has
/// itself, which the caller of this checks; so unlike a security officer it may give them to itself.
///
/// # Errors
/// [`SeparationError`] says which rule it would break.
pub fn check_delegation(
    principal: &Principal,
    separation: Separation,
    operations: &[Action],
) -> Result<(), SeparationError> {
    if principal.kind == PrincipalKind::System {
        return Err(SeparationError::System);
    }
    if principal.status == Status::Revoked {
        return Err(SeparationError::Revoked(principal.id));
    }
    check_operations(principal, separation, operations)?;
    check_user(principal, separation).map_err(SeparationError::UseByRoleHolder)
}

/// What a principal has that a further credential would carry.
#[derive(Clone, Copy, Debug)]
pub struct Rights<'a> {
    /// On what kind of rings it may use keys.
    pub uses: Uses,
    /// Who gave the grants that it has.
    pub granters: &'a [PrincipalId],
}

impl Rights<'_> {
    /// Would a further credential be worth stealing? A role is, and so is what somebody signs for, and the use of a key of a strict ring.
    #[must_use]
    pub fn are_strict(&self, principal: &Principal) -> bool {
        !principal.roles.is_empty() || !principal.capacities.is_empty() || self.uses == Uses::Strict
    }
}

/// May `by` make the principal, who has these rights, a credential? Policy has let `by` ask for it already.
///
/// # Errors
/// [`SeparationError`] says which rule it would break.
pub fn check_credential(
    principal: &Principal,
    rights: Rights<'_>,
    by: &Principal,
) -> Result<(), SeparationError> {
    if principal.kind == PrincipalKind::System {
        return Err(SeparationError::System);
    }
    if principal.status == Status::Revoked {
        return Err(SeparationError::Revoked(principal.id));
    }
    if principal.id == by.id {
        return Ok(());
    }
    let officer = by.roles.contains(&Role::SecurityOfficer);
    if !rights.are_strict(principal) {
        return match principal.kind {
            PrincipalKind::Workload if !by.roles.contains(&Role::Administrator) => {
                Err(SeparationError::CredentialOfApplication)
            }
            PrincipalKind::Human if !officer => Err(SeparationError::CredentialOfRights),
            PrincipalKind::Human | PrincipalKind::System | PrincipalKind::Workload => Ok(()),
        };
    }
    if !officer {
        return Err(SeparationError::CredentialOfRights);
    }
    let gave_role = principal.role_givers.iter().any(|(_, giver)| *giver == by.id);
    let gave_capacity = principal.capacities.iter().any(|held| held.given_by == by.id);
    if gave_role || gave_capacity || rights.granters.contains(&by.id) {
        return Err(SeparationError::CredentialByGiver);
    }
    // Where it is not known who gave a role, it is not known either that the officer did not.
    let known = |role: &&Role| principal.role_givers.iter().any(|(given, _)| given == *role);
    match principal.roles.iter().find(|role| !known(role)) {
        Some(role) => Err(SeparationError::CredentialOfRole(*role)),
        None => Ok(()),
    }
}

/// Must others approve that `by` makes the principal, who has these rights, a credential? Whoever makes one may keep it, and act as the
/// principal; what somebody makes for themselves by a credential that they have discloses nothing. Whose account another one is said
/// to be is no excuse: it is only said.
#[must_use]
pub fn credential_needs_approval(principal: &Principal, rights: Rights<'_>, by: &Principal) -> bool {
    principal.id != by.id && rights.are_strict(principal)
}

/// May `by` give the principal anything? Accounts of one person give each other neither roles nor grants.
///
/// # Errors
/// [`SeparationError::SelfService`].
pub fn check_other_person(principal: &Principal, by: &Principal) -> Result<(), SeparationError> {
    if principal.person() == by.person() { Err(SeparationError::SelfService) } else { Ok(()) }
}

/// May `by` withdraw a role from the principal?
///
/// # Errors
/// [`SeparationError::OwnRole`].
pub fn check_role_withdrawal(principal: &Principal, by: PrincipalId) -> Result<(), SeparationError> {
    if principal.id == by { Err(SeparationError::OwnRole) } else { Ok(()) }
}

/// Uses are granted to people and applications; what administers to applications only, and on relaxed rings only.
fn check_operations(
    principal: &Principal,
    separation: Separation,
    operations: &[Action],
) -> Result<(), SeparationError> {
    let administers = separation == Separation::Relaxed && principal.kind == PrincipalKind::Workload;
    let granted =
        |action: &Action| action.is_grantable() || (administers && action.is_grantable_when_relaxed());
    match operations.iter().find(|action| !granted(action)) {
        Some(other) => Err(SeparationError::NotAUse(*other)),
        None => Ok(()),
    }
}

/// Someone with active grants on a ring or a key of it.
#[derive(Debug)]
pub struct Holder<'a> {
    /// The principal that holds the grants.
    pub principal: &'a Principal,
    /// Was anything granted to it that is no use of a key?
    pub administers: bool,
}

/// May the ring's separation become this? `holders` are those with active grants on the ring or a key of it.
/// Relaxing is a right that policy gives; it breaks nothing that was strict for others.
///
/// # Errors
/// [`SeparationError::StillMixed`] names one who would both administer and use it.
pub fn check_ring_separation<'a>(
    separation: Separation,
    holders: impl IntoIterator<Item = Holder<'a>>,
) -> Result<(), SeparationError> {
    if separation == Separation::Relaxed {
        return Ok(());
    }
    let mut holders = holders.into_iter().filter(|holder| holder.principal.status == Status::Active);
    match holders.find(|holder| holder.administers || check_user(holder.principal, separation).is_err()) {
        Some(holder) => Err(SeparationError::StillMixed(holder.principal.id)),
        None => Ok(()),
    }
}

/// Do these roles go together?
pub(crate) fn compatible(roles: &[Role]) -> bool {
    let rest = |at: usize| roles.iter().skip(at + 1);
    roles.iter().enumerate().all(|(at, one)| rest(at).all(|other| !excludes(*one, *other)))
}

/// Which roles exclude each other. Only the responder's goes with another: with the administrator's or the security
/// officer's, who can stop keys anyway.
const fn excludes(one: Role, other: Role) -> bool {
    match (one, other) {
        (Role::Responder, Role::Administrator | Role::SecurityOfficer)
        | (Role::Administrator | Role::SecurityOfficer, Role::Responder)
        | (Role::Administrator, Role::Administrator)
        | (Role::Auditor, Role::Auditor)
        | (Role::Custodian, Role::Custodian)
        | (Role::Operator, Role::Operator)
        | (Role::Responder, Role::Responder)
        | (Role::SecurityOfficer, Role::SecurityOfficer) => false,
        (Role::Auditor | Role::Custodian | Role::Operator, _)
        | (_, Role::Auditor | Role::Custodian | Role::Operator)
        | (Role::Administrator, Role::SecurityOfficer)
        | (Role::SecurityOfficer, Role::Administrator) => true,
    }
}

/// An administrator, with or without the responder's role, may use keys of relaxed rings.
fn excused_on_relaxed_rings(roles: &[Role]) -> bool {
    roles.contains(&Role::Administrator) && compatible(roles)
}

fn check_user(principal: &Principal, separation: Separation) -> Result<(), Role> {
    match principal.roles.first() {
        None => Ok(()),
        Some(_) if separation == Separation::Relaxed && excused_on_relaxed_rings(&principal.roles) => Ok(()),
        Some(role) => Err(*role),
    }
}

fn check_recipient(principal: &Principal, makers: &Makers, by: PrincipalId) -> Result<(), SeparationError> {
    if principal.id == by {
        return Err(SeparationError::SelfService);
    }
    if makers.include(by) {
        return Err(SeparationError::Maker);
    }
    if principal.status == Status::Revoked {
        return Err(SeparationError::Revoked(principal.id));
    }
    Ok(())
}
