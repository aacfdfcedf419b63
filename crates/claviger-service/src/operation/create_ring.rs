//! Creates a key ring.

use std::collections::BTreeSet;

use claviger_core::change::Change;
use claviger_core::key::{KeyRing, PlaintextDataKeys, RingPolicy, Separation};
use claviger_core::principal::{Principal, Role};
use claviger_core::reason::Why;
use claviger_core::{Action, KeyRingId, Name};

use super::destroy_key::LONGEST_WAIT;
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, reference};
use crate::reference::TargetRef;
use crate::view::View;

/// Creates a ring with a KEK of its own.
#[derive(Debug)]
pub struct CreateRing {
    /// Its name, unique for ever.
    pub name: Name,
    /// What its keys inherit.
    pub policy: RingPolicy,
}

impl Operation for CreateRing {
    type Output = KeyRing;

    fn action(&self) -> Action {
        Action::CreateRing
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<KeyRing>, ServiceError> {
        check_policy(&self.policy)?;
        check_quorum(self.policy.quorum, view).await?;
        refuse_unenforced([self.policy.protect_period, self.policy.process_period])?;
        if self.policy.separation == Separation::Relaxed {
            return Err(ServiceError::invalid(
                "a ring begins strict; a security officer may relax it afterwards",
            ));
        }
        let is_given = matches!(view.why, Some(Why::Given(_)));
        let allows = self.policy.plaintext_data_keys == PlaintextDataKeys::Allowed;
        if let Some(class) = self.policy.data_class.filter(|class| class.is_restricted())
            && allows
            && !is_given
        {
            let message = format!(
                "a ring for data of class `{class}` hands out data keys in clear only for a reason: say why"
            );
            return Err(ServiceError::new(ErrorKind::ReasonRequired, message));
        }
        let (name, policy) = (self.name.clone(), self.policy.clone());
        let asked = Governed::CreateRing { name, policy, reason: view.reason() };
        if let Some(made) = view.made_before(&asked).await? {
            let ring = view
                .store()
                .find_ring(KeyRingId::from_bytes(made))
                .await?
                .ok_or_else(ServiceError::not_found)?;
            return Ok(Staged::reading(ring, view.detail()));
        }
        if view.store().find_ring_by_name(&self.name).await?.is_some() {
            return Err(ServiceError::new(ErrorKind::AlreadyExists, "a ring has that name already"));
        }
        if let Some(alias) = view.store().find_alias_like(&self.name).await? {
            let message = format!(
                "the alias `{}` would read as a key of the new ring; remove it first, or choose another name",
                alias.name
            );
            return Err(ServiceError::new(ErrorKind::AlreadyExists, message));
        }
        view.state.self_tests.may_generate()?;
        let id = KeyRingId::random()?;
        let ring = KeyRing {
            id,
            name: self.name.clone(),
            policy: self.policy.clone(),
            kek: view.provider().create_ring_kek(id).await?,
            kek_wrap: Some(view.provider().module().sealing),
            created_at: view.now,
            reason: view.why,
            revision: 0,
        };
        let mut changes = vec![Change::PutRing(ring.clone())];
        changes.extend(view.remember_making(&asked, *id.as_bytes()));
        let detail = EntryDetail { reference: reference(&[id.as_bytes()]), ..view.detail() };
        Ok(Staged::changing(asked, KeyRing { revision: 1, ..ring }, changes, detail))
    }
}

/// Periods that are set, where nothing ends what is used beyond them.
pub(super) fn refuse_unenforced(periods: [Option<std::time::Duration>; 2]) -> Result<(), ServiceError> {
    if periods.iter().all(Option::is_none) {
        return Ok(());
    }
    let message =
        "this release does not enforce the protect and process periods of a ring, and so takes none";
    Err(ServiceError::new(ErrorKind::Unsupported, message))
}

/// Are there as many custodians, by person? The default is let pass: a deployment may enter its custodians later.
pub(super) async fn check_quorum(quorum: u8, view: &View<'_>) -> Result<(), ServiceError> {
    if quorum <= RingPolicy::default().quorum {
        return Ok(());
    }
    let holders = view.store().list_role_holders().await?;
    // Accounts of one person are one.
    let custodians: BTreeSet<_> = holders
        .iter()
        .filter(|holder| holder.roles.contains(&Role::Custodian))
        .map(Principal::person)
        .collect();
    let custodians = custodians.len();
    if usize::from(quorum) <= custodians {
        return Ok(());
    }
    Err(ServiceError::invalid(format!(
        "a quorum of {quorum} could never come together, because there are {custodians} custodians; give the role `custodian` to \
         others first"
    )))
}

/// Is it a policy that a ring can have?
pub(super) fn check_policy(policy: &RingPolicy) -> Result<(), ServiceError> {
    let week = std::time::Duration::from_secs(7 * 86_400);
    if policy.destroy_waiting_period < week {
        return Err(ServiceError::invalid("the waiting period before destruction is at least 7 days"));
    }
    if policy.destroy_waiting_period > LONGEST_WAIT {
        return Err(ServiceError::invalid("the waiting period before destruction is at most 365 days"));
    }
    let alone = policy.quorum == 0 && policy.separation == Separation::Relaxed;
    if policy.quorum < 2 && !alone {
        return Err(ServiceError::invalid(
            "a quorum is at least 2 custodians; in a ring whose separation is relaxed it may be 0, nobody",
        ));
    }
    if policy.grants_under_quorum && policy.separation == Separation::Relaxed {
        return Err(ServiceError::invalid(
            "in a ring whose separation is relaxed, applications give grants on, so that they cannot be put under quorum; keep the ring strict",
        ));
    }
    let day = std::time::Duration::from_secs(86_400);
    let spans = [policy.rotation_period, policy.protect_period, policy.process_period];
    if spans.iter().flatten().any(|span| *span < day) {
        return Err(ServiceError::invalid("rotation and cryptoperiods are at least one day"));
    }
    Ok(())
}
