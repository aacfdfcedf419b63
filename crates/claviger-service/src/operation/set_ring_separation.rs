//! Relaxes a ring's separation of duties, or makes it strict again.

use claviger_access::separation::{Holder, SeparationError, check_ring_separation};
use claviger_core::Action;
use claviger_core::change::{Change, Expectation, Restriction, RingLife};
use claviger_core::key::{KeyRing, RingPolicy, Separation};

use super::sensitive::{by_ring, nobody};
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, reference};
use crate::reference::{RingRef, TargetRef};
use crate::view::View;

/// Sets a ring's separation of duties.
#[derive(Debug)]
pub struct SetRingSeparation {
    /// The ring.
    pub ring: RingRef,
    /// What it shall be.
    pub separation: Separation,
}

impl Operation for SetRingSeparation {
    type Output = KeyRing;

    fn action(&self) -> Action {
        Action::SetRingSeparation
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Ring(&self.ring)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<KeyRing>, ServiceError> {
        let ring = view.ring()?;
        let unwanted = self.unwanted(ring);
        let life = view.store().find_ring_life(ring.id).await?;
        // Keys that lived under strict rules do not become subject to looser ones by one person's act.
        let under = if unwanted.keys && life.keys {
            by_ring(ring, ring.policy.approvers_of_weakening(), [])
        } else {
            nobody()
        };
        let unwanted = RingLife { keys: unwanted.keys && !life.keys, ..unwanted };
        let mut changes = vec![Change::ExpectNone { ring: ring.id, unwanted }];
        if self.separation == Separation::Strict {
            changes.push(without_mixed_use(view, ring).await?);
        }
        check_life(life, unwanted)?;
        let policy = RingPolicy {
            separation: self.separation,
            quorum: quorum(self.separation, &ring.policy),
            // Where applications give grants on, no quorum is asked of them.
            grants_under_quorum: ring.policy.grants_under_quorum && self.separation == Separation::Strict,
            ..ring.policy.clone()
        };
        let changed = KeyRing { policy, reason: view.why, ..KeyRing::clone(ring) };
        let detail = EntryDetail { reference: reference(&[ring.id.as_bytes()]), ..view.detail() };
        let output = KeyRing { revision: changed.revision + 1, ..changed.clone() };
        let restrictions = vec![Restriction::Ring(ring.id)];
        changes.push(Change::PutRing(changed));
        let (separation, reason) = (self.separation, view.reason());
        let asked = Governed::SetRingSeparation { ring: ring.id, separation, reason };
        Ok(Staged::restricting(asked, output, changes, restrictions, detail).under(under))
    }
}

impl SetRingSeparation {
    /// What the ring must not have, unless others approve that it has keys: a destruction that was scheduled under looser rules does not
    /// outlive them.
    fn unwanted(&self, ring: &KeyRing) -> RingLife {
        let changes = ring.policy.separation != self.separation;
        RingLife {
            keys: changes && self.separation == Separation::Relaxed,
            scheduled_destructions: changes && self.separation == Separation::Strict,
        }
    }
}

fn check_life(found: RingLife, unwanted: RingLife) -> Result<(), ServiceError> {
    if unwanted.scheduled_destructions && found.scheduled_destructions {
        let message = "keys of this ring wait for their destruction under its present rules; \
                       `cancel-destroy` each of them, or wait until they are destroyed";
        return Err(ServiceError::new(ErrorKind::WrongState, message));
    }
    Ok(())
}

/// A strict ring has a quorum: making one strict brings the default where there was none.
fn quorum(separation: Separation, policy: &RingPolicy) -> u8 {
    match (separation, policy.quorum) {
        (Separation::Strict, 0) => RingPolicy::default().quorum,
        (Separation::Relaxed | Separation::Strict, quorum) => quorum,
    }
}

/// The changes that hold only while nobody both administers and uses the ring; refused when somebody does already.
async fn without_mixed_use(view: &View<'_>, ring: &KeyRing) -> Result<Change, ServiceError> {
    if let Some(found) = view.store().find_mixed_use(ring.id).await?
        && let Some(principal) = view.store().find_principal(found.principal).await?
    {
        let holder = Holder { principal: &principal, administers: found.administers };
        check_ring_separation(Separation::Strict, [holder])?;
    }
    if let Some(account) = view.mixed_account(ring.id).await? {
        return Err(SeparationError::StillMixed(account.id).into());
    }
    // A grant or a role may be given between here and the commit.
    Ok(Change::Expect(Expectation::NoMixedUse { ring: ring.id }))
}
