use super::*;
use crate::envelope::Context;
use crate::{CryptoError, SecretBytes};

fn data_key() -> SecretBytes {
    SecretBytes::new(vec![5; DATA_KEY_LEN])
}

fn sealed(plaintext: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sealer = Sealer::new(&data_key(), b"wrapped", &Context::EMPTY, &mut out).unwrap();
    sealer.update(plaintext, &mut out).unwrap();
    sealer.finish(&mut out).unwrap();
    out
}

fn header_of(file: &[u8]) -> (StreamHeader, usize) {
    match StreamHeader::parse(file).unwrap() {
        ParsedHeader::Complete(header, len) => (header, len),
        ParsedHeader::NeedsBytes(len) => panic!("needs {len} bytes"),
    }
}

fn opened(file: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let (header, len) = header_of(file);
    let mut out = Vec::new();
    let mut opener = Opener::new(&header, &data_key(), &Context::EMPTY)?;
    opener.update(&file[len..], &mut out)?;
    opener.finish(&mut out)?;
    Ok(out)
}

#[test]
fn files_around_chunk_boundaries_open() {
    for len in [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 2 * CHUNK_LEN, 3 * CHUNK_LEN + 17] {
        let plaintext: Vec<u8> = (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect();
        let file = sealed(&plaintext);
        let chunks = len.div_ceil(CHUNK_LEN).max(1);
        let (_, header_len) = header_of(&file);
        assert_eq!(file.len(), header_len + len + chunks * TAG_LEN);
        assert!(opened(&file).unwrap() == plaintext, "{len} bytes");
    }
}

#[test]
fn truncated_files_do_not_open() {
    let file = sealed(&vec![1; 2 * CHUNK_LEN + 100]);
    let (_, start) = header_of(&file);
    for cut in [start, start + 1, start + SEALED_CHUNK_LEN, start + 2 * SEALED_CHUNK_LEN, file.len() - 1] {
        assert_eq!(opened(&file[..cut]), Err(CryptoError::Failed), "cut at {cut}");
    }
}

#[test]
fn reordered_repeated_and_appended_chunks_do_not_open() {
    let file = sealed(&vec![1; 3 * CHUNK_LEN]);
    let (_, start) = header_of(&file);
    let chunk = |i: usize| &file[start + i * SEALED_CHUNK_LEN..start + (i + 1) * SEALED_CHUNK_LEN];
    let header = &file[..start];
    for order in [vec![1, 0, 2], vec![0, 0, 1, 2], vec![0, 2], vec![0, 1, 2, 2], vec![0, 1], vec![2]] {
        let changed = [&[header], &order.iter().map(|i| chunk(*i)).collect::<Vec<_>>()[..]].concat().concat();
        assert_eq!(opened(&changed), Err(CryptoError::Failed), "{order:?}");
    }
    assert_eq!(opened(&[&file[..], &[0]].concat()), Err(CryptoError::Failed));
}

#[test]
fn every_bit_of_the_header_matters() {
    let file = sealed(b"content");
    let (_, start) = header_of(&file);
    for bit in 0..start * 8 {
        let mut changed = file.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let opens = match StreamHeader::parse(&changed) {
            Ok(ParsedHeader::Complete(header, _)) => {
                Opener::new(&header, &data_key(), &Context::EMPTY).is_ok()
            }
            Ok(ParsedHeader::NeedsBytes(_)) | Err(_) => false,
        };
        assert!(!opens, "bit {bit}");
    }
}

#[test]
fn other_key_or_context_does_not_open() {
    let file = sealed(b"content");
    let (header, _) = header_of(&file);
    let other_key = SecretBytes::new(vec![6; DATA_KEY_LEN]);
    assert_eq!(Opener::new(&header, &other_key, &Context::EMPTY).unwrap_err(), CryptoError::Failed);
    let other_context = Context::from_pairs([("a", "b")]).unwrap();
    assert_eq!(Opener::new(&header, &data_key(), &other_context).unwrap_err(), CryptoError::Failed);
    let short_key = SecretBytes::new(vec![5; 16]);
    assert_eq!(Opener::new(&header, &short_key, &Context::EMPTY).unwrap_err(), CryptoError::InvalidParameter);
    assert_eq!(header.wrapped_data_key(), b"wrapped");
}

#[test]
fn header_is_asked_for_piece_by_piece() {
    let file = sealed(b"");
    let (whole, total) = header_of(&file);
    for len in 0..total {
        match StreamHeader::parse(&file[..len]).unwrap() {
            ParsedHeader::NeedsBytes(wanted) => assert!(wanted > len && wanted <= total),
            ParsedHeader::Complete(..) => panic!("complete after {len} of {total} bytes"),
        }
    }
    assert_eq!(StreamHeader::parse(&file[..total]), Ok(ParsedHeader::Complete(whole, total)));
    assert_eq!(StreamHeader::parse(b"PK"), Err(CryptoError::Malformed));
}

#[test]
fn failed_opener_stays_shut() {
    let mut file = sealed(&vec![1; 2 * CHUNK_LEN]);
    let (header, start) = header_of(&file);
    file[start] ^= 1;
    let mut opener = Opener::new(&header, &data_key(), &Context::EMPTY).unwrap();
    let mut out = Vec::new();
    assert_eq!(opener.update(&file[start..], &mut out), Err(CryptoError::Failed));
    assert_eq!(opener.update(b"", &mut out), Err(CryptoError::Failed));
    assert_eq!(opener.finish(&mut out), Err(CryptoError::Failed));
    assert!(out.is_empty());
}

#[test]
fn empty_last_chunk_after_others_does_not_open() {
    // A sealer never makes it, so the last chunk is sealed here by a second sealer with the same salt.
    let (mut file, mut other) = (Vec::new(), Vec::new());
    let mut first = Sealer::with_salt([1; 32], &data_key(), b"", &Context::EMPTY, &mut file).unwrap();
    first.update(&vec![1; CHUNK_LEN + 1], &mut file).unwrap();
    let mut last = Sealer::with_salt([1; 32], &data_key(), b"", &Context::EMPTY, &mut Vec::new()).unwrap();
    last.skip_to(1);
    last.finish(&mut other).unwrap();
    file.extend_from_slice(&other);
    assert_eq!(opened(&file), Err(CryptoError::Failed));
}

#[test]
fn chunk_counter_does_not_wrap() {
    let mut out = Vec::new();
    let mut sealer = Sealer::new(&data_key(), b"", &Context::EMPTY, &mut out).unwrap();
    let (header, _) = header_of(&out);
    out.clear();
    sealer.skip_to(u32::MAX);
    sealer.update(&vec![1; CHUNK_LEN + 1], &mut out).unwrap();
    assert_eq!(out.len(), SEALED_CHUNK_LEN);
    assert_eq!(sealer.update(&vec![1; CHUNK_LEN], &mut out), Err(CryptoError::InputTooLarge));

    let mut opener = Opener::new(&header, &data_key(), &Context::EMPTY).unwrap();
    opener.skip_to(u32::MAX);
    opener.update(&out, &mut Vec::new()).unwrap();
    opener.update(&[0], &mut Vec::new()).unwrap();
    assert_eq!(opener.finish(&mut Vec::new()), Err(CryptoError::Failed));
}
