//! A root in a PKCS#11 token (PKCS#11 v2.40 and later): see [`root`] for its keys and `docs/decisions` for why they are so.
//!
//! | protection | material | at rest |
//! |---|---|---|
//! | `hsm` | made and used in the token, a sensitive session object while it is ready | wrapped by the root (KWP), sealed to its place by the root (GCM) |
//! | `software` | drawn from the token's generator, used in the process | under the ring KEK, which the root seals (GCM) |
//!
//! One login per token and process, one attempt per PIN ([`pin_refused`]). When the token goes away, calls say so at once,
//! and a supervisor brings the connection back; a wrong PIN then ends it for good.

mod attempt;
mod encoding;
mod error;
mod fault;
mod handle;
mod library;
mod link;
mod mechanism;
mod object;
mod pool;
mod root;
mod sealing;
mod self_test;
mod signing;
mod softhsm;
mod usage;
#[cfg(test)]
mod wycheproof;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use claviger_core::key::{Generator, KeyRing, KeyVersion, Origin, Protection, Provenance, Wrap};
use claviger_core::port::provider::{Generated, MaterialRequest, ModuleInfo, ProviderHealth, RootPublicKey};
use claviger_core::port::{Handle, Provider, ProviderError};
use claviger_core::{KeyRingId, Purpose, Spec};
use claviger_crypto::kdf::HmacSha256;
use claviger_crypto::random::{ModuleRandom, RandomSource};
use claviger_crypto::{
    CryptoError, Material, Message, PublicKey, RecordKey, SecretBytes, generate, is_importable, provenance,
    seeds_from_source,
};
use cryptoki::session::Session;

pub use self::attempt::{FewAttempts, pin_refused};
pub use self::error::{Pkcs11OpenError, Said};
use self::fault::Fault;
use self::handle::{TokenHandle, TokenKey, Wrapped};
use self::library::Library;
use self::link::{ConnectOptions, Link};
use self::pool::{Pool, PoolConfig, TokenSession};
use self::self_test::Able;
use crate::binding::{self, Place, UNDER_RING_KEK, UNDER_TOKEN_ROOT};
use crate::ready::ReadyHandle;
use crate::ring_kek::{self, RING_KEK_LEN, RingKeks};

const MODULE: &str = "the PKCS#11 token";
/// Most random bytes that one call draws.
const MAX_RANDOM: usize = 64 * 1024;
/// Most random bytes that one call asks of a token: some refuse more.
const RANDOM_CHUNK: usize = 1024;
/// Longest small secret.
const MAX_SEALED: usize = 64 * 1024;
/// How long making a key may take: an RSA key of 4096 bits takes some tokens most of a minute.
const PATIENCE_FOR_KEYS: Duration = Duration::from_secs(90);

/// Which token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSelector {
    /// The token with this label.
    Label(String),
    /// The token in this slot. Some tokens get another slot number when the library starts again: prefer the label.
    Slot(u64),
}

impl fmt::Display for TokenSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(label) => write!(f, "the label `{label}`"),
            Self::Slot(id) => write!(f, "slot {id}"),
        }
    }
}

/// Whether opening may make a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateRoot {
    /// Make one if there is none. For set-up: two processes that do so at once make two roots, and both are refused.
    IfMissing,
    /// Never: without a root, opening fails.
    Never,
}

/// Where the token is and how to use it.
#[derive(Debug)]
pub struct Pkcs11Config {
    /// Path of the PKCS#11 library.
    pub library: PathBuf,
    /// Which of its tokens.
    pub token: TokenSelector,
    /// The PIN of the token's user, which the caller read from a file or the environment.
    pub pin: SecretBytes,
    /// Whether the first login is tried although the token reports that few attempts are left. Later ones never are.
    pub few_attempts: FewAttempts,
    /// Threads, each with a session: 1 to 64.
    pub pool_size: usize,
    /// What the labels of this deployment's root keys begin with.
    pub label_prefix: String,
    /// How long a call waits for a place in the queue, and again for the answer, before it is `Unavailable`.
    pub patience: Duration,
}

