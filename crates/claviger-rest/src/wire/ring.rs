//! Key rings.

use std::time::Duration;

use claviger_client::types::ring::{Ring, RingPolicy as WirePolicy, RingPolicyPatch};
use claviger_core::key::{KeyRing, PlaintextDataKeys, RingPolicy};
use claviger_service::operation::{Captions, RingPatch};

use super::reason::reason_to_wire;
use super::{required_from_wire, required_to_wire, seconds, span};
use crate::error::Failure;

/// A ring as callers see it.
#[must_use]
pub fn to_wire(ring: &KeyRing, captions: &Captions) -> Ring {
    Ring {
        id: ring.id.into(),
        name: ring.name.clone().into(),
        policy: policy_to_wire(&ring.policy),
        reason: reason_to_wire(ring.reason, captions),
        created_at: ring.created_at.into(),
        revision: ring.revision,
    }
}

fn policy_to_wire(policy: &RingPolicy) -> WirePolicy {
    WirePolicy {
        protection: policy.protection.into(),
        rotation_period_seconds: seconds(policy.rotation_period),
        protect_period_seconds: seconds(policy.protect_period),
        process_period_seconds: seconds(policy.process_period),
        destroy_waiting_period_seconds: policy.destroy_waiting_period.as_secs(),
        quorum: policy.quorum,
        separation: policy.separation.into(),
        rotates: policy.rotates.into(),
        context_required: required_to_wire(&policy.context_required),
        data_class: policy.data_class.map(Into::into),
        plaintext_data_keys: policy.plaintext_data_keys.into(),
        environment: policy.environment.clone().map(Into::into),
        assets: policy.assets.into(),
        grants_under_quorum: policy.grants_under_quorum,
    }
}

/// The policy of a new ring: the default, but for what the patch says.
///
/// # Errors
/// A [`Failure`] when too much is asked for of encryption contexts.
pub fn policy_from_wire(patch: &RingPolicyPatch) -> Result<RingPolicy, Failure> {
    let default = RingPolicy::default();
    let data_class = patch.data_class.flatten().map(|word| word.0);
    Ok(RingPolicy {
        protection: patch.protection.map_or(default.protection, |word| word.0),
        rotation_period: patch.rotation_period_seconds.map_or(default.rotation_period, span),
        rotates: patch.rotates.map_or(default.rotates, |word| word.0),
        protect_period: patch.protect_period_seconds.map_or(default.protect_period, span),
        process_period: patch.process_period_seconds.map_or(default.process_period, span),
        destroy_waiting_period: patch
            .destroy_waiting_period_seconds
            .map_or(default.destroy_waiting_period, Duration::from_secs),
        quorum: patch.quorum.unwrap_or(default.quorum),
        separation: default.separation,
        context_required: required_from_wire(patch.context_required.clone().unwrap_or_default())?,
        data_class,
        plaintext_data_keys: patch
            .plaintext_data_keys
            .map_or_else(|| PlaintextDataKeys::for_class(data_class), |word| word.0),
        environment: patch.environment.clone().map(|name| name.0),
        assets: patch.assets.map_or(default.assets, |word| word.0),
        grants_under_quorum: patch
            .grants_under_quorum
            .unwrap_or_else(|| RingPolicy::grants_under_quorum_for(default.separation, data_class)),
    })
}

/// What changes of a ring's policy.
///
/// # Errors
/// A [`Failure`] when too much is asked for of encryption contexts.
pub fn patch_from_wire(patch: &RingPolicyPatch) -> Result<RingPatch, Failure> {
    Ok(RingPatch {
        protection: patch.protection.map(|word| word.0),
        rotation_period: patch.rotation_period_seconds.map(span),
        rotates: patch.rotates.map(|word| word.0),
        protect_period: patch.protect_period_seconds.map(span),
        process_period: patch.process_period_seconds.map(span),
        destroy_waiting_period: patch.destroy_waiting_period_seconds.map(Duration::from_secs),
        quorum: patch.quorum,
        context_required: patch.context_required.clone().map(required_from_wire).transpose()?,
        data_class: patch.data_class.map(|class| class.map(|word| word.0)),
        plaintext_data_keys: patch.plaintext_data_keys.map(|word| word.0),
        environment: patch.environment.clone().map(|name| name.0),
        assets: patch.assets.map(|word| word.0),
        grants_under_quorum: patch.grants_under_quorum,
    })
}
