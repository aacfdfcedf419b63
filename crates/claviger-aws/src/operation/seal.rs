//! Encryption and data keys.

use claviger_core::{KeyId, KeyVersionId};
use claviger_crypto::EncryptionAlgorithm;
use claviger_crypto::envelope::Header;
use claviger_service::operation::usage::{
    Decrypt, Encrypt, GenerateDataKey, GenerateDataKeyWithoutPlaintext, InTransit, ReencryptFrom,
    ReencryptInto, UseKey,
};
use claviger_service::{ErrorKind, KeyRef};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::answer::{Answer, Answered};
use crate::error::{AwsError, code};
use crate::names;
use crate::realm::Realm;
use crate::session::Session;
use crate::wire::{Blob, Pairs, Violations, base64, context, grant_tokens, no_recipient};

/// Longest plaintext of a direct encryption, in bytes.
const MOST_PLAINTEXT: usize = 4096;
/// Longest ciphertext, in bytes.
const MOST_CIPHERTEXT: usize = 6144;
/// Longest data key, in bytes.
const MOST_BYTES: u32 = 1024;

/// An `EncryptionAlgorithm`, the symmetric one unless another is said.
fn algorithm(
    member: &str,
    name: Option<&str>,
    violations: &mut Violations,
) -> Result<(EncryptionAlgorithm, &'static str), AwsError> {
    let name = name.unwrap_or("SYMMETRIC_DEFAULT");
    violations.word(member, name, names::ENCRYPTION);
    let known = names::ENCRYPTION.into_iter().find(|known| *known == name).unwrap_or("SYMMETRIC_DEFAULT");
    let algorithm = names::encryption(known)
        .map_err(|_| AwsError::unsupported(format!("no module here encrypts with {known}")))?;
    Ok((algorithm, known))
}

