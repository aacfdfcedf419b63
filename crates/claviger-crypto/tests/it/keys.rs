//! What every spec does with its own keys, and what it refuses.
#![expect(clippy::disallowed_methods, reason = "compares secrets")]

use claviger_crypto::random::{ModuleRandom, RandomSource};
use claviger_crypto::{
    CryptoError, EncryptionAlgorithm, Message, PublicKey, Purpose, ReadyKey, SecretBytes, SignatureAlgorithm,
    Spec, digest, generate, import, import_as_it_came, seeds_from_source,
};

/// RSA-4096 takes seconds to generate in a debug build and differs from the others in nothing but its size.
fn quick_specs() -> impl Iterator<Item = Spec> {
    Spec::ALL.into_iter().filter(|spec| *spec != Spec::Rsa4096)
}

fn key(spec: Spec) -> ReadyKey {
    ReadyKey::from_material(spec, &generate(spec, &mut ModuleRandom).unwrap().secret).unwrap()
}

/// A repeatable source that counts what it gave.
struct Counting {
    next: u8,
    given: usize,
}

impl RandomSource for Counting {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        for byte in out.iter_mut() {
            *byte = self.next;
            self.next = self.next.wrapping_mul(31).wrapping_add(7);
        }
        self.given += out.len();
        Ok(())
    }
}

struct Broken;

impl RandomSource for Broken {
    fn fill(&mut self, _: &mut [u8]) -> Result<(), CryptoError> {
        Err(CryptoError::Module)
    }
}

struct Stuck(u8);

impl RandomSource for Stuck {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        out.fill(self.0);
        Ok(())
    }
}

fn exercise(spec: Spec, key: &ReadyKey) {
    for purpose in spec.purposes() {
        match purpose {
            Purpose::Encrypt => {
                let mut body = Vec::new();
                key.seal(b"data", b"", &mut body).unwrap();
                assert_eq!(key.open(&body, b"").unwrap().expose(), b"data");
            }
            Purpose::Wrap => {
                let wrapped = key.wrap(&SecretBytes::new(vec![1; 33])).unwrap();
                assert_eq!(key.unwrap(&wrapped).unwrap().expose(), [1; 33]);
            }
            Purpose::Mac => {
                let tag = key.mac(b"data").unwrap();
                assert_eq!(key.verify_mac(b"data", &tag), Ok(()));
                assert_eq!(key.verify_mac(b"datb", &tag), Err(CryptoError::Failed));
            }
            Purpose::Sign => sign_every_way(spec, key),
            Purpose::Agree => {
                let other = self::key(spec);
                let here = key.agree(other.public_key().unwrap()).unwrap();
                assert!(here.ct_eq(&other.agree(key.public_key().unwrap()).unwrap()));
                assert!(here.ct_eq(&key.agree(other.public().unwrap().raw().unwrap()).unwrap()));
            }
            Purpose::Encapsulate => {
                let made = key.encapsulate().unwrap();
                assert!(key.decapsulate(&made.ciphertext).unwrap().ct_eq(&made.shared));
                let mut forged = made.ciphertext;
                forged[0] ^= 1;
                assert!(!key.decapsulate(&forged).unwrap().ct_eq(&made.shared));
                assert_eq!(key.decapsulate(&forged[1..]).unwrap_err(), CryptoError::Malformed);
            }
        }
    }
}

fn sign_every_way(spec: Spec, key: &ReadyKey) {
    let offline = PublicKey::from_spki(spec, key.public_key().unwrap()).unwrap();
    for algorithm in SignatureAlgorithm::ALL {
        let raw = Message::Raw(b"message");
        let signature = key.sign(algorithm, raw);
        if !spec.signature_algorithms().contains(&algorithm) {
            assert_eq!(signature, Err(CryptoError::InvalidParameter));
            assert_eq!(offline.verify(algorithm, raw, b""), Err(CryptoError::InvalidParameter));
            continue;
        }
        let signature = signature.unwrap();
        assert_eq!(offline.verify(algorithm, raw, &signature), Ok(()), "{spec} {algorithm}");
        assert_eq!(offline.verify(algorithm, Message::Raw(b"messagf"), &signature), Err(CryptoError::Failed));
        let hashed = match algorithm.digest_len() {
            Some(32) => digest::sha256(b"message").to_vec(),
            Some(48) => digest::sha384(b"message").to_vec(),
            Some(_) => digest::sha512(b"message").to_vec(),
            None => {
                let refused = key.sign(algorithm, Message::Digest(&[0; 32]));
                assert_eq!(refused, Err(CryptoError::InvalidParameter));
                let refused = key.verify(algorithm, Message::Digest(&[0; 32]), &signature);
                assert_eq!(refused, Err(CryptoError::InvalidParameter));
                continue;
            }
        };
        assert_eq!(key.verify(algorithm, Message::Digest(&hashed), &signature), Ok(()));
        let by_digest = key.sign(algorithm, Message::Digest(&hashed)).unwrap();
        assert_eq!(key.verify(algorithm, raw, &by_digest), Ok(()));
        assert_eq!(key.sign(algorithm, Message::Digest(&hashed[1..])), Err(CryptoError::InvalidParameter));
    }
}

