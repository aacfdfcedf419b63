//! What a key does in every way of its purpose, and what it refuses.

use claviger_core::Purpose;
use claviger_core::key::Protection;
use claviger_core::port::provider::{Process, Protect, UseOutput};
use claviger_core::port::{Handle, Provider, ProviderError};
use claviger_crypto::random::ModuleRandom;
use claviger_crypto::{
    EncryptionAlgorithm, Message, PublicKey, ReadyKey, SecretBytes, SignatureAlgorithm, digest, generate,
};

use super::fixture::{Case, Fixture, NOW};

pub(super) const SYMMETRIC: EncryptionAlgorithm = EncryptionAlgorithm::SymmetricDefault;

/// Uses a key in every way of its purpose, in right and wrong ways.
///
/// # Panics
/// When it answers wrongly.
pub async fn key_works(provider: &dyn Provider, case: Case, fixture: &Fixture) {
    let opened = fixture.open(provider).await.unwrap_or_else(|error| panic!("{case:?}: {error}"));
    let handle = &*opened;
    match case.purpose {
        Purpose::Agree => agrees(handle, case, fixture).await,
        Purpose::Encapsulate => encapsulates(handle, case, fixture).await,
        Purpose::Encrypt => encrypts(handle, case, fixture).await,
        Purpose::Mac => macs(handle, case, fixture).await,
        Purpose::Sign => signs(handle, case, fixture).await,
        Purpose::Wrap => wraps(handle, case, fixture).await,
    }
    other_uses_are_refused(handle, case, fixture).await;
    // A handle serves the version it was opened for, and no other.
    let foreign = fixture.with_version(|version| version.id.number += 1);
    let mut foreign = foreign;
    foreign.record.key.primary = 2;
    let leave = foreign.record.protecting(NOW).unwrap();
    let answer = handle.protect(leave, Protect::Mac { data: b"" }).finish().await;
    assert!(matches!(answer, Err(ProviderError::InvalidParameter(_))), "{case:?}: leave for another version");
}

async fn other_uses_are_refused(handle: &dyn Handle, case: Case, fixture: &Fixture) {
    let refused = |answer: Result<UseOutput, ProviderError>, what: &str| {
        assert!(
            matches!(answer, Err(ProviderError::InvalidParameter(_))),
            "{case:?} must not {what}, but: {answer:?}"
        );
    };
    let key = SecretBytes::zeroed(32);
    let algorithm = SignatureAlgorithm::EcdsaSha256;
    let message = Message::Raw(b"message");
    if case.purpose != Purpose::Encrypt {
        refused(
            fixture
                .protect(
                    handle,
                    Protect::Seal { algorithm: SYMMETRIC, plaintext: b"", aad: b"", out: vec![] },
                )
                .await,
            "seal",
        );
        let how = Process::Open { algorithm: SYMMETRIC, body: &[0; 64], aad: b"" };
        refused(fixture.process(handle, how).await, "open");
    }
    if case.purpose != Purpose::Mac {
        refused(fixture.protect(handle, Protect::Mac { data: b"" }).await, "mac");
        refused(fixture.process(handle, Process::VerifyMac { data: b"", tag: b"" }).await, "verify a mac");
    }
    if case.purpose != Purpose::Sign {
        refused(fixture.protect(handle, Protect::Sign { algorithm, message }).await, "sign");
        let how = Process::Verify { algorithm, message, signature: b"" };
        refused(fixture.process(handle, how).await, "verify");
    }
    if case.purpose != Purpose::Wrap {
        refused(fixture.protect(handle, Protect::Wrap { key: &key }).await, "wrap");
        refused(fixture.process(handle, Process::Unwrap { wrapped: &[0; 40] }).await, "unwrap");
    }
    if case.purpose != Purpose::Agree {
        refused(fixture.process(handle, Process::Agree { peer: b"" }).await, "agree");
    }
    if case.purpose != Purpose::Encapsulate {
        refused(fixture.protect(handle, Protect::Encapsulate).await, "encapsulate");
        refused(fixture.process(handle, Process::Decapsulate { ciphertext: b"" }).await, "decapsulate");
    }
}

