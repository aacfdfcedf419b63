//! Uses of a key: one call for one item, and the same uses in batches.

mod agree;
mod encapsulate;
mod mac;
mod pair;
mod random;
mod reencrypt;
mod seal;
mod sign;
mod wrap;
mod xks;

use std::future::Future;
use std::sync::Arc;

use claviger_audit::NamedAsset;
use claviger_core::action::Effect;
use claviger_core::asset::Asset;
use claviger_core::key::{KeyVersion, PlaintextDataKeys, Processing, Protecting};
use claviger_core::port::provider::{Process, Protect, UseOutput};
use claviger_core::{Action, AssetId, KeyId, KeyVersionId, Purpose, Spec};
use claviger_crypto::SecretBytes;
use claviger_crypto::envelope::{Context, Header};

pub use agree::{Agree, Agreed, PublicKeyOf, ReadPublicKey};
pub use encapsulate::{Capsule, Decapsulate, Encapsulate};
pub use mac::{Mac, Maced, VerifyMac};
pub use pair::{
    GenerateDataKeyPair, GenerateDataKeyPairWithoutPlaintext, PairSpec, SealedKeyPair, ShownKeyPair,
};
pub use random::Random;
pub use reencrypt::{InTransit, ReencryptFrom, ReencryptInto};
pub use seal::{DataKey, Decrypt, Encrypt, GenerateDataKey, GenerateDataKeyWithoutPlaintext, Reencrypt};
pub use sign::{Sign, Signed, Verified, Verify};
pub use wrap::{Unwrap, Wrap};
pub use xks::{MOST_XKS_AAD, XksDecrypt, XksEncrypt, XksParts, XksSealed};

use crate::call::{Operation, Staged};
use crate::error::{Algorithm, ErrorKind, Obstacle, ServiceError};
use crate::record::{EntryDetail, reference};
use crate::reference::{KeyRef, TargetRef};
use crate::state::Older;
use crate::view::View;
use crate::work::Class;

/// Most items of a batch.
pub const MOST_ITEMS: usize = 1000;
/// Longest input of a direct use, in bytes; what is longer goes under a data key.
pub const MOST_INPUT: usize = 64 << 10;

/// Items of a batch under a symmetric key that are done before others get the thread: some tens of microseconds.
const SYMMETRIC_PIECE: usize = 16;

/// Something that was sealed.
#[derive(Debug)]
pub struct Sealed {
    /// The ciphertext; it names its key and version.
    pub ciphertext: Vec<u8>,
    /// The key.
    pub key: KeyId,
    /// Number of the version.
    pub version: u32,
}

/// Something that was opened.
#[derive(Debug)]
pub struct Opened {
    /// What was inside.
    pub plaintext: SecretBytes,
    /// The key.
    pub key: KeyId,
    /// Number of the version.
    pub version: u32,
}

static NO_CONTEXT: Context = Context::EMPTY;

/// One use of one key.
pub trait KeyUse: Send + Sync {
    /// What it gives.
    type Output: Send;
    /// Which action it is.
    const ACTION: Action;
    /// Which keys serve it.
    const PURPOSE: Purpose;
    /// Is it a use on new data, which counts where the key's primitive has a limit?
    const PROTECTS: bool = matches!(Self::ACTION.effect(), Effect::Protect);

    /// Does it hand out a data key, or the private key of a pair, in clear?
    const SHOWS_DATA_KEY: bool = false;

    /// By how many bytes what comes in may be longer than the longest plaintext.
    const OVERHEAD: usize = 0;

    /// The encryption context.
    fn context(&self) -> &Context {
        &NO_CONTEXT
    }

    /// The value of the field of that name in what is authenticated with it.
    fn field(&self, name: &str) -> Option<&str> {
        self.context().find(name)
    }

