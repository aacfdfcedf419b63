//! Fixed frames of key encodings. For all specs but RSA, `SubjectPublicKeyInfo` (RFC 5280) and, where listed,
//! `PrivateKeyInfo` (RFC 5208) are a constant prefix followed by a string of constant length, so parsing is
//! comparing: one form per key, no leniency to test.

use super::Spec;
use crate::CryptoError;

/// A constant prefix and the length of what follows it.
pub(crate) struct Frame {
    prefix: &'static [u8],
    raw_len: usize,
}

impl Frame {
    /// The raw key inside `encoded`, if it has exactly this form.
    pub(crate) fn open<'a>(&self, encoded: &'a [u8]) -> Result<&'a [u8], CryptoError> {
        let raw = encoded.strip_prefix(self.prefix).ok_or(CryptoError::Malformed)?;
        if raw.len() == self.raw_len { Ok(raw) } else { Err(CryptoError::Malformed) }
    }

    /// The encoding of `raw`.
    pub(crate) fn close(&self, raw: &[u8]) -> Result<Vec<u8>, CryptoError> {
        if raw.len() != self.raw_len {
            return Err(CryptoError::Malformed);
        }
        Ok([self.prefix, raw].concat())
    }
}

/// `SubjectPublicKeyInfo` of `spec`; `None` for RSA and for symmetric specs. Elliptic curve points are
/// uncompressed (RFC 5480); the leading `04` belongs to the raw key.
pub(crate) const fn spki(spec: Spec) -> Option<Frame> {
    let (prefix, raw_len): (&[u8], usize) = match spec {
        Spec::EcP256 => (b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00", 65),
        Spec::EcP384 => (b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00", 97),
        Spec::EcP521 => (b"\x30\x81\x9b\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23\x03\x81\x86\x00", 133),
        Spec::EcSecp256k1 => (b"\x30\x56\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x0a\x03\x42\x00", 65),
        // RFC 8410.
        Spec::Ed25519 => (b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", 32),
        Spec::X25519 => (b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00", 32),
        // RFC 9935.
        Spec::MlKem512 => (b"\x30\x82\x03\x32\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x04\x01\x03\x82\x03\x21\x00", 800),
        Spec::MlKem768 => (b"\x30\x82\x04\xb2\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x04\x02\x03\x82\x04\xa1\x00", 1184),
        Spec::MlKem1024 => (b"\x30\x82\x06\x32\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x04\x03\x03\x82\x06\x21\x00", 1568),
        // RFC 9881.
        Spec::MlDsa44 => (b"\x30\x82\x05\x32\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x11\x03\x82\x05\x21\x00", 1312),
        Spec::MlDsa65 => (b"\x30\x82\x07\xb2\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x12\x03\x82\x07\xa1\x00", 1952),
        Spec::MlDsa87 => (b"\x30\x82\x0a\x32\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x13\x03\x82\x0a\x21\x00", 2592),
        _ => return None,
    };
    Some(Frame { prefix, raw_len })
}

/// `PrivateKeyInfo` of `spec` where this crate writes and reads it itself: RFC 8410 seeds for X25519 and
/// Ed25519, the seed form of RFC 9881 for ML-DSA, the expanded form of RFC 9935 for ML-KEM.
pub(crate) const fn pkcs8(spec: Spec) -> Option<Frame> {
    let (prefix, raw_len): (&[u8], usize) = match spec {
        Spec::Ed25519 => (b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20", 32),
        Spec::X25519 => (b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x6e\x04\x22\x04\x20", 32),
        Spec::MlKem512 => (b"\x30\x82\x06\x78\x02\x01\x00\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x04\x01\x04\x82\x06\x64\x04\x82\x06\x60", 1632),
        Spec::MlKem768 => (b"\x30\x82\x09\x78\x02\x01\x00\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x04\x02\x04\x82\x09\x64\x04\x82\x09\x60", 2400),
        Spec::MlKem1024 => (b"\x30\x82\x0c\x78\x02\x01\x00\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x04\x03\x04\x82\x0c\x64\x04\x82\x0c\x60", 3168),
        Spec::MlDsa44 => (b"\x30\x34\x02\x01\x00\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x11\x04\x22\x80\x20", 32),
        Spec::MlDsa65 => (b"\x30\x34\x02\x01\x00\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x12\x04\x22\x80\x20", 32),
        Spec::MlDsa87 => (b"\x30\x34\x02\x01\x00\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x13\x04\x22\x80\x20", 32),
        _ => return None,
    };
    Some(Frame { prefix, raw_len })
}

/// [`spki`] of a spec that is known to have one.
pub(crate) fn spki_frame(spec: Spec) -> Result<Frame, CryptoError> {
    spki(spec).ok_or(CryptoError::UnsupportedSpec)
}

/// [`pkcs8`] of a spec that is known to have one.
pub(crate) fn pkcs8_frame(spec: Spec) -> Result<Frame, CryptoError> {
    pkcs8(spec).ok_or(CryptoError::UnsupportedSpec)
}

/// Refuses bytes after the end of a DER `SEQUENCE`, which the module's parsers would pass over.
pub(crate) fn whole_sequence(der: &[u8]) -> Result<&[u8], CryptoError> {
    let (&[tag, first], rest) = der.split_first_chunk().ok_or(CryptoError::Malformed)?;
    let (len, content) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, content) =
            rest.split_at_checked(usize::from(first & 0x7f)).ok_or(CryptoError::Malformed)?;
        // Four digits hold any length that fits a key; more would not fit the sum below.
        if digits.is_empty() || digits.len() > 4 {
            return Err(CryptoError::Malformed);
        }
        (digits.iter().fold(0, |len: usize, digit| (len << 8) | usize::from(*digit)), content)
    };
    if tag == 0x30 && content.len() == len { Ok(der) } else { Err(CryptoError::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_sequence_is_taken() {
        let long = [&[0x30, 0x82, 0x01, 0x00][..], &[0; 256]].concat();
        assert!(whole_sequence(&long).is_ok());
        assert!(whole_sequence(b"\x30\x00").is_ok());
        for bad in [
            &b""[..],
            b"\x30",
            b"\x30\x01",
            b"\x30\x00\x00",
            b"\x31\x00",
            b"\x30\x80\x00\x00",
            b"\x30\x85\x00\x00\x00\x00\x00",
            &long[..259],
        ] {
            assert_eq!(whole_sequence(bad), Err(CryptoError::Malformed), "{bad:02x?}");
        }
    }

    #[test]
    fn frames_declare_the_length_they_have() {
        for spec in Spec::ALL {
            for frame in [spki(spec), pkcs8(spec)].into_iter().flatten() {
                let encoded = frame.close(&vec![4; frame.raw_len]).unwrap();
                assert!(whole_sequence(&encoded).is_ok(), "{spec}");
                assert_eq!(frame.open(&encoded).unwrap().len(), frame.raw_len);
                assert_eq!(frame.open(&encoded[..encoded.len() - 1]), Err(CryptoError::Malformed));
            }
        }
    }
}
