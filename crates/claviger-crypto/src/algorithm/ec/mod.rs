//! Elliptic curves over prime fields: ECDSA (FIPS 186-5, section 6) and ECDH (SP 800-56A rev. 3, 5.7.1.2).
//! Material: `PrivateKeyInfo` with an `ECPrivateKey` that carries the public key (RFC 5208, RFC 5915).

use aws_lc_rs::agreement::{self, UnparsedPublicKey};
use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, KeyPair as _,
};
use zeroize::Zeroizing;

use super::{Message, SignatureAlgorithm, Spec, encoding};
use crate::random::RandomSource;
use crate::{CryptoError, SecretBytes};

/// A candidate scalar is refused with a chance of at most 1/2 (in practice 2^-32 or less): so many refusals mean
/// a broken source.
const MAX_CANDIDATES: usize = 128;

struct Curve {
    signing: &'static EcdsaSigningAlgorithm,
    agreement: Option<&'static agreement::Algorithm>,
    scalar_len: usize,
    /// Bits of the first byte that a scalar below the group order can have.
    top_mask: u8,
    /// The `OBJECT IDENTIFIER` of the curve, with tag and length.
    oid: &'static [u8],
}

const P256: Curve = Curve {
    signing: &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
    agreement: Some(&agreement::ECDH_P256),
    scalar_len: 32,
    top_mask: 0xff,
    oid: b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07",
};
const P384: Curve = Curve {
    signing: &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
    agreement: Some(&agreement::ECDH_P384),
    scalar_len: 48,
    top_mask: 0xff,
    oid: b"\x06\x05\x2b\x81\x04\x00\x22",
};
const P521: Curve = Curve {
    signing: &signature::ECDSA_P521_SHA512_ASN1_SIGNING,
    agreement: Some(&agreement::ECDH_P521),
    scalar_len: 66,
    top_mask: 0x01,
    oid: b"\x06\x05\x2b\x81\x04\x00\x23",
};
const SECP256K1: Curve = Curve {
    signing: &signature::ECDSA_P256K1_SHA256_ASN1_SIGNING,
    agreement: None,
    scalar_len: 32,
    top_mask: 0xff,
    oid: b"\x06\x05\x2b\x81\x04\x00\x0a",
};

fn curve(spec: Spec) -> Result<&'static Curve, CryptoError> {
    match spec {
        Spec::EcP256 => Ok(&P256),
        Spec::EcP384 => Ok(&P384),
        Spec::EcP521 => Ok(&P521),
        Spec::EcSecp256k1 => Ok(&SECP256K1),
        _ => Err(CryptoError::UnsupportedSpec),
    }
}

pub(crate) fn verification(spec: Spec) -> Result<&'static EcdsaVerificationAlgorithm, CryptoError> {
    match spec {
        Spec::EcP256 => Ok(&signature::ECDSA_P256_SHA256_ASN1),
        Spec::EcP384 => Ok(&signature::ECDSA_P384_SHA384_ASN1),
        Spec::EcP521 => Ok(&signature::ECDSA_P521_SHA512_ASN1),
        Spec::EcSecp256k1 => Ok(&signature::ECDSA_P256K1_SHA256_ASN1),
        _ => Err(CryptoError::UnsupportedSpec),
    }
}

pub(crate) fn generate(spec: Spec, source: &mut dyn RandomSource) -> Result<SecretBytes, CryptoError> {
    let curve = curve(spec)?;
    if source.is_module() {
        return to_material(&EcdsaKeyPair::generate(curve.signing).map_err(CryptoError::module)?);
    }
    // FIPS 186-5, A.2.2: draw candidates until one lies in [1, n-1].
    for _ in 0..MAX_CANDIDATES {
        let mut scalar = Zeroizing::new(vec![0; curve.scalar_len]);
        source.fill(&mut scalar)?;
        if let Some(top) = scalar.first_mut() {
            *top &= curve.top_mask;
        }
        if let Ok(pair) = from_scalar(curve, &scalar) {
            return to_material(&pair);
        }
    }
    Err(CryptoError::Module)
}

/// The module checks the range of the scalar and computes the public key.
fn from_scalar(curve: &Curve, scalar: &[u8]) -> Result<EcdsaKeyPair, CryptoError> {
    let der = sec1(curve, scalar)?;
    Ok(EcdsaKeyPair::from_private_key_der(curve.signing, &der)?)
}

