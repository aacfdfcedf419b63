//! Known answers of hashing, MACs, key derivation, encryption and key wrapping.

use crate::algorithm::aes_gcm::xaes::Xaes256Gcm;
use crate::{CryptoError, ReadyKey, RecordKey, SecretBytes, Spec, digest, kdf};

/// Wycheproof `aes_kwp`, test 179: key (32), a key of nine bytes, the same wrapped.
const SMALL_KEY: &[u8] = include_bytes!("../../algorithm/aes_kwp/vectors/small_key.bin");

/// FIPS 180-4, example "abc".
pub(super) fn sha2() -> Result<bool, CryptoError> {
    let sha256 = b"\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23\xb0\x03\x61\xa3\x96\x17\x7a\x9c\xb4\x10\xff\x61\xf2\x00\x15\xad";
    Ok(digest::sha256(b"abc") == *sha256
        && digest::sha384(b"abc").starts_with(b"\xcb\x00\x75\x3f\x45\xa3\x5e\x8b")
        && digest::sha512(b"abc").starts_with(b"\xdd\xaf\x35\xa1\x93\x61\x7a\xba"))
}

/// RFC 4231, test case 6 (a key longer than the block) for all four hash functions.
pub(super) fn hmac() -> Result<bool, CryptoError> {
    let key = SecretBytes::new(vec![0xaa; 131]);
    let data = b"Test Using Larger Than Block-Size Key - Hash Key First";
    let answers: [(Spec, &[u8]); 4] = [
        (Spec::HmacSha224, b"\x95\xe9\xa0\xdb\x96\x20\x95\xad"),
        (Spec::HmacSha256, b"\x60\xe4\x31\x59\x1e\xe0\xb6\x7f"),
        (Spec::HmacSha384, b"\x4e\xce\x08\x44\x85\x81\x3e\x90"),
        (Spec::HmacSha512, b"\x80\xb2\x42\x63\xc7\xc1\xa3\xeb"),
    ];
    for (spec, answer) in answers {
        let key = ReadyKey::from_material(spec, &key)?;
        let tag = key.mac(data)?;
        if !tag.starts_with(answer)
            || key.verify_mac(data, &tag).is_err()
            || key.verify_mac(b"", &tag).is_ok()
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// RFC 5869, test case 1.
pub(super) fn hkdf() -> Result<bool, CryptoError> {
    let salt = b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c";
    let info = b"\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9";
    let okm = kdf::hkdf_sha256(&SecretBytes::new(vec![0x0b; 22]), salt, &[info], 42)?;
    Ok(okm.ct_eq_bytes(
        b"\x3c\xb2\x5f\x25\xfa\xac\xd5\x7a\x90\x43\x4f\x64\xd0\x36\x2f\x2a\x2d\x2d\x0a\x90\xcf\x1a\x5a\x4c\x5d\xb0\x2d\x56\xec\xc4\xc5\xbf\x34\x00\x72\x08\xd5\xb8\x87\x18\x58\x65",
    ))
}

/// GCM specification (McGrew, Viega), test cases 2 and 14: one zero block under the zero key.
pub(super) fn aes_gcm() -> Result<bool, CryptoError> {
    let sealed128 = b"\x03\x88\xda\xce\x60\xb6\xa3\x92\xf3\x28\xc2\xb9\x71\xb2\xfe\x78\xab\x6e\x47\xd4\x2c\xec\x13\xbd\xf5\x3a\x67\xb2\x12\x57\xbd\xdf";
    let sealed256 = b"\xce\xa7\x40\x3d\x4d\x60\x6b\x6e\x07\x4e\xc5\xd3\xba\xf3\x9d\x18\xd0\xd1\xc8\xa7\x99\x99\x6b\xf0\x26\x5b\x98\xb5\xd4\x8a\xb9\x19";
    let key128 = ReadyKey::from_material(Spec::Aes128Gcm, &SecretBytes::zeroed(16))?;
    let key256 = RecordKey::new(&SecretBytes::zeroed(32))?;
    let body128 = [&[0; 12], sealed128.as_slice()].concat();
    let body256 = [&[0; 12], sealed256.as_slice()].concat();
    Ok(key128.open(&body128, b"")?.ct_eq_bytes(&[0; 16])
        && key256.open(b"", &body256)?.ct_eq_bytes(&[0; 16])
        && key128.open(&body128, b"other").is_err()
        && key256.open(b"other", &body256).is_err())
}

/// C2SP XAES-256-GCM, second test vector.
pub(super) fn xaes() -> Result<bool, CryptoError> {
    let answer = b"\x98\x6e\xc1\x83\x25\x93\xdf\x54\x43\xa1\x79\x43\x7f\xd0\x83\xbf\x3f\xdb\x41\xab\xd7\x40\xa2\x1f\x71\xeb\x76\x9d";
    let key = Xaes256Gcm::new(&[3; 32])?;
    let mut body = Vec::new();
    key.seal_with_nonce(b"ABCDEFGHIJKLMNOPQRSTUVWX", b"XAES-256-GCM", b"c2sp.org/XAES-256-GCM", &mut body)?;
    Ok(body.ends_with(answer)
        && key.open(&body, b"c2sp.org/XAES-256-GCM")?.ct_eq_bytes(b"XAES-256-GCM")
        && key.open(&body, b"").is_err())
}

pub(super) fn aes_kwp() -> Result<bool, CryptoError> {
    let (key, rest) = SMALL_KEY.split_at_checked(32).ok_or(CryptoError::Malformed)?;
    let (plain, wrapped) = rest.split_at_checked(9).ok_or(CryptoError::Malformed)?;
    let key = ReadyKey::from_material(Spec::Aes256Kwp, &SecretBytes::copied_from(key))?;
    let mut changed = wrapped.to_vec();
    if let Some(first) = changed.first_mut() {
        *first ^= 1;
    }
    Ok(key.wrap(&SecretBytes::copied_from(plain))? == wrapped
        && key.unwrap(wrapped)?.ct_eq_bytes(plain)
        && key.unwrap(&changed).is_err())
}