async fn agrees(handle: &dyn Handle, case: Case, fixture: &Fixture) {
    let peer = generate(case.spec, &mut ModuleRandom).unwrap();
    let peer_public = peer.public.unwrap();
    let peer_key = ReadyKey::for_purpose(case.spec, Purpose::Agree, &peer.secret).unwrap();
    let theirs = peer_key.agree(fixture.version().public_key.as_ref().unwrap()).unwrap();
    let ours = secret(fixture.process(handle, Process::Agree { peer: &peer_public }).await.unwrap());
    assert!(ours.ct_eq(&theirs), "{case:?}: both sides agree on the same secret");
    let raw = PublicKey::from_spki(case.spec, &peer_public).unwrap().raw().unwrap().to_vec();
    let again = secret(fixture.process(handle, Process::Agree { peer: &raw }).await.unwrap());
    assert!(again.ct_eq(&theirs), "{case:?}: with the bare point too");
    for bad in [&[][..], &[4, 1, 2, 3], &peer_public[..peer_public.len() - 1], b"no key at all"] {
        let refused = fixture.process(handle, Process::Agree { peer: bad }).await;
        assert!(matches!(refused, Err(ProviderError::InvalidParameter(_))), "{case:?}: {refused:?}");
    }
    if raw[0] == 4 && raw.len() > 33 {
        let off_curve = flipped(&raw, raw.len() - 1);
        let refused = fixture.process(handle, Process::Agree { peer: &off_curve }).await;
        assert!(
            matches!(refused, Err(ProviderError::InvalidParameter(_))),
            "{case:?}: a point off the curve"
        );
    }
}

async fn encapsulates(handle: &dyn Handle, case: Case, fixture: &Fixture) {
    let made = fixture.protect(handle, Protect::Encapsulate).await.unwrap();
    let UseOutput::Capsule { ciphertext, secret: ours } = made else { panic!("{case:?}: no capsule") };
    let opened =
        secret(fixture.process(handle, Process::Decapsulate { ciphertext: &ciphertext }).await.unwrap());
    assert!(opened.ct_eq(&ours), "{case:?}");
    // FIPS 203, 6.3: a changed capsule gives another secret, not an error.
    let changed = flipped(&ciphertext, 0);
    let other = secret(fixture.process(handle, Process::Decapsulate { ciphertext: &changed }).await.unwrap());
    assert!(!other.ct_eq(&ours), "{case:?}");
    let short = Process::Decapsulate { ciphertext: &ciphertext[1..] };
    assert!(
        matches!(fixture.process(handle, short).await, Err(ProviderError::InvalidParameter(_))),
        "{case:?}"
    );
}

/// With each algorithm of the spec a key either does everything or refuses everything, so that nothing is sealed that it
/// could not open; with one of them it does.
async fn encrypts(handle: &dyn Handle, case: Case, fixture: &Fixture) {
    let mut works = 0;
    for algorithm in EncryptionAlgorithm::ALL {
        let seal = Protect::Seal { algorithm, plaintext: b"", aad: b"", out: vec![] };
        let open = Process::Open { algorithm, body: &[0; 256], aad: b"" };
        match fixture.protect(handle, seal).await {
            Ok(_) => {
                works += 1;
                encrypts_with(algorithm, handle, case, fixture).await;
            }
            Err(error) => {
                assert_eq!(fixture.process(handle, open).await.unwrap_err(), error, "{case:?} {algorithm}");
                let known = case.spec.encryption_algorithms().contains(&algorithm);
                match error {
                    ProviderError::InvalidParameter(_) => assert!(!known, "{case:?} {algorithm}"),
                    ProviderError::UnsupportedAlgorithm { .. } => assert!(known, "{case:?} {algorithm}"),
                    other => panic!("{case:?} {algorithm}: {other}"),
                }
            }
        }
    }
    assert!(works > 0, "{case:?}");
    if case.protection == Protection::Software {
        assert_eq!(works, case.spec.encryption_algorithms().len(), "{case:?}");
    }
}

