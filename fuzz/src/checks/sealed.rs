//! What ciphertexts look like: headers, contexts, the file envelope.

use claviger_crypto::SecretBytes;
use claviger_crypto::envelope::stream::{
    DATA_KEY_LEN, MAX_WRAPPED_DATA_KEY, Opener, ParsedHeader, StreamHeader,
};
use claviger_crypto::envelope::{Context, Header};

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