/// `KeyMaterialId`, as answers about symmetric keys give it.
fn material_id(key: KeyId, version: u32) -> String {
    super::metadata::material_id(KeyVersionId { key, number: version })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EncryptInput {
    key_id: Option<String>,
    plaintext: Option<Blob>,
    encryption_context: Option<Pairs>,
    grant_tokens: Option<Vec<String>>,
    encryption_algorithm: Option<String>,
    dry_run: Option<bool>,
}

pub(crate) async fn encrypt(session: &Session<'_>, input: EncryptInput) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    let plaintext = violations.required_blob("plaintext", input.plaintext, 1..=MOST_PLAINTEXT);
    let algorithm = algorithm("encryptionAlgorithm", input.encryption_algorithm.as_deref(), &mut violations);
    let tokens = grant_tokens(input.grant_tokens.as_ref(), &mut violations);
    violations.done()?;
    let (algorithm, name) = algorithm?;
    tokens?;
    let wanted = session.realm().wanted(&key)?;
    let context = context(input.encryption_context.as_ref())?;
    let what = Encrypt { plaintext: plaintext.into_bytes(), context, algorithm: Some(algorithm) };
    let done = session.perform_or_try(&wanted, UseKey::new(wanted.clone(), what), input.dry_run).await?;
    let answer = Used {
        key_id: session.realm().key_arn(done.output.key),
        encryption_algorithm: Some(name),
        key_material_id: None,
    };
    Ok(Answer::with_bytes(&answer, "CiphertextBlob", &done.output.ciphertext)?.recorded(done.receipt))
}

/// What an answer to a use says beside its bytes.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Used {
    key_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_algorithm: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_material_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DecryptInput {
    ciphertext_blob: Option<Blob>,
    encryption_context: Option<Pairs>,
    grant_tokens: Option<Vec<String>>,
    key_id: Option<String>,
    encryption_algorithm: Option<String>,
    recipient: Option<Value>,
    dry_run: Option<bool>,
    dry_run_modifiers: Option<Vec<String>>,
}

/// The key that opens a ciphertext: the one named, or the one that a symmetric ciphertext names itself.
fn opener(
    realm: &Realm,
    named: Option<&str>,
    ciphertext: &Blob,
    algorithm: EncryptionAlgorithm,
) -> Result<KeyRef, AwsError> {
    if let Some(named) = named {
        return realm.wanted(named);
    }
    if algorithm != EncryptionAlgorithm::SymmetricDefault {
        return Err(AwsError::validation("KeyId is required when the ciphertext is of an asymmetric key."));
    }
    let does_not_open = || AwsError::new(code::INVALID_CIPHERTEXT, "");
    let (header, _) = Header::parse(ciphertext.as_slice()).map_err(|_| does_not_open())?;
    let key = KeyRef::Id(KeyId::from_bytes(header.key_id));
    // A key that is not there, or that nobody may know of, is answered like bytes of no key.
    Ok(key)
}

/// Is it a symmetric ciphertext, which says of which key it is?
fn names_a_key(ciphertext: &Blob, algorithm: EncryptionAlgorithm) -> bool {
    algorithm == EncryptionAlgorithm::SymmetricDefault && Header::parse(ciphertext.as_slice()).is_ok()
}

/// What AWS KMS says of a ciphertext that does not open: of a header that names no key here, no more than that; of one that
/// cannot be of the key that was named, since that is of another kind, that it is of another key.
fn unopened(error: AwsError, named: bool, names_a_key: bool) -> AwsError {
    match error.code() {
        code::NOT_FOUND if !named => error.instead(code::INVALID_CIPHERTEXT),
        code::INVALID_USAGE if names_a_key => AwsError::incorrect_key().recorded_at(error.entry()),
        _ => error,
    }
}

pub(crate) async fn decrypt(session: &Session<'_>, input: DecryptInput) -> Answered {
    let mut violations = Violations::default();
    let ciphertext = violations.required_blob("ciphertextBlob", input.ciphertext_blob, 1..=MOST_CIPHERTEXT);
    if let Some(key) = &input.key_id {
        violations.text("keyId", key, 1..=2048);
    }
    for modifier in input.dry_run_modifiers.iter().flatten() {
        violations.word("dryRunModifiers", modifier, ["IGNORE_CIPHERTEXT"]);
    }
    let algorithm = algorithm("encryptionAlgorithm", input.encryption_algorithm.as_deref(), &mut violations);
    let tokens = grant_tokens(input.grant_tokens.as_ref(), &mut violations);
    violations.done()?;
    let (algorithm, name) = algorithm?;
    tokens?;
    no_recipient(input.recipient.as_ref())?;
    if input.dry_run_modifiers.is_some_and(|modifiers| !modifiers.is_empty()) {
        return Err(AwsError::unsupported(
            "a dry run looks at the ciphertext here; leave DryRunModifiers out",
        ));
    }
    let wanted = opener(session.realm(), input.key_id.as_deref(), &ciphertext, algorithm)?;
    let context = context(input.encryption_context.as_ref())?;
    let names_a_key = names_a_key(&ciphertext, algorithm);
    let what = Decrypt { ciphertext: ciphertext.into_bytes(), context, algorithm: Some(algorithm) };
    let done = session
        .perform_or_try(&wanted, UseKey::new(wanted.clone(), what), input.dry_run)
        .await
        .map_err(|error| unopened(error, input.key_id.is_some(), names_a_key))?;
    let symmetric = algorithm == EncryptionAlgorithm::SymmetricDefault;
    let answer = Used {
        key_id: session.realm().key_arn(done.output.key),
        encryption_algorithm: Some(name),
        key_material_id: symmetric.then(|| material_id(done.output.key, done.output.version)),
    };
    Ok(Answer::with_secret(&answer, "Plaintext", &done.output.plaintext)?.recorded(done.receipt))
}

fn put(answer: &mut Value, member: &str, value: Value) {
    if let Some(object) = answer.as_object_mut() {
        object.insert(member.to_owned(), value);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ReEncryptInput {
    ciphertext_blob: Option<Blob>,
    source_encryption_context: Option<Pairs>,
    source_key_id: Option<String>,
    destination_key_id: Option<String>,
    destination_encryption_context: Option<Pairs>,
    source_encryption_algorithm: Option<String>,
    destination_encryption_algorithm: Option<String>,
    grant_tokens: Option<Vec<String>>,
    dry_run: Option<bool>,
    dry_run_modifiers: Option<Vec<String>>,
}

/// Two uses, each decided and recorded on its own key; what is between them is shown to nobody.
pub(crate) async fn re_encrypt(session: &Session<'_>, input: ReEncryptInput) -> Answered {
    let mut violations = Violations::default();
    let ciphertext = violations.required_blob("ciphertextBlob", input.ciphertext_blob, 1..=MOST_CIPHERTEXT);
    let destination = violations.key_id_at("destinationKeyId", input.destination_key_id);
    if let Some(key) = &input.source_key_id {
        violations.text("sourceKeyId", key, 1..=2048);
    }
    let from =
        algorithm("sourceEncryptionAlgorithm", input.source_encryption_algorithm.as_deref(), &mut violations);
    let into = algorithm(
        "destinationEncryptionAlgorithm",
        input.destination_encryption_algorithm.as_deref(),
        &mut violations,
    );
    let tokens = grant_tokens(input.grant_tokens.as_ref(), &mut violations);
    violations.done()?;
    let ((from, from_name), (into, into_name)) = (from?, into?);
    tokens?;
    if input.dry_run_modifiers.is_some_and(|modifiers| !modifiers.is_empty()) {
        return Err(AwsError::unsupported(
            "a dry run looks at the ciphertext here; leave DryRunModifiers out",
        ));
    }
    let realm = session.realm();
    let source = opener(realm, input.source_key_id.as_deref(), &ciphertext, from)?;
    let destination = realm.wanted(&destination)?;
    let names_a_key = names_a_key(&ciphertext, from);
    let what = ReencryptFrom {
        ciphertext: ciphertext.into_bytes(),
        context: context(input.source_encryption_context.as_ref())?,
        algorithm: Some(from),
    };
    let context = context(input.destination_encryption_context.as_ref())?;
    let opened = session.try_perform(UseKey::new(source.clone(), what), input.dry_run == Some(true)).await;
    let opened = match opened {
        Ok(opened) => opened,
        // Of two uses that would both be done only the second can be asked for by itself: nothing was opened for it.
        Err(error) if error.kind() == ErrorKind::DryRun => {
            let what = ReencryptInto { transit: InTransit::nothing(), context, algorithm: Some(into) };
            let asked = UseKey::new(destination.clone(), what);
            return session
                .perform_or_try(&destination, asked, Some(true))
                .await
                .and(Err(AwsError::internal()));
        }
        Err(error) => {
            let failure = session.failure_of(&error, &source);
            return Err(unopened(failure, input.source_key_id.is_some(), names_a_key));
        }
    };
    let (source_key, source_version) = (opened.output.key(), opened.output.version());
    let what = ReencryptInto { transit: opened.output, context, algorithm: Some(into) };
    let done =
        session.perform_or_try(&destination, UseKey::new(destination.clone(), what), input.dry_run).await?;
    let mut answer = json!({
        "CiphertextBlob": base64(&done.output.ciphertext),
        "SourceKeyId": realm.key_arn(source_key),
        "KeyId": realm.key_arn(done.output.key),
        "SourceEncryptionAlgorithm": from_name,
        "DestinationEncryptionAlgorithm": into_name,
    });
    if from == EncryptionAlgorithm::SymmetricDefault {
        put(&mut answer, "SourceKeyMaterialId", json!(material_id(source_key, source_version)));
    }
    if into == EncryptionAlgorithm::SymmetricDefault {
        let id = material_id(done.output.key, done.output.version);
        put(&mut answer, "DestinationKeyMaterialId", json!(id));
    }
    Ok(Answer::json(&answer)?.recorded(done.receipt))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DataKeyInput {
    key_id: Option<String>,
    encryption_context: Option<Pairs>,
    number_of_bytes: Option<i64>,
    key_spec: Option<String>,
    grant_tokens: Option<Vec<String>>,
    recipient: Option<Value>,
    dry_run: Option<bool>,
}

impl DataKeyInput {
    /// Key, length and context.
    fn read(&self, realm: &Realm) -> Result<(KeyRef, u32, claviger_crypto::envelope::Context), AwsError> {
        let mut violations = Violations::default();
        let key = violations.key_id(self.key_id.clone());
        if let Some(spec) = &self.key_spec {
            violations.word("keySpec", spec, ["AES_256", "AES_128"]);
        }
        let number =
            self.number_of_bytes.map(|bytes| violations.number("numberOfBytes", bytes, 1..=MOST_BYTES));
        let tokens = grant_tokens(self.grant_tokens.as_ref(), &mut violations);
        violations.done()?;
        tokens?;
        no_recipient(self.recipient.as_ref())?;
        let bytes = match (self.key_spec.as_deref(), number) {
            (Some("AES_128"), None) => 16,
            (Some(_), None) => 32,
            (None, Some(bytes)) => bytes,
            (Some(_), Some(_)) | (None, None) => {
                return Err(AwsError::validation(
                    "Please specify either number of bytes or key spec, but not both.",
                ));
            }
        };
        Ok((realm.wanted(&key)?, bytes, context(self.encryption_context.as_ref())?))
    }
}

pub(crate) async fn generate_data_key(session: &Session<'_>, input: DataKeyInput) -> Answered {
    let (wanted, bytes, context) = input.read(session.realm())?;
    let what = GenerateDataKey { bytes, context, algorithm: Some(EncryptionAlgorithm::SymmetricDefault) };
    let done = session.perform_or_try(&wanted, UseKey::new(wanted.clone(), what), input.dry_run).await?;
    let answer = json!({
        "KeyId": session.realm().key_arn(done.output.key),
        "CiphertextBlob": base64(&done.output.ciphertext),
        "KeyMaterialId": material_id(done.output.key, done.output.version),
    });
    Ok(Answer::with_secret(&answer, "Plaintext", &done.output.plaintext)?.recorded(done.receipt))
}

pub(crate) async fn generate_data_key_without_plaintext(
    session: &Session<'_>,
    input: DataKeyInput,
) -> Answered {
    let (wanted, bytes, context) = input.read(session.realm())?;
    let what = GenerateDataKeyWithoutPlaintext {
        bytes,
        context,
        algorithm: Some(EncryptionAlgorithm::SymmetricDefault),
    };
    let done = session.perform_or_try(&wanted, UseKey::new(wanted.clone(), what), input.dry_run).await?;
    let answer = json!({
        "KeyId": session.realm().key_arn(done.output.key),
        "CiphertextBlob": base64(&done.output.ciphertext),
        "KeyMaterialId": material_id(done.output.key, done.output.version),
    });
    Ok(Answer::json(&answer)?.recorded(done.receipt))
}
