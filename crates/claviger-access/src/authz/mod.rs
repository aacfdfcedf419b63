//! May you: the built-in policy and the grants, asked through Cedar.
//!
//! Room: the [`Authorizer`] is made once, from the rules in `roles.cedar` and a schema generated from the table of
//! actions. A [`Slice`] is what of them, and of a principal's grants, can bear on one target; asking it gives the same
//! answer as asking all policies there are, and a test holds the two against each other.
//!
//! Invariants: only an [`Authorizer`] or a [`Slice`] makes a permit; an error in evaluating any policy is a denial, for
//! Cedar passes over a policy that fails, and that may have been the one that forbids.

mod builtin;
mod choose;
mod decision;
mod explain;
mod grant;
mod prepared;
pub mod schema;
mod slice;
mod vocabulary;

use std::fmt;
use std::sync::Arc;

use claviger_core::grant::Grant;
use claviger_core::principal::Principal;
use claviger_core::{Action, Target};

pub use builtin::RULES;
pub use decision::{Cacheable, Decision, Denial, DenyReason, RequestContext};
pub use explain::Explanation;
pub use grant::{GrantError, GrantPolicy, MAX_CONTEXT_PAIRS, MAX_CONTEXT_TEXT, MAX_NETWORKS};
pub use slice::Slice;

pub use decision::admits;

use crate::authn::Caller;
use builtin::Builtin;

/// A policy, schema or entity that cannot be prepared: a fault of the system, never of the one who asks.
#[derive(Debug, thiserror::Error)]
#[error("{what} cannot be prepared")]
pub struct PolicyError {
    what: &'static str,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl PolicyError {
    fn new(what: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { what, source: Some(Box::new(source)) }
    }

    const fn missing(what: &'static str) -> Self {
        Self { what, source: None }
    }
}

/// The policy engine with the built-in policy, read and validated. Immutable; cheap to clone.
#[derive(Clone)]
pub struct Authorizer(Arc<Builtin>);

impl Authorizer {
    /// Reads and validates the built-in policy.
    ///
    /// # Errors
    /// [`PolicyError`] when they do not hold together, which a test of this crate finds first.
    pub fn new() -> Result<Self, PolicyError> {
        Builtin::open().map(|builtin| Self(Arc::new(builtin)))
    }

    /// Gives back what was parsed and not used since the last time this was asked, unless it is little.
    pub fn forget_unused(&self) {
        self.0.prepared.forget_unused();
    }

    /// What bears on one principal and one target: to be kept for as long as neither they nor the grants change.
    /// Grants of others, of other targets, and revoked ones are left out.
    ///
    /// # Errors
    /// [`PolicyError`] when a grant cannot be read as a policy, which [`Authorizer::validate_grant`] finds first.
    pub fn slice(
        &self,
        principal: &Principal,
        target: &Target,
        grants: &[Grant],
    ) -> Result<Slice, PolicyError> {
        Slice::build(&self.0, principal, target, grants)
    }

    /// May the caller do this? `grants` are the caller's; those that do not bear on the target are left out. Asked of the best of
    /// those that the call meets, which gives the same permit as asking all of them.
    #[must_use]
    pub fn decide(
        &self,
        caller: &Caller,
        action: Action,
        target: &Target,
        grants: &[Grant],
        request: &RequestContext<'_>,
    ) -> Decision {
        match Slice::for_call(&self.0, caller, action, target, grants, request) {
            Ok(slice) => slice.decide(caller, action, request),
            Err(_) => Decision::Deny(Denial { reason: DenyReason::Unsound, hidden: true }),
        }
    }

    /// Writes a grant to `holder` as a policy and validates it strictly against the schema. To be asked before a grant
    /// is stored.
    ///
    /// # Errors
    /// [`GrantError`] says what of the grant cannot be.
    pub fn validate_grant(&self, grant: &Grant, holder: &Principal) -> Result<GrantPolicy, GrantError> {
        grant::validate(&self.0, grant, holder)
    }
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorizer(..)")
    }
}