#[test]
fn every_spec_does_what_it_says() {
    for spec in quick_specs() {
        exercise(spec, &key(spec));
    }
}

#[test]
fn every_spec_refuses_everything_else() {
    for spec in quick_specs() {
        let key = key(spec);
        let refused = Err(CryptoError::UnsupportedSpec);
        if !spec.allows(Purpose::Encrypt) {
            assert_eq!(key.seal(b"", b"", &mut Vec::new()), refused, "{spec}");
            assert_eq!(key.open(b"", b"").map(drop), refused, "{spec}");
        }
        if !spec.allows(Purpose::Wrap) {
            assert_eq!(key.wrap(&SecretBytes::zeroed(16)).map(drop), refused, "{spec}");
            assert_eq!(key.unwrap(&[0; 24]).map(drop), refused, "{spec}");
        }
        if !spec.allows(Purpose::Mac) {
            assert_eq!(key.mac(b"").map(drop), refused, "{spec}");
            assert_eq!(key.verify_mac(b"", b""), refused, "{spec}");
        }
        if !spec.allows(Purpose::Sign) {
            for algorithm in SignatureAlgorithm::ALL {
                assert_eq!(key.sign(algorithm, Message::Raw(b"")).map(drop), refused, "{spec}");
                assert_eq!(key.verify(algorithm, Message::Raw(b""), b""), refused, "{spec}");
            }
        }
        if !spec.allows(Purpose::Agree) {
            assert_eq!(key.agree(&[4; 65]).map(drop), refused, "{spec}");
        }
        if !spec.allows(Purpose::Encapsulate) {
            assert_eq!(key.encapsulate().map(drop), refused, "{spec}");
            assert_eq!(key.decapsulate(&[0; 1088]).map(drop), refused, "{spec}");
        }
        for purpose in Purpose::ALL.into_iter().filter(|purpose| !spec.allows(*purpose)) {
            let material = SecretBytes::zeroed(32);
            assert_eq!(
                ReadyKey::for_purpose(spec, purpose, &material).map(drop),
                refused,
                "{spec} {purpose}"
            );
        }
    }
}

#[test]
fn key_made_ready_for_one_purpose_serves_no_other() {
    let ec = generate(Spec::EcP256, &mut ModuleRandom).unwrap();
    let peer = key(Spec::EcP256);
    let signer = ReadyKey::for_purpose(Spec::EcP256, Purpose::Sign, &ec.secret).unwrap();
    assert!(signer.sign(SignatureAlgorithm::EcdsaSha256, Message::Raw(b"m")).is_ok());
    assert_eq!(signer.agree(peer.public_key().unwrap()).unwrap_err(), CryptoError::UnsupportedSpec);
    let agreer = ReadyKey::for_purpose(Spec::EcP256, Purpose::Agree, &ec.secret).unwrap();
    assert!(agreer.agree(peer.public_key().unwrap()).is_ok());
    let refused = agreer.sign(SignatureAlgorithm::EcdsaSha256, Message::Raw(b"m"));
    assert_eq!(refused, Err(CryptoError::UnsupportedSpec));

    let rsa = generate(Spec::Rsa2048, &mut ModuleRandom).unwrap();
    let signer = ReadyKey::for_purpose(Spec::Rsa2048, Purpose::Sign, &rsa.secret).unwrap();
    assert!(signer.sign(SignatureAlgorithm::RsaPssSha256, Message::Raw(b"m")).is_ok());
    assert_eq!(signer.open(&[0; 256], b"").unwrap_err(), CryptoError::UnsupportedSpec);
    let opener = ReadyKey::for_purpose(Spec::Rsa2048, Purpose::Encrypt, &rsa.secret).unwrap();
    let mut body = Vec::new();
    opener.seal(b"data", b"", &mut body).unwrap();
    assert_eq!(opener.open(&body, b"").unwrap().expose(), b"data");
    let refused = opener.sign(SignatureAlgorithm::RsaPssSha256, Message::Raw(b"m"));
    assert_eq!(refused, Err(CryptoError::UnsupportedSpec));
}

