//! What ciphertexts look like: headers, contexts, the file envelope; and material that is imported.

use claviger_crypto::algorithm::is_importable;
use claviger_crypto::envelope::stream::{
    DATA_KEY_LEN, MAX_WRAPPED_DATA_KEY, Opener, ParsedHeader, StreamHeader,
};
use claviger_crypto::envelope::{Context, Header};
use claviger_crypto::{SecretBytes, Spec, WrappingAlgorithm, import};

/// A header and its body are all of the bytes, and the header is written as it was read.
pub fn ciphertext(bytes: &[u8]) -> bool {
    let Ok((header, body)) = Header::parse(bytes) else { return false };
    assert_eq!([header.encode().as_slice(), body].concat(), bytes);
    true
}

/// A context has one encoding, and its pairs make it again.
pub fn context(bytes: &[u8]) -> bool {
    let Ok(context) = Context::parse(bytes) else { return false };
    assert_eq!(context.to_aad(), bytes);
    assert_eq!(Context::from_pairs(context.pairs()), Ok(context));
    true
}

/// Material that is taken in has one form, which is taken in again as it is.
pub fn material(bytes: &[u8]) -> bool {
    let bytes = SecretBytes::copied_from(bytes);
    let mut taken = false;
    for spec in Spec::ALL.into_iter().filter(|spec| is_importable(*spec)) {
        let Ok(made) = import(spec, &bytes) else { continue };
        let again = import(spec, &made.secret).expect("what was made is valid");
        assert!(again.secret.ct_eq(&made.secret) && again.public == made.public);
        taken = true;
    }
    taken
}

/// A key to wrap material for, which everybody knows.
pub const TRANSPORT_KEY: &[u8] =
    include_bytes!("../../../crates/claviger-crypto/src/algorithm/rsa/vectors/oaep_sha256.private.der");

/// Wrapped material opens or does not; the first byte says how it was wrapped.
pub fn transport(bytes: &[u8]) -> bool {
    let Some((code, wrapped)) = bytes.split_first() else { return false };
    let Some(algorithm) = WrappingAlgorithm::from_code(*code) else { return false };
    let key = import(Spec::Rsa2048, &SecretBytes::copied_from(TRANSPORT_KEY)).expect("a published key");
    algorithm.unwrap(Spec::Rsa2048, &key.secret, wrapped).is_ok()
}

/// The header of a file says how long it is before it can be read whole, and never changes its mind; without the
/// data key no file opens.
pub fn stream(bytes: &[u8]) -> bool {
    match StreamHeader::parse(bytes) {
        Err(_) => false,
        Ok(ParsedHeader::NeedsBytes(wanted)) => {
            assert!(wanted > bytes.len() && wanted <= MAX_WRAPPED_DATA_KEY + 1024);
            false
        }
        Ok(ParsedHeader::Complete(header, length)) => {
            complete(bytes, &header, length);
            true
        }
    }
}

fn complete(bytes: &[u8], header: &StreamHeader, length: usize) {
    let (whole, _) = bytes.split_at(length);
    assert!(header.wrapped_data_key().len() < length);
    assert_eq!(StreamHeader::parse(whole), Ok(ParsedHeader::Complete(header.clone(), length)));
    let short = StreamHeader::parse(whole.split_last().expect("a header is never empty").1);
    assert!(matches!(short, Ok(ParsedHeader::NeedsBytes(wanted)) if wanted <= length));
    let foreign = SecretBytes::new(vec![0xA5; DATA_KEY_LEN]);
    assert!(Opener::new(header, &foreign, &Context::EMPTY).is_err());
}
