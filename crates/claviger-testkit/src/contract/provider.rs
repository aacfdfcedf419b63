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

use std::sync::Arc;

use claviger_core::key::{
    DataClass, Generator, Key, KeyRecord, KeyRing, KeyVersion, Labels, Origin, Protection, RingPolicy, State,
    Wrap,
};
use claviger_core::port::provider::{Generated, MaterialRequest, Process, Product, Protect, RootPublicKey};
use claviger_core::port::{Handle, Provider, ProviderError};
use claviger_core::{KeyId, KeyRingId, KeyVersionId, PrincipalId, Purpose, Spec, Timestamp};
use claviger_crypto::random::ModuleRandom;
use claviger_crypto::{
    EncryptionAlgorithm, Message, PublicKey, ReadyKey, SecretBytes, SignatureAlgorithm, digest, generate,
    seeds_from_source,
};

const NOW: Timestamp = Timestamp::from_micros(1);
const SYMMETRIC: EncryptionAlgorithm = EncryptionAlgorithm::SymmetricDefault;

/// One key with one active version, made by a provider.
#[derive(Debug, Clone)]
pub struct Fixture {
    /// Ring, key and version.
    pub record: KeyRecord,
}

/// A case of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// Algorithm and size.
    pub spec: Spec,
    /// What for.
    pub purpose: Purpose,
    /// Where.
    pub protection: Protection,
}

impl Case {
    /// Every lawful combination, supported or not.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut cases = Vec::new();
        for protection in [Protection::Software, Protection::Hsm] {
            for spec in Spec::ALL {
                cases.extend(spec.purposes().iter().map(|purpose| Self {
                    spec,
                    purpose: *purpose,
                    protection,
                }));
            }
        }
        cases
    }
}

/// A ring whose KEK the provider made.
///
/// # Panics
/// When the provider does not make one.
pub async fn new_ring(provider: &dyn Provider) -> Arc<KeyRing> {
    let id = KeyRingId::random().unwrap();
    Arc::new(KeyRing {
        id,
        name: "ring".parse().unwrap(),
        policy: RingPolicy::default(),
        kek: provider.create_ring_kek(id).await.expect("a ring KEK is made"),
        created_at: Timestamp::from_micros(1),
        revision: 1,
    })
}

/// A new key of that kind in `ring`.
///
/// # Errors
/// What the provider answers.
///
/// # Panics
/// When what it generated is not of the right form.
pub async fn new_key(
    provider: &dyn Provider,
    ring: &Arc<KeyRing>,
    case: Case,
) -> Result<Fixture, ProviderError> {
    let id = KeyVersionId { key: KeyId::random().unwrap(), number: 1 };
    let Case { spec, purpose, protection } = case;
    let request = MaterialRequest { ring, version: id, spec, purpose, protection };
    Ok(fixture(ring, case, id, provider.generate(request).await?))
}

/// A key of that kind in `ring` with this material, brought in.
///
/// # Errors
/// What the provider answers.
///
/// # Panics
/// When there is no identifier to be had.
pub async fn imported_key(
    provider: &dyn Provider,
    ring: &Arc<KeyRing>,
    case: Case,
    material: &SecretBytes,
) -> Result<Fixture, ProviderError> {
    let id = KeyVersionId { key: KeyId::random().unwrap(), number: 1 };
    let Case { spec, purpose, protection } = case;
    let request = MaterialRequest { ring, version: id, spec, purpose, protection };
    Ok(fixture(ring, case, id, provider.import(request, material).await?))
}

fn fixture(ring: &Arc<KeyRing>, case: Case, id: KeyVersionId, made: Generated) -> Fixture {
    let Case { spec, purpose, protection } = case;
    let Generated { wrap, public_key, provenance } = made;
    let now = NOW;
    let version = KeyVersion {
        id,
        state: State::Active,
        spec,
        protection,
        wrap: Some(wrap),
        public_key,
        provenance,
        rotated: None,
        imported: None,
        created_at: now,
        activated_at: Some(now),
        state_changed_at: now,
        protect_uses: 0,
        revision: 1,
    };
    let key = Key {
        id: id.key,
        ring: ring.id,
        name: "key".parse().unwrap(),
        purpose,
        spec,
        protection,
        data_class: DataClass::Internal,
        description: String::new(),
        owner: PrincipalId::random().unwrap(),
        labels: Labels::default(),
        rotation_period: None,
        state: State::Active,
        primary: 1,
        rotated_at: now,
        destroy_at: None,
        created_at: now,
        revision: 1,
    };
    Fixture { record: KeyRecord { ring: ring.clone(), key, versions: vec![version] } }
}

impl Fixture {
    /// The version.
    #[must_use]
    pub fn version(&self) -> &KeyVersion {
        &self.record.versions[0]
    }

    /// Opens it.
    ///
    /// # Errors
    /// What the provider answers.
    pub async fn open(&self, provider: &dyn Provider) -> Result<Arc<dyn Handle>, ProviderError> {
        provider.open(&self.record.ring, self.version()).await
    }

    /// Uses it on new data.
    ///
    /// # Errors
    /// What the handle answers.
    ///
    /// # Panics
    /// When the fixture's state was changed to one that does not protect.
    pub async fn protect(&self, handle: &dyn Handle, how: Protect<'_>) -> Result<Product, ProviderError> {
        handle.protect(self.record.protecting(NOW).unwrap(), how).finish().await
    }

    /// Uses it on old data.
    ///
    /// # Errors
    /// What the handle answers.
    ///
    /// # Panics
    /// When the fixture's state was changed to one that does not process.
    pub async fn process(&self, handle: &dyn Handle, how: Process<'_>) -> Result<Product, ProviderError> {
        handle.process(self.record.processing(1, NOW).unwrap().unwrap(), how).finish().await
    }

    fn with_version(&self, change: impl FnOnce(&mut KeyVersion)) -> Self {
        let mut changed = self.clone();
        change(&mut changed.record.versions[0]);
        changed
    }
}

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
    unlawful_purposes_are_refused(&*provider).await;
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

async fn unlawful_purposes_are_refused(provider: &dyn Provider) {
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
    let stranger = fixture.with_version(|version| version.id.number += 1);
    let mut stranger = stranger;
    stranger.record.key.primary = 2;
    let leave = stranger.record.protecting(NOW).unwrap();
    let answer = handle.protect(leave, Protect::Mac { data: b"" }).finish().await;
    assert!(matches!(answer, Err(ProviderError::InvalidParameter(_))), "{case:?}: leave for another version");
}

async fn other_uses_are_refused(handle: &dyn Handle, case: Case, fixture: &Fixture) {
    let refused = |answer: Result<Product, ProviderError>, what: &str| {
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
    let Product::Capsule { ciphertext, secret: ours } = made else { panic!("{case:?}: no capsule") };
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

async fn wrap_opens_in_its_place_only(provider: &dyn Provider, case: Case, fixture: &Fixture) {
    let refused = async |changed: Fixture, what: &str| {
        let error = changed.open(provider).await.err();
        assert_eq!(error, Some(ProviderError::BadWrap), "{case:?}: {what}");
    };
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

fn bytes(product: Product) -> Vec<u8> {
    match product {
        Product::Bytes(bytes) => bytes,
        other => panic!("bytes were expected: {other:?}"),
    }
}

fn secret(product: Product) -> SecretBytes {
    match product {
        Product::Secret(secret) => secret,
        other => panic!("a secret was expected: {other:?}"),
    }
}

fn verified(product: Product) -> bool {
    match product {
        Product::Verified(holds) => holds,
        other => panic!("a verdict was expected: {other:?}"),
    }
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