/// `ECPrivateKey` (RFC 5915) with the curve and without the public key. Always below 128 bytes, so every length
/// is one byte.
fn sec1(curve: &Curve, scalar: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let short = |len: usize| u8::try_from(len).ok().filter(|len| *len < 0x80).ok_or(CryptoError::Malformed);
    let content_len = 3 + 2 + scalar.len() + 2 + curve.oid.len();
    let mut der = Zeroizing::new(Vec::with_capacity(2 + content_len));
    der.extend_from_slice(&[0x30, short(content_len)?, 0x02, 0x01, 0x01, 0x04, short(scalar.len())?]);
    der.extend_from_slice(scalar);
    der.extend_from_slice(&[0xa0, short(curve.oid.len())?]);
    der.extend_from_slice(curve.oid);
    Ok(der)
}

/// The module writes a key in the form in which it read it: with or without its public point, and that compressed or not. So it is
/// made anew of its two numbers.
pub(crate) fn import(spec: Spec, der: &[u8]) -> Result<SecretBytes, CryptoError> {
    let curve = curve(spec)?;
    let pair = EcdsaKeyPair::from_private_key_der(curve.signing, der)?;
    let scalar = pair.private_key().as_be_bytes().map_err(CryptoError::module)?;
    let point = pair.public_key().as_ref();
    to_material(&EcdsaKeyPair::from_private_key_and_public_key(curve.signing, scalar.as_ref(), point)?)
}

/// In the form in which it came.
pub(crate) fn import_as_it_came(spec: Spec, der: &[u8]) -> Result<SecretBytes, CryptoError> {
    to_material(&EcdsaKeyPair::from_private_key_der(curve(spec)?.signing, der)?)
}

fn to_material(pair: &EcdsaKeyPair) -> Result<SecretBytes, CryptoError> {
    Ok(SecretBytes::copied_from(pair.to_pkcs8v1().map_err(CryptoError::module)?.as_ref()))
}

/// A private key, parsed for signing and, where the module can, for agreement.
pub(crate) struct EcKey {
    spec: Spec,
    pair: EcdsaKeyPair,
    agreement: Option<agreement::PrivateKey>,
}

impl EcKey {
    pub(crate) fn parse(spec: Spec, material: &[u8]) -> Result<Self, CryptoError> {
        let curve = curve(spec)?;
        let pair = EcdsaKeyPair::from_pkcs8(curve.signing, material)?;
        // The module's parser takes several forms; material has one only.
        if !to_material(&pair)?.ct_eq_bytes(material) {
            return Err(CryptoError::Malformed);
        }
        let agreement = match curve.agreement {
            Some(algorithm) => Some(agreement::PrivateKey::from_private_key_der(algorithm, material)?),
            None => None,
        };
        Ok(Self { spec, pair, agreement })
    }

    pub(crate) fn spki(&self) -> Result<Vec<u8>, CryptoError> {
        encoding::spki_frame(self.spec)?.close(self.pair.public_key().as_ref())
    }

    pub(crate) fn sign(
        &self,
        algorithm: SignatureAlgorithm,
        message: Message<'_>,
    ) -> Result<Vec<u8>, CryptoError> {
        let signature = match message {
            Message::Raw(bytes) => self.pair.sign(&SystemRandom::new(), bytes),
            Message::Digest(bytes) => self.pair.sign_digest(&algorithm.import_digest(bytes)?),
        };
        Ok(signature.map_err(CryptoError::module)?.as_ref().to_vec())
    }

    /// `peer` is `SubjectPublicKeyInfo` or a SEC 1 point, uncompressed or compressed. The module checks that the
    /// point is on the curve (SP 800-56A rev. 3, 5.6.2.3.4).
    pub(crate) fn agree(&self, peer: &[u8]) -> Result<SecretBytes, CryptoError> {
        let private = self.agreement.as_ref().ok_or(CryptoError::UnsupportedSpec)?;
        let point = match peer.first() {
            Some(0x02..=0x04) => peer,
            _ => encoding::spki_frame(self.spec)?.open(peer)?,
        };
        let peer = UnparsedPublicKey::new(private.algorithm(), point);
        agreement::agree(private, peer, CryptoError::Malformed, |shared| Ok(SecretBytes::copied_from(shared)))
    }
}
