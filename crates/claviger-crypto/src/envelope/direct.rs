//! Direct ciphertexts: header, then the body under the key that the header names. The additional authenticated
//! data of the body is `label || header || canonical context`; the first two have fixed lengths, so the parts
//! cannot be confused.
//!
//! RSA keys have no additional data, so their ciphertexts are bare OAEP ciphertexts without a header.

use super::context::Context;
use super::header::{HEADER_LEN, Header};
use crate::{CryptoError, ReadyKey, SecretBytes};

const LABEL: &[u8; 24] = b"claviger/direct/aead/v1\0";
const FIXED_LEN: usize = LABEL.len() + HEADER_LEN;

/// Seals `plaintext` under `key` and appends header and body to `out`; on failure `out` is as it was.
///
/// # Errors
/// [`CryptoError::InvalidParameter`] if the header names another spec than the key has, else as
/// [`ReadyKey::seal`].
pub fn seal(
    key: &ReadyKey,
    header: &Header,
    context: &Context,
    plaintext: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), CryptoError> {
    if header.spec != key.spec() {
        return Err(CryptoError::InvalidParameter);
    }
    let start = out.len();
    header.encode_into(out);
    let sealed = with_aad(header, context, |aad| key.seal(plaintext, aad, out));
    if sealed.is_err() {
        out.truncate(start);
    }
    sealed
}

/// Opens the body that came with `header` ([`Header::parse`]) under `key`.
///
/// # Errors
/// [`CryptoError::Failed`] if key, header, body or context differ; [`CryptoError::UnsupportedSpec`] if such
/// keys do not decrypt.
pub fn open(
    key: &ReadyKey,
    header: &Header,
    context: &Context,
    body: &[u8],
) -> Result<SecretBytes, CryptoError> {
    if header.spec != key.spec() {
        return Err(CryptoError::Failed);
    }
    with_aad(header, context, |aad| key.open(body, aad))
}

/// Runs `use_aad` with the additional authenticated data, which is on the stack for the empty context.
pub fn with_aad<T>(header: &Header, context: &Context, use_aad: impl FnOnce(&[u8]) -> T) -> T {
    let mut fixed = [0; FIXED_LEN];
    for (to, from) in fixed.iter_mut().zip(LABEL.iter().copied().chain(header.encode())) {
        *to = from;
    }
    if context.is_empty() { use_aad(&fixed) } else { use_aad(&[&fixed, context.to_aad()].concat()) }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "compares plaintext")]
mod tests {
    use super::*;
    use crate::Spec;

    fn key(spec: Spec, fill: u8) -> ReadyKey {
        let material = SecretBytes::new(vec![fill; spec.symmetric_len().unwrap()]);
        ReadyKey::from_material(spec, &material).unwrap()
    }

    #[test]
    fn everything_named_is_authenticated() {
        for spec in [Spec::Aes256Gcm, Spec::Aes128Gcm] {
            let key = key(spec, 1);
            let header = Header { spec, key_id: [9; 16], version: 3 };
            let context = Context::from_pairs([("tenant", "a")]).unwrap();
            let mut out = Vec::new();
            seal(&key, &header, &context, b"payload", &mut out).unwrap();
            let (parsed, body) = Header::parse(&out).unwrap();
            assert_eq!(parsed, header);
            assert_eq!(open(&key, &header, &context, body).unwrap().expose(), b"payload");

            let other = Header { version: 4, ..header };
            assert_eq!(open(&key, &other, &context, body).unwrap_err(), CryptoError::Failed);
            let other = Header { key_id: [8; 16], ..header };
            assert_eq!(open(&key, &other, &context, body).unwrap_err(), CryptoError::Failed);
            assert_eq!(open(&key, &header, &Context::EMPTY, body).unwrap_err(), CryptoError::Failed);
        }
    }

    #[test]
    fn header_of_another_spec_is_refused() {
        let key = key(Spec::Aes256Gcm, 1);
        let header = Header { spec: Spec::Aes128Gcm, key_id: [0; 16], version: 1 };
        let mut out = b"kept".to_vec();
        assert_eq!(seal(&key, &header, &Context::EMPTY, b"", &mut out), Err(CryptoError::InvalidParameter));
        assert_eq!(out, b"kept");
        assert_eq!(open(&key, &header, &Context::EMPTY, b"").unwrap_err(), CryptoError::Failed);
    }
}
