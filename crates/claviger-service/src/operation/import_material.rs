//! Imports material: the first of a key, the same again after it was removed, or new material that waits for rotation.

use bytes::Bytes;
use claviger_core::change::{Change, Restriction};
use claviger_core::key::{Event, ImportedMaterial, Key, KeyRecord, KeyVersion, State, Transport};
use claviger_core::port::provider::MaterialRequest;
use claviger_core::port::store::Page;
use claviger_core::sensitive::Quorum;
use claviger_core::{Action, Spec, Timestamp};
use claviger_crypto::secret::ct_eq;
use claviger_crypto::{SecretBytes, digest, import, import_as_it_came};

use super::create_key::awaiting_version;
use super::import_token::ImportToken;
use super::read_import_parameters::takes_material;
use super::sensitive::{by_ring, seen_key};
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, Obstacle, ServiceError};
use crate::governed::Governed;
use crate::record::EntryDetail;
use crate::reference::{KeyRef, TargetRef};
use crate::view::View;
use crate::work::Class;

/// Imports material.
#[derive(Debug)]
pub struct ImportMaterial {
    /// The key.
    pub key: KeyRef,
    /// The token that came with the public key.
    pub token: Bytes,
    /// The material, wrapped for that public key.
    pub material: Bytes,
    /// From then on it is used no more; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// Is it new material, which waits for the key's rotation? The first material of a key need not say so.
    pub new_material: bool,
    /// Only if it is that of this version.
    pub version: Option<u32>,
}

/// A key whose material came in.
#[derive(Debug)]
pub struct MaterialImported {
    /// The key as it is now.
    pub record: KeyRecord,
    /// Number of the version that has the material.
    pub version: u32,
}

impl Operation for ImportMaterial {
    type Output = MaterialImported;

    fn action(&self) -> Action {
        Action::ImportMaterial
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<MaterialImported>, ServiceError> {
        let record = view.record()?;
        takes_material(record)?;
        if self.expires_at.is_some_and(|at| at <= view.now) {
            return Err(ServiceError::invalid("the material would have expired already"));
        }
        let token = ImportToken::open(view.provider(), record.key.id, &self.token, view.now).await?;
        let (spec, wrapped) = (record.key.spec, self.material.clone());
        // Opening it is a use of an RSA key, and checking a private key takes longer still.
        let taken = view.work(Class::Generation, move |_| take_out(&token, spec, &wrapped)).await?;
        let version = self.version_for(view, record, &taken).await?;
        if self.version.is_some_and(|wanted| wanted != version.id.number) {
            return Err(wrong("the material is that of another version"));
        }
        let filled = self.fill(view, record, &version, &taken).await?;
        let asked = Governed::ImportMaterial {
            key: record.key.id,
            token: digest::sha256(&self.token),
            material: digest::sha256(&self.material),
            expires_at: self.expires_at,
            new_material: self.new_material,
            version: self.version,
        };
        Ok(stage(view, asked, record, &version, filled)?.under(quorum(record)))
    }
}

/// Nobody alone imports material into a key that is in use or, where duties are kept apart, into one for restricted data.
fn quorum(record: &KeyRecord) -> Quorum {
    // What is suspended is in use once somebody resumes it.
    let is_in_use = matches!(record.key.state, State::Active | State::Suspended);
    let policy = &record.ring.policy;
    let approvers = match policy.import_needs_approval(Some(record.key.data_class), is_in_use) {
        true => policy.quorum,
        false => 0,
    };
    // Key and ring are as they were read when it is done: the first of a key writes neither.
    by_ring(&record.ring, approvers, [seen_key(&record.key)])
}

impl ImportMaterial {
    /// The version that the material is for.
    async fn version_for(
        &self,
        view: &View<'_>,
        record: &KeyRecord,
        taken: &Taken,
    ) -> Result<KeyVersion, ServiceError> {
        if let [only] = record.versions.as_slice()
            && only.imported.is_none()
        {
            return Ok(only.clone());
        }
        let known = match record.versions.iter().find(|version| is_of(view, version, taken)) {
            None if !record.is_whole() => known_before(view, record, taken).await?,
            known => known.cloned(),
        };
        match (known, self.new_material) {
            (Some(version), false) => Ok(version),
            (Some(_), true) => Err(wrong("the key had this material before")),
            (None, false) => Err(wrong("the material is not what the key had before")),
            (None, true) => next_version(view, record),
        }
    }