#[test]
fn material_is_canonical() {
    for spec in quick_specs() {
        let made = generate(spec, &mut ModuleRandom).unwrap();
        let again = import(spec, &made.secret).unwrap();
        assert!(made.secret.ct_eq(&again.secret), "{spec}");
        assert_eq!(made.public, again.public, "{spec}");
        assert_eq!(made.public.is_some(), spec.is_asymmetric(), "{spec}");
        let ready = ReadyKey::from_material(spec, &made.secret).unwrap();
        assert_eq!(ready.public_key(), made.public.as_deref(), "{spec}");
        match ready.public().and_then(PublicKey::raw) {
            Some(raw) => {
                assert_eq!(PublicKey::from_raw(spec, raw).unwrap().spki(), ready.public_key().unwrap())
            }
            None => assert!(PublicKey::from_raw(spec, &[4; 65]).is_err(), "{spec}"),
        }
        assert!(!format!("{made:?} {ready:?}").contains(&hex::encode(&made.secret.expose()[..8])));
    }
}

#[test]
fn sources_that_can_seed_do() {
    for spec in quick_specs().filter(|spec| seeds_from_source(*spec)) {
        let draw = || {
            let mut source = Counting { next: 5, given: 0 };
            let material = generate(spec, &mut source).unwrap();
            assert!(source.given >= 16, "{spec}");
            material
        };
        let (one, two) = (draw(), draw());
        assert!(one.secret.ct_eq(&two.secret), "{spec}");
        exercise(spec, &ReadyKey::from_material(spec, &one.secret).unwrap());
        assert_eq!(generate(spec, &mut Broken).unwrap_err(), CryptoError::Module, "{spec}");
    }
}

#[test]
fn scalars_out_of_range_are_drawn_again_and_a_stuck_source_fails() {
    for spec in [Spec::EcP256, Spec::EcP384, Spec::EcP521, Spec::EcSecp256k1] {
        for stuck in [0x00, 0xff] {
            assert_eq!(generate(spec, &mut Stuck(stuck)).unwrap_err(), CryptoError::Module, "{spec} {stuck}");
        }
    }
}

#[test]
fn material_of_another_spec_is_refused() {
    for made_as in quick_specs() {
        let made = generate(made_as, &mut ModuleRandom).unwrap();
        for spec in Spec::ALL.into_iter().filter(|spec| *spec != made_as) {
            let same_shape = spec.symmetric_len().is_some() && made.secret.len() <= 1024;
            let symmetric_pair = spec.symmetric_len() == Some(made.secret.len());
            let any_hmac = spec.allows(Purpose::Mac) && same_shape;
            if symmetric_pair || any_hmac {
                continue;
            }
            let refused = ReadyKey::from_material(spec, &made.secret).map(drop);
            assert_eq!(refused, Err(CryptoError::Malformed), "{made_as} as {spec}");
            if let Some(public) = &made.public
                && spec.is_asymmetric()
            {
                let refused = PublicKey::from_spki(spec, public).map(drop);
                assert_eq!(refused, Err(CryptoError::Malformed), "{made_as} as {spec}");
            }
        }
    }
}

#[test]
fn trailing_bytes_are_refused() {
    for spec in quick_specs().filter(|spec| spec.is_asymmetric()) {
        let made = generate(spec, &mut ModuleRandom).unwrap();
        let longer = [made.public.as_deref().unwrap(), &[0]].concat();
        assert_eq!(PublicKey::from_spki(spec, &longer).map(drop), Err(CryptoError::Malformed), "{spec}");
        let longer = SecretBytes::new([made.secret.expose(), &[0]].concat());
        assert_eq!(ReadyKey::from_material(spec, &longer).map(drop), Err(CryptoError::Malformed), "{spec}");
        assert_eq!(import(spec, &longer).map(drop), Err(CryptoError::Malformed), "{spec}");
    }
}

