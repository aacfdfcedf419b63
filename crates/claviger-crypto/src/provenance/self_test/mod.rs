//! Known-answer tests, run when a server starts and before it serves anything: the module's own, then one or
//! more of ours for each algorithm family, through the same code that serves calls.
//!
//! Signatures and encapsulations are randomized, so for them a published signature is verified (and a changed
//! message refused), a published ciphertext is decapsulated, and a fresh result is checked pairwise. The published
//! answers lie in the `vectors` folder of each algorithm; those without another source named are Wycheproof's.
use crate::{CryptoError, random};

mod asymmetric;
mod symmetric;

/// A self-test did not hold: the module must not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cryptographic self-test failed: {family}")]
pub struct SelfTestFailure {
    /// What was tested.
    pub family: &'static str,
}

type Test = fn() -> Result<bool, CryptoError>;

const TESTS: [(&str, Test); 15] = [
    ("module", module),
    ("drbg", drbg),
    ("sha-2", symmetric::sha2),
    ("hmac", symmetric::hmac),
    ("hkdf", symmetric::hkdf),
    ("aes-gcm", symmetric::aes_gcm),
    ("xaes-256-gcm", symmetric::xaes),
    ("aes-kwp", symmetric::aes_kwp),
    ("rsa", asymmetric::rsa),
    ("ecdsa", asymmetric::ecdsa),
    ("ecdh", asymmetric::ecdh),
    ("ed25519", asymmetric::ed25519),
    ("x25519", asymmetric::x25519),
    ("ml-kem", asymmetric::ml_kem),
    ("ml-dsa", asymmetric::ml_dsa),
];

/// Runs every self-test, in well under a second.
///
/// # Errors
/// The first family whose known answer did not come out.
pub fn self_test() -> Result<(), SelfTestFailure> {
    for (family, test) in TESTS {
        if test() != Ok(true) {
            return Err(SelfTestFailure { family });
        }
    }
    Ok(())
}

fn module() -> Result<bool, CryptoError> {
    Ok(aws_lc_rs::try_fips_self_test().is_ok())
}

/// Two draws that are equal, or all zero, come from a stuck generator.
fn drbg() -> Result<bool, CryptoError> {
    let (one, two) = (random::array::<32>()?, random::array::<32>()?);
    Ok(one != two && one != [0; 32] && two != [0; 32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn self_test_passes() {
        assert_eq!(self_test(), Ok(()));
    }

    #[test]
    fn every_spec_belongs_to_a_tested_family() {
        for spec in crate::Spec::ALL {
            let tested = TESTS.iter().any(|(family, _)| {
                spec.name().starts_with(family)
                    || match *family {
                        "ecdsa" => spec.name().starts_with("ec-"),
                        "aes-gcm" => spec.name().ends_with("-gcm"),
                        "aes-kwp" => spec.name().ends_with("-kwp"),
                        _ => false,
                    }
            });
            assert!(tested, "{spec}");
        }
    }
}
