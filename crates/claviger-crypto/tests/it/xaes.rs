//! XAES-256-GCM against the C2SP vectors, through the public API.
#![expect(clippy::disallowed_methods, reason = "compares plaintext with published answers")]

use claviger_crypto::{CryptoError, ReadyKey, SecretBytes, Spec};

fn key(bytes: &[u8]) -> ReadyKey {
    ReadyKey::from_material(Spec::Aes256Gcm, &SecretBytes::copied_from(bytes)).unwrap()
}

#[test]
fn published_vectors_open() {
    let cases: [(u8, &[u8], &str); 2] = [
        (1, b"", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
        (3, b"c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
    ];
    for (fill, aad, sealed) in cases {
        let body = [b"ABCDEFGHIJKLMNOPQRSTUVWX".to_vec(), hex::decode(sealed).unwrap()].concat();
        let key = key(&[fill; 32]);
        assert_eq!(key.open(&body, aad).unwrap().expose(), b"XAES-256-GCM");
        assert_eq!(key.open(&body, b"x").unwrap_err(), CryptoError::Failed);
    }
}

#[test]
fn nonces_do_not_repeat() {
    let key = key(&[7; 32]);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..1000 {
        let mut body = Vec::new();
        key.seal(b"", b"", &mut body).unwrap();
        assert!(seen.insert(body[..24].to_vec()));
    }
}
