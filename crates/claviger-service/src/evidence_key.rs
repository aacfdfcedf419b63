//! The evidence key of the deployment: ML-DSA-65, made once, which signs evidence packs beside the key of the root.
//!
//! Its seed lies in the store, sealed under the root, as other secrets of the deployment do. Beside it lies the note by which the root
//! announces its public half; each start records that, and whoever verifies the log finds out if it ever was another one.
//!
//! What it keeps true: a key that is gone is never made anew, and one that the root does not announce signs nothing. Nothing of it stands in
//! the way of a start: without it, no pack is signed, and all else goes on.

use std::sync::OnceLock;

use claviger_audit::evidence::{self, EvidenceSigner};
use claviger_audit::key::VerifierKey;
use claviger_audit::op::Op;
use claviger_audit::to_hex;
use claviger_core::port::{Provider, Store, StoreError};
use claviger_crypto::SecretBytes;

use crate::error::{ErrorKind, ServiceError};
use crate::log::cutter::sign_by_root;
use crate::open::kept_secret;
use crate::record::{EntryDetail, EntryHeader, reference};
use crate::road::Road;

/// The document with its seed, sealed under the root.
pub(crate) const EVIDENCE_KEY: &str = "evidence-key";
pub(crate) const EVIDENCE_KEY_LABEL: &[u8] = b"claviger/evidence-key/v1";
/// The document with its announcement: a note of the root.
const ANNOUNCEMENT: &str = "evidence-key/announcement";

/// The key, once a start opened and announced it.
#[derive(Debug, Default)]
pub(crate) struct AnnouncedKey(OnceLock<EvidenceSigner>);

impl AnnouncedKey {
    /// The line by which it signs a note with this text.
    ///
    /// # Errors
    /// Unavailable without the key.
    pub(crate) fn sign(&self, text: &str) -> Result<String, ServiceError> {
        let signer = self.0.get().ok_or_else(|| {
            let message = "the evidence key of this deployment did not open at the last start, so no pack is signed; the trace of that start \
                           says why";
            ServiceError::new(ErrorKind::Unavailable, message)
        })?;
        signer.line(text).map_err(unsigned)
    }
}

/// Opens the key, and makes it with its announcement where the store has neither. Before the journal is opened: documents are written then
/// alone.
///
/// # Errors
/// When it is gone, does not open, is another one than the root announces, or the root does not sign.
pub(crate) async fn open(
    store: &dyn Store,
    provider: &dyn Provider,
    root: &VerifierKey,
) -> Result<EvidenceSigner, ServiceError> {
    let announced = store.find_document(ANNOUNCEMENT).await?;
    if announced.is_some() && store.find_document(EVIDENCE_KEY).await?.is_none() {
        let message = format!("document `{EVIDENCE_KEY}`, the evidence key that the log announces, is gone");
        return Err(StoreError::Corrupt(message).into());
    }
    let seed = kept_secret(store, provider, EVIDENCE_KEY, EVIDENCE_KEY_LABEL).await?;
    let signer = signer_of(&seed, root)?;
    let note = match announced {
        Some(note) => note,
        None => {
            let text = evidence::announcement(root.name(), signer.key());
            let note = sign_by_root(provider, root, &text).await?.into_bytes();
            store.put_document(ANNOUNCEMENT, &note).await?;
            note
        }
    };
    match evidence::open_announcement(&note, root) {
        Ok(key) if key == *signer.key() => Ok(signer),
        Ok(_) => Err(StoreError::Corrupt(format!("document `{ANNOUNCEMENT}` is of another key")).into()),
        Err(error) => {
            let message = format!("document `{ANNOUNCEMENT}` does not hold: {error}");
            Err(StoreError::Corrupt(message).into())
        }
    }
}

/// The announcement of the key with this digest, in hexadecimal; none if it is another one.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn announcement(
    store: &dyn Store,
    root: &VerifierKey,
    digest: &str,
) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(note) = store.find_document(ANNOUNCEMENT).await? else { return Ok(None) };
    let is_asked = evidence::open_announcement(&note, root).is_ok_and(|key| to_hex(&key.digest()) == digest);
    Ok(is_asked.then_some(note))
}

/// Should there be a key in this store: is one there, or announced?
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn is_expected(store: &dyn Store) -> Result<bool, StoreError> {
    let is_announced = store.find_document(ANNOUNCEMENT).await?.is_some();
    Ok(is_announced || store.find_document(EVIDENCE_KEY).await?.is_some())
}

impl Road {
    /// Records which key it is, and signs by it from now on.
    ///
    /// # Errors
    /// When the log takes no entry.
    pub(crate) async fn announce(&self, signer: EvidenceSigner) -> Result<(), ServiceError> {
        let digest = signer.key().digest();
        let detail = EntryDetail { reference: reference(&[&digest]), ..EntryDetail::default() };
        self.record_entry(EntryHeader::of_system(Op::AnnounceEvidenceKey, self.now()), detail).await?;
        let _ = self.state.evidence_key.0.set(signer);
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "the bytes become a key that wipes itself")]
fn signer_of(seed: &SecretBytes, root: &VerifierKey) -> Result<EvidenceSigner, ServiceError> {
    let bytes: &[u8; 32] = seed.expose().try_into().map_err(|_| {
        let message = format!("document `{EVIDENCE_KEY}` does not hold a key");
        ServiceError::new(ErrorKind::Internal, message)
    })?;
    EvidenceSigner::from_seed(&evidence::key_name(root.name()), bytes).map_err(unsigned)
}

fn unsigned(error: claviger_audit::NoteError) -> ServiceError {
    ServiceError::new(ErrorKind::Internal, "the evidence key could not sign").caused_by(error)
}
