//! Which key of the service is which key of the token: one row per spec. A spec without a row is unsupported there.

use claviger_core::{Purpose, Spec};
use claviger_crypto::PublicKey;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

use super::encoding;
use super::fault::Fault;
use super::link::Link;
use crate::ready::refusal;

/// The kind of object that a spec is in the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Aes { bytes: u64 },
    Curve,
    Edwards,
    Rsa { bits: u64 },
    Secret { bytes: u64 },
}

const fn kind(spec: Spec) -> Option<Kind> {
    Some(match spec {
        Spec::Aes128Gcm => Kind::Aes { bytes: 16 },
        Spec::Aes256Gcm | Spec::Aes256Kwp => Kind::Aes { bytes: 32 },
        Spec::HmacSha224 => Kind::Secret { bytes: 28 },
        Spec::HmacSha256 => Kind::Secret { bytes: 32 },
        Spec::HmacSha384 => Kind::Secret { bytes: 48 },
        Spec::HmacSha512 => Kind::Secret { bytes: 64 },
        Spec::Rsa2048 => Kind::Rsa { bits: 2048 },
        Spec::Rsa3072 => Kind::Rsa { bits: 3072 },
        Spec::Rsa4096 => Kind::Rsa { bits: 4096 },
        Spec::EcP256 | Spec::EcP384 | Spec::EcP521 | Spec::EcSecp256k1 => Kind::Curve,
        Spec::Ed25519 => Kind::Edwards,
        Spec::X25519
        | Spec::MlKem512
        | Spec::MlKem768
        | Spec::MlKem1024
        | Spec::MlDsa44
        | Spec::MlDsa65
        | Spec::MlDsa87 => return None,
    })
}

/// The mechanisms that a key of `spec` needs for `purpose`, beside KWP for its wrap; `None` for a spec without a row.
pub(super) fn needs(spec: Spec, purpose: Purpose) -> Option<[MechanismType; 2]> {
    use MechanismType as M;
    let make = match kind(spec)? {
        Kind::Aes { .. } => M::AES_KEY_GEN,
        Kind::Curve => M::ECC_KEY_PAIR_GEN,
        Kind::Edwards => M::ECC_EDWARDS_KEY_PAIR_GEN,
        Kind::Rsa { .. } => M::RSA_PKCS_KEY_PAIR_GEN,
        Kind::Secret { .. } => M::GENERIC_SECRET_KEY_GEN,
    };
    let work = match (spec, purpose) {
        (Spec::Aes128Gcm | Spec::Aes256Gcm, Purpose::Encrypt) => M::AES_GCM,
        (Spec::Aes256Kwp, Purpose::Wrap) => M::AES_KEY_WRAP_PAD,
        (Spec::HmacSha224, Purpose::Mac) => M::SHA224_HMAC,
        (Spec::HmacSha256, Purpose::Mac) => M::SHA256_HMAC,
        (Spec::HmacSha384, Purpose::Mac) => M::SHA384_HMAC,
        (Spec::HmacSha512, Purpose::Mac) => M::SHA512_HMAC,
        (Spec::Rsa2048 | Spec::Rsa3072 | Spec::Rsa4096, Purpose::Sign) => M::RSA_PKCS_PSS,
        (Spec::Rsa2048 | Spec::Rsa3072 | Spec::Rsa4096, Purpose::Encrypt) => M::RSA_PKCS_OAEP,
        (Spec::EcP256 | Spec::EcP384 | Spec::EcP521 | Spec::EcSecp256k1, Purpose::Sign) => M::ECDSA,
        (Spec::EcP256 | Spec::EcP384 | Spec::EcP521, Purpose::Agree) => M::ECDH1_DERIVE,
        (Spec::Ed25519, Purpose::Sign) => M::EDDSA,
        _ => return None,
    };
    Some([make, work])
}

/// Bits of an RSA spec's modulus.
pub(super) const fn rsa_bits(spec: Spec) -> Option<u64> {
    match kind(spec) {
        Some(Kind::Rsa { bits }) => Some(bits),
        _ => None,
    }
}

/// How the HMAC of a spec is called.
pub(super) const fn hmac(spec: Spec) -> Option<Mechanism<'static>> {
    match spec {
        Spec::HmacSha224 => Some(Mechanism::Sha224Hmac),
        Spec::HmacSha256 => Some(Mechanism::Sha256Hmac),
        Spec::HmacSha384 => Some(Mechanism::Sha384Hmac),
        Spec::HmacSha512 => Some(Mechanism::Sha512Hmac),
        _ => None,
    }
}

/// A key that was just made in the token, as an object of the session that made it.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) key: ObjectHandle,
    pub(super) public: Option<PublicKey>,
}

