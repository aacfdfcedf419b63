//! Known answers and pairwise checks of signatures, key agreement and encapsulation.

use crate::algorithm::encoding;
use crate::random::{ModuleRandom, RandomSource};
use crate::{
    CryptoError, Message, PublicKey, ReadyKey, SecretBytes, SignatureAlgorithm, Spec, generate, import,
};

/// A published signature: key, algorithm, message, signature.
type Signed = (Spec, &'static [u8], SignatureAlgorithm, &'static [u8], &'static [u8]);

/// A published encapsulation: decapsulation key, ciphertext, shared secret.
type Encapsulation = (Spec, &'static [u8], &'static [u8], &'static [u8]);

macro_rules! vector {
    ($path:literal) => {
        include_bytes!(concat!("../../algorithm/", $path)).as_slice()
    };
}

const RSA: [Signed; 2] = [
    (
        Spec::Rsa2048,
        vector!("rsa/vectors/pkcs1_sha256.spki.der"),
        SignatureAlgorithm::RsaPkcs1Sha256,
        &[0; 20],
        vector!("rsa/vectors/pkcs1_sha256.signature.bin"),
    ),
    (
        Spec::Rsa2048,
        vector!("rsa/vectors/pss_sha256.spki.der"),
        SignatureAlgorithm::RsaPssSha256,
        b"123400",
        vector!("rsa/vectors/pss_sha256.signature.bin"),
    ),
];

const ECDSA: [Signed; 4] = [
    (
        Spec::EcP256,
        vector!("ec/vectors/p256.spki.der"),
        SignatureAlgorithm::EcdsaSha256,
        b"Msg",
        vector!("ec/vectors/p256.signature.der"),
    ),
    (
        Spec::EcP384,
        vector!("ec/vectors/p384.spki.der"),
        SignatureAlgorithm::EcdsaSha384,
        b"123400",
        vector!("ec/vectors/p384.signature.der"),
    ),
    (
        Spec::EcP521,
        vector!("ec/vectors/p521.spki.der"),
        SignatureAlgorithm::EcdsaSha512,
        b"Msg",
        vector!("ec/vectors/p521.signature.der"),
    ),
    (
        Spec::EcSecp256k1,
        vector!("ec/vectors/secp256k1.spki.der"),
        SignatureAlgorithm::EcdsaSha256,
        b"Msg",
        vector!("ec/vectors/secp256k1.signature.der"),
    ),
];

/// Key and signature of the ML-DSA vectors; the first key is made from the seed `2a` repeated.
const ML_DSA: [(Spec, &[u8], &[u8]); 3] = [
    (Spec::MlDsa65, vector!("ml_dsa/vectors/65.public.bin"), vector!("ml_dsa/vectors/65.signature.bin")),
    (Spec::MlDsa87, vector!("ml_dsa/vectors/87.public.bin"), vector!("ml_dsa/vectors/87.signature.bin")),
    (Spec::MlDsa44, vector!("ml_dsa/vectors/44.public.bin"), vector!("ml_dsa/vectors/44.signature.bin")),
];

const ML_KEM: [Encapsulation; 3] = [
    (
        Spec::MlKem512,
        vector!("ml_kem/vectors/512.decapsulation_key.bin"),
        vector!("ml_kem/vectors/512.ciphertext.bin"),
        vector!("ml_kem/vectors/512.shared.bin"),
    ),
    (
        Spec::MlKem768,
        vector!("ml_kem/vectors/768.decapsulation_key.bin"),
        vector!("ml_kem/vectors/768.ciphertext.bin"),
        vector!("ml_kem/vectors/768.shared.bin"),
    ),
    (
        Spec::MlKem1024,
        vector!("ml_kem/vectors/1024.decapsulation_key.bin"),
        vector!("ml_kem/vectors/1024.ciphertext.bin"),
        vector!("ml_kem/vectors/1024.shared.bin"),
    ),
];

/// Gives the same byte over and over, to make a key from a published seed.
struct Repeated(u8);

impl RandomSource for Repeated {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        out.fill(self.0);
        Ok(())
    }
}

fn verifies((spec, spki, algorithm, message, signature): &Signed) -> Result<bool, CryptoError> {
    let key = PublicKey::from_spki(*spec, spki)?;
    Ok(key.verify(*algorithm, Message::Raw(message), signature).is_ok()
        && key.verify(*algorithm, Message::Raw(b"another message"), signature).is_err())
}

fn signs_what_it_verifies(key: &ReadyKey, algorithm: SignatureAlgorithm) -> Result<bool, CryptoError> {
    let signature = key.sign(algorithm, Message::Raw(b"message"))?;
    Ok(key.verify(algorithm, Message::Raw(b"message"), &signature).is_ok()
        && key.verify(algorithm, Message::Raw(b"messagf"), &signature).is_err())
}

fn fresh(spec: Spec) -> Result<ReadyKey, CryptoError> {
    ReadyKey::from_material(spec, &generate(spec, &mut ModuleRandom)?.secret)
}

/// Two published signatures, one published OAEP ciphertext, and all paddings with that key.
pub(super) fn rsa() -> Result<bool, CryptoError> {
    for signed in &RSA {
        if !verifies(signed)? {
            return Ok(false);
        }
    }
    let der = SecretBytes::copied_from(vector!("rsa/vectors/oaep_sha256.private.der"));
    let key = ReadyKey::from_material(Spec::Rsa2048, &import(Spec::Rsa2048, &der)?.secret)?;
    for algorithm in Spec::Rsa2048.signature_algorithms() {
        if !signs_what_it_verifies(&key, *algorithm)? {
            return Ok(false);
        }
    }
    Ok(key.open(vector!("rsa/vectors/oaep_sha256.ciphertext.bin"), b"")?.ct_eq_bytes(b"123400"))
}

pub(super) fn ecdsa() -> Result<bool, CryptoError> {
    for signed in &ECDSA {
        let (spec, _, algorithm, _, _) = signed;
        if !verifies(signed)? || !signs_what_it_verifies(&fresh(*spec)?, *algorithm)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A published P-256 secret; for the other curves, that both sides agree.
pub(super) fn ecdh() -> Result<bool, CryptoError> {
    let der = SecretBytes::copied_from(vector!("ec/vectors/ecdh_p256.private.der"));
    let key = ReadyKey::from_material(Spec::EcP256, &import(Spec::EcP256, &der)?.secret)?;
    let shared = key.agree(vector!("ec/vectors/ecdh_p256.peer.der"))?;
    if !shared.ct_eq_bytes(vector!("ec/vectors/ecdh_p256.shared.bin")) {
        return Ok(false);
    }
    for spec in [Spec::EcP384, Spec::EcP521] {
        let (one, two) = (fresh(spec)?, fresh(spec)?);
        let here = one.agree(two.public_key().unwrap_or_default())?;
        let there = two.agree(one.public_key().unwrap_or_default())?;
        if !here.ct_eq(&there) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// RFC 8032, 7.1, test 1: the empty message.
pub(super) fn ed25519() -> Result<bool, CryptoError> {
    let seed = b"\x9d\x61\xb1\x9d\xef\xfd\x5a\x60\xba\x84\x4a\xf4\x92\xec\x2c\xc4\x44\x49\xc5\x69\x7b\x32\x69\x19\x70\x3b\xac\x03\x1c\xae\x7f\x60";
    let signature = b"\xe5\x56\x43\x00\xc3\x60\xac\x72\x90\x86\xe2\xcc\x80\x6e\x82\x8a\x84\x87\x7f\x1e\xb8\xe5\xd9\x74\xd8\x73\xe0\x65\x22\x49\x01\x55\x5f\xb8\x82\x15\x90\xa3\x3b\xac\xc6\x1e\x39\x70\x1c\xf9\xb4\x6b\xd2\x5b\xf5\xf0\x59\x5b\xbe\x24\x65\x51\x41\x43\x8e\x7a\x10\x0b";
    let material = encoding::pkcs8_frame(Spec::Ed25519)?.close(seed)?;
    let key = ReadyKey::from_material(Spec::Ed25519, &SecretBytes::new(material))?;
    Ok(key.sign(SignatureAlgorithm::Ed25519, Message::Raw(b""))? == signature
        && key.verify(SignatureAlgorithm::Ed25519, Message::Raw(b""), signature).is_ok()
        && key.verify(SignatureAlgorithm::Ed25519, Message::Raw(b"x"), signature).is_err())
}

/// Scalar, peer and shared secret, 32 bytes each; and the point of order one.
pub(super) fn x25519() -> Result<bool, CryptoError> {
    let vector = vector!("x25519/vectors/agreement.bin");
    let (scalar, rest) = vector.split_at_checked(32).ok_or(CryptoError::Malformed)?;
    let (peer, shared) = rest.split_at_checked(32).ok_or(CryptoError::Malformed)?;
    let material = encoding::pkcs8_frame(Spec::X25519)?.close(scalar)?;
    let key = ReadyKey::from_material(Spec::X25519, &SecretBytes::new(material))?;
    Ok(key.agree(peer)?.ct_eq_bytes(shared) && key.agree(&[0; 32]).is_err())
}

pub(super) fn ml_kem() -> Result<bool, CryptoError> {
    for (spec, decapsulation_key, ciphertext, shared) in ML_KEM {
        let material = encoding::pkcs8_frame(spec)?.close(decapsulation_key)?;
        let key = ReadyKey::from_material(spec, &SecretBytes::new(material))?;
        let made = key.encapsulate()?;
        if !key.decapsulate(ciphertext)?.ct_eq_bytes(shared)
            || !key.decapsulate(&made.ciphertext)?.ct_eq(&made.shared)
        {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn ml_dsa() -> Result<bool, CryptoError> {
    for (spec, public, signature) in ML_DSA {
        let spki = encoding::spki_frame(spec)?.close(public)?;
        let key = PublicKey::from_spki(spec, &spki)?;
        let seeded = generate(spec, &mut Repeated(0x2a))?;
        let ready = ReadyKey::from_material(spec, &seeded.secret)?;
        if key.verify(SignatureAlgorithm::MlDsa, Message::Raw(b"Hello world"), signature).is_err()
            || key.verify(SignatureAlgorithm::MlDsa, Message::Raw(b"Hello worle"), signature).is_ok()
            || (spec == Spec::MlDsa65 && seeded.public.as_deref() != Some(spki.as_slice()))
            || !signs_what_it_verifies(&ready, SignatureAlgorithm::MlDsa)?
        {
            return Ok(false);
        }
    }
    Ok(true)
}
