//! The authorizer's word that a caller may do one thing. Whoever holds a [`Permit`] need not ask again.

use crate::action::Action;
use crate::principal::Role;
use crate::time::Timestamp;
use crate::{CredentialId, GrantId, PrincipalId};

/// By which rule a call is permitted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rule {
    /// A grant to the caller.
    Grant(GrantId),
    /// A role of the caller.
    Role(Role),
    /// A rule of the built-in policy that binds everyone of the caller's kind: a standing policy, no delegation.
    Builtin(&'static str),
}

/// Proof that the authorizer allowed `action` to `principal`. Made by the authorizer alone.
#[derive(Clone, Debug)]
pub struct Permit {
    principal: PrincipalId,
    credential: CredentialId,
    action: Action,
    rule: Rule,
    policy_digest: [u8; 8],
    at: Timestamp,
}

impl Permit {
    /// States that the caller is authorized. Guarded: only the authorizer may say so.
    #[must_use]
    pub const fn assertion(
        principal: PrincipalId,
        credential: CredentialId,
        action: Action,
        rule: Rule,
        policy_digest: [u8; 8],
        at: Timestamp,
    ) -> Self {
        Self { principal, credential, action, rule, policy_digest, at }
    }

    /// Who is allowed.
    #[must_use]
    pub const fn principal(&self) -> PrincipalId {
        self.principal
    }

    /// By which credential the caller came.
    #[must_use]
    pub const fn credential(&self) -> CredentialId {
        self.credential
    }

    /// What is allowed.
    #[must_use]
    pub const fn action(&self) -> Action {
        self.action
    }

    /// By which rule.
    #[must_use]
    pub const fn rule(&self) -> Rule {
        self.rule
    }

    /// First eight bytes of SHA-256 of the deciding policy's text: field `pol` of the log entry.
    #[must_use]
    pub const fn policy_digest(&self) -> [u8; 8] {
        self.policy_digest
    }

    /// When it was decided: the one instant that the whole call goes by.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }
}
