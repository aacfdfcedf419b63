//! The AWS SDK for Rust against a deployment that serves.

mod encryption;
mod errors;
mod keys;
mod retries;
mod signatures;
mod surroundings;
