//! Changes what is said about a key.

use std::time::Duration;

use claviger_core::change::{Change, Restriction};
use claviger_core::key::{DataClass, Key, KeyRecord, Labels, RequiredContext};
use claviger_core::principal::{PrincipalKind, Status};
use claviger_core::{Action, Name};

use super::create_key::{check_context, check_description};
use super::destroy_key::refuse_ended;
use super::sensitive::{by_ring, nobody, seen_key};
use super::update_ring::check_revision;
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::{ContextAsked, Governed, Labelling, Period};
use crate::reference::{KeyRef, PrincipalRef, TargetRef};
use crate::view::View;

/// What to change; `None` leaves as it is.
#[derive(Clone, Debug, Default)]
pub struct KeyPatch {
    /// What its data is.
    pub data_class: Option<DataClass>,
    /// What it is for, in its owners' words: up to [`Key::MAX_DESCRIPTION`] bytes.
    pub description: Option<String>,
    /// Who answers for it.
    pub owner: Option<PrincipalRef>,
    /// Labels: names and values of the caller's choice.
    pub labels: Option<LabelPatch>,
    /// How often it rotates; `Some(None)` is the ring's rule.
    pub rotation_period: Option<Option<Duration>>,
    /// What the encryption context must have of each use, beside what the ring asks for.
    pub context_required: Option<RequiredContext>,
    /// The environment that it belongs to, for ever.
    pub environment: Option<Name>,
}

/// How the labels of a key change.
#[derive(Clone, Debug)]
pub enum LabelPatch {
    /// Some of them, whatever the others are by then.
    Some {
        /// Labels that there shall be, in the place of those with the same names.
        set: Labels,
        /// Names of labels that there shall not be.
        remove: Vec<String>,
    },
    /// All of them: these instead.
    All(Labels),
}

impl From<Labelling> for LabelPatch {
    fn from(asked: Labelling) -> Self {
        match asked {
            Labelling::All(labels) => Self::All(labels),
            Labelling::Some(set, remove) => Self::Some { set, remove: remove.as_slice().to_vec() },
        }
    }
}

impl LabelPatch {
    fn asked(&self) -> Labelling {
        match self {
            Self::All(labels) => Labelling::All(labels.clone()),
            Self::Some { set, remove } => Labelling::Some(set.clone(), remove.iter().cloned().collect()),
        }
    }

    fn apply(&self, labels: &Labels) -> Result<Labels, ServiceError> {
        let (set, remove) = match self {
            Self::All(labels) => return Ok(labels.clone()),
            Self::Some { set, remove } => (set.pairs(), remove),
        };
        let stays = |(name, _): &&(String, String)| {
            !remove.contains(name) && !set.iter().any(|(newer, _)| newer == name)
        };
        let pairs = labels.pairs().iter().filter(stays).chain(set).cloned().collect();
        Labels::new(pairs).map_err(|error| ServiceError::invalid(error.to_string()))
    }
}

/// Changes what is said about a key.
#[derive(Debug)]
pub struct UpdateKey {
    /// The key.
    pub key: KeyRef,
    /// What to change.
    pub patch: KeyPatch,
    /// Only if the key is at this revision.
    pub if_revision: Option<u64>,
}

impl UpdateKey {
    /// The environment of the key from now on. What has one keeps it.
    fn environment(&self, key: &Key) -> Result<Option<Name>, ServiceError> {
        match (&key.environment, &self.patch.environment) {
            (Some(is), Some(asked)) if is != asked => {
                let message =
                    format!("the key is of environment `{is}` for ever; make another key for `{asked}`");
                Err(ServiceError::new(ErrorKind::WrongState, message))
            }
            (Some(is), _) => Ok(Some(is.clone())),
            (None, asked) => Ok(asked.clone()),
        }
    }
}

impl Operation for UpdateKey {
    type Output = KeyRecord;

    fn action(&self) -> Action {
        Action::UpdateKey
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<KeyRecord>, ServiceError> {
        let record = view.record()?;
        check_revision(self.if_revision, record.key.revision)?;
        refuse_ended(&record.key)?;
        check_description(self.patch.description.as_deref().unwrap_or_default())?;
        let owner = match &self.patch.owner {
            None => record.key.owner,
            Some(owner) => {
                let owner = view.state.principal(owner).await?;
                if owner.kind != PrincipalKind::Human || owner.status != Status::Active {
                    return Err(ServiceError::invalid("a key's owner is an active person"));
                }
                owner.id
            }
        };
        let rotation_period = self.patch.rotation_period.unwrap_or(record.key.rotation_period);
        let key = Key {
            owner,
            data_class: self.patch.data_class.unwrap_or(record.key.data_class),
            description: self.patch.description.clone().unwrap_or_else(|| record.key.description.clone()),
            labels: match &self.patch.labels {
                None => record.key.labels.clone(),
                Some(patch) => patch.apply(&record.key.labels)?,
            },
            rotation_period,
            // It counts from when it was set; set once more as it is, it counts on.
            rotates_from: match rotation_period {
                Some(_) if rotation_period != record.key.rotation_period => view.now,
                Some(_) | None => record.key.rotates_from,
            },
            context_required: self
                .patch
                .context_required
                .clone()
                .unwrap_or_else(|| record.key.context_required.clone()),
            environment: self.environment(&record.key)?,
            ..record.key.clone()
        };
        check_context(&key)?;
        // Nobody alone asks less of a key than was asked of it.
        let quorum = if key.weakens(&record.key, &record.ring.policy) {
            let approvers = record.ring.policy.approvers_of_weakening();
            by_ring(&record.ring, approvers, [seen_key(&record.key)])
        } else {
            nobody()
        };
        let changes = vec![Change::PutKey(key.clone())];
        let asked = Governed::UpdateKey {
            key: key.id,
            data_class: self.patch.data_class,
            description: self.patch.description.clone(),
            owner: self.patch.owner.as_ref().map(|_| owner),
            labels: self.patch.labels.as_ref().map(LabelPatch::asked),
            rotation_period: self.patch.rotation_period.map(Period),
            if_revision: self.if_revision,
            context_required: self.patch.context_required.clone().map(ContextAsked),
            environment: self.patch.environment.clone(),
        };
        let updated =
            KeyRecord { key: Key { revision: key.revision + 1, ..key }, ..KeyRecord::clone(record) };
        let binds = updated.key.environment != record.key.environment;
        if binds || updated.key.context_required.exceeds(&record.key.context_required) {
            // No use that was decided before goes on against the new rule.
            let restrictions = vec![Restriction::Key(updated.key.id)];
            let detail = view.detail();
            return Ok(Staged::restricting(asked, updated, changes, restrictions, detail).under(quorum));
        }
        Ok(Staged::changing(asked, updated, changes, view.detail()).under(quorum))
    }
}
