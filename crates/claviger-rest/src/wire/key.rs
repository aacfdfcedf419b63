//! Keys and key versions.

use claviger_client::types::Pairs;
use claviger_client::types::key::{
    CreateKey as WireCreate, Explanation as WireExplanation, Explanations, Key as WireKey, KeyAsOf,
    KeyVersion as WireVersion, Transport as WireTransport, UpdateKey, VersionUses, Wrapping as WireWrapping,
};
use claviger_core::key::{DestructionBlocked, Key, KeyRecord, KeyVersion, Labels, Origin, Transport, Wrap};
use claviger_core::permit::Rule;
use claviger_core::port::store::UseCounts;
use claviger_core::principal::Principal;
use claviger_core::{KeyName, Timestamp};
use claviger_crypto::digest::sha256;
use claviger_service::Explanation;
use claviger_service::log::Uses;
use claviger_service::operation::{Captions, CreateKey, KeyPatch, KeyRights, KeyVersions, LabelPatch};

use super::reason::reason_to_wire;
use super::{names_to_wire, required_from_wire, required_to_wire, seconds, span};
use crate::error::Failure;
use crate::names::{parse, parse_if_any};

/// A key as callers see it who read it with its ring.
#[must_use]
pub fn record_to_wire(record: &KeyRecord, captions: &Captions) -> WireKey {
    let blocked = captions.destruction_blocked(record);
    let blocked_by = blocked.map(|DestructionBlocked::Quorum(_)| "quorum".to_owned());
    WireKey {
        destroy_at: record.destroy_at().map(Into::into),
        destroy_blocked_by: blocked_by,
        reason: reason_to_wire(record.key.reason, captions),
        names: names_to_wire(record, captions),
        ..to_wire(record.name(), &record.key)
    }
}

/// A key as callers see it in a list: the instant of a destruction is the one that was asked for.
#[must_use]
pub fn to_wire(name: KeyName, key: &Key) -> WireKey {
    WireKey {
        id: key.id.into(),
        name: name.into(),
        ring: key.ring.into(),
        purpose: key.purpose.into(),
        spec: key.spec.into(),
        protection: key.protection.into(),
        data_class: key.data_class.into(),
        description: key.description.clone(),
        owner: key.owner.into(),
        labels: key.labels.pairs().iter().cloned().collect(),
        rotation_period_seconds: seconds(key.rotation_period),
        context_required: required_to_wire(&key.context_required),
        environment: key.environment.clone().map(Into::into),
        state: key.state.into(),
        primary: key.primary,
        destroy_at: key.destruction.map(|destruction| destruction.at.into()),
        destroy_approval: key.destruction.and_then(|destruction| destruction.approval).map(Into::into),
        destroy_blocked_by: None,
        key_policy: None,
        reason: None,
        created_at: key.created_at.into(),
        names: Pairs::default(),
        revision: key.revision,
    }
}

/// Versions of a key as callers see them.
#[must_use]
pub fn versions_to_wire(found: &KeyVersions, captions: &Captions) -> Vec<WireVersion> {
    let uses = |number| found.uses.as_ref().map(|uses| uses_to_wire(uses.of(number), uses.is_counting));
    let to_wire = |version: &KeyVersion| WireVersion {
        uses: uses(version.id.number),
        ..version_to_wire(&found.record, version, captions)
    };
    found.versions.iter().map(to_wire).collect()
}

fn uses_to_wire(uses: Option<&Uses>, counting: bool) -> VersionUses {
    let UseCounts { protected, processed, bytes, children } =
        uses.map(|uses| uses.counts).unwrap_or_default();
    VersionUses {
        protected,
        processed,
        bytes,
        children,
        last_used_at: uses.map(|uses| uses.last.at.into()),
        last_operation: uses.and_then(|uses| uses.last.op.action()).map(Into::into),
        counting,
    }
}

