//! What every provider must hold, whatever its root: run [`run_all`] against it.
//!
//! A violation panics with the spec, purpose and protection at hand.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a contract is a test: it fails by panicking"
)]

mod fixture;
mod usage;

use std::sync::Arc;

use claviger_core::key::{Generator, KeyRing, Origin, Protection, Wrap, WrappingKey};
use claviger_core::port::provider::{Process, Protect, RootPublicKey};
use claviger_core::port::{Provider, ProviderError};
use claviger_core::{KeyId, Purpose, Spec};
use claviger_crypto::random::ModuleRandom;
use claviger_crypto::{Message, PublicKey, SecretBytes, SignatureAlgorithm, generate, seeds_from_source};

pub use fixture::{Case, Fixture, imported_key, new_key, new_ring};
pub use usage::key_works;
use usage::{SYMMETRIC, bytes, contains, flipped, secret};

/// Runs the whole contract. Returns the supported cases, so that a caller can pin them.
///
/// # Panics
/// On every violation.
pub async fn run_all(provider: Arc<dyn Provider>) -> Vec<Case> {
    small_secrets_are_bound_to_their_label(&*provider).await;
    random_bytes_differ(&*provider).await;
    root_signature_verifies(&*provider).await;
    ring_keks_are_bound_to_their_ring(&*provider).await;
    module_says_what_it_is(&*provider).await;
    let mut supported = Vec::new();
    for case in Case::all() {
        let ring = new_ring(&*provider).await;
        let made = new_key(&*provider, &ring, case).await;
        if !provider.supports(case.spec, case.purpose, case.protection) {
            let error = made.expect_err("what is not supported is refused");
            assert!(
                matches!(error, ProviderError::Unsupported { spec, protection, .. }
                    if spec == case.spec && protection == case.protection),
                "{case:?}: {error}"
            );
            assert!(error.to_string().contains(case.spec.name()), "the refusal names the spec: {error}");
            continue;
        }
        let fixture = made.unwrap_or_else(|error| panic!("{case:?}: {error}"));
        provenance_is_truthful(&*provider, case, &fixture);
        key_works(&*provider, case, &fixture).await;
        wrap_opens_in_its_place_only(&*provider, case, &fixture).await;
        supported.push(case);
    }
    for case in Case::all() {
        imported_material_works_as_the_providers_own(&*provider, case).await;
    }
    invalid_purposes_are_refused(&*provider).await;
    threads_do_not_meet(provider, &supported).await;
    supported
}

async fn small_secrets_are_bound_to_their_label(provider: &dyn Provider) {
    let secret = SecretBytes::copied_from(b"a small secret that must not be found at rest");
    let sealed = provider.seal(b"label", &secret).await.unwrap();
    assert!(!contains(&sealed, b"small secret"), "the secret is in clear in what is kept");
    assert!(provider.unseal(b"label", &sealed).await.unwrap().ct_eq(&secret));
    assert_eq!(provider.unseal(b"other", &sealed).await.unwrap_err(), ProviderError::BadWrap);
    assert_eq!(provider.unseal(b"", &sealed).await.unwrap_err(), ProviderError::BadWrap);
    for at in [0, sealed.len() / 2, sealed.len() - 1] {
        let error = provider.unseal(b"label", &flipped(&sealed, at)).await.unwrap_err();
        assert_eq!(error, ProviderError::BadWrap);
    }
    for len in [0, 1, 27] {
        assert_eq!(provider.unseal(b"label", &sealed[..len]).await.unwrap_err(), ProviderError::BadWrap);
    }
    assert_ne!(provider.seal(b"label", &secret).await.unwrap(), sealed, "sealing is randomized");
    let empty = provider.seal(b"label", &SecretBytes::zeroed(0)).await.unwrap();
    assert!(provider.unseal(b"label", &empty).await.unwrap().is_empty());
}