    /// What its entry records beside, in public bytes.
    fn public_detail(&self) -> Option<&'static [u8]> {
        None
    }

    /// How many bytes come in.
    fn input_len(&self) -> usize;

    /// Does it; gives the number of the version that served.
    fn apply(
        &self,
        at: &KeyContext<'_>,
    ) -> impl Future<Output = Result<(Self::Output, u32), ServiceError>> + Send;
}

/// A use on its own.
#[derive(Debug)]
pub struct UseKey<U> {
    key: KeySelector,
    what: U,
}

#[derive(Debug)]
enum KeySelector {
    /// By the caller.
    ByCaller(KeyRef),
    /// By the ciphertext's header.
    ByHeader(KeyId),
}

impl KeySelector {
    fn target(&self) -> TargetRef<'_> {
        match self {
            Self::ByCaller(key) => TargetRef::Key(key),
            Self::ByHeader(id) => TargetRef::KeyId(*id),
        }
    }
}

impl<U> UseKey<U> {
    /// A use of that key.
    #[must_use]
    pub const fn new(key: KeyRef, what: U) -> Self {
        Self { key: KeySelector::ByCaller(key), what }
    }
}

/// A use of the key that its ciphertext names.
pub trait NamesItsKey: KeyUse {
    /// The ciphertext.
    fn ciphertext(&self) -> &[u8];
}

impl<U: NamesItsKey> UseKey<U> {
    /// A use of the key that the ciphertext names.
    ///
    /// # Errors
    /// Bad ciphertext when it has no header.
    pub fn by_header(what: U) -> Result<Self, ServiceError> {
        let (header, _) = Header::parse(what.ciphertext()).map_err(|_| no_header())?;
        Ok(Self { key: KeySelector::ByHeader(KeyId::from_bytes(header.key_id)), what })
    }
}

impl<U: KeyUse> Operation for UseKey<U> {
    type Output = U::Output;

    fn action(&self) -> Action {
        U::ACTION
    }

    fn target(&self) -> TargetRef<'_> {
        self.key.target()
    }

    fn contexts(&self) -> impl Iterator<Item = &Context> + Send {
        std::iter::once(self.what.context())
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<U::Output>, ServiceError> {
        let key_context = KeyContext::for_purpose(view, U::PURPOSE)?;
        let asset = asset_of(&self.what, view).await?;
        let (output, version) = apply(&self.what, &key_context, asset).await?;
        let detail = detail_of(view, &self.what, Some(version), asset);
        Ok(Staged::reading(output, detail).counting(key_context.counted::<U>(1)?))
    }
}

/// Many uses of one key in one call. Every item has its own result and its own entry.
#[derive(Debug)]
pub struct UseBatch<U> {
    /// The key.
    pub key: KeyRef,
    /// The items: 1 to [`MOST_ITEMS`].
    pub items: Vec<U>,
}

impl<U: KeyUse> Operation for UseBatch<U> {
    type Output = Vec<Result<U::Output, ServiceError>>;

