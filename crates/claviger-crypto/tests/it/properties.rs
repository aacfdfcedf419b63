//! Properties over random inputs: what was sealed opens, what was changed does not, and parsers never panic.
#![expect(clippy::disallowed_methods, reason = "compares plaintext")]

use claviger_crypto::envelope::stream::{DATA_KEY_LEN, Opener, ParsedHeader, Sealer, StreamHeader};
use claviger_crypto::envelope::{Context, Header, context, direct};
use claviger_crypto::{CryptoError, PublicKey, ReadyKey, RecordKey, SecretBytes, Spec, import};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

fn symmetric() -> impl Strategy<Value = Spec> {
    prop_oneof![Just(Spec::Aes256Gcm), Just(Spec::Aes128Gcm)]
}

fn any_spec() -> impl Strategy<Value = Spec> {
    (0..Spec::ALL.len()).prop_map(|index| Spec::ALL[index])
}

fn ready(spec: Spec, seed: u8) -> ReadyKey {
    ReadyKey::from_material(spec, &SecretBytes::new(vec![seed; spec.symmetric_len().unwrap()])).unwrap()
}

fn contexts() -> impl Strategy<Value = Context> {
    btree_map("[a-z]{1,8}", ".{0,12}", 0..6).prop_map(|pairs| Context::from_pairs(pairs).unwrap())
}

proptest! {
    #[test]
    fn sealed_data_opens(
        spec in symmetric(), plain in vec(any::<u8>(), 0..2000), aad in vec(any::<u8>(), 0..100),
    ) {
        let key = ready(spec, 1);
        let mut out = b"before".to_vec();
        key.seal(&plain, &aad, &mut out).unwrap();
        prop_assert!(out.starts_with(b"before"));
        let opened = key.open(&out[6..], &aad).unwrap();
        prop_assert_eq!(opened.expose(), &plain[..]);
    }

    #[test]
    fn one_flipped_bit_never_opens(
        spec in symmetric(), plain in vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>(), bit in 0..8_u8,
    ) {
        let key = ready(spec, 2);
        let header = Header { spec, key_id: [3; 16], version: 1 };
        let mut sealed = Vec::new();
        direct::seal(&key, &header, &Context::EMPTY, &plain, &mut sealed).unwrap();
        let at = at.index(sealed.len());
        sealed[at] ^= 1 << bit;
        let opens = Header::parse(&sealed)
            .and_then(|(header, body)| direct::open(&key, &header, &Context::EMPTY, body));
        prop_assert!(opens.is_err());
    }

    #[test]
    fn truncated_bodies_never_open(spec in symmetric(), plain in vec(any::<u8>(), 0..100), cut in 1..60_usize) {
        let key = ready(spec, 2);
        let mut sealed = Vec::new();
        key.seal(&plain, b"", &mut sealed).unwrap();
        let end = sealed.len().saturating_sub(cut);
        prop_assert_eq!(key.open(&sealed[..end], b"").unwrap_err(), CryptoError::Failed);
    }

    #[test]
    fn contexts_read_back(context in contexts()) {
        prop_assert_eq!(&Context::parse(context.to_aad()).unwrap(), &context);
        let again = Context::from_pairs(context.pairs().collect::<Vec<_>>().into_iter().rev()).unwrap();
        prop_assert_eq!(again, context);
    }

    #[test]
    fn different_contexts_have_different_bytes(one in contexts(), two in contexts()) {
        prop_assert_eq!(one.pairs().eq(two.pairs()), one.to_aad() == two.to_aad());
    }

    #[test]
    fn only_the_same_context_opens(one in contexts(), two in contexts()) {
        let key = ready(Spec::Aes256Gcm, 4);
        let header = Header { spec: Spec::Aes256Gcm, key_id: [0; 16], version: 9 };
        let mut sealed = Vec::new();
        direct::seal(&key, &header, &one, b"data", &mut sealed).unwrap();
        let (_, body) = Header::parse(&sealed).unwrap();
        prop_assert_eq!(direct::open(&key, &header, &two, body).is_ok(), one == two);
    }

    #[test]
    fn parsers_take_any_bytes(spec in any_spec(), bytes in vec(any::<u8>(), 0..400)) {
        if let Ok((header, body)) = Header::parse(&bytes) {
            prop_assert_eq!([&header.encode()[..], body].concat(), bytes.clone());
        }
        if let Ok(context) = Context::parse(&bytes) {
            prop_assert_eq!(context.to_aad(), &bytes[..]);
        }
        if let Ok(ParsedHeader::Complete(_, len)) = StreamHeader::parse(&bytes) {
            prop_assert!(len <= bytes.len());
        }
        let _ = PublicKey::from_spki(spec, &bytes);
        let _ = import(spec, &SecretBytes::new(bytes));
    }

    #[test]
    fn header_with_valid_start_reads_back(code in any::<u16>(), tail in vec(any::<u8>(), 0..60)) {
        let bytes = [b"CLV\x01", &code.to_be_bytes()[..], &[0, 0], &tail].concat();
        match Header::parse(&bytes) {
            Ok((header, body)) => {
                prop_assert_eq!(header.spec.code(), code);
                prop_assert_eq!([&header.encode()[..], body].concat(), bytes);
            }
            Err(error) => {
                prop_assert_eq!(error, CryptoError::Malformed);
                prop_assert!(tail.len() < 20 || Spec::from_code(code).is_none());
            }
        }
    }

    #[test]
    fn context_limits_hold(bytes in vec(any::<u8>(), 0..50)) {
        let near = [&u16::try_from(context::MAX_PAIRS + 1).unwrap().to_be_bytes()[..], &bytes].concat();
        prop_assert!(Context::parse(&near).is_err());
    }

    #[test]
    fn records_open(plain in vec(any::<u8>(), 0..300), aad in vec(any::<u8>(), 0..50), at in any::<prop::sample::Index>()) {
        let key = RecordKey::new(&SecretBytes::new(vec![1; 32])).unwrap();
        let mut body = key.seal(&aad, &plain).unwrap();
        let opened = key.open(&aad, &body).unwrap();
        prop_assert_eq!(opened.expose(), &plain[..]);
        let at = at.index(body.len());
        body[at] ^= 0x10;
        prop_assert_eq!(key.open(&aad, &body).unwrap_err(), CryptoError::Failed);
    }

    #[test]
    fn wrapped_keys_unwrap(plain in vec(any::<u8>(), 1..200), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let key = ready(Spec::Aes256Kwp, 5);
        let mut wrapped = key.wrap(&SecretBytes::new(plain.clone())).unwrap();
        let unwrapped = key.unwrap(&wrapped).unwrap();
        prop_assert_eq!(unwrapped.expose(), &plain[..]);
        let at = at.index(wrapped.len());
        wrapped[at] ^= 1 << bit;
        prop_assert_eq!(key.unwrap(&wrapped).unwrap_err(), CryptoError::Failed);
    }
}