impl Pkcs11Config {
    /// Threads where nothing else is said.
    pub const POOL_SIZE: usize = 8;
    /// What labels begin with where nothing else is said.
    pub const LABEL_PREFIX: &'static str = "claviger";
    /// How long a call waits where nothing else is said.
    pub const PATIENCE: Duration = Duration::from_secs(5);

    /// A configuration that says nothing else.
    #[must_use]
    pub fn new(library: PathBuf, token: TokenSelector, pin: SecretBytes) -> Self {
        Self {
            library,
            token,
            pin,
            few_attempts: FewAttempts::Keep,
            pool_size: Self::POOL_SIZE,
            label_prefix: Self::LABEL_PREFIX.to_owned(),
            patience: Self::PATIENCE,
        }
    }
}

/// A provider whose root is in a PKCS#11 token.
#[derive(Debug)]
pub struct Pkcs11Provider {
    pool: Arc<Pool>,
    module: ModuleInfo,
    /// The token as provenance names it.
    token: String,
    public: RootPublicKey,
    able: Able,
    keks: RingKeks,
    patience: Duration,
}

impl Pkcs11Provider {
    /// Opens a root, and makes it first if `create` says so. Blocks for up to seconds: not for a thread of the runtime
    /// that others wait for.
    ///
    /// # Errors
    /// [`Pkcs11OpenError`], each of whose variants says what to do about it.
    pub fn open(config: Pkcs11Config, create: CreateRoot) -> Result<Self, Pkcs11OpenError> {
        provenance::self_test().map_err(|failure| Pkcs11OpenError::SelfTestFailed(failure.family))?;
        let library =
            Library::open(&config.library).map_err(|error| softhsm::not_loaded(&config.library, error))?;
        let options = ConnectOptions {
            library: &library,
            selector: &config.token,
            pin: &config.pin,
            prefix: &config.label_prefix,
            few: config.few_attempts,
            known: None,
        };
        let link = Link::connect(&options, create, 1)
            .map_err(|error| softhsm::not_connected(&config.library, error))?;
        let (module, able) = examine(&library, &link)?;
        let (name, public) = (link.token.clone(), link.roots.public.clone());
        let pool = Pool::start(PoolConfig {
            library,
            selector: config.token,
            prefix: config.label_prefix,
            pin: config.pin,
            threads: config.pool_size,
            link,
        })?;
        Ok(Self {
            pool: Arc::new(pool),
            module,
            token: format!("{} firmware {}, serial {}", name.model, name.firmware, name.serial),
            public,
            able,
            keks: RingKeks::new(),
            patience: config.patience,
        })
    }

    async fn ring_kek(&self, ring: &KeyRing) -> Result<Arc<RecordKey>, ProviderError> {
        match self.keks.find(ring) {
            Some(ready) => Ok(ready),
            None => self.open_ring_kek(ring).await,
        }
    }

    /// The same, by the root itself.
    async fn open_ring_kek(&self, ring: &KeyRing) -> Result<Arc<RecordKey>, ProviderError> {
        let (binding, sealed) = (binding::of_ring_kek(ring.id), ring.kek.clone());
        let kek = self
            .pool
            .run(self.patience, move |token| {
                sealing::open_stored(token.session, token.link.roots.seal, &binding, &sealed)
            })
            .await?;
        self.keks.keep(ring, &kek)
    }

    async fn generate_in_token(
        &self,
        place: Place,
        fingerprints: &HmacSha256,
    ) -> Result<Generated, ProviderError> {
        let (bytes, public) =
            self.pool.run(PATIENCE_FOR_KEYS, move |token| make_in_token(token, &place)).await?;
        let fingerprint = public.as_deref().map(|spki| ring_kek::fingerprint_of_public(fingerprints, spki));
        Ok(Generated {
            wrap: Wrap { format: UNDER_TOKEN_ROOT, bytes },
            public_key: public,
            provenance: self.provenance(Generator::Token, fingerprint),
        })
    }