    fn action(&self) -> Action {
        U::ACTION
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    fn contexts(&self) -> impl Iterator<Item = &Context> + Send {
        self.items.iter().map(KeyUse::context)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Self::Output>, ServiceError> {
        if self.items.is_empty() || self.items.len() > MOST_ITEMS {
            return Err(ServiceError::invalid(format!("a batch has 1 to {MOST_ITEMS} items")));
        }
        view.enter(Class::Batch).await?;
        let key_context = KeyContext::for_purpose(view, U::PURPOSE)?;
        let piece = key_context.piece()?;
        let mut outputs = Vec::with_capacity(self.items.len());
        let mut details = Vec::with_capacity(self.items.len());
        let mut done = 0;
        for (at, item) in self.items.iter().enumerate() {
            if at % piece == 0 {
                // Others get the thread between two pieces, and a caller that has gone stops the rest.
                tokio::task::yield_now().await;
            }
            let asset = asset_of(item, view).await?;
            let result = apply(item, &key_context, asset).await;
            let detail = match &result {
                Ok((_, version)) => {
                    done += 1;
                    detail_of(view, item, Some(*version), asset)
                }
                Err(error) => {
                    view.state.alerts.note_refused_use(error, view.target.key_id());
                    let refused = detail_of(view, item, None, asset);
                    EntryDetail { outcome: crate::record::entry_outcome(error.kind()), ..refused }
                }
            };
            details.push(detail);
            outputs.push(result.map(|(output, _)| output));
        }
        let counted = key_context.counted::<U>(done)?;
        Ok(Staged::of_many(outputs, details).counting(counted))
    }
}

/// What is named as the data asset that a use is on, if anything is. What is no identifier of one is not looked at any further.
async fn asset_of<U: KeyUse>(what: &U, view: &View<'_>) -> Result<Option<NamedAsset>, ServiceError> {
    let Some(named) = what.field(Asset::FIELD) else { return Ok(None) };
    let Ok(id) = named.parse::<AssetId>() else { return Ok(Some(NamedAsset::Unknown)) };
    let is_there = match view.state.remembers_asset(id) {
        Some(is_there) => is_there,
        None => Box::pin(view.state.has_asset(id)).await?,
    };
    Ok(Some(if is_there { NamedAsset::Known(*id.as_bytes()) } else { NamedAsset::Unknown }))
}

fn detail_of<U: KeyUse>(
    view: &View<'_>,
    what: &U,
    version: Option<u32>,
    asset: Option<NamedAsset>,
) -> EntryDetail {
    let detail = EntryDetail { asset, ..view.use_detail(version, what.input_len(), what.context()) };
    EntryDetail { reference: what.public_detail().and_then(|bytes| reference(&[bytes])), ..detail }
}

async fn apply<U: KeyUse>(
    what: &U,
    at: &KeyContext<'_>,
    asset: Option<NamedAsset>,
) -> Result<(U::Output, u32), ServiceError> {
    if what.input_len() > MOST_INPUT + U::OVERHEAD {
        let message =
            format!("a direct use takes up to {MOST_INPUT} bytes; encrypt larger data under a data key");
        return Err(ServiceError::new(ErrorKind::TooLarge, message));
    }
    let record = at.view.record()?;
    if U::SHOWS_DATA_KEY && record.ring.policy.plaintext_data_keys == PlaintextDataKeys::Refused {
        let message = "the rule of its ring lets no data key out in clear; ask for a sealed one";
        return Err(ServiceError::new(ErrorKind::Denied, message));
    }
    at.is_of_callers_environment()?;
    if let Some(field) = record.missing_context(|name| what.field(name).is_some()) {
        let message = format!("this key is used only with the field `{field}` in the encryption context");
        return Err(ServiceError::new(ErrorKind::ContextRequired, message));
    }
    if record.asks_for_asset() && !matches!(asset, Some(NamedAsset::Known(_))) {
        let message = format!(
            "this key is used only with the identifier of a data asset in the field `{}` of the encryption context",
            Asset::FIELD
        );
        return Err(ServiceError::new(ErrorKind::ContextRequired, message));
    }
    what.apply(at).await
}

/// The key at work in one call.
#[derive(Debug)]
pub struct KeyContext<'a> {
    view: &'a View<'a>,
}

impl<'a> KeyContext<'a> {
    fn for_purpose(view: &'a View<'a>, purpose: Purpose) -> Result<Self, ServiceError> {
        let key = &view.record()?.key;
        if key.purpose != purpose {
            let message = format!("the key is for `{}`, not for `{}`", key.purpose.name(), purpose.name());
            return Err(ServiceError::new(ErrorKind::WrongPurpose, message)
                .because_of(Obstacle::Purpose(key.purpose)));
        }
        Ok(Self { view })
    }

