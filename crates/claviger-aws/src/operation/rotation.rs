//! Rotation, by policy and on demand.

use std::sync::Arc;
use std::time::Duration;

use claviger_core::key::{KeyRecord, KeyVersion, Rotation};
use claviger_core::port::store::Page;
use claviger_core::{Spec, Timestamp};
use claviger_service::KeyRef;
use claviger_service::operation::{DescribeKey, DescribeVersions, KeyPatch, KeyVersions, RotateKey};
use serde::Deserialize;
use serde_json::{Value, json};

use super::key::OfKey;
use super::metadata::{self, is_imported};
use super::update::update;
use crate::answer::{Answer, Answered};
use crate::error::{AwsError, code};
use crate::names;
use crate::realm::Realm;
use crate::session::Session;
use crate::wire::{Violations, marker, next_marker, page, seconds};

const DAY: u64 = 86_400;

/// The key, if AWS KMS knows rotation of such keys.
async fn rotating(session: &Session<'_>, wanted: &KeyRef) -> Result<Arc<KeyRecord>, AwsError> {
    let record = describe(session, wanted).await?;
    symmetric(session.realm(), &record)?;
    Ok(record)
}

async fn describe(session: &Session<'_>, wanted: &KeyRef) -> Result<Arc<KeyRecord>, AwsError> {
    Ok(session.perform(wanted, DescribeKey { key: wanted.clone() }).await?.output)
}

/// Refuses keys of a kind that AWS KMS does not rotate.
fn symmetric(realm: &Realm, record: &KeyRecord) -> Result<(), AwsError> {
    if record.key.spec == Spec::Aes256Gcm {
        return Ok(());
    }
    let arn = realm.key_arn(record.key.id);
    Err(AwsError::unsupported(format!("{arn} is not a symmetric encryption key.")))
}

/// Refuses unless the key is in use.
fn in_use(realm: &Realm, record: &KeyRecord, now: Timestamp) -> Result<(), AwsError> {
    let arn = realm.key_arn(record.key.id);
    match metadata::state(record, now) {
        "Enabled" => Ok(()),
        "PendingDeletion" => Err(AwsError::new(code::INVALID_STATE, format!("{arn} is pending deletion."))),
        "PendingImport" => Err(AwsError::new(code::INVALID_STATE, format!("{arn} is pending import."))),
        _ => Err(AwsError::new("DisabledException", format!("{arn} is disabled."))),
    }
}

