//! Signatures by a key of the token, in the forms of the service: RSA as long as the modulus, ECDSA in DER, Ed25519 as is.
//!
//! The token gets a digest wherever the algorithm has one: a message may be long, and is no secret of the token.

use std::borrow::Cow;

use claviger_core::port::ProviderError;
use claviger_crypto::{Message, SignatureAlgorithm, digest};
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;

use super::encoding;
use super::fault::Fault;

/// Signs with `key`, which must be one of the algorithm's kind.
pub(super) fn sign(
    session: &Session,
    key: ObjectHandle,
    algorithm: SignatureAlgorithm,
    message: Message<'_>,
) -> Result<Vec<u8>, Fault> {
    use SignatureAlgorithm as A;
    let module_failed = |_| Fault::Answer(ProviderError::Unavailable("the token gave no signature"));
    match algorithm {
        A::EcdsaSha256 | A::EcdsaSha384 | A::EcdsaSha512 => {
            let raw = session.sign(&Mechanism::Ecdsa, key, &digest_of(algorithm, message)?)?;
            encoding::ecdsa_signature(&raw).map_err(module_failed)
        }
        A::Ed25519 => {
            let Message::Raw(bytes) = message else {
                return Err(ProviderError::InvalidParameter("this algorithm takes no digest").into());
            };
            let pure = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure));
            Ok(session.sign(&pure, key, bytes)?)
        }
        A::RsaPkcs1Sha256 | A::RsaPkcs1Sha384 | A::RsaPkcs1Sha512 => {
            let prefix = encoding::digest_info(algorithm).unwrap_or_default();
            let encoded = [prefix, &digest_of(algorithm, message)?].concat();
            Ok(session.sign(&Mechanism::RsaPkcs, key, &encoded)?)
        }
        A::RsaPssSha256 | A::RsaPssSha384 | A::RsaPssSha512 => {
            let pss = Mechanism::RsaPkcsPss(pss(algorithm));
            Ok(session.sign(&pss, key, &digest_of(algorithm, message)?)?)
        }
        A::MlDsa => Err(ProviderError::InvalidParameter("the token does not sign so").into()),
    }
}

/// Parameters of PSS: MGF1 with the same hash, a salt as long as the digest (FIPS 186-5, 5.4).
pub(super) fn pss(algorithm: SignatureAlgorithm) -> PkcsPssParams {
    let (hash_alg, mgf, s_len) = match algorithm {
        SignatureAlgorithm::RsaPssSha384 => (MechanismType::SHA384, PkcsMgfType::MGF1_SHA384, 48),
        SignatureAlgorithm::RsaPssSha512 => (MechanismType::SHA512, PkcsMgfType::MGF1_SHA512, 64),
        _ => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256, 32),
    };
    PkcsPssParams { hash_alg, mgf, s_len: s_len.into() }
}

fn digest_of<'a>(algorithm: SignatureAlgorithm, message: Message<'a>) -> Result<Cow<'a, [u8]>, Fault> {
    let len = algorithm.digest_len();
    match (message, len) {
        (Message::Digest(bytes), Some(len)) if bytes.len() == len => Ok(Cow::Borrowed(bytes)),
        (Message::Raw(bytes), Some(32)) => Ok(Cow::Owned(digest::sha256(bytes).to_vec())),
        (Message::Raw(bytes), Some(48)) => Ok(Cow::Owned(digest::sha384(bytes).to_vec())),
        (Message::Raw(bytes), Some(64)) => Ok(Cow::Owned(digest::sha512(bytes).to_vec())),
        _ => Err(ProviderError::InvalidParameter("the digest has the wrong length").into()),
    }
}