async fn encrypts_with(algorithm: EncryptionAlgorithm, handle: &dyn Handle, case: Case, fixture: &Fixture) {
    let rsa = case.spec.is_asymmetric();
    let aad: &[u8] = if rsa { b"" } else { b"context" };
    let sizes: &[usize] = if rsa { &[0, 1, 100, 190] } else { &[0, 1, 16, 1000, 100_000] };
    for size in sizes {
        let plaintext = vec![0x5a; *size];
        let how = Protect::Seal { algorithm, plaintext: &plaintext, aad, out: b"header".to_vec() };
        let sealed = bytes(fixture.protect(handle, how).await.unwrap());
        let body = sealed.strip_prefix(b"header").expect("the header stays in front");
        assert!(*size < 16 || !contains(body, &plaintext[..16]), "{case:?}: plaintext in the ciphertext");
        let opened = secret(fixture.process(handle, Process::Open { algorithm, body, aad }).await.unwrap());
        assert!(opened.ct_eq_bytes(&plaintext), "{case:?}: {size} bytes come back");
        for at in [0, body.len() / 2, body.len() - 1] {
            let refused =
                fixture.process(handle, Process::Open { algorithm, body: &flipped(body, at), aad }).await;
            assert_eq!(refused.unwrap_err(), ProviderError::BadInput, "{case:?}: bit {at} flipped");
        }
        let other = fixture
            .process(handle, Process::Open { algorithm, body, aad: b"other context" })
            .await
            .unwrap_err();
        let expected = matches!(other, ProviderError::InvalidParameter(_)) && rsa;
        assert!(expected || other == ProviderError::BadInput, "{case:?}: {other:?}");
    }
    for body in [&[][..], &[0; 11], &[0; 27], &[0; 28], &[1; 1000]] {
        let refused = fixture.process(handle, Process::Open { algorithm, body, aad }).await;
        assert_eq!(refused.unwrap_err(), ProviderError::BadInput, "{case:?}: {} bytes", body.len());
    }
    let seal = || Protect::Seal { algorithm, plaintext: b"twice", aad, out: vec![] };
    let (one, two) = (fixture.protect(handle, seal()).await, fixture.protect(handle, seal()).await);
    assert_ne!(bytes(one.unwrap()), bytes(two.unwrap()), "{case:?}: no nonce twice");
    if rsa {
        let large = vec![1; 600];
        let how = Protect::Seal { algorithm, plaintext: &large, aad, out: vec![] };
        assert!(matches!(fixture.protect(handle, how).await, Err(ProviderError::InvalidParameter(_))));
    }
}

async fn macs(handle: &dyn Handle, case: Case, fixture: &Fixture) {
    for data in [b"".as_slice(), b"data", &[3; 70_000]] {
        let tag = bytes(fixture.protect(handle, Protect::Mac { data }).await.unwrap());
        assert_eq!(Some(tag.len()), case.spec.symmetric_len(), "{case:?}");
        let check = async |data: &[u8], tag: &[u8]| {
            verified(fixture.process(handle, Process::VerifyMac { data, tag }).await.unwrap())
        };
        assert!(check(data, &tag).await, "{case:?}");
        assert!(!check(b"other data", &tag).await, "{case:?}");
        assert!(!check(data, &flipped(&tag, 0)).await, "{case:?}");
        assert!(!check(data, &tag[..tag.len() - 1]).await, "{case:?}: a shortened tag");
        assert!(!check(data, b"").await, "{case:?}: no tag");
    }
}

