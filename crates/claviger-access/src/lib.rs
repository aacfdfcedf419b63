//! Who are you, and may you.
//!
//! Everything here is a function of its arguments: no I/O, no clock (instants are passed in), no state but policies
//! that were read once and never change. What is cached, and for how long, the service decides.
//!
//! | module | what it holds |
//! |---|---|
//! | [`analysis`] | who can reach what nobody should reach alone, with whatever they can make first |
//! | [`authn`] | credentials: what they look like, what is kept of them, whom they prove |
//! | [`authz`] | the built-in policy (Cedar), grants as policies, decisions and their explanation |
//! | [`separation`] | separation of duties, refused when a role or grant is given |
//!
//! What it keeps true:
//! * a [`Caller`] comes from [`authn::authenticate`] alone, a [`Permit`](claviger_core::permit::Permit) from a decision alone;
//! * what is not permitted is denied, and so is everything when a policy cannot be evaluated;
//! * there is one table of actions and one policy engine: explanations and tests ask it, and repeat nothing of it.

pub mod analysis;
pub mod authn;
pub mod authz;
pub mod separation;

pub use authn::access_key::{NewAccessKey, SignatureRefused, SignedRequest, SigningSecret};
pub use authn::{
    AuthnError, AuthnReason, Caller, EnrolmentCode, NamedCredential, Presented, Token, TokenError,
    authenticate, in_force,
};
pub use authz::{
    Authorizer, Cacheable, Decision, Denial, DenyReason, Explanation, GrantError, PolicyError, RULES,
    RequestContext, Slice,
};
pub use separation::{SeparationError, Uses};
