//! What each of the four calls does.

use std::sync::atomic::{AtomicBool, Ordering};

use claviger_core::action::Plane;
use claviger_core::alias::AliasName;
use claviger_core::port::provider::ProviderHealth;
use claviger_core::{Action, KeyId, Purpose, Source, Spec};
use claviger_service::operation::usage::{UseKey, XksDecrypt, XksEncrypt};
use claviger_service::operation::{Call, CheckHealth, DescribeUses, Operation, Released};
use claviger_service::{KeyRef, Presented, Road};
use serde_json::{Value, json};

use super::body;
use super::error::{XksError, to_wire};
use super::path::{Route, Verb};
use crate::answer::Answer;
use crate::intake::LISTENER;
use crate::wire::base64;

/// Longest identifier of a key.
const LONGEST_ID: usize = 128;
/// What a key may be asked for here, with the protocol's words.
const USES: [(Action, &str); 2] = [(Action::Encrypt, "ENCRYPT"), (Action::Decrypt, "DECRYPT")];
const ACTIONS: [Action; 2] = [Action::Encrypt, Action::Decrypt];

type Answered = Result<Answer, XksError>;

/// Who asks, and how that caller gets down the road.
pub(super) struct Session<'a> {
    road: &'a Road,
    presented: Presented,
    source: Source,
    /// Did it come to an operation?
    performed: AtomicBool,
}

impl<'a> Session<'a> {
    pub(super) const fn new(road: &'a Road, presented: Presented, source: Source) -> Self {
        Self { road, presented, source, performed: AtomicBool::new(false) }
    }

    async fn perform<O: Operation>(
        &self,
        request_id: &str,
        operation: O,
    ) -> Result<Released<O::Output>, XksError> {
        self.performed.store(true, Ordering::Relaxed);
        let call = Call {
            presented: self.presented.clone(),
            source: self.source,
            listener: LISTENER,
            plane: Plane::Data,
            dry_run: false,
            request_id: (!request_id.is_empty()).then(|| request_id.into()),
            idempotency_key: None,
            reason: None,
            operation,
        };
        let done = self.road.perform(call).await.map_err(|error| to_wire(&error));
        trace_call(request_id, done.as_ref().map(|done| done.receipt.index()));
        done
    }

    /// A refusal of a request that came to no operation, recorded as that. Those who may not ask at all learn that first.
    pub(super) async fn refused(&self, error: XksError) -> XksError {
        if self.performed.load(Ordering::Relaxed) {
            return error;
        }
        match self.road.record_malformed(&self.presented, self.source, LISTENER, None).await {
            Ok(entry) => error.recorded_at(entry),
            Err(refused) => to_wire(&refused),
        }
    }

    /// Answers a call.
    pub(super) async fn answer(&self, route: Route<'_>, body: &[u8]) -> Answered {
        match route {
            Route::Health => self.health(body).await,
            Route::Key(id, Verb::Decrypt) => self.decrypt(id, body).await,
            Route::Key(id, Verb::Encrypt) => self.encrypt(id, body).await,
            Route::Key(id, Verb::Metadata) => self.metadata(id, body).await,
        }
    }

    async fn health(&self, body: &[u8]) -> Answered {
        let request = body::health(body)?;
        let done = self.perform(&request.request_id, CheckHealth {}).await?;
        let version = env!("CARGO_PKG_VERSION");
        let answer = json!({
            "xksProxyFleetSize": 1,
            "xksProxyVendor": "Claviger",
            "xksProxyModel": format!("Claviger XKS proxy {version}"),
            "ekmVendor": "Claviger",
            "ekmFleetDetails": [{
                "id": done.output.deployment.to_string(),
                "model": format!("Claviger {version}, {}", done.output.module.name),
                "healthStatus": status(done.output.provider),
            }],
        });
        Ok(Answer::json(&answer)?.recorded(done.receipt))
    }