async fn random_bytes_differ(provider: &dyn Provider) {
    let one = provider.random(4096).await.unwrap();
    let two = provider.random(4096).await.unwrap();
    assert_eq!((one.len(), two.len()), (4096, 4096));
    assert!(!one.ct_eq(&two));
    assert!(provider.random(0).await.unwrap().is_empty());
}

async fn root_signature_verifies(provider: &dyn Provider) {
    let (algorithm, public) = match provider.root_public_key() {
        RootPublicKey::EcdsaP256(point) => {
            (SignatureAlgorithm::EcdsaSha256, PublicKey::from_raw(Spec::EcP256, &point))
        }
        RootPublicKey::Ed25519(raw) => {
            (SignatureAlgorithm::Ed25519, PublicKey::from_raw(Spec::Ed25519, &raw))
        }
    };
    let public = public.unwrap();
    for message in [b"".as_slice(), b"checkpoint", &[7; 10_000]] {
        let signature = provider.sign_root(message).await.unwrap();
        public.verify(algorithm, Message::Raw(message), &signature).expect("the root's signature verifies");
        public.verify(algorithm, Message::Raw(b"another"), &signature).expect_err("and for its message only");
    }
}

async fn ring_keks_are_bound_to_their_ring(provider: &dyn Provider) {
    let (one, two) = (new_ring(provider).await, new_ring(provider).await);
    assert_ne!(one.kek, two.kek);
    let case = Case { spec: Spec::Aes256Gcm, purpose: Purpose::Encrypt, protection: Protection::Software };
    let moved = Arc::new(KeyRing { kek: two.kek.clone(), ..(*one).clone() });
    assert_eq!(new_key(provider, &moved, case).await.unwrap_err(), ProviderError::BadWrap, "a moved KEK");
    assert_eq!(provider.check_ring_kek(&one).await, Ok(()));
    assert_eq!(provider.check_ring_kek(&moved).await, Err(ProviderError::BadWrap), "a moved KEK");
    for at in [0, one.kek.len() - 1] {
        let damaged = Arc::new(KeyRing { kek: flipped(&one.kek, at), ..(*one).clone() });
        assert_eq!(
            new_key(provider, &damaged, case).await.unwrap_err(),
            ProviderError::BadWrap,
            "a changed KEK"
        );
    }
    let empty = Arc::new(KeyRing { kek: vec![], ..(*one).clone() });
    assert_eq!(new_key(provider, &empty, case).await.unwrap_err(), ProviderError::BadWrap, "no KEK");
}

async fn module_says_what_it_is(provider: &dyn Provider) {
    let module = provider.module();
    assert!(!module.name.is_empty());
    assert!(module.insecure.iter().all(|name| name.starts_with("insecure_")));
    match module.kind {
        "software" => {
            assert!(module.insecure.contains(&"insecure_software_root"));
            assert!(!module.root_in_token && module.token.is_none());
        }
        "pkcs11" => {
            assert!(module.token.is_some());
            // Either the token says that it is hardware, or the evidence says that it is not.
            assert_eq!(module.root_in_token, module.insecure.is_empty());
        }
        other => panic!("unknown kind of module `{other}`"),
    }
    let health = provider.health().await.unwrap();
    assert!(health.self_test_ok && health.root_ok);
    assert_eq!(health.sessions > 0, module.kind == "pkcs11");
}

fn provenance_is_truthful(provider: &dyn Provider, case: Case, fixture: &Fixture) {
    let provenance = &fixture.version().provenance;
    let token = provider.module().kind == "pkcs11";
    let expected = if case.protection == Protection::Hsm {
        Generator::Token
    } else if !token || !seeds_from_source(case.spec) {
        Generator::ModuleDrbg
    } else if case.spec.is_asymmetric() {
        Generator::TokenSeed
    } else {
        Generator::Token
    };
    assert_eq!(provenance.generator, expected, "{case:?}");
    assert_eq!(provenance.origin, Origin::Generated, "{case:?}");
    assert!(provenance.health_ok && !provenance.module.is_empty(), "{case:?}");
    assert_eq!(fixture.version().public_key.is_some(), case.spec.is_asymmetric(), "{case:?}");
    // What never leaves the token, and has no public half, is known by nothing.
    let is_known = case.protection == Protection::Software || case.spec.is_asymmetric();
    assert_eq!(provenance.fingerprint.is_some(), is_known, "{case:?}");
    let wrapping = fixture.version().wrap.as_ref().and_then(Wrap::wrapping).map(|(key, _)| key);
    let expected = match case.protection {
        Protection::Hsm => WrappingKey::TokenRoot,
        Protection::Software => WrappingKey::RingKek,
    };
    assert_eq!(wrapping, Some(expected), "{case:?}");
}

