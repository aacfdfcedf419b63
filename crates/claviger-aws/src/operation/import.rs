//! Material that is imported.

use std::time::Duration;

use claviger_core::{KeyVersionId, Spec, Timestamp};
use claviger_crypto::WrappingAlgorithm;

use claviger_service::operation::{
    DescribeKey, ImportMaterial, ReadImportParameters, RemoveImportedMaterial,
};
use claviger_service::{ErrorKind, KeyRef, Obstacle, ServiceError};
use serde::Deserialize;
use serde_json::json;

use super::metadata::{is_imported, material_id};
use crate::answer::{Answer, Answered};
use crate::error::{AwsError, code};
use crate::names;
use crate::session::Session;
use crate::wire::{Blob, Violations, base64, instant, seconds};

const ALGORITHMS: [&str; 6] = [
    "RSAES_PKCS1_V1_5",
    "RSAES_OAEP_SHA_1",
    "RSAES_OAEP_SHA_256",
    "RSA_AES_KEY_WRAP_SHA_1",
    "RSA_AES_KEY_WRAP_SHA_256",
    "SM2PKE",
];
const SPECS: [&str; 4] = ["RSA_2048", "RSA_3072", "RSA_4096", "SM2"];

fn algorithm(name: &str) -> Result<WrappingAlgorithm, AwsError> {
    match name {
        "RSAES_OAEP_SHA_1" => Ok(WrappingAlgorithm::RsaesOaepSha1),
        "RSAES_OAEP_SHA_256" => Ok(WrappingAlgorithm::RsaesOaepSha256),
        "RSA_AES_KEY_WRAP_SHA_1" => Ok(WrappingAlgorithm::RsaAesKeyWrapSha1),
        "RSA_AES_KEY_WRAP_SHA_256" => Ok(WrappingAlgorithm::RsaAesKeyWrapSha256),
        _ => Err(AwsError::unsupported(format!("no module here unwraps {name}"))),
    }
}

