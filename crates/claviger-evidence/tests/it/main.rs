//! Integration tests, by capability, through the public API.
//!
//! The schemas of OSCAL come in no package: `CLAVIGER_VECTORS` names their folder, and without it that test fails rather than pass
//! on nothing. `golden/absent-data.txt` names it, so that `cargo xtask check` can leave it out and say so.

#[cfg(test)]
mod oscal;