    /// Refuses a caller of another environment than the key's. Where neither says one, it is that of the deployment.
    fn is_of_callers_environment(&self) -> Result<(), ServiceError> {
        let ours = self.view.system.environment.as_ref();
        let of_key = self.view.record()?.environment().or(ours);
        let of_caller = self.view.caller.principal().environment.as_ref().or(ours);
        match (of_key, of_caller) {
            (Some(of_key), Some(of_caller)) if of_key != of_caller => {
                let message = format!("the key is of environment `{of_key}`, and you are of `{of_caller}`");
                Err(ServiceError::new(ErrorKind::Denied, message))
            }
            _ => Ok(()),
        }
    }

    /// Refuses if the caller takes the key for one of another spec.
    fn is_of(&self, spec: Option<Spec>) -> Result<(), ServiceError> {
        let key = &self.view.record()?.key;
        match spec {
            Some(spec) if spec != key.spec => {
                let message = format!("the key is of {}, not of {spec}", key.spec);
                let obstacle = Obstacle::Algorithm(Algorithm::Mac(spec), key.spec);
                Err(ServiceError::new(ErrorKind::WrongPurpose, message).because_of(obstacle))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// How many items of a batch are done at a time.
    fn piece(&self) -> Result<usize, ServiceError> {
        Ok(if self.view.record()?.key.spec.is_asymmetric() { 1 } else { SYMMETRIC_PIECE })
    }

    fn key_id(&self) -> Result<KeyId, ServiceError> {
        Ok(self.view.record()?.key.id)
    }

    /// The version for new data. A version whose primitive has a limit refuses beyond it.
    fn protecting(&self) -> Result<Protecting<'a>, ServiceError> {
        let record = self.view.record()?;
        let protecting = record.protecting(self.view.now)?;
        let limit = record.key.invocation_limit();
        if let Some(limit) = limit
            && self.view.live()?.count_uses(protecting.version(), 1)? >= limit
        {
            let message =
                "the key's version has reached the number of uses its algorithm allows; rotate the key";
            return Err(ServiceError::new(ErrorKind::WrongState, message));
        }
        Ok(protecting)
    }

    /// Refuses a key whose state does not protect, and counts nothing.
    fn may_protect(&self) -> Result<(), ServiceError> {
        self.view.record()?.protecting(self.view.now)?;
        Ok(())
    }

    /// Refuses an asymmetric key, which seals no more than a few bytes.
    fn is_symmetric(&self) -> Result<(), ServiceError> {
        if self.view.record()?.key.spec.is_asymmetric() {
            return Err(ServiceError::new(ErrorKind::WrongPurpose, "it takes a symmetric key"));
        }
        Ok(())
    }

    /// Version `number` for old data.
    async fn processing(&self, number: u32) -> Result<Chosen, ServiceError> {
        if self.view.record()?.processing(number, self.view.now)?.is_some() {
            return Ok(Chosen { number, older: None });
        }
        let older = Box::pin(self.view.older(number)).await?.ok_or_else(ServiceError::not_found)?;
        older.record().processing(number, self.view.now)?.ok_or_else(ServiceError::not_found)?;
        Ok(Chosen { number, older: Some(older) })
    }

    /// The versions to try on old data that names none: `wanted`, or all that process, newest first.
    fn candidates(&self, wanted: Option<u32>) -> Result<Candidates<'_, 'a>, ServiceError> {
        let next = match wanted {
            Some(number) => number,
            None => self.view.record()?.newest(),
        };
        Ok(Candidates { at: self, next: Some(next), is_wanted: wanted.is_some(), is_any: false })
    }

    async fn protect(&self, version: Protecting<'_>, how: Protect<'_>) -> Result<UseOutput, ServiceError> {
        let handle = self.view.handle(version.version()).await?;
        Ok(handle.protect(version, how).finish().await?)
    }

    async fn process(&self, chosen: &Chosen, how: Process<'_>) -> Result<UseOutput, ServiceError> {
        if let Some(older) = &chosen.older {
            return Box::pin(self.process_older(older, chosen.number, how)).await;
        }
        let version = self.view.record()?.processing(chosen.number, self.view.now)?;
        let version: Processing<'_> = version.ok_or_else(ServiceError::not_found)?;
        let handle = self.view.handle(version.version()).await?;
        Ok(handle.process(version, how).finish().await?)
    }

    /// The same, by a version that is not at hand.
    async fn process_older(
        &self,
        older: &Older,
        number: u32,
        how: Process<'_>,
    ) -> Result<UseOutput, ServiceError> {
        let version = older.record().processing(number, self.view.now)?;
        let version = version.ok_or_else(ServiceError::not_found)?;
        let handle = older.handle(version.version(), self.view.provider()).await?;
        Ok(handle.process(version, how).finish().await?)
    }

    /// The uses of the primary version that are to be counted: where its primitive has a limit.
    fn counted<U: KeyUse>(&self, uses: u64) -> Result<Option<(KeyVersionId, u64)>, ServiceError> {
        let record = self.view.record()?;
        if uses == 0 || !U::PROTECTS || record.key.invocation_limit().is_none() {
            return Ok(None);
        }
        Ok(Some((record.protecting(self.view.now)?.version().id, uses)))
    }

    fn header(&self, version: &KeyVersion) -> Header {
        Header { spec: version.spec, key_id: *version.id.key.as_bytes(), version: version.id.number }
    }
}

/// A version that processes.
struct Chosen {
    number: u32,
    /// Where it is not at hand.
    older: Option<Arc<Older>>,
}

/// Versions to try, one after the other.
struct Candidates<'c, 'a> {
    at: &'c KeyContext<'a>,
    next: Option<u32>,
    /// Is it one that the caller named, and no other?
    is_wanted: bool,
    is_any: bool,
}

impl Candidates<'_, '_> {
    /// The next one that processes, if any is left.
    ///
    /// # Errors
    /// Where none processed: what stands in the way of the one that was named, or of the primary one.
    async fn next(&mut self) -> Result<Option<Chosen>, ServiceError> {
        if self.is_wanted {
            return match self.next.take() {
                Some(number) => self.at.processing(number).await.map(Some),
                None => Ok(None),
            };
        }
        let (record, now) = (self.at.view.record()?, self.at.view.now);
        while let Some(number) = self.next.filter(|number| *number > 0) {
            self.next = number.checked_sub(1);
            let older = match record.processing(number, now) {
                Ok(Some(_)) => None,
                Ok(None) => match Box::pin(self.at.view.older(number)).await? {
                    Some(older) if matches!(older.record().processing(number, now), Ok(Some(_))) => {
                        Some(older)
                    }
                    _ => continue,
                },
                Err(_) => continue,
            };
            self.is_any = true;
            return Ok(Some(Chosen { number, older }));
        }
        if !self.is_any {
            // Says which state stands in the way.
            self.at.processing(record.key.primary).await?;
        }
        Ok(None)
    }
}

fn no_header() -> ServiceError {
    ServiceError::new(ErrorKind::BadCiphertext, "the input is no ciphertext of this service")
}

/// An output of another kind than the use gives: a fault of the provider.
fn unexpected() -> ServiceError {
    ServiceError::new(ErrorKind::Internal, "the cryptographic module gave a result of another kind")
}

fn bytes(output: UseOutput) -> Result<Vec<u8>, ServiceError> {
    match output {
        UseOutput::Bytes(bytes) => Ok(bytes),
        UseOutput::Capsule { .. } | UseOutput::Secret(_) | UseOutput::Verified(_) => Err(unexpected()),
    }
}

fn secret(output: UseOutput) -> Result<SecretBytes, ServiceError> {
    match output {
        UseOutput::Secret(secret) => Ok(secret),
        UseOutput::Bytes(_) | UseOutput::Capsule { .. } | UseOutput::Verified(_) => Err(unexpected()),
    }
}

fn verified(output: UseOutput) -> Result<bool, ServiceError> {
    match output {
        UseOutput::Verified(holds) => Ok(holds),
        UseOutput::Bytes(_) | UseOutput::Capsule { .. } | UseOutput::Secret(_) => Err(unexpected()),
    }
}
