//! The provider through its public interface: both roots against one contract, and what is special to each.
#![expect(clippy::disallowed_methods, reason = "compares secrets with what they must be")]

#[cfg(test)]
mod contract;
#[cfg(test)]
mod software_root;
#[cfg(test)]
mod token;
#[cfg(test)]
mod token_loss;
#[cfg(test)]
mod token_root;