#[test]
fn symmetric_keys_have_no_public_key() {
    let key = key(Spec::Aes256Gcm);
    assert!(key.public_key().is_none() && key.public().is_none());
    assert_eq!(PublicKey::from_spki(Spec::Aes256Gcm, b"").map(drop), Err(CryptoError::UnsupportedSpec));
}

#[test]
fn rsa_takes_no_additional_data_and_no_long_plaintext() {
    let key = key(Spec::Rsa2048);
    let mut out = Vec::new();
    assert_eq!(key.seal(b"data", b"aad", &mut out), Err(CryptoError::InvalidParameter));
    assert_eq!(key.open(&[0; 256], b"aad").unwrap_err(), CryptoError::InvalidParameter);
    let most = usize::try_from(Spec::Rsa2048.max_plaintext().unwrap()).unwrap();
    assert_eq!(key.seal(&vec![1; most + 1], b"", &mut out), Err(CryptoError::InputTooLarge));
    assert!(out.is_empty());
    key.seal(&vec![1; most], b"", &mut out).unwrap();
    assert_eq!(key.open(&out, b"").unwrap().len(), most);
    out[10] ^= 1;
    assert_eq!(key.open(&out, b"").unwrap_err(), CryptoError::Failed);
    assert_eq!(key.open(&out[1..], b"").unwrap_err(), CryptoError::Failed);
}

#[test]
fn oaep_with_one_hash_does_not_open_under_the_other() {
    use EncryptionAlgorithm::{RsaOaepSha1, RsaOaepSha256, SymmetricDefault};
    let key = key(Spec::Rsa2048);
    for (algorithm, other, most) in [(RsaOaepSha1, RsaOaepSha256, 214), (RsaOaepSha256, RsaOaepSha1, 190)] {
        let mut body = Vec::new();
        key.seal_with(algorithm, &vec![7; most], b"", &mut body).unwrap();
        assert_eq!(key.open_with(algorithm, &body, b"").unwrap().expose(), vec![7; most]);
        assert_eq!(key.open_with(other, &body, b"").unwrap_err(), CryptoError::Failed);
        let longer = key.seal_with(algorithm, &vec![7; most + 1], b"", &mut body);
        assert_eq!(longer, Err(CryptoError::InputTooLarge));
        assert_eq!(key.open_with(algorithm, &body, b"aad").unwrap_err(), CryptoError::InvalidParameter);
    }
    let mut none = Vec::new();
    assert_eq!(key.seal_with(SymmetricDefault, b"", b"", &mut none), Err(CryptoError::InvalidParameter));
    let aes = self::key(Spec::Aes256Gcm);
    assert_eq!(aes.seal_with(RsaOaepSha256, b"", b"", &mut none), Err(CryptoError::InvalidParameter));
    assert!(none.is_empty());
    for spec in quick_specs() {
        let first = spec.encryption_algorithms().first();
        assert_eq!(first.is_some(), spec.allows(Purpose::Encrypt), "{spec}");
    }
}

#[test]
fn wrapping_has_bounds() {
    let key = key(Spec::Aes256Kwp);
    assert_eq!(key.wrap(&SecretBytes::zeroed(0)).unwrap_err(), CryptoError::InvalidParameter);
    let most = claviger_crypto::algorithm::MAX_WRAPPED_KEY;
    let wrapped = key.wrap(&SecretBytes::zeroed(most)).unwrap();
    assert_eq!(key.unwrap(&wrapped).unwrap().len(), most);
    assert_eq!(key.wrap(&SecretBytes::zeroed(most + 1)).unwrap_err(), CryptoError::InputTooLarge);
    assert_eq!(key.unwrap(&vec![0; most + 16]).unwrap_err(), CryptoError::InputTooLarge);
    for len in 0..24 {
        assert_eq!(key.unwrap(&vec![0; len]).unwrap_err(), CryptoError::Failed, "{len}");
    }
}

