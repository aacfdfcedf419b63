//! Checks of rotation.

mod periods;
mod processing;
mod protecting;
mod quantum;
mod schedules;
mod superseded;
mod volume;

use std::time::Duration;

use claviger_audit::fact::{OpenKey, OpenVersion};
use claviger_core::key::{Protection, RingPolicy, RotatedKeys, State};
use claviger_core::{KeyVersionId, Purpose, Spec};

use crate::evaluation::Estate;

pub(super) const CHECKS: super::Checks = &[
    ("ROT-01", |setting| Box::new(periods::DefinedPeriods::new(setting))),
    ("ROT-02", |setting| Box::new(protecting::EndOfProtecting::new(setting))),
    ("ROT-03", |setting| Box::new(processing::EndOfProcessing::new(setting))),
    ("ROT-04", |setting| Box::new(schedules::OnTime::new(setting))),
    ("ROT-05", |setting| Box::new(volume::Volume::new(setting))),
    ("ROT-06", |setting| Box::new(superseded::Superseded::new(setting))),
    ("ROT-07", |setting| Box::new(quantum::PostQuantum::new(setting))),
];

const DAY: Duration = Duration::from_secs(86_400);

const fn in_days(span: Duration) -> u64 {
    span.as_secs() / DAY.as_secs()
}

/// How often a key rotates by policy: by its own, or by its ring's.
fn schedule(key: &OpenKey, policy: &RingPolicy) -> Option<Duration> {
    let rotates = match policy.rotates {
        RotatedKeys::All => true,
        RotatedKeys::Symmetric => !key.spec.is_asymmetric(),
    };
    key.rotation_period.or(policy.rotation_period.filter(|_| rotates))
}

/// How often one of its versions may protect, as the service holds it: [`claviger_core::key::Key::invocation_limit`].
const fn invocation_limit(key: &OpenKey) -> Option<u64> {
    match (key.protection, key.spec, key.purpose) {
        (Protection::Hsm, Spec::Aes256Gcm, Purpose::Encrypt) => {
            Spec::Aes128Gcm.invocation_limit(Purpose::Encrypt)
        }
        (_, spec, purpose) => spec.invocation_limit(purpose),
    }
}

/// Does a version protect, its key being as it is?
fn is_active(id: KeyVersionId, version: &OpenVersion, estate: &Estate) -> bool {
    let is_key_active = |key: &OpenKey| key.state == State::Active && key.destruction.is_none();
    version.state == State::Active && estate.keys.get(&id.key).is_some_and(is_key_active)
}
