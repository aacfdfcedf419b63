//! Integration tests, by capability, through the public API.
//!
//! The published vectors (Wycheproof, ACVP) are read from `shared/data` beside the checkout, or from the folder
//! that `CLAVIGER_VECTORS` names; without them the tests fail rather than pass on nothing.

#[cfg(test)]
mod acvp;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod vectors;
#[cfg(test)]
mod wycheproof_agreement;
#[cfg(test)]
mod wycheproof_rsa;
#[cfg(test)]
mod wycheproof_signatures;
#[cfg(test)]
mod wycheproof_symmetric;
#[cfg(test)]
mod xaes;
