//! Removes imported material. The same material can be imported again; no other can come in its place.

use claviger_core::Action;
use claviger_core::change::{Change, Restriction};
use claviger_core::key::{KeyRecord, KeyVersion};

use super::read_import_parameters::is_imported;
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::record::EntryDetail;
use crate::reference::{KeyRef, TargetRef};
use crate::view::View;

/// Removes imported material.
#[derive(Debug)]
pub struct RemoveImportedMaterial {
    /// The key.
    pub key: KeyRef,
    /// Of this version; the primary one by default.
    pub version: Option<u32>,
    /// Only if it has expired by now: what a job asks, which may come after somebody imported it anew.
    pub only_if_expired: bool,
}

impl Operation for RemoveImportedMaterial {
    type Output = KeyRecord;

    fn action(&self) -> Action {
        Action::RemoveImportedMaterial
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<KeyRecord>, ServiceError> {
        let record = view.record()?;
        is_imported(record)?;
        let number = self.version.unwrap_or(record.key.primary);
        let record = view.record_with(number).await?;
        let version = record.find_version(number).ok_or_else(ServiceError::not_found)?;
        if self.only_if_expired && !version.has_expired(view.state.time.irreversible()?) {
            return Err(ServiceError::new(ErrorKind::WrongState, "the material has not expired"));
        }
        let detail = EntryDetail { version: Some(number), ..view.detail() };
        if version.wrap.is_none() {
            return Ok(Staged::reading(record, detail));
        }
        let emptied = KeyVersion { reason: view.why, ..version.without_material(view.now)? };
        let mut changed = record.clone();
        if let Some(version) = changed.versions.iter_mut().find(|version| version.id.number == number) {
            *version = KeyVersion { revision: emptied.revision + 1, ..emptied.clone() };
        }
        let changes = vec![Change::PutVersion(emptied)];
        let asked = Governed::RemoveImportedMaterial {
            key: record.key.id,
            version: number,
            only_if_expired: self.only_if_expired,
        };
        Ok(Staged::restricting(asked, changed, changes, vec![Restriction::Key(record.key.id)], detail))
    }
}