async fn signs(handle: &dyn Handle, case: Case, fixture: &Fixture) {
    let public = PublicKey::from_spki(case.spec, fixture.version().public_key.as_ref().unwrap()).unwrap();
    let raw = Message::Raw(b"message");
    for algorithm in case.spec.signature_algorithms().iter().copied() {
        let signature =
            bytes(fixture.protect(handle, Protect::Sign { algorithm, message: raw }).await.unwrap());
        public.verify(algorithm, raw, &signature).unwrap_or_else(|_| panic!("{case:?} {algorithm}"));
        let check = async |message, signature: &[u8]| {
            verified(
                fixture.process(handle, Process::Verify { algorithm, message, signature }).await.unwrap(),
            )
        };
        assert!(check(raw, &signature).await, "{case:?} {algorithm}");
        assert!(!check(Message::Raw(b"other"), &signature).await, "{case:?} {algorithm}");
        assert!(!check(raw, &flipped(&signature, signature.len() - 1)).await, "{case:?} {algorithm}");
        assert!(!check(raw, b"").await, "{case:?} {algorithm}");
        let digest = match algorithm.digest_len() {
            Some(32) => digest::sha256(b"message").to_vec(),
            Some(48) => digest::sha384(b"message").to_vec(),
            Some(_) => digest::sha512(b"message").to_vec(),
            None => vec![0; 64],
        };
        let by_digest = Protect::Sign { algorithm, message: Message::Digest(&digest) };
        let answer = fixture.protect(handle, by_digest).await;
        if algorithm.digest_len().is_some() {
            assert!(check(raw, &bytes(answer.unwrap())).await, "{case:?} {algorithm}: by digest");
            let short = Protect::Sign { algorithm, message: Message::Digest(&digest[1..]) };
            let refused = fixture.protect(handle, short).await;
            assert!(matches!(refused, Err(ProviderError::InvalidParameter(_))), "{case:?} {algorithm}");
        } else {
            assert!(matches!(answer, Err(ProviderError::InvalidParameter(_))), "{case:?} {algorithm}");
        }
    }
    let foreign = SignatureAlgorithm::ALL.into_iter().find(|a| !case.spec.signature_algorithms().contains(a));
    let how = Protect::Sign { algorithm: foreign.unwrap(), message: raw };
    let refused = fixture.protect(handle, how).await;
    assert!(matches!(refused, Err(ProviderError::InvalidParameter(_))), "{case:?}: {refused:?}");
}

async fn wraps(handle: &dyn Handle, case: Case, fixture: &Fixture) {
    for len in [1, 8, 13, 16, 32, 1000] {
        let key = SecretBytes::new(vec![0xc3; len]);
        let wrapped = bytes(fixture.protect(handle, Protect::Wrap { key: &key }).await.unwrap());
        assert!(len < 16 || !contains(&wrapped, &[0xc3; 16]), "{case:?}: key in clear");
        let unwrapped = secret(fixture.process(handle, Process::Unwrap { wrapped: &wrapped }).await.unwrap());
        assert!(unwrapped.ct_eq(&key), "{case:?}: {len} bytes");
        let damaged = flipped(&wrapped, 0);
        let refused = fixture.process(handle, Process::Unwrap { wrapped: &damaged }).await;
        assert_eq!(refused.unwrap_err(), ProviderError::BadInput, "{case:?}");
    }
    let empty = SecretBytes::zeroed(0);
    let refused = fixture.protect(handle, Protect::Wrap { key: &empty }).await;
    assert!(matches!(refused, Err(ProviderError::InvalidParameter(_))), "{case:?}");
}

pub(super) fn bytes(output: UseOutput) -> Vec<u8> {
    match output {
        UseOutput::Bytes(bytes) => bytes,
        other => panic!("bytes were expected: {other:?}"),
    }
}

pub(super) fn secret(output: UseOutput) -> SecretBytes {
    match output {
        UseOutput::Secret(secret) => secret,
        other => panic!("a secret was expected: {other:?}"),
    }
}

fn verified(output: UseOutput) -> bool {
    match output {
        UseOutput::Verified(holds) => holds,
        other => panic!("a verdict was expected: {other:?}"),
    }
}

pub(super) fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

pub(super) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
