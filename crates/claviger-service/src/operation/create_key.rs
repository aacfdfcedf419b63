//! Creates a key with its first version.

use std::sync::Arc;
use std::time::Duration;

use claviger_core::change::Change;
use claviger_core::key::{
    DataClass, Event, Generator, Key, KeyRecord, KeyRing, KeyVersion, Labels, Origin, PolicyDocument,
    Protection, Provenance, RequiredContext, Rotation, State,
};
use claviger_core::port::provider::MaterialRequest;
use claviger_core::principal::{PrincipalKind, Status};
use claviger_core::{Action, KeyId, KeyName, KeyRingId, KeyVersionId, Name, PrincipalId, Purpose, Spec};

use super::put_key_policy::{GrantSet, Replacing};
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, SubAction, reference};
use crate::reference::{PrincipalRef, RingRef, TargetRef};
use crate::view::View;

/// Creates a key.
#[derive(Debug)]
pub struct CreateKey {
    /// Its ring.
    pub ring: RingRef,
    /// Its name in the ring, bound to it for ever; its identifier by default.
    pub name: Option<Name>,
    /// What it is for.
    pub purpose: Purpose,
    /// Algorithm and size.
    pub spec: Spec,
    /// Where it lives; the ring's default by default.
    pub protection: Option<Protection>,
    /// What its data is; as its ring says by default, or else confidential.
    pub data_class: Option<DataClass>,
    /// What it is for, in its owners' words: up to [`Key::MAX_DESCRIPTION`] bytes.
    pub description: String,
    /// Who answers for it; the caller by default.
    pub owner: Option<PrincipalRef>,
    /// Labels: names and values of the caller's choice.
    pub labels: Labels,
    /// How often it rotates.
    pub rotation_period: Option<Duration>,
    /// What the encryption context must have of each use, beside what the ring asks for.
    pub context_required: RequiredContext,
    /// The environment that it belongs to; that of its ring by default.
    pub environment: Option<Name>,
    /// Put it into use at once? A key whose material is imported comes into use with its material.
    pub activate: bool,
    /// Whether its material is made here or imported.
    pub origin: Origin,
    /// The rights on it that are there from the beginning; the caller must be allowed to give them.
    pub rights: Option<GrantSet>,
}

/// What gives the rights that come with a key.
#[derive(Default)]
struct Given {
    changes: Vec<Change>,
    acts: Vec<EntryDetail>,
    document: Option<PolicyDocument>,
}

impl CreateKey {
    async fn asked(&self, view: &View<'_>, ring: KeyRingId) -> Result<Governed, ServiceError> {
        let owner = match &self.owner {
            Some(owner) => view.state.principal(owner).await?.id,
            None => view.caller.principal().id,
        };
        let rights = match &self.rights {
            Some(set) if !set.grants.is_empty() || set.text.is_some() => Some(set.resolved(view).await?),
            Some(_) | None => None,
        };
        Ok(Governed::CreateKey {
            ring,
            name: self.name.clone(),
            purpose: self.purpose,
            spec: self.spec,
            protection: self.protection,
            data_class: self.data_class,
            description: self.description.clone(),
            owner,
            labels: self.labels.clone(),
            rotation_period: self.rotation_period,
            activate: self.activate,
            origin: self.origin,
            rights,
            context_required: self.context_required.clone(),
            environment: self.environment.clone(),
        })
    }

    async fn owner(&self, view: &View<'_>) -> Result<PrincipalId, ServiceError> {
        let Some(owner) = &self.owner else { return Ok(view.caller.principal().id) };
        let owner = view.state.principal(owner).await?;
        if owner.kind != PrincipalKind::Human || owner.status != Status::Active {
            return Err(ServiceError::invalid("a key's owner is an active person"));
        }
        Ok(owner.id)
    }

    /// What gives the rights. They are the first policy of the key, and rest on what the caller holds on its ring; where there
    /// are none to be given, there is a document at most.
    async fn give_rights(&self, view: &View<'_>, record: &Arc<KeyRecord>) -> Result<Given, ServiceError> {
        let Some(rights) = &self.rights else { return Ok(Given::default()) };
        if rights.grants.is_empty() {
            let document = rights.document(record.key.id, Vec::new());
            return Ok(Given { document, ..Given::default() });
        }
        let permit = view.may(Action::PutKeyPolicy, record).await.map_err(|error| match error.kind() {
            ErrorKind::Denied | ErrorKind::NotFound => {
                let message = "you may create a key there, and set no policy on it";
                ServiceError::new(ErrorKind::Denied, message).caused_by(error)
            }
            _ => error,
        })?;
        let Replacing { changes, acts, document, .. } =
            rights.replace(view, &permit, record, Vec::new()).await?;
        let act = SubAction { op: Action::PutKeyPolicy.into(), policy: permit.policy_digest() };
        let mut details =
            vec![EntryDetail { sub_action: Some(act), key: Some(record.key.id), ..EntryDetail::default() }];
        details.extend(acts);
        Ok(Given { changes, acts: details, document })
    }

    fn check(&self, view: &View<'_>, protection: Protection) -> Result<(), ServiceError> {
        check_description(&self.description)?;
        if !self.spec.allows(self.purpose) {
            let purposes: Vec<_> = self.spec.purposes().iter().map(|purpose| purpose.name()).collect();
            return Err(ServiceError::invalid(format!(
                "{} keys are for: {}",
                self.spec,
                purposes.join(", ")
            )));
        }
        let (provider, spec, purpose) = (view.provider(), self.spec, self.purpose);
        let able = match self.origin {
            Origin::Generated => provider.supports(spec, purpose, protection),
            Origin::Imported => provider.imports(spec, purpose, protection),
        };
        if able {
            return Ok(());
        }
        let message = format!(
            "{spec} for `{}`, {}, with protection `{protection}` is not supported by this module",
            purpose.name(),
            self.origin
        );
        Err(ServiceError::new(ErrorKind::Unsupported, message))
    }
}

