//! Credentials: what they look like on the way in, what is kept of them, and whom they prove.
//!
//! Nothing that could be presented is kept: a credential is found, and compared, by its SHA-256 digest. The secret of an
//! access key is never presented; it is kept sealed.

pub mod access_key;
mod bearer;
mod caller;
pub mod certificate;
mod enrolment_code;
mod token;

pub use caller::{AuthnError, AuthnReason, Caller, NamedCredential, Presented, authenticate, in_force};
pub use enrolment_code::EnrolmentCode;
pub use token::{Token, TokenError, digest_of};
