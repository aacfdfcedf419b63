//! From the configuration of a root to the provider that answers for it.

use std::ffi::OsStr;
use std::sync::Arc;

use claviger_core::Name;
use claviger_core::port::{Provider, Store as _, StoreError};
use claviger_crypto::{SecretBytes, random};
use claviger_provider::{
    CreateRoot, Pkcs11Config, Pkcs11Provider, RootUnlock, SoftwareProvider, TokenSelector as Token,
};
use claviger_store::SqliteStore;

use crate::config::{Config, PinSource, Root, SoftwareSeal, TokenSelector};
use crate::error::ServerError;
use crate::files;

/// Document of the store: the sealed software root.
const SOFTWARE_ROOT: &str = "software-root";

/// Document of the store: the deployment's name, chosen before anything is made under it, so that a set-up that was
/// interrupted finds what it began. Labels of keys in a token begin with it.
const LABEL: &str = "root-label";

/// Whether a root may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Making {
    /// If there is none.
    IfMissing,
    /// Never: there must be one.
    Never,
}

/// Opens the root. Reads its secret, uses it, and keeps none.
pub(crate) async fn open(
    config: &Config,
    name: &Name,
    store: &SqliteStore,
    making: Making,
) -> Result<Arc<dyn Provider>, RootError> {
    let few_attempts = config.few_attempts;
    match &config.root {
        Root::InsecureSoftwareRoot { seal } => open_software(seal, store, making).await,
        Root::Pkcs11 { library, token, pin } => {
            let selector = match token {
                TokenSelector::Label(label) => Token::Label(label.clone()),
                TokenSelector::Slot(slot) => Token::Slot(*slot),
            };
            let mut token = Pkcs11Config::new(library.clone(), selector, read_pin(pin)?);
            token.label_prefix = name.to_string();
            token.few_attempts = few_attempts;
            let create = match making {
                Making::IfMissing => CreateRoot::IfMissing,
                Making::Never => CreateRoot::Never,
            };
            let opened = blocking(move || Pkcs11Provider::open(token, create)).await?;
            Ok(Arc::new(opened.map_err(ServerError::from)?))
        }
    }
}

/// A failure of the store is reported with its place, which the caller knows.
#[derive(Debug)]
pub(crate) enum RootError {
    Server(ServerError),
    Store(StoreError),
}

impl<E: Into<ServerError>> From<E> for RootError {
    fn from(error: E) -> Self {
        Self::Server(error.into())
    }
}

async fn open_software(
    seal: &SoftwareSeal,
    store: &SqliteStore,
    making: Making,
) -> Result<Arc<dyn Provider>, RootError> {
    let document = store.find_document(SOFTWARE_ROOT).await.map_err(RootError::Store)?;
    if document.is_none() && making == Making::Never {
        return Err(ServerError::RootMissing.into());
    }
    let unlock = unlock(seal, document.is_none())?;
    let Some(document) = document else {
        let (provider, document) =
            blocking(move || SoftwareProvider::create(&unlock)).await?.map_err(ServerError::from)?;
        // The document is durable before anything is wrapped by what it holds.
        store.put_document(SOFTWARE_ROOT, &document).await.map_err(RootError::Store)?;
        return Ok(Arc::new(provider));
    };
    let provider =
        blocking(move || SoftwareProvider::open(&document, &unlock)).await?.map_err(ServerError::from)?;
    Ok(Arc::new(provider))
}

fn unlock(seal: &SoftwareSeal, may_make_key_file: bool) -> Result<RootUnlock, ServerError> {
    Ok(match seal {
        SoftwareSeal::KeyFile(path) if may_make_key_file && !path.exists() => {
            RootUnlock::create_key_file(path)?
        }
        SoftwareSeal::KeyFile(path) => RootUnlock::key_file(path)?,
        SoftwareSeal::PassphraseFile(path) => RootUnlock::passphrase(files::read_secret_line(path)?)?,
    })
}

pub(crate) fn read_pin(pin: &PinSource) -> Result<SecretBytes, ServerError> {
    match pin {
        PinSource::File(path) => Ok(files::read_secret_line(path)?),
        PinSource::Env(name) => match std::env::var_os(OsStr::new(name)) {
            Some(value) if !value.is_empty() => {
                Ok(SecretBytes::new(std::os::unix::ffi::OsStringExt::into_vec(value)))
            }
            _ => Err(ServerError::PinVariable(name.clone())),
        },
    }
}

/// The deployment's name. The first time it is `wanted`, or one of its own.
pub(crate) async fn bind_name(store: &SqliteStore, wanted: Option<&Name>) -> Result<Name, StoreError> {
    let damaged = || StoreError::Corrupt("the deployment's name does not read".to_owned());
    if let Some(bytes) = store.find_document(LABEL).await? {
        return std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok()).ok_or_else(damaged);
    }
    let name = match wanted {
        Some(name) => name.clone(),
        None => random_name().ok_or_else(damaged)?,
    };
    store.put_document(LABEL, name.as_str().as_bytes()).await?;
    Ok(name)
}

fn random_name() -> Option<Name> {
    let mark = random::array::<4>().ok()?.map(|byte| format!("{byte:02x}")).concat();
    format!("claviger-{mark}").parse().ok()
}

/// Runs what may take seconds on a thread that nobody waits for.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ServerError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ServerError::Fatal(format!("a thread ended badly: {error}")))
}