    async fn fill(
        &self,
        view: &View<'_>,
        record: &KeyRecord,
        version: &KeyVersion,
        taken: &Taken,
    ) -> Result<KeyVersion, ServiceError> {
        let request = MaterialRequest {
            ring: &record.ring,
            version: version.id,
            spec: record.key.spec,
            purpose: record.key.purpose,
            protection: record.key.protection,
            fingerprints: &view.state.fingerprints,
        };
        let made = view.provider().import(request, &taken.material).await?;
        let imported = ImportedMaterial {
            wrap: made.wrap,
            public_key: made.public_key,
            provenance: made.provenance,
            digest: view.state.material_digest(version.id, &taken.material),
            expires_at: self.expires_at,
            transport: taken.transport,
        };
        Ok(version.with_material(imported, version.id.number == record.key.primary, view.now)?)
    }
}

/// What came wrapped.
struct Taken {
    /// The material, in the one form of its spec: so that the same material is known again whatever form it comes in.
    material: SecretBytes,
    /// The form in which an older release kept it, where that was another one.
    as_it_came: Option<SecretBytes>,
    /// How it was wrapped.
    transport: Transport,
}

fn take_out(token: &ImportToken, spec: Spec, wrapped: &[u8]) -> Result<Taken, ServiceError> {
    let bytes = token.unwrap(wrapped)?;
    let made = import(spec, &bytes).map_err(|_| wrong("the material is not a key of this spec"))?;
    let as_it_came = import_as_it_came(spec, &bytes);
    Ok(Taken { material: made.secret, as_it_came, transport: token.transport()? })
}

/// The version with that material among those that are not at hand.
async fn known_before(
    view: &View<'_>,
    record: &KeyRecord,
    taken: &Taken,
) -> Result<Option<KeyVersion>, ServiceError> {
    let mut page = Page { after: None, limit: 1000 };
    loop {
        let versions = view.store().list_versions(record.key.id, page.clone()).await?;
        let Some(last) = versions.last().map(|version| version.id.number) else { return Ok(None) };
        if let Some(known) = versions.into_iter().find(|version| is_of(view, version, taken)) {
            return Ok(Some(known));
        }
        page.after = Some(last);
    }
}

fn is_of(view: &View<'_>, version: &KeyVersion, taken: &Taken) -> bool {
    let Some(imported) = &version.imported else { return false };
    let is =
        |material: &SecretBytes| ct_eq(&imported.digest, &view.state.material_digest(version.id, material));
    is(&taken.material) || taken.as_it_came.as_ref().is_some_and(is)
}

/// A version for new material, which takes over when the key is rotated.
fn next_version(view: &View<'_>, record: &KeyRecord) -> Result<KeyVersion, ServiceError> {
    if record.key.spec.is_asymmetric() || record.key.purpose != claviger_core::Purpose::Encrypt {
        let message = "only a symmetric key for `encrypt` takes new material; create another key";
        return Err(ServiceError::new(ErrorKind::Unsupported, message));
    }
    if record.key.state != State::Active {
        let message = format!("a key that is {} takes no new material", record.key.state);
        return Err(
            ServiceError::new(ErrorKind::WrongState, message).because_of(Obstacle::State(record.key.state))
        );
    }
    if record.waiting().is_some() {
        let message = "the key has new material already that waits for rotation";
        return Err(ServiceError::new(ErrorKind::WrongState, message));
    }
    let number =
        record.newest().checked_add(1).ok_or_else(|| ServiceError::invalid("the key has no version left"))?;
    Ok(awaiting_version(view, &record.key, number))
}

fn stage(
    view: &View<'_>,
    asked: Governed,
    record: &KeyRecord,
    before: &KeyVersion,
    filled: KeyVersion,
) -> Result<Staged<MaterialImported>, ServiceError> {
    let number = filled.id.number;
    let mut changes = vec![Change::PutVersion(filled.clone())];
    let mut record = record.clone();
    if filled.state == State::Active && record.key.state == State::PreActive {
        let key = record.key.after(Event::Activate)?;
        changes.push(Change::PutKey(key.clone()));
        record.key = Key { revision: key.revision + 1, ..key };
    }
    let written = KeyVersion { revision: filled.revision + 1, ..filled };
    match record.versions.iter_mut().find(|version| version.id.number == number) {
        Some(version) => *version = written,
        None => {
            record.versions.push(written);
            record.versions.sort_unstable_by_key(|version| version.id.number);
        }
    }
    let (key, detail) = (record.key.id, EntryDetail { version: Some(number), ..view.detail() });
    let output = MaterialImported { record, version: number };
    if before.wrap.is_none() {
        return Ok(Staged::changing(asked, output, changes, detail));
    }
    // What was usable may now be so for a shorter time: calls on their way are decided again.
    Ok(Staged::restricting(asked, output, changes, vec![Restriction::Key(key)], detail))
}

fn wrong(message: &'static str) -> ServiceError {
    ServiceError::new(ErrorKind::WrongMaterial, message)
}
