//! Lists of pairs in a column: a CBOR array (RFC 8949) of the texts, name and value in turn.

use std::convert::Infallible;

use minicbor::encode::{Error, Write};
use minicbor::{Decoder, Encoder};

pub(super) fn encode(pairs: &[(String, String)]) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    match write(&mut encoder, pairs) {
        Ok(()) => encoder.into_writer(),
        // Writing to memory does not fail; an empty column would be found damaged when it is read.
        Err(_) => Vec::new(),
    }
}

pub(super) fn write<W: Write<Error = Infallible>>(
    encoder: &mut Encoder<W>,
    pairs: &[(String, String)],
) -> Result<(), Error<Infallible>> {
    encoder.array(pairs.len() as u64 * 2)?;
    for (name, value) in pairs {
        encoder.str(name)?.str(value)?;
    }
    Ok(())
}

/// The pairs that `bytes` hold, nothing before or behind them.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<(String, String)>> {
    let mut decoder = Decoder::new(bytes);
    let pairs = read(&mut decoder)?;
    (decoder.position() == bytes.len()).then_some(pairs)
}

pub(super) fn read(decoder: &mut Decoder<'_>) -> Option<Vec<(String, String)>> {
    let texts = texts(decoder)?;
    let pairs = texts.chunks_exact(2);
    let whole = pairs.remainder().is_empty();
    let pairs = pairs.filter_map(|pair| match pair {
        [name, value] => Some((name.clone(), value.clone())),
        _ => None,
    });
    whole.then(|| pairs.collect())
}

/// A definite array of texts.
pub(super) fn texts(decoder: &mut Decoder<'_>) -> Option<Vec<String>> {
    let count = decoder.array().ok()??;
    (0..count).map(|_| decoder.str().ok().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_back_and_nothing_else_is_taken_for_pairs() {
        let pairs = vec![("a".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())];
        let bytes = encode(&pairs);
        assert_eq!(decode(&bytes), Some(pairs));
        assert_eq!(decode(&encode(&[])), Some(Vec::new()));
        assert_eq!(decode(&[]), None);
        assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
        assert_eq!(decode(&[&bytes[..], &[0]].concat()), None);
        // An odd count of texts, a length beyond the bytes, and an array without an end.
        assert_eq!(decode(&[0x81, 0x61, b'a']), None);
        assert_eq!(decode(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(decode(&[0x9f, 0xff]), None);
    }
}
