//! What people give to commands: spans and instants, contexts and labels, files and standard input, consent.

pub(crate) mod bytes;
pub(crate) mod consent;
pub(crate) mod pair;
pub(crate) mod pem;
pub(crate) mod when;
pub(crate) mod word;
