//! AWS KMS, signed by the signer of the AWS SDK for Rust.
//!
//! Every answer that any test gets is held against what clients rely on: see `deployment::Answer`.

mod answers;
mod approver;
mod bodies;
mod bounds;
mod context;
mod credentials;
mod deployment;
mod faults;
mod hygiene;
mod import_tokens;
mod log;
mod module;
mod policies;
mod separation;
mod signer;
mod tags;