fn version_to_wire(record: &KeyRecord, version: &KeyVersion, captions: &Captions) -> WireVersion {
    WireVersion {
        number: version.id.number,
        primary: version.id.number == record.key.primary,
        state: version.state.into(),
        effective_state: record.state_of(version).into(),
        protection: version.protection.into(),
        origin: version.provenance.origin.into(),
        has_material: version.wrap.is_some(),
        material_expires_at: version
            .imported
            .as_ref()
            .and_then(|material| material.expires_at)
            .map(Into::into),
        generator: version.provenance.generator.into(),
        module: version.provenance.module.clone(),
        module_health_ok: version.provenance.health_ok,
        fingerprint: version.provenance.fingerprint.map(hex::encode),
        wrapping: version.wrap.as_ref().and_then(wrapping_to_wire),
        transport: version.imported.as_ref().and_then(|material| material.transport).map(transport_to_wire),
        public_key: version.public_key.clone().map(Into::into),
        protect_uses: version.protect_uses,
        uses: None,
        rotated: version.rotated.map(Into::into),
        created_at: version.created_at.into(),
        activated_at: version.activated_at.map(Into::into),
        state_changed_at: version.state_changed_at.into(),
        reason: reason_to_wire(version.reason, captions),
    }
}

fn wrapping_to_wire(wrap: &Wrap) -> Option<WireWrapping> {
    let (key, algorithm) = wrap.wrapping()?;
    Some(WireWrapping {
        key: key.into(),
        algorithm: algorithm.to_owned(),
        digest: hex::encode(sha256(&wrap.bytes)),
    })
}

fn transport_to_wire(transport: Transport) -> WireTransport {
    WireTransport {
        algorithm: transport.algorithm.into(),
        spec: transport.spec.into(),
        key: hex::encode(transport.key),
        strength_bits: transport.strength_bits(),
    }
}

/// Who can do what with a key, as callers see it.
#[must_use]
pub fn rights_to_wire(rights: &KeyRights) -> Explanations {
    let as_of = rights.then.map(|then| KeyAsOf {
        at: then.at.into(),
        entries: then.reached.size,
        newest_entry_at: then.reached.newest_at.map(|at| Timestamp::from_micros(at).into()),
        key_state: then.state.into(),
        destroy_at: then.destroy_at.map(Into::into),
    });
    let items = rights.items.iter().map(|(principal, line)| explanation_to_wire(principal, line)).collect();
    Explanations { items, as_of }
}

fn explanation_to_wire(principal: &Principal, line: &Explanation) -> WireExplanation {
    let (rule, grant) = match line.rule {
        Rule::Grant(id) => ("grant".to_owned(), Some(id.into())),
        Rule::Role(role) => (format!("role {role}"), None),
        Rule::Builtin(name) => (name.to_owned(), None),
    };
    WireExplanation {
        principal: line.principal.into(),
        principal_name: principal.name.clone().into(),
        action: line.action.into(),
        rule,
        grant,
        conditions: (!line.conditions.is_empty()).then(|| line.conditions.clone()),
    }
}

/// The key to create.
///
/// # Errors
/// A [`Failure`] for what names nothing, and for labels beyond their limits.
pub fn create_from_wire(wire: WireCreate) -> Result<CreateKey, Failure> {
    Ok(CreateKey {
        ring: parse(&wire.ring)?,
        name: Some(wire.name.0),
        purpose: wire.purpose.0,
        spec: wire.spec.0,
        protection: wire.protection.map(|word| word.0),
        data_class: wire.data_class.map(|word| word.0),
        description: wire.description,
        owner: parse_if_any(wire.owner.as_deref())?,
        labels: labels_from_wire(wire.labels)?,
        rotation_period: span(wire.rotation_period_seconds),
        context_required: required_from_wire(wire.context_required)?,
        environment: wire.environment.map(|name| name.0),
        activate: wire.activate,
        origin: wire.origin.map_or(Origin::Generated, |word| word.0),
        rights: None,
    })
}

/// What changes of a key.
///
/// # Errors
/// A [`Failure`] for what names nothing, and for labels beyond their limits.
pub fn patch_from_wire(wire: UpdateKey) -> Result<KeyPatch, Failure> {
    Ok(KeyPatch {
        data_class: wire.data_class.map(|word| word.0),
        description: wire.description,
        owner: parse_if_any(wire.owner.as_deref())?,
        labels: wire.labels.map(labels_from_wire).transpose()?.map(LabelPatch::All),
        rotation_period: wire.rotation_period_seconds.map(span),
        context_required: wire.context_required.map(required_from_wire).transpose()?,
        environment: wire.environment.map(|name| name.0),
    })
}

fn labels_from_wire(pairs: Pairs) -> Result<Labels, Failure> {
    Labels::new(pairs.into_vec()).map_err(|error| Failure::invalid(error.to_string()))
}