impl Operation for CreateKey {
    type Output = KeyRecord;

    fn action(&self) -> Action {
        Action::CreateKey
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Ring(&self.ring)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<KeyRecord>, ServiceError> {
        let ring = view.ring()?;
        // Whoever is not there was not there when the same call came before. Who must be comes after what the caller may.
        let asked = self.asked(view, ring.id).await;
        if let Ok(asked) = &asked
            && let Some(made) = view.made_before(asked).await?
        {
            let record = view.load_key(KeyId::from_bytes(made)).await?;
            let detail = EntryDetail { key: Some(record.key.id), ..view.detail() };
            return Ok(Staged::reading(record, detail));
        }
        let id = KeyId::random()?;
        let name = match &self.name {
            Some(name) => name.clone(),
            None => id.to_string().parse().map_err(|_| ServiceError::invalid("a key needs a name"))?,
        };
        let name = KeyName { ring: ring.name.clone(), key: name };
        if view.store().find_key_id(&name).await?.is_some() {
            return Err(ServiceError::new(
                ErrorKind::AlreadyExists,
                "the name is bound to another key for ever",
            ));
        }
        let protection = self.protection.unwrap_or(ring.policy.protection);
        self.check(view, protection)?;
        let activate = self.activate && self.origin == Origin::Generated;
        let mut key = Key {
            id,
            ring: ring.id,
            name: name.key,
            purpose: self.purpose,
            spec: self.spec,
            protection,
            data_class: self.data_class.or(ring.policy.data_class).unwrap_or(DataClass::Confidential),
            description: self.description.clone(),
            owner: self.owner(view).await?,
            labels: self.labels.clone(),
            rotation_period: self.rotation_period,
            context_required: self.context_required.clone(),
            environment: self.environment.clone().or_else(|| ring.policy.environment.clone()),
            state: if activate { State::Active } else { State::PreActive },
            primary: 1,
            rotates_from: view.now,
            destruction: None,
            policy: None,
            created_at: view.now,
            reason: None,
            revision: 0,
        };
        // Before any material is made, so that none is made in vain.
        check_context(&key)?;
        let bare = KeyRecord { ring: Arc::clone(ring), key: key.clone(), versions: Vec::new() };
        let Given { changes: given, acts, document } = self.give_rights(view, &Arc::new(bare)).await?;
        key.policy = document.as_ref().map(PolicyDocument::digest);
        let asked = asked?;
        let mut version = match self.origin {
            Origin::Generated => make_version(view, ring, &key, 1, None).await?,
            Origin::Imported => awaiting_version(view, &key, 1),
        };
        if activate {
            version = version.after(Event::Activate, view.now)?;
        }
        let mut changes = vec![Change::PutKey(key.clone()), Change::PutVersion(version.clone())];
        changes.extend(view.remember_making(&asked, *id.as_bytes()));
        let detail = EntryDetail {
            key: Some(id),
            version: Some(1),
            reference: reference(&[&[if self.origin == Origin::Imported { 2 } else { u8::from(activate) }]]),
            ..view.detail()
        };
        let record = KeyRecord {
            ring: Arc::clone(ring),
            key: Key { revision: 1, ..key },
            versions: vec![KeyVersion { revision: 1, ..version }],
        };
        changes.extend(given);
        changes.extend(document.map(Change::PutPolicyDocument));
        Ok(Staged::changing(asked, record, changes, detail).with_acts(acts))
    }
}

/// Does the key take the context that it asks for?
pub(super) fn check_context(key: &Key) -> Result<(), ServiceError> {
    if key.context_required.is_empty() || key.takes_context() {
        return Ok(());
    }
    Err(ServiceError::invalid(
        "only uses of symmetric keys that encrypt take a context, which can be required",
    ))
}

/// Is the description short enough?
pub(super) fn check_description(description: &str) -> Result<(), ServiceError> {
    if description.len() <= Key::MAX_DESCRIPTION {
        return Ok(());
    }
    Err(ServiceError::invalid(format!("a description has at most {} bytes", Key::MAX_DESCRIPTION)))
}

/// Has the provider make material for version `number`, not yet in use.
pub(super) async fn make_version(
    view: &View<'_>,
    ring: &KeyRing,
    key: &Key,
    number: u32,
    rotated: Option<Rotation>,
) -> Result<KeyVersion, ServiceError> {
    let id = KeyVersionId { key: key.id, number };
    let request = MaterialRequest {
        ring,
        version: id,
        spec: key.spec,
        purpose: key.purpose,
        protection: key.protection,
        fingerprints: &view.state.fingerprints,
    };
    let made = view.generate(request).await?;
    Ok(KeyVersion {
        wrap: Some(made.wrap),
        public_key: made.public_key,
        provenance: made.provenance,
        rotated,
        ..awaiting_version(view, key, number)
    })
}

/// Version `number` whose material is to be imported.
pub(super) fn awaiting_version(view: &View<'_>, key: &Key, number: u32) -> KeyVersion {
    KeyVersion {
        id: KeyVersionId { key: key.id, number },
        state: State::PreActive,
        spec: key.spec,
        protection: key.protection,
        wrap: None,
        public_key: None,
        provenance: Provenance {
            origin: Origin::Imported,
            module: String::new(),
            generator: Generator::Elsewhere,
            health_ok: true,
            fingerprint: None,
        },
        imported: None,
        rotated: None,
        created_at: view.now,
        activated_at: None,
        state_changed_at: view.now,
        protect_uses: 0,
        reason: None,
        revision: 0,
    }
}
