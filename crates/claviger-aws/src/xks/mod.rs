//! The external key store proxy (AWS KMS External Key Store Proxy API, version 1): AWS KMS keeps the shell of a key, and
//! asks here for each use of it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`body`] | what the four calls bring |
//! | [`error`] | what a call that did not succeed answers |
//! | [`path`] | where they are made |
//! | `call` | what each call does |
//! | `proxy` | the endpoint: from a request to the call, from its answer to a response |
//!
//! What it keeps true:
//! * a key is what its grants make of it: a use that the caller was not granted is one that the key does not support, and a
//!   use whose conditions the call does not meet is denied;
//! * what AWS KMS says of a call is what conditions of grants are held against, and nothing else of it is trusted;
//! * every call is an entry, under the request's name in AWS CloudTrail.

pub mod body;
mod call;
pub mod error;
pub mod path;
mod proxy;

pub use error::XksError;
pub use path::{NotAPrefix, UriPrefix};
pub use proxy::{XksPeer, XksProxy};
