//! Message authentication codes.

use claviger_service::operation::usage::{Mac, UseKey, VerifyMac};
use serde::Deserialize;
use serde_json::json;

use crate::answer::{Answer, Answered};
use crate::error::{AwsError, code};
use crate::names;
use crate::session::Session;
use crate::wire::{Blob, Violations, base64, grant_tokens};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GenerateInput {
    message: Option<Blob>,
    key_id: Option<String>,
    mac_algorithm: Option<String>,
    grant_tokens: Option<Vec<String>>,
    dry_run: Option<bool>,
}

pub(crate) async fn generate(session: &Session<'_>, input: GenerateInput) -> Answered {
    let mut violations = Violations::default();
    let message = violations.required_blob("message", input.message, 1..=4096);
    let key = violations.key_id(input.key_id);
    let algorithm = violations.required_word("macAlgorithm", input.mac_algorithm, names::MACS);
    let tokens = grant_tokens(input.grant_tokens.as_ref(), &mut violations);
    violations.done()?;
    tokens?;
    let wanted = session.realm().wanted(&key)?;
    let what = Mac { data: message.into_bytes(), spec: names::mac_spec(&algorithm) };
    let done = session.perform_or_try(&wanted, UseKey::new(wanted.clone(), what), input.dry_run).await?;
    let answer = json!({
        "Mac": base64(&done.output.tag),
        "MacAlgorithm": algorithm,
        "KeyId": session.realm().key_arn(done.output.key),
    });
    Ok(Answer::json(&answer)?.recorded(done.receipt))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct VerifyInput {
    message: Option<Blob>,
    key_id: Option<String>,
    mac_algorithm: Option<String>,
    mac: Option<Blob>,
    grant_tokens: Option<Vec<String>>,
    dry_run: Option<bool>,
}

/// Never answers `false`: what does not hold is an exception.
pub(crate) async fn verify(session: &Session<'_>, input: VerifyInput) -> Answered {
    let mut violations = Violations::default();
    let message = violations.required_blob("message", input.message, 1..=4096);
    let key = violations.key_id(input.key_id);
    let algorithm = violations.required_word("macAlgorithm", input.mac_algorithm, names::MACS);
    let mac = violations.required_blob("mac", input.mac, 1..=6144);
    let tokens = grant_tokens(input.grant_tokens.as_ref(), &mut violations);
    violations.done()?;
    tokens?;
    let wanted = session.realm().wanted(&key)?;
    let what = VerifyMac {
        data: message.into_bytes(),
        tag: mac.into_bytes(),
        version: None,
        spec: names::mac_spec(&algorithm),
    };
    let done = session.perform_or_try(&wanted, UseKey::new(wanted.clone(), what), input.dry_run).await?;
    if !done.output.valid {
        return Err(AwsError::new(code::INVALID_MAC, "").recorded(done.receipt.index()));
    }
    let answer = json!({
        "KeyId": session.realm().key_arn(done.output.key),
        "MacValid": true,
        "MacAlgorithm": algorithm,
    });
    Ok(Answer::json(&answer)?.recorded(done.receipt))
}
