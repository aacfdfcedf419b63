//! The few encodings that a token speaks otherwise than the service does: points, RSA public keys, ECDSA signatures.

use claviger_crypto::{CryptoError, PublicKey, SignatureAlgorithm, Spec};

/// DER of the `OBJECT IDENTIFIER` of a curve, as `CKA_EC_PARAMS` has it (RFC 5480, RFC 8410).
pub(super) const fn curve(spec: Spec) -> Option<&'static [u8]> {
    match spec {
        Spec::EcP256 => Some(b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"),
        Spec::EcP384 => Some(b"\x06\x05\x2b\x81\x04\x00\x22"),
        Spec::EcP521 => Some(b"\x06\x05\x2b\x81\x04\x00\x23"),
        Spec::EcSecp256k1 => Some(b"\x06\x05\x2b\x81\x04\x00\x0a"),
        Spec::Ed25519 => Some(b"\x06\x03\x2b\x65\x70"),
        _ => None,
    }
}

/// Bytes of a field element, which is the length of an agreed secret (SP 800-56A rev. 3, 5.7.1.2).
pub(super) const fn field_len(spec: Spec) -> Option<usize> {
    match spec {
        Spec::EcP256 | Spec::EcSecp256k1 => Some(32),
        Spec::EcP384 => Some(48),
        Spec::EcP521 => Some(66),
        _ => None,
    }
}

/// The public key in `CKA_EC_POINT`: an `OCTET STRING` by the standard, bare in some tokens.
///
/// The length of the whole decides: a bare point starts with 0x04 too, and what follows may look like the length of an
/// `OCTET STRING` by chance.
pub(super) fn public_of_point(spec: Spec, point: &[u8]) -> Result<PublicKey, CryptoError> {
    let len = point_len(spec).ok_or(CryptoError::UnsupportedSpec)?;
    let start = point.len().checked_sub(len).ok_or(CryptoError::Malformed)?;
    let (head, bare) = point.split_at(start);
    if head.is_empty() || tlv(0x04, bare)?.starts_with(head) {
        return PublicKey::from_raw(spec, bare);
    }
    Err(CryptoError::Malformed)
}

/// Bytes of a public key: an uncompressed point (SEC 1, 2.3.3), or the one form that Ed25519 has (RFC 8032, 5.1.2).
const fn point_len(spec: Spec) -> Option<usize> {
    match (spec, field_len(spec)) {
        (Spec::Ed25519, _) => Some(32),
        (_, Some(field)) => Some(1 + 2 * field),
        (_, None) => None,
    }
}

/// The public key of modulus and exponent (RFC 8017, A.1.1 in RFC 5280, 4.1).
pub(super) fn public_of_rsa(spec: Spec, modulus: &[u8], exponent: &[u8]) -> Result<PublicKey, CryptoError> {
    /// `rsaEncryption` with its NULL parameters (RFC 3279, 2.3.1).
    const ALGORITHM: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
    let key = tlv(0x30, &[unsigned(modulus)?, unsigned(exponent)?].concat())?;
    let bits = tlv(0x03, &[&[0], key.as_slice()].concat())?;
    PublicKey::from_spki(spec, &tlv(0x30, &[ALGORITHM, &bits].concat())?)
}

/// `ECDSA-Sig-Value` (RFC 3279, 2.2.3) of the two numbers that a token puts side by side.
pub(super) fn ecdsa_signature(raw: &[u8]) -> Result<Vec<u8>, CryptoError> {
    if raw.is_empty() || !raw.len().is_multiple_of(2) {
        return Err(CryptoError::Module);
    }
    let (r, s) = raw.split_at(raw.len() / 2);
    tlv(0x30, &[unsigned(r)?, unsigned(s)?].concat())
}