#[test]
fn ready_keys_are_shared_by_threads() {
    fn shareable<T: Send + Sync + 'static>(_: &T) {}
    let key = std::sync::Arc::new(key(Spec::Aes256Gcm));
    shareable(&key);
    let threads: Vec<_> = (0..4_u8)
        .map(|fill| {
            let key = std::sync::Arc::clone(&key);
            std::thread::spawn(move || {
                for _ in 0..200 {
                    let mut body = Vec::new();
                    key.seal(&[fill; 100], b"", &mut body).unwrap();
                    assert_eq!(key.open(&body, b"").unwrap().expose(), [fill; 100]);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn module_describes_itself_as_it_is() {
    let module = claviger_crypto::provenance::module();
    assert_eq!(module.fips, cfg!(feature = "fips"));
    assert!(module.version.starts_with(|c: char| c.is_ascii_digit()));
    assert_eq!(module.fips_module.is_some(), module.fips);
    assert_eq!(module.to_string().contains("(FIPS module "), module.fips, "{module}");
}

/// A DER value of that tag.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len();
    let length = match len {
        0..128 => vec![u8::try_from(len).unwrap()],
        128..256 => vec![0x81, u8::try_from(len).unwrap()],
        _ => [&[0x82][..], &u16::try_from(len).unwrap().to_be_bytes()].concat(),
    };
    [&[tag][..], &length, content].concat()
}

/// What is inside of a DER value of that tag, and what is behind it.
fn inside(tag: u8, bytes: &[u8]) -> (&[u8], &[u8]) {
    assert_eq!(bytes[0], tag);
    let (len, at) = match bytes[1] {
        0x81 => (usize::from(bytes[2]), 3),
        0x82 => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
        short => (usize::from(short), 2),
    };
    bytes[at..].split_at(len)
}

#[test]
fn an_elliptic_key_is_the_same_whatever_tool_exported_it() {
    for spec in [Spec::EcP256, Spec::EcP384, Spec::EcP521, Spec::EcSecp256k1] {
        let made = generate(spec, &mut ModuleRandom).unwrap();
        let (info, _) = inside(0x30, made.secret.expose());
        let (_, rest) = inside(0x02, info);
        let (algorithm, rest) = inside(0x30, rest);
        let (private, _) = inside(0x04, rest);
        let (private, _) = inside(0x30, private);
        let (_, rest) = inside(0x02, private);
        let (scalar, _) = inside(0x04, rest);
        let (_, curve) = inside(0x06, algorithm);
        let spki = made.public.unwrap();
        let point = &spki[spki.len() - 2 * scalar.len() - 1..];
        let (x, y) = point[1..].split_at(scalar.len());
        let compressed = [&[2 | (y[y.len() - 1] & 1)][..], x].concat();

        let sec1 = |parameters: bool, point: Option<&[u8]>| {
            let mut content = [&[2, 1, 1][..], &der(0x04, scalar)].concat();
            if parameters {
                content.extend(der(0xa0, curve));
            }
            if let Some(point) = point {
                content.extend(der(0xa1, &der(0x03, &[&[0][..], point].concat())));
            }
            der(0x30, &content)
        };
        let pkcs8 =
            |inner: &[u8]| der(0x30, &[&[2, 1, 0][..], &der(0x30, algorithm), &der(0x04, inner)].concat());
        let mut seen = 0;
        for point in [None, Some(point), Some(&compressed[..])] {
            for form in [sec1(true, point), pkcs8(&sec1(false, point)), pkcs8(&sec1(true, point))] {
                let form = SecretBytes::copied_from(&form);
                let imported = import(spec, &form).unwrap();
                assert_eq!(imported.secret.expose(), made.secret.expose(), "{spec}, form {seen}");
                assert_eq!(imported.public.as_ref(), Some(&spki));
                assert!(import_as_it_came(spec, &form).is_some());
                seen += 1;
            }
        }
        assert_eq!(seen, 9);
    }
}

#[test]
fn an_rsa_key_is_the_same_with_and_without_its_frame() {
    let made = generate(Spec::Rsa2048, &mut ModuleRandom).unwrap();
    let (info, _) = inside(0x30, made.secret.expose());
    let (_, rest) = inside(0x02, info);
    let (_, rest) = inside(0x30, rest);
    let (pkcs1, _) = inside(0x04, rest);
    let imported = import(Spec::Rsa2048, &SecretBytes::copied_from(pkcs1)).unwrap();
    assert_eq!(imported.secret.expose(), made.secret.expose());
    assert!(import_as_it_came(Spec::Rsa2048, &made.secret).is_none());
}
