//! Moves a key, or one version of it, along the lifecycle.

use claviger_core::alert::AlertRule;
use claviger_core::change::{Change, Restriction};
use claviger_core::key::{Event, Key, KeyRecord, KeyVersion, State};
use claviger_core::object::Object;
use claviger_core::reason::Reason;
use claviger_core::sensitive::Quorum;
use claviger_core::{Action, KeyId, Timestamp};

use super::destroy_key::refuse_waiting;
use super::sensitive::{nobody, seen_key};
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::record::EntryDetail;
use crate::reference::{KeyRef, TargetRef};
use crate::view::View;

const HOUR_MICROS: u64 = 3_600_000_000;

/// Moves a key or version.
#[derive(Debug)]
pub struct ChangeKeyState {
    key: KeyRef,
    version: Option<u32>,
    event: Event,
    action: Action,
}

impl ChangeKeyState {
    /// The key as a whole, or one version of it, and what befalls it.
    ///
    /// # Errors
    /// Invalid for an event that people do not bring about this way: a key is destroyed at the end of its waiting
    /// period, with all its versions, and a version is activated with its key.
    pub fn new(key: KeyRef, version: Option<u32>, event: Event) -> Result<Self, ServiceError> {
        let action = match (event, version) {
            (Event::Activate, None) => Action::ActivateKey,
            (Event::Compromise, None) => Action::CompromiseKey,
            (Event::Compromise, Some(_)) => Action::CompromiseVersion,
            (Event::Deactivate, None) => Action::DeactivateKey,
            (Event::Deactivate, Some(_)) => Action::DeactivateVersion,
            (Event::Resume, None) => Action::ResumeKey,
            (Event::Resume, Some(_)) => Action::ResumeVersion,
            (Event::Suspend, None) => Action::SuspendKey,
            (Event::Suspend, Some(_)) => Action::SuspendVersion,
            (Event::Activate, Some(_)) | (Event::Destroy, _) => return Err(not_this_way(event)),
        };
        Ok(Self { key, version, event, action })
    }

    fn asked(&self, key: KeyId, reason: Option<Reason>) -> Result<Governed, ServiceError> {
        Ok(match (self.event, self.version) {
            (Event::Activate, None) => Governed::ActivateKey { key, reason },
            (Event::Compromise, None) => Governed::CompromiseKey { key, reason },
            (Event::Compromise, Some(version)) => Governed::CompromiseVersion { key, version, reason },
            (Event::Deactivate, None) => Governed::DeactivateKey { key, reason },
            (Event::Deactivate, Some(version)) => Governed::DeactivateVersion { key, version, reason },
            (Event::Resume, None) => Governed::ResumeKey { key, reason },
            (Event::Resume, Some(version)) => Governed::ResumeVersion { key, version, reason },
            (Event::Suspend, None) => Governed::SuspendKey { key, reason },
            (Event::Suspend, Some(version)) => Governed::SuspendVersion { key, version, reason },
            (Event::Activate, Some(_)) | (Event::Destroy, _) => return Err(not_this_way(self.event)),
        })
    }

    fn restricts(&self) -> bool {
        matches!(self.event, Event::Compromise | Event::Deactivate | Event::Suspend)
    }
}

fn not_this_way(event: Event) -> ServiceError {
    if event == Event::Destroy {
        let message = "a key is destroyed at the end of a waiting period, with all its versions";
        return ServiceError::new(ErrorKind::Unsupported, message);
    }
    ServiceError::invalid("a version is activated with its key, by `rotate` or `activate`")
}

impl Operation for ChangeKeyState {
    type Output = KeyRecord;

    fn action(&self) -> Action {
        self.action
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<KeyRecord>, ServiceError> {
        let record = view.record()?;
        let mut changed = match self.version {
            None => KeyRecord::clone(record),
            Some(number) => view.record_with(number).await?,
        };
        let changes = match self.version {
            None => self.change_key(view, &mut changed)?,
            Some(number) => vec![self.change_version(view, &mut changed, number)?],
        };
        let reported = self.version.or_else(|| (self.event == Event::Activate).then_some(record.key.primary));
        let detail = EntryDetail { version: reported, ..view.detail() };
        let asked = self.asked(record.key.id, view.reason())?;
        if !self.restricts() {
            return Ok(Staged::changing(asked, changed, changes, detail));
        }
        let restrictions = vec![Restriction::Key(record.key.id)];
        let staged = Staged::restricting(asked, changed, changes, restrictions, detail);
        if !matches!(self.action, Action::CompromiseKey | Action::CompromiseVersion) {
            return Ok(staged);
        }
        Ok(staged.under(quorum_of_compromise(view, &record.key).await?))
    }
}

/// One person declares a few keys compromised, for speed is the point of it; of many at once, others must be of the same mind.
async fn quorum_of_compromise(view: &View<'_>, key: &Key) -> Result<Quorum, ServiceError> {
    let rules = view.state.governance().await?;
    let since = view.now.as_micros().saturating_sub(HOUR_MICROS);
    let person = view.caller.principal().person();
    let declared = view.store().count_compromised_by(person, Timestamp::from_micros(since)).await?;
    if declared < u64::from(rules.compromise_burst) {
        return Ok(nobody());
    }
    // Whether others approve it or not: somebody looks at it now.
    view.state.alerts.note(AlertRule::CompromiseBurst, Some(Object::Principal(person)));
    view.by_deployment([seen_key(key)]).await
}

impl ChangeKeyState {
    fn change_key(&self, view: &View<'_>, record: &mut KeyRecord) -> Result<Vec<Change>, ServiceError> {
        if matches!(self.event, Event::Activate | Event::Resume) {
            refuse_waiting(&record.key)?;
        }
        let key = Key { reason: view.why, ..record.key.after(self.event)? };
        let mut changes = vec![Change::PutKey(key.clone())];
        record.key = Key { revision: key.revision + 1, ..key };
        if self.event == Event::Activate {
            let waiting =
                record.find_version(record.key.primary).is_some_and(|v| v.state == State::PreActive);
            if waiting {
                changes.push(self.change_version(view, record, record.key.primary)?);
            }
        }
        Ok(changes)
    }

    fn change_version(
        &self,
        view: &View<'_>,
        record: &mut KeyRecord,
        number: u32,
    ) -> Result<Change, ServiceError> {
        let version = record.versions.iter_mut().find(|version| version.id.number == number);
        let version = version.ok_or_else(ServiceError::not_found)?;
        let changed = KeyVersion { reason: view.why, ..version.after(self.event, view.now)? };
        *version = KeyVersion { revision: changed.revision + 1, ..changed.clone() };
        Ok(Change::PutVersion(changed))
    }
}
