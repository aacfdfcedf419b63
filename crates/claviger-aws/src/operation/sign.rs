//! Signatures and public keys.

use claviger_crypto::SignatureAlgorithm;
use claviger_service::operation::usage::{ReadPublicKey, Sign, UseKey, Verify};
use serde::Deserialize;
use serde_json::{Value, json};

use super::metadata;
use crate::answer::{Answer, Answered};
use crate::error::{AwsError, code};
use crate::names;
use crate::session::Session;
use crate::wire::{Blob, Violations, base64, grant_tokens};

const TYPES: [&str; 3] = ["RAW", "DIGEST", "EXTERNAL_MU"];

/// Algorithm, and whether the message is a digest.
fn read(
    violations: &mut Violations,
    algorithm: Option<String>,
    kind: Option<&str>,
    message: &Blob,
) -> Result<(SignatureAlgorithm, &'static str, bool), AwsError> {
    let name = violations.required_word("signingAlgorithm", algorithm, names::SIGNING.map(|(name, _)| name));
    let kind = kind.unwrap_or("RAW");
    violations.word("messageType", kind, TYPES);
    let unsupported = || AwsError::unsupported(format!("no module here signs with {name}"));
    let (name, algorithm) =
        names::SIGNING.into_iter().find(|(known, _)| *known == name).ok_or_else(unsupported)?;
    let algorithm =
        algorithm.ok_or_else(|| AwsError::unsupported(format!("no module here signs with {name}")))?;
    match (kind, names::digest_len(algorithm)) {
        ("RAW", _) => Ok((algorithm, name, false)),
        ("DIGEST", Some(length)) if message.len() == length => Ok((algorithm, name, true)),
        ("DIGEST", Some(_)) => {
            Err(AwsError::validation(format!("Digest is invalid length for algorithm {name}.")))
        }
        ("EXTERNAL_MU", _) if algorithm == SignatureAlgorithm::MlDsa => {
            Err(AwsError::unsupported("no module here signs an external mu; send the message as RAW"))
        }
        (kind, _) => {
            Err(AwsError::validation(format!("Message type {kind} is incompatible with algorithm {name}.")))
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SignInput {
    key_id: Option<String>,
    message: Option<Blob>,
    message_type: Option<String>,
    grant_tokens: Option<Vec<String>>,
    signing_algorithm: Option<String>,
    dry_run: Option<bool>,
}

pub(crate) async fn sign(session: &Session<'_>, input: SignInput) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    let message = violations.required_blob("message", input.message, 1..=4096);
    let read = read(&mut violations, input.signing_algorithm, input.message_type.as_deref(), &message);
    let tokens = grant_tokens(input.grant_tokens.as_ref(), &mut violations);
    violations.done()?;
    let (algorithm, name, prehashed) = read?;
    tokens?;
    let wanted = session.realm().wanted(&key)?;
    let what = Sign { algorithm: Some(algorithm), message: message.into_bytes(), prehashed };
    let done = session.perform_or_try(&wanted, UseKey::new(wanted.clone(), what), input.dry_run).await?;
    let answer = json!({
        "KeyId": session.realm().key_arn(done.output.key),
        "Signature": base64(&done.output.signature),
        "SigningAlgorithm": name,
    });
    Ok(Answer::json(&answer)?.recorded(done.receipt))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct VerifyInput {
    key_id: Option<String>,
    message: Option<Blob>,
    message_type: Option<String>,
    signature: Option<Blob>,
    signing_algorithm: Option<String>,
    grant_tokens: Option<Vec<String>>,
    dry_run: Option<bool>,
}

/// Never answers `false`: what does not hold is an exception.
pub(crate) async fn verify(session: &Session<'_>, input: VerifyInput) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    let message = violations.required_blob("message", input.message, 1..=4096);
    let signature = violations.required_blob("signature", input.signature, 1..=6144);
    let read = read(&mut violations, input.signing_algorithm, input.message_type.as_deref(), &message);
    let tokens = grant_tokens(input.grant_tokens.as_ref(), &mut violations);
    violations.done()?;
    let (algorithm, name, prehashed) = read?;
    tokens?;
    let wanted = session.realm().wanted(&key)?;
    let what = Verify {
        algorithm: Some(algorithm),
        message: message.into_bytes(),
        prehashed,
        signature: signature.into_bytes(),
        version: None,
    };
    let done = session.perform_or_try(&wanted, UseKey::new(wanted.clone(), what), input.dry_run).await?;
    if !done.output.valid {
        return Err(AwsError::new(code::INVALID_SIGNATURE, "").recorded(done.receipt.index()));
    }
    let answer = json!({
        "KeyId": session.realm().key_arn(done.output.key),
        "SignatureValid": true,
        "SigningAlgorithm": name,
    });
    Ok(Answer::json(&answer)?.recorded(done.receipt))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PublicKeyInput {
    key_id: Option<String>,
    grant_tokens: Option<Vec<String>>,
}

pub(crate) async fn public_key(session: &Session<'_>, input: PublicKeyInput) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    let tokens = grant_tokens(input.grant_tokens.as_ref(), &mut violations);
    violations.done()?;
    tokens?;
    let wanted = session.realm().wanted(&key)?;
    let read = ReadPublicKey { key: wanted.clone(), version: None, in_use: true };
    let done = session.perform(&wanted, read).await?;
    let found = &done.output;
    let (Some(spec), Some(usage)) = (names::spec(found.spec), names::usage(found.purpose)) else {
        return Err(AwsError::unsupported(format!("AWS KMS has no keys of {}", found.spec)));
    };
    let mut answer = json!({
        "KeyId": session.realm().key_arn(found.key),
        "PublicKey": base64(&found.spki),
        "CustomerMasterKeySpec": spec,
        "KeySpec": spec,
        "KeyUsage": usage,
    });
    if let Some(object) = answer.as_object_mut() {
        for (member, algorithms) in metadata::algorithms(found.spec, found.purpose) {
            object.insert(member.to_owned(), Value::from(algorithms));
        }
    }
    Ok(Answer::json(&answer)?.recorded(done.receipt))
}
