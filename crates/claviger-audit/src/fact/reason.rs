//! Reasons: their rows as facts, and the seal on their texts. A row keeps the text as its first fact has it, so that it is shown
//! without a look into the log.

use claviger_core::ReasonId;
use claviger_core::reason::{ReasonRecord, TextAtRest};

use super::project::{Builder, bytes, instant, text};
use super::{Object, Projection, Values, VeilError, VeilKey};
use crate::cbor::Reader;

/// The number of the field that has the text.
pub(super) const TEXT: u16 = 3;
/// The revision of a row that has a text: the next one is that of its erasure.
const FIRST: u64 = 1;

impl From<&ReasonRecord> for Projection {
    fn from(reason: &ReasonRecord) -> Self {
        let object = Object::Reason(reason.id);
        let erasure = reason.erasure;
        let built = Builder::new(object, reason.revision, object)
            .put(1, text(reason.action.name()))
            .put(2, reason.code.and_then(|code| text(code.name())))
            .put(4, bytes(reason.given_by.as_bytes()))
            .put(5, instant(reason.given_at))
            .put(6, erasure.and_then(|erasure| bytes(erasure.by.as_bytes())))
            .put(7, erasure.and_then(|erasure| instant(erasure.at)));
        match &reason.text {
            TextAtRest::None => built.0,
            TextAtRest::Sealed(sealed) => Self { kept: Some(sealed.clone()), ..built.0 },
            TextAtRest::Clear(clear) => built.put(TEXT, text(clear)).0,
        }
    }
}

impl VeilKey {
    /// Seals the text of a reason, as its row and its first fact have it.
    ///
    /// # Errors
    /// [`VeilError::Unsealed`] without randomness, and for no text at all.
    pub fn seal_reason(&self, id: ReasonId, clear: &str) -> Result<Vec<u8>, VeilError> {
        let value = text(clear).ok_or(VeilError::Unsealed)?;
        self.seal(&Object::Reason(id), FIRST, &Values::from([(TEXT, value)]))
    }

    /// Opens what [`Self::seal_reason`] sealed.
    ///
    /// # Errors
    /// [`VeilError::Unopened`].
    pub fn open_reason(&self, id: ReasonId, sealed: &[u8]) -> Result<String, VeilError> {
        let values = self.open(&Object::Reason(id), FIRST, sealed)?;
        let value = values.get(&TEXT).ok_or(VeilError::Unopened)?;
        Reader::new(value).text().map(str::to_owned).map_err(|_| VeilError::Unopened)
    }
}