fn spec(name: &str) -> Result<Spec, AwsError> {
    match name {
        "RSA_2048" => Ok(Spec::Rsa2048),
        "RSA_3072" => Ok(Spec::Rsa3072),
        "RSA_4096" => Ok(Spec::Rsa4096),
        _ => Err(AwsError::unsupported(format!("no module here unwraps with {name}"))),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ParametersInput {
    key_id: Option<String>,
    wrapping_algorithm: Option<String>,
    wrapping_key_spec: Option<String>,
}

pub(crate) async fn parameters(session: &Session<'_>, input: ParametersInput) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    let wrapping = violations.required_word("wrappingAlgorithm", input.wrapping_algorithm, ALGORITHMS);
    let wrapping_spec = violations.required_word("wrappingKeySpec", input.wrapping_key_spec, SPECS);
    violations.done()?;
    let wanted = session.realm().wanted_by_id(&key)?;
    let read = ReadImportParameters {
        key: wanted.clone(),
        wrapping: algorithm(&wrapping)?,
        wrapping_spec: spec(&wrapping_spec)?,
    };
    let done = session.try_perform(read, false).await.map_err(|error| refused(session, &wanted, &error))?;
    let answer = json!({
        "KeyId": session.realm().key_arn(done.output.key),
        "ImportToken": base64(&done.output.token),
        "PublicKey": base64(&done.output.public_key),
        "ParametersValidTo": seconds(done.output.expires_at),
    });
    Ok(Answer::json(&answer)?.recorded(done.receipt))
}

/// A refusal in the words for imports: material that is made here is of the origin `AWS_KMS`.
fn refused(session: &Session<'_>, wanted: &KeyRef, error: &ServiceError) -> AwsError {
    let failure = session.failure_of(error, wanted);
    match (error.kind(), error.key()) {
        (ErrorKind::Unsupported, Some(key)) if error.obstacle() == Some(Obstacle::MaterialMadeHere) => {
            let arn = session.realm().key_arn(key);
            let origin = names::origin(false);
            let message = format!("{arn} origin is {origin} which is not valid for this operation.");
            AwsError::unsupported(message).recorded_at(failure.entry())
        }
        _ => failure,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ImportInput {
    key_id: Option<String>,
    import_token: Option<Blob>,
    encrypted_key_material: Option<Blob>,
    valid_to: Option<f64>,
    expiration_model: Option<String>,
    import_type: Option<String>,
    key_material_description: Option<String>,
    key_material_id: Option<String>,
}

/// `KeyMaterialId`, where it is said.
fn named_material(violations: &mut Violations, id: Option<&str>) {
    if let Some(id) = id {
        violations.text("keyMaterialId", id, 64..=64);
        violations.pattern("keyMaterialId", id, "^[a-f0-9]+$", |c| matches!(c, '0'..='9' | 'a'..='f'));
    }
}

/// Longest time for which imported material counts.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

pub(crate) async fn import_material(session: &Session<'_>, input: ImportInput) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    let token = violations.required_blob("importToken", input.import_token, 1..=6144);
    let material = violations.required_blob("encryptedKeyMaterial", input.encrypted_key_material, 1..=6144);
    let model = input.expiration_model.as_deref().unwrap_or("KEY_MATERIAL_EXPIRES");
    violations.word("expirationModel", model, ["KEY_MATERIAL_EXPIRES", "KEY_MATERIAL_DOES_NOT_EXPIRE"]);
    let kind = input.import_type.as_deref().unwrap_or("EXISTING_KEY_MATERIAL");
    violations.word("importType", kind, ["NEW_KEY_MATERIAL", "EXISTING_KEY_MATERIAL"]);
    if let Some(text) = &input.key_material_description {
        violations.text("keyMaterialDescription", text, 0..=256);
        if !text.is_empty() {
            let fits = |c: char| c.is_ascii_alphanumeric() || c.is_whitespace() || ":/_.-".contains(c);
            violations.pattern("keyMaterialDescription", text, "^[a-zA-Z0-9:/_\\s.-]+$", fits);
        }
    }
    named_material(&mut violations, input.key_material_id.as_deref());
    violations.done()?;
    let wanted = session.realm().wanted_by_id(&key)?;
    let expires_at = match (model, input.valid_to) {
        ("KEY_MATERIAL_EXPIRES", Some(at)) => {
            let valid = |at: &Timestamp| *at > session.now() && *at <= session.now().after(LONGEST);
            let wrong = || AwsError::validation("ValidTo must be in the next 365 days");
            Some(instant(at).filter(valid).ok_or_else(wrong)?)
        }
        ("KEY_MATERIAL_EXPIRES", None) => {
            return Err(AwsError::validation(
                "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES",
            ));
        }
        (_, Some(_)) => {
            return Err(AwsError::validation(
                "A validTo date can not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE",
            ));
        }
        (_, None) => None,
    };
    if input.key_material_description.is_some() {
        return Err(AwsError::unsupported(
            "material has no description here; leave KeyMaterialDescription out",
        ));
    }
    let version = match &input.key_material_id {
        None => None,
        Some(id) => {
            // A material that the key never had is another than it is to have.
            let never = || AwsError::new("IncorrectKeyMaterialException", "the key never had that material");
            Some(version_of(session, &wanted, id).await?.ok_or_else(never)?)
        }
    };
    let import = ImportMaterial {
        key: wanted.clone(),
        token: token.into_bytes(),
        material: material.into_bytes(),
        expires_at,
        new_material: kind == "NEW_KEY_MATERIAL",
        version,
    };
    let done = match session.try_perform(import, false).await {
        Ok(done) => done,
        Err(error) if error.kind() == ErrorKind::WrongState && error.obstacle().is_none() => {
            let message = conflict(session, &wanted, &error).await?;
            return Err(AwsError::new(code::INVALID_STATE, message).recorded_at(error.entry()));
        }
        Err(error) => return Err(refused(session, &wanted, &error)),
    };
    let record = &done.output.record;
    let version = KeyVersionId { key: record.key.id, number: done.output.version };
    let id = material_id(version);
    let answer = json!({ "KeyId": session.realm().key_arn(record.key.id), "KeyMaterialId": id });
    Ok(Answer::json(&answer)?.recorded(done.receipt))
}

/// New material that comes while other material waits for the rotation. That of the request would have been the next.
async fn conflict(session: &Session<'_>, wanted: &KeyRef, error: &ServiceError) -> Result<String, AwsError> {
    let record = session.perform(wanted, DescribeKey { key: wanted.clone() }).await?.output;
    let Some(waiting) = record.waiting().map(|waiting| waiting.id) else {
        return Ok(error.public_message().to_owned());
    };
    let next = KeyVersionId { number: waiting.number.saturating_add(1), ..waiting };
    Ok(format!(
        "New key material (id: {}) cannot be imported into KMS key {}, because another key material (id: {}) is pending rotation.",
        material_id(next),
        session.realm().key_arn(record.key.id),
        material_id(waiting)
    ))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeleteInput {
    key_id: Option<String>,
    key_material_id: Option<String>,
}

pub(crate) async fn delete_material(session: &Session<'_>, input: DeleteInput) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    named_material(&mut violations, input.key_material_id.as_deref());
    violations.done()?;
    let wanted = session.realm().wanted_by_id(&key)?;
    let version = match &input.key_material_id {
        None => None,
        Some(id) => {
            let missing = || AwsError::not_found(format!("the key has no material {id}"));
            Some(version_of(session, &wanted, id).await?.ok_or_else(missing)?)
        }
    };
    let remove = RemoveImportedMaterial { key: wanted.clone(), version, only_if_expired: false };
    let done = session.try_perform(remove, false).await.map_err(|error| refused(session, &wanted, &error))?;
    let record = &done.output;
    let number = version.unwrap_or(record.key.primary);
    let version = KeyVersionId { key: record.key.id, number };
    let answer =
        json!({ "KeyId": session.realm().key_arn(record.key.id), "KeyMaterialId": material_id(version) });
    Ok(Answer::json(&answer)?.recorded(done.receipt))
}

/// The version that a `KeyMaterialId` names, if the key ever had that material.
async fn version_of(session: &Session<'_>, wanted: &KeyRef, id: &str) -> Result<Option<u32>, AwsError> {
    let record = session.perform(wanted, DescribeKey { key: wanted.clone() }).await?.output;
    let version = |number| KeyVersionId { key: record.key.id, number };
    let found = (1..=record.newest()).find(|number| material_id(version(*number)) == id);
    Ok(found.filter(|_| is_imported(&record)))
}
