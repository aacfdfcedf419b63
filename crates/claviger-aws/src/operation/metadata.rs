//! What answers say of a key and its versions.

use claviger_core::key::{KeyRecord, KeyVersion, Origin, State};
use claviger_core::{KeyVersionId, Purpose, Spec, Timestamp};
use serde_json::{Map, Value, json};

use crate::error::AwsError;
use crate::names;
use crate::realm::Realm;
use crate::wire::seconds;

/// The word for how a key is.
pub(crate) fn state(record: &KeyRecord, now: Timestamp) -> &'static str {
    if record.key.destruction.is_some() {
        return "PendingDeletion";
    }
    let primary = record.find_version(record.key.primary);
    if primary.is_some_and(|version| lacks_material(version, now)) {
        return "PendingImport";
    }
    match record.key.state {
        State::Active => "Enabled",
        State::Compromised
        | State::Deactivated
        | State::Destroyed
        | State::DestroyedCompromised
        | State::PreActive
        | State::Suspended => "Disabled",
    }
}

/// Is there no material to use? What has expired counts as away from that instant on.
pub(crate) fn lacks_material(version: &KeyVersion, now: Timestamp) -> bool {
    version.is_pending_import() || version.has_expired(now)
}

pub(crate) fn is_imported(record: &KeyRecord) -> bool {
    record.origin() == Origin::Imported
}

/// `KeyMetadata`.
///
/// # Errors
/// `NotFoundException` once the key is destroyed; `UnsupportedOperationException` for a kind of key that AWS KMS does not have.
pub(crate) fn metadata(realm: &Realm, record: &KeyRecord, now: Timestamp) -> Result<Value, AwsError> {
    let key = &record.key;
    let arn = realm.key_arn(key.id);
    if matches!(key.state, State::Destroyed | State::DestroyedCompromised) {
        return Err(AwsError::not_found(format!("Key '{arn}' does not exist")));
    }
    let (Some(spec), Some(usage)) = (names::spec(key.spec), names::usage(key.purpose)) else {
        return Err(AwsError::unsupported(format!(
            "{arn} is a key of {} for {}, a kind that AWS KMS does not have",
            key.spec, key.purpose
        )));
    };
    let state = state(record, now);
    let mut of = Map::new();
    let mut put = |member: &str, value: Value| drop(of.insert(member.to_owned(), value));
    put("AWSAccountId", json!(realm.account));
    put("KeyId", json!(key.id.to_string()));
    put("Arn", json!(arn));
    put("CreationDate", json!(seconds(key.created_at)));
    put("Enabled", json!(state == "Enabled"));
    put("Description", json!(key.description));
    put("KeyUsage", json!(usage));
    put("KeyState", json!(state));
    put("Origin", json!(names::origin(is_imported(record))));
    put("KeyManager", json!("CUSTOMER"));
    put("CustomerMasterKeySpec", json!(spec));
    put("KeySpec", json!(spec));
    put("MultiRegion", json!(false));
    if let Some(at) = record.destroy_at() {
        put("DeletionDate", json!(seconds(at)));
    }
    let primary = record.find_version(key.primary);
    if is_imported(record)
        && let Some(version) = primary.filter(|version| !lacks_material(version, now))
    {
        put("ExpirationModel", json!(expiration_model(expires_at(version))));
        if let Some(at) = expires_at(version) {
            put("ValidTo", json!(seconds(at)));
        }
    }
    for (member, algorithms) in algorithms(key.spec, key.purpose) {
        put(member, json!(algorithms));
    }
    // What was there before has its name still, so that it can be imported again.
    let named = |version: &&KeyVersion| !version.is_pending_import() || version.imported.is_some();
    if let Some(version) = primary.filter(named).filter(|_| spec == "SYMMETRIC_DEFAULT") {
        put("CurrentKeyMaterialId", json!(material_id(version.id)));
    }
    Ok(Value::Object(of))
}

/// Until when imported material counts.
pub(crate) fn expires_at(version: &KeyVersion) -> Option<Timestamp> {
    version.imported.as_ref().and_then(|imported| imported.expires_at)
}

/// `KeyMaterialId` of a version.
pub(crate) fn material_id(version: KeyVersionId) -> String {
    hex::encode(version.material_id())
}

pub(crate) const fn expiration_model(until: Option<Timestamp>) -> &'static str {
    match until {
        Some(_) => "KEY_MATERIAL_EXPIRES",
        None => "KEY_MATERIAL_DOES_NOT_EXPIRE",
    }
}

/// The algorithms of a key under the member that lists them.
pub(crate) fn algorithms(spec: Spec, purpose: Purpose) -> Vec<(&'static str, Vec<&'static str>)> {
    match names::usage(purpose) {
        Some("ENCRYPT_DECRYPT") => {
            vec![("EncryptionAlgorithms", names::encryption_algorithms(spec).to_vec())]
        }
        Some("SIGN_VERIFY") => vec![("SigningAlgorithms", names::signing_algorithms(spec))],
        Some("GENERATE_VERIFY_MAC") => {
            vec![("MacAlgorithms", names::mac_algorithm(spec).into_iter().collect())]
        }
        Some("KEY_AGREEMENT") => vec![("KeyAgreementAlgorithms", vec!["ECDH"])],
        Some("ENCAPSULATE_DECAPSULATE") => vec![("EncapsulationAlgorithms", vec!["ML_KEM"])],
        _ => Vec::new(),
    }
}