/// `DigestInfo` up to the digest (RFC 8017, 9.2, note 1).
pub(super) const fn digest_info(algorithm: SignatureAlgorithm) -> Option<&'static [u8]> {
    match algorithm {
        SignatureAlgorithm::RsaPkcs1Sha256 => {
            Some(b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20")
        }
        SignatureAlgorithm::RsaPkcs1Sha384 => {
            Some(b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30")
        }
        SignatureAlgorithm::RsaPkcs1Sha512 => {
            Some(b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40")
        }
        _ => None,
    }
}

/// `INTEGER` of an unsigned big-endian number.
fn unsigned(number: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let start = number.iter().position(|byte| *byte != 0).ok_or(CryptoError::Malformed)?;
    let digits = number.get(start..).unwrap_or_default();
    let sign: &[u8] = if digits.first().is_some_and(|top| top & 0x80 != 0) { &[0] } else { &[] };
    tlv(0x02, &[sign, digits].concat())
}

/// Tag, length and content in DER; up to 65 535 bytes.
fn tlv(tag: u8, content: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let len = u16::try_from(content.len()).map_err(|_| CryptoError::InputTooLarge)?;
    let [high, low] = len.to_be_bytes();
    let head: &[u8] = match (high, low) {
        (0, 0..0x80) => &[tag, low],
        (0, _) => &[tag, 0x81, low],
        _ => &[tag, 0x82, high, low],
    };
    Ok([head, content].concat())
}

#[cfg(test)]
mod tests {
    use claviger_crypto::random::ModuleRandom;
    use claviger_crypto::{Material, generate};

    use super::*;

    #[test]
    fn lengths_and_numbers_are_canonical() {
        assert_eq!(unsigned(&[0, 0, 0x7f]).unwrap(), [2, 1, 0x7f]);
        assert_eq!(unsigned(&[0x80]).unwrap(), [2, 2, 0, 0x80]);
        assert!(unsigned(&[0, 0]).is_err());
        assert_eq!(tlv(4, &[7; 0x80]).unwrap()[..3], [4, 0x81, 0x80]);
        assert_eq!(tlv(4, &[7; 0x100]).unwrap()[..4], [4, 0x82, 1, 0]);
        assert_eq!(ecdsa_signature(&[0, 1, 0x80, 2]).unwrap(), [0x30, 8, 2, 1, 1, 2, 3, 0, 0x80, 2]);
        assert!(ecdsa_signature(&[1, 2, 3]).is_err());
    }

    #[test]
    fn points_come_wrapped_or_bare() {
        for spec in [Spec::EcP256, Spec::EcP384, Spec::EcP521, Spec::EcSecp256k1, Spec::Ed25519] {
            let Material { public, .. } = generate(spec, &mut ModuleRandom).unwrap();
            let public = PublicKey::from_spki(spec, &public.unwrap()).unwrap();
            let raw = public.raw().unwrap();
            for point in [raw.to_vec(), tlv(4, raw).unwrap()] {
                assert_eq!(public_of_point(spec, &point).unwrap().spki(), public.spki(), "{spec}");
            }
            assert!(public_of_point(spec, &raw[1..]).is_err());
            let mut other_tag = tlv(4, raw).unwrap();
            other_tag[0] = 5;
            assert!(public_of_point(spec, &other_tag).is_err());
        }
    }

    #[test]
    fn bare_point_that_looks_wrapped_is_taken_as_a_point() {
        // The second byte of a bare point is the first of x; one in some two hundred equals the length of what follows.
        for (spec, looks_like) in [(Spec::EcP256, 63), (Spec::EcP384, 95)] {
            let found = (0..20_000).find_map(|_| {
                let Material { public, .. } = generate(spec, &mut ModuleRandom).unwrap();
                let public = PublicKey::from_spki(spec, &public.unwrap()).unwrap();
                (public.raw().unwrap()[1] == looks_like).then_some(public)
            });
            let public = found.unwrap();
            assert_eq!(public_of_point(spec, public.raw().unwrap()).unwrap().spki(), public.spki());
        }
    }

    #[test]
    fn rsa_public_key_is_built_as_the_module_writes_it() {
        let Material { public, .. } = generate(Spec::Rsa2048, &mut ModuleRandom).unwrap();
        let spki = public.unwrap();
        // 33 bytes stand before the modulus of a 2048-bit key, and its exponent is 65537.
        let modulus = &spki[33..33 + 256];
        assert_eq!(public_of_rsa(Spec::Rsa2048, modulus, &[1, 0, 1]).unwrap().spki(), spki);
    }
}
