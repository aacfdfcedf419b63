//! What a decision says: a permit and for how long it may be kept, or a denial and how much of it may be disclosed.

use claviger_core::action::Surface;
use claviger_core::permit::{Permit, Rule};
use claviger_core::principal::{Principal, PrincipalKind};
use claviger_core::{Action, GrantId, KeyId, KeyRingId, PrincipalId, Target, Timestamp};

use super::builtin::DecisionBasis;
use crate::authn::Caller;

/// What of a call conditions can look at, the caller's address apart, which the [`Caller`] carries.
#[derive(Clone, Copy, Debug)]
pub struct RequestContext<'a> {
    /// The instant the whole call goes by.
    pub now: Timestamp,
    /// The pairs of the encryption context.
    pub context: &'a [(String, String)],
}

impl RequestContext<'_> {
    /// A call at `now` without an encryption context.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self { now, context: &[] }
    }
}

/// May the caller do it?
#[derive(Clone, Debug)]
pub enum Decision {
    /// The caller may not.
    Deny(Denial),
    /// The caller may.
    Permit {
        /// The authorizer's word for this one call.
        permit: Permit,
        /// What gives the next permits, when the decision does not depend on what a call says of itself.
        cacheable: Option<Cacheable>,
    },
}

impl Decision {
    /// The permit, when there is one.
    #[must_use]
    pub const fn permit(&self) -> Option<&Permit> {
        match self {
            Self::Deny(_) => None,
            Self::Permit { permit, .. } => Some(permit),
        }
    }

    /// The denial, when it is one.
    #[must_use]
    pub const fn denial(&self) -> Option<Denial> {
        match self {
            Self::Deny(denial) => Some(*denial),
            Self::Permit { .. } => None,
        }
    }

    /// Would every call of this caller, for this action on this target, be permitted until [`Decision::cacheable_until`]?
    #[must_use]
    pub const fn is_unconditional(&self) -> bool {
        matches!(self, Self::Permit { cacheable: Some(_), .. })
    }

    /// Until when it may be kept: the end of the grant it rests on. `None` when it may not be kept, or has no end;
    /// [`Decision::is_unconditional`] distinguishes the two.
    #[must_use]
    pub fn cacheable_until(&self) -> Option<Timestamp> {
        match self {
            Self::Permit { cacheable: Some(cacheable), .. } => cacheable.basis.until,
            Self::Deny(_) | Self::Permit { cacheable: None, .. } => None,
        }
    }
}

/// A denial.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Denial {
    /// Why, for the log and for those who may know.
    pub reason: DenyReason,
    /// The target is not visible to the caller: it has no right to read it and no grant on it. The answer is then
    /// "not found", the same as for a target that is not there.
    pub hidden: bool,
}

