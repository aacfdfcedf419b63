//! What a receiver is told, and by whom: a message as Standard Webhooks 1.0.0 have it, signed by a secret that both share.
//!
//! What it keeps true: a message has identifiers, instants, counts and fixed words, and neither a name of anybody nor anything secret; whatever
//! tells of one alert has one identifier, by which a receiver knows a repetition.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use claviger_client::types::Instant;
use claviger_core::alert::Alert;
use claviger_core::{Name, Timestamp};
use claviger_crypto::SecretBytes;
use claviger_crypto::kdf::HmacSha256;
use serde::Serialize;

use super::WebhookError;
use crate::files;

/// What the secret begins with (Standard Webhooks, "Signature scheme").
const PREFIX: &[u8] = b"whsec_";
/// How many bytes it has.
const SECRET: std::ops::RangeInclusive<usize> = 24..=64;
/// Room to decode the longest in: base64 is decoded three bytes at a time.
const ROOM: usize = 66;
/// Longest base64 of one.
const MAX_ENCODED: usize = ROOM / 3 * 4;

/// The secret that a receiver shares.
pub(super) struct Secret(HmacSha256);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// Reads the file that holds it, which nobody else may read.
    pub(super) fn read(path: &Path) -> Result<Self, WebhookError> {
        let text = files::read_secret_line(path)?;
        Self::parse(&text).ok_or_else(|| WebhookError::Secret { path: path.to_path_buf() })
    }

    #[expect(clippy::disallowed_methods, reason = "the shared secret becomes the key that signs messages")]
    fn parse(text: &SecretBytes) -> Option<Self> {
        let encoded = text.expose().strip_prefix(PREFIX)?;
        if encoded.len() > MAX_ENCODED {
            return None;
        }
        let mut decoded = SecretBytes::zeroed(ROOM);
        let length = STANDARD.decode_slice(encoded, decoded.expose_mut()).ok()?;
        if !SECRET.contains(&length) {
            return None;
        }
        let secret = SecretBytes::copied_from(decoded.expose().get(..length)?);
        Some(Self(HmacSha256::new(&secret)))
    }

    /// What header `webhook-signature` says of a message that is sent at that second of Unix time.
    pub(super) fn sign(&self, message: &Message, second: u64) -> String {
        let second = second.to_string();
        let parts: [&[u8]; 5] = [message.id.as_bytes(), b".", second.as_bytes(), b".", &message.body];
        format!("v1,{}", STANDARD.encode(self.0.tag(&parts)))
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// What header `webhook-id` says: the alert.
    pub(super) id: String,
    /// JSON.
    pub(super) body: Bytes,
}

#[derive(Serialize)]
struct Raised<'a> {
    #[serde(rename = "type")]
    event: &'static str,
    timestamp: Instant,
    data: Told<'a>,
}

#[derive(Serialize)]
struct Told<'a> {
    deployment: &'a str,
    alert: String,
    rule: &'static str,
    subject: Option<String>,
    raised_at: Instant,
    last_at: Instant,
    count: u64,
    advice: &'static str,
}

impl Message {
    /// That an alert was raised.
    pub(super) fn of(alert: &Alert, deployment: &Name) -> Self {
        let id = alert.id.to_string();
        let raised = Raised {
            event: "alert.raised",
            timestamp: alert.raised_at.into(),
            data: Told {
                deployment: deployment.as_str(),
                alert: id.clone(),
                rule: alert.rule.name(),
                subject: alert.subject.map(|subject| subject.to_string()),
                raised_at: alert.raised_at.into(),
                last_at: alert.last_at.into(),
                count: alert.count,
                advice: alert.rule.advice(),
            },
        };
        // Words and numbers, which always are JSON.
        let body = serde_json::to_vec(&raised).unwrap_or_default();
        Self { id, body: body.into() }
    }
}

/// An instant as header `webhook-timestamp` has it.
pub(super) const fn second_of(at: Timestamp) -> u64 {
    at.as_micros() / 1_000_000
}

#[cfg(test)]
mod tests {
    use claviger_core::alert::AlertRule;
    use claviger_core::object::Object;
    use claviger_core::{AlertId, KeyId};
    use serde_json::{Value, json};

    use super::*;

    fn secret(text: &str) -> Option<Secret> {
        Secret::parse(&SecretBytes::copied_from(text.as_bytes()))
    }

    #[test]
    fn signatures_are_those_of_the_standard() {
        // The example of the Standard Webhooks specification's reference libraries.
        let secret = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = Bytes::from_static(br#"{"test": 2432232314}"#);
        let message = Message { id: "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned(), body };
        let signature = secret.sign(&message, 1_614_265_330);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }

    #[test]
    fn secrets_have_24_to_64_bytes_behind_their_prefix() {
        let encoded = |length: usize| format!("whsec_{}", STANDARD.encode(vec![7; length]));
        for length in [24, 32, 63, 64] {
            assert!(secret(&encoded(length)).is_some(), "{length}");
        }
        for length in [0, 23, 65, 66, 100] {
            assert!(secret(&encoded(length)).is_none(), "{length}");
        }
        let good = encoded(32);
        for bad in ["", "whsec_", &good[6..], &good.replace('B', "!"), &format!(" {good}")] {
            assert!(secret(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn messages_say_what_was_found_and_name_nobody() {
        let at = Timestamp::from_micros(1_700_000_000_000_000);
        let key = Object::Key(KeyId::from_bytes([2; 16]));
        let id = AlertId::from_bytes([1; 16]);
        let alert = Alert::raised(id, AlertRule::UseWhileDestroying, Some(key), at);
        let message = Message::of(&alert, &"shop".parse().unwrap());
        assert_eq!(message.id, "01010101-0101-0101-0101-010101010101");
        let body: Value = serde_json::from_slice(&message.body).unwrap();
        let expected = json!({
            "type": "alert.raised",
            "timestamp": "2023-11-14T22:13:20Z",
            "data": {
                "deployment": "shop",
                "alert": "01010101-0101-0101-0101-010101010101",
                "rule": "use_while_destroying",
                "subject": "key 02020202-0202-0202-0202-020202020202",
                "raised_at": "2023-11-14T22:13:20Z",
                "last_at": "2023-11-14T22:13:20Z",
                "count": 1,
                "advice": AlertRule::UseWhileDestroying.advice(),
            },
        });
        assert_eq!(body, expected);
        // A repetition is the same message.
        assert_eq!(Message::of(&alert, &"shop".parse().unwrap()), message);
        let whole = Alert { subject: None, ..alert };
        let message = Message::of(&whole, &"shop".parse().unwrap());
        let body: Value = serde_json::from_slice(&message.body).unwrap();
        assert_eq!(body["data"]["subject"], Value::Null);
    }
}