    async fn generate_in_process(
        &self,
        ring: &KeyRing,
        place: Place,
        fingerprints: &HmacSha256,
    ) -> Result<Generated, ProviderError> {
        let kek = self.ring_kek(ring).await?;
        let spec = place.spec;
        let (material, generator) = if seeds_from_source(spec) {
            let material = self.pool.run(self.patience, move |token| draw(token.session, spec)).await?;
            let generator = if spec.is_asymmetric() { Generator::TokenSeed } else { Generator::Token };
            (material, generator)
        } else {
            let failed = |_| ProviderError::Unavailable("the cryptographic module failed");
            (generate(spec, &mut ModuleRandom).map_err(failed)?, Generator::ModuleDrbg)
        };
        let fingerprint = ring_kek::fingerprint(fingerprints, &material);
        Ok(Generated {
            wrap: ring_kek::wrap(&kek, &place, &material.secret)?,
            public_key: material.public,
            provenance: self.provenance(generator, Some(fingerprint)),
        })
    }

    fn provenance(&self, generator: Generator, fingerprint: Option<[u8; 16]>) -> Provenance {
        let linked = || provenance::module().to_string();
        let module = match generator {
            Generator::Elsewhere | Generator::ModuleDrbg => linked(),
            Generator::Token => self.token.clone(),
            Generator::TokenSeed => format!("{}, seeded by {}", linked(), self.token),
        };
        Provenance { origin: Origin::Generated, module, generator, health_ok: true, fingerprint }
    }

    /// Opens the seal of a key of the token in its place; the key inside stays wrapped.
    async fn open_wrap(
        &self,
        ring: &KeyRing,
        version: &KeyVersion,
    ) -> Result<(Place, Wrapped), ProviderError> {
        let stored = ring_kek::stored(ring, version, UNDER_TOKEN_ROOT)?;
        let (place, body) = (stored.place, stored.body.to_vec());
        let wrapped = self.pool.run(self.patience, move |token| Wrapped::open(token, &place, &body)).await?;
        // The public key in the row is what others verify with: it must be the one that was made with this key.
        if wrapped.public != version.public_key {
            return Err(ProviderError::BadWrap);
        }
        Ok((place, wrapped))
    }

    async fn open_in_token(
        &self,
        ring: &KeyRing,
        version: &KeyVersion,
    ) -> Result<Arc<dyn Handle>, ProviderError> {
        let (place, wrapped) = self.open_wrap(ring, version).await?;
        // Only now is the purpose authentic. A token that was exchanged for another model may have lost it.
        if !self.supports(place.spec, place.purpose, Protection::Hsm) {
            return Err(unsupported(place.spec, Protection::Hsm));
        }
        let public = wrapped
            .public
            .as_deref()
            .map(|spki| PublicKey::from_spki(place.spec, spki).map_err(|_| ProviderError::BadWrap))
            .transpose()?;
        let key = Arc::new(TokenKey {
            pool: self.pool.clone(),
            patience: self.patience,
            name: self.pool.core().objects.new_name(),
            version: place.version,
            spec: place.spec,
            purpose: place.purpose,
            wrapped,
            public,
            oaep: self.able.oaep.clone(),
        });
        let ready = key.clone();
        self.pool.run(self.patience, move |token| ready.make_ready(token)).await?;
        Ok(Arc::new(TokenHandle::new(key)))
    }
}

/// Self-tests of the token, and what it says of itself.
fn examine(library: &Library, link: &Link) -> Result<(ModuleInfo, Able), Pkcs11OpenError> {
    let entry = library.enter();
    let session = link.open_session(&entry)?;
    self_test::root_works(&session, link)?;
    let able = self_test::capabilities(entry.pkcs11(), &session, link)?;
    let info = entry.pkcs11().get_library_info()?;
    let module = ModuleInfo {
        kind: "pkcs11",
        name: format!("{} {}, {}", info.library_description(), info.library_version(), link.token.model),
        token: Some(format!("{} ({})", link.token.label, link.token.serial)),
        root_in_token: link.token.hardware,
        fips: provenance::module().fips,
        sealing: link.roots.sealing(),
        wrapping: Some(link.roots.wrapping()),
        // A token that is itself a program keeps the root no better than the disk below it.
        insecure: if link.token.hardware { vec![] } else { vec!["insecure_software_token"] },
    };
    Ok((module, able))
}

