//! Loosens a ring's separation of duties, or tightens it again.

use std::collections::BTreeSet;

use claviger_access::separation::check_ring_separation;
use claviger_core::Action;
use claviger_core::change::{Change, Subject};
use claviger_core::key::{KeyRing, RingPolicy, Separation};
use claviger_core::permit::Permit;
use claviger_core::port::store::{GrantFilter, Page};
use claviger_core::principal::Standing;

use super::{Operation, Staged};
use crate::error::ServiceError;
use crate::pipeline::submission::{Note, reference};
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

    async fn run(&self, _permit: &Permit, view: &View<'_>) -> Result<Staged<KeyRing>, ServiceError> {
        let ring = view.ring()?;
        let users = users_of(view, ring).await?;
        check_ring_separation(self.separation, &users)?;
        let policy = RingPolicy { separation: self.separation, ..ring.policy.clone() };
        let changed = KeyRing { policy, ..KeyRing::clone(ring) };
        let note = Note { reference: reference(&[ring.id.as_bytes()]), ..view.note() };
        let output = KeyRing { revision: changed.revision + 1, ..changed.clone() };
        let subjects = vec![Subject::Ring(ring.id)];
        Ok(Staged::tightening(output, vec![Change::PutRing(changed)], subjects, note))
    }
}

/// Who has a standing grant on the ring or on a key of it.
async fn users_of(
    view: &View<'_>,
    ring: &KeyRing,
) -> Result<Vec<claviger_core::principal::Principal>, ServiceError> {
    let mut ids = BTreeSet::new();
    let mut page = Page { after: None, limit: 1000 };
    loop {
        let grants = view.store().list_grants(GrantFilter::default(), page.clone()).await?;
        let Some(last) = grants.last().map(|grant| grant.id) else { break };
        for grant in grants.into_iter().filter(|grant| grant.standing == Standing::Active) {
            let on_ring = match grant.selector {
                claviger_core::grant::Selector::Ring(id) => id == ring.id,
                claviger_core::grant::Selector::Key(key) => {
                    view.store().find_key(key).await?.is_some_and(|record| record.ring.id == ring.id)
                }
            };
            if on_ring {
                ids.insert(grant.principal);
            }
        }
        page.after = Some(last);
    }
    let mut users = Vec::new();
    for id in ids {
        users.extend(view.store().find_principal(id).await?);
    }
    Ok(users)
}
