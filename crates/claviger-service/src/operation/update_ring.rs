//! Changes a ring's policy, its separation of duties apart.

use std::time::Duration;

use claviger_core::change::{Change, Restriction, RingLife};
use claviger_core::key::{
    AssetRule, DataClass, KeyRing, PlaintextDataKeys, Protection, RequiredContext, RingPolicy, RotatedKeys,
};
use claviger_core::{Action, Name};

use super::create_ring::{check_policy, check_quorum, refuse_unenforced};
use super::sensitive::{by_ring, nobody};
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::{ClassAsked, ContextAsked, Governed, Period};
use crate::record::{EntryDetail, reference};
use crate::reference::{RingRef, TargetRef};
use crate::view::View;

/// What to change; `None` leaves as it is.
#[derive(Clone, Debug, Default)]
pub struct RingPatch {
    /// Protection of keys that do not ask for one.
    pub protection: Option<Protection>,
    /// How often keys rotate; `Some(None)` is never.
    pub rotation_period: Option<Option<Duration>>,
    /// Which keys rotate so.
    pub rotates: Option<RotatedKeys>,
    /// How long a version may protect.
    pub protect_period: Option<Option<Duration>>,
    /// How long it may process after that.
    pub process_period: Option<Option<Duration>>,
    /// Wait before destruction.
    pub destroy_waiting_period: Option<Duration>,
    /// Custodians that must approve.
    pub quorum: Option<u8>,
    /// What the encryption context must have of each use of its keys.
    pub context_required: Option<RequiredContext>,
    /// What the data of its keys is, unless a key says otherwise; `Some(None)` is nothing.
    pub data_class: Option<Option<DataClass>>,
    /// Whether data keys are handed out in clear.
    pub plaintext_data_keys: Option<PlaintextDataKeys>,
    /// The environment of keys that name none, for as long as it has keys.
    pub environment: Option<Name>,
    /// Whether uses of its keys that take an encryption context must name a data asset in it.
    pub assets: Option<AssetRule>,
    /// Whether grants of uses of its keys take the approval of others.
    pub grants_under_quorum: Option<bool>,
}

/// Changes a ring's policy.
#[derive(Debug)]
pub struct UpdateRing {
    /// The ring.
    pub ring: RingRef,
    /// What to change.
    pub patch: RingPatch,
    /// Only if the ring is at this revision.
    pub if_revision: Option<u64>,
}

impl Operation for UpdateRing {
    type Output = KeyRing;

    fn action(&self) -> Action {
        Action::UpdateRing
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Ring(&self.ring)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<KeyRing>, ServiceError> {
        let ring = view.ring()?;
        check_revision(self.if_revision, ring.revision)?;
        let (old, patch) = (&ring.policy, &self.patch);
        let policy = RingPolicy {
            protection: patch.protection.unwrap_or(old.protection),
            rotation_period: patch.rotation_period.unwrap_or(old.rotation_period),
            rotates: patch.rotates.unwrap_or(old.rotates),
            protect_period: patch.protect_period.unwrap_or(old.protect_period),
            process_period: patch.process_period.unwrap_or(old.process_period),
            destroy_waiting_period: patch.destroy_waiting_period.unwrap_or(old.destroy_waiting_period),
            quorum: patch.quorum.unwrap_or(old.quorum),
            separation: old.separation,
            context_required: patch.context_required.clone().unwrap_or_else(|| old.context_required.clone()),
            data_class: patch.data_class.unwrap_or(old.data_class),
            plaintext_data_keys: patch.plaintext_data_keys.unwrap_or(old.plaintext_data_keys),
            environment: patch.environment.clone().or_else(|| old.environment.clone()),
            assets: patch.assets.unwrap_or(old.assets),
            grants_under_quorum: patch.grants_under_quorum.unwrap_or(old.grants_under_quorum),
        };
        check_policy(&policy)?;
        if policy.quorum > old.quorum {
            check_quorum(policy.quorum, view).await?;
        }
        refuse_unenforced([patch.protect_period.flatten(), patch.process_period.flatten()])?;
        let mut changes = Vec::new();
        let mut quorum = nobody();
        if policy.weakens(old) {
            // What keys were made under is not asked less by one person.
            if view.store().find_ring_life(ring.id).await?.keys {
                quorum = by_ring(ring, old.approvers_of_weakening(), []);
            } else {
                let unwanted = RingLife { keys: true, ..RingLife::default() };
                changes.push(Change::ExpectNone { ring: ring.id, unwanted });
            }
        }
        if old.environment.is_some() && policy.environment != old.environment {
            if view.store().find_ring_life(ring.id).await?.keys {
                let message = "a ring that has keys keeps its environment; make another ring";
                return Err(ServiceError::new(ErrorKind::WrongState, message));
            }
            let unwanted = RingLife { keys: true, ..RingLife::default() };
            changes.push(Change::ExpectNone { ring: ring.id, unwanted });
        }
        let changed = KeyRing { policy, reason: view.why, ..KeyRing::clone(ring) };
        let detail = EntryDetail { reference: reference(&[ring.id.as_bytes()]), ..view.detail() };
        let output = KeyRing { revision: changed.revision + 1, ..changed.clone() };
        changes.push(Change::PutRing(changed));
        let asked = Governed::UpdateRing {
            ring: ring.id,
            protection: patch.protection,
            rotation_period: patch.rotation_period.map(Period),
            protect_period: patch.protect_period.map(Period),
            process_period: patch.process_period.map(Period),
            destroy_waiting_period: patch.destroy_waiting_period,
            quorum: patch.quorum,
            if_revision: self.if_revision,
            reason: view.reason(),
            rotates: patch.rotates,
            context_required: patch.context_required.clone().map(ContextAsked),
            data_class: patch.data_class.map(ClassAsked),
            plaintext_data_keys: patch.plaintext_data_keys,
            environment: patch.environment.clone(),
            assets: patch.assets,
            grants_under_quorum: patch.grants_under_quorum,
        };
        if output.policy.context_required.exceeds(&old.context_required)
            || output.policy.plaintext_data_keys > old.plaintext_data_keys
            || output.policy.environment != old.environment
            || output.policy.assets > old.assets
        {
            // No use that was decided before goes on against the new rule.
            let restrictions = vec![Restriction::Ring(ring.id)];
            return Ok(Staged::restricting(asked, output, changes, restrictions, detail).under(quorum));
        }
        Ok(Staged::changing(asked, output, changes, detail).under(quorum))
    }
}

/// Is the thing at the revision that the caller saw?
pub(super) fn check_revision(wanted: Option<u64>, found: u64) -> Result<(), ServiceError> {
    if wanted.is_none_or(|wanted| wanted == found) {
        return Ok(());
    }
    let message = format!("it is at revision {found} by now; read it again, then change it");
    Err(ServiceError::new(ErrorKind::PreconditionFailed, message))
}