fn make_in_token(token: &TokenSession<'_>, place: &Place) -> Result<(Vec<u8>, Option<Vec<u8>>), Fault> {
    let made = mechanism::generate(token.session, token.link, place.spec, place.purpose)?;
    let wrapped = mechanism::wrap(token.session, token.link, made.key);
    token.session.destroy_object(made.key)?;
    let wrapped = Wrapped { key: wrapped?, public: made.public.map(|public| public.spki().to_vec()) };
    Ok((wrapped.seal(token, place)?, wrapped.public))
}

/// The token's generator as a source of material. Keeps the token's own error: the trait has no room for it.
struct TokenRandom<'a> {
    session: &'a Session,
    failed: Option<cryptoki::error::Error>,
}

impl RandomSource for TokenRandom<'_> {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        for chunk in out.chunks_mut(RANDOM_CHUNK) {
            if let Err(error) = self.session.generate_random_slice(chunk) {
                self.failed = Some(error);
                return Err(CryptoError::Module);
            }
        }
        Ok(())
    }
}

fn draw(session: &Session, spec: Spec) -> Result<Material, Fault> {
    let mut source = TokenRandom { session, failed: None };
    generate(spec, &mut source).map_err(|error| match source.failed {
        Some(failed) => Fault::Token(failed),
        None => crate::ready::refusal(error).into(),
    })
}

fn draw_secret(session: &Session, len: usize) -> Result<SecretBytes, Fault> {
    let mut secret = SecretBytes::zeroed(len);
    let mut source = TokenRandom { session, failed: None };
    match (source.fill(secret.expose_mut()), source.failed) {
        (Ok(()), _) => Ok(secret),
        (Err(_), Some(failed)) => Err(Fault::Token(failed)),
        (Err(error), None) => Err(crate::ready::refusal(error).into()),
    }
}

fn unsupported(spec: Spec, protection: Protection) -> ProviderError {
    ProviderError::Unsupported { spec, protection, module: MODULE }
}

#[async_trait]
impl Provider for Pkcs11Provider {
    fn module(&self) -> ModuleInfo {
        self.module.clone()
    }

