//! Encapsulated secrets.

use claviger_service::operation::usage::{Decapsulate, Encapsulate, UseKey};
use serde::Deserialize;
use serde_json::json;

use crate::answer::{Answer, Answered};
use crate::error::code;
use crate::session::Session;
use crate::wire::{Blob, Violations, base64, grant_tokens};

/// Longest ciphertext, in bytes.
const MOST_CIPHERTEXT: usize = 6144;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EncapsulateInput {
    key_id: Option<String>,
    encapsulation_algorithm: Option<String>,
    grant_tokens: Option<Vec<String>>,
    dry_run: Option<bool>,
}

pub(crate) async fn encapsulate(session: &Session<'_>, input: EncapsulateInput) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    violations.required_word("encapsulationAlgorithm", input.encapsulation_algorithm, ["ML_KEM"]);
    let tokens = grant_tokens(input.grant_tokens.as_ref(), &mut violations);
    violations.done()?;
    tokens?;
    let wanted = session.realm().wanted(&key)?;
    let what = UseKey::new(wanted.clone(), Encapsulate {});
    let done = session.perform_or_try(&wanted, what, input.dry_run).await?;
    let answer = json!({
        "KeyId": session.realm().key_arn(done.output.key),
        "SharedSecretCiphertextBlob": base64(&done.output.ciphertext),
        "EncapsulationAlgorithm": "ML_KEM",
    });
    Ok(Answer::with_secret(&answer, "SharedSecret", &done.output.secret)?.recorded(done.receipt))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DecapsulateInput {
    key_id: Option<String>,
    shared_secret_ciphertext_blob: Option<Blob>,
    encapsulation_algorithm: Option<String>,
    grant_tokens: Option<Vec<String>>,
    dry_run: Option<bool>,
}

pub(crate) async fn decapsulate(session: &Session<'_>, input: DecapsulateInput) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    let blob = input.shared_secret_ciphertext_blob;
    let ciphertext = violations.required_blob("sharedSecretCiphertextBlob", blob, 1..=MOST_CIPHERTEXT);
    violations.required_word("encapsulationAlgorithm", input.encapsulation_algorithm, ["ML_KEM"]);
    let tokens = grant_tokens(input.grant_tokens.as_ref(), &mut violations);
    violations.done()?;
    tokens?;
    let wanted = session.realm().wanted(&key)?;
    let what = Decapsulate { ciphertext: ciphertext.into_bytes(), version: None };
    let done = session
        .perform_or_try(&wanted, UseKey::new(wanted.clone(), what), input.dry_run)
        .await
        // A capsule of another length is one of another key.
        .map_err(|error| match error.code() {
            code::VALIDATION => error.instead(code::INVALID_CIPHERTEXT),
            _ => error,
        })?;
    let answer = json!({
        "KeyId": session.realm().key_arn(done.output.key),
        "EncapsulationAlgorithm": "ML_KEM",
    });
    Ok(Answer::with_secret(&answer, "SharedSecret", &done.output.plaintext)?.recorded(done.receipt))
}