/// Makes a key in the token, sensitive from its first moment, extractable only so that the root can wrap it.
pub(super) fn generate(session: &Session, link: &Link, spec: Spec, purpose: Purpose) -> Result<Made, Fault> {
    let Some(kind) = kind(spec) else {
        return Err(refusal(claviger_crypto::CryptoError::UnsupportedSpec).into());
    };
    let mut template = vec![
        Attribute::Extractable(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Token(false),
    ];
    if link.roots.trusted {
        template.push(Attribute::WrapWithTrusted(true));
    }
    template.extend_from_slice(uses(kind, purpose));
    match kind {
        Kind::Aes { bytes } => {
            template.push(Attribute::ValueLen(bytes.into()));
            let key = session.generate_key(&Mechanism::AesKeyGen, &template)?;
            Ok(Made { key, public: None })
        }
        Kind::Secret { bytes } => {
            template.push(Attribute::KeyType(KeyType::GENERIC_SECRET));
            template.push(Attribute::ValueLen(bytes.into()));
            let key = session.generate_key(&Mechanism::GenericSecretKeyGen, &template)?;
            Ok(Made { key, public: None })
        }
        Kind::Curve | Kind::Edwards | Kind::Rsa { .. } => {
            generate_pair(session, spec, kind, purpose, &template)
        }
    }
}

fn generate_pair(
    session: &Session,
    spec: Spec,
    kind: Kind,
    purpose: Purpose,
    private: &[Attribute],
) -> Result<Made, Fault> {
    let mut public = vec![Attribute::Token(false), Attribute::Private(false)];
    public.extend_from_slice(public_uses(purpose));
    let mechanism = match kind {
        Kind::Rsa { bits } => {
            public.push(Attribute::ModulusBits(bits.into()));
            public.push(Attribute::PublicExponent(vec![1, 0, 1]));
            Mechanism::RsaPkcsKeyPairGen
        }
        _ => {
            public.push(Attribute::EcParams(encoding::curve(spec).unwrap_or_default().to_vec()));
            if kind == Kind::Edwards { Mechanism::EccEdwardsKeyPairGen } else { Mechanism::EccKeyPairGen }
        }
    };
    let (public, key) = session.generate_key_pair(&mechanism, &public, private)?;
    let reported = public_key(session, public, spec);
    // The public half is kept outside; here it only takes room.
    let _ = session.destroy_object(public);
    match reported {
        Ok(public) => Ok(Made { key, public: Some(public) }),
        Err(fault) => {
            let _ = session.destroy_object(key);
            Err(fault)
        }
    }
}

fn public_key(session: &Session, object: ObjectHandle, spec: Spec) -> Result<PublicKey, Fault> {
    let asked: &[AttributeType] = if rsa_bits(spec).is_some() {
        &[AttributeType::Modulus, AttributeType::PublicExponent]
    } else {
        &[AttributeType::EcPoint]
    };
    match session.get_attributes(object, asked)?.as_slice() {
        [Attribute::EcPoint(point)] => encoding::public_of_point(spec, point),
        [Attribute::Modulus(modulus), Attribute::PublicExponent(exponent)] => {
            encoding::public_of_rsa(spec, modulus, exponent)
        }
        _ => Err(claviger_crypto::CryptoError::Module),
    }
    .map_err(|error| refusal(error).into())
}

/// Wraps a key of the token under the root, inside the token (RFC 5649, KWP).
pub(super) fn wrap(session: &Session, link: &Link, key: ObjectHandle) -> Result<Vec<u8>, Fault> {
    Ok(session.wrap_key(&Mechanism::AesKeyWrapPad, link.roots.wrap, key)?)
}

/// Unwraps a key into the token: sensitive, not extractable, with the uses of its one purpose.
pub(super) fn unwrap(
    session: &Session,
    link: &Link,
    spec: Spec,
    purpose: Purpose,
    wrapped: &[u8],
) -> Result<ObjectHandle, Fault> {
    let Some(kind) = kind(spec) else {
        return Err(refusal(claviger_crypto::CryptoError::UnsupportedSpec).into());
    };
    let (class, key_type) = match kind {
        Kind::Aes { .. } => (ObjectClass::SECRET_KEY, KeyType::AES),
        Kind::Curve => (ObjectClass::PRIVATE_KEY, KeyType::EC),
        Kind::Edwards => (ObjectClass::PRIVATE_KEY, KeyType::EC_EDWARDS),
        Kind::Rsa { .. } => (ObjectClass::PRIVATE_KEY, KeyType::RSA),
        Kind::Secret { .. } => (ObjectClass::SECRET_KEY, KeyType::GENERIC_SECRET),
    };
    let mut template = vec![
        Attribute::Class(class),
        Attribute::KeyType(key_type),
        Attribute::Extractable(false),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Token(false),
    ];
    template.extend_from_slice(uses(kind, purpose));
    session
        .unwrap_key(&Mechanism::AesKeyWrapPad, link.roots.wrap, wrapped, &template)
        .map_err(Fault::OnStored)
}

/// What the secret half may do: one purpose, spelled out, so that a token's defaults add nothing.
const fn uses(kind: Kind, purpose: Purpose) -> &'static [Attribute] {
    use Attribute::{Decrypt, Derive, Encrypt, Sign, Unwrap, Verify, Wrap};
    match (kind, purpose) {
        (Kind::Aes { .. }, Purpose::Encrypt) => &[
            Decrypt(true),
            Encrypt(true),
            Unwrap(false),
            Wrap(false),
            Sign(false),
            Verify(false),
            Derive(false),
        ],
        (Kind::Aes { .. }, _) => &[
            Decrypt(false),
            Encrypt(false),
            Unwrap(true),
            Wrap(true),
            Sign(false),
            Verify(false),
            Derive(false),
        ],
        (Kind::Secret { .. }, _) => &[
            Decrypt(false),
            Encrypt(false),
            Unwrap(false),
            Wrap(false),
            Sign(true),
            Verify(true),
            Derive(false),
        ],
        (_, Purpose::Agree) => &[Decrypt(false), Unwrap(false), Sign(false), Derive(true)],
        (_, Purpose::Encrypt) => &[Decrypt(true), Unwrap(false), Sign(false), Derive(false)],
        _ => &[Decrypt(false), Unwrap(false), Sign(true), Derive(false)],
    }
}

const fn public_uses(purpose: Purpose) -> &'static [Attribute] {
    match purpose {
        Purpose::Sign => &[Attribute::Verify(true)],
        Purpose::Encrypt => &[Attribute::Encrypt(true)],
        _ => &[],
    }
}
