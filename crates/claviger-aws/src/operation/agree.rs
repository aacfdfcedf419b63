//! Agreed secrets.

use claviger_core::key::Origin;
use claviger_service::operation::usage::{Agree, UseKey};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{Answer, Answered};
use crate::error::code;
use crate::names;
use crate::session::Session;
use crate::wire::{Blob, Violations, grant_tokens, no_recipient};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    key_id: Option<String>,
    key_agreement_algorithm: Option<String>,
    public_key: Option<Blob>,
    grant_tokens: Option<Vec<String>>,
    dry_run: Option<bool>,
    recipient: Option<Value>,
}

pub(crate) async fn derive_shared_secret(session: &Session<'_>, input: Input) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    violations.required_word("keyAgreementAlgorithm", input.key_agreement_algorithm, ["ECDH"]);
    let peer = violations.required_blob("publicKey", input.public_key, 1..=8192);
    let tokens = grant_tokens(input.grant_tokens.as_ref(), &mut violations);
    violations.done()?;
    tokens?;
    no_recipient(input.recipient.as_ref())?;
    let wanted = session.realm().wanted(&key)?;
    let what = Agree { peer: peer.into_bytes(), version: None };
    let done = session
        .perform_or_try(&wanted, UseKey::new(wanted.clone(), what), input.dry_run)
        .await
        // A peer's key that does not fit is no ciphertext to this protocol.
        .map_err(|error| match error.code() {
            code::INVALID_CIPHERTEXT => error.saying(code::VALIDATION, "PublicKey is no key of this curve."),
            _ => error,
        })?;
    let answer = json!({
        "KeyId": session.realm().key_arn(done.output.key),
        "KeyAgreementAlgorithm": "ECDH",
        "KeyOrigin": names::origin(done.output.origin == Origin::Imported),
    });
    Ok(Answer::with_secret(&answer, "SharedSecret", &done.output.secret)?.recorded(done.receipt))
}