    fn supports(&self, spec: Spec, purpose: Purpose, protection: Protection) -> bool {
        match protection {
            Protection::Hsm => self.able.serves.contains(&(spec, purpose)),
            Protection::Software => spec.allows(purpose),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the provider seals ring KEKs")]
    async fn create_ring_kek(&self, ring: KeyRingId) -> Result<Vec<u8>, ProviderError> {
        let binding = binding::of_ring_kek(ring);
        self.pool
            .run(self.patience, move |token| {
                let kek = draw_secret(token.session, RING_KEK_LEN)?;
                Ok(sealing::seal(token.session, token.link.roots.seal, &binding, kek.expose())?)
            })
            .await
    }

    async fn check_ring_kek(&self, ring: &KeyRing) -> Result<(), ProviderError> {
        self.open_ring_kek(ring).await.map(drop)
    }

    async fn generate(&self, request: MaterialRequest<'_>) -> Result<Generated, ProviderError> {
        let MaterialRequest { ring, version, spec, purpose, protection, fingerprints } = request;
        if !self.supports(spec, purpose, protection) {
            return Err(unsupported(spec, protection));
        }
        let place = Place { ring: ring.id, version, spec, purpose };
        match protection {
            Protection::Hsm => self.generate_in_token(place, fingerprints).await,
            Protection::Software => self.generate_in_process(ring, place, fingerprints).await,
        }
    }

    /// Material of protection `hsm` is made in the token and nowhere else: what was in clear outside is no such key.
    fn imports(&self, spec: Spec, purpose: Purpose, protection: Protection) -> bool {
        protection == Protection::Software && spec.allows(purpose) && is_importable(spec)
    }

    async fn import(
        &self,
        request: MaterialRequest<'_>,
        material: &SecretBytes,
    ) -> Result<Generated, ProviderError> {
        let MaterialRequest { ring, version, spec, purpose, protection, fingerprints } = request;
        if !self.imports(spec, purpose, protection) {
            return Err(unsupported(spec, protection));
        }
        let place = Place { ring: ring.id, version, spec, purpose };
        ring_kek::import(&*self.ring_kek(ring).await?, &place, material, fingerprints)
    }

    async fn open(&self, ring: &KeyRing, version: &KeyVersion) -> Result<Arc<dyn Handle>, ProviderError> {
        if version.protection == Protection::Hsm {
            return self.open_in_token(ring, version).await;
        }
        let stored = ring_kek::stored(ring, version, UNDER_RING_KEK)?;
        let key = ring_kek::unwrap(&*self.ring_kek(ring).await?, &stored, version)?;
        Ok(Arc::new(ReadyHandle::new(version.id, key)))
    }

    /// A key of the token is not unwrapped for it: the token would have to let go of keys that are in use.
    async fn check_material(&self, ring: &KeyRing, version: &KeyVersion) -> Result<(), ProviderError> {
        match version.protection {
            Protection::Hsm => self.open_wrap(ring, version).await.map(drop),
            Protection::Software => self.open(ring, version).await.map(drop),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the provider seals secrets in the token")]
    async fn seal(&self, label: &[u8], secret: &SecretBytes) -> Result<Vec<u8>, ProviderError> {
        if secret.len() > MAX_SEALED {
            return Err(ProviderError::InvalidParameter("the secret is too large to seal under the root"));
        }
        let (binding, secret) = (binding::of_sealed(label), SecretBytes::copied_from(secret.expose()));
        self.pool
            .run(self.patience, move |token| {
                Ok(sealing::seal(token.session, token.link.roots.seal, &binding, secret.expose())?)
            })
            .await
    }

    async fn unseal(&self, label: &[u8], sealed: &[u8]) -> Result<SecretBytes, ProviderError> {
        let (binding, sealed) = (binding::of_sealed(label), sealed.to_vec());
        self.pool
            .run(self.patience, move |token| {
                sealing::open_stored(token.session, token.link.roots.seal, &binding, &sealed)
            })
            .await
    }

    async fn random(&self, len: usize) -> Result<SecretBytes, ProviderError> {
        if len > MAX_RANDOM {
            return Err(ProviderError::InvalidParameter("so many random bytes are not drawn in one call"));
        }
        self.pool.run(self.patience, move |token| draw_secret(token.session, len)).await
    }

    fn root_public_key(&self) -> RootPublicKey {
        self.public.clone()
    }

    async fn sign_root(&self, message: &[u8]) -> Result<Vec<u8>, ProviderError> {
        let message = message.to_vec();
        self.pool
            .run(self.patience, move |token| {
                let roots = &token.link.roots;
                signing::sign(
                    token.session,
                    roots.sign,
                    root::algorithm(roots.sign_spec),
                    Message::Raw(&message),
                )
            })
            .await
    }

    async fn health(&self) -> Result<ProviderHealth, ProviderError> {
        // A root that does not answer here is found to be lost by this very question.
        let answer = self
            .pool
            .run(self.patience, |token| {
                let seal = token.link.roots.seal;
                let class = cryptoki::object::AttributeType::Class;
                Ok(token.session.get_attributes(seal, &[class])?.len() == 1)
            })
            .await;
        Ok(ProviderHealth {
            self_test_ok: true,
            root_ok: answer.unwrap_or(false),
            sessions: self.pool.core().sessions(),
        })
    }
}