/// Why a call is denied.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, thiserror::Error)]
pub enum DenyReason {
    /// A grant is for this, but not for a call like this one: another context or another network.
    #[error("the conditions of grant `{0}` are not met")]
    ConditionsUnmet(GrantId),
    /// The credential's time is over.
    #[error("the credential has expired")]
    CredentialExpired,
    /// A rule forbids it, whatever else is permitted.
    #[error("the rule `{0}` forbids it")]
    Forbidden(&'static str),
    /// A grant was for this, and ended with what it rested on.
    #[error("grant `{0}` has ended with what it rested on")]
    BasisEnded(GrantId),
    /// A grant was for this, and its time is over.
    #[error("grant `{0}` has ended")]
    GrantEnded(GrantId),
    /// Nothing permits it.
    #[error("no role and no grant permits it")]
    NoRule,
    /// A policy could not be evaluated, or what was prepared is for another caller. The trace has more.
    #[error("the policies could not be evaluated")]
    Unsound,
    /// Callers of this kind do not come by this plane.
    #[error("callers of this kind are not served on this plane")]
    WrongSurface,
    /// The action is asked of another kind of thing.
    #[error("the action is not one for this kind of target")]
    WrongTarget,
}

/// Does a caller of this kind come by the plane of this action at all? To be asked before a target is even looked
/// up: the answer depends on nothing else, so it discloses nothing of what exists.
///
/// # Errors
/// [`DenyReason::WrongSurface`] for an application on the control surface, or a part of the system on the data surface.
pub const fn admits(kind: PrincipalKind, action: Action) -> Result<(), DenyReason> {
    match (kind, action.surface()) {
        (PrincipalKind::Workload, Surface::Control) if action.is_grantable_when_relaxed() => Ok(()),
        (PrincipalKind::Workload, Surface::Control) | (PrincipalKind::System, Surface::Data) => {
            Err(DenyReason::WrongSurface)
        }
        (PrincipalKind::Human, _)
        | (PrincipalKind::Workload, Surface::Data)
        | (PrincipalKind::System, Surface::Control) => Ok(()),
    }
}

/// A decision that holds for every call of one principal, for one action on one target, until the grant it rests on
/// ends. Valid as long as no right, principal, ring or key changes, which the one who keeps it watches by the epoch.
#[derive(Clone, Debug)]
pub struct Cacheable {
    principal: PrincipalId,
    revision: u64,
    action: Action,
    target: Mark,
    basis: DecisionBasis,
}

/// Which target a decision is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mark {
    Grant(GrantId),
    Key(KeyId, KeyRingId),
    NewPrincipal,
    Principal(PrincipalId),
    Ring(KeyRingId),
    System,
}

impl From<&Target> for Mark {
    fn from(target: &Target) -> Self {
        match target {
            Target::Grant(id) => Self::Grant(*id),
            Target::Key(record) => Self::Key(record.key.id, record.ring.id),
            Target::NewPrincipal(_) => Self::NewPrincipal,
            Target::Principal(id, _) => Self::Principal(*id),
            Target::Ring(ring) => Self::Ring(ring.id),
            Target::System => Self::System,
        }
    }
}

impl Cacheable {
    /// `None` when the basis depends on what the call says of itself.
    pub(super) fn of(
        principal: &Principal,
        action: Action,
        target: Mark,
        basis: &DecisionBasis,
    ) -> Option<Self> {
        basis.unconditional.then(|| Self {
            principal: principal.id,
            revision: principal.revision,
            action,
            target,
            basis: basis.clone(),
        })
    }

    /// The same, to be kept until then at most.
    #[must_use]
    pub fn ending_by(mut self, until: Option<Timestamp>) -> Self {
        self.basis.until = match (self.basis.until, until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self
    }

    /// The instant from which it is no longer valid, if there is one.
    #[must_use]
    pub const fn until(&self) -> Option<Timestamp> {
        self.basis.until
    }

    /// By which rule.
    #[must_use]
    pub const fn rule(&self) -> Rule {
        self.basis.rule
    }

    /// The permit for a call at `now`. `None` when this is a decision for another caller, action or target, or its time,
    /// or the credential's, is over: then decide anew.
    #[must_use]
    pub fn permit(&self, caller: &Caller, action: Action, target: &Target, now: Timestamp) -> Option<Permit> {
        let principal = caller.principal();
        let same = principal.id == self.principal
            && principal.revision == self.revision
            && action == self.action
            && Mark::from(target) == self.target;
        let in_time = self.basis.until.is_none_or(|until| now < until) && !caller.has_expired(now);
        (same && in_time).then(|| permit(caller, action, &self.basis, now))
    }
}

/// The one place where a permit is made.
#[expect(clippy::disallowed_methods, reason = "this is the authorizer: a policy has just permitted the call")]
pub(super) fn permit(caller: &Caller, action: Action, basis: &DecisionBasis, now: Timestamp) -> Permit {
    Permit::assertion(caller.principal().id, caller.credential_id(), action, basis.rule, basis.digest, now)
}