/// Refuses material that was imported: there is no other to rotate to.
fn generated(realm: &Realm, record: &KeyRecord) -> Result<(), AwsError> {
    if !is_imported(record) {
        return Ok(());
    }
    let arn = realm.key_arn(record.key.id);
    let origin = names::origin(true);
    Err(AwsError::unsupported(format!("{arn} origin is {origin} which is not valid for this operation.")))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EnableInput {
    key_id: Option<String>,
    rotation_period_in_days: Option<i64>,
}

pub(crate) async fn enable(session: &Session<'_>, input: EnableInput) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    let days = input
        .rotation_period_in_days
        .map_or(365, |days| violations.number("rotationPeriodInDays", days, 90..=2560));
    violations.done()?;
    let wanted = session.realm().wanted_by_id(&key)?;
    let record = rotating(session, &wanted).await?;
    generated(session.realm(), &record)?;
    in_use(session.realm(), &record, session.now())?;
    let period = Duration::from_secs(u64::from(days) * DAY);
    set(session, &wanted, Some(period)).await
}

pub(crate) async fn disable(session: &Session<'_>, input: OfKey) -> Answered {
    let wanted = input.wanted(session)?;
    let record = rotating(session, &wanted).await?;
    generated(session.realm(), &record)?;
    in_use(session.realm(), &record, session.now())?;
    if record.ring.policy.rotation_period.is_some() {
        return Err(AwsError::unsupported(
            "the key's ring rotates its keys by policy, which a key is not excused from",
        ));
    }
    set(session, &wanted, None).await
}

async fn set(session: &Session<'_>, wanted: &KeyRef, period: Option<Duration>) -> Answered {
    let patch = KeyPatch { rotation_period: Some(period), ..KeyPatch::default() };
    update(session, wanted, patch).await
}

pub(crate) async fn status(session: &Session<'_>, input: OfKey) -> Answered {
    let wanted = input.wanted(session)?;
    let done = session.perform(&wanted, DescribeKey { key: wanted.clone() }).await?;
    let record = &done.output;
    let arn = session.realm().key_arn(record.key.id);
    // What waits for its destruction rotates no more, until it comes back.
    let rotates =
        record.key.spec == Spec::Aes256Gcm && !is_imported(record) && record.key.destruction.is_none();
    let period = record.rotation_period().filter(|_| rotates);
    let mut answer = json!({ "KeyId": arn, "KeyRotationEnabled": period.is_some() });
    if let (Some(period), Some(object)) = (period, answer.as_object_mut()) {
        object.insert("RotationPeriodInDays".to_owned(), json!(period.as_secs().div_ceil(DAY)));
        if let Some(next) = record.next_rotation_at() {
            object.insert("NextRotationDate".to_owned(), json!(seconds(next)));
        }
    }
    Ok(Answer::json(&answer)?.recorded(done.receipt))
}

pub(crate) async fn rotate_on_demand(session: &Session<'_>, input: OfKey) -> Answered {
    let wanted = input.wanted_by_any_name(session)?;
    let record = describe(session, &wanted).await?;
    // AWS KMS looks at the state first, whatever the kind.
    in_use(session.realm(), &record, session.now())?;
    symmetric(session.realm(), &record)?;
    let arn = session.realm().key_arn(record.key.id);
    if is_imported(&record) && record.waiting().is_none() {
        let message = format!("No available key material pending rotation for the key: {arn}.");
        return Err(AwsError::new(code::INVALID_STATE, message));
    }
    let done = session.perform(&wanted, RotateKey { key: wanted.clone() }).await?;
    Ok(Answer::json(&json!({ "KeyId": arn }))?.recorded(done.receipt))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListInput {
    key_id: Option<String>,
    include_key_material: Option<String>,
    limit: Option<i64>,
    marker: Option<String>,
}

pub(crate) async fn list(session: &Session<'_>, input: ListInput) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    let limit = violations.limit(input.limit, 100);
    violations.marker(input.marker.as_deref());
    let include = input.include_key_material.as_deref().unwrap_or("ROTATIONS_ONLY");
    violations.word("includeKeyMaterial", include, ["ALL_KEY_MATERIAL", "ROTATIONS_ONLY"]);
    violations.done()?;
    let wanted = session.realm().wanted(&key)?;
    let after = marker::read::<u32>(input.marker.as_deref())?.unwrap_or(0);
    let most = usize::try_from(limit).unwrap_or(1000) + 1;
    // The first version, and one that waits, are none that a rotation made.
    let asked = u32::try_from(most + 2).unwrap_or(u32::MAX);
    let asked = Page { after: Some(after), limit: asked };
    let describe = DescribeVersions { key: wanted.clone(), page: asked };
    let done = session.perform(&wanted, describe).await?;
    let KeyVersions { record, versions, .. } = &done.output;
    symmetric(session.realm(), record)?;
    let all = include == "ALL_KEY_MATERIAL";
    let listed = versions.iter().filter(|version| all || version.rotated.is_some());
    let mut versions: Vec<_> = listed.take(most).collect();
    let next = next_marker(&mut versions, limit, |version| &version.id.number);
    let rotations: Vec<_> =
        versions.into_iter().map(|version| entry(record, version, all, session.now())).collect();
    Ok(Answer::json(&page("Rotations", json!(rotations), next))?.recorded(done.receipt))
}

fn entry(record: &KeyRecord, version: &KeyVersion, with_material: bool, now: Timestamp) -> Value {
    let mut entry = json!({
        "KeyId": record.key.id.to_string(),
        "KeyMaterialId": metadata::material_id(version.id),
    });
    let Some(object) = entry.as_object_mut() else { return entry };
    let mut put = |member: &str, value: Value| drop(object.insert(member.to_owned(), value));
    if let Some(rotated) = version.rotated {
        put("RotationDate", json!(seconds(version.created_at)));
        let kind = match rotated {
            Rotation::ByPolicy => "AUTOMATIC",
            Rotation::OnDemand => "ON_DEMAND",
        };
        put("RotationType", json!(kind));
    }
    if with_material {
        put("KeyMaterialState", json!(material_state(record, version)));
        if is_imported(record) {
            let away = metadata::lacks_material(version, now);
            put("ImportState", json!(if away { "PENDING_IMPORT" } else { "IMPORTED" }));
            put("ExpirationModel", json!(metadata::expiration_model(metadata::expires_at(version))));
            if let Some(at) = metadata::expires_at(version) {
                put("ValidTo", json!(seconds(at)));
            }
        }
    }
    entry
}

fn material_state(record: &KeyRecord, version: &KeyVersion) -> &'static str {
    if version.id.number == record.key.primary {
        "CURRENT"
    } else if record.waiting().is_some_and(|waiting| waiting.id == version.id) {
        "PENDING_ROTATION"
    } else {
        "NON_CURRENT"
    }
}
