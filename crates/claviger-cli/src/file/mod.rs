//! Files that are whole or not there, and the file envelope around a service that makes and opens data keys.

pub(crate) mod envelope;
pub(crate) mod placed;
