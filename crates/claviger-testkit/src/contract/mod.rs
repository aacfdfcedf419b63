//! What every backend must hold: one contract per port, run against each of its implementations.

pub mod provider;
pub mod store;