/// A key that was made elsewhere is the same key here, and is wrapped as one that was made here.
async fn imported_material_works_as_the_providers_own(provider: &dyn Provider, case: Case) {
    let ring = new_ring(provider).await;
    let material = generate(case.spec, &mut ModuleRandom).unwrap();
    let taken = imported_key(provider, &ring, case, &material.secret).await;
    if !provider.imports(case.spec, case.purpose, case.protection) {
        assert!(matches!(taken, Err(ProviderError::Unsupported { .. })), "{case:?}: {taken:?}");
        return;
    }
    assert!(provider.supports(case.spec, case.purpose, case.protection), "{case:?}");
    let fixture = taken.unwrap_or_else(|error| panic!("{case:?}: {error}"));
    let provenance = &fixture.version().provenance;
    assert_eq!(
        (provenance.origin, provenance.generator),
        (Origin::Imported, Generator::Elsewhere),
        "{case:?}"
    );
    assert_eq!(fixture.version().public_key, material.public, "{case:?}");
    let again = imported_key(provider, &ring, case, &material.secret).await.unwrap();
    let other = generate(case.spec, &mut ModuleRandom).unwrap();
    let other = imported_key(provider, &ring, case, &other.secret).await.unwrap();
    let print = |fixture: &Fixture| fixture.version().provenance.fingerprint;
    assert!(
        print(&fixture).is_some() && print(&fixture) == print(&again),
        "{case:?}: the same, under another key"
    );
    assert_ne!(print(&fixture), print(&other), "{case:?}");
    key_works(provider, case, &fixture).await;
    wrap_opens_in_its_place_only(provider, case, &fixture).await;
    for wrong in [SecretBytes::zeroed(0), SecretBytes::zeroed(13), SecretBytes::zeroed(4097)] {
        let refused = imported_key(provider, &ring, case, &wrong).await;
        assert!(
            matches!(refused, Err(ProviderError::InvalidParameter(_))),
            "{case:?}: {} bytes",
            wrong.len()
        );
    }
}

async fn invalid_purposes_are_refused(provider: &dyn Provider) {
    let ring = new_ring(provider).await;
    for protection in [Protection::Hsm, Protection::Software] {
        for spec in Spec::ALL {
            for purpose in Purpose::ALL.into_iter().filter(|purpose| !spec.allows(*purpose)) {
                assert!(!provider.supports(spec, purpose, protection));
                let refused = new_key(provider, &ring, Case { spec, purpose, protection }).await;
                assert!(matches!(refused, Err(ProviderError::Unsupported { .. })), "{spec} for {purpose}");
            }
        }
    }
}

