#![expect(clippy::disallowed_methods, reason = "compares plaintext with the published vectors")]

mod shake128;

use shake128::Shake128;

use super::*;

const NONCE: &[u8; 24] = b"ABCDEFGHIJKLMNOPQRSTUVWX";

/// The two vectors of the specification; the first has MSB1(L) = 0, the second MSB1(L) = 1.
#[test]
fn seals_the_published_vectors() {
    let cases: [(u8, &[u8], &str); 2] = [
        (1, b"", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
        (3, b"c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
    ];
    for (fill, aad, expected) in cases {
        let key = Xaes256Gcm::new(&[fill; 32]).unwrap();
        let mut body = Vec::new();
        key.seal_with_nonce(NONCE, b"XAES-256-GCM", aad, &mut body).unwrap();
        assert_eq!(hex::encode(&body[24..]), expected);
        assert_eq!(key.open(&body, aad).unwrap().expose(), b"XAES-256-GCM");
    }
}

#[test]
fn both_branches_of_doubling_are_taken_by_the_vectors() {
    let msb = |fill: u8| {
        let unbound = UnboundCipherKey::new(&AES_256, &[fill; 32]).unwrap();
        let mut l = [0; 16];
        encrypt_blocks(&EncryptingKey::ecb(unbound).unwrap(), &mut l).unwrap();
        l[0] >> 7
    };
    assert_eq!((msb(1), msb(3)), (0, 1));
}

#[test]
fn failed_seal_takes_everything_back() {
    let mut out = b"before".to_vec();
    out.extend_from_slice(b"plaintext");
    take_back(&mut out, 6);
    assert_eq!(out, b"before");
}
/// The accumulator of the specification: 10,000 random keys, nonces, plaintexts and additional data, all drawn
/// from SHAKE128 of nothing, and a digest over all ciphertexts.
#[test]
fn accumulated_ciphertexts_have_the_published_digest() {
    let mut source = Shake128::new();
    let mut digest = Shake128::new();
    for _ in 0..10_000 {
        let key = source.bytes(32);
        let nonce: [u8; 24] = source.bytes(24).try_into().unwrap();
        let len = usize::from(source.bytes(1)[0]);
        let plaintext = source.bytes(len);
        let len = usize::from(source.bytes(1)[0]);
        let aad = source.bytes(len);
        let key = Xaes256Gcm::new(&key).unwrap();
        let mut body = Vec::new();
        key.seal_with_nonce(&nonce, &plaintext, &aad, &mut body).unwrap();
        assert_eq!(key.open(&body, &aad).unwrap().expose(), plaintext);
        digest.absorb(&body[24..]);
    }
    assert_eq!(
        hex::encode(digest.bytes(32)),
        "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"
    );
}
