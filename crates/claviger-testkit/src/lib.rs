//! What tests of all rooms share: contracts of the ports, fixtures, a token, published vectors. Never part of what is
//! shipped.

pub mod contract;
#[cfg(feature = "deployment")]
pub mod deployment;
pub mod older;
pub mod package;
pub mod softhsm;
pub mod trust;