proptest! {
    // Each case is long; `PROPTEST_CASES` counts here too.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases * 5 / 32))]

    #[test]
    fn streams_do_not_care_how_they_are_cut(
        len in prop_oneof![0..100_usize, 65_500..65_600_usize, 131_000..200_000_usize],
        steps_in in vec(1..70_000_usize, 1..8), steps_out in vec(1..70_000_usize, 1..8),
        flip in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let plain: Vec<u8> = (0..len).map(|i| u8::try_from(i % 253).unwrap()).collect();
        let data_key = SecretBytes::new(vec![8; DATA_KEY_LEN]);
        let mut file = Vec::new();
        let mut sealer = Sealer::new(&data_key, b"wrapped", &Context::EMPTY, &mut file).unwrap();
        for piece in pieces(&plain, &steps_in) {
            sealer.update(piece, &mut file).unwrap();
        }
        sealer.finish(&mut file).unwrap();

        let Ok(ParsedHeader::Complete(header, start)) = StreamHeader::parse(&file) else {
            panic!("header does not read back");
        };
        let mut chunks = file[start..].to_vec();
        if let Some(at) = flip {
            let at = at.index(chunks.len());
            chunks[at] ^= 4;
        }
        let mut opener = Opener::new(&header, &data_key, &Context::EMPTY).unwrap();
        let mut out = Vec::new();
        let opened = pieces(&chunks, &steps_out)
            .try_for_each(|piece| opener.update(piece, &mut out))
            .and_then(|()| opener.finish(&mut out));
        prop_assert_eq!(opened.is_ok(), flip.is_none());
        prop_assert!(plain.starts_with(&out), "unauthenticated bytes came out");
        if flip.is_none() {
            prop_assert_eq!(out.len(), plain.len());
        }
    }
}

/// Cuts `data` into pieces whose lengths go round through `steps`.
fn pieces<'a>(data: &'a [u8], steps: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = data;
    let mut steps = steps.iter().cycle();
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, tail) = rest.split_at((*steps.next()?).min(rest.len()));
        rest = tail;
        Some(piece)
    })
}