    async fn metadata(&self, id: &str, body: &[u8]) -> Answered {
        let request = body::metadata(body)?;
        let describe = DescribeUses { key: key(id)?, uses: &ACTIONS, context: request.context };
        let done = self.perform(&request.request_id, describe).await?;
        let key = &done.output.record.key;
        if (key.spec, key.purpose) != (Spec::Aes256Gcm, Purpose::Encrypt) {
            return Err(XksError::unsupported("the key is not one of AES-256 that encrypts"));
        }
        let granted = USES.iter().filter(|(action, _)| done.output.granted.contains(action));
        let answer = json!({
            "keySpec": "AES_256",
            "keyUsage": granted.map(|(_, word)| *word).collect::<Vec<_>>(),
            "keyStatus": if done.output.protects { "ENABLED" } else { "DISABLED" },
        });
        Ok(Answer::json(&answer)?.recorded(done.receipt))
    }

    async fn encrypt(&self, id: &str, body: &[u8]) -> Answered {
        let body::EncryptBody { request, plaintext, aad, prove } = body::encrypt(body)?;
        let what = XksEncrypt { plaintext, aad, request: request.context, prove };
        let done = self.perform(&request.request_id, UseKey::new(key(id)?, what)).await?;
        let parts = &done.output.parts;
        let mut answer = json!({
            "ciphertext": base64(&parts.ciphertext),
            "ciphertextMetadata": base64(&parts.metadata),
            "initializationVector": base64(&parts.iv),
            "authenticationTag": base64(&parts.tag),
        });
        if let (Some(integrity), Some(answer)) = (done.output.integrity, answer.as_object_mut()) {
            let value = Value::String(base64(&integrity));
            answer.insert("ciphertextDataIntegrityValue".to_owned(), value);
        }
        Ok(Answer::json(&answer)?.recorded(done.receipt))
    }

    async fn decrypt(&self, id: &str, body: &[u8]) -> Answered {
        let body::DecryptBody { request, parts, aad } = body::decrypt(body)?;
        let what = XksDecrypt { parts, aad, request: request.context };
        let done = self.perform(&request.request_id, UseKey::new(key(id)?, what)).await?;
        Ok(Answer::with_secret(&json!({}), "plaintext", &done.output.plaintext)?.recorded(done.receipt))
    }
}

/// Traces a call under its name in AWS CloudTrail: the log of entries keeps no more than a tag of that.
fn trace_call(request_id: &str, done: Result<u64, &XksError>) {
    let kms_request_id: String = request_id.chars().take(LONGEST_ID).collect();
    match done {
        Ok(entry) => tracing::debug!(?kms_request_id, entry, "a call of AWS KMS was done"),
        Err(error) => {
            let (name, entry) = (error.name().wire().0, error.entry());
            tracing::info!(?kms_request_id, entry, name, "a call of AWS KMS was refused");
        }
    }
}

/// A module whose root does not answer, or that failed its self-test, made nothing in the first place.
const fn status(health: ProviderHealth) -> &'static str {
    match (health.self_test_ok, health.root_ok) {
        (true, true) => "ACTIVE",
        (true, false) => "DEGRADED",
        (false, _) => "UNAVAILABLE",
    }
}

/// The key that an identifier names: its own, or an alias.
fn key(id: &str) -> Result<KeyRef, XksError> {
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if id.len() > LONGEST_ID || !id.bytes().all(valid) {
        return Err(XksError::key_not_found());
    }
    if let Ok(id) = id.parse::<KeyId>() {
        return Ok(KeyRef::Id(id));
    }
    id.parse::<AliasName>().map(KeyRef::Alias).map_err(|_| XksError::key_not_found())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_by_identifier_or_alias() {
        let id = "1234abcd-12ab-34cd-56ef-1234567890ab";
        assert_eq!(key(id).unwrap(), KeyRef::Id(id.parse().unwrap()));
        assert_eq!(key("orders_1-main").unwrap(), KeyRef::Alias("orders_1-main".parse().unwrap()));
        for bad in ["a%2Fb", "a:b", "\u{e4}", &"a".repeat(129)] {
            assert_eq!(key(bad).unwrap_err(), XksError::key_not_found(), "{bad}");
        }
    }
}