async fn wrap_opens_in_its_place_only(provider: &dyn Provider, case: Case, fixture: &Fixture) {
    let refused = async |changed: Fixture, what: &str| {
        let error = changed.open(provider).await.err();
        assert_eq!(error, Some(ProviderError::BadWrap), "{case:?}: {what}");
        let checked = provider.check_material(&changed.record.ring, changed.version()).await;
        assert_eq!(checked, Err(ProviderError::BadWrap), "{case:?}: {what}, when it is looked at");
    };
    assert_eq!(provider.check_material(&fixture.record.ring, fixture.version()).await, Ok(()), "{case:?}");
    let wrap = fixture.version().wrap.clone().unwrap();
    for at in [0, 1, wrap.bytes.len() / 2, wrap.bytes.len() - 1] {
        let bytes = flipped(&wrap.bytes, at);
        let damaged = Wrap { format: wrap.format, bytes };
        refused(fixture.with_version(|v| v.wrap = Some(damaged)), "a flipped bit").await;
    }
    for len in [0, 1, wrap.bytes.len() - 1] {
        let cut = Wrap { format: wrap.format, bytes: wrap.bytes[..len].to_vec() };
        refused(fixture.with_version(|v| v.wrap = Some(cut)), "cut short").await;
    }
    let other_format = Wrap { format: wrap.format + 1, bytes: wrap.bytes.clone() };
    refused(fixture.with_version(|v| v.wrap = Some(other_format)), "another format").await;
    refused(fixture.with_version(|v| v.wrap = None), "no wrap").await;
    refused(fixture.with_version(|v| v.id.number = 2), "moved to another version").await;
    refused(fixture.with_version(|v| v.id.key = KeyId::random().unwrap()), "moved to another key").await;
    if let Some(public) = fixture.version().public_key.clone() {
        let other = generate(case.spec, &mut ModuleRandom).unwrap().public;
        refused(fixture.with_version(|v| v.public_key = other), "another public key").await;
        refused(fixture.with_version(|v| v.public_key = None), "no public key").await;
        refused(
            fixture.with_version(|v| v.public_key = Some(flipped(&public, public.len() - 1))),
            "changed public key",
        )
        .await;
    }
    let mut elsewhere = fixture.clone();
    elsewhere.record.ring = new_ring(provider).await;
    refused(elsewhere, "moved to another ring").await;
    let twin = match case.spec {
        Spec::Aes256Gcm => Spec::Aes256Kwp,
        Spec::Aes256Kwp => Spec::HmacSha256,
        Spec::HmacSha256 => Spec::Aes256Gcm,
        Spec::EcP256 => Spec::EcSecp256k1,
        _ => return,
    };
    // Material of the same length under another name; what the provider cannot do at all it may call unsupported.
    let error = fixture.with_version(|v| v.spec = twin).open(provider).await.err();
    assert!(
        matches!(error, Some(ProviderError::BadWrap | ProviderError::Unsupported { .. })),
        "{case:?} as {twin}: {error:?}"
    );
}

/// Eight threads use their own keys and one common key at once; what one makes never reaches another.
async fn threads_do_not_meet(provider: Arc<dyn Provider>, supported: &[Case]) {
    let quick = |case: &&Case| !matches!(case.spec, Spec::Rsa2048 | Spec::Rsa3072 | Spec::Rsa4096);
    let cases: Vec<_> = supported.iter().filter(quick).copied().collect();
    let ring = new_ring(&*provider).await;
    let shared_case =
        cases.iter().rfind(|case| case.spec == Spec::Aes256Gcm).copied().expect("AES is supported");
    let shared = new_key(&*provider, &ring, shared_case).await.unwrap();
    let shared_handle = shared.open(&*provider).await.unwrap();
    let mut threads = Vec::new();
    for number in 0..8_u8 {
        let (provider, cases, ring) = (provider.clone(), cases.clone(), ring.clone());
        let (shared, shared_handle) = (shared.clone(), shared_handle.clone());
        threads.push(tokio::spawn(async move {
            for case in cases {
                let own = new_key(&*provider, &ring, case).await.unwrap();
                key_works(&*provider, case, &own).await;
                let plaintext = [number; 100];
                let how = Protect::Seal {
                    algorithm: SYMMETRIC,
                    plaintext: &plaintext,
                    aad: &[number],
                    out: vec![],
                };
                let sealed = bytes(shared.protect(&*shared_handle, how).await.unwrap());
                let how = Process::Open { algorithm: SYMMETRIC, body: &sealed, aad: &[number] };
                let opened = secret(shared.process(&*shared_handle, how).await.unwrap());
                assert!(opened.ct_eq_bytes(&plaintext));
            }
        }));
    }
    for thread in threads {
        thread.await.expect("no thread fails");
    }
}
